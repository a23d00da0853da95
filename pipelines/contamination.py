"""Which benchmark examples stand in the corpus: n-gram overlap of every source with benchmark sets.

    python -m pipelines.contamination data/corpus BENCHMARK [BENCHMARK ...] [--drop ids.txt]

    benchmark files ─ words ─ n-grams ─> sorted hashes, with the examples they are from    (all that is in memory)
    documents, one at a time ─ words ─ n-grams ─> hits ─> table per benchmark and source, ids of documents

A BENCHMARK is a file or a folder of `.arrow`, `.parquet`, `.jsonl` or `.jsonl.gz` files, or NAME=PATH. The rules are
those of GPT-3's filter (Brown et al. 2020, appendix C): words are compared without case and punctuation, in runs of 13;
a text of 8 to 12 words is one run as a whole, a shorter one proves nothing and is left out; a run that is in more than
10 documents is common language or boilerplate. The strings of an example are compared each for itself, so that no run
reaches from a question into an answer. Imports no Beam.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from pipelines import command_lines
from pipelines.account.finished import corpus_manifest, source_manifest
from pipelines.files import arrow_batches, commands, ours, parquet_pages, paths, storage, tables

LONGEST: Final = 13
SHORTEST: Final = 8
MAX_DOCUMENTS: Final = 10
_WORD: Final = re.compile(r"[^\W_]+")
_BASE: Final = np.uint64(0x9E3779B97F4A7C15)  # any odd number: the hash of a run is a polynomial in it, modulo 2^64
_CACHED_WORDS: Final = 1 << 20
_SIEVE_BITS: Final = 24  # a table of 16 MiB says of most runs that no benchmark has them
_LONGEST_LINE: Final = 64 << 20  # bytes
_BATCH_ROWS: Final = 1 << 16
_SUFFIXES: Final = (".arrow", ".parquet", ".jsonl", ".jsonl.gz", ".json.gz")


class _WordHashes(dict[str, int]):
    """The 64-bit hash of a word, remembered."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _CACHED_WORDS:
            self.clear()
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        value = self[word] = int.from_bytes(digest, "little")
        return value


_HASHES: Final = _WordHashes()


def words(text: str) -> NDArray[np.uint64]:
    """Return a hash of each word of `text`: letters and digits in lower case, punctuation and underscores removed."""
    found = _WORD.findall(text.lower())
    return np.fromiter(map(_HASHES.__getitem__, found), np.uint64, len(found))


def runs(text: NDArray[np.uint64], lengths: range) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Yield (n, hash of each run of n words) for every n of `lengths` that the words are enough for."""
    total = np.zeros(len(text) + 1, np.uint64)
    for size in range(1, min(lengths[-1], len(text)) + 1):
        total = total[:-1] * _BASE + text[size - 1 :]
        if size in lengths:
            # The length is mixed in: a whole text of 8 words is no run of the beginning of a longer one.
            yield size, (total ^ np.uint64(size)) * _BASE


def examples(path: Path) -> Iterator[Any]:
    """Yield the rows of a benchmark's file; raise ValueError naming it if it cannot be read."""
    try:
        if path.name.endswith(".arrow"):
            yield from _arrow(path)
        elif path.name.endswith(".parquet"):
            yield from _parquet(path)
        else:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
                while line := stream.readline(_LONGEST_LINE):
                    if len(line) == _LONGEST_LINE:
                        raise ValueError(f"a line of more than {_LONGEST_LINE} bytes")
                    if line.strip():
                        yield json.loads(line)
    except (OSError, EOFError, ValueError, RecursionError, pa.ArrowException) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error


def _parquet(path: Path) -> Iterator[Any]:
    with path.open("rb") as stream:
        table = parquet_pages.ParquetFile(stream)
        for group in range(table.num_row_groups):
            size = parquet_pages.batch_rows(stream, table, group, table.schema_arrow.names, _BATCH_ROWS)
            for batch in table.iter_batches(size, row_groups=[group], use_threads=False):
                yield from _rows(batch)


def _arrow(path: Path) -> Iterator[Any]:
    for batch in arrow_batches.batches(path):
        yield from _rows(batch)


def _rows(batch: pa.RecordBatch) -> Iterator[Any]:
    # One by one: a value that a dictionary holds once is made for each row that names it.
    for row in range(batch.num_rows):
        yield from batch.slice(row, 1).to_pylist()


def strings(value: Any) -> Iterator[str]:
    """Yield the strings of an example at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def _files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return [file for file in files if file.is_file() and file.name.endswith(_SUFFIXES)]


def benchmarks_in(directory: Path) -> list[Path]:
    """Return the entries of a directory that are benchmarks, in the order of names; ValueError if there are none."""
    found = [path for path in sorted(directory.iterdir()) if _files(path)] if directory.is_dir() else []
    if not found:
        raise ValueError(f"a directory with a file or folder of {', '.join(_SUFFIXES)} for each benchmark is expected")
    return found


def digests(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a directory's benchmarks.

    Raises ValueError naming a file that cannot be read, and two benchmarks of one name.
    """
    found = benchmarks_in(directory)
    names = [benchmark_files(str(path))[0] for path in found]
    if doubled := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"two benchmarks are called {doubled[0]}")
    files = [file for path in found for file in _files(path)]
    for file in files:
        for _ in examples(file):
            pass
    return {str(file.relative_to(directory)): storage.sha256(str(file)) for file in files}


