import math

import numpy as np
import pytest

from train.evaluation.statistics import DRAWS, is_near_chance, standard_error


@pytest.mark.parametrize("share", [0.5, 0.25, 0.02])
def test_of_right_and_wrong_it_is_the_binomials(share: float) -> None:
    values = [1.0] * int(2000 * share) + [0.0] * int(2000 * (1 - share))
    expected = math.sqrt(share * (1 - share) / 2000)
    assert standard_error(values) == pytest.approx(expected, rel=4 / math.sqrt(2 * DRAWS))
    assert standard_error(values) == standard_error(values)


def test_of_many_values_it_is_that_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(3, 2, 5000)
    assert standard_error(values) == pytest.approx(2 / math.sqrt(5000), rel=4 / math.sqrt(2 * DRAWS))


@pytest.mark.parametrize("alike", [0.0, 1.0])
def test_of_questions_that_are_all_alike_it_is_not_nothing(alike: float) -> None:
    for count in (1, 4, 500):
        share = 2 / (count + 4)
        expected = math.sqrt(share * (1 - share) / (count + 4))
        assert standard_error([alike] * count) == pytest.approx(expected, rel=4 / math.sqrt(2 * DRAWS))
    assert not is_near_chance(alike, standard_error([alike] * 500), 0.25)
    assert is_near_chance(0.0, standard_error([0.0] * 4), 0.25)
    assert standard_error([1.0, 0.0, 1.0], [0, 1, 2]) > 0.1


def test_of_groups_each_counts_the_same() -> None:
    # Ten questions of a group are drawn among themselves: their mean is as unsure as ten are, however many others are.
    values = [1.0, 0.0] * 5 + [1.0, 0.0] * 5000
    groups = [0] * 10 + [1] * 10000
    few = math.sqrt(0.25 / 10)
    assert standard_error(values, groups) == pytest.approx(few / 2, rel=0.1)
    assert standard_error(values) < few / 10


def test_two_errors_from_chance_are_nothing() -> None:
    assert is_near_chance(0.2699, 0.01, 0.25)
    assert is_near_chance(0.2301, 0.01, 0.25)
    assert not is_near_chance(0.271, 0.01, 0.25)
    assert not is_near_chance(0.2, 0.01, 0.25)
