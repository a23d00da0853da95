"""Objects on s3:// and gs://, with retries, whole writes, and reads checked to be whole.

    read     blocks at exact offsets, the size from the answer; where a connection breaks it is opened again
    write    one request for a small object, several parts for a large one; the answer says what arrived

Whatever may pass is tried again for five minutes, or the seconds in `ALTIPLANO_PATIENCE`, counted from the first
failure since the store last answered: what comes after a store was given up does not wait again. Clients are those of
boto3 and of Google, by what the usual places say of credentials and endpoints, or in a worker Beam's options. With
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
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any, BinaryIO, TypeVar

from pipelines.files import remote_gcs, remote_parts, remote_s3, waits
from pipelines.files.remote_errors import StoreError, code_of, is_told, is_transient, no_bucket, reason
from pipelines.files.remote_parts import ABSENT, ALWAYS, AT_ONCE, Facts, Opened, Version, names

__all__ = ["AT_ONCE", "Facts", "Version"]

PAUSE_SECONDS = 1.0  # at most, after the first failure; twice that after each further one
LONGEST_PAUSE_SECONDS = 20.0
READ_BLOCK = 1 << 18  # what is asked for at least: slices of run files are small
REPLACED_AT_MOST = 10  # times that others write an object while it is to be replaced
# The answers to a write on a condition that does not hold: it was changed, is being changed, or is gone.
_OTHER_VERSION = frozenset({412, 409, 404})
_LONGEST_SILENCE = remote_parts.CONNECT_SECONDS + remote_parts.READ_SECONDS  # of one request

_S3_OPTIONS = (
    "s3_access_key_id",
    "s3_secret_access_key",
    "s3_session_token",
    "s3_endpoint_url",
    "s3_region_name",
    "s3_api_version",
    "s3_verify",
    "s3_disable_ssl",
)

T = TypeVar("T")
Check = Callable[[], None]


def _options() -> Any:
    """Return Beam's options, which a worker has from Beam; None where Beam is not imported, which takes seconds."""
    beam = sys.modules.get("apache_beam.io.filesystems")
    return beam.FileSystems._pipeline_options if beam else None


# What clients need besides Beam, by scheme: module, and the extra that brings it.
_NEEDED = {"s3": ("boto3", "aws"), "gs": ("google.cloud.storage", "gcp")}


