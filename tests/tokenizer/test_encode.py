import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tokenizer.texts import SENTENCES
from tokenizer import encode
from tokenizer.encode import Tokenizer, without_surrogates
from tokenizer.training import train_model

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\u2581"))
SPACES = (" ", "  ", "\t", "\n", "\r\n", "\0", "\x7f", "\x85", "\u00a0", "\u2028", "\u200d", "\ufeff", " " * 100)
SIGNS = (
    "🙂",
    "👩\u200d👩\u200d👧",
    "🇪🇺",
    "e\u0301",
    "ﬁ",
    "１２",
    "▅",
    "⁇",
    " ⁇ ",
    "\ufffd",
    "\U0010ffff",
    "0123456789",
    "x" * 300,
)
NAMES = ("<s>", "</s>", "<unk>", "<pad>", "<0x0A>")
AWKWARD = st.lists(st.sampled_from([*SENTENCES, *SPACES, *SIGNS, *NAMES]), max_size=12).map("".join)


@given(st.one_of(ANY_TEXT, AWKWARD))
@settings(deadline=None, max_examples=400)
def test_decoding_gives_the_text_back(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert ids.dtype == np.uint16
    assert tokenizer.decode(ids) == text


@given(st.lists(st.one_of(ANY_TEXT, AWKWARD), max_size=5), st.booleans(), st.booleans())
@settings(deadline=None)
def test_a_batch_is_each_text_with_its_ends(tokenizer: Tokenizer, texts: list[str], bos: bool, eos: bool) -> None:
    for text, ids in zip(texts, tokenizer.encode_batch(texts, bos=bos, eos=eos), strict=True):
        assert ids.dtype == np.uint16
        assert ids.tolist() == [1] * bos + tokenizer.encode(text).tolist() + [2] * eos
        assert tokenizer.decode(ids) == text


@given(st.one_of(ANY_TEXT, AWKWARD))
@settings(deadline=None)
def test_ids_are_those_of_sentencepiece(tokenizer: Tokenizer, model_path: Path, text: str) -> None:
    engine = sentencepiece.SentencePieceProcessor(model_file=str(model_path))
    assert tokenizer.encode(text).tolist() == engine.encode(text)


@given(st.text(alphabet=st.characters(categories=["Cs", "Lu", "So"])))
@settings(deadline=None)
def test_lone_surrogates_become_replacement_characters(tokenizer: Tokenizer, text: str) -> None:
    right = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    assert without_surrogates(text) == right
    assert tokenizer.decode(tokenizer.encode(text)) == right.replace("\u2581", " ")


def test_the_mark_for_a_space_comes_back_as_a_space(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\u2581b")) == "a b"


def test_special_names_in_a_text_are_text(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("<s></s><unk><0x41>")
    assert not set(ids.tolist()) & {0, 1, 2}


def test_digits_are_single_tokens(tokenizer: Tokenizer) -> None:
    assert len(tokenizer.encode("2024")) == 5  # the space in front of a text, and four digits


def test_an_unseen_character_is_its_bytes(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("ꙮ").tolist()[1:] == [3 + byte for byte in "ꙮ".encode()]


def test_no_text_is_no_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("").tolist() == []
    assert tokenizer.encode_batch(["", ""], bos=True, eos=True)[1].tolist() == [1, 2]
    assert tokenizer.encode_batch([], bos=True, eos=True) == []
    assert tokenizer.decode([]) == ""


def test_a_model_says_what_it_is(tokenizer: Tokenizer, model_path: Path) -> None:
    assert tokenizer.sha256 == hashlib.sha256(model_path.read_bytes()).hexdigest()
    assert (tokenizer.vocabulary, tokenizer.bos, tokenizer.eos) == (900, 1, 2)


def test_a_tokenizer_travels_to_workers(tokenizer: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.sha256 == tokenizer.sha256
    assert copy.encode("a river").tolist() == tokenizer.encode("a river").tolist()


@pytest.mark.parametrize("ids", [[900], [-1], [5, 65_535]])
def test_ids_outside_the_vocabulary_are_refused(tokenizer: Tokenizer, ids: list[int]) -> None:
    with pytest.raises(ValueError, match="the vocabulary has 900"):
        tokenizer.decode(ids)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\xff" * 100])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "wrong.model").write_bytes(content)
    with pytest.raises(ValueError, match=r"wrong\.model"):
        Tokenizer(tmp_path / "wrong.model")


def test_a_vocabulary_beyond_any_is_refused(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "LARGEST_VOCABULARY", 899)
    with pytest.raises(ValueError, match="has 900 pieces; must be from 1 to 899"):
        Tokenizer(model_path)


def test_a_model_without_ends_writes_none(tmp_path: Path) -> None:
    model = train_model(SENTENCES, vocab_size=600, model_type="bpe", bos_id=-1, eos_id=-1, byte_fallback=True)
    (tmp_path / "endless.model").write_bytes(model)
    tokenizer = Tokenizer(tmp_path / "endless.model")
    assert (tokenizer.bos, tokenizer.eos) == (None, None)
    with pytest.warns(RuntimeWarning, match="remove_extra_whitespaces is True"):
        (ids,) = tokenizer.encode_batch(["a river"], bos=True, eos=True)
    assert ids.tolist() == tokenizer.encode("a river").tolist()
