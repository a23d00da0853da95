"""The peers of `texts.py`, run in an environment that has them: CPU seconds and the texts that they make.

Usage: `python texts_peers.py JOB INPUT.json OUTPUT.json`, JOB one of redpajama, macros, books. Each peer is used
through its public functions, or in the order in which its own program calls them; the best of several rounds counts, as
for ours.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import measured

ROUNDS = 5


def redpajama(given: list[Any]) -> dict[str, Any]:
    """RedPajama's loader and cleaner, without its language identification, which changes no text."""
    folder, paths = given
    stub: Any = ModuleType("fasttext")
    stub.FastText = SimpleNamespace(eprint=None, _FastText=object)
    sys.modules["fasttext"] = stub
    sys.path.insert(0, folder)
    cleaner = import_module("arxiv_cleaner")

    def clean(path: str) -> str | None:
        loaded = cleaner._tex_proj_loader(Path(path))
        try:
            return str(cleaner.clean_tex_files(loaded[0])) if loaded else None
        except Exception:  # as its create_record does: the paper is lost
            return None

    return {"redpajama": measured(lambda: [clean(path) for path in paths], ROUNDS)}


def macros(sources: list[str]) -> dict[str, Any]:
    """expand_latex_macros on flattened sources."""
    expand = import_module("expand_latex_macros.source").expand_latex_macros
    return {"expand_latex_macros": measured(lambda: [expand(source) for source in sources], ROUNDS)}


def books(paths: list[str]) -> dict[str, Any]:
    """The strip_headers of gutenbergpy (that of the package gutenberg) and of gutenberg_cleaner."""
    strip = import_module("gutenbergpy.textget").strip_headers
    simple = import_module("gutenberg_cleaner").simple_cleaner
    raw = [Path(path).read_bytes() for path in paths]
    return {
        "gutenbergpy": measured(lambda: [strip(data).decode("utf-8", "replace") for data in raw], ROUNDS),
        "gutenberg_cleaner": measured(lambda: [simple(data.decode("utf-8", "replace")) for data in raw], ROUNDS),
    }


def main() -> None:
    job, given, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    jobs: dict[str, Callable[[Any], Any]] = {"redpajama": redpajama, "macros": macros, "books": books}
    content = json.loads(given.read_text(encoding="utf-8"))
    target.write_text(json.dumps(jobs[job](content)), encoding="utf-8")


if __name__ == "__main__":
    main()
