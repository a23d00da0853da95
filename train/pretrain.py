"""Train a LLaMA on a finished corpus; run again to resume.

python -m train.pretrain --corpus data/corpus --output data/run
torchrun --nproc-per-node 8 -m train.pretrain ...          the same over several processes

corpus -> plan -> steps (records, checkpoints, evaluations) -> held-out bits per byte, ledger beside Table 1, a text
       -> summary.json, report.html
"""

from __future__ import annotations

import math
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape

from pipelines.files import addresses, commands, lock, ours
from train import checkpoint, meters
from train.config import RunConfig, choose_device, parse
from train.display import Display
from train.energy import Meter, used
from train.evaluate import check_held_out, evaluate_run
from train.mixture import parse_proportions
from train.parallel import World, joined
from train.plan import human, scale_of, show
from train.records import LOG, Recorder, as_json, read_log
from train.report import SUMMARY
from train.run import Run, open_run, rewind, save, steps_that_fit, train_step
from train.spikes import Detector
from train.summary import finish

SPIKES = "spikes.jsonl"


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


class Clock:
    """The time and energy of a run, those of the processes before this one included."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._start = time.perf_counter() - run.seconds
        self._before = run.watt_hours
        self._meter = Meter(meters.uuid_of(run.device))
        self._speed = meters.Throughput()
        self._evaluation = 0.0
        self._name = meters.name_of(run.device)
        self._peak = meters.peak_of(self._name)

    @property
    def settled(self) -> bool:
        """Return whether the speed is that of enough steps to plan with."""
        return self._speed.settled

    def evaluated(self) -> None:
        """Leave the time of an evaluation out of the speed."""
        self._evaluation = self._run.world.same(self._speed.skip())

    def pace(self, row: dict[str, Any]) -> float:
        """Return the tokens per second of steps and the evaluations between them."""
        tokens, every = row["batch_tokens"], self._run.config.evaluate_every
        step = tokens / row["tokens_per_second"]
        return float(tokens / (step + self._evaluation / every if every else step))

    def measure(self, tokens: int) -> dict[str, Any]:
        """Count a step's tokens; return what it adds to the row, the same on every rank."""
        run = self._run
        run.seconds = run.world.same(time.perf_counter() - self._start)
        run.watt_hours = self._energy()
        speed = run.world.same(self._speed.add(tokens))
        each = speed / run.world.size
        footprint = used(run.seconds, run.world.size, self._name, run.watt_hours)
        return {
            "tokens_per_second": speed,
            "mfu": meters.mfu(run.model.config, run.config.sequence_length, each, self._peak),
            "peak_flops": self._peak,
            "memory_bytes": meters.memory_of(run.device),
            "seconds": run.seconds,
            "footprint": asdict(footprint) if footprint else None,
        }

    def _energy(self) -> float | None:
        drawn = self._meter.watt_hours()
        drawn = self._run.world.sum(math.nan if drawn is None else drawn)
        return None if self._before is None or math.isnan(drawn) else self._before + drawn


def train(run: Run, console: Console) -> None:
    """Take the run's steps to its end, to `stop_after` or to a signal; save at intervals and at the last step."""
    config, world, saved = run.config, run.world, run.step
    stop, stopped = min(config.steps, config.stop_after or config.steps), False
    with (
        stopping() as request,
        closing(Recorder(Path(config.output) if world.first else None, run.step)) as records,
        Display(console, run.step, run.steps) as display,
    ):
        batches, clock, detector = run.batches(stop), Clock(run), _detector(run)
        while run.step < min(stop, run.steps) and not stopped:
            row = train_step(run, batches)
            row |= clock.measure(row["batch_tokens"])
            if config.minutes and clock.settled:
                run.steps = steps_that_fit(run, clock.pace(row))
            records.step(row)
            display.update(row, run.steps)
            if detector.add(row["loss"]):
                _go_back(run, detector.suspicious, console)
                records.rewind(run.step)
                batches, detector, saved = run.batches(stop), _detector(run), run.step
            elif run.step % config.checkpoint_every == 0 and not detector.suspicious:
                save(run)
                saved = run.step
            if config.evaluate_every and run.step % config.evaluate_every == 0 and run.step < run.steps:
                records.evaluation(evaluate_run(run)[1])
                clock.evaluated()
            stopped = world.agree(request.received is not None)
        if saved < run.step:
            save(run)
        if run.saver is not None:
            run.saver.wait()
        if run.step == run.steps and not stopped:
            _finish(run, records, console)
    if stopped:
        console.print(
            f"{request.received or 'another process was stopped'}: saved at step {run.step}; the same command resumes"
        )


def _finish(run: Run, records: Recorder, console: Console) -> None:
    with console.status("scoring the held-out documents"):
        scores, row = evaluate_run(run)
    records.evaluation(row)
    if run.world.first:
        finish(run, scores, row["text"], console)


