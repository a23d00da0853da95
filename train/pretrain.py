"""Train a LLaMA on a finished corpus; run again to resume.

python -m train.pretrain --corpus data/corpus --output data/run
torchrun --nproc-per-node 8 -m train.pretrain ...          the same over several processes

corpus -> plan -> steps (log.jsonl, checkpoints) -> held-out bits per byte, ledger beside Table 1, a generated text
       -> summary.json, loss.png
"""

from __future__ import annotations

import json
import math
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from rich.console import Console
from rich.markup import escape

from model.generate import generate
from train import curves, meters
from train.config import RunConfig, choose_device, parse
from train.display import Display
from train.energy import Meter, used
from train.evaluate import evaluate
from train.parallel import World, joined, reshard
from train.plan import Entry, human, ledger, show, table
from train.run import Run, open_run, rewind, save, steps_that_fit, train_step
from train.spikes import Detector

LOG, SUMMARY, PICTURE, SPIKES = "log.jsonl", "summary.json", "loss.png", "spikes.jsonl"


@dataclass
class Signal:
    """Whether the process was asked to stop."""

    received: str | None = None


@contextmanager
def stopping() -> Iterator[Signal]:
    """Turn SIGTERM and SIGINT into a request that the loop sees after its step, and restore their handlers."""
    request = Signal()

    def handle(number: int, _frame: object) -> None:
        request.received = signal.Signals(number).name

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train(run: Run, console: Console) -> None:
    """Take the run's steps to its end, to `stop_after` or to a signal; save at intervals and at the last step."""
    config, world, saved, start = run.config, run.world, run.step, time.perf_counter() - run.seconds
    stop, stopped = min(config.steps, config.stop_after or config.steps), False
    with (
        stopping() as request,
        closing(meters.Log(Path(config.output) / LOG if world.first else None, run.step)) as log,
        Display(console, run.step, run.steps) as display,
    ):
        batches, speed, detector = run.batches(stop), meters.Throughput(), _detector(run)
        meter, before = Meter(run.device.index or 0 if run.device.type == "cuda" else None), run.watt_hours
        while run.step < min(stop, run.steps) and not stopped:
            row = train_step(run, batches)
            row |= _speed(run, world.same(speed.add(row["batch_tokens"])))
            run.seconds = world.same(time.perf_counter() - start)
            run.watt_hours = _energy(run, meter, before)
            if config.minutes and speed.settled:
                run.steps = steps_that_fit(run, row["tokens_per_second"])
            log.write(row)
            display.update(row, run.steps)
            if detector.add(row["loss"]):
                _go_back(run, detector.suspicious, console)
                log.rewind(run.step)
                batches, speed, detector = run.batches(stop), meters.Throughput(), _detector(run)
                saved = run.step
            elif run.step % config.checkpoint_every == 0 and not detector.suspicious:
                save(run)
                saved = run.step
            stopped = world.agree(request.received is not None)
        if saved < run.step:
            save(run)
        if run.saver is not None:
            run.saver.wait()
    if stopped:
        console.print(
            f"{request.received or 'another process was stopped'}: saved at step {run.step}; the same command resumes"
        )


def _energy(run: Run, meter: Meter, before: float | None) -> float | None:
    drawn = meter.watt_hours()
    # Ranks work alike: the first GPU's energy stands for each.
    drawn = run.world.same(math.nan if drawn is None else drawn)
    return None if before is None or math.isnan(drawn) else before + drawn * run.world.size


def _detector(run: Run) -> Detector:
    config = run.config
    log = Path(config.output) / LOG
    rows = deque(
        (row["loss"] for row in meters.read_log(log) if row["step"] <= run.step), maxlen=4 * config.spike_window
    )
    return Detector(config.spike_deviations, config.spike_window, rows)


def _go_back(run: Run, suspicious: int, console: Console) -> None:
    record = rewind(run, suspicious, lambda message: console.print(escape(message), highlight=False))
    if run.world.first:
        with (Path(run.config.output) / SPIKES).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
    first, last = record["left_out"]
    console.print(
        f"[yellow]warning[/]: the loss spiked at step {record['spike_at_step']}; back to step {run.step}, "
        f"leaving out sequences {first} to {last}",
        highlight=False,
    )


def _speed(run: Run, tokens_per_second: float) -> dict[str, Any]:
    name = torch.cuda.get_device_name(run.device) if run.device.type == "cuda" else "cpu"
    memory = torch.cuda.max_memory_allocated(run.device) if run.device.type == "cuda" else None
    mfu = meters.mfu(run.model.config, run.config.sequence_length, tokens_per_second / run.world.size, name)
    return {"tokens_per_second": tokens_per_second, "mfu": mfu, "memory_bytes": memory}


def entries_at(run: Run, step: int) -> tuple[Entry, ...]:
    """Return the exact ledger of the run after `step` steps."""
    return ledger(run.mixture, run.sizes, run.config.sequence_length, run.k_at(step), run.left_out)


