"""The catalogue: a row for each document and each drop of a corpus, without its text, in a file of DuckDB.

    part (a file of documents or drops) ─ row group by row group ─> rows: id, source, stage, reason, language, ...
    tokens/SOURCE ─ shard by shard ─> tokens of each row, its shard and place in it ─> tokens of documents
    SOURCE/copies ─> which document stays for which

A row's number is that of its part and its own in the part, so that words and texts are found by it. The file opens no
other file and no connection: what is read comes through `pipelines.files`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.document import LIMIT, VALUE
from pipelines.explore.questions import score_column
from pipelines.files import tables
from pipelines.stages import counts

FILE: Final = "catalogue.duckdb"
VERSION: Final = 4  # of what is kept, and how
ROWS_OF_A_PART: Final = 32  # bits of a number
SCORES: Final = 48  # columns of numbers that are kept
TITLE: Final = 1_000  # characters of a title that are kept
MEMORY: Final = "96MB"  # of DuckDB's; what is more goes to a file beside its own
COUNTED: Final = 1 << 18  # documents whose tokens are noted at a time, which DuckDB holds in memory until then
_FACTS = "facts"
# What neighbouring numbers of a type are apart, as a part of their size.
_STEPS: Final = {pa.float16(): 2.0**-10, pa.float32(): 2.0**-23, pa.float64(): 2.0**-52}
# What all documents have, and all drops; by own texts' columns of the names of drops nobody was dropped.
_OF_DOCUMENTS, _OF_DROPS = frozenset(tables.DOCUMENT_SCHEMA.names), frozenset(tables.DROP_SCHEMA.names)
_REPOSITORY: Final = r"^https?://(?:www\.)?github\.com/(?P<place>[^/?#]+/[^/?#]+)"
_TABLES: Final = (
    "CREATE TABLE facts(name VARCHAR PRIMARY KEY, value VARCHAR)",
    "CREATE TABLE scores(place INTEGER PRIMARY KEY, name VARCHAR, step DOUBLE)",
    """CREATE TABLE parts(part UINTEGER PRIMARY KEY, source VARCHAR, kept BOOLEAN, path VARCHAR, file VARCHAR,
       sha256 VARCHAR, row_count UBIGINT)""",
    f"""CREATE TABLE documents(number UBIGINT, id VARCHAR, source VARCHAR, kept BOOLEAN, stage VARCHAR, reason VARCHAR,
       language VARCHAR, place VARCHAR, license VARCHAR, year SMALLINT, bytes UBIGINT, tokens UBIGINT, title VARCHAR,
       url VARCHAR, detail VARCHAR, decided DOUBLE, bound DOUBLE, content UBIGINT,
       {", ".join(f"{score_column(place)} DOUBLE" for place in range(SCORES))})""",
    """CREATE TABLE tokens(source VARCHAR, file VARCHAR, file_row UBIGINT, split VARCHAR, shard VARCHAR,
       "first" UBIGINT, tokens UBIGINT, bytes UBIGINT)""",
    "CREATE TABLE copies(source VARCHAR, kept VARCHAR, id VARCHAR, stage VARCHAR, reason VARCHAR, share DOUBLE)",
)


class OutOfTimeError(Exception):
    """A question that the time limit ended; its text, if it has one, says what could not be told."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How many documents and drops of a source have a score, and from where to where it goes where it is finite."""

    documents: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Part:
    """A file of documents or drops: its number, whose it is, its path in the corpus, its content's SHA-256."""

    number: int
    source: str
    kept: bool
    path: str
    sha256: str

    @property
    def first(self) -> int:
        """The number of its first row."""
        return self.number << ROWS_OF_A_PART


def opened(path: str) -> duckdb.DuckDBPyConnection:
    """Open a catalogue's file, or ":memory:", with its tables; ValueError for a file that is none."""
    try:
        connection = duckdb.connect(path)
        # First of all: from here on it opens nothing but its own file, and reads no variable of ours as a table.
        for setting in (
            "enable_external_access = false",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "python_enable_replacements = false",
            f"memory_limit = '{MEMORY}'",
            "threads = 2",
            "preserve_insertion_order = false",
            "lock_configuration = true",
        ):
            connection.execute(f"SET {setting}")
        there = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [_FACTS]).fetchone()
        if there == (0,):
            _make_tables(connection)
    except duckdb.Error as error:
        if "lock" in str(error):
            raise ValueError(f"{path}: another explorer has this index open: end it, or name another --index") from None
        raise ValueError(f"{path}: cannot be opened as a catalogue: {error}") from None
    return connection


def _make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    for table in _TABLES:
        connection.execute(table)