def benchmark_files(argument: str) -> tuple[str, list[Path]]:
    """Return the name and the files of a benchmark from PATH or NAME=PATH; raise ValueError if there are none."""
    name, equals, path_text = argument.rpartition("=")
    path = Path(path_text)
    files = _files(path)
    if not files:
        raise ValueError(f"{path}: no file of {', '.join(_SUFFIXES)} (is the path right?)")
    return name if equals else path.name.split(".")[0], files


@dataclass
class Index:
    """The runs of all benchmarks, sorted by hash: run i is from examples `owners[starts[i]:starts[i + 1]]`.

    Example e is from benchmark `benchmark[e]`; `total` and `short` count a benchmark's examples, and those without a
    text of enough words.
    """

    lengths: range
    names: list[str]
    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    owners: NDArray[np.int64]
    benchmark: NDArray[np.int64]
    total: list[int]
    short: list[int]
    sieve: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.sieve = np.zeros(1 << _SIEVE_BITS, np.bool_)
        self.sieve[self.hashes >> np.uint64(64 - _SIEVE_BITS)] = True

    def hits(self, text: str) -> NDArray[np.int64]:
        """Return the numbers of the runs that `text` has, each once, ascending."""
        found = []
        for _, hashes in runs(words(text), self.lengths):
            some = hashes[self.sieve[hashes >> np.uint64(64 - _SIEVE_BITS)]]
            at = np.minimum(np.searchsorted(self.hashes, some), len(self.hashes) - 1)
            found.append(at[self.hashes[at] == some])
        return np.unique(np.concatenate([np.empty(0, np.int64), *found])).astype(np.int64)


def build(benchmarks: Sequence[str], longest: int = LONGEST) -> Index:
    """Index the runs of `longest` words, or of a whole shorter text, of these benchmarks (PATH or NAME=PATH)."""
    if longest < 2:
        raise ValueError(f"n is {longest}; it must be at least 2")
    found: dict[str, Iterable[Any]] = {}
    for argument in benchmarks:
        name, files = benchmark_files(argument)
        if name in found:
            raise ValueError(f"two benchmarks are called {name}: name one with NAME=PATH")
        found[name] = itertools.chain.from_iterable(map(examples, files))
    return index(found, longest)


def index(benchmarks: Mapping[str, Iterable[Any]], longest: int = LONGEST) -> Index:
    """Index the runs of the examples of benchmarks by their names."""
    lengths = range(min(SHORTEST, longest), longest + 1)
    total, short = [], []
    found: list[NDArray[np.uint64]] = []
    owners: list[NDArray[np.int64]] = []
    benchmark: list[int] = []
    for number, rows in enumerate(benchmarks.values()):
        first = len(benchmark)
        without = 0
        for example in rows:
            hashes = _example_runs(example, lengths)
            found.append(hashes)
            owners.append(np.full(len(hashes), len(benchmark), np.int64))
            without += not len(hashes)
            benchmark.append(number)
        total.append(len(benchmark) - first)
        short.append(without)
    every = np.concatenate([np.empty(0, np.uint64), *found])
    order = np.argsort(every, kind="stable")
    hashes, starts = np.unique(every[order], return_index=True)
    owner = np.concatenate([np.empty(0, np.int64), *owners])[order]
    bounds = np.append(starts, len(every)).astype(np.int64)
    return Index(lengths, list(benchmarks), hashes, bounds, owner, np.array(benchmark, np.int64), total, short)


def _example_runs(example: Any, lengths: range) -> NDArray[np.uint64]:
    found = [np.empty(0, np.uint64)]
    for text in strings(example):
        hashed = words(text)
        size = min(len(hashed), lengths[-1])
        if size >= lengths[0]:
            found += [hashes for n, hashes in runs(hashed, lengths) if n == size]
    return np.unique(np.concatenate(found))


