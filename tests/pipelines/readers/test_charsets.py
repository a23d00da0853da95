"""Charsets as the HTML and Encoding standards have them, declared or not, and what browsers do with what is wrong."""

import codecs
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.readers.charsets import LOOKED_AT, decode
from tests.slowness import slowness

PAGE = "<html><head></head><body><p>{}</p></body></html>"
FRENCH = "L’œuvre naïve – déjà vue « ici » à 5 €"
RUSSIAN = "Лама живёт в горах и щиплет траву"
JAPANESE = "ラマは山に住んでいます。"


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("It’s", "cp1252"),
        (FRENCH, "cp1252"),
        ("café", "latin-1"),
        ("Größe", "latin-1"),
        ("£5", "cp1252"),
        ("라마는 산에 산다", "euc_kr"),
        ("라마는 산에 산다. 풀을 먹는다. abc", "cp949"),
        (RUSSIAN, "cp1251"),
        ("Лама", "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        ("羊驼住在山里。它们吃草。", "gb18030"),
        ("羊駝住在山裡。牠們吃草。", "big5"),
        ("Η λάμα ζει στα βουνά", "cp1253"),
        ("ลามาอยู่บนภูเขา", "cp874"),
        ("לאמה חיה בהרים", "cp1255"),
        ("اللاما تعيش في الجبال", "cp1256"),
        ("Şanlıurfa ığdır çiğ köfte", "cp1254"),
        ("Hello", "utf-16-le"),
        (RUSSIAN, "utf-16-be"),
        (FRENCH, "utf-8"),
        ("plain", "ascii"),
    ],
)
def test_what_declares_nothing_is_told_by_its_bytes(text: str, codec: str) -> None:
    body = PAGE.format(text).encode(codec)
    assert decode(body) == decode(body, "text/html") == PAGE.format(text)


@pytest.mark.parametrize(
    ("language", "text", "codec"),
    [
        ("pl", "Łoś żółć zażółć gęślą jaźń", "iso8859-2"),
        ("cs", "Příliš žluťoučký kůň", "cp1250"),
        ("lt", "Lama gyvena kalnuose ąčęėįšųūž", "cp1257"),
        ("ru-RU", "Да", "cp1251"),
        ("fr", FRENCH, "cp1252"),
    ],
)
def test_the_language_of_a_page_decides_where_its_bytes_do_not(language: str, text: str, codec: str) -> None:
    page = f"<html lang='{language}'><body><p>{text}</body></html>"
    assert decode(page.encode(codec)) == page


@pytest.mark.parametrize(
    ("label", "text", "codec"),
    [
        ("latin1", FRENCH, "cp1252"),
        ("ISO-8859-1", FRENCH, "cp1252"),
        ("us-ascii", FRENCH, "cp1252"),
        ("l5", "ığdır’ın", "cp1254"),
        ("utf8", FRENCH, "utf-8"),
        ("unicode-1-1-utf-8", FRENCH, "utf-8"),
        ("x-sjis", JAPANESE + "①", "cp932"),
        ("windows-31j", JAPANESE, "cp932"),
        ("euc-jp", JAPANESE + "①", "euc_jis_2004"),
        ("iso-2022-jp", JAPANESE + "①", "iso2022_jp_2004"),
        ("ks_c_5601-1987", "똠방각하", "cp949"),
        ("cp949", "똠방각하", "cp949"),
        ("gb2312", "羊驼镕", "gb18030"),
        ("big5", "羊駝", "big5"),
        ("tis-620", "ลามา €", "cp874"),
        ("koi", RUSSIAN, "koi8-r"),
        ("koi8-u", "Лама й ґава", "koi8-u"),
        ("x-cp1251", RUSSIAN, "cp1251"),
        ("cp866", RUSSIAN, "cp866"),
        ("iso-8859-15", "5 € œ", "iso8859-15"),
        ("macintosh", "œuvre à", "mac-roman"),
        ("x-mac-cyrillic", "Лама", "mac-cyrillic"),
    ],
)
@pytest.mark.parametrize("where", ["header", "meta", "late meta", "http-equiv", "xml"])
def test_labels_are_those_of_the_standard(where: str, label: str, text: str, codec: str) -> None:
    heads = {
        "meta": f"<meta charset={label}>",
        "late meta": f"<!-- <meta charset=koi8-r> {'x' * LOOKED_AT} --><meta charset='{label}'>",
        "http-equiv": f'<META content="text/html; charset={label}" HTTP-EQUIV=Content-Type>',
    }
    xml = f"<?xml version='1.0' encoding='{label}'?>" if where == "xml" else ""
    page = xml + PAGE.replace("<head>", "<head>" + heads.get(where, "")).format(text)
    assert decode(page.encode(codec), f"text/html; charset={label}" if where == "header" else "text/html") == page


@pytest.mark.parametrize(
    ("content_type", "head", "codec"),
    [
        ("text/html; charset=windows-1251", "<meta charset=koi8-r>", "cp1251"),  # the header goes first
        ("text/html charset=windows-1251", "", "cp1251"),
        ('text/html; charset="windows-1251"', "", "cp1251"),
        ("text/html; charset=nonsense", "<meta charset=windows-1251>", "cp1251"),
        ("text/html; charset=utf-8", "<meta charset=windows-1251>", "cp1251"),  # it cannot be that
        ("text/html; charset=utf-16", "<meta charset=windows-1251>", "cp1251"),
        ("text/html; charset=windows-1251", "", "utf-8"),  # valid UTF-8 is no accident
        ("text/html", "<meta charset=utf-16><meta charset=koi8-r>", "koi8-r"),
        ("text/html", "<meta name=description content='charset=koi8-r'><meta charset=windows-1251>", "cp1251"),
        ("text/html", "<script>'<meta charset=koi8-r>'</script><meta charset=windows-1251>", "cp1251"),
        ("application/xhtml+xml", "<meta charset=koi8-r>", "cp1251 in XML"),
        ("text/html", "<meta charset=koi8-r>", "koi8-r in XML"),
    ],
)
def test_which_declaration_counts(content_type: str, head: str, codec: str) -> None:
    encoding, in_xml, _ = codec.partition(" in XML")
    xml = "<?xml version='1.0' encoding='windows-1251'?>\n" if in_xml else ""
    page = xml + PAGE.replace("<head>", "<head>" + head).format(RUSSIAN)
    assert decode(page.encode(encoding), content_type) == page


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_byte_order_mark_goes_before_all(mark: bytes) -> None:
    codec = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}[mark]
    page = PAGE.format(RUSSIAN)
    assert decode(mark + page.encode(codec), "text/html; charset=koi8-r") == page


def test_bytes_without_a_character() -> None:
    assert decode(b"<p>\x93caf\xe9\x94 \x81", "text/html; charset=latin1") == "<p>“café” \x81"
    assert decode("<p>ein Bäcker, zwölf Körbe, süße Äpfel, fünf Übungen".encode() + b"\xff").count("\ufffd") == 1


@pytest.mark.parametrize(
    "piece", [b"<!--", b"<script>", b"<meta ", b"<meta charset", b"\xe9<meta a=", b"\xc0", b"<?xml "]
)
def test_time_is_linear(piece: bytes) -> None:
    started = time.process_time()
    decode(b"\xe9" + piece * 300_000)
    assert time.process_time() - started < 4 * slowness()


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200), st.text(max_size=30))
def test_decode_takes_anything(body: bytes, content_type: str) -> None:
    decode(body, content_type).encode()
