"""Perplexity under a Wikipedia language model, the quality score of CCNet.

    text -> normalise -> SentencePiece pieces -> "p1 p2 ... pn" -> KenLM -> perplexity -> head | middle | tail | all

A document is one sentence. The models are made the same way: `train_pieces` trains SentencePiece on normalised texts,
`train_language_model` the n-gram model on their pieces, `percentile_cutoffs` finds the boundaries of the buckets.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from filters import packages
from filters.broken import Broken
from filters.models import kenlm_file, kneser_ney, lmplz
from filters.models.unigram import Unigram
from filters.web.language_model_text import Newlines, normalise, normalise_utf8
from tokenizer.atomic import replacing
from tokenizer.encode import without_surrogates
from tokenizer.loading import load_engine
from tokenizer.training import lines_of, train_model

Bucket = Literal["head", "middle", "tail", "all"]

DECIMALS: Final = 1  # section 1.5: perplexities decide rounded to 0.1
NO_PERPLEXITY: Final = -1.0  # CCNet's own mark
HEAD_PERCENTILE: Final = 30  # section 1.6
MIDDLE_PERCENTILE: Final = 60
PIECES: Final = 65_536  # section 1.5
CHARACTER_COVERAGE: Final = 0.9995
LONGEST_SENTENCE: Final = 4192  # bytes; SentencePiece leaves longer ones out, so they are cut
PIECES_PER_ROOT_BYTE: Final = 4.5  # our rule: 8,000 pieces for 3.2 MB, all 65,536 from 212 MB on
LEAST_PIECES: Final = 64
_FROM_THE_BEST: Final = ("head", "middle", "tail")
LEAST_LOGARITHM: Final = -300.0  # of a piece, on average; ten to a larger power is more than a float holds


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Perplexities under which a document is in the head, and in the middle; 0 < head <= middle, else a ValueError."""

    head: float
    middle: float

    def __post_init__(self) -> None:
        if not 0 < self.head <= self.middle:
            raise ValueError(f"cut-offs are head {self.head}, middle {self.middle}; must be 0 < head <= middle")


# The 30th and 60th percentiles of CCNet's data/cutoff.csv. They belong to CCNet's own models: with a language model
# trained here the cut-offs come from `percentile_cutoffs`.
CCNET_CUTOFFS: Final[Mapping[str, Cutoffs]] = MappingProxyType(
    {
        language: Cutoffs(head, middle)
        for language, head, middle in (
            ("af", 540, 770), ("ar", 490, 790), ("az", 600, 950), ("be", 670, 910), ("bg", 450, 680), ("bn", 190, 300),
            ("ca", 210, 330), ("cs", 820, 1140), ("da", 380, 600), ("de", 370, 590), ("el", 450, 670), ("en", 340, 520),
            ("es", 180, 290), ("et", 1270, 1620), ("fa", 370, 700), ("fi", 1110, 1500), ("fr", 180, 330),
            ("gu", 1110, 1570), ("he", 1280, 1710), ("hi", 480, 790), ("hr", 720, 910), ("hu", 80, 140),
            ("hy", 750, 1080), ("id", 600, 970), ("is", 850, 1190), ("it", 220, 360), ("ja", 1110, 1450),
            ("ka", 910, 1310), ("kk", 610, 930), ("km", 1040, 2180), ("kn", 2210, 2800), ("ko", 920, 2130),
            ("lt", 190, 270), ("lv", 1130, 1480), ("mk", 530, 740), ("ml", 2430, 3220), ("mn", 680, 1010),
            ("mr", 1380, 1870), ("my", 2530, 3040), ("ne", 860, 1130), ("nl", 430, 650), ("no", 430, 680),
            ("pl", 160, 260), ("pt", 170, 270), ("ro", 180, 270), ("ru", 210, 310), ("uk", 140, 220),
            ("zh", 1460, 1950),
        )
    }
)  # fmt: skip


class PerplexityModel:
    """A SentencePiece model and a KenLM model (ARPA, or binary, which loads at once), both given by path.

    `newlines` is how line ends are normalised, as in training. A file that is neither is a ValueError.
    """

    def __init__(self, pieces_path: Path, language_model_path: Path, *, newlines: Newlines = "delete") -> None:
        self._paths = (pieces_path, language_model_path)
        self._newlines: Newlines = newlines
        self._pieces = load_engine(pieces_path)
        self._unigram = _load_unigram(pieces_path)
        self._language_model = _load_language_model(language_model_path)

    def perplexity(self, text: str) -> float:
        """Return 10 ** (-score / (pieces + 1)) of the whole `text` as one sentence, rounded to 0.1.

        A text of which normalisation leaves nothing has no perplexity: NO_PERPLEXITY, which every bucket calls "all".
        """
        joined, number = self._joined(text)
        if not number:
            return NO_PERPLEXITY
        mean = float(self._language_model.score(joined)) / (number + 1)
        if not LEAST_LOGARITHM <= mean <= -LEAST_LOGARITHM:
            raise ValueError(f"{self._paths[1]} gives pieces a mean log10 probability of {mean}: the model is damaged")
        return round(math.pow(10.0, -mean), DECIMALS)

    def _joined(self, text: str) -> tuple[bytes, int]:
        """Return the pieces of a text with a space between them, and their number."""
        clean = _clean_utf8(text, self._newlines)
        if self._unigram and (found := self._unigram.joined(clean)):
            return found
        pieces: list[bytes] = self._pieces.encode(clean, out_type=bytes)
        return b" ".join(pieces), len(pieces)


def bucket(perplexity: float, cutoffs: Cutoffs | None) -> Bucket:
    """Return the bucket of a document: strictly under a cut-off; "all" without cut-offs or without a perplexity."""
    if cutoffs is None or perplexity < 0:
        return "all"
    if perplexity < cutoffs.head:
        return "head"
    return "middle" if perplexity < cutoffs.middle else "tail"


