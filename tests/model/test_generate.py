import pytest
import torch

from model.generate import generate, sample
from tests.model import small


def test_greedy_text_equals_the_uncached_argmax() -> None:
    model = small.model(kv_heads=2)
    prompt = small.tokens(1, 5)[0].tolist()
    expected = list(prompt)
    for _ in range(15):
        expected.append(int(model(torch.tensor([expected]))[0, -1].argmax()))
    assert generate(model, prompt, 15, temperature=0) == expected[5:]


def test_it_ends_before_a_stop_token_and_at_the_length() -> None:
    model = small.model()
    text = generate(model, [1], 20, temperature=0)
    stop = text[7]
    assert generate(model, [1], 20, temperature=0, stop=[stop]) == text[: text.index(stop)]
    assert len(text) == 20
    assert generate(model, [1], 0) == []


def test_the_same_seed_draws_the_same_text() -> None:
    model = small.model()
    first, second, other = (
        generate(model, [1, 2], 30, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert first == second != other


def test_nucleus_keeps_the_smallest_set_that_reaches_its_mass() -> None:
    logits = torch.tensor([0.15, 0.5, 0.05, 0.3]).log()
    generator = torch.Generator().manual_seed(0)

    def drawn(top_p: float) -> set[int]:
        return {sample(logits, 1.0, top_p, generator) for _ in range(400)}

    assert drawn(0.4) == {1}
    assert drawn(0.6) == {1, 3}
    assert drawn(0.9) == {0, 1, 3}
    assert drawn(1.0) == {0, 1, 2, 3}


def test_temperature_follows_the_softmax() -> None:
    logits = torch.tensor([0.0, 1.0])
    generator = torch.Generator().manual_seed(0)
    share = sum(sample(logits, 0.5, 1.0, generator) for _ in range(4000)) / 4000
    assert share == pytest.approx(1 / (1 + torch.tensor(-2.0).exp().item()), abs=0.02)
    assert sample(logits, 0.0, 1.0) == 1


@pytest.mark.parametrize(
    ("temperature", "top_p"),
    [(-1.0, 0.9), (float("nan"), 0.9), (float("inf"), 0.9), (1.0, 0.0), (1.0, 1.5), (1.0, float("nan"))],
)
def test_values_outside_their_range_are_refused(temperature: float, top_p: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        sample(torch.zeros(3), temperature, top_p)


def test_an_empty_prompt_and_a_text_beyond_the_context_are_refused() -> None:
    with pytest.raises(ValueError, match="prompt is empty"):
        generate(small.model(), [], 3)
    with pytest.raises(ValueError, match=r"30 \+ 11 tokens do not fit the model's context of 40"):
        generate(small.model(), [1] * 30, 11)


def test_whole_passes_generate_what_the_cache_does() -> None:
    model = small.model(2)
    texts = [
        generate(model, [1, 5, 9], 12, generator=torch.Generator().manual_seed(4), cached=cached)
        for cached in (True, False)
    ]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 12
