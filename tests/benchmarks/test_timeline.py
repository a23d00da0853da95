"""A schedule on idle cores, computed from what its parts took."""

from __future__ import annotations

import pytest

from benchmarks.timeline import LEAST, SERVER, Step, on_idle_cores, one_by_one, steps


def wave(*lanes: float, serial: float = 0.0) -> Step:
    return Step("wave", ["a"], serial, list(lanes))


def train(*lanes: float) -> Step:
    return Step("train", ["model"], 0.0, list(lanes))


ENDED = Step("ended", ["model"], 0.0, [])


@pytest.mark.parametrize(
    ("cores", "found", "seconds"),
    [
        (1, [wave(3.0, 4.0)], 7.0),
        (2, [wave(3.0, 4.0)], 4.0),
        (2, [wave(3.0, 4.0, serial=1.0), wave(2.0)], 7.0),
        (2, [wave(3.0, 3.0, 3.0)], 4.5),  # the driver works beside its workers
        (2, [train(5.0), wave(1.0, 1.0), ENDED], 5.0),
        (2, [train(2.0), wave(3.0, 3.0), ENDED], 4.0),  # two seconds on one core, two on both
        (2, [train(5.0), wave(1.0), wave(7.0), ENDED], 8.0),
        (1, [train(3.0), wave(LEAST), ENDED], 3.0 + LEAST),
        (2, [train(3.0, 3.0), wave(LEAST), ENDED], 3.0 + LEAST / 2),
        (2, [Step("begin", [SERVER], 1.0, [2.0]), wave(0.5, serial=0.5), wave(1.0, 1.0)], 4.0),  # two wait for it
    ],
)
def test_idle_cores(cores: int, found: list[Step], seconds: float) -> None:
    assert on_idle_cores(found, cores)[-1] == pytest.approx(seconds, abs=0.2)


def item(stage: str, start: float, cpu: float, used: float, process: int) -> dict[str, object]:
    return {"kind": "item", "stage": stage, "start": start, "cpu": cpu, "used": used, "process": process}


def driver(kind: str, names: list[str], start: float, end: float, before: float, after: float) -> dict[str, object]:
    times = {"start": start, "end": end, "before": before, "after": after}
    return {"kind": kind, "names": names, "process": 1, **times}


def test_items_belong_to_their_wave_and_lanes_to_their_process() -> None:
    rows = [
        {"kind": "imported", "used": 1.5, "process": 2},
        {"kind": "imported", "used": 1.0, "process": 1},
        driver("begin", [SERVER], 0, 1, 1.0, 1.1),
        item("a", 2.0, 1.0, 1.2, 3),
        item("a", 3.0, 1.0, 2.3, 3),
        item("a", 2.0, 1.5, 1.6, 4),
        driver("train", ["model"], 1.9, 1.9, 1.2, 1.3),
        driver("wave", ["a"], 1.9, 5.0, 1.4, 1.6),
        item("model", 4.0, 6.0, 6.1, 5),
        driver("ended", ["model"], 5.0, 9.0, 1.7, 1.7),
        item("a", 9.0, 1.0, 1.1, 6),  # of another turn of the same stage
        driver("wave", ["a"], 9.0, 10.0, 1.8, 1.9),
        driver("exit", [], 10.0, 10.0, 2.5, 2.5),
    ]
    begin, training, first, ended, second, end = steps(rows)
    assert (begin.lanes, training.lanes, ended.lanes) == ([1.5], [6.1], [])
    assert first.lanes == pytest.approx([2.3, 1.6, 0.2])
    assert first.items == {"a": [1.0, 1.0, 1.5]}
    assert one_by_one([first, second]) == pytest.approx(3.5 + 0.1 + 1.0 + 0.1)
    assert second.lanes == pytest.approx([1.1, 0.1])
    assert [step.serial for step in (begin, training, first, ended, second, end)] == pytest.approx(
        [1.1, 0.2, 0.1, 0.1, 0.1, 0.6]
    )
