import json
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from model import configs
from model.configs import ModelConfig
from pipelines.table1 import SOURCES
from pipelines.tokens.shards import Manifest
from tests.train.synthetic import edit_manifest, load_latest
from train.config import RunConfig
from train.display import Display
from train.pretrain import main
from train.records import read_log
from train.run import Run, open_run, train_step

TINY = ModelConfig(dim=32, layers=2, heads=2, kv_heads=1, hidden=64, context=64)


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)


def arguments(corpus: Path, output: Path, *more: str) -> list[str]:
    """Return a command line; later options replace earlier ones."""
    fixed = "--device cpu --model tiny --sequence-length 32 --batch-sequences 4 --steps 40 --warmup-steps 4"
    small = "--checkpoint-every 10 --evaluate-every 15 --evaluation-tokens 300 --sample-tokens 12"
    return ["--corpus", str(corpus), "--output", str(output), *fixed.split(), *small.split(), *more]


def final(output: Path) -> Mapping[str, Any]:
    found = load_latest(output / "checkpoints", lambda message: pytest.fail(message))
    assert found is not None
    return {**found.tensors, "state": found.state}


def learnt(output: Path) -> Mapping[str, Any]:
    """Return all of the last checkpoint but the time it took."""
    found = final(output)
    return {**found, "state": {name: value for name, value in found["state"].items() if name != "seconds"}}


def assert_same(one: object, other: object) -> None:
    if isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor)
        assert torch.equal(one, other)
    elif isinstance(one, Mapping):
        assert isinstance(other, Mapping)
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    else:
        assert one == other


def losses(output: Path) -> list[tuple[int, float]]:
    return [(row["step"], row["loss"]) for row in read_log(output / "log.jsonl")]


