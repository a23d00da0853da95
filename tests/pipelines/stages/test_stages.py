"""Chains of toy steps: what is decided and joined, what is redone, and every way in which a record can get lost."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest

from pipelines.account import manifest
from pipelines.dedup import exact, lines
from pipelines.document import Document, Drop
from pipelines.files import runs, storage, tables
from pipelines.files.runs import Keys, Lines
from pipelines.hashing import keyed
from pipelines.readers import Dump
from pipelines.recipes import SAMPLE, Recipe
from pipelines.stages import run
from pipelines.stages.chain import Chain
from pipelines.stages.decisions import Decision
from pipelines.stages.graph import run_waves
from pipelines.stages.jobs import Job, Shuffle
from pipelines.stages.kinds import Context, Decide, Join, Map, Stage
from pipelines.stages.source import Input, Model, Source
from tests.pipelines import loop


@dataclass(frozen=True)
class Step:
    """What the toy steps read."""

    shortest: int = 2


@dataclass(frozen=True)
class Toy:
    """The toy source's part of the recipe."""

    step: Step = Step()
    other: Step = Step()
    window: int = 0


@dataclass(frozen=True)
class ToyRecipe(Recipe):
    """A recipe with a toy source."""

    toy: Toy = field(default_factory=Toy)


def recipe(**changes: Any) -> ToyRecipe:
    toy = {name: changes.pop(name) for name in ("step", "other", "window") if name in changes}
    return ToyRecipe(name="toy", toy=Toy(**toy), **{"buckets": 4, "excerpts": 1.0, "keep_staged": True, **changes})


def step_part(recipe: ToyRecipe) -> Step:
    return recipe.toy.step


def other_part(recipe: ToyRecipe) -> Step:
    return recipe.toy.other


