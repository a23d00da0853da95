import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.wikitext.behaviours.numbers import format_number
from filters.wikitext.brackets import MAX_DEPTH
from filters.wikitext.cleaner import cited_urls, clean, reason
from filters.wikitext.names import LANGUAGES, names_of
from pipelines.document import Document
from pipelines.readers import Dump
from pipelines.readers.mediawiki import language_of, read
from tests.filters.told import alone, told
from tests.slowness import slowness


def test_the_spec_files_leave_with_their_captions_in_every_language() -> None:
    for language, name in (("de", "Datei"), ("fr", "Fichier"), ("ru", "Файл"), ("sl", "Slika"), ("hu", "Kép")):
        text = f"Before [[{name}:x.jpg|thumb|200px|A caption with [[a link|words]] in it]] after."
        assert clean(text, language) == "Before after."


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_knows_its_own_names(language: str) -> None:
    names = names_of(language)
    for name in names.file | names.category:
        assert clean(f"A [[{name}:Thing one|left|words]]b", language) == "A b"
    for word in names.redirect:
        expected = ("redirect", None, None, "Somewhere")
        assert told(reason("0", None, f"{word.upper()} [[Somewhere]]", language)) == expected
        assert told(reason("0", None, f"{word} : [[Somewhere]]", language)) == expected
    for heading in names.sections | names.ambiguous_sections:
        assert clean(f"Text.\n== {heading} ==\n* a book\n== X ==\nMore.", language) == "Text.\n\nX\n\nMore."
    for word in names.formatnum:
        assert clean(f"{{{{{word}:3}}}} and {{{{{word.upper()}:3}}}}", language) == "3 and 3"
    for word in names.switches:
        assert clean(f"__{word}__A", language) == "A"


@pytest.mark.parametrize(
    ("redirect", "language"), [("#WEITERLEITUNG", "de"), ("#REDIRECCIÓN", "es"), ("#ПЕРЕНАПРАВЛЕНИЕ", "ru")]
)
def test_the_spec_localised_redirects_are_dropped(redirect: str, language: str) -> None:
    assert told(reason("0", None, f"{redirect} [[Ziel]]", language)) == ("redirect", None, None, "Ziel")


def test_reasons() -> None:
    assert reason("0", None, "An article.", "en") is None
    assert told(reason("14", None, "A category.", "en")) == ("namespace", None, None, "14")
    assert told(reason("0", "Target", "anything", "en")) == ("redirect", None, None, "Target")
    assert told(reason("0", "", "anything", "en")) == alone("redirect")
    assert told(reason("0", "", "#REDIRECT [[Target]]", "en")) == ("redirect", None, None, "Target")
    assert told(reason("0", None, clean("{{stub}}\n[[Category:X]]", "en"), "en")) == alone("empty")
    long = "Ä" * 180
    assert told(reason("0", None, f"\n #REDIRECT [[ {long}#part ]] and more", "en")) == (
        *("redirect", None, None),
        f"{long}#part",
    )
    assert told(reason("0", None, "#REDIRECT [[never closed", "en")) == ("redirect", None, None, "never closed")
    assert reason("0", None, "# a numbered list [[not]] a redirect", "en") is None
    assert reason("0", None, "#REDIRECTED is a word", "en") is None


def test_the_spec_quantities_survive() -> None:
    assert clean("At {{convert|1300|mi}} long", "en") == "At 1,300 miles (2,100 km) long"
    assert clean("{{formatnum:3}}", "en") == "3"


