"""KenLM's own estimator, `lmplz`, as a program: for text whose n-grams do not fit in memory.

    sentences of words -> lmplz -> ARPA -> build_binary, if it lies beside lmplz -> a file that is mapped, not read

The options are those of CCNet's Makefile: `--discount_fallback`, and nothing pruned unless it is asked for. No package
carries the two programs; KenLM's sources (the sdist of `kenlm`) build them with CMake and Boost.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from filters.models import kneser_ney
from tokenizer.atomic import replacing

PROGRAM: Final = "lmplz"
BUILD_BINARY: Final = "build_binary"
MEMORY: Final = "50%"  # of the machine's; what does not fit is sorted on disk, with the same result
HOW_TO_GET_IT: Final = (
    "build KenLM from its sources (pip download --no-binary :all: kenlm==0.3.0; CMake and Boost are needed) and put "
    "lmplz on PATH or give its path"
)


def find(program: str = PROGRAM) -> str:
    """Return the path of `program`, a name on PATH or a path; raise ValueError saying how to get it."""
    found = shutil.which(program)
    if found is None:
        raise ValueError(f"{program}: there is no such program; {HOW_TO_GET_IT}")
    return found


def estimate(
    sentences: Iterable[Sequence[str]],
    output: Path,
    *,
    order: int = kneser_ney.ORDER,
    prune: Sequence[int] = (),
    program: str = PROGRAM,
) -> kneser_ney.Summary:
    """Write the model of `sentences` to `output` as ARPA, whole or not at all.

    The arguments are those of `kneser_ney.estimate`; the discounts of the answer are empty, for lmplz keeps them to
    itself. No sentence at all, or a program that fails, is a ValueError with its last words.
    """
    command = [find(program), "-o", f"{order}", "-S", MEMORY, "--discount_fallback"]
    command += ["--prune", *map(str, prune)] if prune else []
    words = 0
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lmplz-", dir=output.parent) as folder, replacing(output) as arpa:
        text = Path(folder, "text")
        with text.open("w", encoding="utf-8") as lines:
            for sentence in sentences:
                lines.write(" ".join(sentence) + "\n")
                words += len(sentence) + 1
        if not words:
            raise ValueError("there are no sentences to estimate a language model from")
        with text.open("rb") as stream:
            _run([*command, "-T", f"{folder}/"], stdin=stream.fileno(), stdout=arpa.fileno())
    return kneser_ney.Summary(ngrams=_ngrams(output), discounts=(), words=words)


def to_binary(arpa: Path, output: Path, program: str = PROGRAM) -> bool:
    """Write KenLM's binary form of a model if `build_binary` lies beside `program`; tell whether it does."""
    build = Path(find(program)).with_name(BUILD_BINARY)
    if not os.access(build, os.X_OK):
        return False
    with replacing(output) as whole:
        _run([str(build), str(arpa), whole.name])
    return True


def _run(command: Sequence[str], stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL) -> None:
    ended = subprocess.run(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, check=False)
    if ended.returncode:
        last = (ended.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"{command[0]} failed with status {ended.returncode}: {last}")


def _ngrams(arpa: Path) -> tuple[int, ...]:
    """Return the numbers in the header of an ARPA file."""
    found = []
    with arpa.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("ngram "):
                found.append(int(line.partition("=")[2]))
            elif found:
                break
    return tuple(found)
