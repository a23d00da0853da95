"""What documents and drops are counted by: language, year, site, licence, length, scores; exact, a few KB an item.

    a table as it is written ─ row group by row group ─> ITEM.counts beside its manifest
    all items of a source, in the order of their keys ─ added up ─> SOURCE/counts.json ─> the corpus card

Counts are of a part: what is kept, or what a stage dropped for a reason. A part is counted by axes: by names (a
language), by numbers (a length), and by pairs of numbers. A number is counted in a range of its own binary form: its
exponent and `_BITS` bits of what follows, so that ranges are the same everywhere and a sixteenth of a power of two
wide. Of names an item gives the `ITEM_NAMES` largest, what the rest has together, and as a bound what the largest of
the rest has; hashes of its names tell how many there are in all. Sums do not depend on which item comes first; where
the names of a source are cut to bound memory, items come in the order of their keys.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.files import storage, tables
from pipelines.hashing import digest_of, keyed

Json = dict[str, Any]
Floats = npt.NDArray[np.float64]
Bins = npt.NDArray[np.int64]

FILE: Final = "counts.json"  # of a source
VERSION: Final = 2  # of what is counted, and how
KEPT: Final = "kept"
NAMES: Final = ("language", "year", "license", "host")  # axes by names that all sources have
LENGTH: Final = "length"
NOT_SAID: Final = "(not said)"
ITEM_NAMES, DROPPED_NAMES = 200, 50  # of an axis of an item: of what is kept and of languages, and of a reason
LISTED: Final = 100  # names of an axis of a source; of languages, `ITEM_NAMES`
MOST: Final = 20_000  # names of an axis in memory while items are added up
HASHES: Final = 256  # the smallest, by which the names of an axis are estimated
NUMBERS: Final = 16  # columns of numbers that are counted, the first
PAIRED: Final = 5  # scores that are counted in pairs, the first columns
_BITS, _PAIR_BITS = 4, 1  # of a number's fraction
_MANTISSA = 52
_SMALLEST, _LARGEST = 2.0**-60, 2.0**70  # of what is told apart
# In the syntax of RE2; a name and a password before the host are nobody's business.
_HOST: Final = r"^(?i:[a-z]+)://(?:[^/?#@]*@)?(?:(?i:www)\.)?(?P<host>[^/:?#]+)"

STRATUM: Final = "stratum"  # the axis of what files and languages have together: LABEL, a tab, a language
_NAME, _NUMBER, _WHOLE, _PAIR = "name:", "number:", "whole:", "pair:"
_LANGUAGE: Final = f"{_NAME}language"
_ITEM: Final = re.compile(r"(?:\d{5}-)?([0-9a-f]{16})(?:-|\Z)")
_CRAWL: Final = re.compile(r"CC-MAIN-\d{4}-\d\d")
# Name -> documents and bytes.
Exact = dict[str, list[int]]


def named(axis: str) -> str:
    """Return what an axis by names is called in counts."""
    return f"{_NAME}{axis}"


def number(axis: str, *, whole: bool = False) -> str:
    """Return what an axis by numbers is called in counts."""
    return f"{_WHOLE if whole else _NUMBER}{axis}"


def numbers_in(axes: Iterable[str], *, whole: bool = False) -> list[str]:
    """Return by which numbers it is counted: whole ones, or others."""
    prefix = _WHOLE if whole else _NUMBER
    return sorted(axis.removeprefix(prefix) for axis in axes if axis.startswith(prefix))


def pair(first: str, second: str) -> str:
    """Return what an axis by pairs of numbers is called in counts."""
    return f"{_PAIR}{first}\t{second}"


def pairs_in(axes: Iterable[str]) -> list[tuple[str, str]]:
    """Return of which numbers there are pairs."""
    found = (axis.removeprefix(_PAIR).partition("\t") for axis in sorted(axes) if axis.startswith(_PAIR))
    return [(first, second) for first, _, second in found]


def bins(values: Floats, bits: int = _BITS) -> Bins:
    """Return the range of each number: 0 for zero, a negative one for a negative number."""
    sizes = np.ascontiguousarray(np.clip(np.abs(values), _SMALLEST, _LARGEST))
    found = sizes.view(np.int64) >> (_MANTISSA - bits)
    return np.where(values == 0, 0, np.where(values < 0, -found, found))


def edges(place: int, bits: int = _BITS) -> tuple[float, float]:
    """Return where a range begins and ends."""
    if place == 0:
        return 0.0, 0.0
    ends = (np.array([abs(place), abs(place) + 1], np.int64) << (_MANTISSA - bits)).view(np.float64)
    low, high = float(ends[0]), float(ends[1])
    return (low, high) if place > 0 else (-high, -low)


def pair_edges(name: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the ranges of both numbers of a pair."""
    first, second = (edges(int(place), _PAIR_BITS) for place in name.split(","))
    return first, second


