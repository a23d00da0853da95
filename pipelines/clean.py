"""Remove what was made here, a corpus, a run or an export: its files by their names, and nothing of anybody else's.

    python -m pipelines.clean data/corpus data/run

What listings had downloaded (CORPUS/work/downloads) stays: it may have taken days. A folder without our mark is
refused, and the marks are read before anything is removed. Needs nothing but Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from filters.wikitext.names import LANGUAGES
from pipelines import command_lines
from pipelines.files import addresses, commands, lock, ours, storage
from pipelines.table1 import SOURCES

DOWNLOADS = "work/downloads/"
_ITEM = r"(?:(?:\d{5}-)?[0-9a-f]{16}(?:-\d{6,12}){0,2}|(?:bucket|group)-\d{6}|part-\d{3})"
# What lies between stages, by the forms of its names: no manifest needs to name it.
_WORK = re.compile(
    rf"""work/(?:
        inputs\.json | slurm\.json | trial(?:-disk)?\.json | lock | log\.txt
      | plan/{ours.PLAN_FILE.pattern}
      | (?P<of>[a-z][a-z0-9_]*)/(?:[a-z0-9_]+/)?(?:
            begun | shards\.json | runs\.json
          | (?:[a-z0-9_]+-)?{_ITEM}(?:[-.][a-z]+){{0,2}}\.
            (?:json|parquet|changes|counts|run|removals|clusters|overlaps|losses|xml)(?:\.blobs)?
          | (?:train|validation)-\d{{5}}\.json
        )
    )""",
    re.VERBOSE,
)
_MODEL = re.compile(
    r"(?:models|work/given)/(?:cutoffs|reference|stack_exchange_sites|tokenizer|benchmarks|lid|bad_words"
    rf"|personal_information_sites|(?:language_models|templates)(?:/(?:{'|'.join(LANGUAGES)}))?)"
)
_RUN = re.compile(
    r"lock|log\.jsonl|evaluations\.jsonl|spikes\.jsonl|tensorboard/events\.out\.tfevents\.\d+\..+\.\d{8}"
    r"|checkpoints/\.step-\d{8}\.(?:\d+|sharded)"
    r"/(?:\w+\.pt|state\.json|manifest\.json|\.metadata|__\d+_\d+\.distcp)"
)
# The index of a corpus (`pipelines.explore`): DuckDB's files, and tantivy's.
_INDEX = re.compile(
    r"catalogue\.duckdb(?:\.wal|\.tmp/.+)?|words/(?:[0-9a-f]{32}\.[a-z0-9.]+|meta\.json|\.managed\.json|\.tantivy-\w+\.lock)"
)
_CHECKPOINT = re.compile(r"checkpoints/step-\d{8}/manifest\.json")
_NAMED = 5
# Kinds of folders whose files are all named in the mark.
LISTED = (ours.Kind.EXPORT, ours.Kind.MODEL)


def files_of(folder: str) -> list[str]:
    """Return the names of the files in a folder of ours that we wrote, sorted; ValueError for any other folder."""
    kind = ours.kind_of(folder)
    if kind in LISTED:
        return sorted(name for name in ours.named(folder) if _is_file(Path(folder, name)))
    if kind is ours.Kind.INDEX:
        there = {path.removeprefix(f"{folder}/") for path in storage.files_in(folder)}
        return sorted(name for name in there if _INDEX.fullmatch(name))
    if kind not in (ours.Kind.CORPUS, ours.Kind.RUN):
        ours.require(folder, ours.Kind.CORPUS)
    there = {path.removeprefix(f"{folder}/") for path in storage.files_in(folder)}
    inner = {name.removesuffix(ours.MARK) for name in there if name.endswith(f"/{ours.MARK}")}
    there = {name for name in there if not name.startswith((DOWNLOADS, *inner))}
    named = set(_of_corpus(folder, there) if kind is ours.Kind.CORPUS else _of_run(folder, there))
    known = _staged(folder, there) if kind is ours.Kind.CORPUS else {name for name in there if _RUN.fullmatch(name)}
    # What a killed command left half written lies beside what it was to be.
    folders = {name.rpartition("/")[0] for name in (there & named) | known}
    temporary = {name for name in there if storage.is_temporary(name.rpartition("/")[2])}
    found = there & named | known | {name for name in temporary if name.rpartition("/")[0] in folders}
    # What its mark names is for people, who may have changed it.
    return sorted(found - ours.named(folder) | there & ours.unchanged(folder))


def _is_file(path: Path) -> bool:
    """Tell whether a file or a link is there; what a link leads to is not ours."""
    return path.is_symlink() or path.is_file()


def _staged(corpus: str, there: set[str]) -> set[str]:
    """Return the names of what lies between stages, of the sources that are built in a corpus."""
    sources = {*_sources(corpus), "models", "tokens", ours.ACROSS, None}
    matched = {name: match for name in there if (match := _WORK.fullmatch(name)) and match["of"] in sources}
    begun = {name.rpartition("/")[0] for name in matched if name.endswith("/begun")}
    return {name for name, match in matched.items() if match["of"] is None or name.rpartition("/")[0] in begun}


def _sources(corpus: str) -> set[str]:
    return {*SOURCES, *ours.sources_of(corpus)}


def _of_run(run: str, there: set[str]) -> Iterator[str]:
    """Yield the names that the manifests of a run's checkpoints name."""
    for name in sorted(name for name in there if _CHECKPOINT.fullmatch(name)):
        manifest, folder = storage.read_json(f"{run}/{name}"), name.rpartition("/")[0]
        state = storage.read_json(f"{run}/{folder}/state.json")
        copied = isinstance(state, dict) and state.get("step", 0) != int(folder[-8:])
        if isinstance(manifest, dict) and isinstance(manifest.get("files"), dict) and not copied:
            yield from (name, *(f"{folder}/{file}" for file in manifest["files"]))
    summary = storage.read_json(f"{run}/summary.json")
    if isinstance(summary, dict) and "config" in summary:
        yield "summary.json"


