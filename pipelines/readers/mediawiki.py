"""MediaWiki XML exports (`pages-articles` dumps) to documents of raw wikitext, one for each page.

bytes -> bz2 streams -> UTF-8 XML -> expat events -> `Document` or `Drop`

A dump is one XML document, compressed as one bz2 stream or (multistream) as many: a header, groups of 100 pages, a
footer. Each group is a fragment that can be read alone, so a byte range between two streams is read under a root
element of our own; `spans` takes such ranges from the dump's index. Memory is bounded by one page: expat holds no tree,
and a page over `MAX_PAGE_CHARACTERS` is dropped while it streams. Export versions 0.3 to 0.11 differ in elements that
are read if they are there (`<ns>` and `<redirect>` came later); the namespace of older pages is read from their title.

Bad input: a page that is not well-formed is dropped as "malformed" and reading goes on at the next `<page>`; a bz2
stream that does not decompress is dropped as "malformed" and reading goes on at the next stream; an input that stops
early is dropped as "truncated". A document type declaration is refused, as no export has one: without it there are no
entities to expand, so no entity bombs, and nothing is ever fetched.
"""

from __future__ import annotations

import bz2
import codecs
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import quote
from xml.parsers import expat

from filters.wikitext.names import LANGUAGES, names_of
from pipelines import timestamps
from pipelines.document import Document, Drop
from pipelines.readers import Dump, first_bytes
from pipelines.readers.first_bytes import Kind

SOURCE = "wikipedia"
LICENSE = "CC-BY-SA-3.0"
"""The licence of Wikipedia's text until June 2023, so of the dumps of June to August 2022 that LLaMA used."""

MAX_PAGE_CHARACTERS = 1 << 26
"""MediaWiki refuses pages over 2 MiB ($wgMaxArticleSize); anything far above that is an attack on memory."""

MAX_TAG_BYTES = 1 << 20
"""Of a tag, and of all else that expat takes as one: it reads what it has of it again with each piece that comes."""

MAX_DEPTH = 32
"""Exports nest six elements; each is looked up by all that it stands in."""

CHUNK_BYTES = 1 << 18
SPAN_BYTES = 1 << 26
BZIP2_MAGIC = re.compile(rb"BZh[1-9]1AY&SY")
ROOT = b"<mediawiki>"
PAGE = b"<page>"
FIELDS = {
    ("page", "title"): "title",
    ("page", "ns"): "namespace",
    ("page", "id"): "id",
    ("page", "revision", "timestamp"): "timestamp",
    ("page", "revision", "text"): "text",
}
PAGE_NUMBER = re.compile(r"[0-9]{1,19}")
FILE_NAME = re.compile(r"([a-z][a-z_-]*?)\.?wiki(?=[-.]|$)")


def language_of(name: str) -> str:
    """Return the language of a dump by its file name: "en" of `enwiki-20220801-...`, "de" of `de.wiki.xml.bz2`.

    The header of a dump is not asked, since exports made elsewhere claim any language. ValueError for a name that gives
    none of the 20 languages.
    """
    match = FILE_NAME.match(re.split(r"[/\\]", name)[-1])
    if match is None or match[1] not in LANGUAGES:
        raise ValueError(
            f"{name!r} does not name one of the 20 languages: expected a name like"
            " 'enwiki-20220801-pages-articles.xml.bz2' or 'de.wiki.xml.bz2' that starts with one of "
            + ", ".join(LANGUAGES)
        )
    return match[1]


def spans(index: BinaryIO, size: int, target_bytes: int = SPAN_BYTES) -> list[tuple[int, int]]:
    """Return byte ranges [start, end) of a multistream dump that cover all its streams of pages, in order.

    `index` is the dump's `...-multistream-index.txt.bz2` (or the text itself): lines `offset:page id:title`, where the
    offset is that of the page's stream. `size` is the size of the dump in bytes; whole streams are grouped until a
    range has `target_bytes`, and the last range ends with the file (its footer holds no page). ValueError for a damaged
    index.
    """
    offsets: list[int] = []
    for number, line in enumerate(_index_lines(index), 1):
        head = line.partition(b":")[0]
        if not head.isdigit() or not (offsets[-1] if offsets else 0) <= int(head) < size:
            raise ValueError(
                f"line {number} of the multistream index is {line[:80]!r}: expected 'offset:page id:title' with"
                f" offsets that rise and stay under the dump's size of {size} bytes"
            )
        if not offsets or int(head) > offsets[-1]:
            offsets.append(int(head))
    ranges: list[tuple[int, int]] = []
    start = offsets[0] if offsets else size
    for offset in [*offsets[1:], size]:
        if offset - start >= target_bytes or (offset == size and start < size):
            ranges.append((start, offset))
            start = offset
    return ranges


