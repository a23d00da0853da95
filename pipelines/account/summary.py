"""A build's summary as JSON: for each source and stage documents and bytes in and out, CPU seconds, workers' memory.

    python -m pipelines.account.summary data/corpus

Everything but what the last build took is added up from manifests. It is written to OUTPUT/summary.json when a build
ends, and is no part of the corpus: it says how long this build took on these machines, not what was built.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pipelines.account.finished import corpus_manifest, source_manifest
from pipelines.files import commands, paths, storage
from pipelines.tokens import shards

FILE = "summary.json"


def summary(output: str, build: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the summary of a finished corpus; `build` are the facts of the build itself.

    Raises ValueError if the corpus is not finished.
    """
    corpus = corpus_manifest(output)
    tokens = corpus["tokenizer"] is not None
    sources = {name: _source(output, name, tokens=tokens) for name in corpus["sources"]}
    return {"recipe": corpus["recipe"], "content": content(output), "build": dict(build or {}), "sources": sources}


def content(output: str) -> str:
    """Return a SHA-256 that two corpora share if their documents, drops and tokens are equal, wherever they were made.

    Unlike the seal it leaves out the paths of inputs and models, and what was measured on the way. ValueError if the
    corpus is not finished.
    """
    corpus = corpus_manifest(output)
    found = {}
    for name in corpus["sources"]:
        manifest = source_manifest(output, name)
        found[name] = [manifest["documents"]["digest"], manifest["drops"]["digest"]]
        if corpus["tokenizer"] is not None:
            tokens = shards.Manifest.load(f"{output}/tokens/{name}")
            found[name].append(tokens.tokenizer_sha256)
            for split, entries in tokens.splits.items():
                found[name] += [f"{split} {shard.bin_sha256} {shard.index_sha256}" for shard in entries]
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _source(output: str, name: str, *, tokens: bool) -> dict[str, Any]:
    found = source_manifest(output, name)
    return {
        "inputs": {"files": len(found["inputs"]), "bytes": sum(entry["size"] for entry in found["inputs"])},
        "stages": list(_stages(found)),
        "documents": found["documents"]["count"],
        "bytes": found["documents"]["bytes"],
        "dropped": found["drops"]["count"],
        "tokens": shards.Manifest.load(f"{output}/tokens/{name}").grand_total("tokens") if tokens else None,
        "warnings": found["warnings"],
    }


def _stages(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    size = sum(entry["size"] for entry in found["inputs"])
    for account in found["stages"]:
        gone = {
            f"{stage}/{reason}": documents
            for stage, reasons in account["dropped"].items()
            for reason, (documents, _) in reasons.items()
        }
        yield {
            "stage": account["stage"],
            "documents_in": account["in"],
            "documents_out": account["kept"],
            "documents_merged": account["merged"],
            "bytes_in": size,
            "bytes_out": account["kept_bytes"],
            "dropped": gone,
            "cpu_seconds": account["cpu_seconds"],
            "worker_memory_bytes": account.get("worker_memory_bytes"),
        }
        size = account["kept_bytes"]


def check(output: str) -> None:
    """Raise ValueError if a summary.json is there that no build of ours wrote."""
    found = storage.read_json(f"{output}/{FILE}")
    theirs = found is not None and not (isinstance(found, dict) and {"build", "sources"} <= found.keys())
    if theirs or (found is None and storage.exists(f"{output}/{FILE}")):
        raise ValueError(f"--output {output}: {FILE} was not written by us, so it is not overwritten; move it away")


def finished() -> dict[str, str]:
    """Return when a build ends, in UTC, and which version of Altiplano it was."""
    try:
        made_by = version("altiplano-corpus")
    except PackageNotFoundError:
        made_by = "not installed"
    return {"finished": datetime.now(UTC).isoformat(timespec="seconds"), "version": made_by}


def write(output: str, build: Mapping[str, Any]) -> None:
    """Write OUTPUT/summary.json; a build that made the same again leaves when and by what it was made first."""
    found = summary(output, build)
    before = storage.read_json(f"{output}/{FILE}") or {}
    if before.get("content") == found["content"]:
        found["build"] |= {name: value for name, value in before["build"].items() if name in ("finished", "version")}
    storage.write_json(f"{output}/{FILE}", found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the summary of a corpus as JSON."""
    parser = commands.Parser("pipelines.account.summary", "data/corpus", description="Summarise a corpus as JSON.")
    parser.add_argument("corpus", type=paths.option, help="corpus directory")
    options = parser.parse_args(arguments)
    try:
        last = storage.read_json(f"{options.corpus}/{FILE}") or {}
        found = summary(options.corpus, last.get("build"))
    except ValueError as error:
        parser.error(str(error))
    print(json.dumps(found, indent=1, ensure_ascii=False))  # noqa: T201
    return 0


if __name__ == "__main__":
    commands.run(main)
