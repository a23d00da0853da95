"""Distributions of what a source kept and dropped, ready to be drawn and to be read as a table.

    sample of a source ─> histograms (length, scores, cut-offs) and counts by value (languages, licences, sites ...)
    token shards ─> how often each token occurs;  documents and tokenizer ─> fertility by language

Counts of a sample are scaled up to the whole (`Sample.weight`).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.card.facts import Corpus, Json
from pipelines.card.measures import Measure
from pipelines.card.samples import Sample
from pipelines.document import Document
from pipelines.files import storage
from pipelines.hashing import keyed
from tokenizer.encode import Tokenizer

BINS = 36
LARGEST = 15  # values that a plot of counts names
TOKENS = 2_000_000  # read of each source's shards, where documents lie in the order of hashes
FERTILITY_BYTES = 400_000  # of text of each language
FERTILITY_DOCUMENTS = 5  # at least
_MOST_DIGITS = 15  # that a number has
_HOST = re.compile(r"^[a-z]+://(?:www\.)?([^/:?#]+)", re.IGNORECASE)

KEPT, DROPPED = "kept", "dropped"


@dataclass(frozen=True)
class Histogram:
    """Counts by range: `series[name][n]` lie in [edges[n], edges[n + 1]); `marks` are thresholds, by name."""

    title: str
    what: str
    edges: Sequence[float]
    series: Mapping[str, Sequence[float]]
    marks: Mapping[str, float] = field(default_factory=dict)
    logarithmic: bool = False
    note: str = ""


@dataclass(frozen=True)
class Counts:
    """Counts by value, the largest first; series are drawn as parts of one bar, or side by side."""

    title: str
    what: str
    series: Mapping[str, Mapping[str, float]]
    unit: str = "documents"
    note: str = ""
    stacked: bool = True


@dataclass(frozen=True)
class Curves:
    """Lines over a common axis: `series[name]` are (x, y)."""

    title: str
    x: str
    y: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    logarithmic_x: bool = False
    logarithmic_y: bool = False
    note: str = ""


Distribution = Histogram | Counts | Curves
Values = dict[str, list[tuple[float, float]]]  # series -> (value, weight)


def histogram(title: str, what: str, values: Values, marks: Mapping[str, float], logarithmic: bool) -> Histogram | None:
    """Return a histogram with common edges over all series, or None where there is nothing to show."""
    numbers = [value for series in values.values() for value, _ in series if not logarithmic or value > 0]
    if not numbers:
        return None
    low, high = min([*numbers, *marks.values()]), max([*numbers, *marks.values()])
    if low == high:
        low, high = (low / 2, low * 2) if logarithmic else (low - 0.5, low + 0.5)
    edges = np.geomspace(low, high, BINS + 1) if logarithmic else np.linspace(low, high, BINS + 1)
    edges[0], edges[-1] = low, high
    found = {}
    for name, series in values.items():
        pairs = [pair for pair in series if not logarithmic or pair[0] > 0]
        at, weights = [value for value, _ in pairs], [weight for _, weight in pairs]
        found[name] = np.histogram(at, edges, weights=weights)[0].tolist()
    return Histogram(title, what, edges.tolist(), found, marks, logarithmic)


def counts(
    title: str, what: str, series: Mapping[str, Mapping[str, float]], *, by_value: bool = False
) -> Counts | None:
    """Return the counts of the largest values of all series, None if there are none; `by_value` in their own order."""
    together: defaultdict[str, float] = defaultdict(float)
    for counter in series.values():
        for value, count in counter.items():
            together[value] += count
    named = [value for value, _ in sorted(together.items(), key=lambda pair: (-pair[1], pair[0]))][:LARGEST]
    if not named:
        return None
    named = sorted(named) if by_value else named
    shown = {name: {value: counter.get(value, 0.0) for value in named} for name, counter in series.items() if counter}
    rest = sum(together.values()) - sum(together[value] for value in named)
    left = len(together) - len(named)
    note = f"{left:,} more with {rest:,.0f} documents together" if left else ""
    return Counts(title, what, shown, note=note)


def of_source(corpus: Corpus, name: str, sample: Sample, measures: Mapping[str, Measure]) -> list[Distribution]:
    """Return a source's distributions; `measures` are those of its reasons, by what they measure."""
    found: list[Distribution | None] = [_lengths(sample)]
    for what, attribute in (
        ("score of the language", "language_score"),
        ("perplexity", "perplexity"),
        ("probability", "reference_probability"),
    ):
        if what in measures:
            found.append(_scores(corpus, sample, measures[what], attribute))
    found += [_code_measure(sample, measures[what]) for what in ("letters per token",) if what in measures]
    found += _counted(corpus.manifests[name], sample)
    if name == "common_crawl" and corpus.reference:
        found.append(_roc(corpus.reference))
    found += [_clusters(stage, told) for stage, told in corpus.manifests[name].get("clusters", {}).items()]
    return [distribution for distribution in found if distribution is not None]


