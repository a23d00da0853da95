"""What the manifests say: the mixture beside Table 1, the funnel and whether it adds up, what is different and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pipelines import gaps, table1
from pipelines.account.finished import check_format
from pipelines.across import together
from pipelines.card import estimates
from pipelines.files import storage
from pipelines.recipes import PAPER
from pipelines.table1 import SOURCES, TABLE_1, Row
from tokenizer.spec import LARGEST_VOCABULARY

Json = dict[str, Any]

MATCHES = {"url": "URL", "host": "host (a sample has too few pages that are cited by URL)"}
_SMALL = 0.01  # of the paper's tokens: a source with fewer is called a sample
_GAPS = 5  # unknown templates of a wiki that are named
_WORK = frozenset({"span_bytes", "groups", "posts.range_bytes"})  # how work is cut, not what comes out
_PAPER_VOCABULARY = 32_000  # section 2.1


@dataclass(frozen=True)
class Mixed:
    """One source of the mixture: ours beside the paper's row, if it has one.

    `share` is its part of the tokens seen in training, `run_tokens` the length of the run for `epochs`.
    """

    name: str
    title: str
    share: float
    row: Row | None
    documents: int
    size: int
    tokens: int
    run_tokens: int

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text for each token of ours."""
        return self.size / self.tokens if self.tokens else 0.0

    @property
    def paper_bytes_per_token(self) -> float | None:
        """The same derived from Table 1: disk size over unique tokens."""
        return self.row.disk_bytes / self.row.unique_tokens if self.row else None

    @property
    def epochs(self) -> float:
        """Epochs of our tokens in a run of `run_tokens` at the source's share."""
        return self.share * self.run_tokens / self.tokens if self.tokens else 0.0


@dataclass(frozen=True)
class Shared:
    """What all sources together say of one: how many of its `sampled` documents, by hash, stand in another one too.

    `documents` are all that it has. `by_source` has those of each other one, `same_words` are those of them that are
    alike to the last word. Of the documents that were to be held out, `near_training` have a near-duplicate in
    training and `leaving` are trained on.
    """

    name: str
    title: str
    documents: int
    sampled: int
    elsewhere: int
    same_words: int
    by_source: Mapping[str, int]
    held_out: int
    near_training: int
    leaving: int

    @property
    def margin(self) -> float:
        """Half of the 95 % interval of the share that stands elsewhere; 0 where all documents were compared."""
        if not self.sampled or self.sampled == self.documents:
            return 0.0
        return estimates.margin(self.elsewhere / self.sampled, self.sampled)


@dataclass(frozen=True)
class Corpus:
    """A corpus directory and its manifests, by source: those of Table 1 in its order, then the added ones.

    `shares` are those of the added sources; `documents_alone` says that its recipe makes no tokens; `across` is the
    manifest over all sources, empty if there is none.
    """

    path: str
    manifests: dict[str, Json]
    tokens: dict[str, Json]
    reference: Json | None
    cutoffs: Json
    drawn: Json
    sites: Json
    shares: Mapping[str, float] = field(default_factory=dict)
    documents_alone: bool = False
    across: Json = field(default_factory=dict)

    @property
    def of_the_paper(self) -> bool:
        """Whether a source of Table 1 is in it."""
        return bool(self.manifests.keys() & set(SOURCES))

    @property
    def titles(self) -> dict[str, str]:
        """The sources' names for people."""
        paper = {row.name: row.title for row in TABLE_1}
        return paper | {name: row.get("title", paper.get(name, name)) for name, row in self.manifests.items()}

    @property
    def seen(self) -> dict[str, float]:
        """Each source's part of the tokens seen in training."""
        return table1.shares(self.shares, {*self.manifests, *self.tokens})

    @property
    def recipe(self) -> str:
        """The recipe's name."""
        return str(next(iter(self.manifests.values()))["recipe"]["name"])


@dataclass(frozen=True)
class Check:
    """One thing that must hold, in words, and whether it does."""

    text: str
    holds: bool


