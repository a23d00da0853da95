"""What makes a corpus whole once its work is done, and what says that it is not while some of it changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.account import manifest
from pipelines.across import together
from pipelines.build import Build, shares_of
from pipelines.files import storage
from pipelines.models import by_path, training
from pipelines.stages.copies import TABLE
from pipelines.stages.jobs import Job, Shuffle
from pipelines.tokens import shards


def withdraw(prepared: Build, jobs: Sequence[Job | Shuffle]) -> None:
    """Remove the manifests of what these jobs are about to change: until they are written again, it is not there."""
    labels = [(source, stage) for source, _, stage in (job.label.partition("/") for job in jobs)]
    documents = {source for source, stage in labels if stage not in ("encode", "shards")}
    # The table of copies is beside the documents: while it is written, all that is made of them may be finished.
    others = [(source, stage) for source, stage in labels if stage.partition(",")[0] != TABLE]
    changed = {source for source, _ in others}
    again = [together.FILE for _, stage in others if stage not in ("encode", "shards")]
    for path in ("manifest.json", "models/manifest.json", *again[:1]):
        storage.remove(f"{prepared.output}/{path}")
    for source in sorted({source for source, _ in labels} & prepared.chains.keys()):
        if source in changed:
            storage.remove(f"{prepared.output}/tokens/{source}/manifest.json")
        if source in documents:
            storage.remove(f"{prepared.output}/{source}/manifest.json")


def write_corpus_manifest(prepared: Build) -> None:
    """Complete the corpus: its tokenizer beside its tokens, and its manifest over every source that is finished here.

    Sources of earlier builds have the same tokenizer, or `check_neighbours` would have refused the build.
    """
    output = prepared.output
    if "tokenizer" in prepared.given and prepared.tokens:
        training.place_tokenizer(output, prepared.given["tokenizer"].model.path)
    folders = manifest.folders(tokens=bool(prepared.tokens))
    finished = [
        name
        for name in prepared.sources
        if name in prepared.chains
        or all(storage.exists(f"{output}/{folder}{name}/manifest.json") for folder in folders)
    ]
    first = next(iter(prepared.tokens), None)
    digest = shards.Manifest.load(f"{output}/tokens/{first}").tokenizer_sha256 if first else None
    shares = {name: share for name, share in shares_of(prepared.sources).items() if name in finished}
    more = [together.FILE] if prepared.looks_across else []
    manifest.write_corpus_manifest(output, prepared.recipe.name, finished, digest, shares, more)


def check_neighbours(prepared: Build) -> None:
    """Raise ValueError if other sources in the corpus directory would be left with tokens of another tokenizer."""
    output, tokenizer = prepared.output, prepared.given.get("tokenizer")
    for name in prepared.sources if prepared.tokens and not prepared.only_models else ():
        found = storage.read_json(f"{output}/tokens/{name}/manifest.json")
        if name in prepared.chains or not isinstance(found, dict):
            continue
        ours = storage.sha256(tokenizer.model.path) if tokenizer else None
        if found.get("tokenizer_sha256") == ours:
            continue
        would = "is not the one given" if tokenizer else "would not be the one trained now, on other sources"
        raise ValueError(
            f"--output {output}: the tokens of {name} are there, and their tokenizer {would}: build {name} too, keep "
            f"the corpus' tokenizer with --model tokenizer={output}/models/tokenizer, or name another --output"
        )


def write_models_manifest(prepared: Build) -> None:
    """Write OUTPUT/models/manifest.json: every model used, given or trained, and the SHA-256 of its files."""
    names = {name for node in prepared.nodes() if (name := node.name.removeprefix("models/")) != node.name}
    content: dict[str, Any] = {}
    for name in sorted(name for name in names if not name.endswith("_draw")):
        chosen = prepared.given.get(name)
        if chosen is None:
            parts = training.files_of(f"{prepared.output}/models/{name}", prepared.parts_of(name))
            files = {f"{part}{file}": digest for part, found in parts.items() for file, digest in found.items()}
            content[name] = {"trained": True, "path": f"models/{name}", "files": files}
        elif chosen is not by_path.UNREAD:
            content[name] = {"trained": False, "path": chosen.model.path, "files": chosen.files}
    manifest.write_if_changed(f"{prepared.output}/models/manifest.json", content)
