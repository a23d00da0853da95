"""Table 1 of the LLaMA paper: the seven sources, in its order and under the names that this project gives them.

What builds the corpus and what trains on it both read these facts, so this module imports nothing but dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass

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
