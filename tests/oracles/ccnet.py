"""CCNet's rules for paragraphs and language scores, the slow obvious way: one character and one line at a time."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

MARKS = "，。、„”“«»１」「《》´∶：？！（）；–—．～’…━〈〉【】％►"


def normalise(line: str) -> str:
    kept = []
    for character in line.strip().lower():
        if unicodedata.category(character) == "Nd":
            kept.append("0")
        elif character in MARKS or ord(character) <= 0x1F or 0x7F <= ord(character) <= 0x9F:
            continue
        else:
            kept.append(character)
    return "".join(kept)


def key(line: str) -> int:
    digest = hashlib.sha1(normalise(line).encode("utf-8", "replace")).digest()
    return sum(byte << (8 * place) for place, byte in enumerate(digest[:8]))


def read_lines(payload: str) -> Iterator[str]:
    """Yield the lines of a record a text stream gives: payload, the two line ends of the record, universal newlines."""
    stream = payload + "\r\n\r\n"
    line, at = "", 0
    while at < len(stream):
        if stream[at] in "\r\n":
            at += 2 if stream[at : at + 2] == "\r\n" else 1
            yield line.strip()
            line = ""
        else:
            line += stream[at]
            at += 1


def body(payload: str) -> str:
    """Return CCNet's `raw_content`: all but the first line, without the two empty lines that end a record."""
    lines = list(read_lines(payload))
    if len(lines) >= 2 and lines[-1] == "" and lines[-2] == "":
        lines = lines[:-2]
    return "\n".join(lines[1:])


def deduplicate(documents: Sequence[str]) -> list[str | None]:
    """Return what CCNet leaves of each body of a window: lines seen in two of them go, repeats keep the first."""
    seen_in: dict[int, set[int]] = {}
    for number, document in enumerate(documents):
        for line in document.split("\n"):
            seen_in.setdefault(key(line), set()).add(number)
    return [_without(document.split("\n"), seen_in) for document in documents]


def _without(lines: Iterable[str], seen_in: dict[int, set[int]]) -> str | None:
    kept: list[str] = []
    keys: set[int] = {0}  # the mark of a removed line
    for line in lines:
        if len(seen_in[key(line)]) == 1 and key(line) not in keys:
            kept.append(line.strip())
            keys.add(key(line))
    return "\n".join(kept) if kept else None
