"""Every drop that a number or a text decided says which: each source's steps, with what is counted here by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filters.web import c4 as rules
from filters.web.perplexity import Cutoffs
from pipelines.document import Document, Drop
from pipelines.optional import filters
from pipelines.optional.personal_information import DEFAULT_SITES, SITES
from pipelines.recipe_parts import Filters, LanguageFilter, PerplexityFilter
from pipelines.recipes import PAPER
from pipelines.sources import books, c4, common_crawl, github, wikipedia
from pipelines.stages.kinds import Context

NONE = np.zeros(0, np.uint32)
WHOLE = np.zeros(1, np.uint32)
ENGLISH = "The ferry leaves at noon and comes back before dark."
GERMAN = "Die letzte Fähre kommt lange vor dem Abend zurück in den kleinen Hafen."
CHINESE = "渡船在中午出发，最后一班在天黑之前回来。我们都在这里等着它。"
SITES_OF = {SITES: str(DEFAULT_SITES)}


def document(text: str, source: str = "c4", **more: Any) -> Document:
    given = {"url": "https://www.example.org/a/?utm_source=x", "title": "A title", **more}
    return Document(id="1", source=source, text=text, dump="d", offset=0, **given)


def told(outcome: Document | Drop) -> tuple[str, dict[str, float], str | None, str | None]:
    """Return reason, scores, detail and language of a drop."""
    assert isinstance(outcome, Drop)
    assert (outcome.title, outcome.id) == ("A title", "1")
    return outcome.reason, dict(outcome.scores), outcome.detail, outcome.language


def decided(value: float, limit: float, **more: float) -> dict[str, float]:
    return {"value": value, "limit": limit, **more}


def test_c4_before_a_language_is_known() -> None:
    long = document("x" * 190_001)
    pages = Context(PAPER.c4.pages, SITES_OF)
    assert told(c4.page(long, pages)) == ("page_too_long", decided(190_001, 190_000), None, None)
    lines = Context(PAPER.c4.lines, {})
    two = document(f"{ENGLISH}\nAnd nobody else is on it.\nno end mark here")
    assert told(c4.prose(two, WHOLE, lines)) == ("duplicate_url", {}, "example.org/a", None)
    assert told(c4.prose(two, NONE, lines)) == ("too_few_sentences", decided(2, 3), None, None)
    brace = document(f"{ENGLISH}\nThere is a {{ in this line.")
    assert told(c4.prose(brace, NONE, lines)) == ("brace", {}, None, None)


def test_c4_english(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("drat\nheck no\n")
    context = Context(PAPER.c4.english, {"bad_words": str(words)})

    def of(text: str, removed: Any = NONE) -> tuple[str, dict[str, float], str | None, str | None]:
        return told(c4.english(document(text), removed, context))

    whole = "\n".join([ENGLISH] * 3)
    assert of(ENGLISH, WHOLE) == ("all_duplicates", {}, None, None)
    assert of(whole, WHOLE) == ("too_few_sentences", decided(2, 3), None, None)
    assert of("\n".join([GERMAN] * 3)) == ("other_language", {}, "de", "de")
    assert of("\n".join(["Hello. Hello. Hello.", CHINESE * 5])) == ("other_language", {}, "zh-cn", "zh")
    assert of(f"{whole}\nOh drat, it says.") == ("bad_word", {}, "drat", "en")
    assert of(f"{whole}\nOh HECK NO, it says.") == ("bad_word", {}, "heck no", "en")
    assert isinstance(c4.english(document(whole), NONE, context), Document)


def test_c4_probability_of_a_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "detect", lambda text: ("zh-tw", 0.625))
    outcome = c4.english(document("\n".join([ENGLISH] * 3)), NONE, Context(PAPER.c4.english, {"bad_words": ""}))
    assert told(outcome) == ("language_probability", decided(0.625, 0.99), "zh-tw", "zh")
    monkeypatch.setattr(rules, "detect", lambda text: None)
    outcome = c4.english(document("\n".join([ENGLISH] * 3)), NONE, Context(PAPER.c4.english, {"bad_words": ""}))
    assert told(outcome) == ("no_language", {}, None, None)


class Answers:
    """A model that answers the same to every text."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self._answer


def answering(monkeypatch: pytest.MonkeyPatch, module: Any, answers: Mapping[str, Any]) -> None:
    for name, answer in answers.items():
        monkeypatch.setattr(module, name, lambda *_, answer=answer: answer)


def test_common_crawl_short_pages() -> None:
    context = Context(PAPER.common_crawl.paragraphs, SITES_OF)
    page = document("A title\n" + "x" * 149 + "\n" + "y" * 149)
    assert told(common_crawl.long_enough(page, context)) == ("too_short", decided(299, 300), None, None)


def test_common_crawl_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    context = Context(PAPER.common_crawl.quality, {"lid": ""})
    answering(monkeypatch, common_crawl, {"_identifier": Answers(("de", 0.25))})
    low = told(common_crawl.quality(document("x\ny"), NONE, context))
    assert low == ("language_score", decided(0.25, 0.5, language_score=0.25), "de", "de")
    answering(monkeypatch, common_crawl, {"_identifier": Answers(("xx", 0.75))})
    other = told(common_crawl.quality(document("x\ny"), NONE, context))
    assert other == ("other_language", {"language_score": 0.75}, "xx", "xx")
    gone = common_crawl.quality(document("x"), WHOLE, context)
    assert told(gone) == ("all_duplicates", {}, None, None)


