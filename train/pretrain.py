"""Train a LLaMA on a finished corpus; run again to resume.

python -m train.pretrain --corpus data/corpus --output data/run

corpus -> plan -> steps (log.jsonl, checkpoints) -> held-out bits per byte, ledger beside Table 1, a generated text
       -> summary.json, loss.png
"""

from __future__ import annotations

import json
import signal
import sys
import time
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
from train.config import RunConfig, parse
from train.display import Display
from train.evaluate import evaluate
from train.plan import Entry, human, ledger, show, table
from train.run import Run, open_run, save, steps_that_fit, train_step

LOG, SUMMARY, PICTURE = "log.jsonl", "summary.json", "loss.png"


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
    config, saved, start = run.config, run.step, time.perf_counter() - run.seconds
    stop = min(config.steps, config.stop_after or config.steps)
    with (
        stopping() as request,
        closing(meters.Log(Path(config.output) / LOG, run.step)) as log,
        Display(console, run.step, run.steps) as display,
    ):
        batches, speed = run.batches(stop), meters.Throughput()
        while run.step < min(stop, run.steps) and not request.received:
            row = train_step(run, batches)
            row |= _speed(run, speed.add(row["batch_tokens"]))
            run.seconds = time.perf_counter() - start
            if config.minutes and speed.settled:
                run.steps = steps_that_fit(run, row["tokens_per_second"])
            log.write(row)
            display.update(row, run.steps)
            if run.step % config.checkpoint_every == 0:
                save(run)
                saved = run.step
        if saved < run.step:
            save(run)
    if request.received:
        console.print(f"{request.received}: saved at step {run.step}; the same command resumes")


def _speed(run: Run, tokens_per_second: float) -> dict[str, Any]:
    name = torch.cuda.get_device_name(run.device) if run.device.type == "cuda" else "cpu"
    mfu = meters.mfu(run.model.config, run.config.sequence_length, tokens_per_second, name)
    return {"tokens_per_second": tokens_per_second, "mfu": mfu}


def entries_at(run: Run, step: int) -> tuple[Entry, ...]:
    """Return the exact ledger of the run after `step` steps."""
    return ledger(run.mixture, run.sizes, run.config.sequence_length, step * run.config.batch_sequences)


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
    text: str = tokenizer.decode(prompt + generate(run.model, prompt, length, stop=stop, generator=generator))
    return text


def finish(run: Run, console: Console) -> None:
    """Evaluate the finished run, print its tables and text, write summary.json and draw the loss."""
    config, output = run.config, Path(run.config.output)
    with console.status("scoring the held-out documents"):
        scores = evaluate(
            run.model, run.corpus, config.sequence_length, config.micro_sequences, config.evaluation_tokens
        )
    bits = {name: score.bits_per_byte for name, score in scores.items()}
    entries = entries_at(run, run.steps)
    text = continue_text(run)
    rows = list(meters.read_log(output / LOG))
    parameters = run.model.config.parameters
    title = f"{config.model}: {human(parameters)} parameters, {run.steps} steps of {config.batch_sequences} x "
    curves.draw(rows, run.sources, output / PICTURE, title + f"{config.sequence_length} tokens")
    summary = {
        "config": asdict(config),
        "parameters": parameters,
        "device": torch.cuda.get_device_name(run.device) if run.device.type == "cuda" else "cpu",
        "steps": run.steps,
        "tokens": run.k * config.sequence_length,
        "loss": {"first": rows[0]["loss"], "last": rows[-1]["loss"]} if rows else None,
        "tokens_per_second": rows[-1]["tokens_per_second"] if rows else None,
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


def pretrain(config: RunConfig, console: Console) -> None:
    """Start, resume or finish the run of a configuration; errors as `open_run`'s, before any training."""
    run = open_run(config, lambda message: console.print(f"[yellow]warning[/]: {escape(message)}", highlight=False))
    if run.step == run.steps and (Path(config.output) / SUMMARY).exists():
        console.print(
            f"the run in {config.output} is finished ({run.steps} steps); give another --output for a new one"
        )
        return
    shape = run.model.config
    console.print(
        f"{config.model}: {human(shape.parameters)} parameters on {run.device}, vocabulary {shape.vocabulary:,}, "
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
    console = Console()
    try:
        pretrain(parse(arguments), console)
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
