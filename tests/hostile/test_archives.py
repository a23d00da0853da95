"""Archives and line readers with small inputs that ask for much: memory is bounded, time is linear, errors are typed.

What could take gigabytes is read in a process of its own; what was quadratic is compared with four times as much of it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.readers import (
    Dump,
    arxiv,
    github_archive,
    github_licences,
    gutenberg,
    mediawiki,
    packed,
    stack_exchange,
    tars,
    wet,
)
from pipelines.readers import warc_records as records
from tests.hostile.files import Read, record
from tests.hostile.targets import Target
from tests.hostile.test_hostile import BYTES, GROWTH, SECONDS, cost

LIMIT = 128 << 20  # bytes beyond what the modules take

READ = """
import importlib, json, sys
from collections import Counter
from pipelines.readers import Dump
reader = importlib.import_module("pipelines.readers." + sys.argv[1])
def largest():
    with open('/proc/self/status') as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith('VmHWM'))
before = largest()
counts, found = Counter(), Counter()
with open(sys.argv[2], "rb") as stream:
    for one in reader.read(stream, Dump("bomb", "d", {}), counts):
        found[getattr(one, "reason", "document")] += 1
assert counts["records"] == sum(found.values())
print(json.dumps([found, largest() - before]))
"""


def read_apart(reader: str, path: Path) -> tuple[dict[str, int], int]:
    """Return what becomes of a file's records by reason, and the bytes of memory that it took."""
    command = [sys.executable, "-c", READ, reader, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found, memory = json.loads(done.stdout)
    return found, memory


def read(reader: Read, data: bytes, **attributes: str) -> dict[str, int]:
    """Return what becomes of a file's records by reason."""
    counts: Counter[str] = Counter()
    found = list(reader(io.BytesIO(data), Dump("file", "d", attributes), counts))
    assert counts["records"] == len(found)
    return Counter(str(getattr(one, "reason", "document")) for one in found)


def assert_linear(
    reader: Read, made: Callable[[int], bytes], size: int, *, memory: bool = False, **attributes: str
) -> None:
    """Assert that what is made of four times the size costs less than nine times as much."""
    target = Target(lambda data: read(reader, data, **attributes), (), ())
    small, large = made(size), made(4 * size)
    if cost(target, large, memory=memory) > (BYTES if memory else SECONDS):
        spent, before = (min(cost(target, data, memory=memory) for _ in range(3)) for data in (large, small))
        assert spent < GROWTH * before, f"{spent} for {len(large)} bytes, {before} for {len(small)}"


# --- tars ------------------------------------------------------------------------------------------------------------

PAPER = b"\\documentclass{a}\\begin{document}\\section{A}\\end{document}"


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % tars.BLOCK)


