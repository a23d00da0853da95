"""In what encoding a book is: every script's common character sets are detected, or stated; no mojibake."""

from __future__ import annotations

import io
import time
from collections import Counter

import pytest

from pipelines.document import Document, Drop
from pipelines.readers import Dump, gutenberg
from pipelines.readers.book_encodings import encoding_of, stated
from tests.slowness import slowness

pytest.importorskip("chardet")

RUSSIAN = (
    "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.\n"
    "Жена узнала, что муж был в связи с бывшею в их доме француженкою, и объявила мужу, что не может с ним жить.\n"
)
POLISH = (
    "Litwo! Ojczyzno moja! ty jesteś jak zdrowie; ile cię trzeba cenić, ten tylko się dowie, kto cię stracił.\n"
    "Dziś piękność twą w całej ozdobie widzę i opisuję, bo tęsknię po tobie, Panno święta, co Jasnej bronisz.\n"
)
CZECH = (
    "Byl pozdní večer, první máj, večerní máj, byl lásky čas. Hrdliččin zval ku lásce hlas, kde borový zaváněl háj.\n"
    "O lásce šeptal tichý mech; květoucí strom lhal lásky žel, svou lásku slavík růži pěl, růžinu jevil vonný vzdech.\n"
)
GREEK = "Μήνιν άειδε, θεά, Πηληιάδεω Αχιλήος ουλομένην, ή μυρί' Αχαιοίς άλγε' έθηκε, πολλάς δ' ιφθίμους ψυχάς.\n"
HEBREW = "בראשית ברא אלהים את השמים ואת הארץ והארץ היתה תהו ובהו וחשך על פני תהום ורוח אלהים מרחפת על פני המים.\n"
JAPANESE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた。\n"
)
TRADITIONAL = "話說天下大勢，分久必合，合久必分。周末七國分爭，并入於秦。及秦滅之後，楚、漢分爭，又并入於漢。\n"
SIMPLIFIED = "话说天下大势，分久必合，合久必分。周末七国分争，并入于秦。及秦灭之后，楚、汉分争，又并入于汉。\n"
KOREAN = (
    "나 보기가 역겨워 가실 때에는 말없이 고이 보내 드리우리다. 영변에 약산 진달래꽃 아름 따다 가실 길에 뿌리우리다.\n"
)
TURKISH = (
    "Evvel zaman içinde, kalbur saman içinde, develer tellal iken, ben anamın beşiğini tıngır mıngır sallar iken.\n"
)
FRENCH = (
    "Longtemps, je me suis couché de bonne heure. Parfois, à peine ma bougie éteinte, mes yeux se fermaient si vite "
    "que je n'avais pas le temps de me dire: «Je m'endors.» Et, une demi-heure après, la pensée m'éveillait.\n"
)
GERMAN = (
    "Als Gregor eines Morgens aus unruhigen Träumen erwachte, fand er sich zu einem ungeheuren Ungeziefer verwandelt. "
    "Er lag auf seinem panzerartig harten Rücken und sah, wenn er den Kopf hob, seinen gewölbten, braunen Bauch.\n"
)
WRITTEN = {
    RUSSIAN: ("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic"),
    POLISH: ("cp1250", "iso8859-2", "cp852"),
    CZECH: ("cp1250", "iso8859-2", "cp852"),
    GREEK: ("cp1253", "iso8859-7"),
    HEBREW: ("cp1255", "iso8859-8"),
    JAPANESE: ("shift_jis", "cp932", "euc_jp", "iso2022_jp"),
    TRADITIONAL: ("big5", "cp950", "gb18030"),
    SIMPLIFIED: ("gb2312", "gbk", "gb18030", "hz"),
    KOREAN: ("euc_kr", "cp949", "johab"),
    TURKISH: ("cp1254", "iso8859-9"),
    FRENCH: ("cp1252", "latin-1", "iso8859-15", "cp437", "cp850", "mac-roman"),
    GERMAN: ("cp1252", "latin-1", "cp437", "cp850", "mac-roman"),
}


