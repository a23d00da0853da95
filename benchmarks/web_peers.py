"""The peers of the web benchmark: an environment of its own for each, with pinned versions, and how one is run.

PEERS -> environment(): CACHE/peers/NAME-DIGEST, made once -> run_peer(): SETTINGS.json in, one JSON object out
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
INSTALL_SECONDS = 900
RUN_SECONDS = 3600


class NotMeasuredError(RuntimeError):
    """A peer that cannot be installed or does not run: says why."""


@dataclass(frozen=True)
class Peer:
    """A peer: its script in this folder, and what its environment holds."""

    name: str
    script: str
    requirements: tuple[str, ...]


CC_NET = Peer(
    "cc_net 1.0.0",
    "web_peer_cc_net.py",
    (
        "fasttext-wheel==0.9.2",
        "func-argparse==1.1.1",
        "kenlm==0.3.0",
        "numpy==1.26.4",
        "pandas==2.2.3",
        "psutil==7.2.2",
        "requests==2.34.2",
        "sacremoses==0.2.0",
        "sentencepiece==0.2.3",
        "typing-extensions==4.16.0",
    ),
)
DATATROVE = Peer(
    "datatrove 0.10.0",
    "web_peer_datatrove.py",
    ("datatrove[io,processing]==0.10.0", "fasttext-numpy2-wheel==0.9.2", "orjson==3.13.0", "spacy==3.8.7"),
)
# The last two keep pip from trying every version of boto3 against s3fs' pin.
DOLMA = Peer("dolma 1.2.1", "web_peer_dolma.py", ("dolma==1.2.1", "aiobotocore==2.5.4", "boto3==1.28.17"))


def environment(peer: Peer, cache: Path) -> Path:
    """Return the Python of a peer's environment, made if it is not there; raises NotMeasuredError."""
    digest = hashlib.sha256(" ".join((sys.version, *peer.requirements)).encode()).hexdigest()[:8]
    folder = cache / "peers" / f"{peer.name.partition(' ')[0]}-{digest}"
    python, complete = folder / "bin/python", folder / "complete"
    if not complete.exists():
        print(f"making an environment for {peer.name}", file=sys.stderr)
        _command([sys.executable, "-m", "venv", "--clear", str(folder)], INSTALL_SECONDS)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _command([*pip, *peer.requirements], INSTALL_SECONDS)
        complete.touch()
    return python


def run_peer(peer: Peer, cache: Path, settings: Mapping[str, str], path: str = "") -> dict[str, Any]:
    """Run a peer once and return what it prints; `path` goes to PYTHONPATH. Raises NotMeasuredError."""
    python = environment(peer, cache)
    file = cache / f"{Path(peer.script).stem}.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    return run_script(python, peer.script, file, path)


def run_script(python: Path, script: str, settings: Path, path: str = "") -> dict[str, Any]:
    """Run a script of this folder in one thread of computation and return the JSON object it prints last."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    variables = {**os.environ, **one_thread, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
    printed = _command([str(python), str(HERE / script), str(settings)], RUN_SECONDS, variables)
    found: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    return found


def _command(command: list[str], seconds: float, variables: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env=variables and dict(variables), check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasuredError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise NotMeasuredError(said[-1] if said else f"exit code {done.returncode}")
    return done.stdout
