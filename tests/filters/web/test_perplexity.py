import math
import random
import re
from pathlib import Path

import kenlm
import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.web.perplexity import (
    CCNET_CUTOFFS,
    NO_PERPLEXITY,
    PIECES,
    Cutoffs,
    PerplexityModel,
    bucket,
    outside,
    percentile_cutoffs,
    train_language_model,
    train_pieces,
    vocabulary_for,
)
from tests.filters.told import Told, told
from tests.oracles.ccnet_text import normalise

SUBJECTS = ("The old ferry", "A young painter", "The harbour master", "My neighbour", "The choir", "A grey heron")
VERBS = ("waits for", "remembers", "crosses", "describes", "follows", "greets", "paints", "never saw")
OBJECTS = ("the river", "a quiet street", "the morning train", "an empty square", "the first snow", "the café")


def articles(count: int, seed: int) -> list[str]:
    choose = random.Random(seed)

    def sentence() -> str:
        words = " ".join(map(choose.choice, (SUBJECTS, VERBS, OBJECTS)))
        return f"{words} in {choose.randrange(1900, 2020)}."

    return ["\n".join(sentence() for _ in range(6)) for _ in range(count)]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    train_pieces(articles(400, seed=1), folder / "sp.model")
    train_language_model(articles(400, seed=1), folder / "sp.model", folder / "lm.arpa")
    return folder / "sp.model", folder / "lm.arpa"


@pytest.fixture(scope="module")
def model(paths: tuple[Path, Path]) -> PerplexityModel:
    return PerplexityModel(*paths)


@given(st.one_of(st.text(), st.sampled_from(articles(5, seed=2)), st.text(alphabet="the river\n 12.é—")))
@settings(deadline=None)
def test_equals_the_published_steps(paths: tuple[Path, Path], model: PerplexityModel, text: str) -> None:
    engine = sentencepiece.SentencePieceProcessor(model_file=str(paths[0]))
    config = kenlm.Config()
    config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
    tokens = " ".join(engine.encode(normalise(text).encode("utf-8", "replace").decode(), out_type=str))
    if not tokens:
        assert model.perplexity(text) == NO_PERPLEXITY
    else:
        score = kenlm.Model(str(paths[1]), config).score(tokens)
        assert model.perplexity(text) == round(10.0 ** (-score / (len(tokens.split()) + 1)), 1)


def test_like_text_is_easier_than_unlike_text(model: PerplexityModel) -> None:
    like, shuffled = articles(1, seed=3)[0], articles(1, seed=3)[0].split()
    random.Random(4).shuffle(shuffled)
    unlike = "buy NOW!!! cheap w4tches >>> click zzxq " * 5
    assert 1 < model.perplexity(like) < model.perplexity(" ".join(shuffled)) < model.perplexity(unlike)


@pytest.mark.parametrize("text", ["", " \n ", "\x00\x1f", "\u0301\u0302", "\u200b"])
def test_a_text_of_which_nothing_is_left_has_no_perplexity(model: PerplexityModel, text: str) -> None:
    assert model.perplexity(text) == NO_PERPLEXITY
    assert bucket(model.perplexity(text), CCNET_CUTOFFS["en"]) == "all"


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ufffe\uffff\U0010ffff", "the " * 100_000, "x" * 100_000])
def test_awkward_text_has_a_finite_perplexity_or_none(model: PerplexityModel, text: str) -> None:
    perplexity = model.perplexity(text)
    assert math.isfinite(perplexity)
    assert perplexity == NO_PERPLEXITY or perplexity > 1


def test_newlines_decide_whether_words_fuse(paths: tuple[Path, Path], model: PerplexityModel) -> None:
    apart = PerplexityModel(*paths, newlines="space")
    assert apart.perplexity("the river\nthe train") == model.perplexity("the river the train")
    assert model.perplexity("the river\nthe train") == model.perplexity("the riverthe train")


