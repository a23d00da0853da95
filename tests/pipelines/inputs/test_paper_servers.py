"""`--input paper` as anybody would run it, against local servers that stand in for the hosts of the paper's list.

    https   a proxy (HTTPS_PROXY) leads every host to one server here, whose certificate SSL_CERT_FILE vouches for
    s3      a local server (AWS_ENDPOINT_URL) has the buckets of Common Crawl and arXiv

Only where the names lead differs, and the digests of Wikipedia's listing: these dumps are small ones of our own.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import json
import select
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipelines import build, corpus
from pipelines.files import storage
from pipelines.inputs import paper
from pipelines.inputs.paper import PAPER_INPUTS
from tests.pipelines import servers, tiny

pytest.importorskip("moto", reason="moto is not installed")
pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]

HOSTS = ("data.commoncrawl.org", "dumps.wikimedia.your.org", "archive.org")
MONTHS = ("9701", "0405", "1904", "2012", "2106", "2208")
SITE = "herders.stackexchange.com.7z"


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for the hosts that vouches for itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return paths


class Web(ThreadingHTTPServer):
    """Stands in for hosts by https: `files` by URL; `asked` counts what was asked for. Each body is cut off once."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Host)
        self.files: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        paths = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*paths)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.trusted = paths[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that went away."""


class _Host(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def do_GET(self) -> None:
        url = f"https://{self.headers['Host']}{self.path}"
        content = self.server.files.get(url)
        first = not self.server.asked[url]
        self.server.asked[url] += 1
        if content is None:
            self.send_error(404)
            return
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start : len(content) // 2 if first else None])
        self.close_connection = first

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep quiet."""


class _Proxy(BaseHTTPRequestHandler):
    """Leads every CONNECT to one place."""

    target = 0

    def do_CONNECT(self) -> None:
        with socket.create_connection(("127.0.0.1", self.target)) as there:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: there, there: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    if not (block := end.recv(1 << 16)):
                        return
                    ends[end].sendall(block)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    found = Web(tmp_path)
    with found, ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as proxy:
        monkeypatch.setattr(_Proxy, "target", found.server_address[1])
        proxy.daemon_threads = True
        for name in ("http_proxy", "all_proxy", "https_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
        monkeypatch.setenv("SSL_CERT_FILE", str(found.trusted))
        monkeypatch.setattr("pipelines.inputs.fetching.PAUSE_SECONDS", 0.01)
        for server in (found, proxy):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield found
        found.shutdown()
        proxy.shutdown()


@pytest.fixture
def dumps(tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Put small dumps where the list says that the paper's are; return the options for what it has no address of."""
    options = tiny.write(tmp_path / "tiny")
    with servers.s3(monkeypatch):
        import boto3

        for bucket in ("commoncrawl", "arxiv"):
            boto3.client("s3").create_bucket(Bucket=bucket)
        crawls = [listed for listed in PAPER_INPUTS if listed.source in ("common_crawl", "c4")]
        for number, listed in enumerate(crawls):
            path = f"crawl-data/{listed.name}/segments/1/wet/CC-MAIN-00000.warc.wet.gz"
            tiny.wet(tmp_path / "page.gz", number, 30)
            storage.write_bytes(f"s3://commoncrawl/{path}", (tmp_path / "page.gz").read_bytes())
            url = f"https://data.commoncrawl.org/crawl-data/{listed.name}/wet.paths.gz"
            web.files[url] = gzip.compress(f"{path}\n".encode())
        tar = (tmp_path / "tiny/arXiv_src_1904_001.tar").read_bytes()
        for month in (*MONTHS, "2209", "2301"):  # the last two are of after the list's last month
            storage.write_bytes(f"s3://arxiv/src/arXiv_src_{month}_001.tar", tar)
        stand_in_wikipedia(tmp_path, web, monkeypatch)
        archive = "https://archive.org/download/stackexchange/"
        web.files[archive + SITE] = (tmp_path / "tiny" / SITE).read_bytes()
        listing = f'<files><file name="{SITE}"><size>{len(web.files[archive + SITE])}</size></file></files>'
        web.files[f"{archive}stackexchange_files.xml"] = listing.encode()
        by_hand = ("github", "books")
        given = [word for word in options if word.partition("=")[0] in by_hand]
        settings = options[options.index("--model") :]
        yield [*(word for value in given for word in ("--input", value)), *settings]


def stand_in_wikipedia(folder: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    content = next((folder / "tiny").glob("enwiki-*.xml.bz2")).read_bytes()
    lines = []
    for language in ("en", "sl"):
        path = f"{language}wiki/20220620/{language}wiki-20220620-pages-articles-multistream.xml.bz2"
        web.files[f"https://dumps.wikimedia.your.org/{path}"] = content
        lines.append(f"{path}\t{len(content)}\t{hashlib.sha256(content).hexdigest()}\n")
    small = folder / "wikipedia_20220620.paths"
    small.write_text("".join(lines))
    listing = str(paper.WIKIPEDIA_LISTING)
    replaced = [
        replace(listed, inputs=tuple(option.replace(listing, str(small)) for option in listed.inputs))
        for listed in PAPER_INPUTS
    ]
    monkeypatch.setattr(paper, "PAPER_INPUTS", replaced)


def test_the_paper_s_inputs_are_read_recorded_and_compared(
    tmp_path: Path, web: Web, dumps: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "corpus"
    command = ["--recipe", "paper", "--input", "paper", *dumps, "--output", str(output), "--runner", "plain"]
    command += ["--set", "language_models.estimator=kneser_ney", "--set", "common_crawl.reference.classifier=false"]
    assert corpus.main(command) == 0, capsys.readouterr().err
    read = paper.recorded(str(output))
    streamed = {url for url in read if url.startswith("s3://")}
    assert {url.split("/")[4] for url in streamed if "commoncrawl" in url} == {
        listed.name for listed in PAPER_INPUTS if listed.source in ("common_crawl", "c4")
    }
    tars = {f"s3://arxiv/src/arXiv_src_{month}_001.tar" for month in MONTHS}
    assert {url for url in streamed if "arxiv" in url} == tars
    assert set(read) - streamed == set(web.files)
    assert all(read[url].sha256 == hashlib.sha256(content).hexdigest() for url, content in web.files.items())
    assert all(web.asked[url] == 2 for url in web.files)  # cut off, and gone on with
    for name in set(build.SOURCES) - {"github"}:  # whose token rule drops everything with so small a vocabulary
        assert json.loads((output / name / "manifest.json").read_text())["documents"]["count"] > 0, name

    asked = web.asked.total()
    assert corpus.main(command) == 0
    assert web.asked.total() == asked
    capsys.readouterr()
    assert corpus.main(["--recipe", "paper", "--dry-run", "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert said.count("(read here: 1 files") == 6 + 2
    assert "s3://arxiv/src/ (read here: 6 files" in said
    assert "stackexchange/ (read here: 2 files" in said

    changed = "s3://commoncrawl/crawl-data/CC-MAIN-2019-18/segments/1/wet/CC-MAIN-00000.warc.wet.gz"
    tiny.wet(tmp_path / "page.gz", 99, 31)
    storage.write_bytes(changed, (tmp_path / "page.gz").read_bytes())
    assert corpus.main(command) == 2
    assert f"{changed}: the object has changed since it was first read (SHA-256 " in capsys.readouterr().err


def test_a_file_that_is_not_the_listed_one_and_a_host_that_refuses_are_named(
    tmp_path: Path, web: Web, dumps: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = next(url for url in web.files if "slwiki" in url)
    web.files[url] = web.files[url][::-1]
    command = ["--recipe", "paper", "--source", "wikipedia", "--input", "paper", "--output", str(tmp_path / "corpus")]
    assert corpus.main(command) == 2
    assert f"error: {url}: this is not the file that is listed: SHA-256" in capsys.readouterr().err
    del web.files[url]
    assert corpus.main(command) == 2
    assert f"error: {url}: the server refuses it: 404" in capsys.readouterr().err
