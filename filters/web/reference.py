"""The reference classifier: is this page of the kind that Wikipedia cites? (section 1, step 7)

    cited URLs, crawled URLs -> normalise_url -> positives; random pages -> negatives
    both -> too_short? -> features -> train -> model; held-out pages -> probability -> choose_threshold

Positives and negatives go through the same functions: what is done to one class alone, the classifier learns.
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from filters.broken import Broken
from filters.models import fast_text

POSITIVE: Final = "reference"
NEGATIVE: Final = "random"
MIN_CHARACTERS: Final = 1_000  # RedPajama, create_corpus.py, of its positives only; here of both classes
PUBLISHED_THRESHOLD: Final = 0.25  # RedPajama, cc_classifier.sh
DECIMALS: Final = 6

_WRAPPINGS: Final = 4  # archives of archives
_ARCHIVE = re.compile(
    r"(?:https?:)?//(?:web\.|www\.|wayback\.)?archive\.org/(?:web/)?[0-9*]{1,15}(?:[a-z]{2}_)?/", re.I
)
_SCHEME = re.compile(r"(?:https?:/{1,2}|//)(?!/)", re.I)
_WWW = re.compile(r"(?:www\.)+(?=[^.]+\.)")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEPT: Final = "%/?:@!$&'()*+,;=~"
# What says where a visitor came from, not what the page is.
_TRACKING = re.compile(
    r"utm_\w*|fbclid|gclid|gclsrc|dclid|msclkid|yclid|twclid|igshid|mc_[ce]id|_ga|_gl|_hsenc|_hsmi|cmpid|wt\.mc_id|__twitter_impression",
    re.I,
)


class Reason(StrEnum):
    """Why a page is dropped."""

    TOO_SHORT = "too_short"
    NOT_REFERENCE = "not_reference"


@dataclass(frozen=True, slots=True)
class Training:
    """fastText's settings; the defaults are those of its command line, which RedPajama used."""

    dimension: int = 100
    epochs: int = 5
    learning_rate: float = 0.1
    word_ngrams: int = 1
    minimum_count: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Scores:
    """How well probabilities tell the classes apart: at the threshold chosen, and at each threshold.

    `roc` has shape (n, 3): threshold, share of negatives kept, share of positives kept, for every distinct probability
    from the largest down. `area` is the area under it.
    """

    threshold: float
    precision: float
    recall: float
    area: float
    roc: NDArray[np.float64]


@functools.lru_cache(maxsize=8)  # the keys of a page ask for its URL and its host, one after the other
def normalise_url(url: str) -> str:
    """Return the key that joins a cited URL with a crawled one, "" for what is no web address.

    Off go the scheme, user and password, "www.", the default port, the fragment, trailing slashes, tracking parameters
    and the wrapping of the Internet Archive. Hosts are lower-case and in ASCII (IDNA); in path and query what needs no
    percent sign has none, what does gets one, and the digits after it are upper-case.
    """
    url = url.encode(errors="surrogatepass").decode(errors="replace").strip().replace("&amp;", "&")
    for _ in range(_WRAPPINGS):
        wrapped = _ARCHIVE.match(url)
        if not wrapped:
            break
        url = url[wrapped.end() :]
        url = url if _SCHEME.match(url) else f"//{url}"
    scheme = _SCHEME.match(url)
    if not scheme:
        return ""
    try:
        parts = urlsplit(f"http://{url[scheme.end() :]}")
        host = _host(parts.hostname or "")
        port = parts.port
    except ValueError:
        return ""
    if not host:
        return ""
    query = "&".join(filter(_says_what, parts.query.split("&")))
    address = host if port in (None, 80, 443) else f"{host}:{port}"
    path = _percent(parts.path).rstrip("/")
    return f"{address}{path}?{_percent(query)}" if query else f"{address}{path}"


def host(url: str) -> str:
    """Return the host of a URL as `normalise_url` writes it, without port, "" for what is no web address."""
    return re.split("[/?:]", normalise_url(url), maxsplit=1)[0]


def too_short(text: str, minimum: int = MIN_CHARACTERS) -> Broken | None:
    """Return why a page is no example for training, of either class."""
    return Broken(Reason.TOO_SHORT, len(text), minimum) if len(text) < minimum else None


def features(text: str) -> str:
    """Return a page as the one line that fastText reads, for training and for prediction.

    All white space becomes single spaces. A word that fastText would take for a label or for the line's end is broken.
    """
    line = " ".join(text.split())
    return line.replace(fast_text.LABEL, "__ label__").replace("</s>", "< /s>")


