"""Models made from shards: what identifies them, and what their manifests say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.files import storage
from pipelines.models import training as models


def training(folder: Path, make: Any, recipe: Any, inputs: Sequence[Any], name: str = "model") -> models.Training:
    return models.training_of(str(folder), name, make, recipe, [(found, str(found)) for found in inputs])


def test_sites_are_ranked_by_posts_then_by_name(tmp_path: Path) -> None:
    posts = [("b.org", 5, 30), ("a.org", 5, 20), ("a.meta.org", 50, 90), ("c.org", 1, 10)]
    for meta, wanted in ((False, ["a.org", "b.org"]), (True, ["a.meta.org", "a.org"])):
        models.train(training(tmp_path, models.make_sites, (2, meta), posts))
        found = json.loads((tmp_path / "models/model/sites.json").read_text())
        assert found["chosen"] == wanted
        assert bool(found["warnings"]) is meta  # of the two largest archives a.org's is none


def test_a_ranking_by_size_that_the_posts_do_not_confirm_is_warned_of(tmp_path: Path) -> None:
    posts = [("a.org", 9, 10), ("b.org", 5, 30), ("c.org", 7, 20)]
    models.train(training(tmp_path, models.make_sites, (2, False), posts))
    (warning,) = storage.read_json(f"{tmp_path}/models/model/manifest.json")["warnings"]
    assert "the 2 largest sites include a.org if posts are counted, and b.org by the size of the archives" in warning


def test_identities_know_what_a_model_is_made_of(tmp_path: Path) -> None:
    def identity(recipe: Any = 1, inputs: Sequence[tuple[str, str]] = (("path", "key"),), name: str = "m") -> str:
        return models.training_of(str(tmp_path), name, models.make_sites, recipe, inputs).identity

    assert identity() == identity(inputs=[("another path", "key")])
    assert len({identity(), identity(recipe=2), identity(inputs=[("path", "other")]), identity(name="n")}) == 4


def test_only_what_is_not_there_is_trained(tmp_path: Path) -> None:
    task = training(tmp_path, models.make_sites, (1, False), [("a.org", 1, 1)])
    (job,) = models.unfinished([task])
    assert job.outputs == [task.manifest]
    models.train(task)
    assert models.unfinished([task]) == []
    changed = training(tmp_path, models.make_sites, (2, False), [("a.org", 1, 1)])
    assert [job.elements for job in models.unfinished([changed])] == [[changed]]


def test_files_of_an_older_model_go(tmp_path: Path) -> None:
    task = training(tmp_path, models.make_sites, (1, False), [("a.org", 1, 1)])
    storage.write_bytes(f"{task.directory}/old.bin", b"old")
    models.train(task)
    assert list(storage.read_json(task.manifest)["files"]) == ["sites.json"]


def test_a_manifest_says_what_the_model_was_made_of(tmp_path: Path) -> None:
    task = models.training_of(str(tmp_path), "m", models.make_sites, (1, False), [(("a.org", 1, 1), "its identity")])
    models.train(task)
    found = storage.read_json(task.manifest)
    assert (found["recipe"], found["inputs"], found["chosen"]) == ([1, False], ["its identity"], ["a.org"])
    assert found["files"] == {"sites.json": storage.sha256(str(task.path("sites.json")))}
