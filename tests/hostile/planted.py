"""A target with a bug that only coverage finds in a few thousand inputs: three bytes, each in a branch of its own."""

from __future__ import annotations

from tests.hostile.targets import Target


def run(data: bytes) -> None:
    if len(data) > 2 and data[0] == 0x4C and data[1] == 0x9A and data[2] == 0x21:
        raise KeyError("planted")


TARGETS = {"planted": Target(run, tokens=(b"some",), seeds=(b"some bytes",))}
