from pathlib import Path

import pytest

from model.configs import named
from train.meters import Log, Throughput, by_source, flops_per_token, mfu, read_log


def test_the_papers_own_speed_gives_its_mfu_in_three_conventions() -> None:
    shares = mfu(named("65B"), 2048, 380, "NVIDIA A100-SXM4-80GB")
    assert shares is not None
    printed = {name: round(100 * share, 1) for name, share in shares.items()}
    assert printed == {"6N": 47.7, "full attention": 49.5, "causal attention": 48.5}


def test_flops_of_7b() -> None:
    flops = flops_per_token(named("7B"), 2048)
    assert flops["6N"] == 6 * 6_738_415_616
    assert flops["full attention"] - flops["causal attention"] == 6 * 32 * 4096 * 2048


def test_no_mfu_on_hardware_whose_peak_is_unknown() -> None:
    assert mfu(named("7B"), 2048, 100, "cpu") is None
    assert mfu(named("7B"), 2048, 100, "NVIDIA GeForce RTX 3060") is None


def test_losses_are_meant_by_source() -> None:
    assert by_source([1.0, 2.0, 6.0], [2, 0, 2], ["a", "b", "c"]) == {"a": (2.0, 1), "c": (3.5, 2)}


def test_throughput_forgets_steps_before_its_window() -> None:
    times = iter([0.0, *(10.0 + n for n in range(30))])
    speed = Throughput(lambda: next(times))
    assert speed.add(100) == pytest.approx(10)
    for _ in range(29):
        last = speed.add(100)
    assert last == pytest.approx(100)


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
