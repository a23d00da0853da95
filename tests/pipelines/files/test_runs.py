"""Run files: what is written by bucket is read back by bucket, whatever the hashes."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.files import runs

HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=200)


def keys(hashes: list[int]) -> runs.Records:
    records = np.zeros(len(hashes), runs.KEY)
    records["hash"] = np.array(hashes, np.uint64)
    records["doc"] = np.arange(len(hashes))
    return records


@given(HASHES, st.sampled_from([1, 2, 16, 4096]))
@settings(deadline=None, max_examples=50)
def test_slices_hold_each_record_once_in_its_bucket(
    tmp_path_factory: pytest.TempPathFactory, hashes: list[int], buckets: int
) -> None:
    path = str(tmp_path_factory.mktemp("runs") / "a.run")
    runs.write_keys(path, keys(hashes), buckets)
    found: list[int] = []
    for bucket, where in runs.slices(7, path):
        records = runs.read_keys(where, runs.KEY)
        assert where.item == 7
        assert len(records)
        assert all(value * buckets // 2**64 == bucket for value in records["hash"].tolist())
        found += records["hash"].tolist()
    assert found == sorted(hashes)


FIELDS = st.tuples(*[st.sampled_from([0, 1, 7, 2**32 - 1])] * 4)


@given(st.lists(FIELDS, max_size=40))
@settings(deadline=None, max_examples=50)
def test_keys_are_written_in_the_order_of_all_fields(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, ...]]
) -> None:
    path = str(tmp_path_factory.mktemp("runs") / "a.run")
    runs.write_keys(path, np.array(rows, runs.RANKED_KEY), 1)
    written = [row for _, where in runs.slices(0, path) for row in runs.read_keys(where, runs.RANKED_KEY).tolist()]
    assert written == sorted(rows)


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.binary(max_size=20)), max_size=60))
@settings(deadline=None, max_examples=50)
def test_blobs_come_back_with_their_hashes(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[int, bytes]]
) -> None:
    path = str(tmp_path_factory.mktemp("runs") / "a.run")
    runs.write_blobs(path, [key for key, _ in entries], [payload for _, payload in entries], 8)
    found = [entry for _, where in runs.slices(0, path) for entry in runs.read_blobs(where)]
    assert sorted(found) == sorted(entries)
    assert [key for key, _ in found] == sorted(key for key, _ in entries)


def test_removals_return_to_their_items(tmp_path: Path) -> None:
    removals = np.array([(5, 1), (0, 2), (3, 0), (0, 1)], runs.REMOVAL)
    items = np.array([2, 0, 2, 0], np.uint32)
    paths = [str(tmp_path / name) for name in ("a", "b")]
    runs.write_removals(paths[0], items, removals, 3)
    runs.write_removals(paths[1], np.array([2], np.uint32), np.array([(4, 9)], runs.REMOVAL), 3)
    wanted = [[(0, 1), (0, 2)], [], [(3, 0), (4, 9), (5, 1)]]
    assert [found.tolist() for item in range(3) for found in runs.read_removals(paths, item)] == wanted
    assert [found.tolist() for found in runs.read_removals(paths, 0, 3)] == wanted
    assert [found.tolist() for found in runs.read_removals(paths, 1, 2)] == wanted[1:]


def gathered(order: list[int], folder: Path) -> tuple[list[int], list[int]]:
    slices: list[runs.Slice] = []
    for item in order:
        path = str(folder / f"{item}.run")
        runs.write_keys(path, keys([item * 10, item * 10 + 1]), 1)
        slices += [where for _, where in runs.slices(item, path)]
    records, items, _ = runs.gather(slices, runs.KEY)
    return records["hash"].tolist(), items.tolist()


def test_gather_does_not_depend_on_the_order_of_slices(tmp_path: Path) -> None:
    assert (
        gathered([2, 0, 1], tmp_path) == gathered([0, 1, 2], tmp_path) == ([0, 1, 10, 11, 20, 21], [0, 0, 1, 1, 2, 2])
    )


def buckets_of(hashes: npt.NDArray[np.uint64], buckets: int) -> list[int]:
    return list(map(int, runs.bucket_of(hashes, buckets)))


def test_bucket_is_the_top_bits() -> None:
    hashes = np.array([0, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    assert buckets_of(hashes, 1) == [0, 0, 0, 0]
    assert buckets_of(hashes, 2) == [0, 0, 1, 1]
    assert buckets_of(hashes, 4) == [0, 1, 2, 3]
