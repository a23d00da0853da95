"""cc_net's own functions on the bodies of pages, in the environment that `peers` makes for it.

    bodies -> HashesCollector -> DuplicatesRemover -> Classifier -> English -> SentencePiece -> KenLM -> bucket

Run by the benchmark as `python web_peer_cc_net.py SETTINGS.json`, with a checkout of cc_net on PYTHONPATH: no code of
it is here. Documents are in memory and nothing is written: cc_net's reading and writing are not timed.
"""

import hashlib
import importlib
import json
import logging
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any


def cpu_seconds() -> float:
    """Return the CPU seconds, user and system, of this process and of its children that ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def load(settings: dict[str, Any]) -> tuple[Any, list[Any]]:
    """Return what removes duplicates, and the steps after it, models loaded."""
    dedup, jsonql, language, quality = (
        importlib.import_module(f"cc_net.{name}") for name in ("dedup", "jsonql", "split_by_lang", "perplexity")
    )
    jsonql.logging.getLogger().setLevel(logging.ERROR)
    models = Path(settings["language_models"])
    pieces, scores = {"en": models / "en/pieces.model"}, {"en": models / "en/model.arpa"}
    steps = [
        language.Classifier(
            model=Path(settings["lid"]), field="raw_content", out_field="language", top=1, threshold=0.5
        ),
        jsonql.where([lambda document: document.get("language") == "en"]),
        quality.MultiSentencePiece(pieces, field="raw_content", output_field="tokenized", normalize=True),
        quality.DocLM(scores, field="tokenized", output_field="perplexity", normalize=False),
        quality.PerplexityBucket(Path(str(quality.__file__)).parent / "data/cutoff.csv"),
    ]
    for step in steps:
        step.__enter__()
    return dedup, steps


def mine(documents: list[dict[str, Any]], dedup: Any, steps: list[Any], folder: Path) -> list[dict[str, Any]]:
    """Return what cc_net keeps of a window."""
    hashes = folder / "hashes.bin"
    with dedup.HashesCollector("raw_content", output=hashes) as collector:
        for document in documents:
            collector(document)
    kept = []
    with dedup.DuplicatesRemover("raw_content", [hashes]) as remover:
        for document in documents:
            found = remover(document)
            for step in steps:
                found = step(found) if found is not None else None
            if found is not None:
                kept.append(found)
    return kept


def main() -> None:
    """Run what the settings say; print CPU seconds, write what was decided."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Path(settings["bodies"]).open(encoding="utf-8") as lines:
        documents = [json.loads(line) for line in lines]
    dedup, steps = load(settings)
    with tempfile.TemporaryDirectory() as folder:
        before = cpu_seconds()
        kept = mine(documents, dedup, steps, Path(folder))
        spent = cpu_seconds() - before
    decided = {
        document["id"]: [
            hashlib.sha256(document["raw_content"].encode()).hexdigest(),
            document["language"],
            float(document["language_score"]),
            float(document.get("perplexity", -1.0)),
            document["bucket"],
        ]
        for document in kept
    }
    Path(settings["output"]).write_text(json.dumps(decided), encoding="utf-8")
    print(json.dumps({"cpu_seconds": spent, "kept": len(decided)}))


if __name__ == "__main__":
    main()
