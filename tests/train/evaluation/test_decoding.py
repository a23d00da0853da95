"""Prompts continued by a model under evaluation: cut to the context, the same on any number of ranks."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from model.generate import generate
from tests.model import small
from tests.train import processes
from train.evaluation.inference.decoding import Continued, continue_all
from train.evaluation.inference.scoring import Scorer
from train.evaluation.tasks.kinds import Decoding, Prompt
from train.parallel import joined


class Letters:
    """A tokenizer of single characters."""

    contents: Sequence[bytes | None] = [None, None, *(bytes([32 + n]) for n in range(52))]

    def encode(self, text: str) -> list[int]:
        return [2 + (ord(character) - 32) % 52 for character in text]


TEXTS = ["THE CAT", "A", "", "WHO SAT ON THE MAT THAT THE CAT HAD SAT ON BEFORE?", "5 + 3"]
PROMPTS = [Prompt(text, ()) for text in TEXTS]
DRAWN = Decoding(12, ("A",), temperature=1.0, top_p=0.9, samples=2)


def scorer() -> Scorer:
    return Scorer(small.model(2), Letters(), (1,), (0,))


def test_prompts_are_cut_from_the_left_and_what_is_cut_is_counted() -> None:
    ours = scorer()
    found = continue_all(ours, PROMPTS, Decoding(10, ()))
    assert [one.cut for one in found] == [0, 0, 0, len(TEXTS[3]) + 1 - 30, 0]
    for text, one in zip(TEXTS, found, strict=True):
        ids = [1, *Letters().encode(text)][-30:]
        new = generate(ours.model, ids, 10, temperature=0, stop=[0])
        assert one.texts == (b"".join(Letters.contents[id_] or b"" for id_ in new).decode(),)
        assert one.unfinished == (len(new) == 10)


def test_a_continuation_takes_at_most_half_of_the_context() -> None:
    found = continue_all(scorer(), PROMPTS, Decoding(1000, ()))
    assert [one.cut for one in found] == [0, 0, 0, len(TEXTS[3]) + 1 - 20, 0]
    assert all(len(one.texts[0]) <= 20 for one in found)


def test_stops_and_samples_are_the_formats() -> None:
    found = continue_all(scorer(), PROMPTS, DRAWN, seed=3)
    assert all(len(one.texts) == 2 and "A" not in "".join(one.texts) for one in found)
    assert found == continue_all(scorer(), PROMPTS, DRAWN, seed=3) != continue_all(scorer(), PROMPTS, DRAWN, seed=4)
    assert continue_all(scorer(), PROMPTS[1:2], DRAWN, seed=3) == found[1:2]
    assert continue_all(scorer(), [], DRAWN) == []


def test_a_model_without_bos_begins_with_its_eos() -> None:
    bare = Scorer(small.model(2), Letters(), (), (0,))
    assert continue_all(bare, [Prompt("", ())], Decoding(5, ()))[0].cut == 0


def plain(found: list[Continued]) -> list[tuple[tuple[str, ...], int, int]]:
    return [(one.texts, one.cut, one.unfinished) for one in found]


def on_a_rank(count: int) -> list[tuple[tuple[str, ...], int, int]]:
    processes.meet_anew()
    with joined(torch.device("cpu"), 1, 2) as world:
        return plain(continue_all(scorer(), PROMPTS[:count], DRAWN, 3, world))


def test_ranks_share_the_prompts_and_return_the_same() -> None:
    for count in (5, 1):
        alone = plain(continue_all(scorer(), PROMPTS[:count], DRAWN, seed=3))
        assert processes.run(2, on_a_rank, count) == [alone, alone]