@pytest.fixture(scope="module")
def straight(shared_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run of 40 steps."""
    output = tmp_path_factory.mktemp("straight")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(configs.MODELS, "tiny", TINY)
        assert main(arguments(shared_corpus, output)) == 0
    return output


def test_a_run_learns_and_leaves_its_files(straight: Path) -> None:
    rows = list(read_log(straight / "log.jsonl"))
    assert [row["step"] for row in rows] == list(range(1, 41))
    assert rows[0]["loss"] == pytest.approx(5.77, abs=0.1)  # ln 320: it knows nothing yet
    assert rows[-1]["loss"] < rows[0]["loss"] - 1
    assert rows[-1]["tokens"] == 40 * 4 * 32
    for row in rows:
        mean = sum(loss * count for loss, count in row["sources"].values()) / 4
        assert row["loss"] == pytest.approx(mean)
    assert (straight / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert rows[-1]["memory_bytes"] > 10**7
    assert rows[-1]["mfu"] is rows[-1]["peak_flops"] is rows[-1]["footprint"] is None  # of no known GPU
    page = (straight / "report.html").read_text()
    assert page.count("<svg") >= 2
    assert all(name in page for name in SOURCES)
    assert sorted(path.name for path in (straight / "checkpoints").iterdir()) == ["step-00000030", "step-00000040"]


def test_the_summary_is_the_exact_ledger(straight: Path) -> None:
    summary = json.loads((straight / "summary.json").read_text())
    counted: dict[str, int] = dict.fromkeys(SOURCES, 0)
    for row in read_log(straight / "log.jsonl"):
        for name, (_, count) in row["sources"].items():
            counted[name] += count * 32
    assert {name: summary["sources"][name]["tokens"] for name in SOURCES} == counted
    assert sum(counted.values()) == summary["tokens"] == 40 * 4 * 32
    for name in SOURCES:
        source = summary["sources"][name]
        assert source["epochs"] == pytest.approx(counted[name] / 32 / source["sequences"])
        assert 1 < source["bits_per_byte"] < 8
        assert 0 < source["held_out"]["tokens"] <= 300
    assert summary["text"].startswith("The")
    assert list(read_log(straight / "log.jsonl"))[-1]["ledger"] == counted
    evaluations = list(read_log(straight / "evaluations.jsonl"))
    assert [row["step"] for row in evaluations] == [15, 30, 40]
    assert evaluations[-1]["text"] == summary["text"]
    for name in SOURCES:
        first, *_, last = (row["bits_per_byte"][name] for row in evaluations)
        assert last == summary["sources"][name]["bits_per_byte"] < first


def test_twenty_steps_and_twenty_more_equal_forty(straight: Path, shared_corpus: Path, tmp_path: Path) -> None:
    assert main(arguments(shared_corpus, tmp_path, "--stop-after", "20")) == 0
    assert final(tmp_path)["state"]["step"] == 20
    assert not (tmp_path / "summary.json").exists()
    assert main(arguments(shared_corpus, tmp_path)) == 0
    assert_same(learnt(tmp_path), learnt(straight))
    assert losses(tmp_path) == losses(straight)
    evaluations = [(output / "evaluations.jsonl").read_text() for output in (tmp_path, straight)]
    assert evaluations[0] == evaluations[1]


@pytest.mark.parametrize("sharded", ["false", "true"])
def test_what_changes_no_more_than_rounding_may_change(
    straight: Path, shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sharded: str
) -> None:
    fused: list[bool] = []
    step = torch.optim.AdamW.step

    def noted(optimizer: torch.optim.AdamW, *args: Any) -> Any:
        fused.extend(group["fused"] for group in optimizer.param_groups)
        return step(optimizer, *args)

    more = ["--stop-after", "10", "--checkpoint-async", sharded]
    assert main(arguments(shared_corpus, tmp_path, "--fused-optimizer", "false", *more)) == 0
    changed = ["--micro-sequences", "2", "--checkpointing", "full", "--loss-chunk", "16", "--stop-after", "20"]
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", noted)
        assert main(arguments(shared_corpus, tmp_path, *changed, "--checkpoint-async", sharded)) == 0
    assert fused == [True] * 20
    assert main(arguments(shared_corpus, tmp_path, "--micro-sequences", "1", "--fused-optimizer", "false")) == 0
    assert [step for step, _ in losses(tmp_path)] == list(range(1, 41))
    for (_, one), (_, other) in zip(losses(tmp_path), losses(straight), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_a_killed_run_continues_from_its_checkpoint(
    straight: Path, shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Display.update

    def killed(self: Display, row: Mapping[str, Any], steps: int) -> None:
        update(self, row, steps)
        if row["step"] == 27:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Display, "update", killed)
        main(arguments(shared_corpus, tmp_path))
    assert final(tmp_path)["state"]["step"] == 20
    assert main(arguments(shared_corpus, tmp_path)) == 0
    assert_same(learnt(tmp_path), learnt(straight))
    assert losses(tmp_path) == losses(straight)


def test_sigterm_saves_exits_and_resumes(
    straight: Path,
    shared_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    update = Display.update

    def terminated(self: Display, row: Mapping[str, Any], steps: int) -> None:
        update(self, row, steps)
        if row["step"] == 13:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(Display, "update", terminated)
        assert main(arguments(shared_corpus, tmp_path)) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    assert "SIGTERM: saved at step 13" in capsys.readouterr().out
    assert final(tmp_path)["state"]["step"] == 13
    assert main(arguments(shared_corpus, tmp_path)) == 0
    assert_same(learnt(tmp_path), learnt(straight))


def test_a_damaged_checkpoint_falls_back_and_ends_the_same(
    straight: Path, shared_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(shared_corpus, tmp_path, "--stop-after", "20")) == 0
    broken = tmp_path / "checkpoints" / "step-00000020" / "optimizer.pt"
    broken.write_bytes(broken.read_bytes()[:-100])
    capsys.readouterr()
    assert main(arguments(shared_corpus, tmp_path)) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "going back to the checkpoint before it" in printed
    assert "resumed at step 10" in printed
    assert_same(learnt(tmp_path), learnt(straight))


def test_a_finished_run_says_so(straight: Path, shared_corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (straight / "summary.json").stat().st_mtime_ns
    assert main(arguments(shared_corpus, straight)) == 0
    assert "is finished (40 steps)" in capsys.readouterr().out
    assert (straight / "summary.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--learning-rate", "1e-4", "learning_rate is 0.0001, but the run in .* has 0.003"),
        ("--steps", "80", "steps is 80, but the run in .* has 40"),
        ("--seed", "1", "seed is 1"),
        ("--proportions", "books=1", "proportions is 'books=1'"),
        ("--model", "cpu", "model is 'cpu', but the run in .* has 'tiny'"),
    ],
)
def test_another_configuration_is_refused_by_field(
    straight: Path, shared_corpus: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, message: str
) -> None:
    assert main(arguments(shared_corpus, straight, option, value)) == 2
    printed = capsys.readouterr().err
    assert re.search(message, printed)
    assert "give another --output" in printed


def test_a_corpus_that_was_rebuilt_is_refused(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(corpus, tmp_path / "run", "--stop-after", "10")) == 0
    source = corpus / "tokens" / "github"
    manifest = json.loads((source / "manifest.json").read_text())
    manifest["splits"]["train"][0]["bin_sha256"] = "0" * 64
    (source / "manifest.json").write_text(json.dumps(manifest))
    assert main(arguments(corpus, tmp_path / "run")) == 2
    assert "the tokens of github are not those that the run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--proportions", "books=0.5,c4=0.4"], "proportions add up to 0.9; they must add up to exactly 1"),
        (["--proportions", "books=1,news=1"], "no tokens of news"),
        (["--model", "8B"], "model '8B' is not known"),
        (["--sequence-length", "65"], "sequence_length is 65, but model tiny has a context of 64"),
        (["--corpus", "nowhere"], "nowhere: no tokens of common_crawl"),
    ],
)
def test_errors_of_use_come_before_training(
    shared_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main(arguments(shared_corpus, tmp_path / "run", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_source_without_tokens_or_shorter_than_a_sequence_is_named(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_manifest(corpus / "tokens" / "arxiv", splits={"train": (), "validation": ()})
    assert main(arguments(corpus, tmp_path / "run")) == 2
    assert "arxiv has no tokens" in capsys.readouterr().err
    more = ["--proportions", "stack_exchange=1", "--sequence-length", "2000", "--model", "cpu"]
    assert main(arguments(corpus, tmp_path / "run", *more)) == 2
    assert "fewer than one sequence of 2000" in capsys.readouterr().err


def test_gradients_do_not_depend_on_the_micro_batch(shared_corpus: Path, tmp_path: Path) -> None:
    results = []
    for micro in (8, 4, 1):
        config = RunConfig(
            corpus=str(shared_corpus),
            output=str(tmp_path),
            device="cpu",
            model="tiny",
            sequence_length=32,
            batch_sequences=8,
            micro_sequences=micro,
            steps=3,
        )
        run = open_run(config, lambda message: None)
        batches = run.batches(3)
        results.append([train_step(run, batches) for _ in range(3)])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
            assert two["gradient_norm"] == pytest.approx(one["gradient_norm"], rel=1e-4)
            assert two["sources"].keys() == one["sources"].keys()


def test_ten_steps_without_finite_gradients_end_the_run(
    shared_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.optimizer.nn.utils.clip_grad_norm_", lambda weights, norm: torch.tensor(torch.nan))
    assert main(arguments(shared_corpus, tmp_path)) == 2
    assert "not finite in 10 steps in a row" in capsys.readouterr().err
    assert [row["gradient_norm"] for row in read_log(tmp_path / "log.jsonl")] == [None] * 9


def test_a_corpus_that_holds_nothing_out_is_an_error_before_training(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(SOURCES):
        if number == 6:
            assert main(arguments(corpus, tmp_path / "some", "--steps", "1")) == 0
            printed = " ".join(capsys.readouterr().out.split())
            assert f"no documents are held out of {', '.join(SOURCES[:6])}" in printed
        splits = Manifest.load(corpus / "tokens" / name).splits
        edit_manifest(corpus / "tokens" / name, splits={**splits, "validation": ()})
    assert main(arguments(corpus, tmp_path / "run")) == 2
    assert "no source has validation tokens: build the corpus with a validation split" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main(arguments(corpus, tmp_path / "run", "--steps", "1", "--evaluation-tokens", "0")) == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            [],
            "halve --micro-sequences, now 4, set --checkpointing selective or full, set --loss-chunk below 128, shard",
        ),
        (["--micro-sequences", "1", "--checkpointing", "full", "--loss-chunk", "9"], "too little memory: shard over"),
    ],
)
def test_too_little_memory_says_what_to_change(
    shared_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    def greedy(run: Run, tokens: torch.Tensor) -> torch.Tensor:
        return torch.empty(2**60)

    with monkeypatch.context() as patch:
        patch.setattr("train.run.sequence_losses", greedy)
        assert main(arguments(shared_corpus, tmp_path, *more)) == 1
    assert message in capsys.readouterr().err


def test_flex_attention_is_refused_where_it_cannot_train(
    shared_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(shared_corpus, tmp_path, "--attention", "flex", "--compile", "true")) == 2
    assert "attention is flex: it trains on a GPU only" in capsys.readouterr().err


@pytest.mark.parametrize("prompt", ["", "snow " * 200])
def test_a_prompt_of_any_length_ends_no_run(shared_corpus: Path, tmp_path: Path, prompt: str) -> None:
    assert main(arguments(shared_corpus, tmp_path, "--steps", "1", "--prompt", prompt)) == 0
    assert (tmp_path / "summary.json").exists()
