"""Words: other languages and scripts, styles of letters, names, links, abbreviations, sounds."""

from __future__ import annotations

import re

from filters.wikitext.behaviours.registry import Arguments, behaviour, family, first, last, second, words

behaviour(
    "nowrap|nobr|nobreak|no wrap|nowrap2|j|нобр|nobold|noitalic|normal|small|smaller|smalldiv|big|bigger|larger|large|"
    "huge|center|centre|centered|sc|sc2|smallcaps|smcaps|small caps|aut|autor|author|allcaps|caps|strong|em|emph|b|"
    "bold|italic|italics|underline|u|kbd|key|code|mono|monospace|mvar|var|math|bigmath|tmath|tt|samp|codes|sub|sup|"
    "super|exp|vanchor|visible anchor|wikt|unicode|iast|iso|hebr|hebrew|arabic|ipalink|polytonic|polytonisch|"
    "graeca|greek|script|sic|as written|not a typo|typo|proper name|abbr|abbrv|abbreviation|tooltip|popup|"
    "petit|petites capitales|pc|souligner|surligner|"
    "terme défini|abréviation|abréviation discrète|abrev|nb|nobr2|esd|versalita|versalitas|versaleta|romanos|romanes|"
    "maiuscoletto|tutto attaccato|ta|kapitálky|malé|kapitälchen|комментарий|comment|подсказка|підказка|s2|afi|api|мфа|"
    "ipa-text|ruby|highlight|hochgestellt|hoch|tief|ind|formel|noprint|mset|mabs|abs|overline|intmath|vec|keypress|"
    "key press|keyboard|button|railgauge|track gauge|sigfig|formatprice|format price|decimals|vr|tegn|kursiv|fed|fett|"
    "krát|texto pequeno|transcr|lower|upper|raise|midsize|nastaliq|nq|border|boxarrotondato|centrato|not|strikethrough",
    fr="latin|grec|grec ancien|x|term|e|er|re|ère|lang-latin|page h'|exposant|indice",
    ru="s|кириллица|text",
    uk="s|кирилиця|text",
)(first)

behaviour(
    "lang|langue|language|jez|język|cizojazyčně|vjazyce2|langi|langwithname|wikt-lang|hover title|color|colour|"
    "font color|fontcolor|colored text|farbe|kolor|cor|couleur|szín|цвет|колір|lengua|llengua|idioma|lingua|língua|"
    "språk|taal|nyelv|limba|мова|язык|jezik|језик|foreign|foreignchar|colore|rtl-lang|audio|audio-nohelp|proto",
    fr="en langue|écouter",
    it="link audio",
    ru="аудио|oq",
    uk="аудіо|oq",
    sv="ljud",
    da="lyd",
    hu="hang",
    sl="zvok",
    bg="аудио",
)(second)

behaviour("transl|transliteration|columns-list|col list|tlit|colored link")(last)

behaviour("sortname|sort name", fr="nobr|nobr2")(words)


@behaviour("linktext")
def linked(a: Arguments) -> str:
    """{{linktext|民|航}}: words, each a link, without spaces between them."""
    return "".join(a.given)


@behaviour("langx")
def langx(a: Arguments) -> str:
    """{{langx|ru|Москва|Moskva|lit=x}}: the words, how they are read, what they mean."""
    return _read(a.at(2) or a.get("text"), a.at(3) or a.get("translit", "tr"), a.at(4) or a.get("lit", "translation"))


@family(re.compile(r"(?:lang|јез|jez|jezik|langue|llengua)[-x ].{2,10}"))
def language_template(a: Arguments) -> str:
    """{{lang-de|Mensch|...}}: one template for each language; its name tells which."""
    return _read(a.at(1) or a.get("text"), a.at(2) or a.get("translit", "tr"), a.get("lit"))


def _read(text: str, translit: str, meaning: str) -> str:
    return ", ".join(part for part in (text, translit, f"'{meaning}'" if meaning else "") if part)


