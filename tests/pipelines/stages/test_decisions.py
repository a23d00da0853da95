"""Decisions over any number of items: whatever the groups, buckets and reducers, what a rule says of each window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.dedup import exact, lines
from pipelines.files import runs, storage
from pipelines.optional import decontamination
from pipelines.sources import wikipedia
from pipelines.stages.decisions import Cut, Decision, reducers_for, spans
from pipelines.stages.jobs import Shuffle
from pipelines.stages.kinds import Decide, Paths, StageOf
from tests.pipelines import loop

RULES = {
    "seen_twice": Decide("lines", lines.seen_twice),
    "owners": Decide("owners", exact.not_owner, ranked=True),
    "cited": Decide("cited", exact.in_other_source, other=StageOf("wikipedia", wikipedia.ARTICLES), duplicates=False),
    "rare": Decide("rare", partial(decontamination.rare, max_documents=2), duplicates=False),
}
# Two records of one item have different places, as a reader gives them.
KEYS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3)), max_size=6)


def records_of(item: int, entries: list[tuple[int, int]], *, ranked: bool, hot: bool) -> runs.Records:
    """Return an item's keys, each hash once in a document; with `hot`, one hash that every document has."""
    found = [(hash_, rank) for hash_, rank in entries] + ([(9, item)] if hot else [])
    records = np.zeros(len(found), runs.RANKED_KEY if ranked else runs.KEY)
    records["hash"] = np.array([hash_ * 0x1C71C71C71C71C71 for hash_, _ in found], np.uint64)
    records["doc"] = np.arange(len(found))
    records["line"] = [rank for _, rank in found]
    if ranked:
        records["rank"] = [rank for _, rank in found]
    return records


def expected(decision: Decision, keys: list[runs.Records]) -> list[set[tuple[int, int]]]:
    """Return what each item loses, from the rule over all records of its window at once."""
    lost: list[set[tuple[int, int]]] = [set() for _ in range(decision.cut.items)]
    others = list(range(decision.cut.items, len(keys)))
    for first in range(0, decision.cut.items, decision.cut.width):
        window = [*range(first, min(first + decision.cut.width, decision.cut.items)), *others]
        records = np.concatenate([keys[item] for item in window])
        items = np.repeat(np.array(window, np.uint32), [len(keys[item]) for item in window])
        marked = decision.stage.rule(records, items, decision.cut.items)
        for item, row in zip(items[marked].tolist(), records[marked], strict=True):
            if item < decision.cut.items:
                lost[item].add((int(row["doc"]), int(row["line"])))
    return lost


def write(folder: Path, keys: list[runs.Records], buckets: int) -> list[str]:
    paths = [str(folder / f"{item}.run") for item in range(len(keys))]
    for path, records in zip(paths, keys, strict=True):
        runs.write_keys(path, records, buckets)
    return paths


def run(decision: Decision, run_files: list[str]) -> None:
    for step in decision.steps("web/lines", run_files):
        loop.run([step])
        assert all(storage.exists(path) for path in step.outputs)


