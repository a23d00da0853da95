"""Addresses on the web and on stores: what of one may be shown and kept, and which hosts a listing may send us to.

https://user:password@host/f.gz?X-Amz-Signature=abc&part=3
    shown     https://host/f.gz?X-Amz-Signature=...&part=...     printed, logged, kept beside the file
    lasting   https://host/f.gz?part=3                           what tells one file from another: hashed, never kept
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

HIDDEN: Final = "..."
# Parameters with which stores sign an address for a while: the same file has others tomorrow. S3, Google Cloud Storage,
# CloudFront, Azure's shared access signatures, and what servers commonly name a token or an end.
_SIGNED = re.compile(
    r"x-(?:amz|goog|oss|cos|obs)-.*|awsaccesskeyid|googleaccessid|signature|expires|policy|key-pair-id"
    r"|s[vertpik]|se|sig|spr|skoid|sktid|skt|ske|sks|skv|(?:access_?)?token|auth(?:orization)?|api_?key|key|password|secret",
    re.IGNORECASE,
)
_PORTS: Final = {"http": 80, "https": 443}
# An address in a text ends where a quotation does; a password in it may hold a quotation mark, up to its last @.
_ADDRESS = r"(?P<address>\b[A-Za-z][A-Za-z0-9+.-]{0,30}://(?:[^\s@]*@)*[^\s'\"<>|]*[^\s'\"<>|:;,.)])"
# What is typed as an address and is none: `user:password@host`, `https:/user:password@host`.
_USER = r"(?P<user>(?<![^\s=,'\"(\[{])[^\s=,'\"(\[{:@]{1,200}:[^\s@]+@)(?=\S)"
_SECRET = re.compile(f"{_ADDRESS}|{_USER}")
_OPTION = re.compile(
    r"(?<!\S)(--?[\w-]*(?:secret|password|passwd|token(?!s|iz)|access_key|credential|api_key)[\w-]*)(=|\s+)(\S+)",
    re.IGNORECASE,
)


def shown(address: str) -> str:
    """Return an address without a user's name and password and without the values of its query."""
    scheme, rest, fragment = _split(address)
    place, question, query = rest.partition("?")
    names = (part.partition("=") for part in query.split("&"))
    hidden = "&".join(f"{name}={HIDDEN}" if equals else HIDDEN for name, equals, _ in names)
    return f"{scheme}{_without_user(place)}{question}{hidden if question else ''}{'#' + HIDDEN if fragment else ''}"


def hide(text: str) -> str:
    """Return a text with the addresses in it as `shown`, and without the values of options that are named secrets."""
    return _OPTION.sub(rf"\1\2{HIDDEN}", _SECRET.sub(_hidden, text))


def _hidden(match: re.Match[str]) -> str:
    return shown(match["address"]) if match["address"] else f"{HIDDEN}@"


def lasting(address: str) -> str:
    """Return what of an address tells its file from others: without user, password, and what signs it for a while."""
    parts = urlsplit(address)
    kept = [(name, value) for name, value in parse_qsl(parts.query, True) if not _SIGNED.fullmatch(name)]
    query = parts.query if len(kept) == len(parse_qsl(parts.query, True)) else urlencode(kept, quote_via=quote)
    return urlunsplit((parts.scheme, _without_user(parts.netloc), parts.path, query, ""))


def host_of(address: str) -> str:
    """Return where an address leads: a server's host, with a port that is not the scheme's own, or s3://BUCKET."""
    parts = urlsplit(address)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        return f"{scheme}://{parts.netloc}"
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{shown(address)}: this is not a server address") from None
    host = (parts.hostname or "").rstrip(".")
    return host if port in (None, _PORTS[scheme]) else f"{host}:{port}"


def is_allowed(address: str, hosts: Iterable[str]) -> bool:
    """Tell whether an address is on one of these hosts, or on a host below one of them (`cdn.host` of `host`)."""
    wanted = host_of(address)
    return any(wanted == host or ("://" not in host and wanted.endswith(f".{host}")) for host in hosts)


def _split(address: str) -> tuple[str, str, str]:
    scheme, separator, rest = address.partition("://")
    rest, _, fragment = rest.partition("#")
    return scheme + separator, rest, fragment


def _without_user(place: str) -> str:
    """Return host and path of an address; a user's name and password end at the last @ before the path.

    A password with a slash in it, which should not be there, would look like a path behind a port that is no number.
    """
    host, slash, path = place.partition("/")
    if "@" in path and not re.fullmatch(r"[^:]*(?::\d*)?|\[.*\](?::\d*)?", host):
        return place.rpartition("@")[2]
    return f"{host.rpartition('@')[2]}{slash}{path}"