def _detector(run: Run) -> Detector:
    config = run.config
    log = Path(config.output) / LOG
    rows = deque((row["loss"] for row in read_log(log) if row["step"] <= run.step), maxlen=4 * config.spike_window)
    return Detector(config.spike_deviations, config.spike_window, rows)


def _go_back(run: Run, suspicious: int, console: Console) -> None:
    record = rewind(run, suspicious, lambda message: console.print(escape(message), highlight=False))
    if run.world.first:
        with (Path(run.config.output) / SPIKES).open("a", encoding="utf-8") as stream:
            stream.write(as_json(record) + "\n")
    first, last = record["left_out"]
    console.print(
        f"[yellow]warning[/]: the loss spiked at step {record['spike_at_step']}; back to step {run.step}, "
        f"leaving out sequences {first} to {last}",
        highlight=False,
    )


def pretrain(config: RunConfig, console: Console, world: World) -> None:
    """Start, resume or finish the run of a configuration; errors as `open_run`'s, before any training."""

    def warn(message: str) -> None:
        console.print(f"[yellow]warning[/]: {escape(message)}", highlight=False)

    def hold() -> None:
        stack.enter_context(_held(config.output))

    with ExitStack() as stack:
        world.first_does(hold)
        run = stack.enter_context(closing(open_run(config, warn, world)))
        if run.step == run.steps and (Path(config.output) / SUMMARY).exists():
            console.print(
                f"the run in {config.output} is finished ({run.steps} steps); give another --output for a new one"
            )
            return
        if missing := check_held_out(run):
            warn(f"nothing is held out of {', '.join(missing)}")
        # What a killed process left half written; only who holds the directory may remove it.
        world.first_does(lambda: checkpoint.clear_unfinished(run.checkpoints))
        _introduce(run, console)
        train(run, console)


@contextmanager
def _held(output: str) -> Iterator[None]:
    """Mark a run's directory as ours and hold it; one that nothing came into is given back."""
    was_there = Path(output).is_dir()
    try:
        ours.claim(output, ours.Kind.RUN)
    except ValueError as error:
        raise ValueError(f"--output {error}") from None
    try:
        with lock.alone_in_run(output):
            try:
                yield
            finally:
                if {path.name for path in Path(output).iterdir()} == {ours.MARK, lock.RUN_LOCK}:
                    Path(output, lock.RUN_LOCK).unlink()
    finally:
        ours.give_back_unused(output, was_there=was_there)


def _introduce(run: Run, console: Console) -> None:
    config, shape = run.config, run.model.config
    name = meters.name_of(run.device)
    peak = meters.peak_of(name)
    console.print(
        f"{config.model}: {human(shape.parameters)} parameters on {run.world.size} x {name}, "
        f"vocabulary {shape.vocabulary:,}, "
        f"{run.steps} steps of {config.batch_sequences} x {config.sequence_length} tokens"
        + (f", fewer if {config.minutes:g} minutes end before" if config.minutes else "")
        + (f", resumed at step {run.step}" if run.step else "")
        + (f"; MFU is of {human(int(peak))}FLOP/s (dense bfloat16)" if peak else ""),
        highlight=False,
    )
    show(console, run.ledger(run.steps), "Plan", scale_of(parse_proportions(run.config.proportions)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status, 2 for an error of use."""
    try:
        config = parse(arguments)
        with joined(choose_device(config.device), config.tensor_parallel, config.replicas) as world:
            pretrain(config, Console(quiet=not world.first), world)
    except (ValueError, OSError) as error:
        return _fail(str(error))
    except (MemoryError, RuntimeError) as error:
        if not _of_memory(error):
            raise
        return _fail(f"too little memory: {_remedies(config)} ({str(error).splitlines()[0]})")
    return 0


def _of_memory(error: Exception) -> bool:
    # A CPU's allocator has no exception of its own.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def _remedies(config: RunConfig) -> str:
    """Return what would need less memory than a configuration does."""
    positions = config.micro_sequences * config.sequence_length
    remedies = [f"halve --micro-sequences, now {config.micro_sequences}"] if config.micro_sequences > 1 else []
    remedies += ["set --checkpointing selective or full"] if config.checkpointing == "none" else []
    remedies += [f"set --loss-chunk below {positions:,}"] if not 0 < config.loss_chunk < positions else []
    return ", ".join([*remedies, "shard over more processes with torchrun, or choose a smaller --model"])


def _fail(message: str) -> int:
    Console(stderr=True).print(f"[red]error[/]: {escape(addresses.hide(message))}", highlight=False, soft_wrap=True)
    return 2


if __name__ == "__main__":
    commands.run(main)
