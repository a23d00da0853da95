"""Licence texts: names the licences that a LICENSE file holds, or that the notice in a source file names.

    text -> licenseclassifier: every licence of SPDX's list whose whole text it holds, and the text around them
         -> where it finds none: the licences whose own sentences the text holds, all of it being around them
         -> around them: a condition (Commons Clause, "Good, not Evil", no commercial use), a choice, other licences
         -> SPDX expression

A text with several licences is their conjunction, so that one that is not permissive decides, unless the text around
them offers a choice. A condition adds `RESTRICTED`, which is no permissive licence. `licenseclassifier` (a
port of Google's licensecheck) compares whole texts and says nothing rather than something wrong; what it does not know,
such as a licence with its owners' names in its sentences, is told by sentences: the permissive four and what is easily
taken for them (MIT-0, X11, ISC, NCSA, BSD-4-Clause, BSD-3-Clause-Clear, Apache-1.1), and the GNU and Mozilla licences.
"""

from __future__ import annotations

import re

from filters import packages

# The longest of the licences recognised, the GPL 3, has about 35,000 characters; what follows that is not looked at.
MAX_LICENCE_CHARACTERS = 200_000

# An identifier of SPDX's own kind for what its list does not have: a licence with a condition of somebody's own.
RESTRICTED = "LicenseRef-Restricted"

# How much of a text its licences must be for `licenseclassifier`, in percent: anything, what is around them is read.
_ANY_COVERAGE = 0.01
_NOISE = re.compile(r"[^a-z0-9.]+")
_MIT_GRANT = "permission is hereby granted free of charge to any person obtaining a copy"
_MIT_NOTICE = "above copyright notice and this permission notice"
_BSD_GRANT = "redistribution and use in source and binary forms with or without modification are permitted"
_GNU = re.compile(r"gnu (affero |lesser |library )?general public license version (\d(?:\.\d)?)")
_GNU_NAMES = {"affero ": "AGPL", "lesser ": "LGPL", "library ": "LGPL", None: "GPL"}
_LLVM = "llvm exceptions to the apache 2.0 license"
_MOZILLA = re.compile(r"mozilla public license version (\d\.\d)")


_LIABILITY = r"(?!(?: in any event)?(?: be)?(?: held)? (?:liable|responsible))"
_ADVERTISING = r"(?!(?: be)? used? (?:in advertising|to endorse|in the names?|for endors))"
# What forbids or limits a use, in words without punctuation; what the permissive licences themselves say is left out.
_CONDITION = re.compile(
    r"commons clause|good (?:and )?not (?:for )?evil|non ?commercial|right to sell\b"
    r"|commercial (?:use|licen[sc]e|purposes?) (?:is|are|must|requires?|may|needs?)"
    rf"|\b(?:may|must|shall|can|should) ?not\b{_LIABILITY}{_ADVERTISING}(?! be (?:misrepresented|removed|construed)"
    r"| use (?:this|these|the) \w+ except in compliance| apply| claim| act| recogni| work)"
    r"|\bprohibited|\bforbid|\bnot (?:allowed|permitted|be sold|for (?:commercial|production|sale|resale))"
    r"|\b(?:research|academic|educational|evaluation|personal|internal|non ?profit|hobby) (?:use|uses|purposes?) only"
    r"|\b(?:only|solely|exclusively) (?:for|to be used for) (?:\w+ ){0,3}(?:use|purposes?)"
    r"|(?:additional|further|following|certain) (?:restrictions?|limitations?)|proprietary|all commercial use"
    r"|(?:separate|paid|commercial|enterprise) licen[sc]e (?:is required|agreement|must|from)"
    r"|without (?:the )?(?:prior |express |explicit |our )+(?:written )?(?:permission|consent)"
)
# Words before the first of a few licences that offer a choice of them; bundles of others' licences say them too.
_CHOICE = re.compile(
    r"\bdual(?:ly)? licen[sc]|\bat (?:your|the users?) (?:option|choice|discretion)|\b(?:under|of|by) either\b"
    r"|\byou (?:may|can) choose|\bchoice of\b|\b(?:one|either) of the (?:following |two )?licen[sc]es"
)
_PARTS = re.compile(r"\b(?:some|both|except|portions?|parts?|certain)\b")
MAX_CHOICES = 3
MAX_OFFER = 1_500
# Licences that a text names without holding theirs.
_GNU_NAMED = re.compile(r"\b(?:a|l)?gpl(?:v?\d[\d.]*)?\b(?! compatible)|gnu (?:\w+ )?(?:general )?public licen[sc]e")
_OTHER_NAMED = re.compile(
    r"creative commons|\bcc by\b|server side public|\bsspl\b|business source|elastic licen[sc]e|polyform|hippocratic"
    r"|anti 996"
)
_NAMED = ((_GNU_NAMED, "LicenseRef-GNU"), (_OTHER_NAMED, RESTRICTED))
# How a source file says in its own words that it is under a licence that asks for the same of what it becomes part of:
# the notice of the GNU licences ("redistribute it and/or modify it under the terms of the ..."), of Mozilla's ("subject
# to the terms of the ..."), Eclipse's and CDDL's. A text without one of the words has none of them.
NOTICE_WORDS = ("Public", "PUBLIC", "public licen", "GPL", "gpl", "Distribution Licen", "DISTRIBUTION LICEN")
_NOTICE = re.compile(
    r"\b(?:under|subject to|governed by|covered by)(?: the)?(?: (?:terms|terms and conditions|conditions) of)?"
    r"(?: (?:the|either|version|v|of|[\d.]+)){0,5} "
    r"(?:(?:gnu )?(?P<gnu>affero |lesser |library )?general public licen[sc]e|gnu public licen[sc]e|(?P<short>[al]?gpl)"
    r"|(?P<mozilla>mozilla public licen[sc]e|mpl\b)|(?P<eclipse>eclipse public licen[sc]e)"
    r"|(?P<cddl>common development and distribution licen[sc]e))"
)
_VERSION = re.compile(r"\bv(?:ersion)? ?(\d(?:\.\d)?)|gpl ?v?(\d(?:\.\d)?)")
# Another licence offered, or held, beside it: the file may be had under that one.
_OTHER_OFFERED = re.compile(
    r"\balternatively\b|\bdual(?:ly)?\b|\b(?:may|can) also be\b|\bat your (?:option|choice)\b(?! any later)"
    r"|\b(?:mit|bsd|apache|x11|isc|zlib)\b(?: style| like)? licen[sc]e|\bbsd\b|\bnot under\b|compatible"
)


