r"""Which encoding a LaTeX file is in: by its mark, as UTF-8, by what its project declares, by what its bytes look like.

    bytes -> mark -> UTF-8 -> `declared` (`inputenc`, CJK, an editor's line) -> the likeliest of `_LIKELY` -> text

Before UTF-8 authors wrote in the code page of their system and often said nothing of it. What a wrong one gives shows:
capitals and signs inside of words, kana of half width, characters that nobody uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from filters import unicode_bytes
from filters.latex.tokens import normalize

# Where declarations are looked for, and how much of a file is judged, in bytes.
DECLARED_WITHIN = 65_536
JUDGED = 16_384
# Below this share of characters in a likely place a text counts as Western: it may be a drawing's label, or damage.
LEAST_LIKELY = 0.5
# So many characters of UTF-8 for each stray byte make a file UTF-8 that another one was pasted into.
STRAY_SHARE = 4

_DECLARED = re.compile(
    rb"^[^%\n]*?(?:"
    rb"\\(?:usepackage|RequirePackage)\s*\[(?P<package>[^\]\n]{0,200})\]\s*\{(?:inputenc|inputenx|ctex|CJK|xeCJK|luainputenc)\}"
    rb"|\\inputencoding\s*\{(?P<switched>[^}\n]{0,200})\}"
    rb"|\\begin\s*\{CJK\*?\}(?:\[[^\]\n]{0,200}\])?\{(?P<cjk>[^}\n]{0,200})\}"
    rb"|\\(?:documentclass|documentstyle)\s*\[(?P<class>[^\]\n]{0,200})\]\s*\{ctex[a-z]*\}"
    rb"|\\XeTeX(?:input|default)encoding\s+\"(?P<xetex>[^\"\n]{0,200})\""
    rb")|^%.{0,500}?(?:!TEX\s+encoding\s*=|coding\s*[:=])\s*(?P<editor>[\w.-]+)",
    re.MULTILINE | re.IGNORECASE,
)
_CODECS = {
    "latin1": "latin-1",
    "latin2": "iso8859-2",
    "latin3": "iso8859-3",
    "latin4": "iso8859-4",
    "latin5": "iso8859-9",
    "latin9": "iso8859-15",
    "latin10": "iso8859-16",
    "ansinew": "cp1252",
    "applemac": "mac-roman",
    "macroman": "mac-roman",
    "isolatin": "latin-1",
    "isolatin1": "latin-1",
    "macce": "mac-latin2",
    "maccyr": "mac-cyrillic",
    "cp437de": "cp437",
    "koi8ru": "koi8-u",
    "gb": "gb18030",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "gb18030": "gb18030",
    "bg5": "big5hkscs",
    "big5": "big5hkscs",
    "sjis": "cp932",
    "shiftjis": "cp932",
    "mssjis": "cp932",
    "jis": "euc_jp",
    "eucjp": "euc_jp",
    "eucjpdos": "euc_jp",
    "eucjpunix": "euc_jp",
    "ks": "cp949",
    "euckr": "cp949",
    "kscii": "cp949",
    "uhc": "cp949",
}
_ESCAPED = ((re.compile(rb"\x1b\$(?:[@B]|\([D@B])"), "iso2022_jp_2"), (re.compile(rb"\x1b\$\)C"), "iso2022_kr"))
_LINE_BEYOND_ASCII = re.compile(rb"^[^\x80-\xff\n]{0,1000}[\x80-\xff][^\n]{0,2000}", re.MULTILINE)
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_C1 = re.compile(rb"[\x80-\x9f]")

_SMALL = "ßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿœšžąćęłńóśźżčďěňřťůőűăâîșțşţğıđþð"
_LARGE = "À-ÖØ-ÞŒŠŽĄĆĘŁŃÓŚŹŻČĎĚŇŘŤŮŐŰĂÂÎȘȚŞŢĞİĐ"
# Letters within words of Latin letters in the case of their neighbours, signs at the borders of words.
_WESTERN = re.compile(
    rf"(?<![^\W\da-zA-Z_][^\W\da-zA-Z_])(?:(?<=[A-Za-z{_SMALL}])[{_SMALL}]|(?<![A-Za-z])[{_SMALL}](?![A-Z])"
    rf"|(?<![a-z])[{_LARGE}])"
    r"|(?<![A-Za-z])[“”‘’„‚«»‹›–—…§©®°±µ·×÷€£¿¡²³¹ªº¶†‡•\xa0]|(?<=[A-Za-z])[”’»–—…°\xa0]"
    r"|(?<=[A-Za-z])[“„«](?![A-Za-z])"
)
# Letters of other alphabets: small ones, capitals where a word begins, none beside a Latin letter.
_CYRILLIC = re.compile(
    r"(?<![A-Za-z])(?:[оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёіїєґўџљњћђј]|(?<![а-яёіїєґўџљњћђј])[А-ЯЁІЇЄҐЎЏЉЊЋЂЈ])(?![A-Za-z])|[№«»–—]"
)
_FREQUENT_CYRILLIC = re.compile(r"[оеаинтсрвлк]")
_GREEK = re.compile(r"(?<![A-Za-z])(?:[α-ωάέήίόύώϊϋΐΰ]|(?<![α-ωάέήίόύώ])[Α-ΩΆΈΉΊΌΎΏ])(?![A-Za-z])")
_WIDE = "\u3000-\u303f\uff01-\uff60"
_JAPANESE = re.compile(rf"[\u3041-\u30ff\u4e00-\u9fff{_WIDE}]")
_KANA = re.compile(r"[\u3041-\u30fe]")
# A syllable alone among Latin letters is a letter of theirs read wrong.
_KOREAN = re.compile(rf"[\uac00-\ud7a3{_WIDE}](?![A-Za-z])|(?<![A-Za-z])[\uac00-\ud7a3{_WIDE}](?=[A-Za-z])")
_CHINESE_PUNCTUATION = re.compile(f"[{_WIDE}“”‘’—…·×]")


def decode(raw: bytes, declared_elsewhere: str | None = None) -> str:
    """Return a file's text with LF ends; `declared_elsewhere` is the codec that the project's other files declare."""
    if marked := unicode_bytes.by_mark(raw):
        return normalize(raw[marked[1] :].decode(marked[0], "replace"))
    if wide := unicode_bytes.utf_16_by_nuls(raw[:JUDGED]):
        return normalize(raw.decode(wide, "replace"))
    for escape, name in _ESCAPED:
        if escape.search(raw[:DECLARED_WITHIN]):
            return normalize(raw.decode(name, "replace"))
    try:
        return normalize(raw.decode("utf-8"))
    except UnicodeDecodeError:
        codec = declared(raw) or declared_elsewhere
        text = _pasted(raw) if codec in {None, "utf-8"} else None
        return normalize(text if text is not None else _decoded(raw, codec))


def declared(raw: bytes) -> str | None:
    """Return the codec that a file declares for itself and what it reads, or None; the last declaration holds."""
    found = None
    for match in _DECLARED.finditer(raw[:DECLARED_WITHIN]):
        options = next(filter(None, match.groups()), b"").decode("ascii", "replace")
        found = next(filter(None, map(_codec, reversed(re.split(r"[,\s]+", options)))), found)
    return found


def is_utf_8(raw: bytes) -> bool:
    """Tell whether the bytes are UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def is_text(raw: bytes) -> bool:
    """Tell whether the bytes can be text: no zeros among them, or those of UTF-16 and UTF-32."""
    told = unicode_bytes.by_mark(raw) or unicode_bytes.utf_16_by_nuls(raw[:JUDGED])
    return b"\x00" not in raw[:DECLARED_WITHIN] or told is not None


