"""A corpus of any size, made of variants of real pages that keep their statistics: for what only size shows.

    python -m benchmarks.soak data/corpus /tmp/soak --gigabytes 20 [--seed 1]

    a source's texts ─ words and what stands between ─> numbers ─┐
    seed, file, page ─> a tenth of the words another one of the source's, a few made of two halves ┴─> a variant

A variant has the lengths, lines, order and nearly all words of its page. One word in ten is drawn from all words of
the source, as often as they are there, and one in four hundred is new (two halves of words), so that words are as
frequent as before, the vocabulary grows with the text as it does in real text, and variants are not so alike that they
pack each other: the share of bytes that zstd leaves is printed beside that of the real pages. Sources have the shares
of the real corpus, and as many drops for each document. The same arguments make the same files.
"""

from __future__ import annotations

import argparse
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.account.finished import corpus_manifest, source_manifest
from pipelines.account.manifest import combined_digest, write_corpus_manifest
from pipelines.document import Document, Drop
from pipelines.files import ours, storage, tables
from pipelines.hashing import keyed

DRAWN: Final = 0.1  # of the words
NEW: Final = 0.0025
FILE_BYTES: Final = 256_000_000
_PIECES: Final = re.compile(r"([^\W_]+)")
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pages:
    """A source's pages as numbers, words and what is between them in turn; page n is [ends[n - 1], ends[n])."""

    documents: Sequence[Document]
    words: Numbers
    between: Numbers
    ends: Numbers
    names: npt.NDArray[Any]
    gaps: npt.NDArray[Any]
    sizes: Numbers


@dataclass(frozen=True)
class Made:
    """A corpus of variants: documents, bytes of text and what they take packed, and the same of the real pages."""

    documents: int
    text: int
    packed: int
    real_text: int
    real_packed: int
    seconds: float

    @property
    def share(self) -> float:
        """The share of bytes that zstd leaves."""
        return self.packed / max(1, self.text)

    @property
    def real_share(self) -> float:
        """The same of the real pages."""
        return self.real_packed / max(1, self.real_text)


def pages(documents: Sequence[Document]) -> Pages:
    """Return pages as numbers."""
    names: dict[str, int] = {}
    gaps: dict[str, int] = {}
    words: list[int] = []
    between: list[int] = []
    ends = []
    for document in documents:
        pieces = _PIECES.split(document.text)  # what is between words first and last
        between += [gaps.setdefault(piece, len(gaps)) for piece in pieces[::2]]
        words += [names.setdefault(piece, len(names)) for piece in (*pieces[1::2], "")]
        ends.append(len(words))
    return Pages(
        documents,
        np.array(words),
        np.array(between),
        np.array(ends),
        np.array(list(names), dtype=object),
        np.array(list(gaps), dtype=object),
        np.array([len(document.text.encode()) for document in documents]),
    )


def variant(source: Pages, number: int, rng: np.random.Generator) -> str:
    """Return a variant of the page of this number."""
    start, stop = int(source.ends[number - 1]) if number else 0, int(source.ends[number])
    own = source.words[start:stop]
    chance = rng.random(len(own))
    chance[-1] = 1.0  # a page ends with what is between words
    drawn = source.words[rng.integers(0, len(source.words), len(own))]
    named = source.names[np.where(chance < DRAWN, drawn, own)]
    for place in np.flatnonzero(chance < NEW):
        first, second = source.names[source.words[rng.integers(0, len(source.words), 2)]]
        named[place] = f"{first[: len(first) // 2 + 1]}{second[len(second) // 2 :]}{rng.integers(0, 1 << 16):x}"
    text = np.empty(2 * len(own), object)
    text[0::2], text[1::2] = source.gaps[source.between[start:stop]], named
    return "".join(text.tolist())


def make(corpus: str, output: str, size: float, seed: int = 0, *, file_bytes: int = FILE_BYTES) -> Made:
    """Write a finished corpus of about `size` bytes of text, variants of the pages of another one."""
    started = time.monotonic()
    ours.claim(output, ours.Kind.CORPUS)
    names = corpus_manifest(corpus)["sources"]
    manifests = {name: source_manifest(corpus, name) for name in names}
    whole = sum(manifest["documents"]["bytes"] for manifest in manifests.values())
    for name, manifest in manifests.items():
        _Source(corpus, output, name, manifest, seed, file_bytes).write(size * manifest["documents"]["bytes"] / whole)
    write_corpus_manifest(output, "soak", names, None, {})
    real = [f"{corpus}/{one['path']}" for manifest in manifests.values() for one in manifest["documents"]["files"]]
    own = [str(path) for path in sorted(Path(output).glob("*/documents/*.parquet"))]
    documents = sum(source_manifest(output, name)["documents"]["count"] for name in names)
    text = sum(source_manifest(output, name)["documents"]["bytes"] for name in names)
    return Made(documents, text, packed(own), whole, packed(real), time.monotonic() - started)


def packed(paths: Sequence[str]) -> int:
    """Return the bytes that the texts take in files."""
    found = 0
    for path in paths:
        footer = pq.read_metadata(path)
        for group in range(footer.num_row_groups):
            columns = (footer.row_group(group).column(place) for place in range(footer.num_columns))
            found += sum(column.total_compressed_size for column in columns if column.path_in_schema == "text")
    return found


