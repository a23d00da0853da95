"""What "nearly dropped" means for each reason: the measurement and the threshold that the filter compares it with.

A measurement comes from a document's attributes or is made of its text by the filter's own function; a reason without
one (a licence, a copy) is a matter of yes or no, and nothing is near it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import getitem

from filters.code import heuristics
from filters.web import c4, sentences
from pipelines.card.facts import Corpus, Json
from pipelines.card.samples import EXAMPLES
from pipelines.card.shapes import apart
from pipelines.document import LIMIT, VALUE, Document
from pipelines.hashing import keyed
from tokenizer.encode import Tokenizer

MEASURED = 500  # documents at most that a filter's function is asked about, by hash


@dataclass(frozen=True)
class Measure:
    """A measurement and its threshold: `keeps` says on which side of it documents stay ("above", "below").

    `value` and `threshold` answer None for a document that the filter says nothing about. `slow` measurements are made
    of a sample of the documents only. One `of_text` is made of the finished text, the others were noted by the filter.
    """

    what: str
    keeps: str
    value: Callable[[Document], float | None]
    threshold: Callable[[Document], float | None]
    slow: bool = False
    of_text: bool = False


@dataclass(frozen=True)
class Near:
    """A kept document near a threshold."""

    document: Document
    value: float
    threshold: float


def nearest(measure: Measure, documents: Sequence[Document], count: int = EXAMPLES) -> list[Near]:
    """Return the documents nearest to the threshold, the nearest first, ties by hash.

    One that later stages took past the threshold is left out: what the filter saw of it is not known.
    """
    if measure.slow:
        documents = sorted(documents, key=lambda document: keyed("measure", document.id))[:MEASURED]
    found = []
    sign = 1 if measure.keeps == "above" else -1
    for document in documents:
        value, threshold = measure.value(document), measure.threshold(document)
        if value is not None and threshold is not None and sign * (value - threshold) >= 0:
            found.append(Near(document, value, threshold))
    found.sort(key=lambda near: (sign * (near.value - near.threshold), keyed("example", near.document.id)))
    return found[:count]


def decided(row: Json, measure: Measure | None) -> str:
    """Return in words by which number a document was dropped and what its limit is, "" if no number decided."""
    value, limit = row["scores"].get(VALUE), row["scores"].get(LIMIT)
    if value is None or limit is None:
        return ""
    shown, what = apart([value, limit]), measure.what if measure else "measured"
    stays = (
        "the limit is" if value == limit else "what stays has at least" if value < limit else "what stays has at most"
    )
    return f"{what} {shown(value)}; {stays} {shown(limit)}"


def others(row: Json) -> dict[str, float]:
    """Return what else was measured of a dropped document, by name: what decided is not said twice."""
    scores: dict[str, float] = row["scores"]
    value = scores.get(VALUE)
    return {name: one for name, one in scores.items() if name not in (VALUE, LIMIT) and one != value}


def measure_of(corpus: Corpus, tokenizer: Tokenizer | None, source: str, stage: str, reason: str) -> Measure | None:
    """Return what a reason measures, or None if it measures nothing (or what it needs is not in the corpus).

    Most sources say it in their manifests (`pipelines.stages.source.Measured`); what takes a filter's own function, a
    model or a cut-off is here.
    """
    manifest = corpus.manifests[source]
    for row in manifest.get("shown", {}).get("measures", ()):
        if row["reason"] == reason:
            return _constant(
                row["what"],
                row["keeps"],
                _value(row["value"]),
                float(reduce(getitem, row["threshold"].split("."), manifest["recipe"])),
                of_text=row["value"] in _MEASURED,
            )
    if source == "common_crawl":
        return _common_crawl(corpus, stage, reason)
    if source == "c4":
        return _c4(manifest["recipe"], stage, reason)
    return _github(manifest["recipe"], tokenizer, reason) if source == "github" else None


def _value(name: str) -> Callable[[Document], float | None]:
    return _MEASURED.get(name) or _attribute(name.removeprefix("attributes."))


def _common_crawl(corpus: Corpus, stage: str, reason: str) -> Measure | None:
    recipe = corpus.manifests["common_crawl"]["recipe"]
    if (stage, reason) == ("paragraphs", "too_short"):
        return _constant("characters left", "above", _characters, recipe["paragraphs"]["min_characters"])
    if reason == "not_reference" and corpus.reference:
        chosen = recipe["reference"]["threshold"]
        threshold = corpus.reference["threshold"] if chosen is None else chosen
        return _constant("probability", "above", _attribute("reference_probability"), threshold, of_text=False)
    cut = {"bucket_tail": "middle", "bucket_middle": "head"}.get(reason)
    if cut is None or not corpus.cutoffs:
        return None

    def cutoff(document: Document) -> float | None:
        found: float | None = corpus.cutoffs.get(document.language or "", {}).get(cut)
        return found

    return Measure("perplexity", "below", _attribute("perplexity"), cutoff)


def _c4(recipe: dict[str, dict[str, float]], stage: str, reason: str) -> Measure | None:
    if reason == "too_few_sentences":
        return _constant("sentences", "above", _sentences, recipe[stage]["min_sentences"], slow=True)
    if reason in ("language_probability", "other_language", "no_language"):
        return _constant("probability of English", "above", _english, recipe["english"]["threshold"], slow=True)
    return None


def _github(recipe: dict[str, dict[str, float]], tokenizer: Tokenizer | None, reason: str) -> Measure | None:
    if reason == heuristics.Reason.LONG_LINE:
        return _constant("longest line", "below", _longest_line, heuristics.MAX_LINE_CHARACTERS)
    if reason == heuristics.Reason.LONG_AVERAGE_LINE:
        return _constant("average line", "below", _average_line, heuristics.MAX_AVERAGE_LINE_CHARACTERS)
    if reason == heuristics.Reason.FEW_ALPHANUMERICS:
        return _constant("share of alphanumerics", "above", _alphanumerics, heuristics.MIN_ALPHANUMERIC_SHARE)
    if reason == heuristics.Reason.FEW_LETTERS_PER_TOKEN and tokenizer is not None:
        value = _letters_per_token(tokenizer)
        return _constant("letters per token", "above", value, recipe["tokens"]["min_letters_per_token"], slow=True)
    return None


def _constant(
    what: str,
    keeps: str,
    value: Callable[[Document], float | None],
    threshold: float,
    slow: bool = False,
    of_text: bool = True,
) -> Measure:
    return Measure(what, keeps, value, lambda document: threshold, slow, of_text)


def _attribute(name: str) -> Callable[[Document], float | None]:
    def value(document: Document) -> float | None:
        found = document.attributes.get(name)
        return None if found is None else float(found)

    return value


def _characters(document: Document) -> float:
    return float(len(document.text))


def _bytes(document: Document) -> float:
    return float(len(document.text.encode()))


_MEASURED: Mapping[str, Callable[[Document], float | None]] = {"characters": _characters, "bytes": _bytes}


def _sentences(document: Document) -> float:
    return float(sentences.count(document.text, 1_000))


def _english(document: Document) -> float | None:
    best = c4.detect(document.text)
    return best[1] if best and best[0] == c4.ENGLISH else None


def _longest_line(document: Document) -> float:
    return float(max(map(len, document.text.splitlines()), default=0))


def _average_line(document: Document) -> float:
    return len(document.text) / max(1, len(document.text.splitlines()))


def _alphanumerics(document: Document) -> float:
    return heuristics.alphanumerics(document.text) / max(1, len(document.text))


def _letters_per_token(tokenizer: Tokenizer) -> Callable[[Document], float | None]:
    def value(document: Document) -> float | None:
        tokens = len(tokenizer.encode_batch([document.text], bos=False, eos=False)[0])
        return heuristics.letters(document.text) / tokens if tokens else None

    return value
