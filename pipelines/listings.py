"""Listings of a crawl's files (`wet.paths.gz`, `warc.paths.gz`), and files on the web: fetched once, then kept.

    --input 'common_crawl[files=100]=https://data.commoncrawl.org/crawl-data/CC-MAIN-2019-18/wet.paths.gz'

    listing -> paths, a line each -> `files` of them, chosen by hash -> base URL + path -> OUTPUT/work/downloads

A line may say more than a path: size and SHA-256, set off by tabs; a file that is another is then refused. The choice
depends on the paths alone, and 200 files hold the 100. A file is downloaded to a name of its own and goes on where it
stopped, within a run (by Range) and after it; it is there once it is whole, with its URL, size and SHA-256 beside it. A
file that was removed and comes back another is refused, for the corpus was made of the first one.
"""

from __future__ import annotations

import fcntl
import gzip
import io
import random
import re
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import httpx2

from pipelines import storage
from pipelines.hashing import keyed

COMMON_CRAWL = "https://data.commoncrawl.org/"  # what its listings are relative to
ATTEMPTS = 8  # without a byte of progress
PAUSE_SECONDS = 1.0  # at most, after the first failure; twice that after each further one
LONGEST_PAUSE_SECONDS = 120.0
TIMEOUT_SECONDS = 60.0
AT_ONCE = 4
LISTING_LIMIT = 1 << 30  # bytes; a crawl's listing of 100,000 files has 14 MB
FILES_WITHOUT_ASKING = 100
FETCHED = ("http", "https")

_LISTING = re.compile(r".*\.paths(?:\.gz)?", re.DOTALL)
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
_SAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
ATTRIBUTES = ("files", "base")


class DownloadError(RuntimeError):
    """A file cannot be had now: names the URL, what the server said, and how often it was asked."""


