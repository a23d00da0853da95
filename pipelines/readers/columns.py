"""The columns that rows of own texts bring besides those of a document: names, types, and values that fit them.

    inputs ─ Parquet, Arrow: their schemas; JSON: types of the first rows ─> one type for each name ─> Columns
    row ─ of_table, of_json ─> attributes of a document; of JSON what fits no column, as text in `other_fields`

A name that a document has itself, or that a stage gives, gets `row_` in front. Types are those of the input, but for
what Python and Parquet do not hold: dictionaries and views become plain, times have microseconds.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import pyarrow as pa

from pipelines.files.tables import well_formed
from pipelines.readers.rows import kept_type

OTHER: Final = "other_fields"
PREFIX: Final = "row_"
# Own choices: objects with more fields are kept as text, and so are columns beyond these in `other_fields`.
MOST_FIELDS, MOST_COLUMNS = 100, 1_000
_EXACT: Final = 1 << 53  # larger integers are not all floats
_UNFIT: Final = object()

Row = Mapping[str, Any]
Types = Mapping[str, pa.DataType]


def type_of(values: Sequence[Any]) -> pa.DataType:
    """Return the type of some values of JSON: text where they have none in common, or Parquet has no form for it."""
    try:
        found = pa.array(values).type
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        return pa.string()
    return found if _is_storable(found, MOST_FIELDS) else pa.string()


def common(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    """Return the type that holds the values of both: text if there is no other."""
    try:
        both = [pa.schema([("column", kind)]) for kind in (first, second)]
        found: pa.DataType = pa.unify_schemas(both, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return pa.string()
    return found if _is_storable(found) else pa.string()


def _is_storable(kind: pa.DataType, most: float = math.inf) -> bool:
    """Tell whether Parquet has a form for a type: it has none for an object without fields."""
    inner = [kind.field(number).type for number in range(kind.num_fields)]
    return (not pa.types.is_struct(kind) or 0 < len(inner) <= most) and all(_is_storable(one, most) for one in inner)


def widened(types: Types, more: Types) -> Types:
    """Return types that hold the values of both, of a name that only one has its own."""
    return {**types, **{name: common(types[name], kind) if name in types else kind for name, kind in more.items()}}


def united(found: Iterable[Types]) -> Types:
    """Return one type for each name that any of these has, in their order; one without a value anywhere is text."""

    nothing: Types = {}
    return {name: _with_values(kind) for name, kind in reduce(widened, found, nothing).items()}


def _with_values(kind: pa.DataType) -> pa.DataType:
    """Return a type with text in the place of what is always null."""
    if pa.types.is_list(kind):
        return pa.list_(_with_values(kind.field(0).type))
    if pa.types.is_struct(kind):
        inner = [kind.field(number) for number in range(kind.num_fields)]
        return pa.struct([pa.field(one.name, _with_values(one.type)) for one in inner])
    return pa.string() if pa.types.is_null(kind) else kind


def of_rows(rows: Sequence[Row], names: Iterable[str]) -> Types:
    """Return the types of fields of rows of JSON."""
    return {name: type_of([value(row, name) for row in rows]) for name in names}


def of_schema(schema: pa.Schema, names: Iterable[str], path: str) -> Types:
    """Return the types of a table's columns, or of fields in them; raise ValueError naming one that cannot be kept."""
    found = {}
    for name in names:
        kind = kept_type(_type_in(schema, name))
        if pa.types.is_union(kind) or pa.types.is_interval(kind):
            raise ValueError(
                f"{path}: the column {name!r} is a {kind}, which Parquet cannot store; choose the columns to "
                "keep with --set texts.NAME.attributes=A,B"
            )
        found[name] = kind if _is_storable(kind) else pa.string()
    return found


def _type_in(schema: pa.Schema, name: str) -> pa.DataType:
    """Return the type of a column, or of a field in one; null if there is none."""
    if name in schema.names:
        whole: pa.DataType = schema.field(name).type
        return whole
    first, *rest = name.split(".")
    kind: pa.DataType = pa.null()
    if first in schema.names:
        kind = schema.field(first).type
    for part in rest:
        place = kind.get_field_index(part) if isinstance(kind, pa.StructType) else -1
        kind = kind.field(place).type if place >= 0 else pa.null()
    return kind


def pruned(schema: pa.Schema, paths: Iterable[str]) -> pa.Schema:
    """Return the columns of a table without the fields inside others that these paths name."""
    for first, rest in _inside(paths):
        if first in schema.names and pa.types.is_struct(kind := schema.field(first).type):
            place, left = schema.get_field_index(first), _without_field(kind, rest)
            schema = schema.remove(place) if left is None else schema.set(place, pa.field(first, left))
    return schema


def _without_field(kind: pa.StructType, path: Sequence[str]) -> pa.DataType | None:
    """Return a struct without a field in it; None if that was its only one."""
    kept = []
    for one in [kind.field(number) for number in range(kind.num_fields)]:
        if one.name != path[0]:
            kept.append(one)
        elif len(path) > 1:
            inner = _without_field(one.type, path[1:]) if pa.types.is_struct(one.type) else one.type
            kept += [] if inner is None else [pa.field(one.name, inner)]
    return pa.struct(kept) if kept else None


def without(row: Row, paths: Iterable[str]) -> Row:
    """Return a row without the fields inside others that these paths name."""
    for first, rest in _inside(paths):
        if isinstance(inner := row.get(first), Mapping):
            row = {**row, first: _without_key(inner, rest)}
    return row


