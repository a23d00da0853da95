"""Book files, plain and zipped, in the encodings they come in, to documents; and what is no book."""

import bz2
import codecs
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.document import Document, Drop
from pipelines.readers import Dump
from pipelines.readers import gutenberg as reader
from pipelines.readers.gutenberg import Reason, decode, read

DUMP = Dump("1/2/3/1234/1234-0.txt", "beef")
TEXT = "Café\nœuvre “x”\n"
HEADER = """The Project Gutenberg eBook of Rain, by Ada Rook

Title: Rain

Author: Ada Rook

Release Date: March 5, 2004 [eBook #77]

Language: German

Character set encoding: {encoding}

*** START OF THE PROJECT GUTENBERG EBOOK RAIN ***
"""


def books(data: bytes, dump: Dump = DUMP) -> tuple[list[Document | Drop], Counter[str]]:
    counts: Counter[str] = Counter()
    return list(read(io.BytesIO(data), dump, counts)), counts


def book(data: bytes, dump: Dump = DUMP) -> Document:
    (found,), counts = books(data, dump)
    assert counts == {"records": 1}
    assert isinstance(found, Document)
    return found


def reasons(found: list[Document | Drop]) -> list[str]:
    return [record.reason for record in found if isinstance(record, Drop)]


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def test_a_gutenberg_book() -> None:
    raw = HEADER.format(encoding="UTF-8") + TEXT
    found = book(raw.encode())
    assert found.text == raw
    assert found.id == "books/gutenberg/beef"
    assert (found.title, found.language, found.timestamp) == ("Rain", "de", "2004-03-05")
    assert found.url == "https://www.gutenberg.org/ebooks/77"
    assert found.license == "LicenseRef-public-domain-US"
    assert found.attributes == {"collection": "gutenberg", "encoding": "utf-8", "author": "Ada Rook", "number": 77}
    assert "1234" not in repr(found)


def test_a_copyrighted_book_says_so() -> None:
    raw = "This is a COPYRIGHTED Project Gutenberg eBook.\n" + HEADER.format(encoding="UTF-8") + TEXT
    assert book(raw.encode()).license == "LicenseRef-Project-Gutenberg-copyrighted"


def test_ids_are_per_collection_and_never_the_number() -> None:
    raw = (HEADER.format(encoding="UTF-8") + TEXT).encode()
    ours = Dump("77.txt", "beef", {"collection": "shelf", "license": "CC0-1.0", "language": "fr"})
    assert {book(raw).id, book(raw, ours).id} == {"books/gutenberg/beef", "books/shelf/beef"}
    assert (book(raw, ours).license, book(raw, ours).url, book(raw, ours).language) == ("CC0-1.0", None, "de")
    plain = book(TEXT.encode(), ours)
    assert (plain.title, plain.language, plain.license) == (None, "fr", "CC0-1.0")
    assert book(raw, Dump("1234-8.txt", "f00d")).id != book(raw).id


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-16"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-32"), "utf-32-le"),
        (TEXT.encode("cp1252"), "cp1252"),
        (TEXT.replace("\n", "\r\n").encode(), "utf-8"),
        (TEXT.replace("\n", "\r").encode(), "utf-8"),
        (TEXT.encode() + b"\x1a", "utf-8"),
    ],
)
def test_decode(data: bytes, encoding: str) -> None:
    assert decode(data) == (TEXT, encoding)


@pytest.mark.parametrize(
    ("declared", "written", "used"),
    [
        ("ISO-8859-1", "latin-1", "cp1252"),
        ("ISO Latin-1", "latin-1", "cp1252"),
        ("ISO-646-US (US-ASCII)", "ascii", "utf-8"),
        ("ASCII", "latin-1", "cp1252"),
        ("ISO-8859-2", "iso8859-2", "iso8859-2"),
        ("CP-1250", "cp1250", "cp1250"),
        ("Windows Code Page 1252", "cp1252", "cp1252"),
        ("KOI8-R", "koi8-r", "koi8-r"),
        ("Big5", "big5", "big5"),
        ("UTF-8", "utf-8", "utf-8"),
        ("ISO-8859-1", "utf-8", "utf-8"),
        ("none such", "latin-1", "cp1252"),
        ("rot13", "latin-1", "cp1252"),
        ("unicode_escape", "latin-1", "cp1252"),
        ("\x00", "latin-1", "cp1252"),
    ],
)
def test_the_declared_encoding_is_used_where_bytes_allow(declared: str, written: str, used: str) -> None:
    sample = {"iso8859-2": "Łódź ", "cp1250": "Łódź ", "koi8-r": "Дождь ", "big5": "中文 ", "ascii": "rain "}.get(
        written, "Café "
    )
    raw = HEADER.format(encoding=declared) + sample * 20
    assert decode(raw.encode(written)) == (raw, used)


