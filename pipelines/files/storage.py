"""Files by path or URL: whole files appear under their final name or not at all.

Local paths are written to an attempt-unique temporary name and renamed, so that a reader never sees half a file; of two
attempts, which write the same, either may come last. Paths with a scheme (`s3://`, `gs://`) go through
`pipelines.files.remote`, where an object appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from pipelines.files import fence, remote
from pipelines.files.paths import within

KEPT = 4096  # small files of a store whose bytes a process keeps, by version
_TEMPORARY = re.compile(r"\..+\.(?:\d+|[0-9a-f]{16})-[0-9a-f]{8}\.tmp", re.DOTALL)

E = TypeVar("E")
T = TypeVar("T")


def is_remote(path: str) -> bool:
    """Tell whether a path names an object of a remote filesystem."""
    return "://" in path


def check(path: str) -> None:
    """Raise ValueError saying what is missing if nothing here can read a path with this scheme."""
    if is_remote(path):
        remote.check(path)


def open_read(path: str) -> BinaryIO:
    """Open a file as raw bytes (never decompressed by its name); raise OSError if it cannot be opened."""
    return remote.open_read(path) if is_remote(path) else Path(path).open("rb")


@contextmanager
def write(path: str) -> Iterator[BinaryIO]:
    """Give a binary file that appears at `path` when the block ends, and not at all if it raises."""
    if is_remote(path):
        # An object appears when it is closed, after an error too: what is sent must be whole before.
        with tempfile.TemporaryFile() as whole:
            yield cast(BinaryIO, whole)
            behind = fence.current()
            if behind and path.endswith(".json"):  # a manifest says that there is no other: it is never put back
                behind.check()
            remote.upload(cast(BinaryIO, whole), whole.tell(), path, behind.check if behind else None)
        return
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(_temporary(final.name))
    try:
        with temporary.open("wb") as local:
            yield local
            local.flush()
            os.fsync(local.fileno())
        if found := fence.current():
            found.check()
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(name: str) -> str:
    found = fence.current()
    return f".{name}.{found.build if found else os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"


def is_temporary(name: str) -> bool:
    """Tell whether a file's name is one that `write` makes, of an attempt that never ended."""
    return _TEMPORARY.fullmatch(name) is not None


def read_bytes(path: str) -> bytes:
    """Return a file's bytes."""
    with open_read(path) as stream:
        return stream.read()


def write_bytes(path: str, content: bytes) -> None:
    """Write a whole file atomically."""
    with write(path) as stream:
        stream.write(content)


def exists(path: str) -> bool:
    """Tell whether a file exists."""
    return remote.facts(path) is not None if is_remote(path) else Path(path).exists()


def stamp(path: str) -> tuple[int, int]:
    """Return a file's size in bytes and when it was last changed, in nanoseconds; FileNotFoundError without one."""
    if is_remote(path):
        found = remote.facts(path)
        if found is None:
            raise FileNotFoundError(f"{path}: there is no such object")
        return found.size, int(found.changed * 1e9)
    status = Path(path).stat()
    return status.st_size, status.st_mtime_ns


def stamps(folder: str) -> dict[str, tuple[int, int]]:
    """Return the stamps of the files right under a folder, by path, from one listing; empty without a folder."""
    if is_remote(folder):
        return {found.path: (found.size, int(found.changed * 1e9)) for found in remote.in_folder(folder, deep=False)}
    found = {}
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # a temporary file that was just renamed
                status = entry.stat()
                found[f"{folder}/{entry.name}"] = (status.st_size, status.st_mtime_ns)
    return found


def size(path: str) -> int:
    """Return a file's size in bytes; raise OSError if it is not there."""
    return stamp(path)[0]


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as hexadecimal."""
    digest = hashlib.sha256()
    with open_read(str(path)) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def remove(path: str) -> None:
    """Remove a file if it is there."""
    if found := fence.current():
        found.check()
    if is_remote(path):
        remote.delete(path)
        return
    Path(path).unlink(missing_ok=True)


def some(folder: str, count: int) -> list[str]:
    """Return at most `count` paths of objects in a remote folder, at any depth, without listing the rest."""
    return remote.some(f"{folder}/", count)


def inside(name: Any, named_by: str) -> str:
    """Return a name that a manifest gives for a file under its folder, such as "books/documents/a.parquet".

    Raises ValueError naming the manifest `named_by` if it leads anywhere else: it may come from elsewhere.
    """
    try:
        within("", name)
    except ValueError:
        raise ValueError(f"{named_by}: it names {name!r}, which is not a file under its folder") from None
    return str(name)


def list_files(pattern: str) -> list[str]:
    """Return the files that match a glob, a directory's files at any depth, or the file itself; sorted."""
    if is_remote(pattern):
        found = remote.match(pattern) or remote.match(f"{pattern.rstrip('/')}/**")
        return sorted({entry.path for entry in found})
    if there := files_in(pattern):
        return there
    path = Path(pattern)
    anchor = Path(path.anchor) if path.anchor else Path()
    return sorted(str(found) for found in anchor.glob(str(path.relative_to(path.anchor))) if found.is_file())


def files_in(path: str) -> list[str]:
    """Return a folder's files at any depth, or the file itself, sorted; whatever its name is, it is no glob."""
    if is_remote(path):
        here = remote.in_folder(path) or [found for found in [remote.facts(path)] if found is not None]
        return [found.path for found in here]
    if Path(path).is_dir():
        return sorted(str(found) for found in Path(path).rglob("*") if found.is_file())
    return [path] if Path(path).exists() else []


def read_json(path: str) -> Any:
    """Return a JSON file's content, or None if the file is missing or is not JSON (an attempt that never finished).

    Raises OSError if it cannot be known: a server that does not answer is no missing file.
    """
    try:
        return json.loads(read_bytes(path))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError, RecursionError):
        return None


def read_jsons(paths: Sequence[str]) -> list[Any]:
    """Return the content of many JSON files as `read_json` does; remote ones are listed first, then read at once."""
    if not any(map(is_remote, paths)):
        return [read_json(path) for path in paths]
    folders = {path.rpartition("/")[0] for path in paths}
    there = {found.path: found.version for folder in folders for found in remote.in_folder(folder, deep=False)}
    return together(lambda path: _as_listed(path, there[path]) if path in there else None, paths, paths[0])


def _as_listed(path: str, version: str) -> Any:
    """Return a JSON file's content; of a version that this process has read before, without another request."""
    try:
        return json.loads(_version(path, version))
    except (FileNotFoundError, ValueError, RecursionError):
        return None


@lru_cache(maxsize=KEPT)
def _version(path: str, version: str) -> bytes:
    return read_bytes(path)


def together(function: Callable[[E], T], entries: Sequence[E], where: str) -> list[T]:
    """Return `function` of each entry, many at once where `where` is remote and every call waits for a server."""
    if not is_remote(where) or len(entries) < 2:
        return [function(entry) for entry in entries]
    with ThreadPoolExecutor(remote.AT_ONCE) as pool:
        return list(pool.map(function, entries))


def write_json(path: str, content: Any) -> None:
    """Write canonical JSON atomically."""
    write_bytes(path, as_json(content))


def as_json(content: Any) -> bytes:
    """Return canonical JSON."""
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
