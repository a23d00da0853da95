"""Two corpora: what moved between kept and dropped, by the documents' ids, with examples; memory is bounded.

    ids of documents and drops of both ─ hash ─> (hash, state, file, row), LIMIT at most, the smallest hashes ─ join ─>
    moves: state before ─> state now, how many, and some of them to read

Above LIMIT, what is joined is a sample of the ids by hash, the same ids in both corpora, and counts are scaled up.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.card import estimates, facts
from pipelines.card.facts import Corpus, Json
from pipelines.files import tables
from pipelines.hashing import SCALE, keyed

LIMIT = 4_000_000  # ids of one source in memory
EXAMPLES = 20
EXCERPT = 300
KEPT, ABSENT = "kept", "not there"
# Sources whose records have a name of their own besides the file they are in: two dumps of them can be compared.
_NAMED = frozenset({"wikipedia", "arxiv", "stack_exchange"})
_ROW = np.dtype([("hash", "<u8"), ("state", "<u2"), ("file", "<u4"), ("row", "<u4")])

Rows = npt.NDArray[Any]


@dataclass(frozen=True)
class Example:
    """One document that moved; `corpus` is where its id can be traced: the other one's path, or "CORPUS" for this."""

    id: str
    title: str
    text: str
    language: str | None = None
    url: str = ""
    corpus: str = "CORPUS"


@dataclass(frozen=True)
class Move:
    """Documents of a source that were in one state in the other corpus and are in another one in this.

    `margin` is half of the 95 % interval of their number, 0 where all ids were compared.
    """

    source: str
    before: str
    now: str
    documents: int
    examples: Sequence[Example]
    margin: int = 0


@dataclass(frozen=True)
class Total:
    """What a source has in the other corpus and in this one."""

    title: str
    documents: tuple[int, int]
    size: tuple[int, int]
    tokens: tuple[int, int]


@dataclass(frozen=True)
class Comparison:
    """Another corpus beside this one; `shares` says of which sources only a share of the ids was compared."""

    path: str
    totals: Sequence[Total]
    fields: Sequence[tuple[str, str, Any, Any]]
    moves: Sequence[Move]
    unmoved: dict[str, int]
    notes: Sequence[str]


@dataclass(frozen=True)
class _Side:
    """The ids of one corpus' source: `files` and `states` are what rows refer to by number."""

    rows: Rows
    files: Sequence[str]
    states: Sequence[str]


def compare(corpus: Corpus, other: Corpus, limit: int = LIMIT) -> Comparison:
    """Return what is different between the other corpus ("before") and this one ("now")."""
    titles = other.titles | corpus.titles
    names = [name for name in titles if name in corpus.manifests or name in other.manifests]
    moves: list[Move] = []
    notes: list[str] = []
    unmoved = {}
    for name in names:
        if name not in corpus.manifests or name not in other.manifests:
            notes.append(f"{titles[name]} is only in {other.path if name in other.manifests else corpus.path}")
            continue
        found, unmoved[titles[name]], told = _compare_source(corpus, other, name, limit)
        moves += found
        notes += told
    both = [name for name in names if name in corpus.manifests and name in other.manifests]
    recipes = [(name, other.manifests[name]["recipe"], corpus.manifests[name]["recipe"]) for name in both]
    fields = [(titles[name], *row) for name, before, now in recipes for row in facts.recipe_differences(before, now)]
    return Comparison(other.path, [_total(corpus, other, name) for name in names], fields, moves, unmoved, notes)


def _total(corpus: Corpus, other: Corpus, name: str) -> Total:
    def both(what: str) -> tuple[int, int]:
        before, now = (
            side.manifests.get(name, {"documents": {what: 0}})["documents"][what] for side in (other, corpus)
        )
        return before, now

    sides = (other.tokens.get(name), corpus.tokens.get(name))
    before, now = (facts.token_total(side, "tokens") if side else 0 for side in sides)
    return Total(corpus.titles[name], both("count"), both("bytes"), (before, now))


def _compare_source(corpus: Corpus, other: Corpus, name: str, limit: int) -> tuple[list[Move], int, list[str]]:
    manifests = (other.manifests[name], corpus.manifests[name])
    same_dumps = set(facts.inputs_of(manifests[0])) == set(facts.inputs_of(manifests[1]))
    largest = max(found["documents"]["count"] + found["drops"]["count"] for found in manifests)
    share = min(1.0, limit / max(1, largest))
    bound = np.uint64(min(SCALE - 1, int(share * SCALE)))
    by_name = not same_dumps and name in _NAMED
    before, now = (
        _read(side.path, found, by_name, bound) for side, found in zip((other, corpus), manifests, strict=True)
    )
    moves, unmoved = _join(before, now, share)
    found = [
        Move(
            corpus.titles[name],
            old,
            new,
            documents,
            _examples((other.path, before), (corpus.path, now), rows, by_name),
            _margin(documents, share),
        )
        for old, new, documents, rows in moves
    ]
    notes = (
        [
            f"{corpus.titles[name]}: 1 in {1 / share:.0f} of the ids was compared, chosen by hash; that "
            f"{unmoved:,} stayed as they were is ± {_margin(unmoved, share):,} (95 %)"
        ]
        if share < 1
        else []
    )
    if not same_dumps:
        how = "records were matched by their own names" if by_name else "pages of different dumps cannot be matched"
        notes.append(f"{corpus.titles[name]}: the dumps differ; {how}")
    return found, unmoved, notes


