"""A corpus of variants is sound, the same for a seed, and like the pages that it is made of."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks import soak
from pipelines import verify
from pipelines.files import storage, tables
from tests.pipelines.explore import corpora
from tests.tokenizer.texts import SENTENCES

PAGES = [
    corpora.page(n, "\n".join(f"{SENTENCES[(n * k + k) % len(SENTENCES)]} — Nr. {k}!" for k in range(1, 9)))
    for n in range(40)
]
DROPS = {"books": [corpora.drop(n, "short", "too_short" if n % 2 else "duplicate") for n in range(10)]}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus = corpora.write(tmp_path_factory.mktemp("real") / "corpus", {"books": PAGES}, DROPS)
    path = f"{corpus}/books/manifest.json"
    manifest = storage.read_json(path)
    manifest["documents"]["bytes"] = sum(len(page.text.encode()) for page in PAGES)
    manifest |= {"title": "Books", "recipe": {"name": "made", "excerpts": 1.0}, "models": {}}
    storage.write_json(path, manifest)
    return corpus


def made(real: Path, output: Path, seed: int) -> soak.Made:
    return soak.make(str(real), str(output), 200_000, seed, file_bytes=60_000)


def texts(corpus: Path) -> list[str]:
    return [one.text for path in sorted(corpus.glob("*/documents/*")) for one in tables.read_documents(str(path))]


def test_a_seed_makes_the_same_files(real: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        made(real, tmp_path / name, seed)
    files = {
        name: {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.parquet")}
        for name in "abc"
    }
    assert files["a"] == files["b"]
    assert files["a"].keys().isdisjoint(files["c"])


def test_it_is_sound_and_of_the_size_that_is_wanted(real: Path, tmp_path: Path) -> None:
    found = made(real, tmp_path / "a", 1)
    assert [line for line in verify.problems(str(tmp_path / "a")) if "input" not in line] == []
    assert 200_000 <= found.text <= 230_000
    assert found.documents == len(texts(tmp_path / "a"))


def test_variants_keep_lines_lengths_and_nearly_all_words(real: Path, tmp_path: Path) -> None:
    made(real, tmp_path / "a", 1)
    own, before = texts(tmp_path / "a"), [page.text for page in PAGES]
    assert len(set(own)) == len(own)
    assert {text.count("\n") for text in own} == {text.count("\n") for text in before}
    assert np.mean([len(text) for text in own]) == pytest.approx(np.mean([len(text) for text in before]), rel=0.03)
    words, real_words = (Counter(re.findall(r"[^\W_]+", "\n".join(some))) for some in (own, before))
    for word, count in real_words.most_common(20):
        assert words[word] / words.total() == pytest.approx(count / real_words.total(), rel=0.15), word
    known = sum(count for word, count in words.items() if word in real_words) / words.total()
    assert 0.98 < known < 1


def test_without_changes_a_variant_is_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "DRAWN", 0.0)
    monkeypatch.setattr(soak, "NEW", 0.0)
    odd = [*PAGES, corpora.page(99, ""), corpora.page(98, "..."), corpora.page(97, " a_b  é\n\n東京 ")]
    found = soak.pages(odd)
    rng = np.random.default_rng(1)
    assert [soak.variant(found, n, rng) for n in range(len(odd))] == [page.text for page in odd]
