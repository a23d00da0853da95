"""fastText models: the fast engine and our C answer what fasttext itself answers, bit by bit."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fasttext
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.models import fast_text
from filters.native import binding
from pipelines.document import Document
from pipelines.readers import Dump, wet
from tests.conftest import REPOSITORY

ODD = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "</s>",
    "__label__en hello",
    "x" * 100_000,
    "ΟΔΟΣ été 한국어 😀",
    "\u2028",
    "\r\t\v",
]


STEMS = ("tal", "berg", "wald", "fluss", "ügel", "한국", "x", "日本")
LINES = st.lists(
    st.sampled_from(
        [*STEMS, *ODD, "</s", "__label__a", "__label__", "é\u3000", "n\x00u", "tal\nberg\nwald", "\n", "</s\n>"]
    ),
    max_size=30,
).map(" ".join)
FEEDS: dict[fast_text.Newlines, str] = {"space": " ", "delete": ""}
# What a model of each kind is trained with, and how it is quantised.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "words": ({"dim": 5, "loss": "softmax"}, None),
    "pairs of words": ({"dim": 8, "wordNgrams": 3, "minn": 2, "maxn": 3, "bucket": 500}, None),
    "tree": ({"dim": 16, "loss": "hs", "minn": 1, "maxn": 4, "bucket": 3_000}, None),
    "one label": ({"dim": 16, "loss": "hs", "minn": 2, "maxn": 2, "bucket": 100, "label": "__label__a"}, None),
    "quantised": ({"dim": 16, "loss": "hs", "minn": 2, "maxn": 4, "bucket": 3_000}, {"cutoff": 1_000, "qnorm": True}),
    "odd width": ({"dim": 7, "minn": 2, "maxn": 3, "bucket": 1_000}, {"dsub": 2, "cutoff": 600}),
    "no n-gram left": ({"dim": 16, "minn": 5, "maxn": 5, "bucket": 400}, {"cutoff": 300}),
}
LEFT_TO_FASTTEXT: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "one against all": ({"dim": 8, "loss": "ova"}, None),
    "output quantised": ({"dim": 8, "minn": 2, "maxn": 3, "bucket": 600, "labels": 300}, {"qout": True}),
}


def train(folder: Path, arguments: dict[str, Any], quantise: dict[str, Any] | None) -> Path:
    choose = random.Random(3)
    labels = range(arguments.pop("labels", 7))
    words = [f"{stem}{ending}" for stem in STEMS for ending in ("", "s", "en", "é", *map(str, range(20)))]
    rows = [f"__label__{chr(97 + choose.choice(labels))} {' '.join(choose.choices(words, k=9))}" for _ in range(900)]
    examples = folder / "examples.txt"
    examples.write_text("\n".join(rows) + "\n", encoding="utf-8")
    model = fasttext.train_supervised(
        **{"input": str(examples), "epoch": 5, "thread": 1, "verbose": 0, "minCount": 1, "seed": 1} | arguments
    )
    if quantise is not None:
        model.quantize(input=str(examples), **quantise)
    path = folder / "model.bin"
    model.save_model(str(path))
    return path


@pytest.fixture(scope="module", params=list(KINDS))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small supervised model of each kind."""
    arguments, quantise = KINDS[request.param]
    return train(tmp_path_factory.mktemp("fast_text"), dict(arguments), quantise)


def assert_equal(path: Path, lines: list[str]) -> None:
    fast, slow, ours = fast_text.load(path), fasttext.load_model(str(path)), fast_text.Labeller(path)
    assert sorted(fast.get_labels()) == sorted(slow.get_labels())
    assert ours._arrays or not binding.library()
    for line in lines:
        for k in (1, 3):
            assert list(fast_text.predict(fast, line, k).items()) == list(fast_text.predict(slow, line, k).items())
        assert ours.best(line) == next(iter(fast_text.predict(slow, line).items()), ("", 0.0))


def test_answers_are_those_of_fasttext(trained: Path) -> None:
    choose = random.Random(4)
    lines = ["".join(choose.choices("tal berg wald fluss é\u3000x ", k=60)) for _ in range(100)]
    assert_equal(trained, lines + ODD)


def test_any_line_has_the_answer_of_fasttext(trained: Path) -> None:
    slow, ours = fasttext.load_model(str(trained)), fast_text.Labeller(trained)

    @settings(deadline=None, max_examples=300)
    @given(LINES | st.text())
    def compare(line: str) -> None:
        for newlines, instead in FEEDS.items():
            expected = next(iter(fast_text.predict(slow, line.replace("\n", instead)).items()), ("", 0.0))
            assert ours.best(line, newlines) == expected

    compare()


