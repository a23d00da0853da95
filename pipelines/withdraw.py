"""Damaged files of a finished corpus, removed with what says that they are there: the next build makes them again.

    manifest.json ─> files by SHA-256 ─> damaged or missing ─> removed, and the manifest of the item that wrote each

    documents/ITEM.parquet         work/SOURCE/STAGE/ITEM.json, of the last stage
    drops/STAGE-ITEM.parquet       work/SOURCE/STAGE/ITEM.json
    copies/ITEM.parquet            work/SOURCE/kept_copies/ITEM.json
    tokens/SOURCE/SHARD.*          work/tokens/SOURCE/SHARD.json
    models/NAME/*                  models/NAME/manifest.json

Manifests of a source, of its tokens and of the corpus need nothing: every build writes those that are not as they
should be. A damaged one is not asked which files there are; they can be looked at when it is whole again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.files import ours, storage
from pipelines.hashing import seal
from pipelines.stages.copies import TABLE
from pipelines.stages.kinds import Paths
from pipelines.tokens import shards

MANIFEST = "manifest.json"


def withdraw(output: str) -> list[str]:
    """Remove the damaged files of a corpus, and what says that they are there; return their paths.

    Raises ValueError naming the manifest, with nothing removed, if one names what is not in the corpus, or if a link in
    it leads out.
    """
    found = list(_damaged(output))
    for path in (path for pair in found for path in pair):
        _check_links(output, path)
    for path, manifest in found:
        storage.remove(manifest)
        storage.remove(path)
    return [path for path, _ in found]


def _damaged(output: str) -> Iterator[tuple[str, str]]:
    """Yield (path, manifest of the item that wrote it)."""
    corpus = storage.read_json(f"{output}/{MANIFEST}")
    if not isinstance(corpus, dict) or corpus.get("seal") != seal(corpus):
        return
    for name, digest in corpus["files"].items():
        path = f"{output}/{storage.inside(name, f'{output}/{MANIFEST}')}"
        whole = not _differs(path, digest)
        kind, _, source = name.removesuffix(f"/{MANIFEST}").partition("/")
        if kind == "models":
            yield from _of_model(path) if whole else [(path, path)]
        elif whole and kind == "tokens":
            yield from _of_shards(output, source)
        elif whole and kind != ours.ACROSS:
            yield from _of_documents(Paths(output, kind), storage.read_json(path))


def _of_model(manifest: str) -> Iterator[tuple[str, str]]:
    folder = manifest.removesuffix(f"/{MANIFEST}")
    for name, digest in storage.read_json(manifest).get("files", {}).items():
        storage.inside(name, manifest)
        if _differs(f"{folder}/{name}", digest):
            yield f"{folder}/{name}", manifest


def _of_documents(paths: Paths, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    named_by = f"{paths.output}/{paths.source}/{MANIFEST}"
    last = storage.inside(manifest["stages"][-1]["stage"].partition("/")[2], named_by)
    for kind, writer in (("documents", last), ("drops", None), ("copies", TABLE)):
        for entry in manifest.get(kind, {}).get("files", ()):
            path = f"{paths.output}/{storage.inside(entry['path'], named_by)}"
            name = path.rpartition("/")[2].removesuffix(".parquet")
            stage, _, item = (writer, "-", name) if writer else name.partition("-")
            if _differs(path, entry["sha256"]):
                yield path, paths.manifest(stage, item)


def _of_shards(output: str, source: str) -> Iterator[tuple[str, str]]:
    folder = f"{output}/tokens/{source}"
    manifest = shards.Manifest.load(folder)
    for shard in (shard for entries in manifest.splits.values() for shard in entries):
        digests = (shard.bin_sha256, shard.index_sha256, shard.documents_sha256)
        for suffix, digest in zip(shards.SUFFIXES, digests, strict=True):
            if _differs(f"{folder}/{shard.name}.{suffix}", digest):
                yield f"{folder}/{shard.name}.{suffix}", f"{output}/work/tokens/{source}/{shard.name}.json"


def _check_links(output: str, path: str) -> None:
    """Refuse to remove through a link what is not in the corpus; the corpus itself may be a link."""
    if not storage.is_remote(output) and not Path(path).parent.resolve().is_relative_to(Path(output).resolve()):
        raise ValueError(f"{path}: a link leads out of {output}; nothing is removed there")


def _differs(path: str, digest: str) -> bool:
    return not storage.exists(path) or storage.sha256(path) != digest
