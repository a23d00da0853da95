"""One document by its id, kept or dropped: where it lies, which copies it has, and what every stage did to it.

id ─ manifest ─> files of documents and drops, those of its dump first ─> its row
row, raw record, models ─ pipelines.replay ─> each stage's text, before and after
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff
from typing import Any, Final

import pyarrow.compute as pc

from pipelines import replay
from pipelines.account.finished import corpus_manifest, source_manifest
from pipelines.document import Document
from pipelines.files import addresses, storage, tables
from pipelines.files.commands import Parser
from pipelines.optional.once import REMOVING
from pipelines.replay import Given, Known, NotAtHandError, Step
from pipelines.stages import changes

DIFFERENT: Final = 60  # lines of a difference that are printed
LISTED: Final = 10  # copies that are named
_LONG: Final = 160  # characters of a line of it
_COMPARED: Final = 200_000  # characters of both texts; of longer ones the place where the result begins is compared


@dataclass(frozen=True)
class Found:
    """A row of a corpus: of a document, or of a drop; `file` is its name under the corpus, `row` its number in it."""

    source: str
    kept: bool
    file: str
    row: int
    values: dict[str, Any]

    @property
    def text(self) -> str | None:
        """The text, or as much of a drop's as the corpus has."""
        found: str | None = self.values["text" if self.kept else "excerpt"]
        return found

    @property
    def known(self) -> Known:
        """What a replay goes by."""
        return Known(self.values["id"], self.values.get("stage", ""), self.values.get("reason", ""))


@dataclass(frozen=True)
class Copy:
    """Of two copies the one that stays and the one that went, at which stage; `share` of it is in the other."""

    kept: str
    id: str
    stage: str
    reason: str
    share: float | None


@dataclass(frozen=True)
class Way:
    """The way of a document through the stages, `missing` if it cannot be gone again.

    `same` says whether it ended as the corpus has it: with the same text, or dropped for the same reason.
    """

    steps: Sequence[Step] = ()
    missing: str = ""
    same: bool = False


def find(output: str, identifier: str) -> Found:
    """Return the row of a document or drop; ValueError for an id that the corpus does not have."""
    source = identifier.partition("/")[0]
    sources = corpus_manifest(output)["sources"]
    if source not in sources:
        raise ValueError(f"--id {identifier}: {output} has no source {source!r}; it has {', '.join(sources)}")
    manifest = source_manifest(output, source)
    for kind in ("documents", "drops"):
        names = [storage.inside(entry["path"], f"{output}/{source}/manifest.json") for entry in manifest[kind]["files"]]
        for name in sorted(names, key=lambda name: (not _is_of(identifier, name), name)):
            if (found := _row(f"{output}/{name}", identifier)) is not None:
                return Found(source, kind == "documents", name, *found)
    raise ValueError(
        f"--id {identifier}: neither a document nor a drop of {output} has this id (a record that was merged into "
        "another document, such as an answer, has no row of its own)"
    )


def _is_of(identifier: str, name: str) -> bool:
    """Tell whether a file's name has the digest of the dump that an id names."""
    return any(len(part) == 16 and part in name for part in identifier.split("/")[1:])


def _row(path: str, identifier: str) -> tuple[int, dict[str, Any]] | None:
    """Return the number and values of the row with an id, None if there is none."""
    if not storage.exists(path):
        raise ValueError(f"{path}: missing, the manifest names it")
    with tables.opened(path) as file:
        start = 0
        for group in range(file.num_row_groups):
            identifiers = file.read_row_group(group, columns=["id"])["id"]
            place = pc.index(identifiers, identifier).as_py()
            if place >= 0:
                (values,) = file.read_row_group(group).slice(place, 1).to_pylist()
                return start + place, values
            start += len(identifiers)
    return None


def copies(output: str, source: str, identifier: str) -> list[Copy]:
    """Return the copies that a document stands for, or the row of the one that it is."""
    found = []
    for path in _copy_files(output, source):
        rows = tables.read_rows(path)
        found += [Copy(**row) for row in rows if identifier in (row["kept"], row["id"])]
    return found


def _copy_files(output: str, source: str) -> Iterator[str]:
    """Yield the files of a source's table of copies, and of others' whose copies were looked for in all sources."""
    for name in corpus_manifest(output)["sources"]:
        table = source_manifest(output, name).get("copies", {})
        if name == source or REMOVING in table.get("reasons", {}):
            for entry in table.get("files", ()):
                yield f"{output}/{storage.inside(entry['path'], f'{output}/{name}/manifest.json')}"


def way(output: str, found: Found, given: Given = replay.HERE) -> Way:
    """Return a document's way through its source's stages, from its raw record if that is at hand."""
    try:
        steps = replay.steps(output, found.source, found.known, given)
    except NotAtHandError as error:
        return Way(missing=str(error))
    last = steps[-1]
    if found.kept:
        same = last.after is not None and tables.well_formed(last.after) == found.text
    else:
        same = last.after is None and (last.stage, last.reason) == (found.known.stage, found.known.reason)
    return Way(steps, same=same)


