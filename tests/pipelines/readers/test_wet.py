"""The WET reader: real slices as warcio reads them, and every kind of damage, after which nothing else is lost."""

import base64
import gzip
import hashlib
import importlib
import io
import tracemalloc
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from fastwarc.warc import WarcRecordType
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.document import Document, Drop
from pipelines.readers import Dump, warc_records
from pipelines.readers.wet import read

# The package has no types.
ArchiveIterator: Any = importlib.import_module("warcio.archiveiterator").ArchiveIterator
DUMP = Dump("folder/name.warc.wet.gz", "d1")


def record(number: int, payload: bytes | None = None, *, length: object = None, **headers: str | None) -> bytes:
    """Return a WARC record; a header given as None is left out, `length` is what Content-Length says."""
    body = payload if payload is not None else f"Title {number}\nThe text of page {number}.\n".encode()
    digest = base64.b32encode(hashlib.sha1(body).digest()).decode()
    fields: dict[str, str | None] = {
        "WARC-Type": "conversion",
        "WARC-Target-URI": f"http://example.org/{number}",
        "WARC-Date": "2014-03-05T06:07:08Z",
        "WARC-Block-Digest": f"sha1:{digest}",
        "Content-Type": "text/plain",
        "Content-Length": str(len(body) if length is None else length),
    }
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return ("\r\n".join(["WARC/1.0", *lines]) + "\r\n\r\n").encode() + body + b"\r\n\r\n"


def wet(*records: bytes) -> bytes:
    return b"".join(map(gzip.compress, records))


def laid_out(layout: str, records: list[bytes]) -> bytes:
    whole = b"".join(records)
    return {"members": wet(*records), "one member": gzip.compress(whole), "plain": whole}[layout]


def read_all(data: bytes) -> tuple[list[Document], list[Drop], Counter[str]]:
    counts: Counter[str] = Counter()
    results = list(read(io.BytesIO(data), DUMP, counts))
    assert len({result.id for result in results}) == len(results)
    assert counts["records"] == len(results)
    documents = [result for result in results if isinstance(result, Document)]
    return documents, [result for result in results if isinstance(result, Drop)], counts


def numbers(documents: list[Document]) -> list[int]:
    return [int((document.url or "").rsplit("/", 1)[1]) for document in documents]


def reasons(drops: list[Drop]) -> list[str]:
    assert {drop.stage for drop in drops} <= {"read"}
    return [drop.reason for drop in drops]


GOOD = [record(number) for number in range(6)]


@pytest.mark.parametrize(
    "name",
    [
        "CC-MAIN-20140305060715-00000-ip-10-183-142-35.ec2.internal.slice.warc.wet.gz",
        "whirlwind.warc.wet.gz",
    ],
)
def test_real_slices_read_as_warcio_and_fastwarc_read_them(dumps: Path, name: str) -> None:
    data = (dumps / "common_crawl" / name).read_bytes()
    documents, drops, counts = read_all(data)
    iterator = ArchiveIterator(io.BytesIO(data))
    expected = [
        (
            entry.rec_headers.get_header("WARC-Target-URI"),
            entry.rec_headers.get_header("WARC-Date"),
            entry.content_stream().read().decode(),
            iterator.get_record_offset(),
        )
        for entry in iterator
        if entry.rec_type == "conversion"
    ]
    assert [(d.url, d.timestamp, d.text, d.offset) for d in documents] == expected
    fast = FastIterator(io.BytesIO(data), parse_http=False, record_types=WarcRecordType.conversion)
    assert [(d.offset, d.text) for d in documents] == [(e.stream_pos, e.reader.read().decode()) for e in fast]
    assert not drops
    assert counts == {"records": len(expected), "other:warcinfo": 1}


def test_document_has_all_its_provenance() -> None:
    documents, _, _ = read_all(wet(record(0), record(1, "Ünicode title \r\nline\n".encode())))
    offset = len(wet(record(0)))
    assert documents[1] == Document(
        id=f"common_crawl/d1/{offset}",
        source="common_crawl",
        text="Ünicode title \r\nline\n",
        dump="d1",
        offset=offset,
        url="http://example.org/1",
        title="Ünicode title",
        timestamp="2014-03-05T06:07:08Z",
    )


def test_source_is_the_callers() -> None:
    (document,) = read(io.BytesIO(wet(GOOD[0])), DUMP, Counter(), source="c4")
    assert isinstance(document, Document)
    assert (document.id, document.source) == ("c4/d1/0", "c4")


def test_headers_are_read_by_name_whatever_their_order_and_case() -> None:
    body = b"T\nx\n"
    strange = (
        b"WARC/1.1\nContent-Length: %d\nwarc-target-uri:<http://example.org/7>\nWARC-Identified-Content-Language: eng\n"
        b"no colon here\nWARC-TYPE: conversion\n\n" % len(body)
    )
    documents, _, _ = read_all(wet(strange + body + b"\n\n"))
    assert [(d.url, d.text, d.timestamp) for d in documents] == [("http://example.org/7", "T\nx\n", None)]


