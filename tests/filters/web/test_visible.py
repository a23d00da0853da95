"""Web pages to text: all that a browser shows, no word joined to its neighbour, nothing that is hidden."""

import re
import time
from collections import Counter

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.web import visible
from tests.slowness import slowness


def lines(html: str) -> list[str]:
    return visible.page(visible.prepared(html))[1]


# HTML standard, section 15.3: elements that begin and end lines of their own, in the flow of a body.
BLOCKS = (
    "address article aside blockquote center details div dir dl dd dt fieldset figcaption figure footer form h1 h2 h3"
    " h4 h5 h6 header hgroup legend li listing main menu nav ol p pre search section summary ul"
)
NAMES = BLOCKS.split(" ")


def test_the_table_says_what_the_rules_say() -> None:
    for tag, mark in visible._PLAIN.items():
        assert visible._State().shown(None, "", tag, "", "") == mark


def test_what_is_looked_at_is_looked_at_once() -> None:
    assert lines("<textarea>look</textarea>look<textarea>\nlook\nlook</textarea>") == ["look look look", "look"]
    assert lines("<p hidden>a<p>b</p></p><b hidden=until-found>c</b>") == ["b", "c"]
    assert lines("<xmp>" + "a<b &amp; " * 1_500 + "</xmp>c") == [("a<b &amp; " * 1_500).strip(), "c"]


@pytest.mark.parametrize("name", NAMES)
def test_no_word_joins_its_neighbour_across_a_block(name: str) -> None:
    assert lines(f"one<{name}>two</{name}>three") == ["one", "two", "three"]
    if name != "form":  # the standard knows no form in a form
        assert lines(f"<{name}>one<{name}>two</{name}></{name}>three") == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("html", "right"),
    [
        (
            "<figure><table><tr><td>1<td>2<tr><td>3</table><figcaption>Cap</figcaption></figure>x",
            ["1 2", "3", "Cap", "x"],
        ),
        ("<figure><blockquote>Said.</blockquote></figure>", ["Said."]),
        ("<details open><summary>Sum</summary>Inside</details>", ["Sum", "Inside"]),
        ("<details><summary>Sum</summary>Inside</details>x", ["Sum", "Inside", "x"]),
        ("<fieldset><legend>L</legend>Inside", ["L", "Inside"]),
        ("<label>Name<input name=n></label><label>Mail</label>", ["Name Mail"]),
        ("<button>Send</button><button>Reset</button>", ["Send Reset"]),
        (
            "<input type=submit value='Go &amp; &quot;see&quot;'><input value=no><INPUT TYPE=RESET VALUE=R>",
            ['Go & "see" R'],
        ),
        ("<select><optgroup label='A &amp; B'><option>one<option>two</select>x", ["A & B", "one", "two", "x"]),
        ("<textarea>one\ntwo</textarea>x", ["one", "two x"]),
        (
            "<table><caption>C</caption><thead><tr><th>a<th>b</thead><tr><td>c<td><p>d<p>e</table>",
            ["C", "a b", "c", "d", "e"],
        ),
        ("a<br>b<hr>c<wbr>d", ["a", "b", "cd"]),
        ("<b>un</b>break<i>able</i> <span>x</span><span>y</span>", ["unbreakable xy"]),
        ("<pre>a  b\n\n c</pre>d\ne", ["a b", "c", "d e"]),
        ("<dialog open>Shown</dialog><dialog>Closed</dialog>", ["Shown"]),
        ("<p hidden>no<p>yes<p hidden=until-found>found", ["yes", "found"]),
        ("<div hidden><div>no</div>no</div><input hidden>yes", ["yes"]),
        ("<p aria-hidden=true>shown<p title='hidden=\"\"'>too", ["shown", "too"]),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp>字<rt>ji</ruby>", ["漢(kan)字(ji)"]),
        ("a<noscript><p>no</p></noscript>b", ["ab"]),
        ("<p>a<noscript><img src=x><p>no</noscript>b", ["ab"]),
        (
            "a<template><p>no</template><script>'<p>'</script><style>p{}</style><!-- <p> --><iframe><p></iframe>b",
            ["ab"],
        ),
        ("a<video>no</video><audio>no</audio><datalist><option>no</datalist><noframes>no</noframes>b", ["a b"]),
        ("<canvas>drawn</canvas><object>fallback</object><meter>5</meter><output>6</output>", ["drawn fallback 5 6"]),
        ("<svg><title>no</title><defs><text>no</text></defs><text>one</text><text>two</text></svg>x", ["one two x"]),
        ("<svg><clipPath><text>no</text></clipPath><desc>no</desc><path/></svg><desc>shown</desc>", ["shown"]),
        ("<math><semantics><mi>x</mi><mo>=</mo><mn>1</mn><annotation>x=1</annotation></semantics></math>", ["x=1"]),
        ("<title>T</title><p>a &lt;b&gt; &amp;amp; &nbsp; c", ["a <b> &amp; c"]),
        ("<xmp><b>&lt;</b></xmp>x<plaintext><i>y", ["<b>&lt;</b>", "x", "<i>y"]),
        ("<p =x='<p>no' a\"b='>'>yes<p a='\"><p>no'>too", ["yes", "too"]),
        ("<script>if (a < b && '</p>') {}</script>yes<script>x<!--</script>no?</script>", ["yesno?"]),
        ("<td>one<td>two", ["onetwo"]),  # cells outside a table are no tags, in a browser either
        ("<table><tr><td>1</td>out</table>", ["out", "1"]),  # what is no cell comes before the table
        ("<frameset><noframes><p>no</noframes></frameset>", []),
        ("", []),
    ],
)
def test_what_is_shown(html: str, right: list[str]) -> None:
    assert lines(html) == right


