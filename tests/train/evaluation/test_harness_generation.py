"""Tasks that generate, beside lm-evaluation-harness: its prompts byte for byte, its texts, its scores of answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.evaluation_data import ROOT, Data, environment, write_lines
from model.configs import ModelConfig
from model.llama import LLaMA
from pipelines.files.packages import PackageError
from pipelines.table1 import SOURCES
from tokenizer.encode import Tokenizer
from train.corpus import open_corpus
from train.evaluation.grading import symbolic
from train.evaluation.inference.decoding import continue_all
from train.evaluation.inference.scoring import Scorer
from train.evaluation.tasks.asking import Asking, Wanted, ask
from train.evaluation.tasks.kinds import Decoding, Format, Generation
from train.export import Opened, export

pytestmark = pytest.mark.full
ROWS = 300
CONTEXT = 1024
LENGTH = 32
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """A task's rows, and the texts that both are given for each of them."""

    name: str
    theirs: str
    rows: Rows
    split: str
    shots: int = 0
    train: Rows | None = None
    texts: list[list[str]] | None = None
    length: int = 0


def of_numbers(row: dict[str, Any]) -> list[str]:
    right = row["answer"].rpartition("#### ")[2]
    return [
        *(f" {row['answer']}", f" The answer is {right}.", f"\n#### {right}.", f"#### ${right}", f"#### {right},5"),
        *(f" so it is {right}", f" {right} of 7", f" ${right}.00", "", " none", "#### -", f"#### {right}\n#### 3"),
    ]


def of_formulas(row: dict[str, Any]) -> list[str]:
    from train.evaluation.grading.answers import boxed

    right = boxed(row["solution"]) or ""
    final = " So it is.\nFinal Answer: The final answer is {}. I hope it is correct."
    spelt = (
        *(f"${right}$", f"$ {right} $", right, f"$x = {right}$", f"$\\boxed{{{right}}}$", f"${right}$ units"),
        *(f"${right}$ square inches", f"$\\text{{{right}}}$", f"the ${right}$", f"${right}\\%$", f"${right}^\\circ$"),
        *(f"${right}+1$", "$\\frac12$", "$1,000$", "$(1, 2)$", "$\\left(1,2\\right)$", "$\\sqrt[3]2$", "$\\sqrt2$", ""),
    )
    texts = [final.format(text) for text in spelt]
    return [*texts, row["solution"], "", "Final Answer: The final answer is $5$", "I hope it is correct."]


def of_words(answers: list[str]) -> list[str]:
    first = answers[0]
    return [
        *(f" {first}", f" the {first}", f" The {first}", first.upper(), f"{first}!", f" {answers[-1]} ", f"\t{first}"),
        *(f" {first} {first}", "", " an", f" '{first}'", f"{first}\n", " a " + first.replace(" ", "-")),
    ]


def tasks(data: Data) -> Iterator[Task]:
    rows = dict(data.generated())
    natural, trivia, grade = rows["natural_questions"], rows["triviaqa"], rows["gsm8k"]
    words = [of_words(row["answer"]) for row in natural[:ROWS]]
    yield Task("natural_questions", "nq_open", natural[:ROWS], "validation", 5, natural[ROWS : 2 * ROWS], words, LENGTH)
    words = [of_words(row["answer"]["aliases"]) for row in trivia[:ROWS]]
    yield Task("triviaqa", "triviaqa", trivia[:ROWS], "validation", 5, trivia[ROWS : 2 * ROWS], words, LENGTH)
    numbers = [of_numbers(row) for row in grade[:ROWS]]
    yield Task("gsm8k", "gsm8k", grade[:ROWS], "test", 5, grade[ROWS : 2 * ROWS], numbers, LENGTH)
    maths = rows["math"][::6][:ROWS]
    yield Task("math", "minerva_math_algebra", maths, "test", 4, None, [of_formulas(row) for row in maths])
    yield Task("squad", "squadv2", rows["squad"][:ROWS], "validation")
    yield Task("humaneval", "humaneval", rows["humaneval"], "test")
    yield Task("mbpp", "mbpp", rows["mbpp"], "test", 3)
    yield Task("truthfulqa_generation", "truthfulqa_gen", rows["truthfulqa_generation"][:ROWS], "validation")
    bbh = [{"input": f"not ( {n} < {n % 7} ) is", "target": str(n >= n % 7)} for n in range(ROWS)]
    texts = [[row["target"], f" {row['target']}", "", f"{row['target']}."] for row in bbh]
    yield Task("bbh", "bbh_fewshot_boolean_expressions", bbh, "test", 3, None, texts)
    yield Task("toxicity_basic", "realtoxicityprompts", rows["toxicity"][:ROWS], "train")


@pytest.fixture(scope="module")
def compared() -> dict[str, Task]:
    try:
        return {task.name: task for task in tasks(Data())}
    except PackageError as error:
        pytest.skip(f"NOT compared with lm-evaluation-harness: {error}")


@pytest.fixture(scope="module")
def scorer(shared_corpus: Path) -> Scorer:
    """Return a model that has learned nothing, but is sure of itself."""
    tokenizer = Tokenizer(open_corpus(shared_corpus, SOURCES).tokenizer)
    config = ModelConfig(
        dim=64, layers=2, heads=4, kv_heads=2, hidden=128, vocabulary=tokenizer.vocabulary, context=CONTEXT
    )
    model = LLaMA(config).initialise(torch.Generator().manual_seed(3)).requires_grad_(False)
    for weight in model.parameters():
        if weight.dim() > 1:
            weight.mul_(8.0)
    # Bytes that are no characters alone are never the likeliest: what stands for them is not the same everywhere.
    broken = [id_ for id_, content in enumerate(tokenizer.contents) if content and not is_text(content)]
    model.output.weight[broken] = 0.0
    assert tokenizer.bos is not None
    assert tokenizer.eos is not None
    return Scorer(model, tokenizer, (tokenizer.bos,), (tokenizer.eos,))


