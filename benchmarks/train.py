"""What the trainer makes of a machine: tokens per second and MFU of each size, and what each switch buys.

    python benchmarks/train.py [--device cpu|cuda] [--seconds 6] [--litgpt PEER/bin/python]

Whole steps of `train.run.train_step` (loader, loss, gradients, clipping, AdamW) on token shards that are made for it.
On a CPU a small model for about a minute; on a GPU about 125M, 1B and, where the memory is enough, 7B parameters, in
bfloat16 over float32 weights. The table shows what each switch buys: speed, and on a CPU the bytes held between a
forward and a backward pass, on a GPU the most memory. The last line is one JSON object of the bars. What was not run is
"not measured". Seconds are of a GPU's wall clock, or of CPU time, which other work on the machine does not lengthen.
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
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from model.configs import LLAMA_VOCABULARY, ModelConfig, named
from pipelines.shards import END, TOKEN, Manifest, Shard, sha256_file
from tests.train.watch import Watch
from train.config import RunConfig, choose_device
from train.dataset import Batch
from train.meters import flops_per_token, memory_of, name_of, peak_of
from train.run import Run, model_config, open_run, token_losses, train_step

WARM_UP = 3  # steps before the clock starts: compilation, allocation
BYTES_PER_PARAMETER = 16  # float32 weights, gradients and AdamW's two moments
DOCUMENT = 1024  # tokens of a document
SPARE = 20e9  # bytes for activations, logits and a bfloat16 copy
NOT_MEASURED = "not measured"
# Named switches; each configuration below changes these fields of RunConfig alone.
SWITCHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "optimiser not fused": {"fused_optimizer": False},
    "chunked loss": {"loss_chunk": 1024},
    "selective checkpointing": {"loss_chunk": 1024, "checkpointing": "selective"},
    "full checkpointing": {"loss_chunk": 1024, "checkpointing": "full"},
    "documents masked": {"document_mask": True},
    "documents masked, flex": {"document_mask": True, "attention": "flex", "compile": True},
}
SWITCHES |= {f"{name}, compiled": {**fields, "compile": True} for name, fields in SWITCHES.items()}
CPU_SWITCHES = tuple(SWITCHES)[:6]
ON_CPU = {"cpu": (256, 8, 8, CPU_SWITCHES)}
# Model: length, sequences of a step, of a micro-batch, switches; the fastest first of those that the bars are of.
ON_GPU = {
    "125M": (
        2048,
        32,
        32,
        (
            "plain",
            "plain, compiled",
            "chunked loss, compiled",
            "optimiser not fused, compiled",
            "documents masked, flex",
        ),
    ),
    "1B": (
        2048,
        16,
        16,
        ("chunked loss, compiled", "selective checkpointing, compiled", "full checkpointing, compiled"),
    ),
    "7B": (2048, 4, 4, ("selective checkpointing, compiled",)),
}
BARS = {"MFU, 1B": 0.55, "tokens/s, 7B": 10_600, "beside litgpt": 1.0, "loader's share of a step": 0.01}


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
    shard = Shard("train-00000", count, len(ends), count, *(sha256_file(path) for path in paths))
    manifest = Manifest(
        source="books",
        tokenizer_sha256=sha256_file(tokenizer),
        vocabulary=vocabulary,
        bos_id=1,
        eos_id=2,
        recipe={},
        splits={"train": (shard,), "validation": ()},
    )
    (source / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def timed(run: Run, steps: int, seconds: float) -> tuple[float, int, float, float]:
    """Return tokens per second over the steps that fit into so many seconds, how many, the loader's share, the loss."""
    clock = time.perf_counter if run.device.type == "cuda" else time.process_time
    batches = Timed(run.batches(steps), clock)
    for _ in range(WARM_UP):
        train_step(run, batches)
    _wait(run)
    batches.seconds = 0.0
    start, done = clock(), 0
    while done < steps - WARM_UP and (done < 2 or clock() - start < seconds):
        row = train_step(run, batches)
        done += 1
    _wait(run)
    took = clock() - start
    tokens = done * run.config.batch_sequences * run.config.sequence_length
    return tokens / took, done, batches.seconds / took, row["loss"]


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