@dataclass
class _Source:
    """One source of a corpus of variants."""

    corpus: str
    output: str
    name: str
    manifest: dict[str, Any]
    seed: int
    file_bytes: int
    gone: dict[str, dict[str, list[int]]] = field(default_factory=dict)  # stage -> reason -> drops and their bytes

    def write(self, size: float) -> None:
        paths = [f"{self.corpus}/{one['path']}" for one in self.manifest["documents"]["files"]]
        found = pages([document for path in paths for document in tables.read_documents(path)])
        drops = [
            row for one in self.manifest["drops"]["files"] for row in tables.read_rows(f"{self.corpus}/{one['path']}")
        ]
        schema = pa.schema(
            [field for field in pq.read_schema(paths[0]) if field.name not in tables.DOCUMENT_SCHEMA.names]
        )
        files, gone, count, text, left = [], [], 0, 0, size
        number = dropped_rows = 0
        while left > 0 and len(found.documents):
            written, dropped = self._file(found, drops, schema, number, min(left, self.file_bytes))
            files.append(written[0])
            gone.append(dropped.named(f"{self.name}/drops/soak-{_item(self.seed, self.name, number)}.parquet"))
            dropped_rows += dropped.rows
            count, text, left, number = count + written[1], text + written[2], left - self.file_bytes, number + 1
        stage = self.manifest["stages"][-1]["stage"]
        account = {  # the last stage stands for all
            "stage": stage,
            "in": count + dropped_rows,
            "kept": count,
            "kept_bytes": text,
            "merged": 0,
            "dropped": self.gone,
            "read": {},
        }
        content = {
            **{key: self.manifest[key] for key in ("format", "source", "title", "recipe", "inputs", "models")},
            "stages": [account],
            "documents": {"count": count, "bytes": text, "digest": combined_digest(files), "files": files},
            "drops": {"count": dropped_rows, "digest": combined_digest(gone), "files": gone},
        }
        storage.write_json(f"{self.output}/{self.name}/manifest.json", content)

    def _file(
        self, found: Pages, drops: Sequence[dict[str, Any]], schema: pa.Schema, number: int, size: float
    ) -> tuple[tuple[dict[str, str], int, int], tables.Written]:
        """Write a file of documents and one of drops; return the first's entry and counts, and the other."""
        item = _item(self.seed, self.name, number)
        path = f"{self.name}/documents/{item}.parquet"
        rng = np.random.default_rng([self.seed, keyed("soak", self.name) >> 1, number])
        with storage.write(f"{self.output}/{path}") as stream:
            writer = tables.DocumentWriter(stream, schema)
            for row, page in enumerate(self._order(found, rng, size)):
                writer.write(_renamed(found.documents[page], item, row, variant(found, page, rng)))
            documents = writer.close()
        share = documents.size / max(1, int(found.sizes.sum()))
        gone = self._drops(drops, item, max(1, round(share * len(drops))) if drops else 0, rng)
        return (documents.named(path), documents.rows, documents.size), gone

    def _order(self, found: Pages, rng: np.random.Generator, size: float) -> Iterator[int]:
        """Yield the pages of a file: all of them in an order by chance, again and again, until there is enough."""
        while size > 0:
            for page in rng.permutation(len(found.documents)).tolist():
                yield page
                size -= int(found.sizes[page])
                if size <= 0:
                    return

    def _drops(self, rows: Sequence[dict[str, Any]], item: str, count: int, rng: np.random.Generator) -> tables.Written:
        path = f"{self.name}/drops/soak-{item}.parquet"
        scores = sorted({name for row in rows for name in row if name not in tables.DROP_SCHEMA.names})
        with storage.write(f"{self.output}/{path}") as stream:
            writer = tables.DropWriter(stream, scores)
            for number in range(count):
                drop = _dropped(rows[int(rng.integers(len(rows)))], item, number)
                writer.write(drop, excerpt=True)
                counted = self.gone.setdefault(drop.stage, {}).setdefault(drop.reason, [0, 0])
                counted[:] = counted[0] + 1, counted[1] + drop.size
            return writer.close()


def _item(seed: int, source: str, number: int) -> str:
    return f"{keyed('soak', f'{seed}/{source}/{number}'):016x}"


def _renamed(document: Document, item: str, row: int, text: str) -> Document:
    return replace(document, id=f"{document.source}/{item}/{row}", dump=item, offset=row, text=text)


def _dropped(row: dict[str, Any], item: str, number: int) -> Drop:
    time_of = row["timestamp"].isoformat() if row["timestamp"] else None
    return Drop(
        **{name: row[name] for name in ("source", "stage", "reason", "size", "url", "title", "language", "license")},
        detail=row.get("detail"),
        id=f"{row['source']}/{item}/d{number}",
        excerpt=row["excerpt"] or "",
        timestamp=time_of,
        scores=tables.scores_of(row),
    )


def main() -> None:
    """Make a corpus of variants and say how like the real pages it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="a finished corpus of real pages")
    parser.add_argument("output", help="folder to be made")
    parser.add_argument("--gigabytes", type=float, default=20.0, help="of text (default %(default)g)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    size = options.gigabytes * 1e9
    if shutil.disk_usage(Path(options.output).absolute().parent).free < size:
        parser.error(f"{options.output}: less than {options.gigabytes:g} GB are free there")
    made = make(options.corpus, options.output, size, options.seed)
    print(f"{made.documents:,} documents, {made.text / 1e9:.2f} GB of text in {made.seconds:,.0f} s")
    print(f"zstd leaves {made.share:.3f} of it, {made.real_share:.3f} of the real pages")


if __name__ == "__main__":
    main()