def identify(text: str) -> str | None:
    """Return the SPDX expression of a licence text, or None where it is none that is recognised."""
    text = text[:MAX_LICENCE_CHARACTERS]
    matches = packages.LICENCES.load().identify_license(text, _ANY_COVERAGE)
    around, end = [], 0
    for match in matches:
        around.append(text[end : match.start])
        end = max(end, match.end)
    names = list(dict.fromkeys(match.id for match in matches))
    chosen = 0 < len(names) <= MAX_CHOICES and offers_choice(around[0])
    rest = _words("\n".join([*around, text[end:]]))
    if _LLVM in rest:
        names = ["Apache-2.0 WITH LLVM-exception" if name == "Apache-2.0" else name for name in names]
    elif names and not chosen:
        names += [name for named, name in _NAMED if named.search(rest)]
    expression = (" OR " if chosen else " AND ").join(names or _by_sentences(rest))
    return _with_condition(expression, rest)


def notice(comments: str) -> str | None:
    """Return the licence that the comments of a file put it under without an identifier of SPDX's, or None.

    Only those licences are told that ask for the same of what a file becomes part of: where the others are meant, what
    the repository says holds.
    """
    words = _words(comments[:MAX_LICENCE_CHARACTERS])
    found = _NOTICE.search(words)
    if not found or _OTHER_OFFERED.search(words):
        return None
    version = _VERSION.search(words, found.start())
    number = next(filter(None, version.groups())) if version else None
    if found["mozilla"]:
        return f"MPL-{number or '2.0'}"
    if found["eclipse"] or found["cddl"]:
        return f"{'EPL' if found['eclipse'] else 'CDDL'}-{number or '1.0'}"
    name = found["short"].upper() if found["short"] else _GNU_NAMES[found["gnu"]]
    return f"{name}-{number if '.' in number else f'{number}.0'}" if number else "LicenseRef-GNU"


def offers_choice(text: str) -> bool:
    """Return whether a short text lets its reader choose between licences, which it need not hold."""
    words = _words(text[: MAX_OFFER + 1])
    return len(text) <= MAX_OFFER and bool(_CHOICE.search(words)) and not _PARTS.search(words)


def _words(text: str) -> str:
    return _NOISE.sub(" ", text.lower())


def _with_condition(expression: str, around: str) -> str | None:
    if not _CONDITION.search(around):
        return expression or None
    several = f"({expression})" if " OR " in expression else expression
    return f"{several} AND {RESTRICTED}" if several else RESTRICTED


def _by_sentences(words: str) -> list[str]:
    found = [name for name in (_mit(words), _bsd(words), _apache(words), _isc(words)) if name]
    # Mozilla's text names the GNU licences that it can be combined with.
    if match := _MOZILLA.search(words):
        found.append(f"MPL-{match[1]}")
    elif match := _GNU.search(words):
        version = match[2] if "." in match[2] else f"{match[2]}.0"
        found.append(f"{_GNU_NAMES[match[1]]}-{version}")
    return found


def _mit(words: str) -> str | None:
    if _MIT_GRANT not in words:
        return None
    if "redistributions of source code must retain" in words and "to deal with the software" in words:
        return "NCSA"
    if "except as contained in this notice" in words:
        return "X11"
    return "MIT" if _MIT_NOTICE in words else "MIT-0"


def _bsd(words: str) -> str | None:
    if _BSD_GRANT not in words or "to deal with the software" in words:
        return None
    if "apache software foundation" in words and "apache must not be used" in words:
        return "Apache-1.1"
    if "advertising materials mentioning" in words:
        return "BSD-4-Clause"
    if "patent rights are granted by this license" in words:
        return "BSD-3-Clause-Clear"
    if re.search(r"neither the names? |used to endorse or promote", words):
        return "BSD-3-Clause"
    return "BSD-2-Clause" if "redistributions in binary form must reproduce" in words else "BSD-1-Clause"


def _apache(words: str) -> str | None:
    if "apache license version 2.0 january 2004" not in words:
        return None
    return "Apache-2.0 WITH LLVM-exception" if _LLVM in words else "Apache-2.0"


def _isc(words: str) -> str | None:
    return (
        "ISC"
        if re.search(r"permission to use copy modify and (?:or )?distribute this software for any", words)
        else None
    )
