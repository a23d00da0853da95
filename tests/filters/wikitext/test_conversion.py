"""`convert`: what Module:Convert prints, by the examples of its own documentation and of others that follow it."""

from __future__ import annotations

import math

import pytest

from filters.wikitext.behaviours.rounding import read, to_decimals, to_digits, to_fraction, to_step
from filters.wikitext.behaviours.units import TABLE, find_unit
from filters.wikitext.cleaner import clean
from filters.wikitext.names import LANGUAGES, names_of

# Template:Convert/doc, as English Wikipedia, Outreach, OpenStreetMap's wiki and Javanese Wikipedia show it.
DOCUMENTED = [
    ("convert|2|km|mi", "2 kilometres (1.2 mi)"),
    ("convert|7|mi|km", "7 miles (11 km)"),
    ("convert|7.1|mi|km", "7.1 miles (11.4 km)"),
    ("convert|7.0|mi|km", "7.0 miles (11.3 km)"),
    ("convert|2|km|mi|2|abbr=on", "2 km (1.24 mi)"),
    ("convert|7|mi|km|2|abbr=on", "7 mi (11.27 km)"),
    ("convert|2|to|5|km|mi", "2 to 5 kilometres (1.2 to 3.1 mi)"),
    ("convert|2|-|5|km|mi", "2–5 kilometres (1.2–3.1 mi)"),
    ("convert|2|-|5|km|mi|2|abbr=on", "2–5 km (1.24–3.11 mi)"),
    ("convert|2|and|5|km|mi|sigfig=3|abbr=off", "2 and 5 kilometres (1.24 and 3.11 miles)"),
    ("convert|1|lb|kg", "1 pound (0.45 kg)"),
    ("convert|1|lb|kg|abbr=on", "1 lb (0.45 kg)"),
    ("convert|1|lb|kg|abbr=off", "1 pound (0.45 kilograms)"),
    ("convert|1|lb|kg|abbr=in", "1 lb (0.45 kilograms)"),
    ("cvt|1|lb|kg", "1 lb (0.45 kg)"),
    ("convert|100|e6mi|e6km", "100 million miles (160×10⁶ km)"),
    ("convert|100|e6mi|e6km|abbr=unit", "100 million mi (160 million km)"),
    ("convert|10|mi|km|adj=on", "10-mile (16 km)"),
    ("convert|9|in|cm|adj=on|abbr=on", "9 in (23 cm)"),
    ("convert|123|ft|m|-1", "123 feet (40 m)"),
    ("convert|123|ft|m", "123 feet (37 m)"),
    ("convert|123|ft|m|0", "123 feet (37 m)"),
    ("convert|123|ft|m|1", "123 feet (37.5 m)"),
    ("convert|123|ft|m|2", "123 feet (37.49 m)"),
    ("convert|550|ft|m|0", "550 feet (168 m)"),
    ("convert|550|ft|m", "550 feet (170 m)"),
    ("convert|1200|ft|m", "1,200 feet (370 m)"),
    ("convert|1200|ft|m|sigfig=4", "1,200 feet (365.8 m)"),
    ("convert|1200|ft|m|sigfig=3", "1,200 feet (366 m)"),
    ("convert|10|C|F K", "10 °C (50 °F; 283 K)"),
    ("convert|6|-|17|kg|lb|abbr=on", "6–17 kg (13–37 lb)"),
    ("convert|6|to|17|kg|lb|abbr=on", "6 to 17 kg (13 to 37 lb)"),
    ("convert|6|x|12|m|ft|abbr=on", "6 m × 12 m (20 ft × 39 ft)"),
    ("convert|1250|sqft|sqm|1", "1,250 square feet (116.1 m²)"),
    ("convert|20.5|sqkm|sqmi|1|abbr=on", "20.5 km² (7.9 sq mi)"),
    ("convert|641|acre|sqmi|3|abbr=on", "641 acres (1.002 sq mi)"),
    ("convert|32|m|ft|0", "32 metres (105 ft)"),
    ("convert|18|°C|°F|1", "18 °C (64.4 °F)"),
]
# The examples that sweble-wikitext's own implementation of the module is tested with, where the module says the same.
ELSEWHERE = [
    ("convert|1|ft|m", "1 foot (0.30 m)"),
    ("convert|2|ft|m", "2 feet (0.61 m)"),
    ("convert|2|angstrom|m", "2 ångströms (2.0×10⁻¹⁰ m)"),
    ("convert|1|in", "1 inch (25 mm)"),
    ("convert|1|m", "1 metre (3 ft 3 in)"),
    ("convert|2|m", "2 metres (6 ft 7 in)"),
    ("convert|3|m", "3 metres (9.8 ft)"),
    ("convert|1|furlong", "1 furlong (660 ft; 200 m)"),
    ("convert|1|fathom", "1 fathom (6.0 ft; 1.8 m)"),
    ("convert|-1|mi", "−1 mile (−1.6 km)"),
    ("convert|1|nmi", "1 nautical mile (1.9 km; 1.2 mi)"),
    ("convert|1|ly", "1 light-year (63,000 AU)"),
    ("convert|1|AU|km|sigfig=4", "1 astronomical unit (149,600,000 km)"),
    ("convert|1|AU|sigfig=7", "1 astronomical unit (149,597,900 km; 92,955,810 mi)"),
    ("convert|1|ly|km", "1 light-year (9.5×10¹² km)"),
    ("convert|2|m|abbr=in", "2 m (6 feet 7 inches)"),
    ("convert|2|m|abbr=off", "2 metres (6 feet 7 inches)"),
    ("convert|2|m|abbr=values", "2 (6 ft 7 in)"),
    ("convert|2|m|abbr=~", "2 metres [m] (6 ft 7 in)"),
    ("convert|2|m|cm|sp=us|abbr=off", "2 meters (200 centimeters)"),
    ("convert|100|cm|m|abbr=off|sp=us", "100 centimeters (1.0 meter)"),
    ("convert|1|long cwt", "1 long hundredweight (110 lb; 51 kg)"),
    ("convert|1|st", "1 stone (14 lb; 6.4 kg)"),
    ("convert|1|ozt", "1 troy ounce (1.1 oz; 31 g)"),
    ("convert|1|hm2", "1 square hectometre (2.5 acres)"),
    ("convert|1|ha", "1 hectare (2.5 acres)"),
    ("convert|1|acre", "1 acre (0.40 ha)"),
    ("convert|1|sqyd|sigfig=7", "1 square yard (0.8361274 m²)"),
    ("convert|1|C", "1 °C (34 °F)"),
    ("convert|100|F", "100 °F (38 °C)"),
    ("convert|1|K", "1 K (−272.15 °C; −457.87 °F)"),
]
# What the rules give; each is a form that the articles at hand have.
FORMS = [
    ("convert|240|mi|km", "240 miles (390 km)"),
    ("convert|5|ft|10|in|m", "5 feet 10 inches (1.78 m)"),
    ("convert|6|ft|1|in|cm|abbr=on", "6 ft 1 in (185 cm)"),
    ("convert|5|ft|10|in|m|adj=on", "5-foot-10-inch (1.78 m)"),
    ("convert|11|st|4|lb|kg", "11 stone 4 pounds (72 kg)"),
    ("convert|5|-|10|ft|m|adj=on", "5–10-foot (1.5–3.0 m)"),
    ("convert|5|to|10|ft|m|adj=on", "5-to-10-foot (1.5 to 3.0 m)"),
    ("convert|10|x|20|ft|m", "10 by 20 feet (3.0 m × 6.1 m)"),
    ("convert|10|ft|m|adj=mid|-long", "10-foot-long (3.0 m)"),
    ("convert|10|mi|km|adj=pre|statute", "10 statute miles (16 km)"),
    ("convert|100|km|mi|order=flip", "62 miles (100 km)"),
    ("convert|100|km|mi|abbr=on|order=flip", "62 mi (100 km)"),
    ("convert|100|km|mi|disp=out", "62 mi"),
    ("convert|100|km|mi|disp=number", "62"),
    ("convert|100|km|mi|disp=or", "100 kilometres or 62 miles"),
    ("convert|100|km|mi|disp=comma", "100 kilometres, 62 mi"),
    ("convert|100|km|mi|disp=sqbr", "100 kilometres [62 mi]"),
    ("convert|100|km|mi|disp=unit", "kilometres"),
    ("convert|100|km|mi|round=25", "100 kilometres (50 mi)"),
    ("convert|100|mi|ft km|order=out", "530,000 feet (160 km)"),
    ("convert|1.5|e6sqkm|e6sqmi", "1.5 million square kilometres (0.58×10⁶ sq mi)"),
    ("convert|1000|hp|kW|0", "1,000 horsepower (746 kW)"),
    ("convert|10|kn|km/h mph", "10 knots (19 km/h; 12 mph)"),
    ("convert|3+1/2|in|mm", "3 1/2 inches (89 mm)"),
    ("convert|1/2|mi|km", "1/2 mile (0.80 km)"),
    ("convert|5|mm|in|frac=16", "5 millimetres (3/16 in)"),
    ("convert|100|/sqmi|/km2", "100 per square mile (39/km²)"),
    ("convert|100|PD/sqmi|PD/km2", "100 inhabitants per square mile (39/km²)"),
    ("convert|30|mpgus|L/100 km", "30 miles per US gallon (7.8 L/100 km)"),
    ("convert|2000|t|LT", "2,000 tonnes (2,000 long tons)"),
    ("convert|20|±|5|C|F", "20 ± 5 °C (68 ± 9 °F)"),
    ("convert|-40|-|-10|C|F", "−40 – −10 °C (−40–14 °F)"),
    ("convert|40|t/ha|lb/acre", "40 tonnes per hectare (36,000 lb/acre)"),
    ("convert|1234567|sqmi|km2|comma=off", "1234567 square miles (3197510 km²)"),
    ("convert|5-10|km|mi", "5–10 kilometres (3.1–6.2 mi)"),
    ("convert|1.85|m|ftin|abbr=on", "1.85 m (6 ft 1 in)"),
    ("convert|5|km||2", "5 kilometres (3.11 mi)"),
    ("convert|57|koilbbl/d|abbr=on", "57 kbbl/d (9.1×10³ m³/d)"),
    ("convert|2|Moilbbl", "2 million barrels (320×10³ m³)"),
    ("convert|11|MUSgal|Ml|abbr=off|sp=us", "11 million US gallons (42 megaliters)"),
    ("convert|1.369|mSv/d|μSv/h|disp=out", "57.0 μSv/h"),
    ("convert|2962|m|ft|0|disp=s", "2,962 metres / 9,718 feet"),
    ("cvt|0.6|–|1.1|m", "0.6–1.1 m (2 ft 0 in – 3 ft 7 in)"),
    ("height|meter=1.77", "1.77 m (5 ft 10 in)"),
    ("convert|2e6|mi|km", "2×10⁶ miles (3.2×10⁶ km)"),
]
# What cannot be converted is kept as it was written.
UNKNOWN = [
    ("convert|5|km|kg", "5 kilometres"),
    ("convert|5|km|wibble", "5 kilometres"),
    ("convert|5|wibble|km", "5 wibble"),
    ("convert|about 5|km|mi", "about 5 kilometres"),
    ("convert|0|mpgus|L/100 km", "0 miles per US gallon"),
    ("convert|1e308|Gly|nm", "1×10³⁰⁸ gigalight-years"),
    ("convert|5", "5"),
]


