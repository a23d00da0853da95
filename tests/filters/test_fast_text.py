"""fastText models: the fast engine answers what fasttext itself answers, bit by bit."""

import random
from collections import Counter
from pathlib import Path

import fasttext
import pytest

from filters import fast_text
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


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small supervised model with words of up to two and characters of two and three."""
    folder = tmp_path_factory.mktemp("fast_text")
    choose = random.Random(3)
    words = [f"{stem}{ending}" for stem in ("tal", "berg", "wald", "fluss") for ending in ("", "s", "en", "é")]
    rows = [f"__label__{choose.choice('abc')} {' '.join(choose.choices(words, k=9))}" for _ in range(300)]
    (folder / "examples.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    model = fast_text.train(folder / "examples.txt", dim=8, epoch=5, wordNgrams=2, minn=2, maxn=3, bucket=500, seed=1)
    model.save_model(str(folder / "model.bin"))
    return folder / "model.bin"


def assert_equal(path: Path, lines: list[str]) -> None:
    pytest.importorskip("fasttext_new")
    fast, slow = fast_text.load(path), fasttext.load_model(str(path))
    assert type(fast) is not type(slow)
    assert sorted(fast.get_labels()) == sorted(slow.get_labels())
    for line in lines:
        for k in (1, 3):
            assert list(fast_text.predict(fast, line, k).items()) == list(fast_text.predict(slow, line, k).items())


def test_engines_agree_on_a_trained_model(trained: Path) -> None:
    choose = random.Random(4)
    lines = ["".join(choose.choices("tal berg wald fluss é\u3000x ", k=60)) for _ in range(100)]
    assert_equal(trained, lines + ODD)


def test_engines_agree_on_real_pages() -> None:
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
