"""Pages as people see them: at six widths, in both colour schemes, in forced colours, and printed.

Wants the extra `browser` and a Chromium, see `tests.pipelines.card.browser`; $BROWSER_TESTS=1 makes a missing one a
failure. The short tests look at the narrowest and the widest.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelines import report
from pipelines.card import facts, plots, rendering, run_page, tongues, training
from pipelines.card.shapes import Counts
from tests.pipelines.card import browser as looking
from tests.pipelines.card import card_corpus, strange

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "data/corpus"
PAGES = ("card", "run", "one step", "strange", "empty", "readme")
GITHUB = "body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: auto; padding: 1rem; overflow-wrap: anywhere } "
GITHUB += "table { display: block; overflow: auto } th, td { border: 1px solid; padding: .4rem } "
GITHUB += "pre { white-space: pre-wrap }"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return every kind of page that is written."""
    folder = tmp_path_factory.mktemp("looks")
    output = card_corpus.build(folder / "dumps")
    before = card_corpus.build(folder / "dumps", "--set", "books.overlap.threshold=1")
    run, other, short = (card_corpus.log_run(folder / name, steps) for name, steps in NAMED_RUNS.items())
    report.write_page(facts.load(str(output)), run=str(run), others=[str(other)], compare=str(before))
    hostile = strange.build(folder / "strange")
    report.main([str(hostile), "--publish"])
    none = strange.build(folder / "none", "--set", "texts.strange.filters.gopher.quality=true", rows=strange.ROWS[-1:])
    for name, found in (("run", [run, other]), ("one step", [short])):
        loaded = [one for path in found if (one := training.load(str(path)))]
        text = run_page.render(loaded[0], f"A run, {name}", TABLES, loaded[1:])
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    (folder / "readme.html").write_text(rendered((hostile / "README.md").read_text(encoding="utf-8")), encoding="utf-8")
    return {
        "card": output / "report.html",
        "run": folder / "run.html",
        "one step": folder / "one step.html",
        "strange": hostile / "report.html",
        "empty": none / "report.html",
        "readme": folder / "readme.html",
    }


PAPER = 688  # CSS pixels of A4 between margins of 14 mm
NAMED_RUNS = {"run": 300, "a run with a name that is long, and has no_place_to_break_" + "x" * 80: 120, "short": 1}
TABLES = [run_page.Table("configuration", "Configuration", ("field", "value"), [("corpus", "x" * 300)], words=True)]


def rendered(markdown: str) -> str:
    """Return Markdown with its header as a site shows it."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark").enable("table").render(markdown.partition("\n---\n")[2])
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>A corpus</title>'
    page = f"<head>{head}<style>{GITHUB}</style></head><body><main>{body}</main></body>"
    return f'<!doctype html><html lang="en">{page}</html>'


@contextmanager
def shown(browser: Browser, path: Path, **options: Any) -> Iterator[Page]:
    with looking.opened(browser, path, **options) as page:
        page.evaluate(looking.OPEN)
        yield page


def of_the_page(name: str, found: looking.Found) -> list[str]:
    """Return the problems that are ours: a site that shows a README has boxes and names of its own."""
    return [*found.overlaps, *found.axe] if name == "readme" else found.problems


@pytest.mark.parametrize("name", PAGES)
def test_no_text_meets_another_or_leaves_its_box(browser: Browser, pages: Mapping[str, Path], name: str) -> None:
    for width, _, _, found in looking.survey(browser, pages[name], widths=(320, 1440), schemes=("light",)):
        assert found.texts > 10
        assert of_the_page(name, found) == [], width


@pytest.mark.parametrize("scheme", looking.SCHEMES)
@pytest.mark.parametrize("name", ["card", "run"])
def test_axe_finds_nothing_with_all_opened(
    browser: Browser, pages: Mapping[str, Path], axe: str, name: str, scheme: str
) -> None:
    with shown(browser, pages[name], scheme=scheme, width=320) as page:
        assert looking.look(page, all_open=True, axe=axe).axe == []


@pytest.mark.full
@pytest.mark.parametrize("name", [*PAGES, "sample"])
def test_pages_at_every_width_in_both_schemes(
    browser: Browser, pages: Mapping[str, Path], axe: str, name: str, tmp_path: Path
) -> None:
    if name == "sample" and not (SAMPLE / "manifest.json").exists():
        pytest.skip(f"no sample corpus in {SAMPLE}: make corpus")
    path = of_sample(tmp_path) if name == "sample" else pages[name]
    for width, scheme, all_open, found in looking.survey(browser, path, axe=axe):
        assert of_the_page(name, found) == [], (width, scheme, all_open)


def of_sample(folder: Path) -> Path:
    """Write the sample's card as it is today, not into the corpus."""
    from pipelines.card import page

    written = folder / "report.html"
    written.write_text(page.render(facts.load(str(SAMPLE))), encoding="utf-8")
    return written