@pytest.mark.parametrize(("call", "shown"), [*DOCUMENTED, *ELSEWHERE, *FORMS, *UNKNOWN])
def test_as_the_module_prints_it(call: str, shown: str) -> None:
    assert clean(f"A {{{{{call}}}}} b.", "en").replace("\xa0", " ") == f"A {shown} b."


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_other_languages_have_symbols_and_their_own_numbers(language: str) -> None:
    names = names_of(language)
    assert clean("A {{convert|1.5|mi|m}} b.", language).replace("\xa0", " ") == (
        f"A 1{names.decimal}5 mi (2{names.group if names.grouped_from <= 4 else ''}400 m) b.".replace("\xa0", " ")
    )


def test_every_code_of_the_table_is_found_and_has_targets_of_its_kind() -> None:
    _, *rows = TABLE.read_text(encoding="utf-8").splitlines()
    for codes, *_ in (row.split("\t") for row in rows):
        for code in codes.replace("%", "").split("|"):
            unit = find_unit(code)
            assert unit is not None, code
            for target in (
                unit.default.split(" ? ")[-1]
                .replace(" : ", " ")
                .replace("ftin", "ft")
                .replace("L/100 km", "L/100km")
                .split()
            ):
                found = find_unit(target)
                assert found is not None and found.kind == unit.kind, (code, target)


