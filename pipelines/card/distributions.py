"""Distributions of what a source kept and dropped, ready to be drawn and to be read as a table.

    counts of a source ─> histograms (length, scores, cut-offs) and counts by value (languages, licences, sites ...)
    token shards ─> how often each token occurs

Counts are exact; what is measured of a sample says so, with its interval.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import getitem
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipelines import scores
from pipelines.card import estimates
from pipelines.card.counted import Counted, Values
from pipelines.card.facts import Corpus, Json
from pipelines.card.measures import MEASURED, Measure
from pipelines.card.samples import Sample
from pipelines.card.shapes import Counts, Curves, Distribution, Histogram
from pipelines.files import storage
from pipelines.hashing import keyed
from pipelines.stages.counts import KEPT, LENGTH, NOT_SAID, bins, numbers_in
from pipelines.stages.counts import edges as count_edges
from tokenizer.encode import Tokenizer

BINS = 36
LARGEST = 15  # values that a plot of counts names
TOKENS = 2_000_000  # read of each source's shards, where documents lie in the order of hashes

DROPPED = "dropped"


def histogram(
    title: str,
    what: str,
    series: Mapping[str, Mapping[int, float]],
    marks: Mapping[str, float],
    logarithmic: bool,
    notes: Sequence[str] = (),
) -> Histogram | None:
    """Return a histogram of counts by range (`pipelines.stages.counts.bins`), None where there is nothing to show.

    Ranges of all series are put together to common ones, about `BINS`. What a logarithmic axis leaves out is said.
    """
    marks = {name: mark for name, mark in marks.items() if mark > 0 or not logarithmic}
    left = {name: sum(n for place, n in counted.items() if place <= 0) for name, counted in series.items()}
    shown = {
        name: {place: n for place, n in counted.items() if place > 0 or not logarithmic}
        for name, counted in series.items()
    }
    places = sorted({place for counted in shown.values() for place, n in counted.items() if n})
    if not places:
        return None
    found = _logarithmic(places) if logarithmic else _linear(places)
    starts = [count_edges(place)[0] for place in places]
    at = dict(zip(places, (np.searchsorted(found, starts, side="right") - 1).tolist(), strict=True))
    bars = {name: [0.0] * (len(found) - 1) for name in shown}
    for name, counted in shown.items():
        for place, number in counted.items():
            bars[name][at[place]] += number
    gone = [f"{number:,.0f} {name} have none or less" for name, number in left.items() if number and logarithmic]
    said = [f"not on a logarithmic axis: {', '.join(gone)}"] if gone else []
    note = "; ".join([*said, *notes])
    return Histogram(title, what, _with_marks(found, marks), _padded(bars, found, marks), marks, logarithmic, note)


def _logarithmic(places: Sequence[int]) -> list[float]:
    """Return edges of as many ranges each as bring them to about `BINS`."""
    low, high = places[0], places[-1] + 1
    step = 1
    while (high - low) / step > BINS:
        step *= 2
    low -= low % step
    return [count_edges(place)[0] for place in range(low, high + step, step)]


def _linear(places: Sequence[int]) -> list[float]:
    """Return edges that are as far apart as the widest range: all others lie inside."""
    ends = [edge for place in (places[0], places[-1]) for edge in count_edges(place)]
    width = max(count_edges(place)[1] - count_edges(place)[0] for place in (places[0], places[-1])) or 1.0
    first, last = math.floor(min(ends) / width), math.ceil(max(ends) / width)
    return [width * number for number in range(first, max(last, first) + 1 + (last == first or max(ends) == 0))]


def _with_marks(edges: Sequence[float], marks: Mapping[str, float]) -> list[float]:
    """Return edges, with more where a threshold lies outside."""
    low = [min(marks.values())] if marks and min(marks.values()) < edges[0] else []
    high = [max(marks.values())] if marks and max(marks.values()) > edges[-1] else []
    return [*low, *edges, *high]


def _padded(
    bars: Mapping[str, list[float]], edges: Sequence[float], marks: Mapping[str, float]
) -> dict[str, list[float]]:
    every = _with_marks(edges, marks)
    before, after = int(every[0] < edges[0]), int(every[-1] > edges[-1])
    return {name: [*[0.0] * before, *counted, *[0.0] * after] for name, counted in bars.items()}


def counts(
    title: str,
    what: str,
    series: Mapping[str, Mapping[str, float]],
    notes: Sequence[str] = (),
    *,
    by_value: bool = False,
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
    more = [f"{left:,} more with {rest:,.0f} documents together"] if left else []
    return Counts(title, what, shown, note="; ".join([*more, *notes]))


def of_source(
    corpus: Corpus, name: str, sample: Sample, measures: Mapping[str, Measure], counted: Counted
) -> list[Distribution]:
    """Return a source's distributions; `measures` are those of its reasons, by what they measure."""
    manifest = corpus.manifests[name]
    if not counted.parts:
        return [found for found in _of_manifest(corpus, name) if found is not None]
    found: list[Distribution | None] = [_lengths(counted)]
    axes = {axis for part in counted.parts for axis in numbers_in(counted.axes(part))} - _OF_ONE_REASON
    found += [_scores(corpus, manifest, sample, measures, counted, axis) for axis in sorted(axes)]
    found += [_breakdown(row, counted) for row in _breakdowns(manifest, counted)]
    if name == "stack_exchange":
        answers, _ = counted.bins("answer_scores", KEPT, whole=True)
        found.append(histogram("Scores of answers", "score", {"answers": answers}, {}, logarithmic=False))
    return [distribution for distribution in [*found, *_of_manifest(corpus, name)] if distribution is not None]


