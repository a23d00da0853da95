"""Two answers beside each other: what is in one only, and what is in both but is another in each.

    each source, block by block, by hashes of ids ─ full join ─> numbers of rows that differ, in pairs
    pairs of the same text and fate of which something else is known ─> what differs of them
    pairs ─> sums by source and fate, a page of the rows

Documents are the same where their ids are. An id names the content of its input: of an input that was taken again, the
documents have other ids, and their addresses tell whether they are there. What is joined are hashes, a block at a time:
a whole corpus' would not fit the memory that DuckDB is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from pipelines.explore import catalogue
from pipelines.explore.catalogue import OutOfTimeError
from pipelines.explore.questions import score_column
from pipelines.explore.search import COLUMNS, PAGE, TOTALS, Asked, Counts, Explorer, Row, column_name
from pipelines.files import tables

Scores = dict[int, dict[str, float | None]]
FIRST, SECOND, CHANGED, FACTS = LISTS = ("first", "second", "changed", "facts")
SUMS: Final = 40  # that are shown, the largest
BLOCK: Final = 1 << 19  # rows of each corpus that are joined at a time
# What is known of a document besides its text, its fate and its scores, and how it is compared.
_KNOWN: Final = {name: name for name in ("language", "license", "place", "year", "tokens")} | {
    name: f"hash({name})" for name in ("title", "url", "detail")
}
_FATE: Final = "CASE WHEN kept THEN 'kept' ELSE 'dropped at ' || stage || ': ' || reason END"
_FATE_HASH: Final = "hash(kept, stage, reason)"
# Of two records with one id the one that was dropped for it is no twin of the other.
_SAME: Final = "hash(id, reason IS NOT DISTINCT FROM 'duplicate_id')"
# Of a row in the corpus that is listed: the number of the same document in the other, null where it is in one answer
# only; the hash of its fate there; whether the other answer has its address; places among the names of what differs.
_PAIRS: Final = tables.columns(
    number=pa.uint64(), twin=pa.uint64(), there=pa.uint64(), addressed=pa.bool_(), facts=pa.list_(pa.uint8())
)


@dataclass(frozen=True)
class Sum:
    """How many documents of a source have a fate in one corpus.

    `there` is, of what is in both, the fate in the other, or what else of it differs. `addressed` of those that are in
    one only have their address in the other.
    """

    source: str
    here: str
    there: str | None
    documents: int
    bytes: int
    addressed: int


@dataclass(frozen=True)
class Change:
    """What both corpora know of a document where that differs, None where one knows nothing."""

    name: str
    here: str | float | None
    there: str | float | None


@dataclass(frozen=True)
class Pair:
    """A row of a list, the same document in the other corpus if it is there, and what else than its text differs."""

    row: Row
    twin: Row | None
    changes: Sequence[Change] = ()


@dataclass(frozen=True)
class Listed:
    """What differs in one of four ways: counts, sums of them, a page of the rows."""

    counts: Counts
    sums: Sequence[Sum]
    rows: Sequence[Pair]


@dataclass(frozen=True)
class Differing:
    """The rows of two answers that differ, by LISTS; `names` are what was compared besides text and fate.

    `exact` if all were compared before the time was over. Otherwise what was found is a lower bound, but for the lists
    in `open`: what is in one answer only cannot be told as long as the other answer is not known whole.
    """

    pairs: dict[str, pa.Table]
    names: Sequence[str]
    exact: bool
    open: Sequence[str] = ()


def differing(asked: Sequence[Asked]) -> Differing:
    """Return what differs between the answers to a question that was put to two corpora."""
    return _Comparison(asked).run()


class _Comparison:
    """One time that two answers are compared."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self._asked = asked
        self._explorers = [one.explorer for one in asked]
        first, second = self._explorers
        self._scores = list(dict.fromkeys([*first.given, *second.given]))
        self._pairs: dict[str, list[pa.Table]] = {name: [] for name in LISTS}

    def run(self) -> Differing:
        exact = True
        try:
            for source, rows in self._sources():
                blocks = -(-rows // BLOCK)
                for block in range(blocks):
                    self._compare(source, f"{_SAME} % {blocks} = {block}")
                self._look_for_addresses(source)
        except OutOfTimeError:
            exact = False
        first, second = (asked.exact for asked in self._asked)
        pairs = {name: pa.concat_tables([_PAIRS.empty_table(), *found]) for name, found in self._pairs.items()}
        names = [*_KNOWN, *map(column_name, self._scores)]
        unknown = [name for name, other in ((FIRST, second), (SECOND, first)) if not other]
        return Differing(pairs, names, exact and first and second, unknown)

    def _sources(self) -> list[tuple[str, int]]:
        """Return the sources that either answer has rows of, and how many the larger one has."""
        rows: dict[str, int] = {}
        for asked in self._asked:
            sql = f"SELECT source, count(*) AS documents FROM {asked.answer()} GROUP BY 1"
            for row in asked.table(sql).to_pylist():
                rows[row["source"]] = max(row["documents"], rows.get(row["source"], 0))
        return sorted(rows.items())

    def _compare(self, source: str, block: str) -> None:
        """Compare a block of a source's rows."""
        first, second = self._asked
        mine, theirs = (self._row(explorer, source) for explorer in self._explorers)
        there = second.table(f"SELECT {theirs} FROM {second.answer()} AND source = ? AND {block}", [source])
        differs = "own.bytes <> other.bytes OR own.content <> other.content OR own.fate <> other.fate"
        sql = f"""SELECT own.number AS number, other.number AS twin, other.fate AS there,
                         coalesce({differs}, false) AS changed
                  FROM (SELECT {mine} FROM {first.answer()} AND source = ? AND {block}) own
                  FULL JOIN other USING (same)
                  WHERE own.number IS NULL OR other.number IS NULL OR own.known <> other.known OR {differs}"""
        found = first.table(sql, [source], other=there)
        for name, rows in (
            (FIRST, "number FROM found WHERE twin IS NULL"),
            (SECOND, "twin AS number FROM found WHERE number IS NULL"),
            (CHANGED, "number, twin, there FROM found WHERE changed"),
        ):
            self._add(name, first.plain_table(f"SELECT {rows}", found=found))
        same = "number IS NOT NULL AND twin IS NOT NULL AND NOT changed"
        candidates = first.plain_table(f"SELECT number, twin FROM found WHERE {same}", found=found)
        if candidates.num_rows:
            self._compare_facts(source, candidates)

    def _row(self, explorer: Explorer, source: str) -> str:
        """Return what is taken of a row to be compared."""
        known = ", ".join(sql for sql, _, _ in self._facts(explorer, source))
        return f"number, {_SAME} AS same, bytes, content, {_FATE_HASH} AS fate, hash({known}) AS known"

    def _facts(self, explorer: Explorer, source: str) -> list[tuple[str, int, float]]:
        """Return what is compared of a source: its SQL in a corpus, its place among all names, and a step of it."""
        found = [(sql, place, 0.0) for place, sql in enumerate(_KNOWN.values())]
        for place, name in enumerate(self._scores, len(_KNOWN)):
            if any(source in one.given.get(name, ()) for one in self._explorers):
                here = score_column(explorer.scores.index(name)) if name in explorer.scores else "NULL::DOUBLE"
                found.append((here, place, max(one.steps.get(name, 0.0) for one in self._explorers)))
        return found

    def _compare_facts(self, source: str, candidates: pa.Table) -> None:
        """Find what differs of pairs of which not the same is known: numbers only beyond their rounding."""
        first, second = self._asked
        mine, theirs = (self._facts(explorer, source) for explorer in self._explorers)
        columns = ", ".join(f"{sql} AS other{place}" for sql, place, _ in theirs)
        twins = f"SELECT number AS twin, {columns} FROM documents SEMI JOIN pairs ON pairs.twin = documents.number"
        there = second.plain_table(twins, pairs=candidates)
        parts = ", ".join(
            f"CASE WHEN {_differs(sql, f'other{place}', step)} THEN {place} END" for sql, place, step in mine
        )
        facts = f"list_filter([{parts}], lambda one: one IS NOT NULL)"
        sql = f"""SELECT * FROM (SELECT number, twin, {facts} AS facts
                                 FROM documents JOIN pairs USING (number) JOIN there USING (twin))
                  WHERE len(facts) > 0"""
        self._add(FACTS, first.plain_table(sql, pairs=candidates, there=there))

    def _look_for_addresses(self, source: str) -> None:
        """Note of what is in one answer only whether the other has its address."""
        first, second = self._asked
        for name, here, there in ((FIRST, first, second), (SECOND, second, first)):
            found = self._pairs[name]
            for place, pairs in enumerate(found):
                if pairs["addressed"].null_count:
                    found[place] = _with_addresses(pairs, here, there, source)

    def _add(self, name: str, found: pa.Table) -> None:
        """Add to a list what has rows."""
        if found.num_rows:
            columns = [
                found[field.name].cast(field.type)
                if field.name in found.column_names
                else pa.nulls(found.num_rows, field.type)
                for field in _PAIRS
            ]
            self._pairs[name].append(pa.table(columns, schema=_PAIRS))


def _with_addresses(pairs: pa.Table, here: Asked, there: Asked, source: str) -> pa.Table:
    own = "SELECT number, hash(url) AS address FROM documents SEMI JOIN pairs USING (number) WHERE url IS NOT NULL"
    wanted = here.plain_table(own, pairs=pairs)
    sql = f"""SELECT DISTINCT hash(url) AS address FROM {there.answer()} AND source = ? AND url IS NOT NULL
              AND hash(url) IN (SELECT address FROM wanted)"""
    known = there.table(sql, [source], wanted=wanted)
    inside = "number IN (SELECT number FROM wanted SEMI JOIN known USING (address))"
    sql = f"SELECT * REPLACE ({inside} AS addressed) FROM pairs"
    return here.plain_table(sql, pairs=pairs, wanted=wanted, known=known).cast(_PAIRS)


def _differs(here: str, there: str, step: float) -> str:
    """Return that two values differ: numbers by more than a step of their type where they lie."""
    other = f"{here} IS DISTINCT FROM {there}"
    if not step:
        return other
    near = f"abs({here} - {there}) <= {step!r} * greatest(abs({here}), abs({there}))"
    return f"{other} AND NOT coalesce(isfinite({here}) AND isfinite({there}) AND {near}, false)"


def listed(
    asked: Sequence[Asked], found: Differing, name: str, narrowed: tuple[str, str] = ("", ""), start: int = 0
) -> Listed:
    """Return one of LISTS: counts, sums, and the rows from `start` on.

    `narrowed` says, where it is given, of which fate the documents are here, and of which there; in FACTS what differs
    of them stands in the place of the second. SECOND is listed by what is there.
    """
    here, there = asked[::-1] if name == SECOND else asked
    pairs = found.pairs[name]
    called: dict[int, str] = {}
    if name == FACTS:
        called = dict(enumerate(found.names))
    elif name == CHANGED and pairs.num_rows:
        called = dict(there.plain(f"SELECT DISTINCT {_FATE_HASH}, {_FATE} FROM documents"))
    other = {CHANGED: "there", FACTS: "unnest(facts)"}.get(name, "NULL")
    conditions, values = _narrowed(name, narrowed, called)
    joined = f"documents JOIN pairs USING (number) WHERE {conditions}"
    sums = f"""SELECT source, fate, other, count(*), coalesce(sum(bytes), 0), count(*) FILTER (addressed)
               FROM (SELECT source, {_FATE} AS fate, {other} AS other, bytes, addressed FROM {joined})
               GROUP BY ALL ORDER BY 4 DESC, 1, 2, 3 LIMIT {SUMS}"""
    page = f"SELECT twin, facts, {COLUMNS} FROM {joined} ORDER BY number LIMIT {PAGE} OFFSET {start}"
    with catalogue.registered(here.connection, pairs=pairs):
        (totals,) = here.plain(f"SELECT {TOTALS} FROM {joined}", values)
        summed = here.plain(sums, values)
        rows = here.plain(page, values)
    return Listed(
        replace(Counts.of(totals), exact=found.exact),
        [Sum(source, fate, called.get(key), *counted) for source, fate, key, *counted in summed],
        _pairs(here, there, found.names, rows),
    )


def _narrowed(name: str, narrowed: tuple[str, str], called: Mapping[int, str]) -> tuple[str, list[Any]]:
    """Return the condition that rows of a list are of some fates, and its parameters."""
    conditions, values = ["true"], list[Any]()
    if narrowed[0]:
        conditions.append(f"{_FATE} = ?")
        values.append(narrowed[0])
    if narrowed[1]:
        keys = [key for key, value in called.items() if value == narrowed[1]]
        has = "[there], ?::UBIGINT[]" if name == CHANGED else "facts, ?::UTINYINT[]"
        conditions.append(f"list_has_any({has})")
        values.append(keys)
    return " AND ".join(conditions), values


def _pairs(here: Asked, there: Asked, names: Sequence[str], found: Sequence[tuple[Any, ...]]) -> list[Pair]:
    """Return listed rows with their lines, each with its twin and what differs."""
    rows = here.shown([Row(*row) for _, _, *row in found])
    by_number = there.explorer.by_numbers([twin for twin, *_ in found if twin is not None])
    by_id = there.explorer.twins([row for row, (twin, *_) in zip(rows, found, strict=True) if twin is None])
    facts = [places or () for _, places, *_ in found]
    scores: list[Scores] = [{}, {}]
    if any(facts):
        scores = [
            here.explorer.scores_of([row.number for row in rows]),
            there.explorer.scores_of([twin for twin, *_ in found]),
        ]
    pairs = []
    for row, (number, *_), places in zip(rows, found, facts, strict=True):
        twin = by_id.get(row.id) if number is None else by_number[number]
        changes = [_change(names[place], row, by_number[number], *scores) for place in places]
        pairs.append(Pair(row, twin, changes))
    return pairs


def _change(name: str, here: Row, there: Row, own: Scores, others: Scores) -> Change:
    if name in _KNOWN:
        return Change(name, getattr(here, name), getattr(there, name))
    return Change(name, own[here.number].get(name), others[there.number].get(name))
