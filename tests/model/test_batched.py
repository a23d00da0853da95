from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from model import batched
from model.batched import Continuation, End, Sampling, Stop, continue_all, draw
from model.generate import generate
from model.llama import Cache, LLaMA
from tests.model import small

LENGTHS = (1, 7, 3, 12, 3, 20, 2)
WARM = Sampling(temperature=0.9, top_p=0.8, samples=3, seed=11)


def prompts(lengths: Sequence[int] = LENGTHS) -> list[list[int]]:
    rows = small.tokens(len(lengths), max(lengths))
    return [row[:length].tolist() for row, length in zip(rows, lengths, strict=True)]


# Two bytes a token for most, half a character for some, nothing for one.
CONTENTS: list[bytes | None] = [None, b"\xc3", b"\xa9", *(bytes([97 + n % 7, 97 + n % 5]) for n in range(51))]


def all_of(
    model: LLaMA,
    prompts: Sequence[Sequence[int]],
    length: int = 12,
    stop: Stop = batched.NOTHING,
    sampling: Sampling = batched.GREEDY,
    batch: int = 16,
) -> list[list[Continuation]]:
    """Return the continuations of each prompt in the order of the prompts."""
    found = dict(continue_all(model, CONTENTS, prompts, length, stop, sampling, batch))
    return [found[number] for number in range(len(prompts))]


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_padding_on_the_left_changes_no_logits(kv_heads: int) -> None:
    model, given = small.model(kv_heads), prompts()
    width, new = max(LENGTHS), torch.randint(0, 54, (len(given), 9), generator=torch.Generator().manual_seed(1))
    cache = Cache.empty(model, len(given), width + 9)
    cache.starts = torch.tensor([width - len(prompt) for prompt in given])
    padded = torch.tensor([[53] * (width - len(prompt)) + prompt for prompt in given])
    # The prompts at once, then a token, then several at once.
    pieces = [model(part, cache).detach() for part in (padded, new[:, :1], new[:, 1:])]
    for row, prompt in enumerate(given):
        alone = model(torch.tensor([[*prompt, *new[row].tolist()]])).detach()[0]
        found = torch.cat([pieces[0][row, width - len(prompt) :], pieces[1][row], pieces[2][row]])
        torch.testing.assert_close(found, alone, rtol=1e-5, atol=1e-5)
    assert all(piece.isfinite().all() for piece in pieces)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_many_prompts_continue_as_each_alone(kv_heads: int, batch: int) -> None:
    model, given = small.model(kv_heads), prompts()
    for prompt, (found,) in zip(given, all_of(model, given, batch=batch), strict=True):
        assert list(found.ids) == generate(model, prompt, 12, temperature=0)
        assert found.text == b"".join(CONTENTS[id_] or b"" for id_ in found.ids).decode("utf-8", "replace")
        assert found.end is End.LENGTH


def test_what_is_drawn_depends_on_seed_prompt_and_number_alone() -> None:
    model, given = small.model(2), prompts()
    found = all_of(model, given, sampling=WARM)
    for batch in (1, 2, 5):
        assert all_of(model, given, sampling=WARM, batch=batch) == found
    assert all_of(model, given[::-1], sampling=WARM) == found[::-1]
    assert all_of(model, given[3:4], sampling=WARM) == found[3:4]
    more = Sampling(temperature=0.9, top_p=0.8, samples=5, seed=11)
    assert [rows[:3] for rows in all_of(model, given, sampling=more)] == found
    assert all_of(model, given, sampling=Sampling(temperature=0.9, top_p=0.8, samples=3, seed=12)) != found
    assert all(len(set(rows)) == 3 for rows in found)


