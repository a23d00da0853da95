"""Recipes: every choice of a build as frozen dataclasses, and the named ones: PAPER, LLAMA2, SAMPLE, TEXTS.

Each stage of a source has its own dataclass and sees nothing else, so a change of one field redoes the stages that read
it and no others. Sections are those of the LLaMA paper; rules and constants of CCNet, C4 and RedPajama are named where
they come from. Where the published rule and the right one differ, the field says both (`pipelines.divergences`). The
command line overrides single fields (`pipelines.settings`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from filters.web.language import Newlines
from filters.wikitext.names import LANGUAGES
from pipelines.divergences import Mode, differs
from pipelines.fields import NOT_BY_PATH
from pipelines.recipe_parts import LEAST_KEPT, Across, Contamination, Filters, NearDuplicates

Match = Literal["url", "host"]
Copies = Literal["raw", "cleaned"]
Licenses = Literal["file", "repository"]
Kept = Literal["best", "any"]


@dataclass(frozen=True)
class Paragraphs:
    """CommonCrawl, first pass: short pages and the keys of lines (CCNet)."""

    min_characters: int = 300  # CCNet, Config.min_len
    remove_nul: bool = differs(True, published=False)  # CCNet keeps NUL characters
    add_last_line: bool = differs(False, published=True)  # CCNet: an empty one, to a page without a line end
    lose_hash_zero: bool = differs(False, published=True)  # CCNet marks removed lines by 0, so a line of that hash goes
    exclude_personal_information_sites: bool = False  # Llama 2, section 2.1


@dataclass(frozen=True)
class Quality:
    """CommonCrawl, second pass: duplicate lines removed, language, perplexity, and the keys of what may be cited.

    `match` says what makes a page one that Wikipedia cites: its URL ("url"), or only its host ("host", for a sample,
    whose few pages are hardly ever cited themselves).
    """

    languages: tuple[str, ...] = ("en",)  # section 2.1: English only; none, or "all": all that are found
    threshold: float = 0.5  # CCNet: fastText score
    newlines: Newlines = differs("space", published="delete")  # for identification; CCNet fuses words
    score_decimals: int = differs(6, published=2)  # of the score before it decides; CCNet, split_by_lang.Classifier
    match: Match = "url"


@dataclass(frozen=True)
class Reference:
    """CommonCrawl, third pass: perplexity bucket and the classifier "page used as a reference in Wikipedia"."""

    buckets: tuple[str, ...] = ("head", "middle")  # RedPajama's reading of section 2.1
    classifier: bool = True  # without it every page of these buckets is kept, and none is trained
    threshold: float | None = differs(None, published=0.25)  # RedPajama; None: chosen on the held-out split
    label: str = "reference"  # of a classifier given by path: which of its labels is wanted
    mask_personal_information: bool = False  # our own option: e-mail and IP addresses, telephone numbers


@dataclass(frozen=True)
class ReferenceTraining:
    """How the reference classifier is trained: as many random pages as cited ones, a share of both held out by hash.

    The settings of fastText are those of its command line, which RedPajama used.
    """

    pages: int = 300_000  # of each class at most
    short_negatives: bool = differs(False, published=True)  # RedPajama's are of any length: length leaks the label
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
    # Stages that can be left out, and then what they read is not asked for: lines of other pages removed; the language
    # identified; its perplexity, by models made of Wikipedia. The classifier's is `reference.classifier`.
    duplicate_lines: bool = True
    language: bool = True
    perplexity: bool = True
    least_kept: float = LEAST_KEPT / 10  # a build warns of a smaller share; a language of few pages is no mistake
    filters: Filters = Filters()
    near: NearDuplicates = NearDuplicates()


@dataclass(frozen=True)
class C4Pages:
    """C4, first pass."""

    max_characters: int = 190_000  # C4's own pipeline
    remove_nul: bool = differs(True, published=False)  # C4 keeps NUL characters
    lose_header_lines: bool = differs(False, published=True)  # C4 takes lines that begin like headers for headers
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
    least_kept: float = LEAST_KEPT  # a build warns of a source that keeps a smaller share
    filters: Filters = Filters()
    near: NearDuplicates = NearDuplicates()


@dataclass(frozen=True)
class GitHubFiles:
    """GitHub, first pass: licence, heuristics, boilerplate (RedPajama's constants)."""

    boilerplate: Mode = differs("corrected", published="published")  # RedPajama's rule cuts more than that
    copies: Copies = differs("cleaned", published="raw")  # what is compared; the paper: the resulting files
    kept: Kept = differs("best", published="any")  # of several copies, which stays: the one from its own project
    licenses: Licenses = differs("file", published="repository")  # whose statement decides; a file's own comes first


@dataclass(frozen=True)
class GitHubTokens:
    """GitHub, last pass: the rule that needs the tokenizer."""

    min_letters_per_token: float = 1.5  # RedPajama


@dataclass(frozen=True)
class GitHub:
    """Section 2.1, GitHub."""

    files: GitHubFiles = GitHubFiles()
    tokens: GitHubTokens = GitHubTokens()
    least_kept: float = LEAST_KEPT  # a build warns of a source that keeps a smaller share
    filters: Filters = Filters()
    near: NearDuplicates = NearDuplicates()


@dataclass(frozen=True)
class Articles:
    """Wikipedia: which pages, and how they become text."""

    languages: tuple[str, ...] = LANGUAGES  # section 2.1: 20, in Latin or Cyrillic script
    templates: bool = True  # a dump's own templates say what calls of them stand for, where the cleaner does not know


@dataclass(frozen=True)
class Wikipedia:
    """Section 2.1, Wikipedia."""

    articles: Articles = Articles()
    span_bytes: int = 64 << 20  # compressed bytes of a multistream dump in one work item
    check_header: bool = True  # refuse a dump whose header names another wiki than the one in its language
    least_kept: float = LEAST_KEPT  # a build warns of a source that keeps a smaller share
    filters: Filters = Filters()
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
    least_kept: float = LEAST_KEPT  # a build warns of a source that keeps a smaller share
    filters: Filters = Filters()


@dataclass(frozen=True)
class Papers:
    """arXiv's only pass."""

    mode: Mode = differs("corrected", published="published")  # RedPajama's cleaner, file by file


@dataclass(frozen=True)
class ArXiv:
    """Section 2.1, arXiv."""

    papers: Papers = Papers()
    least_kept: float = LEAST_KEPT  # a build warns of a source that keeps a smaller share
    filters: Filters = Filters()
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
    least_kept: float = LEAST_KEPT  # a build warns of a source that keeps a smaller share
    filters: Filters = Filters()
    near: NearDuplicates = NearDuplicates()


@dataclass(frozen=True)
class LanguageModels:
    """CCNet's quality models: SentencePiece unigram and a 5-gram Kneser-Ney model of each language's Wikipedia.

    `estimator` is KenLM's program `lmplz`, for any amount of text, or our own, which needs no program, gives the same
    bytes everywhere, and holds the text in memory (about 180 bytes for each piece).
    """

    languages: tuple[str, ...] = ("en",)  # none: every language that the Wikipedia inputs are in
    order: int = 5
    pieces: int = 65_536  # at most; a small text gets fewer (filters.web.perplexity.vocabulary_for)
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
    across: Across = Across()
    # How global decisions are cut, which decides nothing: parts that keys are sorted into (a power of two, the most
    # reducers there can be), keys that a reducer may hold (80 bytes each), and runs that are merged into one before a
    # shuffle where a window has more.
    buckets: int = 4_096
    reducer_keys: int = 16_000_000
    fan_in: int = 64
    tokenize: bool = True  # without it the corpus ends with its documents
    excerpts: float = 0.01  # share of the drops that keep an excerpt
    keep_staged: bool = False  # what lies between stages stays in OUTPUT/work when its source is finished
    max_duplicates: float = 0.5  # share of a stage's or a host's documents lost as duplicates above which a build warns
    alarm_documents: int = 100  # a host, repository or site with fewer documents raises no alarm
    # What is built, of the sources that inputs are given for.
    sources: tuple[str, ...] = field(
        default=("common_crawl", "c4", "github", "wikipedia", "books", "arxiv", "stack_exchange")
    )
    # The parts of sources that are not in Table 1, by name; of own texts a `Texts`.
    added: tuple[tuple[str, Any], ...] = field(default=(), metadata=NOT_BY_PATH)

    def part(self, source: str) -> Any:
        """Return a source's part."""
        added = dict(self.added)
        if source not in added and source not in self.__dataclass_fields__:
            raise ValueError(f"the recipe has no part for {source!r}; it has parts for {', '.join(self.sources)}")
        return added[source] if source in added else getattr(self, source)

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
    across=Across(sample=1.0),
    buckets=16,
    excerpts=1.0,
    keep_staged=True,
)
# Own texts alone, to be cleaned or deduplicated: nothing of the paper's sources, and no tokens.
TEXTS = Recipe(name="texts", sources=(), tokenize=False, excerpts=1.0, buckets=256)
RECIPES = {recipe.name: recipe for recipe in (SAMPLE, PAPER, LLAMA2, TEXTS)}
