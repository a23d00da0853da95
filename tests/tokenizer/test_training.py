import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import REPOSITORY
from tests.tokenizer.texts import SENTENCES, corpus
from tokenizer.encode import Tokenizer
from tokenizer.model_file import NORMAL, ModelFile
from tokenizer.spec import LLAMA, Spec
from tokenizer.training import lines_of, spaces_last, train, train_model


def test_the_same_texts_give_the_same_bytes(tmp_path: Path, model_path: Path, small_spec: Spec) -> None:
    train(iter(corpus()), tmp_path / "again.model", small_spec)
    assert (tmp_path / "again.model").read_bytes() == model_path.read_bytes()


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_gives_the_same_bytes(
    tmp_path: Path, model_path: Path, small_spec: Spec, hash_seed: str
) -> None:
    # Within one process SentencePiece's random choices repeat, so only another process can show them.
    program = (
        "import pathlib, sys; from dataclasses import replace; from tests.tokenizer.texts import corpus\n"
        "from tokenizer.spec import LLAMA; from tokenizer.training import train\n"
        "train(corpus(), pathlib.Path(sys.argv[1]), replace(LLAMA, vocab_size=int(sys.argv[2])))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "again.model"), str(small_spec.vocab_size)]
    subprocess.run(command, check=True, cwd=REPOSITORY, env={**os.environ, "PYTHONHASHSEED": hash_seed})
    assert (tmp_path / "again.model").read_bytes() == model_path.read_bytes()


def test_more_lines_than_would_be_used_are_refused(tmp_path: Path, small_spec: Spec) -> None:
    lines = sum(1 for _ in lines_of(corpus(), small_spec.max_sentence_length))
    train(corpus(), tmp_path / "all.model", replace(small_spec, input_sentence_size=lines))
    with pytest.raises(ValueError, match=f"more than {lines - 1} lines"):
        train(corpus(), tmp_path / "sample.model", replace(small_spec, input_sentence_size=lines - 1))
    assert [path.name for path in tmp_path.iterdir()] == ["all.model"]


def test_training_is_silent(tmp_path: Path, small_spec: Spec, capfd: pytest.CaptureFixture[str]) -> None:
    train(corpus(), tmp_path / "silent.model", small_spec)
    assert capfd.readouterr() == ("", "")


def test_lines_longer_than_the_limit_are_learned_too(tmp_path: Path, small_spec: Spec) -> None:
    text = "the sea is wide and deep " * 200 + "quizzaciously " * 500
    assert len(text) > 2 * small_spec.max_sentence_length
    train([*corpus(), text], tmp_path / "long.model", small_spec)
    assert len(Tokenizer(tmp_path / "long.model").encode("quizzaciously")) == 1


@pytest.mark.parametrize("texts", [[], [""], ["\n\n"]])
def test_no_text_is_refused(tmp_path: Path, texts: list[str]) -> None:
    with pytest.raises(ValueError, match="could not train 32000 pieces"):
        train(texts, tmp_path / "model", LLAMA)
    assert not list(tmp_path.iterdir())


def test_too_little_text_is_refused_with_what_would_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Please set it to a value <= "):
        train(SENTENCES, tmp_path / "model", LLAMA)
    assert not list(tmp_path.iterdir())


def test_an_error_in_the_texts_reaches_the_caller(tmp_path: Path, small_spec: Spec) -> None:
    def broken() -> Iterator[str]:
        yield SENTENCES[0]
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        train(broken(), tmp_path / "model", small_spec)
    assert not list(tmp_path.iterdir())


def test_lone_surrogates_are_no_obstacle(tmp_path: Path, small_spec: Spec) -> None:
    train([*corpus(), "a lone \ud800 surrogate", "\udfff" * 5000], tmp_path / "model", small_spec)
    assert Tokenizer(tmp_path / "model").vocabulary == small_spec.vocab_size


def test_lines_are_cut_before_a_space() -> None:
    assert list(lines_of(["aaaa bbbb cccc", "", "dd\n\nee"], 10)) == ["aaaa bbbb", " cccc", "dd", "ee"]


def test_a_line_without_a_space_is_cut_between_characters() -> None:
    assert list(lines_of(["ééééé"], 5)) == ["éé", "éé", "é"]


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"))), st.integers(4, 12))
@settings(deadline=None)
def test_cutting_loses_nothing_but_line_ends(texts: list[str], longest: int) -> None:
    lines = list(lines_of(texts, longest))
    assert "".join(lines) == "".join(texts).replace("\n", "")
    assert all(0 < len(line.encode()) <= longest for line in lines)


def test_pieces_of_spaces_alone_are_merged_last(model_path: Path) -> None:
    pieces = ModelFile.read(model_path).pieces
    spaces = {piece.text for piece in pieces if piece.kind == NORMAL and not piece.text.strip("\u2581")}
    assert {"\u2581", "\u2581\u2581"} < spaces
    for piece in pieces:
        assert (piece.score == -1e9) == (piece.text in spaces)
    tokenizer = Tokenizer(model_path)
    assert tokenizer.slow is None
    # A word keeps the space before it, however many there are.
    alone = tokenizer.encode("the").tolist()
    for count in range(1, 20):
        assert tokenizer.encode(" " * count + "the").tolist()[-len(alone) :] == alone


def test_scores_alone_are_changed() -> None:
    before = train_model(corpus(), **replace(LLAMA, vocab_size=900).to_trainer_arguments())
    after = spaces_last(before)
    assert len(after) == len(before) and after != before
    assert spaces_last(after) == after
    one, other = ModelFile.parse(before), ModelFile.parse(after)
    assert (one.fields, one.charsmap) == (other.fields, other.charsmap)
    assert [(piece.text, piece.kind) for piece in one.pieces] == [(piece.text, piece.kind) for piece in other.pieces]
