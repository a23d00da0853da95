"""The card in a real browser: it opens without an error, asks for nothing, shows the manifests' numbers, and opens up.

Wants the extra `browser` and a Chromium, see `tests.pipelines.card.browser`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines import report
from pipelines.card import facts
from tests.pipelines.card import card_corpus

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTH, HEIGHT = 360, 740  # of a phone


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    output = card_corpus.build(folder / "dumps")
    before = card_corpus.build(folder / "dumps", "--set", "books.overlap.threshold=1")
    run = card_corpus.log_run(folder / "run", 300)
    report.write_page(facts.load(str(output)), run=str(run), compare=str(before))
    return output


@pytest.fixture
def page(browser: Browser, built: Path) -> Iterator[Page]:
    """Open the card; afterwards, it must have asked for nothing but itself and logged nothing."""
    opened = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    address = (built / "report.html").as_uri()
    opened.goto(address)
    yield opened
    opened.close()
    assert asked == [address]
    assert said == []


def test_the_numbers_are_the_manifests(page: Page, built: Path) -> None:
    manifests = [json.loads((built / name / "manifest.json").read_text()) for name in ("books", "arxiv")]
    documents = sum(manifest["documents"]["count"] for manifest in manifests)
    assert page.inner_text("#all-documents") == f"{documents:,}"
    tokens = sum(
        shard["tokens"]
        for name in ("books", "arxiv")
        for shards in json.loads((built / "tokens" / name / "manifest.json").read_text())["splits"].values()
        for shard in shards
    )
    assert page.inner_text("#all-tokens") == f"{tokens:,}"
    for manifest in manifests:
        section = page.locator(f"section#{manifest['source']}")
        for account in manifest["stages"]:
            cells = section.locator("table tr", has=page.locator("th", has_text=account["stage"].partition("/")[2]))
            assert cells.first.locator("td").nth(1).inner_text() == f"{account['kept']:,}"
        assert "every stage adds up" in section.inner_text()


def test_a_click_on_a_reason_shows_what_was_dropped_and_nearly_dropped(page: Page) -> None:
    reason = page.locator("#books details.reason", has_text="contained in another")
    assert not reason.get_by_text("Nearly dropped").is_visible()
    reason.locator("summary").first.click()
    assert reason.get_by_text("Dropped: 2 examples").is_visible()
    assert reason.locator("ol.examples li blockquote").first.inner_text().strip()
    assert reason.get_by_text("Nearly dropped").is_visible()


def test_the_keyboard_opens_a_kept_document_with_its_provenance(page: Page) -> None:
    page.locator("#arxiv details.documents > summary").focus()
    page.keyboard.press("Enter")
    kept = page.locator("#arxiv details.kept").first
    kept.locator("summary").focus()
    page.keyboard.press("Space")
    assert kept.get_by_text("arXiv_src_1904_001.tar").is_visible()
    assert kept.locator(".document").inner_text().strip()


def test_differences_open_side_by_side_and_below_each_other_on_a_phone(page: Page) -> None:
    change = page.locator("#arxiv details.change").first
    change.locator("summary").click()
    sides = change.locator(".diff > div:has(del), .diff > div:has(del) + div")
    wide = [sides.nth(number).bounding_box() for number in range(2)]
    assert wide[0] and wide[1]
    assert wide[0]["y"] == wide[1]["y"]
    assert change.locator(".diff .head").first.is_visible()
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    narrow = [sides.nth(number).bounding_box() for number in range(2)]
    assert narrow[0] and narrow[1]
    assert narrow[0]["y"] < narrow[1]["y"]


def test_a_phone_scrolls_one_way_only(page: Page) -> None:
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.evaluate("document.querySelectorAll('details').forEach(found => found.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH


def test_the_run_and_the_comparison_are_there(page: Page) -> None:
    assert page.locator("#training figure .plot").count() >= 3
    assert "Once there was a llama." in page.locator("#training").inner_text()
    moved = page.locator("#comparison details.move", has_text="kept → dropped: books, contained in another")
    moved.locator("summary").click()
    assert moved.locator("blockquote").first.is_visible()


def test_every_figure_has_a_name_and_a_table(page: Page) -> None:
    figures = page.locator("figure:has(figcaption)")
    assert figures.count() > 5
    for number in range(figures.count()):
        figure = figures.nth(number)
        assert figure.locator("table").count() == 1
        title = figure.locator("figcaption").text_content() or "none"
        if figure.locator(".plot").count():
            assert (figure.locator(".plot").get_attribute("aria-label") or "").startswith(title)
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(found => +found.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


CONTRAST = """
() => {
  const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.match(/[0-9.]+/g).map(v => linear(v / 255));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const paint = name => { const probe = document.createElement('i'); probe.style.color = `var(--${name})`;
      document.body.append(probe); const found = getComputedStyle(probe).color; probe.remove(); return light(found); };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const found = {};
  for (const ink of ['ink', 'soft', 'link', 'good', 'bad'])
    for (const paper of ['paper', 'raised']) found[`${ink} on ${paper}`] = ratio(paint(ink), paint(paper));
  for (const mark of ['gone', 'come']) found[`ink on ${mark}`] = ratio(paint('ink'), paint(mark));
  return found;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_has_the_contrast_that_wcag_asks_for(page: Page, scheme: str) -> None:
    if scheme == "print":
        page.emulate_media(media="print")
    else:
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    ratios = page.evaluate(CONTRAST)
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}
