"""Multiple choice by likelihood, zero-shot, on benchmarks in local files (LLaMA, section 3).

python -m train.benchmarks --run data/run --corpus data/corpus piqa=PATH boolq=PATH

rows of Arrow, Parquet or JSON lines -> Question -> log-likelihood of each completion after its context
    -> normalised by characters, or by its likelihood after "Answer:" (OpenBookQA, BoolQ) -> the best is the answer
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console

from model.llama import LLaMA
from pipelines import contamination
from pipelines.files import commands, paths
from tokenizer.encode import Ids
from tokenizer.encode import Tokenizer as CorpusTokenizer
from train import command_lines
from train.config import choose_device
from train.export import open_checkpoint
from train.loss import token_losses

UNCONDITIONAL = "Answer:"  # LLaMA, section 3
BATCH = 16  # completions scored at once
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """Completions, each after its context (mostly the same), and which is right."""

    contexts: tuple[str, ...]
    completions: tuple[str, ...]
    answer: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How many of `questions` were answered rightly, raw and by the paper's normalisation."""

    questions: int
    raw: float
    normalised: float


class Tokenizer(Protocol):
    """What turns text into token ids."""

    def encode(self, text: str) -> list[int] | Ids:
        """Return the ids of a text."""


def _one(context: str, completions: Sequence[str], answer: int) -> Question:
    return Question((context,) * len(completions), tuple(completions), answer)


def _lettered(row: Row, question: str) -> Question:
    choices = row["choices"]
    completions = [" " + text for text in choices["text"]]
    return _one(f"Question: {row[question]}\nAnswer:", completions, list(choices["label"]).index(row["answerKey"]))


def _boolq(row: Row) -> Question:
    right = str(row["answer"]).lower() in ("true", "yes", "1")
    return _one(f"{row['passage']}\nQuestion: {row['question']}?\nAnswer:", (" no", " yes"), int(right))


def _piqa(row: Row) -> Question:
    return _one(f"Question: {row['goal']}\nAnswer:", (" " + row["sol1"], " " + row["sol2"]), int(row["label"]))


def _siqa(row: Row) -> Question:
    completions = [" " + row[f"answer{letter}"] for letter in "ABC"]
    return _one(f"{row['context']}\nQuestion: {row['question']}\nAnswer:", completions, int(row["label"]) - 1)


def _hellaswag(row: Row) -> Question:
    context = f"{row['activity_label']}: {row['ctx']}"
    return _one(context, [" " + ending for ending in row["endings"]], int(row["label"]))


def _winogrande(row: Row) -> Question:
    before, _, after = row["sentence"].partition("_")
    contexts = tuple(before + row[name] for name in ("option1", "option2"))
    return Question(contexts, (" " + after.strip(),) * 2, int(row["answer"]) - 1)


def _mmlu(row: Row) -> Question:
    return _one(f"Question: {row['question']}\nAnswer:", [" " + text for text in row["choices"]], int(row["answer"]))


# What makes a row a question, and whether its completions are normalised by their likelihood after "Answer:".
TASKS: dict[str, tuple[Callable[[Row], Question], bool]] = {
    "boolq": (_boolq, True),
    "piqa": (_piqa, False),
    "siqa": (_siqa, False),
    "hellaswag": (_hellaswag, False),
    "winogrande": (_winogrande, False),
    "arc": (lambda row: _lettered(row, "question"), False),
    "openbookqa": (lambda row: _lettered(row, "question_stem"), True),
    "mmlu": (_mmlu, False),
}


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of an Arrow, Parquet or JSON-lines file, or of those in a directory; raise ValueError for none."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    known = [file for file in files if file.suffix in (".arrow", ".parquet", ".jsonl")]
    if not known or not path.exists():
        raise ValueError(f"{path}: no .arrow, .parquet or .jsonl file")
    for file in known:
        if file.suffix == ".jsonl":
            yield from _json_lines(file)
        else:
            yield from contamination.examples(file)


def _json_lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of JSON lines; only a line feed ends one: JSON's strings may hold U+2028 as it is."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not lines of JSON: {error}") from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{file}: line {number} is not JSON: {error}") from None


