"""The keyed hash that serves every owner, split, sample and order, and digests of configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

SCALE = 1 << 64


def keyed(purpose: str, value: str) -> int:
    """Return a 64-bit hash of `value`, independent for each `purpose` ("split", "shard", "sample" ...)."""
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8, key=purpose.encode())
    return int.from_bytes(digest.digest(), "big")


def share(purpose: str, value: str) -> float:
    """Return a number in [0, 1) that is uniform over values: `share(...) < p` samples a share p of them."""
    return (keyed(purpose, value) >> 11) / (1 << 53)


def is_held_out(identifier: str, validation: float) -> bool:
    """Tell whether a document is of the share `validation`: by the hash of its id alone, however the corpus grows."""
    return share("split", identifier) < validation


def digest_of(*parts: Any) -> str:
    """Return 16 hexadecimal digits that identify configuration: JSON values and frozen dataclasses."""
    text = json.dumps(parts, sort_keys=True, default=_plain, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def seal(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest's content but its own `seal`, as hexadecimal: damage to it shows."""
    text = json.dumps({name: value for name, value in content.items() if name != "seal"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{value!r} is no configuration")
