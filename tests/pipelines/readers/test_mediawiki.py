import bz2
import gzip
import io
import lzma
import random
import re
import threading
import time
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import py7zr
import pytest

from filters.wikitext.cleaner import reason
from filters.wikitext.names import LANGUAGES
from pipelines.document import Document, Drop
from pipelines.readers import Dump, mediawiki_blocks, mediawiki_header, mediawiki_index
from pipelines.readers import mediawiki as module
from pipelines.readers.mediawiki import language_of, read
from tests.slowness import slowness

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEADER = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
  <siteinfo><sitename>Wikipedia</sitename><dbname>enwiki</dbname>
    <namespaces><namespace key="0" case="first-letter" /><namespace key="14">Category</namespace></namespaces>
  </siteinfo>
"""
FOOTER = "</mediawiki>\n"


def page(number: int, text: str = "Some ''text''.", *, title: str = "", middle: str = "<ns>0</ns>") -> str:
    return f"""  <page>
    <title>{title or f"Title {number}"}</title>{middle}<id>{number}</id>
    <revision><id>9{number}</id><timestamp>2022-06-01T00:00:0{number % 10}Z</timestamp>
      <contributor><username>U</username><id>8</id></contributor>
      <text bytes="5" xml:space="preserve">{text}</text></revision>
  </page>
