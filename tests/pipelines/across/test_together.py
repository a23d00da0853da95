"""Sources that share documents: what the build counts and moves, beside a comparison of all with all."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines import corpus, verify
from pipelines.account.summary import content
from pipelines.dedup import near
from pipelines.files import tables
from pipelines.tokens import shards

WORDS = [f"{a}{b}" for a in "bcdfghklmnprst" for b in ("a", "en", "ol", "ir", "us", "ost")]
OPTIONS = ["--recipe", "texts", "--runner", "plain", "--set", "tokenize=true", "--set", "tokenizer.vocabulary=300"]
OPTIONS += ["--set", "shards.validation=0.3", "--set", "across.sample=1.0", "--set", "buckets=4"]


def written(folder: Path) -> dict[str, list[str]]:
    """Write two sources: of one's texts the other has some as they are, some with a word changed, some half."""
    draw = random.Random(5)
    own = [" ".join(draw.choices(WORDS, k=draw.randint(30, 120))) for _ in range(160)]
    other = [" ".join(draw.choices(WORDS, k=60)) for _ in range(60)]
    for number, text in enumerate(own):
        words = text.split()
        if number % 4 == 1:
            other.append(text)
        elif number % 4 == 2:
            words[3] = "changed"
            other.append(" ".join(words))
        elif number % 4 == 3:
            other.append(" ".join(words[: len(words) // 2]))
    found = {"one": own, "two": other}
    for name, texts in found.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return found


def build(folder: Path, *options: str, sources: Sequence[str] = ("one", "two")) -> Path:
    inputs = [part for name in sources for part in ("--input", f"{name}={folder}/{name}.jsonl")]
    inputs += [part for name in sources for part in ("--set", f"texts.{name}.share={0.5 if len(sources) > 1 else 1.0}")]
    output = folder / "corpus"
    assert corpus.main([*OPTIONS, *inputs, "--output", str(output), *options]) == 0
    return output


def documents(output: Path) -> dict[str, tuple[str, Any]]:
    """Return the source and the shingles of each document."""
    return {
        row["id"]: (name, near.shingles(row["text"]))
        for name in ("one", "two")
        for path in sorted(output.glob(f"{name}/documents/*.parquet"))
        for row in tables.read_rows(str(path))
    }


def held_out(output: Path) -> set[str]:
    return {
        row["id"]
        for path in output.glob("tokens/*/validation-*.documents.parquet")
        for row in tables.read_rows(str(path))
    }


def alike(found: Mapping[str, tuple[str, Any]]) -> list[tuple[str, str, float]]:
    rows = ((a, b, near.jaccard(found[a][1], found[b][1])) for a, b in combinations(sorted(found), 2))
    return [row for row in rows if row[2] > 0.8]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("across")
    written(folder)
    build(folder)
    return folder


def test_no_held_out_document_has_a_near_duplicate_in_training(folder: Path) -> None:
    output = folder / "corpus"
    held, found = held_out(output), documents(output)
    near_pairs = alike(found)
    assert len(near_pairs) > 60
    assert all((a in held) == (b in held) for a, b, _ in near_pairs)
    facts = json.loads((output / "across/manifest.json").read_text())["sources"]
    before = sum(row["held_out"] for row in facts.values())
    assert before - sum(row["leaving"] for row in facts.values()) == len(held) > 20
    assert sum(row["near_training"] for row in facts.values()) > 10
    manifests = {name: shards.Manifest.load(str(output / "tokens" / name)) for name in facts}
    assert {name: row["leaving"] for name, row in facts.items()} == {
        name: manifest.leaving for name, manifest in manifests.items()
    }
    assert list(verify.problems(str(output))) == []


def test_what_the_other_source_has_is_what_all_pairs_say(folder: Path) -> None:
    found = documents(folder / "corpus")
    facts = json.loads((folder / "corpus/across/manifest.json").read_text())["sources"]
    for name, row in facts.items():
        crossing = [pair for pair in alike(found) if found[pair[0]][0] != found[pair[1]][0]]
        near_ones = {one for a, b, _ in crossing for one in (a, b) if found[one][0] == name}
        same = {one for a, b, share in crossing if share == 1.0 for one in (a, b) if found[one][0] == name}
        assert row["sampled"] == row["documents"] == sum(source == name for source, _ in found.values())
        assert row["elsewhere"]["any"] == {"near_duplicates": len(near_ones), "same_words": len(same)}
        assert len(near_ones) > len(same) > 30


def test_it_can_be_left_as_the_hashes_say(tmp_path: Path) -> None:
    written(tmp_path)
    output = build(tmp_path, "--set", "across.apart=false")
    held, found = held_out(output), documents(output)
    assert not all((a in held) == (b in held) for a, b, _ in alike(found))
    assert list(verify.problems(str(output))) == []


def test_verify_counts_what_left(tmp_path: Path) -> None:
    written(tmp_path)
    output = build(tmp_path)
    path = output / "tokens/one/manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "leaving": manifest["leaving"] + 1}))
    said = [line for line in verify.problems(str(output)) if "are trained on whose hash says" in line]
    assert len(said) == 1 and f"the manifest says {manifest['leaving'] + 1}" in said[0]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once")
    written(folder)
    build(folder, "--set", "across.remove=true", "--set", "across.preferred=two,one")
    return folder


class TestEachDocumentOnce:
    def test_no_two_near_duplicates_stay_and_the_preferred_source_keeps_its_own(self, folder: Path, once: Path) -> None:
        before, after = documents(folder / "corpus"), documents(once / "corpus")
        assert alike(after) == []
        gone = before.keys() - after.keys()
        assert {before[name][0] for name in gone} == {"one"}
        kept = {name: found for name, found in before.items() if name not in gone}
        assert kept.keys() == after.keys()
        # Each that went has a near-duplicate that stayed.
        assert gone == {one for a, b, _ in alike(before) for one in (a, b) if before[one][0] == "one"}
        assert list(verify.problems(str(once / "corpus"))) == []

    def test_the_table_of_copies_names_the_document_of_the_other_source(self, folder: Path, once: Path) -> None:
        before, after = documents(folder / "corpus"), documents(once / "corpus")
        rows = [
            row
            for name in ("one", "two")
            for path in (once / f"corpus/{name}/copies").glob("*.parquet")
            for row in pq.read_table(path).to_pylist()
        ]
        assert {row["id"] for row in rows} == before.keys() - after.keys()
        for row in rows:
            assert row["kept"] in after and after[row["kept"]][0] == "two"
            assert row["share"] == near.containment(before[row["id"]][1], after[row["kept"]][1]) > 0.8
            assert (row["stage"], row["reason"]) == ("unique_across", "near_duplicate")

    def test_the_account_says_why(self, once: Path) -> None:
        for name in ("one", "two"):
            manifest = json.loads((once / f"corpus/{name}/manifest.json").read_text())
            (stage,) = (row for row in manifest["stages"] if row["stage"] == f"{name}/unique_across")
            (decision,) = (row for row in manifest["decisions"] if row["stage"] == "once")
            dropped = stage["dropped"].get("unique_across", {}).get("near_duplicate", [0, 0])[0]
            assert decision["marked"] == dropped
            assert (dropped > 0) == (name == "one")

    def test_every_runner_and_every_order_decide_the_same(self, once: Path, tmp_path: Path) -> None:
        written(tmp_path)
        options = ("--set", "across.remove=true", "--set", "across.preferred=two,one", "--runner", "local")
        output = build(tmp_path, *options, sources=("two", "one"))
        assert content(str(output)) == content(str(once / "corpus"))

    def test_a_build_that_was_finished_does_nothing(self, once: Path, capsys: pytest.CaptureFixture[str]) -> None:
        log = once / "again.jsonl"
        build(once, "--set", "across.remove=true", "--set", "across.preferred=two,one", "--log-json", str(log))
        events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
        assert "build_finished" in events and "wave_started" not in events

    def test_a_place_for_each_name(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        written(tmp_path)
        names = ",".join(f"n{number}" for number in range(16))
        options = [*OPTIONS, "--input", f"one={tmp_path}/one.jsonl", "--output", str(tmp_path / "corpus")]
        more = ["--set", "across.remove=true", "--set", f"across.preferred={names}", "--set", "texts.one.share=1.0"]
        assert corpus.main([*options, *more]) == 2
        assert "across.preferred names 16 sources; 11 at most" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["across.threshold=1.0", "across.recall=0.0", "across.threshold=nan"])
def test_what_no_signature_finds_is_refused(wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path)
    options = ["--input", f"one={tmp_path}/one.jsonl", "--output", str(tmp_path / "corpus"), "--set", wrong]
    assert corpus.main([*OPTIONS, *options, "--set", "texts.one.share=1.0"]) == 2
    assert wrong.partition("=")[0].removeprefix("across.") in capsys.readouterr().err
    assert not (tmp_path / "corpus/one").exists()
