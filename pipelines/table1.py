"""Table 1 of the LLaMA paper: the seven sources, in its order and under the names that this project gives them.

What builds the corpus and what trains on it both read these facts, so this module imports nothing of ours.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
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


def weights(shares: Mapping[str, float], among: Collection[str] = SOURCES) -> dict[str, int]:
    """Return the integer weight of each source of Table 1, and of each source added by its share of the tokens seen.

    The added sources take their shares, and those of Table 1 that are `among` a corpus' sources share the rest in the
    table's proportions: all seven alone have its own thousandths, any others the least integers of these ratios.
    Without any of Table 1 the added ones' shares are among each other; all alike, if none says its share. Raises
    ValueError for a share of more than three decimals, a negative one, or shares that leave nothing.
    """
    rows = [row for row in TABLE_1 if row.name in among]
    if not shares and len(rows) == len(TABLE_1):
        return {row.name: row.proportion for row in TABLE_1}
    added = {name: _thousandths(name, share) for name, share in shares.items()}
    rest = TOTAL_PROPORTION - sum(added.values())
    if rest <= 0 and rows:
        raise ValueError(f"the shares of {', '.join(added)} leave nothing for the sources of Table 1")
    if not rows and not any(added.values()):
        return dict.fromkeys(added, 1)
    found = {row.name: row.proportion * rest for row in rows}
    found |= {name: share * (sum(row.proportion for row in rows) or 1) for name, share in added.items()}
    divisor = math.gcd(*found.values())
    return {name: weight // divisor for name, weight in found.items()}


def shares(added: Mapping[str, float], among: Collection[str] = SOURCES) -> dict[str, float]:
    """Return each source's part of the tokens seen in training, see `weights`."""
    found = weights(added, among)
    total = sum(found.values())
    return {name: weight / total for name, weight in found.items()}


def rescaled(shares: Mapping[str, float]) -> str:
    """Return what to say of the shares of a corpus that has some sources of Table 1 and not all; else nothing."""
    there = shares.keys() & set(SOURCES)
    if not there or len(there) == len(SOURCES):
        return ""
    said = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    return f"shares rescaled over the {len(shares)} source{'s' * (len(shares) > 1)} of this corpus: {said}"


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
