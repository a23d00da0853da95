import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.train.evaluation.examples import ROWS
from tests.train.evaluation.test_asking import asked, lines
from train.evaluation.contaminated import Found
from train.evaluation.published import PRINTED, SIZES
from train.evaluation.results import Result, result, show, write
from train.evaluation.tasks.kinds import Format
from train.evaluation.tasks.registry import TASKS


def shown(*results: Result) -> str:
    file = io.StringIO()
    show(results, Console(width=200, file=file))
    return file.getvalue()


def test_a_result_has_error_chance_clean_part_and_what_was_cut(tmp_path: Path) -> None:
    asking = asked("piqa", lines(tmp_path / "q.jsonl", *[ROWS["piqa"]] * 40))
    values = [{"accuracy": float(n < 30), "not normalised": float(n < 20)} for n in range(40)]
    found = result(asking, Format.PAPER, values, [0] * 38 + [3, 4], 0.5, Found(frozenset({0, 1, 39}), 5))
    assert (found.main.value, found.main.questions) == (0.75, 40)
    assert found.main.error == pytest.approx(0.068, abs=0.006)
    assert not found.near_chance
    assert found.clean is not None
    assert (found.clean.value, found.clean.questions) == (28 / 37, 37)
    assert (found.contaminated, found.too_short, found.cut, found.cut_tokens) == (3, 5, 2, 7)
    text = shown(found)
    assert "2 prompts do not fit the context: 7 tokens were cut from their left" in text
    assert "3 of 40 questions have a text that is in the corpus; 5 more are too short to tell" in text
    (line,) = [line for line in text.split("\n") if line.strip().startswith("PIQA")]
    assert line.split() == ["PIQA", "0", "40", "75.0", f"{100 * found.main.error:.1f}", "50.0", "75.7"] + [
        f"{value:.1f}" for value in (79.8, 80.1, 82.3, 82.8)
    ]
    write(tmp_path / "out.jsonl", [found], 7)
    write(tmp_path / "out.jsonl", [found], None)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [7, None]
    assert rows[0]["parts"]["accuracy"]["value"] == 0.75
    assert rows[0]["llama"] == dict(zip(SIZES, (79.8, 80.1, 82.3, 82.8), strict=True))


def test_near_chance_is_said(tmp_path: Path) -> None:
    asking = asked("piqa", lines(tmp_path / "q.jsonl", *[ROWS["piqa"]] * 40))
    found = result(asking, Format.PAPER, [{"accuracy": float(n < 24)} for n in range(40)], [0] * 40, 0.5, None)
    assert found.near_chance
    assert "≈ 50.0" in shown(found)
    assert "within two standard errors of chance (50.0): nothing is shown" in shown(found)
    assert (found.contaminated, found.clean) == (None, None)


def test_what_guessing_would_score_more_than_is_said(tmp_path: Path) -> None:
    asking = asked("piqa", lines(tmp_path / "q.jsonl", *[ROWS["piqa"]] * 40))
    found = result(asking, Format.PAPER, [{"accuracy": float(n < 8)} for n in range(40)], [0] * 40, 0.5, None)
    assert (found.near_chance, found.below_chance) == (False, True)
    assert "< 50.0" in shown(found)
    assert "more than two standard errors below chance (50.0)" in shown(found)
    found = result(asking, Format.PAPER, [{"accuracy": 1.0}] * 40, [0] * 40, 0.5, None)
    assert not found.below_chance
    assert "below chance" not in shown(found)


def test_parts_of_a_benchmark_and_their_mean(tmp_path: Path) -> None:
    rows = [{**ROWS["mmlu"], "subject": subject} for subject in ["anatomy"] * 3 + ["virology"] + ["law"] * 0]
    rows += [{**ROWS["mmlu"], "subject": "sociology"}]
    asking = asked("mmlu", lines(tmp_path / "q.jsonl", *rows))
    values = [{"accuracy": value} for value in (1.0, 1.0, 0.0, 0.0, 1.0)]
    found = result(asking, Format.HARNESS, values, [0] * 5, 0.25, None)
    assert found.macro is not None
    assert found.macro.value == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert {name: part.value for name, part in found.groups.items()} == {
        "other": 0.5,
        "anatomy": 2 / 3,
        "virology": 0.0,
        "social sciences": 1.0,
        "sociology": 1.0,
    }
    assert found.large == ("other", "social sciences")


def test_mmlus_printed_average_is_that_of_all_questions() -> None:
    # Questions of each group in the published test set, by the groups of knowledge.py.
    questions = {"humanities": 4705, "stem": 3018, "social sciences": 3077, "other": 3242}
    groups = {name: PRINTED["mmlu", 5, name].values for name in questions}
    for size, printed in enumerate(PRINTED["mmlu", 5, ""].values):
        total = sum(count * (groups[name][size] or 0.0) for name, count in questions.items())
        assert printed == pytest.approx(total / sum(questions.values()), abs=0.06)


def test_what_is_printed_is_of_tasks_and_parts_there_are() -> None:
    likelihood = {"boolq", "piqa", "siqa", "hellaswag", "winogrande", "arc_easy", "arc_challenge", "openbookqa"}
    assert {name for name, _, _ in PRINTED} & set(TASKS) >= likelihood
    assert all(len(row.values) == len(SIZES) for row in PRINTED.values())
    crows = [value.values[-1] for (name, _, part), value in PRINTED.items() if name == "crows_pairs" and part]
    assert len(crows) == 9
