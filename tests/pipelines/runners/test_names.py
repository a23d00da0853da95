"""Tasks come back from JSON as they were, and what a worker does not know is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import work
from pipelines.build import SOURCES, listed, source_of, with_own_texts, with_parts
from pipelines.readers.columns import Columns
from pipelines.recipe_parts import Texts
from pipelines.recipes import PAPER, RECIPES, SAMPLE
from pipelines.runners import environment
from pipelines.runners.names import Names
from pipelines.settings import override, with_texts
from pipelines.sources import texts


@dataclass(frozen=True)
class Inner:
    """A part of a task."""

    numbers: tuple[int, ...] = ()
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    """A task."""

    call: Callable[..., Any]
    inner: Inner | None = None
    kind: Literal["a", "b"] = "a"
    names: frozenset[str] = frozenset()
    places: range = range(3)
    by_name: dict[str, int] = field(default_factory=dict)
    columns: pa.Schema = field(default_factory=lambda: pa.schema([("a", pa.list_(pa.int32()))]))
    types: tuple[tuple[str, pa.DataType], ...] = ()
    anything: Any = None


def called() -> None:
    """Do nothing."""


NAMES = Names({"called": called}, [Inner, Outer])


def there_and_back(names: Names, value: Any) -> Any:
    return names.unpacked(json.loads(json.dumps(names.packed(value))))


@given(
    st.builds(
        Outer,
        st.just(called),
        st.none() | st.builds(Inner, st.lists(st.integers()).map(tuple), st.floats(allow_nan=False)),
        st.sampled_from(["a", "b"]),
        st.frozensets(st.text()),
        st.builds(range, st.integers(0, 9), st.integers(0, 9)),
        st.dictionaries(st.text(), st.integers()),
        types=st.just((("x", pa.timestamp("us", "UTC")), ("y", pa.struct([("z", pa.string())])))),
        anything=st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner).map(tuple)),
    )
)
def test_a_task_comes_back_as_it_was(task: Outer) -> None:
    assert there_and_back(NAMES, task) == task


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_recipes_come_back_as_they_were(recipe: Any) -> None:
    changed = override(with_texts(recipe, "mine"), "texts.mine.near.measure=jaccard")
    assert there_and_back(work.of_sources([], changed).names, changed) == changed


def test_a_worker_makes_the_names_of_the_driver_itself() -> None:
    recipe = with_texts(override(override(PAPER, "c4.near.measure=jaccard"), "books.filters.fineweb=true"), "mine")
    learned = {"mine": Columns((("a", pa.list_(pa.int64())),), ("text",), frozenset({"id"}), True)}
    own = texts.source("mine", Texts(), learned["mine"])
    listed = work.of_sources([*(source_of(one, recipe) for one in SOURCES.values()), own], recipe, learned)
    made = work.names(json.loads(json.dumps(listed.facts)))
    assert made._things.keys() == listed.names._things.keys()
    assert {"c4/near", "books/filtered", "mine/rows", "mine read", "stack_exchange unpack"} <= made._things.keys()
    assert made._things["mine/rows"].columns == own.stages[0].columns  # type: ignore[union-attr]


def test_a_worker_with_another_list_of_sources_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = work.of_sources([], SAMPLE, named="laws:SOURCES").facts
    with pytest.raises(ValueError, match="sources of laws:SOURCES, this worker those of the package: set ALTI"):
        work.names(facts)
    monkeypatch.setenv(environment.SOURCES, "laws:SOURCES")
    with pytest.raises(ValueError, match="--sources laws:SOURCES: No module named 'laws'"):
        work.names(facts)


def inner(**changed: Any) -> dict[str, Any]:
    return {f"{__name__}.Inner": {"numbers": [1], "share": 0.5, **changed}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"named": "os.system"}, "a plan names 'os.system', which this worker's list does not have"),
        ({"os.system": {}}, "a plan has a 'os.system', which this worker does not know"),
        ({"a": 1, "b": 2}, r"an object with the keys \['a', 'b'\]"),
        (inner(more=1), "a Inner that lacks fields or has others: more"),
        (inner(numbers=["1"]), r"a Inner whose numbers is \('1',\), no tuple\[int, ...\]"),
        (inner(numbers=[True]), "whose numbers is"),
        (inner(share="0.5"), "whose share is '0.5'"),
        (inner(share=inner()), "whose share is Inner"),
    ],
)
def test_what_does_not_fit_is_refused(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NAMES.unpacked(data)


@pytest.mark.parametrize("value", [object(), print, {"a": {1, 2}, "b": object()}, Texts(), lambda: None])
def test_what_has_no_name_is_not_packed(value: Any) -> None:
    with pytest.raises(TypeError, match="has no form in a plan"):
        NAMES.packed(value)


def test_a_worker_knows_the_recipes_of_its_own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    named = "tests.letters:SOURCES"
    recipe, sources = with_own_texts(with_parts(SAMPLE, listed(named)), listed(named))
    facts = work.of_sources([source_of(one, recipe) for one in sources.values()], recipe, named=named).facts
    monkeypatch.setenv(environment.SOURCES, named)
    assert "letters read" in work.names(json.loads(json.dumps(facts)))._things
