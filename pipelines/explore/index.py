"""The index of a corpus, kept up to date part by part: its catalogue, and its words if they are wanted.

    manifests ─> parts as they are ─┬─ the same SHA-256 ─> stays
    catalogue ─> parts as they were ┘─ others ─> removed, or read and added; the corpus' seal is noted last

It lies beside the corpus, in a folder of its own with our mark (CORPUS-index), or where `--index` says. A corpus on
s3:// or gs:// has its catalogue in a temporary folder and no words, unless a folder is named.
"""

from __future__ import annotations

import ctypes
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.account.finished import source_manifest
from pipelines.explore import catalogue, words
from pipelines.explore.catalogue import ROWS_OF_A_PART, Catalogue, Part
from pipelines.explore.words import Words, Writer
from pipelines.files import ours, storage, tables
from pipelines.tokens import shards

SUFFIX: Final = "-index"
BATCH: Final = 1 << 30  # bytes of text after which what was read is written for good
ROWS: Final = 1 << 17  # or rows: until then DuckDB holds them in memory
BETWEEN: Final = 10.0  # seconds between two lines of what was done
ARENAS: Final = 2
_ARENA_MAX: Final = -8  # glibc's M_ARENA_MAX
Tell = Callable[[str], None]
Json = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """A corpus as its manifests are: its parts by path, where its tokens and copies come from, and its seal.

    `seal` is "" of a corpus that is not finished; then `sources` are those that are.
    """

    corpus: str
    seal: str
    sources: dict[str, Json]

    @property
    def parts(self) -> dict[str, tuple[str, bool, str]]:
        """Source, whether it is of documents, and SHA-256 of each file, by its path in the corpus."""
        return {
            storage.inside(entry["path"], f"{self.corpus}/{name}/manifest.json"): (name, kept, entry["sha256"])
            for name, manifest in self.sources.items()
            for kept, kind in ((True, "documents"), (False, "drops"))
            for entry in manifest[kind]["files"]
        }


def wanted(corpus: str) -> Wanted:
    """Read a corpus' manifests; ValueError if no source of it is finished."""
    manifest = storage.read_json(f"{corpus}/manifest.json") or {}
    names = manifest.get("sources") or _begun(corpus)
    found = {}
    for name in names:
        if storage.exists(f"{corpus}/{storage.inside(name, f'{corpus}/manifest.json')}/manifest.json"):
            found[name] = source_manifest(corpus, name)
    if not found:
        raise ValueError(f"{corpus}: no corpus here, or one of which no source is finished yet")
    return Wanted(corpus, str(manifest.get("seal", "")), found)


def _begun(corpus: str) -> list[str]:
    """Return the folders of a corpus without a manifest that may be sources."""
    names = {
        path.removeprefix(f"{corpus}/").partition("/")[0] for path in storage.list_files(f"{corpus}/*/manifest.json")
    }
    return sorted(names - {"models", "across", "tokens", "work"})


class Index:
    """A corpus' catalogue and words, open."""

    def __init__(self, folder: Path, *, with_words: bool) -> None:
        _share_arenas()
        ours.claim(str(folder), ours.Kind.INDEX)
        self.catalogue = Catalogue(catalogue.opened(str(folder / catalogue.FILE)))
        self._check_version(folder / words.FOLDER, with_words)
        self.words = Words(folder / words.FOLDER) if self.catalogue.fact("words") else None

    def _check_version(self, folder: Path, with_words: bool) -> None:
        """Forget what was made in another way, or without the words that are wanted now."""
        # DuckDB's own hash stands for a text, and another version of it may have another.
        version = f"{catalogue.VERSION}/{words.VERSION}/{tables.VERSION}/{duckdb.__version__}"
        if self.catalogue.fact("version") != version or (with_words and not self.catalogue.fact("words")):
            self.catalogue.forget_all()
            shutil.rmtree(folder, ignore_errors=True)
            self.catalogue.note("version", version)
            self.catalogue.note("words", "yes" if with_words else "")

    def bring_up_to_date(self, corpus: Wanted, tell: Tell) -> None:
        """Read what is new of a corpus, and forget what is gone."""
        kept = self.catalogue
        if corpus.seal and kept.fact("seal") == corpus.seal:
            return
        kept.note("seal", "")
        _Update(self, corpus, tell).run()
        kept.note("seal", corpus.seal)
        kept.connection.execute("CHECKPOINT")


