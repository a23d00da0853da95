"""Which inline templates carry text, by what they do with their arguments, in all 20 Wikipedias.

A template that is not named here (navigation, infoboxes, citations, maintenance, notes) leaves with its content. Names
are casefolded and separated by `|`; the same name does the same thing in most Wikipedias, and `BY_LANGUAGE` names the
exceptions. Compiled from the projects' own documentation pages of their inline templates.
"""

from __future__ import annotations

from types import MappingProxyType


def _kinds(table: dict[str, str]) -> dict[str, str]:
    return {name: kind for kind, names in table.items() for name in names.split("|")}


KINDS = MappingProxyType(
    _kinds(
        {
            # The first argument is the text.
            "first": (
                "nowrap|nobr|nobreak|no wrap|nowrap2|j|нобр|nobold|noitalic|normal|small|smaller|smalldiv|big|"
                "bigger|larger|large|huge|center|centre|centered|sc|sc2|smallcaps|smcaps|small caps|aut|autor|"
                "author|allcaps|caps|strong|em|emph|b|bold|italic|italics|underline|u|kbd|key|code|mono|monospace|"
                "mvar|var|math|bigmath|tmath|tt|samp|codes|sub|sup|super|exp|vanchor|visible anchor|wikt|unicode|"
                "iast|iso|hebr|hebrew|arabic|ipa|ipalink|polytonic|polytonisch|graeca|greek|script|sic|as written|"
                "not a typo|typo|proper name|abbr|abbrv|abbreviation|tooltip|popup|citation needed span|cns|"
                "fact span|interlanguage link|interlanguage link multi|ill2|ill-wd|ill-wd2|flag|flagcountry|flagu|"
                "flag country|flagteam|plainlist|plain list|flatlist|flat list|div col|columns|col-list|fakt|fact|"
                "chiarire|senza fonte|citazione necessaria|petit|petites capitales|pc|souligner|surligner|"
                "terme défini|abréviation|abréviation discrète|abrev|nb|nobr2|esd|versalita|versalitas|versaleta|"
                "romanos|romanes|maiuscoletto|tutto attaccato|ta|kapitálky|malé|kapitälchen|"
                "комментарий|comment|подсказка|підказка|нет аи 2|s2|afi|api|msapi|мфа|ipa-text|bandera2|drapeau2|"
                "флаг2|флагификация|flaga2|ruby|highlight|hochgestellt|hoch|tief|ind|formel|noprint|mset|mabs|abs|"
                "overline|intmath|vec|keypress|key press|keyboard|button|railgauge|track gauge|sigfig|formatprice|"
                "format price|decimals|vr|linktext|tegn|kursiv|fed|fett|krát|texto pequeno|transcr|lower|upper|"
                "raise"
            ),
            # The second argument is the text, the first a language or a colour.
            "second": (
                "lang|langue|language|jez|język|cizojazyčně|vjazyce2|langi|langwithname|wikt-lang|hover title|color|"
                "colour|font color|fontcolor|colored text|farbe|kolor|cor|couleur|szín|цвет|колір|lengua|llengua|"
                "idioma|lingua|língua|språk|taal|nyelv|limba|мова|язык|jezik|језик|foreign|foreignchar"
            ),
            # The last argument is the text.
            "last": "transl|transliteration|columns-list|col list",
            # A quotation on lines of its own.
            "quotation": (
                "quote|blockquote|block quote|cquote|bquote|quotation|long quotation|poemquote|poem quote|zitat|"
                "zitat-en|zitat-la|zitat-fr|zitat-es|zitat-it|cita|cita textual|cita larga|cita destacada|citació|"
                "citation bloc|citation étrangère|début citation bloc|citat|citát|cytat|cytatd|citazione|citaat|"
                "citação|idézet|цитата|цитат|citira|ordspråk|cita llarga|bloc citat|vers|verse|poème|quote2|rquote"
            ),
            # A quotation inside a sentence, in the quotation marks of the language.
            "quoted": '"|quoted|inline quote|guil|«|citation étrangère en ligne|q',
            "number": "nts|ntsh|num2|format nombre|szám|broj|number|sorter",
            "quantity": (
                "unité|unite|nombre|unidad|unitats|unidade|unitate|enhet|einheit|fmtn|fmt num|unita|jednostka|tmp|"
                "quantité|unités|numero|número|größe|mértékegység|num|num1|число"
            ),
            "convert": (
                "convert|cvt|convertir|converti|converter|konwertuj|converteren|umrechnen|převeď|преобразовать|"
                "конвертор|convertit|pretvori|претвори|átszámít|konvertera|omregn|convertire"
            ),
            "val": "val",
            "fraction": (
                "frac|sfrac|fraction|bruch|dfrac|tfrac|дробь|дріб|fracción|fração|frazione|zlomek|breuk|br-frac"
            ),
            "date": (
                "date|date-|date républicaine|fecha|datum|dato|data|дата|dtlink|dts|start date|end date|birth date|"
                "death date|date de naissance|date de décès|date table sorting|film date"
            ),
            "as_of": "as of|asof|as-of",
            "circa": "circa|c.|ca.|c",
            "respell": "respell",
            "phonetic": "ipac-en|ipac-fr|ipac-de|ipac-es|ipac-pl|ipac-cmn",
            "angles": "angbr|angle bracket|angbr ipa|grapheme",
            "nihongo": "nihongo|nihongo2|nihongo3|zh-nihongo",
            "interwiki": (
                "ill|iw|iw2|нп|нп2|нп3|нп4|нп5|не переведено|не переведено 2|не переведено 3|не переведено 4|"
                "не переведено 5|не перекладено|не перекладено 2|lien|ilc|ligação interlíngue|link-interwiki|"
                "interwiki link|link interwiki|interlink|ilm|ikw|prek|mezijazykový odkaz"
            ),
            "bullets": "ubl|ublist|unbulleted list|vunblist|bulleted list|blist|bullet list|ordered list|numbered list",
            "commas": "hlist|comma separated entries|cslist|cs-list|pagelist",
            "chemistry": "chem|chem/atom",
            "nuclide": "simplenuclide|simplenuclide2|simple nuclide|nuclide|nuclide2",
            "density": "pop density|population density",
            "power": "e|10^|e-sp|x10^|esp|x10",
            "height": "height",
            "ship": "uss|hms|ss|hmas|hmcs|ms|mv|sms|rms|ins|usns|uscgc|hmt|hmnzs|ort|tsmv|hswms",
            "twinned": "partnerské město|jumelage|hermanamiento",
            "bar": "bar percent",
            "old_style": "oldstyledate|old style date|oldstyledatedy",
            "gaps": "gaps",
            "currency": (
                "us$|usd|a$|aud|c$|cad|nz$|nzd|£|gbp|€|eur|euro|inr|indian rupee|₹|¥|jpy|cny|chf|sek|nok|dkk|pln|"
                "huf|czk|rub|krw|₩|hk$|s$|r$|brl|mxn|zar"
            ),
            "abbreviated": (
                "p.|pp.|vol.|chap.|fl.|floruit|n°|no|nº|numéro|n.|fig.|b.|d.|r.|reign|m.|mme|mlle|mgr|dr|pr|st|ste"
            ),
            "case_upper": "uc|majus|capit|mayus|mayús|gross|hl|sb|wielkie|duże",
            "case_lower": "lc|minus|minús|klein|kl|lb|małe",
            "elevation": "höhe",
            "hour": "heure|h",
            "degrees": "grado|grad",
        }
    )
)
"""Kind of each template, in all Wikipedias that have it."""

