"""What pages are kept in besides gzipped WARC: ARC 1 and 2, zstd with a dictionary or without, and what is refused."""

import bz2
import gzip
import io
import json
import lzma
import time
import zlib
from collections.abc import Callable

import pytest
import zstandard

from pipelines.readers import warc, zstd_frames
from tests.pipelines.readers.test_warc import DUMP, GOOD, file, http, page, read_all, record, text_of, urls
from tests.slowness import slowness

PLAIN = b"".join(GOOD)


def arc(*payloads: bytes, version: int = 1, length: int | None = None) -> list[bytes]:
    """Return the records of an ARC file; `length` is what the second page's line says."""
    names = "URL IP-address Archive-date Content-type Archive-length"
    if version == 2:
        names = "URL IP-address Archive-date Content-type Result-code Checksum Location Offset Filename Archive-length"
    block = f"{version} 0 Alexa Internet\n{names}\n\n".encode()
    more = " 200 abc - 1234 x.arc" if version == 2 else ""
    said = [length if length is not None and number == 2 else len(one) for number, one in enumerate(payloads, 1)]
    first = f"filedesc://x.arc 0.0.0.0 20080402030405 text/plain{more} {len(block)}\n".encode() + block
    lines = [
        f"http://example.org/{number} 192.168.0.1 20080402030405 text/html{more} {size}\n".encode()
        for number, size in enumerate(said, 1)
    ]
    return [first, *(line + one + b"\n" for line, one in zip(lines, payloads, strict=True))]


PAGES = [http(page(f"<p>Page {number}."), status="200 OK") for number in range(1, 4)]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "packed",
    [b"".join, lambda parts: b"".join(map(gzip.compress, parts)), lambda parts: gzip.compress(b"".join(parts))],
)
def test_arc(version: int, packed: Callable[[list[bytes]], bytes]) -> None:
    missing = http(status="404 Not Found")
    documents, drops, counts = read_all(packed(arc(*PAGES, missing, version=version)))
    assert [one.text for one in documents] == [f"A title\nPage {number}." for number in range(1, 4)]
    assert (urls(documents), documents[0].timestamp) == ([1, 2, 3], "2008-04-02T03:04:05Z")
    assert [drop.reason for drop in drops] == ["http_status"]
    assert counts == {"records": 4, "other:warcinfo": 1}


def test_damage_in_arc_costs_one_record() -> None:
    for length in (10, 10_000):
        documents, drops, _ = read_all(b"".join(arc(*PAGES, length=length)))
        assert (urls(documents), [drop.reason for drop in drops]) == ([1, 3], ["content_length"])
    members = [gzip.compress(one) for one in arc(*PAGES)]
    members[2] = members[2][:40] + b"\xff" * 8 + members[2][48:]
    documents, drops, _ = read_all(b"".join(members))
    assert (urls(documents), [drop.reason for drop in drops]) == ([1, 3], ["corrupt"])
    documents, drops, _ = read_all(b"".join(arc(*PAGES))[:-20])
    assert (urls(documents), [drop.reason for drop in drops]) == ([1, 2], ["content_length"])


def frames(records: list[bytes], dictionary: zstandard.ZstdCompressionDict | None = None) -> bytes:
    packer = zstandard.ZstdCompressor(dict_data=dictionary)
    return b"".join(map(packer.compress, records))


def skippable(content: bytes, magic: bytes = zstd_frames.DICTIONARY) -> bytes:
    return magic + len(content).to_bytes(4, "little") + content


DICTIONARY = zstandard.ZstdCompressionDict(PLAIN[:2_000])
WORDS = DICTIONARY.as_bytes()


@pytest.mark.parametrize(
    "data",
    [
        frames(GOOD),
        frames([PLAIN]),
        frames(GOOD[:3]) + skippable(b"an index", b"\x50\x2a\x4d\x18") + frames(GOOD[3:]),
        skippable(WORDS) + frames(GOOD, DICTIONARY),
        skippable(zstandard.compress(WORDS)) + frames(GOOD, DICTIONARY),
        frames(arc(*PAGES)),
    ],
    ids=["frames", "one frame", "other frames", "dictionary", "packed dictionary", "arc"],
)
def test_zstd(data: bytes) -> None:
    documents, drops, _ = read_all(data)
    assert not drops and len(documents) in (3, 6)
    warc.look(io.BytesIO(data), DUMP)


def test_damage_in_zstd_costs_one_record() -> None:
    parts = [zstandard.compress(one) for one in GOOD]
    parts[2] = parts[2][:30] + b"\xff" * 30 + parts[2][60:]
    documents, drops, _ = read_all(b"".join(parts))
    assert (urls(documents), [drop.reason for drop in drops]) == ([0, 1, 3, 4, 5], ["content_length"])
    documents, drops, _ = read_all(frames(GOOD)[:-20])
    assert (urls(documents), [drop.reason for drop in drops]) == ([0, 1, 2, 3, 4], ["content_length"])
    large = zstandard.compress(record(http(bytes(range(32, 256)) * 3_000 + page())))
    documents, drops, _ = read_all(large[:-8] + frames(GOOD))
    assert (urls(documents), [drop.reason for drop in drops]) == ([0, 1, 2, 3, 4, 5], ["content_length"])
    parts = [zstandard.compress(one) for one in arc(*PAGES)]
    documents, drops, _ = read_all(parts[0] + parts[1] + parts[2][:-9] + parts[3])
    assert (urls(documents), [drop.reason for drop in drops]) == ([1, 3], ["malformed"])
    with pytest.raises(ValueError, match=r"name\.warc\.gz: the zstd dictionary of this file cannot be read"):
        read_all(skippable(zstandard.compress(WORDS)[:-9]) + frames(GOOD))


def test_a_bomb_of_zstd_is_passed_over() -> None:
    bomb = record(http(b"x" * (64 << 20)), 9)
    started = time.process_time()
    documents, drops, _ = read_all(frames([GOOD[0], bomb, GOOD[1]]))
    assert (urls(documents), [drop.reason for drop in drops]) == ([0, 1], ["too_large"])
    assert time.process_time() - started < 5 * slowness()


WAT = json.dumps({"Envelope": {"Payload-Metadata": {}}}).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bz2.compress(PLAIN), "this is a file of WARC records in bzip2; a WET, WARC or ARC file"),
        (lzma.compress(PLAIN), "this is a file of WARC records in xz"),
        (b" CDX N b a m s k r M S V g\n", r"this is an index of WARC files \(CDX\)"),
        (gzip.compress(b" CDX N b a m s k r M S V g\n", mtime=0), r"this is an index of WARC files \(CDX\) in gzip"),
        (
            file(
                record(b"x", WARC_Type="warcinfo"), record(WAT, WARC_Type="metadata", Content_Type="application/json")
            ),
            "this is a WAT file",
        ),
        (zlib.compress(PLAIN), "WARC or ARC file"),
        (b"<html><p>a page", "this is HTML"),
    ],
)
def test_what_is_none_of_them_is_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        warc.look(io.BytesIO(data), DUMP)


def test_a_file_of_revisits_alone_has_no_records() -> None:
    _, _, counts = read_all(file(record(WARC_Type="revisit"), record(WARC_Type="request")))
    assert counts == {"other:revisit": 1, "other:request": 1}


def test_a_plain_file() -> None:
    documents, _, _ = read_all(PLAIN)
    assert urls(documents) == [0, 1, 2, 3, 4, 5]
    assert (
        text_of(http(page("<figure><table><tr><td>1<td>2</table><figcaption>Two</figcaption></figure>")))
        == "A title\n1 2\nTwo"
    )
