"""Every filter, cleaner and reader: documented errors only, time and memory in proportion, cleaning twice is once."""

from __future__ import annotations

import random
import time
import tracemalloc
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.native import binding
from tests.hostile import surface
from tests.hostile.files import FILES
from tests.hostile.targets import Target
from tests.hostile.texts import ONCE, TEXTS, TWICE

TARGETS = {**TEXTS, **FILES}
EXAMPLES = 50

# What no hostile text or file reaches, and why.
FOLDERS = "folders of models: tests/pipelines/models/test_language.py, tests/hostile/test_strangers.py"
ELSEWHERE = {
    "filters.wikitext.behaviours.registry.behaviour": "names behaviours in our own source",
    "filters.wikitext.behaviours.registry.family": "names behaviours in our own source",
    "filters.wikitext.brackets.Definitions.canonical": "a protocol, no code",
    "filters.wikitext.brackets.Definitions.expand": "a protocol, no code",
    "filters.models.fast_text.Model.predict": "a protocol, no code",
    "filters.models.fast_text.Model.save_model": "a protocol, no code",
    "filters.models.fast_text.train": "trains on what a build has cleaned",
    "filters.models.kneser_ney.estimate": "trains on what a build has cleaned",
    "filters.latex.tokens.words": "reads lists in our own source",
    "filters.models.lmplz.estimate": "trains on what a build has cleaned",
    "filters.models.lmplz.find": "takes the name of a program",
    "filters.models.lmplz.to_binary": "reads what `estimate` wrote",
    "filters.web.quality_models.files_of": FOLDERS,
    "filters.web.quality_models.given_files": FOLDERS,
    "filters.web.quality_models.languages_of": FOLDERS,
    "filters.web.quality_models.load_cutoffs": FOLDERS,
    "filters.web.quality_models.load_language_model": FOLDERS,
    "filters.native.web.has_one_case": "takes the characters of a list that a user gives",
    "filters.web.perplexity.train_language_model": "trains on what a build has cleaned",
    "filters.web.perplexity.train_pieces": "trains on what a build has cleaned",
    "filters.web.reference.train": "trains on what a build has cleaned",
    "tokenizer.check.main": "a command line",
    "tokenizer.fast.fast_encoder": "reads a tokenizer's own model",
    "tokenizer.fast.agreeing": "reads a tokenizer's own pieces",
    "tokenizer.engine.Engine.encode": "says what an engine does, and does nothing",
    "tokenizer.probes.piece_probes": "reads a tokenizer's own pieces",
    "tokenizer.training.spaces_last": "rewrites what was trained here",
    "tokenizer.training.train": "trains on what a build has cleaned",
    "tokenizer.training.train_model": "trains on what a build has cleaned",
    "pipelines.readers.first_bytes.looker": "makes the looks of sources, which are tried",
    "pipelines.dedup.clusters.of_runs": "reads runs of hashes, our own files",
    "pipelines.dedup.near.candidates": "takes hashes, see test_order",
    "pipelines.dedup.near.repeated": "takes hashes",
    "pipelines.dedup.pairs.load": "reads shards of documents, our own files",
}


