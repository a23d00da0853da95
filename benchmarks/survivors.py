"""Removed copies beside the documents that stayed for them, on one page, for readers to judge; and what a program sees.

    CORPUS/*/copies ─ draw by hash, all sources and stages alike ─> pairs ─ texts from the staged shards ─┬─> page
                                                                                                          └─> figures

Usage: `python benchmarks/survivors.py CORPUS [--draw 300] [--page survivors.html] [--verdicts FILE.csv ...]`, of a
corpus built with `keep_staged=true`. Above each pair stands the rule of its stage, from docs/copies.md. A reader who
knows only the rule ticks "loses information" or "keeps the worse copy" and saves a CSV, which `--verdicts` counts.

Printed are, by pair, words of the removed copy that the kept one has not, and kept copies that are worse by what a
program can tell: a file from elsewhere though the other is a project's own, a shorter text, less known of it. The last
line is one JSON object {"name": {"ratio": x, "bar": y}} of shares, smaller is better: the words of copies of the same
text that are not in the kept one, the kept copies that a program sees to be worse, and the readers' verdicts.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import html
import json
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from filters.code import places
from pipelines.dedup import ranks
from pipelines.document import Document
from pipelines.files import tables
from pipelines.hashing import keyed

RULES = Path(__file__).resolve().parent.parent / "docs/copies.md"
# The rows of that page by the stages that drop copies.
ROWS = {
    "one_encoding": "Books, one book of a mirror",
    "books": "Books",
    "unique": "GitHub, `github.files.kept=best`",
    "near_unique": "any source, `near`",
    "distinct": "any source, `filters.copies`",
}
LINES, LINE_CHARACTERS, WORDS = 120, 400, 600  # shown of a pair, of a line, compared word by word in a block
CONTEXT = 2
SAME_TEXT = "duplicate"  # the reason of a copy whose text is that of the kept one
MOST_WORSE = 0.05
VERDICTS = {"loses_information": 0.0, "keeps_the_worse_copy": MOST_WORSE}  # the most that each share may be
WORD = re.compile(r"\w+")
PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")


@dataclass(frozen=True)
class Pair:
    """A removed copy and the document that stayed for it, both as the stage found them that removed the copy."""

    source: str
    row: dict[str, Any]
    copy: Document
    kept: Document

    def missing(self) -> Counter[str]:
        """Return the words of the copy that the kept document has not, or less often; accents make no difference."""
        return _words(_bare(self.copy.text)) - _words(_bare(self.kept.text))

    def worse(self) -> list[str]:
        """Return in which ways the kept document is the worse copy, as far as a program can tell."""
        standing = [places.standing(str(one.attributes.get("path", ""))) for one in (self.kept, self.copy)]
        words = [_words(one.text).total() for one in (self.kept, self.copy)]
        same = words[0] == words[1]
        ways = {
            "from elsewhere": same and standing[0] > standing[1],
            "shorter": words[0] < words[1],
            "less known": same and standing[0] == standing[1] and ranks.untold(self.kept) > ranks.untold(self.copy),
        }
        return [way for way, holds in ways.items() if holds]


def _words(text: str) -> Counter[str]:
    return Counter(WORD.findall(text.lower()))


def _bare(text: str) -> str:
    """Return a text without accents and emphasis: what two encodings of one book have in common."""
    if text.isascii():
        return text.replace("_", " ")
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return plain.replace("_", " ")


def drawn(corpus: Path, wanted: int) -> list[tuple[str, dict[str, Any]]]:
    """Return so many rows of the tables of copies by hash, as many of each source and stage as there are."""
    strata: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(corpus.glob("*/copies/*.parquet")):
        for row in tables.read_rows(str(path)):
            strata[path.parent.parent.name, row["stage"]].append(row)
    ordered = [
        (place, keyed("survivors", row["id"]), source, row)
        for (source, _), rows in strata.items()
        for place, row in enumerate(sorted(rows, key=lambda row: keyed("survivors", row["id"])))
    ]
    return [(source, row) for _, _, source, row in sorted(ordered, key=lambda one: one[:2])[:wanted]]


def pairs(corpus: Path, rows: Sequence[tuple[str, dict[str, Any]]]) -> list[Pair]:
    """Return the pairs of rows; raise SystemExit if the corpus has no staged text of one."""
    wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for source, row in rows:
        wanted[source, row["stage"]] |= {row["id"], row["kept"]}
    found = {key: documents(corpus, *key, ids) for key, ids in wanted.items()}
    answer = []
    for source, row in rows:
        texts = found[source, row["stage"]]
        if gone := {row["id"], row["kept"]} - texts.keys():
            raise SystemExit(f"{corpus}: no staged text of {min(gone)}: build with --set keep_staged=true")
        answer.append(Pair(source, row, texts[row["id"]], texts[row["kept"]]))
    return answer


def documents(corpus: Path, source: str, stage: str, wanted: set[str]) -> dict[str, Document]:
    """Return the documents that a stage of a source was given."""
    stages = json.loads((corpus / source / "manifest.json").read_text())["stages"]
    names = [account["stage"].partition("/")[2] for account in stages]
    before = names[names.index(stage) - 1]
    found: dict[str, Document] = {}
    for path in sorted((corpus / "work" / source / before).glob("*.parquet")):
        if wanted.isdisjoint(row["id"] for row in tables.read_rows(str(path), ["id"])):
            continue
        found |= {one.id: one for one in tables.read_documents(str(path)) if one.id in wanted}
    return found


def rule(stage: str) -> str:
    """Return the rule of a stage as docs/copies.md has it; "" for a stage of somebody's own."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in RULES.read_text().splitlines()]
    return next((row[2] for row in cells if len(row) == 3 and row[0] == ROWS.get(stage)), "")


