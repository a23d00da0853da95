"""Models made from the pipelines' own output.

    wikipedia documents ──────────────────────> language_models   `language_models`: SentencePiece and 5-grams
    common_crawl pages with perplexity ───────> cutoffs           `language_models`: percentiles, by language
    common_crawl pages, cited or not ─────────> reference         `reference_classifier`: fastText, threshold, ROC
    post counts ──────────────────────────────> stack_exchange_sites
    documents of all sources, by hash ────────> tokenizer         SentencePiece BPE

A model is a directory with a manifest, written last, that names its recipe, its inputs by identity and its files by
digest; the digest of those files is what later stages are keyed by. Models are trained in one thread on inputs in a
fixed order. Models that are given by path instead are those of `given`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.files import paths, storage
from pipelines.files.current import TOOK, measured
from pipelines.hashing import digest_of
from pipelines.models import draws
from pipelines.readers.stack_exchange import is_meta
from pipelines.stages.jobs import Job, pending
from pipelines.stages.source import Model
from pipelines.tokens import tokenizers
from tokenizer import spec, training

VERSION = 2
TOKENIZER_VERSION = 3
TOKENIZER, FILE = "tokenizer", "tokenizer.model"


@dataclass(frozen=True)
class Training:
    """One model to be made: `make(training)` writes its files to `path(name)` and answers facts for the manifest."""

    name: str
    make: Callable[[Training], dict[str, Any]]
    directory: str
    identity: str
    recipe: Any
    inputs: tuple[Any, ...]
    keys: tuple[Any, ...]

    @property
    def manifest(self) -> str:
        """The path of the model's manifest."""
        return f"{self.directory}/manifest.json"

    def path(self, name: str) -> Path:
        """Return the path of one of the files while they are made, in a local folder."""
        return Path(self.directory, name)


def train(task: Training) -> None:
    """Make one model and write its manifest."""
    before = storage.read_json(task.manifest)
    storage.remove(task.manifest)
    for name in before.get("files", ()) if isinstance(before, dict) else ():
        storage.remove(paths.within(task.directory, name))
    with measured() as took, tempfile.TemporaryDirectory() as folder:
        made = Path(folder, task.name)
        made.mkdir(parents=True)
        try:
            facts = task.make(replace(task, directory=str(made)))
        except (ValueError, RuntimeError) as error:
            raise RuntimeError(f"models/{task.name}: {error}") from error
        files = copied(sorted(made.iterdir()), made, task.directory)
    recipe = task.recipe
    made_of = {
        "recipe": asdict(recipe) if is_dataclass(recipe) and not isinstance(recipe, type) else recipe,
        "inputs": task.keys,
    }
    storage.write_json(task.manifest, {"identity": task.identity, "files": files, **made_of, **facts, TOOK: took})


def copied(files: Sequence[Path], base: Path, directory: str) -> dict[str, str]:
    """Copy files, under their names in `base`, and return the SHA-256 of each."""
    digests = {}
    for path in files:
        name = path.relative_to(base).as_posix()
        with path.open("rb") as stream, storage.write(f"{directory}/{name}") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
        digests[name] = storage.sha256(str(path))
    return digests


def training_of(
    output: str,
    name: str,
    make: Callable[[Training], dict[str, Any]],
    recipe: Any,
    inputs: Sequence[tuple[Any, Any]],
    version: int = VERSION,
) -> Training:
    """Return the training of a model under OUTPUT/models; `inputs` are (what is read, what identifies it)."""
    found, keys = tuple(found for found, _ in inputs), tuple(key for _, key in inputs)
    identity = digest_of(name, version, recipe, keys)
    return Training(name, make, f"{output}/models/{name}", identity, recipe, found, keys)


def unfinished(tasks: Sequence[Training]) -> list[Job]:
    """Return the job that makes those models that are not there yet."""
    label = f"models/{tasks[0].name.partition('/')[0]}" if tasks else ""
    return pending(label, train, tasks, lambda wanted: [100e6] * len(wanted))


