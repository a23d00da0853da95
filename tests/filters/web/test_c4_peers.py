"""C4's language and sentence rules beside the packages that C4 itself used, on every page of the sample."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator

import pytest

from filters.web import c4, sentences
from pipelines.document import Document
from pipelines.readers import Dump, wet
from tests.conftest import REPOSITORY

RAW = REPOSITORY / "data" / "raw"


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


def pages() -> Iterator[str]:
    """Yield the text of each page of the web sources as C4's rules get it."""
    paths = sorted([*RAW.glob("c4/*.wet.gz"), *RAW.glob("common_crawl/*.wet.gz")])
    if not paths:
        pytest.skip(f"no sample in {RAW}")
    for path in paths:
        with path.open("rb") as stream:
            for found in wet.read(stream, Dump(str(path), "d"), Counter()):
                if isinstance(found, Document):
                    yield c4.page_text(found.text)


@pytest.mark.full
@needs("langdetect")
def test_languages_and_probabilities_are_langdetects() -> None:
    import langdetect

    langdetect.DetectorFactory.seed = c4.LANGDETECT_SEED
    decided: Counter[bool] = Counter()
    for text in pages():
        try:
            best = langdetect.detect_langs(text)[0]
        except langdetect.LangDetectException:
            assert c4.detect(text) is None
            continue
        label, probability = c4.detect(text) or ("", 0.0)
        assert label == best.lang, text[:100]
        assert probability == pytest.approx(best.prob, abs=1e-9), text[:100]
        keep = best.lang == "en" and best.prob >= c4.ENGLISH_PROBABILITY
        assert (c4.language(text) is None) is keep, text[:100]
        decided[keep] += 1
    assert min(decided.values()) > 200
    assert decided.total() > 3_000


@pytest.mark.full
@needs("nltk")
def test_sentences_are_counted_as_nltk_counts_them() -> None:
    from nltk.tokenize.punkt import PunktTokenizer

    try:
        tokenizer = PunktTokenizer("english")
    except LookupError:
        pytest.skip("nltk's punkt_tab is not in $NLTK_DATA")
    counted = 0
    for text in pages():
        # Both ways in which C4 counts: line by line, and the whole page.
        for part in [text, *text.split("\n")[:20]]:
            assert sentences.count(part) == len(tokenizer.tokenize(part)), part[:200]
            counted += 1
    assert counted > 20_000
