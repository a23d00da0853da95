"""Gigatoken as an exact stand-in for SentencePiece's encoder, where it can be one.

    .model -> ModelFile -> suits? -> merge rules as JSON -> Gigatoken -> probes agree with SentencePiece? -> FastEncoder

Gigatoken is a BPE of ordered merge rules; a SentencePiece model has scored pieces and merges any two neighbours whose
concatenation is a piece, best score first, leftmost first among equals. The rules here give the same merges:

- Only normal pieces are merged to. Gigatoken's own conversion also makes rules for `<s>` and `<0x0A>` and cuts control
  pieces out of a text before it is encoded; SentencePiece never does either, and in code these strings are common.
- All ways to split one piece have one score but need an order here. It matters where a piece can be had from a part y
  together with the part before it or the part after it, that is, where y both begins and ends the piece; then
  SentencePiece takes the left pair, so that rule comes first.
- A power of a shorter string ("    ", "====") can want either order. Its parts never lie in the order that shows it:
  merging pairs from the left leaves the odd one last.
- LLaMA's and Mistral's pieces of spaces alone share one score, the lowest. Of equals SentencePiece merges the leftmost,
  so a run of spaces grows from its left; the longest first gives that. Other pieces with one score have no such order.
- A text that holds a user-defined piece is SentencePiece's.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tokenizer.model_file import BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED, ModelFile, Piece
from tokenizer.probes import PROBES, SPACE, piece_probes

# Gigatoken 0.10 remembers every word it has seen and never forgets: books and code add two to four bytes a character.
# A fresh one after this many characters bounds the memory: 66 MiB after 47 MB of Python. A fresh one is slow at first.
RENEW_CHARACTERS: Final = 48 << 20
_REQUIRED: Final = {
    "model_type": "bpe",
    "byte_fallback": True,
    "remove_extra_whitespaces": False,
    "escape_whitespaces": True,
    "treat_whitespace_as_suffix": False,
}


class _Backend(Protocol):
    def encode(self, text: str, /) -> NDArray[np.uint32]: ...


def unsuitable(model: ModelFile) -> str | None:
    """Return why Gigatoken cannot stand in for `model`, or None: it must be a BPE like LLaMA's, not any model."""
    for name, value in _REQUIRED.items():
        if model.fields[name] != value:
            return f"{name} is {model.fields[name]!r}, not {value!r}"
    if model.charsmap:
        return "it rewrites its text (character map)"
    normal = {piece.text for piece in model.pieces if piece.kind == NORMAL}
    for piece in model.pieces:
        if piece.kind not in (NORMAL, UNKNOWN, CONTROL, BYTE, USER_DEFINED):
            return f"piece {piece.text!r} is unused"
        if piece.kind == USER_DEFINED and (SPACE in piece.text or not piece.text):
            return f"piece {piece.text!r} is user-defined and holds a space"
        if piece.kind == NORMAL and SPACE in piece.text.lstrip(SPACE):
            return f"piece {piece.text!r} crosses a space"
        if piece.kind == NORMAL and not normal.issuperset(piece.text):
            return f"piece {piece.text!r} has a character that is not a piece"
    return _tie(piece for piece in model.pieces if piece.kind == NORMAL and len(piece.text) > 1)


def _tie(pieces: Iterable[Piece]) -> str | None:
    """Return which two pieces have one score, unless both are of spaces alone."""
    first: dict[float, Piece] = {}
    for piece in pieces:
        other = first.setdefault(piece.score, piece)
        if other is not piece and (piece.text.strip(SPACE) or other.text.strip(SPACE)):
            return f"two pieces have the same score: {other.text!r}, {piece.text!r}"
    return None


def definition(model: ModelFile) -> str:
    """Return a `tokenizer.json` whose merges are those of `model`."""
    normalizers: list[dict[str, Any]] = []
    if model.fields["add_dummy_prefix"]:
        normalizers.append({"type": "Prepend", "prepend": SPACE})
    normalizers.append({"type": "Replace", "pattern": {"String": " "}, "content": SPACE})
    bpe = {
        "type": "BPE",
        "dropout": None,
        "unk_token": next(piece.text for piece in model.pieces if piece.kind == UNKNOWN),
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": True,
        "ignore_merges": False,
        "vocab": {piece.text: id_ for id_, piece in enumerate(model.pieces)},
        "merges": list(merges(model.pieces)),
    }
    empty = {"truncation": None, "padding": None, "pre_tokenizer": None, "post_processor": None, "decoder": None}
    normalizer = {"type": "Sequence", "normalizers": normalizers}
    return json.dumps({"version": "1.0", "added_tokens": [], "normalizer": normalizer, "model": bpe, **empty})


def merges(pieces: Sequence[Piece]) -> Iterator[tuple[str, str]]:
    """Yield (left, right) of every way to make a normal piece from two, in the order in which they are tried."""
    normal = [piece for piece in pieces if piece.kind == NORMAL]
    normal.sort(key=lambda piece: (-piece.score, -len(piece.text)))
    texts = {piece.text for piece in normal}
    for piece in normal:
        text = piece.text
        cuts = [at for at in range(1, len(text)) if text[:at] in texts and text[at:] in texts]
        # Left first: a cut whose right part also begins the piece overlaps with the cut that begins with that part.
        cuts.sort(key=lambda at: not text.startswith(text[at:]))
        yield from ((text[:at], text[at:]) for at in cuts)


class FastEncoder:
    """Token ids of a text without SentencePiece; made by `agreeing` only, once it has agreed on the probes."""

    def __init__(self, load: Callable[[], _Backend], renew: int = RENEW_CHARACTERS) -> None:
        self._load = load
        self._renew = renew
        self._backend = load()
        self._seen = 0

    def encode(self, text: str) -> NDArray[np.uint32]:
        """Return the ids of `text`, which has no lone surrogates."""
        if not text:  # SentencePiece gives an empty text no space in front
            return np.empty(0, np.uint32)
        if self._seen > self._renew:
            self._backend, self._seen = self._load(), 0
        self._seen += len(text)
        return self._backend.encode(text)


def agreeing(rules: str, probes: Iterable[str], reference: Callable[[str], list[int]]) -> FastEncoder | str:
    """Return an encoder by a `tokenizer.json` that answers all probes as `reference` does, or why there is none."""
    try:
        library = importlib.import_module("gigatoken.gigatoken_rs")
        encoder = FastEncoder(lambda: library.load_hf_json(rules))
    except ImportError:
        return "gigatoken is not installed"
    except (ValueError, RuntimeError, AttributeError) as error:
        return f"gigatoken refuses the model: {error}"
    differs = next((probe for probe in probes if encoder.encode(probe).tolist() != reference(probe)), None)
    return encoder if differs is None else f"gigatoken gives other ids for {differs[:40]!r}"


def user_defined(model: ModelFile) -> list[str]:
    """Return the user-defined pieces."""
    return [piece.text for piece in model.pieces if piece.kind == USER_DEFINED]


def fast_encoder(model: ModelFile, reference: Callable[[str], list[int]]) -> FastEncoder | str:
    """Return an encoder that gives the same ids as `reference`, SentencePiece's own for `model`, or why there is none.

    Texts that hold a user-defined piece are not for it.
    """
    if (reason := unsuitable(model)) is not None:
        return reason
    others = user_defined(model)
    texts = [piece.text for piece in model.pieces if piece.kind == NORMAL]
    probes = (probe for probe in chain(PROBES, piece_probes(texts)) if not any(text in probe for text in others))
    return agreeing(definition(model), probes, reference)
