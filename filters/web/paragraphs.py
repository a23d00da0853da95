"""Paragraphs of a web page and the keys by which CCNet removes repeated ones (section 1, steps 1 to 3).

    page -> body (title off, lines stripped) -> keys: one 64-bit hash for each line -> unique
         -> firsts: all of that in one pass -> too_short? nothing_left? -> without: lines that other pages have too

A paragraph is a line. A line is compared by what `normalise` leaves of it. Empty lines, and lines of which nothing is
left, are paragraphs like any other, as in CCNet: they share the hash of the empty string, so in practice all go.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence, Sized
from enum import StrEnum
from itertools import compress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from filters.broken import Broken
from filters.native import web
from filters.native.web import Firsts

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
_GONE: Final = 0  # in the tables of characters; NUL itself is deleted
_NOT_HERE: Final = (
    0xD800  # in the table of UTF-16 units: half a character, or one whose lower case needs its neighbours
)


class Reason(StrEnum):
    """Why a page is dropped."""

    TOO_SHORT = "too_short"
    ALL_DUPLICATES = "all_duplicates"


def body(text: str, *, remove_nul: bool = True, add_last_line: bool = False) -> str:
    """Return the page without its title, the first line: `body_lines` joined by line feeds."""
    return "\n".join(body_lines(text, remove_nul=remove_nul, add_last_line=add_last_line))


def body_lines(text: str, *, remove_nul: bool = True, add_last_line: bool = False) -> list[str]:
    """Return the lines of a page but its title, the first: stripped; one empty line where there is none.

    A line ends with LF, CR or CRLF. As CCNet reads a page, NUL characters stay and one that does not end with a line
    end gets an empty line more (the separator of its record): `remove_nul=False`, `add_last_line=True`.
    """
    if remove_nul:
        text = text.replace("\0", "")
    lines = list(map(str.strip, text.replace("\r\n", "\n").replace("\r", "\n").split("\n")))
    ended = not lines[-1]
    if ended:
        lines.pop()
    elif add_last_line:
        lines.append("")
    return lines[1:] or [""]


def too_short(characters: int, minimum: int = MIN_CHARACTERS) -> Broken | None:
    """Return the reason to drop a page whose body has fewer than `minimum` characters."""
    return Broken(Reason.TOO_SHORT, characters, minimum) if characters < minimum else None


def firsts(text: str, *, remove_nul: bool = True, add_last_line: bool = False, lose_zero: bool = False) -> Firsts:
    """Return the first of each repeated line of a page's `body`, with their `keys`, and the body's characters.

    What `unique` says of `body_lines` and `keys`, in one pass where `filters.native.web` is compiled.
    """
    found = web.paragraphs(
        text, _native_table(), remove_nul=remove_nul, add_last_line=add_last_line, lose_zero=lose_zero
    )
    if found is not None:
        return found
    lines = body_lines(text, remove_nul=remove_nul, add_last_line=add_last_line)
    body = "\n".join(lines)
    first = unique(lines, keys(body), lose_zero=lose_zero)
    return Firsts("\n".join(first.values()), packed(first), len(body))


def without(text: str, removed: NDArray[np.integer[Any]]) -> tuple[str, int, int]:
    """Return a text without the lines at the indices `removed`, and its number of lines before and after."""
    if not len(removed):
        lines = text.count("\n") + 1
        return text, lines, lines
    if found := web.without(text, removed):
        return found
    before = text.split("\n")
    after = kept(before, removed)
    return "\n".join(after), len(before), len(after)


def normalise(line: str) -> str:
    """Return what two lines must share to be the same paragraph.

    Strip, lower-case, every decimal digit of any script to 0, the 34 marks and the control characters deleted; ASCII
    punctuation, accents and inner spaces stay. Equal to CCNet's text_normalizer.normalize_for_dedup on any string.
    """
    return _DELETED.sub("", _DIGIT.sub("0", line.strip().lower()))


def keys(body: str) -> list[bytes]:
    """Return the key of each line of what `body` returns: the first 8 bytes of SHA-1 of what `normalise` leaves.

    Lines end with a line feed only; the whole body is normalised at once. A lone surrogate, which UTF-8 cannot hold, is
    hashed as "?".
    """
    return [_HASHES[line] for line in _normalised(body)]


def unique(lines: Sequence[str], keys: Sequence[bytes], *, lose_zero: bool = False) -> dict[bytes, str]:
    """Return each key with the first of its lines, in the order of the page.

    `lose_zero` loses a line whose key is 0, by which CCNet marks the lines that it removes.
    """
    found = dict(zip(keys, lines, strict=True))
    if len(found) < len(lines):  # a key stands where it came first, but with the last of its lines
        found.update(zip(reversed(keys), reversed(lines), strict=True))
    if lose_zero:
        found.pop(bytes(KEY_BYTES), None)
    return found


def packed(keys: Iterable[bytes]) -> NDArray[np.uint64]:
    """Return keys as an array, shape (n,)."""
    return np.frombuffer(b"".join(keys), dtype="<u8").astype(np.uint64, copy=False)


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


def kept(lines: Sequence[str], removed: NDArray[np.integer[Any]]) -> list[str]:
    """Return the lines without those at the indices `removed`."""
    mask = np.ones(len(lines), np.bool_)
    mask[removed] = False
    return list(compress(lines, mask.tobytes()))


def nothing_left(kept: Sized) -> Broken | None:
    """Return the reason to drop a page none of whose lines is kept."""
    return None if len(kept) else Broken(Reason.ALL_DUPLICATES)


def _normalised(text: str) -> list[bytes]:
    """Return `normalise` of the lines of a body, which are stripped, in UTF-8."""
    if text.isascii():
        return text.lower().encode().translate(_ASCII_TO_ZERO, _ASCII_CONTROLS).split(b"\n")
    units = _unit_table()[np.frombuffer(text.encode("utf-16-le", "surrogatepass"), dtype="<u2")]
    if not (units == _NOT_HERE).any():
        kept: str = units[units != _GONE].tobytes().decode("utf-16-le")
        return kept.encode().split(b"\n")
    # Lower-casing looks at neighbours only within a word (the final sigma), and no word crosses a line feed.
    mapped = _code_table()[np.frombuffer(text.lower().encode("utf-32-le", "surrogatepass"), dtype="<u4")]
    left: str = mapped[mapped != _GONE].tobytes().decode("utf-32-le", "surrogatepass")
    return left.encode(errors="replace").split(b"\n")


@functools.cache
def _native_table() -> web.Table:
    """Return what becomes of each character of a text: lower case and the rest of `normalise`, in 4.5 MB."""
    lowered = web.lower_table().values
    mapped = _code_table()[lowered]
    mapped[mapped == _GONE] = web.GONE
    return web.Table.of(np.where(lowered == web.CONTEXTUAL, lowered, mapped))


@functools.cache
def _unit_table() -> NDArray[np.uint16]:
    """Return what becomes of each UTF-16 unit of a text: lower case and the rest of `normalise`, in 128 KB."""
    table = np.empty(0x10000, dtype="<u2")
    for unit in range(0x10000):
        lowered = chr(unit).lower()
        alone = len(lowered) == 1 and lowered != "σ" and not 0xD800 <= unit < 0xE000
        table[unit] = _code_table()[ord(lowered)] if alone or unit == ord("σ") else _NOT_HERE
    return table


@functools.cache
def _code_table() -> NDArray[np.uint32]:
    """Return what becomes of each code point of a lower-cased text: 4.5 MB, made when first needed."""
    table = np.arange(0x110000, dtype="<u4")
    table[[ord(c) for c in DELETED_MARKS]] = _GONE
    table[[ord(c) for c in CONTROL_CHARACTERS - {"\n"}]] = _GONE
    table[[code for code in range(web.WRITTEN) if unicodedata.category(chr(code)) == "Nd"]] = ord("0")
    return table