def test_common_crawl_buckets_and_references(monkeypatch: pytest.MonkeyPatch) -> None:
    context = Context(PAPER.common_crawl.reference, {"cutoffs": "", "reference": ""})
    answers = {"_cutoffs": {"en": Cutoffs(300.0, 500.0)}, "_classifier": Answers(0.125), "_chosen_threshold": 0.5}
    answering(monkeypatch, common_crawl, answers)

    def of(perplexity: float | None, language: str = "en") -> tuple[str, dict[str, float], str | None, str | None]:
        page = document("x", language=language).with_attributes(perplexity=perplexity)
        return told(common_crawl.like_a_reference(page, NONE, context))

    wanted = PAPER.common_crawl.reference.buckets
    assert "head" in wanted and "tail" not in wanted
    limit = 500.0 if "middle" in wanted else 300.0
    assert of(700.5) == ("bucket_tail", decided(700.5, 500.0, perplexity=700.5), None, "en")
    threshold = 0.5 if PAPER.common_crawl.reference.threshold is None else PAPER.common_crawl.reference.threshold
    both = {"perplexity": limit - 1, "reference_probability": 0.125}
    assert of(limit - 1) == ("not_reference", decided(0.125, threshold, **both), None, "en")
    if "all" not in wanted:
        assert of(None) == ("bucket_all", {}, None, "en")
        assert of(700.5, "xx") == ("bucket_all", {"perplexity": 700.5}, None, "xx")


def test_github() -> None:
    context = Context(PAPER.github.files, {})

    def of(text: str, path: str = "a.c", license: str = "MIT") -> tuple[str, dict[str, float], str | None, str | None]:
        file = document(text, "github", license=license, attributes={"path": path})
        return told(github.clean(file, context))

    code = "int a = 1;\n"
    assert of(code, license="MIT AND GPL-3.0") == ("license_not_permissive", {}, "MIT AND GPL-3.0", None)
    assert of(code, license="unknown") == ("license_unknown", {}, "unknown", None)
    assert of(code, "docs/a.txt") == ("language_not_listed", {}, ".txt", None)
    assert of(code * 50 + "x" * 1001) == ("long_line", decided(1001, 1000), None, None)
    assert of(("x" * 119 + "\n") * 4) == ("long_average_line", decided(120, 100), None, None)
    assert of("+-*/ab+-*/") == ("few_alphanumerics", decided(0.2, 0.25), None, None)


def test_github_states_a_licence_in_one_spelling() -> None:
    context = Context(PAPER.github.files, {})
    file = document(
        "// SPDX-License-Identifier: apache-2.0 OR mit\nint a = 1;\n",
        "github",
        license="MIT",
        attributes={"path": "a.c"},
    )
    kept = github.clean(file, context)
    assert isinstance(kept, Document)
    assert kept.license == "Apache-2.0 OR MIT"


def test_wikipedia() -> None:
    context = Context(PAPER.wikipedia.articles, {})

    def page(text: str, language: str = "en", **attributes: str) -> Document:
        return document(text, "wikipedia", language=language, attributes={"namespace": "0", **attributes})

    assert told(wikipedia.wanted(page("x", "xx"), context)) == ("language_not_wanted", {}, "xx", "xx")
    assert told(wikipedia.wanted(page("x", namespace="14"), context)) == ("namespace", {}, "14", "en")
    kept = wikipedia.wanted(page("#REDIRECT [[Elsewhere]]", redirect="Else where#There"), context)
    assert isinstance(kept, Document)
    assert told(wikipedia.article(kept, NONE, context)) == ("redirect", {}, "Else where#There", "en")
    old = wikipedia.article(page("#redirect [[Old#part]]"), NONE, context)
    assert told(old) == ("redirect", {}, "Old#part", "en")
    template = page("x", namespace="10")
    assert told(wikipedia.article(template, NONE, context)) == ("namespace", {}, "10", "en")


def test_books() -> None:
    context = Context(PAPER.books.texts, {})
    least = PAPER.books.texts.min_characters
    book = document("x" * (least - 1) + "\n", "books", language="fr", attributes={"book": "1234"})
    assert told(books.clean(book, context)) == ("too_short", decided(least - 1, least), None, "fr")
    assert told(books.one_of_each(book, WHOLE, context)) == ("other_encoding", {}, "1234", "fr")
    older = document("x", "books", attributes={"book": "1234/old"})
    assert told(books.one_of_each(older, WHOLE, context)) == ("older_edition", {}, "1234", None)


def test_filters_of_any_source(monkeypatch: pytest.MonkeyPatch) -> None:
    english = Filters(language=LanguageFilter(languages=("en",), threshold=0.5))
    answering(monkeypatch, filters, {"_identifier": Answers(("de", 0.25))})
    low = told(filters.filtered(document("x"), Context(english, {"lid": ""})))
    assert low == ("language_score", decided(0.25, 0.5, language_score=0.25), "de", "de")
    most = Filters(perplexity=PerplexityFilter(most=100.0))
    answering(monkeypatch, filters, {"_language_model": Answers(250.5)})
    high = told(filters.filtered(document("x", language="en"), Context(most, {"language_models": ""})))
    assert high == ("perplexity", decided(250.5, 100.0, perplexity=250.5), None, "en")
    answering(monkeypatch, filters, {"_language_model": None})
    unknown = told(filters.filtered(document("x", language="xx"), Context(most, {"language_models": ""})))
    assert unknown == ("no_language_model", {}, "xx", "xx")