def _codec(option: str) -> str | None:
    label = option.strip().lower()
    if label.startswith("utf") and label not in {"utf16", "utf-16"}:
        return "utf-8"
    name = _CODECS.get(re.sub(r"[^a-z0-9]", "", label), label)
    if not re.search(r"\d", name):
        return name if name in set(_CODECS.values()) | {"koi8-r", "koi8-u"} else None
    return name if unicode_bytes.codec(name) else None


def _pasted(raw: bytes) -> str | None:
    """Return the text of UTF-8 with a few bytes of Windows' code page in it, or None."""
    text = raw.decode("utf-8", "surrogateescape")
    stray = re.findall(r"[\udc80-\udcff]", text)
    if len(stray) * STRAY_SHARE > len(_BEYOND_ASCII.findall(text)) - len(stray):
        return None
    return re.sub(r"[\udc80-\udcff]", lambda match: bytes([ord(match[0]) - 0xDC00]).decode("cp1252", "replace"), text)


def _decoded(raw: bytes, codec: str | None) -> str:
    if codec == "latin-1" or codec == "iso8859-1":
        # 0x80 to 0x9F are control characters in Latin-1: a text that has them was written in Windows' superset of it.
        codec = "cp1252" if _C1.search(raw) else codec
    if codec is None or codec == "utf-8":
        codec = _likeliest(raw)
    return raw.decode(codec, "replace")