class ItemCounts:
    """Counts one item's documents and drops as their tables are written; `own` are columns of the source's own."""

    def __init__(self, own: Sequence[str] = ()) -> None:
        self._own = tuple(own)
        self._parts: dict[str, dict[str, Exact]] = defaultdict(lambda: defaultdict(lambda: defaultdict(_none)))

    def documents(self, table: pa.Table) -> None:
        """Count some documents."""
        sizes = pc.binary_length(table["text"])
        kept = _Codes([KEPT], np.zeros(table.num_rows, np.int64))
        self._count(table, kept, _floats(sizes), tables.DOCUMENT_SCHEMA)

    def drops(self, table: pa.Table) -> None:
        """Count some drops."""
        both: list[Any] = [table["stage"], table["reason"], "/"]
        reasons = pc.binary_join_element_wise(*both)
        self._count(table, _coded(reasons), _floats(table["size"]), tables.DROP_SCHEMA)

    def _count(self, table: pa.Table, parts: _Codes, sizes: Floats, known: pa.Schema) -> None:
        names = [*NAMES, *(name for name in self._own if name in table.column_names)]
        for name in names:
            self._add(named(name), parts, sizes, *_named(table, name))
        self._add(number(LENGTH, whole=True), parts, sizes, _binned(sizes))
        numbers = [column for column in table.schema if column.name not in {*known.names, *names}]
        for column in [column for column in numbers if _has_numbers(column.type)][:NUMBERS]:
            values, rows = _elements(table[column.name])
            self._add(
                number(column.name, whole=not _is_score(column.type)), parts, sizes, _binned(_floats(values)), rows
            )
        scores = [column.name for column in numbers if _is_score(column.type)][:PAIRED]
        for first, second in combinations(scores, 2):
            self._add(pair(first, second), parts, sizes, _paired(_floats(table[first]), _floats(table[second])))

    def _add(self, axis: str, parts: _Codes, sizes: Floats, found: _Codes, rows: Bins | None = None) -> None:
        """Add to an axis; `rows` says of elements of lists which row each is in."""
        of, sizes = (parts.codes, sizes) if rows is None else (parts.codes[rows], sizes[rows])
        known = found.codes >= 0
        places = (of * len(found.names) + found.codes)[known]
        documents, size = np.bincount(places), np.bincount(places, weights=sizes[known])
        for place in np.flatnonzero(documents).tolist():
            part, name = divmod(place, len(found.names))
            row = self._parts[parts.names[part]][axis][found.names[name]]
            row[0] += int(documents[place])
            row[1] += int(size[place])

    def summary(self) -> Json:
        """Return the counts of the item."""
        return {
            part: {axis: _cut(part, axis, found) for axis, found in axes.items()} for part, axes in self._parts.items()
        }

    def write(self, path: str, files: Iterable[Mapping[str, str] | None]) -> None:
        """Write the counts; `files` are the manifest's entries of the tables that were counted."""
        storage.write_bytes(path, as_json({"identity": identity(files, self._own), "parts": self.summary()}))


@dataclass(frozen=True)
class _Codes:
    """Rows by the numbers of their names; -1 is counted nowhere."""

    names: Sequence[str]
    codes: Bins


def as_json(content: Json) -> bytes:
    """Return JSON without blanks, keys in order."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def _none() -> list[int]:
    return [0, 0]


def hosts(addresses: Any) -> Any:
    """Return the host of each address in small letters, without `www.`; null for what is no address."""
    return pc.utf8_lower(pc.struct_field(pc.extract_regex(addresses, _HOST), "host"))


def is_number(kind: pa.DataType) -> bool:
    """Tell whether the values of a column are numbers."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _has_numbers(kind: pa.DataType) -> bool:
    return is_number(kind.value_type if pa.types.is_list(kind) else kind)


def _is_score(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind)


def _elements(values: pa.ChunkedArray[Any]) -> tuple[Any, Bins | None]:
    """Return the elements of lists, and for each the row that it is in; other values as they are."""
    if not pa.types.is_list(values.type):
        return values, None
    whole = values.combine_chunks()
    return pc.list_flatten(whole), pc.list_parent_indices(whole).to_numpy()


