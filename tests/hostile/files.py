"""The readers, each with the containers that its bytes come in.

    data[0] chooses: the rest as it is, or as what a container holds -> the reader -> what must hold of all it yields

What a container holds is a row of parts, cut at `CUT`, a name first and then its content. So what is changed lies both
inside the archives, behind their checksums, and in the archives themselves.
"""

from __future__ import annotations

import atexit
import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Final

import fastavro
import py7zr
import pyarrow
import pyarrow.parquet

from filters.latex import cleaner
from filters.models import kenlm_file
from pipelines.build import SOURCES
from pipelines.document import Document, Drop
from pipelines.files import arrow_batches
from pipelines.readers import (
    Dump,
    arxiv,
    github_input,
    gutenberg,
    mediawiki,
    mediawiki_header,
    mediawiki_index,
    stack_exchange,
    texts,
    warc,
    wet,
)
from pipelines.readers.columns import Columns
from pipelines.recipe_parts import Fields
from tests.filters.models import kenlm_files
from tests.hostile.targets import Target
from tests.hostile.tokens import BOOK_FILES, HTTP, INDEX, REPOSITORY, ROW, SUBMISSION, WARC, XML
from tests.tokenizer.models import serialized
from tokenizer import charsmap
from tokenizer.encode import Tokenizer
from tokenizer.model_file import CONTROL, NORMAL, UNKNOWN, ModelFile, rescored
from tokenizer.model_file import check as check_model

CUT = b"\n~~~~\n"
NAME = "dumps/part-0"
Wrap = Callable[[bytes], bytes]
Read = Callable[[BinaryIO, Dump, Counter[str]], Iterator[Any]]


def parts(data: bytes) -> list[tuple[str, bytes]]:
    """Return names and contents: data's parts in turn, at most ten."""
    found = data.split(CUT)[:20]
    return [
        (name.decode("utf-8", "replace")[:90] or "a", content)
        for name, content in zip(found[::2], [*found[1::2], b""], strict=False)
    ]


def tarred(data: bytes, inner: Wrap = bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT, errors="replace") as archive:
        for name, content in parts(data):
            content = inner(content)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def zipped(data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        # A name ends at its NUL, and zipfile warns of names that come twice.
        for name, content in {name.partition("\0")[0]: content for name, content in parts(data)}.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return target.getvalue()


def members(data: bytes) -> bytes:
    """Return each part as a gzip member of its own."""
    return b"".join(gzip.compress(part, 1, mtime=0) for part in data.split(CUT))


def responses(data: bytes, encode: Wrap = bytes, header: bytes = b"") -> bytes:
    """Return a WARC file of an HTTP response for each part, its headers and its body before and after a blank line."""
    return b"".join(map(partial(_response, encode, header), data.split(CUT)))


def _response(encode: Wrap, header: bytes, part: bytes) -> bytes:
    head, _, body = part.partition(b"\n\n")
    block = b"HTTP/1.1 200 OK\r\n" + header + head.strip() + b"\r\n\r\n" + encode(body)
    return record(b"response", block)


def record(kind: bytes, block: bytes) -> bytes:
    return (
        b"WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: http://example.org/\r\nWARC-Date: 2019-04-20T00:00:00Z\r\n"
        b"Content-Length: %d\r\n\r\n%s\r\n\r\n" % (kind, len(block), block)
    )


def conversions(data: bytes) -> bytes:
    return b"".join(gzip.compress(record(b"conversion", part), 1, mtime=0) for part in data.split(CUT))


def bz2_streams(data: bytes) -> bytes:
    return b"".join(map(bz2.compress, data.split(CUT)))


def pages(data: bytes) -> bytes:
    """Return an export whose pages hold the parts: a title, then the elements after it."""
    inner = b"".join(
        b"<page><title>%s</title><ns>0</ns><id>1</id><revision>%s</revision></page>" % (name.encode(), content)
        for name, content in parts(data)
    )
    return b"<mediawiki>" + inner + b"</mediawiki>"


def rows(data: bytes) -> bytes:
    """Return a Posts.xml whose rows have the parts as attributes."""
    lines = (b"  <row %s />" % part.replace(b"\n", b" ") for part in data.split(CUT))
    return b'<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + b"\n".join(lines) + b"\n</posts>\n"


def export_rows(data: bytes) -> list[dict[str, Any]]:
    """Return the rows of a BigQuery export whose paths and contents are the parts."""
    return [
        {
            "repo_name": f"owner/{name[::-1]}",
            "path": name,
            "content": content.decode("utf-8", "replace"),
            "license": "mit",
        }
        for name, content in parts(data)
    ]


def parquet(data: bytes) -> bytes:
    target = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(export_rows(data)), target, compression="snappy")
    return target.getvalue()


