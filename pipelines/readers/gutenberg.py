"""Books, Project Gutenberg's files or any collection's, plain or in archives, to one document for each book.

    bytes --unzip, untar--> book files --decode--> text or HTML's text ─┬─ header ─> Document (still with its header)
                                       --`epub`--> text of an EPUB ─────┘

A book is one text file, page of HTML or EPUB (compressed or not), or one such member of a zip or tar archive (a tar
compressed or not, read as a stream); other members (images) are counted as `other:member`. `book_encodings` finds the
encoding.
Document ids are made of the collection, the file's digest and the member's place in the archive, never of names or
Gutenberg numbers: numbers repeat between collections and between the encodings of one book. What a mirror's layout says
of the number (`1/2/3/1234/1234-8.txt`) becomes the attribute "book": "1234", or "1234/old" for an edition that the
mirror keeps beside its current one.
"""

from __future__ import annotations

import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from html import unescape
from itertools import islice
from typing import IO, Any, BinaryIO

from filters import packages
from filters.gutenberg import Header, header
from pipelines import timestamps
from pipelines.document import EXCERPT_CHARACTERS, LIMIT, READ, VALUE, Document, Drop
from pipelines.readers import Dump, book_encodings, epub, first_bytes, packed, tars
from pipelines.readers.first_bytes import Kind

SOURCE = "books"
COLLECTION = "gutenberg"
# Gutenberg's largest text, a chromosome of the human genome, has about 250 MB; a novel has 1 MB.
MAX_BOOK_BYTES = 1 << 28
# Text shrinks by zip to a third, a bomb a thousandfold. Below the size anything goes.
MAX_RATIO = 100
BOMB_BYTES = 1 << 22
# Where a page of HTML says that it is one, and its title.
_HTML_START = 20_000
# The share of control characters above which a file is not text.
MAX_CONTROLS = 0.01
# What zipfile raises for bytes that are damaged; errors of the storage itself pass through.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    EOFError,
    ValueError,
    tars.TooLargeError,
)
GUTENBERG_LICENSE = "LicenseRef-public-domain-US"
GUTENBERG_COPYRIGHTED = "LicenseRef-Project-Gutenberg-copyrighted"

_BZIP2 = b"BZh91AY&SY"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]")
_DOS_END = "\x1a"
_ENDINGS = r"(?:txt|html?|xhtml|epub)"
# A book has a folder with its number in a mirror, and files: 1234.txt (ASCII), 1234-8.txt, 1234-0.txt, pg1234.txt,
# 1234-h/1234-h.htm, pg1234-images.epub; a folder "old" in it has what these replaced, under any names.
_FILE = r"(?:pg)?(?P=book)(?:-(?:\d|h|images))*"
_LAYOUT = re.compile(
    rf"(?:\A|/)(?P<book>\d+)/(?:(?P<old>old)/(?:[^/]+/)*[^/]+|(?:{_FILE}/)?{_FILE})\.(?:{_ENDINGS}|zip)(?:\.gz)?\Z",
    re.IGNORECASE,
)
_MEMBER = re.compile(rf"(?:\A|/)(?:pg)?(?P<book>\d+)(?:-(?:\d|h|images))*\.{_ENDINGS}\Z", re.IGNORECASE)
_BOOK_FILE = re.compile(rf"(?!\._)[^/]*\.{_ENDINGS}\Z", re.IGNORECASE)
_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*|<!--.{0,2000}?-->\s*)*(?:<!doctype\s+html|<html)\b", re.IGNORECASE | re.DOTALL
)
_TITLE = re.compile(r"<title\b[^>]*>([^<]{1,400})", re.IGNORECASE)


class Reason(StrEnum):
    """Why a file is no book."""

    EMPTY = "empty"
    UNKNOWN_ENCODING = "unknown_encoding"
    BINARY = "binary"
    TOO_LARGE = "too_large"
    DAMAGED = "damaged_archive"
    ENCRYPTED = "encrypted"
    BOMB = "zip_bomb"


