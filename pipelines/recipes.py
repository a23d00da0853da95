"""Recipes: every choice of a build as frozen dataclasses, and the three named ones, PAPER, LLAMA2 and SAMPLE.

Each stage of a source has its own dataclass and sees nothing else, so a change of one field redoes the stages that read
it and no others. Sections are those of the LLaMA paper; rules and constants of CCNet, C4 and RedPajama are named where
they come from. The command line overrides single fields (`--set common_crawl.quality.threshold=0.65`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from filters.wikipedia_names import LANGUAGES

Mode = Literal["published", "corrected"]
Match = Literal["url", "host"]


@dataclass(frozen=True)
class NearDuplicates:
    """Any source but books, last of all: near-duplicates removed by containment or Jaccard, each verified; off here.

    `recall` is the probability that a pair at the threshold is looked at; by containment that holds for documents of at
    least `shortest` shingles of five words.
    """

    measure: Literal["off", "containment", "jaccard"] = "off"
    threshold: float = 0.9
    recall: float = 0.999
    shortest: int = 100


@dataclass(frozen=True)
class Paragraphs:
    """CommonCrawl, first pass: short pages and the keys of lines (CCNet)."""

    min_characters: int = 300  # CCNet, Config.min_len
    mode: Mode = "corrected"
    exclude_personal_information_sites: bool = False  # Llama 2, section 2.1


@dataclass(frozen=True)
class Quality:
    """CommonCrawl, second pass: duplicate lines removed, language, perplexity, and the keys of what may be cited.

    `match` says what makes a page one that Wikipedia cites: its URL ("url"), or only its host ("host", for a sample,
    whose few pages are hardly ever cited themselves).
    """

    languages: tuple[str, ...] = ("en",)  # section 2.1: English only
    threshold: float = 0.5  # CCNet: fastText score
    mode: Mode = "corrected"
    match: Match = "url"


@dataclass(frozen=True)
class Reference:
    """CommonCrawl, third pass: perplexity bucket and the classifier "page used as a reference in Wikipedia"."""

    buckets: tuple[str, ...] = ("head", "middle")  # RedPajama's reading of section 2.1
    classifier: bool = True  # without it every page of these buckets is kept, and none is trained
    threshold: float | None = None  # None: chosen on the held-out split; RedPajama keeps 0.25 and more
    label: str = "reference"  # of a classifier given by path: which of its labels is wanted
    mask_personal_information: bool = False  # our own option: e-mail and IP addresses, telephone numbers


@dataclass(frozen=True)
class ReferenceTraining:
    """How the reference classifier is trained: as many random pages as cited ones, a share of both held out by hash.

    The settings of fastText are those of its command line, which RedPajama used.
    """

    pages: int = 300_000  # of each class at most
    held_out: float = 0.2
    seed: int = 0  # of the split, of the order of training and of fastText
    language: str = "en"
    epochs: int = 5
    learning_rate: float = 0.1
    dimension: int = 100
    word_ngrams: int = 1


@dataclass(frozen=True)
class CommonCrawl:
    """Section 2.1, English CommonCrawl."""

    paragraphs: Paragraphs = Paragraphs()
    quality: Quality = Quality()
    reference: Reference = Reference()
    training: ReferenceTraining = ReferenceTraining()
    window: int = 2_000  # files compared with each other; CCNet's 50 shards of about 40 files. 0: the whole dump
    near: NearDuplicates = NearDuplicates()


@dataclass(frozen=True)
class C4Pages:
    """C4, first pass."""

    max_characters: int = 190_000  # C4's own pipeline
    mode: Mode = "corrected"
    exclude_personal_information_sites: bool = False  # Llama 2, section 2.1


@dataclass(frozen=True)
class C4Lines:
    """C4, second pass: the rules for lines and pages."""

    min_sentences: int = 3


@dataclass(frozen=True)
class C4English:
    """C4, third pass: after line deduplication."""

    min_sentences: int = 3
    threshold: float = 0.99  # langdetect's probability of English
    mask_personal_information: bool = False  # our own option: e-mail and IP addresses, telephone numbers


@dataclass(frozen=True)
class C4:
    """Section 2.1, C4: the rules of the corpus' own pipeline."""

    pages: C4Pages = C4Pages()
    lines: C4Lines = C4Lines()
    english: C4English = C4English()
    near: NearDuplicates = NearDuplicates()


@dataclass(frozen=True)
class GitHubFiles:
    """GitHub, first pass: licence, heuristics, boilerplate (RedPajama's constants)."""

    mode: Mode = "corrected"


