"""What a source's documents are counted by, as the card shows it: exact, from SOURCE/counts.json.

    counts.json (`pipelines.stages.counts`) ─> histograms, counts by value, percentiles, pairs of scores,
                                               and what each filter drops by language, year and site

A corpus that was built before documents were counted is counted here, if it is small.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from pipelines.card.facts import Corpus, Json
from pipelines.files import storage
from pipelines.stages import counts
from pipelines.stages.counts import KEPT, LENGTH, NOT_SAID

SMALL: Final = 1 << 30  # bytes of text of a source that is counted here
PERCENTS: Final = (1, 5, 25, 50, 75, 95, 99)
MOST_REASONS_OF: Final = 5  # values of an axis that are named of a reason
_PAIR_ROWS: Final = 12

Bins = Counter[int]


@dataclass(frozen=True)
class Values:
    """Documents by value of an axis, the most first: `more` says how many more than counted a value may have.

    One that is not named may have `bound`. `rest` are documents of values that are not named, `distinct` how many
    values there are in all and half of the 95 % interval of that, if it is an estimate; None where nobody knows.
    """

    documents: Mapping[str, int] = field(default_factory=dict)
    more: Mapping[str, int] = field(default_factory=dict)
    rest: int = 0
    distinct: tuple[int, int] | None = (0, 0)
    bound: int = 0

    def more_of(self, value: str) -> int:
        """Return how many documents more than counted a value may have."""
        return self.more.get(value, 0) if value in self.documents else self.bound


@dataclass(frozen=True)
class Counted:
    """The counts of a source by part and axis; empty if it was not counted."""

    parts: Json

    @property
    def dropped(self) -> list[str]:
        """The parts that were dropped, STAGE/REASON."""
        return [part for part in self.parts if part != KEPT]

    def axes(self, *parts: str) -> set[str]:
        """Return the axes that some parts are counted by."""
        return {axis for part in parts for axis in self.parts.get(part, {})}

    def values(self, axis: str, *parts: str) -> Values:
        """Return documents by value over some parts."""
        found = [row for part in parts if (row := self.parts.get(part, {}).get(counts.named(axis)))]
        return _together(found)

    def bins(self, axis: str, *parts: str, whole: bool = False) -> tuple[Bins, int]:
        """Return documents by range of a number over some parts, and how many have none."""
        name = counts.number(axis, whole=whole)
        total: Counter[str] = Counter()
        for part in parts:
            total.update(self.parts.get(part, {}).get(name, {"names": {}})["names"])
        without = total.pop(NOT_SAID, 0)
        return Counter({int(place): documents for place, documents in total.items()}), without

    def totals(self, *parts: str) -> tuple[int, int]:
        """Return documents and bytes of some parts."""
        found = [counts.total(self.parts[part]) for part in parts if part in self.parts]
        return sum(row[0] for row in found), sum(row[1] for row in found)

    def sizes(self, axis: str, *parts: str) -> dict[str, tuple[int, int]]:
        """Return (documents, bytes) by value over some parts, of the values that are named."""
        found: dict[str, list[int]] = {}
        for part in parts:
            for value, row in self.parts.get(part, {}).get(counts.named(axis), {"names": {}})["names"].items():
                total = found.setdefault(value, [0, 0])
                total[0] += row[0]
                total[1] += row[1]
        return {value: (row[0], row[1]) for value, row in found.items()}

    def rest(self, axis: str, *parts: str) -> tuple[int, int]:
        """Return (documents, bytes) over some parts of the values that are not named."""
        found = [self.parts.get(part, {}).get(counts.named(axis), {}).get("rest", (0, 0)) for part in parts]
        return sum(row[0] for row in found), sum(row[1] for row in found)

    def strata(self) -> dict[tuple[str, str], int]:
        """Return how many documents are kept of each kind of dump and language."""
        found = self.parts.get(KEPT, {}).get(counts.STRATUM, {"names": {}})["names"]
        split = ((name.partition("\t"), documents) for name, documents in found.items())
        return {(label, language): documents for (label, _, language), documents in split}


def _together(found: Sequence[Json]) -> Values:
    documents: Counter[str] = Counter()
    for axis in found:
        documents.update({value: row[0] for value, row in axis["names"].items()})
    more = {value: sum(_more(axis, value) for axis in found) for value in documents}
    ordered = sorted(documents, key=lambda value: (-documents[value], value))
    exact = not any(axis["rest"][0] for axis in found)
    distinct = (len(documents.keys() - {NOT_SAID}), 0) if exact else tuple(found[0]["distinct"])
    return Values(
        {value: documents[value] for value in ordered},
        {value: more[value] for value in ordered if more[value]},
        sum(axis["rest"][0] for axis in found),
        (distinct[0], distinct[1]) if exact or len(found) == 1 else None,
        sum(_unnamed(axis) for axis in found),
    )


def _more(axis: Json, value: str) -> int:
    row = axis["names"].get(value)
    return int(row[2]) if row else _unnamed(axis)


def _unnamed(axis: Json) -> int:
    """Return how many documents a value that an axis does not name may have."""
    return int(min(axis["bound"], axis["rest"][0]))


def load(corpus: Corpus, name: str) -> Counted:
    """Return the counts of a source; ValueError if its manifest names counts that are not there."""
    manifest = corpus.manifests[name]
    if told := manifest.get("counts"):
        path = f"{corpus.path}/{storage.inside(told['path'], f'{corpus.path}/{name}/manifest.json')}"
        found = storage.read_json(path)
        if not isinstance(found, dict):
            raise ValueError(f"{path}: missing or damaged; python -m pipelines.verify names such files")
        return Counted(found)
    return Counted(_of_tables(corpus, name) if manifest["documents"]["bytes"] <= SMALL else {})


def _of_tables(corpus: Corpus, name: str) -> Json:
    manifest, total = corpus.manifests[name], counts.Sum()
    rows = manifest.get("shown", {}).get("breakdowns", ())
    own = [row["of"].removeprefix("attributes.") for row in rows if row["of"].startswith("attributes.")]
    inputs = {entry["digest"]: entry for entry in manifest["inputs"]}
    for kind in ("documents", "drops"):
        for path in sorted(entry["path"] for entry in manifest[kind]["files"]):
            documents, drops = (path, None) if kind == "documents" else (None, path)
            label = counts.label_of(path.rpartition("/")[2].removesuffix(".parquet"), inputs)
            total.add(counts.of_tables(str(corpus.path), documents, drops, own), label)
    return total.told()


@dataclass(frozen=True)
class Percentiles:
    """A number of the documents of a source: the range in which each of `PERCENTS` lies, and how many have it."""

    what: str
    documents: int
    ranges: Sequence[tuple[float, float]]


def percentiles(found: Counted) -> list[Percentiles]:
    """Return the percentiles of what is kept: of lengths in bytes, of scores, and of the source's other numbers."""
    kept = found.axes(KEPT)
    axes = [(name, False) for name in counts.numbers_in(kept)]
    axes += [(name, True) for name in counts.numbers_in(kept, whole=True) if name != LENGTH]
    every = [(name, found.bins(name, KEPT, whole=whole)[0]) for name, whole in [(LENGTH, True), *axes]]
    return [Percentiles(name, bins.total(), list(_ranges(bins))) for name, bins in every if bins.total()]


