"""Which engines the tests run here, and why not the others: `python -m tests.pipelines.runners.available`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.pipelines.runners.tasks import slurm_here

GO = Path(sys.prefix, "go")  # where the Makefile lets Go install


def _go(*names: str) -> str:
    absent = [name for name in names if not (GO / name).exists()]
    return f"{absent[0]} is not built: make setup-engines builds it, with Go" if absent else ""


def _package(name: str, extra: str) -> str:
    return "" if importlib.util.find_spec(name) else f"the extra {extra} is not installed"


def missing() -> Mapping[str, str]:
    """Return why each engine is not run, "" if it is."""
    return {
        "ray": _package("ray", "ray"),
        "slurm": slurm_here.missing(),
        "prism": _go("prism"),
        "dataflow (a stand-in of its service)": _go("prism", "fake-gcs-server") or _package("google", "gcp"),
        "flink": "Beam's job server for it is not had here",
        "spark": "Beam's job server for it is not had here",
    }


def main() -> None:
    """Print a line for each engine."""
    for name, why in missing().items():
        print(f"{name}: {f'NOT RUN: {why}' if why else 'run by the tests'}")


if __name__ == "__main__":
    main()
