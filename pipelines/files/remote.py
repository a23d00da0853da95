"""Objects on s3:// and gs:// through Beam's filesystems, with retries, whole writes, and reads checked to be whole.

    read     blocks at exact offsets; a connection that breaks or ends early is opened again where it stopped
    write    one request for a small object, several parts for a large one; the size is compared afterwards

Beam's own retries cover reading an object's facts and listing; what they leave out (starting, sending and completing an
upload, the end of a body that comes too early) is retried here. Beam is imported only when a remote path is used. With
`AWS_REQUEST_PAYER=requester` in the environment, requests to S3 say that their sender pays, which buckets like arXiv's
want; only whoever runs a build can agree to that, so it is never assumed.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, BinaryIO, TypeVar

from pipelines.files import waits
from pipelines.files.remote_errors import code_of, is_transient

ATTEMPTS = 6
PAUSE_SECONDS = 1.0  # at most, after the first failure; twice that after each further one
PATIENCE_SECONDS = 120.0  # what failed for so long, by the retries of Beam or a client, is not begun again
READ_BLOCK = 1 << 18  # what is asked for at least: slices of run files are small
PART = 16 << 20  # bytes sent at once; S3 takes 10,000 parts, so that an object has at most 160 GB
AT_ONCE = 32  # requests of one process
CONNECT_SECONDS = 10.0  # for a connection; tries of a client's own would be silent
# The answers to a write on a condition that does not hold: it was changed, is being changed, or is gone.
_OTHER_VERSION = frozenset({412, 409, 404})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a filesystem says of an object: its path, its size in bytes, and when it was last written."""

    path: str
    size: int
    changed: float


# The name that GDAL and others use, and the requests to which S3's documentation allows the header.
PAYER = "AWS_REQUEST_PAYER"
_PAID = ("GetObject", "HeadObject", "ListObjectsV2")


@cache
def _prepare_s3() -> None:
    """Let every S3 client of this process have a connection for each thread, and state who pays for its requests.

    Raises ValueError for a payer that S3 does not know.
    """
    payer = os.environ.get(PAYER)
    if payer not in (None, "", "requester"):
        raise ValueError(f"{PAYER}={payer}: S3 accepts only 'requester'")
    if not _is_installed("botocore"):
        return
    import botocore
    from botocore.config import Config

    def state(params: dict[str, Any], **event: Any) -> None:
        params["RequestPayer"] = payer

    def prepare(session: Any) -> None:
        session.set_default_client_config(
            Config(max_pool_connections=AT_ONCE, connect_timeout=CONNECT_SECONDS, retries={"total_max_attempts": 2})
        )
        for operation in _PAID if payer else ():
            session.register(f"before-parameter-build.s3.{operation}", state)

    botocore.register_initializer(prepare)