def window_part(recipe: ToyRecipe) -> int:
    return recipe.toy.window


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Read one document a line, its words by commas; "!" is unreadable, "lost" counts and does not come out."""
    for number, line in enumerate(stream.read().decode().split()):
        counts["records"] += 1
        document = Document(
            id=f"toy/{dump.digest}/{number}",
            source="toy",
            text=line.replace(",", "\n"),
            dump=dump.digest,
            offset=number,
        )
        if line == "explode":
            raise OSError("the disk is gone")
        if line.startswith("same"):
            document = Document(id="toy/same", source="toy", text=line, dump=dump.digest, offset=number)
        if line != "lost":
            yield document.unread("unreadable") if line == "!" else document


def clean(document: Document, context: Context[Step]) -> Document | Drop:
    if document.text == "fail":
        raise KeyError("no such word")
    if document.text == "nothing":
        return cast(Document, None)
    if document.text == "another":
        return Document(id="toy/another", source="toy", text="x", dump="d", offset=0)
    return document.drop("short") if len(document.text) < context.recipe.shortest else document


def word_keys(raw: Document, document: Document, context: Context[Step]) -> Keys:
    words = document.text.split("\n")
    if "unkeyed" in words:
        raise ValueError("no key")
    hashes = np.array([keyed("word", word) for word in words], np.uint64)
    return hashes, None, np.arange(len(words), dtype=np.uint32)


def whole_key(raw: Document, document: Document, context: Context[Step]) -> Keys:
    return (
        np.array([keyed("text", document.text)], np.uint64),
        np.array([keyed("owner", document.id)], np.uint64),
        None,
    )


def without(document: Document, removed: Lines, context: Context[Step]) -> Document | Drop:
    if runs.WHOLE in removed.tolist():
        return document.drop("duplicate")
    words = document.text.split("\n")
    left = [word for number, word in enumerate(words) if number not in removed.tolist()]
    return document.with_text("\n".join(left)) if left else document.drop("empty")


def spill(document: Document) -> tuple[int, bytes]:
    return keyed("letter", document.text[0]), json.dumps([document.id, document.text]).encode()


def by_letter(payloads: Iterable[bytes], context: Context[Step]) -> Iterator[tuple[Document, int] | Drop]:
    letters: dict[str, list[tuple[str, str]]] = {}
    for payload in payloads:
        identifier, text = json.loads(payload)
        letters.setdefault(text[0], []).append((identifier, text))
    for letter, found in sorted(letters.items()):
        text = " ".join(sorted(word for _, word in found))
        document = Document(id=f"toy/{letter}", source="toy", text=text, dump="d", offset=0)
        yield document, len(found) - 1 - (letter == "z")


WORDS = (
    Map("words", clean, step_part, keys=word_keys),
    Decide("twice", lines.seen_twice, window=window_part),
    Map("left", without, other_part),
)
TEXTS = (
    Map("words", clean, step_part, keys=whole_key, ranked=True),
    Decide("owners", exact.not_owner, ranked=True),
    Map("left", without, other_part),
)
LETTERS = (Map("words", clean, step_part, spill=spill), Join("letters", by_letter, other_part))


class Build:
    """A toy build: its chain, what ran, and what it left."""

    def __init__(self, folder: Path, chain: Sequence[Stage], dumps: Sequence[str], recipe: ToyRecipe) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        inputs = []
        for number, dump in enumerate(dumps):
            path = folder / f"{number}.txt"
            path.write_text(dump)
            inputs.append(Input(str(path), f"{number:02d}-{keyed('dump', dump):x}", len(dump)))
        source = Source(name="toy", read=read, stages=tuple(chain))
        self.chain = Chain(source, recipe, inputs, str(folder / "out"), self._model)
        self.ran: list[str] = []
        self.outputs: list[int] = []

    def _model(self, name: str) -> Model:
        raise KeyError(name)

    def _execute(self, jobs: Sequence[Job | Shuffle]) -> None:
        self.ran += [job.label for job in jobs]
        self.outputs += [len(job.outputs) for job in jobs]
        loop.run(jobs)

    def run(self) -> dict[str, Any]:
        run_waves(list(self.chain.nodes()), self._execute)
        return manifest.write_source_manifest(self.chain)

    def texts(self) -> list[str]:
        paths = storage.list_files(str(self.folder / "out/toy/documents"))
        return [document.text for path in paths for document in tables.read_documents(path)]


def test_lines_seen_twice_go_in_all_documents(tmp_path: Path) -> None:
    build = Build(tmp_path, WORDS, ["a1,b1 c1,d1", "b1,e1 !", "x"], recipe())
    found = build.run()
    assert build.texts() == ["a1", "c1\nd1", "e1"]
    assert found["drops"]["count"] == 2
    assert found["stages"][0]["dropped"] == {"read": {"unreadable": [1, 1]}, "words": {"short": [1, 1]}}
    assert found["decisions"] == [{"stage": "twice", "items": 3, "keys": 6, "marked": 2}]


def windowed(dumps: Sequence[str], window: int) -> list[str]:
    """Return what is left if lines are compared within windows, the plain way."""
    left = []
    size = window or len(dumps)
    for start in range(0, len(dumps), size):
        part = [line.split(",") for dump in dumps[start : start + size] for line in dump.split()]
        counts = Counter(word for words in part for word in words)
        left += ["\n".join(word for word in words if counts[word] == 1) for words in part]
    return [text for text in left if text]


@pytest.mark.parametrize("window", [0, 1, 2, 3, 5, 7])
@pytest.mark.parametrize("buckets", [1, 4])
@pytest.mark.parametrize("fan_in", [2, 3, 64])
def test_windows_compare_their_own_items_only(tmp_path: Path, window: int, buckets: int, fan_in: int) -> None:
    dumps = [f"aa,w{n % 2} bb,w{n % 3} o{n},aa cc{n // 2}" for n in range(5)]
    build = Build(tmp_path, WORDS, dumps, recipe(window=window, buckets=buckets, fan_in=fan_in, reducer_keys=3))
    found = build.run()
    assert build.texts() == windowed(dumps, window)
    left = sum(len(text.splitlines()) for text in build.texts())
    assert found["decisions"] == [{"stage": "twice", "items": 5, "keys": 5 * 7, "marked": 5 * 7 - left}]


def test_the_owner_stays_wherever_it_is(tmp_path: Path) -> None:
    build = Build(tmp_path, TEXTS, ["same aa bb", "aa cc", "aa bb"], recipe())
    build.run()
    assert sorted(build.texts()) == ["aa", "bb", "cc", "same"]


def test_a_join_merges_and_adds_up(tmp_path: Path) -> None:
    build = Build(tmp_path, LETTERS, ["aa bb ab", "ac !"], recipe())
    found = build.run()
    assert sorted(build.texts()) == ["aa ab ac", "bb"]
    assert [(account["in"], account["kept"], account["merged"]) for account in found["stages"]] == [
        (5, 4, 0),
        (4, 2, 2),
    ]


def test_a_join_that_miscounts_is_found(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"toy/letters item bucket-00000\d does not add up: 2 in, 1 kept, 0 merged"):
        Build(tmp_path, LETTERS, ["za zb"], recipe()).run()


@pytest.mark.parametrize("chain", [WORDS, TEXTS, LETTERS])
@pytest.mark.parametrize("dumps", [[], [""], ["x", "y !"], ["", "aa"]])
def test_nothing_is_something_that_can_be_built(tmp_path: Path, chain: Sequence[Stage], dumps: list[str]) -> None:
    build = Build(tmp_path, chain, dumps, recipe())
    assert build.run()["documents"]["count"] == len(build.texts()) == dumps.count("aa")


@pytest.mark.parametrize(
    ("dump", "message"),
    [
        ("aa lost bb", r"toy/words item 00-\w+ does not add up: 3 in, 2 kept, 0 merged, 0 dropped"),
        ("aa fail", r"toy/words failed on record toy/00-\w+/1 of .*/0.txt: KeyError: 'no such word'"),
        ("aa unkeyed", r"toy/words failed on record toy/00-\w+/1 of .*/0.txt: ValueError: no key"),
        ("aa nothing", "failed on record .*/1 of .*: TypeError: the step returned None"),
        ("aa another", "failed on record .*/1 of .*: TypeError: the step returned Document"),
        ("aa explode", "toy/words cannot read .*/0.txt: OSError: the disk is gone"),
    ],
)
def test_failures_are_named_and_leave_no_manifest(tmp_path: Path, dump: str, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        Build(tmp_path, WORDS, [dump], recipe()).run()
    assert not list(tmp_path.rglob("words/*.json"))
    assert not list(tmp_path.rglob("*.tmp"))


def test_records_of_one_id_are_one_document(tmp_path: Path) -> None:
    build = Build(tmp_path, WORDS, ["same1 aa same2 same3"], recipe())
    found = build.run()
    assert build.texts() == ["same1", "aa"]
    assert found["stages"][0]["dropped"]["read"]["duplicate_id"][0] == 2


def test_a_key_that_is_lost_on_the_way_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = Decision.split
    monkeypatch.setattr(Decision, "split", lambda self, element: list(split(self, element))[1:])
    with pytest.raises(RuntimeError, match=r"toy/twice compared [0-3] of 4 keys"):
        Build(tmp_path, WORDS, ["aa,bb,cc,dd"], recipe(buckets=4, reducer_keys=1)).run()


def test_a_lost_posting_of_a_join_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = run.JoinTask.split
    monkeypatch.setattr(run.JoinTask, "split", lambda self, element: list(split(self, element))[1:])
    with pytest.raises(RuntimeError, match=r"toy/letters took \d of 2 documents kept before"):
        Build(tmp_path, LETTERS, ["aa bb"], recipe(buckets=64)).run()


def ran(folder: Path, dumps: Sequence[str], recipe: ToyRecipe, chain: Sequence[Stage] = WORDS) -> list[str]:
    build = Build(folder, chain, dumps, recipe)
    build.run()
    return [label.removeprefix("toy/") for label in build.ran]


def test_what_changed_is_redone_and_nothing_else(tmp_path: Path) -> None:
    dumps = ["a1,b1 c1,d1", "b1,e1"]
    assert ran(tmp_path, dumps, recipe()) == ["words", "twice", "left"]
    assert ran(tmp_path, dumps, recipe()) == []
    assert ran(tmp_path, dumps, recipe(other=Step(1))) == ["left"]
    assert ran(tmp_path, dumps, recipe(step=Step(1), other=Step(1))) == ["words", "twice", "left"]
    assert ran(tmp_path, dumps, recipe(step=Step(1), other=Step(1), window=1)) == ["twice", "left"]
    newer = (WORDS[0], WORDS[1], Map("left", without, other_part, version=2))
    assert ran(tmp_path, dumps, recipe(step=Step(1), other=Step(1), window=1), newer) == ["left"]
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("words/*.json")}
    assert ran(tmp_path, [*dumps, "f1"], recipe(step=Step(1), other=Step(1), window=1), newer) == [
        "words",
        "twice",
        "left",
    ]
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("words/*.json")}
    assert before.items() < after.items()


def test_staged_text_goes_and_comes_back_where_it_is_needed(tmp_path: Path) -> None:
    dumps = ["a1,b1 c1,d1", "b1,e1"]
    assert ran(tmp_path, dumps, recipe(keep_staged=False)) == ["words", "twice", "left"]
    assert not list(tmp_path.rglob("work/**/*.parquet"))
    assert ran(tmp_path, dumps, recipe(keep_staged=False)) == []
    build = Build(tmp_path, WORDS, dumps, recipe(keep_staged=False, other=Step(1)))
    build.run()
    assert build.ran == ["toy/words, for left", "toy/left"]
    assert build.texts() == ["a1", "c1\nd1", "e1"]
    assert not list(tmp_path.rglob("work/**/*.parquet"))


def test_only_the_items_that_need_it_are_staged_again(tmp_path: Path) -> None:
    dumps = ["aa bb", "cc dd", "ee ff"]
    build = Build(tmp_path, WORDS, dumps, recipe(keep_staged=False))
    build.run()
    victim = build.chain.items()[1].key
    Path(build.chain.paths.manifest("left", victim)).unlink()
    build = Build(tmp_path, WORDS, dumps, recipe(keep_staged=False))
    build.run()
    assert build.ran == ["toy/words, for left", "toy/left"]
    assert build.outputs == [1, 1]


def kill_points(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the process "die" at the (after + 1)-th file that is about to appear."""
    left = [after]
    replace = Path.replace

    def dying(self: Path, target: Path) -> Path:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", dying)


