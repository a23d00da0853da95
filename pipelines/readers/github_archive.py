"""GitHub reader for source archives: the files of one repository's tar (gzip, bz2, xz) or zip to documents.

    stream -> members -> first pass: the top folder; licence files and package metadata (`github_licences`)
                      -> second pass: regular files -> Document (licence of the nearest folder that has one) | Drop

The top folder is the one that all files share (of a Go module MODULE@VERSION), which is no part of their paths and
tells where they come from, unless the input says so (`github_origin`).

Nothing is ever extracted. `offset` and the last part of the id are the member's number in the archive, from 0.
Directories, links and devices are no records and counted as other kinds.
"""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, BinaryIO

from filters.code.languages import language_of
from filters.code.license import spelled
from pipelines.document import EXCERPT_CHARACTERS, LIMIT, READ, VALUE, Document, Drop
from pipelines.readers import Dump, github_origin, packed, tars
from pipelines.readers.github import SOURCE, decode
from pipelines.readers.github_licences import Licences

# BigQuery's export holds no text over 1 MiB; the same limit for archives.
MAX_FILE_BYTES = 1 << 20
# An archive that unpacks to more than this, or claims more members, is a bomb: a repository's sources are far smaller.
MAX_ARCHIVE_BYTES = 4 << 30
MAX_MEMBERS = 200_000
# Linux knows no longer path (PATH_MAX).
MAX_PATH_CHARACTERS = 4_096
# What tools add beside a repository's files.
_NO_FILES = frozenset({"__MACOSX", "pax_global_header"})

_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    OSError,
    lzma.LZMAError,
    RuntimeError,
    ValueError,
)
_BOMB = (tars.TooLargeError, tars.LongHeaderError)


class Reason(StrEnum):
    """Why a member cannot be read."""

    BINARY = "binary"
    TOO_LARGE = "too_large"
    UNSAFE_PATH = "unsafe_path"
    DAMAGED = "damaged"
    TRUNCATED = "truncated"
    BOMB = "bomb"


@dataclass(frozen=True, slots=True)
class _Member:
    """One entry: its number, path, kind ("file", or what is no record) and content up to one byte over the limit."""

    number: int
    path: str
    kind: str
    data: bytes | None


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the first pass finds: the top folder, "" if there is none, the licence of all if given, and licences."""

    top: str
    license: str | None
    licences: Licences


def read_archive(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Yield a Document for each text file of a repository's archive, or a Drop for a file that cannot be read.

    `stream` is seekable and read twice. `dump.attributes` may name `repository`, `ref` and `license` (an SPDX
    expression for the whole archive); else the top folder stands for the repository and the licence of a file is its
    own by REUSE or that of the nearest folder above it that has a licence file or package metadata,
    "unknown" where that is not recognised.
    """
    layout = _layout(stream, dump.attributes.get("license"))
    origin = github_origin.of(layout.top, dump)
    number = 0
    try:
        for member in _members(stream):
            number = member.number + 1
            if member.kind != "file":
                counts[f"other:{member.kind}"] += 1
                continue
            counts["records"] += 1
            yield _record(member, dump, layout, origin)
    except _BOMB as error:
        counts["records"] += 1
        yield _drop(dump, number, Reason.BOMB, str(error), 0)
    except _DAMAGE as error:
        counts["records"] += 1
        yield _drop(dump, number, Reason.TRUNCATED, type(error).__name__, 0)


def _record(member: _Member, dump: Dump, layout: _Layout, origin: github_origin.Origin) -> Document | Drop:
    path, data = member.path, member.data
    if not _is_safe(path):
        return _drop(dump, member.number, Reason.UNSAFE_PATH, path, 0)
    text = decode(data) if data is not None and len(data) <= MAX_FILE_BYTES else None
    path = _normal(path)
    inner = origin.folder + (path.removeprefix(f"{layout.top}/") if layout.top else path)
    language = language_of(path)
    known = {"code_language": language, "release": origin.release}
    file = Document(
        id=f"{SOURCE}/{dump.digest}/{member.number}",
        source=SOURCE,
        text=text or "",
        dump=dump.digest,
        offset=member.number,
        url=origin.url(inner),
        title=inner,
        license=spelled(layout.license or layout.licences.of(path, layout.top)),
        attributes={"repository": origin.repository, "path": inner} | {key: of for key, of in known.items() if of},
    )
    return file if text is not None else _unread(file, member)


