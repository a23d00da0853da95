import importlib
import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tokenizer.models import KINDS, llama_pieces, serialized
from tests.tokenizer.texts import SENTENCES, corpus
from tokenizer import fast
from tokenizer.encode import Tokenizer
from tokenizer.fast import FastEncoder, definition, fast_encoder, merges, unsuitable
from tokenizer.model_file import BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, ModelFile, Piece
from tokenizer.probes import PROBES
from tokenizer.spec import LLAMA
from tokenizer.training import train, train_model

pytest.importorskip("gigatoken")

# Text made to grow pieces of repeated parts, whose overlaps are where an order of merges can go wrong.
REPEATS = [unit * length for unit in ("a", "ab", "aba", "=", " ", "  x", "\t", "01") for length in range(1, 30)]


@pytest.fixture(scope="module", params=["small", "repeats"])
def path(request: pytest.FixtureRequest, model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "small":
        return model_path
    found = tmp_path_factory.mktemp("repeats") / "repeats.model"
    train(REPEATS * 3 + corpus(), found, replace(LLAMA, vocab_size=700))
    return found


@pytest.fixture(scope="module")
def model(path: Path) -> ModelFile:
    return ModelFile.read(path)


@pytest.fixture(scope="module")
def engine(path: Path) -> Any:
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


@pytest.fixture(scope="module")
def encoder(model: ModelFile, engine: Any) -> FastEncoder:
    found = fast_encoder(model, engine.encode)
    assert isinstance(found, FastEncoder)
    return found


def texts(pieces: list[str]) -> st.SearchStrategy[str]:
    """Any Unicode but lone surrogates; pieces, sentences and names in any order; few characters, often repeated."""
    some = st.sampled_from([*pieces, *SENTENCES, "<s>", "</s>", "<unk>", "<0x0A>", "\u2581", "\0", "🙂", "\r\n"])
    runs = st.tuples(some, st.integers(1, 9)).map(lambda pair: pair[0] * pair[1])
    few = st.lists(st.characters(codec="utf-8"), min_size=1, max_size=3).flatmap(
        lambda alphabet: st.text(st.sampled_from([*alphabet, " "]), max_size=80)
    )
    return st.one_of(
        st.text(st.characters(codec="utf-8")), st.lists(st.one_of(some, runs), max_size=30).map("".join), few
    )


@given(st.data())
@settings(deadline=None, max_examples=1500)
def test_ids_are_those_of_sentencepiece(
    model: ModelFile, encoder: FastEncoder, engine: Any, data: st.DataObject
) -> None:
    text = data.draw(texts([piece.text.replace("\u2581", " ") for piece in model.pieces if piece.kind == NORMAL]))
    assert encoder.encode(text).tolist() == engine.encode(text)


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
def test_any_bytes_read_as_text_give_the_same_ids(encoder: FastEncoder, engine: Any, data: bytes) -> None:
    for text in (data.decode("latin-1"), data.decode("utf-8", "replace")):
        assert encoder.encode(text).tolist() == engine.encode(text)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        " " * 300_000,
        "\n" * 100_000 + "end",
        "the sea is wide " * 20_000,
        "ab" * 100_000 + " " + "ba" * 100_000,
        "🙂" * 50_000,
        "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789+/", k=200_000)),
        "".join(map(chr, range(0xD800))) + "".join(map(chr, range(0xE000, 0x20000))),
    ],
    ids=["letter", "spaces", "lines", "words", "pairs", "emoji", "noise", "characters"],
)
def test_very_long_lines_give_the_same_ids(encoder: FastEncoder, engine: Any, text: str) -> None:
    assert encoder.encode(text).tolist() == engine.encode(text)


def test_real_documents_give_the_same_ids(dumps: Path, encoder: FastEncoder, engine: Any) -> None:
    names = ("gutenberg/*.txt", "stack_exchange/coffee*/Posts.xml")
    for path in [found for name in names for found in sorted(dumps.glob(name))[:3]]:
        text = path.read_bytes().decode("utf-8", "replace")
        assert encoder.encode(text).tolist() == engine.encode(text)


def test_what_was_seen_before_changes_nothing(model: ModelFile, engine: Any) -> None:
    loads = []

    def load() -> Any:
        loads.append(1)
        return importlib.import_module("gigatoken.gigatoken_rs").load_hf_json(definition(model))

    encoder = FastEncoder(load, renew=500)
    for text in [*SENTENCES, *reversed(SENTENCES)]:
        assert encoder.encode(text).tolist() == engine.encode(text)
    assert len(loads) > 5


