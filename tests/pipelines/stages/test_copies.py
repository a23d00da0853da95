"""The table of copies: a row for each document dropped as one, with the document that stays in the end."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines import corpus, verify
from pipelines.account import manifest
from pipelines.dedup import near
from pipelines.document import Document, Drop
from pipelines.files import runs, tables
from pipelines.optional import near_duplicates
from pipelines.recipe_parts import NearDuplicates
from pipelines.sources import github
from pipelines.stages import copies
from pipelines.stages.copies import Copy
from pipelines.stages.kinds import MEMBER, Clusters, Context, Decide, Paths
from tests.pipelines import tiny

SETTINGS = ("texts.own.filters.copies=true", "texts.own.near.measure=containment", "texts.own.near.threshold=0.8")


def write(folder: Path, seed: int = 3) -> list[str]:
    """Write files of rows: of every third text an exact copy, of every fourth a part, of some both, many times."""
    draw = random.Random(seed)
    texts = [tiny.prose(draw, 12) for _ in range(24)]
    rows = list(texts)
    rows += [text for text in texts[::3] for _ in range(3)]
    rows += [text[: len(text) * 9 // 10] for text in texts[::4] for _ in range(2)]
    draw.shuffle(rows)
    for number in range(5):
        lines = [json.dumps({"text": text}) for text in rows[number::5]]
        (folder / f"{number}.jsonl").write_text("\n".join(lines) + "\n")
    return rows


def built(folder: Path, output: Path, *more: str, measure: str = "containment") -> dict[str, Any]:
    options = ["--recipe", "texts", "--input", f"own={folder}/*.jsonl", "--output", str(output), *more]
    for setting in (*SETTINGS, f"texts.own.near.measure={measure}"):
        options += ["--set", setting]
    assert corpus.main(options) == 0
    found: dict[str, Any] = json.loads((output / "own/manifest.json").read_text())
    return found


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def output(dumps: Path) -> Path:
    built(dumps, dumps / "corpus", "--runner", "plain")
    return dumps / "corpus"


def texts_of(folder: Path, output: Path) -> dict[str, str]:
    """Return the text of each row of the input, dropped or not, by its document's id."""
    inputs = json.loads((output / "own/manifest.json").read_text())["inputs"]
    return {
        f"own/{one['digest']}/{number}": json.loads(line)["text"]
        for one in inputs
        for number, line in enumerate(Path(one["path"]).read_text().splitlines())
    }


def rows(output: Path, source: str = "own") -> list[dict[str, Any]]:
    return [row for path in sorted(output.glob(f"{source}/copies/*")) for row in tables.read_rows(str(path))]


def dropped(output: Path) -> Iterator[dict[str, Any]]:
    for path in output.glob("own/drops/*"):
        yield from tables.read_rows(str(path))


def test_each_copy_has_a_row_that_names_a_document(dumps: Path, output: Path) -> None:
    texts, found = texts_of(dumps, output), rows(output)
    there = {row["id"] for path in output.glob("own/documents/*") for row in tables.read_rows(str(path))}
    gone = [(row["id"], row["stage"], row["reason"]) for row in dropped(output)]
    assert sorted((row["id"], row["stage"], row["reason"]) for row in found) == sorted(gone)
    assert {row["kept"] for row in found} <= there
    assert there | {row["id"] for row in found} == texts.keys()
    for row in found:
        share = near.containment(near.shingles(texts[row["id"]]), near.shingles(texts[row["kept"]]))
        assert row["share"] == pytest.approx(share, abs=1e-12), row
        assert share > 0.8


def shared(first: str, second: str) -> tuple[float, float]:
    """Return the containment of the first in the second and the Jaccard of both, from their distinct runs of words."""
    one, two = (
        {tuple(words[place : place + 5]) for place in range(len(words) - 4)}
        for words in (first.split(), second.split())
    )
    return len(one & two) / len(one), len(one & two) / len(one | two)


@pytest.mark.parametrize("measure", ["containment", "jaccard"])
def test_a_near_duplicate_says_by_which_overlap_it_goes(
    dumps: Path, output: Path, tmp_path: Path, measure: str
) -> None:
    if measure == "jaccard":
        output = tmp_path / "jaccard"
        built(dumps, output, "--runner", "plain", measure=measure)
    texts, kept = texts_of(dumps, output), {row["id"]: row["kept"] for row in rows(output)}
    near_ones = [row for row in dropped(output) if row["reason"] == "near_duplicate"]
    assert near_ones
    for row in near_ones:
        overlaps = shared(texts[row["id"]], texts[kept[row["id"]]])
        assert row["value"] == pytest.approx(overlaps[measure == "jaccard"], abs=0.02)
        assert row["value"] > row["limit"] == 0.8
    assert all(row["value"] is None is row["limit"] for row in dropped(output) if row["reason"] == "duplicate")