def filesystems() -> Any:
    """Return Beam's filesystems; a worker's options are set by Beam, a command's are read from the environment."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    _prepare_s3()
    if FileSystems._pipeline_options is None:
        FileSystems.set_options(PipelineOptions([]))
    return FileSystems


# What Beam's filesystems need besides Beam, by scheme: module, and the extra that brings it.
_NEEDED = {"s3": ("boto3", "aws"), "gs": ("google.cloud.storage", "gcp")}


def check(path: str) -> None:
    """Raise ValueError saying what is missing if nothing here can read a path with this scheme."""
    scheme = path.partition("://")[0]
    if scheme not in _NEEDED:
        raise ValueError(f"{path}: only s3:// and gs:// are read and written here")
    module, extra = _NEEDED[scheme]
    if not _is_installed(module):
        raise ValueError(f"{path}: {scheme}:// needs {module}, which is missing: pip install apache-beam[{extra}]")
    # Beam would take it for a failing server and try again for ten minutes.
    if scheme == "s3" and not _has_aws_credentials():
        raise ValueError(f"{path}: there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    # Beam would look for them for minutes, and go on without.
    if scheme == "gs" and not _has_google_credentials():
        raise ValueError(
            f"{path}: there are no Google credentials; run gcloud auth application-default login, or set "
            "GOOGLE_APPLICATION_CREDENTIALS"
        )


def _has_aws_credentials() -> bool:
    import boto3

    return boto3.session.Session().get_credentials() is not None or "--s3_access_key_id" in " ".join(sys.argv)


@cache
def _has_google_credentials() -> bool:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    if os.environ.get("STORAGE_EMULATOR_HOST"):
        return True
    try:
        google.auth.default()
    except DefaultCredentialsError:
        return False
    return True


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent package
        return False


def match(pattern: str) -> list[Facts]:
    """Return the objects that match a glob (`**` crosses folders), sorted by path."""
    prefix = re.split(r"[*?[]", pattern, maxsplit=1)[0]
    if prefix == pattern:
        found = facts(pattern)
        return [] if found is None else [found]
    from apache_beam.io.filesystem import FileSystem

    matches = re.compile(FileSystem.translate_pattern(pattern)).match
    listed = _retried("listed", pattern, lambda: list(_store(pattern).listed(prefix)))
    return sorted((entry for entry in listed if matches(entry.path)), key=lambda entry: entry.path)


def some(prefix: str, count: int) -> list[str]:
    """Return the paths of the first `count` objects whose paths begin with `prefix`."""
    found = _retried("listed", prefix, lambda: list(islice(_store(prefix).listed(prefix), count)))
    return [entry.path for entry in found]


def facts(path: str) -> Facts | None:
    """Return what is known of one object, None if it is not there."""
    found: Facts | None = _retried("found", path, lambda: _store(path).facts(path))
    return found


def delete(path: str) -> None:
    """Remove an object if it is there."""
    _retried("removed", path, lambda: _store(path).delete(path))


def open_read(path: str) -> BinaryIO:
    """Open an object as raw bytes; raise FileNotFoundError if it is not there."""
    found = facts(path)
    if found is None:
        raise FileNotFoundError(f"{path}: there is no such object")
    return io.BufferedReader(_Object(found), READ_BLOCK)


def upload(stream: BinaryIO, size: int, path: str) -> None:
    """Write a whole object of `size` bytes from a stream that can be read again from its beginning."""

    def once() -> None:
        stream.seek(0)
        _store(path).write(path, stream, size)
        written = _store(path).facts(path)
        if written is None or written.size != size:
            raise OSError(f"{written.size if written else 'none'} of {size} bytes arrived")

    _retried("written", path, once)


def read_version(path: str) -> tuple[bytes, str] | None:
    """Return an object's bytes and the version that they are, None if it is not there."""
    found: tuple[bytes, str] | None = _retried("read", path, lambda: _store(path).read_version(path))
    return found


def swap(path: str, content: bytes, version: str | None) -> str | None:
    """Write an object if it is still at a version (None: if there is none) and return its new one; None if it is not.

    `content` is like no other writer's: where it is found, a write whose answer was lost has succeeded.
    """

    def once() -> str | None:
        try:
            return str(_store(path).swap(path, content, version))
        except Exception as error:
            if code_of(error) not in _OTHER_VERSION:
                raise
            found: tuple[bytes, str] | None = _store(path).read_version(path)
            return found[1] if found is not None and found[0] == content else None

    return _retried("written", path, once)