@dataclass
class Overlap:
    """What of an index was found: of each run how many documents have it, and the first of them by source and id."""

    index: Index
    limit: int = MAX_DOCUMENTS
    read: dict[str, int] = field(default_factory=dict)
    documents: dict[int, list[tuple[str, str]]] = field(default_factory=dict)

    def add(self, source: str, identifier: str, text: str) -> None:
        """Look for the runs of one document."""
        self.read[source] = self.read.get(source, 0) + 1
        for run in self.index.hits(text).tolist():
            found = self.documents.setdefault(run, [])
            if len(found) <= self.limit:  # one more than the limit shows that it is over; memory stays bounded
                found.append((source, identifier))

    def evidence(self) -> dict[int, list[tuple[str, str]]]:
        """Return the runs that are in no more documents than the limit, with those documents."""
        return {run: found for run, found in self.documents.items() if len(found) <= self.limit}

    def examples(self) -> dict[str, set[int]]:
        """Return of each benchmark the numbers of its examples, from 0, that have a run in a document."""
        index = self.index
        numbers = {example for run in self.evidence() for example in self._owners(run)}
        firsts = np.searchsorted(index.benchmark, np.arange(len(index.names))).tolist()
        found: dict[str, set[int]] = {name: set() for name in index.names}
        for example in numbers:
            benchmark = int(index.benchmark[example])
            found[index.names[benchmark]].add(example - firsts[benchmark])
        return found

    def _owners(self, run: int) -> list[int]:
        index = self.index
        owners: list[int] = index.owners[index.starts[run] : index.starts[run + 1]].tolist()
        return owners

    def contaminated(self) -> list[tuple[str, str]]:
        """Return (source, id) of the documents that hold a run of a benchmark, sorted."""
        return sorted({document for found in self.evidence().values() for document in found})

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each benchmark and source with an overlap: examples and documents in it."""
        examples_in: dict[tuple[int, str], set[int]] = {}
        documents_in: dict[tuple[int, str], set[str]] = {}
        index = self.index
        for run, found in self.evidence().items():
            for example in self._owners(run):
                for source, identifier in found:
                    key = (int(index.benchmark[example]), source)
                    examples_in.setdefault(key, set()).add(example)
                    documents_in.setdefault(key, set()).add(identifier)
        return [
            {
                "benchmark": index.names[number],
                "source": source,
                "examples": len(examples_in[number, source]),
                "of_examples": index.total[number],
                "too_short": index.short[number],
                "documents": len(documents_in[number, source]),
                "of_documents": self.read[source],
            }
            for number, source in sorted(examples_in)
        ]


def scan(output: str, index: Index, sources: Iterable[str] = (), limit: int = MAX_DOCUMENTS) -> Overlap:
    """Compare the documents of a corpus' sources, or of all, with an index; raise ValueError naming what is missing."""
    corpus = corpus_manifest(output)
    names = list(sources) or corpus["sources"]
    if missing := [name for name in names if name not in corpus["sources"]]:
        raise ValueError(f"{output}: no source {', '.join(missing)}; available: {', '.join(corpus['sources'])}")
    overlap = Overlap(index, limit)
    for name in names:
        manifest = source_manifest(output, name)
        for entry in manifest["documents"]["files"]:
            path = storage.inside(entry["path"], f"{output}/{name}/manifest.json")
            for row in tables.read_rows(f"{output}/{path}", ["id", "text"]):
                overlap.add(name, row["id"], row["text"])
    return overlap


def show(overlap: Overlap, console: Console) -> None:
    """Print the table, and the benchmarks of which nothing was found."""
    rows = overlap.table()
    table = Table("benchmark", "source", "examples", "of", "share", "documents", "of", box=box.SIMPLE)
    for row in rows:
        usable = row["of_examples"] - row["too_short"]
        share = f"{row['examples'] / usable:.2%}"
        counts = (row["examples"], usable, share, row["documents"], row["of_documents"])
        table.add_row(
            row["benchmark"], row["source"], *(f"{value:,}" if isinstance(value, int) else value for value in counts)
        )
    if rows:
        console.print(table)
    index = overlap.index
    for number, name in enumerate(index.names):
        if name not in {row["benchmark"] for row in rows}:
            usable = index.total[number] - index.short[number]
            said = f"{name}: none of {usable:,} examples ({index.short[number]:,} more are too short to tell)"
            console.print(said, markup=False)


def _benchmark(text: str) -> str:
    """Return NAME=PATH or PATH with the path in its one form; an address, which may hold secrets, is not repeated."""
    name, equals, path = text.partition("=")
    if paths.scheme_of(path or text) or paths.scheme_of(name):
        raise ValueError("benchmark: a file or folder on this machine is expected, or NAME=PATH")
    return f"{name}={paths.form(path)}" if equals else paths.form(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare a corpus with benchmarks, print the table, and write the ids of documents to drop if asked."""
    parser = command_lines.contamination()
    options = parser.parse_args(arguments)
    try:
        for option in ("drop", "json"):
            ours.refuse_overwriting(f"--{option}", getattr(options, option))
        if options.drop and options.drop == options.json:
            raise ValueError(f"--drop and --json name the same file, {options.drop}; name two files")
        overlap = scan(
            options.corpus,
            build(list(map(_benchmark, options.benchmark)), options.n),
            options.source,
            options.max_documents,
        )
    except ValueError as error:
        parser.error(str(error))
    show(overlap, Console(width=120))
    ids = [identifier for _, identifier in overlap.contaminated()]
    try:
        if options.json:
            storage.write_json(options.json, overlap.table())
        if options.drop:
            storage.write_bytes(options.drop, "".join(f"{identifier}\n" for identifier in ids).encode())
    except OSError as error:
        parser.end(error)
    if options.drop:
        print(f"{options.drop}: {len(ids):,} documents to drop")  # noqa: T201
    return 0


if __name__ == "__main__":
    commands.run(main)
