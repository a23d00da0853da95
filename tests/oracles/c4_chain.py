"""C4's whole chain over pages in memory, the slow obvious way; what languages and sentences are comes from outside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from tests.oracles import c4

HEADERS = ("WARC", "CONTENT-", "Content-")


def url_of(url: str) -> str:
    """Return a URL as the pages of one address have it."""
    for part in ("https://www.", "https://", "http://www.", "http://"):
        url = url.replace(part, "")
    for mark in ("?utm_", "?ref", "?feed"):
        url = url.split(mark)[0]
    return url.rstrip("/")


def text_of(payload: str) -> str:
    lines = (line.strip() for line in payload.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith(HEADERS))


def mine(
    pages: Iterable[tuple[str, str]],
    count_sentences: Callable[[str], int],
    is_english: Callable[[str], bool],
    bad_words: Sequence[str],
) -> dict[str, str]:
    """Return what is left of (URL, payload), by normalised URL."""
    longest: dict[str, str] = {}
    for url, payload in pages:
        text = text_of(payload)
        if len(text) <= 190_000:
            held = longest.get(url_of(url))
            if held is None or _md5(text) > _md5(held):
                longest[url_of(url)] = text
    cleaned = {url: c4.clean(text, count_sentences)[0] for url, text in longest.items()}
    left = c4.deduplicate({url: text for url, text in cleaned.items() if text is not None})
    return {
        url: text
        for url, text in left.items()
        if text and count_sentences(text) >= 3 and is_english(text) and not c4.has_bad_word(text, bad_words)
    }


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "replace")).hexdigest()