class _Object(io.RawIOBase):
    """A remote object of known size: reads go on where a broken connection stopped."""

    def __init__(self, found: Facts) -> None:
        self._found = found
        self._position = 0
        self._stream: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._found.size}[whence]
        if base + offset < 0:
            raise ValueError(f"{self._found.path}: there is no byte {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._found.size - self._position)
        if wanted <= 0:
            return 0
        block = _retried("read", self._found.path, lambda: self._read(wanted))
        buffer[: len(block)] = block
        self._position += len(block)
        return len(block)

    def _read(self, wanted: int) -> bytes:
        try:
            if self._stream is None:
                self._stream = _store(self._found.path).open(self._found.path)
            self._stream.seek(self._position)
            block = bytes(self._stream.read(wanted))
            if not block:
                raise OSError(f"it ends at byte {self._position} of {self._found.size}")
        except BaseException:
            self._drop()
            raise
        return block

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.close()
            except Exception:  # of a connection that is given up anyway
                logging.getLogger(__name__).debug("closing %s failed", self._found.path, exc_info=True)

    def close(self) -> None:
        self._drop()
        super().close()


class _S3:
    """S3 by Beam's client, made once: making one takes a hundred times as long as a request. Its threads share it."""

    def __init__(self) -> None:
        from apache_beam.io.aws.clients.s3.boto3_client import Client

        self._client: Any = Client(filesystems()._pipeline_options)

    def _io(self) -> Any:
        """Return Beam's S3 with the connection of an open object to itself."""
        from apache_beam.io.aws.s3io import S3IO

        return S3IO(client=copy(self._client))

    def facts(self, path: str) -> Facts | None:
        bucket, name = _names(path)
        try:
            found = self._client.client.head_object(Bucket=bucket, Key=name)
        except Exception as error:
            if code_of(error) == 404:
                return None
            raise
        return Facts(path, int(found["ContentLength"]), found["LastModified"].timestamp())

    def listed(self, prefix: str) -> Iterator[Facts]:
        bucket, name = _names(prefix, whole=False)
        pages = self._client.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=name)
        for entry in (entry for page in pages for entry in page.get("Contents", ())):
            yield Facts(f"s3://{bucket}/{entry['Key']}", int(entry["Size"]), entry["LastModified"].timestamp())

    def open(self, path: str) -> Any:
        return _S3Body(self._client.client, *_names(path))

    def write(self, path: str, stream: BinaryIO, size: int) -> None:
        if size > PART:
            _send(self._io().open(path, "wb"), stream)
            return
        # Beam's uploads always have parts, three requests at least, and an upload of no bytes has none and is refused.
        bucket, name = _names(path)
        self._client.client.put_object(Bucket=bucket, Key=name, Body=stream.read())

    def delete(self, path: str) -> None:
        bucket, name = _names(path)
        self._client.client.delete_object(Bucket=bucket, Key=name)

    def close(self) -> None:
        self._client.client.close()

    def read_version(self, path: str) -> tuple[bytes, str] | None:
        bucket, name = _names(path)
        try:
            found = self._client.client.get_object(Bucket=bucket, Key=name)
        except Exception as error:
            if code_of(error) == 404:
                return None
            raise
        return found["Body"].read(), found["ETag"]

    def swap(self, path: str, content: bytes, version: str | None) -> str:
        bucket, name = _names(path)
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        return str(self._client.client.put_object(Bucket=bucket, Key=name, Body=content, **condition)["ETag"])


