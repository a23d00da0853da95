from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer.model_file import BYTE, CONTROL, NORMAL, UNKNOWN, ModelFile, rescored
from tokenizer.spec import Spec
from tokenizer.training import train_model


def test_pieces_are_those_that_sentencepiece_reads(model_path: Path) -> None:
    engine = sentencepiece.SentencePieceProcessor(model_file=str(model_path))
    pieces = ModelFile.read(model_path).pieces
    assert len(pieces) == engine.piece_size()
    for id_, piece in enumerate(pieces):
        assert piece.text == engine.id_to_piece(id_)
        assert piece.score == engine.get_score(id_)
        assert (piece.kind == UNKNOWN) == engine.is_unknown(id_)
        assert (piece.kind == CONTROL) == engine.is_control(id_)
        assert (piece.kind == BYTE) == engine.is_byte(id_)
        assert (piece.kind == NORMAL) == (id_ > 258)


def test_fields_are_those_of_the_training(model_path: Path, small_spec: Spec) -> None:
    found = ModelFile.read(model_path).fields
    for name, value in small_spec.to_trainer_arguments().items():
        assert found[name] == pytest.approx(value) if isinstance(value, float) else found[name] == value


def test_a_field_that_is_absent_has_its_default() -> None:
    model = ModelFile.parse(train_model(["a b c d"] * 5, vocab_size=8, model_type="char", hard_vocab_limit=False))
    assert model.fields["model_type"] == "char"
    assert model.fields["byte_fallback"] is False
    assert model.fields["normalization_rule_name"] == "nmt_nfkc"
    assert model.charsmap


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_a_cut_file_is_refused_or_shorter(model_path: Path, data: st.DataObject) -> None:
    whole = model_path.read_bytes()
    cut = model_path.with_name("cut.model")
    cut.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    try:
        assert ModelFile.read(cut) != ModelFile.read(model_path)
    except ValueError as error:
        assert "cut.model is not a SentencePiece model" in str(error)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.model"
    path.write_bytes(data)
    try:
        assert ModelFile.read(path).pieces
    except ValueError as error:
        assert "any.model is not a SentencePiece model" in str(error)


def test_a_field_whose_number_others_would_cut_to_32_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="a field's number is 536870914"):
        ModelFile.parse(b"\x92\x80\x80\x80\x10\x00")


def test_a_piece_without_a_score_is_not_rescored() -> None:
    with pytest.raises(ValueError, match="piece 'a' has no score"):
        rescored(b"\x0a\x03\x0a\x01a", {"a": -1e9})
