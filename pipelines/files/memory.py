"""The most memory that this process has had, since it began or since it was told to forget."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

KIBIBYTE = 1024  # the unit of Linux' ru_maxrss and VmHWM


def peak_bytes() -> int:
    """Return the peak: on Linux the process' own, while `ru_maxrss` begins with that of what started it."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * KIBIBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE


def forget_peak() -> None:
    """Let the peak be what the process has now, where Linux lets it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