def member(name: str, data: bytes = b"x = 1\n", kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + padded(data)


def pax(*pairs: tuple[str, str], kind: bytes = tarfile.XHDTYPE) -> bytes:
    return member("pax", b"".join(map(pax_record, pairs)), kind)


def pax_record(pair: tuple[str, str]) -> bytes:
    rest = f" {pair[0]}={pair[1]}\n".encode()
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def ended(*parts: bytes) -> bytes:
    return b"".join(parts) + bytes(2 * tars.BLOCK)


def keys(count: int, kind: bytes = tarfile.XGLTYPE) -> bytes:
    return pax(*((f"k{number}", "") for number in range(count)), kind=kind)


def sparse(count: int) -> bytes:
    """Return a member whose map of a sparse file says that it has so many parts."""
    named = (("major", "1"), ("minor", "0"), ("name", "top/a.py"), ("realsize", "100"))
    head = pax(*((f"GNU.sparse.{name}", value) for name, value in named))
    return head + member("x", b"%d\n" % count + b"0\n" * (2 * count))


TARS: dict[str, tuple[bytes, str]] = {
    "a header for all of many keys": (keys(60_000), "bomb"),
    "a header for all of some keys": (keys(tars.GLOBAL_KEYS + 1), "bomb"),
    "many headers for all": (b"".join(pax((f"k{n}", ""), kind=tarfile.XGLTYPE) for n in range(12)) * 2, "truncated"),
    "a name of 2 MB": (pax(("path", "a" * (2 << 20))), "bomb"),
    "long names of 700 kB, twice": (
        member("L", b"a" * 700_000, tarfile.GNUTYPE_LONGNAME) + member("K", b"a" * 700_000, tarfile.GNUTYPE_LONGLINK),
        "bomb",
    ),
    "a map of a million parts": (sparse(1_000_000), "bomb"),
    "a number of a million digits": (pax(("comment", "1" * 1_000_000)), "bomb"),
    "headers within headers": (pax(("a", "b")) * 2_000, "truncated"),
    "a record that says no length": (member("pax", b"0" * 9_000 + b"1 a=b\n", tarfile.XHDTYPE), "truncated"),
    "a record without a name": (member("pax", b"6 =ab\n", tarfile.XHDTYPE), "truncated"),
    "a size below 0": (pax(("size", "-1024")), "truncated"),
    "a map that is no number": (pax(("GNU.sparse.map", "a,b")), "truncated"),
}


@pytest.mark.parametrize("name", TARS)
def test_headers_of_tars_are_bounded(name: str) -> None:
    head, reason = TARS[name]
    before, after = member("top/a.py", b"a"), member("top/b.py", b"b")
    found = read(github_archive.read_archive, ended(before, head, after, after))
    assert found[reason] == 1
    assert found["document"] in {1, 2}
    book = member("a.txt", b"A book.")
    assert read(gutenberg.read, ended(book, head, book))["damaged_archive"] == 1
    paper = member("2301/2301.00001.gz", gzip.compress(PAPER))
    assert read(arxiv.read, ended(paper, head, paper))["truncated"] == 1
    inner = gzip.compress(ended(member("main.tex", PAPER), head, member("b.tex", PAPER)))
    assert read(arxiv.read, ended(member("2301/2301.00001.gz", inner), paper)) == {"truncated": 1, "document": 1}


def test_usual_headers_are_read() -> None:
    head = pax(("comment", "a" * 40), kind=tarfile.XGLTYPE)
    own = pax(("path", "top/" + "ü" * 200 + ".py"), ("mtime", "1661990400.123456789"), ("SCHILY.xattr.user", "1" * 60))
    long = member("././@LongLink", b"top/" + b"b" * 200 + b".py\0", tarfile.GNUTYPE_LONGNAME)
    data = ended(head, own, member("top/short"), long, member("top/short"), sparse(1), member("top/last.py"))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = [info.name for info in archive]
    stream = tars.buffered(tars.Raw(io.BytesIO(data)))
    assert [info.name for info, _ in tars.members(stream)] == names
    assert names[0] == "top/" + "ü" * 200 + ".py"
    assert names[1] == "top/" + "b" * 200 + ".py"


@pytest.mark.parametrize("damage", [b"\xff" * 512, b"x"])
def test_a_source_archive_that_is_damaged_between_members_says_so(damage: bytes) -> None:
    assert read(github_archive.read_archive, member("top/a.py") + damage) == {"document": 1, "truncated": 1}


def deep(size: int) -> bytes:
    return gzip.compress(ended(pax(("path", "a/" * size + "f.py")), member("x")))


def test_members_are_not_kept() -> None:
    data = ended(keys(tars.GLOBAL_KEYS), member("top/a", b"", tarfile.DIRTYPE) * 3_000)
    target = Target(lambda data: read(github_archive.read_archive, data), (), ())
    assert cost(target, data, memory=True) < 4 << 20


def test_long_names_are_linear() -> None:
    assert_linear(github_archive.read_archive, deep, 100_000)
    assert read(github_archive.read_archive, deep(10_000)) == {"unsafe_path": 1}
    assert read(github_archive.read_archive, deep(2_000)) == {"document": 1}


def test_dotted_keys_are_bounded() -> None:
    def keyed(size: int) -> bytes:
        key = "a." * size + "a=1\n"
        return ended(member("top/Cargo.toml", (key + '[package]\nlicense = "MIT"\n').encode()), member("top/a.rs"))

    assert read(github_archive.read_archive, keyed(100_000)) == {"document": 2}
    assert_linear(github_archive.read_archive, keyed, 1_000, memory=True)
    for dots, expected in ((-1, {"top": "MIT"}), (1, {})):
        stream = io.BytesIO(keyed(github_licences.MAX_TOML_DOTS + dots))
        assert github_archive._layout(stream, None).licences.metadata == expected


# --- compression -----------------------------------------------------------------------------------------------------


def packed_zip(name: bytes, content: bytes, method: int, size: int) -> bytes:
    """Return a zip of one member that says it has `size` bytes."""
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 46, 0, method, 0, 0, 0, len(content), size, len(name), 0) + name
    central = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 46, 46, 0, method, 0, 0, 0, len(content), size, len(name), *[0] * 4, 0, 0
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central) + len(name), len(local) + len(content), 0)
    return local + content + central + name + end