def outside(name: Bucket, perplexity: float, cutoffs: Cutoffs | None, buckets: Collection[str]) -> Broken:
    """Return why a document is dropped whose bucket is none of the wanted `buckets`.

    The limit is the cut-off that lies between them: that below its bucket if a better one is wanted, else that above.
    """
    reason = f"bucket_{name}"
    if name == "all" or cutoffs is None:
        return Broken(reason)
    limits = (0.0, cutoffs.head, cutoffs.middle)
    place = _FROM_THE_BEST.index(name)
    below = name == "tail" or any(better in buckets for better in _FROM_THE_BEST[:place])
    return Broken(reason, perplexity, limits[place if below else place + 1])


def percentile_cutoffs(perplexities: NDArray[np.float64]) -> Cutoffs:
    """Return the 30th and 60th percentile of a sample of perplexities, in any order.

    A percentile is the smallest observed value that at least that share of the sample does not exceed (the inverse of
    the empirical distribution), so it needs no interpolation and at most that share lies strictly under it. Documents
    without a perplexity do not count; a sample with none that has one, or with a value that is not finite, is a
    ValueError.
    """
    sample = perplexities[~(perplexities < 0)]
    if not sample.size or not np.isfinite(sample).all():
        raise ValueError(
            f"cut-offs need finite perplexities of pages; {sample.size} of {perplexities.size} pages have one"
        )
    head, middle = np.percentile(sample, (HEAD_PERCENTILE, MIDDLE_PERCENTILE), method="inverted_cdf").tolist()
    return Cutoffs(head, middle)


def vocabulary_for(size: int, characters: int = 0) -> int:
    """Return how many pieces the SentencePiece model of a text of `size` bytes and `characters` kinds of them gets.

    CCNet's 65,536 need far more text than a sample has. A text's words grow with the root of its length, and so does
    this; each kind of character has room for itself, at least.
    """
    by_size = round(PIECES_PER_ROOT_BYTE * math.sqrt(size))
    return min(PIECES, max(by_size, characters + LEAST_PIECES))


def train_pieces(
    texts: Iterable[str], output: Path, *, pieces: int | None = None, newlines: Newlines = "delete"
) -> None:
    """Train the SentencePiece model (unigram) of `texts`, normalised here, and write it to `output`.

    `pieces` is the size wanted, by `vocabulary_for` if not given, and a limit: a text that cannot fill it gets fewer.
    The same texts in any order give the same bytes. No text is a ValueError.
    """
    sentences = sorted(lines_of((_clean(text, newlines) for text in texts), LONGEST_SENTENCE))
    if pieces is None:
        size = sum(len(sentence.encode()) for sentence in sentences)
        pieces = vocabulary_for(size, len(set().union(*sentences)))
    model = train_model(
        sentences,
        model_type="unigram",
        vocab_size=pieces,
        character_coverage=CHARACTER_COVERAGE,
        hard_vocab_limit=False,
        max_sentence_length=LONGEST_SENTENCE,
    )
    with replacing(output) as file:
        file.write(model)


def train_language_model(
    texts: Iterable[str],
    pieces_path: Path,
    output: Path,
    *,
    order: int = kneser_ney.ORDER,
    prune: tuple[int, ...] = (),
    newlines: Newlines = "delete",
    program: str | None = None,
) -> kneser_ney.Summary:
    """Estimate the n-gram model of the pieces of `texts`, each one sentence, and write it to `output` as ARPA.

    By our own estimator the same texts in any order give the same bytes; with `program`, KenLM's lmplz, the same
    numbers. `prune` is that of `kneser_ney.estimate`.
    """
    engine = load_engine(pieces_path)
    found = ([piece.decode() for piece in pieces] for text in texts if (pieces := _pieces_of(engine, text, newlines)))
    if program is not None:
        return lmplz.estimate(found, output, order=order, prune=prune, program=program)
    seen: dict[str, int] = {}
    sentences = [np.array([seen.setdefault(piece, len(seen)) for piece in pieces], dtype=np.int32) for pieces in found]
    vocabulary = sorted(seen)
    rank = np.zeros(len(seen), dtype=np.int32)
    rank[[seen[piece] for piece in vocabulary]] = np.arange(len(seen))
    return kneser_ney.estimate((rank[ids] for ids in sentences), vocabulary, output, order=order, prune=prune)


def _clean(text: str, newlines: Newlines) -> str:
    return without_surrogates(normalise(text, newlines=newlines))


def _clean_utf8(text: str, newlines: Newlines) -> bytes:
    clean = normalise_utf8(text, newlines=newlines)
    return _clean(text, newlines).encode() if clean is None else clean


def _load_language_model(path: Path) -> Any:
    kenlm = packages.KENLM.load()
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        kenlm_file.check(path)
        return kenlm.Model(str(path), config)
    except (OSError, UnicodeDecodeError) as error:  # the latter where KenLM's message quotes what is no UTF-8
        raise ValueError(f"{path} is not a KenLM model: {error}") from error


def _load_unigram(path: Path) -> Unigram | None:
    """Return the same model for our own C, None where only SentencePiece can use it."""
    try:
        return Unigram(path.read_bytes())
    except (ValueError, IndexError, struct.error):  # what SentencePiece takes, and `tokenizer.model_file` does not
        return None


def _pieces_of(engine: sentencepiece.SentencePieceProcessor, text: str, newlines: Newlines) -> list[bytes]:
    """Return the pieces of a text in UTF-8, which is what the language model reads."""
    pieces: list[bytes] = engine.encode(_clean_utf8(text, newlines), out_type=bytes)
    return pieces
