"""A small corpus in the token shards' true format, of sentences made by a seeded grammar, for the trainer's tests."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sentencepiece

from model import saved
from pipelines.files import storage
from pipelines.tokens.shards import END, SPLITS, Manifest, Shard
from tokenizer.encode import Tokenizer

_SUBJECTS = ("the baker", "a small heron", "our neighbour", "the river", "somebody", "Ünal", "the 3rd train")
_VERBS = ("follows", "paints", "forgets", "counts 12 of", "carries", "écoute", "warms")
_OBJECTS = ("the window", "bread", "every lantern", "a quiet song", "the 1947 map", "naïve plans", "snow")


def sentences(seed: int, count: int) -> str:
    """Return a text of `count` sentences, the same for the same seed."""
    draw = random.Random(seed)
    words = ((draw.choice(_SUBJECTS), draw.choice(_VERBS), draw.choice(_OBJECTS)) for _ in range(count))
    return "\n".join(f"{subject} {verb} {thing}." for subject, verb, thing in words)


def texts(sizes: Mapping[str, int]) -> dict[str, list[str]]:
    """Return that many documents of each source."""
    return {
        name: [sentences(1000 * number + document, 4 + document % 5) for document in range(count)]
        for number, (name, count) in enumerate(sizes.items())
    }


def train_tokenizer(path: Path, samples: Sequence[str], vocabulary: int) -> None:
    """Train a SentencePiece model with LLaMA's options (byte fallback, single digits, no normalisation)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in samples for line in text.split("\n")),
        model_writer=model,
        vocab_size=vocabulary,
        model_type="bpe",
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        num_threads=1,
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())


def write_corpus(
    directory: Path,
    documents: Mapping[str, Sequence[str]],
    *,
    vocabulary: int = 320,
    held_out: int = 8,
    shard_documents: int = 20,
) -> None:
    """Write CORPUS/tokenizer and CORPUS/tokens; each `held_out`-th document is validation."""
    tokenizer = directory / "tokenizer" / "tokenizer.model"
    train_tokenizer(tokenizer, [text for group in documents.values() for text in group], vocabulary)
    write_tokens(directory, tokenizer, documents, held_out, shard_documents)


def write_tokens(
    directory: Path,
    tokenizer: Path,
    documents: Mapping[str, Sequence[str]],
    held_out: int = 8,
    shard_documents: int = 20,
) -> None:
    """Write CORPUS/tokens with a tokenizer that is there."""
    for source, group in documents.items():
        splits = {
            "train": [text for number, text in enumerate(group) if number % held_out],
            "validation": [text for number, text in enumerate(group) if not number % held_out],
        }
        write_source(directory / "tokens" / source, tokenizer, splits, shard_documents)


def write_source(directory: Path, tokenizer: Path, splits: Mapping[str, Sequence[str]], shard_documents: int) -> None:
    """Write one source's shards, at most `shard_documents` documents each, and its manifest last."""
    directory.mkdir(parents=True, exist_ok=True)
    model = Tokenizer(tokenizer)
    shards: dict[str, tuple[Shard, ...]] = {}
    for split in SPLITS:
        group = splits.get(split, ())
        starts = range(0, len(group), shard_documents)
        shards[split] = tuple(
            _shard(directory, f"{split}-{number:05d}", model, group[start : start + shard_documents])
            for number, start in enumerate(starts)
        )
    manifest = Manifest(
        source=directory.name,
        tokenizer_sha256=model.sha256,
        vocabulary=model.vocabulary,
        bos_id=model.bos,
        eos_id=model.eos,
        recipe={},
        splits=shards,
        dtype=model.dtype.name,
    )
    (directory / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def _shard(directory: Path, name: str, model: Tokenizer, group: Sequence[str]) -> Shard:
    encoded = model.encode_batch(group, bos=True, eos=True)
    paths = [directory / f"{name}{suffix}" for suffix in (".bin", ".index", ".documents.parquet")]
    tokens = np.concatenate(encoded)
    tokens.tofile(paths[0])
    np.cumsum([len(ids) for ids in encoded]).astype(END).tofile(paths[1])
    sizes = [len(text.encode()) for text in group]
    ids = [f"{directory.name}/{name}/{number}" for number in range(len(group))]
    pq.write_table(pa.table({"id": ids, "text_bytes": sizes}), paths[2])
    digests = [storage.sha256(path) for path in paths]
    return Shard(name, len(tokens), len(group), sum(sizes), *digests)


def edit_manifest(directory: Path, **changes: object) -> None:
    """Replace fields of a source's manifest."""
    manifest = replace(Manifest.load(directory), **changes)  # type: ignore[arg-type]
    (directory / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def load_latest(directory: Path, report: Callable[[str], None]) -> saved.Checkpoint | None:
    """Return the newest whole checkpoint, or None if there is none at all."""
    path = saved.find_latest(directory, report)
    return None if path is None else saved.load(path)
