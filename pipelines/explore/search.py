"""Answers to questions: counts, lists, what they are made up of, histograms; each within a time limit.

    words, pattern ─> numbers of rows ─┐
    filters ─> conditions ─────────────┴─ DuckDB, block of parts by block ─> documents, bytes, tokens

Counts are exact, or those of what was looked at when the time was over: "at least".
"""

from __future__ import annotations

import difflib
import re
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.explore import catalogue, texts, words
from pipelines.explore.catalogue import ROWS_OF_A_PART, OutOfTimeError
from pipelines.explore.index import Index, Wanted
from pipelines.explore.questions import UNKNOWN, Question, conditions, ordered, score_column
from pipelines.explore.texts import Line, Numbers
from pipelines.hashing import keyed

SECONDS: Final = 20.0  # of a question, unless the command line says otherwise
BLOCK: Final = 2_000_000  # rows that are counted between two looks at the clock
PAGE: Final = 20  # rows of a list
LISTED: Final = 12  # values of a column
BINS: Final = 48  # of a histogram
FILE_SECONDS: Final = 600.0  # in which a file of all rows is written
LOOKING: Final = 0.6  # of the time goes to finding rows by their texts, what is left to what is told of them
NAMES: Final = 20_000  # of a column, among which one like that of a question is looked for
CLOSE: Final = 6
REMEMBERED: Final = 8  # sets of rows of earlier questions
BREAKDOWNS: Final = ("source", "reason", "language", "place", "license", "year")
_COLUMNS: Final = "number, id, source, kept, stage, reason, language, place, license, year, bytes, tokens"


@dataclass(frozen=True)
class Counts:
    """How many documents, bytes and tokens; `counted` documents have tokens, which dropped ones have not."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0
    counted: int = 0
    exact: bool = True

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.documents + other.documents,
            self.bytes + other.bytes,
            self.tokens + other.tokens,
            self.counted + other.counted,
            self.exact and other.exact,
        )


@dataclass(frozen=True)
class Row:
    """A row of the catalogue, as a list shows it; `line` is a match in its line, of a text that was read."""

    number: int
    id: str
    source: str
    kept: bool
    stage: str | None
    reason: str | None
    language: str | None
    place: str | None
    license: str | None
    year: int | None
    bytes: int | None
    tokens: int | None
    title: str | None = None
    url: str | None = None
    line: Line | None = None


@dataclass(frozen=True)
class Values:
    """What an answer is made up of by one column: (value, documents, bytes), the most first; `rest` values are more."""

    column: str
    rows: Sequence[tuple[str | None, int, int]]
    rest: int


@dataclass(frozen=True)
class Bars:
    """A histogram: its limits, documents in each bin, all as wide; of a logarithm if so, of years as many each."""

    name: str
    low: float
    high: float
    counts: Sequence[int]
    logarithmic: bool

    def edge(self, place: float) -> float:
        """Return the value at a place from 0 to 1."""
        if self.logarithmic:
            return float(self.low * (self.high / self.low) ** place)
        return self.low + (self.high - self.low) * place


@dataclass(frozen=True)
class Rows:
    """The rows that have what a question asks of texts, in order; `exact` if all were looked at."""

    numbers: Numbers
    exact: bool


@dataclass
class Explorer:
    """One corpus that is searched. Readers at the same time have connections of their own."""

    corpus: Wanted
    index: Index
    seconds: float = SECONDS
    _rows: OrderedDict[tuple[str, ...], Rows] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.parts = {part.number: part for part in self.index.catalogue.parts()}
        self.scores = self.index.catalogue.scores()

    def asked(self, question: Question) -> Asked:
        """Return a question as it is being answered, from now on; ValueError for one that cannot be asked here."""
        return Asked(self, question, time.monotonic())

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection for one reader."""
        return self.index.catalogue.connection.cursor()

    def remembered(self, key: tuple[str, ...]) -> Rows | None:
        """Return the rows of an earlier question."""
        with self._lock:
            return self._rows.get(key)

    def remember(self, key: tuple[str, ...], found: Rows) -> None:
        """Keep the rows of a question for those that follow: its next page, its histograms."""
        with self._lock:
            self._rows[key] = found
            while len(self._rows) > REMEMBERED:
                self._rows.popitem(last=False)

    def by_id(self, identifier: str) -> Row | None:
        """Return the row of a document or a drop; of a document that was dropped for its id, the one that is kept."""
        found = catalogue.fetched(
            self.cursor(),
            f"SELECT {_COLUMNS} FROM documents WHERE id = ? ORDER BY kept DESC LIMIT 1",
            [identifier],
            self.seconds,
        )
        return Row(*found[0]) if found else None

    def copies(self, identifier: str) -> list[tuple[str, str, str, str, float | None]]:
        """Return (kept, id, stage, reason, share) of the copies that a document stands for, and of the one it is."""
        sql = "SELECT kept, id, stage, reason, share FROM copies WHERE kept = ? OR id = ? ORDER BY kept, id"
        return catalogue.fetched(self.cursor(), sql, [identifier, identifier], self.seconds)

    def place_in_shards(self, row: Row) -> tuple[str, str, int, int] | None:
        """Return split, shard, the first token in the split and how many, of a document."""
        file = self.path_of(row).rpartition("/")[2].removesuffix(".parquet")
        found = catalogue.fetched(
            self.cursor(),
            'SELECT split, shard, "first", tokens FROM tokens WHERE source = ? AND file = ? AND file_row = ?',
            [row.source, file, row_in_part(row)],
            self.seconds,
        )
        return found[0] if found else None

    def path_of(self, row: Row) -> str:
        """Return the path in the corpus of the file that a row is in."""
        return self.parts[row.number >> ROWS_OF_A_PART].path

    def values(self, row: Row) -> dict[str, Any]:
        """Return a row of the corpus with all its columns."""
        (found,) = texts.rows(self.corpus.corpus, [row.number], self.parts, ()).values()
        _check_same(row, found)
        return dict(found)


