"""Personal information: sites known to hold much of it, and a cleaner that masks addresses and telephone numbers.

    URL  -> host -> it, or a domain it belongs to, on the list? -> drop            (`Sites`; Llama 2, section 2.1)
    text -> e-mail addresses -> IP addresses -> telephone numbers -> masked text   (`mask`; our own, off by default)

Llama 2 leaves out "data from certain sites known to contain a high volume of personal information about private
individuals", masks nothing, and publishes no list. A list here is a text file: a host or domain a line, comments after
"#"; a domain stands for all its hosts.

Masking errs on the side of keeping numbers: what may as well be a version, a date, an ISBN, a price, a formula or a
part of code stays. Each kind's rule is at its pattern. The masks hold neither digits nor "@", so masking twice changes
nothing, and time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from urllib.parse import urlsplit

EMAIL_MASK = "[E-MAIL ADDRESS]"
IP_MASK = "[IP ADDRESS]"
TELEPHONE_MASK = "[TELEPHONE NUMBER]"
_MASKS = (EMAIL_MASK, IP_MASK, TELEPHONE_MASK)


class Reason(StrEnum):
    """Why a page is dropped."""

    PERSONAL_INFORMATION_SITE = "personal_information_site"


class Sites:
    """A list of hosts and domains."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    @classmethod
    def load(cls, path: Path) -> Sites:
        """Read a list from a file; raise ValueError naming the file and the line that is no host."""
        names = []
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not a list of sites: {error}") from None
        for number, line in enumerate(lines, start=1):
            name = line.partition("#")[0].strip().rstrip(".").lower()
            if name and not _HOST.fullmatch(name):
                raise ValueError(f"{path}, line {number}: {name[:100]!r} is not a host or domain, such as example.com")
            names += [_ascii(name)] if name else []
        return cls(names)

    def reason(self, url: str | None) -> Reason | None:
        """Return the reason to drop a page with this URL: its host, or a domain it belongs to, is on the list."""
        host = host_of(url or "")
        while host:
            if host in self._names:
                return Reason.PERSONAL_INFORMATION_SITE
            host = host.partition(".")[2]
        return None


_HOST = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,20}")
_LONGEST_HOST = 253  # RFC 1035


def host_of(url: str) -> str:
    """Return a URL's host in lower case and ASCII, or the empty string if it has none."""
    try:
        host = urlsplit(url.strip()).hostname or ""
    except ValueError:
        return ""
    return _ascii(host.rstrip("."))[:_LONGEST_HOST]


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


_Check = Callable[[re.Match[str]], bool]


# --- masking ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Masked:
    """A text without personal information, and how much of each kind was in it."""

    text: str
    emails: int = 0
    ip_addresses: int = 0
    telephones: int = 0


def mask(text: str) -> str:
    """Return a text with e-mail addresses, IP addresses and telephone numbers replaced by masks."""
    return masked(text).text


def masked(text: str) -> Masked:
    """Return a text with e-mail addresses, IP addresses and telephone numbers replaced by masks, and their numbers."""
    text, emails = _mask_emails(text) if "@" in text else (text, 0)
    text, addresses = _replace(_IP, text, _is_address, IP_MASK)
    text, telephones = _replace(_TELEPHONE, text, _is_telephone, TELEPHONE_MASK)
    text, labelled = _replace(_NUMBER, text, _is_labelled, TELEPHONE_MASK)
    return Masked(text, emails, addresses, telephones + labelled)


def _replace(
    pattern: re.Pattern[str], text: str, is_one: Callable[[re.Match[str]], bool], mask: str
) -> tuple[str, int]:
    parts: list[str] = []
    kept = count = 0
    for match in pattern.finditer(text):
        start, end = match.span("number")
        # What touches a mask stays, as it did while a number stood there: else masking twice would mask more.
        if is_one(match) and not text.endswith(_MASKS, 0, start) and not text.startswith(_MASKS, end):
            parts += [text[kept:start], mask]
            kept, count = end, count + 1
    return ("".join([*parts, text[kept:]]), count) if count else (text, 0)


# --- e-mail addresses: RFC 5321's shape, with letters of Latin scripts; found by the "@", then looked at to the left --

