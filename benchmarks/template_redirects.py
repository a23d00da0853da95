"""Writes filters/wikitext/behaviours/redirects.tsv: other names that wikis have for templates with a behaviour.

Usage: `python benchmarks/template_redirects.py FOLDER`, with `mappingstats_LANG.txt` of DBpedia's extraction framework
(`server/src/main/statistics`, release 2016-04), which list the redirects of each Wikipedia's templates. All names that
lead to one page do the same; where one of them has a behaviour, the others get it. A dump with namespace 10 has its own
redirects, which go before these.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from filters.wikitext import behaviours  # noqa: F401  (registers the names)
from filters.wikitext.behaviours.registry import EVERYWHERE, OWN
from filters.wikitext.behaviours.signs import SIGNS
from filters.wikitext.names import LANGUAGES

TARGET = Path("filters/wikitext/behaviours/redirects.tsv")
HEADER = "# wiki, name, the name with a behaviour; from DBpedia's statistics of templates, 2016-04, by {script}"
# English names that these wikis use for something else.
OTHERS = {("ca", "m"), ("sv", "ill"), ("nl", "cn"), ("ca", "cn"), ("fr", "cn"), ("sr", "date"), ("hu", "m")}


def folded(title: str) -> str:
    """Return a template's name as names are compared."""
    return " ".join(title.partition(":")[2].replace("_", " ").split()).casefold()


def classes(path: Path) -> Iterator[list[str]]:
    """Yield the names that lead to one page each, the page's own first."""
    by_target: defaultdict[str, list[str]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, pair = line.partition("|")
        source, _, target = pair.partition("|")
        if kind == "r" and target:
            by_target[folded(target)].append(folded(source))
    yield from ([target, *sources] for target, sources in sorted(by_target.items()))


def rows(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield wiki, name, and the name that has the behaviour."""
    for language in LANGUAGES:
        path = folder / f"mappingstats_{language}.txt"
        if not path.exists():
            continue
        known = OWN[language].keys() | EVERYWHERE.keys()
        for names in classes(path):
            member = next((n for n in names if n in known and (language, n) not in OTHERS), None)
            if member is None:
                continue
            yield from (
                (language, name, member)
                for name in sorted(set(names))
                if name not in known and name not in SIGNS and "\t" not in name
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    found = ["\t".join(row) for row in rows(parser.parse_args().folder)]
    header = HEADER.format(script="benchmarks/template_redirects.py")
    TARGET.write_text("\n".join([header, *found]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
