"""What the trainer makes of a machine: tokens per second and MFU of each size, and what each switch buys.

    python benchmarks/train.py [--device cpu|cuda] [--models 1B,7B] [--seconds 6] [--output FILE]
                               [--litgpt PEER/bin/python] [--torchtitan PEER/bin/python]

Whole steps of `train.run.train_step` (loader, loss, gradients, clipping, AdamW) on token shards that are made for it.
On a CPU a small model for about a minute; on a GPU about 125M, 1B and, where the memory is enough, 7B parameters, in
bfloat16 over float32 weights. The table shows what each switch buys: speed, and on a CPU the bytes held between a
forward and a backward pass, on a GPU the most memory and the power drawn. Each result is printed, and added to
`--output` as a line of JSON, as soon as it is there; the last line is one JSON object of the bars. What was not run is
"not measured". Seconds are of a GPU's wall clock, or of CPU time, which other work on the machine does not lengthen.
On a GPU the weights are drawn there, which is faster and changes no speed.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from model.configs import LLAMA_VOCABULARY, ModelConfig, named
from model.llama import LLaMA
from pipelines.files import storage
from pipelines.tokens.shards import END, TOKEN, Manifest, Shard
from tests.train.watch import Watch
from train import parallel
from train.config import RunConfig, choose_device
from train.dataset import Batch
from train.energy import Meter
from train.meters import flops_per_token, memory_of, name_of, peak_of, uuid_of
from train.run import Run, model_config, open_run, token_losses, train_step

WARM_UP = 2  # steps before the clock starts: compilation, allocation
BYTES_PER_PARAMETER = 16  # float32 weights, gradients and AdamW's two moments
DOCUMENT = 1024  # tokens of a document
SPARE = 20e9  # bytes for activations, logits and a bfloat16 copy
NOT_MEASURED = "not measured"
PEER_SECONDS = 150  # at most, of one peer: compiling a whole model takes long
# What a name stands for, in fields of RunConfig; several are joined by ", ".
SWITCHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "compiled": {"compile": True},
    "optimiser not fused": {"fused_optimizer": False},
    "chunked loss": {"loss_chunk": 1024},
    "loss in chunks of 8,192": {"loss_chunk": 8192},
    "selective checkpointing": {"checkpointing": "selective"},
    "full checkpointing": {"checkpointing": "full"},
    "documents masked": {"document_mask": True},
    "flex": {"attention": "flex"},
    "cuDNN": {"attention": "cudnn"},
    "bfloat16 stream": {"residual": "bfloat16"},
    "micro-batches halved": {},
}
ON_CPU = {
    "cpu": (
        256,
        8,
        8,
        (
            "plain",
            "optimiser not fused",
            "chunked loss",
            "chunked loss, selective checkpointing",
            "chunked loss, full checkpointing",
            "documents masked",
        ),
    )
}
# Model: length, sequences of a step, of a micro-batch, switches; first the model and the switches that the bars are of.
ON_GPU = {
    "1B": (
        2048,
        64,
        16,
        (
            "compiled, cuDNN, bfloat16 stream",
            "compiled, cuDNN",
            "compiled",
            "compiled, cuDNN, bfloat16 stream, micro-batches halved",
            "compiled, cuDNN, bfloat16 stream, loss in chunks of 8,192",
            "compiled, cuDNN, bfloat16 stream, selective checkpointing",
            "compiled, cuDNN, bfloat16 stream, full checkpointing",
        ),
    ),
    "7B": (
        2048,
        16,
        4,
        (
            "compiled, cuDNN, bfloat16 stream, selective checkpointing",
            "compiled, cuDNN, bfloat16 stream",
            "compiled, cuDNN, bfloat16 stream, micro-batches halved",
        ),
    ),
    "125M": (
        2048,
        64,
        32,
        (
            "compiled, cuDNN, bfloat16 stream",
            "compiled",
            "plain",
            "compiled, optimiser not fused",
            "compiled, documents masked",
            "compiled, documents masked, flex",
        ),
    ),
}
PEERS = ("torchtitan", "litgpt")
BARS = {
    "MFU, 1B": 0.55,
    "tokens/s, 7B": 10_600,
    **{f"beside {peer}": 1.0 for peer in PEERS},
    "loader's share of a step": 0.01,
}


def corpus(directory: Path, vocabulary: int, count: int) -> None:
    """Write shards of one source with random tokens: the speed depends on their number and range alone."""
    tokenizer, source = directory / "tokenizer" / "tokenizer.model", directory / "tokens" / "books"
    for path in (tokenizer.parent, source):
        path.mkdir(parents=True)
    tokenizer.write_bytes(b"no text is encoded or decoded")
    ids = np.random.default_rng(0).integers(3, vocabulary, count).astype(TOKEN)
    ends = np.arange(DOCUMENT, count + 1, DOCUMENT).astype(END)
    paths = [source / f"train-00000{suffix}" for suffix in (".bin", ".index", ".documents.parquet")]
    ids.tofile(paths[0])
    ends.tofile(paths[1])
    pq.write_table(pa.table({"id": [str(n) for n in range(len(ends))]}), paths[2])
    shard = Shard("train-00000", count, len(ends), count, *(storage.sha256(path) for path in paths))
    manifest = Manifest(
        source="books",
        tokenizer_sha256=storage.sha256(tokenizer),
        vocabulary=vocabulary,
        bos_id=1,
        eos_id=2,
        recipe={},
        splits={"train": (shard,), "validation": ()},
    )
    (source / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Tokens per second of so many steps, the loader's share of them, watts where they are measured, the last loss."""

    speed: float
    steps: int
    loader: float
    watts: float | None
    loss: float