class Catalogue:
    """A catalogue that is open: what it holds, and how it is kept up to date."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def fact(self, name: str) -> str:
        """Return a fact by name, "" if there is none."""
        found = self.connection.execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
        return str(found[0]) if found else ""

    def note(self, name: str, value: str) -> None:
        """Note a fact."""
        self.connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", [name, value])

    def parts(self) -> list[Part]:
        """Return the parts that it holds."""
        rows = self.connection.execute("SELECT part, source, kept, path, sha256 FROM parts ORDER BY part").fetchall()
        return [Part(*row) for row in rows]

    def scores(self) -> list[str]:
        """Return the names of the columns of scores."""
        return [name for (name,) in self.connection.execute("SELECT name FROM scores ORDER BY place").fetchall()]

    def steps(self) -> dict[str, float]:
        """Return of each score what neighbouring values of its type are apart, as a part of their size; 0 of integers.

        Of a score that parts store in several types that of the coarsest.
        """
        return dict(self.connection.execute("SELECT name, step FROM scores ORDER BY place").fetchall())

    def given(self) -> dict[str, dict[str, Measured]]:
        """Return the scores that any row has, in the order of their columns, by source."""
        names = self.scores()
        columns = [score_column(place) for place in range(len(names))]
        finite = [f"{{}}({one}) FILTER (isfinite({one}))" for one in columns]
        told = "".join(
            f", count({one}), {bound.format('min')}, {bound.format('max')}"
            for one, bound in zip(columns, finite, strict=True)
        )
        sql = f"SELECT source{told} FROM documents GROUP BY 1 ORDER BY 1"
        found: dict[str, dict[str, Measured]] = {name: {} for name in names}
        for source, *row in self.connection.execute(sql).fetchall():
            for place, name in enumerate(names):
                if row[3 * place]:
                    found[name][source] = Measured(*row[3 * place : 3 * place + 3])
        return {name: sources for name, sources in found.items() if sources}

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all changes of a block, or none."""
        self.connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def forget_all(self) -> None:
        """Begin anew, whatever tables an earlier version made."""
        with self.together():
            for (name,) in self.connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                self.connection.execute(f'DROP TABLE "{name}"')
            _make_tables(self.connection)

    def remove(self, part: Part) -> None:
        """Remove a part and its rows."""
        bounds = [part.first, part.first + (1 << ROWS_OF_A_PART) - 1]
        self.connection.execute("DELETE FROM documents WHERE number BETWEEN ? AND ?", bounds)
        self.connection.execute("DELETE FROM parts WHERE part = ?", [part.number])

    def add(self, part: Part, groups: Iterable[pa.Table]) -> int:
        """Add a part, given as tables of its row groups; return how many rows it has."""
        rows = 0
        for group in groups:
            names = self._places(part, group.schema)
            incoming = _incoming(part, group, rows, names).append_column("content", self._contents(group))
            with registered(self.connection, incoming=incoming):
                columns = ", ".join(incoming.column_names)
                self.connection.execute(f"INSERT INTO documents ({columns}) SELECT {columns} FROM incoming")
            rows += group.num_rows
        file = part.path.rpartition("/")[2].removesuffix(".parquet")
        values = [part.number, part.source, part.kept, part.path, file, part.sha256, rows]
        self.connection.execute("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        return rows

    def _contents(self, group: pa.Table) -> Any:
        """Return a hash of each text, null where it was not read.

        Not in the transaction of what is added, which would hold the texts until its end.
        """
        if "text" not in group.column_names:
            return pa.nulls(group.num_rows, pa.uint64())
        cursor = self.connection.cursor()
        with registered(cursor, texts=group.select(["text"])):
            return cursor.sql("SELECT hash(text) AS content FROM texts").to_arrow_table()["content"]

    def _places(self, part: Part, schema: pa.Schema) -> dict[str, str]:
        """Return the columns of scores for the numbers that a part has, taking those that are free for new ones."""
        known, core = self.scores(), _OF_DOCUMENTS if part.kept else _OF_DROPS
        numbers = [field for field in schema if field.name not in core and counts.is_number(field.type)]
        for field in numbers:
            step = _STEPS.get(field.type, 0.0)
            if field.name in known:
                sql = "UPDATE scores SET step = ? WHERE name = ? AND step < ?"
                self.connection.execute(sql, [step, field.name, step])
            elif len(known) < SCORES:
                self.connection.execute("INSERT INTO scores VALUES (?, ?, ?)", [len(known), field.name, step])
                known.append(field.name)
        places = {name: score_column(place) for place, name in enumerate(known)}
        return {field.name: places[field.name] for field in numbers if field.name in places}

    def set_tokens(self, source: str, shards: Iterable[pa.Table]) -> None:
        """Take over where the tokens of a source's documents are, and how many each has.

        Each shard for good: DuckDB holds in memory what a transaction adds or changes. What is ended in between is to
        be done again.
        """
        self.connection.execute("DELETE FROM tokens WHERE source = ?", [source])
        for shard in shards:
            with registered(self.connection, incoming=shard):
                self.connection.execute(
                    'INSERT INTO tokens SELECT ?, file, "row", split, shard, "first", tokens, bytes FROM incoming',
                    [source],
                )
        for first, last in self._runs(source):
            self._count_tokens(source, first, last)

    def _runs(self, source: str) -> Iterator[tuple[int, int]]:
        """Yield the first and last of parts of a source that have about so many documents together."""
        first, rows = None, 0
        found = self.connection.execute(
            "SELECT part, row_count FROM parts WHERE source = ? AND kept ORDER BY part", [source]
        ).fetchall()
        for number, (part, count) in enumerate(found):
            first, rows = part if first is None else first, rows + count
            if rows >= COUNTED or number == len(found) - 1:
                yield first, part
                first, rows = None, 0

    def _count_tokens(self, source: str, first: int, last: int) -> None:
        """Note the tokens of the documents of some parts, and their bytes where no text was read for them."""
        self.connection.execute(
            f"""UPDATE documents SET tokens = t.tokens, bytes = coalesce(documents.bytes, t.bytes)
                FROM tokens t JOIN parts p ON t.source = p.source AND t.file = p.file AND p.kept
                WHERE t.source = ? AND p.part BETWEEN ? AND ? AND documents.number BETWEEN ? AND ?
                AND documents.number = (p.part::UBIGINT << {ROWS_OF_A_PART}) + t.file_row""",
            [source, first, last, first << ROWS_OF_A_PART, ((last + 1) << ROWS_OF_A_PART) - 1],
        )

    def set_copies(self, source: str, found: Iterable[pa.Table]) -> None:
        """Take over a source's table of copies, each piece of it for good."""
        self.connection.execute("DELETE FROM copies WHERE source = ?", [source])
        for table in found:
            with registered(self.connection, incoming=table):
                self.connection.execute(
                    "INSERT INTO copies SELECT ?, kept, id, stage, reason, share FROM incoming", [source]
                )


def columns(schema: pa.Schema, *, text: bool) -> list[str]:
    """Return the names of the columns of a part that the catalogue is made of, the text too if it is asked for."""
    wanted = {"id", "url", "title", "language", "license", "timestamp", "repository", "site"}
    wanted |= set() if "dump" in schema.names else {"stage", "reason", "detail", "size"}  # drops have no place in one
    wanted |= {"text", "excerpt"} if text else set()
    return [field.name for field in schema if field.name in wanted or counts.is_number(field.type)]


def _incoming(part: Part, group: pa.Table, before: int, scores: Mapping[str, str]) -> pa.Table:
    """Return the rows of the catalogue for a row group behind `before` others."""
    count = group.num_rows
    numbers = np.arange(count, dtype=np.uint64) + np.uint64(part.first + before)
    there = set(group.column_names)
    found: dict[str, Any] = {
        "number": pa.array(numbers),
        "id": group["id"],
        "source": pa.repeat(part.source, count),
        "kept": pa.repeat(part.kept, count),
        "place": _place(part, group),
        "language": group["language"],
        "license": group["license"],
        "year": pc.year(group["timestamp"]),
        "title": pc.utf8_slice_codeunits(group["title"], 0, TITLE),
        "url": group["url"],
    }
    if not part.kept:
        named = {name: name for name in ("stage", "reason", "detail")} | {VALUE: "decided", LIMIT: "bound"}
        found |= {column: group[name] for name, column in named.items() if name in there} | {"bytes": group["size"]}
    elif "text" in there:
        found["bytes"] = pc.binary_length(group["text"])
    # Of an integer that a float does not hold, such as a long id, the nearest one.
    found |= {column: group[name].cast(pa.float64(), safe=False) for name, column in scores.items()}
    return pa.table(found)


def _place(part: Part, group: pa.Table) -> Any:
    """Return the repository, site or host of each row; of an address its host, or on GitHub its repository."""
    for name in ("repository", "site"):
        if name in group.column_names and pa.types.is_string(group.schema.field(name).type):
            return group[name]
    if part.source == "github":
        return pc.struct_field(pc.extract_regex(group["url"], _REPOSITORY), "place")
    return counts.hosts(group["url"])


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, **given: pa.Table) -> Iterator[None]:
    """Let SQL see tables by name."""
    for name, table in given.items():
        connection.register(name, table)
    try:
        yield
    finally:
        for name in given:
            with suppress(duckdb.TransactionException):  # of one that has failed, whose own error is told
                connection.unregister(name)


@contextmanager
def limited(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt what a connection does in a block after some seconds; OutOfTimeError then."""
    if seconds <= 0:
        raise OutOfTimeError
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        yield
    except duckdb.InterruptException:
        raise OutOfTimeError from None
    finally:
        timer.cancel()


def fetched(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any], seconds: float
) -> list[tuple[Any, ...]]:
    """Return the rows of a query; OutOfTimeError if it takes longer."""
    with limited(connection, seconds):
        found: list[tuple[Any, ...]] = connection.execute(sql, parameters).fetchall()
        return found
