"""What the boilerplate cleaner loses and leaves over real files, ours beside RedPajama's published rule.

    folder of source files or exports (*.json.gz), or pinned packages -> (path, text) -> clean in both modes -> figures

Usage: `python benchmarks/boilerplate.py FOLDER [FOLDER ...] [--limit N] [--show N]`, or `--packages CACHE` for source
archives that the sample does not use: those that boilerplate_packages.txt pins are downloaded into CACHE, as the
sample's are, and only ever read. The detectors are independent of
the code under test: a small lexer tells C comments from code, and a licence is a fixed phrase in the comments of the
first 40 lines. The four figures are shares of files: Markdown files that lost a heading, C and C++ files that lost a
directive, files that lost their shebang, and C and C++ files that had a licence header and still have one. Two more
hold the promise that no code is touched: C and C++ files whose code changed, Python files whose syntax tree changed.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import gzip
import json
import random
import re
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from filters.code.boilerplate import Mode, clean
from filters.code.languages import language_of
from pipelines.files.packages import Package, fetch
from pipelines.readers.github import decode
from pipelines.sample.files import members

# The figures that the published systems' failures are measured against (docs: sources, GitHub).
BARS = {
    "markdown_heading_lost": 0.0,
    "c_directive_lost": 0.0,
    "shebang_lost": 0.0,
    "c_licence_left": 0.02,
    "c_code_changed": 0.0,
    "python_code_changed": 0.0,
}
HEAD_LINES = 40
MAX_FILE_BYTES = 1 << 20

_C_TOKEN = re.compile(
    r"(?P<comment>//(?:[^\n\\]|\\.|\\\n)*|/\*.*?(?:\*/|\Z))"
    r"|R\"(?P<tag>[^ ()\\\t\v\f\n]{0,16})\(.*?\)(?P=tag)\"|\"(?:[^\"\\\n]|\\.)*\"|(?<![0-9A-Fa-f])'(?:[^'\\\n]|\\.)*'",
    re.DOTALL,
)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+\S.*$", re.MULTILINE)
_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*[a-z]+.*$", re.MULTILINE)
_LICENCE = re.compile(
    r"licensed under|permission is hereby granted|redistribution and use|copyright \(c\)|copyright ©"
    r"|copyright (?:19|20)\d\d"
    r"|spdx-license-identifier|free software foundation|all rights reserved|\bwarranties\b|governed by .{0,30}licen"
    r"|advertising materials|this product includes|products derived from|public licen[sc]e|see the licen[sc]e"
    r"|apache licen[sc]e|mit licen[sc]e|bsd licen[sc]e|must retain the|for conditions of distribution"
    r"|copyright notices?|commercial and non-commercial|usage and redistribution|is copyrighted by"
)


def files(folders: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield path and text of each file in a listed language, and of each row of an export."""
    for folder in folders:
        for path in sorted(folder.rglob("*") if folder.is_dir() else [folder]):
            if path.is_symlink() or not path.is_file():
                continue
            if path.name.endswith((".json.gz", ".jsonl.gz")):
                yield from rows(path)
            elif language_of(path.name) and path.stat().st_size <= MAX_FILE_BYTES:
                text = decode(path.read_bytes())
                if text is not None:
                    yield str(path), text


def pinned() -> list[Package]:
    """Return the packages that boilerplate_packages.txt names."""
    lines = Path(__file__).with_name("boilerplate_packages.txt").read_text(encoding="utf-8").splitlines()
    fields = [line.split() for line in lines if not line.startswith("#")]
    return [Package(name, version, file, int(size), sha256, "", "") for name, version, file, size, sha256 in fields]


def packaged(cache: Path) -> Iterator[tuple[str, str]]:
    """Yield path and text of each file in a listed language of the pinned packages."""
    for name, archive in fetch(pinned(), cache).items():
        for path, data in members(archive):
            if language_of(path) and len(data) <= MAX_FILE_BYTES and (text := decode(data)) is not None:
                yield f"{name}/{path}", text


