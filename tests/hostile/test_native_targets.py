"""Each function of our C has a target that is fuzzed, and the target calls it, with inputs that do it justice."""

from __future__ import annotations

import random
import re
from types import SimpleNamespace
from typing import Any

import pytest

from filters.native import binding
from tests.hostile import native_targets
from tests.hostile.native_targets import TARGETS

NAMES = [f"native.{name}" for name in binding.FUNCTIONS]


@pytest.fixture(autouse=True)
def compiled() -> None:
    if problem := binding.compile_library():
        pytest.skip(f"NOT TESTED: {problem}")
    binding.library.cache_clear()
    assert binding.library() is not None


def test_every_exported_function_has_a_target() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in binding.SOURCES)
    exported = re.findall(r"^u?int64_t altiplano_(\w+)\(", source, re.M)
    assert sorted(exported) == sorted(binding.FUNCTIONS), (
        "a function that Python does not know of, or the other way round"
    )
    others = re.findall(r"^(?!u?int64_t altiplano_|static|typedef|enum|struct|__attribute__)\w[\w *]*\(", source, re.M)
    assert not others, "a function that is neither static nor for Python"
    assert list(TARGETS) == NAMES, "add a target to native_targets.py for a new function"


@pytest.mark.parametrize("name", NAMES)
def test_a_target_calls_its_function(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library, called = binding.library(), set()

    class Watched(SimpleNamespace):
        def __getattr__(self, function: str) -> Any:
            called.add(function.replace("altiplano_", "native."))
            return getattr(library, function)

    target = TARGETS[name]
    target.run(b"")
    monkeypatch.setattr(binding, "library", Watched)
    for seed in target.seeds:
        target.run(seed)
    assert name in called


def test_the_twins_in_python_answer_without_the_library() -> None:
    with native_targets.in_python():
        assert binding.library() is None
    assert binding.library() is not None


@pytest.mark.parametrize("name", NAMES)
def test_inputs_put_together_at_random(name: str) -> None:
    """What needs no engine: tokens in any order, seeds with bytes changed."""
    target, choose = TARGETS[name], random.Random(name)
    for _ in range(150):
        data = bytearray(choose.choice(target.seeds))
        for _ in range(choose.randrange(4)):
            at = choose.randrange(len(data) + 1)
            data[at : at + choose.randrange(3)] = choose.choice(target.tokens) if choose.random() < 0.5 else b"\x80"
        target.run(bytes(data))
        target.run(bytes([choose.randrange(256)]) + b"".join(choose.choices(target.tokens, k=choose.randrange(30))))