def avro(data: bytes) -> bytes:
    target = io.BytesIO()
    columns = [{"name": name, "type": "string"} for name in ("repo_name", "path", "content", "license")]
    schema = fastavro.parse_schema({"type": "record", "name": "row", "fields": columns})
    fastavro.writer(target, schema, export_rows(data), codec="deflate", sync_marker=bytes(16))
    return target.getvalue()


def json_lines(data: bytes) -> bytes:
    return "\n".join(map(json.dumps, export_rows(data))).encode()


def seven_zip(data: bytes, name: str = "Posts.xml") -> bytes:
    target = io.BytesIO()
    with py7zr.SevenZipFile(target, "w", filters=[{"id": py7zr.FILTER_COPY}]) as archive:
        archive.writef(io.BytesIO(data), name)
    return target.getvalue()


def check(found: Sequence[Any], counts: Counter[str]) -> None:
    """Assert what must hold of what a reader yields: all is counted, and of text that can be stored."""
    assert counts["records"] == len(found), f"{counts['records']} records counted, {len(found)} yielded"
    for one in found:
        if isinstance(one, Document | Drop):
            assert_text(one)
        elif isinstance(one, arxiv.Submission):
            one.id.encode()
            cleaner.sources(one.files)


def assert_unlike(ids: Sequence[str]) -> None:
    assert len(set(ids)) == len(ids), "two records with one id"


def assert_text(one: Document | Drop) -> None:
    values = [getattr(one, field.name) for field in fields(one)]
    values += [*one.attributes, *one.attributes.values()] if isinstance(one, Document) else []
    for value in values:
        if isinstance(value, str):
            value.encode()


def reads(
    read: Read, *wraps: Wrap, tokens: Sequence[bytes], seeds: Sequence[bytes], unique: bool = True, **attributes: str
) -> Target:
    """Return the target of a reader; a seed is tried in each container.

    `unique` is false where a record's id is what the dump says, of which another record may say the same.
    """

    def run(data: bytes) -> None:
        number = data[0] % (len(wraps) + 1) if data else 0
        content = wraps[number - 1](data[1:]) if number else data[1:]
        counts: Counter[str] = Counter()
        try:
            found = list(read(io.BytesIO(content), Dump(NAME, "d1", attributes), counts))
            check(found, counts)
            if unique:
                assert_unlike([one.id for one in found])
        except ValueError as error:
            assert type(error) is ValueError and NAME in str(error), f"not a documented error: {error!r}"

    numbered = [bytes([number + 1]) + seed for seed in seeds for number in range(len(wraps))]
    plain = [b"\0" + made for seed in seeds for made in (seed, *(wrap(seed) for wrap in wraps))]
    return Target(run, (CUT, *tokens), (*numbered, *plain), len(wraps))


def look_of_every_source(data: bytes) -> None:
    for source in SOURCES.values():
        assert source.look is not None
        try:
            source.look(io.BytesIO(data), Dump(NAME, "d1", {"language": "en"}))
        except ValueError as error:
            assert type(error) is ValueError, f"not a documented error: {error!r}"


def posts(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Any]:
    """Read posts, and put them together as the source does."""
    found = list(stack_exchange.read(stream, dump, counts))
    made = list(stack_exchange.assemble(one for one in found if isinstance(one, stack_exchange.Post)))
    for one in made:
        assert_text(one)
    assert_unlike([one.id for one in made])
    return iter(found)


def archived_posts(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Any]:
    """Read the posts of a 7z archive, decompressed in ranges as the source does."""
    start = 0
    found: list[Any] = []

    def take(piece: bytes) -> None:
        nonlocal start
        found.extend(stack_exchange.read(io.BytesIO(piece), dump, counts, start))
        start += len(piece)

    try:
        stack_exchange.decompress(stream, take, 64)
    except ValueError as error:
        raise ValueError(f"{dump.name}: {error}") from error
    return iter(found)


