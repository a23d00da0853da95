"""How fast likelihood tasks are scored, beside lm-evaluation-harness' `hf` backend: same model, rows and CPU.

    MODEL in Hugging Face's format, with its tokenizer -> every likelihood task's rows, in turns -> CPU seconds

Usage: `python benchmarks/evaluation.py MODEL [--rows N] [--rounds N] [--batch N]`; `python -m train.export` writes such
a folder. Both run on one thread and are measured from the rows to the scores, without reading the model; the least of
the rounds counts. The harness is installed in an environment of its own, and both packages of rows are downloaded
(evaluation_data.py). Log-likelihoods are compared too. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from benchmarks.evaluation_data import Compared, Data, ask_harness, environment, write_lines
from train.evaluation.inference.opening import open_model
from train.evaluation.inference.scoring import Scorer, answer
from train.evaluation.tasks.asking import Wanted, ask
from train.evaluation.tasks.kinds import Format, Likelihood

BAR = 2.0  # the aim: choices of one question share their context
SAME = 1e-4  # nats


def ours(scorer: Scorer, task: Compared, folder: Path) -> tuple[float, list[tuple[float, ...]]]:
    """Return the CPU seconds of a task, and its log-likelihoods."""
    for split, rows in task.ours.items():
        write_lines(folder / f"{split}.jsonl", rows)
    start = time.process_time()
    asking = ask(Wanted(task.name, folder, task.shots), Format.HARNESS)
    assert isinstance(asking.form, Likelihood)
    answered = answer(scorer, asking.questions, asking.form)
    return time.process_time() - start, [one.raw for one in answered]


def differences(found: Sequence[tuple[float, ...]], theirs: Mapping[str, Any]) -> Iterator[float]:
    """Yield how far each log-likelihood is from theirs."""
    for one, other in zip(found, theirs["answers"], strict=True):
        yield from (abs(a - b[0]) for a, b in zip(one, other, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the scoring of benchmarks beside lm-evaluation-harness.")
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument("--rows", type=int, default=60, help="of each task (%(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="of both in turns (%(default)s)")
    parser.add_argument("--batch", type=int, default=8, help="the harness' batch size (%(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    opening = argparse.Namespace(run=str(options.model), step=None, context=None, corpus="")
    scorer = open_model(opening, print, torch.device("cpu")).scorer
    tasks = list(Data().tasks(options.rows))
    python = environment()
    mine: dict[str, float] = {}
    others: dict[str, float] = {}
    largest = 0.0
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            theirs = ask_harness(python, options.model, scorer.model.config.context, tasks, folder, options.batch)
            for task in tasks:
                seconds, found = ours(scorer, task, folder / "ours" / task.theirs)
                mine[task.theirs] = min(mine.get(task.theirs, seconds), seconds)
                theirs_seconds = theirs[task.theirs]["seconds"]
                others[task.theirs] = min(others.get(task.theirs, theirs_seconds), theirs_seconds)
                largest = max(largest, *differences(found, theirs[task.theirs]))
    names = dict.fromkeys(task.name for task in tasks)
    for name in names:
        of = [task.theirs for task in tasks if task.name == name]
        a, b = sum(mine[one] for one in of), sum(others[one] for one in of)
        print(f"{name:16} ours {a:8.2f} s, theirs {b:8.2f} s: {b / a:6.2f} times as fast")
    print(f"largest difference of a log-likelihood: {largest:.1e} nats")
    ratio = sum(others.values()) / sum(mine.values())
    print(
        json.dumps(
            {
                "evaluation, CPU": {"ratio": round(ratio, 2), "bar": BAR},
                "evaluation, same log-likelihoods": {"ratio": float(largest <= SAME), "bar": 1.0},
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
