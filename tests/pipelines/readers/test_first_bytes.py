"""What a file is by its first bytes, and that every source refuses by name what it certainly cannot read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.build import SOURCES
from pipelines.readers import Dump
from pipelines.readers.first_bytes import Kind, kind_of
from tests.pipelines import tiny

ROWS = b"".join(json.dumps({"text": "a b c"}).encode() + b"\n" for _ in range(3))
NOISE = random.Random(1).randbytes(4_000_000)


@pytest.mark.parametrize(
    ("data", "packing", "kind"),
    [
        (b"", "", Kind.EMPTY),
        (b"WARC/1.0\r\n", "", Kind.WARC),
        (gzip.compress(b"WARC/1.0\r\n", mtime=0), "gzip", Kind.WARC),
        (gzip.compress(b"", mtime=0), "gzip", None),
        (gzip.compress(NOISE, mtime=0)[:2_000_000], "gzip", Kind.UNKNOWN),
        (b"\x1f\x8bno gzip", "gzip", None),
        (bz2.compress(b"<mediawiki>" + b"x" * 5_000_000), "bzip2", Kind.MEDIAWIKI),
        (lzma.compress(ROWS), "xz", Kind.JSON),
        (pa.compress(ROWS, "zstd", asbytes=True), "zstd", Kind.JSON),
        (ROWS, "", Kind.JSON),
        (b'[\n {"a": 1}]', "", Kind.JSON),
        (b"[Illustration: a llama]\n\nCHAPTER I", "", Kind.TEXT),
        (b"{ braces are no JSON", "", Kind.TEXT),
        (b"\xef\xbb\xbf<!DOCTYPE html><p>", "", Kind.HTML),
        (b'<?xml version="1.0"?>\n<posts>', "", Kind.POSTS),
        (b'<?xml version="1.0"?>\n<feed>', "", Kind.XML),
        ("Ein Wort und noch eines. ".encode("utf-16"), "", Kind.TEXT),
        ("Ein Wort und noch eines. ".encode("utf-16-le"), "", Kind.TEXT),
        (b"PK\x03\x04", "", Kind.ZIP),
        (b"PAR1", "", Kind.PARQUET),
        (bytes(range(32)) * 100, "", Kind.UNKNOWN),
    ],
)
def test_kinds(data: bytes, packing: str, kind: Kind | None) -> None:
    stream = io.BytesIO(data)
    assert kind_of(stream) == (packing, kind)
    assert stream.tell() == 0


# Which sources read each other's dumps: an arXiv submission may be any text, and a tar anybody's.
_READ_TOO = {
    ("c4", "common_crawl"),
    ("common_crawl", "c4"),
    ("arxiv", "books"),
    ("books", "arxiv"),
    ("github", "arxiv"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("dumps")
    tiny.write(made)
    return made


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_reads_its_own_dumps_and_refuses_those_of_others(folder: Path, name: str) -> None:
    own = [entry.partition("=")[2] for entry in tiny.options(folder) if entry.startswith(f"{name}=")]
    paths = [path for pattern in own for path in Path("/").glob(pattern.lstrip("/")) if "index" not in path.name]
    assert paths
    for other in SOURCES.values():
        assert other.look is not None
        for path in paths:
            dump = Dump(str(path), "", SOURCES[name].attributes(str(path)))
            with path.open("rb") as stream:
                if other.name == name:
                    other.look(stream, dump)
                elif (other.name, name) not in _READ_TOO:
                    with pytest.raises(ValueError, match=r"is expected|expected one"):
                        other.look(stream, dump)


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"github"}))
def test_rows_of_ones_own_are_no_dump_and_it_is_said_what_reads_them(name: str) -> None:
    look = SOURCES[name].look
    assert look is not None
    with pytest.raises(ValueError, match=r"this is JSON.*--recipe texts --input NAME=FILE"):
        look(io.BytesIO(ROWS), Dump("a.jsonl", "", {}))


def test_rows_without_the_columns_of_an_export_are_no_export() -> None:
    look = SOURCES["github"].look
    assert look is not None
    with pytest.raises(ValueError, match=r"a\.jsonl: none of its first rows is a file of a repository .*repo_name"):
        look(io.BytesIO(ROWS), Dump("a.jsonl", "", {}))
    good = json.dumps({"repo_name": "a/b", "path": "c.py", "content": "x"}).encode()
    look(io.BytesIO(ROWS + good), Dump("a.jsonl", "", {}))
