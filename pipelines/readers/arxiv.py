"""arXiv's sources, read as a stream: one `Submission` (its files in memory) for each record, never unpacked to disk.

    monthly tar (`arXiv_src_YYMM_NNN.tar`) -> member `YYMM/ID.gz` -> gzip of one file, or of a tar -> files by name
                                             `YYMM/ID.pdf` -> Drop "pdf_only"

A monthly tar may be gzipped as a whole: its first file is then a submission by its name. A single submission
(`ID.tar.gz`, `ID.gz`) is read as well. `offset` is the position of the member's header in the tar, in bytes; 0 for a
single submission. Kept are the files that can be TeX; drawings are recognised and left.

Every size is bounded: a member that inflates too far, a sparse file, a header that asks for memory are Drops, and so is
the damage that ends a tar early. Links, devices and names that point outside are ignored: names are keys, not paths.
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
import sys
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, BinaryIO

from filters.latex import encodings
from pipelines import timestamps
from pipelines.document import EXCERPT_CHARACTERS, READ, Drop
from pipelines.readers import Dump, first_bytes, tars
from pipelines.readers.first_bytes import Kind

SOURCE = "arxiv"

# arXiv accepts submissions of up to 50 MB, more by request; all limits are own choices well above that, in bytes.
INFLATED_LIMIT = 1 << 30
KEPT_LIMIT = 64 << 20
FILE_LIMIT = 16 << 20
FILES_LIMIT = 20_000
# A gzip of a gzip is unwrapped, a gzip bomb of many layers is not.
LAYERS_LIMIT = 3
# The name of the file in a submission that is a gzip of a single one.
SINGLE_FILE = "source.tex"
BLOCK = tars.BLOCK
GZIP = b"\x1f\x8b"
CHUNK = 1 << 16

_DRAWINGS = frozenset(
    """.pdf .eps .epsi .epsf .ps .png .jpg .jpeg .gif .tif .tiff .bmp .svg .mp4 .avi .mov .mpg .zip .gz .tgz .tar .ttf
    .otf .pfb .tfm .csv .dat .npy""".split()  # noqa: SIM905 - a list of words reads better as one
)
_MEMBER = re.compile(r"^(?P<id>.+?)\.(?P<kind>tar\.gz|tgz|gz|pdf)$", re.IGNORECASE)
_RECORD = re.compile(
    r"(?:.*/)?(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?\d{7})(?:v\d+)?\.(?:tar\.gz|tgz|gz|pdf)", re.DOTALL
)
_OLD_ID = re.compile(r"^([a-z-]+(?:\.[A-Z]{2})?)(\d{7})(v\d+)?$")
_MONTH = re.compile(r"(?<!\d)(\d{2})(0[1-9]|1[0-2])(?=\.\d|_|/|\d{3}(?!\d)|$)")
_HTML = re.compile(rb"^\s*(?:<!doctype\s+html|<html|<\?xml)", re.IGNORECASE)
_TEX = re.compile(
    rb"\\(?:documentclass|documentstyle|begin|input|include|def|magnification|section|bye|end)(?![A-Za-z])"
)
_WITHDRAWN = re.compile(
    rb"(?:has been|is|was|paper|article|manuscript|submission)\s+withdrawn|withdrawn\s+by", re.IGNORECASE
)
# A withdrawal is a note in place of the paper; longer texts only mention one. In bytes.
WITHDRAWN_LIMIT = 4_000
_FIRST_YEAR = 91


class Reason(StrEnum):
    """Why a submission cannot be read."""

    PDF_ONLY = "pdf_only"
    POSTSCRIPT_ONLY = "postscript_only"
    HTML_ONLY = "html_only"
    WITHDRAWN = "withdrawn"
    NOT_TEX = "not_tex"
    TRUNCATED = "truncated"
    BOMB = "bomb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One submission: its files by their (harmless) names; `dump` is the digest, `offset` the raw record's place."""

    id: str
    arxiv_id: str
    files: Mapping[str, bytes]
    dump: str
    offset: int
    month: str | None = None


class Refused(Exception):  # noqa: N818 - a verdict on one submission, always turned into a Drop
    """A submission that cannot be read, and why."""

    def __init__(self, reason: Reason, excerpt: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.excerpt = excerpt


look = first_bytes.looker(
    {Kind.EMPTY, Kind.TAR, Kind.TEXT, Kind.UNKNOWN}, {"gzip"}, "a monthly tar of arXiv's sources, or one submission"
)


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Submission | Drop]:
    """Yield each submission of a monthly tar, or the one submission that the stream is.

    The stream need not seek. Counts "records" (submissions met) and "other:KIND" (directories, links, other files).
    """
    buffered = tars.buffered(tars.Raw(stream))
    head = buffered.peek(BLOCK)[:BLOCK]
    if tars.is_tar(head):
        yield from _monthly(buffered, dump, counts)
    elif head.startswith(GZIP):
        yield from _gzipped(buffered, dump, counts)
    else:
        yield _single(buffered, dump, counts)


