import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from model import configs
from tests.model import small
from tests.train.test_pretrain import TINY, arguments
from train.benchmarks import Question, accuracy, likelihoods, main, read
from train.pretrain import main as pretrain


class Letters:
    """A tokenizer of single characters."""

    def encode(self, text: str) -> list[int]:
        return [2 + ord(character) % 50 for character in text]


ROWS: dict[str, tuple[dict[str, Any], tuple[str, ...], int]] = {
    "boolq": ({"passage": "A fact.", "question": "is it so", "answer": True}, (" no", " yes"), 1),
    "piqa": ({"goal": "Boil water", "sol1": "Heat it", "sol2": "Cool it", "label": 0}, (" Heat it", " Cool it"), 0),
    "siqa": (
        {"context": "Ana left.", "question": "Why?", "answerA": "a", "answerB": "b", "answerC": "c", "label": "3"},
        (" a", " b", " c"),
        2,
    ),
    "hellaswag": (
        {"activity_label": "Rowing", "ctx": "They sit. They", "endings": ["row.", "fly."], "label": "0"},
        (" row.", " fly."),
        0,
    ),
    "winogrande": (
        {"sentence": "The cup missed the box as _ was small.", "option1": "cup", "option2": "box", "answer": "2"},
        (" was small.", " was small."),
        1,
    ),
    "arc": (
        {"question": "What melts?", "choices": {"text": ["ice", "air"], "label": ["1", "2"]}, "answerKey": "1"},
        (" ice", " air"),
        0,
    ),
    "openbookqa": (
        {"question_stem": "Ice is", "choices": {"text": ["cold", "hot"], "label": ["A", "B"]}, "answerKey": "A"},
        (" cold", " hot"),
        0,
    ),
    "mmlu": ({"question": "2 + 2?", "choices": ["3", "4"], "answer": 1}, (" 3", " 4"), 1),
}


@pytest.mark.parametrize("task", ROWS)
@pytest.mark.parametrize("suffix", [".jsonl", ".arrow", ".parquet"])
def test_rows_of_every_format_become_questions(tmp_path: Path, task: str, suffix: str) -> None:
    row, completions, answer = ROWS[task]
    path = tmp_path / f"data{suffix}"
    if suffix == ".jsonl":
        path.write_text(json.dumps(row) + "\n" + json.dumps(row) + "\n")
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([row, row]), path)
    else:
        table = pa.Table.from_pylist([row, row])
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    questions = read(task, tmp_path)
    assert len(questions) == 2
    assert (questions[0].completions, questions[0].answer) == (completions, answer)
    assert len(read(task, path, limit=1)) == 1


def test_winogrande_scores_the_same_words_after_either_option() -> None:
    from train.benchmarks import TASKS

    question = TASKS["winogrande"][0](ROWS["winogrande"][0])
    assert question.contexts == ("The cup missed the box as cup", "The cup missed the box as box")


def test_a_completions_likelihood_is_that_of_its_tokens() -> None:
    model, letters = small.model(), Letters()
    pairs = [("abc", " de"), ("a", " longer one"), ("x" * 60, " end")]
    for (context, completion), found in zip(pairs, likelihoods(model, letters, [1], pairs), strict=True):
        tokens = torch.tensor([1, *letters.encode(context + completion)])[-41:]
        logs = F.log_softmax(model(tokens[None, :-1])[0].detach(), -1)
        each = logs.gather(1, tokens[1:, None])[:, 0]
        assert found == pytest.approx(float(each[-len(completion) :].sum()), rel=1e-4)


def test_normalisations_are_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        ("Q", " ab"): -4.0,  # 2 characters: -2 each; against "Answer:" 1 better
        ("Q", " abcdefgh"): -8.0,  # 8 characters: -1 each; 1 worse
        ("Answer:", " ab"): -5.0,
        ("Answer:", " abcdefgh"): -7.0,
    }
    monkeypatch.setattr("train.benchmarks.likelihoods", lambda model, tokenizer, bos, pairs: [known[p] for p in pairs])
    first = Question(("Q", "Q"), (" ab", " abcdefgh"), 0)
    second = Question(("Q", "Q"), (" ab", " abcdefgh"), 1)
    by_characters = accuracy(small.model(), Letters(), [], [first, second, second], unconditional=False)
    assert (by_characters.raw, by_characters.normalised) == (1 / 3, 2 / 3)
    by_answer = accuracy(small.model(), Letters(), [], [first, second, second], unconditional=True)
    assert math.isclose(by_answer.normalised, 1 / 3)


def test_the_command_evaluates_a_run(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    assert pretrain([*arguments(shared_corpus, tmp_path / "run"), "--stop-after", "2"]) == 0
    data = tmp_path / "piqa.jsonl"
    data.write_text("".join(json.dumps(ROWS["piqa"][0]) + "\n" for _ in range(3)))
    capsys.readouterr()
    assert main(["--run", str(tmp_path / "run"), "--corpus", str(shared_corpus), f"piqa={data}"]) == 0
    assert "of 3 (" in capsys.readouterr().out


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no .arrow, .parquet or .jsonl file"):
        read("piqa", tmp_path)
    path = tmp_path / "data.jsonl"
    path.write_text('{"goal": "x"}\n')
    with pytest.raises(ValueError, match="row 0 is not a question of piqa: KeyError"):
        read("piqa", path)
    path.write_text('{"goal": "x", "sol1": "a", "sol2": "b", "label": 0}\n{"goal": \n')
    with pytest.raises(ValueError, match=r"data\.jsonl: line 2 is not JSON"):
        read("piqa", path)
    with pytest.raises(ValueError, match="task 'sat' is not known; available: boolq"):
        read("sat", path)


def test_only_a_line_feed_ends_a_row(tmp_path: Path) -> None:
    row = {"goal": "a\u2028b\u2029c\x85d\x0be", "sol1": "x\x1cy", "sol2": "b", "label": 0}
    text = json.dumps(row, ensure_ascii=False)
    assert "\u2028" in text
    path = tmp_path / "data.jsonl"
    path.write_bytes(f"\ufeff{text}\r\n\n{text}\n".encode())
    questions = read("piqa", path)
    assert [question.contexts[0] for question in questions] == [f"Question: {row['goal']}\nAnswer:"] * 2
