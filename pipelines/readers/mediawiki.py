"""MediaWiki XML exports (`pages-articles` dumps) to documents of raw wikitext, one for each page.

bytes -> `mediawiki_blocks` -> UTF-8 XML -> expat events -> `Document` or `Drop`

A dump is one XML document, compressed as one stream or (multistream) as many of bzip2: a header, groups of 100 pages, a
footer. Each group is a fragment that can be read alone, so a byte range between two streams is read under a root
element of our own; `mediawiki_index` takes such ranges from the dump's index. Memory is bounded by one page: expat
holds no tree, and a page over `MAX_PAGE_CHARACTERS` is dropped while it streams. Export versions 0.3 to 0.11 differ in
elements that are read if they are there (`<ns>` and `<redirect>` came later); the namespace of older pages is read from
their title.

Bad input: a page that is not well-formed is dropped as "malformed" and reading goes on at the next `<page>`; a bz2
stream that does not decompress is dropped as "malformed" and reading goes on at the next stream; an input that stops
early is dropped as "truncated". A whole dump without a page is an error. A document type declaration is refused, as no
export has one: without it there are no entities to expand, so no entity bombs, and nothing is ever fetched.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import BinaryIO
from urllib.parse import quote
from xml.parsers import expat

from filters.wikitext.names import LANGUAGES, names_of
from pipelines import timestamps
from pipelines.document import LIMIT, VALUE, Document, Drop
from pipelines.readers import Dump, first_bytes, mediawiki_blocks, seven_zip
from pipelines.readers.first_bytes import Kind
from pipelines.readers.mediawiki_blocks import CHUNK_BYTES, Block

__all__ = ["language_of", "look", "read"]

SOURCE = "wikipedia"
LICENSE = "CC-BY-SA-3.0"
"""The licence of Wikipedia's text until June 2023, so of the dumps of June to August 2022 that LLaMA used."""

MAX_PAGE_CHARACTERS = 1 << 26
"""MediaWiki refuses pages over 2 MiB ($wgMaxArticleSize); anything far above that is an attack on memory."""

MAX_TAG_BYTES = 1 << 20
"""Of a tag, and of all else that expat takes as one: it reads what it has of it again with each piece that comes."""

MAX_DEPTH = 32
"""Exports nest six elements; each is looked up by all that it stands in."""

ROOT = b"<mediawiki>"
PAGE = b"<page>"
FIELDS = {
    ("page", "title"): "title",
    ("page", "ns"): "namespace",
    ("page", "id"): "id",
    ("page", "revision", "timestamp"): "timestamp",
    ("page", "revision", "text"): "text",
}
_NOTHING = b"\0 \t\r\n"  # white space, and what pads a file
PAGE_NUMBER = re.compile(r"[0-9]{1,19}")
FILE_NAME = re.compile(r"([a-z][a-z_-]*?)\.?wiki(?=[-.]|$)")


def language_of(name: str) -> str:
    """Return the language of a dump by its file name: "en" of `enwiki-20220801-...`, "de" of `de.wiki.xml.bz2`.

    `mediawiki_header` compares it with what the dump itself says. ValueError for a name that gives none of the 20
    languages.
    """
    match = FILE_NAME.match(re.split(r"[/\\]", name)[-1])
    if match is None or match[1] not in LANGUAGES:
        raise ValueError(
            f"{name!r} does not name one of the 20 languages: expected a name like"
            " 'enwiki-20220801-pages-articles.xml.bz2' or 'de.wiki.xml.bz2' that starts with one of "
            + ", ".join(LANGUAGES)
        )
    return match[1]


_expected = first_bytes.looker(
    {Kind.MEDIAWIKI, Kind.SEVEN_ZIP},
    {"bzip2", "gzip", "xz"},
    "an XML dump of Wikipedia (plain, bzip2, gzip, xz or 7z; an index is found beside it: name dumps by "
    "FOLDER/*.xml.bz2)",
)


def look(stream: BinaryIO, dump: Dump) -> None:
    """Look at a dump's beginning, and at an archive's directory; raise ValueError if it cannot be read."""
    _expected(stream, dump)
    if first_bytes.kind_of(stream)[1] is Kind.SEVEN_ZIP:
        seven_zip.look(stream, mediawiki_blocks.WANTED)


