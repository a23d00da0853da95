"""What is drawn and said without a browser: axes, plots, bars, the names of what is invisible, languages of samples."""

from __future__ import annotations

import re
import sys
import unicodedata
from itertools import pairwise

import pytest

from pipelines.card import axes, plots, rendering, tongues, visible
from pipelines.card.shapes import Counts, Curves, Histogram, apart


def drawn(figure: plots.Figure) -> str:
    template = rendering.environment().from_string('{% from "figures.html.j2" import figure_of %}{{ figure_of(f) }}')
    return template.render(f=figure)


def test_a_figure_of_counts_is_a_table_with_bars() -> None:
    found = Counts("Languages", "language", {"kept": {"<b>": 3.0, "en": 12_345.0}, "dropped": {"en": 5.0}})
    figure = plots.figure("figure-1", found, "Books")
    assert [(bar.name, bar.cells) for bar in figure.bars] == [("<b>", ["3", "0"]), ("en", ["12,345", "5"])]
    assert figure.bars[1].bars == [[(100.0, 1), (0.1, 2)]]
    page = drawn(figure)
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert 'aria-label="Languages of Books"' in page
    assert page.count("<table") == 1
    assert figure == plots.figure("figure-1", found, "Books")


def test_series_beside_each_other_have_a_bar_each() -> None:
    found = Counts("Shares", "source", {"ours": {"a": 50.0, "b": 25.0}, "theirs": {"a": 12.5}}, "%", stacked=False)
    figure = plots.figure("figure-1", found)
    assert [bar.bars for bar in figure.bars] == [[[(100.0, 1)], [(25.0, 2)]], [[(50.0, 1)], [(0, 2)]]]
    assert "ours, %" in drawn(figure)


def test_a_histogram_names_its_thresholds_in_the_plot() -> None:
    marks = {"tail 900": 900.0, "head 20": 20.0}
    found = Histogram(
        "Perplexity", "perplexity", [1.0, 10.0, 100.0, 1000.0], {"kept": [1, 0, 4], "dropped": [0, 0, 0]}, marks, True
    )
    figure = plots.figure("figure-1", found)
    assert figure.plot
    assert [(mark.name, round(mark.at)) for mark in figure.plot.marks] == [("head 20", 43), ("tail 900", 98)]
    assert [tick.text for tick in figure.plot.x] == ["1", "10", "100", "1000"]
    (line,) = figure.plot.lines
    assert line.path == "M0 1000V750H333V1000M667 1000V0H1000V1000"
    page = drawn(figure)
    assert page.index("tail 900") < page.index('<div class="drawn">')
    assert [key.name for key in figure.keys] == ["kept"]
    assert figure.rows == [("1 to 10", "1", "0"), ("100 to 1000", "4", "0")]


def test_a_bar_of_few_beside_one_of_many_is_seen() -> None:
    figure = plots.figure("f", Histogram("t", "w", [0.0, 1.0, 2.0], {"kept": [1, 1_000_000]}))
    assert figure.plot
    assert figure.plot.lines[0].path == "M0 1000V992H500V0H1000V1000"


def test_lines_have_letters_that_keep_apart() -> None:
    series = {f"run {n}": [(0.0, 1.0), (1.0, 1.0 + n / 1000)] for n in range(30)}
    figure = plots.figure("f", Curves("Loss", "tokens", "nats", series))
    assert figure.plot
    ends = sorted(line.end for line in figure.plot.lines)
    gap = 100 * 17 / figure.plot.height
    assert all(later - earlier >= gap - 1e-9 for earlier, later in pairwise(ends))
    assert -1e-9 <= ends[0] <= ends[-1] <= 100 + 1e-9
    letters = [line.letter for line in figure.plot.lines]
    assert letters[:2] + letters[25:28] == ["a", "b", "z", "aa", "ab"]
    assert [key.letter for key in figure.keys] == letters