def load(output: str) -> Corpus:
    """Read the manifests of a corpus; ValueError if no source has one, or if one names what is not in the corpus.

    Of a finished corpus, those that belong to it: another build may have left other sources in the directory.
    """
    corpus = storage.read_json(f"{output}/manifest.json") or {}
    listed = corpus.get("sources", SOURCES)
    wanted = [*(name for name in SOURCES if name in listed), *(name for name in listed if name not in SOURCES)]
    for name in wanted:
        storage.inside(name, f"{output}/manifest.json")
    found = {name: storage.read_json(f"{output}/{name}/manifest.json") for name in wanted}
    present = {name: manifest for name, manifest in found.items() if manifest}
    if not present:
        raise ValueError(f"{output}: no corpus here (no source has a manifest)")
    for name, manifest in present.items():
        check_format(f"{output}/{name}/manifest.json", manifest)
    tokens = {name: storage.read_json(f"{output}/tokens/{name}/manifest.json") for name in wanted}
    _check_names(output, present, tokens)
    return Corpus(
        path=output,
        manifests=present,
        tokens={name: manifest for name, manifest in tokens.items() if manifest},
        reference=storage.read_json(f"{output}/models/reference/manifest.json"),
        cutoffs=_model(output, "cutoffs").get("cutoffs", {}),
        drawn=_model(output, "tokenizer").get("drawn", {}),
        sites=_model(output, "stack_exchange_sites"),
        documents_alone=corpus.get("tokenizer", "") is None,
        across=(storage.read_json(f"{output}/{together.FILE}") or {})
        if together.FILE in corpus.get("files", {})
        else {},
        shares={name: share for name, share in corpus.get("shares", {}).items() if name in listed},
    )


def _check_names(output: str, manifests: Mapping[str, Json], tokens: Mapping[str, Json | None]) -> None:
    """Refuse a corpus whose manifests name what is not in it: a card would show the files of others."""
    for name, manifest in manifests.items():
        copies = manifest.get("copies", {}).get("files", ())
        for entry in (*manifest["documents"]["files"], *manifest["drops"]["files"], *copies):
            storage.inside(entry["path"], f"{output}/{name}/manifest.json")
    for name, manifest in ((name, found) for name, found in tokens.items() if found):
        if not isinstance(manifest["vocabulary"], int) or not 1 <= manifest["vocabulary"] <= LARGEST_VOCABULARY:
            raise ValueError(f"{output}/tokens/{name}/manifest.json: vocabulary is {manifest['vocabulary']!r}")
        for shard in (shard for shards in manifest["splits"].values() for shard in shards):
            storage.inside(shard["name"], f"{output}/tokens/{name}/manifest.json")


def _model(output: str, name: str) -> Json:
    found: Json = storage.read_json(f"{output}/models/{name}/manifest.json") or {}
    return found


def by_language(corpus: Corpus) -> list[tuple[str, str, Json]]:
    """Return (source, language, documents, tokens and text_bytes) of all splits, the most tokens of a source first."""
    found = []
    for name, manifest in corpus.tokens.items():
        together: dict[str, Counter[str]] = {}
        for split in manifest.get("languages", {}).values():
            for language, counts in split.items():
                together.setdefault(language, Counter()).update(counts)
        rows = sorted(together.items(), key=lambda row: (-row[1]["tokens"], row[0]))
        found += [(corpus.titles[name], language, dict(counts)) for language, counts in rows if counts["tokens"]]
    return found


def drawn(corpus: Corpus) -> list[tuple[str, int, int, float, float]]:
    """Return (source, documents, bytes, share of the bytes, share wanted) of what the tokenizer was trained on."""
    total = sum(row["bytes"] for row in corpus.drawn.values())
    # The tokenizer's texts are drawn by the shares beside all seven, whichever of them are built.
    whole = table1.shares(corpus.shares, SOURCES if corpus.of_the_paper else ())
    seen = {name: share for name, share in whole.items() if name in corpus.drawn}
    wanted = sum(seen.values()) or 1.0
    rows = [(name, share, corpus.drawn[name]) for name, share in seen.items()]
    return [
        (corpus.titles[name], row["documents"], row["bytes"], row["bytes"] / max(1, total), share / wanted)
        for name, share, row in rows
    ]


def token_total(manifest: Json, what: str) -> int:
    """Return the sum of `tokens`, `documents` or `text_bytes` over a token manifest's shards."""
    return sum(shard[what] for shards in manifest["splits"].values() for shard in shards)


def mixture(corpus: Corpus, run_tokens: int | None = None) -> list[Mixed]:
    """Return the sources that have token shards beside Table 1; a run is as long as the corpus if it is not said."""
    run = run_tokens or sum(token_total(tokens, "tokens") for tokens in corpus.tokens.values())
    rows = {row.name: row for row in TABLE_1}
    return [
        Mixed(
            name,
            corpus.titles[name],
            corpus.seen[name],
            rows.get(name),
            token_total(tokens, "documents"),
            token_total(tokens, "text_bytes"),
            token_total(tokens, "tokens"),
            run,
        )
        for name, tokens in corpus.tokens.items()
    ]


def reasons(account: Json) -> list[tuple[str, str, int, int]]:
    """Return a stage's (stage, reason, documents, bytes) dropped, most frequent first.

    A reader's own drops are counted in the first stage, under the stage "read".
    """
    found = [
        (stage, reason, documents, size)
        for stage, group in account["dropped"].items()
        for reason, (documents, size) in group.items()
    ]
    return sorted(found, key=lambda row: (-row[2], row[1]))


