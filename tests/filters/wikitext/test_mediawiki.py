"""Templates expanded by MediaWiki itself: our expansion is its own text, in all languages, and on real templates.

Real templates are read from files in `$ALTIPLANO_TEMPLATES/LANG/` (a file's name is the template's, percent-encoded).
"""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from filters.wikitext import expressions
from filters.wikitext.definitions import FILE, Definitions, record, transcluded, write
from filters.wikitext.names import LANGUAGES
from tests.filters.wikitext.test_definitions import unknown
from tests.filters.wikitext.test_expressions import VALUES
from tests.oracles.mediawiki import MediaWiki, lacks

pytestmark = pytest.mark.full

NUMBERS = [
    "1",
    "1234",
    "12345",
    "1234567.891",
    "-5",
    "-1234.5",
    "0.5",
    "1,234",
    "1e10",
    ".5",
    "007",
    "1234567890123456789",
]
COUNTS = ["0", "1", "1.5", "2", "3", "5", "11", "12", "21", "22", "25", "101", "111", "1000000", "-1"]
LITERAL = [
    "{{lc:ÀÉÎ İSTANBUL ẞ}}",
    "{{uc:straße ﬁ éa ß}}",
    "{{lcfirst:ÉaB}}",
    "{{ucfirst:éaB ǆ}}",
    "{{ucfirst:ß}}",
    "{{padleft:7|3}}",
    "{{padleft:abc|6|xy}}",
    "{{padright:abc|6|xy}}",
    "{{padleft:abc|2}}",
    "{{padleft:abc|-2|x}}",
    "{{padleft:abc|5|}}",
    "{{padleft:é|3|ü}}",
    "{{padleft:xyz|600|ab}}",
    "{{padleft:|3|0}}",
    "{{#if: | a | b }}",
    "{{#if: x | a | b }}",
    "{{#if:x}}",
    "{{#if:}}",
    "{{#if:|a}}",
    "{{#ifeq: 01 | 1 | same | no }}",
    "{{#ifeq:1e3|1000|same|no}}",
    "{{#ifeq:a|A|same|no}}",
    "{{#ifeq:|0|same|no}}",
    "{{#ifeq:&#97;|a|same|no}}",
    "{{#ifeq: 1 |1.0|s|n}}",
    "{{#ifeq:0x1A|26|s|n}}",
    "{{#ifeq:.5|0.5|s|n}}",
    "{{#ifeq:1.|1|s|n}}",
    "{{#ifeq:-0|0|s|n}}",
    "{{#switch:a|a=1|b=2}}",
    "{{#switch:b|a=1|b}}",
    "{{#switch:c|a|b|c=3|d}}",
    "{{#switch:x|#default=d|a=1}}",
    "{{#switch:x|a=1|#default|b=q}}",
    "{{#switch:x|a=1|z}}",
    "{{#switch:|=e|#default=d}}",
    "{{#switch:1.0|1=one|#default=d}}",
    "{{#switch: a | a = x = y }}",
    "{{#switch:x|#default=1|#default=2}}",
    "{{#switch:x|a|#default=1|x=3}}",
    "{{#switch:a|a}}",
    "{{#switch:a}}",
    "{{#switch:b|a|b|#default=z}}",
    "{{#switch:{{{1|q}}}|q={{{1|w}}}}}",
    "{{#ifexpr:1>0|y|n}}",
    "{{#ifexpr:0|y|n}}",
    "{{#ifexpr:|y|n}}",
    "{{#ifexpr:a|y|n}}",
    "{{#iferror:{{#expr:1/0}}|bad|ok}}",
    "{{#iferror:{{#expr:1/1}}|bad|ok}}",
    "{{#iferror:{{#expr:1/1}}|bad}}",
    "{{#iferror:{{#expr:1/0}}}}",
    '{{#iferror:<span class="error x">q</span>|bad|ok}}',
    "{{#iferror: x |bad}}",
    "{{urlencode:a b&c/ü}}",
    "{{!}}",
    "{{=}}",
    "{{PAGENAME}}",
    "{{NAMESPACE}}",
    "{{DEFAULTSORT:x}}y",
    "{{lc: A }}x",
    "{{LC:A}}",
    "{{Uc:a}}",
    "{{#IF:x|y}}",
    "{{ #if:x|y}}",
    "{{safesubst:#if:x|y}}",
    "{{{{{|safesubst:}}}lc:A}}",
    "{{{a|{{{b|c}}}}}}",
    "{{{ a }}}",
    "{{{1}}}",
    "{{{}}}",
    "{{{|d}}}",
    "a{{#if:x|\n* b}}",
    "{{#if:x|\n* b}}",
    "x{{#if:x|{{!}} b}}",
    "[[a|b]]{{#if:x|[[c|d]]|e}}",
    "{{#if:x|a=b|c}}",
    "{{#if:x|{{#if:y|z}}}}",
    "{{#switch:{{lc:ABC}}|abc=yes}}",
    "{{#expr:{{formatnum:1,234|R}}+1}}",
    "{{#if:x|''i''}}",
    "{{#if:<!-- c --> |a|b}}",
]
BODIES = [
    *(
        f"{{{{formatnum:{number}{how}}}}}"
        for number in (*NUMBERS, "", "abc 1234567 def")
        for how in ("", "|R", "|NOSEP")
    ),
    *(f"{{{{plural:{count}|{forms}}}}}" for count in COUNTS for forms in ("a|b|c|d", "a|b", "0=none|a|b")),
    *LITERAL,
]
VALUES_GIVEN = ["", "Llama", "7", "1987", "3.5", "yes", "no", "on", "de", "1,234", "a b", "2022-06-01", "March"]
NOTES = re.compile(r"<ref[^<>]*/>|<ref.*?</ref>|<references\s*/>|<templatestyles[^<>]*/>", re.DOTALL)