def read(task: str, path: Path, limit: int = 0) -> list[Question]:
    """Read a benchmark's questions, the first `limit` if given.

    Raises ValueError naming an unknown task, or the field that a row lacks or that holds no answer.
    """
    if task not in TASKS:
        raise ValueError(f"task {task!r} is not known; available: {', '.join(TASKS)}")
    questions: list[Question] = []
    for number, row in enumerate(rows(path)):
        if limit and number == limit:
            break
        try:
            questions.append(TASKS[task][0](row))
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise ValueError(f"{path}: row {number} is not a question of {task}: {error!r}") from None
    return questions


@torch.no_grad()
def likelihoods(
    model: LLaMA, tokenizer: Tokenizer, bos: Sequence[int], pairs: Sequence[tuple[str, str]]
) -> list[float]:
    """Return the log-likelihood in nats of each completion after its context.

    What does not fit the model's context is cut from the left.
    """
    cuts = [_cut(tokenizer, bos, context, completion, model.config.context) for context, completion in pairs]
    order = sorted(range(len(cuts)), key=lambda n: len(cuts[n][0]))  # like lengths beside each other
    result = [0.0] * len(cuts)
    for start in range(0, len(order), BATCH):
        group = order[start : start + BATCH]
        width = max(len(cuts[n][0]) for n in group)
        batch = torch.tensor([cuts[n][0] + [0] * (width - len(cuts[n][0])) for n in group])
        losses = token_losses(model, batch.to(model.rotary.device)).cpu()
        for row, n in zip(losses, group, strict=True):
            tokens, scored = cuts[n]
            result[n] = -float(row[len(tokens) - 1 - scored : len(tokens) - 1].double().sum())
    return result


def _cut(tokenizer: Tokenizer, bos: Sequence[int], context: str, completion: str, room: int) -> tuple[list[int], int]:
    """Return the tokens of both, at most room + 1, and how many at their end are the completion's."""
    whole, before = tokenizer.encode(context + completion), tokenizer.encode(context)
    scored = min(max(1, len(whole) - len(before)), room)
    return [*bos, *map(int, whole)][-(room + 1) :], scored


def accuracy(
    model: LLaMA, tokenizer: Tokenizer, bos: Sequence[int], questions: Sequence[Question], unconditional: bool
) -> Accuracy:
    """Answer questions and compare.

    Normalised by the likelihood after "Answer:" if `unconditional`, else by characters.
    """
    pairs = [pair for q in questions for pair in zip(q.contexts, q.completions, strict=True)]
    found = likelihoods(model, tokenizer, bos, pairs)
    if unconditional:
        alone = likelihoods(model, tokenizer, bos, [(UNCONDITIONAL, completion) for _, completion in pairs])
        normalised = [value - other for value, other in zip(found, alone, strict=True)]
    else:
        normalised = [value / max(1, len(pair[1].strip())) for value, pair in zip(found, pairs, strict=True)]
    shares = [_share(questions, values) for values in (found, normalised)]
    return Accuracy(len(questions), *shares)


def _share(questions: Sequence[Question], values: Sequence[float]) -> float:
    start, right = 0, 0
    for question in questions:
        mine = values[start : start + len(question.completions)]
        right += max(range(len(mine)), key=mine.__getitem__) == question.answer
        start += len(mine)
    return right / max(1, len(questions))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = command_lines.evaluate()
    options = parser.parse_args(arguments)
    try:
        _evaluate(options, Console())
    except (ValueError, OSError) as error:
        parser.end(error)
    return 0


def _evaluate(options: argparse.Namespace, console: Console) -> None:
    named = [text.partition("=") for text in options.tasks]
    questions = {task: read(task, Path(paths.form(path)), options.limit) for task, _, path in named}
    run = open_checkpoint(Path(options.run), options.corpus, console.print, options.step, choose_device("auto"))
    tokenizer = CorpusTokenizer(run.corpus.tokenizer)
    bos_id = next(iter(run.corpus.manifests.values())).bos_id
    bos = [] if bos_id is None else [bos_id]
    for task, group in questions.items():
        result = accuracy(run.model, tokenizer, bos, group, TASKS[task][1])
        chance = sum(1 / len(q.completions) for q in group) / max(1, len(group))
        console.print(
            f"{task}: {result.normalised:.1%} of {result.questions} ({result.raw:.1%} not normalised; chance "
            f"{chance:.1%})",
            highlight=False,
        )


if __name__ == "__main__":
    commands.run(main)