def dump_header(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Any]:
    """Ask the beginning of a dump which wiki it is of."""
    try:
        header = mediawiki_header.header_of(stream)
        stream.seek(0)
        header.fits("en"), mediawiki_header.is_of(stream, "it", header)
        stream.seek(0)
        mediawiki.look(stream, dump)
    except ValueError as error:
        raise ValueError(f"{dump.name}: {error}") from error
    return iter(())


def page_index(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Any]:
    """Read a multistream index; its ranges follow each other."""
    try:
        data = stream.read()
        index = mediawiki_index.read(io.BytesIO(data), 1 << 20)
        ranges = index.spans(1 << 10)
        if index.offsets:
            index.check(io.BytesIO(bz2.compress(PAGE)))
    except ValueError as error:
        raise ValueError(f"{dump.name}: {error}") from error
    assert all(one[1] == other[0] for one, other in pairwise(ranges))
    return iter(())


def model_file(data: bytes) -> None:
    """Read a tokenizer's model; these errors become the ValueError of `ModelFile.read`."""
    with suppress(ValueError, IndexError, struct.error):
        ModelFile.parse(rescored(data, {"a": -1e9}))
    with suppress(ValueError):
        check_model(data)


TOKENIZER_JSON: Final = (
    b'{"version":"1.0","added_tokens":[{"id":2,"content":"</s>","special":true,"single_word":false,"lstrip":false,'
    b'"rstrip":false,"normalized":false}],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":'
    b'false,"trim_offsets":true,"use_regex":true},"post_processor":null,"decoder":{"type":"ByteLevel",'
    b'"add_prefix_space":true,"trim_offsets":true,"use_regex":true},"model":{"type":"BPE","dropout":null,'
    b'"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":'
    b'false,"ignore_merges":false,"vocab":{"a":0,"aa":1},"merges":["a a"]}}'
)


MODEL_PIECES: Final = (["<unk>", "<s>", "</s>", "\u2581", "a"], [UNKNOWN, CONTROL, CONTROL, NORMAL, NORMAL])


def tokenizer_file(data: bytes) -> None:
    """Open a file as a tokenizer, and use it."""
    with tempfile.TemporaryDirectory() as folder, suppress(ValueError):
        path = Path(folder, "tokenizer.json")
        path.write_bytes(data)
        tokenizer = Tokenizer(path)
        assert len(tokenizer.contents) == tokenizer.vocabulary
        for text in ("a", "aa </s>", ""):
            tokenizer.decode(tokenizer.encode(text)).encode()


def character_map(data: bytes) -> object:
    """Read a map of characters."""
    with suppress(ValueError):
        return charsmap.split(data)
    return None


@cache
def scratch() -> Path:
    """Return a file for what is read by its path."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name) / "file"


def language_model(data: bytes) -> object:
    """Check a language model; KenLM reads what is accepted, or says what is wrong."""
    scratch().write_bytes(data)
    with suppress(ValueError, OSError):
        kenlm_file.check(scratch())
        return kenlm_files.scores(scratch())
    return None


def arrow(data: bytes) -> object:
    """Read a file of Arrow's."""
    scratch().write_bytes(data)
    with suppress(ValueError, OSError, EOFError, pyarrow.ArrowException):
        return [batch.to_pylist() for batch in arrow_batches.batches(scratch())]
    return None


