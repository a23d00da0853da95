"""A wiki's own templates: what of a page is kept, how calls are expanded, and what is bounded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from filters.wikitext import definitions, expander, functions
from filters.wikitext.definitions import FILE, Definitions, record, transcluded, write
from tests.slowness import slowness


def made(folder: Path, pages: Mapping[str, str], language: str = "en") -> Definitions:
    """Return the model of templates by their names."""
    found = [record(f"Template:{name}", text, language) for name, text in pages.items()]
    write([one for one in found if one], folder / FILE)
    return Definitions(folder / FILE, language)


def unknown(name: str) -> None:
    return None


def expanded(folder: Path, text: str, call: str = "A", language: str = "en") -> str | None:
    return made(folder, {"A": text}, language).expand(call, unknown)


# --- what is kept ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        ("a<noinclude>\n{{doc}}</noinclude>", "a"),
        ("<noinclude>x</noinclude><includeonly>a</includeonly>", "a"),
        ("x<onlyinclude>a</onlyinclude>y<onlyinclude>b</onlyinclude>", "ab"),
        ("a<noinclude/>b<noinclude>never closed", "ab"),
        ("a<!-- b -->c", "ac"),
        ("a\n<!-- alone on its line -->\nb", "a\nb"),
        ("a<!-- never closed", "a"),
        ('a<ref name="x" />b<ref>c {{{1}}}</ref><templatestyles src="x.css" />', "ab"),
        ("<NoInclude>x</NoInclude>a", "a"),
    ],
)
def test_what_stands_where_a_template_is_used(page: str, kept: str) -> None:
    assert transcluded(page) == kept


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{{{1}}} km", "text"),
        ("#REDIRECT [[Template:B]]", "redirect"),
        ("{{#invoke:Convert|convert}}", "lua"),
        ("{{ safesubst:#invoke:x|y}}", "lua"),
        ('{| class="wikitable"\n|}', "box"),
        ('<div class="navbox">{{{1}}}</div>', "box"),
        ("{{{|default}}}", "text"),
        ("<math>x</math>", "literal"),
        ("x" * (definitions.MAX_TEXT + 1), "long"),
    ],
)
def test_kinds(tmp_path: Path, text: str, kind: str) -> None:
    found = record("Template:A", text, "en")
    assert found is not None
    assert write([found], tmp_path / FILE) == {kind: 1}
    assert len(Definitions(tmp_path / FILE, "en")) == (kind in ("text", "redirect"))


def test_what_only_calls_a_box_is_a_box(tmp_path: Path) -> None:
    pages = {
        "Navbox": "{|\n|}",
        "Nav": "#REDIRECT [[Template:Navbox]]",
        "Towns": "{{nav|a}}[[Category:Towns]]",
        "More towns": "{{towns}}",
        "Kept": "{{nav}} and text",
    }
    found = [record(f"Template:{name}", text, "en") for name, text in pages.items()]
    assert write([one for one in found if one], tmp_path / FILE) == {"box": 3, "redirect": 1, "text": 1}


@pytest.mark.parametrize(
    ("language", "title", "redirect"),
    [
        ("de", "Vorlage:Alt", "#WEITERLEITUNG [[Vorlage:Neu]]"),
        ("ru", "Шаблон:Alt", "#перенаправление [[Шаблон:neu]]"),
        ("fr", "Modèle:Alt", "#REDIRECT: [[Template:Neu#section]]"),
        ("it", "Template:Alt", "#RINVIA [[Template:Neu]]"),
    ],
)
def test_redirects_of_every_wiki(tmp_path: Path, language: str, title: str, redirect: str) -> None:
    records = [record(title, redirect, language), record(title.replace("Alt", "Neu"), "neu {{{1}}}", language)]
    write([one for one in records if one], tmp_path / FILE)
    found = Definitions(tmp_path / FILE, language)
    assert [found.canonical(name) for name in ("alt", "Alt", title, "neu", "none")] == [
        "Neu",
        "Neu",
        "Neu",
        "Neu",
        "None",
    ]
    assert found.expand("alt|x", unknown) == "neu x"


def test_the_same_pages_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    records = [record(f"Template:{number}", f"text {number}", "en") for number in range(500)]
    write([one for one in records if one], tmp_path / "one")
    write([one for one in reversed(records) if one], tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("damage", ["other", "cut", "short", "hashes", "ends"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, damage: str) -> None:
    made(tmp_path, dict.fromkeys("ABCDEFG", "text"))
    data = bytearray((tmp_path / FILE).read_bytes())
    if damage == "other":
        data[:4] = b"PK\x03\x04"
    elif damage == "cut":
        data = data[:-3]
    elif damage == "short":
        data = data[:40]
    else:
        at = 16 if damage == "hashes" else 16 + 7 * 8
        data[at : at + 8] = b"\xff" * 8
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(ValueError, match=FILE):
        Definitions(tmp_path / FILE, "en")


# --- expansion: each value is MediaWiki 1.39's -----------------------------------------------------------------------

EXPANDED = [
    ("[{{{1}}}|{{{b|none}}}]", "A|x|b= y ", "[x|y]"),
    ("[{{{1|}}}]", "A", "[]"),
    ("{{{1}}}{{{a|{{{b|c}}}}}}", "A", "{{{1}}}c"),
    ("{{{1}}}{{{2}}}", "A| a |2=b", " a b"),
    ("{{#if: {{{1|}}} | yes | no }}", "A|x", "yes"),
    ("{{#if: {{{1|}}} | yes | no }}", "A| ", "no"),
    ("{{#ifeq: 01 | 1.0 | same | other }}", "A", "same"),
    ("{{#ifeq: a | A | same | other }}", "A", "other"),
    ("{{#switch: {{{1}}} | a | b = ab | c = {{{2}}} | #default = d }}", "A|b", "ab"),
    ("{{#switch: {{{1}}} | a | b = ab | c = {{{2}}} | #default = d }}", "A|c|x", "x"),
    ("{{#switch: {{{1}}} | a | b = ab | c = {{{2}}} | #default = d }}", "A|z", "d"),
    ("{{#switch:{{{1}}}|a=1|last}}", "A|z", "last"),
    ("{{#expr: {{{1}}} * 2 }}", "A|21", "42"),
    ("{{#iferror: {{#expr: 1/0 }} | bad | good }}", "A", "bad"),
    ("{{#ifexpr: {{{1}}} > 5 | more | less }}", "A|7", "more"),
    ("{{lc:ABC}}{{uc:é}}{{ucfirst:éa}}{{lcfirst:ÀB}}", "A", "abcÉÉaàB"),
    ("{{formatnum:1234567.5}} {{formatnum:1,234|R}}", "A", "1,234,567.5 1234"),
    ("{{padleft:7|3}} {{padright:a|3|xy}}", "A", "007 axy"),
    ("{{plural:{{{1}}}|one|many}}", "A|1", "one"),
    ("{{PAGENAME}}{{NAMESPACE}}{{!}}", "A", "Llama|"),
    ("x{{#if:1|* item}}", "A", "x\n* item"),
    ("{{{{{1}}}}}", "A|PAGENAME", "Llama"),
    ("{{{{{|safesubst:}}}lc:X}}", "A", "x"),
    ("{{#tag:ref|x}}{{DEFAULTSORT:x}}y", "A", "y"),
    ("[[a|{{{1}}}]]", "A|b", "[[a|b]]"),
    ("{{{a}}} {{x", "A|a=1", "1 {{x"),
]


@pytest.mark.parametrize(("text", "call", "wanted"), EXPANDED)
def test_expansion(tmp_path: Path, text: str, call: str, wanted: str) -> None:
    assert made(tmp_path, {"A": text}).expand(call, unknown, "Llama") == wanted


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("de", "{{#wechsle:b|a=1|#standard=2}} {{ZAHLENFORMAT:1234,5}} {{formatnum:1234.5}}", "2 1.234,5 1.234,5"),
        ("fr", "{{#si:x|oui|non}} {{#si=:1|1|oui|non}} {{formatnum:12345.6}}", "oui oui 12\u00a0345,6"),
        ("pl", "{{formatnum:1234}} {{formatnum:12345}} {{mnoga:5|plik|pliki|plików}}", "1234 12\u00a0345 plików"),
        ("ru", "{{#если:x|да}} {{PLURAL:22|год|года|лет}}", "да года"),
        ("sv", "{{#om:|a|b}} {{SB:ö}}", "b Ö"),
        ("cs", "{{#když:x|ano}} {{PLURAL:3|rok|roky|let}}", "ano roky"),
    ],
)
def test_functions_by_their_local_names(tmp_path: Path, language: str, text: str, wanted: str) -> None:
    assert made(tmp_path, {"A": text}, language).expand("A", unknown) == wanted


def test_templates_in_templates(tmp_path: Path) -> None:
    pages = {"A": "{{b|{{{1}}}|x={{{2|}}}}}", "B": "<{{{1}}}:{{{x}}}:{{C}}>", "C": "#REDIRECT [[Template:D]]", "D": "d"}
    assert made(tmp_path, pages).expand("a|1|2", unknown) == "<1:2:d>"


def test_calls_that_others_know_stay_with_their_arguments_expanded(tmp_path: Path) -> None:
    found = made(tmp_path, {"A": "{{convert|{{{1}}}|km|abbr={{#if:{{{2|}}}|on|off}}}} wide", "Convert": "never used"})
    asked: list[str] = []

    def known(name: str) -> str | None:
        asked.append(name)
        return "" if name == "Convert" else None

    text = found.expand("A|5|x", known)
    assert (text, asked) == ("{{Convert|5|km|abbr=on}} wide", ["Convert"])


@pytest.mark.parametrize(
    "text",
    [
        "{{a}}",
        "{{none}}",
        "{{#expr:1/0}}",
        "{{#time:Y}}",
        "{{#ifexist:x|y}}",
        "{{CURRENTYEAR}}",
        "{{:Main page}}",
        "{{int:x}}",
        "{{User:X}}",
    ],
)
def test_what_plain_wikitext_does_not_say(tmp_path: Path, text: str) -> None:
    assert expanded(tmp_path, text) is None
    assert expanded(tmp_path, "{{#if:|" + text + "|fine}}") == "fine", "only where it is met"


# --- bounds ----------------------------------------------------------------------------------------------------------

BOMBS: dict[str, dict[str, str]] = {
    "wide": {"A": "{{b}}" * 60, "B": "{{c}}" * 60, "C": "{{d}}" * 60, "D": "x" * 60},
    "steps": {"A": "{{b}}" * 60, "B": "{{c}}" * 60, "C": "{{d}}" * 60, "D": ""},
    "doubled": {"A": "{{b|{{{1|x}}}{{{1|x}}}}}", "B": "{{c|{{{1}}}{{{1}}}}}", "C": "{{a|{{{1}}}{{{1}}}}}"},
    "circle": {"A": "{{b}}", "B": "{{c}}", "C": "{{a}}"},
    "deep": {"A": "{{#if:x|" * 2_000 + "}}" * 2_000},
    "deep parameters": {"A": "{{{a|" * 2_000 + "}}}" * 2_000},
    "long": {"A": "{{padleft:|500|x}}" * 400},
    "redirects": {"A": "#REDIRECT [[Template:B]]", "B": "#REDIRECT [[Template:A]]"},
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_hostile_templates_end_soon(tmp_path: Path, bomb: str) -> None:
    found = made(tmp_path, BOMBS[bomb])
    before = time.process_time()
    text = found.expand("A", unknown)
    assert text is None or len(text) <= 2 * expander.MAX_CHARACTERS
    assert time.process_time() - before < 2 * slowness()


@pytest.mark.parametrize(
    "piece",
    [
        "{{",
        "{{{",
        "{{a|",
        "{{{a|",
        "[[",
        "}}",
        "|",
        "=",
        "{{#if:",
        "<!--",
        "<noinclude>",
        "<ref>",
        "<onlyinclude>",
        "\n ",
        "<ref a",
    ],
)
def test_what_never_closes_costs_linear_time(tmp_path: Path, piece: str) -> None:
    before = time.process_time()
    expanded(tmp_path, piece * (60_000 // len(piece)))
    record("Template:A", piece * (1_000_000 // len(piece)), "en")
    assert time.process_time() - before < 3 * slowness()


@pytest.mark.parametrize("piece", ["<span ", " ", "<p a=", 'class="', "error "])
def test_messages_about_mistakes_are_looked_for_in_linear_time(piece: str) -> None:
    before = time.process_time()
    functions.has_error("error <span " + piece * 20_000)
    assert time.process_time() - before < slowness()
    assert functions.has_error(f'{piece}<span  id="x"  class="a error">')


def test_chains_of_templates_are_as_deep_as_mediawiki_goes(tmp_path: Path) -> None:
    pages = {f"T{number}": f"{{{{T{number + 1}}}}}" for number in range(1, 60)} | {"T60": "end"}
    found = made(tmp_path, pages)
    assert found.expand(f"T{60 - expander.MAX_DEPTH + 1}", unknown) == "end"
    assert found.expand("T1", unknown) is None
