"""What PyTorch does while it runs: the operations, and the bytes of the results that are still held."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations, and the bytes of the results that are still alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: Counter[str] = Counter()
        self.largest: Counter[str] = Counter()
        self._alive: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        self.calls[name] += 1
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, torch.Tensor):
                self.largest[name] = max(self.largest[name], value.numel())
                storage = value.untyped_storage()
                if id(storage) not in self._alive:
                    self._alive[id(storage)] = storage.nbytes()
                    weakref.finalize(storage, self._alive.pop, id(storage), None)
        return result

    @property
    def alive(self) -> int:
        gc.collect()
        return sum(self._alive.values())