def test_copies_of_a_copy_are_followed(dumps: Path, output: Path) -> None:
    """Copies of a part, dropped by `distinct`, go in the end for the whole text, for which `near` dropped the part."""
    texts, found = texts_of(dumps, output), rows(output)
    followed = [row for row in found if row["stage"] == "distinct" and texts[row["id"]] != texts[row["kept"]]]
    assert followed
    assert all(texts[row["id"]] in texts[row["kept"]] for row in followed)


def test_it_is_sorted_and_typed(output: Path) -> None:
    for path in output.glob("own/copies/*"):
        with tables.opened(str(path)) as file:
            assert file.schema_arrow.equals(tables.COPY_SCHEMA)
    found = [(row["kept"], row["id"]) for row in rows(output)]
    assert found == sorted(found)


def test_the_manifest_counts_and_the_card_says_it(output: Path) -> None:
    found = json.loads((output / "own/manifest.json").read_text())["copies"]
    counts = Counter(row["kept"] for row in rows(output))
    assert found["count"] == counts.total()
    assert found["kept"] == len(counts)
    kept, most = min(counts.items(), key=lambda row: (-row[1], row[0]))
    assert found["largest"] == [kept, most]
    assert found["reasons"] == {"distinct": ["duplicate"], "near_unique": ["near_duplicate"]}
    # As docs/copies.md has it.
    folder = pq.read_table(output / "own/copies").group_by("kept").aggregate([("id", "count")])
    assert dict(zip(*(column.to_pylist() for column in folder.columns), strict=True)) == counts
    line = f"{len(counts)} documents stay for {counts.total()} copies that were dropped"
    assert line in (output / "report.html").read_text()


@pytest.mark.parametrize("measure", ["containment", "jaccard"])
def test_every_runner_and_cut_leaves_the_same_table(
    dumps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measure: str
) -> None:
    plain = built(dumps, tmp_path / "plain", "--runner", "plain", measure=measure)
    local = built(dumps, tmp_path / "local", "--workers", "2", "--set", "fan_in=2", measure=measure)
    assert rows(tmp_path / "local") == rows(tmp_path / "plain")
    assert local["copies"] == plain["copies"]
    monkeypatch.setattr(copies, "ROWS", 5)  # more reducers, files and slices
    many = built(dumps, tmp_path / "many", "--runner", "plain", measure=measure)
    assert len(many["copies"]["files"]) > 4
    by_id = [sorted((row["id"], *row.items()) for row in rows(tmp_path / name)) for name in ("many", "plain")]
    assert by_id[0] == by_id[1]
    assert {name: many["copies"][name] for name in ("count", "kept", "largest")} == {
        name: plain["copies"][name] for name in ("count", "kept", "largest")
    }


def test_the_share_is_of_the_copy_whatever_is_compared(dumps: Path, tmp_path: Path) -> None:
    built(dumps, tmp_path / "corpus", "--runner", "plain", measure="jaccard")
    texts, found = texts_of(dumps, tmp_path / "corpus"), rows(tmp_path / "corpus")
    near_ones = [row for row in found if row["stage"] == "near_unique"]
    assert near_ones
    for row in near_ones:
        share = near.containment(near.shingles(texts[row["id"]]), near.shingles(texts[row["kept"]]))
        assert row["share"] == pytest.approx(share, abs=1e-12)


