r"""Which names a source defines, by whatever means, whether or not TeX would get there: what `macros_left` is told of.

The commands that define are many more than those that can be carried out (`filters.latex.definitions`): lengths, boxes,
fonts and counters have names too, and a loop's variable is a macro. A definition in a branch that is not taken counts.
"""

from __future__ import annotations

import re

from filters.latex.definitions import HANDLERS
from filters.latex.macros import STRUCTURE_ENVIRONMENTS
from filters.latex.tokens import AT, WORD, words

# A paper has a handful; each costs a look at every name of the text.
FAMILIES_LIMIT = 100

# Commands after which stands the name that they define: by what such commands are called, and others.
_KINDS = "(?:[rR]e)?[nN]ew[A-Za-z]*|[pP]rovide[A-Za-z]*|Declare[A-Za-z]*|Set[A-Z][A-Za-z]*"
_OTHERS = words(
    """font chardef mathchardef Umathchardef countdef dimendef skipdef muskipdef toksdef predefine futurelet apptocmd
    pretocmd patchcmd numdef numgdef dimdef dimgdef pgfmathsetmacro pgfmathtruncatemacro pgfmathsetlengthmacro
    pgfmathsetlength"""
)
_NO_DEFINITION = "newline|newpage|newblock|newtheorem|newgeometry|newrefcontext|newrefsection|DeclareOption|Setup"
_BY_NAME = words(
    rf"{AT}namedef csdef csgdef csedef csxdef cslet csletcs csnumdef csnumgdef csdimdef csappto csgappto cspreto"
    " SetKw SetKwInOut SetKwInput SetKwData SetKwFunction SetKwProg SetKwFor SetKwIF SetKwSwitch SetKwRepeat"
    " SetKwBlock SetKwComment SetKwArray SetKwProgFn SetKwHangingKw"
)
_ENVIRONMENTS = words(
    """newenvironment renewenvironment provideenvironment newenvironmentx renewenvironmentx NewEnviron RenewEnviron
    NewDocumentEnvironment RenewDocumentEnvironment ProvideDocumentEnvironment DeclareDocumentEnvironment"""
)


def _any(names: frozenset[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))


_PREFIXES = words("expandafter long outer protected global")
_LISTED = _any(frozenset(HANDLERS) - _PREFIXES | _OTHERS)
_DEFINES = re.compile(
    rf"\\(?!(?:{_NO_DEFINITION})(?![A-Za-z\x01]))(?P<command>{_KINDS}|{_LISTED})"
    rf"(?![A-Za-z\x01])\s*\*?\s*(?:\[[^\[\]\n]{{0,200}}\]\s*)?(?:\{{\s*)?(?:\\expandafter\s*)?(?:\{{\s*)?"
    rf"\\(?P<name>{WORD}|[^A-Za-z\x00\s])(?:\s*(?P<computed>(?:(?!\\endcsname)[^{{}}\n]){{1,200}})\\endcsname)?"
)
_NAMES = re.compile(
    rf"\\(?:{_any(_BY_NAME)})(?![A-Za-z\x01])\s*\*?\s*\{{\s*([A-Za-z@\x01]+)[^{{}}]*\}}(?:\{{([A-Za-z]+)\}})?"
)
_COUNTERS = re.compile(r"\\newcounter\s*\{\s*([A-Za-z@]+)\s*\}")
_BOOLEANS = re.compile(r"\\(?:new|provide)bool(?:ean)?\s*\{\s*([A-Za-z@]+)\s*\}")
_MADE = re.compile(rf"\\(?:{_any(_ENVIRONMENTS)})\*?\s*\{{\s*([^{{}}\\\n]+?)\s*\}}")
_LOOPS = re.compile(rf"\\(?:foreach|{AT}for|{AT}tfor|multido)(?![A-Za-z\x01])\s*\{{?\s*((?:\\{WORD}[\s/,]*){{1,9}})")
_TEMPLATES = re.compile(rf"\\(?:{_any(_BY_NAME)})(?![A-Za-z\x01])\s*\{{([^{{}}\n]{{1,200}})\}}")
_VARIES = re.compile(rf"#+[1-9]|\\{WORD}[ ]?")
_GREEK = (
    "[aA]lpha|[bB]eta|[gG]amma|[dD]elta|[eE]psilon|[zZ]eta|[eE]ta|[tT]heta|[iI]ota|[kK]appa|[lL]ambda|[mM]u|[nN]u|[xX]i"
    "|[pP]i|[rR]ho|[sS]igma|[tT]au|[uU]psilon|[pP]hi|[cC]hi|[pP]si|[oO]mega"
)
# What LaTeX and its fonts call so themselves.
_STANDARD = (
    rf"{_GREEK}|in|le|ge|ne|to|ll|gg|mp|pm|wp|Re|Im|ln|lg|bf|it|rm|sc|tt|sf|sl|em|ss|ae|AE|oe|OE|aa|AA|th|cr|ni|wr|or|fi"
    "|if|do|bar|bot|cap|cup|cos|cot|csc|det|dim|dot|exp|gcd|hat|hom|inf|int|ker|lim|log|max|min|mid|mod|neq|not|par|Pr"
    "|sec|sin|sum|sup|tan|top|vec|rule|left|ref"
)
_WORD = re.compile(rf"\\({WORD})")


def defined(text: str) -> frozenset[str]:
    r"""Return the names that a protected source defines; an environment's is "begin{NAME}", LaTeX's own left out."""
    found: set[str] = set()
    for match in _DEFINES.finditer(text):
        name, computed = match["name"], match["computed"]
        if name == "csname":
            found.add((computed or "").strip().replace("@", AT))
            continue
        found.add(name)
        if match["command"] == "newif":
            found |= {f"{name[2:]}true", f"{name[2:]}false"}
    for match in _NAMES.finditer(text):
        found.update(filter(None, match.groups()))
    for match in _COUNTERS.finditer(text):
        found.add(f"the{match[1]}")
    for match in _BOOLEANS.finditer(text):
        found |= {f"if{match[1]}", f"{match[1]}true", f"{match[1]}false"}
    for match in _LOOPS.finditer(text):
        found.update(_WORD.findall(match[1]))
    made = {match[1] for match in _MADE.finditer(text)} - STRUCTURE_ENVIRONMENTS
    return frozenset((found - {""}) | {f"begin{{{name}}}" for name in made})


def families(text: str) -> re.Pattern[str] | None:
    r"""Return what the names look like that a source puts together: `b#1` stands for "bA" and "balpha".

    A part that varies is a letter or a Greek one's name in nearly every paper; names of LaTeX's own are none of these.
    """
    computed = [match["computed"] for match in _DEFINES.finditer(text) if match["name"] == "csname"]
    computed += [match[1] for match in _TEMPLATES.finditer(text)]
    shapes = {_shape(name.strip()) for name in computed if name and _VARIES.search(name)} - {""}
    return re.compile(rf"(?!(?:{_STANDARD})\Z)(?:{'|'.join(sorted(shapes))})") if shapes else None


def _shape(name: str) -> str:
    """Return a pattern of the names that a computed one can become, "" if too much of it varies."""
    pieces = [piece.replace("@", AT) for piece in _VARIES.split(name)]
    if not "".join(pieces).strip() or not all(re.fullmatch(rf"[A-Za-z{AT}]*", piece) for piece in pieces):
        return ""
    return f"(?:[A-Za-z]|{_GREEK})".join(map(re.escape, pieces))