def _index_lines(index: BinaryIO) -> Iterator[bytes]:
    first = index.read(3)
    index.seek(-len(first), 1)
    try:
        with bz2.open(index) if first == b"BZh" else index as lines:
            for line in lines:
                if stripped := line.removeprefix(codecs.BOM_UTF8).strip():
                    yield stripped
    except (EOFError, OSError) as error:
        raise ValueError(f"the multistream index does not decompress: {error}") from error


look = first_bytes.looker(
    {Kind.MEDIAWIKI},
    {"bzip2"},
    "an XML dump of Wikipedia (plain or bzip2; an index is found beside it: name dumps by FOLDER/*.xml.bz2)",
)


def read(
    stream: BinaryIO, dump: Dump, counts: Counter[str], start: int = 0, end: int | None = None
) -> Iterator[Document | Drop]:
    """Yield a document for each page of an export (its text raw wikitext), and a drop for what cannot be read.

    `stream` is an `.xml` or `.xml.bz2` file, at its beginning; with `start` or `end`, the byte range [start, end) of a
    multistream file, as `spans` gives it (the stream must be able to seek). A document's `offset` is the position in
    the file of the bz2 stream that its page begins in; in a file without compression that of `<page>` itself (of the
    UTF-8 form, where the file is in UTF-16). Attributes: `namespace`, and `redirect` with the target if the page is
    one. Of a page's revisions the last is taken. ValueError if the dump's attribute `language` is not one of the 20.
    """
    language = dump.attributes.get("language", "")
    names_of(language)
    parser = _Parser(dump, language, counts, fragment=start > 0)
    for block in _blocks(stream, start, end):
        yield from parser.damage(block.damage) if block.damage else parser.feed(block)
    yield from parser.close(whole=end is None)


@dataclass(frozen=True, slots=True)
class _Block:
    """Bytes of XML, and `offset`: of the bz2 stream they come from, or of the first byte itself without compression."""

    data: bytes
    offset: int
    compressed: bool = True
    damage: str = ""


def _blocks(stream: BinaryIO, start: int, end: int | None) -> Iterator[_Block]:
    if start:
        stream.seek(start)
    chunks = _chunks(stream, None if end is None else end - start)
    first = next(chunks, b"")
    while len(first) < 4 and (more := next(chunks, b"")):
        first += more
    if first.startswith(b"BZh"):
        yield from _utf8(_decompressed(first, chunks, start))
    else:
        yield from _utf8(_plain(first, chunks, start))


def _chunks(stream: BinaryIO, length: int | None) -> Iterator[bytes]:
    while length is None or length > 0:
        data = stream.read(CHUNK_BYTES if length is None else min(CHUNK_BYTES, length))
        if not data:
            return
        if length is not None:
            length -= len(data)
        yield data


def _plain(first: bytes, chunks: Iterator[bytes], offset: int) -> Iterator[_Block]:
    while first:
        yield _Block(first, offset, compressed=False)
        offset += len(first)
        first = next(chunks, b"")


def _decompressed(data: bytes, chunks: Iterator[bytes], position: int) -> Iterator[_Block]:
    """Decompress stream after stream; `position` is that of `data` in the file, `begin` that of the stream."""
    while data:
        begin, decompressor, unread = position, bz2.BZ2Decompressor(), data
        while not decompressor.eof:
            try:
                block = decompressor.decompress(unread, CHUNK_BYTES)
            except (OSError, ValueError):
                yield _Block(b"", begin, damage="malformed")
                data, position = _next_stream(data, chunks, position, begin)
                break
            unread = b""
            if block:
                yield _Block(block, begin)
            if decompressor.needs_input and not decompressor.eof:
                position += len(data)
                data = unread = next(chunks, b"")
                if not data:
                    yield _Block(b"", begin, damage="truncated")
                    return
        else:
            position += len(data) - len(decompressor.unused_data)
            data = decompressor.unused_data or next(chunks, b"")


