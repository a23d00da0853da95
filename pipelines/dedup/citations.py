"""Keys by which a page of the web finds the articles that cite it: its URL, or its host."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from filters.web import reference
from pipelines.files.runs import Keys
from pipelines.hashing import keyed

URL, HOST = 0, 1


def citation_keys(urls: Iterable[str], *, hosts: bool = True) -> Keys:
    """Return keys that a citing and a cited page share: of normalised URLs (line 0) and of their hosts (line 1)."""
    found = list(urls)
    keys = {(URL, reference.normalise_url(url)) for url in found}
    if hosts:
        keys |= {(HOST, reference.host(url)) for url in found}
    wanted = [(line, keyed("host" if line == HOST else "url", key)) for line, key in sorted(keys) if key]
    hashes, lines = np.array([key for _, key in wanted], np.uint64), np.array([line for line, _ in wanted], np.uint32)
    return hashes, None, lines