def facts(output: str, found: Found) -> Iterator[tuple[str, str]]:
    """Yield what the corpus says of a document, in words, but its text."""
    values = {name: value for name, value in found.values.items() if value is not None}
    if found.kept:
        document: Document = tables.document_of(found.values)
        inputs = {entry["digest"]: entry["path"] for entry in source_manifest(output, found.source)["inputs"]}
        yield "kept", f"{found.file}, row {found.row}, {len(document.text.encode()):,} bytes of text"
        yield "dump", f"{addresses.hide(inputs.get(document.dump, '(not among the inputs of the manifest)'))}"
        yield "offset", str(document.offset)
        values["timestamp"] = document.timestamp
    else:
        yield "dropped", f"at {values['stage']}: {values['reason']}, {values['size']:,} bytes of text"
        yield "row", f"{found.file}, row {found.row}"
    shown = ("id", "source", "text", "excerpt", "stage", "reason", "size", "dump", "offset", "timestamp_precision")
    yield from ((name, str(value)) for name, value in values.items() if name not in shown and value is not None)


def show(parser: Parser, options: argparse.Namespace) -> int:
    """Print a document by its id, see `pipelines.trace`."""
    try:
        if options.token is not None or options.source is not None:
            raise ValueError("--id: a document is named by it alone, without --source and --token")
        storage.check(options.corpus)
        given = Given(options.dump, dict(map(_model, options.model)))
        found = find(options.corpus, options.id)
        gone = way(options.corpus, found, given)
        other = copies(options.corpus, found.source, options.id)
    except ValueError as error:
        parser.error(str(error))
    except RuntimeError as error:  # a stage of today that fails on it
        gone, other = Way(missing=str(error)), []
    told = _as_json(options.corpus, found, gone, other) if options.json else lines(options.corpus, found, gone, other)
    print(*told, sep="\n")  # noqa: T201
    return 0


def _model(option: str) -> tuple[str, str]:
    name, equals, path = option.partition("=")
    if not (name and equals and path):
        raise ValueError(f"--model {option}: write it as NAME=PATH")
    return name, path


def _as_json(output: str, found: Found, gone: Way, other: Sequence[Copy]) -> Iterator[str]:
    content = {
        "id": found.known.id,
        "kept": found.kept,
        **dict(facts(output, found)),
        "copies": [asdict(copy) for copy in other],
        "stages": [asdict(step) for step in gone.steps],
        "not_replayed": gone.missing,
        "ends_as_in_the_corpus": gone.same,
        "text" if found.kept else "excerpt": found.text,
    }
    yield json.dumps(content, ensure_ascii=False, indent=1)


def lines(output: str, found: Found, gone: Way, other: Sequence[Copy]) -> Iterator[str]:
    """Yield what is known of a document, for a terminal."""
    yield found.known.id
    for name, value in facts(output, found):
        yield f"  {name:10} {value}"
    yield from _copy_lines(found, other)
    yield ""
    for step in gone.steps:
        yield from _step_lines(step)
    if gone.steps and not gone.same:
        yield "this is not how it ended in the corpus: a stage has changed since, or what it goes by is gone"
    if gone.missing:
        yield f"not sent through the stages again: {gone.missing}"
    if gone.missing or not gone.same:
        yield ("the text" if found.kept else "the excerpt") + " as the corpus has it:"
        yield ""
        yield found.text if found.text is not None else "(the recipe kept no excerpt of this one)"


def _copy_lines(found: Found, other: Sequence[Copy]) -> Iterator[str]:
    for copy in other[:LISTED]:
        share = "" if copy.share is None else f", {copy.share:.0%} of it in the other"
        if copy.id == found.known.id:
            yield f"  {'copy of':10} {copy.kept}, which stays ({copy.stage}: {copy.reason}{share})"
        else:
            yield f"  {'stands for':10} {copy.id} ({copy.stage}: {copy.reason}{share})"
    if len(other) > LISTED:
        yield f"  and for {len(other) - LISTED:,} more copies, in {found.source}/copies"


def _step_lines(step: Step) -> Iterator[str]:
    note = f" ({step.note})" if step.note else ""
    if step.after is None:
        detail = f" ({step.detail})" if step.detail else ""
        scores = "".join(f", {name} {value:g}" for name, value in step.scores.items())
        yield f"{step.stage}: dropped, {step.reason}{detail}{scores}{note}"
        return
    if step.before == step.after:
        yield f"{step.stage}: unchanged, {len(step.after):,} characters{note}"
        return
    yield f"{step.stage}: {len(step.before):,} characters became {len(step.after):,}{note}"
    before, after = step.before, step.after
    if len(before) + len(after) > _COMPARED:
        before, after = changes.excerpts(before, after)
    changed = list(unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm=""))[2:]
    yield from (f"    {line[:_LONG]}" for line in changed[:DIFFERENT])
    if len(changed) > DIFFERENT:
        yield f"    ... {len(changed) - DIFFERENT:,} more lines; --json has all"
