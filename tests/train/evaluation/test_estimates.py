import itertools
import math
import random

import pytest

from train.evaluation.grading.estimates import majority, pass_at


@pytest.mark.parametrize("samples", range(1, 8))
def test_pass_at_k_is_the_share_of_all_choices_of_k_samples_with_one_that_passes(samples: int) -> None:
    for passed, k in itertools.product(range(samples + 1), range(1, samples + 1)):
        ran = [True] * passed + [False] * (samples - passed)
        chosen = [any(some) for some in itertools.combinations(ran, k)]
        assert pass_at(k, samples, passed) == pytest.approx(sum(chosen) / len(chosen), abs=1e-12)


def test_pass_at_100_of_200_needs_no_large_numbers() -> None:
    assert pass_at(100, 200, 1) == pytest.approx(0.5)
    exact = 1 - math.comb(197, 80) / math.comb(200, 80)
    assert pass_at(80, 200, 3) == pytest.approx(exact, rel=1e-12)


def test_its_mean_is_the_chance_of_k_samples() -> None:
    generator, chance = random.Random(5), 0.3
    found = [pass_at(3, 8, sum(generator.random() < chance for _ in range(8))) for _ in range(4000)]
    assert sum(found) / len(found) == pytest.approx(1 - 0.7**3, abs=0.02)


@pytest.mark.parametrize(("k", "samples", "passed"), [(0, 5, 1), (6, 5, 1), (1, 5, 6), (1, 5, -1), (1, 0, 0)])
def test_what_samples_cannot_say_is_refused(k: int, samples: int, passed: int) -> None:
    with pytest.raises(ValueError, match="k must be from 1 to"):
        pass_at(k, samples, passed)


def test_the_majority_is_the_most_frequent_answer_and_of_several_the_first() -> None:
    assert majority(["1", "2", "2", None, None, None]) == "2"
    assert majority(["3", "1", "1", "3"]) == "3"
    assert majority([None]) is None
    assert majority([]) is None
