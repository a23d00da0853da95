"""The reference classifier: URL keys, features, training that repeats, and the choice of the threshold."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.web import reference
from filters.web.reference import ReferenceClassifier, Training
from tests.filters.told import Told, told

SMALL = Training(dimension=8, epochs=10, learning_rate=0.5, seed=3)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://www.Example.org/", "example.org"),
        ("https://example.org:443/a/b/#part", "example.org/a/b"),
        ("HTTP://user:secret@example.org:80/a", "example.org/a"),
        ("http://example.org:8080/a", "example.org:8080/a"),
        ("//example.org/a", "example.org/a"),
        ("http://example.org/A/B", "example.org/A/B"),
        ("http://example.org/?utm_source=x&id=3&fbclid=9&utm_medium=y", "example.org?id=3"),
        ("http://example.org/a?utm_source=x", "example.org/a"),
        ("http://example.org/a?b=1&amp;c=2", "example.org/a?b=1&c=2"),
        ("http://example.org/%7euser/%c3%a9?q=%2f", "example.org/~user/%C3%A9?q=%2F"),
        ("http://example.org/é a", "example.org/%C3%A9%20a"),
        ("http://example.org/100%", "example.org/100%"),
        ("http://bücher.example/", "xn--bcher-kva.example"),
        ("http://www.com/", "www.com"),
        ("http://example.org./a", "example.org/a"),
        ("https://web.archive.org/web/20100102030405/http://www.example.org/a/", "example.org/a"),
        ("http://web.archive.org/web/20100102030405id_/http:/example.org/a?b=1", "example.org/a?b=1"),
        ("https://web.archive.org/web/2010*/example.org/a", "example.org/a"),
        ("//archive.org/web/2010/https://web.archive.org/web/2009/http://example.org", "example.org"),
        ("https://archive.org/details/book", "archive.org/details/book"),
        ("ftp://example.org/a", ""),
        ("mailto:someone@example.org", ""),
        ("/wiki/Page", ""),
        ("http://", ""),
        ("http://[::1/", ""),
        ("http://exa mple.org/", ""),
        ("http://example.org:99999/", ""),
        ("http://" + "ü" * 300 + ".org", ""),
        ("", ""),
    ],
)
def test_normalise_url(url: str, key: str) -> None:
    assert reference.normalise_url(url) == key


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from("aA/:?#&=%2fé.w@ utm_[]\ud800\0\n"), max_size=40))
def test_a_key_is_its_own_key(rest: str) -> None:
    for url in (f"http://www.example.org/{rest}", f"http://{rest}", f"https://web.archive.org/web/2010/{rest}"):
        key = reference.normalise_url(url)
        assert reference.normalise_url(f"https://{key}") == key
        assert key.isascii()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.Example.org:8080/a?b", "example.org"),
        ("http://example.org?b=1", "example.org"),
        ("http://news.example.org", "news.example.org"),
        ("not a url", ""),
    ],
)
def test_host(url: str, host: str) -> None:
    assert reference.host(url) == host


def test_too_short_is_the_same_for_both_classes() -> None:
    assert told(reference.too_short("x" * 999)) == ("too_short", 999, 1_000, None)
    assert reference.too_short("x" * 1000) is None
    assert reference.too_short("xyz", minimum=3) is None


def test_features_are_one_line_without_labels_or_ends() -> None:
    line = reference.features(" One\ntwo\t __label__reference </s> three\u2028\r\n")
    assert line == "One two __ label__reference < /s> three"
    assert "__label__" not in reference.features("__la__label__bel__")


def pages(words: str, seed: int, number: int) -> list[str]:
    choose = random.Random(seed)
    return ["\n".join(choose.choices(words.split(), k=30)) for _ in range(number)]


SCHOLARLY = "study archive history journal museum census report survey of the and in was"
SALES = "buy cheap click offer discount cart shipping free of the and in now"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "model.bin"
    path.write_bytes(reference.train(pages(SCHOLARLY, 1, 60), pages(SALES, 2, 60), SMALL))
    return path


def test_tells_the_classes_apart(model: Path) -> None:
    classifier = ReferenceClassifier(model)
    cited = [classifier.probability(text) for text in pages(SCHOLARLY, 5, 30)]
    random_pages = [classifier.probability(text) for text in pages(SALES, 6, 30)]
    assert min(cited) > 0.5 > max(random_pages)
    assert all(value == round(value, 6) and 0 <= value <= 1 for value in cited + random_pages)
    assert classifier.probability("") == classifier.probability(" \n")


def test_training_repeats_whatever_the_order(model: Path) -> None:
    backwards = reference.train(iter(pages(SCHOLARLY, 1, 60)[::-1]), iter(pages(SALES, 2, 60)[::-1]), SMALL)
    assert backwards == model.read_bytes()
    other_seed = Training(dimension=8, epochs=10, learning_rate=0.5, seed=4)
    assert reference.train(pages(SCHOLARLY, 1, 60), pages(SALES, 2, 60), other_seed) != backwards


@pytest.mark.parametrize(("positives", "negatives", "named"), [([], ["a"], "reference"), (["a"], [], "random")])
def test_training_needs_both_classes(positives: list[str], negatives: list[str], named: str) -> None:
    with pytest.raises(ValueError, match=f"no page of the class '{named}'"):
        reference.train(positives, negatives, SMALL)


def test_a_page_cannot_inject_a_label(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    injected = [text + "\n__label__random __label__other </s> \n" for text in pages(SCHOLARLY, 1, 60)]
    path.write_bytes(reference.train(injected, pages(SALES, 2, 60), SMALL))
    assert ReferenceClassifier(path).probability(pages(SCHOLARLY, 9, 1)[0]) > 0.5
    with pytest.raises(ValueError, match="no label 'other' in this classifier, which has"):
        ReferenceClassifier(path, label="other")


def test_a_users_own_labels(model: Path) -> None:
    text = pages(SCHOLARLY, 7, 1)[0]
    both = ReferenceClassifier(model).probability(text) + ReferenceClassifier(model, label="random").probability(text)
    assert both == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("probability", "expected"), [(0.25, None), (0.249999, ("not_reference", 0.249999, 0.25, None))]
)
def test_reason(probability: float, expected: Told | None) -> None:
    assert told(reference.reason(probability, reference.PUBLISHED_THRESHOLD)) == expected


def test_threshold_and_curve_by_hand() -> None:
    # 0.8 and 0.7 are equally good: the larger one is chosen.
    scores = reference.choose_threshold([0.9, 0.8, 0.7, 0.7, 0.2, 0.1], [True, True, True, False, False, False])
    assert scores.threshold == 0.8
    assert (scores.precision, scores.recall) == (1.0, 2 / 3)
    assert scores.area == pytest.approx(17 / 18)
    roc = [[0.9, 0, 1 / 3], [0.8, 0, 2 / 3], [0.7, 1 / 3, 1], [0.2, 2 / 3, 1], [0.1, 1, 1]]
    np.testing.assert_allclose(scores.roc, roc)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()), min_size=2, max_size=30))
def test_threshold_is_the_best_there_is(held_out: list[tuple[float, bool]]) -> None:
    values, truth = zip(*held_out, strict=True)
    if len(set(truth)) < 2:
        with pytest.raises(ValueError, match="both classes"):
            reference.choose_threshold(values, truth)
        return

    def gain(threshold: float) -> float:
        kept = [label for value, label in held_out if value >= threshold]
        return float(sum(kept) / sum(truth) - (len(kept) - sum(kept)) / (len(truth) - sum(truth)))

    scores = reference.choose_threshold(values, truth)
    assert gain(scores.threshold) == pytest.approx(max(map(gain, values)), abs=1e-6)
    kept = [label for value, label in held_out if value >= scores.threshold]
    assert scores.precision == pytest.approx(sum(kept) / len(kept))
    assert scores.recall == pytest.approx(sum(kept) / sum(truth))
    won = [(a > b) + (a == b) / 2 for a, one in held_out if one for b, other in held_out if not other]
    assert scores.area == pytest.approx(sum(won) / len(won))
