import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.train.evaluation.examples import ASKED, ROWS
from train.evaluation.tasks.asking import Asking, Wanted, ask
from train.evaluation.tasks.kinds import Format, Likelihood, Question
from train.evaluation.tasks.registry import TASKS
from train.evaluation.tasks.rows import files, records, split_of

LIKELIHOOD = [name for name, task in TASKS.items() if isinstance(task.forms[Format.PAPER], Likelihood)]


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def asked(name: str, path: Path, format: str = "paper", shots: int | None = 0, limit: int = 0) -> Asking:
    return ask(Wanted(name, path, shots), Format(format), limit)


@pytest.mark.parametrize("name", LIKELIHOOD)
@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".json", ".arrow", ".parquet"])
def test_rows_of_every_form_become_questions(tmp_path: Path, name: str, format: Format, suffix: str) -> None:
    row, path = ROWS[name], tmp_path / f"data{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps([row, row]))
    elif suffix == ".jsonl.gz":
        path.write_bytes(gzip.compress((json.dumps(row) + "\n\n" + json.dumps(row)).encode()))
    elif suffix == ".jsonl":
        lines(path, row, row)
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([row, row]), path)
    else:
        table = pa.Table.from_pylist([row, row])
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    found = asked(name, tmp_path, format).questions
    assert found
    expected = ASKED.get((name, str(format)))
    if expected is not None:
        contexts, choices, answers = expected
        last = found[-1]
        assert last.contexts == (contexts if len(contexts) > 1 else contexts * len(choices))
        assert (last.choices, last.answers) == (choices, answers)
    assert len(asked(name, path, format, limit=1).questions) == 1


def test_every_task_has_a_row_and_is_asked_somewhere() -> None:
    assert set(ROWS) == set(LIKELIHOOD)
    assert {name for name, _ in ASKED} >= set(LIKELIHOOD) - {"truthfulqa_mc1", "truthfulqa_mc2"}


def test_race_is_asked_question_by_question_in_each_of_its_forms(tmp_path: Path) -> None:
    published = ROWS["race_high"]
    (tmp_path / "1.txt").write_text(json.dumps(published))
    each = [
        {"article": published["article"], "question": question, "options": options, "answer": answer}
        for question, options, answer in zip(
            published["questions"], published["options"], published["answers"], strict=True
        )
    ]
    split = lines(tmp_path / "each.jsonl", *each)
    written = lines(tmp_path / "written.jsonl", {"article": published["article"], "problems": repr(each)})
    found = [asked("race_high", path).questions for path in (tmp_path / "1.txt", split, written)]
    assert [len(questions) for questions in found] == [2, 2, 2]
    assert found[0] == found[1] == found[2]
    assert len(asked("race_high", written, "harness").questions) == 1


def test_mmlu_as_published_has_no_names_of_columns_and_its_subject_in_the_files_name(tmp_path: Path) -> None:
    for split, count in (("dev", 5), ("val", 1), ("test", 2)):
        path = tmp_path / split / f"anatomy_{split}.csv"
        path.parent.mkdir()
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([f"{split} {n}, so?", "a\nb", '"b"', "c", "d", "C"] for n in range(count))
    found = asked("mmlu", tmp_path, "harness", shots=None)
    assert [question.groups for question in found.questions] == [("other", "anatomy")] * 2
    context = found.questions[1].contexts[0]
    assert context.startswith(
        "The following are multiple choice questions (with answers) about anatomy.\n\n"
        'dev 0, so?\nA. a\nb\nB. "b"\nC. c\nD. d\nAnswer: C\n\ndev 1, so?'
    )
    assert context.endswith(
        'dev 4, so?\nA. a\nb\nB. "b"\nC. c\nD. d\nAnswer: C\n\ntest 1, so?\nA. a\nb\nB. "b"\nC. c\nD. d\nAnswer:'
    )
    assert found.questions[1].answers == (2,)
    assert not found.own_examples
    with pytest.raises(ValueError, match="6 examples of anatomy are wanted, and there are 5: name the file"):
        asked("mmlu", tmp_path, shots=6)


