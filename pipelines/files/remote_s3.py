"""S3 by boto3, one request for each thing that is asked: what `pipelines.files.remote` needs of a store.

Writes and their conditions (`If-None-Match`, `If-Match`) are compared with the answer's ETag, which is the MD5 of what
arrived, or of its parts' MD5s; where a store's ETag is another (encryption by a key service), the size is asked for.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache, partial
from typing import Any, BinaryIO

from pipelines.files.remote_parts import (
    ABSENT,
    ALWAYS,
    AT_ONCE,
    CONNECT_SECONDS,
    PART,
    READ_SECONDS,
    Again,
    Facts,
    Opened,
    Version,
    names,
)

# The name that GDAL and others use, and the requests to which S3's documentation allows the header.
PAYER = "AWS_REQUEST_PAYER"
_PAID = ("GetObject", "HeadObject", "ListObjectsV2")


@cache
def prepare() -> None:
    """Let every S3 client of this process have a connection for each thread, and state who pays for its requests.

    Raises ValueError for a payer that S3 does not know.
    """
    payer = os.environ.get(PAYER)
    if payer not in (None, "", "requester"):
        raise ValueError(f"{PAYER}={payer}: S3 accepts only 'requester'")
    if importlib.util.find_spec("botocore") is None:
        return
    import botocore
    from botocore.config import Config

    def state(params: dict[str, Any], **event: Any) -> None:
        params["RequestPayer"] = payer

    def prepare_session(session: Any) -> None:
        session.set_default_client_config(
            Config(
                max_pool_connections=AT_ONCE,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"total_max_attempts": 1},  # `remote` tries again, and says so
                user_agent="altiplano-corpus",  # botocore puts its own together for each request
            )
        )
        for operation in _PAID if payer else ():
            session.register(f"before-parameter-build.s3.{operation}", state)

    botocore.register_initializer(prepare_session)


def _session() -> Any:
    """Return the session of this process, and of those that are forked from it: it keeps what it has read of S3."""
    return _session_of(tuple(sorted(entry for entry in os.environ.items() if entry[0].startswith("AWS_"))))


@lru_cache(maxsize=1)
def _session_of(variables: tuple[tuple[str, str], ...]) -> Any:
    import boto3

    prepare()  # of a session that is there already nothing can be changed
    return boto3.session.Session()


def client() -> Any:
    """Return a client with the credentials, the region and the endpoint of boto3's usual places."""
    return _session().client("s3")


class S3:
    """S3 by a client of boto3, made once: making one takes a hundred times as long as a request. Threads share it."""

    def __init__(self, client: Any, again: Again) -> None:
        self._client, self._again = client, again

    def facts(self, path: str) -> Facts:
        """Return what is known of an object; raises the client's error if it is not there."""
        bucket, name = names(path)
        found = self._client.head_object(Bucket=bucket, Key=name)
        changed = found["LastModified"].timestamp()
        return Facts(path, int(found["ContentLength"]), changed, found["ETag"])

    def listed(self, prefix: str, *, deep: bool = True, count: int = 1000) -> Iterator[Facts]:
        """Yield the objects whose paths begin with `prefix`, with not `deep` those with no / behind it."""
        bucket, name = names(prefix, whole=False)
        folders = {} if deep else {"Delimiter": "/"}
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=name, MaxKeys=count, **folders
        )
        for entry in (entry for page in pages for entry in page.get("Contents", ())):
            changed = entry["LastModified"].timestamp()
            yield Facts(f"s3://{bucket}/{entry['Key']}", int(entry["Size"]), changed, entry["ETag"])

    def open(self, path: str, wanted: str = "") -> Opened:
        """Ask for an object, or for a range of it as HTTP writes them ("bytes=0-9")."""
        bucket, name = names(path)
        found = self._client.get_object(Bucket=bucket, Key=name, **({"Range": wanted} if wanted else {}))
        size = int(found["ContentLength"])
        return Opened.of(found["Body"], size, found.get("ContentRange"), version=found["ETag"], mark=found["ETag"])

    def read_version(self, path: str) -> Version:
        """Return an object's bytes, its ETag, and its age by the store's clock, 0 if it does not tell the time."""
        bucket, name = names(path)
        found = self._client.get_object(Bucket=bucket, Key=name)
        told = found["ResponseMetadata"]["HTTPHeaders"].get("date")
        age = (parsedate_to_datetime(told) - found["LastModified"]).total_seconds() if told else 0.0
        return Version(found["Body"].read(), found["ETag"], age)

    def write(self, path: str, stream: BinaryIO, size: int, condition: str = ALWAYS) -> str:
        """Write an object on a condition and return its version; raise OSError if something else arrived."""
        bucket, name = names(path)
        where = {"Bucket": bucket, "Key": name}
        kept = _kept(condition)
        if size <= PART:
            content = stream.read()
            etag, wanted = self._client.put_object(**where, Body=content, **kept)["ETag"], _md5(content).hex()
        else:
            etag, wanted = self._write_parts(path, stream, kept)
        if etag.strip('"') != wanted:
            self._compare_size(path, size)
        return str(etag)

    def _write_parts(self, path: str, stream: BinaryIO, kept: dict[str, str]) -> tuple[str, str]:
        bucket, name = names(path)
        where = {"Bucket": bucket, "Key": name}
        begun = {**where, "UploadId": self._client.create_multipart_upload(**where)["UploadId"]}
        sent: list[dict[str, Any]] = []
        digests = b""
        try:
            while block := stream.read(PART):
                part = {**begun, "PartNumber": len(sent) + 1, "Body": block}
                answer = self._again(path, partial(self._client.upload_part, **part))
                sent.append({"PartNumber": len(sent) + 1, "ETag": answer["ETag"]})
                digests += _md5(block)
            done = self._client.complete_multipart_upload(**begun, MultipartUpload={"Parts": sent}, **kept)
        except BaseException:
            self._abort(begun)
            raise
        return done["ETag"], f"{_md5(digests).hex()}-{len(sent)}"

    def _abort(self, begun: dict[str, str]) -> None:
        """Take back the parts of an upload that failed, if the store can be asked for that."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.abort_multipart_upload(**begun)
        except (BotoCoreError, ClientError):  # the bucket's rule for unfinished uploads takes care of it
            return

    def _compare_size(self, path: str, size: int) -> None:
        arrived = self.facts(path).size
        if arrived != size:
            raise OSError(f"{arrived} of {size} bytes arrived")

    def delete(self, path: str) -> None:
        """Remove an object; one that is not there is removed."""
        bucket, name = names(path)
        self._client.delete_object(Bucket=bucket, Key=name)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _kept(condition: str) -> dict[str, str]:
    if condition == ALWAYS:
        return {}
    return {"IfNoneMatch": "*"} if condition == ABSENT else {"IfMatch": condition}


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def has_credentials(arguments: str) -> bool:
    """Tell whether there are credentials where boto3 looks for them, or among a command's arguments."""
    return _session().get_credentials() is not None or "--s3_access_key_id" in arguments
