"""The explorer in a real browser: nothing is asked of others, nothing fails, and what can be dragged can be dragged.

Skipped where there is no browser (`tests/pipelines/card/conftest.py`); some of it is long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

import pyarrow.parquet as pq
import pytest

from tests.pipelines.card import browser as looking
from tests.pipelines.card import strange
from tests.pipelines.explore import corpora
from tests.pipelines.explore.test_server import DROPS, OTHERS, PAGES, Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATHS = (
    "?words=llama&score=number",
    f"document?id={quote(PAGES[0].id)}&replay=1",
    "",
    "?words=llama&state=dropped&language=-",
    "?year_from=x",
    "?words=example.org&language=en&state=kept",
    "values?column=place",
    "differences?state=kept",
    f"compared?id={quote(PAGES[0].id)}",
    *(f"document?id={quote(one.id)}" for one in PAGES[4:28:4]),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    corpus = corpora.write(tmp_path_factory.mktemp("served") / "corpus", {"books": PAGES}, {"books": DROPS})
    other = corpora.write(tmp_path_factory.mktemp("other") / "corpus", {"books": OTHERS}, {"books": DROPS})
    indexes = tmp_path_factory.mktemp("indexes")
    found = Served([corpora.explorer(one, indexes / name) for name, one in (("a", corpus), ("b", other))])
    yield found
    found.close()


def opened(
    browser: Browser, served: Served, *, script: bool = True, width: int = 1024, scheme: looking.Scheme = "light"
) -> Page:
    context = browser.new_context(
        java_script_enabled=script,
        viewport={"width": width, "height": looking.HEIGHT},
        color_scheme=scheme,
        bypass_csp=True,  # for what looks; that the page keeps to it is tested by its errors
    )
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{served.port}/?token={served.token}")
    return page


def test_it_asks_nobody_else_and_says_nothing(browser: Browser, served: Served) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{served.port}/?token={served.token}")
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    for path in ("", "?words=llama", f"document?id={quote(PAGES[3].id)}", f"document?id={quote(DROPS[0].id)}"):
        page.goto(f"http://127.0.0.1:{served.port}/{path}")
    assert {urlsplit(url).netloc for url in asked} == {f"127.0.0.1:{served.port}"}
    assert said == []
    page.close()


def test_limits_are_dragged_over_a_histogram(browser: Browser, served: Served) -> None:
    page = opened(browser, served)
    before = page.locator("dl.tiles dd").first.inner_text()
    bars = page.locator("svg.bars").first
    bars.scroll_into_view_if_needed()
    box = bars.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 10)
    page.mouse.up()
    page.wait_for_url("**bytes_from=**")
    asked = parse_qs(urlsplit(page.url).query)
    assert float(asked["bytes_from"][0]) < float(asked["bytes_to"][0])
    assert page.locator("dl.tiles dd").first.inner_text() != before
    page.context.close()


def test_at_the_ends_of_a_histogram_nothing_is_left_out(browser: Browser, served: Served) -> None:
    page = opened(browser, served)
    page.goto(f"http://127.0.0.1:{served.port}/?score=number&score_to=17.5")
    before = page.locator("dl.tiles dd").first.inner_text()
    bars = page.locator("svg.bars[data-field=score]")
    bars.scroll_into_view_if_needed()
    box = bars.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 1.1 * box["width"], box["y"] + 10)
    page.mouse.up()
    page.wait_for_url("**score_from=**")
    asked = parse_qs(urlsplit(page.url).query)
    assert asked["score_to"] == ["17.5"]
    assert page.locator("dl.tiles dd").first.inner_text() != before
    page.goto(f"http://127.0.0.1:{served.port}/?score=number")
    bars.scroll_into_view_if_needed()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] - 20, box["y"] + 10)
    page.mouse.up()
    page.wait_for_url("**score_to=**")
    assert "score_from" not in {name for name, value in parse_qs(urlsplit(page.url).query).items() if value != [""]}
    page.context.close()


@pytest.fixture(scope="module")
def strange_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("strange")
    pages = [
        replace(corpora.page(n, row["text"], language=row["language"], url=row.get("url")), title=row["title"])
        for n, row in enumerate(strange.ROWS)
    ]
    corpus = corpora.write(folder / "corpus", {"books": pages}, {"books": DROPS})
    for path in sorted((corpus / "books" / "documents").glob("*.parquet")):
        table = pq.read_table(path)
        names = [strange.MANY if name == "number" else name for name in table.column_names]
        pq.write_table(table.rename_columns(names), path)
    found = Served([corpora.explorer(corpus, folder / "index")])
    yield found
    found.close()


@pytest.mark.parametrize("width", [320, 1024])
def test_strange_texts_stay_on_the_screen(browser: Browser, axe: str, strange_served: Served, width: int) -> None:
    page = opened(browser, strange_served, width=width)
    tabs = next(n for n, row in enumerate(strange.ROWS) if row["title"] == "tabs")
    ids = [f"document?id={quote(corpora.page(n, '').id)}" for n in (0, tabs)]
    for path in ("?words=column7", f"?score={strange.MANY}", "?state=kept&start=0", *ids):
        page.goto(f"http://127.0.0.1:{strange_served.port}/{path}")
        assert looking.look(page, all_open=False, axe=axe).problems == [], path
    page.context.close()


def test_without_script_the_same_is_typed(browser: Browser, served: Served) -> None:
    page = opened(browser, served, script=False)
    page.fill("input[name=bytes_from]", "100")
    page.fill("input[name=words]", "llama")
    page.click("button")
    assert parse_qs(urlsplit(page.url).query)["bytes_from"] == ["100"]
    page.locator("ol.results a").first.click()
    assert "/document?" in page.url
    page.context.close()


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(width, scheme, marks=() if (width, scheme) == (320, "light") else pytest.mark.full)
        for width in looking.WIDTHS
        for scheme in looking.SCHEMES
    ],
)
def test_everybody_can_read_it(browser: Browser, axe: str, served: Served, width: int, scheme: looking.Scheme) -> None:
    page = opened(browser, served, width=width, scheme=scheme)
    for path in PATHS:
        page.goto(f"http://127.0.0.1:{served.port}/{path}")
        assert looking.look(page, all_open=False, axe=axe).problems == [], path
    page.goto(f"http://127.0.0.1:{served.port}/{PATHS[0]}")
    assert looking.look(page, all_open=True, axe=axe).problems == []
    page.context.close()