def blocks(pair: Pair) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield (what, of the copy, of the kept document): lines of code, else paragraphs in one line each."""
    split = _lines if "path" in pair.copy.attributes else _paragraphs
    first, second = split(pair.copy.text), split(pair.kept.text)
    for what, a, b, c, d in difflib.SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        yield what, first[a:b], second[c:d]


def _lines(text: str) -> list[str]:
    return text.split("\n")


def _paragraphs(text: str) -> list[str]:
    parts = PARAGRAPH.split(text) if "\n\n" in text else text.split("\n")
    return [" ".join(part.split()) for part in parts]


def side_by_side(pair: Pair) -> str:
    """Return the rows of a table: what differs, marked word by word, with a little of what does not."""
    rows: list[str] = []
    for what, copy, kept in blocks(pair):
        if len(rows) > LINES:
            rows.append("<tr><td colspan=2>... more differences</td></tr>")
            break
        if what == "equal":
            shown = (
                copy if len(copy) <= 2 * CONTEXT else [*copy[:CONTEXT], f"... {len(copy):,} equal", *copy[-CONTEXT:]]
            )
            rows += [f"<tr><td>{_cut(line)}</td><td>{_cut(line)}</td></tr>" for line in shown]
        else:
            left, right = marked("\n".join(copy[:LINES]), "\n".join(kept[:LINES]))
            rows.append(f"<tr class=differs><td>{left}</td><td>{right}</td></tr>")
    return "".join(rows)


def _cut(line: str) -> str:
    return html.escape(line[:LINE_CHARACTERS]) + (" ..." if len(line) > LINE_CHARACTERS else "")


def marked(copy: str, kept: str) -> tuple[str, str]:
    """Return two texts as HTML, with the words marked in which they differ."""
    first, second = (re.findall(r"\w+|\s+|[^\w\s]+", text)[:WORDS] for text in (copy, kept))
    left, right = [], []
    for what, a, b, c, d in difflib.SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        gone, come = html.escape("".join(first[a:b])), html.escape("".join(second[c:d]))
        left.append(gone if what == "equal" or not gone else f"<del>{gone}</del>")
        right.append(come if what == "equal" or not come else f"<ins>{come}</ins>")
    return "".join(left), "".join(right)


def told(one: Document) -> str:
    """Return what is known of a document, as HTML."""
    facts = {
        "id": one.id,
        "title": one.title,
        "url": one.url,
        "license": one.license,
        "time": one.timestamp,
        **one.attributes,
        "words": _words(one.text).total(),
    }
    return "<br>".join(f"{name}: {html.escape(str(value)[:200])}" for name, value in facts.items() if value is not None)


HEAD = """<!doctype html><meta charset=utf-8><title>Copies and what stayed</title>
<style>body{font:14px sans-serif;margin:2em}table{width:100%;table-layout:fixed;border-collapse:collapse}
td{vertical-align:top;border:1px solid #ccc;padding:2px 6px;white-space:pre-wrap;overflow-wrap:anywhere}
td{font:12px monospace}
th{text-align:left;font-weight:normal}.differs td{background:#fffbe6}del{background:#fbb}ins{background:#bfb}
details{margin:1em 0}label{margin-right:2em}</style><h1>Removed copies, and the documents that stayed</h1>
<p>Left: removed. Right: kept. Judge by the rule above the pair alone.
<button onclick=save()>Save verdicts</button></p>"""
SCRIPT = """<script>function save(){const rows=['id,loses_information,keeps_the_worse_copy'];
document.querySelectorAll('fieldset').forEach(f=>{const[a,b]=f.querySelectorAll('input');
rows.push([JSON.stringify(f.dataset.id),+a.checked,+b.checked].join(','))});const a=document.createElement('a');
a.href=URL.createObjectURL(new Blob([rows.join('\\n')+'\\n']));a.download='verdicts.csv';a.click()}</script>"""


def page(found: Sequence[Pair]) -> str:
    """Return the page."""
    parts = [HEAD]
    for number, pair in enumerate(found, start=1):
        stage = pair.row["stage"]
        share = "" if pair.row["share"] is None else f", {pair.row['share']:.3f} of it is in the kept one"
        parts.append(
            f"<details open><summary>{number}. {pair.source}/{stage}: {pair.row['reason']}{share}; "
            f"{pair.missing().total()} of its words are not there</summary><p>{html.escape(rule(stage))}</p>"
            f"<fieldset data-id='{html.escape(pair.copy.id)}'><label><input type=checkbox> loses information</label>"
            f"<label><input type=checkbox> keeps the worse copy</label></fieldset>"
            f"<table><tr><td>{told(pair.copy)}</td><td>{told(pair.kept)}</td></tr>{side_by_side(pair)}</table></details>"
        )
    return "\n".join([*parts, SCRIPT])


def figures(found: Sequence[Pair]) -> dict[str, Any]:
    """Return what a program sees of the pairs."""
    missing = {pair.copy.id: (pair.missing().total(), _words(pair.copy.text).total()) for pair in found}
    lost = sorted(missing.items(), key=lambda one: (-one[1][0], one[0]))
    exact = [missing[pair.copy.id] for pair in found if pair.row["reason"] == SAME_TEXT]
    ways = [pair.worse() for pair in found]
    return {
        "pairs": len(found),
        "of": dict(sorted(Counter(f"{pair.source}/{pair.row['stage']}" for pair in found).items())),
        "with_words_missing": sum(words > 0 for words, _ in missing.values()),
        "words_missing": sum(words for words, _ in missing.values()),
        "words": sum(words for _, words in missing.values()),
        "most_missing": [[identifier, *counts] for identifier, counts in lost[:10] if counts[0]],
        "words_missing_of_same_texts": sum(words for words, _ in exact),
        "words_of_same_texts": sum(words for _, words in exact),
        "worse": dict(sorted(Counter(way for each in ways for way in each).items())),
        "worse_in_any_way": sum(map(bool, ways)),
    }


def verdicts(paths: Sequence[Path]) -> dict[str, float]:
    """Return the shares of the pairs that readers ticked, of all that they read."""
    rows: list[dict[str, str]] = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as stream:
            rows += csv.DictReader(stream)
    return {name: sum(int(row[name]) for row in rows) / max(1, len(rows)) for name in VERDICTS}


def ratios(seen: Mapping[str, Any], read: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the shares that count, each beside the most that it may be."""
    shares = {
        "words_lost_of_same_texts": (seen["words_missing_of_same_texts"] / max(1, seen["words_of_same_texts"]), 0.0),
        "worse_by_program": (seen["worse_in_any_way"] / max(1, seen["pairs"]), MOST_WORSE),
        **{name: (share, VERDICTS[name]) for name, share in read.items()},
    }
    return {name: {"ratio": round(share, 4), "bar": bar} for name, (share, bar) in shares.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--draw", type=int, default=300)
    parser.add_argument("--page", type=Path, default=Path("survivors.html"))
    parser.add_argument("--verdicts", type=Path, nargs="+", default=[], help="what readers saved from the page")
    arguments = parser.parse_args()
    found = pairs(arguments.corpus, drawn(arguments.corpus, arguments.draw))
    arguments.page.write_text(page(found), encoding="utf-8")
    seen = figures(found)
    for identifier, words, of in seen.pop("most_missing"):
        print(f"{identifier}: {words:,} of {of:,} words are not in the document that stayed")
    for name, value in seen.items():
        print(f"{name}: {value}")
    print(f"page: {arguments.page}")
    print(json.dumps(ratios(seen, verdicts(arguments.verdicts) if arguments.verdicts else {})))


if __name__ == "__main__":
    main()
