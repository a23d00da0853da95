"""A SentencePiece model's map of characters: which sequences of bytes a text's normalisation replaces, and by what.

    charsmap -> size, a double array of 32-bit units, texts with NUL behind each -> units, texts, or a ValueError

The array is walked by what it holds, so all that can be reached in it is checked before anything uses it. SentencePiece
checks it too, but not that it ends and how much it makes of a text, and older releases not even its bounds.

Source: Darts-clone's units (label, whether a value hangs on it, where its children are), as SentencePiece writes them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

# SentencePiece has room for as many matches at one place of a text; NFKC's longest sequence has 12 bytes.
LONGEST_SEQUENCE: Final = 32  # bytes
LONGEST_TEXT: Final = 128  # bytes; NFKC's longest has 33
_BLOCK: Final = 256  # children of a unit lie in one block of as many
_LEAF: Final = np.uint32(1 << 31)


def split(charsmap: bytes) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Return the double array and the texts that it points into, with NUL behind them; both empty for no map.

    Raises ValueError for a map that leads outside of itself, turns in circles, or makes of a text what is too long or
    no UTF-8.
    """
    if not charsmap:
        return np.empty(0, np.uint32), np.empty(0, np.uint8)
    size = int.from_bytes(charsmap[:4], "little")
    if size % (4 * _BLOCK) or not 4 <= size <= len(charsmap) - 4:
        raise ValueError(
            f"map of characters: an array of {size} bytes; must be whole blocks of {4 * _BLOCK}, and lie within the map"
        )
    units = np.frombuffer(charsmap, "<u4", size // 4, 4).astype(np.uint32)
    texts = charsmap[4 + size :]
    if (longest := max(map(len, texts.split(b"\0")))) > LONGEST_TEXT:
        raise ValueError(f"map of characters: a text of {longest} bytes; must be at most {LONGEST_TEXT}")
    try:
        texts.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"map of characters: its texts are not UTF-8: {error}") from error
    ended = np.frombuffer(bytearray(texts + b"\0"), np.uint8)
    _check(units, ended[:-1])
    return units, ended


def _check(units: NDArray[np.uint32], texts: NDArray[np.uint8]) -> None:
    """Require that what can be reached from the root lies in the array, its values in the texts, and that it ends."""
    places = np.arange(len(units))
    # Where the children of a unit begin, and where those begin that it is one of: its byte is its place among them.
    below = places ^ ((units >> 10) << ((units & (1 << 9)) >> 6)).astype(np.int64)
    beside = np.where(units & _LEAF, -1, places ^ (units & 0xFF).astype(np.int64))
    ended = (units >> 8 & 1).astype(bool)
    reached = below[:1]
    for _ in range(LONGEST_SEQUENCE + 1):
        if (outside := reached[(reached | (_BLOCK - 1)) >= len(units)]).size:
            raise ValueError(f"map of characters: leads to unit {outside[0]}; must be under {len(units)}")
        wanted = np.zeros(len(units), bool)
        wanted[reached] = True
        found = np.flatnonzero((beside >= 0) & wanted[beside])
        if not found.size:
            return
        reached = below[found]
        leaves = reached[ended[found]]
        leaves = leaves[leaves < len(units)]  # others are told of as they are reached
        values = units[leaves] & ~_LEAF
        if len(values) and (largest := int(values.max())) >= len(texts):
            raise ValueError(f"map of characters: points to text {largest}; must be under {len(texts)}")
        if (inside := values[texts[values] & 0xC0 == 0x80]).size:
            raise ValueError(f"map of characters: points to text {inside[0]}; must not be inside a character")
    raise ValueError(f"map of characters: a sequence of over {LONGEST_SEQUENCE} bytes")
