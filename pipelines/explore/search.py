"""Answers to questions: counts, lists, what they are made up of; each within a time limit.

    words, pattern ─> numbers of rows ─┐
    filters ─> conditions ─────────────┴─ DuckDB, block of parts by block ─> documents, bytes, tokens

Counts are exact, or those of what was looked at when the time was over: "at least".
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.explore import catalogue, texts, words
from pipelines.explore.catalogue import ROWS_OF_A_PART, OutOfTimeError
from pipelines.explore.index import Index, Wanted
from pipelines.explore.questions import Question, conditions, ordered, plain_address, score_column
from pipelines.explore.recent import Recent
from pipelines.explore.texts import Line, Numbers
from pipelines.hashing import keyed

SECONDS: Final = 20.0  # of a question, unless the command line says otherwise
BLOCK: Final = 2_000_000  # rows that are counted between two looks at the clock
PAGE: Final = 20  # rows of a list
LISTED: Final = 12  # values of a column
FILE_SECONDS: Final = 600.0  # in which a file of all rows is written
LOOKING: Final = 0.6  # of the time goes to finding rows by their texts, what is left to what is told of them
HALF: Final = LOOKING / 2  # where it is for two corpora, of which the first leaves this to the second
COMPARING: Final = 0.85  # of the time is over when two answers have been compared
MARKED: Final = 16  # words of a question, the first, that are marked in a line
REMEMBERED: Final = 8  # sets of rows of earlier questions
BREAKDOWNS: Final = ("source", "reason", "language", "place", "license", "year")
# Of a breakdown: the value that is shown, and by what rows are put together; case does not count in questions either.
_VALUES: Final = {column: (f"min({column})", f"lower({column})") for column in ("language", "place", "license")} | {
    "reason": ("stage || '/' || reason",) * 2
}
TOTALS: Final = "count(*), coalesce(sum(bytes), 0), coalesce(sum(tokens), 0), count(tokens)"  # of Counts
COLUMNS: Final = (
    "number, id, source, kept, stage, reason, language, place, license, year, bytes, tokens, title, url, "
    "detail, decided, bound"
)


@dataclass(frozen=True)
class Counts:
    """How many documents, bytes and tokens; `counted` documents have tokens, which dropped ones have not."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0
    counted: int = 0
    exact: bool = True

    @classmethod
    def of(cls, found: Sequence[Any]) -> Counts:
        """Return what a query for TOTALS found."""
        documents, size, tokens, counted = map(int, found)
        return cls(documents, size, tokens, counted)

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
    """A row of the catalogue, as a list shows it.

    `detail` is the text that decided a drop, `decided` the number, and `bound` what it was compared with. `score` is
    that which the question asks for; `line` is a match in its line, of a text that was read.
    """

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
    title: str | None
    url: str | None
    detail: str | None
    decided: float | None
    bound: float | None
    score: float | None = None
    line: Line | None = None