def zeros(pack: Any, mebibytes: int) -> bytes:
    return b"".join(pack.compress(bytes(1 << 20)) for _ in range(mebibytes)) + bytes(pack.flush())


LZMA1: dict[str, Any] = {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20, "lc": 3, "lp": 0, "pb": 2}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zips_members_are_inflated_as_they_are_asked_for(tmp_path: Path, method: int) -> None:
    pack: Any = (
        bz2.BZ2Compressor() if method == zipfile.ZIP_BZIP2 else lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[LZMA1])
    )
    head = b"" if method == zipfile.ZIP_BZIP2 else b"\x09\x04\x05\x00\x5d" + struct.pack("<L", 1 << 20)
    content = head + zeros(pack, 300)
    path = tmp_path / "bomb.zip"
    path.write_bytes(packed_zip(b"top/1234.txt", content, method, 4_000_000))
    for reader, reason in (("github_input", "too_large"), ("gutenberg", "damaged_archive")):
        found, memory = read_apart(reader, path)
        assert (found, memory < LIMIT) == ({reason: 1}, True)


@pytest.mark.parametrize("reader", [github_archive.read_archive, gutenberg.read])
def test_members_of_a_zip_that_overlap(reader: Read) -> None:
    """A directory that names one member a thousand times."""
    one = packed_zip(b"top/1234.txt", b"A book.\n" * 1_000, zipfile.ZIP_STORED, 8_000)
    end = one.rindex(b"PK\5\6")
    central = one[one.index(b"PK\1\2") : end] * 1_000
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1_000, 1_000, len(central), one.index(b"PK\1\2"), 0)
    found = read(reader, one[: one.index(b"PK\1\2")] + central + tail)
    assert sum(found.values()) <= 3


def test_a_zips_members_are_what_zipfile_says() -> None:
    prose = random.Random(2).randbytes(100_000).hex().encode()
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        for content in (b"", b"a", prose):
            target = io.BytesIO()
            with zipfile.ZipFile(target, "w", method) as archive:
                archive.writestr("a", content)
            with zipfile.ZipFile(target) as archive:
                (info,) = archive.infolist()
                assert packed.zip_member(archive, info, len(content) + 1) == content
                assert packed.zip_member(archive, info, 10) == content[:10]
                info.CRC ^= 1
                with pytest.raises(zipfile.BadZipFile, match="Bad CRC-32"):
                    packed.zip_member(archive, info, len(content) + 1)


def chunks(data: bytes) -> Iterator[bytes]:
    reader = packed._xz(io.BytesIO(data))
    while piece := reader.read(1_000):
        yield piece


@pytest.mark.parametrize("after", [b"", b"no xz", lzma.compress(b"more")])
def test_xz_is_what_lzma_reads(after: bytes) -> None:
    data = lzma.compress(b"text" * 50_000) + lzma.compress(b"") + lzma.compress(b"end") + after
    assert b"".join(chunks(data)) == lzma.decompress(data)
    for cut in (data[:30], data[:3], b"", b"no xz"):
        with pytest.raises((EOFError, lzma.LZMAError)) as error, lzma.LZMAFile(io.BytesIO(cut)) as file:
            file.read()
        with pytest.raises(error.type, match=str(error.value)):
            list(chunks(cut))


def test_a_dictionary_of_four_gigabytes_is_refused() -> None:
    data = bytearray(lzma.compress(ended(member("top/a.txt"))))
    size = 4 * (data[12] + 1)
    data[data.index(b"\x21\x01", 12) + 2] = 40  # of the LZMA2 filter: 4 GiB
    data[12 + size - 4 : 12 + size] = struct.pack("<L", zlib.crc32(data[12 : 12 + size - 4]))
    for reader, reason in ((github_archive.read_archive, "bomb"), (gutenberg.read, "zip_bomb")):
        counts: Counter[str] = Counter()
        (drop,) = reader(io.BytesIO(bytes(data)), Dump("file", "d", {}), counts)
        assert getattr(drop, "reason", "") == reason
        assert getattr(drop, "excerpt", "").startswith("more than 512 MiB of memory to decompress; compress it with")


