"""C4's rules, the slow obvious way: every rule on every line, in the published order, nothing skipped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

END_MARKS = '.?!"'
POLICY = ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"]


def without_citations(line: str) -> str:
    out, at = "", 0
    while at < len(line):
        cited = _citation_at(line, at)
        if cited:
            at += cited
        else:
            out += line[at]
            at += 1
    return out


def _citation_at(line: str, at: int) -> int:
    """Return the length of the citation that starts here, 0 if there is none."""
    for fixed in ("[edit]", "[citation needed]"):
        if line[at : at + len(fixed)] == fixed:
            return len(fixed)
    if line[at] != "[":
        return 0
    end = at + 1
    while end < len(line) and line[end].isdecimal():
        end += 1
    return end + 1 - at if end < len(line) and line[end] == "]" else 0


def clean(text: str, count_sentences: Callable[[str], int]) -> tuple[str | None, str | None]:
    """Return (text, None) or (None, reason)."""
    kept = []
    sentences = 0
    for line in text.splitlines():
        line = line.strip()
        if [word for word in line.split() if len(word) > 1000]:
            continue
        line = without_citations(line)
        if not line or line[-1] not in END_MARKS or line[-3:] == "...":
            continue
        if len(line.split()) < 5:
            continue
        if "lorem ipsum" in line.lower():
            return None, "lorem_ipsum"
        if "javascript" in line.lower():
            continue
        if "{" in line:
            return None, "brace"
        if [phrase for phrase in POLICY if phrase in line.lower()]:
            continue
        sentences += count_sentences(line)
        kept.append(line)
    if sentences < 3:
        return None, "too_few_sentences"
    return "\n".join(kept).strip(), None


def has_bad_word(text: str, words: Sequence[str]) -> bool:
    lowered = text.lower()
    return any(_stands_alone(lowered, word) for word in words)


def _stands_alone(text: str, word: str) -> bool:
    """Return whether `word` is somewhere in `text` with no letter, digit or underscore on either side."""
    at = text.find(word)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(word) : at + len(word) + 1]
        if not (before.isalnum() or before == "_" or after.isalnum() or after == "_"):
            return True
        at = text.find(word, at + 1)
    return False


def line_key(line: str) -> int:
    return int(hashlib.md5(line.strip().lower().encode("utf-8", "replace")).hexdigest()[:16], 16)


def is_validation(url: str) -> bool:
    return int(hashlib.md5(url.encode("utf-8", "replace")).hexdigest(), 16) % 1000 == 0


def deduplicate(pages: dict[str, str]) -> dict[str, str]:
    """Return what is left of each page (by URL): a line stays in the page whose URL has the smallest MD5, once."""
    owner: dict[int, str] = {}
    for url in sorted(pages, key=lambda url: hashlib.md5(url.encode()).hexdigest()):
        for line in pages[url].split("\n"):
            owner.setdefault(line_key(line), url)
    left = {}
    for url, text in pages.items():
        seen: set[int] = set()
        kept = []
        for line in text.split("\n"):
            if owner[line_key(line)] == url and line_key(line) not in seen:
                kept.append(line)
            seen.add(line_key(line))
        left[url] = "\n".join(kept)
    return left