"""


def run(
    data: bytes, language: str = "en", start: int = 0, end: int | None = None
) -> tuple[list[Document], list[Drop], Counter[str]]:
    counts: Counter[str] = Counter()
    dump = Dump("x.xml.bz2", "d1gest", {"language": language})
    found = list(read(io.BytesIO(data), dump, counts, start, end))
    documents = [each for each in found if isinstance(each, Document)]
    drops = [each for each in found if isinstance(each, Drop)]
    assert counts["records"] == len(found), "every record comes out once"
    assert all(drop.stage == "read" for drop in drops)
    assert len({each.id for each in found}) == len(found)
    return documents, drops, counts


def whole(*pages: str) -> bytes:
    return (HEADER + "".join(pages) + FOOTER).encode()


def multistream(groups: Iterable[str]) -> tuple[bytes, list[int]]:
    """Return a multistream dump and where its streams of pages begin."""
    data, offsets = bz2.compress(HEADER.encode()), []
    for group in groups:
        offsets.append(len(data))
        data += bz2.compress(group.encode())
    return data + bz2.compress(FOOTER.encode()), offsets


def index_of(offsets: list[int], pages_each: int = 2) -> bytes:
    lines = [f"{offset}:{n}:Title: {n}\n" for offset in offsets for n in range(pages_each)]
    return bz2.compress("".join(lines).encode())


def test_a_page_becomes_a_document_with_its_provenance() -> None:
    data = bz2.compress(whole(page(7, "A &amp;amp; &lt;b&gt;", title="C&amp;A (é)/1 ?")))
    documents, drops, counts = run(data)
    assert not drops
    assert counts == {"records": 1, "other:siteinfo": 1}
    assert documents == [
        Document(
            id="wikipedia/en/d1gest/7",
            source="wikipedia",
            text="A &amp; <b>",
            dump="d1gest",
            offset=0,
            url="https://en.wikipedia.org/wiki/C%26A_(%C3%A9)/1_%3F",
            title="C&A (é)/1 ?",
            license="CC-BY-SA-3.0",
            language="en",
            timestamp="2022-06-01T00:00:07Z",
            attributes={"namespace": "0"},
        )
    ]


def test_redirects_and_namespaces_are_attributes() -> None:
    pages = page(1, middle='<ns>0</ns><redirect title="Target &amp; Co" />'), page(2, middle="<ns>14</ns>")
    documents, _, _ = run(whole(*pages))
    assert documents[0].attributes == {"namespace": "0", "redirect": "Target & Co"}
    assert documents[1].attributes == {"namespace": "14"}


def test_old_exports_without_namespace_elements() -> None:
    pages = [page(1, title="Category:A", middle=""), page(2, title="2001: A Film", middle="<redirect />")]
    pages += [page(3, title="Vorlage:B", middle=""), page(4, title="Bild:C.jpg", middle="")]
    data = whole(*pages).replace(b"0.11", b"0.3")
    documents, _, _ = run(data, "de")
    assert [each.attributes for each in documents] == [
        {"namespace": "14"},
        {"namespace": "0", "redirect": ""},
        {"namespace": "other"},
        {"namespace": "6"},
    ]


# What each version of the schema says of a redirect's page: before its revision, and inside that around the text.
EXPORTS = {
    "0.3": ("", "{text}"),
    "0.4": ("<redirect />", "{text}"),
    "0.5": ("<redirect />", "{text}"),
    "0.6": ('<ns>0</ns><redirect title="Llama" />', "<sha1>a</sha1>{text}"),
    "0.7": ('<ns>0</ns><redirect title="Llama" />', "<sha1>a</sha1>{text}"),
    "0.8": ('<ns>0</ns><redirect title="Llama" />', "{text}<sha1>a</sha1><model>wikitext</model>"),
    "0.9": ('<ns>0</ns><redirect title="Llama" />', "<model>wikitext</model><format>text/x-wiki</format>{text}"),
    "0.10": ('<ns>0</ns><redirect title="Llama" />', "<model>wikitext</model><format>text/x-wiki</format>{text}"),
    "0.11": (
        '<ns>0</ns><redirect title="Llama" />',
        "<origin>5</origin><model>wikitext</model>{text}<content><role>data</role><origin>5</origin>"
        '<model>json</model><format>application/json</format><text bytes="2">{{}}</text></content>',
    ),
}


@pytest.mark.parametrize("version", EXPORTS)
def test_exports_of_every_version(version: str) -> None:
    head, revision = EXPORTS[version]
    pages = ""
    for number, (title, text) in enumerate((("Alpaca", "#REDIRECT [[Llama]]"), ("Llama", "A llama.")), 1):
        told = head if title == "Alpaca" else re.sub("<redirect[^>]*>", "", head)
        inner = revision.format(text=f'<text xml:space="preserve">{text}</text>')
        pages += f"<page><title>{title}</title>{told}<id>{number}</id><revision><id>9</id>{inner}</revision></page>"
    header = re.sub(r'version="[^"]*"', f'version="{version}"', HEADER)
    assert f'version="{version}"' in header
    documents, drops, _ = run((header + pages + FOOTER).encode())
    assert not drops
    assert [each.text for each in documents] == ["#REDIRECT [[Llama]]", "A llama."]
    reasons = [reason("0", each.attributes.get("redirect"), each.text, "en") for each in documents]
    assert [found and (str(found), found.detail) for found in reasons] == [("redirect", "Llama"), None]
    assert {each.attributes["namespace"] for each in documents} == {"0"}


def test_of_several_revisions_the_last_is_taken() -> None:
    second = "<revision><timestamp>2022-07-01T00:00:00Z</timestamp><text>new</text></revision></page>"
    documents, _, _ = run(whole(page(1, "old").replace("</page>", second)))
    assert (documents[0].text, documents[0].timestamp) == ("new", "2022-07-01T00:00:00Z")


def test_deleted_and_missing_text_is_empty() -> None:
    broken = page(1).replace("Some ''text''.", "").replace(' xml:space="preserve"', ' deleted="deleted"')
    documents, drops, _ = run(whole(broken, page(2)))
    assert [each.text for each in documents] == ["", "Some ''text''."]
    assert not drops


def test_plain_xml_gives_the_place_of_each_page() -> None:
    data = whole(page(1, "é" * 10), page(2), page(3))
    documents, _, _ = run(data)
    assert [data[each.offset : each.offset + 6] for each in documents] == [b"<page>"] * 3


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16(encoding: str) -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?>' + HEADER + page(1, "Увод 𝄞") + page(2) + FOOTER
    for data in (text.encode(encoding), bz2.compress(text.encode(encoding))):
        documents, drops, _ = run(data, "bg")
        assert [each.text for each in documents] == ["Увод 𝄞", "Some ''text''."]
        assert not drops


def test_byte_ranges_give_every_page_once() -> None:
    groups = [page(2 * n) + page(2 * n + 1) for n in range(1, 9)]
    data, offsets = multistream(groups)
    alone, _, _ = run(data)
    for target in (1, 600, 1 << 20):
        ranges = mediawiki_index.read(io.BytesIO(index_of(offsets)), len(data)).spans(target)
        assert ranges[0][0] == offsets[0]
        assert ranges[-1][1] == len(data)
        assert all(one[1] == two[0] for one, two in pairwise(ranges))
        parts = [run(data, "en", start, end) for start, end in ranges]
        assert [each for documents, _, _ in parts for each in documents] == alone
        assert not any(drops for _, drops, _ in parts)
    assert [each.offset for each in alone] == [offset for offset in offsets for _ in range(2)]
    assert len(ranges) == 1


def test_a_range_that_begins_the_file_needs_no_footer() -> None:
    data, offsets = multistream([page(1), page(2)])
    documents, drops, _ = run(data, "en", 0, offsets[1])
    assert [each.title for each in documents] == ["Title 1"]
    assert not drops


def test_pages_that_cross_streams() -> None:
    """Parallel bzip2 cuts a plain dump into streams anywhere."""
    data = whole(*(page(n, "x" * 300) for n in range(1, 30)))
    packed = b"".join(bz2.compress(data[at : at + 1000]) for at in range(0, len(data), 1000))
    documents, drops, _ = run(packed)
    assert [each.title for each in documents] == [f"Title {n}" for n in range(1, 30)]
    assert not drops


def test_an_index_as_text_and_damaged_indexes() -> None:
    assert mediawiki_index.read(io.BytesIO(b"600:1:A\n600:2:B: C\n\n900:3:D\n"), 1000).spans(1) == [
        (600, 900),
        (900, 1000),
    ]
    assert mediawiki_index.read(io.BytesIO(b""), 1000).spans() == []
    for lines, number in ((b"600:1:A\nx:2:B\n", 2), (b"600:1:A\n500:2:B\n", 2), (b"1000:1:A\n", 1)):
        with pytest.raises(ValueError, match=f"line {number} of the multistream index"):
            mediawiki_index.read(io.BytesIO(lines), 1000)
    with pytest.raises(ValueError, match="does not decompress"):
        mediawiki_index.read(io.BytesIO(bz2.compress(b"600:1:A\n")[:-4]), 1000)


@pytest.mark.parametrize("cut", ["<text", "Title 3", "</page>"])
def test_xml_cut_in_the_middle(cut: str) -> None:
    data = whole(page(1), page(2), page(3))
    data = data[: data.rindex(cut.encode())]
    documents, drops, _ = run(data)
    assert [each.title for each in documents] == ["Title 1", "Title 2"]
    assert [drop.reason for drop in drops] == ["truncated"]


def test_a_dump_that_ends_between_pages_has_lost_some() -> None:
    for data in ((HEADER + page(1)).encode(), HEADER.encode() + page(1).encode() + b"\n  "):
        documents, drops, _ = run(data)
        assert len(documents) == 1
        assert [drop.reason for drop in drops] == ["truncated"]
    assert [drop.reason for drop in run(b"")[1]] == ["truncated"]


def test_a_truncated_archive() -> None:
    data, offsets = multistream([page(1), page(2), page(3)])
    for cut in (offsets[2] + 40, offsets[2] + 4, offsets[2]):
        documents, drops, _ = run(data[:cut])
        assert [each.title for each in documents] == ["Title 1", "Title 2"]
        assert [drop.reason for drop in drops] == ["truncated"]


def test_a_damaged_stream_loses_only_itself() -> None:
    data, offsets = multistream([page(1), page(2), page(3)])
    for place in (offsets[1] + 2, offsets[1] + 60):
        documents, drops, _ = run(data[:place] + b"\0\0\0\0\0\0" + data[place + 6 :])
        assert [each.title for each in documents] == ["Title 1", "Title 3"]
        assert [drop.reason for drop in drops] == ["malformed"]


@pytest.mark.parametrize(
    "damage", ["<b>", "&undefined;", "\x01", "</page>", "<page><page>", "]]>", "\ud800", "< ", "&#0;", "<!DOCTYPE x>"]
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_malformed_page_loses_only_itself(damage: str, packed: bool) -> None:
    data = (HEADER + page(1) + page(2, "a" + damage) + page(3) + page(4) + FOOTER).encode("utf-8", "surrogatepass")
    documents, drops, _ = run(bz2.compress(data) if packed else data)
    assert [each.title for each in documents if each.title != "Title 2"] == ["Title 1", "Title 3", "Title 4"]
    assert drops
    assert {drop.reason for drop in drops} == {"malformed"}
    if not packed:
        assert [data[each.offset : each.offset + 6] for each in documents] == [b"<page>"] * len(documents)


def test_a_page_without_title_or_id_is_malformed() -> None:
    no_title = page(1).replace("<title>Title 1</title>", "")
    ids = [page(2).replace("<id>2</id>", wrong) for wrong in ("", "<id>2/../3</id>", "<id>²</id>")]
    documents, drops, _ = run(whole(no_title, *ids, page(3)))
    assert [each.title for each in documents] == ["Title 3"]
    assert [drop.reason for drop in drops] == ["malformed"] * 4
    assert len({drop.id for drop in drops}) == 4


# What stands inside of pages without end is lost with them.
@pytest.mark.parametrize(("tag", "titles"), [("page", ["Title 1"]), ("a", ["Title 1", "Title 2"])])
def test_elements_nested_without_end_take_linear_time(tag: str, titles: list[str]) -> None:
    before = time.process_time()
    documents, drops, counts = run(whole(page(1), f"<page>{f'<{tag}>' * 300_000}", page(2)))
    assert [each.title for each in documents] == titles
    assert drops
    assert counts["records"] == len(documents) + len(drops)
    assert time.process_time() - before < 5 * slowness()


def test_entity_bombs_are_refused() -> None:
    entities = "".join(f'<!ENTITY e{n} "{"&e" + str(n - 1) + ";" if n else "x"}{"y" * 100}">' for n in range(20))
    bomb = f"<!DOCTYPE mediawiki [{entities}]>" + HEADER + page(1, "&e19;") + page(2) + FOOTER
    tracemalloc.start()
    documents, drops, _ = run(bomb.encode())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [each.title for each in documents] == ["Title 2"]
    assert {drop.reason for drop in drops} == {"malformed"}
    assert peak < 20_000_000


def test_no_xml_at_all() -> None:
    for data in (b"<html><p>Not found", b"\x89PNG\r\n", b"BZh9 not really", b"{}"):
        documents, drops, _ = run(data)
        assert not documents
        assert len(drops) == 1


class Endless(io.RawIOBase):
    """A file that is written while it is read, so that only the reader's memory counts."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._rest = parts, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        data = self._rest or next(self._parts, b"")
        size = min(len(data), len(view))
        view[:size], self._rest = data[:size], data[size:]
        return size


