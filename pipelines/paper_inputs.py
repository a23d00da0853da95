"""What the `paper` recipe reads: a dated list of each source's dumps, with sizes and where every figure is from.

    python -m pipelines.corpus --recipe paper --dry-run     # prints this, needs no network

The paper names no crawls and no dates but Wikipedia's (June to August 2022). One crawl of each year 2017 to 2020 and
one more are our choice. A size that no document at hand states is unknown, and said to be; nothing was fetched to check
this list. What is downloaded is kept with its SHA-256, recorded on first use (`pipelines.listings`), and what is
streamed from object storage is recorded in OUTPUT/work/inputs.json; another content later is another input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from filters.wikipedia_names import LANGUAGES

LISTED = "2026-11-21"  # the day of this list
TIB = 1 << 40
GB = 10**9


@dataclass(frozen=True, slots=True)
class Listed:
    """One dump: the option `--input` that reads it ("" if nothing can), compressed bytes (None: unknown), remarks."""

    source: str
    name: str
    input: str
    files: int | None = None
    size: int | None = None
    about: str = ""
    available: bool = True


_BLOG = "https://commoncrawl.org/blog"


def _crawl(source: str, name: str, files: int | None, tebibytes: float | None, about: str) -> Listed:
    size = None if tebibytes is None else int(tebibytes * TIB)
    listing = f"https://data.commoncrawl.org/crawl-data/{name}/wet.paths.gz"
    return Listed(source, name, f"{source}[files=all,base=s3://commoncrawl/]={listing}", files, size, about)


def _wikipedia(language: str) -> Listed:
    name = f"{language}wiki-20220801-pages-articles-multistream.xml.bz2"
    return Listed(
        "wikipedia",
        name,
        f"wikipedia=https://archive.org/download/{language}wiki-20220801/{name}",
        1,
        about="dumps.wikimedia.org keeps the last few months only; the copy on archive.org was not checked",
    )


PAPER_INPUTS: Sequence[Listed] = (
    _crawl("common_crawl", "CC-MAIN-2017-47", None, None, f"3.2 billion pages ({_BLOG}/november-2017-...)"),
    _crawl("common_crawl", "CC-MAIN-2018-34", 71_520, 6.92, f"{_BLOG}/august-2018-crawl-archive-now-available"),
    _crawl("common_crawl", "CC-MAIN-2018-39", 56_320, 7.87, f"{_BLOG}/september-2018-crawl-archive-now-available"),
    _crawl("common_crawl", "CC-MAIN-2019-09", 64_000, 7.62, f"{_BLOG}/february-2019-crawl-archive-now-available"),
    _crawl("common_crawl", "CC-MAIN-2020-05", None, None, ""),
    _crawl("c4", "CC-MAIN-2019-18", None, None, "the crawl of the published C4, April 2019"),
    Listed(
        "github",
        "bigquery-public-data.github_repos",
        "",
        about="a table of BigQuery: export it (docs/github.md) and give it as --input github=...",
    ),
    *(_wikipedia(language) for language in LANGUAGES),
    Listed(
        "books",
        "Project Gutenberg",
        "",
        about="mirror it (https://www.gutenberg.org/help/mirroring.html), and --input 'books=FOLDER/**/*.txt'",
    ),
    Listed("books", "Books3", "", about="no longer distributed", available=False),
    Listed(
        "arxiv",
        "arXiv's source tars",
        "arxiv=s3://arxiv/src/arXiv_src_*.tar",
        about="sources and PDFs together about 5.6 TB in March 2023 (https://info.arxiv.org/help/bulk_data_s3.html); "
        "the requester pays (AWS_REQUEST_PAYER=requester)",
    ),
    Listed(
        "stack_exchange",
        "the 28 largest sites",
        "",
        about="list them: python -m pipelines.stack_exchange_sites (stackexchange_files.xml of archive.org); Stack "
        "Overflow's posts alone had about 16 GB as .7z in February 2022 (https://search.feep.dev/blog)",
    ),
)


def given(sources: Sequence[str]) -> list[str]:
    """Return the options `--input` that read the list's dumps of some sources."""
    return [listed.input for listed in PAPER_INPUTS if listed.source in sources and listed.input]


def lines(sources: Sequence[str]) -> Iterator[str]:
    """Yield the list for people: what would be read, its size, and what is not to be had."""
    yield f"inputs of the paper recipe, listed {LISTED}; sizes are compressed, from the documents named, or unknown"
    known, unknown = 0, 0
    for listed in PAPER_INPUTS:
        if listed.source not in sources:
            continue
        files = "" if listed.files is None else f"{listed.files:,} files, "
        size = "size unknown" if listed.size is None else f"{listed.size / GB:,.0f} GB"
        what = f"{files}{size}" if listed.available else "NOT AVAILABLE"
        yield f"{listed.source:<15} {listed.name}: {what}{f'; {listed.about}' if listed.about else ''}"
        if listed.input:
            yield f"{'':<15} --input '{listed.input}'"
        elif listed.available:
            yield f"{'':<15} (no address of its own: give --input)"
        known += listed.size or 0
        unknown += listed.size is None and listed.available
    yield f"known: {known / GB:,.0f} GB; of {unknown} dumps the size is unknown"