@dataclass(frozen=True)
class Values:
    """What an answer is made up of by one column: (value, documents, bytes), the most first; `rest` values are more."""

    column: str
    rows: Sequence[tuple[str | None, int, int]]
    rest: int


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
    recent: Recent[tuple[str, ...], Rows] = field(default_factory=lambda: Recent(REMEMBERED))

    def __post_init__(self) -> None:
        self.parts = {part.number: part for part in self.index.catalogue.parts()}
        self.scores = self.index.catalogue.scores()
        self.given = self.index.catalogue.given()
        self.steps = self.index.catalogue.steps()

    def asked(self, question: Question, looking: float = LOOKING) -> Asked:
        """Return a question as it is being answered, from now on; ValueError for one that cannot be asked here.

        `looking` is the part of the time that rows are found by their texts in.
        """
        return Asked(self, question, time.monotonic(), looking)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection for one reader."""
        return self.index.catalogue.connection.cursor()

    def by_id(self, identifier: str) -> Row | None:
        """Return the row of a document or a drop; of a document that was dropped for its id, the one that is kept."""
        found = catalogue.fetched(
            self.cursor(),
            f"SELECT {COLUMNS} FROM documents WHERE id = ? ORDER BY kept DESC LIMIT 1",
            [identifier],
            self.seconds,
        )
        return Row(*found[0]) if found else None

    def by_numbers(self, numbers: Sequence[int]) -> dict[int, Row]:
        """Return rows by their numbers."""
        sql = f"SELECT {COLUMNS} FROM documents WHERE number IN (SELECT unnest(?::UBIGINT[]))"
        found = catalogue.fetched(self.cursor(), sql, [list(numbers)], self.seconds)
        return {row[0]: Row(*row) for row in found}

    def scores_of(self, numbers: Sequence[int]) -> dict[int, dict[str, float | None]]:
        """Return the scores of rows by their numbers, named as columns beside the others are."""
        columns = "".join(f", {score_column(place)}" for place in range(len(self.scores)))
        sql = f"SELECT number{columns} FROM documents WHERE number IN (SELECT unnest(?::UBIGINT[]))"
        names = list(map(column_name, self.scores))
        found = catalogue.fetched(self.cursor(), sql, [list(numbers)], self.seconds)
        return {number: dict(zip(names, values, strict=True)) for number, *values in found}

    def twins(self, rows: Sequence[Row]) -> dict[str, Row]:
        """Return, by the ids of another corpus' rows, the rows that are the same here: by id, else by address."""
        fields = ("id", "source", "url")
        wanted = pa.table({name: pa.array([getattr(row, name) for row in rows], pa.string()) for name in fields})
        own = ", ".join(f"d.{name}" for name in COLUMNS.split(", "))
        sql = f"""SELECT w.id, {own} FROM documents d JOIN wanted w USING (id) UNION ALL
                  SELECT w.id, {own} FROM documents d JOIN wanted w USING (source, url) WHERE d.id <> w.id
                  ORDER BY id_1 = id, kept, number DESC"""
        connection = self.cursor()
        with catalogue.registered(connection, wanted=wanted):
            found = catalogue.fetched(connection, sql, [], self.seconds)
        return {asked: Row(*row) for asked, *row in found}  # of several the last one

    def with_its_address(self, row: Row) -> list[Row]:
        """Return the pages of a source that stay for one that was dropped for its address: there should be one."""
        address = conditions(Question(source=row.source, address=plain_address(row.url or "")), ())
        sql = f"""SELECT {COLUMNS} FROM documents WHERE {address.sql} AND number <> ?
                  AND reason IS DISTINCT FROM ? ORDER BY kept DESC, number LIMIT {LISTED}"""
        found = catalogue.fetched(self.cursor(), sql, [*address.parameters, row.number, row.reason], self.seconds)
        return [Row(*one) for one in found]

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
        found = texts.rows(self.corpus.corpus, [row.number], self.parts, ()).get(row.number)
        if found is None:
            raise ValueError(self.gone(row))
        _check_same(row, found)
        return dict(found)

    def gone(self, row: Row) -> str:
        """Return that the file of a row is not there."""
        return f"{self.corpus.corpus}/{self.path_of(row)} is gone: altiplano verify names what a corpus lacks"


