"""What people call a language, and the code that labels and documents have for it."""

from __future__ import annotations

from typing import Final

# Names and three-letter codes (ISO 639-2 and -3) of the paper's 20 languages: what people write for a label.
_NAMES: Final = {
    "bg": "bulgarian bul",
    "ca": "catalan cat",
    "cs": "czech ces cze",
    "da": "danish dan",
    "de": "german deu ger",
    "en": "english eng",
    "es": "spanish spa",
    "fr": "french fra fre",
    "hr": "croatian hrv",
    "hu": "hungarian hun",
    "it": "italian ita",
    "nl": "dutch nld dut",
    "pl": "polish pol",
    "pt": "portuguese por",
    "ro": "romanian ron rum",
    "ru": "russian rus",
    "sl": "slovenian slovene slv",
    "sr": "serbian srp",
    "sv": "swedish swe",
    "uk": "ukrainian ukr",
}


def code(name: str) -> str:
    """Return the code of a language by its English name or three-letter code, "" for what we do not know."""
    return next((code for code, names in _NAMES.items() if name.lower() in names.split()), "")
