"""GitHub reader for source archives: the files of one repository's tar (gzip, bz2, xz) or zip to documents.

    stream -> members -> first pass: licence files and package metadata -> the licence of each folder
                      -> second pass: regular files -> Document (licence of the nearest folder that has one) | Drop

Nothing is ever extracted. `offset` and the last part of the id are the member's number in the archive, from 0.
Directories, links and devices are no records and counted as other kinds.
"""

from __future__ import annotations

import json
import lzma
import posixpath
import re
import tarfile
import tomllib
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO
from urllib.parse import quote

from filters.code.languages import language_of
from filters.code.license import MAX_EXPRESSION_CHARACTERS
from filters.code.license_text import identify
from pipelines.document import READ, Document, Drop
from pipelines.readers import Dump, packed, tars
from pipelines.readers.github import SOURCE, decode

# BigQuery's export holds no text over 1 MiB; the same limit for archives.
MAX_FILE_BYTES = 1 << 20
# An archive that unpacks to more than this, or claims more members, is a bomb: a repository's sources are far smaller.
MAX_ARCHIVE_BYTES = 4 << 30
MAX_MEMBERS = 200_000
# Linux knows no longer path (PATH_MAX).
MAX_PATH_CHARACTERS = 4_096
# tomllib keeps each beginning of a dotted key. Manifests with many features reach 100 KB; no line of one has more dots.
MAX_TOML_BYTES = 1 << 18
MAX_TOML_DOTS = 200

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
_LICENCE_FILE = re.compile(r"(?:licen[sc]e|copying)(?:[._-].*)?(?<!\.py)(?<!\.[chj])(?<!\.js)", re.IGNORECASE)
_PRIMARY_FILE = re.compile(r"(?:licen[sc]e|copying)(?:\.(?:txt|md|rst))?", re.IGNORECASE)


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


def read_archive(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Yield a Document for each text file of a repository's archive, or a Drop for a file that cannot be read.

    `stream` is seekable and read twice. `dump.attributes` may name `repository`, `ref` and `license` (an SPDX
    expression for the whole archive); else the repository is the archive's top folder and the licence of a file is that
    of the nearest folder above it that has a licence file or package metadata, "unknown" where that is not recognised.
    """
    licences = {"": dump.attributes["license"]} if "license" in dump.attributes else _licences(stream)
    number = 0
    try:
        for member in _members(stream):
            number = member.number + 1
            if member.kind != "file":
                counts[f"other:{member.kind}"] += 1
                continue
            counts["records"] += 1
            yield _record(member, dump, licences)
    except _BOMB as error:
        counts["records"] += 1
        yield _drop(dump, number, Reason.BOMB, str(error), 0)
    except _DAMAGE as error:
        counts["records"] += 1
        yield _drop(dump, number, Reason.TRUNCATED, type(error).__name__, 0)


def _record(member: _Member, dump: Dump, licences: dict[str, str]) -> Document | Drop:
    path, data = member.path, member.data
    if not _is_safe(path):
        return _drop(dump, member.number, Reason.UNSAFE_PATH, path, 0)
    if data is None:
        return _drop(dump, member.number, Reason.DAMAGED, path, 0)
    if len(data) > MAX_FILE_BYTES:
        return _drop(dump, member.number, Reason.TOO_LARGE, path, len(data))
    text = decode(data)
    if text is None:
        return _drop(dump, member.number, Reason.BINARY, path, len(data))
    top, _, inner = path.partition("/")
    repository = dump.attributes.get("repository", top)
    inner = inner or path
    language = language_of(path)
    return Document(
        id=f"{SOURCE}/{dump.digest}/{member.number}",
        source=SOURCE,
        text=text,
        dump=dump.digest,
        offset=member.number,
        url=f"https://github.com/{quote(repository)}/blob/{quote(dump.attributes.get('ref', 'HEAD'))}/{quote(inner)}",
        title=inner,
        license=_nearest(licences, posixpath.dirname(path)),
        attributes={"repository": repository, "path": inner} | ({"code_language": language} if language else {}),
    )


def _is_safe(path: str) -> bool:
    if not path or len(path) > MAX_PATH_CHARACTERS or path.startswith("/"):
        return False
    return ".." not in path.split("/") and "\\" not in path and "\0" not in path


def _nearest(licences: dict[str, str], folder: str) -> str:
    while folder not in licences and folder:
        folder = posixpath.dirname(folder)
    return licences.get(folder, "unknown")


def _licences(stream: BinaryIO) -> dict[str, str]:
    """Return the licence of each folder that says one: its metadata, else its main licence file, else all of them."""
    metadata: dict[str, str] = {}
    files: dict[str, dict[str, str]] = {}
    try:
        for member in _members(stream):
            if member.kind != "file" or member.data is None or len(member.data) > MAX_FILE_BYTES:
                continue
            if len(member.path) > MAX_PATH_CHARACTERS:
                continue
            folder, name = posixpath.split(member.path)
            if expression := _from_metadata(name, member.data):
                metadata.setdefault(folder, expression)
            elif _LICENCE_FILE.fullmatch(name) and posixpath.splitext(name)[1].lower() not in {
                ".py",
                ".c",
                ".h",
                ".js",
            }:
                files.setdefault(folder, {})[name] = identify(decode(member.data) or "") or "unknown"
    except (*_BOMB, *_DAMAGE):
        # The second pass meets the same damage and accounts for it; what was found before it holds.
        pass
    found = {folder: _of_files(names) for folder, names in files.items()}
    return found | metadata


def _of_files(names: dict[str, str]) -> str:
    primary = sorted(expression for name, expression in names.items() if _PRIMARY_FILE.fullmatch(name))
    chosen = [expression for expression in primary if expression != "unknown"] or sorted(names.values())
    if "unknown" in chosen:
        return "unknown"
    distinct = list(dict.fromkeys(chosen))
    return distinct[0] if len(distinct) == 1 else " AND ".join(f"({expression})" for expression in distinct)


def _from_metadata(name: str, data: bytes) -> str | None:
    """Return the SPDX expression that a package's metadata declares, or None."""
    try:
        declared: Any = None
        if name in {"PKG-INFO", "METADATA"}:
            match = re.search(r"^License-Expression:[ \t]*(\S[^\r\n]*)", data.decode("utf-8"), re.MULTILINE)
            declared = match[1].strip() if match else None
        elif name == "package.json":
            declared = json.loads(data).get("license")
        elif name == "Cargo.toml":
            declared = _toml(data).get("package", {}).get("license")
        elif name == "pyproject.toml":
            declared = _toml(data).get("project", {}).get("license")
        return _usable(declared) if isinstance(declared, str) else None
    except (ValueError, AttributeError, RecursionError):
        return None


def _toml(data: bytes) -> dict[str, Any]:
    """Return what a TOML says; ValueError if it is none, or longer or deeper than any manifest."""
    if len(data) > MAX_TOML_BYTES or any(line.count(b".") > MAX_TOML_DOTS for line in data.split(b"\n")):
        raise ValueError("longer or deeper than any manifest")
    return tomllib.loads(data.decode("utf-8"))


def _usable(expression: str) -> str:
    """Return an expression, "unknown" for what is none: too long, or with a lone surrogate, which JSON can write."""
    long = len(expression) > MAX_EXPRESSION_CHARACTERS
    return "unknown" if long or any("\ud800" <= character <= "\udfff" for character in expression) else expression


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
        excerpt=excerpt.encode("utf-8", "replace").decode("utf-8")[:300],
        size=size,
    )
