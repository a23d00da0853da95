"""All sources beside each other: kept and dropped in tokens, held out, benchmarks, personal information.

manifests, counts.json ─> documents and bytes, exact
excerpts of drops, tokenizer ─> tokens for each byte, by language ─> tokens dropped, with an interval
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pipelines.card import estimates, facts, unread
from pipelines.card.counted import Counted
from pipelines.card.estimates import Estimate
from pipelines.card.facts import Corpus, Json
from pipelines.card.samples import Sample
from pipelines.card.unread import PerByte
from pipelines.files import storage
from pipelines.stages.counts import KEPT, NOT_SAID
from tokenizer.encode import Tokenizer

LANGUAGES: Final = 12  # that are named of each source
UNDEFINED: Final = "und"  # what the token shards' manifest calls a language that nobody said
_MASKED: Final = {"masked_emails": "e-mail addresses", "masked_ip_addresses": "IP addresses"}
MASKED: Final = _MASKED | {"masked_telephones": "telephone numbers"}
CONTAMINATED: Final = "contaminated:"
SITES: Final = "personal_information"  # how reasons of drops begin by which sites are left out


@dataclass(frozen=True)
class Weighed:
    """Documents, bytes and tokens that were kept and dropped, of a source or of one of its languages.

    `more` says how many documents more than counted may be kept and dropped: 0 but where languages are too many to be
    named. `kept_tokens` is None where there are no shards, `dropped_tokens` where nothing tells how many there are.
    """

    name: str
    kept: tuple[int, int]
    kept_tokens: int | None
    dropped: tuple[int, int]
    dropped_tokens: Estimate | None
    more: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Source:
    """A source and its largest languages; `read` says how many excerpts tokens were counted in."""

    title: str
    whole: Weighed
    languages: Sequence[Weighed]
    read: int


def weighed(corpus: Corpus, name: str, counted: Counted, sample: Sample, tokenizer: Tokenizer | None) -> Source:
    """Return what a source kept and dropped, in documents, bytes and tokens."""
    manifest = corpus.manifests[name]
    per_byte = unread.read(sample, tokenizer) if tokenizer else unread.PerByte({}, 0)
    kept, gone = counted.sizes("language", KEPT), counted.sizes("language", *counted.dropped)
    tokens = _tokens(corpus, name)
    most = [counted.values("language", *parts) for parts in ((KEPT,), counted.dropped)]
    rows = [
        Weighed(
            language,
            kept.get(language, (0, 0)),
            None if tokens is None else tokens.get(language, 0),
            gone.get(language, (0, 0)),
            per_byte.tokens(language, gone.get(language, (0, 0))[1]),
            (most[0].more_of(language), most[1].more_of(language)),
        )
        for language in sorted({*kept, *gone}, key=lambda one: (-_bytes(kept, one) - _bytes(gone, one), one))
    ]
    accounts = [row for account in manifest["stages"] for row in facts.reasons(account)]
    whole = Weighed(
        corpus.titles[name],
        (manifest["documents"]["count"], manifest["documents"]["bytes"]),
        facts.token_total(corpus.tokens[name], "tokens") if name in corpus.tokens else None,
        (sum(row[2] for row in accounts), sum(row[3] for row in accounts)),
        _sum(rows, counted.rest("language", *counted.dropped)[1], per_byte),
    )
    return Source(corpus.titles[name], whole, rows[:LANGUAGES], per_byte.excerpts)


def _bytes(found: Mapping[str, tuple[int, int]], language: str) -> int:
    return found.get(language, (0, 0))[1]


def _tokens(corpus: Corpus, name: str) -> dict[str, int] | None:
    """Return the tokens of a source by language, None if it has no shards."""
    if name not in corpus.tokens:
        return None
    found: defaultdict[str, int] = defaultdict(int)
    for split in corpus.tokens[name].get("languages", {}).values():
        for language, row in split.items():
            found[NOT_SAID if language == UNDEFINED else language] += row["tokens"]
    return found


def _sum(rows: Sequence[Weighed], unnamed: int, per_byte: PerByte) -> Estimate | None:
    """Return the tokens of all languages together, `unnamed` bytes of them in languages that are not named.

    Those that share a ratio have one interval.
    """
    own = [row.dropped_tokens for row in rows if row.name in per_byte.of]
    rest = per_byte.tokens(unread.ALL, unnamed + sum(row.dropped[1] for row in rows if row.name not in per_byte.of))
    every = [*own, rest]
    found = [one for one in every if one is not None]
    return estimates.together(found) if len(found) == len(every) else None


@dataclass(frozen=True)
class Split:
    """What a source holds out and trains on: (documents, tokens, bytes) of each split."""

    title: str
    train: tuple[int, int, int]
    validation: tuple[int, int, int]
    leaving: int

    @property
    def share(self) -> float:
        """The share of documents that is held out."""
        return self.validation[0] / ((self.train[0] + self.validation[0]) or 1)


def splits(corpus: Corpus) -> list[Split]:
    """Return how each source is split into training and validation."""
    found = []
    for name, manifest in corpus.tokens.items():
        train, held = (
            tuple(sum(shard[what] for shard in manifest["splits"].get(split, ())) for what in _COUNTED)
            for split in ("train", "validation")
        )
        found.append(Split(corpus.titles[name], _three(train), _three(held), manifest.get("leaving", 0)))
    return found


_COUNTED: Final = ("documents", "tokens", "text_bytes")


def _three(row: Sequence[int]) -> tuple[int, int, int]:
    documents, tokens, size = row
    return documents, tokens, size


@dataclass(frozen=True)
class Benchmarks:
    """Documents that were dropped because they hold a benchmark's text, by benchmark and title of the source.

    `looked` are the titles of the sources that benchmarks were looked for in, `words` in how long runs.
    """

    names: Sequence[str]
    documents: Mapping[tuple[str, str], int]
    looked: Sequence[str]
    words: int | None


def benchmarks(corpus: Corpus) -> Benchmarks:
    """Return how contaminated the sources were."""
    documents: defaultdict[tuple[str, str], int] = defaultdict(int)
    for name, manifest in corpus.manifests.items():
        for _, reason, number, _ in (row for account in manifest["stages"] for row in facts.reasons(account)):
            if reason.startswith(CONTAMINATED):
                documents[reason.removeprefix(CONTAMINATED), corpus.titles[name]] += number
    wanted = {name: row["recipe"].get("contamination") for name, row in corpus.manifests.items()}
    looked = [corpus.titles[name] for name, options in wanted.items() if options and options.get("drop")]
    words = next((options["words"] for options in wanted.values() if options), None)
    return Benchmarks(sorted({benchmark for benchmark, _ in documents}), documents, looked, words)


@dataclass(frozen=True)
class Personal:
    """What a source masked, by kind, None if nothing was looked for; and the pages of sites that are left out."""

    title: str
    masked: Mapping[str, int] | None
    sites: tuple[int, int] | None


def personal(corpus: Corpus) -> list[Personal]:
    """Return what was done about personal information, by source."""
    return [Personal(corpus.titles[name], _masked(row), _sites(row)) for name, row in corpus.manifests.items()]


def _masked(manifest: Json) -> dict[str, int] | None:
    rows = [
        account["statistics"] for account in manifest["stages"] if account.get("statistics", {}).keys() & MASKED.keys()
    ]
    if not rows and not _says(manifest["recipe"], "mask_personal_information"):
        return None
    return {what: sum(row.get(name, 0) for row in rows) for name, what in MASKED.items()}


def _sites(manifest: Json) -> tuple[int, int] | None:
    if not _says(manifest["recipe"], "exclude_personal_information_sites"):
        return None
    found = [row for account in manifest["stages"] for row in facts.reasons(account) if row[1].startswith(SITES)]
    return sum(row[2] for row in found), sum(row[3] for row in found)


def _says(recipe: Json, field_name: str) -> bool:
    """Tell whether a field of a recipe, wherever it stands, is on."""
    return any(
        value is True if name == field_name else isinstance(value, dict) and _says(value, field_name)
        for name, value in recipe.items()
    )


@dataclass(frozen=True)
class Made:
    """When a corpus was built and by what, as far as it says; and how a document is taken out of it again."""

    facts: Sequence[tuple[str, str]]
    steps: Sequence[str] = field(default_factory=list)


def made(corpus: Corpus) -> Made:
    """Return when a corpus was built, by which version, from which seed."""
    return Made([(what, value) for what, value in _made(corpus) if value])


def _made(corpus: Corpus) -> Iterator[tuple[str, str]]:
    whole = storage.read_json(f"{corpus.path}/manifest.json") or {}
    build = (storage.read_json(f"{corpus.path}/summary.json") or {}).get("build", {})
    yield "built", str(build.get("finished") or "not said")
    yield "by", f"Altiplano {build['version']}" if build.get("version") else "a version that did not say"
    yield "runner", str(build.get("runner", ""))
    yield "format", str(whole.get("format", ""))
    yield "seed", ", ".join(f"{name} {seed}" for name, seed in _seeds(corpus)) or "none: every draw is by a keyed hash"
    yield "seal", str(whole.get("seal", ""))


def _seeds(corpus: Corpus) -> Iterator[tuple[str, int]]:
    for name, manifest in corpus.manifests.items():
        for part, value in manifest["recipe"].items():
            if isinstance(value, dict) and isinstance(value.get("seed"), int):
                yield f"{name}.{part}", value["seed"]


def trace_of(identifier: str, corpus: str = "CORPUS") -> str:
    """Return the command that traces a document, kept or dropped, back to its raw record; CORPUS is the page's folder.

    The page is the same wherever the corpus lies.
    """
    return f"altiplano trace {shlex.quote(corpus)} --id {shlex.quote(identifier)}"
