"""FineWeb's own rules for pages (Penedo et al. 2024, "The FineWeb Datasets", section 3.6), as its program has them.

The paper drops a page if a tenth of its characters stand in lines that stood before, the program that made the corpus
if a hundredth does; and the paper's three rules are four in the program, which counts lines against words too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from filters.broken import Broken
from filters.web.words import repeated

# Characters of the property Sentence_Terminal in Unicode 17.0 (PropList.txt), written down so that every Python has the
# same.
_SENTENCE_TERMINAL: Final = """
    0021 002E 003F 0589 061D-061F 06D4 0700-0702 07F9 0837 0839 083D-083E 0964-0965 104A-104B 1362 1367-1368 166E
    1735-1736 17D4-17D5 1803 1809 1944-1945 1AA8-1AAB 1B4E-1B4F 1B5A-1B5B 1B5E-1B5F 1B7D-1B7F 1C3B-1C3C 1C7E-1C7F
    2024 203C-203D 2047-2049 2CF9-2CFB 2E2E 2E3C 2E53-2E54 2E60-2E61 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877
    A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE12 FE15-FE16 FE52 FE56-FE57 FF01 FF0E FF1F FF61
    10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF
    11238-11239 1123B-1123C 112A9 113D4-113D5 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944
    11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44
    16D6E-16D6F 16E98 1BC9F 1DA88
"""


def _characters(ranges: str) -> Iterator[str]:
    for part in ranges.split():
        first, _, last = part.partition("-")
        yield from map(chr, range(int(first, 16), int(last or first, 16) + 1))


ENDS: Final = tuple(_characters(_SENTENCE_TERMINAL))


class Reason(StrEnum):
    """Why a text is dropped."""

    EMPTY = "fineweb_empty"
    UNENDED_LINES = "fineweb_unended_lines"
    SHORT_LINES = "fineweb_short_lines"
    LINES_AGAIN = "fineweb_lines_again"
    MANY_LINES = "fineweb_many_lines"


@dataclass(frozen=True)
class Limits:
    """The program's limits: of lines that end as a sentence does, short lines, characters in lines again, line ends.

    A line is short if it has at most `short_line` characters; line ends are counted to words.
    """

    ended_lines: float = 0.12
    short_lines: float = 0.67
    short_line: int = 30
    characters_again: float = 0.01
    line_ends: float = 0.3


def quality(text: str, words: Sequence[str], limits: Limits = Limits()) -> Broken | None:
    """Return the first rule that a text breaks, None if it keeps all; `words` are the text's.

    What is measured are shares of lines or of characters, or line ends to words.
    """
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return Broken(Reason.EMPTY, 0, 1)
    if (ended := sum(line.rstrip().endswith(ENDS) for line in lines)) < limits.ended_lines * len(lines):
        return Broken(Reason.UNENDED_LINES, ended / len(lines), limits.ended_lines)
    if (short := sum(len(line) <= limits.short_line for line in lines)) > limits.short_lines * len(lines):
        return Broken(Reason.SHORT_LINES, short / len(lines), limits.short_lines)
    line_ends = text.count("\n")
    if (again := repeated(lines)[1]) > limits.characters_again * (characters := len(text) - line_ends):
        return Broken(Reason.LINES_AGAIN, again / characters, limits.characters_again)
    if line_ends > limits.line_ends * len(words):
        return Broken(Reason.MANY_LINES, line_ends / max(1, len(words)), limits.line_ends)
    return None
