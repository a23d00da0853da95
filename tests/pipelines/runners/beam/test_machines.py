"""What Dataflow's machines should be follows from recipe, models and inputs; what a user says stands."""

from __future__ import annotations

import pytest

from pipelines.runners.beam.dataflow import MOST_WORKERS, Machines
from pipelines.runners.needs import GIB


@pytest.mark.parametrize(
    ("keys", "models", "machine"),
    [
        (16_000_000, 0, "n2-standard-4"),
        (16_000_000, 2 * GIB, "n2-standard-4"),
        (16_000_000, 4 * GIB, "n2-highmem-4"),
        (80_000_000, 0, "n2-highmem-4"),
        (16_000_000, 20 * GIB, "n2-highmem-4"),
        (16_000_000, 40 * GIB, "n2-highmem-8"),
    ],
)
def test_memory_decides_the_machine(keys: int, models: int, machine: str) -> None:
    flags = Machines(keys, models, [1]).flags()
    assert f"--worker_machine_type={machine}" in flags
    alone = models >= 20 * GIB  # more than a core of any machine has: one process for a machine
    assert ("--experiments=no_use_multiple_sdk_containers" in flags) == alone


def test_disk_holds_the_largest_input_and_the_models_for_each_core() -> None:
    assert Machines(1, 0, []).disk == 30 * GIB
    assert Machines(1, 2 * GIB, [GIB, 3 * GIB]).disk == (30 + 4 * (3 * 3 + 2)) * GIB


def test_there_are_as_many_workers_as_have_enough_to_do() -> None:
    assert Machines(1, 0, [1] * 10).workers == 1
    assert Machines(1, 0, [1] * 3_200).workers == 100
    assert Machines(1, 0, [1] * 1_000_000).workers == MOST_WORKERS


def test_what_is_given_stands() -> None:
    given = ["--worker_machine_type=c3-standard-8", "--experiments=shuffle_mode=service"]
    flags = Machines(1, 0, [1]).flags(given)
    assert [flag.partition("=")[0] for flag in flags] == [
        "--disk_size_gb",
        "--max_num_workers",
        "--number_of_worker_harness_threads",
    ]