@pytest.fixture(scope="module")
def mediawiki(tmp_path_factory: pytest.TempPathFactory) -> MediaWiki:
    """Return MediaWiki, or skip, saying so."""
    if lack := lacks():
        pytest.skip(lack)
    return MediaWiki(tmp_path_factory.mktemp("mediawiki"))


def test_arithmetic(mediawiki: MediaWiki) -> None:
    told = mediawiki.expanded([f"{{{{#expr:{one}}}}}" for one in VALUES], {})
    assert dict(zip(VALUES, told, strict=True)) == VALUES
    assert {one: expressions.value_of(one) for one in VALUES} == VALUES


@pytest.mark.parametrize("language", LANGUAGES)
def test_functions(mediawiki: MediaWiki, tmp_path: Path, language: str) -> None:
    pages = {f"B{number}": text for number, text in enumerate(BODIES)}
    records = [record(f"Template:{name}", text, language) for name, text in pages.items()]
    write([one for one in records if one], tmp_path / FILE)
    ours = Definitions(tmp_path / FILE, language)
    told = mediawiki.expanded([f"{{{{{name}}}}}" for name in pages], pages, language=language)
    for (name, text), wanted in zip(pages.items(), told, strict=True):
        found = ours.expand(name, unknown, "Llama")
        if 'class="error"' in wanted:
            assert found is None, text
        else:
            assert found == wanted, text


def test_real_templates(mediawiki: MediaWiki, tmp_path: Path) -> None:
    folder = os.environ.get("ALTIPLANO_TEMPLATES")
    if not folder:
        pytest.skip("ALTIPLANO_TEMPLATES names no folder of real templates: they are NOT compared with MediaWiki")
    for wiki in sorted(Path(folder).iterdir()):
        equal, other = compared(mediawiki, wiki, tmp_path)
        assert not other, f"{wiki.name}: {other[:3]}"
        assert equal, f"{wiki.name}: nothing was expanded"


def compared(mediawiki: MediaWiki, wiki: Path, folder: Path) -> tuple[int, list[tuple[str, str, str]]]:
    """Return how many calls of a wiki's templates are equal, and those that are not: the call, ours, MediaWiki's."""
    texts = {unquote(path.name).replace("_", " "): path.read_text(errors="replace") for path in sorted(wiki.iterdir())}
    pages = {name[:1].upper() + name[1:]: text for name, text in texts.items()}
    records = [record(f"Template:{name}", text, wiki.name) for name, text in pages.items()]
    write([one for one in records if one], folder / FILE)
    ours, rng = Definitions(folder / FILE, wiki.name), random.Random(1)
    redirects = {one.name: one.text for one in records if one and one.kind == "R"}
    calls = [call for name in pages if name not in redirects for call in _calls(name, pages[name], rng)]
    told = mediawiki.expanded([f"{{{{{call}}}}}" for call in calls], pages, redirects, language=wiki.name)
    found = [
        (call, ours.expand(call, unknown, "Llama"), NOTES.sub("", text)) for call, text in zip(calls, told, strict=True)
    ]
    expanded = [(call, text, wanted) for call, text, wanted in found if text is not None]
    return sum(text == wanted for _, text, wanted in expanded), [row for row in expanded if row[1] != row[2]]


def _calls(name: str, text: str, rng: random.Random) -> list[str]:
    """Return a dozen calls of a template, with places and with its own names."""
    named = sorted({one.strip() for one in re.findall(r"\{\{\{([^{}|]+)", transcluded(text))})
    found = []
    for number in range(12):
        parts = [rng.choice(VALUES_GIVEN) for _ in range(number % 5)]
        parts += [f"{one}={rng.choice(VALUES_GIVEN)}" for one in named if not one.isdigit() and rng.random() < 0.4]
        found.append("|".join([name, *parts]))
    return found