def _next_stream(data: bytes, chunks: Iterator[bytes], position: int, begin: int) -> tuple[bytes, int]:
    """Return the rest of the file from the next bz2 stream after the damaged one at `begin`, and where it is."""
    skip = max(begin + 1 - position, 0)
    while True:
        if match := BZIP2_MAGIC.search(data, skip):
            return data[match.start() :], position + match.start()
        more = next(chunks, b"")
        if not more:
            return b"", position + len(data)
        kept = data[-9:] if len(data) > 9 else data
        skip = max(skip - (len(data) - len(kept)), 0)
        position += len(data) - len(kept)
        data = kept + more


def _utf8(blocks: Iterator[_Block]) -> Iterator[_Block]:
    """Turn UTF-16 into UTF-8; what cannot be decoded becomes U+FFFD."""
    decoder: codecs.IncrementalDecoder | None = None
    for number, block in enumerate(blocks):
        if number == 0 and block.data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"<\0", b"\0<"):
            order = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}.get(block.data[:2], "utf-16")
            decoder = codecs.getincrementaldecoder(order)("replace")
        if decoder is None or block.damage:
            yield block
        else:
            yield _Block(decoder.decode(block.data).encode(), block.offset, block.compressed)


class _RefusedError(Exception):
    """Raised inside an expat handler for what no export contains."""


@dataclass(slots=True)
class _Page:
    """What is known of the page being read."""

    offset: int
    number: int
    fields: dict[str, str] = field(default_factory=dict)
    redirect: str | None = None
    oversized: bool = False


