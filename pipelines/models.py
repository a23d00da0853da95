"""Models made from the pipelines' own output, and models given by path.

    wikipedia documents ──────────────────────> language_models   SentencePiece and 5-gram model of each language
    common_crawl pages with perplexity ───────> cutoffs           percentiles, by language
    common_crawl pages, cited or not ─────────> reference         fastText classifier, threshold, ROC
    post counts ──────────────────────────────> stack_exchange_sites
    documents of all sources, by hash ────────> tokenizer         SentencePiece BPE

A model is a directory with a manifest, written last, that names its inputs by identity and its files by digest; the
digest of those files is what later stages are keyed by. Models are trained in one thread on inputs in a fixed order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from filters import perplexity, personal_info, reference
from pipelines import runs, storage, tables
from pipelines.graph import Model, is_current
from pipelines.hashing import digest_of, keyed, share
from pipelines.jobs import Job
from pipelines.readers.stack_exchange import is_meta
from pipelines.recipes import LanguageModels, ReferenceTraining
from pipelines.sources.wikipedia import HOST, URL
from tokenizer import spec, training

VERSION = 1
TOKENIZER, FILE = "tokenizer", "tokenizer.model"


@dataclass(frozen=True)
class Training:
    """One model to be made: `make(training)` writes its files into `directory` and answers facts for the manifest."""

    name: str
    make: Callable[[Training], dict[str, Any]]
    directory: str
    identity: str
    recipe: Any
    inputs: tuple[Any, ...]

    @property
    def manifest(self) -> str:
        """The path of the model's manifest."""
        return f"{self.directory}/manifest.json"

    def path(self, name: str) -> Path:
        """Return the path of one of the model's files; its folder exists."""
        Path(self.directory).mkdir(parents=True, exist_ok=True)
        return Path(self.directory, name)


def train(task: Training) -> None:
    """Make one model and write its manifest."""
    storage.remove(task.manifest)
    for path in storage.list_files(task.directory) if storage.exists(task.directory) else ():
        storage.remove(path)
    try:
        facts = task.make(task)
    except (ValueError, RuntimeError) as error:
        raise RuntimeError(f"models/{task.name}: {error}") from error
    files = {Path(path).name: storage.sha256(path) for path in storage.list_files(task.directory)}
    storage.write_json(task.manifest, {"identity": task.identity, "files": files, **facts})


def training_of(
    output: str, name: str, make: Callable[[Training], dict[str, Any]], recipe: Any, inputs: Sequence[tuple[Any, Any]]
) -> Training:
    """Return the training of a model under OUTPUT/models; `inputs` are (what is read, what identifies it)."""
    identity = digest_of(name, VERSION, recipe, [key for _, key in inputs])
    return Training(name, make, f"{output}/models/{name}", identity, recipe, tuple(found for found, _ in inputs))


def pending(tasks: Sequence[Training]) -> list[Job]:
    """Return the job that makes those models that are not there yet."""
    left = [task for task in tasks if not is_current(task.manifest, task.identity)]
    if not left:
        return []
    label = f"models/{left[0].name.partition('/')[0]}"
    return [Job(label, train, left, [task.manifest for task in left], [100e6] * len(left))]


def model(directory: str, *names: str) -> Model:
    """Return a finished model, identified by the digests of its files (of all its parts, if `names` are given)."""
    manifests = [storage.read_json(f"{directory}/{name}/manifest.json") for name in names or (".",)]
    return Model(directory, digest_of([found["files"] for found in manifests]))


# What the directory of a model has to hold; a model that is not named is a file.
DIRECTORIES: Mapping[str, tuple[str, ...]] = {
    "language_models": ("*/pieces.model", "*/model.arpa"),
    "cutoffs": ("cutoffs.json",),
    "reference": ("reference.bin", "scores.json"),
    "stack_exchange_sites": ("sites.json",),
}


def given(name: str, path: str, *, chosen_threshold: bool = True) -> Model:
    """Return a model given by path; raise ValueError if it is not there or not of the right form.

    The digest is that of its content. Without `chosen_threshold` (the recipe has one) a classifier needs no scores.
    """
    if storage.is_remote(path) and name not in DIRECTORIES and storage.exists(path):
        return Model(path, storage.sha256(path))
    found = Path(path)
    if name == TOKENIZER and found.is_dir():
        found = found / FILE
    if not found.exists():
        raise ValueError("no such file or directory" if name in DIRECTORIES else "no such file")
    if name not in DIRECTORIES:
        if not found.is_file():
            raise ValueError("this is no file")
        if name == "personal_information_sites":
            personal_info.Sites.load(found)
        if name == TOKENIZER:
            return Model(str(found), digest_of([{FILE: storage.sha256(str(found))}]))  # as that of one trained here
        return Model(str(found), storage.sha256(str(found)))
    for wanted in DIRECTORIES[name]:
        if (wanted != "scores.json" or chosen_threshold) and not any(found.glob(wanted)):
            raise ValueError(f"a directory with {wanted} is expected")
    files = sorted(entry for entry in found.rglob("*") if entry.is_file() and entry.name != "manifest.json")
    return Model(path, digest_of({str(entry.relative_to(found)): storage.sha256(str(entry)) for entry in files}))