@pytest.mark.parametrize("chain", [WORDS, LETTERS])
def test_a_kill_before_any_write_changes_nothing_in_the_end(
    tmp_path: Path, chain: Sequence[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps, settings = ["aa,bb cc", "bb,dd !"], recipe(buckets=2)
    whole = Build(tmp_path / "whole", chain, dumps, settings)
    wanted = whole.run()
    # The folder already holds a corpus of another recipe, whose files must not be taken for this one's.
    Build(tmp_path / "killed", chain, dumps, recipe(buckets=2, step=Step(3))).run()
    kills = 0
    while True:
        with monkeypatch.context() as patch:
            kill_points(patch, kills % 7)
            try:
                found = Build(tmp_path / "killed", chain, dumps, settings).run()
                break
            except KeyboardInterrupt:
                kills += 1
        assert kills < 100
    assert kills > 3
    for kind in ("documents", "drops"):
        assert found[kind]["digest"] == wanted[kind]["digest"]
        assert found[kind]["count"] == wanted[kind]["count"]


def test_the_toy_recipe_is_a_recipe() -> None:
    assert recipe().sources == SAMPLE.sources


def test_an_input_that_comes_back_is_built_again(tmp_path: Path) -> None:
    single = (Map("words", clean, step_part),)
    dumps = ["aa bb", "cc dd !"]
    wanted = Build(tmp_path, single, dumps, recipe()).run()
    Build(tmp_path, single, dumps[:1], recipe()).run()
    again = Build(tmp_path, single, dumps, recipe())
    assert again.run() == {**wanted, "stages": again.run()["stages"]}
    assert sorted(again.texts()) == ["aa", "bb", "cc", "dd"]


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def started(costs: Sequence[float]) -> float:
    """Return what an item took to start whose records take so many CPU seconds each."""
    start = run.Start()
    for cost in start.watched(iter(costs)):
        burn(cost)
    return start.seconds()


def test_what_only_the_first_records_take_is_told_apart() -> None:
    many = 10 * run.Start.FIRST
    assert started([0.2] + [0.001] * many) == pytest.approx(0.2, abs=0.1)
    assert started([0.001] * many) < 0.05
    # Of a few records it cannot be told whether others would take as long.
    assert started([0.1] + [0.001] * run.Start.FIRST) == 0