def test_bytes_outside_the_encoding_are_replaced_not_raised() -> None:
    broken = (HEADER.format(encoding="UTF-8") + "é" * 50).encode()[:-1]
    text, encoding = decode(broken)
    assert encoding == "utf-8"
    assert text.endswith("é\ufffd")
    declared = HEADER.format(encoding="ISO-8859-1").encode() + b"caf\xe9 \x81"
    assert decode(declared) == (declared.decode("latin-1"), "latin-1")
    assert decode(TEXT.encode("utf-16")[:-1])[0] == TEXT[:-1] + "\ufffd"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY),
        (b" \r\n\t\r\n", Reason.EMPTY),
        (codecs.BOM_UTF8, Reason.EMPTY),
        (random.Random(1).randbytes(5_000), Reason.BINARY),
        (b"\x89PNG\r\n\x1a\n" + bytes(1_000), Reason.BINARY),
    ],
)
def test_files_that_are_no_book(data: bytes, reason: Reason) -> None:
    found, counts = books(data)
    assert reasons(found) == [reason]
    assert counts == {"records": 1}


def test_a_book_of_one_line_and_a_short_file() -> None:
    assert book(b"x").text == "x"
    assert book(b"One line").text == "One line"


def test_a_file_too_large_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_BOOK_BYTES", 100)
    assert book(b"x" * 100).text == "x" * 100
    (large,) = books(b"x" * 101)[0]
    assert isinstance(large, Drop)
    assert (large.reason, large.scores) == (Reason.TOO_LARGE, {"value": 101, "limit": 100})
    assert reasons(books(zipped({"a.txt": b"xy" * 51}))[0]) == [Reason.TOO_LARGE]


def test_a_zipped_book_reads_like_the_plain_one() -> None:
    raw = HEADER.format(encoding="ISO-8859-1") + "Café\n"
    found, counts = books(
        zipped({"1234-8.txt": raw.replace("\n", "\r\n").encode("latin-1"), "1234-h/x.png": b"\x89PNG"})
    )
    assert counts == {"records": 1, "other:member": 1}
    assert isinstance(found[0], Document)
    assert found[0].text == raw
    assert found[0].id == "books/gutenberg/beef/0"
    assert "1234" not in repr(found[0])


