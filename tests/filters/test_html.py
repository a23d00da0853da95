"""HTML to text: how each element looks, what must not be lost, and time that stays linear on hostile input."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree, html

from filters.html import MAX_CONTAINERS, to_text
from tests.slowness import slowness

SITES = ["coffee.stackexchange.com", "matheducators.stackexchange.com"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>One\n  <b>two</b>.</p>\n\n<p>Three</p>", "One two.\n\nThree"),
        ("<h2>Head</h2><p>Body</p>", "Head\n\nBody"),
        ("plain", "plain"),
        ("<p>x<br>y<br/>z</p>", "x\ny\nz"),
        ("<p>a</p><hr><p>b</p>", "a\n\n---\n\nb"),
        ("<p>see <a href='u'>the manual</a></p>", "see the manual"),
        ("<p><img src='x' alt='a cat'> <img alt='enter image description here'></p>", "a cat"),
        ("<p><kbd>Ctrl</kbd>+<kbd>C</kbd></p>", "Ctrl+C"),
        ("<p>call <code>f(x)</code> and <code>a`b</code></p>", "call `f(x)` and `` a`b ``"),
        ("<p>10<sup>6</sup>, H<sub>2</sub>O, e<sup>n+1</sup></p>", "10^6, H_2O, e^(n+1)"),
        ("<p><sub>In small print</sub></p>", "In small print"),
        ("<div><div>a</div>b</div>", "a\n\nb"),
        ("<dl><dt>term</dt><dd>meaning</dd></dl>", "term\n  meaning"),
        ("<p>a<script>var b</script><style>c</style><!-- d < e --></p>", "a"),
        ("<p> </p><p>&nbsp;</p>", ""),
        ("", ""),
        ("\n \t", ""),
        ("\x00\x08", ""),
    ],
)
def test_elements(source: str, text: str) -> None:
    assert to_text(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
        ("<ol start='9'><li>a</li><li>b</li><li value='3'>c</li></ol>", "9. a\n10. b\n3. c"),
        ("<ol start='x'><li>a</li></ol>", "1. a"),
        ("<ol start='-1'><li>a</li><li>b</li></ol>", "-1. a\n0. b"),
        ("<ul><li>a<ol><li>b</li><li>c</li></ol></li><li>d</li></ul>", "- a\n  1. b\n  2. c\n- d"),
        ("<ol><li><p>a</p><p>b</p></li><li><p>c</p></li></ol>", "1. a\n\n   b\n\n2. c"),
        ("<p>x</p>\n<ul>\n<li>a</li>\n</ul>\n<p>y</p>", "x\n\n- a\n\ny"),
        ("<ul><li>a</ul><ul><li>b</ul>", "- a\n\n- b"),
        ("<ul><li></li><li>a</li></ul>", "- a"),
        ("<ul><li>a<br>b</li></ul>", "- a\n  b"),
        ("<ol><li>do<pre><code>x\n  y\n</code></pre></li></ol>", "1. do\n\n   ```\n   x\n     y\n   ```"),
        ("<li>alone", "- alone"),
    ],
)
def test_lists(source: str, text: str) -> None:
    assert to_text(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<blockquote><p>a</p><p>b</p></blockquote><p>c</p>", "> a\n>\n> b\n\nc"),
        ("<blockquote><ul><li>a</li><li>b</li></ul></blockquote>", "> - a\n> - b"),
        ("<blockquote><blockquote><p>a</p></blockquote><p>b</p></blockquote>", "> > a\n>\n> b"),
        ("<ul><li><blockquote><p>a</p></blockquote></li></ul>", "- > a"),
        ("<blockquote><p>a</p></blockquote><blockquote><p>b</p></blockquote>", "> a\n\n> b"),
        ("<blockquote><pre><code>a\n\n b</code></pre></blockquote>", "> ```\n> a\n>\n>  b\n> ```"),
    ],
)
def test_quotations(source: str, text: str) -> None:
    assert to_text(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1<br>2</td><td>3</td></tr></tbody></table>",
            "a | b\n1 2 | 3",
        ),
        ("<p>x</p><table><tr><td>1<td><td>2</table><p>y</p>", "x\n\n1 |  | 2\n\ny"),
        ("<table><tr><td><p>a</p><p>b</p><ul><li>c</li></ul></td><td><pre>d</pre></td></tr></table>", "a b c | `d`"),
        ("<table><caption>T</caption><tr><td>1</td></tr></table>", "T\n\n1"),
        ("<table><tr></tr><tr><td> </td></tr></table>", ""),
        ("<table><tr><td>a<table><tr><td>b</td></tr></table></td><td>c</td></tr></table>", "a\nb\n\nc"),
    ],
)
def test_tables(source: str, text: str) -> None:
    assert to_text(source) == text


CODE = "def f(x):\n\tif x:   \n\n        return [y  for y in x]\n\n\n  # end"


def test_code_blocks_keep_every_character() -> None:
    assert to_text(f"<p>a</p>\n\n<pre><code>{CODE}\n</code></pre>\n\n<p>b</p>") == f"a\n\n```\n{CODE}\n```\n\nb"


def test_code_blocks_keep_the_first_lines_indentation() -> None:
    assert to_text("<pre><code>    a\n  b\n</code></pre>") == "```\n    a\n  b\n```"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('<pre class="lang-c++ prettyprint-override"><code>int x;</code></pre>', "```c++\nint x;\n```"),
        ('<pre><code class="language-py">x</code></pre>', "```py\nx\n```"),
        ('<pre class="lang-none"><code>x</code></pre>', "```\nx\n```"),
        ("<pre><code>```\nx\n```</code></pre>", "````\n```\nx\n```\n````"),
        ("<pre>a <b>b</b><br>c</pre>", "```\na b\nc\n```"),
        ("<pre>\n\n</pre>", ""),
        ("<pre><code>a &lt; b &amp;amp;&amp; c\r\nd</code></pre>", "```\na < b &amp;& c\nd\n```"),
    ],
)
def test_code_fences(source: str, text: str) -> None:
    assert to_text(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<code>std::vector&lt;int&gt;</code>", "`std::vector<int>`"),
        ("<code>std::vector<int> Map<K, List<String>></code>", "`std::vector<int> Map<K, List<String>>`"),
        ("<pre><code>#include <vector>\nif (a<b) x<<1;</code></pre>", "```\n#include <vector>\nif (a<b) x<<1;\n```"),
        ("<p>a < b && c > d, 1 <2, x<</p>", "a < b && c > d, 1 <2, x<"),
        ("<p>&amp;lt;b&amp;gt; &lt;b&gt; &amp;amp;</p>", "&lt;b&gt; <b> &amp;"),
        ("<p>&eacute;&#233;&#xe9;&nbsp;x &bogus; &</p>", "ééé\xa0x &bogus; &"),
        ("<P>Upper <EM>case</EM></P>", "Upper case"),
        ("<p>un<b>closed <i>and</b> misnested</i> tags", "unclosed and misnested tags"),
        ("</p></div>stray</li>", "stray"),
        ("<?xml version='1.0' encoding='utf-16'?><p>é</p>", "<?xml version='1.0' encoding='utf-16'?>\n\né"),
        ("<meta charset='latin-1'><p>é €</p>", "é €"),
        ("<p>a\ud800b\ufffe</p>", "ab"),
    ],
)
def test_angle_brackets_and_entities(source: str, text: str) -> None:
    assert to_text(source) == text


DISPLAY = "$$\n\\begin{align}\n  a &= b   % why\n\\\\\n  c &\\lt d\n\\end{align}\n$$"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (f"<p>So\n{DISPLAY.replace('&', '&amp;')}\nholds.</p>", f"So {DISPLAY} holds."),
        ("<p>if $a  %x\n+b$ then</p>", "if $a  %x\n+b$ then"),
        ("<p>\\begin{cases}\n x\n\\end{cases}\nand</p>", "\\begin{cases}\n x\n\\end{cases} and"),
        ("<p>costs $5\nor $6 \n or $7</p>", "costs $5 or $6 or $7"),
        ("<p>an unclosed $$ \n x</p>", "an unclosed $$ x"),
        ("<p>\\begin{a}\n\\end{b} \n x</p>", "\\begin{a} \\end{b} x"),
        ("<p>$x_1*y*_2$ &lt;$\\pi$&gt;</p>", "$x_1*y*_2$ <$\\pi$>"),
    ],
)
def test_mathematics_is_untouched(source: str, text: str) -> None:
    assert to_text(source) == text


def test_depth_is_unbounded_and_prefixes_are_not() -> None:
    for tag in ("div", "blockquote", "ul><li", "sup", "code", "table><tr><td", "pre", "ol><li><p"):
        text = to_text(f"<{tag}>" * 20_000 + "deep" + "<p>after")
        assert "deep" in text
        assert "after" in text
    assert to_text("<blockquote>" * 1_000 + "a") == "> " * MAX_CONTAINERS + "a"


@pytest.mark.parametrize(
    "hostile",
    ["<", "<p>", "</p>", "<a ", "<!--", "$", "$$ ", "\\begin{a}", "`", "<code>`", "<br> ", "<sup>a", "<li>", "&",
     "<td>", "<p>x<sup>", "<b", "<div a='", " \n", "\r", "<pre>`"],
)  # fmt: skip
def test_hostile_repetition_takes_linear_time(hostile: str) -> None:
    before = time.process_time()
    to_text(hostile * (200_000 // len(hostile)))
    assert time.process_time() - before < 2 * slowness()


@settings(deadline=None)
@given(st.text(alphabet="<>/&;#\"' \n\r\t$`\\{}abpreulodcditshx1é\x00\ud800", max_size=200))
def test_nothing_raises_and_text_is_clean(source: str) -> None:
    text = to_text(source)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", text)
    assert text == text.rstrip("\n")


WORDS = st.text(alphabet="abc <>&é", min_size=1, max_size=20)


@settings(deadline=None)
@given(
    st.lists(WORDS, max_size=5),
    st.lists(st.sampled_from(["p", "li", "em", "td", "h3", "dd", "blockquote"]), min_size=5),
)
def test_escaped_text_comes_back_whatever_holds_it(texts: list[str], tags: list[str]) -> None:
    source = "".join(
        f"<{tag}>{text.replace('&', '&amp;').replace('<', '&lt;')}</{tag}>"
        for tag, text in zip(tags, texts, strict=False)
    )
    letters = re.sub(r"[\s>|-]", "", to_text(source))
    assert letters == re.sub(r"[\s>|-]", "", "".join(texts))


@pytest.mark.parametrize("unit", ["<pre></p>", "<dd></li>", "<sup></a>", "<ul><li>a"])
def test_what_is_nested_too_deep_is_text_in_linear_time(unit: str) -> None:
    before = time.process_time()
    assert to_text(f"<p>first {unit * 200_000} <b>last</b> &lt;").endswith("last <")
    assert time.process_time() - before < 3 * slowness()


def test_a_long_body_is_read_like_a_short_one() -> None:
    paragraph = "<blockquote><p>Some <b>text</b> &amp; <code>a < b</code></p></blockquote>\n"
    assert to_text(paragraph * 2_000) == "\n>\n".join([to_text(paragraph)] * 2_000).replace("\n>\n", "\n\n")


def content(element: etree._Element) -> str:
    return "".join(str(part) for part in element.itertext())


def bodies(dumps: Path, site: str) -> list[str]:
    rows = etree.parse(dumps / "stack_exchange" / site / "Posts.xml").getroot()
    return [row.get("Body") or "" for row in rows]


@pytest.mark.parametrize("site", SITES)
def test_real_bodies_keep_their_words_and_their_code(dumps: Path, site: str) -> None:
    for body in bodies(dumps, site):
        if not body:
            continue
        text = to_text(body)
        tree = html.fromstring(f"<div>{body}</div>")
        written = iter(re.sub(r"\W", "", text))
        assert all(character in written for character in re.sub(r"\W", "", content(tree)))
        for pre in tree.iter("pre"):
            code = content(pre).strip("\n").split("\n")
            assert all(line in text for line in code)


def test_real_mathematics_is_untouched(dumps: Path) -> None:
    formulas = 0
    for body in bodies(dumps, SITES[1]):
        text = to_text(body)
        for block in html.fromstring(f"<div>{body}</div>").iter("p"):
            if len(block) == 0:
                for formula in re.findall(r"\$\$[^$]+\$\$", content(block)):
                    formulas += 1
                    lines = formula.split("\n")
                    assert all(line in text for line in lines)
    assert formulas > 50


def test_speed(dumps: Path) -> None:
    sources = bodies(dumps, SITES[1])
    before = time.process_time()
    for source in sources:
        to_text(source)
    assert sum(map(len, sources)) / (time.process_time() - before) * slowness() > 2e6


@pytest.mark.parametrize(
    "name", ["details", "dialog", "div", "fieldset", "figcaption", "figure", "hgroup", "legend", "section", "summary"]
)
def test_no_word_joins_its_neighbour_across_a_block(name: str) -> None:
    assert to_text(f"one<{name}>two</{name}>three") == "one\n\ntwo\n\nthree"


def test_a_summary_and_a_legend_are_blocks_of_their_own() -> None:
    assert to_text("<details open><summary>Sum</summary>Inside</details>") == "Sum\n\nInside"
    assert to_text("<fieldset><legend>L</legend>Inside</fieldset>") == "L\n\nInside"
    assert to_text("<select><option>a<option>b</select>c") == "a\n\nb\n\nc"