# The contrast of what is drawn with what is behind it: lines, thresholds, edges of bars and of their keys.
DRAWN = """
() => {
  const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = colour => { const [r, g, b] = colour.match(/[0-9.]+/g).map(v => linear(v / 255));
      return .2126 * r + .7152 * g + .0722 * b; };
  const behind = element => { for (let at = element; at; at = at.parentElement) {
      const found = getComputedStyle(at).backgroundColor;
      if (!/^rgba.*, 0\\)$/.test(found)) return light(found); } return light('rgb(255,255,255)'); };
  const ratio = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  const found = {};
  const add = (selector, property) => { for (const element of document.querySelectorAll(selector)) {
      const around = element.closest('.drawn, .keys, th, td, li') || element.parentElement;
      const name = `${selector} ${element.getAttribute('class') || ''}`;
      found[name] = Math.min(found[name] ?? 99, ratio(light(getComputedStyle(element)[property]), behind(around))); } };
  add('path.line', 'stroke'); add('path.threshold', 'stroke');
  add('.parts i', 'borderTopColor'); add('.swatch', 'borderTopColor');
  add('.bar', 'borderTopColor'); add('.bar i', 'backgroundColor');
  return found;
}
"""


@pytest.mark.parametrize("media", ["light", "dark", "print", "forced"])
def test_what_is_drawn_has_three_to_one(browser: Browser, pages: Mapping[str, Path], media: str) -> None:
    seen: dict[str, float] = {}
    for name in ("card", "run", "strange"):
        with shown(browser, pages[name], scheme="dark" if media == "dark" else "light") as page:
            if media == "print":
                page.emulate_media(media="print")
            if media == "forced":
                page.emulate_media(forced_colors="active")
            seen |= page.evaluate(DRAWN)
    assert {name.split()[0] for name in seen} >= {"path.line", ".parts", ".swatch", ".bar"}
    assert {name: ratio for name, ratio in seen.items() if ratio < 3} == {}


def test_lines_and_bars_differ_in_more_than_colour(browser: Browser, pages: Mapping[str, Path]) -> None:
    styles = """() => [...document.querySelectorAll('figure')].map(figure => ({
        lines: [...figure.querySelectorAll('.drawn .line')].map(line => getComputedStyle(line).strokeDasharray),
        letters: [...figure.querySelectorAll('.ends b')].map(found => found.textContent),
        keys: [...figure.querySelectorAll('.keys b')].map(found => found.textContent),
        swatches: [...figure.querySelectorAll('.swatch')].map(found => getComputedStyle(found)).map(style =>
          style.backgroundImage.replace(/rgb[^)]*\\)/g, '') + (style.backgroundColor === style.borderTopColor)),
      }))"""
    several = 0
    for name in ("card", "run"):
        with shown(browser, pages[name]) as page:
            for figure in page.evaluate(styles):
                several += len(figure["lines"]) > 1 or len(figure["swatches"]) > 1
                assert len(set(figure["letters"])) == len(figure["letters"])
                assert figure["letters"] == figure["keys"]
                assert len(figure["lines"]) == max(len(set(figure["lines"])), len(figure["letters"]))
                assert len(set(figure["swatches"])) == len(figure["swatches"])
    assert several > 5


