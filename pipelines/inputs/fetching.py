"""Files on the web, fetched once and kept: whole, resumed where it stopped, and never another one than before.

    URL -> OUTPUT/work/downloads/.NAME.part, by Range -> NAME, with its URL, size and SHA-256 beside it

A file is downloaded to a name of its own and goes on where it stopped, within a run and after it. A file that was
removed and comes back another is refused, for the corpus was made of the first one. A server sends us only to its own
host and to those that are named, and no file may be larger than a limit. Names and passwords in an address, and what
signs it, are neither printed nor kept.
"""

from __future__ import annotations

import fcntl
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from filters import packages
from pipelines.files import addresses, paths, storage, waits
from pipelines.hashing import keyed

if TYPE_CHECKING:
    import httpx2

ATTEMPTS = 8  # without a byte of progress
PAUSE_SECONDS = 1.0  # at most, after the first failure; twice that after each further one
LONGEST_PAUSE_SECONDS = 120.0
TIMEOUT_SECONDS = 60.0
AT_ONCE = 4
FILE_LIMIT = 1 << 36  # bytes; the largest dumps that LLaMA's sources name have about 25 GB
REDIRECTS = 10
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)")
_SAFE = re.compile(r"[^A-Za-z0-9._-]+")
NUMBER = re.compile(r"[0-9]{1,18}")  # Python refuses to read numbers of thousands of digits


class DownloadError(RuntimeError):
    """A file cannot be had now: names the URL, what the server said, and how often it was asked."""


class _Failure(Exception):  # noqa: N818
    """One attempt failed, in a way that another may not; `pause` is what the server asked for, in seconds."""

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


def is_web(path: str) -> bool:
    """Tell whether a path is fetched by HTTP."""
    return paths.scheme_of(path) in paths.WEB


def address_of(path: str, downloads: str) -> str:
    """Return the URL that a file under `downloads` was fetched from; any other path is its own address."""
    if str(PurePosixPath(path).parent) != downloads:
        return path
    return str((storage.read_json(f"{path}.json") or {}).get("url", path))


@dataclass(frozen=True)
class _Place:
    """Where a URL's file lies: whole, on its way, and what is known of it."""

    final: Path
    part: Path
    record: Path


@dataclass(frozen=True)
class _Job:
    """One file to be fetched."""

    url: str
    client: httpx2.Client
    pause: Callable[[float], None]
    say: Callable[[str], None]
    listed: str | None
    hosts: frozenset[str]
    limit: int

    @property
    def shown(self) -> str:
        """The address without what nobody else may see."""
        return addresses.shown(self.url)


