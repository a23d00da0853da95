"""Faults at random moments of whole builds: what a run leaves that is killed, starved or fed with damaged files.

    undisturbed build of all seven sources ─> the bytes that every trial must end in
    a trial: a fault at a random moment ─> what the command says ─> the same command again ─> the same bytes, or a name

Usage: `python benchmarks/faults.py [--trials 50] [--seed 1] [--only KIND]`. The dumps are the tiny ones of the tests.
The kinds take turns:

    run        SIGKILL of the whole run
    worker     SIGKILL of one worker process: the run must end by itself, with an error
    writer     SIGKILL of a process just before a file that it has written gets its name
    disk       a file system that is too small (needs the right to mount, else a limit on the size of files)
    server     the web server that the crawl is read from answers with errors, or cuts its answers
    input      a byte of an input is changed, or its end cut off: an error that names it, or a sound corpus
    output     a byte of a finished corpus is changed: the check names the file, and withdrawn it is made again

The last line is one JSON object; the exit code is 1 unless every trial ended as it should.
"""

from __future__ import annotations

import argparse
import gzip
import http.server
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.pipelines import tiny

ROOT = Path(__file__).resolve().parent.parent
DIES_WITHIN = 60.0  # seconds in which a run must end after one of its workers was killed
# Runs in every process of the build, before anything else: about one in thirty files is its writer's last.
DYING_WRITER = """
import os, pathlib, random, signal
_replace, _count = pathlib.Path.replace, [0]
def replace(self, target):
    _count[0] += 1
    if random.Random(f"{os.environ['FAULT']}-{os.getpid()}-{_count[0]}").random() < 1 / 30:
        os.kill(os.getpid(), signal.SIGKILL)
    return _replace(self, target)
pathlib.Path.replace = replace
"""


@dataclass
class Trials:
    """The undisturbed build, and what is needed to disturb others."""

    folder: Path
    options: list[str]
    rng: random.Random
    wanted: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0

    def command(self, output: Path, options: Sequence[str] | None = None) -> list[str]:
        """Return the command that builds the corpus."""
        chosen = self.options if options is None else options
        return [sys.executable, "-m", "pipelines.corpus", *chosen, "--output", str(output), "--workers", "2"]

    def start(self, output: Path, options: Sequence[str] | None = None, **environment: str) -> subprocess.Popen[str]:
        """Start a build in a process group of its own."""
        path = os.pathsep.join(filter(None, [environment.pop("FIRST", ""), str(ROOT)]))
        return subprocess.Popen(
            self.command(output, options),
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def ends_the_same(self, output: Path, options: Sequence[str] | None = None) -> str:
        """Run the build undisturbed; return what is wrong with what it leaves."""
        process = self.start(output, options)
        text, _ = process.communicate()
        if process.returncode:
            return f"the next run failed: {text[-300:]}"
        found = tiny.identity(output)
        differing = sorted(
            name for name in found.keys() | self.wanted.keys() if found.get(name) != self.wanted.get(name)
        )
        return f"other bytes in {', '.join(differing[:3])}" if differing else ""

    def moment(self) -> float:
        """Return a random moment of a build, in seconds after its start."""
        return self.rng.uniform(0.05, 0.98) * self.seconds


def killed_run(trials: Trials, folder: Path) -> str:
    """Kill the whole run."""
    process = trials.start(folder / "corpus")
    time.sleep(trials.moment())
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return trials.ends_the_same(folder / "corpus")


def killed_worker(trials: Trials, folder: Path) -> str:
    """Kill one worker."""
    process = trials.start(folder / "corpus")
    moment = time.monotonic() + trials.moment()
    victim = None
    while process.poll() is None and victim is None:
        time.sleep(0.02)
        if time.monotonic() > moment:
            workers = _workers(process.pid)
            victim = trials.rng.choice(workers) if workers else None
    if victim is None:  # the moment was in the last wave, which has no worker
        process.communicate()
        return trials.ends_the_same(folder / "corpus")
    victim.kill()
    try:
        text, _ = process.communicate(timeout=DIES_WITHIN)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return f"the run did not end within {DIES_WITHIN:.0f} s after its worker died"
    # A worker that had nothing left to do is not missed.
    if process.returncode and "worker process died" not in text:
        return f"the error does not say that a worker died: {text[-300:]}"
    return trials.ends_the_same(folder / "corpus")


def _workers(driver: int) -> list[psutil.Process]:
    """Return the worker processes of a run: the fork server's children."""
    try:
        return [worker for child in psutil.Process(driver).children() for worker in child.children()]
    except psutil.NoSuchProcess:
        return []


def killed_writer(trials: Trials, folder: Path) -> str:
    """Let processes die just before a file that they wrote appears."""
    (folder / "first").mkdir()
    (folder / "first/sitecustomize.py").write_text(DYING_WRITER)
    fault = {"FIRST": str(folder / "first"), "FAULT": str(trials.rng.random())}
    process = trials.start(folder / "corpus", **fault)
    try:
        process.communicate(timeout=10 * trials.seconds + DIES_WITHIN)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return "the run did not end after a process died"
    return trials.ends_the_same(folder / "corpus") if process.returncode else "nothing died"


def full_disk(trials: Trials, folder: Path) -> str:
    """Give the build too small a file system."""
    output = folder / "small"
    output.mkdir()
    size = trials.rng.randrange(20, 1500) << 10
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(output)], capture_output=True)
    try:
        limit = [] if mounted.returncode == 0 else ["prlimit", f"--fsize={size // 20}"]
        done = subprocess.run(
            [*limit, *trials.command(output / "corpus")],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            return f"a build in {size >> 10} kB did not fail"
        if not any(words in done.stderr for words in ("No space left", "File too large")):
            return f"the error does not say that the disk is full: {done.stderr[-300:]}"
        if not limit:
            subprocess.run(["mount", "-o", "remount,size=1g", str(output)], check=True)
        return trials.ends_the_same(output / "corpus")
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(output)], check=True)