@dataclass(frozen=True)
class GitHubTokens:
    """GitHub, last pass: the rule that needs the tokenizer."""

    min_letters_per_token: float = 1.5  # RedPajama


@dataclass(frozen=True)
class GitHub:
    """Section 2.1, GitHub."""

    files: GitHubFiles = GitHubFiles()
    tokens: GitHubTokens = GitHubTokens()
    near: NearDuplicates = NearDuplicates()


@dataclass(frozen=True)
class Articles:
    """Wikipedia's only pass."""

    languages: tuple[str, ...] = LANGUAGES  # section 2.1: 20, in Latin or Cyrillic script


@dataclass(frozen=True)
class Wikipedia:
    """Section 2.1, Wikipedia."""

    articles: Articles = Articles()
    span_bytes: int = 64 << 20  # compressed bytes of a multistream dump in one work item
    near: NearDuplicates = NearDuplicates()


@dataclass(frozen=True)
class BookTexts:
    """Books, first pass: header and footer; one in `sample` of the shingles (by hash) is compared between books."""

    sample: int = 16
    min_characters: int = 1_000  # our own: what is left of an empty or broken file is no book


@dataclass(frozen=True)
class BookOverlap:
    """Books, the decision: more than 90 % of the content contained in a book that is kept (section 2.1)."""

    threshold: float = 0.9


@dataclass(frozen=True)
class Books:
    """Section 2.1, Gutenberg and Books3; Books3 is no longer distributed."""

    texts: BookTexts = BookTexts()
    overlap: BookOverlap = BookOverlap()
    groups: int = 1_024  # work items that the books are spread over, by hash of their content


@dataclass(frozen=True)
class Papers:
    """arXiv's only pass."""

    mode: Mode = "corrected"


@dataclass(frozen=True)
class ArXiv:
    """Section 2.1, arXiv."""

    papers: Papers = Papers()
    near: NearDuplicates = NearDuplicates()


@dataclass(frozen=True)
class Questions:
    """StackExchange: the largest sites by number of posts."""

    largest_sites: int = 28  # section 2.1
    meta_sites: bool = False


@dataclass(frozen=True)
class Posts:
    """StackExchange: how a site's posts are cut into work items."""

    range_bytes: int = 64 << 20


@dataclass(frozen=True)
class StackExchange:
    """Section 2.1, StackExchange."""

    posts: Posts = Posts()
    questions: Questions = Questions()
    near: NearDuplicates = NearDuplicates()


@dataclass(frozen=True)
class LanguageModels:
    """CCNet's quality models: SentencePiece unigram and a 5-gram Kneser-Ney model of each language's Wikipedia.

    `estimator` is KenLM's program `lmplz`, for any amount of text, or our own, which needs no program, gives the same
    bytes everywhere, and holds the text in memory (about 180 bytes for each piece).
    """

    languages: tuple[str, ...] = ("en",)  # none: every language that the Wikipedia inputs are in
    order: int = 5
    pieces: int = 65_536  # at most; a small text gets fewer (filters.perplexity.vocabulary_for)
    documents: int = 1_000_000  # CCNet, Makefile: NDOC_FOR_LM
    text_bytes: int = 1 << 30  # of whole articles; CCNet takes the openings of its million, less than this
    estimator: Literal["lmplz", "kneser_ney"] = "lmplz"
    lmplz: str = "lmplz"  # the program: a name on PATH, or its path
    prune: tuple[int, ...] = ()  # lmplz --prune; CCNet prunes nothing
    cutoff_documents: int = 100_000  # crawled pages, chosen by hash, on which the percentiles are taken


@dataclass(frozen=True)
class Tokenizer:
    """LLaMA's SentencePiece specification (tokenizer.spec) and the sample it is trained on."""

    vocabulary: int = 32_000  # section 2.1
    training_bytes: int = 10 << 30  # drawn from all sources at the mixture's proportions