def test_an_archive_of_books() -> None:
    members = {
        "shelf/": b"",
        "shelf/b.txt": b"second",
        "shelf/a.TXT": b"first",
        "shelf/empty.txt": b"",
        "__MACOSX/._a.txt": b"x",
    }
    data = zipped(members)
    found, counts = books(data, Dump("shelf.zip", "beef", {"collection": "shelf"}))
    assert [(record.id, getattr(record, "text", None)) for record in found] == [
        ("books/shelf/beef/1", "second"),
        ("books/shelf/beef/2", "first"),
        ("books/shelf/beef/3", None),
    ]
    assert counts == {"records": 3, "other:member": 2}
    assert all(data[r.offset :].startswith(b"PK\x03\x04") for r in found if isinstance(r, Document))
    assert len(books(zipped({}))[0]) == 0


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_of_books(mode: str) -> None:
    members = {"shelf/b.txt": b"second", "shelf/a.TXT": b"first", "shelf/x.png": b"\x89PNG", "../../c.txt": b"third"}
    found, counts = books(
        tarred(members, mode), Dump("shelf.tar", "beef", {"collection": "shelf", "license": "CC0-1.0"})
    )
    assert [(record.id, getattr(record, "text", None)) for record in found] == [
        ("books/shelf/beef/0", "second"),
        ("books/shelf/beef/1", "first"),
        ("books/shelf/beef/3", "third"),
    ]
    assert {record.license for record in found if isinstance(record, Document)} == {"CC0-1.0"}
    assert counts == {"records": 3, "other:member": 2}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_one_compressed_book(pack: Callable[[bytes], bytes]) -> None:
    assert book(pack(TEXT.encode())).text == TEXT
    long = pack(random.Random(3).randbytes(3_000).hex().encode())
    found, counts = books(long[: len(long) // 2])
    assert reasons(found) == [Reason.DAMAGED]
    assert counts == {"records": 1}


def test_a_text_that_begins_like_an_archive() -> None:
    assert book(b"BZh is how bzip2 begins").text == "BZh is how bzip2 begins"
    assert book(b"PK").text == "PK"


def test_a_tar_that_is_cut_or_damaged_loses_only_what_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    prose = random.Random(2).randbytes(3_000).hex().encode()
    whole = tarred({"a.txt": b"good", "b.txt": prose})
    for end in (512 + 100, 3 * 512 + 2_000):
        found, counts = books(whole[:end])
        assert reasons(found) == [Reason.DAMAGED]
        assert counts["records"] == len(found)
    assert [record.text for record in found if isinstance(record, Document)] == ["good"]
    packed = tarred({"a.txt": b"good", "b.txt": prose}, "w:gz")
    found, counts = books(packed[: len(packed) * 2 // 3])
    assert reasons(found)[-1] == Reason.DAMAGED
    assert counts["records"] == len(found)
    monkeypatch.setattr(reader, "MAX_BOOK_BYTES", 1_000)
    assert reasons(books(whole)[0]) == [Reason.TOO_LARGE]


def test_a_stream_that_cannot_seek() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    assert len(list(read(Pipe(zipped({"a.txt": b"first"})), DUMP, Counter()))) == 1
    assert len(list(read(Pipe(b"plain text"), DUMP, Counter()))) == 1


def test_zip_bombs_are_not_unpacked() -> None:
    found, _ = books(zipped({"bomb.txt": b"a" * (1 << 23), "good.txt": b"good"}))
    assert reasons(found) == [Reason.BOMB]
    assert isinstance(found[1], Document)


def test_damaged_and_encrypted_archives_cost_only_what_is_damaged() -> None:
    prose = random.Random(2).randbytes(3_000).hex().encode()
    whole = zipped({"a.txt": prose, "b.txt": b"good"})
    broken = whole[:200] + bytes(50) + whole[250:]
    found, counts = books(broken)
    assert reasons(found) == [Reason.DAMAGED]
    assert [record.text for record in found if isinstance(record, Document)] == ["good"]
    assert counts["records"] == 2
    for cut in (10, 500, len(whole) - 30):
        found, counts = books(whole[:cut])
        assert reasons(found) == [Reason.DAMAGED]
        assert counts == {"records": 1}
    flagged = bytearray(zipped({"a.txt": b"secret"}))
    flagged[flagged.index(b"PK\x01\x02") + 8] |= 1
    assert reasons(books(bytes(flagged))[0]) == [Reason.ENCRYPTED]
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        packed = zipped({"a.txt": prose}, method)
        assert isinstance(books(packed)[0][0], Document)
        assert reasons(books(packed[:80] + bytes(30) + packed[110:])[0]) == [Reason.DAMAGED]


def test_errors_of_the_storage_pass_through() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(read(Broken(), DUMP, Counter()))


@settings(deadline=None)
@given(st.binary(max_size=400), st.integers(0, 300))
def test_any_bytes_are_one_record_each(noise: bytes, at: int) -> None:
    whole = zipped({"a.txt": b"some text", "b.txt": b"more text"}, zipfile.ZIP_STORED)
    tar = tarred({"a.txt": b"some text"}, "w:gz")
    for data in (
        noise,
        whole[:at] + noise + whole[at:],
        whole[:at] + noise + whole[at + len(noise) :],
        tar[:at] + noise + tar[at + len(noise) :],
    ):
        found, counts = books(data)
        assert len(found) == counts["records"]


@pytest.mark.parametrize(
    ("name", "encoding", "language", "number", "phrase"),
    [
        ("12__old_lglass18", "utf-8", None, 12, "One thing was certain"),
        ("13951__13951-8", "cp1252", "fr", 13951, "TRÉVILLE"),
        ("2000__old_2donq10", "cp1252", "es", 2000, "Cámara del Rey"),
        ("22367__22367-8", "cp1252", "de", 22367, "ungeheueren Ungeziefer"),
        ("2701-0", "utf-8", "en", 2701, "Call me Ishmael"),
        ("pg11", "utf-8", "en", 11, "Alice’s Adventures"),
        ("pg1342", "utf-8", "en", 1342, "truth universally acknowledged"),
        ("dracula_other_edition", "utf-8", None, None, "3 May. Bistritz"),
    ],
)
def test_real_books(
    dumps: Path, name: str, encoding: str, language: str | None, number: int | None, phrase: str
) -> None:
    found = book((dumps / "gutenberg" / f"{name}.txt").read_bytes())
    assert phrase in found.text
    assert "\r" not in found.text
    assert "\ufffd" not in found.text
    assert not found.text.startswith("\ufeff")
    assert found.language == language
    assert found.attributes["encoding"] == encoding
    assert found.attributes.get("number") == number
    assert (found.url is None) == (number is None)