def failing_server(trials: Trials, folder: Path) -> str:
    """Read the crawl from a server that fails half of the time; then kill the run and let it go on."""
    crawl = trials.folder / "common_crawl"
    paths = sorted(path.name for path in crawl.iterdir())
    (folder / "wet.paths.gz").write_bytes(gzip.compress("\n".join(paths).encode()))
    with _server(crawl, trials.rng) as base:
        listing = f"common_crawl[files={len(paths)},base={base}]={folder}/wet.paths.gz"
        options = [listing if word.startswith("common_crawl=") else word for word in trials.options]
        process = trials.start(folder / "corpus", options)
        time.sleep(trials.moment())
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return trials.ends_the_same(folder / "corpus", options)


@contextmanager
def _server(folder: Path, rng: random.Random) -> Iterator[str]:
    """Serve a folder; half of the answers are errors or end early."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            fault = rng.choice(["none", "none", "503", "cut"])
            if fault == "503":
                self.send_error(503)
                return
            content = (folder / self.path.strip("/")).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: rng.randrange(len(content))] if fault == "cut" else content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def damaged_input(trials: Trials, folder: Path) -> str:
    """Change a byte of one input or cut its end off; then give the right one again."""
    dumps = folder / "dumps"
    shutil.copytree(trials.folder, dumps)
    files = sorted(path for path in dumps.rglob("*") if path.is_file() and path.parent.name != "models")
    victim = trials.rng.choice(files)
    whole = victim.read_bytes()
    victim.write_bytes(_damaged(whole, trials.rng))
    options = [word.replace(str(trials.folder), str(dumps)) for word in trials.options]
    process = trials.start(folder / "corpus", options)
    text, _ = process.communicate()
    if process.returncode and victim.name not in text.replace("\n", ""):
        return f"damaged {victim.name}, but the error names another thing: {text[-300:]}"
    if process.returncode == 0 and (problem := _verified(folder / "corpus")):
        return f"damaged {victim.name}: the corpus is not sound: {problem}"
    victim.write_bytes(whole)
    return trials.ends_the_same(folder / "corpus", options)


def damaged_output(trials: Trials, folder: Path) -> str:
    """Change a byte of a finished corpus, or cut a file's end off; the check must name the file and withdraw it."""
    shutil.copytree(trials.folder.parent / "wanted", folder / "corpus")
    kinds = (
        "*/documents/*.parquet",
        "*/drops/*.parquet",
        "*/copies/*.parquet",
        "tokens/*/*",
        "*/manifest.json",
        "models/**/*",
    )
    there = (folder / "corpus").glob(trials.rng.choice(kinds))
    files = sorted(path for path in there if path.is_file() and path.stat().st_size)
    victim = trials.rng.choice(files)
    victim.write_bytes(_damaged(victim.read_bytes(), trials.rng))
    problem = _verified(folder / "corpus", "--withdraw")
    name = victim.parent.name if victim.name == "manifest.json" else victim.name
    if name not in problem:
        return f"damaged {victim}, but the check says {problem!r}"
    return trials.ends_the_same(folder / "corpus") or _verified(folder / "corpus")


def _damaged(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    if rng.random() < 0.5:
        return content[:place]
    return content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]


def _verified(corpus: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.verify", str(corpus), *options], cwd=ROOT, capture_output=True, text=True
    )
    return (done.stdout + done.stderr) if done.returncode else ""


KINDS = {
    "run": killed_run,
    "worker": killed_worker,
    "writer": killed_writer,
    "disk": full_disk,
    "server": failing_server,
    "input": damaged_input,
    "output": damaged_output,
}


def undisturbed(folder: Path, seed: int) -> Trials:
    """Build the corpus that every trial must end in; the time that it takes is that of a second build."""
    trials = Trials(folder / "dumps", tiny.write(folder / "dumps"), random.Random(seed))
    for output in (folder / "first", folder / "wanted"):
        started = time.monotonic()
        process = trials.start(output)
        text, _ = process.communicate()
        assert process.returncode == 0, text
        trials.seconds = time.monotonic() - started
    trials.wanted = tiny.identity(folder / "wanted")
    assert trials.wanted == tiny.identity(folder / "first")
    return trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(KINDS))
    arguments = parser.parse_args()
    right: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        trials = undisturbed(Path(name), arguments.seed)
        print(f"an undisturbed build takes {trials.seconds:.1f} s")
        for number in range(arguments.trials):
            kind = arguments.only or list(KINDS)[number % len(KINDS)]
            folder = Path(name, f"trial-{number}")
            folder.mkdir()
            problem = KINDS[kind](trials, folder)
            right["right" if not problem else "wrong"] += 1
            print(f"{number + 1:3} {kind:8} {problem or 'as it should be'}", flush=True)
            shutil.rmtree(folder)
    print(json.dumps({"faults survived": {"ratio": right["right"], "bar": arguments.trials}}))
    sys.exit(1 if right["wrong"] else 0)


if __name__ == "__main__":
    main()
