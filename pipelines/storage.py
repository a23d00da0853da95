"""Files by path or URL: whole files appear under their final name or not at all.

Local paths are written to an attempt-unique temporary name and renamed, so that a reader never sees half a file; of two
attempts, which write the same, either may come last. Paths with a scheme (`s3://`, `gs://`) go through Beam's
filesystems, where an object appears whole when it is closed; Beam is imported only for them. With
`AWS_REQUEST_PAYER=requester` in the environment, requests to S3 say that their sender pays, which buckets like arXiv's
want; only whoever runs a build can agree to that, so it is never assumed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast


def is_remote(path: str) -> bool:
    """Tell whether a path names an object of a remote filesystem."""
    return "://" in path


# What Beam's filesystems need besides Beam, by scheme: module, and the extra that brings it.
_NEEDED = {"s3": ("boto3", "aws"), "gs": ("google.cloud.storage", "gcp")}


def check(path: str) -> None:
    """Raise ValueError saying what to install if nothing here can read a path with this scheme."""
    scheme = path.partition("://")[0] if is_remote(path) else ""
    module, extra = _NEEDED.get(scheme, ("", ""))
    if module and not _is_installed(module):
        raise ValueError(f"{path}: {scheme}:// needs {module}, which is missing: pip install apache-beam[{extra}]")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent package
        return False


# The name that GDAL and others use, and the requests to which S3's documentation allows the header.
PAYER = "AWS_REQUEST_PAYER"
_PAID = ("GetObject", "HeadObject", "ListObjectsV2")


@cache
def _pay_for_requests() -> None:
    """Let every S3 client of this process state who pays; ValueError for a payer that S3 does not know."""
    payer = os.environ.get(PAYER)
    if not payer or not _is_installed("botocore"):
        return
    if payer != "requester":
        raise ValueError(f"{PAYER}={payer}: S3 knows no other payer than 'requester'")
    import botocore

    def state(params: dict[str, Any], **event: Any) -> None:
        params["RequestPayer"] = payer

    def prepare(session: Any) -> None:
        for operation in _PAID:
            session.register(f"before-parameter-build.s3.{operation}", state)

    botocore.register_initializer(prepare)


def _remote() -> Any:
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    _pay_for_requests()
    if FileSystems._pipeline_options is None:  # a worker's are set by Beam, from the command line
        FileSystems.set_options(PipelineOptions([]))
    return FileSystems


def open_read(path: str) -> BinaryIO:
    """Open a file as raw bytes (never decompressed by its name); raise OSError if it cannot be opened."""
    if is_remote(path):
        from apache_beam.io.filesystem import CompressionTypes

        return cast(BinaryIO, _remote().open(path, compression_type=CompressionTypes.UNCOMPRESSED))
    return Path(path).open("rb")


@contextmanager
def write(path: str) -> Iterator[BinaryIO]:
    """Give a binary file that appears at `path` when the block ends, and not at all if it raises."""
    if is_remote(path):
        # An object appears when it is closed, after an error too: what is sent must be whole before.
        with tempfile.TemporaryFile() as whole:
            yield cast(BinaryIO, whole)
            whole.seek(0)
            _upload(cast(BinaryIO, whole), path)
        return
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as local:
            yield local
            local.flush()
            os.fsync(local.fileno())
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def _upload(stream: BinaryIO, path: str) -> None:
    from apache_beam.io.filesystem import CompressionTypes

    with _remote().create(path, compression_type=CompressionTypes.UNCOMPRESSED) as target:
        shutil.copyfileobj(stream, target, 1 << 20)


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
    return bool(_remote().exists(path)) if is_remote(path) else Path(path).exists()


def size(path: str) -> int:
    """Return a file's size in bytes; raise OSError if it is not there."""
    if is_remote(path):
        return int(_object(path).size_in_bytes)
    return Path(path).stat().st_size


def _object(path: str) -> Any:
    found = _remote().match([path])[0].metadata_list
    if not found:
        raise FileNotFoundError(f"{path}: there is no such object")
    return found[0]


def changed(path: str) -> int:
    """Return when a file was last changed, in a unit of the filesystem's own: equal as long as nobody writes it."""
    if is_remote(path):
        return int(1e6 * _object(path).last_updated_in_seconds)
    return Path(path).stat().st_mtime_ns


def sha256(path: str) -> str:
    """Return the SHA-256 of a file as hexadecimal."""
    digest = hashlib.sha256()
    with open_read(path) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def remove(path: str) -> None:
    """Remove a file if it is there."""
    if is_remote(path):
        if exists(path):
            _remote().delete([path])
        return
    Path(path).unlink(missing_ok=True)


def list_files(pattern: str) -> list[str]:
    """Return the files that match a glob, a directory's files at any depth, or the file itself; sorted."""
    if is_remote(pattern):
        found = _remote().match([pattern, f"{pattern.rstrip('/')}/**"])
        return sorted({entry.path for entry in (found[0].metadata_list or found[1].metadata_list)})
    path = Path(pattern)
    if path.is_dir():
        return sorted(str(found) for found in path.rglob("*") if found.is_file())
    if path.exists():
        return [pattern]
    anchor = Path(path.anchor) if path.anchor else Path()
    return sorted(str(found) for found in anchor.glob(str(path.relative_to(path.anchor))) if found.is_file())


def read_json(path: str) -> Any:
    """Return a JSON file's content, or None if the file is missing or is not JSON (an attempt that never finished)."""
    try:
        return json.loads(read_bytes(path))
    except (OSError, ValueError):
        return None


def write_json(path: str, content: Any) -> None:
    """Write canonical JSON atomically."""
    write_bytes(path, (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())
