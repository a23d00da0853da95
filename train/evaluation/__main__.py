"""Score a model on benchmarks in local files, as LLaMA's papers do or as lm-evaluation-harness does.

python -m train.evaluation --run data/run --corpus data/corpus piqa=PATH mmlu@5=PATH --format harness
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from pipelines.files import commands, paths
from tokenizer.encode import Tokenizer
from train import command_lines
from train.config import choose_device
from train.evaluation.asking import Asking, Wanted, ask
from train.evaluation.scoring import Scorer, answer, chance
from train.evaluation.tasks import Format, Likelihood
from train.export import open_checkpoint


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
    examples = {wanted.name: wanted.path for wanted in (Wanted.parse(text, paths.form) for text in options.examples)}
    wanted = [Wanted.parse(text, paths.form) for text in options.tasks]
    wanted = [replace(one, examples=examples.get(one.name)) for one in wanted]
    asked = [ask(one, Format(options.format), options.limit) for one in wanted]
    scorer = _scorer(options, console)
    for one in asked:
        _show(one, scorer, console)


def _scorer(options: argparse.Namespace, console: Console) -> Scorer:
    run = open_checkpoint(Path(options.run), options.corpus, console.print, options.step, choose_device("auto"))
    manifest = next(iter(run.corpus.manifests.values()))
    bos, eos = (() if one is None else (one,) for one in (manifest.bos_id, manifest.eos_id))
    return Scorer(run.model, Tokenizer(run.corpus.tokenizer), bos, eos)


def _show(asking: Asking, scorer: Scorer, console: Console) -> None:
    assert isinstance(asking.form, Likelihood)
    questions, metric = asking.questions, asking.form.metric
    answered = answer(scorer, questions, asking.form)
    scores = [one.score(question, metric) for one, question in zip(answered, questions, strict=True)]
    plain = [one.plain(question, metric) for one, question in zip(answered, questions, strict=True)]
    console.print(
        f"{asking.task.name}: {sum(scores) / len(scores):.1%} of {len(scores)} ({sum(plain) / len(plain):.1%} not "
        f"normalised; chance {chance(questions):.1%}), {asking.shots} shots, format: {asking.form.source}",
        highlight=False,
    )


if __name__ == "__main__":
    commands.run(main)
