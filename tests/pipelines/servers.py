"""Local servers that speak the protocols of object stores, and a proxy that makes one of them fail now and then."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

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


# Programs that `make test-full` builds with Go.
PROGRAMS = Path(sys.prefix, "go")
ACCESS, SECRET = "altiplano", "not a secret of anybody"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}


def program(name: str) -> str | None:
    """Return the path of a server's program: built here, or as on the path; None if there is none."""
    return shutil.which(name, path=str(PROGRAMS)) or shutil.which(name)


@contextmanager
def versitygw(program: str, folder: Path, log: Path, *options: str, port: int = 0) -> Iterator[dict[str, str]]:
    """Run versitygw, an S3 server, over a folder with the bucket `corpus`; give the variables that clients need."""
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = [program, "--port", f"127.0.0.1:{port}", "--quiet", "--keep-alive", "--access-log", str(log)]
    command += [*options, "posix", str(folder)]
    account = {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET}
    with server(command, port, {**os.environ, **account}) as endpoint:
        yield {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}


@contextmanager
def gs(patch: pytest.MonkeyPatch, program: str) -> Iterator[str]:
    """Run fake-gcs-server, with the bucket `corpus`, and point this process at it."""
    port = free_port()
    command = [program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    with server([*command, "-public-host", f"127.0.0.1:{port}"], port) as endpoint:
        body, kind = json.dumps({"name": "corpus"}).encode(), {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/storage/v1/b?project=none", body, kind)).close()
        patch.setenv("STORAGE_EMULATOR_HOST", endpoint)
        yield endpoint


class Flaky(ThreadingHTTPServer):
    """A proxy that answers a share of the requests by an error, cuts a share of the bodies, and delays some.

    `share` is that of each kind of failure, drawn with a seed; `failed` counts what was done to whom. Requests whose
    method is one of `refused` are all answered by an error. `seen` has the method and path of all that were passed on,
    and the name of what an upload is of.
    """

    daemon_threads = True

    def __init__(self, target: str, share: float, seed: int = 0, refused: Sequence[str] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target)
        self.share = share
        self.refused = refused
        self.failed: Counter[str] = Counter()
        self.seen: list[tuple[str, str, str]] = []
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
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        kind = self.server.draw(self.command)
        if kind == "hang up":
            self.close_connection = True
            return
        if kind in ("error", "slow down", "refuse"):
            self._answer(500 if kind == "error" else 503, [("Content-Type", "application/xml")], b"<Error/>")
            return
        if kind == "late":
            time.sleep(0.5)
        status, answered, content = self._asked(self.command, self.path, body)
        self.server.seen.append((self.command, self.path, _name(self.path, body)))
        self._answer(status, answered, content, cut=kind == "cut" and len(content) > 1)

    def _asked(self, method: str, path: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.server.target.netloc, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, response.getheaders(), content

    def _answer(self, status: int, headers: Sequence[tuple[str, str]], content: bytes, cut: bool = False) -> None:
        self.send_response_only(status)
        length = len(content)
        for name, value in headers:
            if name.lower() == "content-length":
                length = int(value) if self.command == "HEAD" else length
            elif name.lower() not in ("transfer-encoding", "connection"):
                # An upload in parts goes on here too.
                self.send_header(name, value.replace(self.server.target.netloc, f"127.0.0.1:{self.server.server_port}"))
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = self.close_connection or cut

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""