def _named(table: pa.Table, name: str) -> tuple[_Codes, Bins | None]:
    """Return what rows are counted under on an axis."""
    if name == "year":
        times: Any = pc.cast(table["timestamp"], pa.timestamp("us"))
        return _coded(pc.cast(pc.year(times), pa.string())), None
    if name == "host":
        return _coded(hosts(table["url"])), None
    values, rows = _elements(table[name])
    if pa.types.is_boolean(values.type):
        values = pc.if_else(values, "yes", "no")
    return _coded(pc.cast(values, pa.string())), rows


def _coded(values: Any) -> _Codes:
    """Return texts by number; what is empty or null is not said."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    found = whole.dictionary_encode()
    names = [*(name or NOT_SAID for name in found.dictionary.to_pylist()), NOT_SAID]
    return _Codes(names, found.indices.fill_null(len(names) - 1).to_numpy().astype(np.int64))


def _floats(values: Any) -> Floats:
    return np.asarray(pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _binned(values: Floats) -> _Codes:
    known = np.isfinite(values)
    found, codes = np.unique(bins(np.where(known, values, 0.0)), return_inverse=True)
    return _Codes([*map(str, found.tolist()), NOT_SAID], np.where(known, codes, len(found)))


def _paired(first: Floats, second: Floats) -> _Codes:
    """Return the ranges of two numbers as one name; where one is missing there is no pair."""
    known = np.isfinite(first) & np.isfinite(second)
    both = np.stack([bins(np.where(known, one, 0.0), _PAIR_BITS) for one in (first, second)])
    found, codes = np.unique(both, axis=1, return_inverse=True)
    return _Codes([f"{a},{b}" for a, b in found.T.tolist()], np.where(known, codes.reshape(-1), -1))


def _cut(part: str, axis: str, found: Exact) -> Json:
    """Return an axis of an item: of names the largest, of numbers and pairs all, their documents alone."""
    if not axis.startswith(_NAME):
        return {"names": {name: row[0] for name, row in found.items()}}
    most = ITEM_NAMES if part == KEPT or axis == _LANGUAGE else DROPPED_NAMES
    if len(found) <= most:
        return {"names": dict(found)}
    ordered = _ordered(found)
    rest = [found[name] for name in ordered[most:]]
    told = {
        "names": {name: found[name] for name in ordered[:most]},
        "rest": [sum(row[0] for row in rest), sum(row[1] for row in rest)],
        "bound": rest[0][0],
    }
    return told | {"hashes": _smallest(map(_hash, found.keys() - {NOT_SAID}))}


def _ordered(found: Mapping[str, Sequence[int]]) -> list[str]:
    return sorted(found, key=lambda name: (-found[name][0], name))


def _hash(name: str) -> int:
    return keyed("name", name) >> 11  # as many bits as any reader of JSON keeps


def _smallest(hashes: Iterable[int]) -> list[int]:
    return sorted(set(hashes))[:HASHES]


@dataclass
class _Axis:
    """An axis of a part, added up over items; of names the `listed` largest are told.

    `covered` is by name the bounds of the items that name it.
    """

    exact: bool
    listed: int
    names: Exact = field(default_factory=dict)
    rest: list[int] = field(default_factory=_none)
    bound: int = 0
    covered: dict[str, int] = field(default_factory=dict)
    hashes: set[int] = field(default_factory=set)

    def add(self, told: Json) -> None:
        """Add what an item tells."""
        bound = told.get("bound", 0)
        self.bound += bound
        self.rest = [a + b for a, b in zip(self.rest, told.get("rest", (0, 0)), strict=True)]
        for name, counted in told["names"].items():
            documents, size = (counted, 0) if self.exact else counted
            row = self.names.setdefault(name, [0, 0])
            row[0] += documents
            row[1] += size
            self.covered[name] = self.covered.get(name, 0) + bound
        if not self.exact:
            self._hash(told)
            if len(self.names) > MOST:
                self._keep(MOST // 2)

    def _hash(self, told: Json) -> None:
        self.hashes.update(told.get("hashes") or map(_hash, told["names"].keys() - {NOT_SAID}))
        if len(self.hashes) > 8 * HASHES:
            self.hashes = set(_smallest(self.hashes))

    def _more(self, name: str) -> int:
        """Return how many documents more than counted a name may have, in items that do not name it."""
        return min(self.bound - self.covered[name], self.rest[0])

    def _keep(self, count: int) -> None:
        """Keep the largest names; the bound of those left out is what the largest of them may have."""
        ordered = _ordered(self.names)
        gone = {name: self.names.pop(name) for name in ordered[count:]}
        bound = max([self.bound, *(row[0] + self.bound - self.covered[name] for name, row in gone.items())])
        self.rest = [self.rest[n] + sum(row[n] for row in gone.values()) for n in (0, 1)]
        self.covered = {name: self.covered[name] + bound - self.bound for name in self.names}
        self.bound = bound

    def told(self) -> Json:
        """Return the axis: names with documents, bytes and how many documents more they may have, the largest first."""
        if self.exact:
            return {"names": {name: self.names[name][0] for name in sorted(self.names)}}
        distinct = self._distinct()
        if len(self.names) > self.listed:
            self._keep(self.listed)
        names = {name: [*self.names[name], self._more(name)] for name in _ordered(self.names)}
        return {"names": names, "rest": self.rest, "bound": self.bound, "distinct": distinct}

    def _distinct(self) -> list[int]:
        """Return how many names there are, and half of the 95 % interval: 0 where they were counted.

        The k-th smallest of hashes that are uniform over [0, 1) lies near k over their number (Bar-Yossef et al.,
        "Counting Distinct Elements in a Data Stream", 2002).
        """
        if not self.rest[0]:
            return [len(self.names.keys() - {NOT_SAID}), 0]
        smallest = _smallest(self.hashes)
        if len(smallest) < HASHES:
            return [len(smallest), 0]
        number = (HASHES - 1) * 2**53 / smallest[-1]
        return [round(number), round(1.96 * number / (HASHES - 2) ** 0.5)]


class Sum:
    """The counts of a source's items, to be added in the order of their keys."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, _Axis]] = {}

    def add(self, parts: Json, label: str) -> None:
        """Add an item's summary; `label` says of which kind its dump is."""
        if KEPT in parts:
            languages = parts[KEPT][named("language")]["names"]
            parts[KEPT][STRATUM] = {"names": {f"{label}\t{name}": row[0] for name, row in languages.items()}}
        for part, axes in parts.items():
            found = self._parts.setdefault(part, {})
            for axis, told in axes.items():
                if axis not in found:
                    found[axis] = _Axis(not axis.startswith(_NAME), ITEM_NAMES if axis == _LANGUAGE else LISTED)
                found[axis].add(told)

    def told(self) -> Json:
        """Return the counts by part and axis."""
        return {
            part: {axis: self._parts[part][axis].told() for axis in sorted(self._parts[part])}
            for part in sorted(self._parts)
        }