def test_other_kinds_are_counted_as_such() -> None:
    kinds = ["warcinfo", "response", "metadata", "made-up"]
    documents, drops, counts = read_all(wet(*(record(9, WARC_Type=kind) for kind in kinds), GOOD[0]))
    assert (len(documents), drops) == (1, [])
    assert counts == {"records": 1, "other:warcinfo": 1, "other:response": 1, "other:metadata": 1, "other:unknown": 1}


@pytest.mark.parametrize("layout", ["one member", "plain"])
def test_many_records_in_one_stream(layout: str) -> None:
    documents, drops, _ = read_all(laid_out(layout, GOOD))
    assert (numbers(documents), drops) == ([0, 1, 2, 3, 4, 5], [])


def test_offset_of_a_plain_record_is_where_it_starts() -> None:
    documents, _, _ = read_all(GOOD[0] + GOOD[1])
    assert [(d.offset, d.id) for d in documents] == [
        (0, "common_crawl/d1/0"),
        (len(GOOD[0]), f"common_crawl/d1/{len(GOOD[0])}"),
    ]


@pytest.mark.parametrize("cut", [1, 9, 60, 120])
def test_truncated_gzip_loses_its_last_record_alone(cut: int) -> None:
    documents, drops, _ = read_all(wet(*GOOD)[:-cut])
    whole = [0, 1, 2, 3, 4]
    # With only the checksum cut off, the last record is there, and so is the damage.
    assert numbers(documents) in (whole, [*whole, 5])
    assert reasons(drops) == ["truncated"]


