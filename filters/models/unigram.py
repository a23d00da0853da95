"""A SentencePiece unigram model as arrays, as `filters/native/unigram.c` reads it.

    model file ─ pieces, map of characters ─> double array ─> text in UTF-8 -> its pieces, a space between them

What is rare (pieces of a user's own or of bytes, space as a suffix, another type of model) is left to SentencePiece.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from filters.native import binding
from tokenizer import charsmap
from tokenizer.model_file import CONTROL, NORMAL, UNKNOWN, ModelFile

_UNKNOWN_PENALTY: Final = np.float32(10.0)  # unigram_model.cc, kUnkPenalty
_LONGEST_PIECE: Final = 1_000  # bytes
_PLACES_PER_BYTE: Final = 64  # models have two bytes for each place
_PLACE: Final = np.dtype([("base", "<i4"), ("parent", "<i4"), ("score", "<f4")])
# Bytes of room for each byte of a text, normalised or in pieces (most need not even two), and for any text.
_WIDTH: Final = 4
_LEAST_ROOM: Final = 256


class UnsupportedError(ValueError):
    """A model that only SentencePiece itself can use."""


class _Model(binding.Model):
    """The struct `model` of unigram.c; its fields keep the arrays that they point to."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("prefix", "squeeze", "units", "replacements")),
        ("unknown", ctypes.c_float),
        ("trie", ctypes.POINTER(ctypes.c_uint8)),
        ("map", ctypes.POINTER(ctypes.c_uint32)),
        ("replaced", ctypes.POINTER(ctypes.c_uint8)),
        ("plain", ctypes.POINTER(ctypes.c_uint8)),
    )


class Unigram:
    """A model for `altiplano_pieces`; raises UnsupportedError for another kind, or without the library.

    Raises ValueError, IndexError or struct.error for what is no model.
    """

    def __init__(self, content: bytes) -> None:
        library = binding.library()
        if library is None:
            raise UnsupportedError("there is no compiled library")
        file = ModelFile.parse(content)
        fields = file.fields
        known = {piece.kind for piece in file.pieces} <= {NORMAL, UNKNOWN, CONTROL}
        usual = fields["model_type"] == "unigram" and fields["escape_whitespaces"]
        if not known or not usual or fields["treat_whitespace_as_suffix"] or fields["byte_fallback"]:
            raise UnsupportedError("not a plain unigram model")
        pieces = sorted((piece.text.encode(), piece.score) for piece in file.pieces if piece.kind == NORMAL)
        names = [name for name, _ in pieces]
        if (
            not names
            or len(set(names)) < len(names)
            or max(map(len, names)) > _LONGEST_PIECE
            or b"\0" in b"".join(names)
        ):
            raise UnsupportedError("unusual pieces")
        scores = np.array([score for _, score in pieces], np.float32)
        if not np.isfinite(scores).all():
            raise UnsupportedError("unusual scores")
        units, replaced = charsmap.split(file.charsmap)
        trie = _trie(library, names, scores)
        plain = np.zeros(256, np.uint8)
        arrays: tuple[NDArray[Any], ...] = (trie.view(np.uint8), units, replaced, plain)
        self._model = _Model(
            *(bool(fields["add_dummy_prefix"]), bool(fields["remove_extra_whitespaces"])),
            *(len(units), len(replaced), float(scores.min() - _UNKNOWN_PENALTY)),
            *(binding.pointer(array) for array in arrays),
        )
        library.altiplano_plain(self._model, binding.first(plain))

    def joined(self, text: bytes) -> tuple[bytes, int] | None:
        """Return the pieces of a text in UTF-8 with a space between them, and their number.

        None where SentencePiece must do it: its map of characters makes a text several times as long.
        """
        library = binding.library()
        if not text or library is None:
            return (b"", 0) if not text else None
        half = _WIDTH * len(text) + _LEAST_ROOM
        room = binding.room_for(2 * half)
        count = library.altiplano_pieces(
            *(self._model, text, len(text), room.text, half, room.keys, room.text_from(half), half, room.sizes)
        )
        return (room.as_bytes(half), count) if count >= 0 else None


def _trie(library: ctypes.CDLL, names: list[bytes], scores: NDArray[np.float32]) -> NDArray[np.void]:
    """Return the double array of pieces, in the order of their bytes."""
    blob = np.frombuffer(bytearray(b"".join(names)), np.uint8)
    starts = np.cumsum([0, *map(len, names)], dtype=np.int64)
    places = 2 * len(blob) + 1_024
    most = _PLACES_PER_BYTE * len(blob) + 1_024
    while places <= most:
        trie = np.zeros(places, _PLACE)
        used = library.altiplano_trie(
            *(binding.first(blob), binding.first(starts), binding.first(scores), len(names)),
            *(binding.first(trie.view(np.uint8)), places),
        )
        if used >= 0:
            return trie[:used].copy()
        places *= 2
    raise UnsupportedError(f"pieces of {len(blob)} bytes need over {most} places")