def test_a_sample_has_the_language_and_direction_of_its_text(browser: Browser, pages: Mapping[str, Path]) -> None:
    with shown(browser, pages["strange"], width=320) as page:
        found = page.evaluate(
            """() => [...document.querySelectorAll('details.kept')].map(kept => {
                const text = kept.querySelector('.document'), title = kept.querySelector('summary bdi');
                const direction = getComputedStyle(text).direction;
                return [title.textContent, text.lang, direction, text.textContent, title.lang]; })"""
        )
    by_title = {title: (lang, direction, text) for title, lang, direction, text, _ in found}
    expected = {
        "العنوان: الراعي": ("ar", "rtl"),
        "כותרת": ("he", "rtl"),
        "کتاب‌ها": ("fa", "rtl"),
        "标题": ("zh", "ltr"),
        "stacked": ("en", "ltr"),
        "no such language": ("", "ltr"),
        "of a country": ("", "ltr"),
    }
    assert {title: by_title[title][:2] for title in expected} == expected
    (reversed_title,) = (title for title in by_title if "exe" in title)
    assert reversed_title == (
        "access to ‹U+202E RIGHT-TO-LEFT OVERRIDE›gnp.exe‹U+202C POP DIRECTIONAL FORMATTING› was "
        "‹U+2066 LEFT-TO-RIGHT ISOLATE›granted‹U+2069 POP DIRECTIONAL ISOLATE›"
    )
    text = by_title[reversed_title][2]
    for name in ("200B ZERO WIDTH SPACE", "00AD SOFT HYPHEN", "2060 WORD JOINER", "FEFF ZERO WIDTH NO-BREAK SPACE"):
        assert f"‹U+{name}›" in text
    assert "‹U+0007 CONTROL›" in text
    assert "‹U+200B ZERO WIDTH SPACE × 50›" in text
    assert strange.PERSIAN.strip() in by_title["کتاب‌ها"][2]
    assert {lang for _, lang, _, _, of_title in found if lang != of_title} == set()


def test_a_name_is_broken_between_its_parts(browser: Browser, tmp_path: Path) -> None:
    names = ("CommonCrawl", "StackExchange", "huffingtonpost.com", "news.example.co.uk")
    counts = Counts("Sites", "site", {"kept": dict.fromkeys(names, 3), "dropped": dict.fromkeys(names, 400)})
    figures = [plots.figure(f"f{number}", counts) for number in range(3)]
    template = """{% from "figures.html.j2" import figure_of %}<style>{% include "card.css" %}</style><main>
      <div class="figures">{% for f in figures %}{{ figure_of(f) }}{% endfor %}</div></main>"""
    page_of = rendering.environment().from_string(template).render(figures=figures)
    (tmp_path / "names.html").write_text(f'<!doctype html><html lang="en"><meta charset="utf-8">{page_of}')
    lines = """() => [...document.querySelectorAll('th bdi')].flatMap(name => [...name.childNodes]
      .filter(node => node.data && node.data.length < 15).map(node => { const range = document.createRange();
        range.selectNodeContents(node); return [node.data, range.getClientRects().length]; }))"""
    for width in (320, 360, 768, 1440):
        with looking.opened(browser, tmp_path / "names.html", width=width) as page:
            found = page.evaluate(lines)
        assert {part for part, _ in found} >= {"Common", "Crawl", "huffingtonpost", ".com"}
        assert [part for part, number in found if number > 1] == [], width


def test_axe_knows_every_language_that_a_page_can_name(browser: Browser, axe: str) -> None:
    page = browser.new_page()
    page.evaluate(axe)
    known = set(page.evaluate("axe.utils.validLangs()"))
    page.close()
    names = {tongues.tag(code).partition("-")[0] for code in tongues.codes()}
    assert len(names) > 8_000
    assert names - known == set()


def test_a_long_title_is_short_in_its_line_and_whole_below(browser: Browser, pages: Mapping[str, Path]) -> None:
    with shown(browser, pages["strange"]) as page:
        summaries = page.locator("details.kept > summary bdi").all_text_contents()
        assert max(map(len, summaries)) < 400
        assert page.locator("dl.facts dd", has_text=strange.TITLE).count() == 1


