"""Install a lock from which something cannot be had: all that a build needs, then one by one what it can do without.

    python requirements/install.py requirements/corpus.txt

What it can do without are the packages of `filters/packages.py`, and those that only they ask for.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from filters.packages import PACKAGES

PIP = ("-P", "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps", "--require-hashes", "-r")


def blocks_of(lock: str) -> dict[str, str]:
    """Return the requirements of a lock with their hashes and comments, by name."""
    return {block.partition("==")[0]: block for block in re.split(r"\n(?=\S)", lock.strip())}


def dispensable(blocks: dict[str, str]) -> set[str]:
    """Return the names that a build can do without."""
    asked_by = {name: set(re.findall(r"^    #(?: via|  ) ([^-\s]\S*)", text, re.M)) for name, text in blocks.items()}
    found = {package.name for package in PACKAGES} & blocks.keys()
    while more := {name for name, by in asked_by.items() if by and by <= found} - found:
        found |= more
    return found


def installed(blocks: Iterable[str]) -> int:
    """Install some requirements; return pip's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder, "lock.txt")
        lock.write_text("\n".join(blocks) + "\n")
        return subprocess.run([sys.executable, *PIP, str(lock)], check=False).returncode


def main(path: str) -> int:
    """Install a lock as far as it can be had; return pip's exit code for what a build needs."""
    blocks = blocks_of(Path(path).read_text())
    without = dispensable(blocks)
    if code := installed(text for name, text in blocks.items() if name not in without):
        return code
    meaning = {package.name: f": {package.gives} is missing; {package.without}" for package in PACKAGES}
    for name in sorted(without):
        if installed([blocks[name]]):
            print(f"{name} cannot be had{meaning.get(name, '')}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
