"""A network for one node of an engine, which can be cut: a namespace with a single link to this machine. Needs root."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Network:
    """The addresses of the link's two ends, and what a command is put behind to run inside."""

    name: str
    here: str
    there: str

    @property
    def inside(self) -> list[str]:
        """What comes before a command that is run inside."""
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def cut(self) -> None:
        """Let nothing through any more, in either direction."""
        _ip("link", "set", self.name, "down")

    def mend(self) -> None:
        """Let all through again."""
        _ip("link", "set", self.name, "up")


@contextmanager
def network() -> Iterator[Network]:
    """Make a network, and remove it at the end of the block; skip the test where this user cannot."""
    number = random.SystemRandom().randrange(1 << 16)  # of the addresses that are kept for trials of networks
    name, base = f"alti{number:04x}", f"198.18.{number >> 8}.{number & 0xFC}"
    stem, last = base.rsplit(".", 1)
    found = Network(name, f"{stem}.{int(last) + 1}", f"{stem}.{int(last) + 2}")
    try:
        _ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a network of one's own needs root, and the program ip (Debian: iproute2)")
    try:
        _ip("link", "add", name, "type", "veth", "peer", "name", "inner", "netns", name)
        _ip("address", "add", f"{found.here}/30", "dev", name)
        _ip("link", "set", name, "up")
        for words in (f"address add {found.there}/30 dev inner", "link set inner up", "link set lo up"):
            _ip("-n", name, *words.split())
        yield found
    finally:
        _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
