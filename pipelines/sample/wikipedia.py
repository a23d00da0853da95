"""Real Wikipedia pages laid out as multistream dumps with their index.

export XML -> site header, pages -> bz2 streams: header, 100 pages each, footer -> offset:page id:title lines, bz2
"""

from __future__ import annotations

import bz2
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipelines.sample.files import Laid, members, write

PAGES_PER_STREAM = 100
TEST_DATA = "gensim/test/test_data/"
ENGLISH = ("enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2", "enwiki-table-markup.xml.bz2")
BULGARIAN = ("bgwiki-latest-pages-articles-shortened.xml.bz2",)
# The dates are those of the first dumps after the newest revision in each.
DUMPS = {"enwiki-20170501": ENGLISH, "bgwiki-20170420": BULGARIAN}

PAGE = re.compile(r"  <page>\n.*?\n  </page>\n", re.DOTALL)
PAGE_ID = re.compile(r"\n    <id>(\d+)</id>")
TITLE = re.compile(r"<title>(.*?)</title>")
FOOTER = "</mediawiki>\n"


def lay_out(packages: Mapping[str, Path], output: Path) -> dict[str, Laid]:
    """Write the multistream dumps and their indexes to `output`/wikipedia."""
    exports = {
        path.removeprefix(TEST_DATA): content
        for path, content in members(packages["gensim"])
        if path.removeprefix(TEST_DATA) in ENGLISH + BULGARIAN
    }
    laid = [
        write_dump([decoded(exports[name]) for name in names], output / "wikipedia", dump)
        for dump, names in DUMPS.items()
    ]
    return {"wikipedia": Laid(sum(dump.records for dump in laid), sum(dump.size for dump in laid))}


def decoded(export: bytes) -> str:
    """Return an export's XML: bz2, UTF-8 or UTF-16 with a byte order mark, line ends as LF."""
    xml = bz2.decompress(export)
    text = xml.decode("utf-16" if xml[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    return text.replace("\r\n", "\n")


def write_dump(exports: Sequence[str], folder: Path, dump: str) -> Laid:
    """Write DUMP-pages-articles-multistream.xml.bz2 and its index: the first export's header, all pages by id."""
    header = exports[0].partition("  <page>")[0]
    pages: dict[int, str] = {}
    for export in exports:
        for page in PAGE.findall(export):
            pages.setdefault(_page_id(page), page)
    streams, lines = [bz2.compress(header.encode())], list[str]()
    offset = len(streams[0])
    for chunk in _chunks(sorted(pages)):
        lines += [f"{offset}:{number}:{_title(pages[number])}\n" for number in chunk]
        streams.append(bz2.compress("".join(pages[number] for number in chunk).encode()))
        offset += len(streams[-1])
    streams.append(bz2.compress(FOOTER.encode()))
    write(folder / f"{dump}-pages-articles-multistream.xml.bz2", b"".join(streams))
    write(folder / f"{dump}-pages-articles-multistream-index.txt.bz2", bz2.compress("".join(lines).encode()))
    return Laid(len(pages), sum(len(page.encode()) for page in pages.values()))


def _chunks(numbers: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), PAGES_PER_STREAM):
        yield numbers[start : start + PAGES_PER_STREAM]


def _page_id(page: str) -> int:
    found = PAGE_ID.search(page)
    assert found is not None, page[:200]
    return int(found[1])


def _title(page: str) -> str:
    found = TITLE.search(page)
    assert found is not None, page[:200]
    return found[1]
