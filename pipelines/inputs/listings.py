"""Listings of a crawl's files (`wet.paths.gz`, `warc.paths.gz`): which of them are wanted, and where they lie.

    --input 'common_crawl[files=100]=https://data.commoncrawl.org/crawl-data/CC-MAIN-2019-18/wet.paths.gz'

    listing -> paths, a line each -> `files` of them, chosen by hash -> base URL + path -> `fetching`

A line may say more than a path: size and SHA-256, set off by tabs; a file that is another is then refused. The choice
depends on the paths alone, and 200 files hold the 100. A listing may come from anybody: it sends us only to its own
host, that of `base`, and those that `hosts=A+B` names (and hosts below them), redirects too, and no file may be larger
than `limit` bytes.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pipelines.files import addresses, paths, storage
from pipelines.hashing import keyed
from pipelines.inputs import fetching

COMMON_CRAWL = "https://data.commoncrawl.org/"  # what its listings are relative to
LISTING_LIMIT = 1 << 28  # bytes; a crawl's listing of 100,000 files has 14 MB
LISTING_LINES = 1_000_000
FILES_WITHOUT_ASKING = 100

_LISTING = re.compile(r".*\.paths(?:\.gz)?", re.DOTALL)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_LINE = 1 << 16  # bytes; what is cut is no path
ATTRIBUTES = ("files", "base", "hosts", "limit")
_OF_ANY_FILE = ("hosts", "limit")  # also of a single file on the web


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a listing: a path or URL, and as far as they are given its size in bytes and its SHA-256."""

    path: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Expanded:
    """What an input stands for that is a listing or on the web: its other attributes, and its files, none fetched yet.

    `files` are URLs, and paths where the listing's base is a folder or a store; `web` says of those that are fetched
    the SHA-256 that the listing tells.
    """

    attributes: dict[str, str]
    files: tuple[str, ...]
    web: Mapping[str, str | None]
    hosts: frozenset[str]
    limit: int
    size: int = 0  # bytes of those on the web, as far as the listing tells

    def fetched(self, downloads: str) -> dict[str, str]:
        """Return the local file of each URL, fetched if it is not there; errors as `fetching.fetch`'s."""
        urls = list(self.web)
        there = fetching.fetch(urls, downloads, listed=self.web, hosts=self.hosts, limit=self.limit)
        return dict(zip(urls, there, strict=True))


def expand(attributes: Mapping[str, str], pattern: str, downloads: str) -> Expanded | None:
    """Return what an input stands for that is a listing or on the web; None where `pattern` is neither.

    A listing on the web is fetched into `downloads`, its files are not. Raises ValueError (the listing, the URL or the
    attribute is wrong; the server refuses) or DownloadError.
    """
    if fetching.is_web(pattern):
        _check_address(pattern, pattern)
    if not is_listing(pattern) and not fetching.is_web(pattern):
        for name in ATTRIBUTES:
            if name in attributes:
                also = " or a file on the web" if name in _OF_ANY_FILE else ""
                raise ValueError(f"{pattern}: the attribute {name} goes with a listing (*.paths.gz){also}")
        return None
    rest = {name: value for name, value in attributes.items() if name not in ATTRIBUTES}
    limit, hosts = _limit(attributes.get("limit"), pattern), _hosts(attributes, pattern)
    if not is_listing(pattern):
        return Expanded(rest, (pattern,), {pattern: None}, hosts, limit)
    wanted = _wanted(attributes.get("files"), pattern)
    local = (
        fetching.fetch([pattern], downloads, hosts=hosts, limit=LISTING_LIMIT)[0]
        if fetching.is_web(pattern)
        else pattern
    )
    entries = {entry.path: entry for entry in entries_of(local, pattern)}
    chosen = choose(list(entries), wanted, pattern)
    urls = {_joined(attributes.get("base"), path, pattern): entries[path].sha256 for path in chosen}
    _check_hosts(urls, hosts, pattern)
    # One of each scheme: a check looks for credentials, and a crawl has 90,000 files.
    for url in {
        url.partition("://")[0]: url for url in urls if storage.is_remote(url) and not fetching.is_web(url)
    }.values():
        storage.check(url)
    web = {url: sha256 for url, sha256 in urls.items() if fetching.is_web(url)}
    size = sum(entries[path].size or 0 for path in chosen) if web else 0
    return Expanded(rest, tuple(url if url in web else paths.pattern(url) for url in urls), web, hosts, limit, size)


def is_listing(pattern: str) -> bool:
    """Tell whether an input is a listing by its name."""
    return _LISTING.fullmatch(urlsplit(pattern).path if fetching.is_web(pattern) else pattern) is not None


def _limit(text: str | None, pattern: str) -> int:
    if text is None:
        return fetching.FILE_LIMIT
    if not (fetching.NUMBER.fullmatch(text) and int(text) > 0):
        raise ValueError(f"{pattern}: limit={text[:100]} is not a number of bytes")
    return int(text)


