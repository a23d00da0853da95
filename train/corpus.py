"""A finished corpus as the trainer sees it: the manifests of its sources, checked, and the streams of their tokens.

CORPUS/tokenizer/tokenizer.model          one tokenizer (or tokenizer.json), whose digest every manifest repeats
CORPUS/tokens/<source>/manifest.json      -> Stream: all tokens of one split, shard after shard, never copied
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines import table1
from pipelines.files import storage
from pipelines.tokens.shards import Manifest, document_ends, identity, sources, tokenizer_of, tokens
from train.mixture import Mixture


class Stream:
    """All tokens of one split of a source in the manifest's order, mapped from its shards.

    What is mapped stays when the corpus is built again, as files are replaced, never written over. Mapping later (in a
    loader's worker, for the evaluation) raises ValueError if the manifest is another one by then.
    """

    def __init__(self, directory: Path, manifest: Manifest, split: str) -> None:
        if Manifest.load(directory) != manifest:
            raise ValueError(
                f"{directory / 'manifest.json'}: the corpus was rebuilt while in use: restore it, or start a new run"
            )
        self._origin = (directory, manifest, split)
        self.manifest = manifest
        shards = manifest.splits.get(split, ())
        self._shards = [tokens(directory, shard, manifest.token) for shard in shards]
        self._starts = np.cumsum([0, *(shard.tokens for shard in shards)])

    def __reduce__(self) -> tuple[type[Stream], tuple[Path, Manifest, str]]:
        # A loader's worker maps the files anew: pickling the arrays would send their contents.
        return Stream, self._origin

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, start: int, stop: int) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Return tokens [start, stop), copied only where they cross shards; raise IndexError outside the stream."""
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"tokens {start} to {stop} were asked of a stream of {len(self)}")
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        pieces = []
        while start < stop:
            offset, end = int(self._starts[first]), min(stop, int(self._starts[first + 1]))
            pieces.append(self._shards[first][start - offset : end - offset])
            start, first = end, first + 1
        return pieces[0] if len(pieces) == 1 else np.concatenate([np.empty(0, self.manifest.token), *pieces])

    def document_ends(self) -> npt.NDArray[np.int64]:
        """Return the exclusive end of each document, in tokens of the whole stream."""
        directory, manifest, split = self._origin
        shards = manifest.splits.get(split, ())
        ends = [document_ends(directory, shard).astype(np.int64) for shard in shards]
        return np.concatenate([np.empty(0, np.int64), *(a + b for a, b in zip(ends, self._starts, strict=False))])


@dataclass(frozen=True, slots=True)
class Corpus:
    """The sources of a mixture, in its order, all under one tokenizer."""

    directory: Path
    manifests: Mapping[str, Manifest]

    @property
    def vocabulary(self) -> int:
        """Return the number of pieces of the tokenizer."""
        return next(iter(self.manifests.values())).vocabulary

    @property
    def tokenizer(self) -> Path:
        """Return the path of the tokenizer's file; raise ValueError naming where it could be if it is not there."""
        return tokenizer_of(self.directory)

    def stream(self, source: str, split: str = "train") -> Stream:
        """Map one split of a source; raise ValueError if a shard is missing or of another length."""
        return Stream(self.directory / "tokens" / source, self.manifests[source], split)

    def digests(self) -> dict[str, str]:
        """Return what identifies each source's tokens: a digest over its tokenizer's and its shards' digests."""
        return {source: _digest(manifest) for source, manifest in self.manifests.items()}


def check_digests(corpus: Corpus, recorded: Mapping[str, str], run: Path | str) -> None:
    """Raise ValueError naming a source whose tokens are not those that a run started with."""
    digests = corpus.digests()
    for source, digest in recorded.items():
        if digests.get(source) != digest:
            raise ValueError(
                f"{corpus.directory}: the tokens of {source} are not those that the run in {run} "
                "started with (was the corpus rebuilt?): restore them, or give another --output"
            )


