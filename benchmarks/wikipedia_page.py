"""Writes docs/wikipedia.md: excerpts of real articles as wikitext, as ours, and as two public extractors make them.

    dumps ─ articles ─ the passage of each that has most of what extractors disagree on ─> ours and peers ─> Markdown

Usage: `python benchmarks/wikipedia_page.py [FOLDER ...] [--output DIR] [--page FILE] [--html FILE] [--articles N]`; the
peers are those of `holes.py`. The table of holes is that of `benchmarks/results/holes.json`, which holds the rows
that `holes.py --json` writes, `before` and `after`. `--html` writes the excerpts in columns, for readers. An excerpt is
one paragraph of at most 600 characters, shown with its article's title, address and licence.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.holes import PEERS as PACKAGES
from benchmarks.peers import run_job
from benchmarks.structured import articles
from filters.wikitext import cleaner
from pipelines.readers.mediawiki import LICENSE

ARTICLES = 20
MIN_CHARACTERS, MAX_CHARACTERS = 200, 600
MIN_PROSE = 120
# What makes a passage worth showing, and how much: quantities and words that templates carry, files, notes, formulas.
TELLING = (
    (re.compile(r"\{\{(?:convert|cvt|formatnum|val|unité|nowrap|lang|transl|s\||siècle|num)", re.IGNORECASE), 4),
    (re.compile(r"\{\{(?![^{}|]{0,40}(?:cit|ref|sfn|web|cn\b))[^{}|=]{1,40}\|[^{}=]{1,80}\}\}", re.IGNORECASE), 4),
    (re.compile(r"<math|<code|<sup|<sub"), 3),
    (re.compile(r"\[\[(?:file|image|datei|fichier|archivo|soubor|файл|plik)\s*:", re.IGNORECASE), 3),
    (re.compile(r"<ref|<!--|&nbsp;|'''"), 1),
)
PEERS = ("mwparserfromhell", "wikiextractor")
HOLES = Path(__file__).resolve().parent / "results/holes.json"
INTRODUCTION = f"""\
# Wikipedia, side by side