def _unread(file: Document, member: _Member) -> Drop:
    """Return the drop of a file that is no text, with the path that the archive has for an excerpt."""
    size = len(member.data or b"")
    told: dict[str, Any] = {"excerpt": member.path[:EXCERPT_CHARACTERS], "size": size}
    if member.data is None:
        return replace(file.unread(Reason.DAMAGED), **told)
    if size > MAX_FILE_BYTES:  # of a larger file no more is read than shows that it is
        return replace(file.unread(Reason.TOO_LARGE), scores={VALUE: size, LIMIT: MAX_FILE_BYTES}, **told)
    return replace(file.unread(Reason.BINARY), **told)


def _is_safe(path: str) -> bool:
    if not path or len(path) > MAX_PATH_CHARACTERS or path.startswith("/"):
        return False
    return _normal(path) != "" and ".." not in path.split("/") and "\\" not in path and "\0" not in path


def _normal(path: str) -> str:
    """Return a safe path without "." and empty parts."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _layout(stream: BinaryIO, license: str | None) -> _Layout:
    """Return the folder that all files share, and what they say of licences unless one is given for all."""
    licences, tops = Licences(), set[str]()
    try:
        for member in _members(stream):
            if member.kind != "file" or not _is_safe(member.path) or member.path in _NO_FILES:
                continue
            path = _normal(member.path)
            top = github_origin.top_folder(path)
            if top not in _NO_FILES:
                tops.add(top)
            if license is None and member.data is not None and len(member.data) <= MAX_FILE_BYTES:
                licences.add(path, member.data)
    except (*_BOMB, *_DAMAGE):
        # The second pass meets the same damage and accounts for it; what was found before it holds.
        pass
    return _Layout(tops.pop() if len(tops) == 1 else "", license, licences)


def _members(stream: BinaryIO) -> Iterator[_Member]:
    stream.seek(0)
    start = stream.read(8)
    stream.seek(0)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield from _zip_members(stream)
    else:
        yield from _tar_members(stream, start)


def _tar_members(stream: BinaryIO, start: bytes) -> Iterator[_Member]:
    opener = next((opener for magic, opener in packed.OPENERS if start.startswith(magic)), None)
    plain = tars.buffered(tars.Raw(opener(stream) if opener else stream), tars.BLOCK)
    for number, (info, content) in enumerate(tars.members(plain, MAX_ARCHIVE_BYTES, tars.BLOCK)):
        if number >= MAX_MEMBERS:
            raise tars.TooLargeError(f"more than {MAX_MEMBERS} members")
        data = content.read(MAX_FILE_BYTES + 1) if content else None
        yield _Member(number, _printable(info.name), _tar_kind(info), data)


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.isreg():
        return "file"
    if info.isdir():
        return "directory"
    return "link" if info.islnk() or info.issym() else "device"


def _printable(name: str) -> str:
    """Return a member's name with the bytes that are no UTF-8 as U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _zip_members(stream: BinaryIO) -> Iterator[_Member]:
    total = 0
    with zipfile.ZipFile(stream) as archive:
        if len(archive.infolist()) > MAX_MEMBERS:
            raise tars.TooLargeError(f"more than {MAX_MEMBERS} members")
        for number, info in enumerate(packed.zip_members(archive)):
            # The upper half of the attributes is the Unix mode; 0o12 is a symbolic link's type.
            is_directory = info.filename.endswith("/")  # zipfile's own test fails for a member without a name
            kind = "directory" if is_directory else "link" if info.external_attr >> 28 == 0o12 else "file"
            data = _zip_content(archive, info) if kind == "file" else None
            total += len(data or b"")
            if total > MAX_ARCHIVE_BYTES:
                raise tars.TooLargeError(f"a zip of more than {MAX_ARCHIVE_BYTES} bytes")
            yield _Member(number, _printable(info.filename), kind, data)


def _zip_content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | None:
    """Return a member's content, or None where it is damaged, encrypted or compressed by an unknown method."""
    try:
        return packed.zip_member(archive, info, MAX_FILE_BYTES + 1)
    except (NotImplementedError, tars.TooLargeError, *_DAMAGE):
        return None


def _drop(dump: Dump, number: int, reason: Reason, excerpt: str, size: int) -> Drop:
    return Drop(
        id=f"{SOURCE}/{dump.digest}/{number}",
        source=SOURCE,
        stage=READ,
        reason=reason,
        excerpt=excerpt.encode("utf-8", "replace").decode("utf-8")[:EXCERPT_CHARACTERS],
        size=size,
    )