def test_memory_is_constant() -> None:
    group = bz2.compress("".join(page(n, "words " * 2000) for n in range(100)).encode())
    parts = iter([bz2.compress(HEADER.encode()), *[group] * 40, bz2.compress(FOOTER.encode())])
    counts: Counter[str] = Counter()
    tracemalloc.start()
    stream = io.BufferedReader(Endless(parts))
    found = sum(1 for _ in read(stream, Dump("x", "d", {"language": "en"}), counts))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == counts["records"] == 4000
    assert peak < 12_000_000


def test_a_page_too_large_is_dropped_as_it_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAGE_CHARACTERS", 1_000_000)
    data = bz2.compress(whole(page(1), page(2, "x" * 40_000_000), page(3)))
    assert len(data) < 10_000, "a bomb"
    tracemalloc.start()
    documents, drops, _ = run(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [each.title for each in documents] == ["Title 1", "Title 3"]
    (large,) = drops
    assert (large.reason, large.scores) == ("oversized", {"value": 40_000_000, "limit": 1_000_000})
    assert large.url == str(documents[0].url).replace("_1", "_2")
    assert (large.title, large.license) == ("Title 2", documents[0].license)
    assert peak < 12_000_000


def test_a_tag_too_large_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAGE_CHARACTERS", 1_000_000)
    giant = page(2).replace("<revision>", f'<revision a="{"x" * 5_000_000}">')
    documents, drops, _ = run(bz2.compress(whole(page(1), giant, page(3))))
    assert [each.title for each in documents] == ["Title 1", "Title 3"]
    assert [drop.reason for drop in drops] == ["malformed"]


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("enwiki-20220801-pages-articles-multistream.xml.bz2", "en"),
        ("https://dumps.wikimedia.org/ruwiki/20220601/ruwiki-20220601-pages-articles1.xml-p1p2.bz2", "ru"),
        ("C:\\dumps\\de.wiki.xml.bz2", "de"),
        ("/data/svwiki.xml", "sv"),
    ],
)
def test_language_of(name: str, language: str) -> None:
    assert language_of(name) == language


