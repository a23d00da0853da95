import math
from types import SimpleNamespace

import pytest

from train.energy import Meter, footprint, measured, used


@pytest.mark.parametrize(
    ("gpu_hours", "mwh", "tco2eq"),
    [(82_432, 36, 14), (135_168, 59, 23), (530_432, 233, 90), (1_022_362, 449, 173)],
)
def test_table_15_to_its_printed_digits(gpu_hours: float, mwh: int, tco2eq: int) -> None:
    found = footprint(gpu_hours)
    assert math.floor(found.mwh) == mwh  # the paper truncates 449.84
    assert round(found.tco2eq) == tco2eq
    assert not found.measured


def test_opt_and_bloom_of_the_same_table() -> None:
    assert math.floor(footprint(809_472).mwh) == 356
    assert round(footprint(809_472).tco2eq) == 137
    assert math.floor(footprint(1_082_880).mwh) == 476  # printed as 475
    assert round(footprint(1_082_880).tco2eq) == 183


def test_a_run_is_measured_where_its_gpu_is_and_estimated_where_it_is_known() -> None:
    assert used(3600, 8, "NVIDIA H100 80GB HBM3", None) == footprint(8, 700)
    assert used(3600, 8, "NVIDIA H100 80GB HBM3", 4000.0) == measured(4000.0)
    assert measured(1e6).mwh == pytest.approx(1.1)
    assert used(3600, 1, "cpu", None) is None


def test_a_meter_reads_the_gpus_counter() -> None:
    counts = iter([10, 1_000, 1_000 + 7_200_000])
    library = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID={"GPU-4c0e": 7}.__getitem__,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(counts) if handle == 7 else 0,
    )
    assert Meter("4c0e", lambda: library).watt_hours() == pytest.approx(2.0)


def test_a_meter_without_a_library_or_a_gpu_measures_nothing() -> None:
    def missing() -> object:
        raise ImportError("no such library")

    assert Meter("4c0e", missing).watt_hours() is None
    assert Meter(None).watt_hours() is None
