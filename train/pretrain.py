"""Train a LLaMA on a finished corpus; run again to resume.

python -m train.pretrain --corpus data/corpus --output data/run
torchrun --nproc-per-node 8 -m train.pretrain ...          the same over several processes

corpus -> plan -> steps (records, checkpoints, evaluations) -> held-out bits per byte, ledger beside Table 1, a text
       -> summary.json, report.html
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape

from pipelines.files import addresses, commands, lock, ours
from train import checkpoint, meters, signals
from train.clock import Clock
from train.config import RunConfig, choose_device, parse
from train.corpus import rescaled
from train.dataset import Batch
from train.display import Display
from train.evaluate import benchmarks_of, check_held_out, evaluate_run
from train.mixture import parse_proportions
from train.parallel import World, joined
from train.plan import human, scale_of, show
from train.records import LOG, Recorder, as_json, read_log
from train.report import SUMMARY
from train.run import Run, open_run, rewind, save, train_step
from train.signals import Request, Stopped
from train.spikes import Detector
from train.summary import finish

SPIKES = "spikes.jsonl"


def train(run: Run, console: Console, request: Request, began: float) -> None:
    """Take the run's steps to its end, to `stop_after` or to a signal; save at intervals and at the last step.

    `began` is when the command did.
    """
    config, world, saves = run.config, run.world, Saves(run, console)
    stop, stopped = min(config.steps, config.stop_after or config.steps), False
    with (
        request.training(),
        closing(Recorder(Path(config.output) if world.first else None, run.step)) as records,
        Display(console, run.step, run.steps) as display,
    ):
        clock, detector = Clock(run, began), _detector(run)
        batches = _heeding(run.batches(stop), run, request)
        run.steps = clock.steps()
        while run.step < min(stop, run.steps) and not stopped:
            try:
                row = train_step(run, batches)
            except Stopped:  # while it waited for a batch: the step was not taken
                run.optimizer.zero_grad()
                break
            row |= clock.measure(row["batch_tokens"])
            request.longest_step = clock.longest_step
            run.steps = clock.steps()
            records.step(row)
            display.update(row, run.steps)
            if detector.add(row["loss"]):
                saves.settle()
                _go_back(run, detector.suspicious, console)
                records.rewind(run.step)
                batches, detector = _heeding(run.batches(stop), run, request), _detector(run)
                saves.last = run.step
            elif not detector.suspicious and saves.are_due():
                with clock.apart("save"):
                    saves.save()
            if config.evaluate_every and run.step % config.evaluate_every == 0 and run.step < run.steps:
                with suppress(Stopped), clock.apart("evaluation"), request.waiting(world.size == 1):
                    records.evaluation(evaluate_run(run)[1])
            stopped = world.agree(request.received is not None)
        if stopped or request.received:
            request.heard()
        saves.end()
        if run.step == run.steps and not request.received and not stopped:
            with suppress(Stopped), request.waiting(world.size == 1):
                _finish(run, records, console)
    if stopped or request.received:
        console.print(
            f"{request.received or 'another process was stopped'}: saved at step {run.step}; the same command resumes"
        )


def _heeding(batches: Iterator[Batch], run: Run, request: Request) -> Iterator[Batch]:
    """Yield batches; while one is waited for, a signal raises Stopped."""
    while True:
        with request.waiting(run.world.size == 1):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


class Saves:
    """When a run saves: at intervals, again after a save that failed, and at the end."""

    def __init__(self, run: Run, console: Console) -> None:
        self._run, self._console = run, console
        self._again = False
        self.last = run.step

    def are_due(self) -> bool:
        """Tell whether to save now; if a save has failed since it was begun, say so."""
        run = self._run
        failed = run.saver is not None and run.config.checkpoint_async and run.world.agree(run.saver.has_failed)
        if failed:
            self.settle()
        # Not at every step, where the disk stays full: copies of all tensors are not free.
        again, self._again = failed and not self._again, failed
        return again or run.step % run.config.checkpoint_every == 0

    def save(self) -> None:
        """Save, or begin to."""
        self.settle()
        save(self._run)
        self.last = self._run.step

    def settle(self) -> bool:
        """Wait for a save that was begun; tell if it failed, and return whether it did not."""
        try:
            if self._run.saver is not None:
                self._run.saver.wait()
        except OSError as error:
            self.last = -1
            self._console.print(f"[yellow]warning[/]: {escape(str(error))}; it will be saved again", highlight=False)
            return False
        return True

    def end(self) -> None:
        """Save what is not saved yet, for sure; raise OSError if it cannot be."""
        if not self.settle() or self.last < self._run.step:
            save(self._run)
        if not self.settle():
            save(self._run)
            if self._run.saver is not None:
                self._run.saver.wait()


def _finish(run: Run, records: Recorder, console: Console) -> None:
    if run.steps < run.config.steps:
        inside = (
            ""
            if run.mixture.is_whole(run.step * run.config.batch_sequences)
            else ", inside a block of the mixture: the shares below are close to the proportions, not equal to them"
        )
        console.print(
            f"--minutes {run.config.minutes:g} ended the run after {run.step:,} of {run.config.steps:,} steps{inside}",
            highlight=False,
        )
    if not console.is_terminal:
        console.print("scoring the held-out documents", highlight=False)
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


def pretrain(config: RunConfig, console: Console, world: World, request: Request, began: float) -> None:
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
                f"the run in {config.output} is finished ({run.steps} steps); give another --output for a new one",
                soft_wrap=True,
            )
            return
        benchmarks_of(run)  # what is wrong with their files is said before any training
        if missing := check_held_out(run):
            warn(f"no documents are held out of {', '.join(missing)}")
        # What a killed process left half written; only who holds the directory may remove it.
        world.first_does(lambda: checkpoint.clear_unfinished(run.checkpoints))
        _introduce(run, console)
        train(run, console, request, began)


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
    most = "at most " if config.minutes else ""
    console.print(
        f"model {config.model}: {human(shape.parameters)} parameters on {run.world.size} x {name}, "
        f"vocabulary {shape.vocabulary:,}, "
        f"{most}{config.steps:,} steps of {config.batch_sequences} x {config.sequence_length} tokens"
        + (f": as many as fit into {config.minutes:g} minutes on this machine" if config.minutes else "")
        + (f", resumed at step {run.step}" if run.step else "")
        + (f"; MFU is of {human(int(peak))}FLOP/s (dense bfloat16)" if peak else ""),
        highlight=False,
    )
    weights = parse_proportions(config.proportions)
    show(console, run.ledger(config.steps), f"Plan of {most}{config.steps:,} steps", scale_of(weights))
    if said := rescaled(config.corpus, weights):
        console.print(said, highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    began = time.perf_counter()
    try:
        config = parse(arguments)
        with (
            signals.listening() as request,
            joined(choose_device(config.device), config.tensor_parallel, config.replicas) as world,
        ):
            pretrain(config, Console(quiet=not world.first), world, request, began)
    except Stopped as stopped:
        Console(stderr=True).print(f"{stopped}: stopped", highlight=False)
        return stopped.status
    except (ValueError, OSError) as error:
        return _fail(str(error), commands.code_of(error))
    except (MemoryError, RuntimeError) as error:
        if not _of_memory(error):
            raise
        return _fail(f"too little memory: {_remedies(config)} ({str(error).splitlines()[0]})", commands.FAILED)
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


def _fail(message: str, code: int) -> int:
    Console(stderr=True).print(f"[red]error[/]: {escape(addresses.hide(message))}", highlight=False, soft_wrap=True)
    return code


if __name__ == "__main__":
    commands.run(main)
