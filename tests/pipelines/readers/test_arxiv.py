import gzip
import io
import random
import tarfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from filters.latex.cleaner import check, clean, find_main, flatten, sources
from pipelines.document import Drop
from pipelines.readers import Dump
from pipelines.readers import arxiv as reader
from pipelines.readers.arxiv import Reason, Submission, month_of, read
from tests.slowness import slowness

PAPER = b"\\documentclass{article}\\begin{document}\\section{A} Words.\\end{document}"
DUMP = Dump(name="somewhere/arXiv_src_2301_001.tar", digest="d1g", attributes={"month": "2023-01"})


def tar(files: Mapping[str, bytes], format_: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def folder(name: str) -> bytes:
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE
    return member.tobuf(tarfile.GNU_FORMAT)


def gz(files: bytes | Mapping[str, bytes]) -> bytes:
    return gzip.compress(files if isinstance(files, bytes) else tar(files), mtime=0)


class Unseekable(io.RawIOBase):
    """A stream as object storage gives it: small reads, no seeking."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(min(size, 1000) if size >= 0 else -1)


def records(data: bytes, dump: Dump = DUMP) -> tuple[list[Submission | Drop], Counter[str]]:
    counts: Counter[str] = Counter()
    found = list(read(cast(BinaryIO, Unseekable(data)), dump, counts))
    assert len(found) == counts["records"]
    assert len({record.id for record in found}) == len(found)
    return found, counts


def one(content: bytes) -> Submission | Drop:
    """Read a tar of one submission with this content."""
    found, _ = records(tar({"2301/2301.00001.gz": content}))
    return found[0]


def reason(content: bytes) -> str | None:
    found = one(content)
    return found.reason if isinstance(found, Drop) else None


def test_monthly_tar() -> None:
    data = tar(
        {
            "2301/2301.00001.gz": gz({"main.tex": PAPER, "fig/a.eps": b"%!PS", "b.bib": b"@book{}"}),
            "2301/2301.00002.pdf": b"%PDF-1.5",
            "2301/astro-ph0301003.gz": gz(PAPER),
            "2301/README": b"?",
        }
    )
    found, counts = records(data)
    first, pdf, old = found
    assert isinstance(first, Submission)
    assert (first.id, first.arxiv_id, first.dump, first.month) == (
        "arxiv/d1g/2301.00001",
        "2301.00001",
        "d1g",
        "2023-01",
    )
    assert first.files == {"main.tex": PAPER, "b.bib": b"@book{}"}
    assert isinstance(pdf, Drop)
    assert (pdf.id, pdf.source, pdf.stage, pdf.reason) == ("arxiv/d1g/2301.00002", "arxiv", "read", "pdf_only")
    assert (pdf.url, pdf.title, pdf.timestamp) == ("https://arxiv.org/abs/2301.00002", "2301.00002", "2023-01")
    assert isinstance(old, Submission)
    assert (old.id, old.files) == ("arxiv/d1g/astro-ph/0301003", {"source.tex": PAPER})
    assert data[old.offset :].startswith(b"2301/astro-ph0301003.gz")
    assert counts == {"records": 3, "other:file": 1}


def test_a_gzipped_monthly_tar_is_the_tar() -> None:
    members = {
        "2301/2301.00001.gz": gz({"main.tex": PAPER}),
        "2301/2301.00002v2.pdf": b"%PDF-1.5",
        "2301/astro-ph0301003.tar.gz": gz({"main.tex": PAPER}),
    }
    plain, counts = records(tar(members))
    assert records(gz(tar(members))) == (plain, counts)
    assert records(gz(folder("2301") + tar(members)))[0][1:] == records(folder("2301") + tar(members))[0][1:]
    assert [record.id for record in plain] == [
        f"arxiv/d1g/{x}" for x in ("2301.00001", "2301.00002v2", "astro-ph/0301003")
    ]
    cut, _ = records(gz(tar({**members, "2301/2301.00009.gz": random.Random(0).randbytes(99_999)}))[:-9_000])
    assert cut[:3] == plain
    assert isinstance(cut[-1], Drop)
    assert cut[-1].reason == "truncated"
    # A submission with a drawing first, or one of another name, is none.
    for name in ("fig1.pdf", "2301.tex", "a/2301.00001.gz.tex"):
        (single,), _ = records(gz(tar({name: b"%PDF", "main.tex": PAPER})))
        assert isinstance(single, Submission)


def test_a_gzipped_month_has_no_limit_and_a_submission_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "INFLATED_LIMIT", 100_000)
    month = gz(tar({f"2301/2301.0000{index}.gz": random.Random(index).randbytes(30_000) for index in range(9)}))
    assert len(records(month)[0]) == 9
    (bomb,), _ = records(gz(tar({"main.tex": PAPER * 3_000})))
    assert isinstance(bomb, Drop)
    assert bomb.reason == "bomb"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp932", "gbk", "koi8-r"])
def test_submissions_in_other_encodings_are_tex(encoding: str) -> None:
    raw = PAPER.decode().replace("Words", "Words " * 9).encode(encoding)
    found = one(gz({"main.tex": raw}))
    assert isinstance(found, Submission)
    assert sources(found.files)["main.tex"] == raw.decode(encoding)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_in_every_tar_format(form: int) -> None:
    name = "/".join(["folder" * 8] * 2) + "/main.tex"
    found = one(gzip.compress(tar({name: PAPER, "é.tex": PAPER}, form)))
    assert isinstance(found, Submission)
    assert set(found.files) == {name, "é.tex"}


def test_single_submissions() -> None:
    for data in (gz({"main.tex": PAPER}), gz(PAPER)):
        counts: Counter[str] = Counter()
        dump = Dump(name="2301.00009.tar.gz", digest="x")
        (found,) = read(io.BytesIO(data), dump, counts)
        (renamed,) = read(io.BytesIO(data), Dump(name="other.tar.gz", digest="x"), Counter())
        (named,) = read(io.BytesIO(data), Dump(name="n", digest="x", attributes={"arxiv_id": "2301.00009"}), Counter())
        assert isinstance(found, Submission)
        assert isinstance(named, Submission)
        assert (found, counts["records"], found.offset, found.month) == (renamed, 1, 0, None)
        assert "2301" not in found.id
        assert (named.id, named.month) == ("arxiv/x/2301.00009", "2023-01")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (gz(PAPER), None),
        (gz(gz(PAPER)), None),
        (gz({"a.pdf": b"%PDF"}), Reason.PDF_ONLY),
        (gz(b"%PDF-1.4 ..."), Reason.PDF_ONLY),
        (gz(b"%!PS-Adobe"), Reason.POSTSCRIPT_ONLY),
        (gz(b"<!DOCTYPE html><html>"), Reason.HTML_ONLY),
        (gz({"index.html": b"<HTML>", "a.gif": b"GIF89a"}), Reason.HTML_ONLY),
        (gz(b"%auto-ignore\nThis paper has been withdrawn by the author."), Reason.WITHDRAWN),
        (
            gz({"w.tex": b"\\documentclass{a}\\begin{document}This paper is withdrawn.\\end{document}"}),
            Reason.WITHDRAWN,
        ),
        (gz(PAPER.replace(b"Words", b"He was withdrawn by nature")), None),
        (gz(b""), Reason.NOT_TEX),
        (gz({}), Reason.NOT_TEX),
        (gz({"a.docx": b"PK\x03\x04"}), Reason.NOT_TEX),
        (gz({"a.tex": b"\xff\xd8\xff\xe0\x00\x00\\begin"}), Reason.NOT_TEX),
        (gz(gz(gz(gz(PAPER)))), Reason.NOT_TEX),
        (PAPER, None),
        (b"", Reason.NOT_TEX),
        (gz(random.Random(0).randbytes(9000) + PAPER)[:5000], Reason.TRUNCATED),
        (gz(PAPER)[:-4] + b"\x00\x00\x00\x00", Reason.TRUNCATED),
        (gzip.compress(tar({"a.tex": PAPER * 99})[:3000], mtime=0), Reason.TRUNCATED),
        (b"\x1f\x8bnothing", Reason.TRUNCATED),
    ],
)
def test_reasons(content: bytes, expected: Reason | None) -> None:
    assert reason(content) == expected


def test_names_that_point_outside_and_links_are_ignored() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("../../etc/evil.tex", "/abs.tex", "a/../../b.tex", "ok/../main.tex"):
            member = tarfile.TarInfo(name)
            member.size = len(PAPER)
            archive.addfile(member, io.BytesIO(PAPER))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
            member = tarfile.TarInfo(f"link{kind!r}.tex")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    found = one(gz(buffer.getvalue()))
    assert isinstance(found, Submission)
    assert found.files == {"main.tex": PAPER}


def test_links_and_repeated_names_in_the_monthly_tar() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("2301/2301.00001.gz")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name in ("2301", "../../2301.00002.gz", "2301/2301.00002.gz"):
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if name == "2301" else tarfile.REGTYPE
            content = b"" if name == "2301" else gz(PAPER)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    found, counts = records(buffer.getvalue())
    assert [record.id for record in found] == ["arxiv/d1g/2301.00002", "arxiv/d1g/2301.00002@2048"]
    assert counts == {"records": 2, "other:link": 1, "other:directory": 1}


# Bombs: nothing else is lost.
def sparse(name: str, size: int) -> bytes:
    """Return a GNU sparse member of this logical size without data."""
    member = tarfile.TarInfo(name)
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = f"{size:011o}".encode() + b" " if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}".encode() + b"\x00 "
    return bytes(header)


def test_a_sparse_member_of_ten_gigabytes() -> None:
    last = tar({"2301/2301.00002.gz": gz(PAPER)})
    before = time.process_time()
    tracemalloc.start()
    found, _ = records(sparse("2301/2301.00001.gz", 10 << 30) + last)
    assert isinstance(found[0], Drop)
    assert (found[0].reason, type(found[1])) == ("bomb", Submission)
    inner = one(gz(sparse("big.tex", 10 << 30) + tar({"main.tex": PAPER})))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(inner, Submission)
    assert inner.files == {"main.tex": PAPER}
    assert peak < 64 << 20
    assert time.process_time() - before < 1 * slowness()


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "INFLATED_LIMIT", 3_000_000)
    monkeypatch.setattr(reader, "FILE_LIMIT", 1_000_000)
    monkeypatch.setattr(reader, "KEPT_LIMIT", 1_500_000)
    monkeypatch.setattr(reader, "FILES_LIMIT", 50)
    zeros = bytes(4_000_000)
    assert reason(gz(zeros)) == Reason.BOMB
    assert reason(gz(b"x" * 1_100_000)) == Reason.BOMB
    assert reason(gz(gz(zeros))) == Reason.BOMB
    assert reason(gz({"a.eps": zeros, "main.tex": PAPER})) == Reason.BOMB
    assert reason(gz({f"{index}.tex": PAPER + b"x" * 900_000 for index in range(2)})) == Reason.BOMB
    assert reason(gz({f"{index}.tex": PAPER for index in range(60)})) == Reason.BOMB
    assert reason(gz({"large.tex": b"x" * 1_100_000, "main.tex": PAPER})) is None


def test_a_header_that_asks_for_memory() -> None:
    name = tarfile.TarInfo("long")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    bomb = name.tobuf(tarfile.GNU_FORMAT) + bytes(4 << 20)
    assert reason(gz(bomb)) == Reason.TRUNCATED


# A damaged monthly tar: what came before is kept, the damage is a record of its own.
@pytest.mark.parametrize("cut", [1, 100, 600])
def test_a_tar_cut_in_the_middle(cut: int) -> None:
    whole = tar({f"2301/2301.0000{index}.gz": gz(PAPER * 9) for index in range(3)})
    third = whole.index(b"2301/2301.00002.gz")
    found, counts = records(whole[: third + cut])
    assert [record.id for record in found[:2]] == ["arxiv/d1g/2301.00000", "arxiv/d1g/2301.00001"]
    assert {record.reason for record in found[2:] if isinstance(record, Drop)} == {"truncated"}
    assert counts["records"] == len(found) > 2


def test_garbage_between_members_is_damage_and_not_the_end() -> None:
    first, second = tar({"2301/2301.00001.gz": gz(PAPER)}), tar({"2301/2301.00002.gz": gz(PAPER)})
    found, _ = records(first[: first.rindex(b"\x1f\x8b") // 512 * 512 + 512] + b"garbage!" * 64 + second)
    assert isinstance(found[-1], Drop)
    assert found[-1].reason == "truncated"


@pytest.mark.parametrize("data", [b"", b"x", b"\x00" * 10_240, b"<html>", b"\x1f\x8b"])
def test_what_is_no_dump_is_one_drop(data: bytes) -> None:
    found, _ = records(data)
    assert [type(record) for record in found] == [Drop]


@pytest.mark.parametrize("seed", range(30))
def test_random_damage_raises_nothing(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(tar({f"2301/2301.0000{index}.gz": gz({"main.tex": PAPER, "b.tex": PAPER}) for index in range(4)}))
    for _ in range(chance.randrange(1, 20)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    records(bytes(data[: chance.randrange(len(data))]))


@pytest.mark.parametrize(
    ("name", "month"),
    [
        ("arXiv_src_2301_004.tar", "2023-01"),
        ("s3://arxiv/src/arXiv_src_0001_001.tar", "2000-01"),
        ("arXiv_src_9912_002.tar", "1999-12"),
        ("/data/2301.00001v2.tar.gz", "2023-01"),
        ("hep-th9901001.gz", "1999-01"),
        ("math/0512345", "2005-12"),
        ("arXiv_src_2313_001.tar", None),
        ("paper.tar.gz", None),
    ],
)
def test_month_of(name: str, month: str | None) -> None:
    assert month_of(name) == month


def test_real_submissions(dumps: Path) -> None:
    names = sorted((dumps / "arxiv").glob("*.tar.gz"))
    monthly = tar({f"2301/2301.0000{index}.gz": path.read_bytes() for index, path in enumerate(names)})
    found, _ = records(monthly)
    assert len(found) == len(names) == 3
    for submission in found:
        assert isinstance(submission, Submission)
        files = sources(submission.files)
        main = find_main(files)
        assert main in {"ms.tex", "manuscript.tex"}
        cleaned = clean(flatten(files, main))
        assert check(cleaned) is None
        assert cleaned.macros_defined >= 4
        assert cleaned.macros_left == ()
        assert not cleaned.bounded
        assert cleaned.text.startswith("\\section")
        assert len(cleaned.text) > 4_000
        for debris in ("\\newcommand", "\\begin{document}", "\\end{document}", "\\bibliography", "\\documentclass"):
            assert debris not in cleaned.text
