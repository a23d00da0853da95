"""A corpus that is built again, elsewhere or otherwise: what is given, withdrawn, restored, and locked."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipelines import corpus, verify
from pipelines.files import ours, tables
from pipelines.runners.tasks import protocol
from pipelines.stages.jobs import Job, Shuffle
from tests.pipelines import tiny
from tests.pipelines.tiny import identity
from tests.tokenizer.models import KINDS, llama_pieces, serialized
from tests.tokenizer.texts import corpus as corpus_of_sentences
from tokenizer.encode import Tokenizer
from tokenizer.spec import LLAMA
from tokenizer.training import train
from train.corpus import open_corpus

PLAIN = ["--runner", "plain"]


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("tiny")
    return folder, tiny.write(folder)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, dumps: tuple[Path, list[str]]) -> Path:
    output = tmp_path_factory.mktemp("built") / "corpus"
    assert corpus.main([*dumps[1], *PLAIN, "--output", str(output), "--set", "keep_staged=false"]) == 0
    return output


def settings(options: Sequence[str]) -> list[str]:
    """Return the options without their inputs."""
    pairs = zip(options[::2], options[1::2], strict=True)
    return [word for name, value in pairs if name != "--input" for word in (name, value)]


def test_a_corpus_without_staged_text_changes_step_by_step(
    tmp_path: Path, dumps: tuple[Path, list[str]], built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    run = protocol.run

    def spy(jobs: Sequence[Job | Shuffle], *what: Any, **how: Any) -> None:
        ran.extend(job.label for job in jobs)
        run(jobs, *what, **how)

    monkeypatch.setattr(protocol, "run", spy)
    options = [*dumps[1], *PLAIN, "--output", str(built), "--set", "keep_staged=false"]
    wanted = identity(built)
    assert not list(built.glob("work/*/*/*.parquet"))
    assert corpus.main(options) == 0
    assert ran == []
    for setting in ("common_crawl.training.seed=1", "books.overlap.threshold=0.5", "c4.lines.min_sentences=5"):
        assert corpus.main([*options, "--set", setting]) == 0
        assert list(verify.problems(str(built))) == []
    assert {"common_crawl/quality, for reference", "c4/pages, for lines"} <= set(ran)
    assert corpus.main(options) == 0
    assert identity(built) == wanted
    assert not list(built.glob("work/*/*/*.parquet"))


def test_common_crawl_alone_with_models_of_another_corpus(
    tmp_path: Path, dumps: tuple[Path, list[str]], built: Path
) -> None:
    options = ["--input", f"common_crawl={dumps[0]}/common_crawl/*.gz", *settings(dumps[1]), *PLAIN]
    for name in ("language_models", "reference", "cutoffs", "tokenizer"):
        options += ["--model", f"{name}={built}/models/{name}"]
    output = tmp_path / "corpus"
    assert corpus.main([*options, "--output", str(output)]) == 0
    assert list(verify.problems(str(output))) == []
    counts = [
        json.loads((path / "common_crawl/manifest.json").read_text())["documents"]["count"] for path in (built, output)
    ]
    assert counts[0] == counts[1] > 0
    # The tokenizer goes with the tokens that it made, so that the corpus can be trained on; nothing else is copied.
    assert sorted(path.name for path in (output / "models").iterdir()) == ["manifest.json", "tokenizer"]
    model = "models/tokenizer/tokenizer.model"
    assert (output / model).read_bytes() == (built / model).read_bytes()
    assert open_corpus(output, ["common_crawl"]).tokenizer == output / model
    shards = [
        [path.read_bytes() for path in sorted(folder.glob("tokens/common_crawl/*.bin"))] for folder in (built, output)
    ]
    assert shards[0] == shards[1]


def test_no_tokens_of_two_tokenizers_stand_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.books(tmp_path, 4)
    tiny.arxiv(tmp_path / "arXiv_src_1904_001.tar", 4)
    output = tmp_path / "corpus"
    shared = [*PLAIN, "--set", "tokenizer.vocabulary=500", "--set", "buckets=2", "--output", str(output)]
    books, arxiv = ["--input", f"books={tmp_path}/*.txt"], ["--input", f"arxiv={tmp_path}/*.tar"]
    assert corpus.main([*books, *shared]) == 0
    model = (output / "models/tokenizer/tokenizer.model").read_bytes()
    wanted = identity(output)
    assert corpus.main([*arxiv, *shared]) == 2
    said = capsys.readouterr().err
    assert "the tokens of books are there, and their tokenizer would not be the one trained now" in said
    assert f"--model tokenizer={output}/models/tokenizer" in said
    assert identity(output) == wanted
    # With the corpus' own tokenizer the source is added, and the corpus is one of both.
    assert corpus.main([*arxiv, *shared, "--model", f"tokenizer={output}/models/tokenizer"]) == 0
    assert json.loads((output / "manifest.json").read_text())["sources"] == ["books", "arxiv"]
    assert list(verify.problems(str(output))) == []
    assert (output / "models/tokenizer/tokenizer.model").read_bytes() == model
    assert wanted.items() <= identity(output).items()
    open_corpus(output, ["books", "arxiv"])
    # One that was given is another one; all sources together are built with it.
    train(corpus_of_sentences(), tmp_path / "other.model", replace(LLAMA, vocab_size=600))
    other = ["--model", f"tokenizer={tmp_path}/other.model"]
    assert corpus.main([*arxiv, *shared, *other]) == 2
    assert "the tokens of books are there, and their tokenizer is not the one given" in capsys.readouterr().err
    assert corpus.main([*books, *arxiv, *shared, *other]) == 0
    assert (output / "models/tokenizer/tokenizer.model").read_bytes() == (tmp_path / "other.model").read_bytes()
    assert list(verify.problems(str(output))) == []
    open_corpus(output, ["books", "arxiv"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "lids=x"], "there is no model 'lids'; available: lid, bad_words"),
        (["--model", "cutoffs=."], "--model cutoffs=.: a directory with cutoffs.json is expected"),
        (["--set", "buckets=3"], "buckets is 3; it must be a power of two"),
        (["--source", "c4", "--source", "books"], "--source books: no input is given for it"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, dumps: tuple[Path, list[str]], options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, all_options = dumps
    given = ["--input", f"c4={folder}/c4/*.gz", *settings(all_options), *options, "--output", str(tmp_path / "corpus")]
    if "--model" in options and "cutoffs" in options[1]:
        given += ["--input", f"common_crawl={folder}/common_crawl/*.gz"]
    assert corpus.main([*given, *PLAIN]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c4=a.warc.wet.gz", b"", "--input c4={path}: this is an empty file"),
        ("c4=a.warc.wet.gz", b"no gzip", "--input c4={path}: this is text; a WET, WARC or ARC file"),
        (
            "stack_exchange=a.example.org.7z",
            b"no archive",
            "--input stack_exchange={path}: this is text; a site's 7z archive or",
        ),
        (
            "stack_exchange=a.example.org.7z",
            b"7z\xbc\xaf\x27\x1c\0\4",
            "--input stack_exchange={path}: the archive cannot be",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_source(
    tmp_path: Path,
    dumps: tuple[Path, list[str]],
    name: str,
    content: bytes,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, _, file = name.partition("=")
    path = tmp_path / file
    path.write_bytes(content)
    options = ["--input", f"{source}={path}", *settings(dumps[1]), "--output", str(tmp_path / "corpus")]
    assert corpus.main([*options, *PLAIN]) != 0
    assert message.format(path=path) in capsys.readouterr().err
    assert not (tmp_path / "corpus/manifest.json").exists()


def test_a_failed_rebuild_leaves_no_manifest_of_what_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.books(tmp_path, 4)
    tiny.arxiv(tmp_path / "arXiv_src_1904_001.tar", 4)
    options = ["--input", f"books={tmp_path}/*.txt", "--input", f"arxiv={tmp_path}/*.tar", *PLAIN]
    options += ["--set", "tokenizer.vocabulary=500", "--set", "buckets=2", "--output", str(tmp_path / "corpus")]
    assert corpus.main(options) == 0

    def killed(*jobs: object, **how: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(protocol, "run", killed)
        assert corpus.main([*options, "--set", "books.overlap.threshold=0.5"]) == 130
    left = {str(path.relative_to(tmp_path / "corpus")) for path in (tmp_path / "corpus").glob("**/manifest.json")}
    assert left == {"arxiv/manifest.json", "tokens/arxiv/manifest.json", "models/tokenizer/manifest.json"}
    assert corpus.main(options) == 0
    assert list(verify.problems(str(tmp_path / "corpus"))) == []


def test_two_builds_do_not_share_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.books(tmp_path, 4)
    output = tmp_path / "corpus"
    options = ["--input", f"books={tmp_path}/*.txt", "--output", str(output), "--set", "tokenizer.vocabulary=500"]
    ours.claim(str(output), ours.Kind.CORPUS)
    (output / "work").mkdir()
    with (output / "work/lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert corpus.main([*options, *PLAIN]) == 2
        assert "another build is writing there" in capsys.readouterr().err
    assert corpus.main([*options, *PLAIN]) == 0


def test_llamas_own_tokenizer_is_used_if_it_is_given(tmp_path: Path) -> None:
    tiny.books(tmp_path, 4)
    path, output = tmp_path / "llama" / "tokenizer.model", tmp_path / "corpus"
    path.parent.mkdir()
    path.write_bytes(serialized(llama_pieces(), KINDS))
    options = ["--recipe", "paper", "--input", f"books={tmp_path}/*.txt", "--output", str(output), *PLAIN]
    assert corpus.main([*options, "--set", "buckets=2", "--model", f"tokenizer={path.parent}"]) == 0
    assert list(verify.problems(str(output))) == []
    opened = open_corpus(output, ["books"])
    assert opened.vocabulary == 32_000
    assert opened.tokenizer.read_bytes() == path.read_bytes()
    stream = opened.stream("books")
    tokens, ends = stream.read(0, len(stream)), stream.document_ends().tolist()
    texts = {row["text"] for file in output.glob("books/documents/*") for row in tables.read_rows(str(file))}
    tokenizer = Tokenizer(path)
    for start, end in pairwise([0, *ends]):
        assert tokenizer.decode(tokens[start:end]) in texts