def test_models_do_not_depend_on_the_order_of_texts(tmp_path: Path, paths: tuple[Path, Path]) -> None:
    texts = articles(400, seed=1)
    random.Random(5).shuffle(texts)
    train_pieces(iter(texts), tmp_path / "sp.model")
    train_language_model(iter(texts), tmp_path / "sp.model", tmp_path / "lm.arpa")
    assert (tmp_path / "sp.model").read_bytes() == paths[0].read_bytes()
    assert (tmp_path / "lm.arpa").read_bytes() == paths[1].read_bytes()


def test_training_and_loading_are_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train_pieces(articles(100, seed=6), tmp_path / "sp.model")
    train_language_model(articles(100, seed=6), tmp_path / "sp.model", tmp_path / "lm.arpa")
    PerplexityModel(tmp_path / "sp.model", tmp_path / "lm.arpa").perplexity("the river")
    assert capfd.readouterr() == ("", "")


def test_the_size_of_the_vocabulary_can_be_given(tmp_path: Path) -> None:
    for pieces in (45, 55):
        train_pieces(articles(200, seed=7), tmp_path / "sp.model", pieces=pieces)
        assert sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "sp.model")).piece_size() == pieces


@pytest.mark.parametrize(
    "texts",
    [["a"], ["ab " * 3], ["1\n2\n3"], ["".join(map(chr, range(0x4E00, 0x5E00)))], ["\ud800 lone"], ["x" * 9000]],
)
def test_models_of_very_little_text_work(tmp_path: Path, texts: list[str]) -> None:
    train_pieces(texts, tmp_path / "sp.model")
    train_language_model(texts, tmp_path / "sp.model", tmp_path / "lm.arpa")
    assert math.isfinite(PerplexityModel(tmp_path / "sp.model", tmp_path / "lm.arpa").perplexity("some text"))


@pytest.mark.parametrize("texts", [[], [""], ["\n", "\x00"]])
def test_no_text_trains_no_model(tmp_path: Path, paths: tuple[Path, Path], texts: list[str]) -> None:
    with pytest.raises(ValueError, match="could not train"):
        train_pieces(texts, tmp_path / "sp.model")
    with pytest.raises(ValueError, match="no sentences"):
        train_language_model(texts, paths[0], tmp_path / "lm.arpa")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_model_is_named(tmp_path: Path, paths: tuple[Path, Path]) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"neither the one nor the other")
    with pytest.raises(ValueError, match="wrong is not a SentencePiece model"):
        PerplexityModel(wrong, paths[1])
    with pytest.raises(ValueError, match="wrong is not a KenLM model"):
        PerplexityModel(paths[0], wrong)
    with pytest.raises(ValueError, match="missing is not a KenLM model"):
        PerplexityModel(paths[0], tmp_path / "missing")


def test_a_model_whose_probabilities_are_none_is_named(tmp_path: Path, paths: tuple[Path, Path]) -> None:
    damaged = re.sub(r"^-\d\S*(?=\t)", "-3e38", paths[1].read_text(encoding="utf-8"), flags=re.MULTILINE)
    (tmp_path / "lm.arpa").write_text(damaged, encoding="utf-8")
    with pytest.raises(ValueError, match=r"lm.arpa gives pieces a mean log10 probability of -.*: the model is damaged"):
        PerplexityModel(paths[0], tmp_path / "lm.arpa").perplexity("the river")


def test_a_message_of_kenlms_that_is_no_text_is_an_error_too(tmp_path: Path, paths: tuple[Path, Path]) -> None:
    (tmp_path / "lm.arpa").write_bytes(paths[1].read_bytes().replace(b"\\1-grams:", b"\\1-\xff\xffs:"))
    with pytest.raises(ValueError, match=r"lm.arpa is not a KenLM model: "):
        PerplexityModel(paths[0], tmp_path / "lm.arpa")


def test_the_published_cutoffs() -> None:
    assert len(CCNET_CUTOFFS) == 48
    assert CCNET_CUTOFFS["en"] == Cutoffs(340, 520)
    assert CCNET_CUTOFFS["hu"] == Cutoffs(80, 140)
    assert CCNET_CUTOFFS["cs"] == Cutoffs(820, 1140)