def checks(corpus: Corpus, name: str) -> list[Check]:
    """Return what must hold of a source's funnel, counted anew from the manifest."""
    manifest, found = corpus.manifests[name], []
    before: int | None = None
    for account in manifest["stages"]:
        stage, gone = account["stage"].partition("/")[2], sum(row[2] for row in reasons(account))
        parts = f"{account['in']:,} in = {account['kept']:,} kept + {account['merged']:,} merged + {gone:,} dropped"
        holds = account["in"] == account["kept"] + account["merged"] + gone and before in (None, account["in"])
        found.append(Check(f"{stage}: {parts}", holds))
        before = account["kept"]
    documents, drops = manifest["documents"]["count"], manifest["drops"]["count"]
    gone = sum(row[2] for account in manifest["stages"] for row in reasons(account))
    found.append(Check(f"{documents:,} documents are in the files, {before or 0:,} were kept", documents == before))
    found.append(Check(f"{drops:,} drops are in the files, {gone:,} were counted", drops == gone))
    if name in corpus.tokens:
        for what, counted in (("documents", documents), ("text_bytes", manifest["documents"]["bytes"])):
            held = token_total(corpus.tokens[name], what)
            label = what.replace("text_", "")
            found.append(Check(f"{held:,} {label} are in the token shards, {counted:,} were kept", held == counted))
    return found


def shared(corpus: Corpus) -> list[Shared]:
    """Return what all sources together say of each, nothing of a corpus that is not finished."""
    found, sources = [], corpus.across.get("sources", {})
    for name, row in ((name, sources[name]) for name in corpus.manifests if name in sources):
        others = {other: counts["near_duplicates"] for other, counts in row["elsewhere"].items()}
        any_other = row["elsewhere"].get("any", {"near_duplicates": 0, "same_words": 0})
        found.append(
            Shared(
                name=name,
                title=corpus.titles.get(name, name),
                documents=corpus.manifests[name]["documents"]["count"],
                sampled=row["sampled"],
                elsewhere=any_other["near_duplicates"],
                same_words=any_other["same_words"],
                by_source={corpus.titles.get(other, other): n for other, n in others.items() if other != "any"},
                held_out=row["held_out"],
                near_training=row["near_training"],
                leaving=row["leaving"],
            )
        )
    return found


def shared_lines(corpus: Corpus) -> Iterator[str]:
    """Yield in a line each what other sources have too, and what was done for what is held out."""
    rows = shared(corpus)
    if len(rows) > 1:
        named = [f"{row.title} {100 * row.elsewhere / row.sampled:.1f} %" for row in rows if row.elsewhere]
        yield f"documents that another source has too, by a sample: {', '.join(named) or 'none'}"
    held_out = sum(row.held_out for row in rows)
    if held_out and not corpus.documents_alone:
        beside, leaving = (sum(getattr(row, what) for row in rows) for what in ("near_training", "leaving"))
        yield (
            f"held out: {held_out - leaving:,} documents, without a near-duplicate in training: of {held_out:,} chosen "
            f"by hash {beside:,} had one, and {leaving:,} are trained on"
        )


def warnings(corpus: Corpus) -> list[str]:
    """Return what the sources' manifests warn of."""
    return [warning for manifest in corpus.manifests.values() for warning in manifest.get("warnings", ())]


def notes(corpus: Corpus) -> dict[str, list[str]]:
    """Return what is missing or different in each source of Table 1, and why; "" is about all of them."""
    paper = TABLE_1 if corpus.of_the_paper else ()
    found = {row.name: list(_notes_of(corpus, row)) for row in paper}
    added = {name: list(_shown_notes(corpus, name)) for name in corpus.manifests if name not in found}
    return {"": list(_common_notes(corpus)), **found, **added}


def _common_notes(corpus: Corpus) -> Iterator[str]:
    vocabularies = sorted({manifest["vocabulary"] for manifest in corpus.tokens.values()})
    if vocabularies and vocabularies != [_PAPER_VOCABULARY]:
        yield (
            f"the tokenizer has {vocabularies[0]:,} pieces, the paper's {_PAPER_VOCABULARY:,}: the fewer the pieces, "
            "the fewer bytes a token stands for"
        )
    if said := table1.rescaled(corpus.seen):
        yield f"{said}; Table 1's are of all seven"
    elif corpus.shares and corpus.of_the_paper:
        added = ", ".join(f"{corpus.titles.get(name, name)} {share:.1%}" for name, share in corpus.shares.items())
        rest = 1 - sum(corpus.shares.values())
        yield f"added to the paper's sources, as shares of the tokens seen: {added}; Table 1's are scaled by {rest:g}"


