"""Score a model on benchmarks in local files, as LLaMA's papers do or as lm-evaluation-harness does.

python -m train.evaluation --run data/run --corpus data/corpus piqa=PATH mmlu@5=PATH --format harness

The table goes to the terminal, a row for each task to RUN/benchmarks.jsonl (or `--output`). Under torchrun each rank
holds the model, and they share the prompts of tasks that generate.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from pipelines.files import commands, paths
from train import command_lines
from train.config import choose_device, launched
from train.evaluation import contaminated
from train.evaluation.generated import ONE_SEED, Means, generate, means
from train.evaluation.history import FILE
from train.evaluation.inference.opening import Opened, open_model
from train.evaluation.inference.scoring import Scorer, answer, chance
from train.evaluation.results import Result, result, show, write
from train.evaluation.tasks.asking import Asking, Wanted, ask
from train.evaluation.tasks.kinds import Format, Likelihood
from train.parallel import joined


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = command_lines.evaluate()
    options = parser.parse_args(arguments)
    try:
        _evaluate(options, Console(width=None if Console().is_terminal else 140))
    except (ValueError, OSError) as error:
        parser.end(error)
    return 0


def _evaluate(options: argparse.Namespace, console: Console) -> None:
    format, device = Format(options.format), choose_device("auto")
    # Questions are read before the model is: what is wrong with a file is said at once.
    asked = [ask(one, format, options.limit) for one in _wanted(options)]
    with joined(device, 1, launched()) as world:
        using = means(asked, options.run_code, options.judge, options.seed, world)
        _score(options, asked, format, using, console, device)


def _score(
    options: argparse.Namespace,
    asked: Sequence[Asking],
    format: Format,
    using: Means,
    console: Console,
    device: torch.device,
) -> None:
    def report(message: str) -> None:
        if using.world.first:
            console.print(message, markup=False, highlight=False, soft_wrap=True)

    opened = open_model(options, report, device)
    found = using.world.first_does(lambda: _contaminated(options, opened, asked, report))
    results = [evaluate(one, format, opened.scorer, found.get(one.task.name), using) for one in asked]
    if not using.world.first:
        return
    show(results, console)
    output = options.output or (None if opened.step is None else Path(options.run) / FILE)
    if output is not None:
        write(output, results, opened.step)
        report(f"written: {output}")


def _wanted(options: argparse.Namespace) -> list[Wanted]:
    examples = {one.name: one.path for one in (Wanted.parse(text, paths.form) for text in options.examples)}
    wanted = [Wanted.parse(text, paths.form) for text in options.tasks]
    names = [one.name for one in wanted]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"task {twice[0]} is given twice; give it once, with one number of shots")
    if unused := sorted(set(examples) - set(names)):
        raise ValueError(f"--examples names {unused[0]}, which is no task of this command")
    return [replace(one, examples=examples.get(one.name)) for one in wanted]


def evaluate(
    asking: Asking,
    format: Format,
    scorer: Scorer,
    found: contaminated.Found | None = None,
    using: Means = ONE_SEED,
) -> Result:
    """Return a task's result on a model."""
    form = asking.form
    if not isinstance(form, Likelihood):
        generated = generate(asking, scorer, using)
        return result(asking, format, generated.values, generated.cut, None, found, generated.unfinished)
    questions = asking.questions
    answered = answer(scorer, questions, form)
    both = list(zip(answered, questions, strict=True))
    plain = [{"not normalised": one.plain(question, form.metric)} for one, question in both]
    main = [{str(form.metric): one.score(question, form.metric)} for one, question in both]
    # Where nothing is normalised both are the same.
    values = main if form.normalisation == "none" else [a | b for a, b in zip(main, plain, strict=True)]
    return result(asking, format, values, [one.cut for one in answered], chance(questions), found)


def _contaminated(
    options: argparse.Namespace, opened: Opened, asked: Sequence[Asking], report: Callable[[str], None]
) -> Mapping[str, contaminated.Found]:
    if opened.corpus is None or options.without_contamination:
        return {}
    try:
        return contaminated.search(opened.corpus, opened.sources, {one.task.name: one.rows for one in asked})
    except ValueError as error:
        report(f"contamination is not known: {error}")
        return {}


if __name__ == "__main__":
    commands.run(main)
