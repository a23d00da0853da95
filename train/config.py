"""The configuration of a run: one frozen dataclass, two named instances, single fields changed on the command line."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, get_type_hints

from pipelines import fields as typed_fields
from pipelines.files import commands, paths
from pipelines.quantities import number

if TYPE_CHECKING:  # its import takes seconds, and help needs none of it
    import torch

PRECISIONS = ("float32", "bfloat16")
CHECKPOINTING = ("none", "selective", "full")
ATTENTION = ("sdpa", "cudnn", "flex")
RESIDUAL = ("float32", "bfloat16")
REDUCTION = ("micro-batch", "step")
FORMATS = ("paper", "harness")
_POSITIVE = (
    *("sequence_length", "batch_sequences", "micro_sequences", "steps", "learning_rate"),
    *("checkpoint_every", "keep_checkpoints", "tensor_parallel", "replicas", "spike_window"),
)
_NOT_NEGATIVE = (
    *("minutes", "warmup_steps", "stop_after", "workers", "evaluation_tokens", "sample_tokens", "seed"),
    *("loss_chunk", "spike_deviations", "evaluate_every", "prefetch", "benchmark_limit"),
)


def _of(default: Any, help_text: str, *, neutral: bool = False) -> Any:
    """Return a field; a neutral one changes no more than rounding, so a run may resume with another value."""
    return field(default=default, metadata={"help": help_text, "neutral": neutral})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What a run is. Raises ValueError naming the field for a value that makes no sense."""

    corpus: str = _of("data/corpus", "directory of a finished corpus", neutral=True)
    output: str = _of("data/run", "directory of the run", neutral=True)
    device: str = _of("auto", "cpu, cuda, or auto: a GPU if there is one", neutral=True)
    model: str = _of("cpu", "name of a model of model/configs.py")
    precision: str = _of("float32", "float32, or bfloat16 products over float32 weights")
    residual: str = _of("float32", "type of the residual stream between layers: float32, or bfloat16")
    proportions: str = _of("", "sampling proportion of each source: integers, or decimals that add up to 1")
    sequence_length: int = _of(256, "tokens of a sequence")
    batch_sequences: int = _of(8, "sequences of a step")
    micro_sequences: int = _of(
        8, "sequences computed at once; the gradient is always that of the whole step", neutral=True
    )
    steps: int = _of(1000, "steps of the run, and of its cosine")
    minutes: float = _of(0.0, "shorten the run, with its warm-up and cosine, to what fits into this time; 0: do not")
    learning_rate: float = _of(3e-3, "peak learning rate")
    warmup_steps: int = _of(40, "steps until the peak learning rate")
    seed: int = _of(0, "seed of the initial weights and of the mixture's order")
    checkpoint_every: int = _of(100, "steps between checkpoints", neutral=True)
    keep_checkpoints: int = _of(2, "checkpoints kept", neutral=True)
    checkpoint_async: bool = _of(False, "write checkpoints while training continues", neutral=True)
    stop_after: int = _of(0, "pause after this step, to be resumed; 0: do not", neutral=True)
    workers: int = _of(0, "processes that load data; the order does not depend on it", neutral=True)
    evaluate_every: int = _of(0, "steps between evaluations; 0: at the end only", neutral=True)
    evaluation_tokens: int = _of(20_000, "held-out tokens to score of each source; 0: none", neutral=True)
    tensor_parallel: int = _of(1, "ranks that share each matrix, and the sequence between matrices", neutral=True)
    replicas: int = _of(1, "whole copies of the weights, each sharded over an equal part of the ranks", neutral=True)
    checkpointing: str = _of(
        "none", "activations recomputed: none, full (each layer), or selective (all but products)", neutral=True
    )
    attention: str = _of(
        "sdpa",
        "PyTorch's attention: sdpa, cudnn (sdpa, cuDNN's kernel first), or flex (on a GPU, compiled)",
        neutral=True,
    )
    compile: bool = _of(False, "compile each layer, and the loss", neutral=True)
    fused_optimizer: bool = _of(True, "run AdamW as one kernel", neutral=True)
    loss_chunk: int = _of(0, "positions whose logits exist at once; 0: a whole micro-batch's", neutral=True)
    loss_parallel: bool = _of(
        True, "tensor-parallel ranks keep their part of the logits; the loss is computed from the parts", neutral=True
    )
    reduction: str = _of("micro-batch", "reduce gradients across ranks each micro-batch, or each step", neutral=True)
    prefetch: int = _of(0, "layers whose weights are gathered ahead; 0: FSDP2's own behaviour", neutral=True)
    document_mask: bool = _of(False, "attention does not cross documents (LLaMA's does)")
    spike_deviations: float = _of(0.0, "deviations above the recent losses that count as a spike; 0: do not check")
    spike_window: int = _of(100, "number of recent losses that a spike is compared with")
    benchmarks: str = _of("", "TASK=PATH,...: tasks by likelihood to score at each evaluation", neutral=True)
    benchmark_limit: int = _of(200, "questions of each of them; 0: all", neutral=True)
    benchmark_format: str = _of("paper", "prompts and rules: paper, or harness (train.evaluation)", neutral=True)
    prompt: str = _of("The", "prompt for the text generated at each evaluation", neutral=True)
    sample_tokens: int = _of(120, "length of that text in tokens", neutral=True)

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must not be negative")
        for name in (*_POSITIVE, *_NOT_NEGATIVE):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be finite")
        choices = {"precision": PRECISIONS, "checkpointing": CHECKPOINTING, "attention": ATTENTION}
        choices |= {"reduction": REDUCTION, "residual": RESIDUAL, "benchmark_format": FORMATS}
        for name, values in choices.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(values)}")
        if self.benchmarks and self.tensor_parallel > 1:
            raise ValueError(
                f"benchmarks is {self.benchmarks!r} and tensor_parallel {self.tensor_parallel}: tensor-parallel ranks "
                "score no benchmarks; score a kept step with train.evaluation"
            )
        if self.batch_sequences % self.micro_sequences:
            raise ValueError(
                f"batch_sequences is {self.batch_sequences}; it must be a multiple of micro_sequences, "
                f"{self.micro_sequences}"
            )


