"""Every log-likelihood beside lm-evaluation-harness's: the same rows, an exported model, an environment of its own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.evaluation_data import Compared, Data, ask_harness, environment, write_lines
from model.configs import ModelConfig
from model.llama import LLaMA
from pipelines.contamination import strings
from pipelines.files.packages import PackageError
from tests.train.synthetic import write_corpus
from tokenizer.encode import Tokenizer
from train.corpus import Corpus, open_corpus
from train.evaluation.inference.scoring import Scorer, answer
from train.evaluation.tasks.asking import Asking, Wanted, ask
from train.evaluation.tasks.kinds import Format, Likelihood, Metric, Normalisation
from train.evaluation.tasks.registry import TASKS
from train.export import Opened, export

pytestmark = pytest.mark.full
ROWS = 300
CONTEXT = 2048


@pytest.fixture(scope="module")
def compared() -> list[Compared]:
    try:
        return list(Data().tasks(ROWS))
    except PackageError as error:
        pytest.skip(f"NOT compared with lm-evaluation-harness: {error}")


@pytest.fixture(scope="module")
def corpus(compared: list[Compared], tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Return a corpus of the rows themselves, for its tokenizer: with fewer pieces no solved examples would fit."""
    rows = (row for task in compared for rows in task.ours.values() for row in rows[:100])
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder, {"c4": ["\n".join(strings(row)) for row in rows]}, vocabulary=4000)
    return open_corpus(folder, ["c4"])


@pytest.fixture(scope="module")
def scorer(corpus: Corpus) -> Scorer:
    """Return a model that has learned nothing, but is sure of itself: its log-likelihoods are far from each other."""
    tokenizer = Tokenizer(corpus.tokenizer)
    config = ModelConfig(
        dim=64, layers=2, heads=4, kv_heads=2, hidden=128, vocabulary=tokenizer.vocabulary, context=CONTEXT
    )
    model = LLaMA(config).initialise(torch.Generator().manual_seed(3)).requires_grad_(False)
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.mul_(6.0)
    assert tokenizer.bos is not None
    return Scorer(model, tokenizer, (tokenizer.bos,))


@pytest.fixture(scope="module")
def theirs(
    scorer: Scorer, corpus: Corpus, compared: list[Compared], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Any]:
    folder = tmp_path_factory.mktemp("harness")
    export(Opened(scorer.model, corpus), folder / "model")
    return ask_harness(environment(), folder / "model", CONTEXT, compared, folder)


def asked(task: Compared, folder: Path) -> Asking:
    for split, rows in task.ours.items():
        write_lines(folder / f"{split}.jsonl", rows)
    return ask(Wanted(task.name, folder, task.shots), Format.HARNESS)


NAMES = [name for name, task in TASKS.items() if isinstance(task.forms[Format.HARNESS], Likelihood)]


@pytest.mark.parametrize("name", NAMES)
def test_every_log_likelihood_is_the_harness_own(
    name: str, scorer: Scorer, compared: list[Compared], theirs: Mapping[str, Any], tmp_path: Path
) -> None:
    name = "race_high" if name == "race_middle" else name  # one task there
    mine = [task for task in compared if task.name == name]
    assert mine
    count, beyond, largest, spread = 0, 0, 0.0, 0.0
    for task in mine:
        asking = asked(task, tmp_path / task.theirs)
        assert isinstance(asking.form, Likelihood)
        answered = answer(scorer, asking.questions, asking.form)
        found = theirs[task.theirs]
        assert len(found["answers"]) == len(answered)
        for ours, other in zip(answered, found["answers"], strict=True):
            values = [one[0] for one in other]
            assert len(values) == len(ours.raw)
            apart = [abs(a - b) for a, b in zip(ours.raw, values, strict=True)]
            # Its sum is made in float32: two of its steps, which beyond 512 nats are more than 1e-4.
            for distance, value in zip(apart, values, strict=True):
                assert distance <= max(1e-4, 2 * np.spacing(np.float32(abs(value)))), (value, distance)
                largest = max(largest, distance if abs(value) <= 1024 else 0.0)
                beyond += abs(value) > 1024
            spread = max(spread, max(values) - min(values))
            count += 1
        check_scores(asking, answered, found["scores"])
    print(f"| `{name}` | {count} | {largest:.1e} | {spread:.0f} | {beyond} |")
    assert spread > 1
    assert count >= min(ROWS, 299)  # ARC's challenge has no more in the package


def check_scores(asking: Asking, answered: list[Any], scores: Mapping[str, float]) -> None:
    form, questions = asking.form, asking.questions
    assert isinstance(form, Likelihood)
    plain = [one.plain(question, form.metric) for one, question in zip(answered, questions, strict=True)]
    key = "pct_stereotype,none" if form.metric is Metric.PREFERENCE else "acc,none"
    assert sum(plain) / len(plain) == pytest.approx(scores[key], abs=1e-9 if form.metric is not Metric.MASS else 1e-4)
    if form.normalisation is Normalisation.CHARACTERS:
        normalised = [one.score(question, form.metric) for one, question in zip(answered, questions, strict=True)]
        assert sum(normalised) / len(normalised) == pytest.approx(scores["acc_norm,none"], abs=1e-9)


def test_the_prompts_are_the_harness_own(compared: list[Compared], theirs: Mapping[str, Any], tmp_path: Path) -> None:
    for task in compared:
        asking = asked(task, tmp_path / task.theirs)
        for question, prompts in islice(zip(asking.questions, theirs[task.theirs]["prompts"], strict=True), 20):
            expected = [tuple(prompt.values() if isinstance(prompt, dict) else prompt)[:2] for prompt in prompts]
            texts = [question.delimiter + choice for choice in question.choices]
            assert list(zip(question.contexts, texts, strict=True)) == expected, task.theirs
