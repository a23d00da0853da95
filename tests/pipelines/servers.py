"""Local servers that speak the protocols of object stores, and a proxy that makes one of them fail now and then."""

from __future__ import annotations

import http.client
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(
    command: Sequence[str], port: int, environment: Mapping[str, str] | None = None, folder: str | None = None
) -> Iterator[str]:
    """Run a server until the block ends; give its URL once it listens."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, cwd=folder
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, f"{command[0]} ended"
                assert time.monotonic() < deadline, f"{command[0]} does not listen"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@contextmanager
def s3(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a server that speaks S3's protocol, with the bucket `corpus`, and point this process at it."""
    import boto3

    port = free_port()
    with server([sys.executable, "-m", "moto.server", "-p", str(port)], port) as endpoint:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        boto3.client("s3").create_bucket(Bucket="corpus")
        yield endpoint


@contextmanager
def gs(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a server that speaks the protocol of GCS, with the bucket `corpus`, and point this process at it."""
    port = free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--in-memory", "--default-bucket", "corpus"]
    with server([*command, f"--port={port}"], port) as endpoint:
        patch.setenv("STORAGE_EMULATOR_HOST", endpoint)
        patch.setenv("NO_GCE_CHECK", "true")  # there is no metadata server to wait for
        yield endpoint


class Flaky(ThreadingHTTPServer):
    """A proxy that answers a share of the requests by an error, cuts a share of the bodies, and delays some.

    `share` is that of each kind of failure, drawn with a seed; `failed` counts what was done to whom. Requests whose
    method is one of `refused` are all answered by an error. `seen` has the method and path of all that were passed on,
    and the name of what an upload is of. With `conditions`, it keeps those of GCS that a write is under, which the
    emulator does not know.
    """

    daemon_threads = True

    def __init__(
        self, target: str, share: float, seed: int = 0, refused: Sequence[str] = (), conditions: bool = False
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target)
        self.share = share
        self.refused = refused
        self.failed: Counter[str] = Counter()
        self.seen: list[tuple[str, str, str]] = []
        self.writing = threading.Lock() if conditions else nullcontext()
        self.conditions = conditions
        self._rng = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def draw(self, method: str) -> str:
        """Return what happens to the next request."""
        if method in self.refused:
            return "refuse"
        with self._lock:
            found = self._rng.random()
        kinds = ("error", "slow down", "cut", "late", "hang up")
        kind = kinds[int(found / self.share)] if found < self.share * len(kinds) else ""
        if kind and (kind != "cut" or method == "GET"):
            with self._lock:
                self.failed[kind] += 1
            return kind
        return ""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that went away."""

    @contextmanager
    def running(self) -> Iterator[Flaky]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()


def _name(path: str, body: bytes) -> str:
    """Return the name of the object that a request to GCS uploads, "" of any other."""
    parts = urlsplit(path)
    if not parts.path.startswith("/upload/"):
        return ""
    told = parse_qs(parts.query).get("name") or re.findall(r'"name": ?"([^"]+)"', body[:1_000].decode("latin-1"))
    return told[0] if told else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Flaky

    def _forward(self) -> None:
        self._length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(int(self._length))
        kind = self.server.draw(self.command)
        if kind == "hang up":
            self.close_connection = True
            return
        if kind in ("error", "slow down", "refuse"):
            self._answer(500 if kind == "error" else 503, [("Content-Type", "application/xml")], b"<Error/>")
            return
        if kind == "late":
            time.sleep(0.5)
        name = _name(self.path, body)
        with self.server.writing:
            if self.server.conditions and not self._is_met(name):
                self._answer(412, [("Content-Type", "application/json")], b"{}")
                return
            status, answered, content = self._asked(self.command, self.path, body)
        self.server.seen.append((self.command, self.path, name))
        self._answer(status, answered, content, cut=kind == "cut" and len(content) > 1)

    def _asked(self, method: str, path: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.server.target.netloc, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, response.getheaders(), content

    def _is_met(self, name: str) -> bool:
        wanted = parse_qs(urlsplit(self.path).query).get("ifGenerationMatch")
        if not (wanted and name):
            return True
        self.headers.replace_header("Content-Length", "0")
        status, _, content = self._asked("GET", f"/storage/v1/b/corpus/o/{quote(name, safe='')}", b"")
        found = json.loads(content)["generation"] if status == 200 else "0"
        self.headers.replace_header("Content-Length", self._length)
        return str(found) == wanted[0]

    def _answer(self, status: int, headers: Sequence[tuple[str, str]], content: bytes, cut: bool = False) -> None:
        self.send_response_only(status)
        length = len(content)
        for name, value in headers:
            if name.lower() == "content-length":
                length = int(value) if self.command == "HEAD" else length
            elif name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = self.close_connection or cut

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""
