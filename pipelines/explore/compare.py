"""Two answers beside each other: what is in one only, and what is in both but is another in each.

    an answer's ids, addresses, sizes, fates ─> looked up in the other's ─> sums by source and fate, and a list

Documents are the same where their ids are. An id names the content of its input: of an input that was taken again, the
documents have other ids, and their addresses tell whether they are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from pipelines.explore import catalogue
from pipelines.explore.search import COLUMNS, PAGE, TOTALS, Asked, Counts, Row

LISTS: Final = ("first", "second", "changed")  # only in an answer, or another in each
SUMS: Final = 40  # that are shown, the largest
_FATE: Final = "CASE WHEN kept THEN 'kept' ELSE 'dropped at ' || stage || ': ' || reason END"


@dataclass(frozen=True)
class Sum:
    """How many documents of a source have a fate in one corpus; `there` is that in the other, if they are in both.

    `addressed` of those that are in one only have their address in the other.
    """

    source: str
    here: str
    there: str | None
    documents: int
    bytes: int
    addressed: int


@dataclass(frozen=True)
class Beside:
    """What differs in one of three ways: counts, sums of them, a page of the rows."""

    counts: Counts
    sums: Sequence[Sum]
    rows: Sequence[Row]


def others(asked: Asked) -> pa.Table:
    """Return hashes of the ids and addresses of an answer, with what may differ in another corpus."""
    differing = "bytes AS other_bytes, content AS other_content"
    columns = f"hash(id) AS h, hash(source, url) AS a, url IS NOT NULL AS placed, {differing}, {_FATE} AS there"
    return asked.table(f"SELECT {columns} FROM {asked.answer()}")


def beside(
    asked: Asked, other: pa.Table, *, changed: bool, fates: tuple[str, str] = ("", ""), start: int = 0
) -> Beside:
    """Return what of an answer is in no other, or in both and another in each; `other` is what `others` returned.

    `fates`, where they are given, are those of the rows: here, and there.
    """
    own = f"(SELECT {COLUMNS}, content, hash(id) AS h, hash(source, url) AS a, {_FATE} AS here FROM {asked.answer()})"
    if changed:
        # Texts that were not read for an index are compared by their lengths.
        differs = "bytes IS DISTINCT FROM other_bytes OR content <> other_content OR here <> there"
        apart, there, addressed = f"{own} JOIN other USING (h) WHERE ({differs})", "there", "0"
    else:
        apart, there = f"{own} own ANTI JOIN other USING (h) WHERE true", "NULL"
        addressed = "count(*) FILTER (url IS NOT NULL AND own.a IN (SELECT a FROM other WHERE placed))"
    given = [(column, fate) for column, fate in zip(("here", there), fates, strict=True) if fate]
    apart += "".join(f" AND {column} = ?" for column, _ in given)
    values = [fate for _, fate in given]
    by_fate = f"""SELECT source, here, {there}, count(*), coalesce(sum(bytes), 0), {addressed} FROM {apart}
                  GROUP BY ALL ORDER BY 4 DESC, 1, 2, 3 LIMIT {SUMS}"""
    with catalogue.registered(asked.connection, other=other):
        (totals,) = asked.fetched(f"SELECT {TOTALS} FROM {apart}", values)
        summed = asked.fetched(by_fate, values)
        rows = asked.fetched(f"SELECT {COLUMNS} FROM {apart} ORDER BY number LIMIT {PAGE} OFFSET {start}", values)
    return Beside(Counts.of(totals), [Sum(*one) for one in summed], [Row(*row) for row in rows])