def check(path: str) -> None:
    """Raise ValueError saying what is missing if nothing here can read a path with this scheme."""
    scheme = path.partition("://")[0]
    if scheme not in _NEEDED:
        raise ValueError(f"{path}: only s3:// and gs:// are read and written here")
    module, extra = _NEEDED[scheme]
    if not _is_installed(module):
        raise ValueError(f"{path}: {scheme}:// needs {module}, which is missing: pip install apache-beam[{extra}]")
    remote_parts.patience()
    if scheme == "s3" and not remote_s3.has_credentials(" ".join(sys.argv)):
        raise ValueError(f"{path}: there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if scheme == "gs" and not remote_gcs.has_credentials():
        raise ValueError(
            f"{path}: there are no Google credentials; run gcloud auth application-default login, or set "
            "GOOGLE_APPLICATION_CREDENTIALS"
        )


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
    return [entry for entry in _listed(prefix) if matches(entry.path)]


def in_folder(folder: str, *, deep: bool = True) -> list[Facts]:
    """Return the objects in a folder, with not `deep` those right under it, sorted by path; nothing is a glob."""
    return _listed(f"{folder}/", deep=deep)


def _listed(prefix: str, *, deep: bool = True) -> list[Facts]:
    found = _retried("listed", prefix, lambda: list(_store(prefix).listed(prefix, deep=deep)))
    return sorted(found, key=lambda entry: entry.path)


def some(prefix: str, count: int) -> list[str]:
    """Return the paths of the first `count` objects whose paths begin with `prefix`."""
    found = _retried("listed", prefix, lambda: list(islice(_store(prefix).listed(prefix, count=count), count)))
    return [entry.path for entry in found]


def facts(path: str) -> Facts | None:
    """Return what is known of one object, None if it is not there."""
    return _unless_absent("found", path, lambda: _store(path).facts(path))


def delete(path: str) -> None:
    """Remove an object if it is there."""
    _unless_absent("removed", path, lambda: _store(path).delete(path))


def open_read(path: str) -> BinaryIO:
    """Open an object as raw bytes; the first read or search for its end raises FileNotFoundError if it is not there."""
    return io.BufferedReader(_Object(path), READ_BLOCK)


def upload(stream: BinaryIO, size: int, path: str, check: Check | None = None) -> None:
    """Write a whole object of `size` bytes from a stream that can be read again from its beginning.

    With `check`, what is there is replaced only after `check` was called, and only if it is still what it was before:
    whoever finds by it that another may write there raises, and the other's object stays. Raises OSError if it is
    replaced by others again and again.
    """

    def once(condition: str) -> None:
        stream.seek(0)
        _store(path).write(path, stream, size, condition)

    if check is None:
        _retried("written", path, lambda: once(ALWAYS))
        return
    condition = ABSENT
    for _ in range(REPLACED_AT_MOST):
        if _retried("written", path, lambda condition=condition: _under(condition, once)):  # type: ignore[misc]
            return
        found = facts(path)  # first: what is written after `check` has another version
        check()
        condition = ABSENT if found is None else found.version
    raise OSError(f"{path}: cannot be written: others wrote it {REPLACED_AT_MOST} times in the meantime")


def _under(condition: str, write: Callable[[str], None]) -> bool:
    """Write on a condition; return whether it held."""
    try:
        write(condition)
    except Exception as error:
        if code_of(error) not in _OTHER_VERSION or (code_of(error) == 404 and condition == ABSENT):
            raise
        return False
    return True


def read_version(path: str) -> Version | None:
    """Return an object's bytes, the version that they are and its age by the store's clock, None if it is not there."""
    return _unless_absent("read", path, lambda: _store(path).read_version(path))


def swap(path: str, content: bytes, version: str | None) -> str | None:
    """Write an object if it is still at a version (None: if there is none) and return its new one; None if it is not.

    `content` is like no other writer's: where it is found, a write whose answer was lost has succeeded.
    """
    condition = ABSENT if version is None else version

    def once() -> str | None:
        try:
            return str(_store(path).write(path, io.BytesIO(content), len(content), condition))
        except Exception as error:
            if code_of(error) not in _OTHER_VERSION or (code_of(error) == 404 and condition == ABSENT):
                raise
        found = read_version(path)
        return found.version if found is not None and found.content == content else None

    return _retried("written", path, once)


class _Object(io.RawIOBase):
    """A remote object: a request where a read begins, whose answer says the size; reads in a row share a connection.

    The block that came last is kept: readers of tables and runs look at an object's end again and again.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._position = 0
        self._size: int | None = None
        self._mark = ""
        self._block, self._block_start = b"", 0
        self._stream: Any = None
        self._stream_at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: lambda: 0, io.SEEK_CUR: self.tell, io.SEEK_END: self._end}[whence]()
        if base + offset < 0:
            raise ValueError(f"{self._path}: there is no byte {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._size is not None and self._position >= self._size:
            return 0
        if not self._block_start <= self._position < self._block_start + len(self._block):
            wanted = len(buffer)
            _retried("read", self._path, lambda: self._advance(wanted))
        start = self._position - self._block_start
        block = self._block[start : start + len(buffer)]
        buffer[: len(block)] = block
        self._position += len(block)
        return len(block)

    def readall(self) -> bytes:
        blocks = []
        while block := self.read(READ_BLOCK * 4):
            blocks.append(block)
        return b"".join(blocks)

    def _end(self) -> int:
        """Return the size: from the first answer, which is the object's end where nothing was asked before."""
        if self._size is None:
            _retried("read", self._path, lambda: self._fetch(f"bytes=-{READ_BLOCK}"))
        assert self._size is not None
        return self._size

    def _advance(self, wanted: int) -> None:
        """Let the block be one that begins at the position, or nothing where the object has ended."""
        if self._stream is None and self._position == self._block_start + len(self._block) and self._block:
            opened = self._opened(f"bytes={self._position}-")
            if opened.start != self._position:
                raise StoreError(f"{self._path}: the store does not answer with the range that it is asked for")
            self._stream, self._stream_at = opened.body, self._position
        if self._stream is not None and self._stream_at != self._position:
            self._drop()
        if self._stream is None:
            self._fetch(f"bytes={self._position}-{self._position + max(wanted, READ_BLOCK) - 1}")
            return
        try:
            block = bytes(self._stream.read(wanted))
            if not block:
                raise OSError(f"it ends at byte {self._position} of {self._size}")
        except BaseException:
            self._drop()
            raise
        self._block, self._block_start, self._stream_at = block, self._position, self._position + len(block)

    def _fetch(self, wanted: str) -> None:
        """Ask for a range and keep all of it; of an empty object, or behind the end, there is nothing to keep."""
        try:
            opened = self._opened(wanted)
        except Exception as error:
            if code_of(error) != 416:
                raise
            self._size = _store(self._path).facts(self._path).size
            self._block, self._block_start = b"", self._size
            return
        try:
            block = bytes(opened.body.read())
        finally:
            _close(opened.body, self._path)
        if len(block) != opened.length:
            raise OSError(f"{len(block)} of {opened.length} bytes came")
        self._block, self._block_start = block, opened.start

    def _opened(self, wanted: str) -> Opened:
        try:
            found: Opened = _store(self._path).open(self._path, wanted)
        except Exception as error:
            if code_of(error) != 404:
                raise
            _look_at_bucket(self._path)
            raise FileNotFoundError(f"{self._path}: there is no such object") from error
        if self._mark and found.mark != self._mark:
            raise StoreError(f"{self._path}: it was replaced while it was read")
        self._mark, self._size = found.mark, found.size
        return found

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            _close(stream, self._path)

    def close(self) -> None:
        self._drop()
        super().close()


def _close(stream: Any, path: str) -> None:
    try:
        stream.close()
    except Exception:  # of a connection that is given up anyway
        logging.getLogger(__name__).debug("closing %s failed", path, exc_info=True)


def _s3(options: Any) -> remote_s3.S3:
    again = partial(_retried, "written")
    if options is None:
        return remote_s3.S3(remote_s3.client(), again)
    from apache_beam.io.aws.clients.s3.boto3_client import Client
    from apache_beam.options.pipeline_options import PipelineOptions, S3Options

    given = options.view_as(S3Options)
    none = PipelineOptions([]).view_as(S3Options)
    is_given = any(getattr(given, name) != getattr(none, name) for name in _S3_OPTIONS)
    return remote_s3.S3(Client(options).client if is_given else remote_s3.client(), again)


def _gcs(options: Any) -> remote_gcs.Gcs:
    if options is None or remote_gcs.is_anonymous():
        return remote_gcs.Gcs(remote_gcs.credentials())
    from apache_beam.internal.gcp.auth import get_service_credentials

    found = get_service_credentials(options)
    return remote_gcs.Gcs(found and found.get_google_auth_credentials())


_STORES: dict[str, Callable[[Any], remote_s3.S3 | remote_gcs.Gcs]] = {"s3": _s3, "gs": _gcs}
_made: dict[Any, remote_s3.S3 | remote_gcs.Gcs] = {}
_making = threading.Lock()


def _store(path: str) -> Any:
    """Return this process' client of an object's store, which its threads share; a forked process makes its own."""
    scheme = path.partition("://")[0]
    key = (scheme, os.getpid(), os.environ.get("AWS_ENDPOINT_URL"), os.environ.get(remote_gcs.EMULATOR))
    with _making:
        if key not in _made:
            check(path)
            remote_s3.prepare()  # Beam's client has a session of its own
            for old in [old for old in _made if old[0] == scheme]:
                found = _made.pop(old)
                if old[1] == os.getpid():  # connections of a parent process are its own to close
                    found.close()
            _made[key] = _STORES[scheme](_options())
        return _made[key]


_say = waits.OncePerPlace()
_watch = waits.Watch()
_answers = waits.Places()
_looked_at: set[tuple[int, str, str]] = set()


def _unless_absent(done: str, path: str, action: Callable[[], T]) -> T | None:
    """Return what a request for an object answers, None if there is no such object in a bucket that is there."""

    def once() -> T | None:
        try:
            return action()
        except Exception as error:
            if code_of(error) != 404:
                raise
            _look_at_bucket(path)
            return None

    return _retried(done, path, once)


def _look_at_bucket(path: str) -> None:
    """Raise StoreError if an object is missing for the reason that its bucket is, or that the store knows no such key.

    Asked once for each bucket; whoever may not list it is believed.
    """
    place = os.getpid(), path.partition("://")[0], names(path)[0]
    if place in _looked_at:
        return
    try:
        next(iter(_store(path).listed(path, count=1)), None)
    except Exception as error:
        if code_of(error) == 404:
            raise StoreError(f"{path.partition('://')[0]}://{names(path)[0]}: {no_bucket(error)}") from error
        if is_transient(error):
            raise
    _looked_at.add(place)


def _retried(done: str, path: str, action: Callable[[], T]) -> T:
    with waits.Wait(path, _say, watch=_watch) as wait:
        return _attempts(done, path, action, wait)


def _attempts(done: str, path: str, action: Callable[[], T], wait: waits.Wait) -> T:
    started, attempt = time.monotonic(), 0
    while True:
        attempt += 1
        try:
            found = action()
        except Exception as error:
            if not is_transient(error):
                raise _named(path, error) from error
            # Of a long upload, the time until its first failure was not spent waiting.
            started = max(started, time.monotonic() - _LONGEST_SILENCE) if attempt == 1 else started
            if _answers.silent(path, started) >= remote_parts.patience():
                raise OSError(f"{path}: cannot be {done} after {attempt} attempts: {reason(error)}") from error
            wait.because = reason(error)[:300]
            # Full jitter, so that many workers do not come back together.
            time.sleep(random.uniform(0, min(PAUSE_SECONDS * 2 ** min(attempt - 1, 30), LONGEST_PAUSE_SECONDS)))
        else:
            _answers.came(path)
            return found


def _named(path: str, error: Exception) -> Exception:
    """Return an error that says the path and what was wrong, of the kind that Python has for it."""
    if isinstance(error, ImportError | ValueError | TypeError | AttributeError | StoreError):
        return error
    if isinstance(error, OSError) and path in str(error):
        return error
    if not is_told(error):
        error = _told(path, error)
    code = code_of(error)
    kind = {404: FileNotFoundError, 401: PermissionError, 403: PermissionError}.get(code, StoreError)
    return kind(f"{path}: {no_bucket(error) if code == 404 else reason(error)}")


def _told(path: str, error: Exception) -> Exception:
    """Return the error of a request whose answer has a body that says what is wrong, the first one if it goes well."""
    try:
        next(iter(_store(path).listed(path, count=1)), None)
    except Exception as another:
        return another if is_told(another) else error
    return error
