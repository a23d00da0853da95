"""The page: everything put together and rendered as one HTML file that opens no connection and runs no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import jinja2

from filters import packages
from pipelines import scores
from pipelines.card import (
    counted,
    differences,
    distributions,
    facts,
    fertility,
    measures,
    overview,
    people,
    plots,
    rendering,
    runs,
    samples,
    topics,
    training,
    unread,
)
from pipelines.card.compare import Comparison
from pipelines.card.counted import Counted, Filtered, Pairs, Percentiles
from pipelines.card.facts import Corpus, Json
from pipelines.card.measures import Measure, Near
from pipelines.card.plots import Figure
from pipelines.card.samples import EXAMPLES, Sample
from pipelines.card.shapes import Counts, Distribution
from pipelines.document import Document
from pipelines.files import ours, storage
from pipelines.stages.changes import CHARACTERS
from pipelines.table1 import TOKENS
from pipelines.tokens import tokenizers
from pipelines.tokens.shards import identity
from tokenizer.encode import Tokenizer

EXCERPT = 300  # characters of an example
READ = 2_500  # characters of a document to be read


@dataclass(frozen=True)
class Reason:
    """Why documents left a stage, with examples: of what was dropped, and of what was nearly dropped."""

    stage: str
    name: str
    documents: int
    size: int
    dropped: Sequence[Json]
    measure: Measure | None
    near: Sequence[Near]


@dataclass(frozen=True)
class Stage:
    """One stage of the funnel."""

    name: str
    account: Json
    reasons: Sequence[Reason]


@dataclass(frozen=True)
class Change:
    """A document before and after a stage; `language` is None where it is not known."""

    id: str
    language: str | None
    rows: Sequence[differences.Row]


@dataclass(frozen=True)
class SourceView:
    """One source as the page shows it."""

    name: str
    title: str
    stages: Sequence[Stage]
    checks: Sequence[facts.Check]
    documents: Sequence[Document]
    inputs: Mapping[str, str]
    figures: Sequence[Figure]
    filtered: Sequence[Filtered]
    percentiles: Sequence[Percentiles]
    pairs: Sequence[Pairs]
    changes: Mapping[str, Sequence[Change]]
    sample: str
    manifest: Json


@dataclass
class _Figures:
    """Draws figures and numbers them."""

    _numbers: Iterator[int] = field(default_factory=count)

    def draw(self, found: Sequence[Distribution], of: str = "") -> list[Figure]:
        """Return the figures of distributions, of one source or of all."""
        return [plots.figure(f"figure-{next(self._numbers)}", distribution, of) for distribution in found]


def render(
    corpus: Corpus,
    *,
    run: training.Run | None = None,
    others: Sequence[training.Run] = (),
    run_tokens: int | None = None,
    comparison: Comparison | None = None,
) -> str:
    """Return the page; reads samples of each source, one source after the other.

    `others` are runs to be laid over `run`.
    """
    figures, tokenizer = _Figures(), load_tokenizer(corpus)
    texts: list[fertility.Weighed] = []
    views, seen, weighed, drawn = [], {}, [], {}
    for name in corpus.manifests:
        counts = counted.load(corpus, name)
        sample = samples.read(corpus.path, corpus.manifests[name], counts.strata())
        views.append(_source(corpus, name, sample, counts, tokenizer, figures))
        drawn[corpus.titles[name]] = replace(
            sample, drops={}, documents=samples.by_hash(sample.documents, topics.DOCUMENTS)
        )
        weighed.append(overview.weighed(corpus, name, counts, sample, tokenizer))
        texts += fertility.drawn(sample)
        seen[corpus.titles[name]] = people.read(sample)
    found = distributions.token_counts(corpus)
    frequency = distributions.token_frequency(found)
    return (
        _environment()
        .get_template("card.html.j2")
        .render(
            corpus=corpus,
            mixed=facts.mixture(corpus, run_tokens),
            total=facts.total,
            paper_tokens=TOKENS,
            notes=facts.notes(corpus),
            shared=facts.shared(corpus),
            titles=corpus.titles,
            warnings=facts.warnings(corpus),
            views=views,
            frequency=figures.draw([frequency])[0] if frequency else None,
            tokens_read=distributions.tokens_read(corpus, found),
            largest=distributions.largest_tokens(found, tokenizer) if tokenizer else {},
            fertility=fertility.of(texts, tokenizer) if tokenizer else [],
            by_language=facts.by_language(corpus),
            weighed=weighed,
            unread=unread,
            topics=topics.read(drawn),
            topics_even=topics.EVEN,
            topics_missing=not packages.SCIKIT_LEARN.is_there(),
            splits=overview.splits(corpus),
            benchmarks=overview.benchmarks(corpus),
            personal=overview.personal(corpus),
            masked_kinds=list(overview.MASKED.values()),
            made=overview.made(corpus),
            trace_of=overview.trace_of,
            percents=counted.PERCENTS,
            people_seen={title: one for title, one in seen.items() if one.documents},
            people=people.table([one for one in seen.values() if one.documents]),
            drawn=facts.drawn(corpus),
            mixture_figure=figures.draw([_proportions(corpus)])[0] if corpus.tokens else None,
            run=run,
            run_figures=figures.draw(run.curves) if run else [],
            runs_beside=runs.beside([run, *others]) if run and others else [],
            beside_figures=figures.draw(runs.over_each_other([run, *others])) if run and others else [],
            run_reads=_other_tokens(corpus, run) if run else "",
            comparison=comparison,
            excerpt=EXCERPT,
            read=READ,
        )
    )


def _other_tokens(corpus: Corpus, run: training.Run) -> str:
    """Return in words which tokens a run reads that are not this corpus', "" if it reads these or does not say so."""
    own = {name: identity(tokens["tokenizer_sha256"], _shards(tokens)) for name, tokens in corpus.tokens.items()}
    strange = [corpus.titles.get(name, name) for name, digest in run.corpus.items() if own.get(name) != digest]
    where = f"the corpus in {run.corpus_path}" if run.corpus_path else "a corpus"
    return f"it reads {where} whose tokens of {', '.join(strange)} are others than those here" if strange else ""


