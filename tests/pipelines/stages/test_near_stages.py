"""Near-duplicates of a whole source, switched on by the recipe, on the plain loop and on workers; and the alarm."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines import build, corpus
from pipelines.account import manifest
from pipelines.files import tables
from pipelines.optional import near_duplicates
from pipelines.recipe_parts import NearDuplicates
from pipelines.recipes import RECIPES
from pipelines.sources import books, github
from tests.pipelines import tiny


@pytest.fixture(scope="module")
def dumps_with_near_copies(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Write a BigQuery export in which one file has a near copy, and one is a part of another."""
    path = tmp_path_factory.mktemp("code") / "contents-0.json.gz"
    tiny.github(path, 30)
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    content = rows[0]["content"]
    rows.append({**rows[0], "repo_name": "c/near", "content": f"{content}limit = 1\n"})
    rows.append({**rows[1], "repo_name": "c/part", "content": rows[1]["content"][: len(rows[1]["content"]) // 2]})
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode(), mtime=0))
    settings = (
        "tokenizer.vocabulary=300",
        "shards.validation=0.2",
        "buckets=4",
        "github.tokens.min_letters_per_token=0",
    )
    return ["--input", f"github={path}", *(word for setting in settings for word in ("--set", setting))]


def built(output: Path, options: list[str]) -> dict[str, Any]:
    assert corpus.main([*options, "--source", "github", "--output", str(output)]) == 0
    found: dict[str, Any] = json.loads((output / "github/manifest.json").read_text())
    return found


def reasons(output: Path) -> Counter[str]:
    return Counter(
        row["reason"] for path in output.glob("github/drops/*.parquet") for row in tables.read_rows(str(path))
    )


def switched_on(options: list[str], measure: str) -> list[str]:
    return [*options, "--set", f"github.near.measure={measure}", "--set", "github.near.shortest=20"]


@pytest.mark.parametrize(("measure", "removed"), [("jaccard", 1), ("containment", 2)])
def test_a_recipe_switches_it_on(tmp_path: Path, dumps_with_near_copies: list[str], measure: str, removed: int) -> None:
    found = built(tmp_path, [*switched_on(dumps_with_near_copies, measure), "--runner", "plain"])
    assert reasons(tmp_path)["near_duplicate"] == removed
    (decision,) = (row for row in found["decisions"] if row["stage"] == "near")
    assert decision["marked"] == removed <= decision["pairs_overlapping"] <= decision["pairs_verified"]


def test_a_runner_leaves_what_the_plain_loop_leaves(tmp_path: Path, dumps_with_near_copies: list[str]) -> None:
    options = switched_on(dumps_with_near_copies, "containment")
    plain = built(tmp_path / "plain", [*options, "--runner", "plain"])
    local = built(tmp_path / "local", [*options, "--workers", "2"])
    for kind in ("documents", "drops", "copies"):
        assert local[kind]["digest"] == plain[kind]["digest"]


def test_it_is_off_where_the_recipe_does_not_say_so() -> None:
    for name, source in build.SOURCES.items():
        assert near_duplicates.chosen(source, getattr(RECIPES["paper"], name)) is source
    assert near_duplicates.chosen(books.SOURCE, RECIPES["paper"].books) is books.SOURCE


def test_the_stages_come_before_what_needs_the_tokenizer() -> None:
    found = near_duplicates.chosen(github.SOURCE, replace(RECIPES["paper"].github, near=NearDuplicates("jaccard")))
    assert [stage.name for stage in found.stages][-4:] == ["near_keys", "near", "near_unique", "tokens"]


def test_a_threshold_that_no_signature_finds_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "contents.json.gz"
    tiny.github(path, 3)
    options = ["--source", "github", "--input", f"github={path}", "--output", str(tmp_path / "corpus")]
    options += ["--set", "github.near.measure=jaccard", "--set", "github.near.threshold=0.001"]
    assert corpus.main(options) == 2
    assert "cannot find pairs at 0.001" in capsys.readouterr().err


def account(lost: int, reason: str = "near_duplicate") -> dict[str, Any]:
    return {"stage": "books/books", "in": 10, "dropped": {"books": {reason: [lost, 1], "too_short": [3, 1]}}}


def test_an_implausible_share_of_duplicates_is_named() -> None:
    assert manifest.warnings([account(5), account(7, "other")], 0.5) == []
    (warning,) = manifest.warnings([account(6, "duplicate_url")], 0.5)
    assert warning.startswith("books/books lost 6 of 10 documents (60%) as duplicates")


def test_the_alarm_stands_in_the_manifest_the_summary_and_the_card(
    tmp_path: Path, dumps_with_near_copies: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*dumps_with_near_copies, "--runner", "plain", "--set", "max_duplicates=0.01"]
    found = built(tmp_path, options)
    (warning,) = found["warnings"]
    assert "github/unique lost 1 of" in warning
    assert f"warning: {warning}" in capsys.readouterr().out
    assert "github/unique lost 1 of" in (tmp_path / "report.html").read_text()
