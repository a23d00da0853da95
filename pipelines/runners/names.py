"""Tasks as JSON: what is code goes by its name in a list that driver and worker have each, the rest as plain values.

    task ─ packed ─> JSON ─ unpacked ─> the same task, with the worker's own functions and stages

Nothing in the JSON is run: a name that the worker's list does not have, a class that it does not know, a field that is
missing or has another type is refused. An object of JSON has one key, which says what it stands for:

    {"named": "c4/pages"}  {"map": {"lid": "/lid.bin"}}  {"range": [0, 16]}  {"pipelines.stages.kinds.Paths": {...}}
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

NAMED, MAP, SET, RANGE, COLUMNS, TYPE = "named", "map", "set", "range", "columns", "type"


class Names:
    """What a task may hold: `things` by their names (functions, stages), and dataclasses of these `kinds`."""

    def __init__(self, things: Mapping[str, Any], kinds: Iterable[type]) -> None:
        self._things = dict(things)
        self._names = {id(thing): name for name, thing in things.items()}
        self._kinds = {name_of(kind): kind for kind in kinds}

    def packed(self, value: Any) -> Any:
        """Return a value as JSON; raise TypeError naming what has no form there."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if id(value) in self._names:
            return {NAMED: self._names[id(value)]}
        if isinstance(value, tuple | list):
            return [self.packed(one) for one in value]
        if isinstance(value, Mapping):
            return {MAP: {key: self.packed(one) for key, one in value.items()}}
        if isinstance(value, AbstractSet):
            return {SET: sorted(value)}
        if isinstance(value, range):
            return {RANGE: [value.start, value.stop]}
        if isinstance(value, pa.DataType):
            return {TYPE: _schema_packed(pa.schema([pa.field("", value)]))}
        if isinstance(value, pa.Schema):
            return {COLUMNS: _schema_packed(value)}
        if name_of(type(value)) in self._kinds:
            return {name_of(type(value)): {one.name: self.packed(getattr(value, one.name)) for one in fields(value)}}
        raise TypeError(f"{value!r:.200} has no form in a plan, and no name in the list of what workers know")

    def unpacked(self, data: Any) -> Any:
        """Return the value of JSON; raise ValueError naming what the list does not have, or does not fit its field."""
        if isinstance(data, list):
            return tuple(self.unpacked(one) for one in data)
        if not isinstance(data, dict):
            return data
        if len(data) != 1:
            raise ValueError(f"a plan has an object with the keys {sorted(data)}; one says what it is")
        ((key, content),) = data.items()
        return self._of(key, content)

    def _of(self, key: str, content: Any) -> Any:
        if key == NAMED:
            if content not in self._things:
                raise ValueError(f"a plan names {content!r}, which this worker's list does not have")
            return self._things[content]
        if key == MAP:
            return {name: self.unpacked(one) for name, one in content.items()}
        if key == SET:
            return frozenset(content)
        if key == RANGE:
            return range(*content)
        if key == COLUMNS:
            return _schema(content)
        if key == TYPE:
            return _schema(content).field(0).type
        if key not in self._kinds:
            raise ValueError(f"a plan has a {key!r}, which this worker does not know")
        return self._made(self._kinds[key], content)

    def _made(self, kind: type, content: Mapping[str, Any]) -> Any:
        hints = hints_of(kind)
        if content.keys() != hints.keys():
            differing = ", ".join(sorted(content.keys() ^ hints.keys()))
            raise ValueError(f"a plan has a {kind.__name__} that lacks fields or has others: {differing}")
        found = {}
        for name, hint in hints.items():
            found[name] = value = self.unpacked(content[name])
            if not fits(value, hint):
                raise ValueError(f"a plan has a {kind.__name__} whose {name} is {value!r:.200}, no {hint}")
        return kind(**found)


def kinds_in(value: Any) -> Iterator[type]:
    """Yield the class of a dataclass, and of those in its fields."""
    if isinstance(value, tuple):
        for one in value:
            yield from kinds_in(one)
    elif is_dataclass(value):
        yield type(value)
        for one in fields(value):
            yield from kinds_in(getattr(value, one.name))


def name_of(kind: type) -> str:
    """Return the name of a class in a plan."""
    return f"{kind.__module__}.{kind.__qualname__}"


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """Return the types of a dataclass' fields."""
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind)}


def _schema_packed(schema: pa.Schema) -> str:
    return base64.b64encode(schema.serialize()).decode()


def _schema(packed: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(packed, validate=True)))


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value is of a type, and all that is in it."""
    kind, arguments = get_origin(hint) or hint, get_args(hint)
    if kind is Any or isinstance(kind, TypeVar):
        return True
    if kind in (Union, UnionType):
        return any(fits(value, one) for one in arguments)
    if kind is Literal:
        return value in arguments
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    if kind is Callable or getattr(kind, "_is_protocol", False):
        return callable(value)
    if not isinstance(value, tuple if kind is Sequence else kind if kind is not None else type(None)):
        return False
    if isinstance(value, Mapping):
        return all(fits(key, arguments[0]) and fits(one, arguments[1]) for key, one in value.items())
    if isinstance(value, tuple) and arguments:
        return _fit(value, arguments, same=kind is Sequence or arguments[-1] is Ellipsis)
    return True


def _fit(values: tuple[Any, ...], hints: Sequence[Any], *, same: bool) -> bool:
    if same:
        return all(fits(one, hints[0]) for one in values)
    return len(values) == len(hints) and all(map(fits, values, hints))