def test_probes_hold_every_kind_of_text_once() -> None:
    assert len(set(PROBES)) > 1500
    joined = "".join(PROBES)
    assert all(text in joined for text in ("\0", "\u2581", "🙂", "<s>", " " * 257, "\r\n", "\U0010ffff"))
    joined.encode()


class TestOrderOfMerges:
    def test_better_scores_come_first_and_special_pieces_never(self) -> None:
        pieces = [
            Piece("<unk>", 0, UNKNOWN),
            Piece("<s>", 0, CONTROL),
            Piece("<0x0A>", 0, BYTE),
            *(Piece(text, -index, NORMAL) for index, text in enumerate(["s>", "<0", "x0A>", "<", "s", ">", "0"])),
        ]
        assert list(merges(pieces)) == [("s", ">"), ("<", "0")]

    def test_of_two_that_overlap_the_left_comes_first(self) -> None:
        pieces = [Piece(text, -index, NORMAL) for index, text in enumerate(["a", "b", "ab", "ba", "aba"])]
        # In "ab a ba" both neighbours of "a" make "aba" with it.
        assert list(merges(pieces))[2:] == [("ab", "a"), ("a", "ba")]


_TIED = [Piece("a", -1, NORMAL), Piece("\u2581a", -9, NORMAL)]