# --- language models -------------------------------------------------------------------------------------------------


def make_language_model(task: Training) -> dict[str, Any]:
    """Train one language's SentencePiece and n-gram model on its articles.

    `inputs` are document shards; of more articles than the recipe wants, those with the smallest
    keyed hash are taken. A language without articles gets no files: its pages are in the bucket "all".
    """
    recipe: LanguageModels = task.recipe
    language = Path(task.directory).name
    texts = _articles(task.inputs, language, recipe.documents)
    if not texts:
        return {"documents": 0}
    pieces, arpa = task.path("pieces.model"), task.path("model.arpa")
    size = sum(len(text.encode()) for text in texts)
    characters = len(set().union(*texts))
    perplexity.train_pieces(texts, pieces, pieces=min(recipe.pieces, perplexity.vocabulary_for(size, characters)))
    summary = perplexity.train_language_model(texts, pieces, arpa, order=recipe.order)
    return {"documents": len(texts), "bytes": size, "ngrams": list(summary.ngrams)}


def _articles(paths: Sequence[str], language: str, limit: int) -> list[str]:
    rows = (row for path in paths for row in tables.read_rows(path, ["id", "language", "text"]))
    found = [(keyed("language_model", row["id"]), row["text"]) for row in rows if row["language"] == language]
    return [text for _, text in sorted(found)[:limit]]


def load_language_model(directory: str, language: str) -> perplexity.PerplexityModel | None:
    """Load one language's model, or None if there is none."""
    folder = Path(directory, language)
    if not (folder / "model.arpa").exists():
        return None
    return perplexity.PerplexityModel(folder / "pieces.model", folder / "model.arpa")


# --- cut-offs --------------------------------------------------------------------------------------------------------


def make_cutoffs(task: Training) -> dict[str, Any]:
    """Compute each language's head and middle cut-off as percentiles of the perplexity of crawled pages.

    `inputs` are the shards of pages, `recipe` how many pages of a language are wanted: of more, those with the smallest
    keyed hash are taken. A language of whose pages none has a perplexity has no cut-offs.
    """
    limit: int = task.recipe
    found: dict[str, list[tuple[int, float]]] = {}
    for path in task.inputs:
        for row in tables.read_rows(path, ["id", "language", "attributes"]):
            value = float(dict(row["attributes"]).get("perplexity", perplexity.NO_PERPLEXITY))
            if value >= 0:
                found.setdefault(row["language"], []).append((keyed("cutoffs", row["id"]), value))
    cutoffs = {}
    for language, pages in sorted(found.items()):
        values = np.array([value for _, value in sorted(pages)[:limit]])
        cutoffs[language] = {**asdict(perplexity.percentile_cutoffs(values)), "pages": len(values)}
    task.path("cutoffs.json").write_text(json.dumps(cutoffs, indent=1, sort_keys=True), encoding="utf-8")
    return {"cutoffs": cutoffs}


# --- the classifier of references ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pages:
    """One shard of crawled pages, and the decision that says which of them Wikipedia cites."""

    path: str
    removals: tuple[str, ...]
    ordinal: int

    def cited(self, match: str) -> frozenset[int]:
        """Return the rows of the shard whose URL ("url") or host ("host") is cited."""
        (marks,) = runs.read_removals(self.removals, self.ordinal)
        line = URL if match == "url" else HOST
        return frozenset(marks["doc"][marks["line"] == line].tolist())


def make_reference(task: Training) -> dict[str, Any]:
    """Train the classifier "used as a reference in Wikipedia" against random pages.

    `inputs` are `Pages`. Both classes are pages of one language that went through the same steps and have
    the same least length, as many random ones as cited ones, the random ones by hash; a held-out share, by hash of the
    URL, chooses the threshold. Raises ValueError if a class has too few pages to train and to choose with.
    """
    recipe: ReferenceTraining = task.recipe
    classes = _labelled(task.inputs, recipe)
    parts: dict[bool, list[tuple[str, bool]]] = {False: [], True: []}
    for positive, pages in zip((True, False), classes, strict=True):
        for url, text in pages:
            parts[share("held_out", url) < recipe.held_out].append((text, positive))
    model_path = task.path("reference.bin")
    positives, negatives = ([text for text, label in parts[False] if label is wanted] for wanted in (True, False))
    model_path.write_bytes(reference.train(positives, negatives))
    classifier = reference.ReferenceClassifier(model_path)
    scores = reference.choose_threshold(
        [classifier.probability(text) for text, _ in parts[True]], [label for _, label in parts[True]]
    )
    facts = {
        "match": recipe.match,
        "threshold": scores.threshold,
        "precision": round(scores.precision, 4),
        "recall": round(scores.recall, 4),
        "area_under_roc": round(scores.area, 4),
        "pages": {"positive": len(classes[0]), "negative": len(classes[1]), "held_out": len(parts[True])},
    }
    roc = [[round(value, 6) for value in point] for point in scores.roc.tolist()]
    task.path("scores.json").write_text(json.dumps({**facts, "roc": roc}, indent=1), encoding="utf-8")
    return facts


