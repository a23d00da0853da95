"""Text as CCNet's language models expect it (section 1.5), one table look-up for each character.

    strip -> lower-case -> NFD without combining marks -> digits to 0 -> punctuation to ASCII -> controls deleted

All steps but the first depend on one character at a time, so a table of all code points holds their composition; numpy
applies it. The exceptions (the lower case of a sigma depends on its neighbours, Hangul decomposes into several letters,
some spacing marks are reordered) send the text through the steps one by one.
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from filters.native import web

Newlines = Literal["delete", "space"]

# The 34 marks that CCNet maps to ASCII. The fullwidth digit one is among them, as a quotation mark, but digits have
# become 0 before the map is asked.
PUNCTUATION: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys("„”“«»１」「《》", '"')
    | dict.fromkeys("´’", "'")
    | dict.fromkeys("∶：", ":")
    | dict.fromkeys("–━►", "-")
    | dict(zip("，。、？！（）；％～〈〉【】", ",.,?!();%~<>[]", strict=True))
    | {"—": " - ", "．": ". ", "…": "..."}
)
CONTROLS: Final = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0))))

_DELETED: Final = web.GONE
_CONTEXTUAL: Final = 0x110001
_PLAIN_CATEGORIES: Final = frozenset({"Cn", "Co", "Cs"})  # most code points; nothing changes those
_ASCII_CONTROLS: Final = bytes(ord(c) for c in CONTROLS if c.isascii())
_ASCII: Final = bytes(range(256)).lower().translate(bytes.maketrans(b"123456789", b"000000000"))
_EXPANSIONS: Final = tuple((mark, several) for mark, several in PUNCTUATION.items() if len(several) > 1)
_EXPANSIONS_UTF8: Final = tuple((mark.encode(), several.encode()) for mark, several in _EXPANSIONS)


def normalise(text: str, *, newlines: Newlines = "delete") -> str:
    """Return `text` normalised for a language model.

    With `newlines="delete"`, the published rule, the words at line ends fuse; with "space" a line feed inside the text
    becomes a space. Equal to CCNet's `text_normalizer.normalize` on every string, lone surrogates included.
    """
    text = _as_one_line(text, newlines)
    if text.isascii():
        return _ascii_utf8(text).decode()
    composed, decomposed = _tables()
    codes = composed[_code_points(text)]
    if codes.max() == _CONTEXTUAL:
        codes = decomposed[_code_points(unicodedata.normalize("NFD", text.lower()))]
    text = codes[codes != _DELETED].tobytes().decode("utf-32-le", "surrogatepass")
    for mark, several in _EXPANSIONS:
        text = text.replace(mark, several)
    return text


def normalise_utf8(text: str, *, newlines: Newlines = "delete") -> bytes | None:
    """Return what `normalise` does in UTF-8, None where `normalise` must do it (a contextual letter, half a character).

    One pass in C where `filters.native.web` is compiled.
    """
    text = _as_one_line(text, newlines)
    if text.isascii():
        return _ascii_utf8(text)
    found = web.mapped(text, _native_table())
    if found is not None:
        for mark, several in _EXPANSIONS_UTF8:
            found = found.replace(mark, several)
    return found


def _as_one_line(text: str, newlines: Newlines) -> str:
    text = text.strip()
    return text.replace("\n", " ") if newlines == "space" else text


def _ascii_utf8(text: str) -> bytes:
    return text.encode().translate(_ASCII, _ASCII_CONTROLS)


@functools.cache
def _native_table() -> web.Table:
    composed = _tables()[0].astype(np.uint32)
    composed[composed == _CONTEXTUAL] = web.CONTEXTUAL
    return web.Table.of(composed)


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


@functools.cache
def _tables() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the table for text as it comes, and the one for text in lower case and NFD: code point -> code point."""
    composed = np.arange(sys.maxunicode + 1, dtype="<u4")
    decomposed = composed.copy()
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) in _PLAIN_CATEGORIES:
            continue
        plain = unicodedata.normalize("NFD", character.lower())
        composed[code] = _single(plain)
        if plain == character:
            decomposed[code] = _last_steps(character)
    composed[ord("Σ")] = _CONTEXTUAL
    return composed, decomposed


def _is_reordered(character: str) -> bool:
    return unicodedata.combining(character) != 0 and unicodedata.category(character) != "Mn"


def _single(decomposed: str) -> int:
    if any(map(_is_reordered, decomposed)):
        return _CONTEXTUAL
    codes = [code for code in map(_last_steps, decomposed) if code != _DELETED]
    if not codes:
        return _DELETED
    return codes[0] if len(codes) == 1 else _CONTEXTUAL


def _last_steps(character: str) -> int:
    """Return what becomes of a decomposed character: marks, digits, punctuation (of one character) and controls."""
    if unicodedata.category(character) == "Mn" or character in CONTROLS:
        return _DELETED
    if character.isdecimal():
        return ord("0")
    replacement = PUNCTUATION.get(character, character)
    return ord(replacement if len(replacement) == 1 else character)