# What two cores learn in three minutes.
CPU = RunConfig(minutes=3.0, evaluate_every=500)
# What one GPU learns in about the same time.
GPU = RunConfig(
    model="30M",
    precision="bfloat16",
    sequence_length=1024,
    batch_sequences=64,
    micro_sequences=16,
    steps=625,
    minutes=4.0,
    learning_rate=1e-3,
    warmup_steps=50,
    workers=2,
    evaluate_every=125,
    evaluation_tokens=200_000,
)


_PATHS = {"corpus": paths.option, "output": paths.output_option}
BATCH_TOKENS = 2**22  # Table 2's "4M"


def _paper(model: str, tokens: int, learning_rate: float, length: int = 2048) -> RunConfig:
    return RunConfig(
        model=model,
        precision="bfloat16",
        sequence_length=length,
        batch_sequences=BATCH_TOKENS // length,
        micro_sequences=1,
        steps=round(tokens / BATCH_TOKENS),
        learning_rate=learning_rate,
        warmup_steps=2000,  # LLaMA, section 2.3
        checkpointing="selective",  # section 2.4
        loss_chunk=length,
        compile=True,
        attention="cudnn",
        checkpoint_every=1000,
        checkpoint_async=True,
        evaluate_every=5000,
        evaluation_tokens=1_000_000,
        workers=2,
    )


# Table 2; Llama 2, table 1 (34B was not released). What does not change the result is ours.
PAPER = {
    "7B": _paper("7B", 10**12, 3e-4),
    "13B": _paper("13B", 10**12, 3e-4),
    "33B": _paper("33B", 14 * 10**11, 1.5e-4),
    "65B": _paper("65B", 14 * 10**11, 1.5e-4),
    "llama2-7B": _paper("llama2-7B", 2 * 10**12, 3e-4, 4096),
    "llama2-13B": _paper("llama2-13B", 2 * 10**12, 3e-4, 4096),
    "llama2-70B": _paper("llama2-70B", 2 * 10**12, 1.5e-4, 4096),
}


