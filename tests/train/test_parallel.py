from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from model import configs
from model.configs import ModelConfig
from model.llama import LLaMA
from tests.train import processes
from train.loss import token_losses
from train.meters import read_log
from train.parallel import Switches, World, build, check_shape, joined, launched
from train.pretrain import main

SHAPE = ModelConfig(dim=32, layers=2, heads=4, kv_heads=2, hidden=64, vocabulary=101, context=64)
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    tensor: int = 1
    replicas: int = 1
    precision: str = "float32"
    checkpointing: str = "none"
    chunk: int = 0


def gradients(case: Case) -> dict[str, Any]:
    """Return the mean loss and every whole gradient of a fixed batch, computed by all ranks together."""
    with joined(CPU, case.tensor, case.replicas) as world:
        model = build(SHAPE, 3, CPU, world, Switches(case.precision, case.checkpointing))
        tokens = torch.randint(0, 101, (8, 33), generator=torch.Generator().manual_seed(1))
        mine = tokens[world.data_rank :: world.data_size]
        total = torch.zeros(0)
        for micro in torch.split(mine, 2):  # accumulated
            with torch.autocast("cpu", torch.bfloat16, enabled=case.precision == "bfloat16"):
                losses = token_losses(model, micro, case.chunk).mean(1)
            torch.autograd.backward(losses.sum() / 8)
            total = torch.cat([total, losses.detach()])
        everyone = world.gather(total)
        result: dict[str, Any] = {name: whole(weight.grad) for name, weight in model.named_parameters()}
        return {**result, "losses": everyone, "parts": part_of(model)}


def part_of(model: LLaMA) -> float:
    """Return what part of the weights this rank holds."""
    held = sum(w.to_local().numel() if isinstance(w, DTensor) else w.numel() for w in model.parameters())
    return held / SHAPE.parameters


def whole(gradient: Tensor | None) -> Tensor:
    assert gradient is not None
    return gradient.full_tensor() if isinstance(gradient, DTensor) else gradient


def all_cases(cases: list[Case]) -> list[dict[str, Any]]:
    results = []
    for case in cases:
        processes.meet_anew()
        results.append(gradients(case))
    return results


def assert_equal(found: dict[str, Any], expected: dict[str, Any], rtol: float = 2e-5, atol: float = 1e-6) -> None:
    for name, value in expected.items():
        if name != "parts":
            torch.testing.assert_close(found[name], value, rtol=rtol, atol=atol)


@pytest.fixture(scope="module")
def single() -> dict[str, Any]:
    return gradients(Case())


def test_two_ranks_have_the_losses_and_gradients_of_one(single: dict[str, Any]) -> None:
    cases = [
        Case(),
        Case(tensor=2),
        Case(replicas=2),
        Case(tensor=2, checkpointing="selective", chunk=10),
        Case(precision="bfloat16"),
    ]
    sharded, tensor, replicated, chunked, narrow = processes.run(2, all_cases, cases)[1]
    assert [round(case["parts"], 2) for case in (sharded, tensor, replicated, chunked)] == [0.5, 0.5, 1.0, 0.5]
    for case in (sharded, tensor, replicated, chunked):
        assert_equal(case, single)
    # To bfloat16's rounding, which norms gathered in it also have.
    assert_equal(narrow, gradients(Case(precision="bfloat16")), rtol=0.05, atol=2e-3)


@pytest.mark.full
def test_four_ranks_have_the_losses_and_gradients_of_one(single: dict[str, Any]) -> None:
    cases = [Case(), Case(tensor=2, checkpointing="full"), Case(replicas=2, chunk=7), Case(tensor=2, replicas=2)]
    for found, part in zip(processes.run(4, all_cases, cases)[3], (0.25, 0.25, 0.5, 0.5), strict=True):
        assert found["parts"] == pytest.approx(part, abs=0.02)
        assert_equal(found, single)


