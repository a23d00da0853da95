from pathlib import Path
from typing import Any

import pytest

from pipelines import contamination
from train.evaluation import contaminated

TEXT = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


def test_a_question_is_in_the_corpus_if_any_of_its_texts_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    documents = {"c4": [("a", f"Before. {TEXT.upper()}, and behind."), ("b", "nothing of it")]}

    def scan(output: str, index: contamination.Index, sources: list[str]) -> contamination.Overlap:
        assert (output, sources) == ("corpus", ["c4"])
        overlap = contamination.Overlap(index)
        for source in sources:
            for name, text in documents[source]:
                overlap.add(source, name, text)
        return overlap

    monkeypatch.setattr(contamination, "scan", scan)
    rows: dict[str, list[Any]] = {
        "first": [{"q": "short"}, {"q": "x", "choices": ["a", TEXT]}, {"q": " ".join("abcdefghijklmnop")}],
        "second": [{"q": TEXT}],
        "third": [{"q": "short"}],
    }
    found = contaminated.search("corpus", ["c4"], rows)
    assert {name: (set(one.questions), one.too_short) for name, one in found.items()} == {
        "first": ({1}, 1),
        "second": ({0}, 0),
        "third": (set(), 1),
    }
