"""Plain-text books, Project Gutenberg's files or any collection's, plain or in archives, to one document for each book.

    bytes --unzip, untar--> book files --decode--> text --header--> Document (whole text, still with header and footer)

A book is one text file (compressed or not), or one `.txt` member of a zip or tar archive (a tar compressed or not, read
as a stream); other members (HTML, images) are counted as `other:member`. The encoding is found, in this order, from a
byte order mark, from NUL bytes (UTF-16), from validity as UTF-8, from the header's "Character set encoding", else it is
Windows-1252 (which Latin-1 files are in practice).
Document ids are made of the collection, the file's digest and the member's place in the archive, never of names or
Gutenberg numbers: numbers repeat between collections and between the encodings of one book. What a mirror's layout says
of the number (`1/2/3/1234/1234-8.txt`) becomes the attribute "book".
"""

from __future__ import annotations

import codecs
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
from itertools import islice
from typing import IO, BinaryIO

from filters.gutenberg import Header, header
from pipelines import timestamps
from pipelines.document import EXCERPT_CHARACTERS, READ, Document, Drop
from pipelines.readers import Dump, first_bytes, packed, tars
from pipelines.readers.first_bytes import Kind

SOURCE = "books"
COLLECTION = "gutenberg"
# Gutenberg's largest text, a chromosome of the human genome, has about 250 MB; a novel has 1 MB.
MAX_BOOK_BYTES = 1 << 28
# Text shrinks by zip to a third, a bomb a thousandfold. Below the size anything goes.
MAX_RATIO = 100
BOMB_BYTES = 1 << 22
# The share of control characters above which a file is not text.
MAX_CONTROLS = 0.01
HEADER_BYTES = 20_000
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

# Python's text codecs that no file's author means.
NO_CHARACTER_SETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7", "undefined"})

_BZIP2 = b"BZh91AY&SY"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"^Character set encoding:[ \t]*([^\r\n]{1,60})", re.IGNORECASE | re.MULTILINE)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]")
_DOS_END = "\x1a"
# A book has a folder with its number in a mirror, and files: 1234.txt (ASCII), 1234-8.txt, 1234-0.txt, pg1234.txt.
_LAYOUT = re.compile(r"(?:\A|/)(?P<book>\d+)/(?:pg)?(?P=book)(?:-\d)?\.(?:txt|zip)(?:\.gz)?\Z", re.IGNORECASE)
_MEMBER = re.compile(r"(?:\A|/)(?:pg)?(?P<book>\d+)(?:-\d)?\.txt\Z", re.IGNORECASE)


class Reason(StrEnum):
    """Why a file is no book."""

    EMPTY = "empty"
    BINARY = "binary"
    TOO_LARGE = "too_large"
    DAMAGED = "damaged_archive"
    ENCRYPTED = "encrypted"
    BOMB = "zip_bomb"


look = first_bytes.looker(
    {Kind.EMPTY, Kind.TEXT, Kind.ZIP, Kind.TAR, Kind.UNKNOWN},
    {"gzip", "bzip2", "xz"},
    "a book as plain text, or a zip or tar archive of books",
)


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Yield the book of a text file, or the books of a zip or tar archive in the archive's order.

    `dump.attributes` may give "collection" ("gutenberg" if not), "language" and "license", which stand where the file
    itself does not say (the licence: in every collection but Gutenberg's). `offset` is 0, or the member's position in
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
    """Return the number of the book that a path in a mirror's layout names, or None."""
    found = _LAYOUT.search(path)
    return found["book"] if found else None


def _book_of_member(name: str, dump: Dump) -> str | None:
    """Return the number that a member's own path names, or that of an archive of one book if the member has it too."""
    found = _MEMBER.search(name)
    return book_of(name) or (found["book"] if found and found["book"] == dump.attributes.get("book") else None)


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
                yield _drop(dump, record, data, "", member.size)
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
    base = name.rsplit("/", 1)[-1]
    return base.lower().endswith(".txt") and not base.startswith("._")


def _members(archive: zipfile.ZipFile, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    for index, member in enumerate(packed.zip_members(archive)):
        if not _is_book(member.filename):
            counts["other:member"] += 1
            continue
        counts["records"] += 1
        data = _content(archive, member)
        if isinstance(data, Reason):
            yield _drop(dump, f"/{index}", data, "", member.file_size)
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
    text, encoding = decode(data)
    if not text.strip():
        return _drop(dump, record, Reason.EMPTY, "", len(data))
    # One more than are allowed, of a hundred million.
    if next(islice(_CONTROLS.finditer(text), int(MAX_CONTROLS * len(text)), None), None):
        return _drop(dump, record, Reason.BINARY, text[:EXCERPT_CHARACTERS], len(data))
    document = _document(text, encoding, header(text), dump, record, offset)
    return document if book is None else document.with_attributes(book=book)


def decode(data: bytes) -> tuple[str, str]:
    """Return a book's text, its line ends LF, and the name of its encoding; bytes that do not decode become U+FFFD."""
    encoding, mark = _encoding(data)
    text = data[mark:].decode(encoding, "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip(_DOS_END)
    return text, encoding


def _encoding(data: bytes) -> tuple[str, int]:
    """Return the encoding and the length of its byte order mark."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding, len(mark)
    head = data[:HEADER_BYTES]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    # Western text in UTF-16 has a NUL in nearly every other byte, on one side only.
    if max(even, odd) > len(head) // 5 and min(even, odd) < len(head) // 50 + 1:
        return ("utf-16-be" if even > odd else "utf-16-le"), 0
    if _decodes(data, "utf-8"):
        return "utf-8", 0
    declared = _declared(head)
    # A file declared as UTF-8 with some bytes wrong is still UTF-8; one declared as ASCII or Latin-1 is Windows-1252.
    if declared == "utf-8" or (declared not in ("", "ascii", "iso8859-1") and _decodes(data, declared)):
        return declared, 0
    return ("cp1252" if _decodes(data, "cp1252") else "latin-1"), 0


def _declared(head: bytes) -> str:
    """Return Python's name for the encoding that a Gutenberg header declares, "" if there is none or it is unknown."""
    found = _DECLARED.search(head)
    if not found:
        return ""
    name = found[1].decode("latin-1").strip().lower()
    for old, new in (("iso latin-", "latin-"), ("windows code page ", "cp"), ("cp-", "cp")):
        name = name.replace(old, new)
    for candidate in (name, *re.findall(r"[a-z0-9_-]+", name)):
        try:
            codec = codecs.lookup(candidate).name
            "".encode(codec)
        except (LookupError, ValueError):
            continue
        if codec not in NO_CHARACTER_SETS:
            return codec
    return ""


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


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
    if collection != COLLECTION or head == Header():
        return document
    terms = GUTENBERG_COPYRIGHTED if head.copyrighted else GUTENBERG_LICENSE
    url = None if head.number is None else f"https://www.gutenberg.org/ebooks/{head.number}"
    return replace(document, license=terms, url=url)


def _identity(dump: Dump, record: str) -> str:
    return f"{SOURCE}/{dump.attributes.get('collection', COLLECTION)}/{dump.digest}{record}"


def _drop(dump: Dump, record: str, reason: Reason, excerpt: str, size: int) -> Drop:
    return Drop(id=_identity(dump, record), source=SOURCE, stage=READ, reason=reason, excerpt=excerpt, size=size)
