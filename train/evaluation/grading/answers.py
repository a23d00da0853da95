"""Answers taken out of generated text, and brought into one spelling before they are compared.

    closed book, reading    the first phrase, or line  -> SQuAD's normalisation -> equal to an answer, or shared words
    arithmetic              "The answer is 5", "#### 5", or the last number      -> a number without commas
    mathematics             "The final answer is $X$", or the last \\boxed{X}    -> Minerva's normalisation

Everything takes time in proportion to its text.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Final

_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_PHRASE_END: Final = re.compile(r"\n|[.,](?=\s|$)")
_NUMBER: Final = re.compile(r"-?\$?[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?")
_STATED: Final = re.compile(r"(?:####|[Aa]nswer is:?) *(-?\$?[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?)")


# --- words -----------------------------------------------------------------------------------------------------------


def normalised(text: str) -> str:
    """Return an answer in lower case, without punctuation, articles and needless spaces (SQuAD's rule; LLaMA, A)."""
    return " ".join(_ARTICLES.sub(" ", without_punctuation(text)).split())


def without_punctuation(text: str) -> str:
    """Return a text in lower case without ASCII's punctuation."""
    return text.lower().translate(_PUNCTUATION)


def first_phrase(text: str) -> str:
    """Return a text up to its first line break, final dot or comma (LLaMA, appendix A).

    The paper does not say which dots are final: here those with a space or nothing behind them.
    """
    text = text.lstrip()
    found = _PHRASE_END.search(text)
    return text[: found.start()].rstrip() if found else text.rstrip()


def first_line(text: str) -> str:
    """Return a text's first line, bare."""
    return text.strip().partition("\n")[0].strip()


def is_any(text: str, references: Sequence[str]) -> bool:
    """Tell whether an answer is one of the right ones, all of them normalised."""
    return normalised(text) in {normalised(reference) for reference in references}


def f1(text: str, references: Sequence[str]) -> float:
    """Return the best F1 of the normalised words that an answer shares with a right one (SQuAD's own measure).

    Where one of the two has no words, both must have none.
    """
    return max((_f1(normalised(text).split(), normalised(reference).split()) for reference in references), default=0.0)


def _f1(words: list[str], right: list[str]) -> float:
    if not words or not right:
        return float(words == right)
    shared = (Counter(words) & Counter(right)).total()
    return 2 * shared / (len(words) + len(right))


# --- numbers ---------------------------------------------------------------------------------------------------------


def number(text: str) -> str | None:
    """Return the number that a text states as its answer, else its last one; None if it has none.

    Stated is what stands behind the first "#### " (GSM8k's solutions) or "answer is" (Wei et al. 2022).
    """
    if stated := _STATED.search(text):
        return plain_number(stated[1])
    found = _NUMBER.findall(text)
    return plain_number(found[-1]) if found else None


def plain_number(text: str) -> str:
    """Return a number without dollars, commas and zeros that change nothing: 1,200.50 as 1200.5."""
    bare = text.replace("$", "").replace(",", "").strip().rstrip(".")
    sign, digits = ("-", bare[1:]) if bare.startswith("-") else ("", bare)
    whole, dot, part = digits.partition(".")
    part = part.rstrip("0")
    plain = (whole.lstrip("0") or "0") + (f".{part}" if dot and part else "")
    return plain if plain == "0" else sign + plain


# --- mathematics -----------------------------------------------------------------------------------------------------

_FINAL: Final = "Final Answer: The final answer is"
_HOPE: Final = re.compile(". I hope it is correct.")
# Minerva (Lewkowycz et al. 2022), appendix D.1: what is replaced and what is left out, in this order.
_REPLACED: Final = (
    *(("an ", ""), ("a ", ""), (".$", "$"), ("\\$", ""), ("\\ ", ""), (" ", ""), ("mbox", "text")),
    *((",\\text{and}", ","), ("\\text{and}", ","), ("\\text{m}", "\\text{}")),
)
_UNITS: Final = (
    *("square", "ways", "integers", "dollars", "mph", "inches", "ft", "hours", "km", "units", "\\ldots", "sue"),
    *("points", "feet", "minutes", "digits", "cents", "degrees", "cm", "gm", "pounds", "meters", "meals", "edges"),
    *("students", "childrentickets", "multiples", "\\text{s}", "\\text{.}", "\\text{\ns}", "\\text{}^2", "\\text{}^3"),
    *("\\text{\n}", "\\text{}", "\\mathrm{th}", "^\\circ", "^{\\circ}", "\\;", ",\\!", "{,}", '"', "\\dots"),
)
_WORDS: Final = tuple(unit for unit in _UNITS if unit.isalpha())
_WHOLE_WORD: Final = {unit: re.compile(rf"(?<!\\)\b{unit}\b") for unit in _WORDS}
_COMMAND: Final = re.compile(r"(\\[a-zA-Z]+)")
_THOUSANDS: Final = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+")


def boxed(text: str) -> str | None:
    r"""Return what the last \boxed (or, where there is none, \fbox) of a text holds; None if that is not closed."""
    if "\\boxed " in text:
        return text.rpartition("\\boxed ")[2].partition("$")[0]
    start = text.rfind("\\boxed")
    start = text.rfind("\\fbox") if start < 0 else start
    depth, opened = 0, None
    for place in range(start, len(text)) if start >= 0 else ():
        if text[place] == "{":
            opened = place + 1 if opened is None else opened
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if not depth and opened is not None:
                return text[opened:place]
    return None


def final_answer(text: str) -> str | None:
    """Return the final answer that a text in the form of Minerva's examples gives in one line; None without one."""
    for line in f"{text}I hope it is correct.".split("\n"):
        _, found, after = line.partition(_FINAL)
        if found and (end := _HOPE.search(after)):
            return after[: end.start()].strip()
    return None


def minerva(text: str) -> str:
    """Return a final answer in Minerva's one spelling, by the rules of its appendix D.1 as they are printed.

    They change commands too, such as \\left, which has "ft" in it; both answers that are compared suffer the same.
    """
    text = _replaced(text.rpartition("=")[2])
    for unit in _UNITS:
        text = text.replace(unit, "")
    text = _bare(text)
    text = re.sub(r"(sqrt)([^{])", r"\1{\2}", text).replace("$", "")
    return text.replace(",", "") if text.replace(",", "").isdigit() else text


def minerva_corrected(text: str) -> str:
    """Return it as lm-evaluation-harness 0.4.13 does: commands stay whole, and of commas only those of thousands go."""
    text = text.rpartition("=")[2]
    for word in _WORDS:
        text = _WHOLE_WORD[word].sub("", text)
    text = _replaced(text)
    for unit in _UNITS:
        text = _outside_commands(text, unit) if unit in _WHOLE_WORD else text.replace(unit, "")
    text = _bare(text)
    text = re.sub(r"(sqrt)(\[[^\]]{0,100}\])(\w)", r"\1\2{\3}", text)
    text = re.sub(r"(sqrt)(?!\[)([^{])", r"\1{\2}", text).replace("$", "")
    return text.replace(",", "") if _THOUSANDS.fullmatch(text) else text


def _replaced(text: str) -> str:
    for old, new in _REPLACED:
        text = text.replace(old, new)
    return text


def _outside_commands(text: str, word: str) -> str:
    parts = _COMMAND.split(text)  # every second one is a command
    return "".join(part if n % 2 else part.replace(word, "") for n, part in enumerate(parts))


def _bare(text: str) -> str:
    """Return what is between dollars, in text or in a box, with braces around what a fraction is made of."""
    text = "\n".join(map(_between_dollars, text.split("\n")))
    for command in ("\\text{", "\\textbf{", "\\overline{"):
        text = _unwrapped(text, command)
    text = "\n".join(map(_unboxed, text.split("\n")))
    return re.sub(r"(frac)([^{])(.)", r"\1{\2}{\3}", text)


def _between_dollars(line: str) -> str:
    _, first, after = line.partition("$")
    inside, second, _ = after.partition("$")
    return f"${inside}$" if first and second else line


def _unwrapped(text: str, command: str) -> str:
    """Return a text without a command and the brace that closes it, both on one line."""
    found, start = [], 0
    while (place := text.find(command, start)) >= 0:
        end = text.find("}", place + len(command))
        if end < 0:
            break
        inside = text[place + len(command) : end]
        if "\n" in inside:
            found.append(text[start : place + len(command)])
            start = place + len(command)
        else:
            found.append(text[start:place] + inside)
            start = end + 1
    return "".join(found) + text[start:]


def _unboxed(line: str) -> str:
    before, found, after = line.partition("\\boxed{")
    inside, closed, rest = after.rpartition("}")
    return before + inside + rest if found and closed else line