def test_words_that_take_turns_in_the_cache(trained: Path) -> None:
    """More words than the cache has places, so that each place is taken again and again."""
    slow, ours = fasttext.load_model(str(trained)), fast_text.Labeller(trained)
    line = " ".join(f"wald{number % 40_000:x}tal" for number in range(90_000))
    for text in (line, line[len(line) // 3 :], line):
        assert ours.best(text) == next(iter(fast_text.predict(slow, text).items()))


@pytest.mark.parametrize("newlines", ["delete", "space"])
@pytest.mark.parametrize("size", [binding._ROOM_BYTES - 1, binding._ROOM_BYTES + 1, 5_000_000])
def test_a_text_over_the_room_that_is_kept(trained: Path, size: int, newlines: fast_text.Newlines) -> None:
    """What more than 4 MiB need has a room of its own, which lasts until the text is read."""
    text = ("tal wald\nfluss ügel berg 日本\nwal\nd " * (size // 30))[:size]
    line = text.replace("\n", FEEDS[newlines])
    expected = fast_text.predict(fasttext.load_model(str(trained)), line)
    assert fast_text.Labeller(trained).best(text, newlines) == next(iter(expected.items()))


@pytest.mark.parametrize("kind", list(LEFT_TO_FASTTEXT))
def test_what_is_rare_is_left_to_fasttext(kind: str, tmp_path: Path) -> None:
    arguments, quantise = LEFT_TO_FASTTEXT[kind]
    path = train(tmp_path, dict(arguments), quantise)
    slow, ours = fasttext.load_model(str(path)), fast_text.Labeller(path)
    assert ours._arrays is None
    for line in [*ODD, "tal berg wald"]:
        assert ours.best(line) == next(iter(fast_text.predict(slow, line).items()), ("", 0.0))


def test_without_the_compiled_library_fasttext_answers(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = fast_text.Labeller(trained)
    expected = [compiled.best(line) for line in ODD]
    monkeypatch.setattr(binding, "library", lambda: None)
    assert [compiled.best(line) for line in ODD] == expected
    assert fast_text.Labeller(trained)._arrays is None
    assert [fast_text.Labeller(trained).best(line) for line in ODD] == expected


def test_threads_have_caches_of_their_own(trained: Path) -> None:
    ours = fast_text.Labeller(trained)
    lines = [" ".join(f"berg{n % (number + 2)}" for n in range(3_000)) for number in range(8)]
    expected = list(map(ours.best, lines))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ours.best, lines * 20)) == expected * 20


def test_a_damaged_model_is_refused_or_answers(trained: Path, tmp_path: Path) -> None:
    """No number in the file may lead outside of the arrays, ours or fastText's, which is asked for the same answer."""
    content, choose = trained.read_bytes(), random.Random(5)
    damaged, line, refused = tmp_path / "damaged.bin", "tal berg wald fluss tals bergen", 0
    for trial in range(400):
        changed = bytearray(content[: choose.randrange(len(content))] if trial % 4 == 0 else content)
        for _ in range(choose.randrange(1, 4)):
            at = choose.randrange(min(len(changed), choose.choice([80, 120, 2_000, len(content)])) or 1)
            changed[at : at + 1] = bytes([choose.choice([0, 1, 127, 128, 255, choose.randrange(256)])])
        damaged.write_bytes(changed)
        try:
            ours = fast_text.Labeller(damaged)
        except ValueError as error:
            assert str(error).startswith(f"{damaged}: not a fastText model")
            refused += 1
            continue
        slow = fasttext.load_model(str(damaged))
        assert ours.best(line) == next(iter(fast_text.predict(slow, line).items()), ("", 0.0))
    assert 100 < refused < 400


def test_answers_are_those_of_fasttext_on_real_pages() -> None:
    raw = REPOSITORY / "data" / "raw"
    paths = sorted((raw / "common_crawl").glob("*.warc.wet.gz"))[:2]
    if not paths:
        pytest.skip(f"no sample in {raw}")
    lines = list(ODD)
    for path in paths:
        with path.open("rb") as stream:
            found = wet.read(stream, Dump(str(path), "d"), Counter())
            lines += [page.text.replace("\n", " ") for page in found if isinstance(page, Document)]
    assert len(lines) > 1_000
    assert_equal(raw / "models" / "lid.176.ftz", lines)


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.bin"
    for content in (b"", b"not a model", b"\xba\x16\x4f\x2f" + b"\0" * 40):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match=r"broken\.bin: not a fastText model"):
            fast_text.load(broken)