def test_a_difference_on_a_phone_says_which_side_it_is(browser: Browser, pages: Mapping[str, Path]) -> None:
    with shown(browser, pages["card"], width=320) as page:
        change = page.locator("details.change .diff").first
        named = change.evaluate(
            """diff => [...diff.children].filter(cell => cell.checkVisibility() && !cell.matches('.head')).map(cell => {
            const side = cell.querySelector('.side'); return side.checkVisibility() ? side.textContent : ''; })"""
        )
    assert named
    assert set(named) <= {"before", "after", "both"}
    assert named.count("before") == named.count("after") > 0


@pytest.mark.parametrize("name", ["card", "run", "strange"])
def test_nothing_is_beside_the_paper(browser: Browser, pages: Mapping[str, Path], name: str) -> None:
    with shown(browser, pages[name], width=PAPER) as page:
        page.emulate_media(media="print")
        found = looking.look(page, all_open=True)
    assert [*found.overlaps, *found.spills] == []
    assert found.wider == 0


def printed(page: Page, **options: Any) -> Any:
    pypdf = pytest.importorskip("pypdf", reason="pypdf is in the extra browser")
    return pypdf.PdfReader(io.BytesIO(page.pdf(**options)))


def without_spaces(text: str) -> str:
    return re.sub(r"[\s\u00ad]+", "", text)


@pytest.mark.parametrize("name", ["card", "run"])
def test_print_has_keys_bars_tables_and_whole_texts(browser: Browser, pages: Mapping[str, Path], name: str) -> None:
    with looking.opened(browser, pages[name]) as page:
        tables = page.locator("details.numbers td").all_text_contents()
        keys = page.locator(".keys bdi, th:has(.swatch)").all_text_contents()
        page.evaluate(looking.OPEN)
        texts = page.locator(".document").all_text_contents()
        page.evaluate("document.querySelectorAll('details.numbers').forEach(found => found.open = false)")
        reader = printed(page, format="A4")
    text = without_spaces("".join(one.extract_text() for one in reader.pages))
    assert tables
    assert [cell for cell in tables if without_spaces(cell) not in text] == []
    assert [key for key in keys if without_spaces(key) not in text] == []
    ends = [without_spaces(whole)[-12:] for whole in texts]
    assert [end for end in ends if end not in text] == []
    if name == "card":
        drawn = b"".join(one.get_contents().get_data() for one in reader.pages)
        for colour in (b"0 .4471 .698 rg", b".7765 .3216 0 rg"):  # --c1 and --c2, which bars are filled with
            assert drawn.count(colour) > 5


# What must not end a page, with what only a screen reader is told and without.
HEADINGS = """() => [...document.querySelectorAll('h2, h3, h4, figcaption, [open] > summary, .numbers > summary')]
  .flatMap(found => { const shown = found.cloneNode(true);
    shown.querySelectorAll('.unseen').forEach(part => part.remove());
    return [found.textContent, shown.textContent]; })"""


@pytest.mark.parametrize("name", ["card", "run", pytest.param("strange", marks=pytest.mark.full)])
def test_no_heading_ends_a_printed_page(browser: Browser, pages: Mapping[str, Path], name: str) -> None:
    headings: set[str] = set()
    breaks = 0
    with shown(browser, pages[name]) as page:
        headings = set(map(without_spaces, page.evaluate(HEADINGS)))
        for height in ("297mm", "219mm"):
            reader = printed(page, width="210mm", height=height)
            for one in reader.pages[:-1]:
                last = lowest_line(one)
                assert without_spaces(last) not in headings, (height, one.page_number, last)
                breaks += 1
    assert breaks > 4


def lowest_line(page: Any) -> str:
    """Return the text of the lowest line of a printed page."""
    lines: defaultdict[float, list[tuple[float, str]]] = defaultdict(list)

    def visit(text: str, matrix: Any, inner: Any, *_: object) -> None:
        if text.strip():
            across = inner[4] * matrix[0] + inner[5] * matrix[2] + matrix[4]
            up = inner[4] * matrix[1] + inner[5] * matrix[3] + matrix[5]
            lines[round(up)].append((across, text))

    page.extract_text(visitor_text=visit)
    return "".join(text for _, text in sorted(lines[min(lines)])) if lines else ""