Written by `python benchmarks/wikipedia_page.py`; do not edit. Each excerpt is one passage of an article, shown as
wikitext and as three cleaners return it: `filters.wikitext.cleaner`, `strip_code()` of `mwparserfromhell` (used by
RedPajama and Hugging Face's loader), and `wikiextractor`. The slices of dumps hold no templates, so `wikiextractor`
expands none.

Templates are read by behaviours: small functions with the names that each wiki has for them
(`filters/wikitext/behaviours/`). What no table knows keeps its words inside a sentence and goes where it stands alone
on its line; both are counted by name in the manifest, and the corpus card lists those with the most text.

Labels of languages that a template writes go on purpose, though MediaWiki prints them: `{{{{langx|de|Linz an der
Donau}}}}`, `{{{{lang-lt|Lietuva}}}}` and `{{{{IPA-fr|kʁisteva|lang}}}}` leave the words or sounds without
"German:", "лит." or "French:". The label is the template's word and not the author's, no fact about the subject
goes with it, and `Linz (Linz an der Donau)` is what was set down as right when the code of the language still stood
there. What the article itself says of a language stays, and so does "pronounced", which is a word of the sentence.

Quantities are converted as Module:Convert does it: `{{{{convert|240|mi|km|0}}}}` is "240 miles (386 km)", with its
rules of rounding, its default targets, ranges, sums (5 ft 10 in) and options (`abbr`, `adj`, `comma`, `disp`,
`frac`, `order`, `round`, `sigfig`, `sp`). A unit that `units.tsv` lacks keeps what was written. Not done: numbers
in words (`spell`), currencies (`$`), altitudes of Mach; and outside English units are shown by their symbols, for
the wikis' own words for them are not in the table (Russian prints "миль" for "mi").

A figure that a wiki looks up on other pages (`{{{{Statistiek gemeente Duitsland inwoners|11|Berlijn}}}}`,
`{{{{SPFL-stadiums|raith}}}}`) is not in the article: nothing stands in its place, for the arguments are keys, and
the manifest counts it by name.

Three people who had not seen the code read 57 of these articles in 14 languages beside their wikitext: of 1,043
sentences 3 had lost words (0.3 %), and in 6 more, all of one article, a formula ended in a stray backslash: 0.9 %.
All but a number that the wiki looks up and a quotation's original are mended. Labels of languages (6 sentences) and
the lines above an article that lead elsewhere are not counted: they go on purpose. Formulas stay in LaTeX.

The excerpts are by the authors of the articles, under {LICENSE} (https://creativecommons.org/licenses/by-sa/3.0/); each
article's history, at its address, names its authors. `python benchmarks/structured.py` gives the speeds and the figures
over whole dumps.
"""


def tables() -> str:
    """Return the tables of holes: by language before and after, then beside the peers."""
    found = json.loads(HOLES.read_text(encoding="utf-8"))
    before, after = found["before"], found["after"]
    rows = [
        "| language | uses in prose | holes per million characters, before | after | mwparserfromhell | wikiextractor "
        "| numbers in prose kept, before | after |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for language, row in after.items():
        holes = [before[language]["ours"], *(row[name] for name in ("ours", *PEERS))]
        numbers = [before[language]["ours"], row["ours"]]
        cells = [f"{row['ours']['uses']:,}", *(f"{one['holes per million']:,.1f}" for one in holes)]
        rows.append(f"| {' | '.join([language, *cells, *(f'{one[KEPT]:.2f} %' for one in numbers)])} |")
    return f"## Templates\n\n{found['about']}\n\n" + "\n".join(rows)


KEPT = "numbers kept, %"


def telling(passage: str) -> int:
    """Return how much of what extractors disagree on a passage holds."""
    return sum(weight * min(len(pattern.findall(passage)), 2) for pattern, weight in TELLING)


def passage(text: str, language: str) -> tuple[int, str]:
    """Return the most telling paragraph of an article, with how telling it is."""
    candidates = [
        part.strip("\n")
        for part in re.split(r"\n\n+|\n(?==)", text)
        if MIN_CHARACTERS <= len(part) <= MAX_CHARACTERS
        and not part.lstrip().startswith(("|", "{|", "!", "{{", "*", "}"))
        and part.count("{{") == part.count("}}")
        and part.count("[[") == part.count("]]")
        and part.count("<ref") <= part.count("</ref>") + part.count("/>")
        and len(cleaner.clean(part, language)) >= MIN_PROSE
    ]
    return max(((telling(part), part) for part in candidates), default=(0, ""))


def chosen(pages: Sequence[dict[str, str]], number: int = ARTICLES) -> list[dict[str, str]]:
    """Return the passages of the articles with the most telling ones: one of each language first, then English."""
    ranked = sorted(
        (
            {**page, "text": found[1], "score": f"{found[0]:03d}"}
            for page in pages
            if (found := passage(page["text"], page["language"]))[1]
        ),
        key=lambda page: (page["score"], page["url"]),
        reverse=True,
    )
    first = {page["language"]: page for page in reversed(ranked) if int(page["score"])}
    others = [page for page in ranked if page is not first.get(page["language"])]
    return [*sorted(first.values(), key=lambda page: page["language"]), *others][:number]


def section(page: dict[str, str], texts: dict[str, str]) -> str:
    """Return one article's part of the page."""
    parts = [f"## {page['title']} ({page['language']})", f"{page['url']}, {LICENSE}"]
    for name, text in {"wikitext": page["text"], **texts}.items():
        parts += [f"**{name}**", f"````text\n{text.strip() or '(nothing)'}\n````"]
    return "\n\n".join(parts)


def side_by_side(shown: Sequence[tuple[dict[str, str], dict[str, str]]]) -> str:
    """Return a page of the excerpts in columns: wikitext, ours, each peer."""
    rows = []
    for page, texts in shown:
        columns = {"wikitext": page["text"], **texts}
        cells = "".join(f"<td><h3>{name}</h3><pre>{escape(text.strip())}</pre></td>" for name, text in columns.items())
        link = f'<a href="{escape(page["url"])}">{escape(page["title"])}</a> ({page["language"]}), {LICENSE}'
        rows.append(f"<h2>{link}</h2><table><tr>{cells}</tr></table>")
    return f"<!doctype html><meta charset=utf-8><title>Wikipedia, side by side</title>{STYLE}{''.join(rows)}"


STYLE = (
    "<style>body{font:15px/1.5 serif;margin:2em}td{vertical-align:top;width:25%;padding:0 1em}"
    "pre{white-space:pre-wrap;font:inherit}h3{font:bold 13px sans-serif}</style>"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("data/raw")])
    parser.add_argument("--output", type=Path, help="where the peers are installed (default: a temporary folder)")
    parser.add_argument("--page", type=Path, default=Path("docs/wikipedia.md"))
    parser.add_argument("--articles", type=int, default=ARTICLES, help="how many articles are shown")
    parser.add_argument("--html", type=Path, help="the same as a page with columns side by side")
    arguments = parser.parse_args()
    pages = chosen(list(articles(arguments.folders)), arguments.articles)
    with tempfile.TemporaryDirectory() as temporary:
        output = arguments.output or Path(temporary)
        output.mkdir(parents=True, exist_ok=True)
        peers = run_job(PACKAGES, output, "texts", pages)
    shown = [
        (page, {"ours": cleaner.clean(page["text"], page["language"]), **{n: peers[n][at] for n in PEERS}})
        for at, page in enumerate(pages)
    ]
    sections = [section(page, texts) for page, texts in shown]
    arguments.page.write_text("\n\n".join([INTRODUCTION.strip(), tables(), *sections]) + "\n", encoding="utf-8")
    if arguments.html:
        arguments.html.write_text(side_by_side(shown), encoding="utf-8")


if __name__ == "__main__":
    main()