def measure(base: RunConfig, name: str, fields: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return what one configuration reaches; "not measured" with the reason where it does not fit."""
    config = replace(base, **fields)
    on_gpu = config.device == "cuda"
    result: dict[str, Any] = {"model": config.model, "switches": name}
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        run = open_run(config, print)
        speed, steps, loader, loss = timed(run, config.steps, seconds)
        held_bytes: int | str = NOT_MEASURED if on_gpu else held(run)
    except torch.OutOfMemoryError:
        return {**result, "tokens_per_second": NOT_MEASURED, "reason": "too little memory"}
    flops = flops_per_token(run.model.config, config.sequence_length)
    peak = peak_of(name_of(run.device))
    return result | {
        "parameters": run.model.config.parameters,
        "tokens_per_second": round(speed),
        "steps": steps,
        "loss": round(loss, 4),
        "loader_share": round(loader, 5),
        "mfu": {key: round(value * speed / peak, 4) for key, value in flops.items()} if peak else NOT_MEASURED,
        "flops_per_second": round(flops["causal attention"] * speed),
        "memory_bytes": memory_of(run.device) if on_gpu else NOT_MEASURED,
        "held_bytes": held_bytes,
    }


def litgpt(python: str, base: RunConfig, shape: ModelConfig, seconds: float) -> dict[str, Any]:
    """Return what litgpt reaches with a model of the same shape, in its own environment."""
    arguments = {
        **{name: getattr(shape, name) for name in ("dim", "layers", "heads", "kv_heads", "hidden", "vocabulary")},
        "length": base.sequence_length,
        "batch": base.batch_sequences,
        "micro": base.micro_sequences,
        "device": base.device,
        "threads": torch.get_num_threads(),
        "seconds": seconds,
    }
    script = Path(__file__).with_name("train_litgpt.py")
    done = subprocess.run([python, str(script), json.dumps(arguments)], capture_output=True, text=True)
    result = {"model": base.model, "switches": "litgpt"}
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no output"
        return {**result, "tokens_per_second": NOT_MEASURED, "reason": reason}
    return {**result, **json.loads(done.stdout)}


def fits(model: str, memory: float) -> bool:
    """Return whether a model's state leaves room for its activations."""
    return named(model).parameters * BYTES_PER_PARAMETER + SPARE < memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each configuration, after its first steps")
    parser.add_argument("--litgpt", metavar="PYTHON", help="of an environment with litgpt, to stand beside it")
    options = parser.parse_args(arguments)
    device = choose_device(options.device).type
    memory = torch.cuda.get_device_properties(0).total_memory if device == "cuda" else 0
    name = name_of(torch.device(device))
    results: list[dict[str, Any]] = []
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        vocabulary, count = (LLAMA_VOCABULARY, 2**25) if device == "cuda" else (4096, 2**20)
        corpus(Path(directory), vocabulary, count)
        for model, (length, batch, micro, switches) in (ON_GPU if device == "cuda" else ON_CPU).items():
            base = RunConfig(
                corpus=directory,
                output=str(Path(directory) / "run"),
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
            for switch in switches:
                if device == "cuda" and not fits(model, memory):
                    results.append({"model": model, "switches": switch, "tokens_per_second": NOT_MEASURED})
                else:
                    results.append(measure(base, switch, SWITCHES[switch], options.seconds))
                    gc.collect()
                print(results[-1], flush=True)
            if options.litgpt and model != "7B":
                results.append(litgpt(options.litgpt, base, model_config(base, vocabulary), options.seconds))
                print(results[-1], flush=True)
    table(results)
    print(json.dumps({"device": name, "threads": torch.get_num_threads(), "results": results}))
    print(f"{name}, {time.perf_counter() - started:.0f} s")
    print(json.dumps(bars(results)))
    return 0


def table(results: Sequence[dict[str, Any]]) -> None:
    """Print what each switch buys: speed and memory beside the first configuration of the same model."""
    print(f"\n{'model':6} {'switches':36} {'tokens/s':>12} {'speed':>6} {'memory, MB':>12} {'MFU, causal':>12}")
    first: dict[str, int] = {}
    for result in results:
        speed = result["tokens_per_second"]
        if speed == NOT_MEASURED:
            print(f"{result['model']:6} {result['switches']:36} {NOT_MEASURED:>12} {result.get('reason', '')}")
            continue
        memory = result.get("memory_bytes", NOT_MEASURED)
        memory = result.get("held_bytes", NOT_MEASURED) if memory == NOT_MEASURED else memory
        share = result.get("mfu", NOT_MEASURED)
        ratio = speed / first.setdefault(result["model"], speed)
        print(
            f"{result['model']:6} {result['switches']:36} {speed:12,} {ratio:6.2f} "
            f"{memory if memory == NOT_MEASURED else f'{memory / 1e6:,.1f}':>12} "
            f"{share if share == NOT_MEASURED else format(share['causal attention'], '.1%'):>12}"
        )


def bars(results: Sequence[dict[str, Any]]) -> dict[str, dict[str, float | str]]:
    """Return each bar and what was reached, of the fastest configuration where there are several."""
    ours = [result for result in results if result["switches"] != "litgpt" and "steps" in result]
    theirs = {r["model"]: r["tokens_per_second"] for r in results if r["switches"] == "litgpt" and "parameters" in r}
    known = [r for r in ours if r["mfu"] != NOT_MEASURED]
    best = {r["model"]: max(o["tokens_per_second"] for o in ours if o["model"] == r["model"]) for r in ours}
    reached: dict[str, list[float]] = {
        "MFU, 1B": [r["mfu"]["causal attention"] for r in known if r["model"] == "1B"],
        "tokens/s, 7B": [r["tokens_per_second"] for r in known if r["model"] == "7B"],
        "beside litgpt": [min(best[model] / speed for model, speed in theirs.items())] if theirs else [],
        "loader's share of a step": [min(r["loader_share"] for r in ours)] if ours else [],
    }
    return {
        name: {"ratio": round(max(reached[name]), 4) if reached[name] else NOT_MEASURED, "bar": bar}
        for name, bar in BARS.items()
    }


if __name__ == "__main__":
    sys.exit(main())