def _of_manifest(corpus: Corpus, name: str) -> Iterator[Distribution | None]:
    if name == "common_crawl" and corpus.reference:
        yield _roc(corpus.reference)
    for stage, told in corpus.manifests[name].get("clusters", {}).items():
        yield _clusters(stage, told)


def _lengths(counted: Counted) -> Histogram | None:
    kept, _ = counted.bins(LENGTH, KEPT, whole=True)
    dropped, _ = counted.bins(LENGTH, *counted.dropped, whole=True)
    return histogram("Length of a document", "bytes of text", {KEPT: kept, DROPPED: dropped}, {}, logarithmic=True)


# What a rule measured and its limit: another number for each reason.
_OF_ONE_REASON: Final = frozenset({"value", "limit"})


def _scores(
    corpus: Corpus, manifest: Json, sample: Sample, measures: Mapping[str, Measure], counted: Counted, axis: str
) -> Histogram | None:
    """Return a score of what was kept and dropped; what no column of documents has is measured of a sample."""
    known, plain = scores.known(axis, manifest["source"]), axis.replace("_", " ")
    title, what = (known and known.title) or plain.capitalize(), (known and known.unit) or plain
    kept, without = counted.bins(axis, KEPT)
    dropped, _ = counted.bins(axis, *counted.dropped)
    notes = [f"{without:,} kept documents have none"] if without and kept else []
    series: dict[str, Mapping[int, float]] = {KEPT: kept, DROPPED: dict(dropped)}
    if not kept and what in measures and measures[what].slow:
        series[KEPT], said = _measured(sample, measures[what])
        notes.append(said)
    marks = _marks(corpus, manifest, measures.get(what), axis, sample)
    places = [place for values in series.values() for place in values]
    logarithmic = bool(places) and count_edges(max(places))[1] > 1 and min(places) >= 0
    return histogram(title, what, series, marks, logarithmic, notes)


def _marks(corpus: Corpus, manifest: Json, measure: Measure | None, axis: str, sample: Sample) -> dict[str, float]:
    if axis == "perplexity" and manifest["source"] == "common_crawl":
        return _cutoffs(corpus)
    listed = [row for row in manifest.get("shown", {}).get("measures", ()) if row["value"] == f"attributes.{axis}"]
    found = [float(reduce(getitem, row["threshold"].split("."), manifest["recipe"])) for row in listed[:1]]
    if not found and measure is not None and sample.documents:
        threshold = measure.threshold(sample.documents[0])
        found = [] if threshold is None else [threshold]
    return {f"threshold {value:g}": value for value in found}


def _cutoffs(corpus: Corpus) -> dict[str, float]:
    languages = corpus.cutoffs if len(corpus.cutoffs) <= 1 else {}
    return {f"{cut} {row[cut]:g}": row[cut] for row in languages.values() for cut in ("head", "middle")}


