"""Verify a corpus: checksums, counts, token range, document ends, and that shards hold exactly the documents.

    python -m pipelines.verify data/corpus
    python -m pipelines.verify data/corpus --withdraw     # so that the next build makes again what is damaged

    manifest.json, sealed ─> digests of every other manifest ─> digests and counts of every file
    rows of documents ─ (id, file, row) ─> sums by bucket ─ equal? ─ sums by bucket <─ documents of the shards

Every byte is read once and memory does not grow with the corpus: that two sets of documents are equal is seen from sums
of their hashes. Imports no Beam: it runs wherever the corpus is read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipelines import command_lines, withdraw
from pipelines.account.finished import check_format
from pipelines.account.summary import content
from pipelines.files import addresses, commands, lock, ours, storage, tables
from pipelines.hashing import SCALE, is_held_out, keyed, seal
from pipelines.stages import counts
from pipelines.tokens import shards

BUCKETS: Final = 4096


def problems(output: str) -> Iterator[str]:
    """Yield everything that is wrong with the corpus at `output`, each named by its file; nothing if it is sound."""
    corpus = storage.read_json(f"{output}/manifest.json")
    if not isinstance(corpus, dict) or not {"sources", "tokenizer", "files"} <= corpus.keys():
        yield f"{output}/manifest.json: missing or damaged, so the corpus is not finished"
        return
    try:
        check_format(f"{output}/manifest.json", corpus)
    except ValueError as error:
        yield str(error)
        return
    if corpus.get("seal") != seal(corpus):
        yield f"{output}/manifest.json: damaged: its content is not what was sealed"
    if not isinstance(corpus["files"], dict) or not isinstance(corpus["sources"], list):
        yield f"{output}/manifest.json: damaged: neither files nor sources are listed in it"
        return
    yield from _file_problems(output, corpus["files"], "the corpus' manifest")
    for source in corpus["sources"]:
        if (strange := _strange(source, f"{output}/manifest.json")) is not None:
            yield strange
            continue
        manifest = storage.read_json(f"{output}/{source}/manifest.json")
        if not isinstance(manifest, dict):
            yield f"{output}/{source}/manifest.json: missing or damaged"
            continue
        documents = Members()
        try:
            yield from _account_problems(source, manifest)
            yield from _table_problems(output, source, manifest, documents)
        except (KeyError, TypeError) as error:
            yield f"{output}/{source}/manifest.json: damaged: {error!r}"
            continue
        if corpus["tokenizer"] is None:  # a corpus of documents alone
            continue
        try:
            yield from _shard_problems(output, source, corpus["tokenizer"], documents)
        except ValueError as error:
            yield str(error)
        except (KeyError, TypeError) as error:
            yield f"{output}/tokens/{source}/manifest.json: damaged: {error!r}"


def _strange(name: Any, named_by: str) -> str | None:
    """Return what is wrong with a name that leads out of the corpus, which is then not looked at."""
    try:
        storage.inside(name, named_by)
    except ValueError as error:
        return str(error)
    return None


def _file_problems(folder: str, digests: Mapping[str, str], named_by: str) -> Iterator[str]:
    """Check files by their digests, and those that a model's manifest names by its own."""
    for name, digest in digests.items():
        if (strange := _strange(name, f"{folder}, {named_by}")) is not None:
            yield strange
            continue
        path = f"{folder}/{name}"
        if not storage.exists(path):
            yield f"{path}: missing, {named_by} names it"
        elif storage.sha256(path) != digest:
            yield f"{path}: damaged, or of another build: its SHA-256 is not that in {named_by}"
        if name.startswith("models/"):
            directory = path.rpartition("/")[0]
            manifest = storage.read_json(path)
            files = manifest.get("files", {}) if isinstance(manifest, dict) else None
            if isinstance(files, dict):
                yield from _file_problems(directory, files, path)