def timed(run: Run, steps: int, seconds: float) -> Timing:
    """Take the steps that fit into so many seconds, at least two."""
    clock = time.perf_counter if run.device.type == "cuda" else time.process_time
    batches = Timed(run.batches(steps), clock)
    for _ in range(WARM_UP):
        train_step(run, batches)
    _wait(run)
    batches.seconds = 0.0
    meter = Meter(uuid_of(run.device))
    start, done = clock(), 0
    while done < steps - WARM_UP and (done < 2 or clock() - start < seconds):
        row = train_step(run, batches)
        done += 1
    _wait(run)
    took, drawn = clock() - start, meter.watt_hours()
    tokens = done * run.config.batch_sequences * run.config.sequence_length
    return Timing(
        speed=tokens / took,
        steps=done,
        loader=batches.seconds / took,
        watts=None if drawn is None else drawn * 3600 / took,
        loss=row["loss"],
    )


class Timed:
    """Batches, and the seconds that were spent waiting for them."""

    def __init__(self, batches: Iterator[Batch], clock: Callable[[], float]) -> None:
        self._batches, self._clock = batches, clock
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        start = self._clock()
        batch = next(self._batches)
        self.seconds += self._clock() - start
        return batch


def held(run: Run) -> int:
    """Return the bytes that a micro-batch's forward pass holds for its backward pass."""
    tokens = next(run.batches(run.step + 1)).tokens.to(run.device)
    with Watch() as watch:
        losses = token_losses(run, tokens)
        return int(watch.alive - losses.nbytes)


def _wait(run: Run) -> None:
    if run.device.type == "cuda":
        torch.cuda.synchronize(run.device)


