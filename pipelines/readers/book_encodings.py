"""In what encoding a book is written: stated by the user, told by its bytes, declared in it, or detected.

    bytes ─ byte order mark, NUL bytes, valid as UTF-8 ─ declared by Gutenberg's header or by HTML ─ chardet ─> encoding

A declared ASCII or Latin-1 is Windows-1252, unless the bytes are plainly another script's. What is detected must decode
the whole file but for a few bytes; else the encoding is unknown, and nothing is guessed.
"""

from __future__ import annotations

import io
import re

from filters import packages, unicode_bytes

HEADER_BYTES = 20_000
# What chardet is given: the lines with a byte that is not ASCII. More tells it nothing new, and costs as much again.
DETECTED_BYTES = 1 << 16
# The share of characters that may not decode in a file whose encoding was declared or detected.
MAX_UNDECODED = 0.001
# In other scripts than the Latin more than this share of the bytes are not ASCII; in Vietnamese and Czech fewer are.
FOREIGN = 0.3
WESTERN = "cp1252"
# A UTF-8 file with some bytes wrong has so many characters beyond ASCII for each of them.
LEAST_UTF8 = 20
_BEYOND_ASCII = bytes(range(128, 256))

_DECLARED = re.compile(
    rb"^Character set encoding:[ \t]*([^\r\n]{1,60})"
    rb"|<meta\b[^<>]{0,200}?\bcharset\s*=\s*[\"']?\s*([\w:.-]{1,40})"
    rb"|<\?xml\b[^<>]{0,200}?\bencoding\s*=\s*[\"']([\w:.-]{1,40})",
    re.IGNORECASE | re.MULTILINE,
)
# What is detected by some of the bytes may be a part of the set that all of them are of; Latin-1 is Windows-1252.
_LARGER = {
    "iso8859-1": (WESTERN, "latin-1"),
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "euc_kr": ("cp949",),
    "shift_jis": ("cp932", "shift_jis"),
    "big5": ("big5", "cp950", "big5hkscs"),
    "iso8859-7": ("iso8859-7", "cp1253"),
    "iso8859-8": ("iso8859-8", "cp1255"),
    "iso8859-9": ("iso8859-9", "cp1254"),
    "tis-620": ("tis-620", "cp874"),
    "": (),
    "ascii": (),
}
_LATIN = (
    *("cp1252", "iso8859-1", "iso8859-15", "mac-roman", "cp437", "cp850", "cp858", "cp865", "cp860", "cp861", "cp863"),
    *("cp1250", "iso8859-2", "cp852", "mac-latin2", "iso8859-16", "cp1254", "iso8859-9", "cp857", "iso8859-3"),
    *("cp1257", "iso8859-13", "iso8859-4", "cp775", "cp1258", "iso8859-10", "iso8859-14"),
)
# Greek to Thai: the scripts of character sets of one byte that are not Latin.
_OTHER_LETTER = re.compile("[\u0370-\u0e7f]")
_BESIDE_ASCII = re.compile(rb"(?<=[A-Za-z])[\x80-\xff](?![\x80-\xff])|(?<![\x80-\xff])[\x80-\xff](?=[A-Za-z])")
_BESIDE_OTHERS = re.compile(rb"[\x80-\xff](?=[\x80-\xff])")
_FOREIGN = re.compile(rb"[\x80-\xff]")
# Escapes of ISO 2022 and HZ: all bytes are ASCII, and none of the text is.
_SHIFTED = re.compile(rb"\x1b\$|~\{")
_SEVEN_BITS = frozenset({"iso2022_jp", "iso2022_jp_2", "iso2022_kr", "hz"})


def stated(name: str) -> str:
    """Return Python's name for the encoding that a user states; ValueError if there is none of that name."""
    if not (found := _codec(name)):
        raise ValueError(f"encoding={name}: no character set has this name; write it as Python does: cp1251, gb18030")
    return found


def encoding_of(data: bytes, given: str | None = None) -> tuple[str, int] | None:
    """Return the encoding and the length of the byte order mark; None where nobody can tell the encoding.

    `given` is what the user states, which only a byte order mark overrules. filters.packages.MissingError where it must
    be detected and chardet is not installed.
    """
    if marked := unicode_bytes.by_mark(data):
        return marked
    if given:
        return stated(given), 0
    head = data[:HEADER_BYTES]
    found = unicode_bytes.utf_16_by_nuls(head) or _told(data, head)
    return (found, 0) if found else None


