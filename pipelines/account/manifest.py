"""Manifests and the account: what went in, what each stage kept and dropped, and the check that it adds up."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipelines.account import damage, silence
from pipelines.files import storage, strays, tables
from pipelines.hashing import seal
from pipelines.stages import changes, counts, losses
from pipelines.stages.chain import Chain
from pipelines.stages.copies import TABLE

KINDS = ("documents", "drops", "copies")
_BLOCK = 64  # manifests that are read at once, where the first that says it decides
# The manifests of each stage of a source, as its links read them.
Rows = Sequence[Sequence[dict[str, Any]]]


def stage_account(name: str, manifests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up one stage's item manifests; raise RuntimeError if a row does not add up."""
    dropped: dict[str, dict[str, list[int]]] = {}
    read: Counter[str] = Counter()
    statistics: Counter[str] = Counter()
    for row in manifests:
        read.update(row["read"])
        statistics.update(row["statistics"])
        for stage, reasons in row["dropped"].items():
            for reason, (documents, size) in reasons.items():
                total = dropped.setdefault(stage, {}).setdefault(reason, [0, 0])
                total[0] += documents
                total[1] += size
    account = {
        "stage": name,
        "in": sum(row["in"] for row in manifests),
        "kept": sum(row["kept"] for row in manifests),
        "kept_bytes": sum(row["kept_bytes"] for row in manifests),
        "merged": sum(row["merged"] for row in manifests),
        "dropped": dropped,
        "read": dict(sorted(read.items())),
        "statistics": dict(sorted(statistics.items())),
        "cpu_seconds": round(sum(row["cpu_seconds"] for row in manifests), 1),
        # Of the largest worker when an item ended: a process that is reused keeps what an item before it took.
        "worker_memory_bytes": max((row.get("worker_memory_bytes", 0) for row in manifests), default=0),
    }
    gone = sum(documents for reasons in dropped.values() for documents, _ in reasons.values())
    if account["in"] != account["kept"] + account["merged"] + gone:
        raise RuntimeError(f"{name} does not add up: {account}")
    return account


def source_account(chain: Chain, rows: Rows) -> list[dict[str, Any]]:
    """Return the accounts of a source's stages, in order; raise RuntimeError if one does not take on what was kept."""
    accounts: list[dict[str, Any]] = []
    for link, written in zip(chain.links, rows, strict=True):
        if link.decides:
            continue
        account = stage_account(link.name, written)
        if accounts and account["in"] != accounts[-1]["kept"]:
            raise RuntimeError(
                f"{account['stage']} took {account['in']} of {accounts[-1]['kept']} documents kept before"
            )
        accounts.append(account)
    return accounts


def decisions(chain: Chain, rows: Rows) -> list[dict[str, Any]]:
    """Return what each of a source's decisions compared and marked."""
    decided = [(link, facts) for link, facts in zip(chain.links, rows, strict=True) if link.decides]
    return [{"stage": link.stage.name, "items": len(link.items()), **facts} for link, (facts,) in decided]