@behaviour(
    it=(
        "arabo|ebraico|russo|ungherese|greco|greco antico|latino|inglese|francese|tedesco|spagnolo|portoghese|polacco|"
        "ceco|cinese|giapponese|coreano|turco|persiano|persiano antico|ucraino|serbo|croato|sloveno|romeno|rumeno|"
        "bulgaro|sanscrito|hindi|olandese|svedese|danese|norvegese|finlandese|albanese|armeno|georgiano|catalano|"
        "basco|gallese|irlandese|slovacco|macedone|thai|vietnamita|mongolo|tibetano|urdu|bengalese|tamil|yiddish|"
        "esperanto|islandese|lituano|lettone|estone|bielorusso|kazaco|azero|curdo|aramaico|siriaco|copto|sardo|"
        "friulano|ladino|occitano|corso"
    ),
)
def language_named(a: Arguments) -> str:
    """it {{russo|Москва|Moskva}}: a template for each language, by the language's name."""
    return _read(a.at(1), a.at(2), "")


@family(re.compile(r"[a-zäöü]{2,4}s"), "de")
def german_language(a: Arguments) -> str:
    """de {{enS|Ox}}, {{laS|bos}}: words of a language by its code."""
    return _read(a.at(1), a.at(2) if a.at(2) and not a.at(2).startswith("-") else "", "")


SOUND_FILE = re.compile(r"\.(?:og[ag]|wav|mp3|flac|opus|mid|webm)$", re.IGNORECASE)
LANGUAGE_CODE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,8})?")
SOUND_WORDS = frozenset({"lang", "pron", "also", "local", "icon", "us", "uk", "US", "UK", "IPA", "AFI"})


@behaviour("ipac-en|ipac-fr|ipac-de|ipac-es|ipac-pl|ipac-cmn")
@family(re.compile(r"ipac-.*"))
def phonetic(a: Arguments) -> str:
    """{{IPAc-en|h|ə|ˈ|l|oʊ|_|ð|ɛər}}: sounds one by one, a space as "_"."""
    sounds = [place for place in a.places if place not in SOUND_WORDS and not SOUND_FILE.search(place)]
    return f"/{''.join(sounds).replace('_', ' ')}/" if sounds else ""


@behaviour("msapi", uk="мфа-всі")
def sounds(a: Arguments) -> str:
    """fr {{MSAPI|b|ɛ|l}}: sounds one by one, without marks around them."""
    given = [place for place in a.given if not SOUND_FILE.search(place)]
    return given[0] if a.language == "uk" and given else "".join(given)


@family(re.compile(r"ipa[- ].*|ipa[bs]?link"))
def in_brackets(a: Arguments) -> str:
    """{{IPA-de|bɛɐ̯ˈliːn}}: sounds in square brackets, the language's name not said."""
    return _pronounced(a, 1)


def _pronounced(a: Arguments, place: int) -> str:
    """Return the sounds at a place, after the verb where English's template is asked for one."""
    verb = "pronounced " if a.language == "en" and a.at(place + 1) == "pron" else ""
    sounds = a.at(place)
    return verb + (sounds if sounds.startswith(("[", "/")) else f"[{sounds}]") if sounds else ""


@behaviour("ipa")
def ipa(a: Arguments) -> str:
    """{{IPA|[bɛɐ̯ˈliːn]}} as it is; {{IPA|de|bɛɐ̯ˈliːn|lang|x.ogg}}: after a language, sounds in square brackets."""
    named = a.at(2) and not SOUND_FILE.search(a.at(2)) and LANGUAGE_CODE.fullmatch(a.at(1))
    return _pronounced(a, 2) if named else first(a)


@behaviour("angbr|angle bracket|angbr ipa|grapheme")
def angles(a: Arguments) -> str:
    """{{angbr|th}}: letters as such."""
    return f"⟨{a.at(1)}⟩"


@behaviour("respell")
def respell(a: Arguments) -> str:
    """{{respell|buh|LIN}}: syllables."""
    return "-".join(place for place in a.places if place and place != "'")


@behaviour("nihongo|nihongo2|nihongo3|nihongo4|zh-nihongo", fr="japonais")
def nihongo(a: Arguments) -> str:
    """{{nihongo|Tokyo|東京|Tōkyō|more}}: a name, how it is written, how it is read, and what else is said of it."""
    given = [place for place in a.places[:4] if place]
    if not a.at(1) or len(given) == 1:
        return ", ".join(given)
    return f"{a.at(1)} ({', '.join(given[1:])})"


