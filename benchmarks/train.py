"""What the trainer makes of a machine: tokens per second and MFU of each size, and what each switch buys.

    python benchmarks/train.py [--device cpu|cuda] [--seconds 12]

Whole steps of `train.run.train_step` (loader, loss, gradients, clipping, AdamW) on token shards that are made for it.
On a CPU a small model for about a minute; on a GPU about 125M, 1B and, where the memory is enough, 7B parameters, in
bfloat16 over float32 weights. The last line is one JSON object. What was not run is "not measured".
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from model.configs import LLAMA_VOCABULARY, named
from pipelines.shards import END, TOKEN, Manifest, Shard, sha256_file
from train.config import RunConfig, choose_device
from train.meters import PEAKS, flops_per_token
from train.run import Run, open_run, train_step

WARM_UP = 3  # steps before the clock starts: compilation, allocation
BYTES_PER_PARAMETER = 16  # float32 weights, gradients and AdamW's two moments
DOCUMENT = 1024  # tokens of a document
SPARE = 20e9  # bytes for activations, logits and a bfloat16 copy
# Named switches; each configuration below changes these fields of RunConfig alone.
SWITCHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "chunked loss": {"loss_chunk": 4096},
    "selective checkpointing": {"loss_chunk": 4096, "checkpointing": "selective"},
    "full checkpointing": {"loss_chunk": 4096, "checkpointing": "full"},
}
COMPILED = {f"{name}, compiled": {**fields, "compile": True} for name, fields in SWITCHES.items()}
ON_CPU = {"cpu": (256, 8, 8, ("plain", "chunked loss", "selective checkpointing", "full checkpointing"))}
# Model: length, sequences of a step, of a micro-batch, switches.
ON_GPU = {
    "125M": (2048, 32, 32, ("plain", "chunked loss", "chunked loss, compiled", "selective checkpointing, compiled")),
    "1B": (
        2048,
        16,
        16,
        ("selective checkpointing", "selective checkpointing, compiled", "full checkpointing, compiled"),
    ),
    "7B": (2048, 4, 4, ("selective checkpointing, compiled",)),
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


def timed(run: Run, steps: int, seconds: float) -> tuple[float, int, float]:
    """Return tokens per second over the steps that fit into so many seconds, how many those were, and the last loss."""
    batches = run.batches(steps)
    for _ in range(WARM_UP):
        train_step(run, batches)
    _wait(run)
    start, done = time.perf_counter(), 0
    while done < steps - WARM_UP and (done < 2 or time.perf_counter() - start < seconds):
        row = train_step(run, batches)
        done += 1
    _wait(run)
    took = time.perf_counter() - start
    return done * run.config.batch_sequences * run.config.sequence_length / took, done, row["loss"]


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
        speed, steps, loss = timed(run, config.steps, seconds)
    except torch.OutOfMemoryError:
        return {**result, "tokens_per_second": "not measured", "reason": "too little memory"}
    flops = flops_per_token(run.model.config, config.sequence_length)
    result |= {
        "parameters": run.model.config.parameters,
        "tokens_per_second": round(speed),
        "steps": steps,
        "loss": loss,
    }
    device = torch.cuda.get_device_name() if on_gpu else "cpu"
    peak = next((value for known, value in PEAKS.items() if device.startswith(known)), None)
    result["mfu"] = {key: round(value * speed / peak, 4) for key, value in flops.items()} if peak else "not measured"
    result["flops_per_second"] = round(flops["causal attention"] * speed)
    result["memory_bytes"] = torch.cuda.max_memory_allocated() if on_gpu else "not measured"
    return result


def fits(model: str, memory: float) -> bool:
    """Return whether a model's state leaves room for its activations."""
    return named(model).parameters * BYTES_PER_PARAMETER + SPARE < memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each configuration, after its first steps")
    options = parser.parse_args(arguments)
    device = choose_device(options.device).type
    memory = torch.cuda.get_device_properties(0).total_memory if device == "cuda" else 0
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as directory:
        corpus(Path(directory), *((LLAMA_VOCABULARY, 2**25) if device == "cuda" else (4096, 2**20)))
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
                    results.append({"model": model, "switches": switch, "tokens_per_second": "not measured"})
                else:
                    results.append(measure(base, switch, {**SWITCHES, **COMPILED}[switch], options.seconds))
                    gc.collect()
                print(results[-1], flush=True)
    print(json.dumps({"device": name, "threads": torch.get_num_threads(), "results": results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
