"""Bad input for the web chains through the whole command: typed drops or clear errors, nothing else lost."""

from __future__ import annotations

import ast
import gzip
import json
import random
import struct
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import pytest

from pipelines import corpus, verify
from pipelines.files import tables
from pipelines.inputs import fetching
from tests.pipelines import tiny
from tests.pipelines.inputs.test_listings import serving, status, whole
from tests.pipelines.readers import test_warc as pages

WEB = ("common_crawl", "c4")
SETTINGS = (
    "tokenizer.vocabulary=400",
    "shards.validation=0.1",
    "buckets=2",
    "common_crawl.reference.buckets=head,middle,tail,all",
    "common_crawl.training.held_out=0.4",
)


def good(seed: int, number: int = 0) -> bytes:
    """Return a page's record, the text of which both chains keep."""
    return tiny.wet_record(f"http://{tiny.HOSTS[number % 2]}/good/{seed}/{number}", text(seed, number), number)


def text(seed: int, number: int = 0, before: str = "") -> str:
    return f"Title {seed}\n{before}{tiny.prose(random.Random(1000 * seed + number), 8)}"


def changed(seed: int, old: bytes, new: bytes) -> bytes:
    """Return a good record with something else in its bytes."""
    plain = gzip.decompress(good(seed))
    assert plain.count(old) == 1
    return gzip.compress(plain.replace(old, new), mtime=0)


