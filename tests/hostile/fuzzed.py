"""What is fuzzed: every reader, and the cleaners that parse."""

from __future__ import annotations

from tests.hostile.files import FILES
from tests.hostile.texts import TEXTS

TARGETS = FILES | {
    name: TEXTS[name]
    for name in (
        "boilerplate.clean",
        "gutenberg.clean",
        "html.to_text",
        "latex.clean",
        "personal_info.mask",
        "wikitext.clean",
    )
}