def test_examples_are_of_the_questions_subject_and_never_the_question(tmp_path: Path) -> None:
    row = ROWS["mmlu"]
    rows = [{**row, "question": f"{n}?", "subject": subject} for n in range(3) for subject in ("anatomy", "virology")]
    path = lines(tmp_path / "one.jsonl", *rows)
    assert asked("mmlu", path, shots=2).own_examples
    assert not asked("mmlu", path, shots=0).own_examples
    contexts = [question.contexts[0] for question in asked("mmlu", path, shots=2).questions]
    assert [context.count("?\n") for context in contexts] == [3] * 6
    assert all(context.count(f"\n{n // 2}?\n") == 1 for n, context in enumerate(contexts))


def test_examples_that_are_missing_are_said(tmp_path: Path) -> None:
    lines(tmp_path / "validation.jsonl", *[ROWS["commonsense_qa"]] * 3)
    with pytest.raises(ValueError, match="from its split train: name their file with --examples commonsense_qa=PATH"):
        asked("commonsense_qa", tmp_path, shots=None)
    lines(tmp_path / "more" / "train.jsonl", *[{**ROWS["commonsense_qa"], "question": f"{n}?"} for n in range(7)])
    wanted = Wanted("commonsense_qa", tmp_path / "validation.jsonl", None, tmp_path / "more")
    found = ask(wanted, Format.PAPER).questions[0].contexts[0]
    assert found.startswith("Question: 0?\nAnswer: ice\n\nQuestion: 1?\nAnswer: ice\n\n")
    assert found.endswith("Question: 6?\nAnswer: ice\n\nQuestion: What melts? \nAnswer:")


def test_splits_are_told_by_names(tmp_path: Path) -> None:
    assert [split_of(Path(name)) for name in ("a/dev/x.csv", "x_val.csv", "test-00-of-01.parquet", "latest.jsonl")] == [
        *("dev", "validation", "test"),
        None,
    ]
    for name in ("train.jsonl", "validation.jsonl", "test.jsonl"):
        lines(tmp_path / name, {**ROWS["piqa"], "goal": name})
    (tmp_path / "dataset_info.json").write_text("{}")
    assert [file.name for file in files(tmp_path, "test")] == ["test.jsonl"]
    assert asked("piqa", tmp_path).questions[0].contexts[0] == "validation.jsonl"
    (tmp_path / "validation.jsonl").unlink()
    with pytest.raises(ValueError, match="no file of the split validation; there are test, train: name the file"):
        asked("piqa", tmp_path)


