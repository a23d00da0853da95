"""Tasks in files, for engines that start a process for each: a list of tasks beside the plan, and an outcome for each.

    PLAN-NUMBER.tasks   {"header": ..., "made_by": ..., "tasks": [...]}     python -m pipelines.runners.tasks.written
    PLAN-NUMBER.done    what a task counted, or what our own code raised      PATH SHA-256 TASK

The command line has the list's SHA-256, so that what anybody else writes to the file is not done.
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from pipelines.files import storage
from pipelines.runners import environment, plans
from pipelines.runners.plans import Chunk
from pipelines.runners.tasks import pieces
from pipelines.runners.tasks.pieces import Outcome, Piece

BEGINS = "begins "  # before an item's name, in what a task says


def write(number: int, wanted: Sequence[Piece]) -> Chunk:
    """Write a list of tasks beside their plan; return its place, and what must be given to each process of them."""
    header = wanted[0].header
    path = plans.beside(header.path, number, "tasks")
    content = plans.packed(
        {
            "header": _packed(header),
            "made_by": wanted[0].made_by,
            "tasks": [
                [one.number, one.name, [_packed(chunk) for chunk in one.chunks], one.first, one.last, one.splits]
                for one in wanted
            ],
        }
    )
    storage.write_bytes(path, content)
    return Chunk(path, 0, len(content), hashlib.sha256(content).digest())


def _packed(chunk: Chunk) -> list[Any]:
    return [chunk.path, chunk.start, chunk.length, chunk.sha256.hex()]


def _unpacked(found: Sequence[Any]) -> Chunk:
    path, start, length, sha256 = found
    return Chunk(path, start, length, bytes.fromhex(sha256))


def read(path: str, sha256: str, place: int) -> Piece:
    """Return one task of a list; RuntimeError if it is not the list that the build wrote."""
    found = plans.read(Chunk(path, 0, storage.size(path), bytes.fromhex(sha256)))
    number, name, chunks, first, last, splits = found["tasks"][place]
    header, made_by = _unpacked(found["header"]), found["made_by"]
    return Piece(number, name, header, made_by, tuple(map(_unpacked, chunks)), first, last, splits=splits)


def outcome(path: str) -> Outcome:
    """Return what a task has left; JSON has texts for keys."""
    found = storage.read_json(path)
    return Outcome(**{**found, "records": {int(bucket): count for bucket, count in found["records"].items()}})


def begun(said: Sequence[str]) -> str:
    """Return the name of the item that a task was at, by the lines that it said; "" if it began with none."""
    return next((line.removeprefix(BEGINS) for line in reversed(said) if line.startswith(BEGINS)), "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one task and leave its outcome; return 1 if our own code raised something."""
    parser = argparse.ArgumentParser("pipelines.runners.tasks.written", description="Do one task of a list.")
    parser.add_argument("path", help="the list of tasks")
    parser.add_argument("sha256", help="of the list")
    parser.add_argument("task", type=int, help="its place in the list")
    options = parser.parse_args(arguments)
    with suppress(OSError):  # a machine need not have the driver's folder, if all paths are absolute
        environment.settle()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what is half written is removed
    piece = read(options.path, options.sha256, options.task)
    done = pieces.do(piece, lambda item: print(f"{BEGINS}{item}", flush=True))  # noqa: T201
    if done.trace:
        print(done.trace, file=sys.stderr)  # noqa: T201
    if storage.exists(options.path):  # lists go with their build, which may have ended while this machine was away
        storage.write_json(plans.beside(piece.header.path, piece.number, "done"), asdict(done))
    return 1 if done.error else 0


if __name__ == "__main__":
    sys.exit(main())