def _lengths(sample: Sample) -> Histogram | None:
    kept = [(float(len(document.text.encode())), sample.weight(None)) for document in sample.documents]
    dropped = [(float(row["size"]), sample.weight(key)) for key, rows in sample.drops.items() for row in rows]
    return histogram("Length of a document", "bytes of text", {KEPT: kept, DROPPED: dropped}, {}, logarithmic=True)


def _scores(corpus: Corpus, sample: Sample, measure: Measure, attribute: str) -> Histogram | None:
    kept = [(measure.value(document), sample.weight(None)) for document in sample.documents]
    values: Values = {KEPT: [(value, weight) for value, weight in kept if value is not None], DROPPED: []}
    for key, rows in sample.drops.items():
        found = [(row["scores"][attribute], sample.weight(key)) for row in rows if attribute in row["scores"]]
        values[DROPPED] += [pair for pair in found if pair[0] >= 0]
    if attribute == "perplexity":
        return histogram("Perplexity", measure.what, values, _cutoffs(corpus), logarithmic=True)
    titles = {"language_score": "Score of the language", "reference_probability": "Classifier: like a reference"}
    threshold = measure.threshold(sample.documents[0]) if sample.documents else None
    marks = {} if threshold is None else {f"threshold {threshold:g}": threshold}
    return histogram(titles[attribute], measure.what, values, marks, logarithmic=False)


def _cutoffs(corpus: Corpus) -> dict[str, float]:
    languages = corpus.cutoffs if len(corpus.cutoffs) <= 1 else {}
    return {f"{cut} {row[cut]:g}": row[cut] for row in languages.values() for cut in ("head", "middle")}


def _code_measure(sample: Sample, measure: Measure) -> Histogram | None:
    chosen = sorted(sample.documents, key=lambda document: keyed("measure", document.id))[:500]
    kept = [(measure.value(document), sample.total / max(1, len(chosen))) for document in chosen]
    values: Values = {KEPT: [(value, weight) for value, weight in kept if value is not None], DROPPED: []}
    for key, rows in sample.drops.items():
        found = [row["scores"]["letters_per_token"] for row in rows if "letters_per_token" in row["scores"]]
        values[DROPPED] += [(value, sample.weight(key)) for value in found]
    threshold = measure.threshold(chosen[0]) if chosen else None
    marks = {} if threshold is None else {f"threshold {threshold:g}": threshold}
    return histogram("Letters per token", measure.what, values, marks, logarithmic=False)


def _roc(reference: Json) -> Curves | None:
    """Return what share of cited pages is kept, at each share of random pages kept, on held-out pages."""
    points = sorted((float(row[1]), float(row[2])) for row in reference.get("roc", ()))
    if not points:
        return None
    shown = {"classifier": points, "chance": [(0.0, 0.0), (1.0, 1.0)]}
    note = f"held-out pages; the area under the curve is {reference['area_under_roc']:.3f}"
    return Curves("Classifier: ROC", "share of random pages kept", "share of cited pages kept", shown, note=note)


def _clusters(stage: str, told: Json) -> Counts | None:
    sizes, of = told["cluster_sizes"], told.get("clusters_of", {"share": 1, "files": 0, "of_files": 0})
    note = "" if of["share"] == 1 else f"counted for {of['share']:.2%} of the keys, by hash"
    if of["files"] < of["of_files"]:
        note += f" in {of['files']:,} of {of['of_files']:,} files"
    title = f"Copies: sizes of clusters ({stage.replace('_', ' ')})"
    # A manifest sorts its keys as text: "128 to 256" before "3 to 4".
    ordered = dict(sorted(sizes.items(), key=lambda entry: int(entry[0].partition(" ")[0])))
    return Counts(title, "copies", {"clusters": ordered}, "clusters", note) if sizes else None


def _counted(manifest: Json, sample: Sample) -> Iterator[Distribution | None]:
    for row in manifest.get("shown", {}).get("breakdowns", ()):
        kept: defaultdict[str, float] = defaultdict(float)
        for document in sample.documents:
            for value in _values(document, row["of"]):
                kept[value] += sample.weight(None)
        dropped = {DROPPED: _dropped_languages(sample)} if row["of"] == "language" else {}
        yield counts(row["title"], row["what"], {KEPT: kept, **dropped}, by_value=row["of"] == "year")
    if manifest["source"] == "stack_exchange":
        scores = [float(score) for document in sample.documents for score in document.attributes["answer_scores"]]
        values = {"answers": [(score, sample.weight(None)) for score in scores]}
        yield histogram("Scores of answers", "score", values, {}, logarithmic=False)


