r"""RedPajama's rule for arXiv by scanning, without its expressions: slow, unbounded, for small sources only.

Written from the description of its steps in `filters.latex.published`, which uses expressions: two ways to one text.
"""

from __future__ import annotations

SECTIONS = ("chapter", "part", "section", "subsection", "subsubsection")
ALNUM = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
SPACE = " \t\n\r\f\v"


def clean(sources: list[str]) -> str | None:
    """Return what is left of a submission's files, or None where the rule fails."""
    macros: dict[str, str] = {}
    for source in sources:
        for found in (_newcommands(source), _defs(source)):
            macros.update(found)
    starts = [_first_heading(source) for source in sources]
    if any(start is not None for start in starts) and any(not _harmless(body) for body in macros.values()):
        return None
    return "\n".join(
        "" if start is None else _expanded(_before_the_end(_without_comments(source[start:])), macros)
        for source, start in zip(sources, starts, strict=True)
    )


def _harmless(body: str) -> bool:
    return all(" " <= character <= "~" or character in "\t\r" for character in body)


def _heading_end(text: str, start: int, name: str) -> int | None:
    """Return where a heading of this name ends that starts here, with its arguments."""
    if not text.startswith(f"\\{name}", start):
        return None
    place = start + 1 + len(name)
    if place < len(text) and (text[place].isalnum() or text[place] == "_"):
        return None
    for star in (1, 0) if text.startswith("*", place) else (0,):
        after = place + star
        if text.startswith("[", after):
            bracket = text.find("]{", after)
            closing = text.find("}", bracket + 2) if bracket >= 0 else -1
            if closing >= 0:
                return closing + 1
        if text.startswith("{", after):
            closing = text.find("}", after)
            if closing >= 0:
                return closing + 1
    return None


def _first_heading(text: str) -> int | None:
    for start in range(len(text)):
        if any(_heading_end(text, start, name) is not None for name in SECTIONS):
            return start
        if (end := _heading_end(text, start, "paragraph")) is not None:
            # Any closing brace may end the paragraph's title, if a subparagraph follows right there.
            while end > 0:
                if _heading_end(text, end, "subparagraph") is not None:
                    return start
                end = text.find("}", end) + 1
    return None


def _without_comments(text: str) -> str:
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    text = "".join(line for line in lines if not line.startswith("%"))
    out, place = [], 0
    while place < len(text):
        if place + 1 < len(text) and text[place + 1] == "%" and text[place] != "\\":
            end = text.find("\n", place + 2)
            end = len(text) if end < 0 else end
            if end > place + 2:
                place = end
                continue
        out.append(text[place])
        place += 1
    return "".join(out)


def _before_the_end(text: str) -> str:
    for start in range(len(text)):
        here = text[start:]
        marks = ("\\appendix", "\\begin{references}", "\\begin{REFERENCES}", "\\begin{thebibliography}")
        if here.startswith(marks) or (here.startswith("\\bibliography{") and "}" in here):
            return text[:start]
    return text


def _name(text: str, place: int) -> int | None:
    """Return where a command's name of letters and digits ends."""
    end = place + 1
    while end < len(text) and text[end] in ALNUM:
        end += 1
    return end if text.startswith("\\", place) and end > place + 1 else None


def _body(text: str, place: int) -> tuple[str, int] | None:
    """Return a body that ends with the first closing brace at a line's end, on the line of its opening."""
    end = text.find("\n", place)
    end = len(text) if end < 0 else end
    return (
        (text[place + 1 : end - 1], end)
        if text.startswith("{", place) and end > place + 1 and text[end - 1] == "}"
        else None
    )


def _newcommands(text: str) -> dict[str, str]:
    found, place = {}, 0
    while (place := text.find("\\newcommand", place)) >= 0:
        place += len("\\newcommand")
        if place < len(text) and (text[place].isalnum() or text[place] == "_"):
            continue
        after = place + text.startswith("*", place)
        if not text.startswith("{", after):
            continue
        end = _name(text, after + 1)
        body = _body(text, end + 1) if end and text.startswith("}{", end) else None
        if end and body:
            found[text[after + 1 : end]] = body[0]
            place = body[1]
    return found


def _defs(text: str) -> dict[str, str]:
    found, place = {}, 0
    while (place := text.find("\\def", place)) >= 0:
        place += len("\\def")
        start = place
        while start < len(text) and text[start] in SPACE:
            start += 1
        end = _name(text, start)
        after = end or 0
        while end and after < len(text) and text[after] in SPACE:
            after += 1
        body = _body(text, after) if end else None
        if end and body:
            found[text[start:end]] = body[0]
            place = body[1]
    return found


def _expanded(text: str, macros: dict[str, str]) -> str:
    for name, body in macros.items():
        out, place = [], 0
        while place < len(text):
            end = place + len(name)
            if text.startswith(name, place) and end < len(text) and text[end] not in ALNUM:
                out.append(body + text[end])
                place = end + 1
            else:
                out.append(text[place])
                place += 1
        text = "".join(out)
    return text