@pytest.mark.parametrize(
    ("wikitext", "language", "text"),
    [
        ("{{convert|1300|mi|km}}", "en", "1,300 miles (2,100 km)"),
        ("a {{convert|5|mi|km|adj=on}} walk", "en", "a 5-mile (8.0 km) walk"),
        ("{{convert|5|to|10|km|abbr=on}}", "en", "5 to 10 km (3.1 to 6.2 mi)"),
        ("{{convert|5|ft|10|in|m}}", "en", "5 feet 10 inches (1.78 m)"),
        ("{{cvt|1|m}}", "en", "1 m (3 ft 3 in)"),
        ("{{convert|640081.87|km2|sqmi|abbr=on}}", "en", "640,081.87 km² (247,136.99 sq mi)"),
        ("{{convertir|12|km|mi}}", "es", "12 km (7,5 mi)"),
        ("{{val|1.5|0.2|e=6|u=kg}}", "en", "1.5 ± 0.2 × 10⁶ kg"),
        ("{{val|1.00794|(7)}}", "en", "1.00794(7)"),
        ("{{frac|3|1|2}} and {{frac|2}}", "en", "3 1/2 and 1/2"),
        ("{{formatnum:1234567.5}}", "en", "1,234,567.5"),
        ("{{formatnum:1234567.5}}", "de", "1.234.567,5"),
        ("{{formatnum:1234}} {{formatnum:12345}}", "es", "1234 12 345"),
        ("{{formatnum:1,234|R}}", "en", "1,234"),
        ("{{unité|1234|km|2}}", "fr", "1 234 km²"),
        ("{{unité|3743,31|km|2}} {{nobr|4,4|millions}}", "fr", "3 743,31 km² 4,4 millions"),
        (
            "{{Référence nécessaire|Le lama paît.|date=mai 2015}} {{souverain2|Joseph II (roi)}}",
            "fr",
            "Le lama paît. Joseph II",
        ),
        ("{{num|14500|км}} {{число|7}}", "ru", "14 500 км 7"),
        ("{{dim|4500|m}}", "ro", "4.500 m"),
        ("{{nobr|86 ans}} {{s|XX}} {{s-|XIX}} {{-s|V}}", "fr", "86 ans XXe siècle XIXe Ve siècle av. J.-C."),
        ("{{Ier}} {{heure|4|30}} {{tmp|2|°C}}", "fr", "Ier 4 h 30 2 °C"),
        ("{{Höhe|115|DE-NHN}}", "de", "115 m"),
        ('{{"|Es liegt am Tage}}', "de", "„Es liegt am Tage“"),
        ("{{lang|la|homo}}, {{lang-de|Mensch}}, {{transl|ru|chelovek}}", "en", "homo, Mensch, chelovek"),
        ("{{nowrap|1=E = mc2}}", "en", "E = mc2"),
        ("{{нп5|Квартал|Баварский квартал|de}}", "ru", "Баварский квартал"),
        ("{{s|5 км}}", "ru", "5 км"),
        ("{{As of|2010|3}}, {{as of|2011|lc=y}}", "en", "As of March 2010, as of 2011"),
        ("born {{circa|1809}}", "en", "born c. 1809"),
        ("{{US$|1500}} {{euro|77.80}}", "en", "US$1,500 €77.80"),
        ("{{euro|77.80}}", "fr", "77,80 €"),
        ("{{chem|C|2|H|5|O|-}}", "en", "C₂H₅O⁻"),
        ("{{nuclide2|einsteinium|254|link=y}}", "en", "einsteinium-254"),
        ("{{pop density|1000|100|km2|prec=1}}", "en", "10.0/km² (25.9/sq mi)"),
        ("{{pop density|1000|0|km2}}x", "en", "x"),
        ("-{Abgeordnetenhaus}- и -{sr-ec:један; sr-el:jedan}-", "sr", "Abgeordnetenhaus и један"),
        ("{{uc:abc}} {{lc:ABC}} {{ucfirst:abc}}", "en", "ABC abc Abc"),
        ("a{{!}}b {{=}}", "en", "a|b ="),
    ],
)
def test_templates_that_carry_text(wikitext: str, language: str, text: str) -> None:
    assert clean(wikitext, language) == text


def test_other_templates_leave() -> None:
    box = "{{Infobox x\n| a = {{nowrap|5 km}}\n| b = [[File:x.png|thumb]]\n}}"
    text = "A{{citation needed|date=May 2010}}." + box + " B{{PAGENAME}}"
    assert clean(text, "en") == "A. B"