def read(
    stream: BinaryIO, dump: Dump, counts: Counter[str], start: int = 0, end: int | None = None
) -> Iterator[Document | Drop]:
    """Yield a document for each page of an export (its text raw wikitext), and a drop for what cannot be read.

    `stream` is an `.xml` file, plain or as `.bz2`, `.gz`, `.xz` or `.7z`, at its beginning; with `start` or `end`, the
    byte range [start, end) of a multistream file, as an index gives it (the stream must be able to seek, and for 7z). A
    document's `offset` is the position in the file of the bz2 stream that its page begins in; in a file without
    compression that of `<page>` itself (of the UTF-8 form, where the file is in UTF-16); in the other forms 0.
    Attributes: `namespace`, and `redirect` with the target if the page is one. Of a page's revisions the last is taken.
    ValueError if the dump's attribute `language` is not one of the 20, for an archive that cannot be read, for a range
    that begins with no stream, and, at the end, where there was neither a page nor damage.
    """
    language = dump.attributes.get("language", "")
    names_of(language)
    try:
        found = mediawiki_blocks.blocks(stream, start, end)
        first = next(found, Block(b"", start))
        fragment = start > 0 or _is_pages_alone(first.data)
        parser = _Parser(dump, language, counts, fragment=fragment)
        for block in chain([first], found):
            yield from parser.damage(block.damage) if block.damage else parser.feed(block)
    except ValueError as error:
        raise ValueError(f"{dump.name}: {error}") from error
    yield from parser.close(whole=end is None and not (fragment and start == 0))
    if not parser.records:
        where = f"bytes {start:,} to {end:,}: the index does not fit" if end else "it: is it the dump that was meant?"
        raise ValueError(f"{dump.name}: no page is in {where}")


def _is_pages_alone(start: bytes) -> bool:
    """Tell whether a file has pages without the root element around them."""
    return start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(PAGE)


class _RefusedError(Exception):
    """Raised inside an expat handler for what no export contains."""


@dataclass(slots=True)
class _Page:
    """What is known of the page being read."""

    offset: int
    number: int
    fields: dict[str, str] = field(default_factory=dict)
    redirect: str | None = None
    oversized: int = 0  # characters of a field that is too long


class _Parser:
    """Pages from blocks of XML: one expat parser at a time, begun anew at the next page after each error."""

    def __init__(self, dump: Dump, language: str, counts: Counter[str], *, fragment: bool) -> None:
        self._dump, self._language, self._counts = dump, language, counts
        self._namespaces: dict[str, str] = {}
        self._ready: list[Document | Drop] = []
        self._page: _Page | None = None
        self._tail, self._ended = b"", False
        self._block_offset, self._compressed, self._pages_at_offset = 0, True, 0
        self.records = 0
        self._begin(ROOT if fragment else b"", 0)

    def feed(self, block: Block) -> Iterator[Document | Drop]:
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
            if not (self._closed and self._page is None and not data[at - 1 :].strip(_NOTHING)):
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
            self._count()
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
            self._text, self._page.oversized = [], self._length

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
        if page.oversized:
            return self._drop(page, "oversized", {VALUE: page.oversized, LIMIT: MAX_PAGE_CHARACTERS})
        if not title or not number:
            return self._drop(page, "malformed")
        attributes = {"namespace": page.fields.get("namespace", "").strip() or self._namespace(title)}
        if page.redirect is not None:
            attributes["redirect"] = page.redirect
        return Document(
            id=f"{SOURCE}/{self._language}/{self._dump.digest}/{number}",
            source=SOURCE,
            text=page.fields.get("text", ""),
            dump=self._dump.digest,
            offset=page.offset,
            url=self._url(title),
            title=title,
            license=LICENSE,
            language=self._language,
            timestamp=timestamps.canonical(page.fields.get("timestamp")),
            attributes=attributes,
        )

    def _url(self, title: str) -> str:
        return f"https://{self._language}.wikipedia.org/wiki/{quote(title.replace(' ', '_'), safe='/:@!$*(),;')}"

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
            self._count()
            self._page = _Page(self._block_offset, self._pages_at_offset)
            self._pages_at_offset += 1
        self._ready.append(self._drop(self._page, reason))
        self._page = None

    def _count(self) -> None:
        self.records += 1
        self._counts["records"] += 1

    def _drop(self, page: _Page, reason: str, scores: Mapping[str, float] = {}) -> Drop:
        number = _number(page) or f"@{page.offset}.{page.number}"
        text = page.fields.get("text", "") or page.fields.get("title", "")
        title = page.fields.get("title", "").strip()
        read = Document(
            id=f"{SOURCE}/{self._language}/{self._dump.digest}/{number}",
            source=SOURCE,
            text=text,
            dump=self._dump.digest,
            offset=page.offset,
            url=self._url(title) if title and self._language else None,
            title=title or None,
            license=LICENSE,
            language=self._language or None,
            timestamp=timestamps.canonical(page.fields.get("timestamp")),
        )
        return replace(read.unread(reason), scores=scores)


def _number(page: _Page) -> str:
    """Return a page's id if it is a number, else ""."""
    number = page.fields.get("id", "").strip()
    return number if PAGE_NUMBER.fullmatch(number) else ""