def month_of(name: str) -> str | None:
    """Return the month ("2023-01") that a dump's name or an arXiv identifier tells, or None."""
    match = _MONTH.search(posixpath.basename(name)) or _MONTH.search(name)
    if match is None:
        return None
    century = 19 if int(match[1]) >= _FIRST_YEAR else 20
    return f"{century}{match[1]}-{match[2]}"


def identifier(stem: str) -> str:
    """Return the arXiv identifier of a file's stem: "astro-ph0001001" is "astro-ph/0001001"."""
    match = _OLD_ID.match(stem)
    return f"{match[1]}/{match[2]}{match[3] or ''}" if match else stem


def _gzipped(stream: tars.Buffered, dump: Dump, counts: Counter[str]) -> Iterator[Submission | Drop]:
    """Yield what a gzip holds: a month's submissions, or the one that it is, which alone has a limit."""
    monthly = False
    raw = tars.Raw(gzip.GzipFile(fileobj=stream), lambda: sys.maxsize if monthly else INFLATED_LIMIT)
    inflated = tars.buffered(raw)
    try:
        monthly = _is_monthly(inflated.peek(BLOCK))
    except (EOFError, OSError, zlib.error) as error:
        counts["records"] += 1
        yield _lost(dump, Refused(Reason.TRUNCATED, str(error)))
        return
    if monthly:
        yield from _monthly(inflated, dump, counts)
    else:
        yield _single(inflated, dump, counts, layer=1)