def label_of(item: str, inputs: Mapping[str, Mapping[str, Any]]) -> str:
    """Return of which kind the dump of an item is, "" if it is made of several: a crawl, or its input's attributes.

    `inputs` are a manifest's entries of them by digest.
    """
    found = _ITEM.match(item)
    entry = inputs.get(found[1]) if found else None
    if entry is None:
        return ""
    crawl = _CRAWL.search(entry["path"])
    return " ".join([*([crawl[0]] if crawl else []), *(str(value) for _, value in entry["attributes"])])


def total(axes: Mapping[str, Json]) -> tuple[int, int]:
    """Return how many documents a part has, and their bytes: each is of a language, or of none that is said."""
    found = axes.get(named("language"), {"names": {}, "rest": [0, 0]})
    rows = [*found["names"].values(), found["rest"]]
    return sum(row[0] for row in rows), sum(row[1] for row in rows)


def identity(files: Iterable[Mapping[str, str] | None], own: Sequence[str]) -> str:
    """Return what identifies the counts of an item: its tables, by their content, and what is counted."""
    return digest_of(VERSION, list(own), [found["digest"] if found else None for found in files])


def current(output: str, found: Any, files: Sequence[Mapping[str, str] | None], own: Sequence[str]) -> Json:
    """Return an item's summary of what its file has; made of its tables if that is missing, or of other tables.

    It is in a corpus that was built by a version that did not count. `files` are documents and drops.
    """
    if isinstance(found, dict) and found.get("identity") == identity(files, own):
        return dict(found["parts"])
    documents, drops = (entry["path"] if entry else None for entry in files)
    return of_tables(output, documents, drops, own)


def write(path: str, told: Json) -> None:
    """Write the counts of a source, unless the file holds them already."""
    if storage.read_json(path) != told:
        storage.write_bytes(path, as_json(told))


def of_tables(output: str, documents: str | None, drops: str | None, own: Sequence[str]) -> Json:
    """Return the summary of an item from its tables: all is read of documents, of drops all but the excerpts."""
    item = ItemCounts(own)
    for path, add in ((documents, item.documents), (drops, item.drops)):
        for table in groups(f"{output}/{path}") if path else ():
            add(table)
    return item.summary()


def groups(path: str) -> Iterator[pa.Table]:
    """Yield the row groups of a table, without the columns by which nothing is counted."""
    with tables.opened(path) as file:
        columns = [name for name in file.schema_arrow.names if name not in ("id", "excerpt", "title", "detail")]
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns, use_threads=False)
