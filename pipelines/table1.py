"""Table 1 of the LLaMA paper: the seven sources, in its order and under the names that this project gives them.

What builds the corpus and what trains on it both read these facts, so this module imports nothing of ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

TOTAL_PROPORTION = 1_000
TOKENS = 1_400_000_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row of Table 1.

    `proportion` is the share of the tokens seen in training, in thousandths; `epochs` the printed number of epochs in
    a run over 1.4T tokens; `disk_bytes` the printed size on disk, in decimal units (3.3 TB is 3.3e12).
    """

    name: str
    title: str
    proportion: int
    epochs: float
    disk_bytes: int

    @property
    def unique_tokens(self) -> float:
        """Return the tokens of one epoch, derived: proportion x 1.4T / epochs (the paper does not print it)."""
        return self.proportion / TOTAL_PROPORTION * TOKENS / self.epochs


TABLE_1 = (
    Row("common_crawl", "CommonCrawl", 670, 1.10, 3_300_000_000_000),
    Row("c4", "C4", 150, 1.06, 783_000_000_000),
    Row("github", "GitHub", 45, 0.64, 328_000_000_000),
    Row("wikipedia", "Wikipedia", 45, 2.45, 83_000_000_000),
    Row("books", "Books", 45, 2.23, 85_000_000_000),
    Row("arxiv", "ArXiv", 25, 1.06, 92_000_000_000),
    Row("stack_exchange", "StackExchange", 20, 1.03, 78_000_000_000),
)

SOURCES = tuple(row.name for row in TABLE_1)
SHARE_DECIMALS = 3


def weights(shares: Mapping[str, float], *, alone: bool = False) -> dict[str, int]:
    """Return the integer weight of each source of Table 1, and of each source added by its share of the tokens seen.

    The added sources take their shares, and Table 1's share the rest in the table's proportions: without any, its own
    thousandths; with some, the least integers of these ratios. Where the added ones are `alone`, without any source of
    Table 1, theirs are among each other; all alike, if none says its share. Raises ValueError for a share of more than
    three decimals, a negative one, or shares that leave nothing.
    """
    if not shares:
        return {row.name: row.proportion for row in TABLE_1}
    added = {name: _thousandths(name, share) for name, share in shares.items()}
    rest = TOTAL_PROPORTION - sum(added.values())
    if rest <= 0 and not alone:
        raise ValueError(f"the shares of {', '.join(added)} leave nothing for the sources of Table 1")
    if alone:
        divisor = math.gcd(*added.values())
        return {name: share // divisor for name, share in added.items()} if divisor else dict.fromkeys(added, 1)
    found = {row.name: row.proportion * rest for row in TABLE_1}
    found |= {name: share * TOTAL_PROPORTION for name, share in added.items()}
    divisor = math.gcd(*found.values())
    return {name: weight // divisor for name, weight in found.items()}


def shares(added: Mapping[str, float], *, alone: bool = False) -> dict[str, float]:
    """Return each source's part of the tokens seen in training, see `weights`."""
    found = weights(added, alone=alone)
    total = sum(found.values())
    return {name: weight / total for name, weight in found.items()}


def _thousandths(name: str, share: float) -> int:
    # A manifest from elsewhere may say anything: of a text like "1e99999999" a fraction would be made, digit by digit.
    try:
        number = float(share)
    except OverflowError:
        number = math.inf
    exact = Fraction(str(number)) * TOTAL_PROPORTION if math.isfinite(number) else Fraction(-1)
    if exact.denominator != 1 or exact < 0:
        raise ValueError(f"the share of {name} is {share}: a number from 0 to 1 with at most {SHARE_DECIMALS} decimals")
    return int(exact)
