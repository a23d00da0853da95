import random

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from model import configs
from model.llama import LLaMA
from tests.model import small
from train.evaluation.inference import scoring
from train.evaluation.inference.packing import packs, shared
from train.evaluation.inference.scoring import Scorer


def test_what_two_texts_share() -> None:
    assert [shared([1, 2, 3], other) for other in ([], [1], [1, 2, 3, 4], [1, 2, 4], [2, 2, 3])] == [0, 1, 3, 2, 0]


def texts(seed: int) -> tuple[list[list[int]], list[int]]:
    """Return texts that begin alike in many ways, some of them the same or the beginning of another."""
    draw = random.Random(seed)
    begins = [[draw.randrange(4) for _ in range(draw.randrange(1, 120))] for _ in range(3)]
    found = []
    for _ in range(60):
        begin = draw.choice(begins)
        found.append(begin[: draw.randrange(1, len(begin) + 1)] + [draw.randrange(3) for _ in range(draw.randrange(5))])
    # Most share all of one long beginning, as questions share their solved examples.
    found += [begins[0] + begins[1] + [draw.randrange(9) for _ in range(draw.randrange(1, 9))] for _ in range(60)]
    return found, [draw.randrange(1, len(text) + 1) if draw.random() < 0.2 else 1 for text in found]


@pytest.mark.parametrize("seed", range(20))
def test_every_text_is_a_path_that_sees_itself_alone(seed: int) -> None:
    given, scored = texts(seed)
    met: list[int] = []
    for pack in packs(given, scored, 64):
        for number, path in zip(pack.numbers, pack.paths, strict=True):
            met.append(number)
            assert pack.prefix + pack.tokens[path].tolist() == given[number]
            assert len(path) >= scored[number]
            assert pack.positions[path].tolist() == list(range(len(pack.prefix), len(given[number])))
            for at, node in enumerate(path):
                assert np.flatnonzero(pack.seen[node]).tolist() == path[: at + 1].tolist()
    assert sorted(met) == list(range(len(given)))


def test_a_beginning_of_many_is_computed_once() -> None:
    begin = list(range(100))
    given = [[*begin, n, n, n] for n in range(200)]
    found = list(packs(given, [1] * 200, 64))
    assert [pack.prefix for pack in found] == [begin] * len(found)
    assert sum(len(pack.tokens) for pack in found) == 600
    (one,) = packs(given[:8], [1] * 8, 200)
    assert (len(one.prefix), len(one.tokens)) == (0, 124)


class Bytes:
    def encode(self, text: str) -> list[int]:
        return [2 + value % 50 for value in text.encode()]


@pytest.mark.parametrize(("size", "cached"), [(16, True), (16, False), (1024, True)])
def test_packed_likelihoods_are_those_one_at_a_time(size: int, cached: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "PACK", size)
    config = configs.ModelConfig(dim=32, layers=2, heads=4, kv_heads=2, hidden=64, vocabulary=60, context=150)
    model = LLaMA(config).initialise(torch.Generator().manual_seed(1)).requires_grad_(False)
    draw = random.Random(2)
    shots = "".join(draw.choice("abc ") for _ in range(90))
    pairs = [
        (shots + f"question {n % 9}: {'x' * (n % 7)}?", " " + ["yes", "no", "maybe"][n % 3] * (n % 2 + 1))
        for n in range(80)
    ]
    pairs += [("y" * n, " z") for n in range(0, 200, 7)]
    for (context, completion), found in zip(
        pairs, Scorer(model, Bytes(), (1,), cached=cached).likelihoods(pairs), strict=True
    ):
        tokens = torch.tensor([1, *Bytes().encode(context + completion)])[-151:]
        logs = F.log_softmax(model(tokens[None, :-1])[0], -1).gather(1, tokens[1:, None])[:, 0]
        assert found.value == pytest.approx(float(logs[-len(completion) :].sum()), abs=2e-5)


def test_positions_and_masks_of_two_ways_to_go_on() -> None:
    model = small.model()
    first, second = torch.tensor([[3, 4, 5, 6]]), torch.tensor([[3, 4, 7]])
    both = torch.tensor([[3, 4, 5, 6, 7]])
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    mask[4, 2:4] = False
    with torch.no_grad():
        found = model.hidden(both, mask=mask[None, None], positions=torch.tensor([0, 1, 2, 3, 2]))
        rows = model.hidden(both, mask=mask[None, None], positions=torch.tensor([[0, 1, 2, 3, 2]]))
        assert torch.allclose(found[:, :4], model.hidden(first), atol=1e-5)
        assert torch.allclose(found[:, [0, 1, 4]], model.hidden(second), atol=1e-5)
    assert torch.equal(found, rows)