def test_files_that_the_table_no_longer_has_are_removed(
    dumps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "corpus"
    with monkeypatch.context() as patched:
        patched.setattr(copies, "ROWS", 5)
        built(dumps, output, "--runner", "plain")
    (output / "own/copies/notes.txt").write_text("mine")
    built(dumps, output, "--runner", "plain")
    assert sorted(path.name for path in output.glob("own/copies/*")) == ["bucket-000000.parquet", "notes.txt"]


def test_verify_names_rows_that_are_not_the_drops(dumps: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus"
    built(dumps, output, "--runner", "plain")
    assert list(verify.problems(str(output))) == []
    path = output / "own/manifest.json"
    content = json.loads(path.read_text())
    content["copies"]["reasons"].pop("distinct")
    path.write_text(json.dumps(content))
    told = list(verify.problems(str(output)))
    assert f"{output}/own/copies: its rows are not the documents that were dropped as copies" in told
    shutil.rmtree(output / "own/copies")
    assert any("bucket-000000.parquet: missing" in problem for problem in verify.problems(str(output)))


def test_a_corpus_without_the_table_is_verified_as_before(dumps: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus"
    built(dumps, output, "--runner", "plain")
    path = output / "own/manifest.json"
    content = json.loads(path.read_text())
    content.pop("copies")
    path.write_text(json.dumps(content))
    told = list(verify.problems(str(output)))
    assert len(told) == 1
    assert "own/manifest.json: damaged, or of another build" in told[0]


def test_a_source_without_copies_has_an_empty_entry(dumps: Path, tmp_path: Path) -> None:
    options = ["--recipe", "texts", "--input", f"own={dumps}/*.jsonl", "--output", str(tmp_path), "--runner", "plain"]
    assert corpus.main(options) == 0
    found = json.loads((tmp_path / "own/manifest.json").read_text())["copies"]
    assert (found["count"], found["kept"], found["largest"], found["files"]) == (0, 0, None, [])
    assert not (tmp_path / "own/copies").exists()


def test_a_count_that_differs_ends_the_build() -> None:
    class Chain:
        output = ""
        source = type("Source", (), {"name": "own"})

        def copied(self) -> list[dict[str, Any]]:
            return []

        def copy_reasons(self) -> dict[str, list[str]]:
            return {"distinct": ["duplicate"]}

    accounts = [{"dropped": {"distinct": {"duplicate": [3, 9], "other": [1, 1]}, "files": {"duplicate": [2, 2]}}}]
    with pytest.raises(RuntimeError, match="own: 0 copies in the table, 3 documents dropped as copies"):
        manifest.copies(Chain(), accounts)  # type: ignore[arg-type]


def one_run(path: Path, found: list[tuple[int, list[Any]]]) -> list[runs.Slice]:
    runs.write_blobs(str(path), [key for key, _ in found], [json.dumps(row).encode() for _, row in found], 4)
    return [where for _, where in runs.slices(0, str(path), 1)]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([(7, ["a", "duplicate", 1.0])], "own/distinct: nothing stays for the copy a"),
        ([(7, ["a"]), (7, ["b"])], "own/distinct: both a and b stay"),
    ],
)
def test_a_cluster_in_which_not_one_stays_ends_the_build(
    tmp_path: Path, found: list[tuple[int, list[Any]]], message: str
) -> None:
    paths = Paths(str(tmp_path), "own")
    step = copies.Pairs(paths, "i", "kept_pairs_distinct", 1, 4, "distinct")
    with pytest.raises(RuntimeError, match=message):
        step.reduce(0, one_run(Path(paths.standing("distinct", "a")), found))


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [(1.0, 0.9, 0.9), (0.9, 1.0, 0.9), (0.9, 0.9, None), (None, 1.0, None), (1.0, None, None), (1.0, 1.0, 1.0)],
)
def test_of_two_parts_nobody_knows_what_they_share(
    first: float | None, second: float | None, share: float | None
) -> None:
    earlier, later = Copy("b", "a", "one", "x", first), Copy("c", "b", "two", "y", second)
    assert earlier.behind(later) == Copy("c", "a", "one", "x", share)


def test_an_item_finds_its_part_of_a_decision(tmp_path: Path) -> None:
    path = str(tmp_path / "a.clusters")
    records = np.array([(5, 9, 0.5, 0.75), (1, 8, float("nan"), 0.25)], MEMBER)
    runs.write_by_item(path, np.array([2, 0], "u4"), records, 3)
    assert Clusters(path, 0).read() == {1: (8, None, 0.25)}
    assert Clusters(path, 1).read() == {}
    assert Clusters(path, 2).read() == {5: (9, 0.5, 0.75)}


def test_a_near_duplicate_goes_with_its_overlap_and_the_limit(tmp_path: Path) -> None:
    path = str(tmp_path / "a.clusters")
    runs.write_by_item(path, np.array([0, 0], "u4"), np.array([(0, 9, 1.0, 1.0), (1, 9, 0.9, 0.75)], MEMBER), 1)
    made = Document(id="own/1", source="own", text="x", dump="d", offset=0)
    gone = made.drop("near_duplicate", perplexity=2.5)
    found = copies.Collector(Clusters(path, 0, limit=0.7), ("near_duplicate",))
    measured = found.measured(1, gone)
    assert isinstance(measured, Drop)
    assert measured.scores == {"perplexity": 2.5, "value": 0.75, "limit": 0.7}
    assert found.measured(0, made) is made
    assert found.measured(2, gone) is gone
    other = made.drop("older_edition")
    assert found.measured(1, other) is other
    assert copies.Collector(Clusters(path, 0), ("near_duplicate",)).measured(1, gone) is gone


@pytest.mark.parametrize("measure", ["containment", "jaccard"])
def test_of_near_files_the_one_in_its_own_project_stays(measure: Literal["containment", "jaccard"]) -> None:
    context = Context(NearDuplicates(measure=measure), {})
    text = tiny.prose(random.Random(1), 12)
    found = [
        Document(id="a", source="github", text=text, dump="d", offset=0, attributes={"path": "src/six.py"}),
        Document(
            id="b", source="github", text=f"{text} More.", dump="d", offset=0, attributes={"path": "vendor/six.py"}
        ),
    ]
    own, carried = (near_duplicates.keys(one, one, context)[1] for one in found)
    assert own is not None
    assert carried is not None
    assert max(own) < min(carried)


def test_copies_that_nothing_decides_on_over_all_items_are_refused() -> None:
    source = github.SOURCE
    source.check()
    undecided = [stage for stage in source.stages if stage.name != "duplicates"]
    windowed = [
        replace(stage, window=lambda recipe: 5) if isinstance(stage, Decide) else stage for stage in source.stages
    ]
    for stages in (undecided, windowed):
        with pytest.raises(ValueError, match=r"source 'github': unique drops copies: .* decide over all items"):
            replace(source, stages=tuple(stages)).check()