def arrow_file() -> bytes:
    """Return a small one, compressed."""
    table = pyarrow.table({"text": ["ab", None], "list": [[1], []]})
    target = io.BytesIO()
    with pyarrow.ipc.new_file(target, table.schema, options=pyarrow.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return target.getvalue()


def arrow_rows(data: bytes) -> bytes:
    """Return a stream of Arrow's whose rows are those of an export."""
    table = pyarrow.Table.from_pylist(export_rows(data))
    target = io.BytesIO()
    with pyarrow.ipc.new_stream(target, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return target.getvalue()


PAGE = b"Title" + CUT + b"<timestamp>2022-06-01T00:00:00Z</timestamp><text>A '''page''' &amp; more.</text>"
RESPONSE = b"Content-Type: text/html; charset=utf-8\n\n<html><title>A</title><p>Some <b>text</b>.<p>More."
POST = (
    b'Id="1" PostTypeId="1" Score="3" Title="A" Body="&lt;p&gt;T&lt;/p&gt;" Tags="&lt;a&gt;" CreationDate="2019-01-02"'
)
ANSWER = b'Id="2" PostTypeId="2" ParentId="1" Score="-1" Body="Yes" ContentLicense="CC BY-SA 4.0"'
CODE = (
    b"repo-1/LICENSE"
    + CUT
    + b"MIT"
    + CUT
    + b"repo-1/a/main.py"
    + CUT
    + b"import os\n"
    + CUT
    + b"repo-1/package.json"
    + CUT
    + b'{"license": "MIT"}'
)
REUSED = (
    CODE
    + CUT
    + b"repo-1/REUSE.toml"
    + CUT
    + b'[[annotations]]\npath = "a/**"\nprecedence = "override"\nSPDX-License-Identifier = "MIT"\n'
    + CUT
    + b"repo-1/.reuse/dep5"
    + CUT
    + b"Files: */?.py a*\nLicense: MIT\n"
)
PAPER = b"2301/2301.00001.gz" + CUT + b"\\documentclass{a}\\begin{document}\\section{A} Text.\\end{document}"
BOOK = (
    b"1234/1234-8.txt"
    + CUT
    + b"Title: A\nCharacter set encoding: ISO-8859-1\n*** START OF THE PROJECT GUTENBERG EBOOK A ***\nCaf\xe9"
)


def frames(data: bytes) -> bytes:
    """Return the responses of a WARC file as frames of zstd, each of at most 500 bytes."""
    whole = responses(data)
    pieces = [whole[at : at + 500] for at in range(0, len(whole), 500)]
    return b"".join(pyarrow.compress(piece, "zstd", asbytes=True) for piece in pieces)


def archived(data: bytes) -> bytes:
    """Return an ARC file whose responses are the parts of data."""
    records = [b"filedesc://x.arc 0.0.0.0 20080402030405 text/plain 0\n"]
    for _, content in parts(data):
        page = b"HTTP/1.1 200 OK\r\n\r\n" + content
        records.append(b"http://example.org/ 0.0.0.0 20080402030405 text/html %d\n%s\n" % (len(page), page))
    return b"".join(records)


def published(data: bytes) -> bytes:
    """Return an EPUB whose chapters are the parts of data."""
    stream = io.BytesIO()
    chapters = [content for _, content in parts(data)]
    items = "".join(f'<item id="c{n}" href="{n}" media-type="text/html"/>' for n in range(len(chapters)))
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("META-INF/container.xml", '<c><rootfile full-path="p.opf"/></c>')
        archive.writestr("p.opf", f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>")
        for number, content in enumerate(chapters):
            archive.writestr(str(number), content)
    return stream.getvalue()


def own_texts(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Any]:
    """Read texts of a user's own; a file in which nothing is found at first sight may still have a text later."""
    with suppress(ValueError):
        texts.look(stream, dump, OWN)
    columns = Columns()
    with suppress(ValueError):
        columns = texts.columns_of([(stream, dump)], OWN, ["id"])
    stream.seek(0)
    yield from texts.read(stream, dump, counts, "own", OWN, columns)


OWN = Fields(text="content", title="path")

FILES: dict[str, Target] = {
    "wet": reads(wet.read, conversions, members, tokens=WARC, seeds=[b"Title\nText" + CUT + b"Another"]),
    "warc": reads(
        warc.read,
        responses,
        members,
        frames,
        archived,
        partial(responses, encode=partial(gzip.compress, mtime=0), header=b"Content-Encoding: gzip\r\n"),
        tokens=(*HTTP, *WARC),
        seeds=[RESPONSE, RESPONSE + CUT + RESPONSE],
    ),
    "mediawiki": reads(
        mediawiki.read,
        pages,
        bz2_streams,
        gzip.compress,
        lzma.compress,
        partial(seven_zip, name="a.xml"),
        tokens=XML,
        seeds=[PAGE, pages(PAGE)],
        language="en",
        unique=False,
    ),
    "mediawiki.header": reads(
        dump_header, pages, bz2.compress, partial(seven_zip, name="a.xml"), tokens=XML, seeds=[PAGE, pages(PAGE)]
    ),
    "mediawiki_index.read": reads(page_index, bz2_streams, tokens=INDEX, seeds=[b"0:1:A\n600:2:B\n9000:3:C\n"]),
    "gutenberg": reads(
        gutenberg.read, zipped, tarred, gzip.compress, lzma.compress, tokens=BOOK_FILES, seeds=[BOOK, BOOK + CUT + BOOK]
    ),
    "gutenberg, epub": reads(gutenberg.read, published, tokens=XML, seeds=[b"<p>A</p>" + CUT + b"<p>B</p>"]),
    "arxiv": reads(
        arxiv.read,
        tarred,
        partial(tarred, inner=partial(gzip.compress, mtime=0)),
        lambda data: gzip.compress(tarred(data), 1, mtime=0),
        lambda data: tarred(b"2301/2301.1.gz" + CUT + gzip.compress(tarred(data), 1, mtime=0)),
        tokens=SUBMISSION,
        seeds=[PAPER, b"a.tex" + CUT + b"\\section{A}" + CUT + b"b.sty" + CUT + b"\\def\\x{y}"],
    ),
    "stack_exchange": reads(
        posts, rows, tokens=ROW, seeds=[POST + CUT + ANSWER], site="a.stackexchange.com", unique=False
    ),
    "stack_exchange.decompress": reads(
        archived_posts,
        seven_zip,
        lambda data: seven_zip(rows(data)),
        tokens=ROW,
        seeds=[rows(POST + CUT + ANSWER)],
        site="a.stackexchange.com",
        unique=False,
    ),
    "github": reads(
        github_input.read,
        json_lines,
        lambda data: gzip.compress(json_lines(data), 1, mtime=0),
        lambda data: pyarrow.compress(json_lines(data), "zstd", asbytes=True),
        tokens=REPOSITORY,
        seeds=[CODE],
    ),
    "github_archive": reads(
        github_input.read,
        zipped,
        tarred,
        lambda data: gzip.compress(tarred(data), 1, mtime=0),
        lambda data: bz2.compress(tarred(data)),
        tokens=REPOSITORY,
        seeds=[CODE, REUSED],
    ),
    "tokenizer.model_file": Target(
        model_file,
        (b"\x0a", b"\x12\x02", b"\x15", b"\xff" * 9, b"\x80", b"\0", b"\x1a\x02\x12\0"),
        (b"\x0a\x03\x0a\x01a\x1a\x02\x12\0",),
    ),
    "tokenizer.opening": Target(
        tokenizer_file,
        (
            b'"type":"Unigram"',
            b'"vocab":[["a",0]]',
            b'"vocab"',
            b'"merges"',
            b"null",
            b"1e9",
            b"[",
            b"]",
            b"{",
            b"}",
            b",",
        ),
        (TOKENIZER_JSON, b"YQ== 0\nYg== 1\n", serialized(*MODEL_PIECES, byte_fallback=False)),
    ),
    "tokenizer.charsmap": Target(
        character_map,
        (b"\0\4\0\0", b"\0\0\0\x80", b"\x61\x85\1\0", b"a\0", b"\xff\xff\xff\xff"),
        (b"", b"\0\4\0\0" + bytes(1024), b"\0\4\0\0" + b"\0\0\0\x80" * 256 + b"a\0"),
    ),
    "models.kenlm_file": Target(language_model, (b"\0" * 8, b"\xff" * 8), tuple(kenlm_files.BINARY.values())),
    "first_bytes": Target(
        look_of_every_source,
        (
            b"\x1f\x8b\x08",
            b"BZh9",
            b"\xfd7zXZ\0",
            b"\x28\xb5\x2f\xfd",
            b"7z\xbc\xaf\x27\x1c",
            b"PAR1",
            b"WARC/1.0",
            b"{",
            b"\0",
        ),
        (
            gzip.compress(CODE),
            bz2.compress(CODE),
            lzma.compress(CODE),
            tarred(CODE),
            seven_zip(b"<posts/>"),
            parquet(CODE),
        ),
    ),
    "arrow_batches": Target(arrow, (b"\xff\xff\xff\xff", b"\0" * 8, b"ARROW1\0\0"), (arrow_file(),)),
    "github_tables": reads(github_input.read, parquet, avro, tokens=REPOSITORY, seeds=[CODE]),
    "own_texts": reads(
        own_texts,
        json_lines,
        parquet,
        arrow_rows,
        members,
        tokens=ROW,
        seeds=[CODE, b'{"content": "a", "a": {"b": 1}}'],
    ),
    "own_texts_plain": reads(own_texts, members, tokens=BOOK_FILES, seeds=[b"Caf\xe9"], format="text"),
}
