"""Wikipedia's source on hostile pages, through the reader: huge, deep and unclosed ones end in bounded time."""

import bz2
import io
import time
from collections import Counter

import pytest

from pipelines.document import Document, Drop
from pipelines.readers import Dump, mediawiki
from pipelines.recipes import Articles
from pipelines.sources import wikipedia
from pipelines.stages.kinds import Context
from tests.pipelines.tiny import page
from tests.slowness import slowness

DUMP = Dump(name="enwiki-20220601-pages-articles.xml.bz2", digest="d1", attributes={"language": "en"})
CONTEXT = Context(Articles(), {})
MEGABYTE = 1 << 20
PROSE = "The '''herd''' of [[llama|llamas]] walked {{convert|12|km|mi}} in [[1987]].<ref>A note.</ref>\n\n"
GOOD = page(2, "Good", 0, "Three llamas.")


def build(*pages: str) -> list[Document | Drop]:
    """Return what the reader and the cleaner make of an export with these pages."""
    counts: Counter[str] = Counter()
    dump = bz2.compress(f'<mediawiki version="0.10">{"".join(pages)}</mediawiki>'.encode(), 1)
    records = mediawiki.read(io.BytesIO(dump), DUMP, counts)
    found = [wikipedia.clean(record, CONTEXT) if isinstance(record, Document) else record for record in records]
    assert counts["records"] == len(found)
    return found


@pytest.mark.parametrize("megabytes", [5, pytest.param(50, marks=pytest.mark.full)])
def test_a_huge_page_is_read(megabytes: int) -> None:
    before = time.process_time()
    huge, good = build(page(1, "Huge", 0, PROSE * (megabytes * MEGABYTE // len(PROSE))), GOOD)
    assert isinstance(huge, Document)
    assert huge.text.startswith("The herd of llamas walked 12 kilometres (7.5 mi) in 1987.\n\nThe herd")
    assert isinstance(good, Document)
    assert time.process_time() - before < (2 * megabytes + 20) * slowness()


@pytest.mark.parametrize(
    "piece",
    [
        "{{a|",
        "{{{a|",
        "[[a|",
        "{|\n|",
        "<ref>",
        "<math>",
        "<nowiki>",
        "<!--",
        "''",
        "[http://a ",
        "(",
        "&lt;",
        "=\n",
        "*",
    ],
)
def test_what_never_closes_costs_linear_time(piece: str) -> None:
    before = time.process_time()
    hostile, good = build(page(1, "Hostile", 0, "Some prose.\n" + piece * (MEGABYTE // 2 // len(piece))), GOOD)
    assert isinstance(hostile, Document | Drop)
    assert isinstance(good, Document)
    assert good.text == "Three llamas."
    assert time.process_time() - before < 20 * slowness()


def test_templates_200_deep_leave_the_prose_around_them() -> None:
    deep = "{{nowrap|" * 200 + "12 km" + "}}" * 200
    (found,) = build(page(1, "Deep", 0, f"Before {deep} after."))
    assert isinstance(found, Document)
    assert found.text == "Before 12 km after."


def test_a_page_cut_in_the_middle_loses_only_itself() -> None:
    cut = page(1, "Cut", 0, PROSE * 100)
    found = build(GOOD, cut[: len(cut) // 2])
    assert [getattr(record, "reason", "kept") for record in found] == ["kept", "malformed"]
