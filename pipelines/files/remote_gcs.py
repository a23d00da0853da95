"""Google Cloud Storage by Google's client: what `pipelines.files.remote` needs of a store.

Uploads, listings and removals are the client's, without its own retries. Reads are one request each for a range of the
bytes as they are stored, by the client's session: the client itself asks for an object's facts first. With
`STORAGE_EMULATOR_HOST` in the environment requests are anonymous.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, BinaryIO
from urllib.parse import quote

from pipelines.files.remote_errors import is_transient
from pipelines.files.remote_parts import (
    ALWAYS,
    AT_ONCE,
    CONNECT_SECONDS,
    PART,
    READ_SECONDS,
    Facts,
    Opened,
    Version,
    names,
    patience,
)

EMULATOR = "STORAGE_EMULATOR_HOST"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
_PLAIN: dict[str, Any] = {"retry": None, "timeout": _TIMEOUT}


class Gcs:
    """Google Cloud Storage by Google's client, anonymous without credentials. Made once; threads share it."""

    def __init__(self, credentials: Any) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.auth.transport.requests import AuthorizedSession
        from google.cloud.storage import Client
        from requests.adapters import HTTPAdapter

        if credentials is None:
            credentials = AnonymousCredentials()
        self._session: Any = AuthorizedSession(credentials)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=AT_ONCE))
        self._client: Any = Client(project=None, credentials=credentials, _http=self._session)

    def facts(self, path: str) -> Facts:
        """Return what is known of an object; raises the client's error if it is not there."""
        bucket, name = names(path)
        blob = self._client.bucket(bucket).blob(name)
        blob.reload(**_PLAIN)
        return _facts(path, blob)

    def listed(self, prefix: str, *, deep: bool = True, count: int = 1000) -> Iterator[Facts]:
        """Yield the objects whose paths begin with `prefix`, with not `deep` those with no / behind it."""
        bucket, name = names(prefix, whole=False)
        delimiter = None if deep else "/"
        found = self._client.list_blobs(bucket, prefix=name, delimiter=delimiter, page_size=count, **_PLAIN)
        for blob in found:
            yield _facts(f"gs://{bucket}/{blob.name}", blob)

    def open(self, path: str, wanted: str = "") -> Opened:
        """Ask for an object, or for a range of it as HTTP writes them ("bytes=0-9")."""
        answer = self._asked(path, {"alt": "media"}, {"Range": wanted} if wanted else {})
        told = answer.headers
        crc = [found for found in told.get("X-Goog-Hash", "").split(",") if found.startswith("crc32c=")]
        mark = crc[0] if crc else told["ETag"]
        size = int(told["Content-Length"])
        return Opened.of(answer.raw, size, told.get("Content-Range"), version=told["X-Goog-Generation"], mark=mark)

    def read_version(self, path: str) -> Version:
        """Return an object's bytes, its generation, and its age by the store's clock."""
        opened = self.open(path)
        content = opened.body.read()
        answer = self._asked(path, {"fields": "generation,updated"}, {})
        row, now = answer.json(), parsedate_to_datetime(answer.headers["Date"])
        if str(row["generation"]) != opened.version:
            raise OSError("it was replaced while it was read")
        return Version(content, opened.version, (now - datetime.fromisoformat(row["updated"])).total_seconds())

    def write(self, path: str, stream: BinaryIO, size: int, condition: str = ALWAYS) -> str:
        """Write an object on a condition and return its generation; the client compares the answer's CRC32C."""
        from google.api_core.retry import Retry

        bucket, name = names(path)
        blob = self._client.bucket(bucket).blob(name, chunk_size=PART)
        kept = {} if condition == ALWAYS else {"if_generation_match": int(condition or 0)}
        # Of a large object the client sends a part again that failed, for a while; `remote` says so, and begins anew.
        span = min(patience(), READ_SECONDS)
        again = Retry(predicate=is_transient, initial=1.0, maximum=20.0, timeout=span) if size > PART else None
        blob.upload_from_file(
            stream,
            size=size,
            content_type="application/octet-stream",
            checksum="crc32c",
            retry=again,
            timeout=_TIMEOUT,
            **kept,
        )
        return str(blob.generation)

    def delete(self, path: str) -> None:
        """Remove an object; raises the client's error if it is not there."""
        bucket, name = names(path)
        self._client.bucket(bucket).blob(name).delete(**_PLAIN)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._session.close()

    def _asked(self, path: str, parameters: dict[str, str], headers: dict[str, str]) -> Any:
        bucket, name = names(path)
        url = f"{self._client.api_endpoint}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
        # Bytes as they are stored: neither the store nor the client unpacks them.
        headers = {"Accept-Encoding": "gzip", **headers}
        answer = self._session.get(url, params=parameters, headers=headers, stream=True, timeout=_TIMEOUT)
        if answer.status_code >= 300:
            from google.api_core.exceptions import from_http_response

            raise from_http_response(answer)
        return answer


def _facts(path: str, blob: Any) -> Facts:
    return Facts(path, int(blob.size), blob.updated.timestamp(), str(blob.generation))


def credentials() -> Any:
    """Return the credentials of Google's usual places, None for an emulator."""
    if is_anonymous():
        return None
    import google.auth

    return google.auth.default(scopes=[_SCOPE])[0]


@cache
def _has_default_credentials() -> bool:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        google.auth.default()
    except DefaultCredentialsError:
        return False
    return True


def is_anonymous() -> bool:
    """Tell whether requests go to an emulator, which asks for no credentials."""
    return bool(os.environ.get(EMULATOR))


def has_credentials() -> bool:
    """Tell whether there are credentials where Google's clients look for them, or none are needed."""
    return is_anonymous() or _has_default_credentials()
