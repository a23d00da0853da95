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
"""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tokenizer.model_file import BYTE, CONTROL, NORMAL, UNKNOWN, ModelFile, Piece
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
        if piece.kind not in (NORMAL, UNKNOWN, CONTROL, BYTE):
            return f"piece {piece.text!r} is user-defined or unused"
        if piece.kind == NORMAL and SPACE in piece.text.lstrip(SPACE):
            return f"piece {piece.text!r} crosses a space"
        if piece.kind == NORMAL and not normal.issuperset(piece.text):
            return f"piece {piece.text!r} has a character that is no piece"
    scores = [piece.score for piece in model.pieces if piece.kind == NORMAL and len(piece.text) > 1]
    return "two pieces have one score" if len(set(scores)) < len(scores) else None


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
    normal = sorted((piece for piece in pieces if piece.kind == NORMAL), key=lambda piece: -piece.score)
    texts = {piece.text for piece in normal}
    for piece in normal:
        text = piece.text
        cuts = [at for at in range(1, len(text)) if text[:at] in texts and text[at:] in texts]
        # Left first: a cut whose right part also begins the piece overlaps with the cut that begins with that part.
        cuts.sort(key=lambda at: not text.startswith(text[at:]))
        yield from ((text[:at], text[at:]) for at in cuts)


class FastEncoder:
    """Token ids of a text without SentencePiece; made by `fast_encoder` only, once it has agreed on the probes."""

    def __init__(self, load: Callable[[], _Backend], renew: int = RENEW_CHARACTERS) -> None:
        self._load = load
        self._renew = renew
        self._backend = load()
        self._seen = 0

    def encode(self, text: str) -> NDArray[np.uint16]:
        """Return the ids of `text`, which has no lone surrogates."""
        if not text:  # SentencePiece gives an empty text no space in front
            return np.empty(0, np.uint16)
        if self._seen > self._renew:
            self._backend, self._seen = self._load(), 0
        self._seen += len(text)
        return self._backend.encode(text).astype(np.uint16)


def fast_encoder(model: ModelFile, reference: Callable[[str], list[int]]) -> FastEncoder | None:
    """Return an encoder that gives the same ids as `reference`, SentencePiece's own for `model`; None without one.

    A model that is not like LLaMA's has none. Where Gigatoken is not installed, or answers one of the probes
    differently, a RuntimeWarning says so.
    """
    if unsuitable(model) is not None:
        return None
    try:
        library = importlib.import_module("gigatoken.gigatoken_rs")
        rules = definition(model)
        encoder = FastEncoder(lambda: library.load_hf_json(rules))
    except ImportError:
        reason = "gigatoken is not installed"
    except (ValueError, RuntimeError, AttributeError) as error:
        reason = f"gigatoken refuses the model: {error}"
    else:
        pieces = [piece.text for piece in model.pieces if piece.kind == NORMAL]
        probes = chain(PROBES, piece_probes(pieces))
        differs = next((probe for probe in probes if encoder.encode(probe).tolist() != reference(probe)), None)
        if differs is None:
            return encoder
        reason = f"gigatoken does not agree with SentencePiece about {differs[:40]!r}"
    warnings.warn(f"{reason}; batches are encoded with SentencePiece, ten times slower", RuntimeWarning, stacklevel=2)
    return None