def test_a_file_left_open_takes_no_section_with_it() -> None:
    left_open = (
        "[[File:x.png|thumb|Embryos of [[Vertebrate|vertebrates]]\n\nOf 4 stages.\n\n== Next ==\nSee [[a]]]] more."
    )
    assert clean("First.\n" + left_open, "en") == "First.\n\nOf 4 stages.\n\nNext\n\nSee a more."
    assert clean("[[File:x.png|thumb|One\n\nTwo [[three]].]] Four.", "en") == "Four."


def test_links() -> None:
    assert clean("[[Berlin]]er [[Paris|the city]] [[:Category:Towns|towns]] [[#History]]", "en") == (
        "Berliner the city towns History"
    )
    assert (
        clean("[[Mercury (planet)|]] [[Help:Reset|reset]] [[de:Berlin]][[zh-min-nan:Pak-lîm]]", "en") == "Mercury reset"
    )
    assert clean("See [http://a.org/x the site] or [http://b.org] or http://c.org/d.", "en") == (
        "See the site or or http://c.org/d."
    )
    assert clean("[[CSI: Miami]] and [[s:Poems|verse]]", "en") == "CSI: Miami and verse"


def test_notes_comments_and_tables_leave() -> None:
    text = 'One<ref>{{cite web|url=http://a.b}}</ref> two<ref name="x" /> three<!-- <ref> --> four'
    text += "<ref\nname=y>z\n\nz</ref>."
    assert clean(text, "en") == "One two three four."
    table = "Before\n{| class=x\n|-\n! Year !! {{nowrap|No.}}\n|-\n| 1990 || 5\n|}\nafter"
    assert clean(table, "en") == "Before\n\nafter"
    assert clean("A\n{||border=0\n| 5\n|}", "en") == "A"
    assert clean("a <table><tr><td>5</td></tr></table>b", "en") == "a b"


def test_prose_and_lists_in_layout_tables_stay() -> None:
    prose = "The first sentence of a cell is long enough to be read. " * 5
    text = f"{{|\n| valign=top |\n* one\n* two\n| style=x | {prose}\n| 17\n|}}"
    assert clean(text, "en") == f"- one\n- two\n\n{prose.strip()}"


def test_a_table_inside_a_box_and_a_box_with_an_empty_end() -> None:
    assert clean("{{Infobox\n| a = 1\n|}}\nText.", "en") == "Text."
    assert clean("{{Infobox\n|a=\n{|\n| x\n|}}}\nText.", "en") == "Text."


def test_headings_and_sections() -> None:
    text = "Lead.\n== History ==\nIt began.\n=== Empty ===\n== Empty parent ==\n=== Child ===\nText."
    text += "\n==References==\n{{reflist}}"
    assert clean(text, "en") == "Lead.\n\nHistory\n\nIt began.\n\nEmpty parent\n\nChild\n\nText."
    assert clean("A.\n== References ==\n=== Books ===\n* B\n", "en") == "A."
    assert clean("A.\n== See also ==\n* [[B]]\n== ''Later'' ==\nC.", "en") == "A.\n\nLater\n\nC."


def test_a_section_on_literature_is_no_list_of_books() -> None:
    prose = "Polska literatura rozwijała się przez wieki i znalazła wielu czytelników. " * 8
    assert "Literatura" in clean(f"A.\n== Literatura ==\n{prose}\n== B ==\nc", "pl")
    assert clean("A.\n== Literatura ==\n* Jan: Tytuł, 1999.\n", "pl") == "A."


def test_lists() -> None:
    text = "* one\n** two\n* three\n# first\n# second\n## inner\n# third\n\n# again"
    text += "\n: indented\n; term : its meaning\n* {{x}}"
    assert clean(text, "en") == (
        "- one\n  - two\n- three\n1. first\n2. second\n  1. inner\n3. third\n\n1. again\nindented\nterm: its meaning"
    )


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("'''Bold''' and ''it'' and '''''both'''''", "Bold and it and both"),
        ("l'''amour'' est", "l'amour est"),
        ("''''quoted''''", "'quoted'"),
        ("the dogs' ''tails''", "the dogs' tails"),
    ],
)
def test_bold_and_italics(wikitext: str, text: str) -> None:
    assert clean(wikitext, "fr") == text


