"""Two machines build parts of one corpus apart; what they wrote is put together and finished: docs/two_places.md."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path

from pipelines import corpus, verify
from tests.pipelines import tiny

HERE, THERE = ("common_crawl", "wikipedia"), ("c4", "github", "books", "arxiv", "stack_exchange")


def part(options: Sequence[str], sources: Collection[str], model: str) -> list[str]:
    """Return the options that these sources need, of which one reads this model."""
    words = []
    for option, value in list(pairwise(options))[::2]:
        named = value.partition("=")[0]
        if option == "--set" or named in sources or named == model:
            words += [option, value]
    return words


def build(output: Path, options: Sequence[str]) -> list[str]:
    """Build a corpus and return the stages that were run."""
    assert corpus.main([*options, "--runner", "plain", "--output", str(output)]) == 0
    return [row["stage"] for row in json.loads((output / "summary.json").read_text())["build"]["stages_run"]]


def test_parts_built_apart_are_joined_and_nothing_is_done_again(tmp_path: Path) -> None:
    options = tiny.write(tmp_path / "dumps")
    shutil.copytree(tmp_path / "dumps", tmp_path / "there")
    elsewhere = tiny.options(tmp_path / "there")
    build(tmp_path / "whole", options)
    documents = ["--set", "tokenize=false"]
    build(tmp_path / "one", part(options, HERE, "lid") + documents)
    build(tmp_path / "two", part(elsewhere, THERE, "bad_words") + documents)
    shutil.copytree(tmp_path / "one", tmp_path / "joined")
    shutil.copytree(tmp_path / "two", tmp_path / "joined", dirs_exist_ok=True)
    run = build(tmp_path / "joined", options)
    # GitHub's documents are finished only with the tokenizer.
    assert {name.partition("/")[2] for name in run if name.partition("/")[0] not in ("models", "across")} == {
        "tokens",
        "encode",
        "shards",
    }
    assert {name for name in run if name.startswith("models/")} == {"models/tokenizer_draw", "models/tokenizer"}
    whole = json.loads((tmp_path / "joined/across/manifest.json").read_text())
    assert whole == json.loads((tmp_path / "whole/across/manifest.json").read_text())
    assert tiny.identity(tmp_path / "joined") == tiny.identity(tmp_path / "whole")
    assert list(verify.problems(str(tmp_path / "joined"))) == []