def _ranges(bins: Bins) -> Iterator[tuple[float, float]]:
    """Yield the range of each percentile: that of the first value that at least so many percent do not exceed."""
    places = sorted(bins)
    up_to = list(accumulate(bins[place] for place in places))
    for percent in PERCENTS:
        yield next(
            counts.edges(place)
            for place, sofar in zip(places, up_to, strict=True)
            if 100 * sofar >= percent * up_to[-1]
        )


@dataclass(frozen=True)
class Pairs:
    """Two scores of what is kept: documents by range of the first (rows) and of the second (columns)."""

    first: str
    second: str
    rows: Sequence[tuple[float, float]]
    columns: Sequence[tuple[float, float]]
    documents: Sequence[Sequence[int]]


def pairs(found: Counted) -> list[Pairs]:
    """Return all pairs of scores that were counted."""
    axes = found.parts.get(KEPT, {})
    return [_pairs(first, second, axes[counts.pair(first, second)]["names"]) for first, second in counts.pairs_in(axes)]


def _pairs(first: str, second: str, names: Mapping[str, int]) -> Pairs:
    cells: Counter[tuple[tuple[float, float], tuple[float, float]]] = Counter()
    for name, documents in names.items():
        cells[counts.pair_edges(name)] += documents
    rows, columns = (_merged(sorted({cell[side] for cell in cells})) for side in (0, 1))
    table = [[0] * len(columns) for _ in rows]
    for (down, right), documents in cells.items():
        table[_place(rows, down)][_place(columns, right)] += documents
    return Pairs(first, second, rows, columns, table)


def _merged(ranges: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return ranges, neighbours put together until they are few."""
    step = -(-len(ranges) // _PAIR_ROWS)
    return [(ranges[n][0], ranges[min(n + step, len(ranges)) - 1][1]) for n in range(0, len(ranges), step)]


def _place(ranges: Sequence[tuple[float, float]], one: tuple[float, float]) -> int:
    return next(n for n, (low, high) in enumerate(ranges) if low <= one[0] and one[1] <= high)


@dataclass(frozen=True)
class Filtered:
    """What a stage dropped for a reason by language, year and site: the largest values, and what the others have."""

    stage: str
    reason: str
    documents: int
    by: Mapping[str, Values]


def filtered(found: Counted) -> list[Filtered]:
    """Return what each filter drops, by language, year and site; the most first."""
    rows = []
    for part in found.dropped:
        stage, _, reason = part.partition("/")
        by = {axis: _largest(found.values(axis, part)) for axis in ("language", "year", "host")}
        rows.append(Filtered(stage, reason, found.totals(part)[0], by))
    return sorted(rows, key=lambda row: (-row.documents, row.stage, row.reason))


def _largest(values: Values) -> Values:
    named = dict(list(values.documents.items())[:MOST_REASONS_OF])
    rest = values.rest + sum(values.documents.values()) - sum(named.values())
    more = {value: values.more[value] for value in named if value in values.more}
    return Values(named, more, rest, values.distinct, values.bound)
