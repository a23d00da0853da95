"""Waves as tasks: what the loop leaves, on a cluster that takes them in any order; how they fail; what they need."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipelines.files.current import renewed
from pipelines.files.runs import Slice
from pipelines.runners import plans
from pipelines.runners.needs import GIB, KEY_BYTES, Needs
from pipelines.runners.tasks import pieces, protocol
from pipelines.runners.tasks.pieces import Outcome, Piece
from pipelines.runners.tasks.plain import Plain
from pipelines.runners.tasks.protocol import Cluster, TaskError, one_by_one
from pipelines.stages.jobs import Job, Shuffle
from tests.pipelines import loop
from tests.pipelines.runners.beam import test_local
from tests.pipelines.runners.beam.test_local import contents, jobs
from tests.pipelines.runners.listed import worklist


@dataclass
class Backwards:
    """Does what was submitted last, and only some of it, so that a shuffle's buckets come when others still wait."""

    name: str = "backwards"
    link: str = ""
    together: int = 1  # items of one task
    waiting: list[Piece] = field(default_factory=list)
    done: list[Piece] = field(default_factory=list)
    cancelled: int = 0
    refused: bool = False

    def deal(self, weights: Sequence[float]) -> list[list[int]]:
        numbers = [number for (number,) in one_by_one(weights)]
        return [numbers[start : start + self.together] for start in range(0, len(numbers), self.together)]

    def submit(self, wanted: Sequence[Piece]) -> None:
        self.waiting += wanted

    def ended(self) -> Iterator[tuple[Piece, Outcome]]:
        for _ in range(0 if self.refused else 3):
            if self.waiting:
                piece = self.waiting.pop()
                self.done.append(piece)
                yield piece, pieces.do(piece)

    def cancel(self) -> None:
        self.cancelled += 1

    def log(self, piece: Piece) -> Sequence[str]:
        return ["what it said", "last"]


def run(wave: Sequence[Job | Shuffle], folder: Path, cluster: Cluster, needs: Needs | None = None, **how: Any) -> None:
    (folder / "work").mkdir(exist_ok=True)
    plan, work = f"{folder}/work/{'0' * 16}.plan", worklist(how.pop("module", test_local.__name__))
    try:
        protocol.run(wave, work, plan, cluster=cluster, needs=needs or Needs(), name="wave", **how)
    finally:
        assert list((folder / "work").iterdir()) == [], "a plan, pointers or notes are left"


@pytest.mark.parametrize("together", [1, 7, 100])
@pytest.mark.parametrize("chunk", [2, 500])
def test_equals_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int, chunk: int) -> None:
    monkeypatch.setattr(plans, "CHUNK", chunk)
    found = {}
    for name, cluster in (("loop", None), ("plain", Plain()), ("backwards", Backwards(together=together))):
        folder = tmp_path / name
        (folder / "files").mkdir(parents=True)
        wave = jobs(folder / "files")
        loop.run(wave) if cluster is None else run(wave, folder, cluster)
        found[name] = contents(folder / "files")
    assert found["plain"] == found["backwards"] == found["loop"]
    assert len(found["loop"]) == 32


def fail(element: Any) -> None:
    raise ValueError(f"{element}, record 7: the field is missing")


def test_what_our_code_raises_is_named_and_ends_the_wave(tmp_path: Path) -> None:
    cluster = Backwards()
    with pytest.raises(TaskError, match=r"^a/b#00000000: ValueError: x.gz, record 7: the field is missing$") as raised:
        run([Job("a/b", fail, ["x.gz"], [""])], tmp_path, cluster, module=__name__)
    assert cluster.cancelled == 1 and len(cluster.done) == 1, "it is not tried again"
    assert "in fail" in str(raised.value.__cause__)


def test_the_log_of_a_lost_task_goes_to_the_build_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Outcome(item="a/b#00000000", error="its worker was lost 3 times")
    monkeypatch.setattr(pieces, "do", lambda piece: lost)
    with pytest.raises(TaskError, match=r"^a/b#00000000: its worker was lost 3 times$") as raised:
        run([Job("a/b", fail, ["x.gz"], [""])], tmp_path, Backwards(), module=__name__)
    assert str(raised.value.__cause__) == "what it said\nlast"


def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    limits: list[tuple[dict[str, Any], str]] = [
        ({"patience": 0.0}, "no task of backwards has begun"),
        ({"deadline": 0.0}, "did not end within"),
    ]
    for how, said in limits:
        cluster = Backwards(refused=True)
        with pytest.raises(TimeoutError, match=said):
            run([Job("a/b", fail, ["x.gz"], [""])], tmp_path, cluster, module=__name__, **how)
        assert cluster.cancelled == 1


def keys(number: int) -> Iterator[tuple[int, Slice]]:
    for bucket in range(3):
        yield bucket, Slice(number, f"/run-{number}", 0, 10**bucket)


def nothing(bucket: int, found: Sequence[Slice]) -> None:
    """Take what there is."""


def test_a_bucket_asks_for_the_memory_of_its_records(tmp_path: Path) -> None:
    cluster = Backwards()
    shuffle = Shuffle("a/b", keys, list(range(4)), nothing, range(3), ["", "", ""])
    run([shuffle], tmp_path, cluster, Needs(reducer_keys=100, process=GIB), module=__name__)
    asked = {piece.name: piece.memory - GIB for piece in cluster.done}
    assert asked.pop("a/b, runs#00000000") == -GIB
    assert asked == {f"a/b#{bucket:08d}": KEY_BYTES * min(4 * 10**bucket, 100) for bucket in range(3)}


@dataclass(frozen=True)
class Item:
    """An item that reads a model and leaves a manifest."""

    manifest: str
    models: dict[str, str]


def leave(item: Item) -> None:
    with renewed(item.manifest, "made of this") as facts:
        facts["kept"] = 3


def test_an_item_asks_for_its_models_and_is_not_done_twice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sizes = {"/large.bin": 5 * GIB}
    outputs = [f"{tmp_path}/{number}.json" for number in range(3)]
    items = [Item(path, {"lid": "/large.bin"} if path == outputs[0] else {}) for path in outputs]
    (tmp_path / "1.json").write_text(json.dumps({"identity": "made of this", "kept": 100}))
    cluster = Backwards()
    job = Job("a/b", leave, items, outputs, identities=["made of this"] * 3)
    with caplog.at_level("INFO", "altiplano"):
        run([job], tmp_path, cluster, Needs(size_of=sizes.__getitem__, process=0), module=__name__)
    assert sorted(piece.memory for piece in cluster.done) == [0, 0, 5 * GIB]
    assert json.loads((tmp_path / "1.json").read_text())["kept"] == 100
    (told,) = [record.facts for record in caplog.records if record.message == "job_finished"]  # type: ignore[attr-defined]
    assert {name: told[name] for name in ("items", "items_done_before", "documents")} == {
        "items": 2,
        "items_done_before": 1,
        "documents": 6,
    }