def test_one_line_needs_no_letter() -> None:
    figure = plots.figure("f", Curves("Rate", "tokens", "rate", {"rate": [(0.0, 1.0), (1.0, 2.0)]}))
    assert figure.plot
    assert [line.letter for line in figure.plot.lines] == [""]
    assert 'class="keys"' not in drawn(figure)


def test_a_short_course_has_each_label_once() -> None:
    found = Curves("Learning rate", "tokens seen", "rate", {"rate": [(0.0, 1e-4), (2e3, 1.4e-4)]})
    figure = plots.figure("figure-1", found)
    assert figure.plot
    labels = [tick.text for tick in figure.plot.y]
    assert {"0.0001", "0.00012", "0.00014"} <= {*labels}
    assert len(labels) == len({*labels})
    assert len({row[0] for row in figure.rows}) == len(figure.rows)


def test_a_level_line_stands_half_way() -> None:
    figure = plots.figure("f", Curves("Rate", "x", "rate", {"rate": [(0.0, 3.0), (9.0, 3.0)]}))
    assert figure.plot
    assert figure.plot.lines[0].path == "M0 500L1000 500"
    assert [tick.text for tick in figure.plot.y] == ["3"]


@pytest.mark.parametrize(
    ("low", "high", "logarithmic"), [(1, 1e12, True), (0, 1_234_567, False), (0.98, 0.99, False), (3, 3, False)]
)
def test_labels_beside_each_other_have_room(low: float, high: float, logarithmic: bool) -> None:
    found = axes.along(low, high, logarithmic).ticks()
    assert found
    for ticks, length in ((found, 290), ([tick for tick in found if not tick.wide], 190)):
        free = -1e9
        for tick in ticks:
            width = 7.5 * len(tick.text)
            left = min(max(0.0, length * tick.at / 100 - width / 2), length - width)
            assert left >= free
            free = left + width
    assert not all(tick.wide for tick in found)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([1e-4, 1.25e-4, 1.5e-4], ["0.0001", "0.000125", "0.00015"]),
        ([0.0003, 0.00030001], ["0.0003", "0.00030001"]),
        ([1_000_000.0, 1_001_000.0], ["1M", "1.001M"]),
        ([2e-7, 2e-7], ["2e-07", "2e-07"]),
        ([0.0, 1_234.0, 12_345.0], ["0", "1234", "12.3k"]),
        ([], []),
    ],
)
def test_what_stands_at_an_axis_tells_its_places_apart(values: list[float], labels: list[str]) -> None:
    assert [*map(apart(values), values)] == labels


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("a\u202eb", "a‹U+202E RIGHT-TO-LEFT OVERRIDE›b"),
        ("a\u200b\u200b\u200bb", "a‹U+200B ZERO WIDTH SPACE × 3›b"),
        ("a\x00b", "a‹U+0000 CONTROL›b"),
        ("می‌رود", "می‌رود"),
        ("pass\u200cword", "pass‹U+200C ZERO WIDTH NON-JOINER›word"),
        ("👩‍🚀 ❤️ 1️⃣", "👩‍🚀 ❤️ 1️⃣"),
        ("e\ufe0f\ufe0f", "e‹U+FE0F VARIATION SELECTOR-16 × 2›"),
        ("\U000e0041", "‹U+E0041 TAG LATIN CAPITAL LETTER A›"),
        ("", ""),
    ],
)
def test_what_is_invisible_has_a_name(text: str, shown: str) -> None:
    assert visible.named(text) == shown
    assert visible.named(shown) == shown


def test_the_letter_of_a_short_line_stands_at_its_end() -> None:
    long = [(float(x), 1 / x) for x in range(1, 101)]
    lines = {"whole": long, "short": long[:20], "of few steps": long[:21], "as long": [(x, y + 0.01) for x, y in long]}
    plot = plots.figure("f", Curves("Loss", "tokens", "loss", lines)).plot
    assert plot
    whole, short, few, other = plot.lines
    assert whole.across == other.across == pytest.approx(100, abs=1)
    assert short.across == few.across == pytest.approx(20, abs=2)
    gap = 100 * plots._LINE / plot.height
    assert abs(whole.end - other.end) >= gap - 1e-9
    assert abs(short.end - few.end) >= gap - 1e-9


