"""What documents and drops are counted by: equal to the truth, whatever is merged first, bounded where it is cut."""

from __future__ import annotations

import io
import json
import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.document import Document, Drop
from pipelines.files import tables
from pipelines.stages import counts
from pipelines.stages.counts import KEPT, NOT_SAID

COLUMNS = tables.columns(
    score=pa.float64(), chance=pa.float64(), answers=pa.int32(), tags=pa.list_(pa.string()), cited=pa.bool_()
)
OWN = ("tags", "cited", "absent")


def document(rng: random.Random, number: int) -> Document:
    hosts = ["example.org", "www.example.org", f"user:word@h{int(rng.paretovariate(0.8)) % 300}.example.com"]
    return Document(
        id=f"books/{number}",
        source="books",
        text="ä" * rng.choice([0, 1, 7, 100, 3_000]),
        dump="0",
        offset=number,
        url=rng.choice([None, "no address", *(f"https://{host}:80/{number}" for host in hosts)]),
        license=rng.choice(["mit", "", None]),
        language=rng.choice(["en", "de", "und", None]),
        timestamp=rng.choice(["2019-05-01", "2020", None, "1897-12-31T23:59:59Z"]),
        attributes={
            "score": rng.choice([-2.5, 0.0, 0.25, 1e300, float("nan")]),
            "chance": rng.random(),
            "answers": rng.choice([0, 3, 40]),
            "tags": rng.sample(["a", "b", "c"], rng.randrange(3)),
            "cited": rng.choice([True, False]),
        },
    )


def summary(found: list[Document | Drop]) -> dict[str, Any]:
    """Return the summary of an item that writes these."""
    item = counts.ItemCounts(OWN)
    documents = tables.DocumentWriter(io.BytesIO(), COLUMNS, watch=item.documents)
    drops = tables.DropWriter(io.BytesIO(), ["score"], watch=item.drops)
    for one in found:
        if isinstance(one, Drop):
            drops.write(one, excerpt=False)
        else:
            documents.write(one)
    documents.close()
    drops.close()
    told: dict[str, Any] = json.loads(json.dumps(item.summary()))
    return told


def added(items: list[dict[str, Any]]) -> dict[str, Any]:
    total = counts.Sum()
    for found in items:
        total.add(found, "")
    return total.told()


def outcomes(seed: int, number: int) -> list[Document | Drop]:
    rng = random.Random(seed)
    found: list[Document | Drop] = []
    for one in range(number):
        made = document(rng, one)
        gone = made.drop(rng.choice(["too_short", "a/b"]), score=rng.random())
        found.append(made if rng.random() < 0.7 else replace(gone, stage="s"))
    return found


def truth(found: list[Document | Drop], axis: str, part: str) -> Counter[str]:
    """Return documents by value, counted one by one without Arrow."""
    total: Counter[str] = Counter()
    for one in found:
        if (f"{one.stage}/{one.reason}" if isinstance(one, Drop) else KEPT) != part:
            continue
        if axis == "year":
            value = (one.timestamp or "")[:4]
        elif axis == "host":
            after = (one.url or "").partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
            value = after.removeprefix("www.")
        else:
            value = getattr(one, axis) or ""
        total[value or NOT_SAID] += 1
    return total


@pytest.mark.parametrize("seed", range(3))
def test_every_axis_is_the_truth_however_documents_are_spread_over_items(seed: int) -> None:
    found = outcomes(seed, 900)
    rng = random.Random(seed)
    spread: list[list[Document | Drop]] = [[] for _ in range(7)]
    for one in found:
        rng.choice(spread).append(one)
    whole = added([summary(found)])
    parts = [summary(part) for part in spread]
    rng.shuffle(parts)
    assert added(parts) == whole
    for part in (KEPT, "s/too_short", "s/a/b"):
        for axis in counts.NAMES:
            rows = whole[part][counts.named(axis)]
            wanted = truth(found, axis, part)
            named = {value: row[0] for value, row in rows["names"].items()}
            assert named == {value: wanted[value] for value in named}
            assert sum(named.values()) + rows["rest"][0] == wanted.total()
            assert [row[2] for row in rows["names"].values()] == [0] * len(named)
        size = sum(one.size if isinstance(one, Drop) else len(one.text.encode()) for one in found if of(one) == part)
        assert counts.total(whole[part]) == (wanted.total(), size)
    kept = [one for one in found if isinstance(one, Document)]
    tags = Counter(tag for one in kept for tag in one.attributes["tags"])
    assert {value: row[0] for value, row in whole[KEPT][counts.named("tags")]["names"].items()} == tags
    cited = Counter("yes" if one.attributes["cited"] else "no" for one in kept)
    assert {value: row[0] for value, row in whole[KEPT][counts.named("cited")]["names"].items()} == cited


def of(one: Document | Drop) -> str:
    return f"{one.stage}/{one.reason}" if isinstance(one, Drop) else KEPT


def test_numbers_are_in_the_range_that_holds_them() -> None:
    found = outcomes(5, 600)
    whole = added([summary(found)])
    kept = [one for one in found if isinstance(one, Document)]
    for axis, whole_numbers in (("score", False), ("chance", False), ("answers", True)):
        rows = dict(whole[KEPT][counts.number(axis, whole=whole_numbers)]["names"])
        values = [float(one.attributes[axis]) for one in kept]
        assert rows.pop(NOT_SAID, 0) == sum(map(math.isnan, values))
        for place, documents in rows.items():
            low, high = counts.edges(int(place))
            inside = [v for v in values if low <= v < high or v == low or (v < 0 and low < v <= high)]
            inside += [v for v in values if v == 1e300 and high > 2.0**69]
            assert documents == len(inside)
    pairs = whole[KEPT][counts.pair("score", "chance")]["names"]
    assert sum(pairs.values()) == sum(not math.isnan(one.attributes["score"]) for one in kept)
    assert counts.pairs_in(whole[KEPT]) == [("score", "chance")]