_expected = first_bytes.looker(
    {Kind.EMPTY, Kind.TEXT, Kind.HTML, Kind.ZIP, Kind.TAR, Kind.UNKNOWN},
    {"gzip", "bzip2", "xz"},
    "a book as plain text, HTML or EPUB, or a zip or tar archive of books",
)


def look(stream: BinaryIO, dump: Dump) -> None:
    """Look at an input's beginning; raise ValueError if it cannot be read.

    It may be no book, in an encoding that is stated by no known name, or in one that takes chardet, which is missing.
    """
    if "encoding" in dump.attributes:
        book_encodings.stated(dump.attributes["encoding"])
    _expected(stream, dump)
    if first_bytes.kind_of(stream) == ("", Kind.TEXT):
        book_encodings.encoding_of(stream.read(first_bytes.FIRST_BYTES), dump.attributes.get("encoding"))


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Yield the book of a file, or the books of a zip or tar archive in the archive's order.

    `dump.attributes` may give "encoding", which stands above what the file says, "collection" ("gutenberg" if not),
    "language" and "license", which stand where the file itself does not say (the licence: in every collection but
    Gutenberg's). `offset` is 0, or the member's position in
    the archive in bytes. Line ends become LF. A zip archive must be seekable or fit into memory.
    """
    source = tars.buffered(tars.Raw(stream))
    head = source.peek(tars.BLOCK)[: tars.BLOCK]
    if head[:4] in _ZIP:
        yield from _zipped(stream if stream.seekable() else io.BytesIO(source.read()), dump, counts)
        return
    try:
        opened = _inflated(source, head)
        archived = tars.is_tar(opened.peek(tars.BLOCK)[: tars.BLOCK])
        data = b"" if archived else opened.read(MAX_BOOK_BYTES + 1)
    except (*DAMAGE, OSError) as error:
        counts["records"] += 1
        yield _drop(dump, "", _damage(error), str(error), 0)
        return
    if archived:
        yield from _tarred(opened, dump, counts)
    else:
        counts["records"] += 1
        yield _book(data, dump, "", 0, dump.attributes.get("book"))


def book_of(path: str) -> str | None:
    """Return the book that a path in a mirror's layout names, "1234" or "1234/old", or None."""
    found = _LAYOUT.search(path)
    return found and found["book"] + ("/old" if found["old"] else "")


def _book_of_member(name: str, dump: Dump) -> str | None:
    """Return the book that a member's own path names, or that of an archive of one book if the member has it too."""
    of_archive = dump.attributes.get("book")
    found = _MEMBER.search(name)
    if of_archive and (of_archive.endswith("/old") or (found and found["book"] == of_archive)):
        return of_archive
    return book_of(name)


def _inflated(source: tars.Buffered, head: bytes) -> tars.Buffered:
    """Return what a compressed stream holds, bounded as the members of a zip are, and any other stream as it is."""
    for magic, unpack in packed.OPENERS:
        if head.startswith(magic) and not (magic == b"BZh" and not head.startswith(_BZIP2)):
            return tars.buffered(tars.Raw(unpack(source), lambda: max(BOMB_BYTES, MAX_RATIO * source.raw.total)))
    return source


def _damage(error: Exception) -> Reason:
    """Return what is wrong with an archive; raise the error if the storage failed instead (it has a number)."""
    if isinstance(error, tars.TooLargeError):
        return Reason.BOMB
    if isinstance(error, OSError) and error.errno is not None:
        raise error
    return Reason.DAMAGED


def _zipped(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            if epub.is_epub(archive):
                counts["records"] += 1
                yield _epub(archive, dump, "", 0, dump.attributes.get("book"))
            else:
                yield from _members(archive, dump, counts)
    except DAMAGE as error:
        counts["records"] += 1
        yield _drop(dump, "", Reason.DAMAGED, f"{type(error).__name__}: {error}", 0)


def _tarred(stream: tars.Buffered, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Yield the books of a tar; what comes after damage is one record more."""
    place = 0
    try:
        for member, content in tars.members(stream):
            record, place = f"/{place}", place + 1
            if content is None or not _is_book(member.name):
                counts["other:member"] += 1
                continue
            data = _tar_content(member, content)
            counts["records"] += 1
            if isinstance(data, Reason):
                yield _drop(dump, record, data, _shown(member.name), member.size)
            else:
                yield _book(data, dump, record, member.offset, _book_of_member(member.name, dump))
    except (*DAMAGE, tarfile.TarError, OSError) as error:
        counts["records"] += 1
        yield _drop(dump, f"/{place}-damage", _damage(error), str(error), 0)


def _tar_content(member: tarfile.TarInfo, content: IO[bytes]) -> bytes | Reason:
    """Return a member's bytes; raise tarfile.ReadError if the archive ends before."""
    if member.issparse() or member.size > MAX_BOOK_BYTES:
        return Reason.TOO_LARGE
    data = content.read()
    if len(data) < member.size:
        raise tarfile.ReadError(f"the archive ends in {member.name}")
    return data


def _is_book(name: str) -> bool:
    return _BOOK_FILE.match(name.rsplit("/", 1)[-1]) is not None


def _shown(name: str) -> str:
    """Return a member's name as an excerpt, characters that are no UTF-8 as U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:EXCERPT_CHARACTERS]


def _members(archive: zipfile.ZipFile, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    for index, member in enumerate(packed.zip_members(archive)):
        if not _is_book(member.filename):
            counts["other:member"] += 1
            continue
        counts["records"] += 1
        data = _content(archive, member)
        if isinstance(data, Reason):
            yield _drop(dump, f"/{index}", data, _shown(member.filename), member.file_size)
        else:
            yield _book(data, dump, f"/{index}", member.header_offset, _book_of_member(member.filename, dump))


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | Reason:
    if member.flag_bits & 0x1:
        return Reason.ENCRYPTED
    if member.file_size > max(BOMB_BYTES, MAX_RATIO * member.compress_size):
        return Reason.BOMB
    try:
        # What is read is bounded too, since the sizes that the directory states may be wrong.
        return packed.zip_member(archive, member, min(member.file_size, MAX_BOOK_BYTES) + 1)
    except DAMAGE:
        return Reason.DAMAGED
    except OSError as error:
        if error.errno is not None:
            raise
        return Reason.DAMAGED  # how bz2 says that its data are invalid


def _book(data: bytes, dump: Dump, record: str, offset: int, book: str | None) -> Document | Drop:
    if len(data) > MAX_BOOK_BYTES:
        return _drop(dump, record, Reason.TOO_LARGE, "", len(data))
    if data.startswith(_ZIP):
        return _packed_epub(data, dump, record, offset, book)
    try:
        text, encoding = decode(data, dump.attributes.get("encoding"))
    except (UnknownEncodingError, packages.MissingError):
        reason = Reason.BINARY if _is_binary(data.decode("latin-1")) else Reason.UNKNOWN_ENCODING
        return _drop(dump, record, reason, data[:EXCERPT_CHARACTERS].decode("ascii", "replace"), len(data))
    head = None
    if is_html := _HTML.match(text, 0, _HTML_START) is not None:
        title = _TITLE.search(text, 0, _HTML_START)
        text = epub.page_text(text)
        head = _or(header(text), title=" ".join(unescape(title[1]).split()) if title else None)
    if not text.strip():
        return _drop(dump, record, Reason.EMPTY, "", len(data))
    if _is_binary(text):
        return _drop(dump, record, Reason.BINARY, text[:EXCERPT_CHARACTERS], len(data))
    document = _document(text, encoding, head or header(text), dump, record, offset)
    return _with(document, book, "html" if is_html else None)


def _is_binary(text: str) -> bool:
    # One more than are allowed, of a hundred million.
    return next(islice(_CONTROLS.finditer(text), int(MAX_CONTROLS * len(text)), None), None) is not None


def _packed_epub(data: bytes, dump: Dump, record: str, offset: int, book: str | None) -> Document | Drop:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if epub.is_epub(archive):
                return _epub(archive, dump, record, offset, book)
    except DAMAGE:
        return _drop(dump, record, Reason.DAMAGED, "", len(data))
    return _drop(dump, record, Reason.BINARY, "", len(data))


def _epub(archive: zipfile.ZipFile, dump: Dump, record: str, offset: int, book: str | None) -> Document | Drop:
    try:
        found = epub.read(archive)
    except epub.EpubError as error:
        return _drop(dump, record, Reason(error.reason), _shown(str(error)), 0)
    if not found.text.strip():
        return _drop(dump, record, Reason.EMPTY, found.title or "", 0)
    language = (found.language or "").partition("-")[0].lower() or None
    head = _or(header(found.text), title=found.title, author=found.author, language=language)
    return _with(_document(found.text, "utf-8", head, dump, record, offset), book, "epub")


def _or(head: Header, **others: str | None) -> Header:
    """Return a header with what it does not say itself."""
    missing: dict[str, Any] = {name: value for name, value in others.items() if getattr(head, name) is None}
    return replace(head, **missing)


def _with(document: Document, book: str | None, form: str | None) -> Document:
    known = {"book": book, "format": form}
    return document.with_attributes(**{name: value for name, value in known.items() if value is not None})


class UnknownEncodingError(ValueError):
    """Nobody can tell in what encoding a book is."""


def decode(data: bytes, given: str | None = None) -> tuple[str, str]:
    """Return a book's text, its line ends LF, and the name of its encoding; bytes that do not decode become U+FFFD.

    `given` is the encoding that the user states. UnknownEncodingError where it can neither be told nor detected.
    """
    found = book_encodings.encoding_of(data, given)
    if found is None:
        raise UnknownEncodingError
    encoding, mark = found
    text = data[mark:].decode(encoding, "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip(_DOS_END), encoding


def _document(text: str, encoding: str, head: Header, dump: Dump, record: str, offset: int) -> Document:
    collection = dump.attributes.get("collection", COLLECTION)
    attributes: dict[str, str | int] = {"collection": collection, "encoding": encoding}
    if head.author:
        attributes["author"] = head.author
    if head.number is not None:
        attributes["number"] = head.number
    document = Document(
        id=_identity(dump, record),
        source=SOURCE,
        text=text,
        dump=dump.digest,
        offset=offset,
        title=head.title,
        license=dump.attributes.get("license"),
        language=head.language or dump.attributes.get("language"),
        timestamp=timestamps.canonical(head.released),
        attributes=attributes,
    )
    if collection != COLLECTION or not head.is_gutenberg:
        return document
    terms = GUTENBERG_COPYRIGHTED if head.copyrighted else GUTENBERG_LICENSE
    url = None if head.number is None else f"https://www.gutenberg.org/ebooks/{head.number}"
    return replace(document, license=terms, url=url)


def _identity(dump: Dump, record: str) -> str:
    return f"{SOURCE}/{dump.attributes.get('collection', COLLECTION)}/{dump.digest}{record}"


def _drop(dump: Dump, record: str, reason: Reason, excerpt: str, size: int) -> Drop:
    return Drop(
        id=_identity(dump, record),
        source=SOURCE,
        stage=READ,
        reason=reason,
        excerpt=excerpt,
        size=size,
        license=dump.attributes.get("license"),
        scores={VALUE: size, LIMIT: MAX_BOOK_BYTES} if reason is Reason.TOO_LARGE else {},
    )
