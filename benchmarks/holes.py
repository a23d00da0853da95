"""Holes of Wikipedia's text: template uses inside prose whose words, numbers and units are gone.

    dumps ─ articles ─┬─ mwparserfromhell: lines of prose, template uses in them, what a reader sees of each ─┐
                      └─ ours, mwparserfromhell's strip_code, wikiextractor with expansion ─ texts ───────────┴─> holes

Usage: `python benchmarks/holes.py [FOLDER ...] [--output DIR] [--top N] [--json FILE]`, folders of dumps named
`LANGwiki*.xml.bz2` (default: data/raw). Each use is looked for where it stood: between the words before and after it.
It is kept if its first number and its years are there, or most words of one of its arguments; what has neither has no
say. Uses in boxes, navigation, notes and tables are not counted (`UNSEEN` of `holes_peers.py` names the notes and what
is hidden; how many these were is printed). Nothing here knows the cleaner's tables; the
templates that a dump defines are given to it, as in a build.

A use whose whole line is not in the text is counted apart (`unplaced`). Printed for each language and extractor: uses,
holes, holes per million characters of our text, numbers in prose kept (the templates' own too); then the losses of ours
by template. The last line is one JSON object: name -> {ratio, bar}, holes and marks of markup per million
characters at most the bar, per cent of numbers at least it, for languages with 1 MB or more of wikitext; for those with
less all together.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.holes_peers import tokens
from benchmarks.peers import Peer, run_job
from benchmarks.structured import MARKUP, articles, read_pages
from filters.wikitext import cleaner, definitions
from filters.wikitext.definitions import Definitions
from pipelines.models import templates

PEERS = Peer("holes", "holes_peers.py", ("mwparserfromhell==0.7.2", "wikiextractor==3.1.0"))
MIN_WIKITEXT = 1_000_000
"""Characters of a language's wikitext from which on its figure is its own."""

BARS = {"holes per million": 20.0, "numbers kept, %": 99.5, "markup per million": 6.0}
REACH = 40
"""Words of a window that has a known word on one side only."""

LITERAL = re.compile(
    r"<(pre|source|syntaxhighlight|code|nowiki|math|kbd|samp|tt)\b.*?(?:</\1\s*>|\Z)|(?m:^ [^\n]*$)",
    re.DOTALL | re.IGNORECASE | re.MULTILINE,
)
"""What a page shows as it is; `^ ` begins a line of code."""

NEAR = 3
"""Lines before and after, where a quotation that became a paragraph of its own may stand."""


@dataclass
class Found:
    """What was found of the uses of one language in the texts of one extractor."""

    uses: int = 0
    holes: int = 0
    unplaced: int = 0
    numbers: int = 0
    numbers_kept: int = 0
    marks: int = 0  # of markup
    lost: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    nothing: Counter[str] = field(default_factory=Counter)  # uses without arguments, where nothing stands

    def row(self, characters: int) -> dict[str, float]:
        """Return the figures, per million characters."""
        kept = 100 * self.numbers_kept / max(self.numbers, 1)
        return {
            "uses": self.uses,
            "holes": self.holes,
            "unplaced": self.unplaced,
            "holes per million": round(1e6 * self.holes / max(characters, 1), 1),
            "numbers": self.numbers,
            "numbers kept, %": round(kept, 2),
            "markup per million": round(1e6 * self.marks / max(characters, 1), 1),
        }

    def add(self, other: Found) -> None:
        """Add what was found in another language."""
        self.uses += other.uses
        self.holes += other.holes
        self.unplaced += other.unplaced
        self.numbers += other.numbers
        self.numbers_kept += other.numbers_kept
        self.marks += other.marks