class Asked:
    """A question that is being answered until its time is over."""

    def __init__(self, explorer: Explorer, question: Question, start: float, looking: float = LOOKING) -> None:
        self.explorer, self.question, self._start = explorer, question, start
        self._deadline, self._looking = start + explorer.seconds, start + looking * explorer.seconds
        self._compared = start + COMPARING * explorer.seconds
        self._words = words.asked(question.words)
        if question.score and question.score not in explorer.given:
            raise ValueError(f"score: nothing has {question.score!r}; there are {', '.join(explorer.given) or 'none'}")
        if question.pattern:
            texts.check_pattern(question.pattern)
        self._conditions = conditions(question, explorer.scores)
        self.connection = explorer.cursor()
        self._found: Rows | None = None

    def alike(self, question: Question) -> Asked:
        """Return another question in the time of this one; what was found in texts is not looked for again."""
        other = Asked(self.explorer, question, self._start)
        if self._found is not None and other._key() == self._key():
            other._found = self._found
        return other

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._deadline - time.monotonic()

    @property
    def left_to_compare(self) -> float:
        """The seconds that are left to compare the answer with another one."""
        return self._compared - time.monotonic()

    @property
    def exact(self) -> bool:
        """Whether all texts were looked at that are to be, so that the rows of the answer are all that there are."""
        rows = self.matching()
        return rows is None or rows.exact

    def counts(self) -> Counts:
        """Return how many documents, bytes and tokens the question takes."""
        total = Counts(exact=self.exact)
        sql = f"SELECT {TOTALS} FROM {self.answer()} AND number BETWEEN ? AND ?"
        try:
            for bounds in self._blocks():
                (found,) = self.fetched(sql, bounds)
                total += Counts.of(found)
        except OutOfTimeError:
            return replace(total, exact=False)
        return total

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of numbers, whole parts each, of about BLOCK rows."""
        sql = "SELECT part, row_count FROM parts ORDER BY part"
        first, last, held = 0, -1, 0
        for part, count in self.connection.execute(sql).fetchall():
            held, last = held + count, part
            if held >= BLOCK:
                yield first, ((part + 1) << ROWS_OF_A_PART) - 1
                first, held = (part + 1) << ROWS_OF_A_PART, 0
        if held:
            yield first, ((last + 1) << ROWS_OF_A_PART) - 1

    def answer(self) -> str:
        """Return what SELECT takes the answer from; `fetched` gives it what it names."""
        joined = "documents" if self.matching() is None else "documents SEMI JOIN found USING (number)"
        return f"{joined} WHERE {self._conditions.sql}"

    @contextmanager
    def given(self) -> Iterator[None]:
        """Let the connection see what `answer` names."""
        rows = self.matching()
        given = {} if rows is None else {"found": pa.table({"number": pa.array(rows.numbers)})}
        with catalogue.registered(self.connection, **given):
            yield

    def fetched(self, sql: str, behind: Sequence[Any] = (), before: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query over the answer; parameters before and behind those of the conditions."""
        with self.given():
            parameters = [*before, *self._conditions.parameters, *behind]
            return catalogue.fetched(self.connection, sql, parameters, self.left)

    def plain(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query over the whole catalogue."""
        return catalogue.fetched(self.connection, sql, parameters, self.left)

    def table(self, sql: str, behind: Sequence[Any] = (), **given: pa.Table) -> pa.Table:
        """Return a query over the answer and other tables as a table, to be compared with another answer's."""
        parameters = [*self._conditions.parameters, *behind]
        with self.given(), catalogue.registered(self.connection, **given):
            return self._as_table(sql, parameters)

    def plain_table(self, sql: str, **given: pa.Table) -> pa.Table:
        """Return a query over the whole catalogue and other tables as a table, to be compared with another answer's."""
        with catalogue.registered(self.connection, **given):
            return self._as_table(sql, ())

    def _as_table(self, sql: str, parameters: Sequence[Any]) -> pa.Table:
        with catalogue.limited(self.connection, self.left_to_compare):
            found: pa.Table = self.connection.sql(sql, params=parameters).to_arrow_table()
            return found

    def page(self, start: int) -> list[Row]:
        """Return a page of the list, in the order that is asked for, each with a match in its line."""
        sql = f"SELECT {COLUMNS}, {self._score()} FROM {self.answer()} ORDER BY {self._order()} LIMIT {PAGE} OFFSET ?"
        return self.shown([Row(*row) for row in self.fetched(sql, [start])])

    def _order(self) -> str:
        return ordered(self.question, self.explorer.scores)

    def _score(self) -> str:
        """Return the column of the score that is asked for."""
        return score_column(self.explorer.scores.index(self.question.score)) if self.question.score else "NULL"

    def drawn(self, seed: int) -> Row:
        """Return one of the documents, any with the same chance, the same one for a seed; no_rows() if none is."""
        sql = f"SELECT {COLUMNS} FROM {self.answer()} ORDER BY hash(xor(number, ?::UBIGINT)) LIMIT 1"
        found = self.fetched(sql, [keyed("drawn", str(seed))])
        if not found:
            raise self.no_rows()
        return Row(*found[0])

    def no_rows(self) -> LookupError | OutOfTimeError:
        """Return that no document is like this, or that none was found in the time."""
        none = f"None was found in the time limit of {self.explorer.seconds:g} s: ask for less, or give more time"
        return LookupError("No document is like this") if self.exact else OutOfTimeError(none)

    def shown(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows with a line of the text."""
        columns = ("id", "text", "excerpt")
        found = texts.rows(self.explorer.corpus.corpus, [row.number for row in rows], self.explorer.parts, columns)
        patterns = self.patterns()
        shown = []
        for row in rows:
            values = found.get(row.number)
            if values is None:
                shown.append(replace(row, line=texts.Line([(self.explorer.gone(row), False)])))
                continue
            _check_same(row, values)
            text = values.get("text") or values.get("excerpt")
            line = texts.line(text, patterns, self.question.pattern, self._deadline) if text else None
            shown.append(replace(row, line=line))
        return shown

    def patterns(self) -> list[re.Pattern[str]]:
        """Return patterns that find the words of the question in a text."""
        return [words.in_python(one) for one in self._words if one.there][:MARKED]

    def breakdown(self, column: str, start: int = 0, most: int = LISTED) -> Values:
        """Return what the answer is made up of by one of BREAKDOWNS: `most` values from a place on."""
        value, group = _VALUES.get(column, (column, column))
        sql = f"""SELECT {value}, count(*), coalesce(sum(bytes), 0), count(*) OVER () FROM {self.answer()}
                  GROUP BY {group} ORDER BY 2 DESC, 1 LIMIT {most} OFFSET {start}"""
        found = self.fetched(sql)
        listed = [(None if value is None else str(value), int(count), int(size)) for value, count, size, _ in found]
        return Values(column, listed, int(found[0][3]) - start - len(found) if found else 0)

    def batches(self, most: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the answer in the order of the list, for a file: the first `most`, or all of them."""
        scores = enumerate(self.explorer.scores)
        given = [(n, column_name(name).replace('"', '""')) for n, name in scores if name in self.explorer.given]
        named = "".join(f', {score_column(n)} AS "{quoted}"' for n, quoted in given)
        columns = COLUMNS.removeprefix("number, ").removesuffix(", decided, bound")  # which are scores too
        sql = f"SELECT {columns}{named} FROM {self.answer()} ORDER BY {self._order()}"
        sql += f" LIMIT {most}" if most else ""
        with self.given(), catalogue.limited(self.connection, FILE_SECONDS):
            yield from self.connection.sql(sql, params=self._conditions.parameters).to_arrow_reader(1 << 14)

    def matching(self) -> Rows | None:
        """Return the rows that have what is asked of texts, None if nothing is."""
        if not self.question.of_text:
            return None
        if self._found is None:
            self._found = self.explorer.recent.get(self._key())
            if self._found is None:
                self._found = self._look()
                if self._found.exact:  # who asks again gives it more time
                    self.explorer.recent.keep(self._key(), self._found)
        return self._found

    def _key(self) -> tuple[str, ...]:
        """Return all that the rows which have what is asked of texts depend on."""
        return (self.question.words, self.question.pattern, *(self._filters() if self.scans else ()))

    @property
    def scans(self) -> bool:
        """Whether texts are read for the answer: for a pattern, or for words without an index of them."""
        return bool(self.question.pattern or (self.question.words and self.explorer.index.words is None))

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
        index = self.explorer.index.words
        blocks = self._by_words(index) if index and self._words else self._by_filters()
        if not self.scans:
            yield from blocks
            return
        patterns = [(self.question.pattern, True)] if self.question.pattern else []
        if index is None:
            patterns += [(words.in_re2(one), one.there) for one in self._words]
        for block in blocks:
            chosen = self._chosen(block)
            yield from texts.matching(self.explorer.corpus.corpus, chosen, self.explorer.parts, patterns, self._looking)

    def _by_words(self, index: words.Words) -> Iterator[Numbers]:
        for block in index.numbers(self._words, (0, (1 << 64) - 1)):
            if time.monotonic() > self._looking:
                raise OutOfTimeError
            yield block

    def _by_filters(self) -> Iterator[Numbers]:
        sql = f"SELECT number FROM documents WHERE number BETWEEN ? AND ? AND {self._conditions.sql} ORDER BY number"
        for bounds in self._blocks():
            with catalogue.limited(self.connection, self.left):
                parameters = [*bounds, *self._conditions.parameters]
                yield np.asarray(self.connection.execute(sql, parameters).fetchnumpy()["number"], np.uint64)

    def _chosen(self, block: Numbers) -> Numbers:
        """Return those of a block for which the filters hold, before their texts are read."""
        sql = (
            f"SELECT number FROM documents SEMI JOIN block USING (number) WHERE {self._conditions.sql} ORDER BY number"
        )
        with (
            catalogue.registered(self.connection, block=pa.table({"number": pa.array(block)})),
            catalogue.limited(self.connection, self.left),
        ):
            found = self.connection.execute(sql, self._conditions.parameters).fetchnumpy()["number"]
        return np.asarray(found, np.uint64)


def _check_same(row: Row, found: dict[str, Any]) -> None:
    """Raise ValueError where a corpus' file has another row than the one that was indexed."""
    if found["id"] != row.id:
        raise ValueError(f"{row.id}: the corpus was built again since it was indexed: start the explorer again")


def row_in_part(row: Row) -> int:
    """Return the number of a row in its file."""
    return row.number & ((1 << ROWS_OF_A_PART) - 1)


def column_name(score: str) -> str:
    """Return the name of a score as a column beside the others."""
    return f"{score}_score" if score in COLUMNS.split(", ")[1:] else score
