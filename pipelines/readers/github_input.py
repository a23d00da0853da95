"""GitHub's inputs told apart by what they hold: exports of BigQuery in its formats, and archives of repositories.

first bytes -> Parquet | Avro -> `github_tables`;  zip, or tar inside gzip, bz2, xz or nothing -> `github_archive`
            -> anything else, gzip, zstd or plain -> `github`, rows of JSON
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from filters import packages
from pipelines.document import Document, Drop
from pipelines.readers import Dump, first_bytes, github, github_archive, github_tables, rows
from pipelines.readers.first_bytes import Kind

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
SEVEN_ZIP_MAGIC = b"7z\xbc\xaf\x27\x1c"

_FIRST_ROWS = 1_000
_NO_ROW = frozenset({github.Reason.BAD_FIELD, github.Reason.MALFORMED, github.Reason.TOO_LONG})

# github.com/OWNER/NAME/archive/refs/tags/REF.tar.gz, and codeload.github.com/OWNER/NAME/tar.gz/refs/heads/REF.
_ADDRESS = re.compile(
    r"(?:^|[/.])github\.com/(?P<repository>[A-Za-z0-9-]+/[A-Za-z0-9._-]+)/(?:archive|tar\.gz|zip)/"
    r"(?:refs/(?:heads|tags)/)?(?P<ref>[^?#]+?)(?:\.tar\.gz|\.tgz|\.zip)?$"
)


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Yield the files of an export or an archive, as the reader of its format does; `stream` is seekable.

    ValueError for a format that is none of these, and what the format's own reader raises.
    """
    start = stream.read(tarfile.BLOCKSIZE)
    stream.seek(0)
    if start.startswith(rows.PARQUET_MAGIC):
        return github_tables.read_parquet(stream, dump, counts)
    if start.startswith(github_tables.AVRO_MAGIC):
        return github_tables.read_avro(stream, dump, counts)
    if start.startswith(SEVEN_ZIP_MAGIC):
        raise ValueError(f"{dump.name}: a 7z archive; a source archive is a tar (gzip, bz2, xz) or a zip")
    if start.startswith(ZIP_MAGIC) or _is_tar(stream, start):
        return github_archive.read_archive(stream, dump, counts)
    return github.read(stream, dump, counts)


def look(stream: BinaryIO, dump: Dump) -> None:
    """Look at an input's beginning; raise ValueError if it has another format, or none of its first rows a file.

    A row that says that it is binary, or has no content, is a file all the same.
    """
    _expected(stream, dump)
    kind = first_bytes.kind_of(stream)[1]
    if kind in (Kind.TAR, Kind.ZIP) and "license" not in dump.attributes:
        packages.LICENCES.load()
    if kind not in first_bytes.ROWS:
        return
    first = ""
    for found in islice(read(stream, dump, Counter()), _FIRST_ROWS):
        if not (isinstance(found, Drop) and found.reason in _NO_ROW):
            return
        first = first or f"{found.reason}: {found.excerpt}"
    if first:
        raise ValueError(f"{dump.name}: none of its first rows is a file of a repository (the first: {first})")


_expected = first_bytes.looker(
    {Kind.JSON, Kind.PARQUET, Kind.AVRO, Kind.TAR, Kind.ZIP},
    {"gzip", "bzip2", "xz", "zstd"},
    "an export of BigQuery (JSON lines, Parquet, Avro) or a source archive (tar, zip)",
)


def told_by(name: str) -> dict[str, str]:
    """Return the `repository` and `ref` of an archive's address, or of a path that ends like one; else nothing."""
    found = _ADDRESS.search(name)
    return found.groupdict() if found else {}


def _is_tar(stream: BinaryIO, start: bytes) -> bool:
    """Tell whether the first block, decompressed, is a tar's header by its checksum; or it is bz2 or xz, as no export.

    Gzip that is damaged in its first block is taken for rows, whose reader drops it.
    """
    if start.startswith((b"BZh", b"\xfd7zXZ\x00")):
        return True
    try:
        head = gzip.GzipFile(fileobj=stream).read(tarfile.BLOCKSIZE) if start.startswith(rows.GZIP_MAGIC) else start
        tarfile.TarInfo.frombuf(head, tarfile.ENCODING, "surrogateescape")
    except (tarfile.HeaderError, EOFError, OSError, zlib.error):
        return False
    finally:
        stream.seek(0)
    return True
