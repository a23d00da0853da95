"""Parts of a recipe that any source may have, those of own texts, and those of all sources together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Of each source, the share of its documents below which a build says that it keeps next to nothing; our own.
LEAST_KEPT = 0.01


@dataclass(frozen=True)
class NearDuplicates:
    """Any source but books, last of all: near-duplicates removed by containment or Jaccard, each verified; off here.

    Documents with the same words are always found. By Jaccard a pair at the threshold is looked at with the probability
    `recall`; by containment whenever the smaller document has at least `shortest` shingles of five words: a larger
    number takes less time.
    """

    measure: Literal["off", "containment", "jaccard"] = "off"
    threshold: float = 0.9
    recall: float = 0.999
    shortest: int = 10


@dataclass(frozen=True)
class LanguageFilter:
    """Languages kept, by fastText's label (`--model lid=FILE`); none: all, and none is looked for."""

    languages: tuple[str, ...] = ()
    threshold: float = 0.5  # CCNet: fastText score


@dataclass(frozen=True)
class C4Filter:
    """C4's rules for lines, and for pages with a word of a list (`--model bad_words=FILE`)."""

    lines: bool = False
    min_sentences: int = 3
    bad_words: bool = False


@dataclass(frozen=True)
class GopherFilter:
    """Gopher's rules (Rae et al. 2021): `filters.web.gopher` has the limits."""

    quality: bool = False
    repetition: bool = False


@dataclass(frozen=True)
class PerplexityFilter:
    """CCNet's perplexity: in these buckets of its cut-offs, or at most so high; off without either.

    The models of languages are given (`--model language_models=DIR`) or made of the Wikipedia of the same build, the
    cut-offs are given (`--model cutoffs=PATH`) or taken on its CommonCrawl. The language is the document's own where
    no language is looked for.
    """

    buckets: tuple[str, ...] = ()
    most: float = 0.0


@dataclass(frozen=True)
class ClassifierFilter:
    """A fastText classifier (`--model classifier=FILE`): the label that is wanted, and its probability; off without."""

    label: str = ""
    threshold: float = 0.5


@dataclass(frozen=True)
class Filters:
    """Rules that any source may have behind its own, each off here; in the order in which they are applied.

    `copies` drops documents of the same text but one, `lines` removes lines that several documents have, compared as
    CCNet does: from all of them, or from all but one.
    """

    language: LanguageFilter = LanguageFilter()
    c4: C4Filter = C4Filter()
    gopher: GopherFilter = GopherFilter()
    fineweb: bool = False  # Penedo et al. 2024: `filters.web.fineweb` has the limits
    perplexity: PerplexityFilter = PerplexityFilter()
    classifier: ClassifierFilter = ClassifierFilter()
    mask_personal_information: bool = False  # our own option: e-mail and IP addresses, telephone numbers
    copies: bool = False
    lines: Literal["off", "all", "all_but_one"] = "off"


@dataclass(frozen=True)
class Fields:
    """Own texts: in which field of a row what is, with dots for one inside another ("meta.url").

    Only the text must be there. `attributes` names the fields that are kept beside these, all if it is empty. Of a file
    of plain text the whole content is the text.
    """

    text: str = "text"
    url: str = "url"
    title: str = "title"
    license: str = "license"
    language: str = "language"
    timestamp: str = "timestamp"
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Texts(Fields):
    """Own texts in JSON lines, Parquet, Arrow or plain text: naming them in the recipe (`texts.NAME`) makes a source.

    `share` is its part of the tokens seen in training, at most three decimals; 0: it is built and not trained on.
    """

    share: float = 0.0
    groups: int = 64  # work items that files of plain text are spread over, by hash of their content
    least_kept: float = LEAST_KEPT  # a build warns of a source that keeps a smaller share
    filters: Filters = Filters()
    near: NearDuplicates = NearDuplicates()


@dataclass(frozen=True)
class Contamination:
    """All sources, before the tokenizer: documents that hold a text of the given benchmarks dropped; off here.

    GPT-3's rules (Brown et al. 2020, appendix C): runs of 13 words; one that is in more than ten documents of a source
    is no evidence. LLaMA's paper says nothing of a filter like it.
    """

    drop: bool = False
    words: int = 13
    max_documents: int = 10


@dataclass(frozen=True)
class Across:
    """All sources together, once their documents are finished: which have near-duplicates elsewhere.

    Two documents are near-duplicates if more than `threshold` of their shingles of five words (Jaccard) are the same; a
    pair at the threshold is found with the probability `recall`. The paper removes none across sources; by `remove` a
    document that stands several times in the corpus, in any of its sources or crawls, stays once.
    """

    remove: bool = False  # off: C4 and CommonCrawl share pages, in the paper too
    # Whose copy stays, the first of these; a source that is not named comes before them.
    preferred: tuple[str, ...] = ("books", "wikipedia", "arxiv", "stack_exchange", "github", "c4", "common_crawl")
    threshold: float = 0.8
    recall: float = 0.999
    sample: float = 0.01  # share of the documents, by hash of their id, that the other sources' are compared with
    apart: bool = True  # a held-out document with a near-duplicate in training goes to training too
