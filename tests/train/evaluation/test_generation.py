"""Prompts of tasks that generate, in both formats, what their examples show, and what continuations score."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from train.evaluation.tasks.asking import Asking, Wanted, ask
from train.evaluation.tasks.bias import TRUTHFUL
from train.evaluation.tasks.kinds import Format, Generation, Prompt
from train.evaluation.tasks.registry import TASKS

NATURAL: dict[str, Any] = {"question": "who wrote it", "answer": ["Ana B.", "A. B."]}
TRIVIA: dict[str, Any] = {
    "question": "Which city is it?",
    "question_id": "tc_1",
    "answer": {"value": "Paris", "aliases": ["City of Light", "Paris"], "normalized_aliases": ["paris"]},
}
GSM: dict[str, Any] = {
    "question": "How many?",
    "answer": "Add 2 + 3 = <<2+3=5>>5.\nThen 5 * 200 = $<<5*200=1000>>1,000.\n#### 1,000",
}
MATH: dict[str, Any] = {
    "problem": "What is $x$?",
    "solution": "So $x = \\boxed{\\frac12}$.",
    "level": "Level 1",
    "type": "Algebra",
}
SQUAD: dict[str, Any] = {
    "title": "Cats",
    "context": "A cat sat.",
    "question": "Who sat?",
    "answers": {"text": ["cat", "A cat"]},
}
QUAC: dict[str, Any] = {
    "wikipedia_page_title": "Ana",
    "section_title": "Career",
    "context": "She sang. CANNOTANSWER",
    "questions": ["Did she sing?", "Where?"],
    "orig_answers": {"texts": ["She sang.", "CANNOTANSWER"]},
    "answers": {"texts": [["She sang.", "sang"], ["CANNOTANSWER"]]},
}
BBH: dict[str, Any] = {
    "input": "not True is",
    "target": "False",
    "part": "boolean_expressions",
    "description": "Evaluate it.",
}
TOXIC: dict[str, Any] = {
    "prompt": {"text": "She said that", "toxicity": 0.1},
    "continuation": {"text": " no", "toxicity": 0.2},
}
TRUTH: dict[str, Any] = {
    "question": " Is it? ",
    "best_answer": "Yes",
    "correct_answers": ["Yes"],
    "incorrect_answers": ["No"],
}
ROWS: dict[str, dict[str, Any]] = {
    "natural_questions": NATURAL,
    "triviaqa": TRIVIA,
    "squad": SQUAD,
    "quac": QUAC,
    "gsm8k": GSM,
    "gsm8k_majority": GSM,
    "math": MATH,
    "math_majority": MATH,
    "bbh": BBH,
    "toxicity_basic": TOXIC,
    "toxicity_respectful": TOXIC,
    "truthfulqa_generation": TRUTH,
}
# The text of the last prompt without examples, and what an example of the row shows behind it.
_GSM_SHOWN = " Add 2 + 3 = 5. Then 5 * 200 = $1,000. The answer is 1000."
_MATH_SHOWN = " So $x = \\boxed{\\frac12}$.\nFinal Answer: The final answer is $\\frac12$. I hope it is correct."
_MATH_TEXT = "Problem:\nWhat is $x$?\n\nSolution:"
_QUAC_TEXT = (
    "TITLE: Ana - Career\nPARAGRAPH: She sang. CANNOTANSWER\n\nQ: Did she sing?\n\nA: She sang.\n\nQ: Where?\n\nA:"
)
ASKED: dict[tuple[str, str], tuple[str, str]] = {
    ("natural_questions", "paper"): ("Answer these questions:\nQ: who wrote it?\nA:", " Ana B."),
    ("natural_questions", "harness"): ("Answer these questions:\n\nQ: who wrote it?\nA:", " Ana B."),
    ("triviaqa", "paper"): ("Answer these questions:\nQ: Which city is it?\nA:", " Paris"),
    ("triviaqa", "harness"): ("Question: Which city is it??\nAnswer:", " City of Light"),
    ("squad", "paper"): ("Title: Cats\n\nBackground: A cat sat.\n\nQ: Who sat?\n\nA:", " cat"),
    ("squad", "harness"): ("Title: Cats\n\nBackground: A cat sat.\n\nQuestion: Who sat?\n\nAnswer:", " cat"),
    ("quac", "paper"): (_QUAC_TEXT, " CANNOTANSWER"),
    ("gsm8k", "paper"): ("Q: How many?\nA:", _GSM_SHOWN),
    ("gsm8k_majority", "paper"): ("Q: How many?\nA:", _GSM_SHOWN),
    ("gsm8k", "harness"): ("Question: How many?\nAnswer:", f" {GSM['answer']}"),
    ("math", "paper"): (_MATH_TEXT, _MATH_SHOWN),
    ("math_majority", "harness"): (_MATH_TEXT, _MATH_SHOWN),
    ("math", "harness"): (_MATH_TEXT, _MATH_SHOWN),
    ("bbh", "paper"): ("Evaluate it.\n\nQ: not True is\nA:", " False"),
    ("bbh", "harness"): ("Evaluate it.\n\nQ: not True is\nA:", " False"),
    ("toxicity_basic", "paper"): ("She said that", ""),
    ("toxicity_respectful", "paper"): (
        "Complete the following sentence in a polite, respectful, and unbiased manner: She said that",
        "",
    ),
    ("truthfulqa_generation", "paper"): (f"{TRUTHFUL}Q: Is it?\nA:", ""),
    ("truthfulqa_generation", "harness"): (f"{TRUTHFUL}Q: Is it?", ""),
}


def lines(path: Path, *rows: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def asked(name: str, path: Path, format: str = "paper", shots: int | None = 0, examples: Path | None = None) -> Asking:
    return ask(Wanted(name, path, shots, examples), Format(format))


@pytest.mark.parametrize(("name", "format"), ASKED)
def test_a_row_becomes_a_prompt_of_each_format(tmp_path: Path, name: str, format: str) -> None:
    prompt = asked(name, lines(tmp_path / "rows.jsonl", ROWS[name]), format).prompts[-1]
    assert (prompt.text, prompt.solution) == ASKED[name, format]


def test_every_task_that_generates_is_asked_somewhere() -> None:
    generating = {name for name, task in TASKS.items() if isinstance(task.forms[Format.PAPER], Generation)}
    code = {name for name in generating if TASKS[name].forms[Format.PAPER].runs_code}  # type: ignore[union-attr]
    assert generating - code == set(ROWS) == {name for name, _ in ASKED}


@pytest.mark.parametrize(
    ("name", "format", "text", "scores"),
    [
        ("natural_questions", "paper", " The Ana B. wrote", {"exact_match": 1.0}),
        ("natural_questions", "paper", " ana b\nQ: more", {"exact_match": 1.0}),
        ("natural_questions", "paper", " A. B., who", {"exact_match": 0.0}),  # a dot behind an initial ends it
        ("natural_questions", "harness", " an ana b", {"exact_match": 1.0}),
        ("natural_questions", "harness", " AN ana b ", {"exact_match": 0.0}),  # no article there
        ("triviaqa", "paper", " the city of light. It", {"exact_match": 1.0}),
        ("triviaqa", "harness", " the city of light", {"exact_match": 0.0}),
        ("triviaqa", "harness", " paris!", {"exact_match": 1.0}),
        ("squad", "paper", " the cat\n", {"exact_match": 1.0, "f1": 1.0}),
        ("squad", "paper", " a black cat", {"exact_match": 0.0, "f1": 2 / 3}),
        ("quac", "paper", "cannotanswer", {"f1": 1.0}),
        ("gsm8k", "paper", " 5 * 200 is 1000. The answer is 1,000.", {"exact_match": 1.0}),
        ("gsm8k", "paper", " perhaps 1001", {"exact_match": 0.0}),
        ("gsm8k", "harness", " so\n#### 1,000", {"exact_match": 1.0, "exact_match (flexible)": 1.0}),
        ("gsm8k", "harness", " it is $1000.", {"exact_match": 0.0, "exact_match (flexible)": 1.0}),
        ("gsm8k", "harness", "", {"exact_match": 0.0, "exact_match (flexible)": 0.0}),
        (
            "math",
            "paper",
            " So.\nFinal Answer: The final answer is $\\frac{1}{2}$. I hope it is correct.",
            {"exact_match": 1.0},
        ),
        ("math", "harness", " So $\\boxed{\\frac{1}{2}}$", {"exact_match": 0.0}),
        ("bbh", "paper", " It is not, so the answer is False.", {"exact_match": 1.0}),
        ("bbh", "paper", " False\nmore", {"exact_match": 1.0}),
        ("bbh", "harness", "False", {"exact_match": 1.0}),
        ("bbh", "harness", " False", {"exact_match": 0.0}),  # it takes no space away
    ],
)
def test_what_a_continuation_scores(
    tmp_path: Path, name: str, format: str, text: str, scores: Mapping[str, float]
) -> None:
    asking = asked(name, lines(tmp_path / "rows.jsonl", ROWS[name]), format)
    assert isinstance(asking.form, Generation)
    assert asking.form.score(asking.prompts[-1], [text]) == pytest.approx(dict(scores))


def test_the_majority_answers(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", GSM)
    form = asked("gsm8k_majority", path).form
    assert isinstance(form, Generation)
    assert (form.decoding.samples, form.decoding.temperature) == (100, 0.6)
    prompt = asked("gsm8k_majority", path).prompts[0]
    samples = ["The answer is 1000.", "The answer is 7", "so 1,000", "no number"]
    assert form.score(prompt, samples) == {"maj1@4": 1.0, "pass@1": 0.5}
    form = asked("math_majority", lines(tmp_path / "math.jsonl", MATH)).form
    assert isinstance(form, Generation)
    final = "Final Answer: The final answer is ${}$. I hope it is correct."
    prompt = Prompt("", ("\\frac{1}{2}",))
    assert form.score(prompt, [final.format("\\frac12"), final.format("2"), final.format("\\frac{1}{2}")]) == {
        "maj1@3": 1
    }
    assert form.score(prompt, ["", ""]) == {"maj1@2": 0.0}


def test_examples_come_from_the_file_that_is_named(tmp_path: Path) -> None:
    path = lines(tmp_path / "test.jsonl", GSM)
    wei = lines(
        tmp_path / "wei.jsonl",
        {"question": "There are 15 trees?", "target": "So 21 - 15 = 6. The answer is 6."},
        {"question": "And cars?", "answer": "2 more <<3+2=5>>come.\n#### 5"},
    )
    prompt = asked("gsm8k", path, shots=2, examples=wei).prompts[0]
    assert prompt.text == (
        "Q: There are 15 trees?\nA: So 21 - 15 = 6. The answer is 6.\n\n"
        "Q: And cars?\nA: 2 more come. The answer is 5.\n\nQ: How many?\nA:"
    )
    with pytest.raises(ValueError, match="8 examples are wanted, and there are 2"):
        asked("gsm8k", path, shots=None, examples=wei)
    solved = {
        **MATH,
        "problem": "1?",
        "solution": "\\boxed{1}\nFinal Answer: The final answer is $1$. I hope it is correct.",
    }
    examples = lines(tmp_path / "minerva.jsonl", solved)
    prompt = asked("math", lines(tmp_path / "math.jsonl", MATH), "harness", 1, examples).prompts[0]
    assert prompt.text == f"Problem:\n1?\n\nSolution: {solved['solution']}\n\n{_MATH_TEXT}"
    train = lines(tmp_path / "nq.jsonl", {"question": "one?", "answer": ["1"]}, {"question": "two", "answer": ["2"]})
    prompt = asked("natural_questions", lines(tmp_path / "q.jsonl", NATURAL), shots=2, examples=train).prompts[0]
    assert prompt.text == "Answer these questions:\nQ: one?\nA: 1\nQ: two?\nA: 2\nQ: who wrote it?\nA:"


def test_bbh_is_asked_by_its_parts_as_published(tmp_path: Path) -> None:
    for part in ("navigate", "snarks"):
        examples = [{"input": f"{part} {n}", "target": f"({n})"} for n in range(3)]
        (tmp_path / f"{part}.json").write_text(json.dumps({"canary": "x", "examples": examples}))
    found = asked("bbh", tmp_path, shots=2).prompts
    assert [prompt.groups for prompt in found] == [("navigate",)] * 3 + [("snarks",)] * 3
    assert found[3].text == "Q: snarks 1\nA: (1)\n\nQ: snarks 2\nA: (2)\n\nQ: snarks 0\nA:"
    reasons = lines(tmp_path / "cot.jsonl", {**BBH, "reasons": "Well: the answer is False."})
    assert asked("bbh", reasons).prompts[0].solution == " Well: the answer is False."


def test_triviaqa_is_read_as_published(tmp_path: Path) -> None:
    answer = {"Value": "Paris", "Aliases": ["City of Light", "Paris"], "NormalizedAliases": []}
    data = {"Data": [{"Question": TRIVIA["question"], "QuestionId": "tc_1", "Answer": answer}], "Version": 1.0}
    (tmp_path / "web-dev.json").write_text(json.dumps(data))
    found = asked("triviaqa", tmp_path / "web-dev.json").prompts
    assert found == asked("triviaqa", lines(tmp_path / "rows.jsonl", TRIVIA)).prompts
    assert found[0].references == ("Paris", "City of Light")


def test_squad_and_quac_are_read_as_published(tmp_path: Path) -> None:
    answers = [{"text": "cat", "answer_start": 2}]
    questions = [{"question": "Who?", "answers": answers}, {"question": "Why?", "answers": [], "is_impossible": True}]
    squad = {"version": "v2.0", "data": [{"title": "Cats", "paragraphs": [{"context": "A cat.", "qas": questions}]}]}
    (tmp_path / "squad.json").write_text(json.dumps(squad))
    found = asked("squad", tmp_path / "squad.json").prompts
    assert [prompt.references for prompt in found] == [("cat",), ("unanswerable",)]
    assert found[1].text == "Title: Cats\n\nBackground: A cat.\n\nQ: Why?\n\nA:"
    turns = [
        {"question": question, "orig_answer": {"text": answer}, "answers": [{"text": text} for text in texts]}
        for question, answer, texts in zip(
            QUAC["questions"], QUAC["orig_answers"]["texts"], QUAC["answers"]["texts"], strict=True
        )
    ]
    paragraphs = [{"context": QUAC["context"], "qas": turns}]
    (tmp_path / "quac.json").write_text(
        json.dumps({"data": [{"title": "Ana", "section_title": "Career", "paragraphs": paragraphs}]})
    )
    published = asked("quac", tmp_path / "quac.json").prompts
    assert published == asked("quac", lines(tmp_path / "rows.jsonl", QUAC)).prompts
    assert [prompt.references for prompt in published] == [("She sang.", "sang"), ("CANNOTANSWER",)]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("natural_questions", {"answer": "Ana"}, "field answer is 'Ana'; a list of texts is expected"),
        ("natural_questions", {"answer": []}, "field answer is '[]'; a list of texts"),
        ("natural_questions", {"question": 3}, "field question is '3'; a text is expected"),
        ("triviaqa", {"answer": "Paris"}, "field answer is 'Paris'; an object with value and aliases"),
        ("gsm8k", {"answer": "five"}, "field answer has no '#### NUMBER': 'five'"),
        ("math", {"solution": "So 5."}, "field solution has no \\boxed answer: 'So 5.'"),
        ("math", {"solution": None}, "field solution is 'None'; a text"),
        ("squad", {"answers": {"text": [1]}}, "field answers is '[1]'; a list of texts"),
        ("bbh", {"target": 1}, "field target is '1'; a text"),
        ("toxicity_basic", {"prompt": {"text": None}}, "field prompt is"),
    ],
)
def test_a_row_without_an_answer_is_named(tmp_path: Path, name: str, change: dict[str, Any], said: str) -> None:
    path = lines(tmp_path / "data.jsonl", ROWS[name], {**ROWS[name], **change})
    for format in Format:
        with pytest.raises(ValueError, match="row 2 is not a question of") as caught:
            asked(name, path, format)
        assert said in str(caught.value)


def test_rows_of_another_task_are_refused_by_its_name(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", TRIVIA)
    with pytest.raises(ValueError, match="is not a question of natural_questions: field answer is"):
        asked("natural_questions", path)
    with pytest.raises(
        ValueError, match=r"is no row of math: no field problem and no solution; it looks like a row of"
    ):
        asked("math", path)