class TestWhereItCannotStandIn:
    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ({"model_type": "unigram", "vocab_size": 700}, "model_type is 'unigram'"),
            ({"byte_fallback": False}, "byte_fallback is False"),
            ({"normalization_rule_name": "nfkc"}, "character map"),
            ({"remove_extra_whitespaces": True}, "remove_extra_whitespaces is True"),
            ({"treat_whitespace_as_suffix": True}, "treat_whitespace_as_suffix is True"),
            ({"user_defined_symbols": "a\u2581b"}, "is user-defined and holds a space"),
            ({"split_by_whitespace": False}, "crosses a space"),
        ],
    )
    def test_sentencepiece_encodes(self, tmp_path: Path, arguments: dict[str, Any], reason: str) -> None:
        options = replace(LLAMA, vocab_size=1000).to_trainer_arguments() | arguments
        (tmp_path / "other.model").write_bytes(train_model(corpus(), **options))
        assert reason in str(unsuitable(ModelFile.read(tmp_path / "other.model")))
        tokenizer = Tokenizer(tmp_path / "other.model")
        with pytest.warns(RuntimeWarning, match=f"{re.escape(reason)}.*; texts are encoded with SentencePiece"):
            assert tokenizer.fast is None
        text = "<sep> a  b\u2581 ①" + SENTENCES[0]
        (ids,) = tokenizer.encode_batch([text], bos=False, eos=False)
        assert ids.tolist() == tokenizer.encode(text).tolist()

    @pytest.mark.parametrize(
        ("pieces", "reason"),
        [
            ([Piece("a", -1, NORMAL), Piece("ab", -2, NORMAL)], "'ab' has a character that is not a piece"),
            (
                [Piece("a", -3, NORMAL), Piece("aa", -2, NORMAL), Piece("aaa", -2, NORMAL)],
                "two pieces have the same score",
            ),
            ([Piece("\u2581a", 0, USER_DEFINED)], "is user-defined and holds a space"),
            ([Piece("a", 0, UNUSED)], "'a' is unused"),
            (
                [Piece("\u2581", -9, NORMAL), Piece("\u2581\u2581", -9, NORMAL), *_TIED],
                "two pieces have the same score",
            ),
        ],
    )
    def test_odd_pieces_are_named(self, model: ModelFile, pieces: list[Piece], reason: str) -> None:
        assert reason in str(unsuitable(replace(model, pieces=(*model.pieces[:3], *pieces))))

    def test_a_missing_library_is_a_warning(self, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> None:
            raise ModuleNotFoundError(name)

        monkeypatch.setattr(importlib, "import_module", missing)
        tokenizer = Tokenizer(model_path)
        with pytest.warns(RuntimeWarning, match="gigatoken is not installed; texts are encoded with SentencePiece"):
            (ids,) = tokenizer.encode_batch(["a river"], bos=True, eos=False)
        assert ids.tolist() == [1, *tokenizer.encode("a river").tolist()]

    def test_one_that_disagrees_is_found_on_load(self, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # A control piece that is cut out of the text, as Gigatoken's own conversion of the model has it.
        rules = json.loads(definition(ModelFile.read(model_path)))
        token = {"id": 1, "content": "<s>", "special": True, "normalized": False}
        rules["added_tokens"] = [token | {"single_word": False, "lstrip": False, "rstrip": False}]
        monkeypatch.setattr(fast, "definition", lambda model: json.dumps(rules))
        tokenizer = Tokenizer(model_path)
        with pytest.warns(RuntimeWarning, match="gives other ids for '<s>'"):
            assert tokenizer.fast is None

    def test_one_that_refuses_the_model_is_a_warning(self, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fast, "definition", lambda model: "{}")
        with pytest.warns(RuntimeWarning, match="gigatoken refuses the model"):
            assert Tokenizer(model_path).fast is None


@pytest.mark.parametrize("at", range(300, 900, 67))
def test_a_piece_that_is_never_made_is_found_on_load(
    model_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModelFile.read(model_path)
    rules = json.loads(definition(model))
    lost = model.pieces[at].text
    fewer = [merge for merge in rules["model"]["merges"] if "".join(merge) != lost]
    rules["model"]["merges"] = fewer
    monkeypatch.setattr(fast, "definition", lambda model: json.dumps(rules))
    tokenizer = Tokenizer(model_path)
    if len(lost) == 1:
        assert tokenizer.fast is not None
    else:
        with pytest.warns(RuntimeWarning, match="gives other ids"):
            assert tokenizer.fast is None


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("llama") / "llama.model"
    path.write_bytes(serialized(llama_pieces(), KINDS))
    return Tokenizer(path)


def test_llamas_own_pieces_give_the_same_ids(dumps: Path, llama: Tokenizer) -> None:
    assert llama.fast is not None
    files = [
        found for name in ("gutenberg/*.txt", "*/*/Posts.xml", "wikipedia/*") for found in sorted(dumps.glob(name))
    ]
    texts = [file.read_bytes().decode("utf-8", "replace") for file in files]
    for text, ids in zip(texts, llama.encode_batch(texts, bos=False, eos=False), strict=True):
        assert ids.tolist() == llama.encode(text).tolist()


SPACED = st.sampled_from([" ", "  ", " " * 17, "\u2581", "a", "if", "\n", "=", "</s>", "é"])


@given(st.lists(SPACED, max_size=40).map("".join))
@settings(deadline=None, max_examples=300)
def test_llamas_pieces_of_spaces_have_one_score_and_give_the_same_ids(llama: Tokenizer, text: str) -> None:
    assert llama.slow is None
    assert llama.encode_batch([text], bos=False, eos=False)[0].tolist() == llama.encode(text).tolist()


@pytest.mark.parametrize("seed", range(8))
def test_runs_of_spaces_are_merged_alike_whatever_lengths_are_pieces(tmp_path: Path, seed: int) -> None:
    drawn = random.Random(seed)
    spaces = [n for n in range(2, 17) if drawn.random() < 0.6]
    drawn.shuffle(spaces)
    texts = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", "a", "\u2581a", "aa"]
    texts += ["\u2581" * n for n in spaces]
    path = tmp_path / "spaces.model"
    path.write_bytes(serialized(texts, KINDS[: len(texts)]))
    tokenizer = Tokenizer(path)
    assert tokenizer.slow is None
    runs = [text for n in range(120) for text in (" " * n, f"a{' ' * n}a")]
    for text, ids in zip(runs, tokenizer.encode_batch(runs, bos=False, eos=False), strict=True):
        assert ids.tolist() == tokenizer.encode(text).tolist(), (spaces, text)


def test_texts_with_user_defined_pieces_are_sentencepieces(tmp_path: Path) -> None:
    options = replace(LLAMA, vocab_size=1000).to_trainer_arguments() | {"user_defined_symbols": "[REF],+"}
    (tmp_path / "defined.model").write_bytes(train_model(corpus(), **options))
    tokenizer = Tokenizer(tmp_path / "defined.model")
    assert tokenizer.slow is None
    texts = ["the [REF] sea", "a+b", "[REF][REF]", "[RE F]", "the sea"]
    for text, ids in zip(texts, tokenizer.encode_batch(texts, bos=False, eos=False), strict=True):
        assert ids.tolist() == tokenizer.encode(text).tolist()
    assert tokenizer.piece(int(tokenizer.encode("[REF]")[-1])) == "[REF]"
