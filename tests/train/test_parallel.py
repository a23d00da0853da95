import os
import signal
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode

from model import configs
from model.configs import ModelConfig
from model.llama import LLaMA
from tests.train import processes
from train.config import launched
from train.display import Display
from train.loss import document_mask, document_numbers, token_losses
from train.parallel import Switches, World, build, check_shape, joined, reduce_gradients, whole
from train.pretrain import main
from train.records import read_log

SHAPE = ModelConfig(dim=32, layers=2, heads=4, kv_heads=2, hidden=64, vocabulary=101, context=64)
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    tensor: int = 1
    replicas: int = 1
    precision: str = "float32"
    checkpointing: str = "none"
    chunk: int = 0
    cut_logits: bool = True
    prefetch: int = 0
    reduction: str = "micro-batch"
    mask: bool = False
    compile: bool = False
    attention: str = "sdpa"
    residual: str = "float32"


def gradients(case: Case) -> dict[str, Any]:
    """Return the mean loss and every whole gradient of a fixed batch, computed by all ranks together."""
    with joined(CPU, case.tensor, case.replicas) as world:
        switches = Switches(
            case.precision,
            case.checkpointing,
            case.compile,
            case.cut_logits,
            case.prefetch,
            case.attention,
            case.residual,
        )
        model = build(SHAPE, 3, CPU, world, switches)
        tokens = torch.randint(0, 101, (8, 33), generator=torch.Generator().manual_seed(1))
        mine = tokens[world.data_rank :: world.data_size]
        total = torch.zeros(0)
        widths: list[int] = []
        model.output.register_forward_hook(lambda module, inputs, logits: widths.append(local(logits).shape[-1]))
        with Communication() as communication:
            for last, micro in zip(last_of(len(mine) // 2), torch.split(mine, 2), strict=True):  # accumulated
                reduce_gradients(model, last or case.reduction == "micro-batch")
                mask = document_mask(document_numbers(micro[:, :-1] % 9, 1, 2)) if case.mask else None
                with torch.autocast("cpu", torch.bfloat16, enabled=case.precision == "bfloat16"):
                    losses = token_losses(model, micro, case.chunk, mask).mean(1)
                torch.autograd.backward(losses.sum() / 8)
                total = torch.cat([total, losses.detach()])
        everyone = world.gather(total)
        result: dict[str, Any] = {name: gradient_of(weight) for name, weight in model.named_parameters()}
        seen = {"order": communication.order, "logits": max(widths)}
        return {**result, "losses": everyone, "parts": part_of(model), "seen": seen}


def last_of(count: int) -> list[bool]:
    return [number == count - 1 for number in range(count)]


class Communication(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes gathers (g), reductions (r) and attention (a) in their order."""

    MARKS = MappingProxyType(
        {"_allgather_base_": "g", "_reduce_scatter_base_": "r", "_scaled_dot_product_flash_attention_for_cpu": "a"}
    )

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.order = ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.order += self.MARKS.get(func.overloadpacket.__name__, "")
        return func(*args, **(kwargs or {}))


def part_of(model: LLaMA) -> float:
    """Return what part of the weights this rank holds."""
    return sum(local(weight).numel() for weight in model.parameters()) / SHAPE.parameters


def local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gradient_of(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return whole(weight.grad)


def all_cases(cases: list[Case]) -> list[dict[str, Any]]:
    results = []
    for case in cases:
        processes.meet_anew()
        results.append(gradients(case))
    return results


def assert_equal(found: dict[str, Any], expected: dict[str, Any], rtol: float = 2e-5, atol: float = 1e-6) -> None:
    for name, value in expected.items():
        if name not in ("parts", "seen"):
            torch.testing.assert_close(found[name], value, rtol=rtol, atol=atol)


@pytest.fixture(scope="module")
def single() -> dict[str, Any]:
    return gradients(Case())


def test_two_ranks_have_the_losses_and_gradients_of_one(single: dict[str, Any]) -> None:
    cases = [
        Case(),
        Case(tensor=2),
        Case(replicas=2),
        Case(tensor=2, checkpointing="selective", chunk=10, cut_logits=False),
        Case(tensor=2, chunk=10, checkpointing="full"),
        Case(precision="bfloat16"),
        Case(precision="bfloat16", residual="bfloat16", attention="cudnn", tensor=2),
    ]
    *exact, narrow, narrower = processes.run(2, all_cases, cases)[1]
    assert [round(case["parts"], 2) for case in exact] == [0.5, 0.5, 1.0, 0.5, 0.5]
    assert [case["seen"]["logits"] for case in exact] == [101, 50, 101, 101, 50]  # of the second rank
    for case in exact:
        assert_equal(case, single)
    # To bfloat16's rounding, which norms gathered in it also have.
    expected = gradients(Case(precision="bfloat16"))
    for case in (narrow, narrower):
        assert_equal(case, expected, rtol=0.05, atol=2e-3)


def test_when_ranks_communicate_changes_no_gradient(single: dict[str, Any]) -> None:
    """Of two layers and what surrounds them, in two micro-batches."""
    cases = [Case(), Case(prefetch=1), Case(reduction="step"), Case(prefetch=2, reduction="step", checkpointing="full")]
    plain, ahead, once, both = processes.run(2, all_cases, cases)[1]
    for case in (plain, ahead, once, both):
        assert_equal(case, single)
    assert plain["seen"]["order"] == 2 * "ggagaggrrr"
    assert ahead["seen"]["order"] == 2 * "gggaaggrrr"  # both layers are gathered before the first attends
    for case in (once, both):
        assert case["seen"]["order"].count("r") == 3
        assert case["seen"]["order"].index("r") > case["seen"]["order"].rindex("g")


def test_masked_documents_are_masked_on_every_rank() -> None:
    cases = [Case(mask=True), Case(mask=True, tensor=2, checkpointing="selective")]
    expected = gradients(Case(mask=True))
    for found in processes.run(2, all_cases, cases)[1]:
        assert_equal(found, expected)


@pytest.mark.full
def test_four_ranks_have_the_losses_and_gradients_of_one(single: dict[str, Any]) -> None:
    cases = [
        Case(prefetch=1),
        Case(tensor=2, checkpointing="full"),
        Case(replicas=2, chunk=7, reduction="step"),
        Case(tensor=2, replicas=2, checkpointing="selective", chunk=9),
        Case(reduction="step", checkpointing="selective"),
    ]
    parts = (0.25, 0.25, 0.5, 0.5, 0.25)
    for found, part in zip(processes.run(4, all_cases, cases)[3], parts, strict=True):
        assert found["parts"] == pytest.approx(part, abs=0.02)
        assert_equal(found, single)


@pytest.mark.full
def test_compiled_layers_have_the_same_gradients_on_two_ranks(single: dict[str, Any]) -> None:
    cases = [Case(compile=True), Case(compile=True, checkpointing="selective", chunk=10)]
    for found in processes.run(2, all_compiled, cases)[1]:
        assert_equal(found, single, rtol=1e-4)


def all_compiled(cases: list[Case]) -> list[dict[str, Any]]:
    warnings.simplefilter("ignore")  # of the compiler's own dependencies
    return all_cases(cases)


TINY = ModelConfig(dim=32, layers=2, heads=2, kv_heads=2, hidden=64, context=64)


def runs(corpus: str, commands: list[list[str]]) -> list[int]:
    configs.MODELS["tiny"] = TINY
    fixed = "--device cpu --model tiny --sequence-length 32 --batch-sequences 8 --micro-sequences 2 --steps 12"
    small = "--warmup-steps 4 --checkpoint-every 4 --evaluate-every 6 --evaluation-tokens 100 --sample-tokens 3"
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
        assert one["ledger"] == two["ledger"]
    held_out = [list(read_log(path / "evaluations.jsonl")) for path in (output, other)]
    assert [row["step"] for row in held_out[0]] == [6, 12]
    for one, two in zip(*held_out, strict=True):
        assert one["bits_per_byte"] == pytest.approx(two["bits_per_byte"], rel=1e-4)


def test_a_run_changes_its_number_of_ranks(
    straight_twelve: Path, shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    corpus, one, two = str(shared_corpus), straight_twelve, tmp_path / "two"
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


def test_narrow_shards_are_trained_scored_and_sampled(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    narrow = ["--precision", "bfloat16", "--steps", "4"]
    outputs = [tmp_path / name for name in ("one", "shards", "tensor")]
    assert runs(str(shared_corpus), [["--output", str(outputs[0]), *narrow]]) == [0]
    commands = [
        ["--output", str(outputs[1]), *narrow],
        ["--output", str(outputs[2]), *narrow, "--tensor-parallel", "2"],
    ]
    assert processes.run(2, runs, str(shared_corpus), commands) == [[0, 0]] * 2
    expected, *found = [list(read_log(output / "evaluations.jsonl"))[-1]["bits_per_byte"] for output in outputs]
    for bits in found:
        assert bits == pytest.approx(expected, rel=0.01)


def test_sigterm_to_one_rank_saves_on_all(
    straight_twelve: Path, shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["--output", str(tmp_path), "--checkpoint-every", "100"]
    assert processes.run(2, terminated, str(shared_corpus), command) == [0, 0]
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000005"]
    assert processes.run(2, runs, str(shared_corpus), [command]) == [[0], [0]]
    assert_same_run(tmp_path, straight_twelve)


def terminated(corpus: str, command: list[str]) -> int:
    """Run a command of which the second rank is told to stop during its fifth step."""
    update = Display.update

    def told(self: Display, row: Mapping[str, Any], steps: int) -> None:
        update(self, row, steps)
        if row["step"] == 5 and torch.distributed.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Display, "update", told)
        return runs(corpus, [command])[0]


@pytest.fixture(scope="module")
def straight_twelve(shared_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of twelve steps by one process."""
    output = tmp_path_factory.mktemp("straight")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(configs.MODELS, "tiny", TINY)
        assert runs(str(shared_corpus), [["--output", str(output)]]) == [0]
    return output


def test_what_does_not_divide_is_named() -> None:
    with pytest.raises(ValueError, match="tensor_parallel is 4; it must divide kv_heads, 2"):
        check_shape(SHAPE, 32, 4)
    with pytest.raises(ValueError, match="tensor_parallel is 2; it must divide sequence_length, 33"):
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


@pytest.mark.full
def test_four_ranks_resume_what_two_saved(
    straight_twelve: Path, shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = ["--output", str(tmp_path), "--checkpoint-async", "true", "--reduction", "step", "--prefetch", "1"]
    two = [*spread, "--stop-after", "6", "--tensor-parallel", "2"]
    assert processes.run(2, runs, str(shared_corpus), [two]) == [[0]] * 2
    assert processes.run(4, runs, str(shared_corpus), [[*spread, "--replicas", "2", "--loss-chunk", "40"]]) == [[0]] * 4
    assert_same_run(tmp_path, straight_twelve)