_LETTER = "A-Za-z0-9À-ÖØ-öø-ɏ"
_LABEL = f"[{_LETTER}](?:[{_LETTER}-]{{0,61}}[{_LETTER}])?"
# What follows may not be a path (`git@host:folder/file`) or a call (`a @ b.mean()` without spaces).
_DOMAIN = re.compile(
    rf"@(?P<labels>(?:{_LABEL}\.){{1,8}})(?P<last>xn--[A-Za-z0-9-]{{2,59}}|[A-Za-z]{{2,24}})"
    r"(?![A-Za-z0-9_(\[-]|\.[A-Za-z]|:[~/]|:[\w.-]{1,64}/)"
)
_LOCAL_BACKWARDS = re.compile(rf"[{_LETTER}._%+'-]{{1,64}}")
_GROUP_BACKWARDS = re.compile(r"\}[^{}@\n]{1,200}\{")  # {ann,bob}@example.org
_URL_BEFORE = re.compile(r"(?://[^\s/@]{0,64}:|[/\\])\Z")  # https://user:password@host, \macro@name
_LOOK_BACK = 256
_FILE_ENDINGS = frozenset(
    {"png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "css", "html", "php", "json", "xml", "txt"}
)


def _mask_emails(text: str) -> tuple[str, int]:
    parts: list[str] = []
    kept = count = 0
    for match in _DOMAIN.finditer(text):
        start = _email_start(text, kept, match)
        if start is not None:
            parts += [text[kept:start], EMAIL_MASK]
            kept, count = match.end(), count + 1
    return ("".join([*parts, text[kept:]]), count) if count else (text, 0)


def _email_start(text: str, kept: int, match: re.Match[str]) -> int | None:
    labels = match["labels"].split(".")
    # icon@2x.png and package@1.2.3-beta.tgz are no addresses; 163.com is a domain of many.
    if match["last"].lower() in _FILE_ENDINGS or (labels[0].isdigit() and labels[1].isdigit()):
        return None
    before = text[max(kept, match.start() - _LOOK_BACK) : match.start()]
    backwards = before[::-1]
    local = _LOCAL_BACKWARDS.match(backwards) or _GROUP_BACKWARDS.match(backwards)
    if local is None:
        return None
    length = local.end() if before.endswith("}") else len(local[0][::-1].lstrip(".%+'-"))
    # a@b.shape is a product of matrices rather than somebody's address.
    if not length or (length == 1 and len(labels[0]) == 1):
        return None
    return None if _URL_BEFORE.search(before[-length - 66 : -length]) else match.start() - length


# --- IP addresses: public ones, for the others name no one's connection -----------------------------------------------

# IPv6: today's public addresses are all in 2000::/3, and times, hardware addresses and C++ names are not.
_IP = re.compile(
    r"(?P<number>"
    r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|\.\w|-[A-Za-z])"
    r"|(?<![\w:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])"
    r")"
)
# RFC 6890 and its successors: private, local, for documentation, multicast, reserved.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_NOT_PUBLIC_6 = (IPv6Network("2001:db8::/32"), IPv6Network("3fff::/20"))
_IP_GROUPS = 3  # of an IPv6 address at least: 2019::5 is too little to tell

# Four numbers with dots are as often a version or a section. Of random addresses 99.3 % have two numbers of 32 or more,
# versions hardly ever; a word before it decides otherwise.
_LARGE_OCTET, _LARGE_OCTETS = 32, 2
_BEFORE_IP = 40
_VERSION_BEFORE = re.compile(
    r"(?:\b(?:v|vers?|versions?|releases?|build|firmware|driver|rev|revision|section|sec|chapter|clause|article|figure|"
    r"fig|table|theorem|lemma|no|nr)\.?[\s:=]{0,3}|§\s?|[A-Za-z_]-|[A-Za-z][\w.+-]{0,30}/)\Z",
    re.IGNORECASE,
)
_ADDRESS_BEFORE = re.compile(
    r"""(?:\bips?(?:v4)?(?:[ -]?addr(?:ess(?:es)?)?)?|\b(?:host|server|address)|://|@)(?:\sis)?[\s:=(\["']{0,3}\Z""",
    re.IGNORECASE,
)


def _is_address(match: re.Match[str]) -> bool:
    number = match["number"]
    if ":" in number:
        return _is_address_6(number)
    octets = number.split(".")
    if any(int(octet) > 255 or (octet[0] == "0" and octet != "0") for octet in octets):
        return False
    before = match.string[max(0, match.start() - _BEFORE_IP) : match.start()]
    if _VERSION_BEFORE.search(before) or any(IPv4Address(number) in network for network in _NOT_PUBLIC_4):
        return False
    large = sum(int(octet) >= _LARGE_OCTET for octet in octets)
    return large >= _LARGE_OCTETS or _ADDRESS_BEFORE.search(before) is not None


def _is_address_6(number: str) -> bool:
    try:
        address = IPv6Address(number)
    except ValueError:
        return False
    groups = sum(bool(group) for group in number.split(":"))
    return groups >= _IP_GROUPS and not any(address in network for network in _NOT_PUBLIC_6)