@given(
    st.lists(KEYS, min_size=1, max_size=9),
    st.sampled_from(sorted(RULES)),
    st.integers(0, 4),
    st.integers(2, 5),
    st.sampled_from([1, 2, 8]),
    st.booleans(),
    st.integers(1, 20),
)
@settings(deadline=None, max_examples=150)
def test_groups_and_reducers_decide_what_the_rule_says(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[list[tuple[int, int]]],
    rule: str,
    window: int,
    fan_in: int,
    reducers: int,
    hot: bool,
    reducer_keys: int,
) -> None:
    folder = tmp_path_factory.mktemp("decision")
    stage = RULES[rule]
    others = len(entries) // 2 if stage.other else 0
    keys = [records_of(item, found, ranked=stage.ranked, hot=hot) for item, found in enumerate(entries)]
    decision = Decision(
        stage,
        Paths(str(folder), "web"),
        "identity",
        Cut(len(keys) - others, others, window, fan_in),
        buckets=8,
        reducers=reducers,
        reducer_keys=reducer_keys,
    )
    run_files = write(folder, keys, 8)
    run(decision, run_files)
    found = [decision.removals_of(item).read(decision.paths).tolist() for item in range(decision.cut.items)]
    assert [set(rows) for rows in found] == expected(decision, keys)
    assert found == [sorted(set(rows)) for rows in found]
    facts = decision.facts(run_files, list(map(runs.records, run_files)))
    assert facts["marked"] == sum(map(len, found))
    windows = -(-decision.cut.items // decision.cut.width)
    sizes = [len(records) for records in keys]
    assert facts["keys"] == sum(sizes[: decision.cut.items]) + windows * sum(sizes[decision.cut.items :])


def hot_decision(folder: Path, documents: int) -> tuple[Decision, list[str]]:
    """Return a decision over eight items in which every document has one and the same line."""
    records = np.zeros(documents, runs.KEY)
    records["hash"] = 1 << 40
    records["doc"] = np.arange(documents)
    stage = RULES["seen_twice"]
    decision = Decision(stage, Paths(str(folder), "web"), "identity", Cut(8, 0, fan_in=2), buckets=4, reducers=4)
    return decision, write(folder, [records] * 8, 4)


def test_a_line_that_all_pages_have_reaches_its_reducer_once_a_group(tmp_path: Path) -> None:
    decision, run_files = hot_decision(tmp_path, 1000)
    seen: list[int] = []
    rule: Callable[[runs.Records, npt.NDArray[np.uint32], int], npt.NDArray[np.bool_]] = decision.stage.rule

    def spy(records: runs.Records, items: npt.NDArray[np.uint32], own: int) -> npt.NDArray[np.bool_]:
        seen.append(len(records))
        return rule(records, items, own)

    watched = replace(decision, stage=replace(decision.stage, rule=spy))
    for step in watched.steps("web/lines", run_files):
        if isinstance(step, Shuffle):
            seen.clear()
        loop.run([step])
    assert sorted(seen) == [0, 0, 0, 4]
    assert decision.facts(run_files, list(map(runs.records, run_files))) == {"keys": 8000, "marked": 8000}
    assert [len(decision.removals_of(item).read(decision.paths)) for item in range(8)] == [1000] * 8


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("lines_merge/group-000001.json", "web/lines took 4 of "),
        ("lines/bucket-000000.json", "web/lines took "),
        ("lines_by_item/group-000002.json", "web/lines gave back 7998 of 8000 removals"),
    ],
)
def test_what_is_lost_between_two_steps_is_found(tmp_path: Path, pattern: str, message: str) -> None:
    decision, run_files = hot_decision(tmp_path, 1000)
    run(decision, run_files)
    path = f"{tmp_path}/work/web/{pattern}"
    row = storage.read_json(path)
    fields = {"lines_merge": "sent", "lines": "keys", "lines_by_item": "marked"}
    row[fields[pattern.partition("/")[0]]] -= 2
    storage.write_json(path, row)
    with pytest.raises(RuntimeError, match=message):
        decision.facts(run_files, list(map(runs.records, run_files)))


def test_reducers_are_as_many_as_the_keys_need() -> None:
    assert [reducers_for(keys, 16, 100) for keys in (0, 1, 100, 101, 250, 1600, 10**9)] == [1, 1, 1, 2, 4, 16, 16]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.integers(1, 100))
def test_spans_hold_every_bucket_once(counts: list[int], limit: int) -> None:
    found = list(spans(np.array(counts), limit))
    assert [bucket for first, last in found for bucket in range(first, last)] == list(range(len(counts)))
    for first, last in found:
        nonzero = [count for count in counts[first:last] if count]
        assert sum(nonzero) <= limit or len(nonzero) == 1