def proportions_of(directory: Path | str) -> str:
    """Return the proportions that a corpus is made for: Table 1's of its sources, and the shares of those added.

    Raises ValueError for shares that `table1.weights` refuses.
    """
    path = f"{directory}/manifest.json"
    manifest = storage.read_json(path) or {}
    try:
        shares, built = dict(manifest.get("shares", {})), set(manifest.get("sources", ()))
        weights = table1.weights(shares, built or table1.SOURCES)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: its shares are not in the form that a build writes: {error}") from None
    return ",".join(f"{name}={weight}" for name, weight in weights.items() if weight)


def rescaled(directory: Path | str, weights: Mapping[str, int]) -> str:
    """Return what to say where these weights are a corpus' own, and it has not all seven sources; else nothing."""
    own = proportions_of(directory) == ",".join(f"{name}={weight}" for name, weight in weights.items())
    total = sum(weights.values())
    return table1.rescaled({name: weight / total for name, weight in weights.items()}) if own else ""


def _equal(names: Iterable[str]) -> str:
    return ",".join(f"{name}=1" for name in names)


def open_corpus(directory: Path | str, names: Iterable[str]) -> Corpus:
    """Open the named sources of a corpus.

    Raises ValueError naming the file or field for a source or split that is missing, for tokenizers that differ between
    sources or from the corpus' model, and for a vocabulary or a type of tokens that no shards have.
    """
    directory = Path(directory)
    there = list(sources(directory / "tokens"))
    missing = [name for name in names if name not in there]
    if missing:
        raise ValueError(
            f"{directory}: no tokens of {', '.join(missing)}; available: {', '.join(there) or 'none at all'} "
            f"(build the missing sources, or train on those alone: --proportions {_equal(there or ['NAME'])})"
        )
    corpus = Corpus(directory, {name: Manifest.load(directory / "tokens" / name) for name in names})
    _check(corpus)
    return corpus


def _check(corpus: Corpus) -> None:
    path = corpus.tokenizer
    digest = storage.sha256(path)
    for name, manifest in corpus.manifests.items():
        where = corpus.directory / "tokens" / name / "manifest.json"
        if manifest.tokenizer_sha256 != digest:
            raise ValueError(
                f"{where}: tokenizer_sha256 is {manifest.tokenizer_sha256[:12]}…, but that of {path} is {digest[:12]}…"
            )
        if "train" not in manifest.splits:
            raise ValueError(f"{where}: splits are {', '.join(manifest.splits) or 'none'}; there must be a train split")
        if manifest.vocabulary != corpus.vocabulary:
            raise ValueError(
                f"{where}: vocabulary is {manifest.vocabulary}, but other sources have {corpus.vocabulary}"
            )


def _digest(manifest: Manifest) -> str:
    splits = {name: [(row.bin_sha256, row.index_sha256) for row in rows] for name, rows in manifest.splits.items()}
    return identity(manifest.tokenizer_sha256, splits)


def sequences_in(tokens_available: int, length: int) -> int:
    """Return how many windows of length + 1 tokens at stride `length` a stream holds."""
    return max(0, tokens_available - 1) // length


def mixture_of(sizes: Mapping[str, int], weights: Mapping[str, int], length: int, seed: int) -> Mixture:
    """Return the mixture of sources with these many tokens at this sequence length.

    Raises ValueError naming the source for one without tokens, or with fewer than one sequence and its next token.
    """
    if length < 1:
        raise ValueError(f"sequence_length is {length}; it must be at least 1")
    for name, weight in weights.items():
        if weight and not sizes[name]:
            raise ValueError(f"{name} has no tokens: build it, or set its proportion to 0")
        if weight and sizes[name] <= length:
            raise ValueError(
                f"{name} has {sizes[name]} tokens, fewer than one sequence of {length} and the next token: "
                "shorten --sequence-length, or set its proportion to 0"
            )
    return Mixture(seed, tuple(weights.values()), tuple(sequences_in(sizes[name], length) for name in weights))