# --- telephone numbers: written as such, or after a word that says so -------------------------------------------------

_ALONE = r"(?<![\w+$€£.,/=\\-])(?<![$€£] )(?<![\^_]\{)"
_END = r"(?!\w|[-.,/][0-9])"
_SPACE = r"[ \u00a0\u2009\u202f]"
_TELEPHONE = re.compile(
    r"(?P<number>"
    # ITU-T E.164: +49 30 1234567, +1 (555) 234-5678
    rf"{_ALONE}\+[1-9][0-9]{{0,2}}(?:[ .-]?\([0-9]{{1,5}}\))?(?:(?:{_SPACE}|[./-])?[0-9]){{4,14}}{_END}"
    # North America's plan: area code and exchange begin with 2 to 9.
    rf"|{_ALONE}(?:1[ .-])?(?:\([2-9][0-9]{{2}}\)[ .-]?[2-9][0-9]{{2}}[ .-]|[2-9][0-9]{{2}}[ .-][2-9][0-9]{{2}}[.-])"
    rf"[0-9]{{4}}{_END}"
    # With the trunk prefix 0: (030) 123 4567, and the United Kingdom's groups.
    rf"|{_ALONE}(?<![0-9] )(?:\(0[0-9]{{1,4}}\)[ /-]?[0-9](?:[ -]?[0-9]){{4,8}}"
    rf"|0[1-9][0-9] [0-9]{{4}} [0-9]{{4}}|0[1-9][0-9]{{2}} [0-9]{{3}} [0-9]{{4}}|0[1-9][0-9]{{3}} [0-9]{{6}})"
    rf"{_END}(?! [0-9])"
    r")"
)
_NUMBER = re.compile(rf"(?<![\w.,$€£])(?P<number>[(+]{{0,2}}[0-9](?:{_SPACE}|[0-9()./-]){{5,20}}[0-9])(?!\w)")
_FEWEST_DIGITS, _MOST_DIGITS, _FEWEST_TOGETHER = 8, 15, 10  # E.164 allows 15 digits; local numbers have 7 and more
_FEWEST_LABELLED = 7
_BEFORE_NUMBER = 40
_OTHER_BEFORE = re.compile(
    r"\b(?:isbn(?:-1[03])?|issn|ean|upc|sku|doi|pmid|arxiv|serial|model|part|order|invoice|ticket|item|case|patent|"
    r"version|id)\b[\s:#.=]{0,3}(?:(?:no|number|nr)\b[\s:.]{0,2})?\Z",
    re.IGNORECASE,
)
_LABEL_BEFORE = re.compile(
    r"(?:\b(?:tele?|telephone|phone|ph|mobile|mob|cell|fax|telefax|telefone?|tel[eé]fono|tfno|tlf|t[eé]l(?:[eé]phone)?|"
    r"portable|handy|mobil|whatsapp|hotline|тел|телефон|факс)\b|[☎☏📞]|电话|電話)"
    r"(?P<after>[.\s]{0,2}(?:(?:number|no|nr|nummer)\b\.?)?\s?[:：]?)\s{0,3}\Z",
    re.IGNORECASE,
)
_DATE = re.compile(r"(?:1[89]|20)[0-9]{2}[ ./-].*|[0-9]{1,2}[./-][0-9]{1,2}[./-](?:1[89]|20)?[0-9]{2}(?![0-9]).*")


def _is_telephone(match: re.Match[str]) -> bool:
    number = match["number"]
    digits = sum(map(str.isdigit, number))
    if number.startswith("+"):
        fewest = _FEWEST_TOGETHER if number[1:].isdigit() else _FEWEST_DIGITS
        # +1.2345678 is a decimal number.
        decimal = number.count(".") == 1 and number.replace(".", "")[1:].isdigit()
        if decimal or not fewest <= digits <= _MOST_DIGITS:
            return False
    return _OTHER_BEFORE.search(_before(match)) is None


def _is_labelled(match: re.Match[str]) -> bool:
    number = match["number"]
    label = _LABEL_BEFORE.search(_before(match))
    if label is None or _DATE.fullmatch(number):
        return False
    # "Mobile 12345678" may count something; with a colon, a leading zero or several groups it is a telephone number.
    told = label["after"].endswith((":", "：", ".")) or not number.isdigit() or number.startswith("0")
    return told and _FEWEST_LABELLED <= sum(map(str.isdigit, number)) <= _MOST_DIGITS


def _before(match: re.Match[str]) -> str:
    return match.string[max(0, match.start() - _BEFORE_NUMBER) : match.start()]