def _read(output: str, manifest: Json, by_name: bool, bound: np.uint64) -> _Side:
    """Read the ids of what was kept and dropped, one row group in memory at a time."""
    kept = [entry["path"] for entry in manifest["documents"]["files"]]
    files = kept + [entry["path"] for entry in manifest["drops"]["files"]]
    states: dict[str, int] = {KEPT: 0}
    chunks = [np.empty(0, _ROW)]
    for number, path in enumerate(files):
        columns = ["id"] if number < len(kept) else ["id", "stage", "reason"]
        start = 0
        for table in _groups(f"{output}/{path}", columns):
            hashes = np.array([keyed("compare", _name(key, by_name)) for key in table["id"]], np.uint64)
            rows = np.zeros(len(hashes), _ROW)
            rows["hash"], rows["file"], rows["row"] = hashes, number, np.arange(start, start + len(hashes))
            if number >= len(kept):
                told = (f"dropped: {a}, {b}" for a, b in zip(table["stage"], table["reason"], strict=True))
                rows["state"] = [states.setdefault(state, len(states)) for state in told]
            chunks.append(rows[hashes <= bound])
            start += len(hashes)
    found = np.concatenate(chunks)
    return _Side(found[np.argsort(found["hash"], kind="stable")], files, list(states))


def _groups(path: str, columns: list[str]) -> Iterator[dict[str, list[str]]]:
    with tables.opened(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns, use_threads=False).to_pydict()


def _name(identifier: str, by_name: bool) -> str:
    """Return an id, if by name without the digest of its dump: "wikipedia/en/DIGEST/12" is "wikipedia/en/12"."""
    if not by_name:
        return identifier
    head, _, last = identifier.rpartition("/")
    return f"{head.rpartition('/')[0]}/{last}"


def _margin(documents: int, share: float) -> int:
    """Return half of the interval of a number that was found among so many of the ids, by hash, and scaled up."""
    return math.ceil(estimates.NORMAL * math.sqrt((documents * share + 1) * (1 - share)) / share) if share < 1 else 0


_Found = tuple[str, str, int, list[tuple[int | None, int | None]]]


def _join(before: _Side, now: _Side, share: float) -> tuple[list[_Found], int]:
    """Return the moves (state before, state now, documents, rows of examples on both sides), and how many stayed."""
    hashes = np.union1d(before.rows["hash"], now.rows["hash"])
    at = [_places(side, hashes) for side in (before, now)]
    codes = [
        np.where(places >= 0, side.rows["state"][places] if len(side.rows) else 0, len(side.states))
        for side, places in zip((before, now), at, strict=True)
    ]
    names = [[*side.states, ABSENT] for side in (before, now)]
    pairs = codes[0].astype(np.int64) * len(names[1]) + codes[1]
    moves: list[_Found] = []
    unmoved = 0
    for pair, total in zip(*np.unique(pairs, return_counts=True), strict=True):
        old, new = names[0][int(pair) // len(names[1])], names[1][int(pair) % len(names[1])]
        documents = round(int(total) / share)
        if old == new:
            unmoved += documents
            continue
        rows = np.flatnonzero(pairs == pair)[:EXAMPLES]
        moves.append((old, new, documents, [(_place(at[0], row), _place(at[1], row)) for row in rows.tolist()]))
    moves.sort(key=lambda move: (KEPT not in move[:2], -move[2], move[0], move[1]))
    return moves, unmoved


def _place(places: npt.NDArray[np.int64], row: int) -> int | None:
    return int(places[row]) if places[row] >= 0 else None


def _places(side: _Side, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return where each hash stands in a side's rows, -1 where it does not."""
    if not len(side.rows):
        return np.full(len(hashes), -1)
    places = np.searchsorted(side.rows["hash"], hashes)
    inside = np.minimum(places, len(side.rows) - 1)
    return np.where(side.rows["hash"][inside] == hashes, inside, -1)


def _examples(
    other: tuple[str, _Side],
    this: tuple[str, _Side],
    places: Sequence[tuple[int | None, int | None]],
    by_name: bool,
) -> list[Example]:
    """Read the documents of a move: as kept where they are kept, else the excerpt of the drop.

    They are traced in this corpus, those that only the other one has, or has by another id, in that.
    """
    (first, before), (second, now) = other, this
    wanted: defaultdict[str, dict[int, int]] = defaultdict(dict)
    elsewhere: set[int] = set()
    for number, (old, new) in enumerate(places):
        output, side, place = (second, now, new) if new is not None else (first, before, old)
        if old is not None and before.rows["state"][old] == 0:
            output, side, place = first, before, old
        assert place is not None
        row = side.rows[place]
        wanted[f"{output}/{side.files[int(row['file'])]}"][int(row["row"])] = number
        if output == first and (new is None or by_name):
            elsewhere.add(number)
    found = {number: example for path, rows in wanted.items() for number, example in _read_rows(path, rows)}
    return [replace(found[number], corpus=first) if number in elsewhere else found[number] for number in sorted(found)]


def _read_rows(path: str, rows: dict[int, int]) -> Iterator[tuple[int, Example]]:
    with tables.opened(path) as file:
        names = file.schema_arrow.names
        columns = [name for name in ("id", "text", "excerpt", "title", "url", "language") if name in names]
        start = 0
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            here = [row for row in rows if start <= row < end]
            if here:
                table = file.read_row_group(group, columns=columns, use_threads=False)
                for row in here:
                    cells = {name: table[name][row - start].as_py() for name in columns}
                    text = cells.get("text") or cells.get("excerpt") or ""
                    title, url = cells.get("title") or "", cells.get("url") or ""
                    yield rows[row], Example(cells["id"], title, text[:EXCERPT], cells.get("language"), url)
            start = end