def _labelled(
    shards: Sequence[Pages], recipe: ReferenceTraining
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return (URL, text) of the cited pages and of as many random ones, both in the order of a keyed hash."""
    cited: list[tuple[int, str, str]] = []
    others: list[tuple[int, str, str]] = []
    for pages in shards:
        marked = pages.cited(recipe.match)
        for row, document in enumerate(tables.read_documents(pages.path)):
            if document.language == recipe.language and not reference.too_short(document.text):
                entry = (keyed("reference", document.id), document.url or "", document.text)
                (cited if row in marked else others).append(entry)
    size = min(len(cited), len(others), recipe.pages)
    return [(url, text) for _, url, text in sorted(cited)[:size]], [(u, t) for _, u, t in sorted(others)[:size]]


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
        f"stack_exchange: by posts {', '.join(more)} are among the {len(chosen)} largest sites, by the size of their "
        f"archives {', '.join(fewer)}; the posts decided: list more sites before downloading"
    ]


# --- the tokenizer ---------------------------------------------------------------------------------------------------


def place_tokenizer(output: str, given: str) -> None:
    """Write a tokenizer that was given to where a corpus keeps its own, unless it is that one; trainers look there."""
    directory = f"{output}/models/{TOKENIZER}"
    content = storage.read_bytes(given)
    path, manifest = f"{directory}/{FILE}", f"{directory}/manifest.json"
    files = {FILE: hashlib.sha256(content).hexdigest()}
    found = storage.read_json(manifest)
    if isinstance(found, dict) and found.get("files") == files and storage.exists(path):
        return
    storage.remove(manifest)
    storage.write_bytes(path, content)
    storage.write_json(manifest, {"files": files, "given": True})


@dataclass(frozen=True)
class Draw:
    """One document shard from which the tokenizer's training text is drawn."""

    source: str
    path: str
    run: str
    rate: float
    identity: str

    @property
    def manifest(self) -> str:
        """The path of the draw's manifest."""
        return f"{self.run}.json"


def draw(task: Draw) -> None:
    """Draw the documents whose hash falls under the rate, as a run of blobs."""
    storage.remove(task.manifest)
    hashes, payloads = [], []
    for row in tables.read_rows(task.path, ["id", "text"]):
        if share("tokenizer", row["id"]) < task.rate:
            hashes.append(keyed("tokenizer", row["id"]))
            payloads.append(row["text"].encode())
    runs.write_blobs(task.run, hashes, payloads, buckets=1)
    storage.write_json(task.manifest, {"identity": task.identity, "documents": len(hashes)})


def draws(
    output: str, shards: Mapping[str, Sequence[tuple[str, str]]], sizes: Mapping[str, int], quota: Mapping[str, float]
) -> list[Draw]:
    """Return the draws of all sources: `shards` are (path, identity), `sizes` text bytes, `quota` bytes wanted."""
    return [
        Draw(
            source=source,
            path=path,
            run=f"{output}/work/tokenizer/{source}-{Path(path).stem}.run",
            rate=rate,
            identity=digest_of(VERSION, identity, rate),
        )
        for source, found in sorted(shards.items())
        for rate in [round(min(1.0, quota[source] / max(sizes[source], 1)), 6)]
        for path, identity in found
    ]


def make_tokenizer(task: Training) -> dict[str, Any]:
    """Train LLaMA's tokenizer on the drawn documents, in the order of their hash; `inputs` are (source, run)."""
    found = _drawn(task.inputs)
    if not found:
        raise ValueError("no document was drawn to train the tokenizer on")
    texts = [payload.decode() for _, payload, _ in found]
    training.train(texts, task.path(FILE), replace(spec.LLAMA, vocab_size=task.recipe.vocabulary))
    drawn: dict[str, dict[str, int]] = {source: {"documents": 0, "bytes": 0} for source, _ in task.inputs}
    for _, payload, source in found:
        drawn[source]["documents"] += 1
        drawn[source]["bytes"] += len(payload)
    return {"documents": len(found), "bytes": sum(len(payload) for _, payload, _ in found), "drawn": drawn}


def _drawn(inputs: Sequence[tuple[str, str]]) -> list[tuple[int, bytes, str]]:
    """Return (hash, text, source) of the drawn documents, in the order of their hash."""
    found = []
    for item, (source, path) in enumerate(inputs):
        where = runs.Slice(item, path, 0, int(runs.bucket_starts(path)[-1]))
        found += [(key, payload, source) for key, payload in runs.read_blobs(where)]
    return sorted(found)
