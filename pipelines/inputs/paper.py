"""What the `paper` recipe reads: a dated list of each source's dumps, with sizes and where every figure is from.

    python -m pipelines.corpus --recipe paper --dry-run     # prints this, needs no network
    python -m pipelines.corpus --recipe paper --input paper --output /corpus

The paper names no crawls and no dates but Wikipedia's (June to August 2022). One crawl of each year 2017 to 2020 and
one more are our choice, as is the end of arXiv's months. Nothing was fetched to check this list: sizes are those that
the documents named state. A file that is downloaded is compared with its listed SHA-256, where there is one; its own is
recorded on first use (`pipelines.inputs.fetching`), as is that of what is streamed from object storage, in
OUTPUT/work/inputs.json. A file that comes back another is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from filters.wikitext.names import LANGUAGES
from pipelines.files import storage
from pipelines.inputs import listings, stack_exchange_sites

LISTED = "2026-11-21"  # the day of this list
TIB = 1 << 40
GB = 10**9


@dataclass(frozen=True, slots=True)
class Listed:
    """One dump: its address, the options `--input` that read it, files and compressed bytes (None: unknown), remarks.

    What is read begins with the address. Dumps may share an option; without one a dump is fetched by hand.
    """

    source: str
    name: str
    address: str
    inputs: tuple[str, ...] = ()
    files: int | None = None
    size: int | None = None
    about: str = ""
    available: bool = True


class Read(NamedTuple):
    """What an earlier build recorded of a file that it read."""

    size: int
    sha256: str


_BLOG = "https://commoncrawl.org/blog"
# A table of every crawl's sizes, made from Common Crawl's announcements; it agrees with the three that are cited here.
_TABLE = "https://github.com/eugenesiow/LLM-Insights, dataengineering/cc, May 2025"


def _crawl(source: str, name: str, files: int | None, tebibytes: float, about: str) -> Listed:
    listing = f"https://data.commoncrawl.org/crawl-data/{name}/wet.paths.gz"
    return Listed(
        source,
        name,
        f"s3://commoncrawl/crawl-data/{name}/",
        (f"{source}[files=all,base=s3://commoncrawl/]={listing}",),
        files,
        int(tebibytes * TIB),
        about,
    )


# Sizes and SHA-256 are those that TensorFlow Datasets 4.9.10 publishes (url_checksums/wikipedia.txt), of a mirror that
# keeps old dumps; dumps.wikimedia.org has the last few months only.
WIKIPEDIA_LISTING = Path(__file__).with_name("wikipedia_20220620.paths")
_WIKIMEDIA = "https://dumps.wikimedia.your.org/"


def _wikipedia() -> Iterator[Listed]:
    entries = listings.entries_of(str(WIKIPEDIA_LISTING))
    for language in LANGUAGES:
        folder = f"{language}wiki/20220620/"
        sizes = [entry.size or 0 for entry in entries if entry.path.startswith(folder)]
        yield Listed(
            "wikipedia",
            f"{language}wiki-20220620-pages-articles-multistream",
            _WIKIMEDIA + folder,
            (f"wikipedia[files=all,base={_WIKIMEDIA}]={WIKIPEDIA_LISTING}",),
            len(sizes),
            sum(sizes),
        )


# The months up to August 2022, the last of Wikipedia's.
_ARXIV_MONTHS = ("9*", "0*", "1*", "20*", "21*", "220[1-8]*")

PAPER_INPUTS: Sequence[Listed] = (
    _crawl("common_crawl", "CC-MAIN-2017-47", None, 9.06, f"{_TABLE}; 3.2 billion pages"),
    _crawl("common_crawl", "CC-MAIN-2018-34", 71_520, 6.92, f"{_BLOG}/august-2018-crawl-archive-now-available"),
    _crawl("common_crawl", "CC-MAIN-2018-39", 56_320, 7.87, f"{_BLOG}/september-2018-crawl-archive-now-available"),
    _crawl("common_crawl", "CC-MAIN-2019-09", 64_000, 7.62, f"{_BLOG}/february-2019-crawl-archive-now-available"),
    _crawl("common_crawl", "CC-MAIN-2020-05", None, 10.0, _TABLE),
    _crawl("c4", "CC-MAIN-2019-18", 56_000, 6.96, f"the crawl of the published C4; {_TABLE}; T5's authors say 7 TB"),
    Listed(
        "github",
        "bigquery-public-data.github_repos",
        "https://console.cloud.google.com/bigquery?p=bigquery-public-data&d=github_repos",
        about="tables of BigQuery, over 3 TB uncompressed in 2016 (Google's announcement of the data set): export what "
        "you need (docs/github.md) and give it as --input github=...",
    ),
    *_wikipedia(),
    Listed(
        "books",
        "Project Gutenberg",
        "rsync://aleph.gutenberg.org/gutenberg/",
        about="mirror it by rsync (https://www.gutenberg.org/help/mirroring.html) and give --input "
        "'books=FOLDER/**/*.txt'; its own metadata.json gives the size",
    ),
    Listed("books", "Books3", "", about="no longer distributed", available=False),
    Listed(
        "arxiv",
        "arXiv's source tars to August 2022",
        "s3://arxiv/src/",
        tuple(f"arxiv=s3://arxiv/src/arXiv_src_{months}.tar" for months in _ARXIV_MONTHS),
        5_336,
        2_806_853_972_612,
        "arXiv_src_manifest.xml of 5 May 2023; the requester pays (AWS_REQUEST_PAYER=requester)",
    ),
    Listed(
        "stack_exchange",
        "the largest sites",
        stack_exchange_sites.ARCHIVE,
        ("stack_exchange[files=all,hosts=archive.org]={downloads}/stack_exchange.paths",),
        stack_exchange_sites.WANTED,
        about="ranked by stackexchange_files.xml; Stack Overflow's posts alone had about 16 GB as .7z in February 2022 "
        "(https://search.feep.dev/blog)",
    ),
)


def given(sources: Sequence[str], downloads: str) -> list[str]:
    """Return the options `--input` that read the list's dumps of some sources; `downloads` keeps what they need.

    Fetches StackExchange's list of files, if that is one of the sources.
    """
    if "stack_exchange" in sources:
        listing = f"{stack_exchange_sites.ARCHIVE}{stack_exchange_sites.LISTING}"
        urls = stack_exchange_sites.urls(listing, sites=stack_exchange_sites.WANTED, downloads=downloads)
        storage.write_bytes(f"{downloads}/stack_exchange.paths", "\n".join([*urls, ""]).encode())
    found = [option for listed in PAPER_INPUTS if listed.source in sources for option in listed.inputs]
    return [option.format(downloads=downloads) for option in dict.fromkeys(found)]


def recorded(output: str) -> dict[str, Read]:
    """Return what the builds of a corpus directory recorded of the remote files that they read, by URL."""
    work = f"{output}/work"
    found = {
        path: Read(int(size), str(sha256))
        for path, (size, _, sha256) in (storage.read_json(f"{work}/inputs.json") or {}).items()
        if storage.is_remote(path)
    }
    if not storage.is_remote(output):
        rows = storage.read_jsons([str(path) for path in sorted(Path(work, "downloads").glob("*.json"))])
        found |= {row["url"]: Read(row["size"], row["sha256"]) for row in rows if row}
    return found


def lines(sources: Sequence[str], output: str) -> Iterator[str]:
    """Yield the list for people: what would be read, its size, what of it was read, and what is not to be had."""
    yield f"inputs of the paper recipe, listed {LISTED}; sizes are compressed, from the documents named, or unknown"
    wanted = [listed for listed in PAPER_INPUTS if listed.source in sources]
    read = recorded(output)
    for listed, following in zip(wanted, [*wanted[1:], None], strict=True):
        yield f"{listed.source:<15} {listed.name}: {_extent(listed)}{f'; {listed.about}' if listed.about else ''}"
        indent = " " * 15
        if listed.address:
            yield f"{indent} {listed.address}{_said(listed, read)}"
        if listed.available and not listed.inputs:
            yield f"{indent} (by hand: give --input)"
        if following is None or following.inputs != listed.inputs:  # dumps of one option stand together
            yield from (f"{indent} --input '{option.format(downloads='DOWNLOADS')}'" for option in listed.inputs)
    yield _total([listed for listed in wanted if listed.available])


def _extent(listed: Listed) -> str:
    if not listed.available:
        return "NOT AVAILABLE"
    files = "" if listed.files is None else f"{listed.files:,} files, "
    return files + ("size unknown until it is read" if listed.size is None else _size(listed.size))


def _size(size: int) -> str:
    return f"{size / GB:,.0f} GB" if size >= 10 * GB else f"{size / GB:,.2f} GB"


def _said(listed: Listed, read: Mapping[str, Read]) -> str:
    found = [entry for url, entry in read.items() if listed.available and url.startswith(listed.address)]
    if not found:
        return ""
    return f" (read here: {len(found):,} files, {sum(entry.size for entry in found):,} bytes, SHA-256 recorded)"


def _total(rows: Sequence[Listed]) -> str:
    unknown = [entry.name for entry in rows if entry.size is None]
    said = f"; the size of {', '.join(unknown)} is unknown until it is read" if unknown else ""
    known = _size(sum(entry.size or 0 for entry in rows))
    return f"known: {known} of {len(rows) - len(unknown)} of {len(rows)} dumps{said}"