def _share_arenas() -> None:
    """Let the threads that make an index share the C library's arenas, each of which keeps what was freed in it.

    With one for each thread 20 GB of text took 800 MB of memory. Other C libraries have no such switch, nor the need.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, ARENAS)


class _Update:
    """One time that an index is brought up to date."""

    def __init__(self, index: Index, corpus: Wanted, tell: Tell) -> None:
        self._index, self._corpus, self._tell = index, corpus, tell
        self._catalogue, self._parts = index.catalogue, corpus.parts
        self._writer: Writer | None = None
        self._started = self._told = time.monotonic()
        self._bytes = self._rows = 0

    def run(self) -> None:
        there = {part.path: part for part in self._catalogue.parts()}
        now = self._parts
        gone = [part for path, part in there.items() if now.get(path) != (part.source, part.kept, part.sha256)]
        new = [path for path in sorted(now) if path not in there or there[path] in gone]
        if self._index.words and (gone or new):
            self._writer = self._index.words.writer()
        self._replace(gone, new)
        for source, manifest in self._corpus.sources.items():
            self._take_tokens(source)
            self._take_copies(source, manifest)
        if self._writer:
            self._writer.close()
        if self._index.words:
            self._index.words.reload()

    def _replace(self, gone: list[Part], new: list[str]) -> None:
        number = max((part.number for part in self._catalogue.parts()), default=0) + 1
        if self._writer:  # what an update that was killed added, and never noted
            self._writer.remove(number << ROWS_OF_A_PART, (1 << 64) - 1)
        for part in gone:
            if self._writer:
                self._writer.remove(part.first, (part.number + 1) << ROWS_OF_A_PART)
        done = 0
        while done < len(new) or gone:
            with self._catalogue.together():
                for part in gone:
                    self._catalogue.remove(part)
                gone, size, rows = [], self._bytes + BATCH, self._rows + ROWS
                while done < len(new) and self._bytes < size and self._rows < rows:
                    self._add(Part(number, *self._of(new[done])), len(new) - done)
                    number, done = number + 1, done + 1
                if self._writer:
                    self._writer.commit()

    def _of(self, path: str) -> tuple[str, bool, str, str]:
        source, kept, sha256 = self._parts[path]
        return source, kept, path, sha256

    def _add(self, part: Part, left: int) -> None:
        """Add a part."""
        reading = _Reading(f"{self._corpus.corpus}/{part.path}", part, self._writer, text=self._reads_text(part))
        rows = self._catalogue.add(part, reading.groups())
        self._catalogue.note(_tokens_of(part.source), "")  # its rows have none yet
        self._bytes += reading.bytes
        self._rows += rows
        if left == 1 or time.monotonic() - self._told > BETWEEN:
            self._told = time.monotonic()
            self._tell(
                f"{self._rows:,} rows indexed, {self._bytes / 1e6:,.0f} MB of text in "
                f"{self._told - self._started:,.0f} s; {left - 1:,} files to go"
            )

    def _reads_text(self, part: Part) -> bool:
        """Whether texts are read: for their words, or because no tokens say how long they are."""
        return self._writer is not None or (part.kept and not self._has_tokens(part.source))

    def _has_tokens(self, source: str) -> bool:
        return storage.exists(f"{self._corpus.corpus}/tokens/{source}/manifest.json")

    def _take_tokens(self, source: str) -> None:
        if not self._has_tokens(source):
            return
        digest = storage.sha256(f"{self._corpus.corpus}/tokens/{source}/manifest.json")
        if self._catalogue.fact(_tokens_of(source)) != digest:
            self._catalogue.note(_tokens_of(source), "")
            self._catalogue.set_tokens(source, _shards(self._corpus.corpus, source))
            self._catalogue.note(_tokens_of(source), digest)

    def _take_copies(self, source: str, manifest: Json) -> None:
        copies = manifest.get("copies", {})
        digest, name = str(copies.get("digest", "")), f"copies of {source}"
        if self._catalogue.fact(name) != digest:
            self._catalogue.note(name, "begun")
            files = [entry["path"] for entry in copies.get("files", ())]
            self._catalogue.set_copies(source, _copies(self._corpus.corpus, source, files))
            self._catalogue.note(name, digest)


def _tokens_of(source: str) -> str:
    """Return the fact that names the tokens that a source's rows have."""
    return f"tokens of {source}"


@dataclass
class _Reading:
    """A part as it is read: its row groups for the catalogue, its texts for the words."""

    path: str
    part: Part
    writer: Writer | None
    text: bool
    bytes: int = 0

    def groups(self) -> Iterator[pa.Table]:
        """Yield the row groups, without texts that are no longer needed."""
        with tables.opened(self.path) as file:
            names = catalogue.columns(file.schema_arrow, text=self.text)
            row = self.part.first
            for number in range(file.num_row_groups):
                group = file.read_row_group(number, columns=names)
                self._take_words(group, row)
                row += group.num_rows
                yield group

    def _take_words(self, group: pa.Table, first: int) -> None:
        name = "text" if self.part.kept else "excerpt"
        if name not in group.column_names:
            return
        self.bytes += group[name].nbytes
        if self.writer is None:
            return
        for row, text in enumerate(group[name]):
            if (value := text.as_py()) is not None:
                self.writer.add(first + row, value)


def _shards(corpus: str, source: str) -> Iterator[pa.Table]:
    """Yield where the tokens of a source's documents are, a shard at a time."""
    directory = f"{corpus}/tokens/{source}"
    manifest = shards.Manifest.load(directory)
    for split, entries in manifest.splits.items():
        base = 0
        for entry in entries:
            with tables.opened(f"{directory}/{entry.name}.documents.parquet") as file:
                parts = [file.read_row_group(n, columns=["bytes", "file", "row"]) for n in range(file.num_row_groups)]
            ends = shards.document_ends(directory, entry).astype(np.uint64)
            starts = np.concatenate([np.zeros(1, np.uint64), ends])[:-1]
            if parts:
                table = pa.concat_tables(parts)
                for name, values in (("first", starts + np.uint64(base)), ("tokens", ends - starts)):
                    table = table.append_column(name, pa.array(values))
                for name, value in (("split", split), ("shard", entry.name)):
                    table = table.append_column(name, pa.repeat(value, table.num_rows))
                yield table
            base += entry.tokens


def _copies(corpus: str, source: str, files: list[str]) -> Iterator[pa.Table]:
    for name in files:
        with tables.opened(f"{corpus}/{storage.inside(name, f'{corpus}/{source}/manifest.json')}") as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group)