def _likeliest(raw: bytes) -> str:
    """Return the codec in which most of a sample's characters stand where such characters do."""
    sample = b"\n".join(_LINE_BEYOND_ASCII.findall(raw))[:JUDGED]
    best, most = "cp1252", LEAST_LIKELY
    for codec, likelihood in _LIKELY:
        text = sample.decode(codec, "replace")
        beyond = len(_BEYOND_ASCII.findall(text))
        share = likelihood(text, beyond) if beyond else 0.0
        if share > most:
            best, most = codec, share
    return "latin-1" if best == "cp1252" and not _C1.search(raw) else best


def _share(pattern: re.Pattern[str]) -> Callable[[str, int], float]:
    return lambda text, beyond: len(pattern.findall(text)) / beyond


def _cyrillic(text: str, beyond: int) -> float:
    """Return the share of Cyrillic in its usual case, less where the letters are not those that are frequent."""
    frequent = len(_FREQUENT_CYRILLIC.findall(text)) / beyond
    return len(_CYRILLIC.findall(text)) / beyond * min(1.0, 0.3 + 1.5 * frequent)


def _japanese(text: str, beyond: int) -> float:
    """Return the share of Japanese; without kana it is Chinese read wrong."""
    kana = len(_KANA.findall(text)) / beyond
    return len(_JAPANESE.findall(text)) / beyond if kana > 0.15 else 0.0


def _common(codec: str, first: int, last: int) -> Callable[[str, int], float]:
    """Return the share of the characters that a Chinese standard lists first, by the lead bytes of their codes."""

    def share(text: str, beyond: int) -> float:
        common = len(_CHINESE_PUNCTUATION.findall(text))
        for character in _BEYOND_ASCII.findall(text):
            code = character.encode(codec, "ignore")
            common += len(code) == 2 and first <= code[0] <= last
        return common / beyond

    return share


# The first of the likeliest is taken. Each reads the bytes in its own way and says how well that looks.
_LIKELY: tuple[tuple[str, Callable[[str, int], float]], ...] = (
    ("cp1252", _share(_WESTERN)),
    ("cp1250", _share(_WESTERN)),
    ("iso8859-2", _share(_WESTERN)),
    ("mac-roman", _share(_WESTERN)),
    ("cp850", _share(_WESTERN)),
    ("cp1251", _cyrillic),
    ("koi8-r", _cyrillic),
    ("cp866", _cyrillic),
    ("iso8859-5", _cyrillic),
    ("mac-cyrillic", _cyrillic),
    ("iso8859-7", _share(_GREEK)),
    ("cp949", _share(_KOREAN)),
    ("euc_jp", _japanese),
    ("cp932", _japanese),
    ("big5hkscs", _common("big5", 0xA4, 0xC6)),
    ("gb18030", _common("gb2312", 0xB0, 0xD7)),
)