BY_LANGUAGE = MappingProxyType(
    {
        "en": _kinds({"drop": "cita|citat|api|data|datum|dato|no|c|r.|d.|b.|enlace|aut|h|dr|pr|ta|t"}),
        "fr": _kinds(
            {
                "quoted": "citation|citation en ligne",
                "aside": "incise",
                "century": "s|siècle|siècles|s-|s2|s2-|-s|-s-|sp|sp-|s mini|s mini-",
                "first": (
                    "latin|grec|grec ancien|x|term|e|er|re|ère|lang-latin|référence nécessaire|référence souhaitée|"
                    "référence insuffisante|référence incomplète|refnec|refins"
                ),
                "words": "nobr|nobr2",
                "title": "souverain|souverain2|souverain3|souverain-",
                "drop": "de|en|fr|vers|date heure",
            }
        ),
        "ru": _kinds({"first": "s|кириллица", "drop": "vers|m."}),
        "uk": _kinds({"first": "s", "drop": "vers|m."}),
        "es": _kinds({"siglo": "siglo", "drop": "ap|vt|c|nb|cita libro"}),
        "ca": _kinds({"siglo": "segle"}),
        "ro": _kinds({"quantity": "dim"}),
        "pt": _kinds({"siglo": "séc|século", "drop": "vt|ap"}),
        "it": _kinds({"measure": "m", "drop": "vedi anche|ms"}),
        "de": _kinds({"drop": "citat|date|fn|b|u|m.|st|ms|vers"}),
        "pl": _kinds({"drop": "r|r.|m.|b|u|vers"}),
        "sr": _kinds({"drop": "...|vers"}),
        "cs": _kinds({"drop": "vjazyce|citace|u|b"}),
        "hu": _kinds({"drop": "b|u|vers"}),
    }
)
"""What differs: another kind in one Wikipedia, or `drop`."""

