"""A real browser that looks at pages: what overlaps, is cut off or too small, what axe finds, and what is printed.

    python -m tests.pipelines.card.browser data/corpus/report.html data/run/report.html

prints a table of what was found at each width, in both colour schemes. Wants the extra `browser`, and Chromium on the
path or playwright's own.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (320, 360, 414, 768, 1024, 1440)
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
HEIGHT = 800
SMALLEST = 11  # CSS pixels of a letter
SCRIPT = Path(__file__).with_name("looking.js")
OPEN = "document.querySelectorAll('details').forEach(found => found.open = true)"


class MissingError(Exception):
    """There is no browser to look with."""


@dataclass
class Found:
    """What is wrong with a page at a width: texts that meet, leave their box or are small, and its excess width."""

    overlaps: list[str] = field(default_factory=list)
    spills: list[str] = field(default_factory=list)
    small: list[str] = field(default_factory=list)
    wider: int = 0
    axe: list[str] = field(default_factory=list)
    same_names: list[str] = field(default_factory=list)
    texts: int = 0

    @property
    def problems(self) -> list[str]:
        """All of it, in words."""
        wider = [f"the page is {self.wider} px wider than the screen"] if self.wider else []
        return [*wider, *self.overlaps, *self.spills, *self.small, *self.axe, *self.same_names]


@contextmanager
def launched() -> Iterator[Browser]:
    """Yield a browser; MissingError says what is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise MissingError("no playwright (the extra browser)") from None
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        found = own if Path(own).exists() else next((path for name in NAMES if (path := shutil.which(name))), None)
        if found is None:
            raise MissingError("no Chromium on the path, and none of playwright's own (playwright install chromium)")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--force-color-profile=srgb"])
        try:
            yield browser
        finally:
            browser.close()


def axe_script() -> str:
    """Return the source of axe; MissingError where its package is not installed."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None or not spec.submodule_search_locations:
        raise MissingError("no axe-playwright-python (the extra browser)")
    return (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


@contextmanager
def opened(browser: Browser, path: Path, width: int = 1440, scheme: Scheme = "light", **options: Any) -> Iterator[Page]:
    """Yield a page of a file at a width in a colour scheme."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT}, color_scheme=scheme, bypass_csp=True, **options
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(path.as_uri())
    try:
        yield page
    finally:
        context.close()


def look(page: Page, *, all_open: bool, axe: str = "") -> Found:
    """Return what is wrong with a page as it is shown; with the source of axe, also what axe finds."""
    if all_open:
        page.evaluate(OPEN)
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    seen = page.evaluate("looking()")
    found = Found(
        overlaps=seen["overlaps"],
        spills=seen["spills"],
        small=seen["small"],
        wider=seen["wider"],
        same_names=seen["sameNames"],
        texts=seen["texts"],
    )
    if axe:
        page.evaluate(axe)
        rules = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)")
        found.axe = [
            f"axe: {rule['id']} ({rule['impact']}): {node['html'][:160]}" for rule in rules for node in rule["nodes"]
        ]
    return found


def survey(
    browser: Browser, path: Path, *, axe: str = "", widths: Sequence[int] = WIDTHS, schemes: Sequence[Scheme] = SCHEMES
) -> Iterator[tuple[int, Scheme, bool, Found]]:
    """Yield what is wrong at each width, in each scheme, as loaded and with all opened."""
    for scheme in schemes:
        with opened(browser, path, scheme=scheme) as page:
            for all_open in (False, True):
                for width in widths:
                    page.set_viewport_size({"width": width, "height": HEIGHT})
                    yield width, scheme, all_open, look(page, all_open=all_open, axe=axe)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of some pages."""
    parser = argparse.ArgumentParser(description="Look at pages in a browser.")
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--schemes", nargs="+", default=list(SCHEMES), choices=SCHEMES)
    parser.add_argument("--widths", nargs="+", type=int, default=list(WIDTHS))
    parser.add_argument("--no-axe", action="store_true", help="leave out axe")
    parser.add_argument("--say", type=int, default=0, metavar="N", help="also print N of each kind")
    options = parser.parse_args(arguments)
    script = "" if options.no_axe else axe_script()
    print("| page | width | scheme | opened | texts | meet | leave box | small | wider, px | axe | names twice | s |")
    print("|---|---:|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    with launched() as browser:
        for path in options.pages:
            before = time.perf_counter()
            name = f"{path.parent.name}/{path.name}"
            for width, scheme, all_open, one in survey(
                browser, path.absolute(), axe=script, widths=options.widths, schemes=options.schemes
            ):
                took, before = time.perf_counter() - before, time.perf_counter()
                numbers = (one.texts, *map(len, (one.overlaps, one.spills, one.small)))
                cells = (*numbers, one.wider, len(one.axe) if script else "", len(one.same_names), f"{took:.1f}")
                print(f"| {name} | {width} | {scheme} | {'all' if all_open else 'as loaded'} |", end=" ")
                print(" | ".join(map(str, cells)), "|", flush=True)
                for kind in (one.overlaps, one.spills, one.small, one.same_names):
                    for line in kind[: options.say]:
                        print(f"    {line}")
                if options.say:
                    for rule, times in Counter(line.split(":")[1] for line in one.axe).most_common():
                        example = next(line for line in one.axe if line.split(":")[1] == rule)
                        print(f"    {times} x {example}")


if __name__ == "__main__":
    main()
