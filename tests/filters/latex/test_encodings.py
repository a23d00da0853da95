import pytest

from filters.latex.encodings import declared, decode
from filters.latex.project import sources

JAPANESE = "これは日本語の論文です。背景と結果を述べる。"
SIMPLIFIED = "本文研究了一个新的问题，并给出了结果。"
TRADITIONAL = "本文研究了一個新的問題，並給出了結果。"
KOREAN = "이 논문은 새로운 문제를 다룬다. 결과를 보인다."
RUSSIAN = "В этой работе мы рассматриваем новую задачу."
FRENCH = "Après une élève naïve, Müller et Søren ont trouvé"
POLISH = "Zażółć gęślą jaźń, příliš žluťoučký kůň"


@pytest.mark.parametrize("before", ["", "\\documentclass{article}\n\\begin{document}\n\\section{A}\n"])
@pytest.mark.parametrize(
    ("text", "encodings"),
    [
        (JAPANESE, "cp932 shift_jis euc_jp iso2022_jp utf-16 utf-16-le utf-16-be utf-32 utf-8-sig"),
        (SIMPLIFIED, "gbk gb18030 gb2312 utf-16"),
        (TRADITIONAL, "big5 cp950 big5hkscs"),
        (KOREAN, "euc_kr cp949"),
        (RUSSIAN, "cp1251 koi8-r koi8-u cp866 iso8859-5 mac-cyrillic"),
        ("Σε αυτή την εργασία εξετάζουμε ένα νέο πρόβλημα", "iso8859-7 cp1253"),
        (FRENCH, "latin-1 cp1252 iso8859-15 mac-roman cp850"),
        ("Müller hat für die Größe und das Übel MÜLLER gefunden", "cp437 cp850 mac-roman cp1252"),
        ("“Quoted” — it’s by Þórðarson and Erdős’ friend".replace("ő", "ö"), "cp1252"),
        (POLISH, "cp1250 iso8859-2"),
        ("no letters: 20 °C ± 5", "latin-1"),
    ],
)
def test_what_the_bytes_look_like(text: str, encodings: str, before: str) -> None:
    for encoding in encodings.split():
        if (encoding.startswith("utf-16-") or encoding == "utf-16") and not before:
            before = "\\section{A} Words in Latin letters. " * 4
        assert decode((before + text).encode(encoding)) == before + text, encoding


@pytest.mark.parametrize(
    ("line", "codec"),
    [
        ("\\usepackage[latin2]{inputenc}", "iso8859-2"),
        ("\\usepackage[ utf8, latin9 ]{inputenc}", "iso8859-15"),
        ("\\usepackage[utf8]{inputenc}", "utf-8"),
        ("\\RequirePackage[cp1251]{inputenc}", "cp1251"),
        ("\\usepackage[applemac]{inputenc}", "mac-roman"),
        ("\\usepackage[GBK]{ctex}", "gb18030"),
        ("\\documentclass[UTF8,a4paper]{ctexart}", "utf-8"),
        ("\\begin{CJK*}{SJIS}{min}", "cp932"),
        ("\\begin{CJK}{Bg5}{song}", "big5hkscs"),
        ("\\begin{CJK}{KS}{}", "cp949"),
        ("\\inputencoding{koi8-r}", "koi8-r"),
        ('\\XeTeXinputencoding "GBK"', "gb18030"),
        ("% !TEX encoding = EUC-JP", "euc_jp"),
        ("% -*- mode: latex; coding: shift_jis -*-", "cp932"),
        ("% \\usepackage[latin2]{inputenc}", None),
        ("\\usepackage[bz2]{inputenc}", None),
        ("\\usepackage[unheard-of]{inputenc}", None),
        ("\\documentclass[11pt]{article}", None),
    ],
)
def test_declared(line: str, codec: str | None) -> None:
    assert declared(f"{line}\n".encode()) == codec


def test_the_main_file_declares_for_its_inputs() -> None:
    files = {
        "intro.tex": "łódź".encode("iso8859-2"),
        "main.tex": b"\\documentclass{a}\\usepackage[latin2]{inputenc}\\input{intro}",
        "utf8.tex": "łódź".encode(),
    }
    found = sources(files)
    assert (found["intro.tex"], found["utf8.tex"]) == ("łódź", "łódź")


def test_stray_bytes_in_utf_8_cost_only_themselves() -> None:
    assert decode("日本語の論文 “".encode() + b"\x93" + "日本".encode()) == "日本語の論文 ““日本"
    assert decode("\\usepackage[utf8]{inputenc}\né".encode("latin-1")).endswith("é")