CONSTANTS = MappingProxyType(
    {
        "!": "|",
        "=": "=",
        "'": "'",
        "’": "’",
        "'s": "'s",
        "'\"": "'\"",
        "\"'": "\"'",
        "-'": "'",
        "·": " · ",
        "•": " • ",
        "dot": " · ",
        "middot": " · ",
        "bull": " • ",
        "snd": " – ",
        "spnd": " – ",
        "spaced ndash": " – ",
        "ndash": "–",
        "en dash": "–",
        "mdash": "—",
        "mdashb": "—",
        "em dash": "—",
        "spaced mdash": " — ",
        "dash": " – ",
        "nbsp": " ",
        "space": " ",
        "spaces": " ",
        "pipe": "|",
        "pi": "π",
        "...": "…",
        "ellipsis": "…",
        "eqm": "⇌",
        "tilde": "~",
        "min": "−",
        "minus": "−",
        "±": "±",
        "okina": "ʻ",
        "1/2": "1/2",
        "1/4": "1/4",
        "3/4": "3/4",
        "av jc": "av. J.-C.",
        "av. j.-c.": "av. J.-C.",
        "ap jc": "apr. J.-C.",
        "n. chr.": "n. Chr.",
        "v. chr.": "v. Chr.",
        "до н. э.": "до н. э.",
        "н. э.": "н. э.",
        "a. c.": "a. C.",
        "d. c.": "d. C.",
        "ac": "a. C.",
        "dc": "d. C.",
        "bce": "BCE",
        "clear": "\n\n",
        "-": "\n\n",
        "absatz": "\n\n",
        "col-break": "\n\n",
        "col-2": "\n\n",
        "col-3": "\n\n",
    }
)
"""Templates without arguments that stand for characters."""

CURRENCY_SIGNS = MappingProxyType(
    {
        "us$": "US$",
        "usd": "US$",
        "a$": "A$",
        "aud": "A$",
        "c$": "C$",
        "cad": "C$",
        "nz$": "NZ$",
        "nzd": "NZ$",
        "£": "£",
        "gbp": "£",
        "€": "€",
        "eur": "€",
        "euro": "€",
        "inr": "₹",
        "indian rupee": "₹",
        "₹": "₹",
        "¥": "¥",
        "jpy": "¥",
        "cny": "CN¥",
        "chf": "CHF ",
        "sek": "SEK ",
        "nok": "NOK ",
        "dkk": "DKK ",
        "pln": "PLN ",
        "huf": "HUF ",
        "czk": "CZK ",
        "rub": "RUB ",
        "krw": "₩",
        "₩": "₩",
        "hk$": "HK$",
        "s$": "S$",
        "r$": "R$",
        "brl": "R$",
        "mxn": "MX$",
        "zar": "R ",
    }
)