def _notes_of(corpus: Corpus, row: Row) -> Iterator[str]:
    manifest = corpus.manifests.get(row.name)
    if manifest is None:
        yield "not built here: no input was given for it"
        return
    if row.name in corpus.tokens:
        tokens = token_total(corpus.tokens[row.name], "tokens")
        if tokens < _SMALL * row.unique_tokens:
            yield f"a sample: {tokens:,} tokens, the paper has {row.unique_tokens / 1e9:,.0f} billion"
    else:
        yield "no token shards yet"
    yield from _windows(manifest)
    if row.name == "common_crawl" and corpus.reference:
        yield _classifier(corpus.reference)
    if row.name == "stack_exchange" and manifest["recipe"]["name"] == "sample":
        yield "the sample's questions and answers are our own, because no package contains a dump"
    if row.name == "stack_exchange" and corpus.sites.get("chosen"):
        yield f"{len(corpus.sites['chosen'])} sites were used; the paper uses the 28 largest"
    yield from _gaps(manifest)
    yield from _shown_notes(corpus, row.name)
    changed = list(_changed_fields(manifest["recipe"], asdict(getattr(PAPER, row.name)), ""))
    if changed:
        yield f"different from the recipe “paper”: {', '.join(changed)}"


def _shown_notes(corpus: Corpus, name: str) -> Iterator[str]:
    yield from _copies(corpus.manifests[name].get("copies", {}))
    yield from corpus.manifests[name].get("shown", {}).get("notes", ())


def _gaps(manifest: Json) -> Iterator[str]:
    """Say which templates nobody knows, by wiki, with the text that they hold."""
    places = {"inside": "inside sentences, their words kept", "alone": "alone on a line, their words gone"}
    for stage in manifest["stages"]:
        for wiki, place, found in gaps.listed(stage["statistics"]):
            most = ", ".join(
                f"{gap.name} ({_many(gap.uses, 'use')}, {_many(gap.characters, 'character')})" for gap in found[:_GAPS]
            )
            yield f"{wiki}: {_many(len(found), 'template')} that no table knows, {places[place]}; most text in: {most}"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _copies(copies: Json) -> Iterator[str]:
    if copies.get("count"):
        kept, most = copies["largest"]
        yield (
            f"{copies['kept']:,} documents stay for {copies['count']:,} copies that were dropped; the largest cluster "
            f"has {most + 1:,}, of which {kept} stays"
        )


def _windows(manifest: Json) -> Iterator[str]:
    for decision in manifest["decisions"]:
        if decision["stage"] == "duplicate_lines":
            window = min(manifest["recipe"]["window"] or decision["items"], decision["items"])
            lines = Counter[str]()
            for stage in manifest["stages"]:
                lines.update(stage["statistics"])
            yield (
                f"lines were compared within windows of {window} of {decision['items']} files; "
                f"{_part(lines, 'lines')} and {_part(lines, 'bytes')} occurred in two or more pages and were removed"
            )


def _part(counts: Mapping[str, int], unit: str) -> str:
    part, whole = counts[f"{unit}_removed"], counts[unit]
    return f"{part:,} of {whole:,} {unit} ({part / max(whole, 1):.1%})"


def _classifier(reference: Json) -> str:
    return (
        f"reference classifier: positives are {reference['pages']['positive']:,} pages that Wikipedia cites by "
        f"{MATCHES[reference['match']]}; threshold {reference['threshold']}, on held-out pages precision "
        f"{reference['precision']:.2f}, recall {reference['recall']:.2f}, area under the ROC "
        f"{reference['area_under_roc']:.2f}"
    )


def _changed_fields(ours: Mapping[str, Any], paper: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, value in paper.items():
        mine = ours.get(name)
        if isinstance(value, dict) and isinstance(mine, dict):
            yield from _changed_fields(mine, value, f"{prefix}{name}.")
        elif f"{prefix}{name}" not in _WORK and name in ours and mine != _plain(value):
            yield f"{prefix}{name} = {mine} (not {value})"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def recipe_differences(first: Json, second: Json, prefix: str = "") -> list[tuple[str, Any, Any]]:
    """Return (field, in the first, in the second) of two recipes' fields that differ."""
    found: list[tuple[str, Any, Any]] = []
    for name in sorted({*first, *second}):
        ours, theirs = first.get(name), second.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            found += recipe_differences(ours, theirs, f"{prefix}{name}.")
        elif ours != theirs:
            found.append((f"{prefix}{name}", ours, theirs))
    return found


def inputs_of(manifest: Json) -> dict[str, str]:
    """Return the name of each input file by its digest."""
    return {entry["digest"]: entry["path"] for entry in manifest["inputs"]}


def total(mixed: Sequence[Mixed], what: str) -> int:
    """Return a column's sum."""
    return sum(getattr(found, what) for found in mixed)
