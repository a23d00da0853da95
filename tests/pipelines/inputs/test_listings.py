"""Listings and downloads, from a server of the tests' own that fails in every way a server can."""

import gzip
import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines import corpus
from pipelines.files import remote, remote_s3, storage
from pipelines.inputs import fetching, inputs, listings
from pipelines.inputs.fetching import DownloadError, fetch
from pipelines.inputs.listings import Entry, choose, entries_of
from pipelines.sources import c4

CONTENT = bytes(range(256)) * 1000
Answer = Callable[[BaseHTTPRequestHandler], None]


def expand(attributes: Mapping[str, str], pattern: str, downloads: str) -> tuple[dict[str, str], list[str]] | None:
    """Return what an input stands for, fetched: its other attributes, and the files."""
    found = listings.expand(attributes, pattern, downloads)
    if found is None:
        return None
    local = found.fetched(downloads)
    return found.attributes, [local.get(path, path) for path in found.files]


@dataclass
class Server:
    """What each path answers, one request after the other (the last answer stays), and what was asked for."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def on(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers)
        return f"{self.url}{path}"

    def ranges(self, path: str) -> list[str | None]:
        return [span for asked, span in self.asked if asked == path]


def whole(content: bytes = CONTENT, etag: str = '"1"') -> Answer:
    """Answer as a good server: the whole file, or the range that was asked for."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        span = handler.headers.get("Range")
        if span and handler.headers.get("If-Range", etag) == etag:
            start = int(span.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                send(handler, 416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            spoken = f"bytes {start}-{len(content) - 1}/{len(content)}"
            send(handler, 206, content[start:], {"Content-Range": spoken, "ETag": etag})
            return
        send(handler, 200, content, {"ETag": etag})

    return answer


def status(code: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: send(handler, code, b"<html>no</html>", named)


def cut(content: bytes = CONTENT, after: int = 1000, etag: str = '"1"', length: int | None = None) -> Answer:
    """Break off `after` bytes beyond the start of the range; `length` is what Content-Length says."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        span = handler.headers.get("Range")
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
        headers = {"ETag": etag, "Content-Length": str(length if length is not None else len(content) - start)}
        if span:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        send(handler, 206 if span else 200, content[start : start + after], headers)
        handler.close_connection = True

    return answer


def no_ranges(content: bytes = CONTENT, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: send(handler, 200, content, named)


def send(handler: BaseHTTPRequestHandler, code: int, body: bytes, headers: dict[str, str]) -> None:
    handler.send_response(code)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
    if headers.get("Content-Length", str(len(body))) != str(len(body)):
        handler.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as found:
        yield found


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        # A client that hangs up is what some of the tests are about.
        if not isinstance(sys.exception(), ConnectionError):
            raise


@contextmanager
def serving() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers.get("Range")))
            answers = state.answers.get(self.path, [status(404)])
            (answers.pop(0) if len(answers) > 1 else answers[0])(self)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with QuietServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@dataclass
class Fetched:
    """Fetches into one folder, remembering the pauses instead of taking them."""

    folder: Path
    pauses: list[float] = field(default_factory=list)

    def __call__(self, *urls: str) -> list[bytes]:
        paths = fetch(list(urls), str(self.folder), self.pauses.append, lambda line: None)
        return [Path(path).read_bytes() for path in paths]

    def left(self) -> list[str]:
        names = (path.name for path in self.folder.iterdir() if not path.name.endswith(".lock"))
        return sorted(name.partition("-")[2] for name in names)


@pytest.fixture
def fetched(tmp_path: Path) -> Fetched:
    return Fetched(tmp_path / "downloads")


def test_a_file_is_fetched_once_and_its_digest_recorded(server: Server, fetched: Fetched) -> None:
    url = server.on("/a/file.warc.wet.gz", whole())
    assert fetched(url) == fetched(url) == [CONTENT]
    assert (server.ranges("/a/file.warc.wet.gz"), fetched.pauses) == ([None], [])
    assert fetched.left() == ["file.warc.wet.gz", "file.warc.wet.gz.json"]
    record = json.loads(next(fetched.folder.glob("*.json")).read_text())
    assert record == {
        "url": url,
        "size": len(CONTENT),
        "sha256": storage.sha256(fetching.place_of(url, str(fetched.folder)).final.as_posix()),
    }


def test_files_of_one_name_do_not_meet(server: Server, fetched: Fetched) -> None:
    urls = [server.on(f"/{n}/same.gz", whole(b"%d" % n)) for n in range(6)]
    assert fetched(*urls) == [b"0", b"1", b"2", b"3", b"4", b"5"]


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(server: Server, fetched: Fetched, code: int) -> None:
    url = server.on("/x", status(code), status(code), whole())
    assert fetched(url) == [CONTENT]
    assert len(fetched.pauses) == 2
    assert fetched.pauses[0] <= fetching.PAUSE_SECONDS
    assert fetched.pauses[1] <= 2 * fetching.PAUSE_SECONDS


def test_the_server_says_how_long_to_wait(server: Server, fetched: Fetched) -> None:
    url = server.on("/x", status(503, Retry_After="7"), status(503, Retry_After="99999"), whole())
    assert fetched(url) == [CONTENT]
    assert fetched.pauses == [7.0, fetching.LONGEST_PAUSE_SECONDS]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 451])
def test_a_refusal_is_an_error_that_names_the_url(server: Server, fetched: Fetched, code: int) -> None:
    url = server.on("/secret.gz", status(code))
    with pytest.raises(ValueError, match=f"{url}: the server refuses it: {code}"):
        fetched(url)
    assert len(server.asked) == 1
    assert fetched.pauses == []


def test_a_server_that_keeps_failing_is_an_error_that_names_the_url(server: Server, fetched: Fetched) -> None:
    url = server.on("/busy.gz", status(503))
    with pytest.raises(DownloadError, match=rf"{url}: cannot be fetched after 8 attempts: the server answered 503"):
        fetched(url)
    assert len(server.asked) == fetching.ATTEMPTS
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:1"):
        fetched("http://127.0.0.1:1/nobody.gz")


def test_pauses_grow_with_jitter(server: Server, fetched: Fetched) -> None:
    with pytest.raises(DownloadError):
        fetched(server.on("/busy.gz", status(503)))
    assert all(pause <= fetching.PAUSE_SECONDS * 2**turn for turn, pause in enumerate(fetched.pauses))
    assert len(set(fetched.pauses)) == len(fetched.pauses) == fetching.ATTEMPTS - 1


def test_a_broken_download_goes_on_where_it_stopped(server: Server, fetched: Fetched) -> None:
    breaks = [cut(after=20_000)] * (len(CONTENT) // 20_000)
    url = server.on("/x.gz", *breaks, whole())
    assert fetched(url) == [CONTENT]
    assert server.ranges("/x.gz") == [None, *(f"bytes={n * 20_000}-" for n in range(1, len(breaks) + 1))]
    assert fetched.left() == ["x.gz", "x.gz.json"]


def test_it_goes_on_in_another_run(server: Server, fetched: Fetched) -> None:
    url = server.on("/x.gz", cut(after=50_000), status(403))
    with pytest.raises(ValueError, match="refuses"):
        fetched(url)
    server.on("/x.gz", whole())
    assert fetched(url) == [CONTENT]
    assert server.ranges("/x.gz")[-1] == "bytes=50000-"


def test_a_file_that_changed_meanwhile_is_taken_from_its_start(server: Server, fetched: Fetched) -> None:
    other = CONTENT[::-1]
    url = server.on("/x.gz", cut(after=50_000), whole(other, '"2"'))
    assert fetched(url) == [other]


def test_a_server_without_ranges_sends_all_again(server: Server, fetched: Fetched) -> None:
    url = server.on("/x.gz", cut(after=50_000), no_ranges())
    assert fetched(url) == [CONTENT]


def test_a_range_that_is_another_is_not_taken(server: Server, fetched: Fetched) -> None:
    def wrong(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 206, CONTENT[7:], {"Content-Range": f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}"})

    url = server.on("/x.gz", cut(after=50_000), wrong, whole())
    assert fetched(url) == [CONTENT]


def test_a_content_length_that_is_too_large_ends_with_what_there_is_or_an_error(
    server: Server, fetched: Fetched
) -> None:
    ranges = server.on("/ranges.gz", cut(after=len(CONTENT), length=len(CONTENT) + 500), whole())
    assert fetched(ranges) == [CONTENT]
    assert server.ranges("/ranges.gz") == [None, f"bytes={len(CONTENT)}-"]
    url = server.on("/x.gz", no_ranges(Content_Length=str(len(CONTENT) + 500)))
    with pytest.raises(DownloadError, match=url):
        fetched(url)
    assert not fetching.place_of(url, str(fetched.folder)).final.exists()


def test_a_content_length_that_is_too_small_gives_that_much(server: Server, fetched: Fetched) -> None:
    url = server.on("/x.gz", no_ranges(Content_Length="1000"))
    assert fetched(url) == [CONTENT[:1000]]


def test_redirects_are_followed_and_loops_are_errors(server: Server, fetched: Fetched) -> None:
    server.on("/new", whole())
    assert fetched(server.on("/old", status(302, Location="/new"))) == [CONTENT]
    with pytest.raises(ValueError, match="/loop"):
        fetched(server.on("/loop", status(302, Location="/loop")))


ELSEWHERE = "the server redirects to"


@pytest.mark.parametrize(
    "location", ["//localhost:{port}/new", "http://127.0.0.1:1/new", "file:///etc/passwd", "s3://b/new"]
)
def test_a_redirect_to_another_host_is_not_followed(server: Server, fetched: Fetched, location: str) -> None:
    server.on("/new", whole())
    port = server.url.rpartition(":")[2]
    url = server.on("/old", status(302, Location=location.format(port=port)))
    with pytest.raises(ValueError, match=f"{url}: the server redirects to"):
        fetched(url)
    assert server.asked == [("/old", None)]


def test_a_redirect_to_a_host_that_is_named_is_followed(server: Server, tmp_path: Path) -> None:
    server.on("/new", whole())
    port = server.url.rpartition(":")[2]
    url = server.on("/old", status(302, Location=f"//localhost:{port}/new"))
    downloads = str(tmp_path / "downloads")
    with pytest.raises(ValueError, match=ELSEWHERE):
        expand({}, url, downloads)
    rest, (path,) = expand({"hosts": f"localhost:{port}", "language": "en"}, url, downloads) or ({}, [])
    assert (rest, Path(path).read_bytes()) == ({"language": "en"}, CONTENT)


@pytest.mark.parametrize(
    "line", ["http://localhost:{port}/inner", "http://10.0.0.1/inner", "s3://other/inner", "file:///etc/passwd"]
)
def test_a_listing_sends_us_to_no_other_host(server: Server, tmp_path: Path, line: str) -> None:
    server.on("/inner", whole())
    url = server.on("/x/wet.paths", whole(line.format(port=server.url.rpartition(":")[2]).encode()))
    with pytest.raises(
        ValueError,
        match=r"/x/wet\.paths: (names a file on .*, which is neither|file:///etc/passwd is not the address)",
    ):
        expand({}, url, str(tmp_path / "downloads"))
    assert [path for path, _ in server.asked] == ["/x/wet.paths"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a/%2e%2e/%2e%2e/x.gz", "is not the path of a file"),
        ("a/%252e%252e/x.gz", "is not the path of a file"),
        ("../x.gz", "is not the path of a file"),
        ("http:///etc/passwd", "is not the address of a file"),
        ("http://[::1/x.gz", "is not the address of a file"),
        ("/dir/a://b.gz", "is not the address of a file"),
        ("hdfs://host/x.gz", "is not the address of a file"),
    ],
)
def test_a_line_that_is_no_address_is_refused_by_the_listing_s_own(
    server: Server, tmp_path: Path, line: str, message: str
) -> None:
    url = server.on("/x/wet.paths", whole(line.encode()))
    with pytest.raises(ValueError, match=message) as caught:
        expand({}, url, str(tmp_path / "downloads"))
    assert str(caught.value).startswith(url)
    assert [path for path, _ in server.asked] == ["/x/wet.paths"]


def test_a_listing_on_the_web_without_a_base_asks_its_own_host_alone(server: Server, tmp_path: Path) -> None:
    url = server.on("/lists/wet.paths", whole(b"crawl/a.gz"))
    server.on("/lists/crawl/a.gz", whole())
    _, (path,) = expand({}, url, str(tmp_path / "downloads")) or ({}, [])
    assert Path(path).read_bytes() == CONTENT


def test_an_input_that_is_no_address_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not the address of a file"):
        expand({}, "http://[::1/x.wet.gz", str(tmp_path))


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Answer with bytes until the other side hangs up."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    with suppress(OSError):
        while True:
            handler.wfile.write(bytes(1 << 16))


def test_a_body_without_end_is_cut_and_nothing_of_it_stays(server: Server, tmp_path: Path) -> None:
    said = no_ranges(Content_Length=str(10**12))
    for path, answer in (("/endless", endless), ("/said", said)):
        url, downloads = server.on(path, answer), tmp_path / "downloads"
        with pytest.raises(ValueError, match=f"{url}: larger than 1,000,000 bytes"):
            expand({"limit": "1000000"}, url, str(downloads))
        assert [found.suffix for found in downloads.iterdir() if found.suffix != ".lock"] in ([], [".etag"])
    with pytest.raises(ValueError, match="limit=much is not a number of bytes"):
        expand({"limit": "much"}, url, str(downloads))


def test_no_password_or_signature_is_printed_or_kept(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = server.url.replace("http://", "http://user:5ec7e7@")
    paths = {
        "/f.gz?part=1&X-Amz-Signature=5ec7e7": whole(),
        "/no?sig=5ec7e7": status(403),
        "/busy?sig=5ec7e7": status(503),
    }
    paths["/sent?sig=5ec7e7"] = status(302, Location="http://user:5ec7e7@10.0.0.1/?sig=5ec7e7")
    for path, answer in paths.items():
        server.on(path, answer)
    output = tmp_path / "corpus"
    problems = {"/no": "refuses it: 403", "/busy": "503", "/sent": ELSEWHERE, "/none": "404"}
    with suppress(ValueError):
        fetching.fetch([f"{at}/f.gz?part=1&X-Amz-Signature=5ec7e7"], str(tmp_path / "downloads"))
    for path, problem in problems.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fetching, "PAUSE_SECONDS", 0.0)
            options = ["--input", f"books={at}{path}?sig=5ec7e7", "--recipe", "paper", "--output", str(output)]
            assert corpus.main([*options, "--log-json", str(tmp_path / "log.json")]) in (1, 2)
        said = "".join(capsys.readouterr())
        assert problem in said
        assert "5ec7e7" not in said
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name.endswith("f.gz.json") for path in kept)
    assert not [path for path in kept if "5ec7e7" in path.name or b"5ec7e7" in path.read_bytes()]


def test_an_address_signed_anew_is_the_same_file(server: Server, fetched: Fetched) -> None:
    for signature in "12":
        server.on(f"/f.gz?part=1&X-Amz-Signature={signature}", whole(b"one"))
    server.on("/f.gz?part=2&X-Amz-Signature=1", whole(b"two"))
    urls = [f"{server.url}/f.gz?part={part}&X-Amz-Signature={s}" for part, s in ((1, 1), (1, 2), (2, 1))]
    assert [fetched(url) for url in urls] == [[b"one"], [b"one"], [b"two"]]
    assert len(server.asked) == 2


def test_a_removed_file_that_comes_back_another_is_refused(server: Server, fetched: Fetched) -> None:
    url = server.on("/x.gz", whole())
    fetched(url)
    place = fetching.place_of(url, str(fetched.folder))
    place.final.unlink()
    assert fetched(url) == [CONTENT]
    place.final.unlink()
    server.on("/x.gz", whole(b"other"))
    with pytest.raises(ValueError, match="changed since it was first fetched"):
        fetched(url)
    place.record.unlink()
    assert fetched(url) == [b"other"]


PATHS = [f"crawl-data/CC-MAIN-2019-18/segments/{n % 7}/wet/CC-MAIN-{n:05}.warc.wet.gz" for n in range(300)]


@pytest.fixture
def listing(tmp_path: Path) -> str:
    path = tmp_path / "wet.paths.gz"
    path.write_bytes(gzip.compress(("\n".join(PATHS) + "\n").encode()))
    return str(path)


def test_the_choice_depends_on_the_paths_alone_and_larger_ones_hold_smaller_ones() -> None:
    fifty = choose(PATHS, 50, "x")
    assert choose(PATHS[::-1], 50, "x") == fifty
    assert set(fifty[:20]) == set(choose(PATHS, 20, "x"))
    assert len({path.split("/")[3] for path in fifty}) == 7
    assert sorted(choose(PATHS, None, "x")) == sorted(PATHS)


def test_listings_are_read_packed_or_not(tmp_path: Path, listing: str) -> None:
    plain = tmp_path / "warc.paths"
    plain.write_text("\r\n".join([*PATHS, PATHS[0], ""]))
    assert entries_of(str(plain)) == entries_of(listing) == [Entry(path) for path in PATHS]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no file"),
        (b"\n \n", "names no file"),
        (gzip.compress(b"a\n" * 999, mtime=0)[:-9], "cannot be read"),
        (b"\x1f\x8b\x08garbage", "cannot be read"),
        (b"\xff\xfe\n", "cannot be read"),
        (b"<html>\0\n", "not the path"),
        (b"../../etc/passwd\n", "not the path"),
        (b"x" * 3000, "not the path"),
        (b"a.gz\t3\n", "its size and its SHA-256"),
        (b"a.gz\tmany\t" + b"0" * 64, "its size and its SHA-256"),
        (b"a.gz\t3\t" + b"F" * 64, "its size and its SHA-256"),
        (b"a.gz\na.gz\t3\t" + b"0" * 64, "a.gz is listed twice"),
        (b"a.gz\t" + b"3" * 5_000 + b"\t" + b"0" * 64, "its size and its SHA-256"),
        (
            gzip.compress(b"\n" * 20_000_000, mtime=0),
            "more than 268,435,456 bytes or 1,000,000 lines are too large for a listing",
        ),
        (
            gzip.compress(b" " * (1 << 28) + b"a", mtime=0),
            "more than 268,435,456 bytes or 1,000,000 lines are too large for a listing",
        ),
    ],
)
def test_what_is_no_listing_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "wet.paths.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        expand({"files": "all"}, str(path), str(tmp_path / "downloads"))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "names 300 files: choose how many"),
        ({"files": "0"}, "not a number of files"),
        ({"files": "ten"}, "not a number of files"),
        ({"files": "301"}, "names 300 files, not 301"),
        ({"files": "1" * 5_000}, "files=1{100} is not a number of files"),
        ({"limit": "1" * 5_000}, "limit=1{100} is not a number of bytes"),
    ],
)
def test_wrong_numbers_of_files_are_named(
    tmp_path: Path, listing: str, attributes: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        expand(attributes, listing, str(tmp_path / "downloads"))


def test_what_is_no_listing_has_no_attributes_of_one(tmp_path: Path) -> None:
    assert expand({"language": "en"}, "some/*.gz", str(tmp_path)) is None
    with pytest.raises(ValueError, match="the attribute files goes with a listing"):
        expand({"files": "3"}, "some/*.gz", str(tmp_path))


def test_a_file_that_is_not_the_listed_one_is_refused(server: Server, tmp_path: Path) -> None:
    digest, downloads = hashlib.sha256(CONTENT).hexdigest(), str(tmp_path / "downloads")
    url = server.on("/a.gz", whole(CONTENT[::-1]), whole())
    listing = tmp_path / "listing.paths"
    listing.write_text(f"a.gz\t{len(CONTENT)}\t{digest}\n")
    wanted = ({"base": server.url}, str(listing), downloads)
    with pytest.raises(ValueError, match=f"{url}: this is not the file that is listed: SHA-256 .*, not {digest}"):
        expand(*wanted)
    for _ in range(2):  # the wrong one is not gone on from, and the right one not fetched again
        _, (path,) = expand(*wanted) or ({}, [])
        assert Path(path).read_bytes() == CONTENT
    assert server.ranges("/a.gz") == [None, None]
    listing.write_text(f"a.gz\t{len(CONTENT)}\t{'0' * 64}\n")
    with pytest.raises(ValueError, match="this is not the file that is listed"):
        expand(*wanted)


def test_a_listing_on_the_web_is_relative_to_its_own_server(server: Server, tmp_path: Path) -> None:
    for path in PATHS[:5]:
        server.on(f"/mirror/{path}", whole(path.encode()))
    listing = "\n".join(PATHS[:5]).encode()
    url = server.on("/mirror/crawl-data/CC-MAIN-2019-18/wet.paths.gz", whole(gzip.compress(listing)))
    rest, found = expand({"files": "3", "language": "en"}, url, str(tmp_path / "downloads")) or ({}, [])
    assert rest == {"language": "en"}
    assert [Path(path).read_bytes().decode() for path in found] == choose(PATHS[:5], 3, "")


def test_a_base_may_be_a_server_a_folder_or_a_store(
    server: Server, tmp_path: Path, listing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = choose(PATHS, 2, "")
    for path in chosen:
        server.on(f"/base/{path}", whole(path.encode()))
    downloads = str(tmp_path / "downloads")
    _, found = expand({"files": "2", "base": f"{server.url}/base"}, listing, downloads) or ({}, [])
    assert [Path(path).read_bytes().decode() for path in found] == chosen
    _, found = expand({"files": "2", "base": "/mirror/"}, listing, downloads) or ({}, [])
    assert found == [f"/mirror/{path}" for path in chosen]
    monkeypatch.setattr(remote, "_is_installed", lambda module: True)
    monkeypatch.setattr(remote_s3, "has_credentials", lambda arguments: True)
    _, found = expand({"files": "2", "base": "s3://commoncrawl"}, listing, downloads) or ({}, [])
    assert found == [f"s3://commoncrawl/{path}" for path in chosen]


def test_lines_that_are_urls_and_listings_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def remember(urls: list[str], downloads: str, listed: dict[str, str | None], **limits: object) -> list[str]:
        asked.extend(urls)
        return urls

    monkeypatch.setattr(fetching, "fetch", remember)
    path = tmp_path / "wet.paths"
    path.write_text(f"{PATHS[0]}\nhttps://other.example/b.gz\n")
    with pytest.raises(ValueError, match=r"names a file on other\.example.*add hosts=other\.example"):
        expand({}, str(path), "downloads")
    assert asked == []
    expand({"hosts": "b.example+other.example"}, str(path), "downloads")
    assert sorted(asked) == [f"https://data.commoncrawl.org/{PATHS[0]}", "https://other.example/b.gz"]


def test_s3_without_boto3_says_what_to_install(tmp_path: Path, listing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_is_installed", lambda module: False)
    with pytest.raises(ValueError, match=r"s3://commoncrawl/.*needs boto3.*apache-beam\[aws\]"):
        expand({"files": "1", "base": "s3://commoncrawl"}, listing, str(tmp_path))
    with pytest.raises(ValueError, match="needs boto3"):
        inputs.find(c4.SOURCE, [({}, "s3://commoncrawl/wet.paths.gz")], str(tmp_path / "work/inputs.json"))


def test_a_remote_corpus_keeps_no_downloads() -> None:
    with pytest.raises(ValueError, match="--output must be local"):
        fetch(["https://a.example/x"], "s3://corpus/work/downloads")


def test_the_files_of_a_listing_are_inputs_by_their_content(server: Server, tmp_path: Path, listing: str) -> None:
    chosen = choose(PATHS, 3, "")
    for number, path in enumerate(chosen):
        server.on(f"/{path}", whole(b"WARC/1.0 %d" % number))
        (tmp_path / f"{number}.gz").write_bytes(b"WARC/1.0 %d" % number)
    _, attributes, pattern = inputs.parse_option(f"c4[files=3,base={server.url}]={listing}", ["c4"])
    cache = str(tmp_path / "corpus/work/inputs.json")
    by_listing = inputs.find(c4.SOURCE, [(attributes, pattern)], cache)
    by_path = inputs.find(c4.SOURCE, [({}, str(tmp_path / "[0-9].gz"))], cache)
    assert [found.digest for found in by_listing] == [found.digest for found in by_path]
    assert all(found.path.startswith(str(tmp_path / "corpus/work/downloads/")) for found in by_listing)
