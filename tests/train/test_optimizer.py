import itertools
import math

import pytest
import torch

from tests.model import small
from train.optimizer import adamw, fitted_warmup, learning_rate, update


def test_schedule_warms_up_then_follows_a_cosine_to_a_tenth() -> None:
    rates = [learning_rate(step, 3e-4, 2000, 10_000) for step in range(10_000)]
    assert rates[0] == pytest.approx(3e-4 / 2000)
    assert rates[999] == pytest.approx(1.5e-4)
    assert rates[1999] == 3e-4
    assert rates[5999] == pytest.approx(3e-4 * 0.55)
    assert rates[-1] == pytest.approx(3e-5)
    assert all(earlier > later for earlier, later in itertools.pairwise(rates[1999:]))


def test_schedule_without_warmup_or_shorter_than_it() -> None:
    assert learning_rate(0, 1.0, 0, 1) == pytest.approx(0.1)
    assert learning_rate(4, 1.0, 10, 5) == pytest.approx(0.5)


def test_the_warmup_fits_a_run_that_is_shortened() -> None:
    fitted = [fitted_warmup(40, 1000, steps) for steps in (1, 27, 160, 625, 999, 1000)]
    assert fitted == [0, 6, 40, 40, 40, 40]
    assert [fitted_warmup(20, 40, steps) for steps in (40, 39, 20)] == [20, 19, 10]
    rates = [learning_rate(step, 1.0, 6, 27) for step in range(27)]
    assert max(rates) == 1.0
    assert rates[-1] == pytest.approx(0.1)


def test_matrices_decay_and_norms_do_not() -> None:
    model = small.model()
    optimizer = adamw(model, 1e-3)
    decay = {id(w): group["weight_decay"] for group in optimizer.param_groups for w in group["params"]}
    assert len(decay) == len(list(model.parameters()))
    for name, weight in model.named_parameters():
        assert decay[id(weight)] == (0.0 if "norm" in name else 0.1), name
    assert all(group["betas"] == (0.9, 0.95) for group in optimizer.param_groups)


def test_the_first_update_is_adamws() -> None:
    layer = torch.nn.Linear(3, 2, bias=False)
    before = layer.weight.detach().clone()
    optimizer = adamw(layer, 1.0)
    layer.weight.grad = torch.full((2, 3), 0.01)
    norm = update(optimizer, 0.02)
    assert norm == pytest.approx(0.01 * math.sqrt(6))
    expected = before * (1 - 0.02 * 0.1) - 0.02 * 0.01 / (0.01 + 1e-5)
    torch.testing.assert_close(layer.weight.detach(), expected)
    assert layer.weight.grad is None


def test_gradients_are_clipped_to_one() -> None:
    layer = torch.nn.Linear(2, 2, bias=False)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.full((2, 2), 10.0)
    assert update(optimizer, 1.0) == pytest.approx(20.0)
    torch.testing.assert_close(before - layer.weight.detach(), torch.full((2, 2), 0.5))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_gradients_that_are_not_finite_never_reach_the_weights(bad: float) -> None:
    layer = torch.nn.Linear(2, 2, bias=False)
    optimizer = adamw(layer, 1.0)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.tensor([[1.0, bad], [0.0, 0.0]])
    assert not math.isfinite(update(optimizer, 1.0))
    assert torch.equal(layer.weight, before)
    assert not optimizer.state
    assert layer.weight.grad is None