class Members:
    """A set of documents in constant memory: in each bucket of hashes, the sum of the hashes of (id, file, row).

    Equal sums are equal sets, but for a chance of 2^-128; where they differ, the bucket says which ids to look at.
    """

    def __init__(self) -> None:
        self._sums = [0] * BUCKETS

    def add(self, identifier: str, file: str, row: int) -> None:
        """Add one document and where it lies."""
        digest = hashlib.blake2b(f"{file}\n{row}\n{identifier}".encode(), digest_size=16).digest()
        self._sums[bucket_of(identifier)] += int.from_bytes(digest, "big")

    def differing(self, other: Members) -> frozenset[int]:
        """Return the buckets in which two sets differ."""
        return frozenset(n for n, pair in enumerate(zip(self._sums, other._sums, strict=True)) if pair[0] != pair[1])


class Copies:
    """The documents that a source dropped as copies, and those of its table of copies: as `Members`, for comparison."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._reasons: Mapping[str, Sequence[str]] = manifest.get("copies", {}).get("reasons", {})
        self._found = {"drops": Members(), "copies": Members()}

    def add(self, kind: str, row: Mapping[str, Any]) -> None:
        """Take note of a row of the table of drops, or of copies."""
        if kind == "copies" or row["reason"] in self._reasons.get(row["stage"], ()):
            self._found[kind].add(row["id"], f"{row['stage']}/{row['reason']}", 0)

    def differ(self) -> bool:
        """Tell whether the two are not the same documents, dropped by the same stages for the same reasons."""
        return bool(self._found["drops"].differing(self._found["copies"]))


def bucket_of(identifier: str) -> int:
    """Return the bucket of a document."""
    return keyed("verify", identifier) % BUCKETS


def _account_problems(source: str, manifest: dict[str, Any]) -> Iterator[str]:
    before = None
    for account in manifest["stages"]:
        gone = sum(documents for group in account["dropped"].values() for documents, _ in group.values())
        if account["in"] != account["kept"] + account["merged"] + gone:
            yield f"{source}: stage {account['stage']} does not add up"
        if before is not None and account["in"] != before:
            yield f"{source}: stage {account['stage']} took {account['in']} documents, the one before kept {before}"
        before = account["kept"]
    if before != manifest["documents"]["count"]:
        yield f"{source}: {manifest['documents']['count']} documents, the last stage kept {before}"
    gone = sum(n for account in manifest["stages"] for group in account["dropped"].values() for n, _ in group.values())
    if gone != manifest["drops"]["count"]:
        yield f"{source}: {manifest['drops']['count']} drops, the stages dropped {gone}"


def _table_problems(output: str, source: str, manifest: dict[str, Any], documents: Members) -> Iterator[str]:
    for shown in (manifest[name] for name in ("changes", "counts") if manifest.get(name)):
        yield from _file_problems(output, {shown["path"]: shown["sha256"]}, f"{source}/manifest.json")
    yield from _count_problems(output, source, manifest)
    copies = Copies(manifest)
    for kind in ("documents", "drops", "copies"):
        count = 0
        table = manifest.get(kind) or {"count": 0, "files": []}
        for entry in table["files"]:
            path = f"{output}/{entry['path']}"
            digests: list[bytes] = []
            if (strange := _strange(entry["path"], f"{output}/{source}/manifest.json")) is not None:
                yield strange
                continue
            yield from _file_problems(output, {entry["path"]: entry["sha256"]}, f"{source}/manifest.json")
            try:
                for row, found in enumerate(tables.read_rows(path)):
                    digests.append(tables.row_digest(found))
                    if kind == "documents":
                        documents.add(found["id"], Path(path).stem, row)
                    else:
                        copies.add(kind, found)
            except (OSError, ValueError) as error:
                yield f"{path}: cannot be read: {error}"
                continue
            if tables.table_digest(digests) != entry["digest"]:
                yield f"{path}: its rows are not those that the manifest names"
            count += len(digests)
        if count != table["count"]:
            yield f"{source}: {count} {kind} in the files, the manifest says {table['count']}"
    if copies.differ():
        yield f"{output}/{source}/copies: its rows are not the documents that were dropped as copies"


def _count_problems(output: str, source: str, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Check that as many documents and bytes are counted as were kept, and dropped for each reason."""
    if "counts" not in manifest:  # a corpus of before they were
        return
    path = manifest["counts"]["path"]
    if (strange := _strange(path, f"{output}/{source}/manifest.json")) is not None:
        yield strange
        return
    wanted = Counter({counts.KEPT: manifest["documents"]["count"]})
    for account in manifest["stages"]:
        for stage, reasons in account["dropped"].items():
            wanted.update({f"{stage}/{reason}": documents for reason, (documents, _) in reasons.items()})
    try:
        found = {part: counts.total(axes)[0] for part, axes in storage.read_json(f"{output}/{path}").items()}
    except (AttributeError, KeyError, IndexError, TypeError):
        yield f"{output}/{path}: missing or damaged: it has no counts"
        return
    for part in sorted({*wanted, *found}):
        if wanted[part] != found.get(part, 0):
            yield f"{output}/{path}: {found.get(part, 0)} counted of {part}, the manifest says {wanted[part]}"