@pytest.mark.parametrize(
    "name",
    ["simplewiki-20220801-pages.xml.bz2", "jawiki-1.xml", "enwiktionary-1.xml", "dump.xml.bz2", "enwikiquote.xml", ""],
)
def test_a_name_without_a_language_of_the_corpus(name: str) -> None:
    with pytest.raises(ValueError, match="does not name one of the 20 languages: expected a name like"):
        language_of(name)


def test_a_dump_without_a_language_is_refused() -> None:
    with pytest.raises(ValueError, match="language '' is not one of the 20"):
        list(read(io.BytesIO(b""), Dump("x", "d"), Counter()))


def test_real_dumps(dumps: Path) -> None:
    titles = []
    for path in sorted((dumps / "wikipedia").glob("*.xml.bz2")):
        language = language_of(path.name)
        assert language in LANGUAGES
        documents, drops, _ = run(path.read_bytes(), language)
        assert not drops
        assert all(each.attributes == {"namespace": "0"} and each.text for each in documents)
        assert all(str(each.url).startswith(f"https://{language}.wikipedia.org/wiki/") for each in documents)
        titles += [(language, each.title) for each in documents]
    assert len(titles) == 14
    assert ("ru", "Берлин") in titles


# --- containers ------------------------------------------------------------------------------------------------------


