"""Rows of benchmarks in local files, in the forms in which they are published.

    .arrow .parquet             rows of a table
    .jsonl                      a row in each line; only a line feed ends one: JSON's strings may hold U+2028 as it is
    .json .txt                  a list of rows, or one row (a whole document)
    .csv .tsv                   rows of a table, whose first line names the columns unless the task says them

Text may be packed (`.gz`). Of a folder all such files are read, in the order of their names; where names of files and
folders in it tell splits apart (`dev/`, `test-00000.parquet`, `val.jsonl`), those of the split that is asked for.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

from pipelines import contamination

TABLES: Final = (".arrow", ".parquet")
TEXTS: Final = (".jsonl", ".json", ".txt", ".csv", ".tsv")
LARGEST: Final = 1 << 30  # bytes of a file of text, unpacked
# What the library datasets writes beside its tables, and what describes them.
_NOT_ROWS: Final = frozenset(
    {"state.json", "dataset_info.json", "dataset_dict.json", "dataset_infos.json", "README.txt"}
)
_SPLITS: Final = {
    "train": "train",
    "dev": "dev",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
}
_SPLITS.update(test="test")
_WORD: Final = re.compile(r"[^a-z]+")
_FIELD_CHARACTERS: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class Record:
    """A row, and where it stands: rows are counted from 1."""

    row: dict[str, Any]
    file: Path
    number: int

    @property
    def place(self) -> str:
        """The file and the number, for messages."""
        return f"{self.file}: row {self.number:,}"


def files(path: Path, split: str) -> list[Path]:
    """Return the files of a benchmark's path that hold a split.

    Raises ValueError if there are none, or if the splits that names tell are others.
    """
    if path.is_file() and _suffix(path) is not None:
        return [path]
    found = [file for file in sorted(path.rglob("*")) if file.is_file() and _is_data(file.relative_to(path))]
    if not found:
        raise ValueError(f"{path}: no file of {', '.join(TABLES + TEXTS)} (is the path right?)")
    splits = {file: split_of(file.relative_to(path)) for file in found}
    if not any(splits.values()):
        return found
    # A dev set is what some call a validation set, where there is no other.
    same = {split, "dev"} if split == "validation" and "validation" not in splits.values() else {split}
    chosen = [file for file in found if splits[file] in same]
    if not chosen:
        named = ", ".join(sorted({name for name in splits.values() if name}))
        raise ValueError(f"{path}: no file of the split {split}; there are {named}: name the file that is meant")
    return chosen


def split_of(path: PurePath) -> str | None:
    """Return the split that a relative path names last; None if it names none."""
    words = [word for part in path.parts for word in _WORD.split(part.lower())]
    return next((_SPLITS[word] for word in reversed(words) if word in _SPLITS), None)


def _suffix(path: PurePath) -> str | None:
    """Return the form of a file, without `.gz`; None if it is none of ours."""
    suffix = PurePath(path.stem).suffix if path.suffix == ".gz" else path.suffix
    known = TEXTS if path.suffix == ".gz" else TABLES + TEXTS
    return suffix if suffix in known else None


def _is_data(path: PurePath) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and path.name not in _NOT_ROWS and _suffix(path) is not None


def records(file: Path, columns: Sequence[str] = ()) -> Iterator[Record]:
    """Yield the rows of one file, `columns` naming those of a table without names.

    Raises ValueError naming the file, and the line or row where it is no longer what its name says.
    """
    suffix = _suffix(file)
    if suffix in TABLES:
        found: Iterator[Any] = contamination.examples(file)
    elif suffix == ".jsonl":
        found = _json_lines(file)
    elif suffix in (".csv", ".tsv"):
        found = _table(file, "\t" if suffix == ".tsv" else ",", columns)
    else:
        found = _json(file)
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            raise ValueError(f"{file}: row {number:,} is no object with fields: {str(row)[:60]!r}")
        yield Record(row, file, number)


def _text(file: Path) -> str:
    """Return the text of a file, bounded: what is packed may be larger than any memory."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"more than {LARGEST:,} bytes of text")
        return content.decode("utf-8-sig")
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{file}: cannot be read: {error}") from None


def _json_lines(file: Path) -> Iterator[Any]:
    for number, line in enumerate(_text(file).split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{file}: line {number:,} is not JSON: {error}") from None


def _json(file: Path) -> Iterator[Any]:
    try:
        found = json.loads(_text(file))
    except RecursionError as error:
        raise ValueError(f"{file}: not JSON: {error}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}: not JSON (lines of JSON are to be called .jsonl): {error}") from None
    yield from found if isinstance(found, list) else [found]


def _table(file: Path, delimiter: str, columns: Sequence[str]) -> Iterator[Any]:
    csv.field_size_limit(_FIELD_CHARACTERS)
    lines = csv.reader(io.StringIO(_text(file), newline=""), delimiter=delimiter, strict=True)
    names = list(columns)
    try:
        for line in lines:
            if not names:
                names = line
            elif len(line) != len(names):
                raise ValueError(
                    f"{file}: line {lines.line_num:,} has {len(line)} fields where {len(names)} are expected "
                    f"({', '.join(names)})"
                )
            else:
                yield dict(zip(names, line, strict=True))
    except csv.Error as error:
        raise ValueError(f"{file}: line {lines.line_num:,} is no line of a table: {error}") from None
