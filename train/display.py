"""A run on the terminal: a progress line while it goes, plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINES = 20  # of a whole run, where there is no terminal


class Display:
    """The progress of the steps of a run."""

    def __init__(self, console: Console, step: int, steps: int) -> None:
        self._console = console
        self._steps = steps
        columns = (
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TextColumn("{task.fields[measures]}"),
            TimeRemainingColumn(compact=True),
        )
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task("training", total=steps, completed=step, measures="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, row: Mapping[str, Any], steps: int) -> None:
        """Show a step's row of the log; `steps` is the run's length as far as is known now."""
        self._steps = steps
        measures = describe(row)
        self._progress.update(self._task, completed=row["step"], total=steps, measures=measures)
        every = max(1, steps // _LINES)
        if not self._console.is_terminal and (row["step"] % every == 0 or row["step"] == self._steps):
            remaining = (self._steps - row["step"]) * row["batch_tokens"] / row["tokens_per_second"]
            self._console.print(
                f"step {row['step']}/{self._steps}  {measures}  {remaining:.0f} s left", highlight=False
            )


def describe(row: Mapping[str, Any]) -> str:
    """Return loss, learning rate, gradient norm and speed as one line; MFU (6N/full/causal) and energy where known."""
    loss, norm = row["loss"], row["gradient_norm"]
    parts = [
        f"loss {loss:.3f}" if loss is not None else "loss not finite",
        f"lr {row['learning_rate']:.2e}",
        f"grad {norm:.2f}" if norm is not None else "grad not finite, step skipped",
        f"{row['tokens_per_second']:,.0f} tokens/s",
    ]
    if row.get("mfu"):
        parts.append("MFU " + "/".join(f"{100 * share:.1f}" for share in row["mfu"].values()) + " %")
    if row.get("footprint"):
        parts.append(f"{row['footprint']['mwh'] * 1e6:,.0f} Wh")
    return "  ".join(parts)