def test_the_spec_mathematics_and_code_stay() -> None:
    text = "Let <math>x_{i}|y = {{a}}</math>. <code>if (a) b[[0]]</code> <nowiki>[[no link]] &amp;</nowiki>"
    assert clean(text, "en") == "Let x_{i}|y = {{a}}. if (a) b0 [[no link]] &"
    code = 'See:\n<syntaxhighlight lang="python">\ndef f():\n    return "&lt;" # x\n\n\n</syntaxhighlight>\nEnd.'
    assert clean(code, "en") == 'See:\n\ndef f():\n    return "&lt;" # x\n\nEnd.'
    assert clean("<code>a <= b</code>, <code><nowiki>{{x}}</nowiki></code>", "en") == "a <= b, {{x}}"


def test_a_space_that_ends_a_formula_leaves_no_backslash() -> None:
    assert clean(r"So <math>E[XY]\ </math>. Rows <math>a \\ b \\</math>.", "it") == r"So E[XY]. Rows a \\ b \\."


def test_entities_are_decoded_once() -> None:
    assert clean("5&nbsp;km &amp;lt; &lt;ref&gt; &#91;&#91;x&#93;&#93; AT&T &copy=1", "en") == (
        "5 km &lt; <ref> [[x]] AT&T &copy=1"
    )


def test_superscripts_do_not_make_other_numbers() -> None:
    assert clean("10<sup>6</sup> H<sub>2</sub>O 19<sup>th</sup> x<sup>−1</sup>", "en") == "10⁶ H₂O 19th x⁻¹"


def test_what_removal_leaves_behind_is_tidied() -> None:
    assert clean("Rome ({{audio|a.ogg}}; {{lang|it|Roma}}) is ({{IPAc|x}}) old {{cn}}.", "en") == "Rome (Roma) is old."
    assert clean("Call main() or f( x ), see ( , ).", "en") == "Call main() or f(x), see."
    assert clean("a  b\n\n\n\nc<br>d", "en") == "a b\n\nc\nd"
    assert clean("__NOTOC__A __init__ B", "en") == "A __init__ B"


def test_html() -> None:
    text = '<div class="x">One</div><p>two <b>three</b></p><ul><li>a</li><li>b</li></ul> 3 < 4 <person@x>'
    assert clean(text, "en") == "One\n\ntwo three\n\n- a\n- b\n\n3 < 4 <person@x>"
    assert clean("a<gallery>\nFile:x.jpg|words\n</gallery>b<references><ref name=a>c</ref></references>", "en") == "ab"


def test_quotations_are_paragraphs() -> None:
    assert clean("He said:{{quote|Nothing is {{lang|la|certum}}.|Author}}and left.", "en") == (
        "He said:\n\nNothing is certum.\n\nand left."
    )


def test_unclosed_markup_gives_its_text_back() -> None:
    assert clean("A {{lang|la|homo and on.\n\nMore.", "en") == "A la homo and on.\n\nMore."
    assert clean("A <ref>note and on.\n\nMore [[link|text.", "en") == "A note and on.\n\nMore text."
    assert clean("{{Infobox\n| a = 1\n| b = 2\n\nThe article.", "en") == "The article."
    assert clean("{|\n| a || b\n|-\n\nThe article.", "en") == "The article."
    assert clean('A<ref name="x ends here', "en") == "A"
    assert clean("A }} b ]] c |} d", "en") == "A b c |} d"
    assert clean("A <!-- open", "en") == "A"


def test_nesting_two_hundred_deep() -> None:
    assert clean("{{nowrap|" * 200 + "core 5" + "}}" * 200 + " end", "en") == "core 5 end"
    assert clean("{{x|" * 200 + "core" + "}}" * 200 + " end", "en") == "core end"  # the words of unknown templates stay
    assert clean("{{x|" * (3 * MAX_DEPTH) + "}}" * (3 * MAX_DEPTH) + " end", "en").endswith("end")
    assert clean("[[File:a|" * 200 + "]]" * 200 + " end", "en") == "end"


