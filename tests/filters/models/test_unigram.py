"""A unigram model's pieces in C are SentencePiece's, on any text."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.models import unigram
from filters.models.unigram import Unigram, UnsupportedError
from filters.native import binding
from filters.web import perplexity
from filters.web.perplexity import PerplexityModel, train_language_model
from tests.slowness import slowness
from tokenizer import loading
from tokenizer.training import train_model

WORDS = ["the", "rain", "fell", "on", "hills", "and", "river", "rivers", "café", "naïve", "0000", "0.0", "日本", "ü"]
# What the map of characters replaces, joins or takes for a space; what no piece has; a model's own space.
PIECES = [
    *(
        *WORDS,
        "RAIN",
        "raining",
        "hillside",
        "xyzzy",
        "Ω",
        "語",
        "😀",
        "\u00a0",
        "\u3000",
        "\u200b",
        "\ufeff",
        "½",
        "ﬁ",
    ),
    *("e\u0301", "A\u030a", "\u1100\u1161\u11a8", "ｆｕｌｌ", "™", "▁", "▁▁", "\u0301", "\ufffd", "한국", "０", "㍿"),
    *(" ", " ", " ", "  ", "\t", "\n", "\x00", "\x7f", "\x1d", ".", ",", "-", "'", "r", "e", "0"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=40)
OPTIONS: dict[str, dict[str, Any]] = {
    "usual": {},
    "identity": {"normalization_rule_name": "identity"},
    "folded": {"normalization_rule_name": "nfkc_cf"},
    "no space before": {"add_dummy_prefix": False},
    "all spaces": {"remove_extra_whitespaces": False},
}
LEFT_TO_SENTENCEPIECE: dict[str, dict[str, Any]] = {
    "bpe": {"model_type": "bpe"},
    "bytes": {"byte_fallback": True, "vocab_size": 400},
    "own pieces": {"user_defined_symbols": "rain"},
    "space behind": {"treat_whitespace_as_suffix": True},
}


def train(**options: Any) -> bytes:
    choose = random.Random(1)
    sentences = [" ".join(choose.choices(WORDS, k=12)) + choose.choice(".,") for _ in range(400)]
    wanted: dict[str, Any] = {
        "model_type": "unigram",
        "vocab_size": 90,
        "character_coverage": 0.98,
        "hard_vocab_limit": False,
    }
    return train_model(sentences, **wanted | options)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    if binding.compile_library() is not None:
        pytest.skip("there is no C compiler")
    binding.library.cache_clear()


@pytest.fixture(scope="module", params=list(OPTIONS))
def model(request: pytest.FixtureRequest) -> bytes:
    return train(**OPTIONS[request.param])


def test_pieces(model: bytes) -> None:
    theirs, ours = sentencepiece.SentencePieceProcessor(model_proto=model), Unigram(model)

    @settings(deadline=None, max_examples=1_500)
    @given(TEXTS)
    @example("")
    @example("   ")
    @example("\u00a0 \u3000")
    @example("▁")
    @example("ΩΩ語 Ω")
    def compare(text: str) -> None:
        pieces = theirs.encode(text.encode(), out_type=bytes)
        assert ours.joined(text.encode()) == (b" ".join(pieces), len(pieces))

    compare()


def test_long_texts(model: bytes) -> None:
    """Sums of many scores lose what pieces differ by; SentencePiece begins them anew, and where it does matters."""
    theirs, ours = sentencepiece.SentencePieceProcessor(model_proto=model), Unigram(model)
    choose = random.Random(2)
    for size in (200_000, 90_000):
        text = "".join(choose.choices([*WORDS, " ", " ", "r", "0", "0.0", ".", "Ω"], k=size)).encode()
        pieces = theirs.encode(text, out_type=bytes)
        assert ours.joined(text) == (b" ".join(pieces), len(pieces))


def test_every_character(model: bytes) -> None:
    theirs, ours = sentencepiece.SentencePieceProcessor(model_proto=model), Unigram(model)
    codes = [code for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000 and (code < 0x3400 or code % 13 == 0)]
    for start in range(0, len(codes), 512):
        text = " ".join(f"r{chr(code)}e {chr(code)}" for code in codes[start : start + 512]).encode()
        pieces = theirs.encode(text, out_type=bytes)
        assert ours.joined(text) in (None, (b" ".join(pieces), len(pieces)))


@pytest.mark.parametrize("kind", list(LEFT_TO_SENTENCEPIECE))
def test_what_is_rare_is_left_to_sentencepiece(kind: str) -> None:
    with pytest.raises(UnsupportedError):
        Unigram(train(**LEFT_TO_SENTENCEPIECE[kind]))


def test_a_text_that_grows_is_left_to_sentencepiece() -> None:
    ours = Unigram(train())
    assert ours.joined("\ufdfa".encode() * 1_000) is None  # 18 letters each
    assert ours.joined("\ufdfa and the rain fell on the hills".encode()) is not None


def test_pieces_of_a_real_size_take_no_time() -> None:
    """Each search for room goes on near where the last one ended: before, 65,000 pieces took ten seconds."""
    choose = random.Random(1)
    pieces = {"".join(choose.choices("etaoinshrdlu▁", k=choose.randint(1, 9))) for _ in range(50_000)}
    pieces |= {"".join(choose.choices([chr(code) for code in range(0x4E00, 0x6E00)], k=2)) for _ in range(15_000)}
    names = sorted(piece.encode() for piece in pieces)
    library = binding.library()
    assert library is not None
    start = time.process_time()
    trie = unigram._trie(library, names, np.arange(len(names), dtype=np.float32))
    assert time.process_time() - start < 2 * slowness()
    assert len(trie) < sum(map(len, names))
    for number in range(0, len(names), 97):
        place = 0
        for byte in names[number]:
            before, place = place, int(trie[place]["base"]) + byte
            assert trie[place]["parent"] == before
        assert trie[place]["score"] == number


def test_pieces_that_need_far_more_room_than_they_have_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unigram, "_PLACES_PER_BYTE", 0)
    with pytest.raises(UnsupportedError, match=r"pieces of \d+ bytes need over 1024 places"):
        Unigram(train())


def test_a_character_that_is_cut_is_no_more_than_its_bytes(model: bytes) -> None:
    """Text is UTF-8; should it ever not be, nothing behind it is read."""
    ours = Unigram(model)
    for text in (b"\xf0", b"rain \xe6\x97", b"\xc3", b"\x80\xff\xf5r"):
        found = ours.joined(text)
        assert found is not None
        assert len(found[0]) < len(text) + 20


def test_a_damaged_model_is_refused_or_answers(tmp_path: Path) -> None:
    """Where ours takes a damaged model, SentencePiece does too, with the same pieces."""
    content, choose = train(), random.Random(3)
    path, texts, taken = tmp_path / "damaged.model", ["the rain ｆｕｌｌ ½ on hills", "r" * 300, "\x00Ω語 ▁"], 0
    for trial in range(600):
        changed = bytearray(content[: choose.randrange(len(content))] if trial % 6 == 0 else content)
        for _ in range(choose.randrange(1, 4)):
            at = choose.randrange(min(len(changed), choose.choice([2_000, 3_000, len(content)])) or 1)
            changed[at : at + 1] = bytes([choose.choice([0, 1, 127, 128, 255, choose.randrange(256)])])
        path.write_bytes(changed)
        try:
            theirs = loading.load_engine(path)
        except ValueError as error:
            assert str(error).startswith(f"{path} is not a SentencePiece model: ")
            continue
        if ours := perplexity._load_unigram(path):
            taken += 1
            for text in texts:
                pieces = theirs.encode(text.encode(), out_type=bytes)
                assert ours.joined(text.encode()) in (None, (b" ".join(pieces), len(pieces)))
    assert 50 < taken < 600


def test_without_the_compiled_library(monkeypatch: pytest.MonkeyPatch) -> None:
    content = train()
    ours = Unigram(content)
    monkeypatch.setattr(binding, "library", lambda: None)
    assert ours.joined(b"the rain") is None
    with pytest.raises(UnsupportedError, match="no compiled library"):
        Unigram(content)


def test_perplexities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pieces.model").write_bytes(train())
    texts = ["The rain fell on the hills.", "And the river.", "The rivers and the rain."] * 20
    train_language_model(texts, tmp_path / "pieces.model", tmp_path / "model.arpa", order=3)
    paths = (tmp_path / "pieces.model", tmp_path / "model.arpa")
    fast = PerplexityModel(*paths)
    assert fast._unigram is not None
    monkeypatch.setattr(binding, "library", lambda: None)
    slow = PerplexityModel(*paths)
    assert slow._unigram is None
    monkeypatch.undo()

    @settings(deadline=None, max_examples=300)
    @given(TEXTS | st.text())
    @example("\ufdfa" * 200)
    def compare(text: str) -> None:
        assert fast.perplexity(text) == slow.perplexity(text)

    compare()