@pytest.mark.parametrize("unit", [b"\x01", b"a\r\n"])
@pytest.mark.parametrize("tarred", [False, True])
def test_a_book_is_in_proportion_to_its_file(tmp_path: Path, unit: bytes, tarred: bool) -> None:
    text = "😀".encode() + unit * ((200 << 20) // len(unit))
    path = tmp_path / "book.gz"
    path.write_bytes(gzip.compress(member("a.txt", text) if tarred else text, 6))
    assert path.stat().st_size < 1 << 20
    found, memory = read_apart("gutenberg", path)
    assert (found, memory < LIMIT) == ({"zip_bomb": 1}, True)


def test_control_characters_are_counted_one_by_one() -> None:
    assert_linear(gutenberg.read, lambda size: b"\x01" * size, 1 << 20, memory=True)
    for controls, reason in ((1, "document"), (2, "binary")):
        assert read(gutenberg.read, b"\x01" * controls + b"a" * (100 - controls)) == {reason: 1}


# --- records ---------------------------------------------------------------------------------------------------------


def crowd(size: int, last: bytes) -> bytes:
    """Return so many WET members of a megabyte in a kilobyte, whose ends are overwritten."""
    made = gzip.compress(record(b"conversion", b"x" * 1_000_000), 9, mtime=0)
    return (made[: -len(last)] + last) * size


@pytest.mark.parametrize("last", [bytes(8), b"\xff" * 20])
def test_damaged_members_are_linear(monkeypatch: pytest.MonkeyPatch, last: bytes) -> None:
    monkeypatch.setattr(records, "RETRACED", 4 << 20)
    assert_linear(wet.read, lambda size: crowd(size, last), 8)


def test_damaged_members_cost_no_whole_one_while_there_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gzip.compress(record(b"conversion", b"A page."), 9, mtime=0)
    data = whole + crowd(3, bytes(8)) + whole
    assert read(wet.read, data) == {"document": 2, "corrupt": 3}
    monkeypatch.setattr(records, "RETRACED", 0)
    assert read(wet.read, data)["corrupt"] == 1


def posts(size: int) -> bytes:
    attributes = " ".join(f"a{number}=''" for number in range(size))
    return f"<posts>\n<row {attributes} />\n</posts>\n".encode()


def test_rows_of_many_attributes_are_refused() -> None:
    reader: Read = stack_exchange.read
    assert_linear(reader, posts, 10_000, site="a.stackexchange.com")
    most = stack_exchange.MAX_ATTRIBUTES
    for count, reason in ((most, "no_id"), (most + 1, "malformed_row")):
        assert read(reader, posts(count), site="a.stackexchange.com") == {reason: 1}
    inner = posts(1_000).replace(b"<row ", b"<row><a ")
    assert read(reader, inner, site="a.stackexchange.com") == {"malformed_row": 1}


def number(value: int) -> bytes:
    return b"\xff" + struct.pack("<Q", value)


def test_a_7z_that_says_it_is_larger_than_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Posts.xml is bzip2 of 4 MB; another folder says that it has a terabyte packed."""
    monkeypatch.setattr(stack_exchange, "BOMB_BYTES", 1 << 20)
    packed_posts = bz2.compress(b'<row Id="1" />\n' * 300_000)
    names = b"\0" + b"".join(name.encode("utf-16-le") + b"\0\0" for name in ("Posts.xml", "Other.xml"))
    header = b"\x01\x04\x06" + number(0) + number(2) + b"\x09" + number(len(packed_posts)) + number(10**12) + b"\0"
    header += b"\x07\x0b" + number(2) + b"\0" + b"\x01\x03\x04\x02\x02" * 2
    header += b"\x0c" + number(4_500_000) + number(10) + b"\0\x08\0\0\x05" + number(2)
    header += b"\x11" + number(len(names)) + names + b"\0\0"
    start = struct.pack("<QQL", len(packed_posts), len(header), zlib.crc32(header))
    archive = b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<L", zlib.crc32(start)) + start + packed_posts + header
    with pytest.raises(ValueError, match=r"would be 4500010 bytes from \d{1,4}: refused as a bomb"):
        stack_exchange.decompress(io.BytesIO(archive), lambda _: pytest.fail("written"))


def test_tags_are_bounded() -> None:
    def tagged(size: int) -> bytes:
        return b'<mediawiki><page><title a="' + b"x" * size + b'">T</title><id>1</id></page></mediawiki>'

    assert_linear(mediawiki.read, tagged, 8 << 20, language="en")
    assert read(mediawiki.read, tagged(1_000), language="en") == {"document": 1}
    assert read(mediawiki.read, tagged(4 * mediawiki.MAX_TAG_BYTES), language="en")["malformed"] == 1