TINY = ModelConfig(dim=32, layers=2, heads=2, kv_heads=2, hidden=64, context=64)


def runs(corpus: str, commands: list[list[str]]) -> list[int]:
    configs.MODELS["tiny"] = TINY
    fixed = "--device cpu --model tiny --sequence-length 32 --batch-sequences 8 --micro-sequences 2 --steps 12"
    small = "--warmup-steps 4 --checkpoint-every 4 --evaluation-tokens 100 --sample-tokens 3"
    results = []
    for command in commands:
        if launched() > 1:
            processes.meet_anew()
        results.append(main(["--corpus", corpus, *fixed.split(), *small.split(), *command]))
    return results


def rows(output: Path) -> list[dict[str, Any]]:
    return list(read_log(output / "log.jsonl"))


def assert_same_run(output: Path, other: Path) -> None:
    assert [row["step"] for row in rows(output)] == list(range(1, 13))
    for one, two in zip(rows(output), rows(other), strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-4)
        assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-3)
        for name, (loss, count) in two["sources"].items():
            assert one["sources"][name] == [pytest.approx(loss, rel=1e-4), count]


def test_a_run_changes_its_number_of_ranks(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    corpus, one, two = str(shared_corpus), tmp_path / "one", tmp_path / "two"
    assert runs(corpus, [["--output", str(one)]]) == [0]
    # From one process to two, then back to one; the other way round with tensor parallelism.
    back, spread = tmp_path / "back", ["--tensor-parallel", "2", "--checkpoint-async", "true"]
    assert runs(corpus, [["--output", str(two), "--stop-after", "4"]]) == [0]
    commands = [
        ["--output", str(two), "--stop-after", "8"],
        ["--output", str(back), "--stop-after", "6", *spread],
        ["--output", str(tmp_path / "spread"), "--checkpointing", "selective", *spread],
    ]
    assert processes.run(2, runs, corpus, commands) == [[0, 0, 0]] * 2
    assert not (two / "checkpoints" / "step-00000008" / "model.pt").exists()
    assert runs(corpus, [["--output", str(two)], ["--output", str(back)]]) == [0, 0]
    for output in (two, back, tmp_path / "spread"):
        assert_same_run(output, one)
        assert (output / "summary.json").exists()


def test_what_does_not_divide_is_named() -> None:
    with pytest.raises(ValueError, match="tensor_parallel is 4, it must divide kv_heads, 2"):
        check_shape(SHAPE, 32, 4)
    with pytest.raises(ValueError, match="tensor_parallel is 2, it must divide sequence_length, 33"):
        check_shape(SHAPE, 33, 2)
    with (
        pytest.raises(ValueError, match="1 processes do not divide into replicas, 1, x tensor_parallel, 2"),
        joined(CPU, 2, 1),
    ):
        pass


def test_a_single_process_has_the_weights_that_the_model_draws_itself() -> None:
    ours = build(SHAPE, 3, CPU, World(), Switches())
    theirs = LLaMA(SHAPE).initialise(torch.Generator().manual_seed(3))
    assert torch.equal(ours.rotary, theirs.rotary)
    for name, weight in theirs.named_parameters():
        assert torch.equal(ours.get_parameter(name), weight), name


def test_a_run_with_masked_documents_learns_something_else(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    options = {"plain": [], "chunked": ["--loss-chunk", "20"], "masked": ["--document-mask", "true"]}
    for name, more in options.items():
        assert runs(str(shared_corpus), [["--output", str(tmp_path / name), *more]]) == [0]
    assert_same_run(tmp_path / "chunked", tmp_path / "plain")
    losses = [[row["loss"] for row in rows(tmp_path / name)] for name in ("plain", "masked")]
    assert losses[0][-1] != pytest.approx(losses[1][-1], rel=1e-4)
    assert losses[0][-1] == pytest.approx(losses[1][-1], abs=0.3)