def parse(arguments: Sequence[str] | None = None) -> RunConfig:
    """Return the configuration of a command line: a paper's or that of its device, with single fields replaced.

    What `--set` gives stands, whatever the field's own option says. A number of steps that is given is exact: `minutes`
    shortens it only if given too. Exits with a message for an unknown option; raises ValueError for a bad value.
    """
    parser = command_line()
    given = vars(parser.parse_args(arguments))
    paper, tokens, assignments = given.pop("paper"), given.pop("batch_tokens"), given.pop("set")
    given |= dict(map(_assigned, assignments))
    if "prompt" in given:
        given["prompt"] = given["prompt"].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if "steps" in given:
        given.setdefault("minutes", 0.0)
    preset = GPU if choose_device(given.get("device", "auto")).type == "cuda" else CPU
    preset = preset if paper is None else PAPER[paper]
    if tokens is not None:
        given["batch_sequences"] = _sequences(tokens, given.get("sequence_length", preset.sequence_length))
    return replace(preset, **_with_micro(preset, given))


def command_line() -> commands.Parser:
    """Return that of `train.pretrain`: an option for each field."""
    parser = commands.Parser(
        "train.pretrain",
        "--corpus data/corpus --output data/run --steps 200",
        description="Train a LLaMA on a finished corpus; run again to resume.",
    )
    parser.add_argument("--paper", choices=PAPER, help="train a model of the papers as they did")
    parser.add_argument("--batch-tokens", type=number, help="instead of --batch-sequences: the global batch in tokens")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="set a field by its name, as for a corpus"
    )
    hints = get_type_hints(RunConfig)
    for item in fields(RunConfig):
        flag = "--" + item.name.replace("_", "-")
        default = _default(item.name)
        text = f"{item.metadata['help']} ({default})".replace("%", "%%")
        kind = _PATHS.get(item.name, _switch if hints[item.name] is bool else hints[item.name])
        parser.add_argument(flag, type=kind, default=argparse.SUPPRESS, help=text)
    return parser


def _assigned(assignment: str) -> tuple[str, Any]:
    """Return the field and the value of a --set; raise ValueError saying what is wrong."""
    (name, *below), value = typed_fields.split(assignment)
    if below:
        raise ValueError(f"--set {assignment}: {name} has no fields")
    found = typed_fields.typed(CPU, name, value, assignment)
    try:
        return name, _PATHS[name](found) if name in _PATHS else found
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"--set {assignment}: {error}") from None


def _sequences(tokens: int, length: int) -> int:
    if tokens % length:
        raise ValueError(f"batch_tokens is {tokens}; it must be a multiple of sequence_length, {length}")
    return tokens // length


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _default(name: str) -> str:
    if name == "proportions":
        return "default: LLaMA's, and the shares of the corpus' other sources"
    on_cpu, on_gpu = getattr(CPU, name), getattr(GPU, name)
    return f"default: {on_cpu}" if on_cpu == on_gpu else f"default: {on_cpu} on a CPU, {on_gpu} on a GPU"


def _with_micro(preset: RunConfig, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is given, and without a micro-batch the largest up to the preset's that divides a rank's share."""
    ranks = launched() // given.get("tensor_parallel", preset.tensor_parallel) or 1
    share = max(1, given.get("batch_sequences", preset.batch_sequences) // ranks)
    divisors = (size for size in range(min(share, preset.micro_sequences), 0, -1) if share % size == 0)
    return {"micro_sequences": next(divisors, 1), **given}


def launched() -> int:
    """Return how many processes a launcher (torchrun) has started, 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def choose_device(name: str) -> torch.device:
    """Return the device of that name; raise ValueError if it is not there."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise ValueError(f"device is {name!r}; it must be cpu, cuda or auto")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, but torch finds no GPU: leave out --device, or use cpu")
    return torch.device(name)


def identity(config: RunConfig) -> dict[str, Any]:
    """Return the fields that a run must keep when it resumes."""
    neutral = {item.name for item in fields(RunConfig) if item.metadata["neutral"]}
    return {name: value for name, value in asdict(config).items() if name not in neutral}


def check_same(config: RunConfig, recorded: Mapping[str, Any]) -> None:
    """Raise ValueError naming the first field in which a checkpoint's recorded identity differs from this one."""
    defaults = identity(RunConfig())  # of a field that did not exist yet when the run was started
    for name, value in identity(config).items():
        found = recorded.get(name, defaults[name])
        if found != value:
            raise ValueError(
                f"{name} is {value!r}, but the run in {config.output} has {found!r}: "
                "resume it with that value, or give another --output"
            )