class Asked:
    """A question that is being answered until its time is over."""

    def __init__(self, explorer: Explorer, question: Question, start: float) -> None:
        self._explorer, self.question = explorer, question
        self._deadline, self._looking = start + explorer.seconds, start + LOOKING * explorer.seconds
        self._words = words.asked(question.words)
        if question.pattern:
            texts.check_pattern(question.pattern)
        self._conditions = conditions(question, explorer.scores)
        self._connection = explorer.cursor()
        self._found: Rows | None = None

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._deadline - time.monotonic()

    def counts(self) -> Counts:
        """Return how many documents, bytes and tokens the question takes."""
        rows = self._matching()
        total = Counts(exact=rows is None or rows.exact)
        sums = "count(*), coalesce(sum(bytes), 0), coalesce(sum(tokens), 0), count(tokens)"
        sql = f"SELECT {sums} FROM {self._answer()} AND number BETWEEN ? AND ?"
        try:
            for bounds in self._blocks():
                ((documents, size, tokens, counted),) = self._fetched(sql, bounds)
                total += Counts(int(documents), int(size), int(tokens), int(counted))
        except OutOfTimeError:
            return replace(total, exact=False)
        return total

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of numbers, whole parts each, of about BLOCK rows."""
        sql = "SELECT part, row_count FROM parts ORDER BY part"
        first, last, held = 0, -1, 0
        for part, count in self._connection.execute(sql).fetchall():
            held, last = held + count, part
            if held >= BLOCK:
                yield first, ((part + 1) << ROWS_OF_A_PART) - 1
                first, held = (part + 1) << ROWS_OF_A_PART, 0
        if held:
            yield first, ((last + 1) << ROWS_OF_A_PART) - 1

    def _answer(self) -> str:
        """Return what SELECT takes the answer from; `_fetched` gives it what it names."""
        joined = "documents" if self._matching() is None else "documents SEMI JOIN found USING (number)"
        return f"{joined} WHERE {self._conditions.sql}"

    @contextmanager
    def _given(self) -> Iterator[None]:
        rows = self._matching()
        given = {} if rows is None else {"found": pa.table({"number": pa.array(rows.numbers)})}
        with catalogue.registered(self._connection, **given):
            yield

    def _fetched(self, sql: str, behind: Sequence[Any] = (), before: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query over the answer; parameters before and behind those of the conditions."""
        with self._given():
            parameters = [*before, *self._conditions.parameters, *behind]
            return catalogue.fetched(self._connection, sql, parameters, self.left)

    def page(self, start: int) -> list[Row]:
        """Return a page of the list, in the order that is asked for, each with a match in its line."""
        order = ordered(self.question, self._explorer.scores)
        sql = f"SELECT {_COLUMNS} FROM {self._answer()} ORDER BY {order} LIMIT {PAGE} OFFSET ?"
        return self.shown([Row(*row) for row in self._fetched(sql, [start])])

    def drawn(self, seed: int) -> Row | None:
        """Return one of the documents, any with the same chance; the same one for a seed."""
        sql = f"SELECT {_COLUMNS} FROM {self._answer()} ORDER BY hash(xor(number, ?::UBIGINT)) LIMIT 1"
        found = self._fetched(sql, [keyed("drawn", str(seed))])
        return Row(*found[0]) if found else None

    def shown(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows with title, address and a line of the text."""
        columns = ("id", "title", "url", "text", "excerpt")
        found = texts.rows(self._explorer.corpus.corpus, [row.number for row in rows], self._explorer.parts, columns)
        patterns = self.patterns()
        shown = []
        for row in rows:
            values = found[row.number]
            _check_same(row, values)
            text = values.get("text") or values.get("excerpt")
            line = texts.line(text, patterns, self.question.pattern) if text else None
            shown.append(replace(row, title=values.get("title"), url=values.get("url"), line=line))
        return shown

    def patterns(self) -> list[re.Pattern[str]]:
        """Return patterns that find the words of the question in a text."""
        return [words.in_python(one) for one in self._words if one.there]

    def breakdown(self, column: str) -> Values:
        """Return what the answer is made up of by one of BREAKDOWNS."""
        of = "stage || '/' || reason" if column == "reason" else column
        sql = f"""SELECT {of}, count(*), coalesce(sum(bytes), 0), count(*) OVER () FROM {self._answer()}
                  GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {LISTED}"""
        found = self._fetched(sql)
        listed = [(None if value is None else str(value), int(count), int(size)) for value, count, size, _ in found]
        return Values(column, listed, int(found[0][3]) - len(found) if found else 0)

    def hints(self) -> list[str]:
        """Return what a question without an answer may have meant: values that no row has, and those like them."""
        found = []
        for name in ("source", "reason", "language", "place", "license"):
            asked = getattr(self.question, name).removeprefix("=")
            if asked in ("", UNKNOWN) or "*" in asked or self._has(name):
                continue
            of = "stage || '/' || reason" if name == "reason" else name
            sql = (
                f"SELECT {of}, count(*) FROM documents WHERE {of} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC LIMIT {NAMES}"
            )
            names = [str(value) for value, _ in catalogue.fetched(self._connection, sql, [], self.left)]
            found.append(_meant(name, asked, names))
        return found

    def _has(self, name: str) -> bool:
        """Tell whether any row has what the question asks of one field alone."""
        alone = conditions(Question(**{name: getattr(self.question, name)}), ())
        sql = f"SELECT 1 FROM documents WHERE {alone.sql} LIMIT 1"
        return bool(catalogue.fetched(self._connection, sql, alone.parameters, self.left))

    def bars(self, name: str) -> Bars | None:
        """Return the histogram of "bytes", "year" or a score over the answer, None if nothing has it."""
        column = name if name in ("bytes", "year") else score_column(self._explorer.scores.index(name))
        if name == "year":
            return self._years()
        logarithmic = name == "bytes"
        there = f"{self._answer()} AND isfinite({column}::DOUBLE) {f'AND {column} > 0' if logarithmic else ''}"
        limits = f"SELECT min({column})::DOUBLE, max({column})::DOUBLE FROM {there}"
        ((low, high),) = self._fetched(limits)
        if low is None:
            return None
        value = f"ln({column}::DOUBLE)" if logarithmic else f"{column}::DOUBLE"
        first, last = (float(np.log(low)), float(np.log(high))) if logarithmic else (low, high)
        width = (last - first) / BINS or 1.0
        place = f"least({BINS - 1}, greatest(0, floor(({value} - ?) / ?)))::INTEGER"
        sql = f"SELECT {place}, count(*) FROM {there} GROUP BY 1"
        counted = self._fetched(sql, before=[first, width])
        counts = [0] * BINS
        for bin_, count in counted:
            counts[bin_] = count
        return Bars(name, low, high, counts, logarithmic)

    def _years(self) -> Bars | None:
        """Return the histogram of years: one in each bin, or as many as let them fit."""
        counted = self._fetched(f"SELECT year, count(*) FROM {self._answer()} AND year IS NOT NULL GROUP BY 1")
        if not counted:
            return None
        low, high = min(year for year, _ in counted), max(year for year, _ in counted)
        width = -(-(high - low + 1) // BINS)
        counts = [0] * -(-(high - low + 1) // width)
        for year, count in counted:
            counts[(year - low) // width] += count
        return Bars("year", low, low + width * len(counts), counts, logarithmic=False)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the answer, all of them, for a file."""
        named = "".join(f', {score_column(n)} AS "{_quoted(name)}"' for n, name in enumerate(self._explorer.scores))
        sql = f"SELECT {_COLUMNS.removeprefix('number, ')}{named} FROM {self._answer()}"
        with self._given(), catalogue.limited(self._connection, FILE_SECONDS):
            yield from self._connection.sql(sql, params=self._conditions.parameters).to_arrow_reader(1 << 14)

    def others(self) -> pa.Table:
        """Return a hash of each id of the answer, with what may differ in another corpus."""
        columns = "hash(id) AS h, bytes AS other_bytes, kept AS other_kept, reason AS other_reason"
        sql = f"SELECT {columns} FROM {self._answer()}"
        with self._given(), catalogue.limited(self._connection, self.left):
            found: pa.Table = self._connection.sql(sql, params=self._conditions.parameters).to_arrow_table()
            return found

    def beside(self, other: pa.Table, which: str) -> tuple[Counts, list[Row]]:
        """Return counts and the first rows of what is in no other answer ("only"), or another there ("changed")."""
        own = f"(SELECT {_COLUMNS}, hash(id) AS h FROM {self._answer()})"
        differs = "bytes IS DISTINCT FROM other_bytes OR kept <> other_kept OR reason IS DISTINCT FROM other_reason"
        apart = f"{own} ANTI JOIN other USING (h)" if which == "only" else f"{own} JOIN other USING (h) WHERE {differs}"
        sums = "count(*), coalesce(sum(bytes), 0), coalesce(sum(tokens), 0), count(tokens)"
        with catalogue.registered(self._connection, other=other):
            (counted,) = self._fetched(f"SELECT {sums} FROM {apart}")
            rows = self._fetched(f"SELECT {_COLUMNS} FROM {apart} ORDER BY number LIMIT {PAGE}")
        documents, size, tokens, with_tokens = map(int, counted)
        return Counts(documents, size, tokens, with_tokens), [Row(*row) for row in rows]

    def _matching(self) -> Rows | None:
        """Return the rows that have what is asked of texts, None if nothing is."""
        if not self.question.of_text:
            return None
        if self._found is None:
            key = (self.question.words, self.question.pattern, *(self._filters() if self._scans else ()))
            self._found = self._explorer.remembered(key)
            if self._found is None:
                self._found = self._look()
                self._explorer.remember(key, self._found)
        return self._found

    @property
    def _scans(self) -> bool:
        """Whether texts are read for the answer: for a pattern, or for words without an index of them."""
        return bool(self.question.pattern) or self._explorer.index.words is None

    def _filters(self) -> tuple[str, ...]:
        return (self._conditions.sql, *map(str, self._conditions.parameters))

    def _look(self) -> Rows:
        found: list[Numbers] = []
        exact = True
        try:
            found.extend(self._candidates())
        except OutOfTimeError:
            exact = False
        return Rows(np.concatenate([np.empty(0, np.uint64), *found]), exact)

    def _candidates(self) -> Iterator[Numbers]:
        index = self._explorer.index.words
        blocks = self._by_words(index) if index and self._words else self._by_filters()
        if not self._scans:
            yield from blocks
            return
        patterns = [(self.question.pattern, True)] if self.question.pattern else []
        if index is None:
            patterns += [(words.in_re2(one), one.there) for one in self._words]
        for block in blocks:
            chosen = self._chosen(block)
            yield from texts.matching(
                self._explorer.corpus.corpus, chosen, self._explorer.parts, patterns, self._looking
            )

    def _by_words(self, index: words.Words) -> Iterator[Numbers]:
        for block in index.numbers(self._words, (0, (1 << 64) - 1)):
            if time.monotonic() > self._looking:
                raise OutOfTimeError
            yield block

    def _by_filters(self) -> Iterator[Numbers]:
        sql = f"SELECT number FROM documents WHERE number BETWEEN ? AND ? AND {self._conditions.sql} ORDER BY number"
        for bounds in self._blocks():
            with catalogue.limited(self._connection, self.left):
                parameters = [*bounds, *self._conditions.parameters]
                yield np.asarray(self._connection.execute(sql, parameters).fetchnumpy()["number"], np.uint64)

    def _chosen(self, block: Numbers) -> Numbers:
        """Return those of a block for which the filters hold, before their texts are read."""
        sql = (
            f"SELECT number FROM documents SEMI JOIN block USING (number) WHERE {self._conditions.sql} ORDER BY number"
        )
        with (
            catalogue.registered(self._connection, block=pa.table({"number": pa.array(block)})),
            catalogue.limited(self._connection, self.left),
        ):
            found = self._connection.execute(sql, self._conditions.parameters).fetchnumpy()["number"]
        return np.asarray(found, np.uint64)


def _meant(field: str, asked: str, names: Sequence[str]) -> str:
    """Return that nothing is called so, with names that are like it, or the most frequent ones."""
    low = {name.lower(): name for name in reversed(names)}
    like = [name for name in names if asked.lower() in name.lower()][:CLOSE]
    close = like or [low[name] for name in difflib.get_close_matches(asked.lower(), list(low), CLOSE, 0.75)]
    what = f"{field}: no document or drop of this corpus has {asked!r}"
    if close:
        return f"{what}; there is {', '.join(close)}"
    return f"{what}; the most frequent are {', '.join(names[:CLOSE])}" if names else what


def _check_same(row: Row, found: dict[str, Any]) -> None:
    """Raise ValueError where a corpus' file has another row than the one that was indexed."""
    if found["id"] != row.id:
        raise ValueError(f"{row.id}: the corpus was built again since it was indexed: start the explorer again")


def row_in_part(row: Row) -> int:
    """Return the number of a row in its file."""
    return row.number & ((1 << ROWS_OF_A_PART) - 1)


def _quoted(name: str) -> str:
    """Return the name of a score as a column beside the others."""
    beside = f"{name}_score" if name in _COLUMNS.split(", ")[1:] else name
    return beside.replace('"', '""')