UNITS = MappingProxyType(
    {
        "mi": ("mile", "miles", "mi"),
        "miles": ("mile", "miles", "mi"),
        "mile": ("mile", "miles", "mi"),
        "km": ("kilometre", "kilometres", "km"),
        "m": ("metre", "metres", "m"),
        "cm": ("centimetre", "centimetres", "cm"),
        "mm": ("millimetre", "millimetres", "mm"),
        "um": ("micrometre", "micrometres", "μm"),
        "nm": ("nanometre", "nanometres", "nm"),
        "ft": ("foot", "feet", "ft"),
        "foot": ("foot", "feet", "ft"),
        "feet": ("foot", "feet", "ft"),
        "in": ("inch", "inches", "in"),
        "inch": ("inch", "inches", "in"),
        "yd": ("yard", "yards", "yd"),
        "nmi": ("nautical mile", "nautical miles", "nmi"),
        "fathom": ("fathom", "fathoms", "fathom"),
        "ly": ("light-year", "light-years", "ly"),
        "au": ("astronomical unit", "astronomical units", "AU"),
        "kg": ("kilogram", "kilograms", "kg"),
        "g": ("gram", "grams", "g"),
        "mg": ("milligram", "milligrams", "mg"),
        "lb": ("pound", "pounds", "lb"),
        "lbs": ("pound", "pounds", "lb"),
        "oz": ("ounce", "ounces", "oz"),
        "st": ("stone", "stone", "st"),
        "t": ("tonne", "tonnes", "t"),
        "lt": ("long ton", "long tons", "long tons"),
        "short ton": ("short ton", "short tons", "short tons"),
        "long ton": ("long ton", "long tons", "long tons"),
        "tonne": ("tonne", "tonnes", "t"),
        "mt": ("tonne", "tonnes", "t"),
        "acre": ("acre", "acres", "acre"),
        "acres": ("acre", "acres", "acre"),
        "ha": ("hectare", "hectares", "ha"),
        "km2": ("square kilometre", "square kilometres", "km²"),
        "m2": ("square metre", "square metres", "m²"),
        "cm2": ("square centimetre", "square centimetres", "cm²"),
        "mi2": ("square mile", "square miles", "sq mi"),
        "sqmi": ("square mile", "square miles", "sq mi"),
        "sq mi": ("square mile", "square miles", "sq mi"),
        "sqkm": ("square kilometre", "square kilometres", "km²"),
        "sqft": ("square foot", "square feet", "sq ft"),
        "sq ft": ("square foot", "square feet", "sq ft"),
        "ft2": ("square foot", "square feet", "sq ft"),
        "sqm": ("square metre", "square metres", "m²"),
        "sqin": ("square inch", "square inches", "sq in"),
        "sqyd": ("square yard", "square yards", "sq yd"),
        "m3": ("cubic metre", "cubic metres", "m³"),
        "km3": ("cubic kilometre", "cubic kilometres", "km³"),
        "cuft": ("cubic foot", "cubic feet", "cu ft"),
        "cumi": ("cubic mile", "cubic miles", "cu mi"),
        "cuyd": ("cubic yard", "cubic yards", "cu yd"),
        "l": ("litre", "litres", "L"),
        "ml": ("millilitre", "millilitres", "mL"),
        "usgal": ("US gallon", "US gallons", "US gal"),
        "impgal": ("imperial gallon", "imperial gallons", "imp gal"),
        "mph": ("mile per hour", "miles per hour", "mph"),
        "mi/h": ("mile per hour", "miles per hour", "mph"),
        "km/h": ("kilometre per hour", "kilometres per hour", "km/h"),
        "kph": ("kilometre per hour", "kilometres per hour", "km/h"),
        "m/s": ("metre per second", "metres per second", "m/s"),
        "ft/s": ("foot per second", "feet per second", "ft/s"),
        "kn": ("knot", "knots", "kn"),
        "knots": ("knot", "knots", "kn"),
        "hp": ("horsepower", "horsepower", "hp"),
        "kw": ("kilowatt", "kilowatts", "kW"),
        "mw": ("megawatt", "megawatts", "MW"),
        "c": ("°C", "°C", "°C"),
        "f": ("°F", "°F", "°F"),
        "k": ("K", "K", "K"),
        "°c": ("°C", "°C", "°C"),
        "°f": ("°F", "°F", "°F"),
        "lbf": ("pound-force", "pounds-force", "lbf"),
        "psi": ("pound per square inch", "pounds per square inch", "psi"),
        "pa": ("pascal", "pascals", "Pa"),
        "kpa": ("kilopascal", "kilopascals", "kPa"),
        "mpa": ("megapascal", "megapascals", "MPa"),
        "atm": ("standard atmosphere", "standard atmospheres", "atm"),
        "bar": ("bar", "bars", "bar"),
        "j": ("joule", "joules", "J"),
        "kj": ("kilojoule", "kilojoules", "kJ"),
        "kcal": ("kilocalorie", "kilocalories", "kcal"),
        "/sqmi": ("inhabitant per square mile", "inhabitants per square mile", "/sq mi"),
        "/km2": ("inhabitant per square kilometre", "inhabitants per square kilometre", "/km²"),
        "pd/sqmi": ("inhabitant per square mile", "inhabitants per square mile", "/sq mi"),
        "pd/km2": ("inhabitant per square kilometre", "inhabitants per square kilometre", "/km²"),
        "cuin": ("cubic inch", "cubic inches", "cu in"),
        "gwh": ("gigawatt hour", "gigawatt hours", "GWh"),
        "cid": ("cubic inch", "cubic inches", "cu in"),
        "oz t": ("troy ounce", "troy ounces", "ozt"),
        "furlong": ("furlong", "furlongs", "furlong"),
        "miydftin": ("mile", "miles", "mi"),
    }
)
"""Units of `convert` in English: one, many, symbol."""