def bomb(blocks: int = 192, kind: str = "conversion") -> bytes:
    """Return a record that is one line of so many MiB, in a thousandth of its size."""
    size = len(HTTP) + (blocks << 20)
    start = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: http://bomb.example/\r\nContent-Length: {size}\r\n\r\n"
    ).encode() + HTTP
    block = b"a" * (1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the same bytes are packed the same.
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(start)
    for _ in range(blocks):
        checksum = zlib.crc32(block, checksum)
    gzip_head, end_of_blocks = b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\x03\0"
    unpacked = len(start) + blocks * len(block)
    return gzip_head + first + packed * blocks + end_of_blocks + struct.pack("<II", checksum, unpacked & 0xFFFFFFFF)


HTTP = pages.http(b"")


def crawled(seed: int) -> bytes:
    """Return the record of a page as it was crawled, the text of which both chains keep."""
    lines = "".join(f"<p>{line}</p>" for line in text(seed).split("\n")[1:])
    return pages.record(pages.http(pages.page(lines)), seed)


def altered(seed: int, old: bytes, new: bytes) -> bytes:
    """Return a crawled page with something else in its bytes."""
    plain = crawled(seed)
    assert plain.count(old) == 1
    return plain.replace(old, new)


# Of WET and of WARC files: the file, and why the one record of it is dropped that is not good (nothing: it is kept).
WET: dict[str, tuple[bytes, str]] = {
    "truncated": (good(11) + good(12)[:-30], "truncated"),
    "corrupt": (good(21) + good(22)[:80] + b"\xff" * 20 + good(22)[100:] + good(23), "corrupt"),
    "lying length": (good(31) + changed(32, b"Content-Length: ", b"Content-Length: 9") + good(33), "content_length"),
    "no length": (changed(41, b"Content-Length: ", b"X-Length: ") + good(42), "content_length"),
    "no url": (changed(51, b"WARC-Target-URI: ", b"X-URI: ") + good(52), "no_url"),
    "no type": (changed(61, b"WARC-Type: ", b"X-Type: ") + good(62), "malformed"),
    "invalid utf-8": (changed(71, b"Title", b"T\xff\xfee") + good(72), "invalid_utf8"),
    "nul": (changed(73, b"Title", b"T\0\0le") + good(74), ""),
    "long text": (tiny.wet_record("http://long.example/", "T\n" + "x " * (5 << 20), 1) + good(81), "too_large"),
    "long line": (tiny.wet_record("http://long.example/", "T\n" + "x" * (40 << 20), 1) + good(82), "too_large"),
    "bomb": (good(91) + bomb() + good(92), "too_large"),
    "empty payload": (tiny.wet_record("http://empty.example/", "", 1) + good(112), ""),
}
WARC: dict[str, tuple[bytes, str]] = {
    "truncated": (pages.file(crawled(311), crawled(312))[:-30], "truncated"),
    "corrupt": (
        pages.file(crawled(321)) + gzip.compress(crawled(322))[:200] + b"\xff" * 99 + pages.file(crawled(323)),
        "corrupt",
    ),
    "lying length": (
        pages.file(crawled(331), altered(332, b"\r\nContent-Length: ", b"\r\nContent-Length: 9"), crawled(333)),
        "content_length",
    ),
    "no length": (
        pages.file(altered(341, b"\r\nContent-Length: ", b"\r\nX-Length: "), crawled(342)),
        "content_length",
    ),
    "no url": (pages.file(altered(351, b"WARC-Target-URI: ", b"X-URI: "), crawled(352)), "no_url"),
    "no type": (pages.file(altered(361, b"WARC-Type: ", b"X-Type: "), crawled(362)), "malformed"),
    "no status": (pages.file(altered(363, b"HTTP/1.1 200 OK", b"X-HTTP/1.1 200"), crawled(364)), "no_http"),
    "invalid utf-8": (pages.file(altered(371, b"A title", b"A t\xfftle"), crawled(372)), ""),
    "nul": (pages.file(altered(373, b"A title", b"A t\0tle"), crawled(374)), ""),
    "long line": (
        pages.file(pages.record(pages.http(pages.page("x" * (9 << 20))), 381), crawled(382)),
        "too_large",
    ),
    "bomb": (pages.file(crawled(391)) + bomb(kind="response") + pages.file(crawled(392)), "too_large"),
    "packed bomb": (
        pages.file(
            pages.record(pages.http(gzip.compress(b"a" * (64 << 20)), {**pages.HTML, "Content-Encoding": "gzip"}), 393),
            crawled(394),
        ),
        "too_large",
    ),
    "not found": (pages.file(pages.record(pages.http(status="404 Not Found"), 395), crawled(396)), "http_status"),
    "no page": (pages.file(pages.record(pages.http(b"%PDF", {"Content-Type": "application/pdf"}), 397)), "not_html"),
    "intricate page": (
        pages.file(pages.record(pages.http(pages.page("<div>" * 50_000)), 398), crawled(399)),
        "too_intricate",
    ),
}
BAD = {f"{name}.warc.wet.gz": bad for name, bad in WET.items()} | {f"{name}.warc.gz": bad for name, bad in WARC.items()}
KEPT = {f"http://{tiny.HOSTS[0]}/good/{n}/0" for n in (11, 21, 23, 31, 33, 42, 52, 62, 72, 73, 74, 81, 82, 91, 92, 112)}
KEPT |= {
    f"http://example.org/{n}"
    for n in (311, 321, 323, 331, 333, 342, 352, 362, 364, 371, 372, 373, 374, 382, 391, 392, 394, 396, 399)
}


def write(folder: Path) -> list[str]:
    """Write good and bad files of both sources, and return the options that build them."""
    for name in (*WEB, "models"):
        (folder / name).mkdir(parents=True)
    for source in WEB:
        for number in range(2):
            tiny.wet(folder / source / f"{number}.warc.wet.gz", number, 40)
        for name, (content, _) in BAD.items():
            (folder / source / name).write_bytes(content)
        (folder / source / "long lines.warc.wet.gz").write_bytes(long_lines())
    tiny.wikipedia(folder / "enwiki-20220601-pages-articles.xml.bz2", 20)
    tiny.language_model(folder / "models/lid.bin", folder)
    (folder / "models/bad_words.txt").write_text("unmentionable\n")
    options = ["--input", f"wikipedia={folder}/enwiki-*.xml.bz2"]
    options += [word for source in WEB for word in ("--input", f"{source}={folder}/{source}")]
    options += ["--model", f"lid={folder}/models/lid.bin", "--model", f"bad_words={folder}/models/bad_words.txt"]
    return options + [word for setting in SETTINGS for word in ("--set", setting)]


def long_lines() -> bytes:
    """Return a file with lines of 2 MB of every kind that a pattern may stumble over."""
    lines = ["x" * 2_000_000, "word " * 400_000, "a.b@" * 500_000, "1 " * 1_000_000, "\0" * 2_000_000]
    return b"".join(
        tiny.wet_record(f"http://long.example/{n}", f"Title\n{line}\n{tiny.prose(random.Random(n), 8)}", n)
        for n, line in enumerate(lines)
    )


@pytest.fixture(scope="module")
def folder_and_options(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("bad")
    return folder, write(folder)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, folder_and_options: tuple[Path, list[str]]) -> Path:
    output = tmp_path_factory.mktemp("built") / "corpus"
    assert corpus.main([*folder_and_options[1], "--output", str(output), "--workers", "2", "--deadline", "300"]) == 0
    return output


@pytest.mark.parametrize("source", WEB)
def test_each_damage_is_a_typed_drop_that_names_file_and_record(built: Path, source: str) -> None:
    assert list(verify.problems(str(built))) == []
    manifest = json.loads((built / source / "manifest.json").read_text())
    names = {found["digest"]: Path(found["path"]).name for found in manifest["inputs"]}
    dropped = Counter(
        (names[row["id"].split("/")[1]], row["reason"])
        for path in built.glob(f"{source}/drops/*.parquet")
        for row in tables.read_rows(str(path))
        if row["stage"] == "read"
    )
    assert dropped == Counter((name, reason) for name, (_, reason) in BAD.items() if reason)
    read = manifest["stages"][0]
    assert read["in"] == read["kept"] + sum(
        count for reasons in read["dropped"].values() for count, _ in reasons.values()
    )


def test_nothing_else_is_lost(built: Path) -> None:
    found = [
        document
        for path in built.glob("c4/documents/*.parquet")
        for document in tables.read_documents(str(path))
        if document.url in KEPT
    ]
    assert {document.url for document in found} == KEPT
    assert not any("\0" in document.text for document in found)


MEASURED = """
import resource, sys
from collections import Counter
from pathlib import Path
from pipelines.readers import Dump, warc
with Path(sys.argv[1]).open("rb") as stream:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = [(type(one).__name__, str(getattr(one, "reason", "")), getattr(one, "size", one.url))
             for one in warc.read(stream, Dump(sys.argv[1], "d"), Counter())]
print(found, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.full
def test_a_line_of_two_gigabytes_is_passed_over_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "plain.warc.wet"
    size = 2 << 30
    head = f"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://x/\r\nContent-Length: {size}\r\n\r\n"
    with path.open("wb") as stream:
        stream.write(gzip.decompress(good(1)) + head.encode())
        stream.seek(size, 1)  # a hole in the file, read as NULs
        stream.write(b"\r\n\r\n" + gzip.decompress(good(2)))
    done = subprocess.run([sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, check=True)
    found, _, megabytes = done.stdout.strip().rpartition(" ")
    assert [row[1:] for row in ast.literal_eval(found)] == [
        ("", f"http://{tiny.HOSTS[0]}/good/1/0"),
        ("too_large", size),
        ("", f"http://{tiny.HOSTS[0]}/good/2/0"),
    ]
    assert int(megabytes) < 200


def run(tmp_path: Path, *options: str) -> int:
    models = tmp_path / "models"
    models.mkdir(exist_ok=True)
    (models / "bad_words.txt").write_text("unmentionable\n")
    settings = [word for setting in ("tokenizer.vocabulary=400", "buckets=2") for word in ("--set", setting)]
    common = ["--source", "c4", "--model", f"bad_words={models}/bad_words.txt", "--output", str(tmp_path / "corpus")]
    return corpus.main([*common, *settings, *options])


@pytest.mark.full
@pytest.mark.parametrize("kind", ["conversion", "response"])
def test_a_packed_line_of_two_gigabytes_kills_no_worker(tmp_path: Path, kind: str) -> None:
    before, after = (crawled(1), crawled(2)) if kind == "response" else map(gzip.decompress, (good(1), good(2)))
    (tmp_path / "bomb.warc.gz").write_bytes(pages.file(before) + bomb(2 << 10, kind) + pages.file(after))
    tiny.wet(tmp_path / "other.warc.wet.gz", 1, 30)
    assert run(tmp_path, "--input", f"c4={tmp_path}/*.warc*", "--workers", "2") == 0
    work = tmp_path / "corpus/work/c4/pages"
    read = [json.loads(path.read_text()) for path in sorted(work.glob("*.json"))]
    assert {"dropped": {"read": {"too_large": [1, (2 << 30) + len(HTTP)]}}, "in": 3, "kept": 2} in [
        {name: found[name] for name in ("dropped", "in", "kept")} for found in read
    ]
    assert all(found["worker_memory_bytes"] < 512 << 20 for found in read)


@pytest.mark.parametrize(
    ("name", "content", "runner"),
    [
        ("empty.warc.wet.gz", b"", ["--workers", "2"]),
        ("empty.warc.gz", b"", ["--runner", "plain"]),
        ("no-record.warc.gz", gzip.compress(b"just text", mtime=0), ["--runner", "plain"]),
        ("other.zip", b"PK\x03\x04 something else", ["--runner", "plain"]),
        ("page.html", b"<html>an error page of a server</html>", ["--runner", "plain"]),
    ],
    ids=["empty, two workers", "empty", "no record", "another format", "an error page"],
)
def test_a_file_that_is_none_is_an_error_that_names_it(
    tmp_path: Path, name: str, content: bytes, runner: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.wet(tmp_path / "good.warc.wet.gz", 1, 5)
    (tmp_path / name).write_bytes(content)
    assert run(tmp_path, "--input", f"c4={tmp_path}/*.*", *runner) in (1, 2)
    error = capsys.readouterr().err
    assert str(tmp_path / name) in error
    assert "Traceback" not in error


def test_a_directory_stands_for_its_files_and_an_empty_one_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert run(tmp_path, "--input", f"c4={tmp_path}/empty") == 2
    assert f"{tmp_path}/empty: this folder holds no file" in capsys.readouterr().err
    assert run(tmp_path, "--input", f"c4={tmp_path}/nowhere") == 2
    (tmp_path / "0.warc.wet.gz").mkdir()
    tiny.wet(tmp_path / "0.warc.wet.gz/pages", 1, 30)
    assert run(tmp_path, "--input", f"c4={tmp_path}/0.warc.wet.gz", "--runner", "plain") == 0
    assert json.loads((tmp_path / "corpus/c4/manifest.json").read_text())["inputs"][0]["path"].endswith("gz/pages")


@pytest.mark.parametrize("code", [403, 503])
def test_a_server_that_refuses_is_an_error_that_names_the_url(
    tmp_path: Path, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.01)
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    path = "crawl-data/x/0.warc.wet.gz"
    with serving() as server:
        server.on("/wet.paths.gz", whole(gzip.compress(f"{path}\n".encode())))
        url = server.on(f"/{path}", status(code))
        assert run(tmp_path, "--input", f"c4[base={server.url}]={server.url}/wet.paths.gz") in (1, 2)
    error = capsys.readouterr().err
    assert url in error
    assert str(code) in error
    assert "Traceback" not in error


def test_personal_information_is_left_out_and_masked(tmp_path: Path) -> None:
    rng = random.Random(7)
    contact = "Please write to the editor ann.lee@mail.example.com or call +49 30 1234567 before the evening comes."
    records = [
        tiny.wet_record("http://www.people.example/ann", f"T\n{tiny.prose(rng, 8)}", 1),
        *(tiny.wet_record(f"http://n.example/{n}", f"T\n{contact}\n{tiny.prose(rng, 30)}", n) for n in range(9)),
    ]
    (tmp_path / "a.warc.wet.gz").write_bytes(b"".join(records))
    (tmp_path / "sites.txt").write_text("people.example\n")
    options = ["--input", f"c4={tmp_path}/a.*", "--recipe", "llama2", "--runner", "plain"]
    options += ["--model", f"personal_information_sites={tmp_path}/sites.txt"]
    assert run(tmp_path, *options, "--set", "c4.english.mask_personal_information=true", "--set", "excerpts=1") == 0
    drops = [row for path in tmp_path.glob("corpus/c4/drops/*") for row in tables.read_rows(str(path))]
    told = [(row["reason"], row["excerpt"], row["url"], row["title"]) for row in drops]
    assert told == [("personal_information_site", "", None, None)]
    found = [d for path in tmp_path.glob("corpus/c4/documents/*") for d in tables.read_documents(str(path))]
    masked = [document for document in found if document.attributes["masked_emails"]]
    assert len(found) == 9
    statistics = json.loads((tmp_path / "corpus/c4/manifest.json").read_text())["stages"][2]["statistics"]
    assert (statistics["masked_emails"], statistics["masked_telephones"], statistics["masked_ip_addresses"]) == (
        1,
        1,
        0,
    )
    assert [(d.attributes["masked_emails"], d.attributes["masked_telephones"]) for d in masked] == [(1, 1)]
    assert "write to the editor [E-MAIL ADDRESS] or call [TELEPHONE NUMBER] before" in masked[0].text


def test_a_list_that_nobody_reads_or_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.wet(tmp_path / "good.warc.wet.gz", 1, 5)
    (tmp_path / "sites.txt").write_text("http://people.example/\n")
    given = ["--input", f"c4={tmp_path}/good.*", "--model", f"personal_information_sites={tmp_path}/sites.txt"]
    assert run(tmp_path, *given, "--recipe", "paper") == 2
    assert "the recipe paper leaves no site out" in capsys.readouterr().err
    assert run(tmp_path, *given, "--recipe", "llama2") == 2
    assert "line 1: 'http://people.example/' is not a host" in capsys.readouterr().err
