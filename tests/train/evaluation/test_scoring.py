import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from model import configs
from tests.model import small
from tests.train.evaluation.examples import ROWS
from tests.train.test_pretrain import TINY, arguments
from train.evaluation.__main__ import main
from train.evaluation.inference.scoring import Answered, Scored, Scorer, answer
from train.evaluation.tasks.kinds import Likelihood, Metric, Normalisation, Question
from train.pretrain import main as pretrain


class Letters:
    """A tokenizer of single characters."""

    def encode(self, text: str) -> list[int]:
        return [2 + ord(character) % 50 for character in text]


def test_a_completions_likelihood_is_that_of_its_tokens() -> None:
    model, letters = small.model(), Letters()
    pairs = [("abc", " de"), ("a", " longer one"), ("x" * 60, " end"), ("", "all of it"), ("ends ", "so")]
    for (context, completion), found in zip(pairs, Scorer(model, letters, (1,)).likelihoods(pairs), strict=True):
        whole = [1, *letters.encode(context + completion)]
        tokens = torch.tensor(whole)[-41:]
        logs = F.log_softmax(model(tokens[None, :-1])[0].detach(), -1)
        each = logs.gather(1, tokens[1:, None])[:, 0]
        scored = len((context + completion).removeprefix(context.rstrip()))
        assert found.value == pytest.approx(float(each[-scored:].sum()), rel=1e-4)
        assert (found.tokens, found.cut) == (scored, max(0, len(whole) - 41))


class Merging:
    """A tokenizer with a piece that reaches over the end of a context."""

    def encode(self, text: str) -> list[int]:
        return Letters().encode(text.replace("ab", "z"))


def test_tokens_are_those_of_the_context_and_what_the_whole_has_behind_as_many() -> None:
    scorer = Scorer(small.model(), Merging(), (), (3,))
    assert scorer.pair("xa", "bcd") == ([*Letters().encode("xa"), *Letters().encode("cd")], 2)
    assert scorer.pair("xa", "b") == (Letters().encode("xa"), 1)  # nothing is left for the completion: its last token
    assert scorer.pair("", "bc") == ([3, *Letters().encode("bc")], 2)


class Fixed(Scorer):
    def __init__(self, known: dict[tuple[str, str], Scored]) -> None:
        object.__setattr__(self, "known", known)

    def likelihoods(self, pairs):  # type: ignore[no-untyped-def]
        return [self.known[pair] for pair in pairs]  # type: ignore[attr-defined]


def test_normalisations_are_the_papers() -> None:
    known = {
        ("Q", " ab"): Scored(-4.0, 2, 0),  # 2 characters: -2 each; against "Answer:" 1 better; -2 a token
        ("Q", " abcdefgh"): Scored(-8.0, 2, 5),  # 8 characters: -1 each; 1 worse; -4 a token
        ("Answer:", " ab"): Scored(-5.0, 2, 0),
        ("Answer:", " abcdefgh"): Scored(-7.0, 2, 0),
    }
    question = Question(("Q", "Q"), ("ab", "abcdefgh"), (1,))
    for normalisation, compared in (
        (Normalisation.NONE, (-4.0, -8.0)),
        (Normalisation.CHARACTERS, (-2.0, -1.0)),
        (Normalisation.UNCONDITIONAL, (1.0, -1.0)),
        (Normalisation.TOKENS, (-2.0, -4.0)),
    ):
        form = Likelihood("ours", lambda row: question, normalisation)
        assert answer(Fixed(known), [question] * 2, form) == [Answered((-4.0, -8.0), compared, 5)] * 2


def test_metrics() -> None:
    question = Question(("Q",) * 3, ("a", "b", "c"), (0, 2))
    half = Answered((0.0, 0.0, -1e9), (0.0, 0.0, -1e9), 0)
    assert half.score(question, Metric.MASS) == 0.5
    assert half.score(question, Metric.ACCURACY) == 1.0
    assert half.score(question, Metric.PREFERENCE) == 0.0
    assert Answered((-1000.0, -1001.0), (-2.0, -1.0), 0).score(question, Metric.PREFERENCE) == 0.0
    assert Answered((-1000.0, -1001.0), (-2.0, -1.0), 0).plain(question, Metric.PREFERENCE) == 1.0


def test_the_command_evaluates_a_run(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    assert pretrain([*arguments(shared_corpus, tmp_path / "run"), "--stop-after", "2"]) == 0
    data = tmp_path / "piqa.jsonl"
    data.write_text("".join(json.dumps(ROWS["piqa"]) + "\n" for _ in range(3)))
    capsys.readouterr()
    assert main(["--run", str(tmp_path / "run"), "--corpus", str(shared_corpus), f"piqa={data}"]) == 0
    said = capsys.readouterr().out
    assert "contamination is not known" in said  # this corpus has tokens alone
    assert "format paper: GPT-3, appendix G, choices by their likelihood per character" in said
    (row,) = map(json.loads, (tmp_path / "run" / "benchmarks.jsonl").read_text().splitlines())
    assert (row["task"], row["step"], row["parts"]["accuracy"]["questions"]) == ("piqa", 2, 3)
