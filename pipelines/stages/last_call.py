"""What a function answered last: a step of a chain and its keys ask for the same page, one after the other."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def last_call(function: Callable[..., T]) -> Callable[..., T]:
    """Remember the answer to the last call of a function, for the very same arguments: texts are not compared.

    Threads may take turns: one finds its own call or none.
    """
    last: tuple[tuple[Any, ...], T] | None = None

    @functools.wraps(function)
    def remembered(*arguments: Any) -> T:
        nonlocal last
        known = last
        if known and len(known[0]) == len(arguments) and all(map(operator.is_, known[0], arguments)):
            return known[1]
        answer = function(*arguments)
        last = (arguments, answer)
        return answer

    return remembered
