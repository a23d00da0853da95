"""Our two web chains as the benchmark runs them: each in a process of its own, in the plain loop or on Beam.

    WET files -> pipelines' own stages -> Parquet; CPU seconds of the process and its children

Usage: `python benchmarks/web_chains.py SETTINGS.json` prints one JSON object. Imports and models that are loaded once
in a worker's life are not counted, as they are not for the peers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from filters.web import c4 as c4_rules
from filters.web import paragraphs
from pipelines import work
from pipelines.divergences import in_mode
from pipelines.document import Document
from pipelines.files import ours, tables
from pipelines.options import parse, prepare
from pipelines.recipes import SAMPLE, Recipe
from pipelines.runners.beam import local
from pipelines.runners.plans import Worklist
from pipelines.sample import layout
from pipelines.sources import c4, common_crawl
from pipelines.stages.chain import Chain
from pipelines.stages.graph import Node, needed, run_waves
from pipelines.stages.jobs import Job, Shuffle
from pipelines.stages.kinds import Context, Map
from pipelines.stages.source import Input, Model
from tests.pipelines import loop

Runner = Literal["plain", "beam"]
# CCNet's own functions end with the perplexity; the classifier of references, and the keys of URLs that it needs, are
# RedPajama's.
_UP_TO_QUALITY = common_crawl.SOURCE.stages[: 1 + [stage.name for stage in common_crawl.SOURCE.stages].index("quality")]
SCORED = replace(
    common_crawl.SOURCE, stages=(*_UP_TO_QUALITY[:-1], replace(cast("Map[Any]", _UP_TO_QUALITY[-1]), keys=None))
)
SOURCES = {"common_crawl": SCORED, "c4": c4.SOURCE}
PUBLISHED = in_mode(replace(SAMPLE, excerpts=0.01), "published")
WARM = "The first page of a process also loads what all the others use, été and Σ included. " * 5


@dataclass(frozen=True)
class Settings:
    """One run: which chain, on what, over which WET files, with which models."""

    chain: str
    runner: Runner
    output: str
    wet: tuple[str, ...]
    models: dict[str, str]


def open_chain(settings: Settings, recipe: Recipe = PUBLISHED) -> Chain:
    """Return the chain over the WET files; nothing is run."""
    inputs = [Input(path, sha256(path), Path(path).stat().st_size) for path in sorted(settings.wet)]

    def model(name: str) -> Model:
        return Model(settings.models[name], name)

    return Chain(SOURCES[settings.chain], recipe, inputs, settings.output, model)


def run(settings: Settings) -> dict[str, Any]:
    """Run a chain once from nothing and return its CPU seconds, its counts and a digest of all it decided."""
    if Path(settings.output).exists():
        ours.require(settings.output, ours.Kind.CORPUS)
        shutil.rmtree(settings.output)
    ours.claim(settings.output, ours.Kind.CORPUS)
    chain = open_chain(settings)
    _warm_up(settings)
    execute: Callable[[Sequence[Job | Shuffle]], None] = loop.run
    if settings.runner == "beam":
        execute = partial(_on_beam, work.of_sources([chain.source], PUBLISHED), f"{settings.output}/work/plan")
    before = cpu_seconds()
    run_waves([*(Node(f"models/{name}", (), list) for name in settings.models), *chain.nodes()], execute)
    spent = cpu_seconds() - before
    kept = sum(row["kept"] for row in chain.final.manifests())
    return {"cpu_seconds": spent, "kept": kept, "digest": digest(chain)}


def _on_beam(listed: Worklist, plan: str, jobs: Sequence[Job | Shuffle]) -> None:
    local.run(jobs, listed, plan, workers=1)


def digest(chain: Chain) -> str:
    """Return the digest of all documents and drops of all stages: what must not change when the code gets faster."""
    found = [
        [
            link.stage.name,
            item.key,
            *map(_table_digest, (link.staged(item), chain.paths.drops(link.stage.name, item.key))),
        ]
        for link in chain.writers
        for item in link.items()
    ]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def _table_digest(path: str) -> str:
    return tables.table_digest(map(tables.row_digest, tables.read_rows(path)))


def documents(chain: Chain, stage: str) -> Iterator[Document]:
    """Yield the documents that a stage left."""
    link = chain.writer(stage)
    for item in link.items():
        yield from tables.read_documents(link.staged(item))


def drops(chain: Chain) -> Iterator[dict[str, Any]]:
    """Yield the rows of all drops."""
    for path in sorted(Path(chain.output, chain.source.name, "drops").glob("*.parquet")):
        yield from tables.read_rows(str(path))


def make_language_model(raw: Path, output: Path) -> Path:
    """Return the folder of language models made of the sample's Wikipedia; made once."""
    options = ["--source", "wikipedia", "--source", "common_crawl", "--raw", str(raw), "--output", str(output)]
    prepared = prepare(*parse(options))
    run_waves(needed(prepared.nodes(), {"models/language_models"}), loop.run)
    return output / "models" / "language_models"


def lay_out(raw: Path) -> list[Path]:
    """Lay the sample out if it is not there, and return its WET files."""
    layout.lay_out(raw)
    found = layout.inputs(raw)
    return [Path(path) for path in (*found["common_crawl"], *found["c4"])]


def cpu_seconds() -> float:
    """Return the CPU seconds, user and system, of this process and of its children that ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _warm_up(settings: Settings) -> None:
    page = Document(id="warm", source=settings.chain, text=WARM, dump="", offset=0, url="http://example.org/")
    nothing = np.empty(0, np.uint32)
    if settings.chain == "common_crawl":
        common_crawl.quality(page, nothing, Context(PUBLISHED.common_crawl.quality, settings.models))
    else:
        c4.english(page, nothing, Context(PUBLISHED.c4.english, settings.models))
    paragraphs.firsts(WARM)
    c4_rules.firsts(WARM)


def sha256(path: str) -> str:
    """Return a file's SHA-256 as hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_digest(text: str) -> str:
    """Return the SHA-256 of a text as hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> int:
    """Run what the settings say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path)
    content = json.loads(parser.parse_args().settings.read_text(encoding="utf-8"))
    print(json.dumps(run(Settings(**{**content, "wet": tuple(content["wet"])}))))
    return 0


def write_settings(settings: Settings, path: Path) -> None:
    """Write the settings of a run."""
    path.write_text(json.dumps(asdict(settings)), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