def train(positives: Iterable[str], negatives: Iterable[str], training: Training = Training()) -> bytes:
    """Return a fastText model (.bin) that tells the two kinds of page apart.

    Same pages and settings, same bytes, in whatever order the pages come: they are sorted, then shuffled by the seed,
    and one thread learns. Raises ValueError if a class has no page.
    """
    classes = {POSITIVE: positives, NEGATIVE: negatives}
    lines = sorted(f"{fast_text.LABEL}{label} {features(text)}\n" for label, texts in classes.items() for text in texts)
    for label in classes:
        if not any(line.startswith(fast_text.LABEL + label) for line in lines):
            raise ValueError(f"reference classifier: no page of the class {label!r} to train on")
    order = np.random.default_rng(training.seed).permutation(len(lines))
    with tempfile.TemporaryDirectory(prefix="reference-") as folder:
        examples, model = Path(folder, "examples.txt"), Path(folder, "model.bin")
        examples.write_text("".join([lines[index] for index in order]), encoding="utf-8", errors="replace")
        trained = fast_text.train(
            examples,
            dim=training.dimension,
            epoch=training.epochs,
            lr=training.learning_rate,
            wordNgrams=training.word_ngrams,
            minCount=training.minimum_count,
            seed=training.seed,
        )
        trained.save_model(str(model))
        return model.read_bytes()


class ReferenceClassifier:
    """A fastText model with `label` for pages like those that are cited: ours, or a user's own by its path.

    Raises ValueError if there is no model at the path, or if it has no such label.
    """

    def __init__(self, path: Path, label: str = POSITIVE) -> None:
        self._model = fast_text.load(path)
        self._label = fast_text.LABEL + label
        labels = self._model.get_labels()
        if self._label not in labels:
            known = ", ".join(name.removeprefix(fast_text.LABEL) for name in labels[:10])
            raise ValueError(f"{path}: no label {label!r} in this classifier, which has {known}")
        self._labels = len(labels)

    def probability(self, text: str) -> float:
        """Return the probability that the page is of the kind that is cited, with 6 decimals; 0.0 for no known word."""
        found = fast_text.predict(self._model, features(text), self._labels)
        return min(1.0, round(found.get(self._label, 0.0), DECIMALS))


def reason(probability: float, threshold: float) -> Broken | None:
    """Return why a page is dropped whose probability is under the threshold."""
    return Broken(Reason.NOT_REFERENCE, probability, threshold) if probability < threshold else None


def choose_threshold(probabilities: Iterable[float], positive: Iterable[bool]) -> Scores:
    """Return the threshold that tells held-out pages apart best, with its precision and recall.

    Best is the largest difference between the shares of positives and of negatives that are kept (Youden's J), which
    does not depend on how many of each were held out (precision does); of equal ones, the largest threshold. Both
    inputs have n entries. Raises ValueError if a class has none.
    """
    values, truth = np.array(list(probabilities), dtype=np.float64), np.array(list(positive), dtype=np.bool_)
    if not truth.any() or truth.all():
        raise ValueError("reference classifier: held-out pages of both classes are needed to choose a threshold")
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    last = np.append(values[1:] != values[:-1], True)
    kept_positives, kept_negatives = np.cumsum(truth)[last], np.cumsum(~truth)[last]
    recall, fallout = kept_positives / truth.sum(), kept_negatives / (~truth).sum()
    best = int(np.argmax(np.round(recall - fallout, DECIMALS)))
    return Scores(
        threshold=float(values[last][best]),
        precision=float(kept_positives[best] / (kept_positives[best] + kept_negatives[best])),
        recall=float(recall[best]),
        area=float(np.trapezoid(np.append(0.0, recall), np.append(0.0, fallout))),
        roc=np.column_stack([values[last], fallout, recall]),
    )


def _host(name: str) -> str:
    name = name.rstrip(".")
    if not name.isascii():
        name = name.encode("idna").decode()
    return _WWW.sub("", name.lower(), count=1) if _HOST.fullmatch(name) else ""


_HOST = re.compile(r"[\w.\-]+", re.ASCII)


def _percent(part: str) -> str:
    return quote(_ESCAPE.sub(_unescape, part), safe=_KEPT)


def _unescape(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def _says_what(parameter: str) -> bool:
    return bool(parameter) and not _TRACKING.fullmatch(parameter.partition("=")[0])
