import json
import math
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from train.records import EVALUATIONS, EVENTS, LOG, Log, Recorder, as_json, read_log, scalars

ROW: dict[str, Any] = {
    "step": 1,
    "tokens": 64,
    "loss": 5.5,
    "gradient_norm": None,
    "sources": {"c4": (5.0, 3), "books": (7.0, 1)},
    "ledger": {"c4": 48, "books": 16},
    "mfu": {"6N": 0.4, "causal attention": 0.5},
    "footprint": None,
}


def test_a_log_that_resumes_drops_rows_of_lost_work_and_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "run" / "log.jsonl"
    log = Log(path, 0)
    for step in (1, 2, 3):
        log.write({"step": step})
    log.close()
    with path.open("a") as stream:
        stream.write('{"step": 4, "lo')
    assert [row["step"] for row in read_log(path)] == [1, 2, 3]
    log = Log(path, 2)
    log.write({"step": 3, "again": True})
    log.close()
    assert list(read_log(path)) == [{"step": 1}, {"step": 2}, {"step": 3, "again": True}]
    assert list(read_log(tmp_path / "none")) == []


def events(directory: Path) -> list[Event]:
    """Return TensorBoard's events, each of whose two checksums must hold."""
    found = []
    for path in sorted((directory / EVENTS).iterdir()):
        data = path.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            for part, check in ((data[:8], data[8:12]), (data[12 : 12 + size], data[12 + size : 16 + size])):
                assert masked_crc32c(part) == int.from_bytes(check, "little")
            found.append(Event.FromString(data[12 : 12 + size]))
            data = data[16 + size :]
    return found


def test_numbers_are_flat_and_known() -> None:
    assert scalars(ROW) == {
        "tokens": 64,
        "loss": 5.5,
        "loss/c4": 5.0,
        "loss/books": 7.0,
        "ledger/c4": 48,
        "ledger/books": 16,
        "mfu/6N": 0.4,
        "mfu/causal attention": 0.5,
    }


def test_a_run_is_recorded_for_programs_and_for_tensorboard(tmp_path: Path) -> None:
    records = Recorder(tmp_path, 0)
    for step in (1, 2, 3):
        records.step({**ROW, "step": step})
    records.evaluation({"step": 3, "tokens": 192, "bits_per_byte": {"c4": 1.5, "books": None}, "text": "The snow."})
    records.rewind(2)
    records.step({**ROW, "step": 3, "loss": 4.0})
    records.close()
    assert [(row["step"], row["loss"]) for row in read_log(tmp_path / "log.jsonl")] == [(1, 5.5), (2, 5.5), (3, 4.0)]
    assert list(read_log(tmp_path / "evaluations.jsonl")) == []
    found = events(tmp_path)
    values = [(event.step, value) for event in found for value in event.summary.value]
    assert [(step, value.simple_value) for step, value in values if value.tag == "loss"] == [
        (1, 5.5),
        (2, 5.5),
        (3, 5.5),
        (3, 4.0),
    ]
    assert [value.simple_value for _, value in values if value.tag == "bits_per_byte/c4"] == [1.5]
    texts = [value.tensor.string_val[0] for _, value in values if value.tag.startswith("text")]
    assert texts == [b"The snow."]
    # TensorBoard itself forgets what came before a restart at a step from that step on.
    restarts = [event.step for event in found if event.HasField("session_log")]
    assert restarts == [1, 3]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "text": "a\\u2028b"}\n{"step": \n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"log\.jsonl: line 2 is not JSON"):
        list(read_log(path))


def test_another_rank_writes_nothing(tmp_path: Path) -> None:
    records = Recorder(None, 0)
    records.step(ROW)
    records.rewind(0)
    records.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    records = Recorder(tmp_path, 0)
    records.step({**ROW, "loss": nan, "sources": {"c4": (nan, 3), "books": (inf, 1)}})
    records.evaluation({"step": 1, "bits_per_byte": {"c4": nan, "books": 2.0}, "text": "NaN"})
    records.close()
    lines = [(tmp_path / name).read_text() for name in (LOG, EVALUATIONS)]
    rows = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert (rows[0]["loss"], rows[0]["sources"]) == (None, {"c4": [None, 3], "books": [None, 1]})
    assert rows[1]["bits_per_byte"] == {"c4": None, "books": 2.0}
    assert json.loads(as_json({"loss": {"last": -inf}}, indent=1)) == {"loss": {"last": None}}
    for event in events(tmp_path):
        assert all(math.isfinite(value.simple_value) for value in event.summary.value)