def decoded(data: bytes) -> str:
    found = encoding_of(data)
    assert found is not None
    return data[found[1] :].decode(found[0])


@pytest.mark.parametrize("times", [1, 3, 300])
@pytest.mark.parametrize(("text", "encoding"), [(text, one) for text, found in WRITTEN.items() for one in found])
def test_the_character_sets_of_books(text: str, encoding: str, times: int) -> None:
    written = (text * times).encode(encoding)
    assert decoded(written) == text * times
    assert decoded(b"All words before are English.\n" * 400 + written).endswith(text * times)


@pytest.mark.parametrize("text", [RUSSIAN, JAPANESE, FRENCH])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_is_told_by_its_bytes(text: str, encoding: str) -> None:
    assert decoded((text * 3).encode(encoding)) == text * 3


def test_what_is_declared_as_latin_and_is_another_script() -> None:
    head = "The Project Gutenberg eBook of X\n\nCharacter set encoding: ISO-8859-1\n\n"
    text = head + RUSSIAN * 20
    assert decoded(text.encode("koi8-r")) == text
    assert encoding_of((head + FRENCH).encode("latin-1")) == ("cp1252", 0)
    assert encoding_of((head + FRENCH).encode("latin-1") + b"\x81") == ("latin-1", 0)


@pytest.mark.parametrize(
    "head",
    [
        '<html><head><meta charset="{}"></head>',
        "<html><head><META http-equiv='Content-Type' content='text/html; charset={}'></head>",
        "<?xml version='1.0' encoding='{}'?><html>",
    ],
)
def test_html_declares_its_encoding(head: str) -> None:
    page = head.format("windows-1251") + "<p>Ночь</p>"
    assert decoded(page.encode("cp1251")) == page


def test_a_few_wrong_bytes_do_not_make_another_encoding() -> None:
    assert encoding_of((RUSSIAN * 40).encode() + b"\xd0") == ("utf-8", 0)
    assert encoding_of((SIMPLIFIED * 40).encode("gb18030") + b"\xff") == ("gb18030", 0)


def test_noise_has_no_encoding_and_a_stated_one_is_used() -> None:
    noise = bytes(value for value in range(128, 256)) * 8
    assert encoding_of(noise) is None or decoded(noise)
    assert encoding_of(RUSSIAN.encode("koi8-r"), "KOI8-R") == ("koi8-r", 0)
    assert encoding_of(RUSSIAN.encode("utf-8-sig"), "KOI8-R") == ("utf-8", 3)
    for name in ("klingon", "rot13", "idna", ""):
        with pytest.raises(ValueError, match="no character set has this name"):
            stated(name)


def read(data: bytes, **attributes: str) -> Document | Drop:
    counts: Counter[str] = Counter()
    (found,) = gutenberg.read(io.BytesIO(data), Dump("b.txt", "beef", attributes), counts)
    return found


def test_the_reader_detects_uses_what_is_stated_and_drops_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read((RUSSIAN * 9).encode("cp1251"))
    assert isinstance(found, Document)
    assert (found.text, found.attributes["encoding"]) == (RUSSIAN * 9, "cp1251")
    short = read("Ночь, улица.".encode("cp866"), encoding="CP866")
    assert isinstance(short, Document)
    assert short.text == "Ночь, улица."
    monkeypatch.setattr("chardet.detect", lambda data, **options: {"encoding": None})
    reasons = [
        found.reason for found in map(read, (RUSSIAN.encode("cp1251"), b"\x01\x81" * 9)) if isinstance(found, Drop)
    ]
    assert reasons == ["unknown_encoding", "binary"]


@pytest.mark.parametrize("piece", ["é", "é\n", "a" * 200 + "é", "\x1b$B", "~{", "ж"])
def test_time_is_bounded(piece: str) -> None:
    data = (piece * (4_000_000 // len(piece))).encode("cp1251", "replace")
    before = time.process_time()
    encoding_of(data)
    assert time.process_time() - before < 5 * slowness()
