"""Paragraphs of a web page and the keys by which CCNet removes repeated ones (section 1, steps 1 to 3).

    page -> body (title off, lines stripped) -> too_short? -> keys: one 64-bit hash for each line -> remove

A paragraph is a line. A line is compared by what `normalise` leaves of it. Empty lines, and lines of which nothing is
left, are paragraphs like any other, as in CCNet: they share the hash of the empty string, so in practice all go.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Mode = Literal["published", "corrected"]

MIN_CHARACTERS: Final = 300  # CCNet, Config.min_len: characters of the body, line feeds included, the title not
KEY_BYTES: Final = 8  # CCNet, flat_hash_set.HASH_TYPE: of the SHA-1, in the order of a little-endian uint64

# The 34 marks that CCNet deletes (text_normalizer.UNICODE_PUNCT). The fullwidth digit one is among them, but digits are
# 0 by then.
DELETED_MARKS: Final = "，。、„”“«»１」「《》´∶：？！（）；–—．～’…━〈〉【】％►"
CONTROL_CHARACTERS: Final = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0))))

_DIGIT = re.compile(r"\d")
_DELETED = re.compile(f"[{re.escape(DELETED_MARKS)}{re.escape(''.join(sorted(CONTROL_CHARACTERS)))}]")
_ASCII_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_ASCII_CONTROLS = bytes(sorted(ord(c) for c in CONTROL_CHARACTERS if c < "\x80" and c != "\n"))
_REMEMBERED_LINES: Final = 1 << 17  # about 20 MB with the next
_REMEMBERED_BYTES: Final = 80
_GONE: Final = 0x110000  # in the table of code points: no character, so nothing else can mean "deleted"


class Reason(StrEnum):
    """Why a page is dropped."""

    TOO_SHORT = "too_short"
    ALL_DUPLICATES = "all_duplicates"


def body(text: str, mode: Mode = "corrected") -> str:
    """Return the page without its title, the first line: lines stripped, joined by line feeds.

    A line ends with LF, CR or CRLF. Published: the page as CCNet reads it, where a page that does not end with a line
    end gets one empty line more (the separator of its record). Corrected: without it, and without NUL characters.
    """
    if mode == "corrected":
        text = text.replace("\0", "")
    lines = list(map(str.strip, text.replace("\r\n", "\n").replace("\r", "\n").split("\n")))
    ended = not lines[-1]
    if ended:
        lines.pop()
    elif mode == "published":
        lines.append("")
    return "\n".join(lines[1:])


def too_short(text: str, minimum: int = MIN_CHARACTERS) -> Reason | None:
    """Return the reason to drop a page whose body is shorter than `minimum` characters."""
    return Reason.TOO_SHORT if len(text) < minimum else None


def normalise(line: str) -> str:
    """Return what two lines must share to be the same paragraph.

    Strip, lower-case, every decimal digit of any script to 0, the 34 marks and the control characters deleted; ASCII
    punctuation, accents and inner spaces stay. Equal to CCNet's text_normalizer.normalize_for_dedup on any string.
    """
    return _DELETED.sub("", _DIGIT.sub("0", line.strip().lower()))


def keys(text: str) -> tuple[list[str], NDArray[np.uint64]]:
    """Return the stripped lines of a body and the key of each: the first 8 bytes of SHA-1 of what `normalise` leaves.

    Lines end with a line feed only, as in what `body` returns; shapes (n,) and (n,), n at least 1. The whole body is
    normalised at once. A lone surrogate, which UTF-8 cannot hold, is hashed as "?".
    """
    lines = [line.strip() for line in text.split("\n")]
    words = b"".join([_HASHES[line] for line in _normalised(lines)])
    return lines, np.frombuffer(words, dtype="<u8").astype(np.uint64)


class _Hashes(dict[bytes, bytes]):
    """The hash of each normalised line; menus and the like, which come again and again, are hashed once."""

    def __missing__(self, line: bytes) -> bytes:
        found = hashlib.sha1(line).digest()[:KEY_BYTES]
        if len(line) <= _REMEMBERED_BYTES:
            if len(self) >= _REMEMBERED_LINES:
                self.clear()
            self[line] = found
        return found


_HASHES = _Hashes()


def first_occurrences(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return a mask of shape (n,), true where a key appears for the first time. Any key counts, 0 too.

    CCNet marks removed lines by the key 0, and so loses a line whose own key is 0.
    """
    mask = np.zeros(len(hashes), dtype=np.bool_)
    mask[np.unique(hashes, return_index=True)[1]] = True
    return mask


def remove(lines: Sequence[str], removed: Collection[int]) -> str:
    """Return the lines joined by line feeds without those at the indices `removed`: "" if no line is left."""
    gone = frozenset(removed)
    return "\n".join([line for index, line in enumerate(lines) if index not in gone])


def nothing_left(lines: Sequence[str], removed: Collection[int]) -> Reason | None:
    """Return the reason to drop a page all of whose lines are removed."""
    return Reason.ALL_DUPLICATES if len(frozenset(removed)) >= len(lines) else None


def _normalised(lines: Sequence[str]) -> list[bytes]:
    """Return `normalise` of stripped lines without line feeds, in UTF-8."""
    # Lower-casing looks at neighbours only within a word (the final sigma), and no word crosses a line feed.
    text = "\n".join(lines).lower()
    if text.isascii():
        return text.encode().translate(_ASCII_TO_ZERO, _ASCII_CONTROLS).split(b"\n")
    mapped = _code_table()[np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")]
    kept: str = mapped[mapped != _GONE].tobytes().decode("utf-32-le", "surrogatepass")
    return kept.encode(errors="replace").split(b"\n")


@functools.cache
def _code_table() -> NDArray[np.uint32]:
    """Return what becomes of each code point of a lower-cased text: 4.5 MB, made when first needed."""
    table = np.arange(0x110000, dtype="<u4")
    table[[ord(c) for c in DELETED_MARKS]] = _GONE
    table[[ord(c) for c in CONTROL_CHARACTERS - {"\n"}]] = _GONE
    table[[code for code in range(0x110000) if unicodedata.category(chr(code)) == "Nd"]] = ord("0")
    return table
