"""What a template stands for, by its name and wiki: a table of behaviours, each a small function of the arguments.

registry     how behaviours are named                numbers, money          quantities, currencies
conversion   quantities that are converted          units, rounding        what it needs
words        languages, styles, links, sounds        dates                   dates, ages, centuries
places       coordinates, countries, flags           people                  biographical openings
science      chemistry, notation, ships              blocks                  quotations, lists, columns, drawers
signs        dashes, spaces, eras                    gone                    notes, requests for work, navigation
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

# Importing a module registers its behaviours.
from filters.wikitext.behaviours import blocks, conversion, dates, gone, money, numbers, people, places, science, words
from filters.wikitext.behaviours.registry import EVERYWHERE, FAMILIES, OWN, Arguments, Behaviour

__all__ = ["Arguments", "Behaviour", "find"]

TOPICS = (blocks, conversion, dates, gone, money, numbers, people, places, science, words)
REDIRECTS = Path(__file__).with_name("redirects.tsv")
MAX_FAMILY_NAME = 60
"""Characters of a name that is compared with patterns."""


@lru_cache(maxsize=32)
def _redirects(language: str) -> dict[str, str]:
    """Return the other names of templates with a behaviour in one wiki: name -> the name that a table has."""
    rows = (line.split("\t") for line in REDIRECTS.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {name: known for wiki, name, known in rows if wiki == language}


def find(name: str, language: str) -> Behaviour | None:
    """Return what a template (its name casefolded) does in the Wikipedia of `language`, None if nothing is known.

    Looked up in this order: the wiki's own names, names that hold everywhere, the wiki's redirects, families.
    """
    own = OWN.get(language, {})
    found = own.get(name) or EVERYWHERE.get(name)
    if found is None and (known := _redirects(language).get(name)):
        found = own.get(known) or EVERYWHERE.get(known)
    if found is None and len(name) <= MAX_FAMILY_NAME:
        found = next((f for pattern, wikis, f in FAMILIES if language in wikis and pattern.fullmatch(name)), None)
    return found