class _Failure(Exception):  # noqa: N818
    """One attempt failed, in a way that another may not; `pause` is what the server asked for, in seconds."""

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a listing: a path or URL, and as far as they are given its size in bytes and its SHA-256."""

    path: str
    size: int | None = None
    sha256: str | None = None


def expand(attributes: Mapping[str, str], pattern: str, downloads: str) -> tuple[dict[str, str], list[str]] | None:
    """Return what an input stands for that is a listing or on the web: its other attributes, and the files.

    None where `pattern` is neither. The files are local ones under `downloads`, or where the listing's base is: a
    folder, or an object store that Beam reads. Raises ValueError (the listing, the URL or the attribute is wrong; the
    server refuses) or DownloadError.
    """
    listing = _LISTING.fullmatch(urlsplit(pattern).path if is_web(pattern) else pattern) is not None
    if not listing and not is_web(pattern):
        for name in ATTRIBUTES:
            if name in attributes:
                raise ValueError(f"{pattern}: the attribute {name} goes with a listing (*.paths.gz)")
        return None
    rest = {name: value for name, value in attributes.items() if name not in ATTRIBUTES}
    if not listing:
        return rest, fetch([pattern], downloads)
    wanted = _wanted(attributes.get("files"), pattern)
    local = fetch([pattern], downloads)[0] if is_web(pattern) else pattern
    entries = {entry.path: entry for entry in entries_of(local)}
    chosen = choose(list(entries), wanted, pattern)
    urls = {_joined(attributes.get("base"), path, pattern): entries[path].sha256 for path in chosen}
    # One of each scheme: a check looks for credentials, and a crawl has 90,000 files.
    for url in {url.partition("://")[0]: url for url in urls if storage.is_remote(url) and not is_web(url)}.values():
        storage.check(url)
    web = {url: sha256 for url, sha256 in urls.items() if is_web(url)}
    fetched = dict(zip(web, fetch(list(web), downloads, listed=web), strict=True))
    return rest, [fetched.get(url, url) for url in urls]


def address_of(path: str, downloads: str) -> str:
    """Return the URL that a file under `downloads` was fetched from; any other path is its own address."""
    if str(PurePosixPath(path).parent) != downloads:
        return path
    return str((storage.read_json(f"{path}.json") or {}).get("url", path))


def is_web(path: str) -> bool:
    """Tell whether a path is fetched by HTTP."""
    return path.partition("://")[0].lower() in FETCHED and "://" in path


def _wanted(files: str | None, pattern: str) -> int | None:
    if files is None or files == "all":
        return None if files else -1
    if not (files.isascii() and files.isdecimal() and int(files) > 0):
        raise ValueError(f"{pattern}: files={files} is no number of files; write files=100, or files=all")
    return int(files)


def entries_of(listing: str) -> list[Entry]:
    """Return what a listing names, in its order, each path once; raise ValueError if it is none."""
    with storage.open_read(listing) as stream:
        head = stream.read(2)
    try:
        with storage.open_read(listing) as stream:
            if head == b"\x1f\x8b":
                with gzip.open(stream) as unpacked:
                    content = unpacked.read(LISTING_LIMIT + 1)
            else:
                content = stream.read(LISTING_LIMIT + 1)
        text = content.decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{listing}: this listing cannot be read: {error}") from None
    if len(content) > LISTING_LIMIT:
        raise ValueError(f"{listing}: more than {LISTING_LIMIT} bytes are no listing")
    lines = [line.strip() for line in io.StringIO(text) if line.strip()]
    if not lines:
        raise ValueError(f"{listing}: this listing names no file")
    entries: dict[str, Entry] = {}
    for line in lines:
        entry = _entry(line, listing)
        if entries.setdefault(entry.path, entry) != entry:
            raise ValueError(f"{listing}: {entry.path} is listed twice, with other sizes or digests")
    return list(entries.values())


def _entry(line: str, listing: str) -> Entry:
    path, *facts = line.split("\t")
    if not path.isprintable() or len(path) > 2_000 or ".." in path:
        raise ValueError(f"{listing}: {path[:100]!r} is no path of a file")
    if not facts:
        return Entry(path)
    size, sha256 = facts if len(facts) == 2 else ("", "")
    if not (size.isascii() and size.isdecimal() and _SHA256.fullmatch(sha256)):
        raise ValueError(
            f"{listing}: {line[:200]!r}: write a path, or a path, its size and its SHA-256, set off by tabs"
        )
    return Entry(path, int(size), sha256)


def choose(paths: Sequence[str], wanted: int | None, listing: str) -> list[str]:
    """Return `wanted` of the paths, those with the smallest keyed hash; all of them for None.

    -1 means that nobody said: all of a short listing, ValueError for a long one.
    """
    if wanted == -1 and len(paths) > FILES_WITHOUT_ASKING:
        raise ValueError(f"{listing} names {len(paths)} files: say how many, as [files=100], or [files=all]")
    if wanted is not None and wanted > len(paths):
        raise ValueError(f"{listing} names {len(paths)} files, not {wanted}")
    ranked = sorted(paths, key=lambda path: (keyed("listing", path), path))
    return ranked if wanted is None or wanted < 0 else ranked[:wanted]


def _joined(base: str | None, path: str, listing: str) -> str:
    """Return where a listed file is: the base and its path.

    Without a base it is what comes before the path's first folder in the listing's own URL, and Common Crawl's server
    for a listing on disk.
    """
    if "://" in path:
        return path
    if base is None:
        before, found, _ = listing.partition(f"/{path.partition('/')[0]}/")
        base = before if storage.is_remote(listing) and found else COMMON_CRAWL
    return f"{base.rstrip('/')}/{path.lstrip('/')}"


# --- downloads -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Where a URL's file lies: whole, on its way, and what is known of it."""

    final: Path
    part: Path
    record: Path


def fetch(
    urls: Sequence[str],
    downloads: str,
    pause: Callable[[float], None] = time.sleep,
    report: Callable[[str], None] | None = None,
    listed: Mapping[str, str | None] | None = None,
) -> list[str]:
    """Return the local file of each URL, downloading what is missing, a few at once.

    `pause` waits some seconds, `report` takes a line for each finished file (None: to standard error), `listed` is the
    SHA-256 of those files whose listing tells it. Raises ValueError if a server refuses (403, 404 ...) or has another
    file than before, or than the listed one, DownloadError if it keeps failing.
    """
    if not urls:
        return []
    if storage.is_remote(downloads):
        raise ValueError(f"{downloads}: files from the web are kept in the corpus directory, so --output must be local")
    say = report or (lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    with httpx2.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(_fetch, url, downloads, client, pause, say, (listed or {}).get(url)) for url in urls]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def place_of(url: str, downloads: str) -> _Place:
    """Return where a URL's file lies: under its own name, which another URL's file of that name does not share."""
    name = _SAFE.sub("_", PurePosixPath(urlsplit(url).path).name)[-150:].lstrip(".") or "file"
    final = Path(downloads, f"{keyed('download', url):016x}-{name}")
    return _Place(final, final.with_name(f".{final.name}.part"), final.with_name(f"{final.name}.json"))


