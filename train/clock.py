"""The time and energy of a run, and how many steps fit into the minutes that it has.

    minutes - time since the command began - what comes at the end (evaluation, last checkpoint, page)
        / a step's time and its part of the checkpoints and evaluations between steps   = steps that are left

All of it is measured as the run goes, on the machine as it is; what was not measured yet is estimated from a step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from typing import Any

from train import meters
from train.energy import Meter, used
from train.run import Run

_FORWARD = 0.4  # of a training step's time that its tokens take to be scored, with some to spare
_PAGE = 0.01  # of the minutes, for the page at the end
TOLERANCE = 0.05  # of the minutes, by which a block of the mixture that is begun may end late


class Clock:
    """The time and energy of a run, those of the processes before this one included.

    `began` is when this process' command began (`time.perf_counter`).
    """

    def __init__(self, run: Run, began: float) -> None:
        self._run = run
        self._start = began - run.seconds
        self._before = run.watt_hours
        self._meter = Meter(meters.uuid_of(run.device))
        self._speed = meters.Throughput(time.perf_counter)
        self._pace = meters.Pace()
        self._took = {"evaluation": math.nan, "save": math.nan}
        self._name = meters.name_of(run.device)
        self._peak = meters.peak_of(self._name)

    @contextmanager
    def apart(self, what: str) -> Iterator[None]:
        """Measure an evaluation or a save, and leave it out of the speed."""
        began = time.perf_counter()
        yield
        self._speed.skip()
        self._took[what] = self._run.world.same(time.perf_counter() - began)

    def measure(self, tokens: int) -> dict[str, Any]:
        """Count a step's tokens; return what it adds to the row, the same on every rank."""
        run = self._run
        run.seconds = run.world.same(time.perf_counter() - self._start)
        run.watt_hours = self._energy()
        speed = run.world.same(self._speed.add(tokens))
        self._pace.add(self._speed.last)
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

    @property
    def longest_step(self) -> float:
        """Return the seconds of the longest step of this process."""
        return self._pace.longest

    def steps(self) -> int:
        """Return the length of the run as far as is known now: its configured steps, or those that fit."""
        run = self._run
        config = run.config
        if not config.minutes:
            return run.steps
        pace = run.world.same(self._pace.seconds)
        evaluation = self._evaluation(pace)
        save = pace if math.isnan(self._took["save"]) else self._took["save"]
        per_step = pace + save / config.checkpoint_every
        per_step += evaluation / config.evaluate_every if config.evaluate_every else 0.0
        left = config.minutes * 60 * (1 - _PAGE) - run.seconds
        if not self._pace.known:  # the first step says nothing of the others, and nothing of an evaluation
            return run.steps if left > 0 else run.step
        return steps_that_fit(run, left - evaluation - save, per_step)

    def _evaluation(self, pace: float) -> float:
        """Return the seconds of an evaluation: of the last, or of so many tokens at a part of a step's time."""
        if not math.isnan(self._took["evaluation"]):
            return self._took["evaluation"]
        config, manifests = self._run.config, self._run.corpus.manifests.values()
        scored = sum(
            min(config.evaluation_tokens, manifest.total("validation", "tokens"))
            for manifest in manifests
            if "validation" in manifest.splits
        )
        return _FORWARD * pace * scored / (config.batch_sequences * config.sequence_length)

    def _energy(self) -> float | None:
        drawn = self._meter.watt_hours()
        drawn = self._run.world.sum(math.nan if drawn is None else drawn)
        return None if self._before is None or math.isnan(drawn) else self._before + drawn


def steps_that_fit(run: Run, left: float, per_step: float) -> int:
    """Return the length of a run that has so many seconds left: what fits, at most its configured steps.

    Warm-up and cosine follow it, so the learning rate reaches its end when the time does. A run that is shortened ends
    with a block of the mixture, where every source has its proportion, as far as one ends in time or shortly after;
    else where the time does.
    """
    last = run.config.steps
    fitting = run.step + max(0, int(left / per_step))
    if fitting >= last:
        return last
    late = run.step + max(0, int((left + TOLERANCE * 60 * run.config.minutes) / per_step))
    ends = chain(range(fitting, run.step - 1, -1), range(fitting, min(late, last) + 1))
    whole = (step for step in ends if run.mixture.is_whole(step * run.config.batch_sequences))
    return next(whole, fitting)