def _dropped_languages(sample: Sample) -> Mapping[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for key, rows in sample.drops.items():
        for row in rows:
            if row.get("language"):
                found[row["language"]] += sample.weight(key)
    return found


def _values(document: Document, of: str) -> list[str]:
    """Return what a document is counted under, see `pipelines.stages.source.Breakdown`."""
    if of == "host":
        host = _HOST.match(document.url or "")
        return [host[1].lower()] if host else []
    if of == "year":
        value = (document.timestamp or "")[:4]
    elif of in ("language", "license"):
        value = getattr(document, of) or ""
    else:
        found = document.attributes.get(of.removeprefix("attributes."))
        if isinstance(found, list):
            return list(map(said, found)) or ["(not said)"]
        value = "" if found is None else said(found)
    return [value or "(not said)"]


def said(value: Any) -> str:
    """Return an attribute's value in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(said, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def token_counts(corpus: Corpus) -> dict[str, npt.NDArray[np.int64]]:
    """Return how often each token occurs in the first tokens of each source's training shards, shape (vocabulary,).

    Sources are named by their titles. Documents lie in shards in the order of a hash: the first are a fair sample.
    """
    found = {}
    for name, manifest in corpus.tokens.items():
        total = np.zeros(manifest["vocabulary"], np.int64)
        left, dtype = TOKENS, np.dtype(manifest["dtype"]).newbyteorder("<")
        for shard in manifest["splits"]["train"]:
            with storage.open_read(f"{corpus.path}/tokens/{name}/{shard['name']}.bin") as stream:
                ids = np.frombuffer(stream.read(min(left, shard["tokens"]) * dtype.itemsize), dtype)
            total += np.bincount(ids, minlength=len(total))
            left -= len(ids)
            if left <= 0:
                break
        found[corpus.titles[name]] = total
    return found


def token_frequency(found: Mapping[str, npt.NDArray[np.int64]]) -> Curves | None:
    """Return each source's rank-frequency curve, as shares of its tokens."""
    series = {}
    for name, total in found.items():
        ordered = np.sort(total[total > 0])[::-1]
        if len(ordered):
            ranks = np.unique(np.geomspace(1, len(ordered), 60).astype(int))
            series[name] = [(float(rank), float(ordered[rank - 1] / ordered.sum())) for rank in ranks]
    if not series:
        return None
    return Curves("How often each token occurs", "rank of the token", "share of the tokens", series, True, True)


def fertility(samples: Mapping[str, Sequence[Document]], tokenizer: Tokenizer) -> list[tuple[str, int, float, float]]:
    """Return (language, bytes, tokens per word, bytes per token) of each language with enough documents.

    A word is what stands between blanks. Code has its languages under their own names.
    """
    by_language: defaultdict[str, list[str]] = defaultdict(list)
    for documents in samples.values():
        for document in documents:
            language = document.attributes.get("code_language") if document.source == "github" else document.language
            if language:
                by_language[language].append(document.text)
    found = []
    for language, texts in by_language.items():
        if len(texts) >= FERTILITY_DOCUMENTS:
            text = "\n".join(texts)[:FERTILITY_BYTES]
            size, words = len(text.encode()), len(text.split())
            tokens = len(tokenizer.encode_batch([text], bos=False, eos=False)[0])
            if words and tokens:
                found.append((language, size, tokens / words, size / tokens))
    return sorted(found, key=lambda row: (row[2], row[0]))


def largest_tokens(found: Mapping[str, npt.NDArray[np.int64]], tokenizer: Tokenizer, count: int = 10) -> dict[str, str]:
    """Return the most frequent pieces of each source, in words."""
    return {
        name: " ".join(tokenizer.piece(int(number)) for number in np.argsort(-total, kind="stable")[:count])
        for name, total in found.items()
    }


def nice(value: float, digits: int = 3) -> str:
    """Return a number short enough for an axis, with about so many digits."""
    if value and (abs(value) >= 1e4 or abs(value) < 1e-3):
        power = math.floor(math.log10(abs(value)) + 1e-9)
        units = {3: "k", 6: "M", 9: "G", 12: "T"}
        base = 3 * (power // 3)
        return f"{value / 10.0**base:.{digits}g}{units[base]}" if base in units else f"{value:.{digits}g}"
    return f"{value:.{digits + 1}g}"


def apart(values: Sequence[float]) -> Callable[[float], str]:
    """Return `nice` with as many digits as it takes to tell different values of an axis apart."""
    different = len(set(values))
    wanted = (digits for digits in range(3, _MOST_DIGITS) if len({nice(one, digits) for one in values}) == different)
    return partial(nice, digits=next(wanted, _MOST_DIGITS))