def test_a_prompt_is_read_once_for_all_its_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    model, read = small.model(), list[int]()
    hidden = LLaMA.hidden

    def counted(self: LLaMA, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        read.append(tokens.numel())
        return hidden(self, tokens, cache)

    monkeypatch.setattr(LLaMA, "hidden", counted)
    all_of(model, prompts([20]), 4, sampling=Sampling(temperature=1.0, samples=10), batch=4)
    assert read == [20, *[4] * 3, *[4] * 3, *[2] * 3]


def test_rows_that_have_ended_leave_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, given, drawn = small.model(), prompts([5] * 8), Sampling(temperature=2.0)
    texts = [rows[0].ids for rows in all_of(model, given, 15, sampling=drawn)]
    stop = Stop(ids=range(8))
    expected = [next((n for n, id_ in enumerate(ids) if id_ in stop.ids), 15) for ids in texts]
    assert len(set(expected)) > 2
    sizes: list[int] = []
    forward = LLaMA.forward

    def counted(self: LLaMA, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        sizes.append(len(tokens))
        return forward(self, tokens, cache)

    monkeypatch.setattr(LLaMA, "forward", counted)
    found = [rows[0] for rows in all_of(model, given, 15, stop, drawn)]
    assert [continuation.ids for continuation in found] == [ids[:end] for ids, end in zip(texts, expected, strict=True)]
    assert [continuation.end for continuation in found] == [End.TOKEN if end < 15 else End.LENGTH for end in expected]
    assert len(sizes) == min(14, max(expected))
    assert sizes[-1] < 8
    assert sum(sizes) < sum(2 * min(14, end) + 1 for end in expected)


def cut(ids: Sequence[int], stops: list[str]) -> tuple[str, tuple[int, ...]]:
    """Read tokens until a stop is there; return the text before it and what was read."""
    for end in range(1, len(ids) + 1):
        text = b"".join(CONTENTS[id_] or b"" for id_ in ids[:end])
        if places := [text.index(stop.encode()) for stop in stops if stop.encode() in text]:
            return text[: min(places)].decode("utf-8", "replace"), tuple(ids[:end])
    raise AssertionError


def test_a_text_is_cut_at_the_first_stop_wherever_tokens_end() -> None:
    model, given = small.model(), prompts()
    whole = [rows[0] for rows in all_of(model, given, 18)]
    tried = 0
    for number, continuation in enumerate(whole):
        text = continuation.text
        for start in range(0, len(text) - 4, 3):
            for length in (1, 2, 3, 4):
                stops = [text[start : start + length], text[-2:], "never"]
                if any("\ufffd" in stop for stop in stops):
                    continue
                found = all_of(model, given[number : number + 1], 18, Stop(texts=stops))[0][0]
                assert (found.text, found.ids, found.end) == (*cut(continuation.ids, stops), End.TEXT)
                tried += 1
    assert tried > 100


def test_a_stop_in_the_prompt_or_across_its_end_is_none() -> None:
    model, given = small.model(), prompts([5])
    ids = all_of(model, given, 3)[0][0].ids
    around = ((CONTENTS[given[0][-1]] or b"") + (CONTENTS[ids[0]] or b"")).decode()
    assert all_of(model, given, 3, Stop(texts=[around]))[0][0].ids == ids


def test_draws_follow_the_nucleus_of_the_softmax() -> None:
    logits = torch.tensor([[0.15, 0.5, 0.05, 0.3]]).log()
    uniform = (torch.arange(10_000) + 0.5) / 10_000

    def shares(temperature: float, top_p: float) -> list[float]:
        return draw(logits.expand(10_000, 4), temperature, top_p, uniform).bincount(minlength=4).div(10_000).tolist()

    assert shares(1.0, 1.0) == pytest.approx([0.15, 0.5, 0.05, 0.3], abs=1e-3)
    assert shares(1.0, 0.9) == pytest.approx([0.15 / 0.95, 0.5 / 0.95, 0, 0.3 / 0.95], abs=1e-3)
    assert shares(1.0, 0.4) == [0, 1, 0, 0]
    squares = torch.tensor([0.15, 0.5, 0.05, 0.3]) ** 2
    assert shares(0.5, 1.0) == pytest.approx((squares / squares.sum()).tolist(), abs=1e-3)
    assert shares(0.0, 1.0) == [0, 1, 0, 0]


def test_the_ends_of_the_unit_interval_draw_what_is_possible() -> None:
    logits = torch.tensor([[-float("inf"), 0.0, 0.0, -float("inf")]] * 2)
    ends = torch.tensor([0.0, 1 - 2**-24])
    for top_p in (1.0, 0.999):
        assert draw(logits, 1.0, top_p, ends).tolist() == [1, 2]
    wide = torch.zeros(2, 70_000)
    assert draw(wide, 1.0, 1.0, ends).tolist() == [0, 69_999]


@pytest.mark.parametrize(
    ("given", "length", "message"),
    [
        ([[1], []], 3, "prompt 1 has 0 tokens; must have at least 1"),
        ([[1], [1] * 38], 3, "prompt 1 has 38 tokens; .* leave room for 3 more in the model's context of 40"),
        ([[1]], 0, "length is 0"),
    ],
)
def test_what_does_not_fit_is_refused(given: list[list[int]], length: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        all_of(small.model(), given, length)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="batch 0; must be at least 1"):
        all_of(small.model(), [[1]], batch=0)
    for texts in ("Q:", ["a", ""]):
        with pytest.raises(ValueError, match="must be a list of texts, none of them empty"):
            Stop(texts=texts)
    for options, message in (
        ({"samples": 3}, "at temperature 0 all of them are the same"),
        ({"samples": 0}, "must be at least 1 and 0"),
        ({"seed": -1}, "must be at least 1 and 0"),
        ({"temperature": float("nan")}, "temperature must be finite"),
        ({"top_p": 0.0}, "top_p above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            Sampling(**options)