def _shards(tokens: Json) -> dict[str, list[tuple[str, str]]]:
    return {
        split: [(row["bin_sha256"], row["index_sha256"]) for row in rows] for split, rows in tokens["splits"].items()
    }


def _environment() -> jinja2.Environment:
    found = rendering.environment()
    found.filters |= {"said": distributions.said, "decided": measures.decided, "others": measures.others}
    return found


def load_tokenizer(corpus: Corpus) -> Tokenizer | None:
    """Return the corpus' tokenizer, None if it has none; of a remote one, a copy on this machine."""
    path = tokenizers.of_corpus(str(corpus.path))
    return tokenizers.load(path) if path else None


def _proportions(corpus: Corpus) -> Counts:
    """Return each source's share of our tokens, of the tokens seen in training, and of the paper's unique tokens."""
    mixed = facts.mixture(corpus)
    rows = [(found.title, found.row) for found in mixed if found.row]
    ours, paper = facts.total(mixed, "tokens") or 1, sum(row.unique_tokens for _, row in rows)
    series = {
        "of our tokens": {found.title: 100 * found.tokens / ours for found in mixed},
        "of the paper's unique tokens": {title: 100 * row.unique_tokens / paper for title, row in rows},
        "seen in training": {found.title: 100 * found.share for found in mixed},
    }
    return Counts("What each source's share is", "source", series, "%", stacked=False)


def _source(
    corpus: Corpus, name: str, sample: Sample, counts: Counted, tokenizer: Tokenizer | None, figures: _Figures
) -> SourceView:
    manifest = corpus.manifests[name]
    found: dict[tuple[str, str], Measure] = {}
    for stage, reason in sample.dropped:
        measure = measures.measure_of(corpus, tokenizer, name, stage, reason)
        if measure:
            found[stage, reason] = measure
    near = {key: measures.nearest(measure, sample.documents) for key, measure in found.items()}
    stages = [
        Stage(
            account["stage"].partition("/")[2],
            account,
            [
                Reason(
                    stage,
                    reason,
                    documents,
                    size,
                    _examples(sample, (stage, reason)),
                    found.get((stage, reason)),
                    near.get((stage, reason), ()),
                )
                for stage, reason, documents, size in facts.reasons(account)
            ],
        )
        for account in manifest["stages"]
    ]
    by_what = {measure.what: measure for measure in found.values()}
    return SourceView(
        name=name,
        title=corpus.titles[name],
        stages=stages,
        checks=facts.checks(corpus, name),
        documents=samples.by_hash(sample.documents),
        inputs=facts.inputs_of(manifest),
        figures=figures.draw(distributions.of_source(corpus, name, sample, by_what, counts), corpus.titles[name]),
        filtered=counted.filtered(counts),
        percentiles=[row for row in counted.percentiles(counts) if not _is_name(row.what, name)],
        pairs=counted.pairs(counts),
        changes=_changes(corpus, name, sample),
        sample=sample.describe(),
        manifest=manifest,
    )


def _is_name(column: str, source: str) -> bool:
    found = scores.known(column, source)
    return found is not None and found.name


def _examples(sample: Sample, key: tuple[str, str]) -> list[Json]:
    return samples.dropped_examples(sample.drops.get(key, ()), EXAMPLES)


def _changes(corpus: Corpus, name: str, sample: Sample) -> dict[str, list[Change]]:
    """Return the pairs of each stage; a corpus built before they were kept has none."""
    found = storage.read_json(f"{corpus.path}/{name}/changes.json") or {}
    languages = _languages(sample, {pair["id"] for pairs in found.values() for pair in pairs})
    return {
        stage: [
            Change(
                pair["id"],
                pair.get("language") or languages.get(pair["id"]),
                differences.side_by_side(pair["before"], pair["after"], CHARACTERS),
            )
            for pair in found[stage]
        ]
        for stage in (account["stage"].partition("/")[2] for account in corpus.manifests[name]["stages"])
        if stage in found
    }


def _languages(sample: Sample, wanted: set[str]) -> dict[str, str | None]:
    """Return the languages of documents that a later stage found, or that an older build did not note with a pair."""
    kept = {document.id: document.language for document in sample.documents if document.id in wanted}
    rows = (row for rows in sample.drops.values() for row in rows)
    return {row["id"]: row.get("language") for row in rows if row["id"] in wanted} | kept


def write(corpus: Corpus, page: str) -> str:
    """Write CORPUS/report.html and return its path."""
    return ours.write(str(corpus.path), "report.html", page.encode("utf-8", "replace"))