def _measured(sample: Sample, measure: Measure) -> tuple[Mapping[int, float], str]:
    """Return a measurement of kept documents by range, scaled from those of a sample, and with what interval."""
    chosen = sorted(sample.documents, key=lambda document: keyed("measure", document.id))[:MEASURED]
    values = [(measure.value(document), sample.weight(document)) for document in chosen]
    known = [(value, weight) for value, weight in values if value is not None]
    scale = sample.total / (sum(weight for _, weight in values) or 1.0)
    found: defaultdict[int, float] = defaultdict(float)
    for place, (_, weight) in zip(bins(np.array([value for value, _ in known])).tolist(), known, strict=True):
        found[place] += scale * weight
    read = f"kept: {len(chosen):,} of {sample.total:,} documents, by hash"
    if len(chosen) == sample.total:
        return found, read
    number = estimates.effective([weight for _, weight in values])
    widest = max((estimates.margin(count / sample.total, number) for count in found.values()), default=0)
    return found, f"{read}; each range ± at most {widest * sample.total:,.0f} documents (95 %)"


def _breakdowns(manifest: Json, counted: Counted) -> list[Json]:
    """Return what a source's documents are shown by: what it asks for, and years where any are known."""
    asked = list(manifest.get("shown", {}).get("breakdowns", ()))
    if any(row["of"] == "year" for row in asked) or not counted.values("year", KEPT).documents.keys() - {NOT_SAID}:
        return asked
    return [*asked, {"of": "year", "title": "Years", "what": "year"}]


def _breakdown(row: Json, counted: Counted) -> Counts | None:
    axis = row["of"].removeprefix("attributes.")
    kept, dropped = counted.values(axis, KEPT), counted.values(axis, *counted.dropped)
    series = {KEPT: dict(kept.documents), DROPPED: dict(dropped.documents)}
    found = counts(row["title"], row["what"], series, by_value=row["of"] == "year")
    return None if found is None else replace(found, note="; ".join(_notes(found, kept, dropped)))


def _notes(found: Counts, kept: Values, dropped: Values) -> Iterator[str]:
    """Yield what a plot of values leaves out, how many there are, and where counts may be too small."""
    rest = sum(sum(values.documents.values()) + values.rest for values in (kept, dropped))
    rest -= round(sum(sum(series.values()) for series in found.series.values()))
    if rest:
        yield f"all others: {rest:,} documents"
    if kept.distinct and kept.distinct[0] > LARGEST:
        number, half = kept.distinct
        yield f"kept are {number:,}{f' ± {half:,}' if half else ''} different ones"
    for name, values in ((KEPT, kept), (DROPPED, dropped)):
        shown = found.series.get(name, {})
        bounds = [f"{value} {more:,}" for value in shown if (more := values.more_of(value))]
        if bounds:
            yield f"{name} may be more by at most: {', '.join(bounds)}"


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
    if sizes and note:
        most = max(sizes.values())  # clusters are drawn one by one: a count of n has a standard error of sqrt(n)
        all_of = estimates.Estimate(most, estimates.NORMAL * math.sqrt(most)).times(1 / of["share"])
        note += f": the largest bar stands for {all_of.value:,.0f} ± {all_of.margin:,.0f} clusters"
    if of["files"] < of["of_files"]:
        note += f" in {of['files']:,} of {of['of_files']:,} files"
    title = f"Copies: sizes of clusters ({stage.replace('_', ' ')})"
    # A manifest sorts its keys as text: "128 to 256" before "3 to 4".
    ordered = dict(sorted(sizes.items(), key=lambda entry: int(entry[0].partition(" ")[0])))
    return Counts(title, "copies", {"clusters": ordered}, "clusters", note) if sizes else None


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


def tokens_read(corpus: Corpus, found: Mapping[str, npt.NDArray[np.int64]]) -> list[tuple[str, int, int]]:
    """Return of each source how many tokens were counted, of how many that it trains on."""
    every = {corpus.titles[name]: manifest["splits"]["train"] for name, manifest in corpus.tokens.items()}
    return [(title, int(found[title].sum()), sum(row["tokens"] for row in every[title])) for title in every]


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


def largest_tokens(found: Mapping[str, npt.NDArray[np.int64]], tokenizer: Tokenizer, count: int = 10) -> dict[str, str]:
    """Return the most frequent pieces of each source, in words."""
    return {
        name: " ".join(tokenizer.piece(int(number)) for number in np.argsort(-total, kind="stable")[:count])
        for name, total in found.items()
    }