def test_truncation_of_one_long_member_keeps_what_came_before() -> None:
    data = gzip.compress(b"".join(record(number) for number in range(500)))
    documents, drops, _ = read_all(data[: len(data) // 2])
    assert numbers(documents) == list(range(len(documents)))
    assert len(documents) > 100
    assert reasons(drops) == ["truncated"]


def test_damage_that_inflates_to_other_text_is_seen() -> None:
    head, _, tail = record(1).partition(b"\r\n\r\n")
    signed, changed = record(1), head + b"\r\n\r\n" + tail.replace(b"Title", b"Tilte")
    for end in (-1, -9):  # without a whole checksum
        documents, drops, _ = read_all(wet(GOOD[0]) + wet(changed)[:end])
        assert (numbers(documents), reasons(drops)) == ([0], ["truncated"])
    unsigned = [record(number, WARC_Block_Digest=None) for number in range(3)]
    documents, _, _ = read_all(gzip.compress(b"".join(unsigned))[:-1])
    assert numbers(documents) == [0, 1, 2]
    assert changed != signed


@pytest.mark.parametrize("place", [0, 3, 11, 40, -5])
def test_a_corrupt_member_is_skipped(place: int) -> None:
    broken = bytearray(wet(GOOD[2]))
    broken[place] ^= 0xFF
    broken[place + 1] ^= 0x5A
    data = wet(*GOOD[:2]) + bytes(broken) + wet(*GOOD[3:])
    documents, drops, _ = read_all(data)
    assert [number for number in numbers(documents) if number != 2] == [0, 1, 3, 4, 5]
    assert all(
        document.text == f"Title {n}\nThe text of page {n}.\n"
        for n, document in zip(numbers(documents), documents, strict=True)
    )
    assert reasons(drops) == ["corrupt"]


@settings(deadline=None, max_examples=150)
@given(place=st.integers(0, len(wet(*GOOD)) - 1), value=st.integers(0, 255))
def test_any_broken_byte_costs_at_most_its_own_record(place: int, value: int) -> None:
    members = [wet(one) for one in GOOD]
    data = bytearray(b"".join(members))
    data[place] = value
    starts = [sum(map(len, members[:number])) for number in range(len(members))]
    hit = max(number for number, start in enumerate(starts) if start <= place)
    try:
        documents, _, _ = read_all(bytes(data))
    except ValueError:
        assert place < len(warc_records._GZIP_MAGIC)  # the file no longer looks like gzip at all
        return
    assert [number for number in numbers(documents) if number != hit] == [n for n in range(6) if n != hit]


@pytest.mark.parametrize(
    "garbage", [b"garbage" * 3, b"\x1f\x8b\x08garbage", gzip.compress(b"no record", mtime=0), b"\x1f\x8b"]
)
def test_garbage_between_members_is_one_damaged_record(garbage: bytes) -> None:
    documents, drops, _ = read_all(wet(*GOOD[:3]) + garbage + wet(*GOOD[3:]))
    assert numbers(documents) == [0, 1, 2, 3, 4, 5]
    assert len(drops) == 1


def test_zero_padding_between_members_is_none() -> None:
    documents, drops, _ = read_all(wet(*GOOD[:3]) + b"\0" * 10_000 + wet(*GOOD[3:]) + b"\0" * 512)
    assert (numbers(documents), drops) == ([0, 1, 2, 3, 4, 5], [])


@pytest.mark.parametrize("length", [0, 5, 500, 10**9, 10**30, -5, "abc", "", "５"])
@pytest.mark.parametrize("layout", ["members", "one member", "plain"])
def test_a_lying_length_costs_its_own_record_alone(length: object, layout: str) -> None:
    records = [*GOOD[:2], record(2, length=length), *GOOD[3:]]
    documents, drops, _ = read_all(laid_out(layout, records))
    assert numbers(documents) == [0, 1, 3, 4, 5]
    assert reasons(drops) == ["too_large" if length == 10**9 else "content_length"]


def test_missing_headers() -> None:
    bad = [
        record(0, WARC_Target_URI=None),
        record(1, WARC_Type=None),
        record(2, Content_Length=None),
        record(3, WARC_Date=None),
    ]
    documents, drops, _ = read_all(wet(*bad, GOOD[4]))
    assert numbers(documents) == [3, 4]
    assert reasons(drops) == ["no_url", "malformed", "content_length"]


def test_invalid_utf8_is_dropped_and_nul_is_kept() -> None:
    documents, drops, _ = read_all(wet(record(0, b"good \xff\xfe bad\n"), record(1, b"a\0b\n"), GOOD[2]))
    assert [document.text for document in documents][:1] == ["a\0b\n"]
    assert numbers(documents) == [1, 2]
    assert [(drop.reason, drop.excerpt) for drop in drops] == [("invalid_utf8", "good \ufffd\ufffd bad\n")]


@pytest.mark.parametrize("layout", ["members", "one member", "plain"])
def test_a_record_over_the_limit_is_dropped_in_bounded_memory(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc_records, "RECORD_LIMIT", 1 << 20)
    monkeypatch.setattr(warc_records, "PIECE", 1 << 18)
    data = laid_out(layout, [GOOD[0], record(1, b"x" * (40 << 20)), GOOD[2], record(3, b"y" * (1 << 20))])
    stream = io.BytesIO(data)
    tracemalloc.start()
    results = list(read(stream, DUMP, Counter()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [getattr(result, "reason", "kept") for result in results] == ["kept", "too_large", "kept", "kept"]
    assert peak < 12 << 20
    dropped = results[1]
    assert isinstance(dropped, Drop)
    assert dropped.size == 40 << 20
    assert dropped.scores == {"value": 40 << 20, "limit": 1 << 20}


def test_a_bomb_is_read_in_bounded_memory() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = record(1, b"", length=4 << 30).removesuffix(b"\r\n\r\n")
    bomb = packer.compress(head) + b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(80)) + packer.flush()
    tracemalloc.start()
    documents, drops, _ = read_all(wet(GOOD[0]) + bomb + wet(GOOD[2]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (numbers(documents), reasons(drops)) == ([0, 2], ["too_large"])
    assert peak < 40 << 20


def test_thousands_of_lying_records_take_linear_time() -> None:
    liar = record(1, b"", length=warc_records.RECORD_LIMIT - 1)
    _, drops, _ = read_all(gzip.compress(liar * 20_000))
    assert set(reasons(drops)) == {"content_length"}
    assert len(drops) == 20_000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"<html>not a dump</html>", "neither gzip, zstd, WARC nor ARC"),
        (gzip.compress(b'{"text": "not a dump"}\n' * 50, mtime=0), "no WARC record"),
        (gzip.compress(b"", mtime=0), "no WARC record"),
    ],
)
def test_what_is_no_wet_file_is_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        list(read(io.BytesIO(data), DUMP, Counter()))
    assert "folder/name.warc.wet.gz" in str(caught.value)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_raise_anything_else(data: bytes, packed: bool) -> None:
    for blob in (data, b"WARC/1.0\r\n" + data, wet(data), wet(b"WARC/1.0\r\n" + data), b"\x1f\x8b\x08" + data):
        try:
            read_all(gzip.compress(blob) if packed else blob)
        except ValueError as error:
            assert DUMP.name in str(error)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")), max_size=6), st.integers(1, 3))
def test_what_is_written_is_read(payloads: list[bytes], grouped: int) -> None:
    records = [record(number, payload) for number, payload in enumerate(payloads)]
    groups = [b"".join(records[at : at + grouped]) for at in range(0, len(records), grouped)]
    documents, drops, _ = read_all(wet(record(0, WARC_Type="warcinfo"), *groups))
    assert [document.text.encode() for document in documents] == payloads
    assert not drops