@dataclass(frozen=True)
class Shards:
    """Token shards."""

    shard_tokens: int = 100_000_000
    validation: float = 0.001  # share of the documents, by hash of their id
    validation_of: tuple[tuple[str, float], ...] = ()  # another share for a source
    bos: bool = True
    eos: bool = True


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
class Recipe:
    """A whole build."""

    name: str
    common_crawl: CommonCrawl = CommonCrawl()
    c4: C4 = C4()
    github: GitHub = GitHub()
    wikipedia: Wikipedia = Wikipedia()
    books: Books = Books()
    arxiv: ArXiv = ArXiv()
    stack_exchange: StackExchange = StackExchange()
    language_models: LanguageModels = LanguageModels()
    tokenizer: Tokenizer = Tokenizer()
    shards: Shards = Shards()
    contamination: Contamination = Contamination()
    # How global decisions are cut, which decides nothing: parts that keys are sorted into (a power of two, the most
    # reducers there can be), keys that a reducer may hold (80 bytes each), and runs that are merged into one before a
    # shuffle where a window has more.
    buckets: int = 4_096
    reducer_keys: int = 16_000_000
    fan_in: int = 64
    excerpts: float = 0.01  # share of the drops that keep an excerpt
    keep_staged: bool = False
    max_duplicates: float = 0.5  # share of a stage's or a host's documents lost as duplicates above which a build warns
    alarm_documents: int = 100  # a host, repository or site with fewer documents raises no alarm
    sources: tuple[str, ...] = field(
        default=("common_crawl", "c4", "github", "wikipedia", "books", "arxiv", "stack_exchange")
    )

    @property
    def excludes_sites(self) -> bool:
        """Tell whether a source leaves out sites with much personal information."""
        first = (self.common_crawl.paragraphs, self.c4.pages)
        return any(part.exclude_personal_information_sites for part in first)


PAPER = Recipe(name="paper")
# Llama 2's own mixture is not published, nor its list of sites with much personal information (its section 2.1):
# ours is pipelines/personal_information_sites.txt.
LLAMA2 = replace(
    PAPER,
    name="llama2",
    common_crawl=replace(PAPER.common_crawl, paragraphs=Paragraphs(exclude_personal_information_sites=True)),
    c4=replace(PAPER.c4, pages=C4Pages(exclude_personal_information_sites=True)),
)
SAMPLE = Recipe(
    name="sample",
    common_crawl=CommonCrawl(
        quality=Quality(match="host"),
        # On so few pages fastText's own settings have hardly begun to learn: in five-fold cross-validation over the
        # sample's 1,628 pages the area under the ROC is 0.77 with them and 0.95 with these. Ten dimensions do as well
        # as a hundred, and pairs of words add nothing.
        training=ReferenceTraining(pages=5_000, epochs=25, learning_rate=0.5, dimension=10),
        window=0,
    ),
    # 8,000 pieces split code more finely than 32,000: 1.5 letters per token would drop the better half of it.
    github=GitHub(tokens=GitHubTokens(min_letters_per_token=1.0)),
    wikipedia=Wikipedia(span_bytes=1 << 20),
    books=Books(groups=4),
    stack_exchange=StackExchange(posts=Posts(range_bytes=1 << 20)),
    language_models=LanguageModels(estimator="kneser_ney"),
    tokenizer=Tokenizer(vocabulary=8_000, training_bytes=8 << 20),
    # So that a source of a few documents has something to measure on: of four papers, one is held out.
    shards=Shards(
        shard_tokens=2_000_000,
        validation=0.02,
        validation_of=(("arxiv", 0.35), ("stack_exchange", 0.1), ("wikipedia", 0.05)),
    ),
    buckets=16,
    excerpts=1.0,
    keep_staged=True,
)
RECIPES = {recipe.name: recipe for recipe in (SAMPLE, PAPER, LLAMA2)}


def override(recipe: Recipe, assignment: str) -> Recipe:
    """Return the recipe with one field changed by "path.to.field=value"; raise ValueError saying what is wrong."""
    path, equals, value = assignment.partition("=")
    if not equals:
        raise ValueError(f"--set {assignment}: write it as path.to.field=value")
    changed: Recipe = _override(recipe, path.split("."), value, assignment)
    return changed


def _override(node: Any, path: list[str], value: str, assignment: str) -> Any:
    names = [found.name for found in dataclasses.fields(node)]
    if path[0] not in names:
        raise ValueError(f"--set {assignment}: there is no field {path[0]!r}, only {', '.join(names)}")
    current = getattr(node, path[0])
    if len(path) > 1:
        if not dataclasses.is_dataclass(current):
            raise ValueError(f"--set {assignment}: {path[0]} has no fields")
        return replace(node, **{path[0]: _override(current, path[1:], value, assignment)})
    if dataclasses.is_dataclass(current):
        fields = ", ".join(found.name for found in dataclasses.fields(current))
        raise ValueError(f"--set {assignment}: {path[0]} is a group of fields: {fields}")
    hint = get_type_hints(type(node))[path[0]]
    return replace(node, **{path[0]: _parse(hint, value, assignment)})


