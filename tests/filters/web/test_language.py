"""Language identification: rounding, line feeds, decisions; a tiny model, and lid.176 where it is."""

import random
from pathlib import Path

import numpy as np
import pytest

from filters.models import fast_text
from filters.web import language
from filters.web.language import LanguageIdentifier
from tests.filters.told import Told, told

MODEL = Path(__file__).parents[3] / "data" / "raw" / "models" / "lid.176.ftz"
SENTENCES = {
    "en": "the house and river of our town where people walk under old trees every morning",
    "de": "das haus und der fluss unserer stadt wo menschen jeden morgen unter alten bäumen gehen",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that tells two languages by whole words."""
    folder = tmp_path_factory.mktemp("language")
    choose = random.Random(1)
    words = {code: sentence.split() for code, sentence in SENTENCES.items()}
    rows = [f"__label__{code} {' '.join(choose.choices(words[code], k=8))}" for code in words for _ in range(200)]
    choose.shuffle(rows)
    examples = folder / "examples.txt"
    examples.write_text("\n".join(rows) + "\n", encoding="utf-8")
    fast_text.train(examples, dim=8, epoch=20, lr=0.5, seed=1).save_model(str(folder / "tiny.bin"))
    return folder / "tiny.bin"


def test_identifies_and_rounds(tiny: Path) -> None:
    identifier = LanguageIdentifier(tiny)
    text = "the river and the trees\nunser haus the old town"
    label, score = identifier.identify(text)
    published_label, published_score = identifier.identify(text, "delete", 2)
    assert label == published_label == "en"
    assert score == round(score, 6) != round(score, 2)
    assert published_score == round(published_score, 2)


def test_deleted_line_feeds_fuse_words(tiny: Path) -> None:
    identifier = LanguageIdentifier(tiny)
    text = "the\nhaus\nder\nfluss"
    assert identifier.identify(text)[0] == "de"
    assert (
        identifier.identify(text, "delete")
        == identifier.identify("thehausderfluss", "delete")
        != identifier.identify(text)
    )


@pytest.mark.parametrize("text", ["", " ", "\n\n", "zzz qqq", "\0", "a\ud800b", "__label__en", "</s>"])
def test_any_text_has_an_answer(tiny: Path, text: str) -> None:
    label, score = LanguageIdentifier(tiny).identify(text)
    assert label in {"", "en", "de"}
    assert 0 <= score <= 1.001


def test_halves_are_rounded_as_numpy_rounds_them(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_text.Labeller, "best", lambda *_: ("__label__en", 0.615))
    identifier = LanguageIdentifier(tiny)
    assert identifier.identify("x", "delete", 2) == ("en", float(np.round(0.615, 2)))
    assert round(0.615, 2) != np.round(0.615, 2)


@pytest.mark.parametrize(
    ("label", "score", "languages", "expected"),
    [
        ("en", 0.5, ("en",), None),
        ("en", 0.499999, ("en",), ("language_score", 0.499999, 0.5, "en")),
        ("de", 0.4, ("en",), ("language_score", 0.4, 0.5, "de")),
        ("de", 0.9, ("en",), ("other_language", None, None, "de")),
        ("de", 0.9, ("en", "de"), None),
        ("xx", 0.9, (), None),
        ("", 0.0, (), ("language_score", 0.0, 0.5, "")),
    ],
)
def test_reason(label: str, score: float, languages: tuple[str, ...], expected: Told | None) -> None:
    assert told(language.reason(label, score, languages)) == expected


def test_threshold_is_a_parameter() -> None:
    assert told(language.reason("en", 0.6, ("en",), threshold=0.65)) == ("language_score", 0.6, 0.65, "en")


def test_what_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing\.bin: no such file"):
        LanguageIdentifier(tmp_path / "missing.bin")
    bad = tmp_path / "bad.ftz"
    bad.write_bytes(b"this is no model")
    with pytest.raises(ValueError, match=r"bad\.ftz: not a fastText model"):
        LanguageIdentifier(bad)


@pytest.mark.skipif(not MODEL.is_file(), reason=f"no {MODEL}")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The ferry leaves at noon,\nand the last one comes back before dark.", "en"),
        ("Die Fähre fährt mittags ab, und die letzte kommt vor der Dunkelheit zurück.", "de"),
        ("Le bateau part à midi et le dernier revient avant la nuit.", "fr"),
        ("Паром отправляется в полдень, а последний возвращается до темноты.", "ru"),
        ("渡船は正午に出発し、最後の便は暗くなる前に戻ります。", "ja"),
    ],
)
def test_lid_176(text: str, expected: str) -> None:
    label, score = LanguageIdentifier(MODEL).identify(text)
    assert (label, language.reason(label, score, (expected,))) == (expected, None)
