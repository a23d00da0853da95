import json
from pathlib import Path

import pytest

from model import configs
from tests.train import processes, test_parallel
from tests.train.evaluation.examples import ROWS
from tests.train.evaluation.test_asking import lines
from tests.train.test_pretrain import TINY, arguments
from train import report
from train.config import RunConfig
from train.evaluation.__main__ import main as evaluate
from train.evaluation.during import chosen
from train.evaluation.history import Scored, latest, scored, with_scores
from train.pretrain import main
from train.records import read_log


def test_a_run_scores_benchmarks_at_its_evaluations_and_afterwards(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    piqa = lines(tmp_path / "piqa.jsonl", *[ROWS["piqa"]] * 3, {**ROWS["piqa"], "label": 1})
    siqa = lines(tmp_path / "siqa.jsonl", *[ROWS["siqa"]] * 4)
    run, many = tmp_path / "run", ["--evaluate-every", "1", "--checkpoint-every", "1", "--keep-checkpoints", "3"]
    words = [*arguments(shared_corpus, run, *many), "--steps", "3", "--warmup-steps", "1"]
    assert main([*words, "--benchmarks", f"piqa={piqa},siqa={siqa}", "--benchmark-limit", "4"]) == 0
    rows = [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert all(row["benchmarks"].keys() == row["benchmark_errors"].keys() == {"piqa", "siqa"} for row in rows)
    assert (
        evaluate(["--run", str(run), "--corpus", str(shared_corpus), "--step", "3", f"piqa={piqa}", f"siqa={siqa}"])
        == 0
    )
    (first, second) = [json.loads(line) for line in (run / "benchmarks.jsonl").read_text().splitlines()]
    # The last checkpoint scores what the run itself did at its end.
    assert first["parts"]["accuracy"]["value"] == rows[-1]["benchmarks"]["piqa"]
    assert second["parts"]["accuracy"]["error"] == pytest.approx(rows[-1]["benchmark_errors"]["siqa"])
    page = (report.write(run)[0]).read_text()
    assert '<h2 id="benchmarks-title">Benchmarks</h2>' in page
    assert '<th scope="row">piqa</th><td><bdi>3</bdi></td>' in page
    assert "<bdi>79.8 %</bdi>" in page


def test_what_is_wrong_with_a_file_is_said_before_any_training(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    path = lines(tmp_path / "q.jsonl", ROWS["siqa"])
    assert main(arguments(shared_corpus, tmp_path / "run", "--benchmarks", f"piqa={path}")) == 2
    assert "it looks like a row of siqa" in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "run").glob("checkpoints/step-*"))


def test_ranks_that_share_a_model_score_what_one_does(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", test_parallel.TINY)
    rows = [
        {**ROWS["siqa"], "context": "Ana left. " * (n % 9), "answerA": "x" * n, "label": str(n % 3 + 1)}
        for n in range(30)
    ]
    words = ["--benchmarks", f"siqa={lines(tmp_path / 'siqa.jsonl', *rows)}", "--stop-after", "7"]
    outputs = [tmp_path / "one", tmp_path / "two"]
    corpus = str(shared_corpus)
    assert test_parallel.runs(corpus, [["--output", str(outputs[0]), *words]]) == [0]
    assert processes.run(2, test_parallel.runs, corpus, [["--output", str(outputs[1]), *words]]) == [[0]] * 2
    one, two = (next(read_log(output / "evaluations.jsonl")) for output in outputs)
    assert one["benchmarks"] == two["benchmarks"]
    assert 0 < one["benchmarks"]["siqa"] < 1


def test_bad_fields() -> None:
    with pytest.raises(ValueError, match="tensor-parallel ranks score no benchmarks"):
        RunConfig(benchmarks="piqa=a", tensor_parallel=2)
    with pytest.raises(ValueError, match="benchmark_format is 'mine'; it must be one of paper, harness"):
        RunConfig(benchmark_format="mine")
    with pytest.raises(ValueError, match="benchmark_limit is -1"):
        RunConfig(benchmark_limit=-1)
    with pytest.raises(ValueError, match="TASK=PATH is expected"):
        chosen("piqa", 0, "paper")
    assert chosen("", 0, "paper") == ()


def test_of_a_step_the_last_score_counts() -> None:
    evaluations = [
        {
            "step": 1,
            "tokens": 10,
            "bits_per_byte": {"c4": 2.0},
            "benchmarks": {"piqa": 0.5},
            "benchmark_errors": {"piqa": 0.1},
        },
        {"step": 2, "tokens": 20, "bits_per_byte": {"c4": 1.0}},
    ]

    def afterwards(step: int, format: str, value: float) -> dict[str, object]:
        return {"step": step, "task": "piqa", "format": format, "parts": {"accuracy": {"value": value, "error": 0.2}}}

    rows = [afterwards(1, "paper", 0.6), afterwards(3, "harness", 0.7), afterwards(3, "harness", 0.8)]
    found = scored(evaluations, rows)
    assert found == [Scored(1, "piqa", 0.6, 0.2), Scored(3, "piqa (harness)", 0.8, 0.2)]
    assert with_scores(evaluations, found, {3: 30}) == [
        {**evaluations[0], "benchmarks": {"piqa": 0.6}},
        {**evaluations[1], "benchmarks": {}},
        {"step": 3, "tokens": 30, "bits_per_byte": {}, "benchmarks": {"piqa (harness)": 0.8}},
    ]
    assert latest(found) == [
        ("piqa", "1", "60.0 %", "20.0 %", "79.8 %", "80.1 %", "82.3 %", "82.8 %"),
        ("piqa (harness)", "3", "80.0 %", "20.0 %", "79.8 %", "80.1 %", "82.3 %", "82.8 %"),
    ]