def test_a_code_is_told_by_its_case_and_else_by_its_letters() -> None:
    for code, name in {"mW": "milliwatt", "MW": "megawatt", "Nm": "newton-metre", "nm": "nanometre"}.items():
        assert find_unit(code).one == name  # type: ignore[union-attr]
    assert find_unit("KM") == find_unit("km")
    assert find_unit("µm") == find_unit("um") is not None
    assert math.isclose(find_unit("cm3").scale, 1e-6)  # type: ignore[union-attr]
    assert find_unit("no such unit") is None and find_unit("m" * 100) is None


def test_numbers() -> None:
    english, german = names_of("en"), names_of("de")
    for text, number in {"1,234.5": 1234.5, "−3": -3, "- 3": -3, "3+1/2": 3.5, "1 000": 1000, ".5": 0.5}.items():
        assert read(text, english).number == number  # type: ignore[union-attr]
    assert read("1,5", german).number == 1.5  # type: ignore[union-attr]
    for text in ("", "x", "1/0", "1.2.3", "9" * 100, "½"):
        assert read(text, english) is None


def test_rounding() -> None:
    names = names_of("en")
    assert [to_decimals(1234.5678, count, names).shown for count in (2, 0, -2, -4)] == [
        "1,234.57",
        "1,235",
        "1,200",
        "0",
    ]
    assert [to_digits(1234.5678, count, names).shown for count in (1, 3, 6)] == ["1,000", "1,230", "1,234.57"]
    assert [to_step(62.4, step, names).shown for step in (0.5, 5, 25)] == ["62.5", "60", "50"]
    assert [to_fraction(number, 8, names).shown for number in (2.5, 0.25, 3.99)] == ["2 1/2", "1/4", "4"]
    assert to_decimals(1e9, 0, names).shown == "1,000,000,000"
    assert to_decimals(1.2e10, 0, names).shown == "1.2000000000×10¹⁰"
