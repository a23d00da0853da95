"""Behaviours of templates, each in the languages that have it, and what becomes of templates that nobody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from filters.wikitext import behaviours
from filters.wikitext.behaviours.registry import EVERYWHERE, FAMILIES, OWN, behaviour, first
from filters.wikitext.behaviours.territories import is_territory, shown, territory
from filters.wikitext.cleaner import clean, cleaned
from filters.wikitext.names import LANGUAGES
from filters.wikitext.templates import Unknown

BIO = (
    "{{Bio|Nome=Ada|Cognome=Verdi|Sesso=F|LuogoNascita=Torino|GiornoMeseNascita=3 maggio|AnnoNascita=1870"
    "|LuogoMorte=Roma|GiornoMeseMorte=1º giugno|AnnoMorte=1941|Attività=chimica|Nazionalità=italiana}}"
)

FOUND_IN_DUMPS = [
    ("it", BIO, "Ada Verdi (Torino, 3 maggio 1870 – Roma, 1º giugno 1941) è stata una chimica italiana."),
    ("it", BIO + " È nota.", "Ada Verdi (Torino, 3 maggio 1870 – Roma, 1º giugno 1941) è stata una chimica italiana. "
     "È nota."),
    ("en", "'''Linz''' ({{langx|de|Linz an der Donau}})", "Linz (Linz an der Donau)"),
    ("ro", "un teritoriu de {{conversie|891.85|km2|sqmi}}. Media {{conversie|22|–|25|C|F}}.",
     "un teritoriu de 891,85 km² (344,35 sq mi). Media 22–25 °C (72–77 °F)."),
    ("it", "# {{ROU}} 1.940", "1. Romania 1.940"),
    ("it", "* {{bandiera|Francia|nome}}: x", "- Francia: x"),
    ("en", "the 2009{{endash}}2014 period", "the 2009–2014 period"),
    ("en", "ratings {{emdash}} and", "ratings — and"),
    ("it", "Il fatto {{cn|non è molto conosciuto}}.", "Il fatto non è molto conosciuto."),
    ("it", "tra i 400 e i 2100 {{m s.l.m.}}", "tra i 400 e i 2100 m s.l.m."),
    ("it", "'''''{{colore|maroon|La Première}}'''''", "La Première"),
    ("en", "located at {{coord|39|11|19|N|120|6|32|W}}", "located at 39°11′19″N 120°6′32″W"),
    ("en", "invested {{currency|13 billion|USD}}", "invested $13 billion"),
    ("en", "{{chem2|H2SO4}}", "H₂SO₄"),
    ("en", "B{{music|flat}} major", "B♭ major"),
    ("en", "the {{ship|French ship|Orient}} sank", "the French ship Orient sank"),
    ("en", "{{sortname|Ada|Marlow}}", "Ada Marlow"),
    ("en", "founded {{start date and age|1928|9|25}}", "founded 25 September 1928"),
    ("en", "(born {{birth date and age|1970|1|1}})", "(born January 1, 1970)"),
    ("it", "Come dice {{Cita|Rossi2005|p. 220|Rossi e Neri 2005}}, piove.", "Come dice Rossi e Neri 2005, piove."),
    ("it", "Così {{Cita|Rossi2005|p. 220}} scrive.", "Così scrive."),
    ("en", "[[File:x.png|thumb|A from [https://e.org link]]] The text.", "The text."),
    ("en", "Members: {{plainlist|\n* P\n* Q\n}}", "Members:\n- P\n- Q"),
    ("fr", "né le {{date de naissance-|17|octobre|1973}} à Paris", "né le 17 octobre 1973 à Paris"),
    ("fr", "Le {{Date de naissance|18|7|1990|âge=oui}}.", "Le 18 juillet 1990."),
    ("fr", "soit {{nb|20000|exemplaires}}", "soit 20 000 exemplaires"),
    ("uk", "визначення: {{text|«хто чого досягає» {{oq|en|«who gets what»}}}}",
     "визначення: «хто чого досягає» «who gets what»"),
    ("de", "* {{Jugoslawien}} x\n* {{Sowjetunion}} y", "- Jugoslawien x\n- Sowjetunion y"),
]  # fmt: skip
"""What came out wrong of real dumps once."""

QUANTITIES = [
    ("en", "{{convert|2.5|acre|ha}} of land", "2.5 acres (1.0 ha) of land"),
    ("ru", "{{convert|5|mi|km}}", "5 mi (8,0 km)"),
    ("pl", "{{konwersja|5|km}} stąd", "5 km stąd"),
    ("es", "{{convertir|5|a|10|km}}", "5–10 km (3,1–6,2 mi)"),
    ("fr", "{{unité|3748148 habitants}} ({{unité|4203 hab./km 2}})", "3 748 148 habitants (4 203 hab./km²)"),
    ("it", "alto {{M|1200|u=m}}", "alto 1 200 m"),
    ("en", "{{percentage|1|8|1}} of them, {{percentage|5}}", "12.5% of them, 5%"),
    ("en", "the {{ord|21}}, {{ord|12}} and {{ordinal|3}}", "the 21st, 12th and 3rd"),
    ("en", "{{height|ft=6|in=1}} tall", "6 ft 1 in (1.85 m) tall"),
    (
        "en",
        "{{convert|43.5|mpgimp|L/100 km mpgus|abbr=on}}, {{convert|30|mpgus}}",
        "43.5 mpg-imp (6.49 L/100 km; 36.2 mpg-US), 30 miles per US gallon (7.8 L/100 km; 36 mpg-imp)",
    ),
    (
        "en",
        "{{convert|8|L/100km|abbr=on}}, {{cvt|848|cc|L CID|1}}, {{cvt|61|cuin}}",
        "8 L/100 km (35 mpg-imp; 29 mpg-US), 848 cc (0.8 L; 51.7 cu in), 61 cu in (1,000 cm³)",
    ),
    ("en", "{{cvt|100|Nm|lbft}} and {{cvt|500|nm}}", "100 N⋅m (74 lb⋅ft) and 500 nm (2.0×10⁻⁵ in)"),
    ("en", "{{radic|2}} and {{radic|2|3}}", "√2 and ³√2"),
    ("pl", "{{ułamek|1|2}} mili", "1/2 mili"),
    ("en", "{{GBP|2500}}, {{currency|5|JPY}} and {{currency|7|XTS}}", "£2,500, ¥5 and XTS 7"),
    ("de", "{{USD|1500}}", "1.500 US$"),
]
DATES = [
    ("en", "{{death date and age|1999|5|6|1920|7|8}}", "May 6, 1999 (aged 78)"),
    ("en", "{{birth date|1920|7|8|df=y}}", "8 July 1920"),
    ("en", "{{age|1920|7|8|1999|5|6}} years, {{dts|1970|1|1}}", "78 years, January 1, 1970"),
    ("en", "{{start date|2001|5}}", "May 2001"),
    ("en", "{{dash year|1943|1945}}, {{floruit|1200|1250}}, {{died-in|428 BC}}", "1943–1945, fl. 1200–1250, d. 428 BC"),
    ("fr", "le {{date-|1 janvier 2019}} et le {{date|1|5|1900}}", "le 1er janvier 2019 et le 1er mai 1900"),
    ("fr", "au {{XIXe siècle}}, {{1er|champion}}, {{84e|congrès}}", "au XIXe siècle, 1er champion, 84e congrès"),
    ("fr", "{{vers|1850}} et {{durée|1|2|3}}", "vers 1850 et 1:02:03"),
    ("es", "{{fecha|12|5|1990}}, {{siglo|IV|a}}", "12 de mayo de 1990, siglo IV a. C."),
    ("pt", "{{dni|3|4|1950}} no {{séc|XX}}", "3 de abril de 1950 no século XX"),
    ("ca", "{{data naixement|1950|4|3}}", "3 abril de 1950"),
    ("ru", "родился {{дата рождения|3|4|1950}}", "родился 3 апреля 1950"),
    ("uk", "{{дата народження|3|4|1950}}", "3 квітня 1950"),
    ("uk", "{{ДН|4|2|1924}}, {{ДС|||2003}}, {{ДН2|25|2|1871|13}}", "4 лютого 1924, 2003, 13 (25) лютого 1871"),
    ("uk", "{{ДС|3|5|1873|21|4|1873}}", "21 квітня (3 травня) 1873"),
    ("uk", "{{ДН|8|1|1901|26|12|1900}}, {{нар}} 5 {{градус Цельсія}}", "26 грудня 1900 (8 січня 1901), нар. 5 °C"),
    ("bg", "{{дата на раждане|1950|4|3}}", "3 април 1950 г."),
    ("sr", "{{датум рођења|1950|4|3}}", "3. април 1950."),
    ("hr", "{{datum rođenja|1950|4|3}}", "3. travnja 1950."),
    ("sl", "{{datum rojstva|1950|4|3}}", "3. april 1950"),
    ("cs", "{{datum narození|1950|4|3}}", "3. dubna 1950"),
    ("pl", "{{data urodzenia|1950|4|3}}", "3 kwietnia 1950"),
    ("hu", "{{születési dátum|1950|4|3}}", "1950. április 3."),
    ("ro", "{{data nașterii|1950|4|3}}", "3 aprilie 1950"),
    ("sv", "{{födelsedatum|1950|4|3}}", "3 april 1950"),
    ("da", "{{fødselsdato og alder|1950|4|3}}", "3. april 1950"),
    ("nl", "{{geboortedatum en leeftijd|1950|4|3}}", "3 april 1950"),
    ("it", "{{data nascita|3|4|1950}}", "3 aprile 1950"),
    ("de", "{{datum|3|4|1950}}", "3. April 1950"),
]
PLACES = [
    ("en", "{{coord|52.5|-13.4}} and {{coord|1|2|N|3|4|E|display=title}}", "52.5°N 13.4°W and"),
    ("en", "{{coord|39.5|N|120.1|W|display=inline,title}}", "39.5°N 120.1°W"),
    ("de", "bei {{Coordinate|NS=47/22/0/N|EW=8/33/0/E|text=DMS}} und", "bei 47°22′0″N 8°33′0″E und"),
    (
        "en",
        "* {{flagicon|GER}} [[Ann]]\n* {{flag|France}} [[France]]\n* {{fb|ENG}}",
        "- Germany Ann\n- France\n- England",
    ),
    ("it", "* {{Gemellaggio|Spagna|Madrid|1988}}\n* {{NazNB|CA|GER}}", "- Spagna Madrid, dal 1988\n- Germania"),
    ("uk", "* {{Прапорець|USA}} [[Бостон]]", "- Сполучені Штати Бостон"),
    ("ca", "* {{Bandera|USA}} Boston", "- Estats Units Boston"),
    ("ru", "* {{флаг|FRA}} Лион", "- Франция Лион"),
    ("fr", "* {{FRA}} x\n* {{drapeau|Italie}} y", "- France x\n- Italie y"),
    ("de", "* {{POL}} x\n* {{Polen}} y\n* {{DEU-1935}} z", "- Polen x\n- Polen y\n- Deutschland z"),
    ("nl", "* {{DE}} x", "- Duitsland x"),
    ("en", "* {{flagathlete|Ann|JAM}}", "- Ann (Jamaica)"),
    ("cs", "* {{Partnerské město|Paříž|Francie|rok=1998}}", "- Paříž (Francie), 1998"),
]
PEOPLE = [
    ("it", "{{Bio|Nome=Gino|Cognome=Sé|Sesso=M|LuogoNascita=Asti|GiornoMeseNascita=|AnnoNascita=1970|Attività=scrittore"
     "|Attività2=attore|Attività3=editore|Nazionalità=italiano}}",
     "Gino Sé (Asti, 1970) è uno scrittore, attore ed editore italiano."),
    ("it", "{{Bio|Titolo=San|Nome=Pio|PostCognome=detto il Vecchio|Sesso=M|AnnoNascita=?|AnnoMorte=1300"
     "|FineIncipit=fu vescovo di [[Asti]]}}", "San Pio detto il Vecchio (... – 1300) fu vescovo di Asti."),
    ("it", "{{Bio|Nome=Eva|Cognome=Re|Sesso=F|Attività=attrice|AttivitàAltre=, regista e [[poeta]]|Nazionalità=svizzera"
     "|PostNazionalità=, madre di Ugo|Punto=no}} e basta",
     "Eva Re è un'attrice, regista e poeta svizzera, madre di Ugo e basta"),
    ("it", "{{Bio|Nome=Ada|Cognome=Sé|PostCognomeVirgola=detta ''Adina''|PreData=<small>/se/</small>|Sesso=F"
     "|AnnoNascita=1970|PreAttività=è un'ex|Attività=fondista|Nazionalità=italiana}}",
     "Ada Sé, detta Adina (/se/; 1970) è un'ex fondista italiana."),
    ("it", "{{Bio|Nome=Ada|Cognome=Sé|Pseudonimo=Dina|PostPseudonimo=o Adina|Sesso=F|Attività=attrice}}",
     "Ada Sé, nota anche come Dina o Adina è un'attrice."),
    ("it", "{{Bio|Sesso=M}}", ""),
]  # fmt: skip
WORDS = [
    (
        "it",
        "diretta {{nihongo||作画 監督|sakuga kantoku|contratto in ''sakkan''}}",
        "diretta 作画 監督, sakuga kantoku, contratto in sakkan",
    ),
    ("en", "{{langx|ru|Москва|Moskva|lit=x}}", "Москва, Moskva, 'x'"),
    ("en", "{{linktext|民|航}}, {{rtl-lang|ar|ب}}, {{tlit|grc|selḗnē}}", "民航, ب, selḗnē"),
    ("en", "{{ill|Ada|de|Ada (Chemikerin)}} and {{ill|de|Ada Rot}}", "Ada and Ada Rot"),
    ("en", "{{nihongo|Tokyo|東京|Tōkyō}}, {{nihongo4|X|東}}", "Tokyo (東京, Tōkyō), X (東)"),
    ("en", "{{zh|c=北京|p=Běijīng}}", "北京, Běijīng"),
    ("en", "{{IPAc-en|h|ə|ˈ|l|oʊ}}, {{IPA-de|bɛɐ̯ˈliːn}}", "/həˈloʊ/, [bɛɐ̯ˈliːn]"),
    ("en", "{{IPAc-en|En-uk-Germany.ogg|ˈ|æ|l|dʒ|i|,_|ˈ|æ|l|ɡ|i|_|w}}", "/ˈældʒi, ˈælɡi w/"),
    ("en", "({{IPA-de|ˈdɔʏtʃlant|pron|De-x.ogg}}; {{IPA-ca|ənˈdorə|lang}})", "(pronounced [ˈdɔʏtʃlant]; [ənˈdorə])"),
    ("en", "{{IPA|de|ˈlɪnts|lang|x.ogg}}, {{IPA|de|ˈlɪnts|pron}}, {{IPA|/x/}}", "[ˈlɪnts], pronounced [ˈlɪnts], /x/"),
    ("en", "{{IPA-fr|[ə]|lang}} and {{IPA|en|/ə/}}", "[ə] and /ə/"),
    (
        "de",
        "(2001; {{Google Buch|BuchID=bd|Seite=|Linktext=eingeschränkte Version|Land=US}})",
        "(2001; eingeschränkte Version)",
    ),
    ("en", "{{lang-grc-gre|Ἀριστοτέλης}}, {{lang-ur|{{Nastaliq|انور}}}}", "Ἀριστοτέλης, انور"),
    ("ru", "''Литва́'' ({{lang-lt|Lietuva}})", "Литва́ (Lietuva)"),
    ("pt", "''Berlim'' ({{Lang-de|''Berlin''}})", "Berlim (Berlin)"),
    ("fr", "''Berlin'' {{MSAPI|[bɛʁ.lɛ̃]}} ou {{API|[bɛʁ.lɛ̃]}}{{MSAPI|x|Fr.ogg}}", "Berlin [bɛʁ.lɛ̃] ou [bɛʁ.lɛ̃]x"),
    ("fr", "{{MSAPI|b|ɛ|l}} {{en langue|de|Wien}}", "bɛl Wien"),
    ("uk", "{{МФА-всі|bɛɐ̯ˈliːn|МФА|de-Berlin.ogg}}", "bɛɐ̯ˈliːn"),
    ("it", "{{russo|Москва|''Moskva''}}, {{Link audio|De.ogg|Berlin}}", "Москва, Moskva, Berlin"),
    ("de", "{{enS|Ox}}, {{laS|bos}}", "Ox, bos"),
    (
        "en",
        "{{née|Kasner}}; {{section link|Moon|Eclipses}}; {{bibleref|Mark|3:25}}",
        "née Kasner; Moon § Eclipses; Mark 3:25",
    ),
    ("en", "{{US patent|1781541}}, {{CVE|2019-0090}}", "U.S. Patent 1781541, 2019-0090"),
    ("ru", "{{нет АИ 2|так говорят|1 мая 2010}}, {{нет АИ|3|01|2018}}, {{comment|x|y}}", "так говорят, x"),
    ("es", "{{cita requerida|Así dicen|1 de mayo de 2010}}.", "Así dicen."),
    ("en", "old{{cn|date=May 2010}}{{citation needed|reason}}{{who}}{{sfn|Smith|2000|p=5}} words", "old words"),
]
SCIENCE = [
    ("en", "{{chem2|SO4(2-)}}, {{chem2|H3O+}}, {{chem2|2H2 + O2 -> 2H2O}}", "SO₄²⁻, H₃O⁺, 2H₂ + O₂ → 2H₂O"),
    ("es", "{{fquim|H|2|O}}", "H₂O"),
    ("en", "{{music|time|3|4}} in F{{music|sharp}}", "3/4 in F♯"),
    (
        "en",
        "{{USS|Enterprise|CVN-65}}, {{USS|Iowa|BB-61|2}}, {{HMS|Victory}}",
        "USS Enterprise (CVN-65), Iowa, HMS Victory",
    ),
    ("en", "{{sclass|Iowa|battleship}}", "Iowa-class battleship"),
]
BLOCKS = [
    ("en", "{{ubl|one|two}}", "- one\n- two"),
    ("en", "x {{hlist|one|two}}", "x one, two"),
    ("en", "{{hidden|Members|\n* A\n* B\n}}", "Members\n\n- A\n- B"),
    ("fr", "{{colonnes|taille=20|\n* A\n* B\n}}", "- A\n- B"),
    ("it", "{{cassetto|titolo=Nomi|testo=* A\n* B}}", "Nomi\n\n- A\n- B"),
    ("it", "Prima {{C|Da testi non attendibili|mitologia|febbraio 2013}} dopo", "Prima dopo"),
    ("de", "{{Zitat-en|It rains.|Übersetzung=Es regnet.}}", "It rains.\n\nEs regnet."),
    ("de", "{{Zitat|It rains.|Sprache=en|Autor=Ann|Übersetzung=Es regnet.}}", "It rains.\n\nEs regnet."),
    ("it", "{{Quote|Piove.|Anna|It rains.|lingua=en}}", "Piove.\n\nIt rains."),
    ("it", "{{Citazione|Piove.|Anna|Odissea}}", "Piove."),
    ("de", "{{Mehrspaltige Liste|breite=20em|liste=\n* A\n* B\n}}", "- A\n- B"),
    ("fr", "{{citation|mot}} et {{incise|mot}}", "« mot » et – mot –"),
]
COUNTS_OF_COLUMNS = [
    ("en", "div col"), ("en", "columns"), ("en", "col-begin"), ("it", "div col"), ("it", "colonne"), ("fr", "colonnes"),
    ("fr", "colonne"), ("es", "columnas"), ("ca", "columnes"), ("pt", "dividir em colunas"), ("pl", "kolumny"),
    ("ru", "кол"), ("ru", "колонки"), ("uk", "colbegin"), ("ro", "divcol"), ("sl", "colbegin"), ("sr", "div col start"),
    ("sv", "kolumner"), ("da", "div col start"), ("hu", "oszloplista"), ("de", "mehrspaltige liste"),
]  # fmt: skip
ALL = [*FOUND_IN_DUMPS, *QUANTITIES, *DATES, *PLACES, *PEOPLE, *WORDS, *SCIENCE, *BLOCKS]


@pytest.mark.parametrize(("language", "wikitext", "text"), ALL)
def test_a_template_reads_as_on_its_page(language: str, wikitext: str, text: str) -> None:
    assert clean(wikitext, language).replace("\xa0", " ") == text


@pytest.mark.parametrize(("language", "name"), COUNTS_OF_COLUMNS)
def test_how_many_columns_a_list_has_is_no_text(language: str, name: str) -> None:
    for count in ("2", "20em", "12,5 em", "30%", "300px"):
        assert clean(f"A.\n{{{{{name}|{count}}}}}\n* a\n* b", language) == "A.\n\n- a\n- b"


def test_a_short_paragraph_of_a_bibliography_stays_and_its_entries_go() -> None:
    sentence = "La bibliografia su questo autore è molto ampia e qui se ne ricorda soltanto una piccola parte."
    entries = (
        "* Rossi, ''Opera'', Torino, 1990.\nBianchi Mario, Titolo del libro di questo autore e di altri, Torino, 1990."
    )
    text = clean(f"A.\n== Bibliografia ==\n{sentence}\n{entries}\n== Note ==\n<references/>", "it")
    assert text == f"A.\n\nBibliografia\n\n{sentence}"
    assert clean(f"A.\n== Bibliografia ==\n{entries}", "it") == "A."


def test_an_unknown_template_leaves_its_words_inside_a_sentence_and_goes_alone() -> None:
    lists = "* {{xyzzy|Item of words}}\n* {{xyzzy|x-key}}"
    found = cleaned(f"Born {{{{xyzzy|in Linz|de|left}}}} long ago.\n\n{{{{xyzzy|Navigation|words}}}}\n\n{lists}", "en")
    assert found.text == "Born in Linz long ago.\n\n- Item of words"
    assert found.unknown == {
        Unknown("xyzzy", True, 7): 1,
        Unknown("xyzzy", False, 16): 1,
        Unknown("xyzzy", True, 13): 1,
        Unknown("xyzzy", False, 5): 1,
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("5|km", "5 km"),
        ("de|Wort", "Wort"),
        ("Name|de|Name (Politiker)", "Name"),
        ("x.svg|20px|Text", "Text"),
        ("https://a.org/b|Text|yes", "Text"),
        ("a=b|c=d", ""),
        ("", ""),
        ("{{nowrap|12 m}}", "12 m"),
        ("{{plugh|inner}} outer", "inner outer"),
        ("''it''\nnext", "it next"),
    ],
)
def test_what_of_an_unknown_templates_arguments_is_text(arguments: str, text: str) -> None:
    assert clean(f"A {{{{xyzzy|{arguments}}}}} b.", "en") == " ".join(f"A {text} b.".split())


def test_what_a_template_looks_up_elsewhere_leaves_no_key_and_is_counted() -> None:
    found = cleaned("Met {{Statistiek gemeente Duitsland inwoners|11|Berlijn|}} inwoners is Berlijn groot.", "nl")
    assert found.text == "Met inwoners is Berlijn groot."
    assert found.unknown == {Unknown("statistiek gemeente duitsland inwoners", True, 0): 1}
    assert clean("An {{SPFL-stadiums|raith}} stadium.", "en") == "An stadium."


def test_unknown_templates_in_headings_tables_and_boxes() -> None:
    assert clean("== The {{xyzzy|end}} ==\nText.", "en") == "The end\n\nText."
    assert clean("{{Infobox x\n| a = {{xyzzy|lost}}\n}}'''A''' is b.", "en") == "A is b."
    assert not cleaned("{{Infobox x\n| a = {{xyzzy|lost}}\n}}", "en").text


def test_definitions_of_the_dump_are_asked_after_the_behaviours() -> None:
    class Dump:
        def canonical(self, name: str) -> str:
            return {"nw": "Nowrap"}.get(name, name)

        def expand(self, content: str, behave: Callable[[str], str | None]) -> str | None:
            if content.startswith("greet|"):
                return f"Hello [[x|{content[6:]}]] {behave('nw|5 km')} {{{{nw|a}}}}"
            return None

    text = clean("{{nw|1 km}}. {{greet|Ann}}! {{nowrap|2}} {{xyzzy|words}}", "en", Dump())
    assert text == "1 km. Hello Ann 5 km a! 2 words"


def test_a_definition_that_calls_itself_ends() -> None:
    class Dump:
        def canonical(self, name: str) -> str:
            return name

        def expand(self, content: str, behave: Callable[[str], str | None]) -> str | None:
            return f"x {{{{{content}}}}}"

    assert clean("a {{loop|b}} c", "en", Dump()).startswith("a x x ")


def test_a_flag_beside_the_countrys_name_is_said_once() -> None:
    assert clean("* {{flagicon|France}} '''[[France]]''' won", "en") == "- France won"
    assert clean("* {{flagicon|France}} [[Lyon]] won", "en") == "- France Lyon won"
    assert clean("* {{flagicon|x.svg}} [[Lyon]]", "en") == "- Lyon"


def test_names_are_registered_once() -> None:
    with pytest.raises(ValueError, match="'convert' has two behaviours"):
        behaviour("convert")(first)
    assert set(OWN) == set(LANGUAGES)
    names = Counter([*EVERYWHERE, *(name for table in OWN.values() for name in table)])
    assert all(name == " ".join(name.casefold().split()) for name in names)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_name_of_a_wiki_answers_with_text(language: str) -> None:
    for name in [*EVERYWHERE, *OWN[language]]:
        assert behaviours.find(name, language) is not None
        for arguments in ("", "|", "|1|2|3|4", "|a|b|c=d", "|²|x|1990|13|45"):
            assert isinstance(clean(f"A {{{{{name}{arguments}}}}} b", language), str)
    assert FAMILIES


def test_redirects_of_a_wiki() -> None:
    assert clean("{{Drapelțară|FRA}} x", "ro") == "Franța x"
    assert clean("A {{Hauptartikel|B}} c {{Toter Link|d}}", "de") == "A c"
    assert clean("{{Tört|1|2}}", "hu") == "1/2"


def test_territories() -> None:
    assert territory("GER", "de") == territory("DEU", "de") == "Deutschland"
    assert territory("XQZ", "de") is None
    assert territory("de", "de") is None
    assert shown("Ohio", "en") == "Ohio"
    assert is_territory("Polen", "de")
    assert not is_territory("Bayern", "de")