@behaviour("zh|lang-zh")
def chinese(a: Arguments) -> str:
    """{{zh|c=北京|p=Běijīng}}: how a name is written and read in Chinese."""
    keys = ("c", "s", "t", "p", "w", "j", "l", "hanzi", "pinyin")
    found = dict.fromkeys(value for key in keys if (value := a.get(key)))
    return ", ".join([*a.given[:1], *found])


@behaviour(
    "ill|iw|iw2|нп|нп2|нп3|нп4|нп5|не переведено|не переведено 2|не переведено 3|не переведено 4|не переведено 5|"
    "не перекладено|не перекладено 2|lien|ilc|ligação interlíngue|link-interwiki|interwiki link|link interwiki|"
    "interlink|ilm|ikw|prek|mezijazykový odkaz|interlanguage link|interlanguage link multi|ill2|ill-wd|ill-wd2|illm|"
    "нпр",
    es="enlace interlingüístico",
    pt="link interlíngua",
)
def interwiki(a: Arguments) -> str:
    """{{ill|Name|de|Name (Politiker)|lt=x}}: a link to a page that another wiki has."""
    text = a.get("lt", "texte", "text", "tekst", "текст", "texto", "4", "label", "display", "t")
    if not text and a.name.startswith(("нп", "iw", "не пер", "не пре")):
        text = a.at(2)
    places = [place for place in a.given if not re.fullmatch(r"[a-z]{2,3}(?:-[a-z]+)*|[Qq]\d+", place)]
    return text or a.get("fr", "trad", "es", "pt") or (places[0].partition(" (")[0] if places else "") or a.at(1)


@behaviour("p.|pp.|vol.|chap.|n°|no|nº|numéro|n.|fig.|m.|mme|mlle|mgr|dr|pr|st|ste")
def abbreviated(a: Arguments) -> str:
    """fr {{p.|5|7}}, {{Mme|Curie}}: the template's name as a word, and what follows."""
    word = {"numéro": "nº", "no": "nº", "n°": "nº"}.get(a.name, a.name.capitalize())
    if a.name in ("p.", "pp.", "vol.", "chap.", "n.", "fig."):
        word = a.name
    return f"{word} {'–'.join(place for place in a.places[:2] if place)}" if a.at(1) else ""


@behaviour("uc|majus|capit|mayus|mayús|gross|hl|sb|wielkie|duże")
def upper(a: Arguments) -> str:
    """{{uc|abc}}: capitals."""
    return a.at(1).upper()


@behaviour("lc|minus|minús|klein|kl|lb|małe")
def lower(a: Arguments) -> str:
    """{{lc|ABC}}: small letters."""
    return a.at(1).lower()


@behaviour(fr="souverain|souverain2|souverain3|souverain-")
def title(a: Arguments) -> str:
    """fr {{souverain2|Joseph II (roi)}}: a page's title without what tells it from others."""
    return a.at(1).partition(" (")[0]


@behaviour(fr="incise")
def aside(a: Arguments) -> str:
    """fr {{incise|mot}}: words between dashes."""
    return f"– {a.at(1)} –" if a.at(1) else ""


@behaviour(de="google buch")
def link_text(a: Arguments) -> str:
    """de {{Google Buch|BuchID=x|Linktext=Vorschau}}: a link's words, where it has its own."""
    return a.get("linktext")


@behaviour("née|nee")
def nee(a: Arguments) -> str:
    """{{née|Kasner}}: "née Kasner"."""
    return f"née {a.at(1)}" if a.at(1) else "née"


@behaviour("section link|slink")
def section_link(a: Arguments) -> str:
    """{{section link|Moon|Eclipses}}: "Moon § Eclipses"."""
    return " ".join([a.at(1), *(f"§ {place}" for place in a.places[1:] if place)]).strip()


@behaviour("bibleref|bibleverse|bibleref2", it="passo biblico", de="bibel")
def scripture(a: Arguments) -> str:
    """{{bibleref|Mark|3:25}}: a book and its verses."""
    return " ".join(a.given[:2])


@behaviour("us patent|cve|ec number|rfc|ietf rfc")
def numbered(a: Arguments) -> str:
    """{{US patent|1781541}}: the kind of a number, and the number."""
    kind = {"us patent": "U.S. Patent", "uspat": "U.S. Patent", "cve": "", "ec number": "EC", "ietf rfc": "RFC"}.get(
        a.name, a.name.upper()
    )
    return " ".join([kind, *a.given[:2]]).strip()