@pytest.mark.parametrize(
    ("perplexity", "right"),
    [
        (1.0, "head"),
        (339.9, "head"),
        (340.0, "middle"),
        (519.9, "middle"),
        (520.0, "tail"),
        (1e9, "tail"),
        (-1.0, "all"),
    ],
)
def test_buckets_are_strictly_under_their_cutoff(perplexity: float, right: str) -> None:
    assert bucket(perplexity, CCNET_CUTOFFS["en"]) == right


@pytest.mark.parametrize(
    ("perplexity", "wanted", "expected"),
    [
        (520.0, ("head", "middle"), ("bucket_tail", 520.0, 520.0, None)),
        (900.5, ("head",), ("bucket_tail", 900.5, 520.0, None)),
        (340.0, ("head",), ("bucket_middle", 340.0, 340.0, None)),
        (340.0, ("head", "tail"), ("bucket_middle", 340.0, 340.0, None)),
        (400.0, ("tail",), ("bucket_middle", 400.0, 520.0, None)),
        (12.0, ("middle", "tail"), ("bucket_head", 12.0, 340.0, None)),
        (-1.0, ("head",), ("bucket_all", None, None, None)),
        (600.0, (), ("bucket_tail", 600.0, 520.0, None)),
    ],
)
def test_outside_names_the_cutoff_between(perplexity: float, wanted: tuple[str, ...], expected: Told) -> None:
    cutoffs = CCNET_CUTOFFS["en"]
    assert told(outside(bucket(perplexity, cutoffs), perplexity, cutoffs, wanted)) == expected
    assert told(outside("all", perplexity, None, wanted)) == ("bucket_all", None, None, None)


def test_a_language_without_cutoffs_is_all() -> None:
    assert bucket(100.0, CCNET_CUTOFFS.get("eo")) == "all"


@pytest.mark.parametrize(("head", "middle"), [(0, 1), (-1, 2), (3, 2), (math.nan, 1)])
def test_cutoffs_that_make_no_buckets_are_refused(head: float, middle: float) -> None:
    with pytest.raises(ValueError, match="0 < head <= middle"):
        Cutoffs(head, middle)


def test_percentiles_are_observed_values() -> None:
    assert percentile_cutoffs(np.arange(1.0, 101.0)) == Cutoffs(30.0, 60.0)
    assert percentile_cutoffs(np.array([5.0])) == Cutoffs(5.0, 5.0)
    assert percentile_cutoffs(np.array([1.0, 2.0, 3.0, NO_PERPLEXITY])) == Cutoffs(1.0, 2.0)


@given(st.lists(st.integers(10, 99_999).map(lambda tenths: tenths / 10), min_size=1, max_size=60), st.randoms())
@settings(deadline=None)
def test_at_most_the_share_lies_under_a_cutoff(sample: list[float], order: random.Random) -> None:
    cutoffs = percentile_cutoffs(np.array(sample))
    buckets = [bucket(perplexity, cutoffs) for perplexity in sample]
    assert buckets.count("head") <= 0.3 * len(sample)
    assert buckets.count("head") + buckets.count("middle") <= 0.6 * len(sample)
    assert {cutoffs.head, cutoffs.middle} <= set(sample)
    order.shuffle(sample)
    assert percentile_cutoffs(np.array(sample)) == cutoffs


@pytest.mark.parametrize("sample", [[], [NO_PERPLEXITY], [1.0, math.nan], [1.0, math.inf]])
def test_percentiles_of_nothing_are_refused(sample: list[float]) -> None:
    with pytest.raises(ValueError, match="cut-offs need finite perplexities"):
        percentile_cutoffs(np.array(sample))


def test_the_vocabulary_follows_the_text() -> None:
    assert vocabulary_for(10**9) == PIECES == vocabulary_for(10**15)
    assert vocabulary_for(3_200_000) == 8050
    assert vocabulary_for(0) < vocabulary_for(10_000) < vocabulary_for(1_000_000) < PIECES
    assert vocabulary_for(10_000, characters=3000) > 3000
    assert vocabulary_for(10**9, characters=100_000) == PIECES
