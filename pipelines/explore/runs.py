"""In which steps a run has read a document, as `train.trace` answers it in a process of its own.

The training side is no part of this one: it is asked for tokens of a source, and answers steps.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SECONDS: Final = 60.0
LISTED: Final = 200  # steps that are named


@dataclass(frozen=True)
class Steps:
    """The steps that have read a document, the first LISTED of them, or why nobody can say."""

    steps: Sequence[int] = ()
    more: bool = False
    error: str = ""


@dataclass(frozen=True)
class StepsOfRun:
    """A run over a corpus, which is asked of one of its documents."""

    run: str
    corpus: str

    def of(self, source: str, first: int, tokens: int) -> Steps:
        """Return the steps that have read some tokens of a source's training split."""
        command = [sys.executable, "-P", "-m", "train.trace", self.run, "--corpus", self.corpus, "--source", source]
        command += ["--tokens", f"{first}-{first + tokens - 1}", "--json"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return Steps(error=f"{self.run}: it took more than {SECONDS:g} s to say which steps have read it")
        if done.returncode:
            why = done.stderr.strip().rpartition("error: ")[2]
            if "are not the ones that the run" in why:
                why = f"{self.run} was trained on other tokens than this corpus has, so no step of it can be named"
            return Steps(error=why)
        found = [int(step) for step in json.loads(done.stdout)["steps"]]
        return Steps(found[:LISTED], len(found) > LISTED)
