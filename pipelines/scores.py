"""What the numbers measure that a corpus has of its documents and drops: the one place that says it to people.

The explorer shows it beside each score, the card takes titles from it, and docs/schema.md has it as a table. What a
column of somebody's own texts measures, or a classifier that somebody gave, is not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Score:
    """A column of numbers.

    `what` says what it measures, `range` from where to where it goes, `better` what a high and a low one mean. `model`
    is the name, in the corpus' manifests, of the model that it comes from, `source` that of the only source that has
    it; both are "" where there is none. `title` and `unit` are its names in a plot, "" where its own will do. A `name`
    only tells documents apart: it has no percentiles.
    """

    what: str
    range: str
    better: str
    model: str = ""
    source: str = ""
    title: str = ""
    unit: str = ""
    name: bool = False


_COUNT: Final = "a whole number from 0 on"
_NOT_GOOD_OR_BAD: Final = "neither is better"


def _masked(what: str) -> Score:
    return Score(
        f"how many {what} in its text were replaced by a token; none is known where the recipe masks nothing",
        _COUNT,
        _NOT_GOOD_OR_BAD,
    )


SCORES: Final[Mapping[str, Score]] = {
    "language_score": Score(
        "the probability that a fastText model (lid.176, if no other was given) has for the language that it found",
        "0 to 1",
        "higher is surer of the language; it says nothing of the quality",
        model="lid",
        title="Score of the language",
        unit="score of the language",
    ),
    "perplexity": Score(
        "how badly the language model of the document's language predicts its text, as CCNet measures it (5-grams by "
        "KenLM, of Wikipedia if no others were given): 10 to the power of minus the mean log10 probability of a piece",
        "from 1 on, without an end",
        "lower is more like Wikipedia; very low ones are often repetitions. Those of two languages, or of two models, "
        "cannot be compared",
        model="language_models",
        title="Perplexity",
        unit="perplexity",
    ),
    "reference_probability": Score(
        "the probability, by a fastText classifier, that the page is one that Wikipedia cites and not any page",
        "0 to 1",
        "higher is more like a page that is cited",
        model="reference",
        source="common_crawl",
        title="Classifier: like a reference",
        unit="probability",
    ),
    "classifier_probability": Score(
        "the probability that a fastText classifier, which the recipe's user gave, has for its label",
        "0 to 1",
        "higher is more like the label; whether that is better, only who made the classifier knows",
        model="classifier",
    ),
    "letters_per_token": Score(
        "how many letters a token of the file has, by the corpus' own tokenizer; only of files that had too few",
        "from 0 on",
        "higher is more like words; low are data, keys and code that was packed",
        model="tokenizer",
        source="github",
        title="Letters per token",
        unit="letters per token",
    ),
    "value": Score(
        "the number that decided a drop, another measure for each stage and reason",
        "that of the measure",
        "under its limit it was too small, over it too large",
    ),
    "limit": Score(
        "what the number that decided a drop was compared with, another for each stage and reason",
        "that of the measure",
        _NOT_GOOD_OR_BAD,
    ),
    "masked_emails": _masked("e-mail addresses"),
    "masked_ip_addresses": _masked("IP addresses"),
    "masked_telephones": _masked("telephone numbers"),
    "number": Score(
        "the number of the book in its collection, such as Project Gutenberg's: a name, and no measure",
        "a whole number",
        _NOT_GOOD_OR_BAD,
        source="books",
        name=True,
    ),
    "macros_defined": Score(
        "how many macros and environments the paper's LaTeX defines", _COUNT, _NOT_GOOD_OR_BAD, source="arxiv"
    ),
    "macros_expanded": Score(
        "how many of the paper's own macros were expanded in its text", _COUNT, _NOT_GOOD_OR_BAD, source="arxiv"
    ),
    "macro_uses": Score(
        "how often the paper's own macros were expanded, all together", _COUNT, _NOT_GOOD_OR_BAD, source="arxiv"
    ),
    "answers": Score("how many answers stand below the question", _COUNT, _NOT_GOOD_OR_BAD, source="stack_exchange"),
    "score": Score(
        "the votes of the site's readers for the question, less those against it",
        "a whole number, below 0 too",
        "higher was found more useful",
        source="stack_exchange",
    ),
    "best_score": Score(
        "the votes for the answer that has most, less those against it",
        "a whole number, below 0 too",
        "higher was found more useful",
        source="stack_exchange",
    ),
}


def known(name: str, source: str) -> Score | None:
    """Return what a column of a source measures, None if only the source's own makers know it."""
    found = SCORES.get(name)
    return found if found and found.source in ("", source) else None


def table() -> str:
    """Return all as a table in Markdown."""
    rows = [
        f"| `{name}` | {one.what} | {one.range} | {one.better} | {f'`{one.model}`' if one.model else ''} |"
        for name, one in SCORES.items()
    ]
    return "\n".join(
        ["| column | what it measures | range | which way is better | model |", "|---|---|---|---|---|", *rows]
    )