HOSTILE = [
    "{{", "{{nowrap|x ", "[[", "[[File:a|b ", "}}", "]]", "<ref>", '<ref name="', "<!--", "<math>", "<", "<code>{{",
    "''a'''b ", "(", "(; ", " ,", "[http://a ", "&aaaa", "__A", "\n{|", "\n|}", "|", "{{cite web|url=http://a.bc/",
    "<br>", "<sup>", "« ", "\n== a ==", "*", "#:", " ", "-{", "{{{", "=", "\n!", "a=b ",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear_in_hostile_input(piece: str) -> None:
    small, large = piece * (20_000 // len(piece)), piece * (320_000 // len(piece))
    clean(small, "sr")
    start = time.process_time()
    clean(large, "sr")
    cited_urls(large)
    assert time.process_time() - start < 5 * slowness(), (
        "16 times the input that takes milliseconds must not take minutes"
    )


def test_a_page_of_many_megabytes() -> None:
    line = "The [[city]] has {{formatnum:1234}} people.<ref>{{cite web|url=http://a.org/b}}</ref>\n\n"
    text = clean(line * 40_000, "en")
    assert text == "\n\n".join(["The city has 1,234 people."] * 40_000)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [*HOSTILE, "text ", "1.", "\n", "* ", ")", ">", "</ref>", "</math>", "'", "\x02", "\x030", "Файл:", ";"]
        )
    ).map("".join)
)
def test_any_sequence_of_markup_is_cleaned(wikitext: str) -> None:
    text = clean(wikitext, "ru")
    assert "\x01" not in text
    assert "\x02" not in text
    assert "\n\n\n" not in text
    assert text == text.strip()


WORDS = st.lists(st.text("abcdéфя", min_size=1, max_size=8), min_size=1, max_size=12).map(" ".join)


@settings(deadline=None, max_examples=100)
@given(st.lists(WORDS, min_size=1, max_size=6))
def test_clean_prose_stays_as_it_is(paragraphs: list[str]) -> None:
    text = "\n\n".join(f"{paragraph}, 1,5 % (x)." for paragraph in paragraphs) + "\n\n- one\n  - two\n1. three"
    assert clean(text, "fr") == text


def test_numbers_are_formatted_as_the_language_does() -> None:
    assert format_number("-1234567", names_of("en")) == "-1,234,567"
    assert format_number("1,234.5", names_of("en")) == "1,234.5"
    assert format_number("twelve", names_of("en")) == "twelve"
    assert format_number("9999", names_of("pl")) == "9999"
    assert format_number("99999", names_of("pl")) == "99 999"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="'tlh' is not one of the 20"):
        clean("x", "tlh")


def test_cited_urls() -> None:
    text = """A<ref>{{cite web|title=T|url=http://one.org/a?b=c&amp;d=e |archive-url=https://web.archive.org/web/20150101/http://one.org/a?b=c&d=e}}</ref>
    B<ref name="n" group=x>See [https://two.org/page Title] and
    http://three.org/x. Also (http://four.org/y).</ref><ref name="n" />
    C [http://notcited.org prose] <ref>[https://two.org/page again]</ref> {{Official website|http://box.org}}
    <!-- <ref>http://hidden.org</ref> -->
    == Further reading ==
    * {{cite book |author=A |url=https://five.org/book}}
    * {{Lien web|url=http://six.fr/}} <ref>https://archive.is/AbCdE http://localhost/</ref>
    """
    assert cited_urls(text) == [
        "http://one.org/a?b=c&d=e",
        "https://two.org/page",
        "http://three.org/x",
        "http://four.org/y",
        "https://five.org/book",
        "http://six.fr/",
    ]


