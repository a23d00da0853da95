"""The command on tasks that generate: what they want is asked for first, and ranks share the work."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model import configs
from tests.model import small
from tests.train import processes
from tests.train.evaluation.test_code import HUMANEVAL, MBPP
from tests.train.evaluation.test_decoding import Letters
from tests.train.evaluation.test_generation import GSM, NATURAL, TOXIC, asked, lines
from tests.train.test_pretrain import TINY, arguments
from train.evaluation.__main__ import main
from train.evaluation.generated import Means, generate, means
from train.evaluation.grading import programs
from train.evaluation.inference.scoring import Scorer
from train.parallel import joined
from train.pretrain import main as pretrain


@pytest.fixture(scope="module")
def run(shared_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(configs.MODELS, "tiny", TINY)
        assert pretrain([*arguments(shared_corpus, folder), "--stop-after", "2"]) == 0
    return folder


@pytest.fixture
def command(run: Path, shared_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    return lambda *more: main(["--run", str(run), "--corpus", str(shared_corpus), *map(str, more)])


def test_the_command_generates_and_scores(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = lines(tmp_path / "nq.jsonl", *[{**NATURAL, "question": f"who wrote {n}"} for n in range(5)])
    maths = lines(tmp_path / "gsm.jsonl", *[{**GSM, "question": f"How many of {n}?"} for n in range(6)])
    output = tmp_path / "out.jsonl"
    rows = []
    for _ in range(2):
        assert command(f"natural_questions@1={questions}", f"gsm8k@2={maths}", "--output", output) == 0
        rows.append([json.loads(line) for line in output.read_text().splitlines()[-2:]])
    assert rows[0] == rows[1]
    assert [row["task"] for row in rows[0]] == ["natural_questions", "gsm8k"]
    assert rows[0][0]["parts"]["exact_match"]["questions"] == 5
    assert rows[0][0]["chance"] is None
    assert rows[0][0]["cut"] == 5  # the context of the tiny model is 16 tokens
    assert rows[0][0]["unfinished"] > 0
    text = capsys.readouterr().out
    assert "NaturalQuestions" in text
    assert "continuations were ended by their length" in text


def test_programs_run_only_where_that_is_asked_for(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lines(tmp_path / "rows.jsonl", HUMANEVAL)
    mbpp = lines(tmp_path / "mbpp.jsonl", MBPP)
    for task in (f"humaneval={path}", f"mbpp@0={mbpp}"):
        with pytest.raises(SystemExit):
            command(task)
        assert (
            "scored by running programs that the model wrote: that is done with --run-code" in capsys.readouterr().err
        )
    # A machine that cannot keep them apart is told before the model is opened.
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SystemExit):
        command(f"humaneval={path}", "--run-code")
    assert "programs are run on Linux alone" in capsys.readouterr().err


def test_programs_of_the_model_are_run(command: Callable[..., int], tmp_path: Path) -> None:
    try:
        programs.run("")
    except ValueError as error:
        pytest.skip(str(error))
    path, output = lines(tmp_path / "rows.jsonl", HUMANEVAL), tmp_path / "out.jsonl"
    assert command(f"humaneval={path}", "--run-code", "--format", "harness", "--output", output) == 0
    row = json.loads(output.read_text())
    assert row["parts"]["pass@1"]["value"] == 0.0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "toxicity_basic is scored by a judge of toxicity: name one with --judge toxicity=NAME"),
        (["--judge", "toxicity"], "--judge 'toxicity': KIND=NAME is expected"),
        (["--judge", "toxicity=/none.bin"], "/none.bin: no such file"),
        (["--judge", "toxicity=perspective"], "wants a key: set $PERSPECTIVE_API_KEY"),
        (["--judge", "toxicity=perspective", "--judge", "truth=x"], "--judge names one of truth, which no task"),
    ],
)
def test_a_judge_is_named_and_there_before_anything_is_generated(
    command: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    said: str,
) -> None:
    monkeypatch.delenv("PERSPECTIVE_API_KEY", raising=False)
    with pytest.raises(SystemExit):
        command(f"toxicity_basic={lines(tmp_path / 'rows.jsonl', TOXIC)}", *more)
    assert said in " ".join(capsys.readouterr().err.split())


def test_what_no_task_wants_is_not_opened(tmp_path: Path) -> None:
    asking = asked("natural_questions", lines(tmp_path / "nq.jsonl", NATURAL))
    assert means([asking], False, [], 7) == Means(7)


def scored(folder: str, ranks: bool) -> list[dict[str, float]]:
    asking = asked("gsm8k_majority", Path(folder, "gsm.jsonl"))
    scorer = Scorer(small.model(2), Letters(), (1,), (0,))
    if not ranks:
        return [dict(values) for values in generate(asking, scorer).values]
    processes.meet_anew()
    with joined(torch.device("cpu"), 1, 2) as world:
        return [dict(values) for values in generate(asking, scorer, Means(world=world)).values]


def test_ranks_score_their_share_and_return_all(tmp_path: Path) -> None:
    lines(tmp_path / "gsm.jsonl", *[{**GSM, "question": f"{n} + {n}?"} for n in range(3)])
    alone = scored(str(tmp_path), False)
    assert len(alone) == 3
    assert processes.run(2, scored, str(tmp_path), True) == [alone, alone]