def is_text(content: bytes) -> bool:
    return "\ufffd" not in content.decode("utf-8", "replace")


@pytest.fixture(scope="module")
def theirs(
    scorer: Scorer, shared_corpus: Path, compared: dict[str, Task], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Any]:
    folder = tmp_path_factory.mktemp("harness")
    export(Opened(scorer.model, open_corpus(shared_corpus, SOURCES)), folder / "model")
    wanted = [
        {
            "name": task.theirs,
            "files": {
                split: write_lines(folder / task.theirs / f"{split}.jsonl", rows)
                for split, rows in ((task.split, task.rows), ("train", task.train))
                if rows
            },
            "shots": task.shots,
            "texts": task.texts,
            "length": task.length,
        }
        for task in compared.values()
    ]
    asked, answered = folder / "asked.json", folder / "answered.json"
    asked.write_text(json.dumps({"model": str(folder / "model"), "context": CONTEXT, "tasks": wanted}))
    peer = [environment(), ROOT / "generation_peer.py", asked, answered]
    done = subprocess.run(peer, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found: Mapping[str, Any] = json.loads(answered.read_text())
    return found


def asked(task: Task, found: Mapping[str, Any], folder: Path) -> Asking:
    """Ask a task as the harness does: with its examples where its configuration holds them."""
    examples = task.train or found.get("samples") or []
    rows = task.rows
    if task.name == "mbpp":
        examples = [{**row, "test_setup_code": ""} for row in examples]
    if task.name == "bbh":
        examples = [{**row, "part": "x"} for row in examples]
        rows = [{**row, "part": "x", "description": found["description"].removesuffix("\n\n")} for row in rows]
    path = Path(write_lines(folder / "rows.jsonl", rows))
    shown = Path(write_lines(folder / "examples" / "rows.jsonl", examples)) if examples else None
    return ask(Wanted(task.name, path, task.shots, shown), Format.HARNESS)


NAMES = (
    *("natural_questions", "triviaqa", "gsm8k", "math", "squad", "humaneval", "mbpp", "truthfulqa_generation", "bbh"),
    "toxicity_basic",
)


@pytest.mark.parametrize("name", NAMES)
def test_prompts_are_the_harness_own_byte_for_byte(
    name: str, compared: dict[str, Task], theirs: Mapping[str, Any], tmp_path: Path
) -> None:
    task = compared[name]
    found = theirs[task.theirs]
    prompts = asked(task, found, tmp_path).prompts
    assert len(prompts) == len(found["prompts"]) >= 160
    different = [
        (ours.text, other) for ours, other in zip(prompts, found["prompts"], strict=True) if ours.text != other
    ]
    print(f"{name}: {len(prompts) - len(different)} of {len(prompts)} prompts are equal")
    assert different[:2] == []


@pytest.mark.parametrize("name", ["natural_questions", "triviaqa", "gsm8k"])
def test_what_is_generated_is_the_harness_own(
    name: str, scorer: Scorer, compared: dict[str, Task], theirs: Mapping[str, Any], tmp_path: Path
) -> None:
    task = compared[name]
    asking = asked(task, theirs[task.theirs], tmp_path)
    assert isinstance(asking.form, Generation)
    decoding = Decoding(LENGTH, asking.form.decoding.stop)
    continued = continue_all(scorer, asking.prompts, decoding)
    cut = sum(one.cut > 0 for one in continued)
    # Its tokenizer takes the space away in front of what was generated.
    pairs = [
        (one.texts[0].lstrip(" "), other.lstrip(" "))
        for one, other in zip(continued, theirs[task.theirs]["generated"], strict=True)
    ]
    equal = sum(ours == other for ours, other in pairs)
    print(f"{name}: {equal} of {len(pairs)} texts are equal; {cut} prompts were cut")
    assert [pair for pair in pairs if pair[0] != pair[1]][:3] == []


@pytest.mark.parametrize("name", ["natural_questions", "triviaqa", "gsm8k", "math", "bbh"])
def test_answers_score_what_they_score_there(
    name: str,
    compared: dict[str, Task],
    theirs: Mapping[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Formulas are compared with the reader of LaTeX that the harness has.
    reader = next(environment().parents[1].glob("lib/python*/site-packages"))
    monkeypatch.setenv("PYTHONPATH", f"{reader}:{ROOT.parent}")
    symbolic._worker.cache_clear()
    task = compared[name]
    asking = asked(task, theirs[task.theirs], tmp_path)
    assert isinstance(asking.form, Generation)
    assert task.texts is not None
    seen: dict[float, int] = {}
    for prompt, texts, scores in zip(asking.prompts, task.texts, theirs[task.theirs]["scores"], strict=True):
        for text, other in zip(texts, scores, strict=True):
            expected = [one["exact_match"] for one in other.values()]
            found = list(asking.form.score(prompt, [text]).values())
            assert found == expected, (prompt.references, text, other)
            seen[expected[0]] = seen.get(expected[0], 0) + 1
    symbolic._worker.cache_clear()
    print(f"{name}: {seen.get(1.0, 0)} right and {seen.get(0.0, 0)} wrong answers, as there")
    assert min(seen.values()) > ROWS / 2
    assert len(seen) == 2