def _is_monthly(start: bytes) -> bool:
    """Tell whether this starts a tar whose first file is a submission by its name."""
    position = 0
    while tars.is_tar(head := start[position : position + BLOCK]):
        member = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        if member.isreg():
            return _RECORD.fullmatch(member.name) is not None
        position += BLOCK + -(-max(0, member.size) // BLOCK) * BLOCK
    return False


def _monthly(stream: tars.Buffered, dump: Dump, counts: Counter[str]) -> Iterator[Submission | Drop]:
    seen: set[str] = set()
    position = 0
    try:
        for member, content in tars.members(stream):
            position = member.offset + BLOCK
            kind, arxiv_id = _kind(member)
            if kind != "record":
                counts[f"other:{kind}"] += 1
                continue
            counts["records"] += 1
            arxiv_id = f"{arxiv_id}@{member.offset}" if arxiv_id in seen else arxiv_id
            seen.add(arxiv_id)
            yield _submission(member, content, arxiv_id, dump)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        counts["records"] += 1
        yield _drop(f"offset-{position}", dump, Refused(Reason.TRUNCATED, str(error)), 0, named=False)


def _single(stream: tars.Buffered, dump: Dump, counts: Counter[str], layer: int = 0) -> Submission | Drop:
    counts["records"] += 1
    try:
        files = _files(stream, layer)
    except Refused as refused:
        return _lost(dump, refused)
    except tars.TooLargeError as error:
        return _lost(dump, Refused(Reason.BOMB, str(error)))
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        return _lost(dump, Refused(Reason.TRUNCATED, str(error)))
    return _made(dump.attributes.get("arxiv_id") or _content_hash(files), files, dump, 0)


def _lost(dump: Dump, refused: Refused) -> Drop:
    """Return the drop of the one submission of a dump, which its input may name."""
    named = dump.attributes.get("arxiv_id")
    return _drop(named or "submission", dump, refused, 0, named=bool(named))


def _submission(member: tarfile.TarInfo, content: IO[bytes] | None, arxiv_id: str, dump: Dump) -> Submission | Drop:
    try:
        if member.name.lower().endswith(".pdf"):
            raise Refused(Reason.PDF_ONLY)
        if content is None or member.issparse() or member.size > INFLATED_LIMIT:
            raise Refused(Reason.BOMB, f"{member.size} bytes")
        files = _files(tars.buffered(tars.Raw(content)))
    except Refused as refused:
        return _drop(arxiv_id, dump, refused, member.size)
    except (tarfile.TarError, EOFError, OSError) as error:
        return _drop(arxiv_id, dump, Refused(Reason.TRUNCATED, str(error)), member.size)
    return _made(arxiv_id, files, dump, member.offset)


def _made(arxiv_id: str, files: dict[str, bytes], dump: Dump, offset: int) -> Submission:
    return Submission(
        id=f"{SOURCE}/{dump.digest}/{arxiv_id}",
        arxiv_id=arxiv_id,
        files=files,
        dump=dump.digest,
        offset=offset,
        month=_month(arxiv_id, dump),
    )


def _drop(arxiv_id: str, dump: Dump, refused: Refused, size: int, *, named: bool = True) -> Drop:
    """Return the drop of a submission; one that is not `named` has no address."""
    stands = arxiv_id.partition("@")[0]
    return Drop(
        id=f"{SOURCE}/{dump.digest}/{arxiv_id}",
        source=SOURCE,
        stage=READ,
        reason=refused.reason,
        excerpt=refused.excerpt[:EXCERPT_CHARACTERS],
        size=size,
        url=address(stands) if named else None,
        title=stands if named else None,
        timestamp=_month(stands, dump),
    )


def _month(arxiv_id: str, dump: Dump) -> str | None:
    return timestamps.canonical(dump.attributes.get("month") or month_of(arxiv_id))


def address(arxiv_id: str) -> str:
    """Return the address of a submission's page."""
    return f"https://arxiv.org/abs/{arxiv_id}"


def _kind(member: tarfile.TarInfo) -> tuple[str, str]:
    """Return "record" and the identifier of a submission, or what else a member is."""
    if member.isdir():
        return "directory", ""
    if not member.isreg():
        return ("link" if member.islnk() or member.issym() else "device"), ""
    match = _MEMBER.match(posixpath.basename(member.name))
    return ("record", identifier(match["id"])) if match else ("file", "")


def _files(stream: tars.Buffered, layer: int = 0) -> dict[str, bytes]:
    """Return the files that can be TeX of a gzip of one file or of a tar, or raise `Refused`."""
    head = stream.peek(BLOCK)[:BLOCK]
    if head.startswith(GZIP):
        if layer >= LAYERS_LIMIT:
            raise Refused(Reason.NOT_TEX, "a gzip inside a gzip inside a gzip")
        inflated = tars.Raw(gzip.GzipFile(fileobj=stream), lambda: INFLATED_LIMIT)
        try:
            return _files(tars.buffered(inflated), layer + 1)
        except tars.TooLargeError as error:
            raise Refused(Reason.BOMB, str(error)) from None
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise Refused(Reason.TRUNCATED, str(error)) from None
    if head.startswith(b"%PDF"):
        raise Refused(Reason.PDF_ONLY)
    try:
        files, skipped = _unpack(stream) if tars.is_tar(head) else (_one(stream), [])
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise Refused(Reason.TRUNCATED, str(error)) from None
    return _judge(files, skipped)


def _one(stream: tars.Buffered) -> dict[str, bytes]:
    content = stream.read(FILE_LIMIT + 1)
    if len(content) > FILE_LIMIT:
        raise Refused(Reason.BOMB, f"one file of more than {FILE_LIMIT} bytes")
    return {SINGLE_FILE: content}


def _unpack(stream: tars.Buffered) -> tuple[dict[str, bytes], list[str]]:
    """Return the files that can be TeX, and the names of those that were left."""
    files: dict[str, bytes] = {}
    skipped: list[str] = []
    kept = 0
    for count, (member, content) in enumerate(tars.members(stream)):
        if count > FILES_LIMIT:
            raise Refused(Reason.BOMB, f"more than {FILES_LIMIT} files")
        name = _harmless(member.name)
        if content is None or member.issparse() or name is None:
            continue
        if _suffix(name) in _DRAWINGS or member.size > FILE_LIMIT:
            skipped.append(name)
            continue
        files[name] = content.read()
        kept += len(files[name])
        if kept > KEPT_LIMIT:
            raise Refused(Reason.BOMB, f"more than {KEPT_LIMIT} bytes of text")
    return files, skipped


def _judge(files: dict[str, bytes], skipped: list[str]) -> dict[str, bytes]:
    """Return the files of a submission in TeX, or raise `Refused` with what it is instead."""
    text = b"\n".join(files[name] for name in sorted(files)) if sum(map(len, files.values())) < WITHDRAWN_LIMIT else b""
    if _WITHDRAWN.search(text) and b"\\section" not in text:
        raise Refused(Reason.WITHDRAWN, text.decode("utf-8", "replace"))
    if any(map(_is_tex, files.values())):
        return files
    names, contents = [*files, *skipped], list(files.values())
    if any(_suffix(name) in {".html", ".htm"} for name in names) or any(_HTML.match(raw) for raw in contents):
        raise Refused(Reason.HTML_ONLY)
    if any(_suffix(name) == ".pdf" for name in names) or any(raw.startswith(b"%PDF") for raw in contents):
        raise Refused(Reason.PDF_ONLY)
    if any(_suffix(name) == ".ps" for name in names) or any(raw.startswith(b"%!PS") for raw in contents):
        raise Refused(Reason.POSTSCRIPT_ONLY)
    raise Refused(Reason.NOT_TEX, contents[0][:EXCERPT_CHARACTERS].decode("utf-8", "replace") if contents else "")


def _is_tex(raw: bytes) -> bool:
    if not encodings.is_text(raw):
        return False
    wide = b"\x00" in raw[:CHUNK]
    return _TEX.search(encodings.decode(raw[:CHUNK]).encode("utf-8", "replace") if wide else raw) is not None


def _harmless(name: str) -> str | None:
    """Return the name below the submission's root, or None if it points outside."""
    normal = posixpath.normpath(name.replace("\\", "/"))
    return None if normal.startswith(("/", "..")) or normal == "." or "\x00" in normal else normal


def _content_hash(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\x00{len(files[name])}\x00".encode("utf-8", "surrogateescape") + files[name])
    return digest.hexdigest()[:16]


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()
