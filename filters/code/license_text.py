"""Licence texts: names the licences that a LICENSE file holds.

    text -> licenseclassifier: every licence of SPDX's list whose whole text it holds -> SPDX expression
         -> where it finds none: the licences whose own sentences the text holds

A text with several licences is their conjunction, so that one that is not permissive decides. `licenseclassifier` (a
port of Google's licensecheck) compares whole texts and says nothing rather than something wrong; what it does not know,
such as a licence with its owners' names in its sentences, is told by sentences: the permissive four and what is easily
taken for them (MIT-0, X11, ISC, NCSA, BSD-4-Clause, BSD-3-Clause-Clear, Apache-1.1), and the GNU and Mozilla licences.
"""

from __future__ import annotations

import re

from filters import packages

# The longest of the licences recognised, the GPL 3, has about 35,000 characters; what follows that is not looked at.
MAX_LICENCE_CHARACTERS = 200_000

_NOISE = re.compile(r"[^a-z0-9.]+")
_MIT_GRANT = "permission is hereby granted free of charge to any person obtaining a copy"
_MIT_NOTICE = "above copyright notice and this permission notice"
_BSD_GRANT = "redistribution and use in source and binary forms with or without modification are permitted"
_GNU = re.compile(r"gnu (affero |lesser |library )?general public license version (\d(?:\.\d)?)")
_GNU_NAMES = {"affero ": "AGPL", "lesser ": "LGPL", "library ": "LGPL", None: "GPL"}
_MOZILLA = re.compile(r"mozilla public license version (\d\.\d)")


def identify(text: str) -> str | None:
    """Return the SPDX expression of a licence text, or None where it is none that is recognised."""
    text = text[:MAX_LICENCE_CHARACTERS]
    matched = dict.fromkeys(match.id for match in packages.LICENCES.load().identify_license(text))
    return " AND ".join(matched) or _by_sentences(text)


def _by_sentences(text: str) -> str | None:
    words = _NOISE.sub(" ", text.lower())
    found = [name for name in (_mit(words), _bsd(words), _apache(words), _isc(words)) if name]
    # Mozilla's text names the GNU licences that it can be combined with.
    if match := _MOZILLA.search(words):
        found.append(f"MPL-{match[1]}")
    elif match := _GNU.search(words):
        version = match[2] if "." in match[2] else f"{match[2]}.0"
        found.append(f"{_GNU_NAMES[match[1]]}-{version}")
    return " AND ".join(found) or None


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
    return "Apache-2.0 WITH LLVM-exception" if "llvm exceptions to the apache 2.0 license" in words else "Apache-2.0"


def _isc(words: str) -> str | None:
    return (
        "ISC"
        if re.search(r"permission to use copy modify and (?:or )?distribute this software for any", words)
        else None
    )