def _shard_problems(output: str, source: str, tokenizer: str, documents: Members) -> Iterator[str]:
    directory = f"{output}/tokens/{source}"
    manifest = shards.Manifest.load(directory)
    if manifest.tokenizer_sha256 != tokenizer:
        yield f"{directory}/manifest.json: made with another tokenizer than the corpus"
    for split in manifest.splits:
        for what in shards.COUNTS:
            if manifest.language_total(split, what) != manifest.total(split, what):
                yield f"{directory}/manifest.json: {what} by language are not those of the {split} shards"
    found = _Encoded()
    for where in _places(manifest):
        try:
            yield from _one_shard(directory, manifest, where, found)
        except (ValueError, OSError) as error:
            yield f"{directory} ({where.split}): {error}"
    if found.leaving != manifest.leaving:
        yield (
            f"{directory}: {found.leaving} documents are trained on whose hash says that they are held out, the "
            f"manifest says {manifest.leaving}"
        )
    if differing := documents.differing(found.members):
        yield from _differences(output, source, manifest, differing)


@dataclass(slots=True)
class _Encoded:
    """The documents of a source's shards, and how many of them left the held-out ones for training."""

    members: Members = field(default_factory=Members)
    leaving: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """A shard as number `number` of the `count` of its split: which range of hashes its documents must have."""

    shard: shards.Shard
    split: str
    number: int
    count: int

    def holds(self, identifier: str, validation: float) -> bool:
        """Tell whether a document belongs into the shard; training may have one that would be held out by its hash."""
        return (self.split == "train" or is_held_out(identifier, validation)) and (
            keyed("shard", identifier) * self.count // SCALE == self.number
        )


def _places(manifest: shards.Manifest) -> Iterator[_Place]:
    for split, entries in manifest.splits.items():
        yield from (_Place(shard, split, number, len(entries)) for number, shard in enumerate(entries))


def _differences(output: str, source: str, manifest: shards.Manifest, buckets: frozenset[int]) -> Iterator[str]:
    """Read once more the documents of the buckets that differ, and say which are missing on which side."""
    files, rows = Counter[tuple[str, str, int]](), Counter[tuple[str, str, int]]()
    paths = [
        f"{output}/{entry['path']}"
        for entry in storage.read_json(f"{output}/{source}/manifest.json")["documents"]["files"]
        if _strange(entry["path"], source) is None
    ]
    for path in (path for path in paths if storage.exists(path)):
        with suppress(OSError, ValueError):
            for row, found in enumerate(tables.read_rows(path, ["id"])):
                if bucket_of(found["id"]) in buckets:
                    files[found["id"], Path(path).stem, row] += 1
    for where in _places(manifest):
        path = f"{output}/tokens/{source}/{where.shard.name}.documents.parquet"
        with suppress(OSError, ValueError):
            for found in tables.read_rows(path):
                if bucket_of(found["id"]) in buckets:
                    rows[found["id"], found["file"], found["row"]] += 1
    yield from _said(f"{output}/{source}", f"{output}/tokens/{source}", files, rows)


def _said(
    documents: str, tokens: str, files: Counter[tuple[str, str, int]], rows: Counter[tuple[str, str, int]]
) -> Iterator[str]:
    there, encoded = Counter(name for name, _, _ in files.elements()), Counter(name for name, _, _ in rows.elements())
    if doubled := sorted(name for name, count in there.items() if count > 1):
        yield f"{documents}: a document id stands twice: {doubled[0]}"
    if lost := sorted(there.keys() - encoded.keys()):
        yield f"{tokens}: {len(lost)} documents have no tokens: {lost[0]}"
    if strange := sorted(encoded.keys() - there.keys()):
        yield f"{tokens}: {len(strange)} documents are in no document file: {strange[0]}"
    if moved := sorted((rows - files).keys() - {(name, file, row) for name, file, row in rows if name in strange}):
        yield f"{tokens}: {len(moved)} documents are not where the shards say: {moved[0][0]}"