def rows(path: Path) -> Iterator[tuple[str, str]]:
    """Yield path and text of each row of an export; nothing for other JSON."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                return
            if isinstance(row, dict) and isinstance(row.get("content"), str) and isinstance(row.get("path"), str):
                yield row["path"], row["content"]


def split_c(text: str) -> tuple[str, str]:
    """Return the comments of C or C++ source, and its code with blanks squeezed out."""
    comments = " ".join(match[0] for match in _C_TOKEN.finditer(text) if match["comment"])
    code = _C_TOKEN.sub(lambda match: " " if match["comment"] else match[0], text)
    return comments, " ".join(code.split())


def has_licence(text: str) -> bool:
    """Return whether the comments in the first 40 lines speak of a licence."""
    head = "".join(text.lstrip().splitlines(keepends=True)[:HEAD_LINES])
    words = " ".join(re.sub(r"[*/#\s]+", " ", split_c(head)[0]).lower().split())
    return _LICENCE.search(words) is not None


def python_tree(text: str) -> str | None:
    """Return a Python file's syntax tree as text, or None where it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def lost(pattern: re.Pattern[str], before: str, after: str) -> bool:
    """Return whether a line that matches is missing from the cleaned text."""
    return bool(Counter(pattern.findall(before)) - Counter(pattern.findall(after)))


def judge(path: str, before: str, after: str) -> Iterator[tuple[str, bool]]:
    """Yield each figure that a file counts for, and whether it failed it."""
    language = language_of(path)
    if language == "Markdown" and _HEADING.search(before):
        yield "markdown_heading_lost", lost(_HEADING, before, after)
    if before.startswith("#!"):
        yield "shebang_lost", not after.startswith(before.split("\n", 1)[0])
    if language in {"C", "C++"}:
        if _DIRECTIVE.search(before):
            yield "c_directive_lost", lost(_DIRECTIVE, before, after)
        if has_licence(before):
            yield "c_licence_left", has_licence(after)
        yield "c_code_changed", after != before and split_c(before)[1] != split_c(after)[1]
    if language == "Python" and after != before and (tree := python_tree(before)) is not None:
        yield "python_code_changed", python_tree(after) != tree


def show(path: str, before: str, after: str) -> None:
    """Print what was removed from a file and what replaced it."""
    print(f"==== {path}")
    old, new = before.split("\n"), after.split("\n")
    same = next((i for i, (x, y) in enumerate(zip(reversed(old), reversed(new), strict=False)) if x != y), len(new))
    common = max(0, same - 3)
    for line in difflib.unified_diff(old[: len(old) - common], new[: len(new) - common], n=2, lineterm=""):
        if not line.startswith(("---", "+++")):
            print(line[:160])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--packages", metavar="CACHE", type=Path, help="the pinned packages, downloaded into CACHE")
    parser.add_argument("--limit", type=int, default=30_000, help="files, chosen at random but the same each time")
    parser.add_argument("--show", type=int, default=0, help="print what is removed from this many changed files")
    parser.add_argument("--failures", metavar="FIGURE", help="print what was done to the files that fail a figure")
    arguments = parser.parse_args()
    if not arguments.folders and not arguments.packages:
        parser.error("name a FOLDER, or --packages CACHE")
    chosen = [*files(arguments.folders), *(packaged(arguments.packages) if arguments.packages else ())]
    random.Random(0).shuffle(chosen)
    chosen = chosen[: arguments.limit]
    size = sum(len(text.encode("utf-8", "replace")) for _, text in chosen)
    print(f"{len(chosen):,} files, {size / 1e6:.1f} MB")
    result: dict[str, dict[str, float]] = {}
    modes: tuple[Mode, ...] = ("corrected", "published")
    for mode in modes:
        start = time.perf_counter()
        cleaned = [clean(text, path, mode=mode) for path, text in chosen]
        seconds = time.perf_counter() - start
        counts: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        shown = 0
        for (path, before), after in zip(chosen, cleaned, strict=True):
            for figure, failure in judge(path, before, after):
                counts[figure] += 1
                failed[figure] += failure
                if failure and mode == "corrected" and figure == arguments.failures:
                    show(path, before, after)
            if mode == "corrected" and before != after and shown < arguments.show:
                shown += 1
                show(path, before, after)
        changed = sum(before != after for (_, before), after in zip(chosen, cleaned, strict=True))
        print(f"{mode}: {size / 1e6 / seconds:.0f} MB/s, {changed:,} files changed")
        for figure, bar in BARS.items():
            ratio = failed[figure] / max(1, counts[figure])
            print(f"  {figure:22} {failed[figure]:6,} of {counts[figure]:6,}  {100 * ratio:6.2f} %")
            result[figure if mode == "corrected" else f"published_{figure}"] = {"ratio": round(ratio, 5), "bar": bar}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