def seven_zip(data: bytes, *names: str) -> bytes:
    target = io.BytesIO()
    with py7zr.SevenZipFile(target, "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 1}]) as archive:
        for name in names or ("enwiki-20220601-pages-articles.xml",):
            archive.writef(io.BytesIO(data), name)
    return target.getvalue()


CONTAINERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "bz2": bz2.compress,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "7z": seven_zip,
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("alone", [False, True], ids=["mediawiki", "page"])
def test_every_container_and_pages_without_a_root(container: str, alone: bool) -> None:
    pages = "".join(page(number) for number in range(1, 400))
    data = CONTAINERS[container]((pages if alone else HEADER + pages + FOOTER).encode())
    documents, drops, counts = run(data)
    assert not drops
    assert [each.title for each in documents] == [f"Title {number}" for number in range(1, 400)]
    assert counts["records"] == 399
    module.look(io.BytesIO(data), Dump("x", "d", {"language": "en"}))


@pytest.mark.parametrize("container", ["plain", "bz2", "gz", "xz"])
def test_zeros_behind_the_end_are_no_damage(container: str) -> None:
    data = CONTAINERS[container](whole(page(1), page(2)))
    assert [each.title for each in run(data + bytes(10_240))[0]] == ["Title 1", "Title 2"]
    assert not run(data + bytes(10_240))[1]
    assert not run(data + bytes(300_000))[1]


@pytest.mark.parametrize("container", ["bz2", "gz", "xz"])
def test_rubbish_behind_the_last_stream_is_no_damage(container: str) -> None:
    documents, drops, _ = run(CONTAINERS[container](whole(page(1))) + b"left by a tape" * 99)
    assert [len(documents), drops] == [1, []]


def test_padding_between_streams() -> None:
    data, offsets = multistream([page(1), page(2)])
    padded = data[: offsets[1]] + bytes(700_000) + data[offsets[1] :]
    documents, drops, _ = run(padded)
    assert ([each.title for each in documents], drops) == (["Title 1", "Title 2"], [])
    assert [each.offset for each in documents] == [offsets[0], offsets[1] + 700_000]
    documents, drops, _ = run(data[: offsets[1]] + b"rubbish" + data[offsets[1] :])
    assert ([each.title for each in documents], [drop.reason for drop in drops]) == (
        ["Title 1", "Title 2"],
        ["malformed"],
    )


def noisy() -> bytes:
    noise = random.Random(1)
    return whole(*(page(number, noise.randbytes(3_000).hex()) for number in range(1, 400)))


@pytest.mark.parametrize("container", ["gz", "xz"])
def test_containers_that_are_cut_or_damaged_keep_what_comes_before(container: str) -> None:
    data = CONTAINERS[container](noisy())
    half = len(data) // 2
    cases = [(data[:half], "truncated")]
    # gzip tells only at its end, by a checksum.
    cases += [(data[:half] + bytes(99) + data[half + 99 :], "malformed")] if container == "xz" else []
    for damaged, told in cases:
        documents, drops, _ = run(damaged)
        assert 50 < len(documents) < 399
        assert [drop.reason for drop in drops] == [told]


def test_a_damaged_7z_is_an_error_that_names_it() -> None:
    data = seven_zip(noisy())
    half = len(data) // 2
    with pytest.raises(ValueError, match=r"x\.xml\.bz2: the archive cannot be read as 7z: LZMAError"):
        run(data[:half] + bytes(99) + data[half + 99 :])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (seven_zip(whole(page(1)), "a.xml", "b.xml"), "the archive has 2 members that are XML: expected one"),
        (seven_zip(whole(page(1)), "Posts.csv"), "the archive has 0 members that are XML: expected one"),
        (seven_zip(whole(page(1)))[:200], "the archive cannot be read as 7z"),
    ],
)
def test_archives_that_hold_no_dump(data: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=rf"x\.xml\.bz2: {told}"):
        run(data)
    with pytest.raises(ValueError, match=told):
        module.look(io.BytesIO(data), Dump("x", "d", {"language": "en"}))