def _told(data: bytes, head: bytes) -> str | None:
    if data.isascii():
        return _seven_bits(data) if _SHIFTED.search(data) else "utf-8"
    if _undecoded(data, "utf-8") == 0:
        return "utf-8"
    declared = _declared(head)
    # What is declared as UTF-8 and has some bytes wrong is still UTF-8.
    if declared == "utf-8":
        return declared
    if declared not in ("", "ascii", "iso8859-1", "cp1252"):
        if _undecoded(data, declared) <= MAX_UNDECODED:
            return declared
    elif declared and not _is_foreign(data):
        return _western(data)
    return _detected(data) or (_western(data) if declared else None)


def _western(data: bytes) -> str:
    return "latin-1" if _undecoded(data, WESTERN) else WESTERN


def _detected(data: bytes) -> str | None:
    if _is_mostly_utf8(data):
        return "utf-8"
    telling = _telling(data)
    detect = packages.CHARDET.load().detect
    name = _codec(detect(telling, compat_names=False)["encoding"] or "")
    if name and _OTHER_LETTER.search(telling.decode(name, "replace")) and _is_latin(telling):
        name = _codec(detect(telling, compat_names=False, include_encodings=_LATIN)["encoding"] or "")
    found = next((one for one in _LARGER.get(name, (name,)) if _undecoded(data, one) <= MAX_UNDECODED), None)
    # Of sets that read the same text from these bytes the most common one is named.
    same = found and data.decode(found, "replace") == data.decode(WESTERN, "replace")
    return WESTERN if same else found


def _is_latin(data: bytes) -> bool:
    """Return whether the bytes beyond ASCII stand in words of ASCII letters, as accented letters do."""
    return len(_BESIDE_ASCII.findall(data)) > len(_BESIDE_OTHERS.findall(data))


def _is_mostly_utf8(data: bytes) -> bool:
    """Return whether nearly all characters beyond ASCII are UTF-8's."""
    text = data.decode("utf-8", "replace")
    wrong, plain = text.count("\ufffd"), len(data.translate(None, _BEYOND_ASCII))
    return len(text) - plain - wrong > LEAST_UTF8 * wrong


def _seven_bits(data: bytes) -> str:
    name = _codec(packages.CHARDET.load().detect(data[:DETECTED_BYTES], compat_names=False)["encoding"] or "")
    return name if name in _SEVEN_BITS and _undecoded(data, name) == 0 else "utf-8"


def _telling(data: bytes) -> bytes:
    """Return lines with bytes that are not ASCII, so many bytes of them."""
    lines, size = [], 0
    for line in io.BytesIO(data):
        if (first := _FOREIGN.search(line)) and size < DETECTED_BYTES:
            lines.append(line[max(0, first.start() - DETECTED_BYTES // 8) :][: DETECTED_BYTES - size])
            size += len(lines[-1])
    return b"".join(lines)


def _is_foreign(data: bytes) -> bool:
    """Return whether so many bytes are not ASCII that the script is not the Latin one."""
    return len(data) - len(data.translate(None, _BEYOND_ASCII)) > FOREIGN * max(1, len(data))


def _declared(head: bytes) -> str:
    """Return Python's name for the encoding that a book declares, "" if there is none or it is unknown."""
    found = _DECLARED.search(head)
    return _codec(next(filter(None, found.groups())).decode("latin-1")) if found else ""


def _codec(name: str) -> str:
    """Return Python's name for a character set, "" if it knows none of that name."""
    name = name.strip().lower()
    for old, new in (("iso latin-", "latin-"), ("windows code page ", "cp"), ("windows-", "cp"), ("cp-", "cp")):
        name = name.replace(old, new)
    candidates = (name, *re.findall(r"[a-z0-9_-]+", name))
    return next(filter(None, map(unicode_bytes.codec, candidates)), "")


def _undecoded(data: bytes, encoding: str) -> float:
    """Return the share of characters that do not decode; 1 if the codec fails altogether."""
    try:
        data.decode(encoding)
        return 0
    except UnicodeError:
        pass
    try:
        text = data.decode(encoding, "replace")
    except (UnicodeError, LookupError):
        return 1
    return max(text.count("\ufffd"), 1) / max(1, len(text))
