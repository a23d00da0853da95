"""The peers of a benchmark: an environment of their own, how one is run, and how CPU seconds are compared.

    Peer -> environment(): FOLDER/peers/NAME-DIGEST, made once -> run_peer(): SETTINGS.json in, one JSON object out
                                                               └> run_job(): JOB, its content in, its result out

Only the standard library is needed, for the peers' scripts take `measured` from here.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
INSTALL_SECONDS = 900
RUN_SECONDS = 3600


class NotMeasuredError(RuntimeError):
    """A peer that cannot be installed or does not run: says why."""


@dataclass(frozen=True)
class Peer:
    """A peer, or several in one environment: the script in this folder, and what the environment holds."""

    name: str
    script: str
    requirements: tuple[str, ...]


class Timed(NamedTuple):
    """CPU seconds of the best round, and what a round made."""

    seconds: float
    texts: list[Any]


def timed(run: Callable[[], list[Any]], rounds: int, repeats: int = 1) -> Timed:
    """Return the best CPU seconds of one pass, each round being so many of them, and what it makes."""
    best, texts = float("inf"), list[Any]()
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(repeats):
            texts = run()
        best = min(best, (time.process_time() - began) / repeats)
    return Timed(best, texts)


def measured(run: Callable[[], list[Any]], rounds: int) -> dict[str, Any]:
    """Return what a peer's script answers: its best CPU seconds, and the texts."""
    return timed(run, rounds)._asdict()


def compare(
    name: str, size: int, ours: float, found: Mapping[str, Mapping[str, Any]], bar: float
) -> dict[str, dict[str, float]]:
    """Print the speeds of one job over `size` bytes, and return its ratios."""
    print(f"{name}: {size / 1e6:.2f} MB; ours {ours:.4f} CPU s, {size / 1e6 / ours:.1f} MB/s")
    ratios = {}
    for peer, row in found.items():
        ratio = row["seconds"] / ours
        print(f"  {peer:26} {row['seconds']:8.4f} CPU s, {size / 1e6 / row['seconds']:6.1f} MB/s: {ratio:.2f} x")
        ratios[f"{name}_{peer}"] = {"ratio": round(ratio, 2), "bar": bar}
    return ratios


def environment(peer: Peer, folder: Path) -> Path:
    """Return the Python of a peer's environment, made if it is not there; raises NotMeasuredError."""
    digest = hashlib.sha256(" ".join((sys.version, *peer.requirements)).encode()).hexdigest()[:8]
    made = folder / "peers" / f"{peer.name.partition(' ')[0]}-{digest}"
    python, complete = made / "bin/python", made / "complete"
    if not complete.exists():
        print(f"making an environment for {peer.name}", file=sys.stderr)
        _command([sys.executable, "-m", "venv", "--clear", str(made)], INSTALL_SECONDS)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _command([*pip, *peer.requirements], INSTALL_SECONDS)
        complete.touch()
    return python


def run_peer(peer: Peer, folder: Path, settings: Mapping[str, str], path: str = "") -> dict[str, Any]:
    """Run a peer once and return what it prints; `path` goes to PYTHONPATH. Raises NotMeasuredError."""
    python = environment(peer, folder)
    file = folder / f"{Path(peer.script).stem}.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    return run_script(python, peer.script, file, path=path)


def run_job(peer: Peer, folder: Path, job: str, content: Any) -> Any:
    """Run one of a peer's jobs on the content that ours had, and return its result; raises NotMeasuredError."""
    given, target = folder / f"{job}.json", folder / f"{job}.out.json"
    given.write_text(json.dumps(content), encoding="utf-8")
    _run(environment(peer, folder), peer.script, job, given, target)
    return json.loads(target.read_text(encoding="utf-8"))


def run_script(python: Path, script: str, *arguments: str | Path, path: str = "") -> dict[str, Any]:
    """Run a script of this folder in one thread of computation and return the JSON object it prints last."""
    found: dict[str, Any] = json.loads(_run(python, script, *arguments, path=path).strip().splitlines()[-1])
    return found


def _run(python: Path, script: str, *arguments: str | Path, path: str = "") -> str:
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    variables = {**os.environ, **one_thread, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
    return _command([str(python), str(HERE / script), *map(str, arguments)], RUN_SECONDS, variables)


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