def test_a_7z_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mediawiki_blocks, "WANTED", replace(mediawiki_blocks.WANTED, ratio=50, small=1 << 20))
    with pytest.raises(ValueError, match="refused as a bomb"):
        run(seven_zip(bytes(50_000_000)))


def test_a_7z_is_read_in_bounded_memory_and_left_when_its_reader_leaves() -> None:
    archive = seven_zip(whole(page(1), *[page(number, "words " * 20_000) for number in range(2, 400)]))
    before = threading.active_count()
    tracemalloc.start()
    found = read(io.BytesIO(archive), Dump("x", "d", {"language": "en"}), Counter())
    assert next(iter(found)).title == "Title 1"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000_000, "py7zr's block, and a few that wait"
    del found
    assert threading.active_count() == before


def test_xz_that_asks_for_too_much_memory_is_an_error() -> None:
    packed_dump = lzma.compress(whole(page(1)), preset=0)
    at = packed_dump.index(b"\x21\x01") + 2  # LZMA2's one property: the size of its dictionary
    block = bytearray(packed_dump)
    block[at] = 38  # 2 GiB
    start, size = 12, (block[12] + 1) * 4
    block[start + size - 4 : start + size] = zlib.crc32(block[start : start + size - 4]).to_bytes(4, "little")
    with pytest.raises(ValueError, match=r"x\.xml\.bz2: it takes more than 512 MiB of memory"):
        run(bytes(block))


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_dump_without_a_page_is_an_error(container: str) -> None:
    with pytest.raises(ValueError, match=r"x\.xml\.bz2: no page is in it"):
        run(CONTAINERS[container](whole()))


