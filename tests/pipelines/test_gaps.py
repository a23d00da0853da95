"""Templates that nobody knows, in a manifest and on the card."""

from __future__ import annotations

from collections import Counter

from filters.wikitext.cleaner import Unknown, cleaned
from pipelines import gaps
from pipelines.card.facts import _gaps
from pipelines.gaps import Gap


def statistics() -> Counter[str]:
    counts = Counter[str]()
    for page in (
        "A {{xyzzy|in Linz}} b {{xyzzy|x y}}.\n\n{{plugh/a|alone here}}\n{{box}}",
        "c {{foo|mno}} d {{xyzzy|e f}}",
    ):
        gaps.note(cleaned(page, "en").unknown, "en", counts)
    return counts


def test_unknown_templates_are_counted_by_wiki_place_and_name() -> None:
    assert statistics() == {
        "unknown_template/en/inside/uses/xyzzy": 3,
        "unknown_template/en/inside/characters/xyzzy": 13,
        "unknown_template/en/inside/uses/foo": 1,
        "unknown_template/en/inside/characters/foo": 3,
        "unknown_template/en/alone/uses/plugh/a": 1,
        "unknown_template/en/alone/characters/plugh/a": 10,
        "unknown_template/en/alone/uses/": 1,
    }


def test_they_are_listed_with_the_text_at_stake() -> None:
    found = list(gaps.listed({"lines": 7, **statistics()}))
    assert found == [
        ("en", "alone", [Gap("plugh/a", 1, 10)]),
        ("en", "inside", [Gap("xyzzy", 3, 13), Gap("foo", 1, 3)]),
    ]
    assert list(_gaps({"stages": [{"statistics": statistics()}]})) == [
        "en: 1 template that no table knows, alone on a line, their words gone; most text in: "
        "plugh/a (1 use, 10 characters)",
        "en: 2 templates that no table knows, inside sentences, their words kept; most text in: "
        "xyzzy (3 uses, 13 characters), foo (1 use, 3 characters)",
    ]


def test_a_manifest_stays_small() -> None:
    counts = Counter[str]()
    for number in range(5 * gaps.MAX_NAMES):
        gaps.note({Unknown(f"name {number}", True, 4): 2}, "en", counts)
    assert len(counts) <= 2 * gaps.MAX_NAMES + 2
    assert sum(number for key, number in counts.items() if "/uses/" in key) == 10 * gaps.MAX_NAMES
    gaps.note({Unknown("x" * 500, True, 4): 1}, "de", Counter())