def test_ranges_follow_each_other_without_a_gap() -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.lognormal(0, 9, 2_000), -rng.lognormal(0, 9, 2_000), np.arange(-64.0, 65.0)])
    for value, place in zip(values.tolist(), counts.bins(values).tolist(), strict=True):
        low, high = counts.edges(place)
        assert low <= value <= high
        assert value == 0 or (high - low) <= max(abs(low), abs(high)) / 16
        if place > 0:
            assert counts.edges(place + 1)[0] == high
    whole = np.arange(1.0, 33.0)
    assert len(set(counts.bins(whole).tolist())) == len(whole)


@pytest.mark.parametrize("seed", range(4))
def test_names_that_are_cut_hold_the_truth_within_their_bounds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "ITEM_NAMES", 12)
    monkeypatch.setattr(counts, "MOST", 60)
    monkeypatch.setattr(counts, "LISTED", 25)
    rng = random.Random(seed)
    items: list[list[Document | Drop]] = []
    for item in range(20):
        hosts = [int(rng.paretovariate(0.7 + 0.02 * item)) % 500 for _ in range(120)]
        items.append(
            [
                Document(id=f"b/{item}/{n}", source="b", text="t", dump="0", offset=0, url=f"http://h{host}.org/")
                for n, host in enumerate(hosts)
            ]
        )
    every = [one for item in items for one in item]
    wanted = truth(every, "host", KEPT)
    axis = added([summary(item) for item in items])[KEPT][counts.named("host")]
    assert len(axis["names"]) == 25
    for name, (documents, _, more) in axis["names"].items():
        assert documents <= wanted[name] <= documents + more
    for name in wanted.keys() - axis["names"].keys():
        assert wanted[name] <= axis["bound"]
    assert sum(row[0] for row in axis["names"].values()) + axis["rest"][0] == len(every)
    largest = max(wanted, key=lambda name: wanted[name])
    assert axis["names"][largest][2] == 0  # every item names it


def test_how_many_names_there_are_is_estimated_with_an_interval() -> None:
    inside = 0
    for trial in range(40):
        found: list[Document | Drop] = [
            Document(id=f"b/{n}", source="b", text="t", dump="0", offset=0, url=f"http://h{trial}.{n % 3_000}.org/")
            for n in range(4_000)
        ]
        items = [summary(found[start::4]) for start in range(4)]
        number, half = added(items)[KEPT][counts.named("host")]["distinct"]
        assert 0 < half < 450
        inside += abs(number - 3_000) <= half
    assert inside >= 34


def test_an_item_takes_a_few_kilobytes(tmp_path: Path) -> None:
    rng = random.Random(1)
    found: list[Document | Drop] = [
        Document(
            id=f"b/{n}",
            source="b",
            text="t" * int(rng.lognormvariate(7, 1.2)),
            dump="0",
            offset=0,
            url=f"http://www.h{int(rng.paretovariate(0.6)) % 9_000}.example.org/",
            language="en",
            attributes={"score": rng.random(), "chance": rng.random()},
        )
        for n in range(20_000)
    ]
    size = len(counts.as_json(summary(found)))
    assert size < 24_000


def test_a_table_says_what_was_counted_as_it_was_written(tmp_path: Path) -> None:
    found = outcomes(9, 300)
    (tmp_path / "d").mkdir()
    with (tmp_path / "d/a.parquet").open("wb") as one, (tmp_path / "d/b.parquet").open("wb") as two:
        documents, drops = tables.DocumentWriter(one, COLUMNS), tables.DropWriter(two, ["score"])
        for row in found:
            if isinstance(row, Drop):
                drops.write(row, excerpt=True)
            else:
                documents.write(row)
        entries = [writer.close().named(f"d/{name}.parquet") for writer, name in ((documents, "a"), (drops, "b"))]
    assert counts.of_tables(str(tmp_path), "d/a.parquet", "d/b.parquet", OWN) == summary(found)
    stale = {"identity": "of something else", "parts": {}}
    for held in (None, stale, {"identity": counts.identity(entries, OWN)[::-1], "parts": {}}):
        assert counts.current(str(tmp_path), held, entries, OWN) == summary(found)
    same = {"identity": counts.identity(entries, OWN), "parts": {"kept": "as it is"}}
    assert counts.current(str(tmp_path), same, entries, OWN) == same["parts"]


@pytest.mark.parametrize(
    ("item", "label"),
    [
        ("0123456789abcdef", "CC-MAIN-2019-30"),
        ("0123456789abcdef-000000000000-000000000100", "CC-MAIN-2019-30"),
        ("fedcba9876543210", "de 2022"),
        ("00001-fedcba9876543210", "de 2022"),
        ("bucket-000001", ""),
        ("1111111111111111", ""),
    ],
)
def test_an_item_is_of_a_kind_of_dump(item: str, label: str) -> None:
    inputs: dict[str, dict[str, Any]] = {
        "0123456789abcdef": {"path": "s3://x/CC-MAIN-2019-30/wet/a.gz", "attributes": []},
        "fedcba9876543210": {"path": "b", "attributes": [["language", "de"], ["year", "2022"]]},
    }
    assert counts.label_of(item, inputs) == label