# --- the index -------------------------------------------------------------------------------------------------------


def indexed(groups: int = 6) -> tuple[bytes, bytes]:
    """Return a dump of streams of two pages, and its index."""
    numbers = [(10 * group + 1, 10 * group + 2) for group in range(groups)]
    data, offsets = multistream("".join(page(one) for one in pair) for pair in numbers)
    lines = [f"{at}:{one}:Title {one}\n" for at, pair in zip(offsets, numbers, strict=True) for one in pair]
    return data, "".join(lines).encode()


def check(data: bytes, index: bytes) -> None:
    mediawiki_index.read(io.BytesIO(index), len(data)).check(io.BytesIO(data))


def test_an_index_that_fits() -> None:
    data, index = indexed()
    check(data, index)
    check(data, bz2.compress(index))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda index: b"".join(index.splitlines(keepends=True)[4:]), "pages come before byte"),
        (lambda index: re.sub(rb"(?m)^(\d+):", lambda found: b"%d:" % (int(found[1]) + 1), index), "no stream of page"),
        (lambda index: index.replace(b":1:", b":3:"), "page 3 comes first in the stream at byte"),
        (lambda index: index.replace(b":51:", b":50:"), "there is page 51"),
    ],
)
def test_an_index_that_does_not_fit(change: Callable[[bytes], bytes], told: str) -> None:
    data, index = indexed()
    with pytest.raises(ValueError, match=f"the index does not fit the dump: .*{told}"):
        check(data, change(index))


def test_a_range_where_no_stream_begins_or_no_page_is() -> None:
    data, _ = indexed()
    with pytest.raises(ValueError, match=r"x\.xml\.bz2: no bzip2 stream begins at byte 7: the index does not fit"):
        run(data, start=7, end=500)
    footer = len(data) - len(bz2.compress(FOOTER.encode()))
    with pytest.raises(ValueError, match=r"x\.xml\.bz2: no page is in bytes .*: the index does not fit"):
        run(data, start=footer, end=len(data))


# --- the header ------------------------------------------------------------------------------------------------------


def head(database: str = "", base: str = "", language: str = "") -> bytes:
    told = f"<dbname>{database}</dbname>" if database else ""
    told += f"<base>https://{base}/wiki/Main_Page</base>" if base else ""
    spoken = f' xml:lang="{language}"' if language else ""
    return f"<mediawiki{spoken}><siteinfo>{told}</siteinfo>{page(1)}</mediawiki>".encode()


@pytest.mark.parametrize(
    ("data", "language", "fits"),
    [
        (head("itwiki"), "it", True),
        (head("itwiki"), "en", False),
        (head("enwiktionary", language="en"), "en", False),
        (head(base="it.wikipedia.org"), "it", True),
        (head(base="it.wikiquote.org"), "it", False),
        (head(base="localhost", language="it"), "it", False),
        (head(language="it"), "it", True),
        (head(language="it"), "en", None),
        (head(), "en", None),
        (page(1, "<dbname>itwiki</dbname>").encode(), "en", None),
    ],
)
def test_the_header_says_which_wiki(data: bytes, language: str, fits: bool | None) -> None:
    assert mediawiki_header.header_of(io.BytesIO(bz2.compress(data))).fits(language) is fits
    assert mediawiki_header.header_of(io.BytesIO(data.decode().encode("utf-16"))).fits(language) is fits


def test_pages_tell_where_a_header_is_wrong(dumps: Path) -> None:
    for path in sorted((dumps / "wikipedia").glob("*.xml.bz2")):
        language = language_of(path.name)
        with path.open("rb") as stream:
            header = mediawiki_header.header_of(stream)
            assert (str(header), header.fits(language)) == ("enwiki", False)
        for other in ("es", "fr", "pl"):
            with path.open("rb") as stream:
                assert mediawiki_header.is_of(stream, other, header) is (other == language), path