def test_the_title_is_that_of_the_page() -> None:
    head = "<head><noscript><img src=x></noscript><title> My\n &amp; your page </title></head>"
    page = f"{head}<svg><title>no</title></svg>x"
    assert visible.page(visible.prepared(page)) == ("My & your page", ["x"])
    assert visible.page(visible.prepared("<svg><title>Icon</title></svg>x"))[1] == ["x"]


_WORD = re.compile(r"\w+")
_PARTS = [
    *(f"<{name}>" for name in NAMES),
    *(f"</{name}>" for name in NAMES),
    "<b>",
    "</b>",
    "<span class='a>b'>",
    "</span>",
    "<br>",
    "<!-- x -->",
    "one",
    " two ",
    "&amp;",
    "&lt;p&gt;",
    "\n",
    "<img alt='<p>'>",
]


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(_PARTS), max_size=30))
def test_no_letter_of_a_page_is_lost_or_made_up(parts: list[str]) -> None:
    # Blocks only move where lines end: libxml2's own text has the same letters in the same order.
    html = "<body>" + "".join(parts)
    expected = "".join(map(str, lxml.html.document_fromstring(html + "x").itertext()))
    assert "".join(_WORD.findall("".join(lines(html + "x")))) == "".join(_WORD.findall(expected))


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=80))
def test_text_without_tags_comes_back(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    found = Counter("".join(lines(f"<p>{escaped}")).replace(" ", ""))
    visible_characters = Counter("".join("".join(text.split()).split("\0")))
    assert found == visible_characters or not text.isprintable()


@pytest.mark.parametrize(
    "piece", ["<p>x", "<svg>", "<script>", "<!--", "<p a=\"'", "<table><td>", "&", "<noscript>", "</p", "<b hidden>"]
)
def test_time_is_linear(piece: str) -> None:
    page = piece * 20_000
    started = time.process_time()
    visible.page(visible.prepared(page[:400_000] if piece != "<svg>" else piece * 500))
    assert time.process_time() - started < 2 * slowness()