def _parse(hint: Any, value: str, assignment: str) -> Any:
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if NoneType in kinds and value.lower() == "none":
        return None
    kind = kinds[0]
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"--set {assignment}: {value!r} is none of {', '.join(get_args(kind))}")
        return value
    if get_origin(kind) is tuple and get_args(kind) == (str, ...):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if get_origin(kind) is tuple and get_args(kind) == (int, ...):
        return tuple(_parse(int, part.strip(), assignment) for part in value.split(",") if part.strip())
    if kind not in _PARSERS:
        raise ValueError(f"--set {assignment}: this field is set in a recipe only")
    try:
        return _PARSERS[kind](value)
    except (ValueError, KeyError):
        raise ValueError(f"--set {assignment}: {value!r} is no {kind.__name__}") from None


def _finite(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


_PARSERS: dict[Any, Callable[[str], Any]] = {
    bool: lambda value: {"true": True, "false": False}[value.lower()],
    int: int,
    float: _finite,
    str: str,
}


def check(recipe: Recipe) -> None:
    """Raise ValueError naming the first field whose value makes no sense, and what would be right."""
    for path, right, what in _RULES:
        value = attrgetter(path)(recipe)
        if not right(value):
            raise ValueError(f"{path} is {value!r}: {what}")
    for path, value in _numbers(recipe, ""):
        if value < 0:
            raise ValueError(f"{path} is {value!r}: a number of at least 0")


def _numbers(node: Any, prefix: str) -> Iterator[tuple[str, float]]:
    for found in dataclasses.fields(node):
        value, path = getattr(node, found.name), f"{prefix}{found.name}"
        if dataclasses.is_dataclass(value):
            yield from _numbers(value, f"{path}.")
        elif isinstance(value, int | float):
            yield path, value


def _among(allowed: Sequence[str]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: bool(value) and set(value) <= set(allowed), f"some of {', '.join(allowed)}"


_POSITIVE: tuple[Callable[[Any], bool], str] = (lambda value: value >= 1, "at least 1")
_SHARE: tuple[Callable[[Any], bool], str] = (lambda value: 0 <= value <= 1, "a share between 0 and 1")
_PART: tuple[Callable[[Any], bool], str] = (lambda value: 0 < value < 1, "a share between 0 and 1, neither of them")
_PRUNE = "counts that start with 0 and never decrease, such as 0,0,1"
_RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("sources", *_among(PAPER.sources)),
    ("buckets", lambda value: value >= 1 and value & (value - 1) == 0, "a power of two"),
    ("reducer_keys", *_POSITIVE),
    ("fan_in", lambda value: value >= 2, "at least 2"),
    ("excerpts", *_SHARE),
    ("common_crawl.quality.threshold", *_SHARE),
    ("common_crawl.reference.buckets", *_among(("head", "middle", "tail", "all"))),
    ("common_crawl.reference.threshold", lambda value: value is None or 0 <= value <= 1, "none, or a probability"),
    ("common_crawl.training.pages", *_POSITIVE),
    ("common_crawl.training.held_out", *_PART),
    ("common_crawl.training.epochs", *_POSITIVE),
    ("common_crawl.training.dimension", *_POSITIVE),
    ("common_crawl.training.word_ngrams", *_POSITIVE),
    ("common_crawl.training.learning_rate", lambda value: value > 0, "more than 0"),
    ("c4.english.threshold", *_SHARE),
    ("wikipedia.articles.languages", *_among(LANGUAGES)),
    ("wikipedia.span_bytes", *_POSITIVE),
    ("books.texts.sample", *_POSITIVE),
    ("books.overlap.threshold", *_SHARE),
    ("books.groups", *_POSITIVE),
    ("stack_exchange.posts.range_bytes", *_POSITIVE),
    ("language_models.languages", lambda value: set(value) <= set(LANGUAGES), f"some of {', '.join(LANGUAGES)}"),
    ("language_models.order", lambda value: value >= 2, "at least 2"),
    ("language_models.pieces", *_POSITIVE),
    ("language_models.documents", *_POSITIVE),
    ("language_models.text_bytes", *_POSITIVE),
    ("language_models.prune", lambda value: value == tuple(sorted(value)) and value[:1] in ((), (0,)), _PRUNE),
    ("tokenizer.vocabulary", lambda value: 260 <= value <= 65_535, "from 260 (the bytes) to 65,535 (uint16)"),
    ("tokenizer.training_bytes", *_POSITIVE),
    ("shards.shard_tokens", *_POSITIVE),
    ("shards.validation", *_SHARE),
    ("max_duplicates", *_SHARE),
    ("alarm_documents", *_POSITIVE),
    ("contamination.words", lambda value: value >= 2, "at least 2"),
    ("contamination.max_documents", *_POSITIVE),
    *((f"{name}.near.{part}", *_PART) for name in PAPER.sources if name != "books" for part in ("threshold", "recall")),
    *((f"{name}.near.shortest", *_POSITIVE) for name in PAPER.sources if name != "books"),
)
