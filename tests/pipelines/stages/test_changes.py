"""What a stage shows of its documents before and after: chosen by hash alone, of bounded size."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path

from pipelines.stages import changes
from pipelines.stages.changes import CHARACTERS, PAIRS, Changes


def written(path: Path, names: list[str]) -> list[dict[str, str]]:
    collected = Changes()
    for name in names:
        collected.add(name, partial(str.__add__, name, " before"), "after")
    collected.write(str(path))
    found: list[dict[str, str]] = json.loads(path.read_text())
    return found


def test_the_choice_does_not_depend_on_the_order(tmp_path: Path) -> None:
    names = [f"c4/{number}" for number in range(100)]
    first = written(tmp_path / "a", names)
    random.Random(1).shuffle(names)
    assert written(tmp_path / "b", names) == first
    assert len(first) == PAIRS


def test_unchanged_documents_are_not_shown(tmp_path: Path) -> None:
    collected = Changes()
    collected.add("a", lambda: "same", "same")
    collected.add("b", lambda: "other\ud800", "same", "en")
    collected.write(str(tmp_path / "a"))
    pair = {"id": "b", "before": "other\ufffd", "after": "same", "language": "en"}
    assert json.loads((tmp_path / "a").read_text()) == [pair]


def test_only_candidates_are_asked_for_their_text(tmp_path: Path) -> None:
    asked = []

    def before() -> str:
        asked.append(1)
        return "before"

    collected = Changes()
    for number in range(10_000):
        collected.add(str(number), before, "after")
    assert PAIRS <= len(asked) < 100


def test_the_excerpt_shows_where_the_result_begins() -> None:
    header, body = "h" * 50_000, "".join(f"line {number}\n" for number in range(5_000))
    before, after = changes.excerpts(header + body, body)
    assert len(before) == len(after) == CHARACTERS
    assert before.startswith("hhh")
    assert body[:1_000] in before
    assert changes.excerpts("x" * 9_000, "") == ("x" * CHARACTERS, "")
    assert changes.excerpts("short " + body, body)[0].startswith("short")


def test_a_stage_is_collected_from_a_bounded_number_of_items(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{number}.changes") for number in range(100)]
    for number, path in enumerate(paths):
        written(Path(path), [f"{number}/{row}" for row in range(10)])
    found = changes.collect(paths)
    assert len(found) == PAIRS
    assert found == changes.collect(paths[::-1])
    for path in paths:
        Path(path).unlink()
    assert changes.collect(paths) == []
