"""The formula of forecasts: on amounts whose sum is known, beside scipy's quantiles, and where nothing is measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipelines.account import forecast
from pipelines.account.forecast import Estimate, Prices, Unit


def units_of(rng: np.random.Generator, count: int) -> list[Unit]:
    """Return units whose amount is about in proportion to their size."""
    sizes = rng.lognormal(15, 0.5, count)
    return [Unit(size, size * rate) for size, rate in zip(sizes, rng.gamma(20, 1 / 20, count), strict=True)]


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
def test_the_interval_holds_the_truth_in_nine_of_ten_draws(share: float) -> None:
    rng = np.random.default_rng(19)
    held, errors = [], []
    for _ in range(1_000):
        units = units_of(rng, 200)
        taken = [units[place] for place in rng.permutation(200)[: int(share * 200)]]
        found = forecast.whole(taken, sum(unit.size for unit in units))
        truth = sum(unit.amount for unit in units)
        held.append(found.low <= truth <= found.high)
        errors.append(abs(found.value / truth - 1))
    # Its standard error over 1,000 draws is 0.01.
    assert 0.87 <= np.mean(held) <= 0.95
    assert np.mean(errors) < 0.25


def test_sums_of_sources_hold_the_truth_too() -> None:
    rng, held = np.random.default_rng(20), []
    for _ in range(1_000):
        sources = [units_of(rng, 30) for _ in range(5)]
        found = forecast.added(
            forecast.whole([units[n] for n in rng.permutation(30)[:3]], sum(unit.size for unit in units))
            for units in sources
        )
        truth = sum(unit.amount for units in sources for unit in units)
        held.append(found.low <= truth <= found.high)
    assert np.mean(held) >= 0.88


def test_what_all_units_share_grows_with_them() -> None:
    found = forecast.whole([Unit(10, 1), Unit(30, 3)], 400, shared=4)
    assert found.value == pytest.approx((1 + 3 + 4) * 10)
    assert found.low == pytest.approx(found.high)


def test_all_that_there_is_needs_no_spread() -> None:
    found = forecast.whole([Unit(10, 1), Unit(30, 9)], 40)
    assert (found.low, found.value, found.high) == (10, 10, 10)


def test_one_unit_of_many_has_the_spread_of_not_knowing() -> None:
    found = forecast.whole([Unit(10, 1)], 1_000)
    assert found.value == pytest.approx(100)
    assert found.low < 30
    assert found.high > 170


def test_empty_inputs_cannot_be_scaled() -> None:
    with pytest.raises(ValueError, match="nothing was built to forecast by"):
        forecast.whole([Unit(0, 1)], 10)


@pytest.mark.parametrize("freedom", [1, 1.5, 2, 7, 12, 29.9, 30, 500, math.inf])
def test_quantiles_are_students(freedom: float) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with setup-full")
    exact = stats.t.ppf(0.5 + forecast.CONFIDENCE / 2, freedom) if freedom < math.inf else stats.norm.ppf(0.95)
    assert exact - 5e-4 <= forecast.student(freedom) <= 1.05 * stats.t.ppf(0.95, math.floor(min(freedom, 1e9)))


def test_noise_widens_and_moves_nothing() -> None:
    found = Estimate(100.0, 4.0, 3).noisy(0.1)
    assert found.value == 100
    assert found.variance == pytest.approx(4 + 100)


def test_hours_are_no_less_than_what_one_core_does_alone() -> None:
    assert forecast.hours(36_000, 3_600, 1) == 10
    assert forecast.hours(36_000, 3_600, 9) == 2
    assert forecast.hours(36_000, 3_600, 10**9) == pytest.approx(1)


def test_money_is_of_cores_with_their_memory_and_of_what_is_kept() -> None:
    prices = Prices(core_hour=1.0, gib_hour=0.1, gb_month=2.0, core_gib=4.0)
    assert prices.computing(7_200) == pytest.approx(2 * 1.4)
    assert prices.computing(7_200, 10 * forecast.GIB) == pytest.approx(2 * 2.0)
    assert prices.month(3e9) == 6
