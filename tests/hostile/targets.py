"""A public function as hostile input sees it, and what all text may hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Characters that methods of `str` and regular expressions disagree on: digits that are no integers, letters whose case
# changes their number, separators of lines, marks, NUL, private use, what is no character.
ODD = tuple("²٣½ⅷİẞßΣﬁ\u00a0\u0085\u2028\u2029\u200b\u0301\ufeff\0\x01\x02\x03\x1c\x1a\x7f\ue000\uffff\U0001f600\r\f\v")
PLAIN = ("a", "Word ", "7", " ", "\n", "\n\n", ".", "A sentence of some words, for length. ")


@dataclass(frozen=True)
class Target:
    """What a function is called with.

    `run` takes any bytes. It asserts what must hold of every answer, takes the documented errors, and lets all others
    through; it returns what the function returns. `tokens` are what the format is made of, `seeds` good inputs. A
    reader takes its first byte for the number of the container that the rest is put into, 0 to `containers`.
    """

    run: Callable[[bytes], object]
    tokens: tuple[bytes, ...] = ()
    seeds: tuple[bytes, ...] = ()
    containers: int = 0


def text(data: bytes) -> str:
    """Return any bytes as what travels in a document: text that UTF-8 can hold."""
    return data.decode("utf-8", "replace")


def of_text(function: Callable[[str], object], *tokens: str, seeds: Sequence[str] = ()) -> Target:
    """Return the target of a function of text; the text that it returns must be text that UTF-8 can hold."""

    def run(data: bytes) -> object:
        found = function(text(data))
        if isinstance(found, str):
            found.encode()
        return found

    encoded = tuple(token.encode() for token in (*tokens, *PLAIN, *ODD))
    return Target(run, encoded, (b"".join(encoded[:40]), b"".join(encoded[::3]), *(seed.encode() for seed in seeds)))
