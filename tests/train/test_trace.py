import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.tokens import shards
from tests.pipelines import made
from tokenizer.encode import Tokenizer
from train import trace
from train.corpus import mixture_of, open_corpus
from train.mixture import parse_proportions

PROPORTIONS = "wikipedia=2,books=1"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = {"wikipedia": made.documents("wikipedia", 60), "books": made.documents("books", 20)}
    return made.write(tmp_path_factory.mktemp("made") / "corpus", sources)


@pytest.fixture
def run(corpus: Path, tmp_path: Path) -> Path:
    config = {"proportions": PROPORTIONS, "sequence_length": 64, "batch_sequences": 6, "seed": 5}
    digests = open_corpus(corpus, ["wikipedia", "books"]).digests()
    for step in (10, 20):
        path = tmp_path / "run" / "checkpoints" / f"step-{step:08d}" / "state.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"step": step, "config": config, "corpus": digests}))
    return tmp_path / "run"


def test_a_step_leads_to_the_documents_of_its_tokens(corpus: Path, run: Path) -> None:
    sequences = trace.open_run(run, corpus)
    tokenizer = Tokenizer(corpus / "models" / "tokenizer" / "tokenizer.model")
    texts = {document.id: document.text for source in ("wikipedia", "books") for document in made.documents(source, 60)}
    opened = open_corpus(corpus, ["wikipedia", "books"])
    sizes = {name: manifest.total("train", "tokens") for name, manifest in opened.manifests.items()}
    draw = mixture_of(sizes, parse_proportions(PROPORTIONS), 64, 5).at(np.arange(12, 18))  # step 3 of 6 sequences
    assert list(sequences.step(3)) == list(range(12, 18))
    for k, source, number in zip(range(12, 18), draw.source.tolist(), draw.sequence.tolist(), strict=True):
        name, _, parts = sequences.documents(k)
        assert name == ["wikipedia", "books"][source]
        stream = opened.stream(name)
        assert [parts[0].start, parts[-1].stop] == [number * 64, number * 64 + 65]
        for part in parts:
            read = tokenizer.decode(stream.read(part.start, part.stop)).strip("\ufffd ")
            assert read in texts[part.document]


def test_what_a_run_has_left_out_is_jumped_over(corpus: Path, run: Path) -> None:
    path = run / "checkpoints" / "step-00000020" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"left_out": [[12, 30]]}))
    sequences = trace.open_run(run, corpus)
    assert [sequences.step(step).start for step in (1, 2, 3, 4)] == [0, 6, 30, 36]
    assert list(sequences.step(3, 1, 2)) == [31, 33, 35]


def test_ranks_share_a_step(corpus: Path, run: Path) -> None:
    sequences = trace.open_run(run, corpus)
    assert [list(sequences.step(1, rank, 3)) for rank in range(3)] == [[0, 3], [1, 4], [2, 5]]


def test_the_command_prints_each_sequence(corpus: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.main([str(run), "--step", "2", "--corpus", str(corpus)]) == 0
    said = capsys.readouterr().out
    assert [line.split(":")[0] for line in said.splitlines() if line[0] == "k"] == [f"k = {k}" for k in range(6, 12)]
    assert "raw/wikipedia-" in said
    assert "https://example.org/books/" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--step", "0"], "step is 0"), (["--step", "1", "--rank", "2", "--world", "2"], "rank 2 of 2")],
)
def test_errors_of_use_are_named(
    corpus: Path, run: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        trace.main([str(run), "--corpus", str(corpus), *arguments])
    assert message in capsys.readouterr().err


def test_no_checkpoint_is_an_error(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run to trace"):
        trace.open_run(tmp_path, corpus)


def test_a_corpus_that_was_rebuilt_is_an_error(corpus: Path, run: Path, tmp_path: Path) -> None:
    other = made.write(
        tmp_path / "other", {"wikipedia": made.documents("wikipedia", 61), "books": made.documents("books", 20)}
    )
    assert shards.Manifest.load(other / "tokens" / "books").grand_total("tokens")
    with pytest.raises(ValueError, match="the tokens of wikipedia are not the ones"):
        trace.open_run(run, other)


@pytest.mark.parametrize("left_out", [[], [[12, 30]]])
def test_the_steps_that_read_a_token_are_those_that_list_it(
    corpus: Path, run: Path, left_out: list[list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "checkpoints" / "step-00000020" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"left_out": left_out}))
    sequences = trace.open_run(run, corpus)
    total = sequences.corpus.manifests["books"].total("train", "tokens")
    for first, last in ((0, 0), (63, 64), (64, 64), (total // 2, total // 2 + 40), (0, total - 1)):
        expected = [
            step
            for step in range(1, 21)
            for k in sequences.step(step)
            for source, _, parts in [sequences.documents(k)]
            if source == "books" and parts[0].start <= last and first < parts[-1].stop
        ]
        assert sequences.readers("books", first, last) == sorted(set(expected))
        arguments = [str(run), "--corpus", str(corpus), "--source", "books", "--tokens", f"{first}-{last}", "--json"]
        assert trace.main(arguments) == 0
        assert json.loads(capsys.readouterr().out) == {"steps": sorted(set(expected))}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--source", "c4", "--tokens", "0-1"], "the run reads wikipedia, books"),
        (["--source", "books", "--tokens", "5-1"], "the first not above the last"),
        (["--source", "books", "--tokens", "5"], "FIRST-LAST is expected"),
        (["--source", "books"], "--step, or --source with --tokens"),
        (["--step", "1", "--source", "books", "--tokens", "0-1"], "--step, or --source with --tokens"),
    ],
)
def test_wrong_questions_for_steps(
    corpus: Path, run: Path, given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        trace.main([str(run), "--corpus", str(corpus), *given])
    assert message in capsys.readouterr().err