def copies(chain: Chain, accounts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the table of copies holds; RuntimeError if it has not a row for each document dropped as a copy.

    `reasons` are those of such drops by stage, `kept` is how many documents stay for others, `largest` the one that
    stays for most copies, and for how many.
    """
    rows = chain.copied()
    files = [row["copies"] for row in rows]
    reasons = chain.copy_reasons()
    count, gone = _rows(chain.output, files), dropped_as_copies(accounts, reasons)
    if count != gone:
        raise RuntimeError(f"{chain.source.name}: {count} copies in the table, {gone} documents dropped as copies")
    largest = min((row["largest"] for row in rows if row["largest"]), key=lambda row: (-row[1], row[0]), default=None)
    return {
        "count": count,
        "kept": sum(row["kept"] for row in rows),
        "largest": largest,
        "reasons": reasons,
        "digest": combined_digest(files),
        "files": files,
    }


def dropped_as_copies(accounts: Sequence[Mapping[str, Any]], reasons: Mapping[str, Sequence[str]]) -> int:
    """Return how many documents were dropped for these reasons, given by stage."""
    return sum(
        counts[0]
        for account in accounts
        for stage, found in account["dropped"].items()
        for reason, counts in found.items()
        if reason in reasons.get(stage, ())
    )


def cluster_sizes(chain: Chain) -> dict[str, Any]:
    """Return how large the clusters of copies are, by decision on duplicates: within the first window."""
    sizes = {link.stage.name: link.clusters() for link in chain.deciders}
    return {name: size for name, size in sizes.items() if size is not None}


def warnings(accounts: Sequence[dict[str, Any]], max_duplicates: float) -> list[str]:
    """Return what is implausible: a stage that lost more than this share of its documents as duplicates."""
    found = []
    for account in accounts:
        source = account["stage"].partition("/")[0]
        lost = sum(
            documents
            for stage, reasons in account["dropped"].items()
            for reason, (documents, _) in reasons.items()
            if losses.is_loss(source, stage, reason)
        )
        if lost > max_duplicates * account["in"]:
            share = f"{lost:,} of {account['in']:,} documents ({lost / account['in']:.0%})"
            found.append(f"{account['stage']} lost {share} as duplicates: more than max_duplicates={max_duplicates}")
    return found


def _alarms(chain: Chain, groups: Sequence[dict[str, Any]]) -> list[str]:
    share = chain.recipe.max_duplicates
    found = (losses.warnings(f"{chain.source.name}/{row['stage']}", row["kind"], row, share) for row in groups)
    return [warning for warnings in found for warning in warnings]


def is_empty(chain: Chain) -> bool:
    """Tell whether a source whose last stage is done has kept no document; of one that has, few manifests are read."""
    paths = chain.final.manifest_paths()
    blocks = (paths[start : start + _BLOCK] for start in range(0, len(paths), _BLOCK))
    return not any(row["kept"] for block in blocks for row in storage.read_jsons(block))


def silent(chain: Chain) -> list[str]:
    """Return what a source whose last stage is done has to say of stages or files that kept next to nothing."""
    return silence.warnings(chain, source_account(chain, [link.manifests() for link in chain.links]))


def write_source_manifest(chain: Chain) -> dict[str, Any]:
    """Check the account from the data and write the source's manifest, last."""
    output = chain.output
    rows = [link.manifests() for link in chain.links]
    accounts = source_account(chain, rows)
    written = [manifests for link, manifests in zip(chain.links, rows, strict=True) if not link.decides]
    documents = [row["documents"] for row in written[-1]]
    drops = [row["drops"] for manifests in written for row in manifests]
    groups = chain.lost()
    kept = _rows(output, documents)
    if kept != accounts[-1]["kept"]:
        raise RuntimeError(f"{chain.source.name}: {kept} documents written, {accounts[-1]['kept']} counted")
    copied = copies(chain, accounts)
    said = silence.warnings(chain, accounts)
    wanted = chain.recipe.contamination
    options = {"contamination": asdict(wanted)} if wanted.drop else {}
    shown = f"{chain.source.name}/changes.json"
    write_if_changed(f"{output}/{shown}", shown_changes(chain))
    counted = f"{chain.source.name}/{counts.FILE}"
    counts.write(f"{output}/{counted}", source_counts(chain))
    manifest = {
        "format": tables.VERSION,
        "source": chain.source.name,
        "title": chain.source.title or chain.source.name,
        "shown": asdict(chain.source.shown),
        **({"fields": asdict(chain.source.fields)} if chain.source.fields else {}),
        "recipe": {"name": chain.recipe.name, "excerpts": chain.recipe.excerpts, **asdict(chain.part), **options},
        "inputs": [asdict(found) for found in sorted(chain.inputs, key=lambda found: found.digest)],
        "models": {name: chain.models(name).digest for name in chain.models_read},
        "stages": accounts,
        "decisions": decisions(chain, rows),
        "losses": groups,
        "clusters": cluster_sizes(chain),
        "changes": {"path": shown, "sha256": storage.sha256(f"{output}/{shown}")},
        "counts": {"path": counted, "sha256": storage.sha256(f"{output}/{counted}")},
        "warnings": [
            *damage.warnings(chain, rows[0]),
            *warnings(accounts, chain.recipe.max_duplicates),
            *_alarms(chain, groups),
            *_model_warnings(chain),
            *said,
        ],
        "silent": said,
        "documents": {
            "count": kept,
            "bytes": accounts[-1]["kept_bytes"],
            "digest": combined_digest(documents),
            "files": documents,
        },
        "drops": {
            "count": _rows(output, drops),
            "digest": combined_digest(drops),
            "files": drops,
        },
        "copies": copied,
    }
    write_if_changed(f"{output}/{chain.source.name}/manifest.json", manifest)
    if not chain.recipe.keep_staged:
        for link in chain.writers:
            link.unstage()
    return manifest


def shown_changes(chain: Chain) -> dict[str, list[changes.Pair]]:
    """Return documents before and after each stage that changed some (`pipelines.stages.changes`)."""
    shown = {
        link.stage.name: changes.collect([chain.paths.changes(link.stage.name, item.key) for item in link.results()])
        for link in chain.writers
    }
    return {name: pairs for name, pairs in shown.items() if pairs}


def source_counts(chain: Chain) -> dict[str, Any]:
    """Return what a source's documents and drops are counted by (`pipelines.stages.counts`)."""
    total, own = counts.Sum(), chain.source.counted
    inputs = {found.digest: asdict(found) for found in chain.inputs}
    for link in chain.writers:
        paths = [chain.paths.counts(link.stage.name, item.key) for item in link.results()]
        manifests = link.manifest_paths()
        for start in range(0, len(paths), _BLOCK):
            block = slice(start, start + _BLOCK)
            found = zip(storage.read_jsons(paths[block]), storage.read_jsons(manifests[block]), strict=True)
            for summary, row in found:
                current = counts.current(chain.output, summary, (row["documents"], row["drops"]), own)
                total.add(current, counts.label_of(row["item"], inputs))
    return total.told()


def remove_strays(chain: Chain) -> list[str]:
    """Remove the files of documents and drops that no item has any more; return lines that say which, and what stays.

    The source's stages are finished, and its own manifest is not written yet.
    """
    rows = [*(row for link in chain.writers for row in link.manifests()), *chain.copied()]
    kept = {f"{chain.output}/{row[kind]['path']}" for row in rows for kind in KINDS if row.get(kind)}

    def manifest_of(name: str) -> str:
        stage, dash, item = name.removesuffix(".parquet").partition("-")
        return chain.paths.manifest(stage, item) if dash else ""

    def manifest_of_documents(name: str) -> str:
        return chain.paths.manifest(chain.final.stage.name, name.removesuffix(".parquet"))

    def manifest_of_copies(name: str) -> str:
        return chain.paths.manifest(TABLE, name.removesuffix(".parquet"))

    folder = f"{chain.output}/{chain.source.name}"
    documents = strays.clear(f"{folder}/documents", kept, manifest_of_documents)
    drops = strays.clear(f"{folder}/drops", kept, manifest_of)
    return [*documents, *drops, *strays.clear(f"{folder}/copies", kept, manifest_of_copies)]


def folders(*, tokens: bool) -> tuple[str, ...]:
    """Return where manifests of a corpus' sources lie: those of documents, and of tokens if it has them."""
    return ("", "tokens/") if tokens else ("",)


def write_corpus_manifest(
    output: str,
    recipe: str,
    sources: Sequence[str],
    tokenizer: str | None,
    shares: Mapping[str, float],
    more: Sequence[str] = (),
) -> None:
    """Write OUTPUT/manifest.json, last of all: what makes up the corpus, each manifest with its SHA-256, sealed.

    `shares` are those of sources that are not in Table 1, `tokenizer` is None if there are no tokens, `more` names
    manifests besides those of sources and models.
    """
    parts = folders(tokens=tokenizer is not None)
    paths = [f"{folder}{source}/manifest.json" for source in sources for folder in parts]
    paths += [
        path.removeprefix(f"{output}/")
        for path in storage.files_in(f"{output}/models")
        if path.endswith("/manifest.json")
    ]
    paths += more
    content: dict[str, Any] = {
        "format": tables.VERSION,
        "recipe": recipe,
        "sources": list(sources),
        **({"shares": dict(shares)} if shares else {}),
        "tokenizer": tokenizer,
        "files": {path: storage.sha256(f"{output}/{path}") for path in paths},
    }
    content["seal"] = seal(content)
    write_if_changed(f"{output}/manifest.json", content)


def _rows(output: str, written: Sequence[dict[str, Any]]) -> int:
    return sum(storage.together(lambda entry: tables.rows(f"{output}/{entry['path']}"), written, output))


def _model_warnings(chain: Chain) -> list[str]:
    manifests = (storage.read_json(f"{chain.models(name).path}/manifest.json") for name in chain.models_read)
    return [warning for found in manifests if found for warning in found.get("warnings", ())]


def write_if_changed(path: str, content: Mapping[str, Any]) -> None:
    """Write JSON unless the file holds it already: a build that changes nothing leaves every file as it was."""
    if storage.read_json(path) != json.loads(json.dumps(content)):
        storage.write_json(path, content)


def combined_digest(tables_written: Sequence[dict[str, Any]]) -> str:
    """Return a digest over tables that depends neither on their names nor on their order."""
    return hashlib.sha256("".join(sorted(entry["digest"] for entry in tables_written)).encode()).hexdigest()