def files_of(directory: str, parts: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """Return the SHA-256 of each file of a finished model, by its part: "NAME/", or "" for one made whole."""
    folders = [f"{part}/" for part in parts] or [""]
    return {folder: storage.read_json(f"{directory}/{folder}manifest.json")["files"] for folder in folders}


def model(directory: str, parts: Sequence[str] = ()) -> Model:
    """Return a finished model, identified by the digests of its files."""
    return Model(directory, digest_of(list(files_of(directory, parts).values())))


# --- the largest sites of StackExchange ------------------------------------------------------------------------------


def make_sites(task: Training) -> dict[str, Any]:
    """Choose the largest sites by posts, and warn where their archives' sizes would have chosen others.

    `inputs` are (site, posts, bytes of its archive), `recipe` the number wanted and the meta rule.
    """
    wanted, meta = task.recipe
    sites = [(site, posts, size) for site, posts, size in task.inputs if meta or not is_meta(site)]
    chosen = [site for site, _, _ in sorted(sites, key=lambda entry: (-entry[1], entry[0]))[:wanted]]
    by_size = [site for site, _, _ in sorted(sites, key=lambda entry: (-entry[2], entry[0]))[:wanted]]
    facts = {
        "chosen": chosen,
        "posts": {site: posts for site, posts, _ in task.inputs},
        "archive_bytes": {site: size for site, _, size in task.inputs},
        "warnings": _ranking_warnings(chosen, by_size),
    }
    task.path("sites.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return facts


def _ranking_warnings(chosen: Sequence[str], by_size: Sequence[str]) -> list[str]:
    more, fewer = sorted(set(chosen) - set(by_size)), sorted(set(by_size) - set(chosen))
    if not more:
        return []
    return [
        f"stack_exchange: the {len(chosen)} largest sites include {', '.join(more)} if posts are counted, and "
        f"{', '.join(fewer)} by the size of the archives; posts decided: list more sites before downloading"
    ]


# --- the tokenizer ---------------------------------------------------------------------------------------------------


# What SentencePiece says of a vocabulary that is too large for a text.
_MOST_PIECES = re.compile(r"set it to a value <= (\d+)")


def place_tokenizer(output: str, given: str) -> None:
    """Write a tokenizer that was given to where a corpus keeps its own, unless it is that one; trainers look there."""
    directory = f"{output}/models/{TOKENIZER}"
    contents = {name: path.read_bytes() for name, path in tokenizers.load(given).files.items()}
    manifest = f"{directory}/manifest.json"
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    found = storage.read_json(manifest)
    before = found.get("files") if isinstance(found, dict) else None
    if before == files and all(storage.exists(f"{directory}/{name}") for name in files):
        return
    storage.remove(manifest)
    for name in before if isinstance(before, dict) else ():
        storage.remove(paths.within(directory, name))
    for name, content in contents.items():
        storage.write_bytes(f"{directory}/{name}", content)
    storage.write_json(manifest, {"files": files, "given": True})


def make_tokenizer(task: Training) -> dict[str, Any]:
    """Train LLaMA's tokenizer on the drawn documents, in the order of their hash; `inputs` are (source, run)."""
    texts = [payload.decode() for payload in draws.drawn([path for _, path in task.inputs])]
    if not texts:
        names = ", ".join(dict.fromkeys(source for source, _ in task.inputs))
        raise ValueError(
            f"there are no documents to train the tokenizer on, because nothing was kept of {names}; the warnings "
            "above say why (--set tokenize=false ends with the documents)"
        )
    try:
        training.train(texts, task.path(FILE), replace(spec.LLAMA, vocab_size=task.recipe.vocabulary))
    except ValueError as error:
        most = _MOST_PIECES.search(str(error))
        largest = f"the largest vocabulary for this text is {most[1]}" if most else ""
        raise ValueError(f"{largest}: --set tokenizer.vocabulary={most[1]}" if most else str(error)) from error
    drawn: dict[str, dict[str, int]] = {source: {"documents": 0, "bytes": 0} for source, _ in task.inputs}
    for source, path in task.inputs:
        documents, size = draws.size(path)
        drawn[source]["documents"] += documents
        drawn[source]["bytes"] += size
    total = {what: sum(row[what] for row in drawn.values()) for what in ("documents", "bytes")}
    return {**total, "drawn": drawn}
