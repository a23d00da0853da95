"""In which characters an HTML body is written, as the HTML and Encoding standards and browsers have it.

    body, Content-Type ─> byte order mark, else UTF-16 by its NULs, else the first that fits of valid UTF-8, the header,
    <meta> or the XML declaration, what is detected, what pages in this language are mostly in, windows-1252

Valid UTF-8 goes before what is declared: pages that declare something else are common, other encodings that look like
it are not. Labels mean what the Encoding standard says (`latin1` is windows-1252, `gb2312` is GBK ...).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Final

from filters import packages, unicode_bytes

LOOKED_AT: Final = 1024  # bytes; HTML standard, "prescan a byte stream to determine its encoding"
# A declaration further on makes a browser begin again; no page has its head behind this.
META_BYTES: Final = 1 << 18
WESTERN: Final = "cp1252"  # HTML standard, "determining the character encoding": the default of Western locales

# The supersets that the Encoding standard means by these names; Python's own codecs of these names are narrower. The
# later ones are tried where an earlier one does not know a character.
_WIDER: Final = {
    "shift_jis": ("cp932", "shift_jis_2004"),
    "euc_kr": ("cp949",),
    "gbk": ("gb18030",),
    "big5": ("big5hkscs", "cp950"),
    "euc_jp": ("euc_jp", "euc_jis_2004"),
    "iso2022_jp": ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2004"),
    "iso8859-11": ("cp874",),
    "iso8859-13": ("cp1257", "iso8859-13"),
}
# Labels that the standard lacks, or `resiliparse` does; a page that has one means it.
_MORE_LABELS: Final = {
    "cp949": "euc_kr", "ms949": "euc_kr", "uhc": "euc_kr", "cp932": "shift_jis", "cp936": "gbk", "ms936": "gbk",
    "cp950": "big5", "x-mac-cyrillic": "mac-cyrillic", "x-mac-ukrainian": "mac-cyrillic", "x-user-defined": "cp1252",
}  # fmt: skip
# The same section's table of defaults by language, where they are another than Western ones.
_OF_LANGUAGES: Final = {
    "cp1251": "be bg kk ky mk ru sah sr tg tt uk", "cp1250": "cs hr sk", "iso8859-2": "hu pl sl", "cp1257": "et lt lv",
    "cp1254": "az ku tr", "iso8859-7": "el", "cp1256": "ar fa", "cp1255": "he", "shift_jis": "ja", "euc_kr": "ko",
    "cp874": "th", "cp1258": "vi", "gbk": "zh",
}  # fmt: skip
_BY_LANGUAGE: Final = {name: codec for codec, names in _OF_LANGUAGES.items() for name in names.split(" ")}

_CHARSET: Final = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE | re.ASCII)
_XML: Final = re.compile(rb"""\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']\s*([\w.:-]{1,40})""", re.IGNORECASE)
_LANGUAGE: Final = re.compile(rb"""<html\b[^>]{0,400}?\slang\s*=\s*["']?([a-z]{2,3})\b""", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(
    rb"""([^\s"'>/=]{1,100})\s{0,10}=\s{0,10}(?:"([^"]{0,400})"|'([^']{0,400})'|([^\s"'>]{1,400}))"""
)
# What comes before a declaration without being one: comments, and what is no markup.
_META: Final = re.compile(
    rb"<!--[\s\S]*?(?:-->|\Z)|<(script|style|title|textarea|noscript)\b[\s\S]*?(?:</\1|\Z)|<meta[\s/]([^>]{0,2000})",
    re.IGNORECASE,
)
_JAPANESE: Final = re.compile(rb"\x1b(?:\$[@B]|\([IJ])")
_HANGUL: Final = re.compile(r"[가-힣]")
_CYRILLIC: Final = re.compile(rb"[\xc0-\xff]{3,}")
_CONTROLS: Final = re.compile(rb"[\x80-\x9f]")  # in the encodings of ISO, letters in those of Windows
_BEYOND_ASCII: Final = bytes(range(128, 256))


def decode(body: bytes, content_type: str = "") -> str:
    """Return an HTML body's characters; `content_type` is the HTTP header.

    An encoding in which more than one in 8 of the characters beyond ASCII is wrong is not the page's; in what is taken
    U+FFFD stands for what is wrong (a body cut inside a character, say).
    """
    if marked := unicode_bytes.by_mark(body):
        return body[marked[1] :].decode(marked[0], "replace")
    if wide := unicode_bytes.utf_16_by_nuls(body[:LOOKED_AT]):
        return body.decode(wide, "replace")
    if body.isascii() and b"\x1b" not in body:
        return body.decode("ascii")
    found = (text for codec in _candidates(body, content_type) if (text := _plausible(body, codec)) is not None)
    return next(found, None) or _decoded(body, WESTERN)


def _candidates(body: bytes, content_type: str) -> Iterator[str]:
    if not body.isascii():
        yield "utf-8"
    yield from _declared(body, content_type)
    if _JAPANESE.search(body):
        yield "iso2022_jp"
    detected = _codec(_resiliparse().detect_encoding(body) or "") or WESTERN
    if detected in ("utf-8", WESTERN):  # it is not the one, and the other is what the detector says of little text
        language = _LANGUAGE.search(body, 0, META_BYTES)
        if language and (default := _BY_LANGUAGE.get(language[1].decode().lower())):
            yield default
        yield from _guessed(body)
    yield "cp1250" if detected == "iso8859-2" and _CONTROLS.search(body) else detected


def _declared(body: bytes, content_type: str) -> Iterator[str]:
    """Yield the codecs that the header and the page name; UTF-16 would have been seen by its NULs."""
    header, xml = _CHARSET.search(content_type), _XML.match(body, 0, LOOKED_AT)
    in_xml = xml[1].decode("ascii", "replace") if xml else ""
    labels = [header[1] if header else "", in_xml if "xml" in content_type.lower() else "", _meta(body), in_xml]
    for label in labels:
        if (codec := _codec(label)) and not codec.startswith("utf-16"):
            yield codec


def _meta(body: bytes) -> str:
    """Return the label of the first <meta> that has one."""
    for found in _META.finditer(body, 0, META_BYTES):
        if found[2] is None:
            continue
        pairs = _ATTRIBUTE.findall(found[2])
        fields: dict[bytes, str] = {
            name.lower(): (double or single or bare).decode("latin-1") for name, double, single, bare in pairs
        }
        if b"charset" in fields:
            return fields[b"charset"].strip()
        if fields.get(b"http-equiv", "").strip().lower() == "content-type":
            named = _CHARSET.search(fields.get(b"content", ""))
            if named:
                return named[1]
    return ""


def _guessed(body: bytes) -> Iterator[str]:
    """Yield what looks like EUC-KR (most of it Hangul) or windows-1251 (whole words of its letters)."""
    text = body.decode("euc_kr", "replace")
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    if len(_HANGUL.findall(text)) * 4 > beyond * 3 and text.count("\ufffd") * 8 <= beyond:
        yield "euc_kr"
    elif sum(map(len, _CYRILLIC.findall(body))) * 2 > len(body) - len(body.translate(None, _BEYOND_ASCII)):
        yield "cp1251"


def _plausible(body: bytes, codec: str) -> str | None:
    text = _decoded(body, codec)
    wrong = text.count("\ufffd")
    if wrong and wrong * 8 > len(text) - len(text.encode("ascii", "ignore")):
        return None
    return text


def _decoded(body: bytes, codec: str) -> str:
    if codec.startswith("cp125"):
        text: str = codecs.charmap_decode(body, "replace", _table(codec))[0]
        return text
    texts = (body.decode(name, "replace") for name in _WIDER.get(codec, (codec,)))
    return min(texts, key=lambda text: text.count("\ufffd"))


@cache
def _table(codec: str) -> str:
    """Return the characters of a Windows code page; for bytes that have none the standard gives C1 controls."""
    found = (bytes([byte]).decode(codec, "replace") for byte in range(256))
    return "".join(chr(byte) if one == "\ufffd" and byte < 0xA0 else one for byte, one in enumerate(found))


def _codec(label: str) -> str | None:
    label = label.strip().lower()
    if label in _MORE_LABELS or not label:
        return _MORE_LABELS.get(label)
    known: str | None = _resiliparse().map_encoding_to_html5(label, fallback_utf8=False)
    return known


def _resiliparse() -> ModuleType:
    return packages.RESILIPARSE.load("resiliparse.parse.encoding")
