"""CommonCrawl by CCNet: lines deduplicated, language, perplexity, and "used as a reference in Wikipedia".

    WET ─ paragraphs ─> staged, keys of lines ─ duplicate_lines (decide) ─┐
    ┌─────────────────────────────────────────────────────────────────────┘
    └ quality (lines removed, language, perplexity) ─> staged, keys of URLs ─ cited (join with Wikipedia) ─┐
    ┌──────────────────────────────────────── cut-offs and classifier are trained here ───────────────────┘
    └ reference (bucket, classifier) ─> documents
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import json

import numpy as np

from filters import paragraphs, perplexity, reference
from filters.language import LanguageIdentifier
from filters.language import reason as language_reason
from pipelines.dedup import exact, lines
from pipelines.document import Document, Drop
from pipelines.graph import Source
from pipelines.models import load_language_model
from pipelines.readers import wet
from pipelines.sources.wikipedia import URL, citation_keys
from pipelines.stages import Context, Decide, Keys, Lines, Map
