import pytest
import torch

from model.configs import named
from train.meters import Throughput, by_source, flops_per_token, memory_of, mfu, peak_of


def test_the_papers_own_speed_gives_its_mfu_in_three_conventions() -> None:
    shares = mfu(named("65B"), 2048, 380, peak_of("NVIDIA A100-SXM4-80GB"))
    assert shares is not None
    printed = {name: round(100 * share, 1) for name, share in shares.items()}
    assert printed == {"6N": 47.7, "full attention": 49.5, "causal attention": 48.5}


def test_flops_of_7b() -> None:
    flops = flops_per_token(named("7B"), 2048)
    assert flops["6N"] == 6 * 6_738_415_616
    assert flops["full attention"] - flops["causal attention"] == 6 * 32 * 4096 * 2048


def test_no_mfu_on_hardware_whose_peak_is_unknown() -> None:
    assert mfu(named("7B"), 2048, 100, peak_of("cpu")) is None
    assert peak_of("NVIDIA GeForce RTX 3060") is None


def test_losses_are_meant_by_source() -> None:
    assert by_source([1.0, 2.0, 6.0], [2, 0, 2], ["a", "b", "c"]) == {"a": (2.0, 1), "c": (3.5, 2)}


def test_throughput_forgets_steps_before_its_window() -> None:
    times = iter([0.0, *(10.0 + n for n in range(30))])
    speed = Throughput(lambda: next(times))
    assert speed.add(100) == pytest.approx(10)
    for _ in range(29):
        last = speed.add(100)
    assert last == pytest.approx(100)


def test_throughput_leaves_out_what_is_no_step() -> None:
    times = iter([0.0, 1.0, 2.0, 52.0, 53.0])
    speed = Throughput(lambda: next(times))
    assert [speed.add(100), speed.add(100)] == [100, 100]
    assert speed.skip() == 50
    assert speed.add(100) == 100


def test_memory_is_that_of_the_process_on_a_cpu() -> None:
    before = memory_of(torch.device("cpu"))
    held = torch.ones(50_000_000)
    assert memory_of(torch.device("cpu")) - before > 0.5 * held.nbytes or before > 2 * held.nbytes
    assert memory_of(torch.device("cpu")) > held.nbytes
