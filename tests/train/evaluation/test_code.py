"""Programs of HumanEval and MBPP: what is run of a continuation, and pass@k of what passed."""

import json
from pathlib import Path
from typing import Any

import pytest

from train.evaluation.grading import programs
from train.evaluation.grading.programs import Ran, Verdict
from train.evaluation.tasks import code
from train.evaluation.tasks.asking import Asking, Wanted, ask
from train.evaluation.tasks.kinds import Format, Generation

HUMANEVAL: dict[str, Any] = {
    "task_id": "HumanEval/0",
    "prompt": 'def add(a, b):\n    """Add."""\n',
    "canonical_solution": "    return a + b\n",
    "test": "def check(candidate):\n    assert candidate(2, 3) == 5\n",
    "entry_point": "add",
}
MBPP: dict[str, Any] = {
    "task_id": 11,
    "text": "Write a function to add.",
    "code": "def add(a, b):\r\n    return a + b",
    "test_list": ["assert add(1, 2) == three", "assert add(0, 0) == 0", "assert add(5, 5) == 10"],
    "test_setup_code": "three = 3",
    "challenge_test_list": [],
}
_ASKED = (
    "You are an expert Python programmer, and here is your task: Write a function to add. Your code should pass these "
    "tests:\n\nassert add(1, 2) == three\nassert add(0, 0) == 0\nassert add(5, 5) == 10\n[BEGIN]\n"
)


def asked(name: str, tmp_path: Path, *rows: dict[str, Any], format: str = "paper", shots: int | None = 0) -> Asking:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ask(Wanted(name, path, shots), Format(format))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the programs that would be run; those with "good" in them pass, those with "slow" never end."""
    found: list[str] = []

    def run_all(texts: list[str]) -> list[Ran]:
        found.extend(texts)
        slow = [Verdict.TIMED_OUT if "slow" in text else Verdict.FAILED for text in texts]
        return [Ran(Verdict.PASSED if "good" in text else other) for text, other in zip(texts, slow, strict=True)]

    monkeypatch.setattr(code, "run_all", run_all)
    return found


def test_humaneval_runs_prompt_continuation_and_tests(tmp_path: Path, ran: list[str]) -> None:
    asking = asked("humaneval", tmp_path, HUMANEVAL)
    assert isinstance(asking.form, Generation)
    assert asking.form.runs_code
    assert asking.form.decoding.temperature == 0.1
    assert asking.prompts[0].text == HUMANEVAL["prompt"]
    texts = ["    return 'good'", *["    return 'slow'"] * 9, *["    return 1"] * 10]
    scores = asking.form.score(asking.prompts[0], texts)
    assert scores == pytest.approx({"pass@1": 1 / 20, "pass@10": 10 / 20, "timed out": 9 / 20})
    assert ran[0] == f"{HUMANEVAL['prompt']}    return 'good'\n{HUMANEVAL['test']}\ncheck(add)"


def test_mbpp_runs_continuation_set_up_and_tests(tmp_path: Path, ran: list[str]) -> None:
    solved = [{**MBPP, "task_id": n, "text": f"Task {n}.", "code": f"code {n}"} for n in (1, 2, 3, 4, 5)]
    for format in Format:
        asking = asked("mbpp", tmp_path, *solved, MBPP, {**MBPP, "task_id": 511}, format=format, shots=None)
        (prompt,) = asking.prompts
        parts = prompt.text.split("[DONE]\n\n")
        assert [part.partition("task: ")[2].partition(" Your")[0] for part in parts[:3]] == [
            "Task 2.",
            "Task 3.",
            "Task 4.",
        ]
        assert all(part.endswith(f"[BEGIN]\ncode {n}\n") for n, part in enumerate(parts[:3], 2))
        assert parts[3] == _ASKED
        assert isinstance(asking.form, Generation)
        asking.form.score(prompt, ["good = 1\n"])
        assert (
            ran[-1]
            == {
                Format.PAPER: "good = 1\n\nthree = 3\n" + "\n".join(MBPP["test_list"]),
                Format.HARNESS: "good = 1\n\n" + "\n".join(MBPP["test_list"]),
            }[format]
        )
    sanitized = {**MBPP, "prompt": MBPP["text"], "test_imports": ["import math"]}
    del sanitized["text"], sanitized["test_setup_code"]
    asking = asked("mbpp", tmp_path, sanitized)
    assert isinstance(asking.form, Generation)
    assert asking.prompts[0].text == _ASKED
    asking.form.score(asking.prompts[0], ["good"])
    assert ran[-1].startswith("good\nimport math\nassert")


def test_pass_at_100_comes_first_where_it_is_asked(tmp_path: Path, ran: list[str]) -> None:
    asking = asked("humaneval_pass100", tmp_path, HUMANEVAL)
    assert isinstance(asking.form, Generation)
    assert (asking.form.decoding.samples, asking.form.decoding.temperature) == (200, 0.8)
    scores = asking.form.score(asking.prompts[0], ["good"] + ["no"] * 199)
    assert list(scores) == ["pass@100", "pass@10", "pass@1", "timed out"]
    assert scores["pass@100"] == pytest.approx(0.5)
    form = asked("mbpp_pass80", tmp_path, MBPP).form
    assert isinstance(form, Generation)
    assert next(iter(form.score(asking.prompts[0], ["good"] * 200))) == "pass@80"


def test_what_was_generated_is_really_run(tmp_path: Path) -> None:
    try:
        programs.run("")
    except ValueError as error:
        pytest.skip(str(error))
    asking = asked("humaneval", tmp_path, HUMANEVAL, format="harness")
    assert isinstance(asking.form, Generation)
    found = [
        asking.form.score(asking.prompts[0], [text])["pass@1"] for text in ("    return a + b", "    return a", "")
    ]
    assert found == [1.0, 0.0, 0.0]
    asking = asked("mbpp", tmp_path, MBPP)
    assert isinstance(asking.form, Generation)
    assert asking.form.score(asking.prompts[0], [MBPP["code"], "import os\nos._exit(0)"])["pass@1"] == 0.5


@pytest.mark.parametrize(
    ("name", "row", "change", "said"),
    [
        ("humaneval", HUMANEVAL, {"entry_point": "a; import os"}, "field entry_point is 'a; import os', no name"),
        ("humaneval", HUMANEVAL, {"test": None}, "field test is 'None'; a text is expected"),
        ("mbpp", MBPP, {"test_list": []}, "field test_list is '[]'; a list of texts"),
        ("mbpp", MBPP, {"text": 1}, "field text is '1'; a text is expected"),
    ],
)
def test_a_row_that_cannot_be_run_is_named(
    tmp_path: Path, name: str, row: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match="row 1 is not a question of") as caught:
        asked(name, tmp_path, {**row, **change})
    assert said in str(caught.value)