def _fetch(
    url: str,
    downloads: str,
    client: httpx2.Client,
    pause: Callable[[float], None],
    say: Callable[[str], None],
    listed: str | None,
) -> str:
    place = place_of(url, downloads)
    place.final.parent.mkdir(parents=True, exist_ok=True)
    with _held(place.part):
        known = storage.read_json(str(place.record)) or {}
        if place.final.exists() and known.get("size") == place.final.stat().st_size:
            _check(url, known, listed, "this is not the file that is listed")
            return str(place.final)
        if not place.final.exists():
            _download(url, place.part, client, pause)
        source = place.final if place.final.exists() else place.part
        found = {"url": url, "size": source.stat().st_size, "sha256": storage.sha256(str(source))}
        try:
            _check(url, found, listed, "this is not the file that is listed")
            changed = f"the file has changed since it was first fetched (remove {place.record} to take the new one)"
            _check(url, found, known.get("sha256"), changed)
        except ValueError:
            place.part.unlink(missing_ok=True)
            raise
        source.replace(place.final)
        _tag(place.part).unlink(missing_ok=True)
        storage.write_json(str(place.record), found)
    say(f"fetched {url} ({found['size']:,} bytes)")
    return str(place.final)


def _check(url: str, found: Mapping[str, Any], wanted: str | None, problem: str) -> None:
    if wanted is not None and found["sha256"] != wanted:
        raise ValueError(f"{url}: {problem}: SHA-256 {found['sha256']}, not {wanted}")


@contextmanager
def _held(part: Path) -> Iterator[None]:
    """Keep other processes from writing the same file."""
    lock = part.with_suffix(".lock")
    with lock.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _download(url: str, part: Path, client: httpx2.Client, pause: Callable[[float], None]) -> None:
    """Fetch a file into `part`, going on after what is there; attempts that bring nothing new are counted."""
    failures, furthest = 0, 0
    while True:
        try:
            _attempt(url, part, client)
            return
        except (_Failure, httpx2.TransportError) as error:
            reached = part.stat().st_size if part.exists() else 0
            failures = 1 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures >= ATTEMPTS:
                reason = str(error) or type(error).__name__
                raise DownloadError(f"{url}: cannot be fetched after {failures} attempts: {reason}") from None
            asked = error.pause if isinstance(error, _Failure) else 0.0
            # Full jitter, so that many clients do not come back together.
            longest = min(PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
            pause(max(min(asked, LONGEST_PAUSE_SECONDS), random.uniform(0, longest)))


def _attempt(url: str, part: Path, client: httpx2.Client) -> None:
    start = part.stat().st_size if part.exists() else 0
    tag = _tag(part)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        with suppress(FileNotFoundError):
            headers["If-Range"] = tag.read_text(encoding="utf-8")
    try:
        with client.stream("GET", url, headers=headers) as response:
            total = _accepted(url, response, start, part)
            if response.status_code == 416:
                return
            resumed = response.status_code == 206
            if not resumed:
                _remember(tag, response.headers.get("etag", ""))
            with part.open("ab" if resumed else "wb") as stream:
                # Blocks of a fixed size would lose what came of the last one before the connection broke.
                for block in response.iter_raw():
                    stream.write(block)
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.TooManyRedirects) as error:
        raise ValueError(f"{url}: {error}") from None
    if total is not None and part.stat().st_size != total:
        raise _Failure(f"{part.stat().st_size} of {total} bytes came")


def _tag(part: Path) -> Path:
    return part.with_suffix(".etag")


def _remember(tag: Path, value: str) -> None:
    # A weak tag does not promise the same bytes, and the standard allows none in If-Range.
    if value and not value.startswith("W/"):
        tag.write_text(value, encoding="utf-8")
    else:
        tag.unlink(missing_ok=True)


def _accepted(url: str, response: httpx2.Response, start: int, part: Path) -> int | None:
    """Return the size of the whole file, None if the server does not say; raise where there is nothing to read."""
    status = response.status_code
    spoken = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if status == 200:
        length = response.headers.get("content-length", "")
        return int(length) if length.isdecimal() else None
    if status == 206 and spoken and spoken[1] is not None and int(spoken[1]) == start:
        return int(spoken[2]) if spoken[2] != "*" else None
    if status == 416 and spoken and spoken[2] == str(start):
        return start
    if status in (206, 416):
        part.unlink(missing_ok=True)
        raise _Failure(f"the server answered {status} for the bytes from {start} on")
    if status in _AGAIN:
        after = response.headers.get("retry-after", "")
        raise _Failure(f"the server answered {status}", float(after) if after.isdecimal() else 0.0)
    raise ValueError(f"{url}: the server refuses it: {status} {response.reason_phrase}")