class Text:
    """A text as lines of words, in which lines of wikitext are found again by three words in a row."""

    def __init__(self, text: str) -> None:
        self.lines = [found for line in text.split("\n") if (found := tokens(line))]
        self.numbers = Counter(token for line in self.lines for token in line if token.isdigit())
        self.index: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for at, line in enumerate(self.lines):
            for gram in {tuple(line[i : i + n]) for n in (1, 2, 3) for i in range(len(line) - n + 1)}:
                self.index[gram].append(at)

    def line_of(self, words: Sequence[str], after: int) -> int | None:
        """Return the line that has most of the words' runs of three (of fewer, if there are fewer), at best near."""
        size = min(3, len(words))
        votes = Counter(
            at for i in range(len(words) - size + 1) for at in self.index.get(tuple(words[i : i + size]), [])
        )
        if not votes and size == 3:  # templates cut it into pairs and single words
            votes = Counter(at for i in range(len(words) - 1) for at in self.index.get(tuple(words[i : i + 2]), []))
        return min(votes, key=lambda at: (-votes[at], abs(at - after))) if votes else None

    def holds(self, phrase: Sequence[str], around: range) -> bool:
        """Return whether the phrase stands, in a row, in one of these lines."""
        return any(
            tuple(line[i : i + len(phrase)]) == tuple(phrase)
            for line in (self.lines[at] for at in around if 0 <= at < len(self.lines))
            for i in range(len(line) - len(phrase) + 1)
        )


def windows(words: Sequence[str], line: Sequence[str], places: Sequence[int]) -> list[list[str]]:
    """Return what stands in a line of text at each place between the words of a line of wikitext."""
    matched = dict[int, int]()
    for block in SequenceMatcher(None, words, line, autojunk=False).get_matching_blocks():
        matched |= {block.a + i: block.b + i for i in range(block.size)}
    found = []
    for place in places:
        left = next((matched[at] + 1 for at in range(place - 1, -1, -1) if at in matched), None)
        right = next((matched[at] for at in range(place, len(words)) if at in matched), None)
        start = left if left is not None else max(0, (right or 0) - REACH)
        end = right if right is not None else start + REACH
        found.append(list(line[start:end]))
    return found


def survives(use: Mapping[str, Any], window: Sequence[str]) -> bool:
    """Return whether a use's numbers, or most words of one of its texts, stand in a window."""
    there = Counter(window)
    if use["numbers"]:
        unit = not use["unit"] or any(not token.isdigit() for token in window)
        return unit and not Counter(use["numbers"]) - there
    if use["word"] and any(not token.isdigit() for token in window):
        return True
    joined = "".join(window)  # "XX" is seen in "XXe", and letters given one by one in a word
    return any(2 * (Counter(text) & there).total() >= len(text) or "".join(text) in joined for text in use["texts"])


def marks(content: str, wikitext: str) -> int:
    """Return the marks of markup in a text, without as many as its page shows: in code, in formulas, as entities."""
    blocks = "\n".join(html.unescape(block[0]) for block in LITERAL.finditer(wikitext))
    unescaped = html.unescape(wikitext)
    shown = {mark: blocks.count(mark) + unescaped.count(mark) - wikitext.count(mark) for mark in MARKUP}
    return sum(max(0, content.count(mark) - shown[mark]) for mark in MARKUP)


def look(lines: Sequence[Mapping[str, Any]], content: str, wikitext: str, found: Found) -> None:
    """Look for the uses of a page's lines in its text."""
    text, near = Text(content), 0
    found.marks += marks(content, wikitext)
    wanted = Counter[str]()
    for line in lines:
        words, uses = line["words"], line["uses"]
        if not line["heading"]:  # empty headings leave
            wanted.update(token for token in words if token.isdigit())
        at = text.line_of(words, near) if words else None
        near = near if at is None else at
        placed = [[]] * len(uses) if at is None else windows(words, text.lines[at], [use["at"] for use in uses])
        for use, window in zip(uses, placed, strict=True):
            wanted.update(use["numbers"])
            _count(use, window, text, at if words else -1, found)
    found.numbers += wanted.total()
    found.numbers_kept += (wanted & text.numbers).total()