def _hosts(attributes: Mapping[str, str], pattern: str) -> frozenset[str]:
    """Return the hosts that an input may lead to: its own, that of its base, and those that are named."""
    told = [pattern, attributes.get("base", pattern if storage.is_remote(pattern) else COMMON_CRAWL)]
    own = {addresses.host_of(address) for address in told if storage.is_remote(address)}
    return frozenset(own | set(filter(None, attributes.get("hosts", "").split("+"))))


def _check_address(url: str, pattern: str) -> None:
    """Raise ValueError naming the input if an address is none that can be asked."""
    scheme = paths.scheme_of(url)
    try:
        host = addresses.host_of(url) if scheme in (*paths.WEB, *paths.STORES) else "none"
    except ValueError:
        host = ""
    if not host.removeprefix(f"{scheme}://") or ("://" in url and scheme not in (*paths.WEB, *paths.STORES)):
        raise ValueError(f"{pattern}: {addresses.shown(url)[:200]} is not the address of a file that can be requested")


def _check_hosts(urls: Iterable[str], hosts: frozenset[str], pattern: str) -> None:
    for url in urls:
        _check_address(url, pattern)
        if storage.is_remote(url) and not addresses.is_allowed(url, hosts):
            host = addresses.host_of(url)
            raise ValueError(
                f"{pattern}: names a file on {host}, which is neither the listing's own host nor that of its base; if "
                f"you trust it, add hosts={host}"
            )


def _wanted(files: str | None, pattern: str) -> int | None:
    if files is None or files == "all":
        return None if files else -1
    if not (fetching.NUMBER.fullmatch(files) and int(files) > 0):
        raise ValueError(f"{pattern}: files={files[:100]} is not a number of files; write files=100, or files=all")
    return int(files)


def entries_of(listing: str, named: str | None = None) -> list[Entry]:
    """Return what a listing names, in its order, each path once; ValueError, by the name it was given by, if none."""
    said = listing if named is None else named
    with storage.open_read(listing) as stream:
        is_packed = stream.read(2) == b"\x1f\x8b"
    entries: dict[str, Entry] = {}
    try:
        for line in _lines(listing, is_packed, said):
            entry = _entry(line, said)
            if entries.setdefault(entry.path, entry) != entry:
                raise ValueError(f"{said}: {entry.path} is listed twice, with different sizes or digests")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{said}: this listing cannot be read: {error}") from None
    if not entries:
        raise ValueError(f"{said}: this listing names no file")
    return list(entries.values())


def _lines(listing: str, is_packed: bool, said: str) -> Iterator[str]:
    """Yield the lines that are not blank, one in memory at a time; ValueError for more of them than a listing has."""
    with storage.open_read(listing) as stream, gzip.open(stream) if is_packed else nullcontext(stream) as unpacked:
        size = number = 0
        while line := unpacked.readline(_LONGEST_LINE):
            size, number = size + len(line), number + 1
            if size > LISTING_LIMIT or number > LISTING_LINES:
                raise ValueError(
                    f"{said}: more than {LISTING_LIMIT:,} bytes or {LISTING_LINES:,} lines are too large for a listing"
                )
            if found := line.decode().removeprefix("\ufeff").strip():
                yield found


def _entry(line: str, listing: str) -> Entry:
    path, *facts = line.split("\t")
    if not path.isprintable() or len(path) > 2_000 or ".." in unquote(unquote(path)):
        raise ValueError(f"{listing}: {path[:100]!r} is not the path of a file")
    if not facts:
        return Entry(path)
    size, sha256 = facts if len(facts) == 2 else ("", "")
    if not (fetching.NUMBER.fullmatch(size) and _SHA256.fullmatch(sha256)):
        raise ValueError(
            f"{listing}: {line[:200]!r}: write a path, or a path, its size and its SHA-256, separated by tabs"
        )
    return Entry(path, int(size), sha256)


def choose(paths: Sequence[str], wanted: int | None, listing: str) -> list[str]:
    """Return `wanted` of the paths, those with the smallest keyed hash; all of them for None.

    -1 means that nobody said: all of a short listing, ValueError for a long one.
    """
    if wanted == -1 and len(paths) > FILES_WITHOUT_ASKING:
        raise ValueError(f"{listing} names {len(paths)} files: choose how many with [files=100] or [files=all]")
    if wanted is not None and wanted > len(paths):
        raise ValueError(f"{listing} names {len(paths)} files, not {wanted}")
    ranked = sorted(paths, key=lambda path: (keyed("listing", path), path))
    return ranked if wanted is None or wanted < 0 else ranked[:wanted]


def _joined(base: str | None, path: str, listing: str) -> str:
    """Return where a listed file is: the base and its path.

    Without a base it is what comes before the path's first folder in the listing's own URL, or the listing's folder;
    Common Crawl's server for a listing on disk.
    """
    if "://" in path:
        return path
    if base is None:
        before, found, _ = listing.partition(f"/{path.partition('/')[0]}/")
        base = (before if found else listing.rpartition("/")[0]) if storage.is_remote(listing) else COMMON_CRAWL
    return f"{base.rstrip('/')}/{path.lstrip('/')}"
