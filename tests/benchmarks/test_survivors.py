"""The page of removed copies beside what stayed, and the figures, of a small corpus."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import survivors
from pipelines import corpus
from tests.pipelines import tiny


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("survivors")
    draw = random.Random(2)
    texts = [tiny.prose(draw, 12) for _ in range(4)]
    near = f"{texts[1]}\nAnd <nothing> more of it"
    lines = [
        json.dumps({"text": text}) for text in (*texts, texts[0], texts[0], near, texts[2].replace("the", "tha", 1))
    ]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    options = ["--recipe", "texts", "--input", f"own={folder}/rows.jsonl", "--output", str(folder / "corpus")]
    settings = ("keep_staged=true", "texts.own.filters.copies=true", "texts.own.near.measure=containment")
    options += [word for setting in settings for word in ("--set", setting)]
    assert corpus.main([*options, "--runner", "plain"]) == 0
    return folder / "corpus"


def run(
    output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *more: str
) -> tuple[list[str], dict[str, Any]]:
    page = output.parent / "page.html"
    monkeypatch.setattr(sys, "argv", ["survivors.py", str(output), "--page", str(page), *more])
    survivors.main()
    *lines, last = capsys.readouterr().out.splitlines()
    return lines, json.loads(last)


def test_the_figures_are_of_words_that_only_the_copy_has(
    output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, found = run(output, capsys, monkeypatch)
    assert "of: {'own/distinct': 2, 'own/near_unique': 2}" in lines
    assert {"pairs: 4", "with_words_missing: 1", "words_missing: 1", "worse: {}"} <= {*lines}
    assert found == {
        "words_lost_of_same_texts": {"ratio": 0.0, "bar": 0.0},
        "worse_by_program": {"ratio": 0.0, "bar": 0.05},
    }


def test_the_shares_count_what_is_lost_and_worse() -> None:
    seen = {"words_missing_of_same_texts": 1, "words_of_same_texts": 8, "worse_in_any_way": 3, "pairs": 10}
    assert survivors.ratios(seen, {"loses_information": 0.5}) == {
        "words_lost_of_same_texts": {"ratio": 0.125, "bar": 0.0},
        "worse_by_program": {"ratio": 0.3, "bar": 0.05},
        "loses_information": {"ratio": 0.5, "bar": 0.0},
    }


def test_the_page_has_the_rule_and_what_differs(
    output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(output, capsys, monkeypatch)
    page = (output.parent / "page.html").read_text()
    assert page.count("<fieldset data-id=") == 4
    assert page.count("a repository&#x27;s own file, as for GitHub. 2. of files by Jaccard the newest") == 2
    assert "<nothing>" not in page


def test_verdicts_of_all_readers_are_counted(
    output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    head = "id,loses_information,keeps_the_worse_copy\n"
    (tmp_path / "1.csv").write_text(f'{head}"a",0,1\n"b",0,0\n"c",1,1\n')
    (tmp_path / "2.csv").write_text(f'{head}"d",0,0\n')
    _, found = run(output, capsys, monkeypatch, "--verdicts", *map(str, sorted(tmp_path.glob("*.csv"))))
    assert found["loses_information"] == {"ratio": 0.25, "bar": 0.0}
    assert found["keeps_the_worse_copy"] == {"ratio": 0.5, "bar": 0.05}


def test_a_draw_takes_of_each_stage_and_is_the_same_again(output: Path) -> None:
    rows = survivors.drawn(output, 2)
    assert {row["stage"] for _, row in rows} == {"distinct", "near_unique"}
    assert survivors.drawn(output, 2) == rows


def test_a_corpus_without_staged_texts_is_refused(output: Path, tmp_path: Path) -> None:
    rows = survivors.drawn(output, 1)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/manifest.json").write_text((output / "own/manifest.json").read_text())
    with pytest.raises(SystemExit, match=r"no staged text of own/.*keep_staged=true"):
        survivors.pairs(tmp_path, rows)


def test_every_stage_that_drops_copies_has_its_rule() -> None:
    for stage in survivors.ROWS:
        assert survivors.rule(stage), stage
