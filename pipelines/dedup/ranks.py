"""Which of several copies stays: what a reader would ask of them, packed into one number, the smallest of which wins.

    (criterion, bits), (criterion, bits) ... the first counts most ─┬─> rank
    keyed hash of the id, which decides between equals ─────────────┘

A rank is made of its own document alone, so that the order in which copies are found decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from filters.code import places
from pipelines import timestamps
from pipelines.document import Document

# A criterion, the smaller the better, and how many bits it takes.
Criterion = tuple[int, int]

# What tells where a text comes from: fields of all documents, and attributes that some have.
_FIELDS: Final = ("url", "title", "license", "timestamp")
_ATTRIBUTES: Final = ("author", "number")
STANDING_BITS, UNTOLD_BITS, AGE_BITS = 2, 3, 15
_NUMBER_BITS: Final = 8  # of each of a release's three numbers
RELEASE_BITS: Final = 3 * _NUMBER_BITS
# A dated document is newer than one with a release alone.
NEWNESS_BITS: Final = 1 + RELEASE_BITS
# A release by its tag, or in the name of a folder: v2.3.3, pip-26.0, iam@v1.12.0, pipenv-2024.4.0.
_RELEASE: Final = re.compile(r"[-@]v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?")
# A release that is a folder of a page's address: /doc/libs/1_81_0/, /en/5.1/, /v1.28/.
_RELEASE_OF_PAGES: Final = re.compile(r"/v?(\d{1,4})[._](\d{1,4})(?:[._](\d{1,4}))?/")
_FIRST_YEAR, _YEARS = 1990, 56  # of releases that are numbered by the year
_OLDEST: Final = (1 << AGE_BITS) - 1
_DAYS_TO_1970: Final = 719_163  # of the proleptic calendar, as date.toordinal counts


def packed(criteria: Iterable[Criterion], hashed: int, bits: int = 64) -> int:
    """Return the rank of a document in so many bits: its criteria in their order, then what fits of a 64-bit hash.

    A criterion that is too large for its bits counts as the largest. ValueError if no bit is left for the hash.
    """
    rank, left = 0, bits
    for value, width in criteria:
        rank = rank << width | min(max(value, 0), (1 << width) - 1)
        left -= width
    if left < 1:
        raise ValueError(f"criteria take {bits - left} of {bits} bits: none is left for the hash")
    return rank << left | hashed >> 64 - left


def of_document(document: Document) -> Iterator[Criterion]:
    """Yield what any source's copies are told apart by: whose place it is, how much is known of it, how new it is."""
    yield standing(document), STANDING_BITS
    yield untold(document), UNTOLD_BITS
    yield newness(document), NEWNESS_BITS


def standing(document: Document) -> int:
    """Return whose place a file stands in (`filters.code.places`); OWN for a document that is no file."""
    path = document.attributes.get("path")
    return places.standing(path) if isinstance(path, str) else places.OWN


def untold(document: Document) -> int:
    """Return how much of a document's provenance is missing: URL, title, licence, time, author, number."""
    known = [getattr(document, name) for name in _FIELDS] + [document.attributes.get(name) for name in _ATTRIBUTES]
    return sum(value is None or value == "" for value in known)


def newness(document: Document) -> int:
    """Return a number that is smaller the newer a document is: by its time, else by the release that is named of it.

    What comes from a branch or a commit is newer than any release. A page whose address names a release is of that
    release, whenever it was fetched.
    """
    address = document.url or ""
    if "path" not in document.attributes and _RELEASE_OF_PAGES.search(address):
        return (1 << RELEASE_BITS) + release(address, _RELEASE_OF_PAGES)
    if document.timestamp is not None:
        return age(document.timestamp) << RELEASE_BITS - AGE_BITS
    said = [str(document.attributes.get(name) or "") for name in ("release", "repository", "path")]
    tag = f"@{said[0].rpartition('/')[2]}"  # a tag may begin with a folder: service/sqs/v1.37.4
    if said[0] and not _RELEASE.search(tag):
        return 1 << RELEASE_BITS
    return (1 << RELEASE_BITS) + release("/".join([tag, *said[1:]]))


def release(path: str, pattern: re.Pattern[str] = _RELEASE) -> int:
    """Return how far a release, named in a path, is from the highest that is counted; what names none is the farthest.

    Of the same text in two releases of a project, which rarely have dates, it tells the newer one.
    """
    found = pattern.search(path)
    highest = (1 << _NUMBER_BITS) - 1
    distance = 0
    for number in found.groups("0") if found else ("0", "0", "0"):
        distance = distance << _NUMBER_BITS | highest - _counted(int(number))
    return distance


def _counted(number: int) -> int:
    """Return a release's number in `_NUMBER_BITS`: as it is while it is small, or a year."""
    largest = (1 << _NUMBER_BITS) - 1
    if number < _FIRST_YEAR:
        return min(number, largest - _YEARS)
    return min(largest - _YEARS + 1 + number - _FIRST_YEAR, largest)


def age(timestamp: str | None) -> int:
    """Return how old a time is, in days before the last that is counted (in 2059); what is unknown is the oldest."""
    found = timestamps.parse(timestamp) if timestamp else None
    return _OLDEST if found is None else min(_OLDEST, max(0, _OLDEST - (found.at.toordinal() - _DAYS_TO_1970)))