def test_no_control_is_left_out() -> None:
    # Signs above or around numbers, which are seen.
    seen = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *map(ord, "\t\n\r")}
    for number in range(sys.maxunicode + 1):
        kind = unicodedata.category(chr(number))
        if kind in ("Cc", "Cf", "Zl", "Zp") and number not in seen:
            assert visible.named(chr(number)) != chr(number), hex(number)
        elif kind in ("Lu", "Ll", "Nd", "Zs"):
            assert visible.named(chr(number)) == chr(number), hex(number)


def test_a_name_that_may_be_broken_is_escaped() -> None:
    assert rendering.breakable("StackExchange") == "Stack<wbr>Exchange"
    assert rendering.breakable("a.b/<i>\u202e") == "a<wbr>.b<wbr>/&lt;i&gt;‹U+202E RIGHT-TO-LEFT OVERRIDE›"


def test_a_page_shows_them_and_escapes_them() -> None:
    template = rendering.environment().from_string('<p title="{{ text }}">{{ text }}</p>')
    assert template.render(text='"\u202e<') == (
        '<p title="&#34;‹U+202E RIGHT-TO-LEFT OVERRIDE›&lt;">&#34;‹U+202E RIGHT-TO-LEFT OVERRIDE›&lt;</p>'
    )


@pytest.mark.parametrize(
    ("language", "tag", "direction"),
    [
        ("ar", "ar", "rtl"),
        ("AR_EG", "ar-eg", "rtl"),
        ("zh-classical", "lzh", "auto"),
        ("simple", "en", "auto"),
        ("en", "en", "auto"),
        ("und", "", "auto"),
        ("mul", "", "auto"),
        ("gb", "", "auto"),  # a country
        ("aj", "", "auto"),
        ("xx-Latn", "", "auto"),
        ("en-", "", "auto"),
        ("en_GB", "en-gb", "auto"),
        ("eng", "en", "auto"),
        ("ger", "de", "auto"),
        ("iw", "he", "rtl"),
        ("ceb", "ceb", "auto"),
        ("arb_Arab", "arb-arab", "rtl"),
        ("ks-Deva", "ks-deva", "auto"),
        ("pa-Arab-PK", "pa-arab-pk", "rtl"),
        ("sh", "sh-Latn", "auto"),
        ("be-x-old", "be-tarask", "auto"),
        (None, "", "auto"),
        ('en" onload="x', "", "auto"),
        ("x" * 80, "", "auto"),
    ],
)
def test_a_language_as_html_says_it(language: str | None, tag: str, direction: str) -> None:
    assert (tongues.tag(language), tongues.direction(language)) == (tag, direction)


def test_every_language_of_the_build_is_one() -> None:
    # What Wikipedia's twenty editions are called, and codes that fastText's lid.176 gives.
    wikis = "bg ca cs da de en es fr hr hu it nl pl pt ro ru sl sr sv uk"
    lid = "als arz azb bar bcl bpy bxr ceb cbk ckb diq dsb dty eml frr gom hif hsb ilo jbo krc lez lmo lrc mai min mrj"
    lid += " mhr mwl myv mzn nah nap nds new pam pfl pms pnb rue sah scn sco tyv vec vep vls war wuu xal xmf yue sh bh"
    assert [name for name in f"{wikis} {lid}".split() if not tongues.tag(name)] == []


def test_a_title_of_many_letters_is_shortened() -> None:
    assert rendering.short("short") == "short"
    assert rendering.short("x" * 5_000) == "x" * 160 + " …"
    assert not re.search(r"\s …", rendering.short("word " * 500))