def test_errors_name_file_row_and_field(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file of .arrow, .parquet, .jsonl"):
        asked("piqa", tmp_path)
    path = lines(tmp_path / "data.jsonl", ROWS["piqa"], {"goal": "x", "sol1": "a", "label": 0})
    with pytest.raises(ValueError, match=r"data\.jsonl: row 2 is no row of piqa: no field sol2; it has goal, sol1"):
        asked("piqa", path)
    path.write_text(json.dumps(ROWS["piqa"]) + '\n{"goal": \n')
    with pytest.raises(ValueError, match=r"data\.jsonl: line 2 is not JSON"):
        asked("piqa", path)
    path.write_text("[1]\n")
    with pytest.raises(ValueError, match="row 1 is no object with fields"):
        asked("piqa", path)
    path.write_text("")
    with pytest.raises(ValueError, match="no row of piqa"):
        asked("piqa", path)
    with pytest.raises(ValueError, match="task 'sat' is not known; available: boolq"):
        asked("sat", path)
    table = tmp_path / "table.csv"
    table.write_text("goal,sol1,sol2,label\na,b,c\n")
    with pytest.raises(ValueError, match=r"table\.csv: line 2 has 3 fields where 4 are expected"):
        asked("piqa", table)
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(b"{}")[:-4])
    with pytest.raises(ValueError, match=r"torn\.jsonl\.gz: cannot be read"):
        asked("piqa", tmp_path / "torn.jsonl.gz")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("piqa", {"label": 2}, "the answer is number 3 of 2 choices"),
        ("piqa", {"label": "x"}, "field label is 'x', no number of a choice"),
        ("siqa", {"label": "0"}, "the answer is number 0 of 3 choices"),
        ("arc_easy", {"answerKey": "C"}, "field answerKey is 'C'; one of '1', '2' is expected"),
        ("boolq", {"answer": None}, "the answer is 'none'; true or false is expected"),
        ("winogrande", {"sentence": "None here."}, "field sentence has no _"),
        ("hellaswag", {"label": ""}, "field label is ''"),
        ("mmlu", {"answer": "E"}, "field answer is 'E'"),
        ("mmlu", {"subject": "cooking"}, "field subject is 'cooking', none of MMLU's 57"),
        ("truthfulqa_mc1", {"mc1_targets": {"choices": ["a"], "labels": [0]}}, "no choice is right"),
        ("winogender", {"sentence": "No one."}, "field sentence has 0 pronouns"),
        ("agieval", {"options": []}, "there are no choices"),
    ],
)
def test_an_answer_that_is_none_is_said(tmp_path: Path, name: str, change: dict[str, Any], said: str) -> None:
    path = lines(tmp_path / "data.jsonl", ROWS[name], {**ROWS[name], **change})
    with pytest.raises(ValueError, match="row 2 is not a question of") as caught:
        asked(name, path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        (
            "piqa",
            "boolq",
            "no field goal and no sol1 and no sol2 and no label; it looks like a row of",
        ),
        ("arc_easy", "openbookqa", "it looks like a row of openbookqa"),
        ("arc_easy", "commonsense_qa", "is a row of commonsense_qa, not of arc_easy"),
        ("hellaswag", "winogrande", "it looks like a row of winogrande"),
        ("winogrande", "winogender", "it looks like a row of winogender"),
        ("openbookqa", "arc_easy", "it looks like a row of arc_"),
        ("boolq", "siqa", "it looks like a row of siqa"),
    ],
)
def test_another_tasks_file_is_known(tmp_path: Path, name: str, given: str, said: str) -> None:
    with pytest.raises(ValueError, match="row 1") as caught:
        asked(name, lines(tmp_path / "data.jsonl", ROWS[given]))
    assert said in str(caught.value)


def test_only_a_line_feed_ends_a_row(tmp_path: Path) -> None:
    row = {"goal": "a\u2028b\u2029c\x85d\x0be", "sol1": "x\x1cy", "sol2": "b", "label": 0}
    text = json.dumps(row, ensure_ascii=False)
    assert "\u2028" in text
    path = tmp_path / "data.jsonl"
    path.write_bytes(f"\ufeff{text}\r\n\n{text}\n".encode())
    assert [question.contexts[0] for question in asked("piqa", path).questions] == [row["goal"]] * 2
    table = tmp_path / "data.tsv"
    table.write_text("goal\tsol1\tsol2\tlabel\na\u2028b\tc\td\t1\n", newline="")
    assert [record.row["goal"] for record in records(table)] == ["a\u2028b"]


def test_what_is_wanted_is_read_from_one_word() -> None:
    assert Wanted.parse("mmlu@0=a=b") == Wanted("mmlu", Path("a=b"), 0)
    for text, said in (("mmlu", "TASK=PATH is expected"), ("mmlu@x=a", "'x' is no number of shots")):
        with pytest.raises(ValueError, match=said):
            Wanted.parse(text)


@pytest.mark.parametrize(
    ("sentid", "sentence", "groups"),
    [
        ("nurse.patient.0.male.txt", "The nurse said he left.", ("his/him/he", "his/him/he (gotcha)")),
        ("nurse.patient.1.male.txt", "The nurse said he left.", ("his/him/he",)),
        ("nurse.patient.1.female.txt", "The nurse said she left.", ("her/her/she", "her/her/she (gotcha)")),
        ("plumber.someone.0.female.txt", "The plumber took her bag.", ("her/her/she", "her/her/she (gotcha)")),
        ("plumber.someone.0.neutral.txt", "The plumber took their bag.", ("their/them/someone",)),
    ],
)
def test_gotcha_is_where_the_occupation_misleads(
    tmp_path: Path, sentid: str, sentence: str, groups: tuple[str, ...]
) -> None:
    path = lines(tmp_path / "q.jsonl", {"sentid": sentid, "sentence": sentence})
    (question,) = asked("winogender", path).questions
    assert isinstance(question, Question)
    assert question.groups == groups
