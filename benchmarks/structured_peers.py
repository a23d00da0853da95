"""The peers of `structured.py`, run in an environment that has them: CPU seconds and the texts that they make.

Usage: `python structured_peers.py JOB INPUT.json OUTPUT.json`, JOB one of wikipedia, stack_exchange, github, numbers.
Each peer is used through its public functions, as its own documentation or loader does it; the best of three rounds
counts, as for ours.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import measured
from filters.wikitext.names import names_of

ROUNDS = 3
NUMBER = re.compile(r"\d(?:[\d.,\xa0\u202f]*\d)?")
LEFT_OUT = re.compile(
    r"<!--.*?-->|<ref[^<>]*/>|<(ref|gallery|math|timeline|imagemap|table|score)\b[^<>]*>.*?</\1\s*>",
    re.DOTALL | re.IGNORECASE,
)
HEADING = re.compile(r"(={2,6})\s*(.*?)\s*\1\s*")
# Templates whose first argument is a quantity that a reader of the page sees.
QUANTITIES = frozenset(
    {"convert", "cvt", "formatnum", "val", "nowrap", "unité", "unidad", "nts", "num", "число", "s", "siècle", "circa"}
)


def wikipedia(pages: list[dict[str, str]]) -> dict[str, Any]:
    """mwparserfromhell's strip_code (RedPajama, Hugging Face's loader), wikiextractor's and gensim's cleaners.

    wikiextractor as its command runs (it evaluates what templates it can: parser functions), and with its option
    --no-templates, which is faster and loses all that templates carry.
    """
    parse = import_module("mwparserfromhell").parse
    extractor = import_module("wikiextractor.extract").Extractor
    filter_wiki = import_module("gensim.corpora.wikicorpus").filter_wiki
    texts = [page["text"] for page in pages]

    def extracted(expand: bool) -> list[str]:
        options = {"expand_templates": expand, "html_safe": False}
        return ["\n".join(extractor(1, 1, "", "", "").clean_text(text, **options)) for text in texts]

    return {
        "mwparserfromhell": measured(lambda: [str(parse(text).strip_code()) for text in texts], ROUNDS),
        "wikiextractor": measured(lambda: extracted(True), ROUNDS),
        "wikiextractor_no_templates": measured(lambda: extracted(False), ROUNDS),
        "gensim": measured(lambda: [str(filter_wiki(text)) for text in texts], ROUNDS),
    }


def stack_exchange(files: list[str]) -> dict[str, Any]:
    """ElementTree over the rows, BeautifulSoup's text of each body with lxml, answers sorted by score."""
    soup = import_module("bs4").BeautifulSoup

    def site(path: str) -> Iterator[str]:
        questions: dict[str, str] = {}
        answers: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for _, row in ElementTree.iterparse(path):
            kind = row.get("PostTypeId")
            if kind in ("1", "2"):
                text = soup(row.get("Body", ""), "lxml").get_text()
                if kind == "1":
                    questions[row.get("Id", "")] = f"Q: {row.get('Title')}\n\n{text}"
                else:
                    answers[row.get("ParentId", "")].append((int(row.get("Score", "0")), text))
            row.clear()
        for number, question in questions.items():
            replies = sorted(answers[number], reverse=True)
            yield "\n\n".join([question, *(f"A: {text}" for _, text in replies)])

    return {"beautifulsoup": measured(lambda: [text for path in files for text in site(path)], ROUNDS)}


def github(rows: list[dict[str, str]]) -> dict[str, Any]:
    """dolma's taggers of RedPajama's rules for code: copyright comments, line lengths, alphanumerics."""
    code, data = import_module("dolma.taggers.code"), import_module("dolma.core.data_types")
    copyright, statistics = code.CodeCopyrightTagger(), code.CodeRedPajamaTaggers()
    documents = [data.Document(source="", id=row["path"], text=row["text"]) for row in rows]

    def run() -> list[str]:
        for document in documents:
            copyright.predict(document)
            statistics.predict(document)
        return []

    return {"dolma": measured(run, ROUNDS)}


def numbers(pages: list[dict[str, str]]) -> list[list[str]]:
    """Return the numbers that stand in the prose of each page: by lines, each parsed by mwparserfromhell.

    Left out: lines inside tables and inside templates of several lines, references, files and categories, tags that are
    no formatting, and the sections that are removed by their names; of templates the first argument of those that write
    a quantity counts. Lines are parsed alone, as one unclosed tag makes the parser take the rest of a page for text.
    """
    parse = import_module("mwparserfromhell").parse
    found = []
    for page in pages:
        names = names_of(page["language"])
        removed = {*names.file, *names.category}
        lines = _lines(page["text"], {*names.sections, *names.ambiguous_sections})
        prose = ("".join(_prose(node, type(node).__name__, removed) for node in parse(line).nodes) for line in lines)
        found.append([re.sub(r"\D", "", number[0]) for text in prose for number in NUMBER.finditer(text)])
    return found


def _lines(wikitext: str, removed: set[str]) -> Iterator[str]:
    """Yield the lines of prose and lists of a page."""
    skipping = braces = tables = 0
    for line in LEFT_OUT.sub("", wikitext).split("\n"):
        if heading := HEADING.fullmatch(line):
            level = len(heading[1])
            if not skipping or level <= skipping:
                skipping = level if heading[2].casefold() in removed else 0
            braces = tables = 0
            continue
        tables += line.lstrip(" :*").startswith("{|")
        whole = not braces and not tables and not skipping
        braces = max(0, braces + line.count("{{") - line.count("}}"))
        tables -= tables > 0 and line.lstrip().startswith("|}")
        if whole and not braces and not line.lstrip().startswith(("|", "!")):
            yield line


def _prose(node: Any, kind: str, removed: Iterable[str]) -> str:
    if kind == "Text":
        return str(node.value)
    if kind == "Wikilink":
        title = str(node.title)
        if ":" in title and (title.partition(":")[0].strip().casefold() in removed or title[:3].islower()):
            return ""
        return str((node.text if node.text is not None else node.title).strip_code())
    if kind == "Template" and str(node.name).strip().casefold() in QUANTITIES and node.params:
        return f" {node.params[0].value.strip_code()} "
    if kind == "Tag" and str(node.tag) in ("b", "i", "small", "big", "span", "li", "dd", "dt"):
        return "".join(_prose(inner, type(inner).__name__, removed) for inner in node.contents.nodes)
    return " "


def main() -> None:
    job, source, output = sys.argv[1:4]
    content = json.loads(Path(source).read_text(encoding="utf-8"))
    jobs: dict[str, Callable[[Any], Any]] = {
        "wikipedia": wikipedia,
        "stack_exchange": stack_exchange,
        "github": github,
        "numbers": numbers,
    }
    Path(output).write_text(json.dumps(jobs[job](content)), encoding="utf-8")


if __name__ == "__main__":
    main()