def _count(use: Mapping[str, Any], window: list[str], text: Text, at: int | None, found: Found) -> None:
    name = use["name"]
    if not use["numbers"] and not use["texts"]:
        found.nothing[name] += not window
        return
    found.uses += 1
    if at is None:
        found.unplaced += 1
        return
    # A line of nothing but templates has no words that would tell where it is.
    around = range(len(text.lines)) if at < 0 else range(at - NEAR, at + NEAR + 1)
    if survives(use, window) or any(text.holds(phrase, around) for phrase in use["texts"] or [use["numbers"]]):
        return
    found.holes += 1
    found.lost[name] += 1
    found.examples.setdefault(name, use["raw"].replace("\n", " ")[:90])


def by_language(pages: Sequence[dict[str, str]]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Yield the pages of each language."""
    grouped: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for page in pages:
        grouped[page["language"]].append(page)
    yield from sorted(grouped.items())


def of_the_dumps(folders: Sequence[Path], output: Path) -> dict[str, Definitions]:
    """Return the templates that the dumps define, by language, for those that hold their namespace."""
    found: defaultdict[str, list[definitions.Record]] = defaultdict(list)
    for page in read_pages(folders):
        if page.attributes["namespace"] == templates.NAMESPACE and page.language:
            target = page.attributes.get("redirect")
            text = page.text if target is None else f"#REDIRECT [[{target}]]"
            if record := definitions.record(page.title or "", text, page.language):
                found[page.language].append(record)
    for language, records in found.items():
        definitions.write(records, output / f"{language}-{definitions.FILE}")
        print(f"{language}: {len(records)} templates that the dump defines")
    return {language: Definitions(output / f"{language}-{definitions.FILE}", language) for language in found}


def run(folders: Sequence[Path], output: Path, top: int) -> dict[str, Any]:
    """Measure all languages; returns the rows of each, and what is asked of ours."""
    own = of_the_dumps(folders, output)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    asked: dict[str, dict[str, float]] = {}
    small, small_characters = Found(), 0
    for language, pages in by_language(list(articles(folders))):
        lines = run_job(PEERS, output, "lines", pages)
        ours = [cleaner.clean(page["text"], language, own.get(language)) for page in pages]
        characters, size = sum(map(len, ours)), sum(len(page["text"]) for page in pages)
        print(f"{language}: {len(pages)} articles, {size:,} characters of wikitext, {characters:,} of our text")
        rows[language] = {}
        for name, texts in {"ours": ours, **run_job(PEERS, output, "texts", pages)}.items():
            found = Found()
            for page, page_lines, text in zip(pages, lines, texts, strict=True):
                look(page_lines, text, page["text"], found)
            rows[language][name] = found.row(characters)
            print(f"  {name:18} {rows[language][name]}")
            if name == "ours":
                report(found, Counter(unseen for page in lines for line in page for unseen in line["unseen"]), top)
                if size >= MIN_WIKITEXT:
                    asked |= wanted(language, rows[language][name])
                else:
                    small.add(found)
                    small_characters += characters
    if small_characters:
        print(f"the others together: {small_characters:,} characters of our text\n  {small.row(small_characters)}")
        asked |= wanted("the others together", small.row(small_characters))
    return {"rows": rows, "asked": asked}


def wanted(name: str, row: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return what is asked of a language's row."""
    return {f"{name}, {what}": {"ratio": row[what], "bar": bar} for what, bar in BARS.items()}


def report(found: Found, unseen: Counter[str], top: int) -> None:
    """Print the most frequent losses, what was not looked for, and templates without arguments that left nothing."""
    for name, times in found.lost.most_common(top):
        print(f"    {times:5} x {name}: {found.examples[name]}")
    for title, names in (("not looked for", unseen), ("without arguments, nothing there", found.nothing)):
        listed = ", ".join(f"{name} {times}" for name, times in names.most_common(top) if times)
        print(f"    {title}: {names.total()} uses: {listed}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("data/raw")])
    parser.add_argument("--output", type=Path, help="where the peers are installed (default: a temporary folder)")
    parser.add_argument("--top", type=int, default=20, help="templates that are named of each language")
    parser.add_argument("--json", type=Path, help="where all rows are written")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        output = arguments.output or Path(temporary)
        output.mkdir(parents=True, exist_ok=True)
        result = run(arguments.folders, output, arguments.top)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(json.dumps(result["asked"]))


if __name__ == "__main__":
    main()