def fields_of(base: RunConfig, name: str) -> dict[str, Any]:
    """Return the fields of RunConfig that a configuration's name stands for."""
    parts = name.split(", ")
    merged = {field: value for part in parts for field, value in SWITCHES[part].items()}
    return merged | ({"micro_sequences": base.micro_sequences // 2} if "micro-batches halved" in parts else {})


def measure(base: RunConfig, name: str, seconds: float) -> dict[str, Any]:
    """Return what one configuration reaches; "not measured" with the reason where it does not fit."""
    config = replace(base, **fields_of(base, name))
    on_gpu = config.device == "cuda"
    result: dict[str, Any] = {"model": config.model, "switches": name}
    torch.compiler.reset()  # or shapes that differ from the last configuration's become dynamic ones
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        run = open_run(config, print)
        timing = timed(run, config.steps, seconds)
        held_bytes: int | str = NOT_MEASURED if on_gpu else held(run)
    except torch.OutOfMemoryError:
        return {**result, "tokens_per_second": NOT_MEASURED, "reason": "too little memory"}
    except RuntimeError as error:  # a kernel that this GPU or this torch has not: the others are measured all the same
        return {**result, "tokens_per_second": NOT_MEASURED, "reason": str(error).strip().splitlines()[0]}
    return result | {
        **reached(base.sequence_length, run.model.config, timing.speed, name_of(run.device)),
        "micro_sequences": config.micro_sequences,
        "steps": timing.steps,
        "loss": round(timing.loss, 4),
        "loader_share": round(timing.loader, 5),
        "watts": NOT_MEASURED if timing.watts is None else round(timing.watts, 1),
        "tokens_per_joule": NOT_MEASURED if timing.watts is None else round(timing.speed / timing.watts, 2),
        "memory_bytes": memory_of(run.device) if on_gpu else NOT_MEASURED,
        "held_bytes": held_bytes,
    }


def reached(length: int, shape: ModelConfig, speed: float, device: str) -> dict[str, Any]:
    """Return a speed, and the share of the peak it is in each convention and in the bar's, 6N and causal attention."""
    flops = flops_per_token(shape, length)
    flops["6N + causal attention"] = flops["6N"] + flops["full attention"] - flops["causal attention"]
    peak = peak_of(device)
    return {
        "parameters": shape.parameters,
        "tokens_per_second": round(speed),
        "mfu": {key: round(value * speed / peak, 4) for key, value in flops.items()} if peak else NOT_MEASURED,
    }


def draw_on_device(model: LLaMA, _generator: torch.Generator) -> None:
    """Draw a model's weights where they lie."""
    model.initialise()


def peer(name: str, python: str, base: RunConfig, shape: ModelConfig, seconds: float) -> dict[str, Any]:
    """Return what a peer reaches with a model of the same shape, in its own environment."""
    arguments = {
        **{key: getattr(shape, key) for key in ("dim", "layers", "heads", "kv_heads", "hidden", "vocabulary")},
        "length": base.sequence_length,
        "batch": base.batch_sequences,
        "micro": base.micro_sequences,
        "device": base.device,
        "threads": torch.get_num_threads(),
        "seconds": seconds,
    }
    result = {"model": base.model, "switches": name}
    if base.device == "cuda":
        torch.compiler.reset()
        torch.cuda.empty_cache()
    while True:
        try:
            done = _peer(name, python, arguments)
        except subprocess.TimeoutExpired:
            return {**result, "tokens_per_second": NOT_MEASURED, "reason": f"more than {PEER_SECONDS} s"}
        if done.returncode == 0:
            found = json.loads(done.stdout.strip().splitlines()[-1])
            device = name_of(torch.device(base.device))
            speed = reached(base.sequence_length, shape, found["tokens_per_second"], device)
            return {**result, **speed, **found, "micro_sequences": arguments["micro"]}
        if "OutOfMemoryError" not in done.stderr or arguments["micro"] == 1:
            reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no output"
            return {**result, "tokens_per_second": NOT_MEASURED, "reason": reason}
        arguments["micro"] //= 2


def _peer(name: str, python: str, arguments: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = [python, str(Path(__file__).with_name(f"train_{name}.py")), json.dumps(arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PEER_SECONDS)


def fits(model: str, memory: float) -> bool:
    """Return whether a model's state leaves room for its activations."""
    return named(model).parameters * BYTES_PER_PARAMETER + SPARE < memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each configuration, after its first steps")
    parser.add_argument("--models", help="only these, such as 1B,7B")
    parser.add_argument("--output", type=Path, help="file that each result is added to")
    for name in PEERS:
        parser.add_argument(f"--{name}", metavar="PYTHON", help=f"of an environment with {name}, to stand beside it")
    options = parser.parse_args(arguments)
    device = choose_device(options.device).type
    configurations = ON_GPU if device == "cuda" else ON_CPU
    models = options.models.split(",") if options.models else list(configurations)
    unknown = [model for model in models if model not in configurations]
    if unknown:
        parser.error(f"--models: {unknown[0]} is not one of {', '.join(configurations)}")
    if device == "cuda":
        parallel.draw = draw_on_device  # type: ignore[assignment]
    name = name_of(torch.device(device))
    about = {"device": name, "torch": torch.__version__, "threads": torch.get_num_threads()}
    results: list[dict[str, Any]] = []
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        vocabulary, count = (LLAMA_VOCABULARY, 2**25) if device == "cuda" else (4096, 2**20)
        corpus(Path(directory), vocabulary, count)
        for model in models:
            base = base_of(Path(directory), device, model)
            peers = {peer: getattr(options, peer) for peer in PEERS if getattr(options, peer) and model != "7B"}
            for result in results_of(base, configurations[model][3], peers, options.seconds, vocabulary):
                results.append(result)
                line = json.dumps({**about, **result})
                print(line, flush=True)
                if options.output:
                    with options.output.open("a", encoding="utf-8") as file:
                        file.write(line + "\n")
    table(results)
    print(f"{about}, {time.perf_counter() - started:.0f} s")
    print(json.dumps(bars(results)))
    return 0


def base_of(directory: Path, device: str, model: str) -> RunConfig:
    """Return what all configurations of a model share."""
    length, batch, micro, _ = (ON_GPU if device == "cuda" else ON_CPU)[model]
    return RunConfig(
        corpus=str(directory),
        output=str(directory / "run"),
        device=device,
        model=model,
        precision="bfloat16" if device == "cuda" else "float32",
        proportions="books=1",
        sequence_length=length,
        batch_sequences=batch,
        micro_sequences=micro,
        steps=200,
        workers=2 if device == "cuda" else 0,
    )


def results_of(
    base: RunConfig, switches: Sequence[str], peers: dict[str, str], seconds: float, vocabulary: int
) -> Iterator[dict[str, Any]]:
    """Yield the first configuration's result, the peers' beside it, then those of the other configurations."""
    memory = torch.cuda.get_device_properties(0).total_memory if base.device == "cuda" else 0
    for number, switch in enumerate(switches):
        if base.device == "cuda" and not fits(base.model, memory):
            yield {
                "model": base.model,
                "switches": switch,
                "tokens_per_second": NOT_MEASURED,
                "reason": "too little memory",
            }
            continue
        yield measure(base, switch, seconds)
        gc.collect()
        for name, python in peers.items() if number == 0 else ():
            yield peer(name, python, base, model_config(base, vocabulary), seconds)


def table(results: Sequence[dict[str, Any]]) -> None:
    """Print what each switch buys: speed and memory beside the first configuration of the same model."""
    print(f"\n{'model':6} {'switches':58} {'tokens/s':>12} {'speed':>6} {'memory, MB':>12} {'watts':>7} {'MFU':>6}")
    first: dict[str, int] = {}
    for result in results:
        speed = result["tokens_per_second"]
        if speed == NOT_MEASURED:
            print(f"{result['model']:6} {result['switches']:58} {NOT_MEASURED:>12} {result.get('reason', '')}")
            continue
        memory = result.get("memory_bytes", NOT_MEASURED)
        memory = result.get("held_bytes", NOT_MEASURED) if memory == NOT_MEASURED else memory
        share = result.get("mfu", NOT_MEASURED)
        share = share if share == NOT_MEASURED else format(share["6N + causal attention"], ".1%")
        watts = result.get("watts", NOT_MEASURED)
        ratio = speed / first.setdefault(result["model"], speed)
        print(
            f"{result['model']:6} {result['switches']:58} {speed:12,} {ratio:6.2f} "
            f"{memory if memory == NOT_MEASURED else f'{memory / 1e6:,.1f}':>12} "
            f"{'' if watts == NOT_MEASURED else watts:>7} {'' if share == NOT_MEASURED else share:>6}"
        )


def bars(results: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | str]]:
    """Return each bar and what was reached, of the fastest configuration where there are several."""
    ours = [result for result in results if result["switches"] not in PEERS and "steps" in result]
    known = [r for r in ours if r["mfu"] != NOT_MEASURED]
    best = {r["model"]: max(o["tokens_per_second"] for o in ours if o["model"] == r["model"]) for r in ours}
    reached: dict[str, list[float]] = {
        "MFU, 1B": [r["mfu"]["6N + causal attention"] for r in known if r["model"] == "1B"],
        "tokens/s, 7B": [r["tokens_per_second"] for r in known if r["model"] == "7B"],
        "loader's share of a step": [min(r["loader_share"] for r in ours)] if ours else [],
    }
    for name in PEERS:
        theirs = {r["model"]: r["tokens_per_second"] for r in results if r["switches"] == name and "parameters" in r}
        ratios = [best[model] / speed for model, speed in theirs.items() if model in best]
        reached[f"beside {name}"] = [min(ratios)] if ratios else []
    return {
        name: {"ratio": round(max(reached[name]), 4) if reached[name] else NOT_MEASURED, "bar": bar}
        for name, bar in BARS.items()
    }


if __name__ == "__main__":
    sys.exit(main())