# What is only called where our C is compiled.
NATIVE = {"filters.models.fast_text_model.Arrays.best", "filters.models.unigram.Unigram.joined"}


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Give tokens in any order, good inputs with bytes and tokens put in, taken out and changed, and any bytes."""
    token = st.sampled_from(target.tokens) | st.binary(max_size=4)
    mixed = st.lists(token, max_size=25).map(b"".join)
    if target.containers:
        container = st.integers(0, target.containers).map(lambda number: bytes([number]))
        mixed = st.builds(bytes.__add__, container, mixed | st.binary(max_size=200))
    change = st.tuples(st.floats(0, 1), st.integers(0, 40), token)
    return mixed | st.builds(changed, st.sampled_from(target.seeds), st.lists(change, max_size=4))


def changed(seed: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for place, length, put in changes:
        at = 1 + int(place * (len(seed) - 1))
        seed = seed[:at] + put + seed[at + length :]
    return seed


def test_nothing_public_is_forgotten() -> None:
    reached = {code for target in TARGETS.values() for seed in target.seeds for code in reached_by(target, seed)}
    missed = {name for name, code in surface.functions().items() if code not in reached}
    known = set(ELSEWHERE) | (NATIVE if binding.library() is None else set())
    assert sorted(missed - known) == [], "call it in a target of tests/hostile/texts.py, a reader in one of files.py"
    assert sorted(known - missed) == [], "a target calls it now: take it out of ELSEWHERE"


def reached_by(target: Target, data: bytes) -> set[object]:
    target.run(b"")  # makes the models
    return set(surface.called(lambda: target.run(data)))


@pytest.mark.parametrize("name", TARGETS)
def test_only_documented_errors(name: str) -> None:
    target = TARGETS[name]

    @settings(deadline=None, max_examples=EXAMPLES)
    @given(inputs(target))
    def holds(data: bytes) -> None:
        target.run(data)

    holds()


@pytest.mark.parametrize("name", TWICE)
def test_cleaning_twice_is_cleaning_once(name: str) -> None:
    target = TEXTS[name]

    @settings(deadline=None, max_examples=4 * EXAMPLES)
    @given(inputs(target))
    def holds(data: bytes) -> None:
        once = target.run(data)
        assert isinstance(once, str)
        assert target.run(once.encode()) == once

    holds()


def test_what_returns_text_is_done_twice_or_says_why_not() -> None:
    sample = "Some text of a few words.\nAnother line, for a page has lines, and ends here."
    cleaners = {name for name, target in TEXTS.items() if type(target.run(sample.encode())) is str}
    assert cleaners == {*TWICE, *ONCE}
    assert not set(TWICE) & set(ONCE)


# --- time and memory: four times the input, at most nine times the cost ----------------------------------------------

SIZES = (1 << 14, 1 << 16)
GROWTH = 9.0  # linear is 4, quadratic 16
SECONDS, BYTES = 0.1, 32 << 20  # below these nothing is compared
DRAWN = 6  # inputs of a target; ten times as many in the long tests


@dataclass(frozen=True)
class Long:
    """Two tokens in turn, or many of one before many of the other; a reader's in a container."""

    tokens: tuple[bytes, bytes]
    nested: bool
    container: bytes

    def of(self, size: int) -> bytes:
        times = size // len(b"".join(self.tokens)) + 1
        rows = b"".join(token * times for token in self.tokens) if self.nested else b"".join(self.tokens) * times
        return self.container + rows


def draw(name: str, target: Target, count: int) -> list[Long]:
    """Return some long inputs, always the same ones."""
    choose = random.Random(name)
    tokens = (*target.tokens, b"")

    def one() -> Long:
        pair = choose.choice(target.tokens), choose.choice(tokens)
        container = bytes([choose.randint(0, target.containers)]) if target.containers else b""
        return Long(pair, choose.random() < 0.5, container)

    return [one() for _ in range(count)]


def cost(target: Target, data: bytes, *, memory: bool) -> float:
    """Return what `run` takes: CPU seconds, or bytes at most at one time."""
    start = time.process_time()
    if memory:
        tracemalloc.start()
    target.run(data)
    if not memory:
        return time.process_time() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def assert_linear(target: Target, long: Long, *, memory: bool) -> None:
    small, large = (long.of(size) for size in SIZES)
    least = BYTES if memory else SECONDS
    if cost(target, large, memory=memory) > least:
        # A machine may be busy once: the least of three counts.
        spent, before = (min(cost(target, data, memory=memory) for _ in range(3)) for data in (large, small))
        assert spent < max(least, GROWTH * before), f"{spent} for {len(large)} bytes of {long}, {before} for a quarter"


@pytest.mark.parametrize("name", TARGETS)
def test_time_and_memory_are_linear(name: str) -> None:
    target = TARGETS[name]
    target.run(b"")
    for long in draw(name, target, DRAWN):
        assert_linear(target, long, memory=False)
    assert_linear(target, draw(name, target, 1)[0], memory=True)


@pytest.mark.full
@pytest.mark.parametrize("name", TARGETS)
def test_time_and_memory_are_linear_in_many_inputs(name: str) -> None:
    target = TARGETS[name]
    target.run(b"")
    for long in draw(f"many {name}", target, 10 * DRAWN):
        assert_linear(target, long, memory=False)
    for long in draw(f"memory {name}", target, 2 * DRAWN):
        assert_linear(target, long, memory=True)