def _one_shard(directory: str, manifest: shards.Manifest, where: _Place, found: _Encoded) -> Iterator[str]:
    shard, validation = where.shard, manifest.recipe["validation"]
    digests = (shard.bin_sha256, shard.index_sha256, shard.documents_sha256)
    for suffix, digest in zip(shards.SUFFIXES, digests, strict=True):
        path = f"{directory}/{shard.name}.{suffix}"
        if not storage.exists(path):
            raise ValueError(f"{path}: missing")
        if storage.sha256(path) != digest:
            yield f"{path}: its SHA-256 is not the manifest's"
    yield from _token_problems(directory, manifest, shard)
    path = f"{directory}/{shard.name}.documents.parquet"
    count = size = 0
    before = (-1, "")
    for row in tables.read_rows(path):
        count, size, identifier = count + 1, size + row["bytes"], row["id"]
        key = (keyed("shard", identifier), identifier)
        if key <= before:
            yield f"{path}: {identifier} does not follow the document before it in the order of hashes"
        if not where.holds(identifier, validation):
            yield f"{path}: {identifier} belongs to another shard"
        found.leaving += where.split == "train" and is_held_out(identifier, validation)
        found.members.add(identifier, row["file"], row["row"])
        before = key
    if (count, size) != (shard.documents, shard.text_bytes):
        yield f"{path}: counts are not the manifest's"


def _token_problems(directory: str, manifest: shards.Manifest, shard: shards.Shard) -> Iterator[str]:
    tokens = shards.tokens(directory, shard, manifest.token)
    ends = shards.document_ends(directory, shard).astype(np.int64)
    if len(tokens) and int(tokens.max()) >= manifest.vocabulary:
        yield f"{directory}/{shard.name}.bin: token {int(tokens.max())} of a vocabulary of {manifest.vocabulary}"
    if np.any(np.diff(ends, prepend=0) < 0) or (int(ends[-1]) if len(ends) else 0) != shard.tokens:
        yield f"{directory}/{shard.name}.index: document ends do not rise to {shard.tokens}"
        return
    if np.any(np.diff(ends, prepend=0) < (manifest.bos_id is not None) + (manifest.eos_id is not None)):
        yield f"{directory}/{shard.name}.index: a document is too short for its bos and eos"
    elif manifest.eos_id is not None and np.any(tokens[ends - 1] != manifest.eos_id):
        yield f"{directory}/{shard.name}.bin: a document does not end with eos"
    elif manifest.bos_id is not None and np.any(tokens[np.append(0, ends)[:-1]] != manifest.bos_id):
        yield f"{directory}/{shard.name}.bin: a document does not begin with bos"


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify a corpus directory; print what is wrong and return 1, or a line and 0."""
    parser = command_lines.verify()
    options = parser.parse_args(arguments)
    try:
        storage.check(options.corpus)
        if options.withdraw:
            ours.require(options.corpus, ours.Kind.CORPUS)
    except ValueError as error:
        parser.error(str(error))
    found = list(problems(options.corpus))
    for problem in found:
        print(addresses.hide(problem))  # noqa: T201
    if not found:
        sources = storage.read_json(f"{options.corpus}/manifest.json")["sources"]
        same = f"content {content(options.corpus)}"
        print(f"{options.corpus}: sound, {len(sources)} sources verified, {same}")  # noqa: T201
    if found and options.withdraw:
        try:
            with lock.alone(options.corpus):
                withdrawn = withdraw.withdraw(options.corpus)
        except ValueError as error:
            parser.error(str(error))
        except (KeyError, TypeError, AttributeError) as error:  # sealed by somebody else
            parser.error(
                f"{options.corpus}: its manifests are not in the form that a build writes ({error!r}); "
                "nothing is removed"
            )
        for path in withdrawn:
            print(f"{path}: withdrawn; build again to restore it")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    commands.run(main)