class _Parser:
    """Pages from blocks of XML: one expat parser at a time, begun anew at the next page after each error."""

    def __init__(self, dump: Dump, language: str, counts: Counter[str], *, fragment: bool) -> None:
        self._dump, self._language, self._counts = dump, language, counts
        self._namespaces: dict[str, str] = {}
        self._ready: list[Document | Drop] = []
        self._page: _Page | None = None
        self._tail, self._ended = b"", False
        self._block_offset, self._compressed, self._pages_at_offset = 0, True, 0
        self._begin(ROOT if fragment else b"", 0)

    def feed(self, block: _Block) -> Iterator[Document | Drop]:
        """Parse one block and yield the pages that end in it."""
        if self._compressed != block.compressed or self._block_offset != block.offset:
            self._block_offset, self._compressed, self._pages_at_offset = block.offset, block.compressed, 0
        data, position = block.data, block.offset
        if self._tail:
            data, position, self._tail = self._tail + data, position - len(self._tail), b""
        while data:
            at = data.find(PAGE) if self._searching else 0
            if at < 0:
                self._tail = data[-len(PAGE) + 1 :]
                break
            if self._searching:
                self._begin(ROOT, position + at)
            data, position = data[at:], position + at
            rest = self._parse(data)
            position += len(data) - len(rest)
            data = rest
        yield from self._drain()

    def damage(self, reason: str) -> Iterator[Document | Drop]:
        """Yield the drop for the page that ends in a damaged part of the file, or for the part itself."""
        self._lose(reason)
        self._searching, self._tail = True, b""
        self._ended = reason == "truncated"
        yield from self._drain()

    def close(self, *, whole: bool) -> Iterator[Document | Drop]:
        """Yield the drop for what is missing at the end: of a page, or of a whole file's root element."""
        if not self._ended and (self._page is not None or (whole and not self._closed and not self._searching)):
            self._lose("truncated")
        yield from self._drain()

    def _drain(self) -> list[Document | Drop]:
        ready, self._ready = self._ready, []
        return ready

    def _begin(self, root: bytes, origin: int) -> None:
        """Start a parser; byte 0 of what follows `root` is at `origin` in a file without compression."""
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.buffer_size = CHUNK_BYTES
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse
        self._expat, self._path, self._searching, self._closed = parser, list[str](), False, False
        self._text, self._length = list[str](), 0
        self._fed, self._origin = len(root), origin - len(root)
        if root:
            parser.Parse(root, False)

    def _parse(self, data: bytes) -> bytes:
        """Parse `data`; after an error return the rest, in which the next page is to be searched."""
        try:
            self._expat.Parse(data, False)
        except (expat.ExpatError, _RefusedError):
            at = max(self._expat.ErrorByteIndex - self._fed, 1)
            # A footer after the synthetic root's own end, or white space after the root, is no damage.
            if not (self._closed and self._page is None and not data[at - 1 :].strip()):
                self._lose("malformed")
            self._searching = True
            return data[at:]
        self._fed += len(data)
        if self._fed - self._expat.CurrentByteIndex > MAX_TAG_BYTES:
            self._lose("malformed")
            self._searching = True
        return b""

    def _refuse(self, *_: object) -> None:
        raise _RefusedError

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._path) == MAX_DEPTH:
            raise _RefusedError
        self._path.append(tag)
        if tag == "page" and len(self._path) == 2:
            self._counts["records"] += 1
            offset = self._block_offset if self._compressed else self._origin + self._expat.CurrentByteIndex
            self._page = _Page(offset, self._pages_at_offset)
            self._pages_at_offset += 1
        elif tag == "siteinfo" and len(self._path) == 2:
            self._counts["other:siteinfo"] += 1
        elif self._page is not None and tag == "redirect" and len(self._path) == 3:
            self._page.redirect = attributes.get("title", "")
        elif tag == "namespace":
            self._key = attributes.get("key", "")
        if tag == "namespace" or tuple(self._path[1:]) in FIELDS:
            self._text, self._length = [], 0
            self._expat.CharacterDataHandler = self._characters

    def _characters(self, text: str) -> None:
        self._length += len(text)
        if self._length <= MAX_PAGE_CHARACTERS:
            self._text.append(text)
        elif self._page is not None:
            self._text, self._page.oversized = [], True

    def _end(self, tag: str) -> None:
        name = FIELDS.get(tuple(self._path[1:]))
        if self._page is not None and name is not None:
            self._page.fields[name] = "".join(self._text)
        elif self._path[1:] == ["siteinfo", "namespaces", "namespace"]:
            self._namespaces["".join(self._text).casefold()] = self._key
        self._expat.CharacterDataHandler = None
        self._path.pop()
        if self._page is not None and len(self._path) == 1:
            self._ready.append(self._finish(self._page))
            self._page = None
        self._closed = not self._path

    def _finish(self, page: _Page) -> Document | Drop:
        title, number = page.fields.get("title", "").strip(), _number(page)
        if page.oversized or not title or not number:
            return self._drop(page, "oversized" if page.oversized else "malformed")
        attributes = {"namespace": page.fields.get("namespace", "").strip() or self._namespace(title)}
        if page.redirect is not None:
            attributes["redirect"] = page.redirect
        return Document(
            id=f"{SOURCE}/{self._language}/{self._dump.digest}/{number}",
            source=SOURCE,
            text=page.fields.get("text", ""),
            dump=self._dump.digest,
            offset=page.offset,
            url=f"https://{self._language}.wikipedia.org/wiki/{quote(title.replace(' ', '_'), safe='/:@!$*(),;')}",
            title=title,
            license=LICENSE,
            language=self._language,
            timestamp=timestamps.canonical(page.fields.get("timestamp")),
            attributes=attributes,
        )

    def _namespace(self, title: str) -> str:
        """Return the namespace of a page without `<ns>` by its title: by the dump's own header, else by our table."""
        prefix, colon, _ = title.partition(":")
        prefix = prefix.strip().casefold().replace("_", " ")
        names = names_of(self._language)
        known = {**dict.fromkeys(names.other, "other"), **dict.fromkeys(names.file, "6")}
        known |= {**dict.fromkeys(names.category, "14"), **self._namespaces}
        return known.get(prefix, "0") if colon else "0"

    def _lose(self, reason: str) -> None:
        """Drop the page being read; outside a page, count the damage as one more record and drop that."""
        if self._page is None:
            self._counts["records"] += 1
            self._page = _Page(self._block_offset, self._pages_at_offset)
            self._pages_at_offset += 1
        self._ready.append(self._drop(self._page, reason))
        self._page = None

    def _drop(self, page: _Page, reason: str) -> Drop:
        number = _number(page) or f"@{page.offset}.{page.number}"
        text = page.fields.get("text", "") or page.fields.get("title", "")
        return Document(
            id=f"{SOURCE}/{self._language}/{self._dump.digest}/{number}",
            source=SOURCE,
            text=text,
            dump=self._dump.digest,
            offset=page.offset,
            title=page.fields.get("title", "").strip() or None,
            language=self._language or None,
            timestamp=timestamps.canonical(page.fields.get("timestamp")),
        ).unread(reason)


def _number(page: _Page) -> str:
    """Return a page's id if it is a number, else ""."""
    number = page.fields.get("id", "").strip()
    return number if PAGE_NUMBER.fullmatch(number) else ""
