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

from pipelines import corpus, listings, tables, verify
from tests.pipelines import test_warc as pages
from tests.pipelines import tiny
from tests.pipelines.test_listings import serving, status, whole

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


def bomb() -> bytes:
    """Return 200 kB that inflates to a page of one line of 1 GB."""
    head = b"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://bomb.example/\r\nContent-Length: %d\r\n\r\n"
    start, block, blocks = head % (192 << 20), b"a" * (1 << 20), 192
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the same bytes are packed the same.
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(start)
    for _ in range(blocks):
        checksum = zlib.crc32(block, checksum)
    size = len(start) + blocks * len(block)
    gzip_head, end_of_blocks = b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\x03\0"
    return gzip_head + first + packed * blocks + end_of_blocks + struct.pack("<II", checksum, size)


BAD: dict[str, tuple[bytes, str]] = {
    "truncated": (good(11) + good(12)[:-30], "truncated"),
    "corrupt": (good(21) + good(22)[:80] + b"\xff" * 20 + good(22)[100:] + good(23), "corrupt"),
    "lying length": (good(31) + changed(32, b"Content-Length: ", b"Content-Length: 9") + good(33), "content_length"),
    "no length": (changed(41, b"Content-Length: ", b"X-Length: ") + good(42), "content_length"),
    "no url": (changed(51, b"WARC-Target-URI: ", b"X-URI: ") + good(52), "no_url"),
    "no type": (changed(61, b"WARC-Type: ", b"X-Type: ") + good(62), "malformed"),
    "invalid utf-8": (changed(71, b"Title", b"T\xff\xfee") + good(72), "invalid_utf8"),
    "long line": (tiny.wet_record("http://long.example/", "T\n" + "x" * (40 << 20), 1) + good(82), "too_large"),
    "bomb": (good(91) + bomb() + good(92), "too_large"),
    "intricate page": (good(101) + good(102), ""),
    "empty payload": (tiny.wet_record("http://empty.example/", "", 1) + good(112), ""),
}


def write(folder: Path) -> list[str]:
    """Write good and bad files of both sources, and return the options that build them."""
    for name in (*WEB, "models"):
        (folder / name).mkdir(parents=True)
    for source in WEB:
        for number in range(2):
            tiny.wet(folder / source / f"{number}.warc.wet.gz", number, 40)
        for name, (content, _) in BAD.items():
            (folder / source / f"{name}.warc.wet.gz").write_bytes(content)
        (folder / source / "pages.warc.gz").write_bytes(warc_file())
        (folder / source / "long lines.warc.wet.gz").write_bytes(long_lines())
    tiny.wikipedia(folder / "enwiki-20220601-pages-articles.xml.bz2", 20)
    tiny.language_model(folder / "models/lid.bin", folder)
    (folder / "models/bad_words.txt").write_text("unmentionable\n")
    options = ["--input", f"wikipedia={folder}/enwiki-*.xml.bz2"]
    options += [word for source in WEB for word in ("--input", f"{source}={folder}/{source}")]
    options += ["--model", f"lid={folder}/models/lid.bin", "--model", f"bad_words={folder}/models/bad_words.txt"]
    return options + [word for setting in SETTINGS for word in ("--set", setting)]


def warc_file() -> bytes:
    """Return a WARC file: pages, one of them with NUL bytes, and responses that are none."""
    paragraphs = "".join(f"<p>{line}</p>" for line in text(200).split("\n")[1:])
    nul = "".join(f"<p>{line}</p>" for line in text(201, before="A nul\0byte is in it. And here.\n").split("\n")[1:])
    payloads = [
        pages.http(pages.page(paragraphs)),
        pages.http(pages.page(nul)),
        pages.http(status="404 Not Found"),
        pages.http(b"%PDF", {"Content-Type": "application/pdf"}),
        pages.http(pages.page("<div>" * 50_000 + paragraphs)),
        b"no HTTP",
    ]
    return pages.file(*(pages.record(payload, number) for number, payload in enumerate(payloads)))


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


def read_drops(built: Path, source: str) -> Counter[str]:
    paths = built.glob(f"{source}/drops/*.parquet")
    return Counter(row["reason"] for path in paths for row in tables.read_rows(str(path)) if row["stage"] == "read")


def urls(built: Path, source: str) -> set[str]:
    paths = built.glob(f"{source}/documents/*.parquet")
    return {document.url or "" for path in paths for document in tables.read_documents(str(path))}


@pytest.mark.parametrize("source", WEB)
def test_each_damage_is_a_typed_drop(built: Path, source: str) -> None:
    assert list(verify.problems(str(built))) == []
    expected = Counter(reason for _, reason in BAD.values() if reason)
    expected += Counter(["http_status", "not_html", "too_intricate", "no_http"])
    assert read_drops(built, source) == expected
    manifest = json.loads((built / source / "manifest.json").read_text())
    read = manifest["stages"][0]
    assert read["in"] == read["kept"] + sum(
        count for reasons in read["dropped"].values() for count, _ in reasons.values()
    )


def test_nothing_else_is_lost(built: Path) -> None:
    kept = urls(built, "c4")
    seeds = [11, 21, 23, 31, 33, 42, 52, 62, 72, 82, 91, 92, 101, 102, 112]
    assert {f"http://{tiny.HOSTS[0]}/good/{seed}/0" for seed in seeds} <= kept
    assert {"http://example.org/0", "http://example.org/1"} <= kept


MEASURED = """
import resource, sys
from collections import Counter
from pathlib import Path
from pipelines.readers import Dump, warc
with Path(sys.argv[1]).open("rb") as stream:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = [(type(one).__name__, str(getattr(one, "reason", "")), one.url if hasattr(one, "url") else one.size)
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


@pytest.mark.parametrize(
    ("name", "content", "runner"),
    [
        ("empty.warc.wet.gz", b"", ["--workers", "2"]),
        ("empty.warc.gz", b"", ["--runner", "plain"]),
        ("no-record.warc.gz", gzip.compress(b"just text"), ["--runner", "plain"]),
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
    assert f"{tmp_path}/empty: no such file" in capsys.readouterr().err
    assert run(tmp_path, "--input", f"c4={tmp_path}/nowhere") == 2


@pytest.mark.parametrize("code", [403, 503])
def test_a_server_that_refuses_is_an_error_that_names_the_url(
    tmp_path: Path, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "PAUSE_SECONDS", 0.01)
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
    assert [(row["reason"], row["excerpt"]) for row in drops] == [("personal_information_site", "")]
    found = [d for path in tmp_path.glob("corpus/c4/documents/*") for d in tables.read_documents(str(path))]
    masked = [document for document in found if "masked_emails" in document.attributes]
    assert len(found) == 9
    statistics = json.loads((tmp_path / "corpus/c4/manifest.json").read_text())["stages"][2]["statistics"]
    assert (statistics["masked_emails"], statistics["masked_telephones"], statistics["masked_ip_addresses"]) == (
        1,
        1,
        0,
    )
    assert [(d.attributes["masked_emails"], d.attributes["masked_telephones"]) for d in masked] == [("1", "1")]
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
    assert "line 1: 'http://people.example/' is no host" in capsys.readouterr().err
