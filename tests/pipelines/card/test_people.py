"""Pronouns and words for people in a corpus' English documents, as Llama 2 counts them."""

import random
from collections import Counter
from pathlib import Path

import pytest

from pipelines.card import people
from pipelines.card.people import Seen, groups_of, read, table
from pipelines.card.samples import Sample
from pipelines.document import Document
from tests.pipelines.card import card_corpus


def document(number: int, text: str, language: str | None = "en") -> Document:
    return Document(id=f"b/{number}", source="books", text=text, dump="0", offset=number, language=language)


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("Her cat.", {"gender", "she", "grammatical person", "3rd"}),
        ("HE and them", {"gender", "he", "unspecified", "grammatical person", "3rd"}),
        ("It is I; you know", {"grammatical person", "1st", "2nd", "3rd"}),
        ("There, heroes sheath theirselves", set()),
        ("A Korean gay-rights march", {"nationality", "korean", "sexual orientation", "gay"}),
        ("naïve", set()),
        ("", set()),
    ],
)
def test_a_document_has_the_groups_of_its_words(text: str, groups: set[str]) -> None:
    assert groups_of(text) == groups


def test_shares_of_pronouns_are_of_documents_with_one_of_their_kind() -> None:
    texts = ["she", "he", "he and she", "they", "you", "none", "female", "a male female"]
    sample = Sample(documents=[*map(document, range(8), texts), document(8, "she", "fr")], total=9)
    seen = read(sample)
    assert (seen.documents, seen.of, seen.exact) == (8, 8.0, True)
    rows = {row.name: row for row in table([seen])}
    percent = {name: row.shares[0].percent for name, row in rows.items() if row.shares[0]}
    assert percent["gender"] == 50.0
    assert (percent["she"], percent["he"], percent["unspecified"]) == (50.0, 50.0, 25.0)
    assert percent["grammatical person"] == 62.5
    assert (percent["2nd"], percent["3rd"]) == (20.0, 80.0)
    assert percent["gender and sex"] == 25.0
    assert percent["religion"] == 0.0
    assert all(share is None or share.margin == 0 for row in rows.values() for share in row.shares)
    assert [share.percent for share in rows["she"].shares if share] == [50.0, 50.0]


def test_sources_count_by_what_they_have() -> None:
    small = Seen(10, 10.0, Counter({"gender": 10, "she": 10}))
    large = Seen(10, 90.0, Counter({"gender": 5}))
    rows = {row.name: row for row in table([small, large])}
    assert [round(share.percent, 6) for share in rows["gender"].shares if share] == [100, 50, 55]
    assert [round(share.percent, 6) for share in rows["she"].shares if share] == [100, 0, round(100 * 10 / 55, 6)]
    assert rows["1st"].shares == [None, None, None]
    assert [share is not None and share.margin > 0 for share in rows["gender"].shares] == [False, True, True]


def test_the_interval_of_a_sample_holds_the_truth_mostly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "DOCUMENTS", 100)
    generator, inside = random.Random(1), 0
    for trial in range(60):
        texts = ["she" if generator.random() < 0.3 else "none" for _ in range(2_000)]
        documents = [document(2_000 * trial + n, text) for n, text in enumerate(texts)]
        seen = read(Sample(documents=documents, total=2_000))
        assert seen.documents == 100
        share = {row.name: row for row in table([seen])}["gender"].shares[0]
        assert share is not None
        assert 0 < share.margin < 12
        inside += abs(share.percent - 100 * texts.count("she") / 2_000) <= share.margin
    assert inside >= 52


def test_long_documents_are_read_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "BYTES", 10)
    seen = read(Sample(documents=[document(n, "she says") for n in range(5)], total=10))
    assert (seen.documents, seen.of) == (2, 10.0)


def test_the_card_shows_them(tmp_path: Path) -> None:
    corpus = card_corpus.build(tmp_path / "made")
    page = (corpus / "report.html").read_text(encoding="utf-8")
    section = page.partition('<section id="people"')[2].partition("</section>")[0]
    assert "All of them were read." in section
    assert "Llama 2" in section
    assert section.count("<tr>") == 1 + 8 + 5


def test_an_interval_ends_at_none_and_at_all() -> None:
    whole, few, middle = people.Share(100.0, 4.0), people.Share(1.0, 2.5), people.Share(50.0, 4.0)
    assert (whole.beyond, whole.interval) == (True, (96.0, 100.0))
    assert (few.beyond, few.interval) == (True, (0.0, 3.5))
    assert not middle.beyond
    assert not people.Share(100.0, 0.0).beyond