def continue_text(run: Run) -> str:
    """Return the prompt and what the model continues it with, drawn with the run's seed."""
    config = run.config
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(run.corpus.tokenizer))
    manifest = next(iter(run.corpus.manifests.values()))
    prompt = [token for token in (manifest.bos_id,) if token is not None] + tokenizer.encode(config.prompt)
    prompt = prompt or [manifest.eos_id or 0]
    length = min(config.sample_tokens, run.model.config.context - len(prompt))
    generator = torch.Generator(run.device).manual_seed(config.seed)
    stop = [token for token in (manifest.eos_id,) if token is not None]
    # A cache grows by a position at a time, for each of which a compiled layer would be compiled again.
    cached = run.world.size == 1 and not config.compile
    new = generate(run.model, prompt, length, stop=stop, generator=generator, cached=cached)
    text: str = tokenizer.decode(prompt + new)
    return text


def finish(run: Run, console: Console) -> None:
    """Evaluate the finished run, print its tables and text, write summary.json and draw the loss."""
    config, output = run.config, Path(run.config.output)
    with console.status("scoring the held-out documents"):
        scores = evaluate(
            run.model,
            run.corpus,
            config.sequence_length,
            config.micro_sequences,
            config.evaluation_tokens,
            config.loss_chunk,
        )
    bits = {name: score.bits_per_byte for name, score in scores.items()}
    entries = entries_at(run, run.steps)
    text = continue_text(run)
    reshard(run.model)
    if not run.world.first:
        return
    rows = list(meters.read_log(output / LOG))
    parameters = run.model.config.parameters
    title = f"{config.model}: {human(parameters)} parameters, {run.steps} steps of {config.batch_sequences} x "
    curves.draw(rows, run.sources, output / PICTURE, title + f"{config.sequence_length} tokens")
    device = torch.cuda.get_device_name(run.device) if run.device.type == "cuda" else "cpu"
    footprint = used(run.seconds, run.world.size, device, run.watt_hours)
    summary = {
        "config": asdict(config),
        "parameters": parameters,
        "device": device,
        "steps": run.steps,
        "tokens": run.step * config.batch_sequences * config.sequence_length,
        "left_out": run.left_out,
        "loss": {"first": rows[0]["loss"], "last": rows[-1]["loss"]} if rows else None,
        "tokens_per_second": rows[-1]["tokens_per_second"] if rows else None,
        "footprint": asdict(footprint) if footprint else None,
        "sources": {
            entry.source: {
                **asdict(entry),
                "held_out": asdict(scores[entry.source]),
                "bits_per_byte": bits[entry.source],
            }
            for entry in entries
        },
        "text": text,
    }
    _write(output / SUMMARY, summary)
    console.print(table(entries, "Ledger: what the run has seen (paper: Table 1; bits/byte: held out)", bits))
    console.print(f"\n{text}\n", markup=False, highlight=False)
    console.print(f"written: {output / SUMMARY}, {output / PICTURE}, {output / LOG}", highlight=False)


def _write(path: Path, value: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def pretrain(config: RunConfig, console: Console, world: World) -> None:
    """Start, resume or finish the run of a configuration; errors as `open_run`'s, before any training."""

    def warn(message: str) -> None:
        console.print(f"[yellow]warning[/]: {escape(message)}", highlight=False)

    with closing(open_run(config, warn, world)) as run:
        _pretrain(run, console)


def _pretrain(run: Run, console: Console) -> None:
    config, shape = run.config, run.model.config
    if run.step == run.steps and (Path(config.output) / SUMMARY).exists():
        console.print(
            f"the run in {config.output} is finished ({run.steps} steps); give another --output for a new one"
        )
        return
    where = f"{run.device}" if run.world.size == 1 else f"{run.world.size} x {run.device}"
    console.print(
        f"{config.model}: {human(shape.parameters)} parameters on {where}, vocabulary {shape.vocabulary:,}, "
        f"{run.steps} steps of {config.batch_sequences} x {config.sequence_length} tokens"
        + (f", fewer if {config.minutes:g} minutes end before" if config.minutes else "")
        + (f", resumed at step {run.step}" if run.step else ""),
        highlight=False,
    )
    show(console, entries_at(run, run.steps), "Plan")
    train(run, console)
    if run.step == run.steps:
        finish(run, console)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status, 2 for an error of use."""
    try:
        config = parse(arguments)
        with joined(choose_device(config.device), config.tensor_parallel, config.replicas) as world:
            pretrain(config, Console(quiet=not world.first), world)
    except (ValueError, OSError) as error:
        return _fail(str(error))
    except torch.OutOfMemoryError as error:
        return _fail(f"too little memory on the device: halve --micro-sequences ({error})")
    return 0


def _fail(message: str) -> int:
    Console(stderr=True).print(f"[red]error[/]: {escape(message)}", highlight=False, soft_wrap=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
