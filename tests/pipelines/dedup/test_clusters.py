"""Sizes of clusters: of all keys where there are few, of the first buckets' keys where there are many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.dedup import clusters
from pipelines.files import runs


def write(path: Path, hashes: list[int], buckets: int) -> str:
    records = np.zeros(len(hashes), runs.KEY)
    records["hash"] = hashes
    runs.write_keys(str(path), records, buckets)
    return str(path)


def test_sizes_are_counted_over_all_files(tmp_path: Path) -> None:
    many = [1 << 60] * 5
    paths = [write(tmp_path / "a", [1, 1, 2, *many], 4), write(tmp_path / "b", [1, 3 << 62, 3 << 62], 4)]
    found = clusters.of_runs(paths, runs.KEY)
    assert found["cluster_sizes"] == {"1": 1, "2": 1, "3 to 4": 1, "5 to 8": 1}
    assert found["clusters_of"] == {"share": 1, "files": 2, "of_files": 2}


def test_many_keys_are_sampled_by_hash_with_all_their_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.random.default_rng(1).integers(0, 1 << 63, 2_000).tolist()
    paths = [write(tmp_path / name, [2 * key for key in hashes], 64) for name in "abc"]
    monkeypatch.setattr(clusters, "KEYS", 600)
    found = clusters.of_runs(paths, runs.KEY)
    assert list(found["cluster_sizes"]) == ["3 to 4"]
    assert found["cluster_sizes"]["3 to 4"] * 3 <= 600
    assert 0 < found["clusters_of"]["share"] < 0.2


def test_nothing_has_no_clusters(tmp_path: Path) -> None:
    assert clusters.of_runs([], runs.KEY) == {"cluster_sizes": {}}
    assert clusters.of_runs([write(tmp_path / "a", [], 4)], runs.KEY) == {"cluster_sizes": {}}
    assert clusters.by_size([1, 2, 3, 4, 5, 8, 9, 1]) == {"1": 2, "2": 1, "3 to 4": 2, "5 to 8": 2, "9 to 16": 1}