def _without_key(found: Row, path: Sequence[str]) -> Row:
    if len(path) == 1:
        return {name: part for name, part in found.items() if name != path[0]}
    inner = found.get(path[0])
    return {**found, path[0]: _without_key(inner, path[1:])} if isinstance(inner, Mapping) else found


def _inside(paths: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    for path in paths:
        first, *rest = path.split(".")
        if rest:
            yield first, rest


def value(row: Row, name: str) -> Any:
    """Return a row's field: one of that name, or one inside another by a path with dots; None if it has none."""
    if name in row:
        return row[name]
    found: Any = row
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def said(found: Any) -> str | None:
    """Return a value as text: a text as it is, a time in ISO's form, anything else as JSON; None for what is empty."""
    if found is None or found == "":
        return None
    if isinstance(found, str):
        return well_formed(found)
    if isinstance(found, datetime.datetime | datetime.date):
        return found.isoformat()
    return well_formed(json.dumps(found, ensure_ascii=False, sort_keys=True, default=str))


def as_text(found: Any) -> str:
    """Return a value as text, one that is text already as it is, also if it is empty."""
    return well_formed(found) if isinstance(found, str) else said(found) or ""


@dataclass(frozen=True)
class Columns:
    """The types of columns, by the names of the fields that they come from.

    `own` are the fields that a document has itself (its text, its URL ...), with dots for one inside another; `taken`
    are names that no column may have; with `others`, what a row of JSON has besides is kept as text.
    """

    types: tuple[tuple[str, pa.DataType], ...] = ()
    own: tuple[str, ...] = ()
    taken: frozenset[str] = frozenset()
    others: bool = False

    @property
    def names(self) -> dict[str, str]:
        """The name of the column that each field becomes."""
        fields = [field for field, _ in self.types]
        found: dict[str, str] = {}
        for field in fields:
            name = field
            while name in self.taken or name == OTHER or (name != field and name in fields):
                name = PREFIX + name
            found[field] = name
        return found

    @property
    def schema(self) -> pa.Schema:
        """The columns as they are written."""
        found = list(zip(self.names.values(), (kind for _, kind in self.types), strict=True))
        return pa.schema([*found, *([(OTHER, pa.string())] if self.others else [])])

    @property
    def _inner(self) -> list[str]:
        """The fields inside others that a document has itself."""
        return [field for field in self.own if "." in field]

    def of_table(self) -> Callable[[Row], dict[str, Any]]:
        """Return the function from a row of a table to a document's attributes."""
        named = [(field, self.names[field], pa.types.is_string(kind)) for field, kind in self.types]

        inner = self._inner

        def attributes(row: Row) -> dict[str, Any]:
            row = without(row, inner) if inner else row
            values = ((name, value(row, field), is_text) for field, name, is_text in named)
            return {name: as_text(found) if is_text else found for name, found, is_text in values if found is not None}

        return attributes

    def of_json(self) -> Callable[[Row], dict[str, Any]]:
        """Return the function from a row of JSON to a document's attributes."""
        named = [(field, self.names[field], _fitting(kind)) for field, kind in self.types]
        known = {field for field, _ in self.types} | set(self.own)

        inner = self._inner

        def attributes(row: Row) -> dict[str, Any]:
            row = without(row, inner) if inner else row
            found: dict[str, Any] = {}
            left = {field: row[field] for field in row.keys() - known if row[field] is not None} if self.others else {}
            for field, name, fit in named:
                given = value(row, field)
                if given is not None:
                    fitted = fit(given)
                    if fitted is _UNFIT:
                        left[field] = given
                    else:
                        found[name] = fitted
            return found | ({OTHER: said(left)} if left else {})

        return attributes


def _fitting(kind: pa.DataType) -> Callable[[Any], Any]:
    """Return the function from a value of JSON to what a column of this type holds, `_UNFIT` for what it cannot."""
    if pa.types.is_string(kind):
        return as_text
    if pa.types.is_struct(kind):
        inner = {kind.field(n).name: _fitting(kind.field(n).type) for n in range(kind.num_fields)}
        return lambda found: _object(found, inner)
    if pa.types.is_list(kind):
        each = _fitting(kind.value_type)
        return lambda found: _list(found, each)
    fits = _FITS.get(kind.id, lambda found: _arrow_takes(found, kind))
    return lambda found: found if fits(found) else _UNFIT


# What the commonest columns hold; a truth value is an integer to Python, and to nobody else.
_FITS: Final[Mapping[int, Callable[[Any], bool]]] = {
    pa.bool_().id: lambda found: isinstance(found, bool),
    pa.int64().id: lambda found: type(found) is int and -(1 << 63) <= found < 1 << 63,
    pa.float64().id: lambda found: isinstance(found, float) or (type(found) is int and abs(found) <= _EXACT),
}


def _arrow_takes(found: Any, kind: pa.DataType) -> bool:
    try:
        pa.array([found], kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return True


def _object(found: Any, inner: Mapping[str, Callable[[Any], Any]]) -> Any:
    if not isinstance(found, Mapping) or found.keys() - inner.keys():
        return _UNFIT
    fitted = {name: None if part is None else inner[name](part) for name, part in found.items()}
    return _UNFIT if any(part is _UNFIT for part in fitted.values()) else fitted


def _list(found: Any, each: Callable[[Any], Any]) -> Any:
    if not isinstance(found, list):
        return _UNFIT
    fitted = [None if part is None else each(part) for part in found]
    return _UNFIT if any(part is _UNFIT for part in fitted) else fitted