class _S3Body:
    """An object's bytes from a place on, as one request gives them; Beam's own stream tries again for ten minutes."""

    def __init__(self, client: Any, bucket: str, name: str) -> None:
        self._client, self._bucket, self._name = client, bucket, name
        self._position = 0
        self._body: Any = None

    def seek(self, position: int) -> None:
        if position != self._position:
            self.close()
            self._position = position

    def read(self, size: int) -> bytes:
        if self._body is None:
            start = f"bytes={self._position}-"
            self._body = self._client.get_object(Bucket=self._bucket, Key=self._name, Range=start)["Body"]
        block = bytes(self._body.read(size))
        self._position += len(block)
        return block

    def close(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()


class _Gcs:
    """Google Cloud Storage by Beam's client, made once."""

    def __init__(self) -> None:
        from apache_beam.io.gcp.gcsio import GcsIO
        from requests.adapters import HTTPAdapter

        self._io: Any = GcsIO(pipeline_options=filesystems()._pipeline_options)
        for scheme in ("http://", "https://"):
            self._io.client._http.mount(scheme, HTTPAdapter(pool_maxsize=AT_ONCE))

    def facts(self, path: str) -> Facts | None:
        bucket, name = _names(path)
        found = self._io.client.bucket(bucket).get_blob(name)
        return None if found is None else Facts(path, int(found.size), found.updated.timestamp())

    def listed(self, prefix: str) -> Iterator[Facts]:
        bucket, name = _names(prefix, whole=False)
        for entry in self._io.client.list_blobs(bucket, prefix=name):
            yield Facts(f"gs://{bucket}/{entry.name}", int(entry.size), entry.updated.timestamp())

    def open(self, path: str) -> Any:
        return self._io.open(path, "rb", read_buffer_size=READ_BLOCK)

    def write(self, path: str, stream: BinaryIO, size: int) -> None:
        _send(self._io.open(path, "wb"), stream)

    def delete(self, path: str) -> None:
        bucket, name = _names(path)
        found = self._io.client.bucket(bucket).get_blob(name)
        if found is not None:
            found.delete()

    def close(self) -> None:
        self._io.client.close()

    def read_version(self, path: str) -> tuple[bytes, str] | None:
        bucket, name = _names(path)
        found = self._io.client.bucket(bucket).get_blob(name)
        if found is None:
            return None
        return found.download_as_bytes(if_generation_match=found.generation), str(found.generation)

    def swap(self, path: str, content: bytes, version: str | None) -> str:
        bucket, name = _names(path)
        blob = self._io.client.bucket(bucket).blob(name)
        blob.upload_from_string(content, if_generation_match=int(version or 0))
        return str(blob.generation)


_STORES: dict[str, Callable[[], _S3 | _Gcs]] = {"s3": _S3, "gs": _Gcs}
_made: dict[Any, _S3 | _Gcs] = {}
_making = threading.Lock()


def _store(path: str) -> Any:
    """Return this process' client of an object's store, which its threads share; a forked process makes its own."""
    scheme = path.partition("://")[0]
    key = (scheme, os.getpid(), os.environ.get("AWS_ENDPOINT_URL"), os.environ.get("STORAGE_EMULATOR_HOST"))
    with _making:
        if key not in _made:
            check(path)
            filesystems()  # sets what clients are made with
            for old in [old for old in _made if old[0] == scheme]:
                found = _made.pop(old)
                if old[1] == os.getpid():  # connections of a parent process are its own to close
                    found.close()
            _made[key] = _STORES[scheme]()
        return _made[key]


def _names(path: str, *, whole: bool = True) -> tuple[str, str]:
    """Return the bucket and the name of an object, or with not `whole` what its name begins with."""
    bucket, _, name = path.partition("://")[2].partition("/")
    if not bucket or (whole and not name):
        raise ValueError(f"{path}: write it as {path.partition('://')[0]}://BUCKET/NAME")
    return bucket, name


def _send(target: Any, stream: BinaryIO) -> None:
    while block := stream.read(PART):
        target.write(block)
    target.close()  # the object appears now; after an error nothing is closed, so that nothing appears


def _retried(done: str, path: str, action: Callable[[], T]) -> T:
    with waits.Wait(path, _say) as wait:
        return _attempts(done, path, action, wait)


_say = waits.OncePerPlace()


def _attempts(done: str, path: str, action: Callable[[], T], wait: waits.Wait) -> T:
    started = time.monotonic()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return action()
        except Exception as error:
            if not is_transient(error):
                raise _named(path, error) from error
            if attempt == ATTEMPTS or time.monotonic() - started > PATIENCE_SECONDS:
                reason = f"{type(error).__name__}: {error}"
                raise OSError(f"{path}: cannot be {done} after {attempt} attempts: {reason}") from error
            wait.because = f"{type(error).__name__}: {error}"[:300]
            # Full jitter, so that many workers do not come back together.
            time.sleep(random.uniform(0, PAUSE_SECONDS * 2 ** (attempt - 1)))
    raise AssertionError("unreachable")


def _named(path: str, error: Exception) -> Exception:
    if isinstance(error, ImportError | ValueError | TypeError | AttributeError):
        return error
    kind = {404: FileNotFoundError, 401: PermissionError, 403: PermissionError}.get(code_of(error), OSError)
    return error if isinstance(error, kind) and path in str(error) else kind(f"{path}: {error}")