def fetch(
    urls: Sequence[str],
    downloads: str,
    pause: Callable[[float], None] = time.sleep,
    report: Callable[[str], None] | None = None,
    listed: Mapping[str, str | None] | None = None,
    hosts: frozenset[str] = frozenset(),
    limit: int = FILE_LIMIT,
) -> list[str]:
    """Return the local file of each URL, downloading what is missing, a few at once.

    `pause` waits some seconds, `report` takes a line for each finished file (None: to standard error), `listed` is the
    SHA-256 of those files whose listing tells it, `hosts` are those that a server may redirect to besides its own, and
    `limit` is in bytes. Raises ValueError if a server refuses (403, 404 ...), sends us elsewhere, or has a larger file,
    another one than before or than the listed one, DownloadError if it keeps failing.
    """
    if not urls:
        return []
    if storage.is_remote(downloads):
        raise ValueError(f"{downloads}: files from the web are kept in the corpus directory, so --output must be local")
    say = report or (lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    with packages.HTTPX.load().Client(timeout=TIMEOUT_SECONDS) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [
            _Job(url, client, pause, say, (listed or {}).get(url), hosts | {addresses.host_of(url)}, limit)
            for url in urls
        ]
        futures = [pool.submit(_fetch, job, downloads) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def place_of(url: str, downloads: str) -> _Place:
    """Return where a URL's file lies: under its own name, which another URL's file of that name does not share."""
    name = _SAFE.sub("_", PurePosixPath(urlsplit(url).path).name)[-150:].lstrip(".") or "file"
    final = Path(downloads, f"{keyed('download', addresses.lasting(url)):016x}-{name}")
    return _Place(final, final.with_name(f".{final.name}.part"), final.with_name(f"{final.name}.json"))


def fetched_before(url: str, downloads: str) -> str | None:
    """Return the local file of a URL if it was fetched whole, None if it was not."""
    place = place_of(url, downloads)
    known = storage.read_json(str(place.record)) or {}
    there = place.final.exists() and known.get("size") == place.final.stat().st_size
    return str(place.final) if there else None


def _fetch(job: _Job, downloads: str) -> str:
    place = place_of(job.url, downloads)
    place.final.parent.mkdir(parents=True, exist_ok=True)
    with _held(place.part):
        known = storage.read_json(str(place.record)) or {}
        if place.final.exists() and known.get("size") == place.final.stat().st_size:
            _check(job, known, job.listed, "this is not the file that is listed")
            return str(place.final)
        if not place.final.exists():
            _download(job, place.part)
        source = place.final if place.final.exists() else place.part
        found = {"url": job.shown, "size": source.stat().st_size, "sha256": storage.sha256(str(source))}
        try:
            _check(job, found, job.listed, "this is not the file that is listed")
            changed = f"the file has changed since it was first fetched (remove {place.record} to accept the new one)"
            _check(job, found, known.get("sha256"), changed)
        except ValueError:
            place.part.unlink(missing_ok=True)
            raise
        source.replace(place.final)
        _tag(place.part).unlink(missing_ok=True)
        storage.write_json(str(place.record), found)
    job.say(f"fetched {job.shown} ({found['size']:,} bytes)")
    return str(place.final)


def _check(job: _Job, found: Mapping[str, Any], wanted: str | None, problem: str) -> None:
    if wanted is not None and found["sha256"] != wanted:
        raise ValueError(f"{job.shown}: {problem}: SHA-256 {found['sha256']}, not {wanted}")


@contextmanager
def _held(part: Path) -> Iterator[None]:
    """Keep other processes from writing the same file."""
    lock = part.with_suffix(".lock")
    with lock.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _download(job: _Job, part: Path) -> None:
    """Fetch a file into `part`, going on after what is there; attempts that bring nothing new are counted."""
    with waits.Wait(job.shown, job.say) as wait:
        _attempts(job, part, wait)


def _attempts(job: _Job, part: Path, wait: waits.Wait) -> None:
    failures, furthest = 0, 0
    while True:
        try:
            _attempt(job, part, wait)
            return
        except (_Failure, packages.HTTPX.load().TransportError) as error:
            reached = part.stat().st_size if part.exists() else 0
            failures = 1 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            reason = addresses.hide(str(error)) or type(error).__name__
            if failures >= ATTEMPTS:
                raise DownloadError(f"{job.shown}: cannot be fetched after {failures} attempts: {reason}") from None
            asked = error.pause if isinstance(error, _Failure) else 0.0
            wait.because = f"{reason}; attempt {failures} of {ATTEMPTS}"
            # Full jitter, so that many clients do not come back together.
            longest = min(PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
            job.pause(max(min(asked, LONGEST_PAUSE_SECONDS), random.uniform(0, longest)))


def _attempt(job: _Job, part: Path, wait: waits.Wait) -> None:
    start = part.stat().st_size if part.exists() else 0
    tag = _tag(part)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        with suppress(FileNotFoundError):
            headers["If-Range"] = tag.read_text(encoding="utf-8")
    with _opened(job, headers) as response:
        total = _accepted(job, response, start, part)
        if response.status_code == 416:
            return
        resumed = response.status_code == 206
        if not resumed:
            _remember(tag, response.headers.get("etag", ""))
        _check_size(job, total or 0, part)
        with part.open("ab" if resumed else "wb") as stream:
            # Blocks of a fixed size would lose what came of the last one before the connection broke.
            for block in response.iter_raw():
                stream.write(block)
                wait.progressed()
                _check_size(job, stream.tell(), part)
    if total is not None and part.stat().st_size != total:
        raise _Failure(f"{part.stat().st_size} of {total} bytes arrived")


@contextmanager
def _opened(job: _Job, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
    """Give the answer to a request, redirects followed to hosts that may be asked; what a redirect says is not read."""
    library, url = packages.HTTPX.load(), job.url
    try:
        for _ in range(REDIRECTS + 1):
            with job.client.stream("GET", url, headers=headers) as response:
                if response.next_request is None:
                    yield response
                    return
                url = _redirected(job, str(response.next_request.url))
    except (library.InvalidURL, library.UnsupportedProtocol) as error:
        raise ValueError(f"{job.shown}: {addresses.hide(str(error))}") from None
    raise ValueError(f"{job.shown}: the server redirects more than {REDIRECTS} times")


def _redirected(job: _Job, url: str) -> str:
    """Return where a redirect leads; ValueError for another host, or from https to http."""
    if not is_web(url):
        raise ValueError(f"{job.shown}: the server redirects to something that is not a web address")
    if not addresses.is_allowed(url, job.hosts):
        host = addresses.host_of(url)
        raise ValueError(
            f"{job.shown}: the server redirects to {host}; if you trust it, add [hosts={host}] to the input"
        )
    if job.url.lower().startswith("https:") and not url.lower().startswith("https:"):
        raise ValueError(f"{job.shown}: the server redirects from https to http")
    return url


def _check_size(job: _Job, size: int, part: Path) -> None:
    if size > job.limit:
        part.unlink(missing_ok=True)
        raise ValueError(
            f"{job.shown}: larger than {job.limit:,} bytes; if it should be, add [limit=BYTES] to the input"
        )


def _tag(part: Path) -> Path:
    return part.with_suffix(".etag")


def _remember(tag: Path, value: str) -> None:
    # A weak tag does not promise the same bytes, and the standard allows none in If-Range.
    if value and not value.startswith("W/"):
        tag.write_text(value, encoding="utf-8")
    else:
        tag.unlink(missing_ok=True)


def _accepted(job: _Job, response: httpx2.Response, start: int, part: Path) -> int | None:
    """Return the size of the whole file, None if the server does not say; raise where there is nothing to read."""
    status = response.status_code
    spoken = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if status == 200:
        length = response.headers.get("content-length", "")
        return int(length) if NUMBER.fullmatch(length) else None
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
    raise ValueError(f"{job.shown}: the server refuses it: {status} {response.reason_phrase}")