@pytest.mark.parametrize(
    ("template", "language"),
    [
        ("{{Цитат уеб | url=U}}", "bg"),
        ("{{ref-web|url=U}}", "ca"),
        ("{{Ref-publicació|url=U}}", "ca"),
        ("{{Citace monografie|url=U}}", "cs"),
        ("{{Kilde www|url=U}}", "da"),
        ("{{Internetquelle|url=U}}", "de"),
        ("{{Cite_journal |url=U}}", "en"),
        ("{{ citation\n| url = U\n}}", "en"),
        ("{{vcite web|url=U}}", "en"),
        ("{{cita noticia|url=U}}", "es"),
        ("{{Lien web|url=U}}", "fr"),
        ("{{Article|url=U}}", "fr"),
        ("{{Citiranje weba|url=U}}", "hr"),
        ("{{CitWeb|url=U}}", "hu"),
        ("{{Cita web|url=U}}", "it"),
        ("{{Citeer web|url=U}}", "nl"),
        ("{{Cytuj stronę|url=U}}", "pl"),
        ("{{citar periódico|url=U}}", "pt"),
        ("{{Citat web|url=U}}", "ro"),
        ("{{Статья|ссылка=U}}", "ru"),
        ("{{navedi splet|url=U}}", "sl"),
        ("{{Наведи веб|url=U}}", "sr"),
        ("{{Webbref|url=U}}", "sv"),
        ("{{Стаття|url=U}}", "uk"),
        ("{{#tag:ref|See U|name=a}}", "every"),
        ("{{refn|See U}}", "en"),
        ("{{cite web|title={{lang|de|T}}|quote={{!}}|url=U}}", "a template in a field"),
        ("<REF NAME=a >\nSee\nU</ref >", "several lines"),
        ("<references><ref name='b'>U</ref></references>", "defined in the list"),
        ("{{reflist|refs=<ref>{{cite web|url=U}}</ref>}}", "defined in the list"),
    ],
)
def test_citations_of_every_language_and_form(template: str, language: str) -> None:
    text = f"Before [http://before.example]. {template.replace('U', 'http://cited.example/a')} [http://after.example]"
    assert cited_urls(text) == ["http://cited.example/a"], language


@pytest.mark.parametrize(
    "template",
    [
        "{{Official website|http://x.org}}",
        "{{citadel|url=http://x.org}}",
        "{{Infobox|url=http://x.org}}",
        "<ref name=a />",
    ],
)
def test_other_templates_cite_nothing(template: str) -> None:
    assert cited_urls(f"{template} http://y.org") == []


def test_cited_urls_of_broken_pages() -> None:
    unclosed = (
        "{{Infobox|x={{cite web|url=http://a.org}} text {{cite web|url=http://b.org/{{x}} {{cite web|url=http://c.org}}"
    )
    assert cited_urls(unclosed) == ["http://a.org", "http://c.org"]
    assert cited_urls("<ref>http://a.org/x") == []
    assert cited_urls("<ref>http://a.org/x</ref><ref>http://b.org/[[x]]</ref>{{cite web|url=http://c.org") == [
        "http://a.org/x",
        "http://b.org/",
    ]


def test_real_articles_read_well(dumps: Path) -> None:
    counts: Counter[str] = Counter()
    characters, markup = 0, 0
    for path in sorted((dumps / "wikipedia").glob("*.xml.bz2")):
        language = language_of(path.name)
        with path.open("rb") as stream:
            for page in read(stream, Dump(path.name, "digest", {"language": language}), counts):
                assert isinstance(page, Document)
                text = clean(page.text, language)
                assert len(text) > 500, f"{page.title} of {language} is lost"
                assert clean(text, language) == text
                assert len(cited_urls(page.text)) > 1 or "rozcestník" in str(page.title)
                assert not any(line.strip().casefold() in names_of(language).sections for line in text.split("\n"))
                characters += len(text)
                markup += sum(text.count(mark) for mark in ("[[", "{{", "|", "<ref"))
    assert counts["records"] == 14
    assert markup / characters < 20 / 1_000_000


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{convert|²=3|km}}", "km"),  # a digit for str.isdigit, but no number
        ("{{date|2001|²|3}}", "2001 ² 3"),
        ("{{as of|2001|²}}", "As of ² 2001"),
        ("{{date|2001|" + "9" * 5_000 + "|3}}", f"{'9' * 5_000} 3, 2001"),
        ("{{pop density|10|4|km2|prec=²}}", "2/km² (5.2/sq mi)"),
    ],
)
def test_what_only_looks_like_a_number_is_text(template: str, text: str) -> None:
    assert clean(template, "en") == text
