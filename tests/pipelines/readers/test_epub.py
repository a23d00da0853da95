"""Books as EPUB 2 and 3 and as HTML: chapters in the order of reading, Gutenberg's markers, DRM, damage and bombs."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections import Counter

import pytest

from pipelines.document import Document, Drop
from pipelines.readers import Dump, epub, gutenberg
from pipelines.recipes import BookTexts
from pipelines.sources import books
from pipelines.stages.kinds import Context

CONTAINER = (
    '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
    '<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
OPF = (
    '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="{version}">'
    '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Rain &amp; Wind</dc:title>'
    "<dc:creator>Ada Rook</dc:creator><dc:language>en-GB</dc:language></metadata>"
    '<manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
    '<item id="b" href="b%20two.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="i" href="i.png" media-type="image/png"/></manifest>'
    '<spine><itemref idref="nav"/><itemref idref="a"/><itemref idref="b"/><itemref idref="i"/><itemref idref="a"/>'
    "</spine></package>"
)
XHTML = (
    '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">'
    "<head><title>T</title><style>p {{}}</style></head><body>{body}</body></html>"
)
METHOD = '<e xmlns="x"><EncryptionMethod Algorithm="{}"/></e>'
PROSE = "It had rained for nine days, and on the tenth nobody looked up any more. " * 30


def files(version: str = "3.0", **chapters: str) -> dict[str, str]:
    one = chapters.get("one", f"<h1>One</h1><p>{PROSE}</p>")
    two = chapters.get("two", f"<h1>Two</h1><p>{PROSE[::-1]}</p><pre>A verse\n  of two lines</pre>")
    return {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/content.opf": OPF.format(version=version),
        "OEBPS/nav.xhtml": XHTML.format(body="<ol><li>One</li></ol>"),
        "OEBPS/a.xhtml": XHTML.format(body=one),
        "OEBPS/b two.xhtml": XHTML.format(body=two),
    }


def packed(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return stream.getvalue()


def read(data: bytes, **attributes: str) -> list[Document | Drop]:
    counts: Counter[str] = Counter()
    found = list(gutenberg.read(io.BytesIO(data), Dump("b", "beef", attributes), counts))
    assert counts["records"] == len(found)
    return found


def book(data: bytes, **attributes: str) -> Document:
    (found,) = read(data, **attributes)
    assert isinstance(found, Document), found
    return found


def reasons(data: bytes) -> list[str]:
    return [str(found.reason) if isinstance(found, Drop) else "kept" for found in read(data)]


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_chapters_in_the_order_of_reading(version: str) -> None:
    found = book(packed(files(version)))
    assert found.text == f"One\n\n{PROSE.strip()}\n\n\nTwo\n\n{PROSE[::-1].strip()}\n\nA verse\n  of two lines"
    assert (found.title, found.language, found.license) == ("Rain & Wind", "en", None)
    assert found.attributes == {"collection": "gutenberg", "encoding": "utf-8", "author": "Ada Rook", "format": "epub"}


def test_gutenbergs_header_and_footer_in_an_epub_and_in_html() -> None:
    title = "<p>The Project Gutenberg eBook of Rain, by Ada Rook</p>"
    head = f"{title}<pre>Title: Rain\n\nRelease Date: May 1, 2004 [EBook #77]"
    start = f"{head}\n\n*** START OF THE PROJECT GUTENBERG EBOOK RAIN ***</pre>"
    end = "<div>*** END OF THE PROJECT GUTENBERG EBOOK RAIN ***</div><p>The licence.</p>"
    body = f"<p>{PROSE}</p>"
    for data in (packed(files(one=f"{start}{body}", two=end)), XHTML.format(body=start + body + end).encode()):
        found = book(data)
        assert (found.attributes["number"], found.license) == (77, "LicenseRef-public-domain-US")
        cleaned = books.clean(found, Context(BookTexts(), {}))
        assert isinstance(cleaned, Document)
        assert cleaned.text == PROSE.strip()


def test_html_in_its_encoding_and_in_archives() -> None:
    head = '<!-- x -->\n<html><head><meta charset="koi8-r"><title>Дождь &amp; ветер</title></head>'
    page = f"{head}<body><p>Ночь.</p></body></html>"
    found = book(page.encode("koi8-r"))
    assert (found.text, found.title) == ("Ночь.", "Дождь & ветер")
    assert found.attributes["format"] == "html"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in {"1/17/17-h/17-h.htm": page.encode("koi8-r"), "1/17/17.epub": packed(files())}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    inside = read(stream.getvalue())
    assert [one.attributes["book"] for one in inside if isinstance(one, Document)] == ["17", "17"]
    assert (
        book(packed({"1234-h/1234-h.htm": page, "1234-h/images/a.png": ""}), book="1234").attributes["book"] == "1234"
    )


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"META-INF/rights.xml": "<rights/>"}, "encrypted"),
        ({"META-INF/encryption.xml": METHOD.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")}, "encrypted"),
        ({"META-INF/encryption.xml": METHOD.format("http://www.idpf.org/2008/embedding")}, "kept"),
        ({"META-INF/container.xml": "<container/>"}, "damaged_archive"),
        ({"OEBPS/content.opf": ""}, "damaged_archive"),
        ({"OEBPS/a.xhtml": None}, "damaged_archive"),
        ({"OEBPS/a.xhtml": XHTML.format(body="a" * (1 << 23))}, "zip_bomb"),
        ({"OEBPS/a.xhtml": XHTML.format(body="<img/>"), "OEBPS/b two.xhtml": XHTML.format(body="")}, "empty"),
        ({"OEBPS/content.opf": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hosts">]><package>&b;</package>'}, "empty"),
    ],
)  # fmt: skip
def test_books_that_are_not_read(members: dict[str, str | None], reason: str) -> None:
    merged = {name: text for name, text in (files() | members).items() if text is not None}
    assert reasons(packed(merged)) == [reason]


def test_a_spine_of_many_chapters_is_bounded() -> None:
    items = "".join(f'<item id="c{n}" href="a.xhtml#{n}" media-type="application/xhtml+xml"/>' for n in range(50_000))
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(50_000))
    opf = f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>"
    assert book(packed(files() | {"OEBPS/content.opf": opf})).text.count("One") == 1


def test_a_cut_epub_is_damaged() -> None:
    data = packed(files())
    assert reasons(data[: len(data) // 2]) == ["damaged_archive"]
    broken = bytearray(data)
    broken[data.index(b"OEBPS/a.xhtml") + 40] ^= 0xFF
    (found,) = read(bytes(broken))
    assert isinstance(found, Drop)
    assert (found.reason, found.excerpt) == ("damaged_archive", "OEBPS/a.xhtml")


def test_what_is_an_epub() -> None:
    for members, is_one in (
        (files(), True),
        ({"mimetype": "application/epub+zip", "a": ""}, True),
        ({"a.txt": ""}, False),
    ):
        with zipfile.ZipFile(io.BytesIO(packed(members))) as archive:
            assert epub.is_epub(archive) == is_one