def _of_corpus(corpus: str, there: set[str]) -> Iterator[str]:
    """Yield the names that the manifests of a corpus name, its own first."""
    yield from ("manifest.json", "models/manifest.json")
    summary = storage.read_json(f"{corpus}/summary.json")
    if isinstance(summary, dict) and {"build", "sources"} <= summary.keys():
        yield "summary.json"
    sources = _sources(corpus)
    for name in sorted(there):
        folder, _, file = name.rpartition("/")
        content = storage.read_json(f"{corpus}/{name}") if file.endswith(".json") or file == "begun" else None
        if folder.startswith("work/") and file == "begun" and isinstance(content, list):
            yield from _begun(folder, content, sources)
        elif file == "manifest.json" and isinstance(content, dict):
            yield from _of_manifest(folder, content)


def _begun(folder: str, manifests: Sequence[str], sources: Set[str]) -> Iterator[str]:
    """Yield what the items of a stage of one of the `sources` may have written, finished or not."""
    source, _, stage = folder.removeprefix("work/").partition("/")
    if (stage if source == "tokens" else source) not in sources:
        return
    for item in (name.removesuffix(".json") for name in manifests if isinstance(name, str)):
        if source == "tokens":
            yield from (f"tokens/{stage}/{item}.{suffix}" for suffix in ("bin", "index", "documents.parquet"))
        else:
            yield from (f"{source}/documents/{item}.parquet", f"{source}/drops/{stage}-{item}.parquet")
            if stage == "kept_copies":
                yield f"{source}/copies/{item}.parquet"


def _of_manifest(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    """Yield a manifest of a source, of its tokens or of a model, and the files that it names."""
    parts = folder.split("/")
    if _MODEL.fullmatch(folder) and isinstance(manifest.get("files"), dict):
        yield f"{folder}/manifest.json"
        yield from (f"{folder}/{name}" for name in manifest["files"])
    elif (parts[0] == "tokens" and parts[1:] == [manifest.get("source")] and "tokenizer_sha256" in manifest) or (
        folder == ours.ACROSS and "sources" in manifest
    ):
        yield f"{folder}/manifest.json"
    elif len(parts) == 1 and manifest.get("source") == folder and "stages" in manifest:
        yield from (f"{folder}/{name}" for name in ("manifest.json", "changes.json", "counts.json"))


def clean(folder: str) -> tuple[list[str], list[str]]:
    """Remove what we wrote in a folder, and the folder if nothing else is in it; errors as `files_of`'s.

    Returns the names of what was removed and of what stays.
    """
    removed = files_of(folder)
    ours.remove_named(folder, removed)
    left = [path.removeprefix(f"{folder}/") for path in storage.files_in(folder)]
    if not any(name.startswith(DOWNLOADS) for name in left):
        ours.give_back(folder)
    return removed, [name for name in left if name != ours.MARK]


def _alone(folder: str) -> AbstractContextManager[object]:
    """Hold the folder of a corpus or a run; what is listed was whole from the moment it was there."""
    kind = ours.kind_of(folder)
    if kind in (*LISTED, ours.Kind.INDEX):
        return nullcontext()
    return lock.alone(folder) if kind is ours.Kind.CORPUS else lock.alone_in_run(folder)


def _said(folder: str, removed: Sequence[str], left: Sequence[str]) -> Iterator[str]:
    removed = [name for name in removed if name != lock.RUN_LOCK]  # it was taken to clean
    parts = sorted({name.partition("/")[0] for name in removed})
    yield f"{folder}: removed {len(removed):,} files{' of ' if parts else ''}{', '.join(parts)}"
    downloads = [name for name in left if name.startswith(DOWNLOADS)]
    if downloads:
        place = DOWNLOADS.rstrip("/")
        yield f"{folder}: kept {len(downloads):,} downloads in {place}; remove that folder if you do not need them"
    others = [name for name in left if not name.startswith(DOWNLOADS)]
    if others:
        more = f" and {len(others) - _NAMED:,} more" if len(others) > _NAMED else ""
        yield f"{folder}: kept files that were not made here: {', '.join(others[:_NAMED])}{more}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Remove corpora, runs and exports that were made here; return the exit code."""
    parser = command_lines.clean()
    options = parser.parse_args(arguments)
    try:
        there = [folder for folder in options.folder if storage.is_remote(folder) or Path(folder).is_dir()]
        for folder in options.folder:
            if folder not in there:
                print(f"{addresses.hide(folder)}: not there")  # noqa: T201
        for folder in there:
            files_of(folder)
        for folder in there:
            with _alone(folder):
                removed, left = clean(folder)
            print(*_said(folder, removed, left), sep="\n")  # noqa: T201
    except (ValueError, OSError) as error:
        return commands.failed(error, code=commands.code_of(error))
    return 0


if __name__ == "__main__":
    commands.run(main)
