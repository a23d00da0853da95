"""EPUB 2 and 3: the text of a book's chapters in the order of reading, and what its metadata say.

    zip -> META-INF/container.xml -> package (OPF): metadata, manifest, spine -> XHTML of each chapter -> text

Nothing is ever extracted. A book under DRM is told by META-INF/encryption.xml; obfuscated fonts are no DRM.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from lxml import etree

from filters import html
from pipelines.readers import packed, tars
from pipelines.readers.book_encodings import encoding_of

MIMETYPE = b"application/epub+zip"
CONTAINER = "META-INF/container.xml"
# A spine names a chapter at most a few times; a hostile one could name one a million times.
MAX_CHAPTERS = 10_000
# What a package and a chapter may unpack to, and all of them together; text shrinks by zip to a third or a tenth.
MAX_MEMBER_BYTES = 1 << 26
MAX_TEXT_BYTES = 1 << 28
MAX_RATIO = 100
SMALL_BYTES = 1 << 22

_ENCRYPTION = "META-INF/encryption.xml"
_RIGHTS = ("META-INF/rights.xml", "META-INF/sinf.xml", "META-INF/license.lcpl")
# The obfuscation of fonts: EPUB 3.3, section 4.4, and Adobe's.
_OBFUSCATION = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})
_CHAPTERS = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"})
# What `html.to_text` writes around preformatted text: a book's verses are no code.
_FENCE = re.compile(r"^(?:[> ]*)`{3,}[\w+#-]*[ \t]*(?:\n|\Z)", re.MULTILINE)
_BODY = re.compile(r"<body\b[^<>]*>", re.IGNORECASE)
# What a page without a body has before its text.
_HEAD = re.compile(r"<[?!](?!--)[^<>]*>|<title\b[^<>]*>[^<]*</title>", re.IGNORECASE)
# XHTML may close at once what in HTML would go on and hide the rest.
_SELF_CLOSED = re.compile(r"<(?:script|style|iframe|object|title|textarea)\b[^<>]*/>", re.IGNORECASE)


class Reason(StrEnum):
    """Why an EPUB is not read."""

    ENCRYPTED = "encrypted"
    DAMAGED = "damaged_archive"
    BOMB = "zip_bomb"


class EpubError(ValueError):
    """An EPUB that is not read: for a reason, with the member at which that was seen."""

    def __init__(self, reason: Reason, member: str) -> None:
        super().__init__(member)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Epub:
    """The text of an EPUB, blank lines between its chapters, and what its metadata say."""

    text: str
    title: str | None
    author: str | None
    language: str | None


def is_epub(archive: zipfile.ZipFile) -> bool:
    """Tell whether a zip is an EPUB: by its container, or by the member that names its type."""
    names = archive.NameToInfo
    return CONTAINER in names or ("mimetype" in names and archive.infolist()[0].filename == "mimetype")


def read(archive: zipfile.ZipFile) -> Epub:
    """Return what an EPUB holds; EpubError for one under DRM, a damaged one and a bomb."""
    _refuse_encrypted(archive)
    path = _package_path(archive)
    package = _xml(archive, path)
    folder = posixpath.dirname(path)
    texts, size = [], 0
    for href in _spine(package):
        data = _member(archive, posixpath.normpath(posixpath.join(folder, href)))
        size += len(data)
        if size > MAX_TEXT_BYTES:
            raise EpubError(Reason.BOMB, href)
        texts.append(page_text(_decoded(data)))
    return Epub(
        "\n\n\n".join(filter(None, texts)),
        _metadata(package, "title"),
        _metadata(package, "creator"),
        _metadata(package, "language"),
    )


def page_text(source: str) -> str:
    """Return the text of a page of HTML or XHTML as a book has it: its body, preformatted text without fences."""
    body = _BODY.search(source)
    inner = source[body.end() :] if body else _HEAD.sub("", source)
    return _FENCE.sub("", html.to_text(_SELF_CLOSED.sub("", inner))).strip("\n")


def _decoded(data: bytes) -> str:
    encoding, mark = encoding_of(data) or ("utf-8", 0)
    return data[mark:].decode(encoding, "replace")


def _refuse_encrypted(archive: zipfile.ZipFile) -> None:
    for name in _RIGHTS:
        if name in archive.NameToInfo:
            raise EpubError(Reason.ENCRYPTED, name)
    if _ENCRYPTION not in archive.NameToInfo:
        return
    for method in _xml(archive, _ENCRYPTION).iter("{*}EncryptionMethod"):
        if method.get("Algorithm") not in _OBFUSCATION and not _is_key(method):
            raise EpubError(Reason.ENCRYPTED, _ENCRYPTION)


def _is_key(method: etree._Element) -> bool:
    """Return whether a method is of a key, which encrypts nothing by itself."""
    parent = method.getparent()
    return parent is not None and etree.QName(parent).localname == "EncryptedKey"


def _package_path(archive: zipfile.ZipFile) -> str:
    if CONTAINER not in archive.NameToInfo:
        found = next((name for name in archive.namelist() if name.lower().endswith(".opf")), None)
    else:
        found = next((one.get("full-path") for one in _xml(archive, CONTAINER).iter("{*}rootfile")), None)
    if not found:
        raise EpubError(Reason.DAMAGED, CONTAINER)
    return found


def _spine(package: etree._Element) -> Iterator[str]:
    """Yield where the chapters lie, in their order; without the table of contents."""
    manifest = {one.get("id"): one for one in package.iter("{*}item")}
    seen: set[str] = set()
    for reference in package.iter("{*}itemref"):
        item = manifest.get(reference.get("idref"))
        if item is None or item.get("media-type") not in _CHAPTERS or "nav" in (item.get("properties") or "").split():
            continue
        href = unquote((item.get("href") or "").partition("#")[0])
        if href and href not in seen and len(seen) < MAX_CHAPTERS:
            seen.add(href)
            yield href


def _metadata(package: etree._Element, name: str) -> str | None:
    found = next(package.iter(f"{{http://purl.org/dc/elements/1.1/}}{name}"), None)
    text = " ".join("".join(map(str, found.itertext())).split()) if found is not None else ""
    return text or None


def _xml(archive: zipfile.ZipFile, name: str) -> etree._Element:
    # Neither entities nor anything outside of the file is read.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True, huge_tree=False)
    try:
        root = etree.fromstring(_member(archive, name), parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None:
        raise EpubError(Reason.DAMAGED, name)
    return root


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.NameToInfo.get(name)
    if info is None:
        raise EpubError(Reason.DAMAGED, name)
    if info.flag_bits & 0x1:
        raise EpubError(Reason.ENCRYPTED, name)
    if info.file_size > min(MAX_MEMBER_BYTES, max(SMALL_BYTES, MAX_RATIO * info.compress_size)):
        raise EpubError(Reason.BOMB, name)
    try:
        return packed.zip_member(archive, info, info.file_size + 1)
    except tars.TooLargeError:
        raise EpubError(Reason.BOMB, name) from None
    except packed.DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise EpubError(Reason.DAMAGED, name) from None
