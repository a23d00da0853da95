"""Words of gold that HTML to text loses: ours beside peers, on pages whose text people wrote down.

    python benchmarks/visible.py --benchmark CHECKOUT --sdists FOLDER [--peers PYTHON]

CHECKOUT is a clone of article-extraction-benchmark, whose gold is the body of 181 articles; the sdists of newspaper4k
and html-text, pinned below, have 28 pages more. Nothing of them is part of this project. Of the words of gold those
count that the page shows: libxml2's tree, written out with a space at each block, by the lines of `shown` here, which
share nothing with ours. A word is a run of letters and digits; a page's words are a multiset. PYTHON is an interpreter
that has the peers (html2text, inscriptis, html-text, trafilatura, resiliparse); one that is not there is left out.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lxml import etree, html

from filters.web import visible
from pipelines.readers import charsets

BAR = 0.001
GROUND_TRUTH = "512e9a9498912047a966e22f47302e849dfa45dca1f555d97588317dac7e5a3d"  # SHA-256 of its ground-truth.json
SDISTS = {
    "newspaper4k==0.9.6": "a3f2f0e017dddb6f1019ee77aaa8980e13e6ecea0b949abc7167aae4770d2d0e",
    "html-text==0.7.1": "87fd194310a9f54be32c7b18a70180dfa72a6b4d01cca35ac813c4d2b2b2ed8b",
}
_WORD = re.compile(r"\w+")
_SPACED = (
    "address article aside audio blockquote body br button canvas caption center dd details dialog dir div dl dt"
    " fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html iframe input legend li main"
    " menu nav object ol optgroup option p pre section select summary table tbody td textarea tfoot th thead title"
    " tr ul video"
)
_BREAKS = frozenset(_SPACED.split(" "))


class Page(NamedTuple):
    """A page's characters, and the text that people say it has."""

    name: str
    html: str
    gold: str


def main() -> int:
    """Print what each loses, and last one JSON object."""
    parser = argparse.ArgumentParser(description="Words of gold lost by HTML to text.")
    parser.add_argument("--benchmark", type=Path, help="a clone of article-extraction-benchmark")
    parser.add_argument("--sdists", type=Path, help="a folder with the sdists of newspaper4k and html-text")
    parser.add_argument("--peers", help="a Python that has the peers")
    options = parser.parse_args()
    pages = [*articles(options.benchmark)] if options.benchmark else []
    pages += [*sdists(options.sdists)] if options.sdists else []
    if not pages:
        parser.error("name --benchmark or --sdists")
    wanted = [words(page.gold) & words(shown(page.html)) for page in pages]
    absent = sum((words(page.gold) - words(shown(page.html))).total() for page in pages)
    total = sum(words.total() for words in wanted)
    print(f"{len(pages)} pages; {total:,} words of gold, and {absent:,} that no page shows")
    texts = {"ours": [ours(page.html) for page in pages]}
    if options.peers:
        texts |= of_peers(options.peers, [page.html for page in pages])
    lost = {
        name: [(want - words(text)).total() for want, text in zip(wanted, found, strict=True)]
        for name, found in texts.items()
    }
    for name, counts in lost.items():
        print(f"{name:20} {sum(counts):8,} words lost ({sum(counts) / total:.4%}), on {sum(map(bool, counts)):4} pages")
    for page, count in sorted(zip(pages, lost["ours"], strict=True), key=lambda pair: -pair[1])[:5]:
        print(f"  ours: {count:5} of {page.name}") if count else None
    print(json.dumps({"words of gold lost": {"ratio": sum(lost["ours"]) / total, "bar": BAR}}))
    return 0


def words(text: str) -> Counter[str]:
    """Return the words of a text."""
    return Counter(_WORD.findall(text))


def shown(page: str) -> str:
    """Return what libxml2's tree of a page holds besides scripts and the like."""
    parser = html.HTMLParser(encoding="utf-8", huge_tree=True)
    root: Any = html.document_fromstring(page.encode("utf-8", "replace"), parser=parser)
    # A title in the body is an icon's; that of the page stays.
    for element in root.xpath("//script|//style|//template|//noscript|//svg//title"):
        element.drop_tree()
    parts: list[str] = []
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if isinstance(element.tag, str) and element.tag in _BREAKS:
            parts.append(" ")
        parts.append((element.text if event == "start" else element.tail) or "")
    return "".join(parts)


def articles(folder: Path) -> Iterator[Page]:
    """Yield the pages of article-extraction-benchmark."""
    truth = (folder / "ground-truth.json").read_bytes()
    if hashlib.sha256(truth).hexdigest() != GROUND_TRUTH:
        raise ValueError(f"{folder}/ground-truth.json: not the one whose SHA-256 is {GROUND_TRUTH}")
    for name, row in json.loads(truth).items():
        body = gzip.decompress((folder / "html" / f"{name}.html.gz").read_bytes())
        yield Page(name, charsets.decode(body), row["articleBody"])


def sdists(folder: Path) -> Iterator[Page]:
    """Yield the pages in the tests of packages; ValueError for a package that is not the pinned one."""
    for name, digest in SDISTS.items():
        path = folder / f"{name.replace('==', '-').replace('html-text', 'html_text')}.tar.gz"
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"{path}: not {name}, whose SHA-256 is {digest}")
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            files = {one.name: archive.extractfile(one) for one in archive if one.isreg()}
            for text, stream in files.items():
                page = files.get(text.replace("/txt/", "/html/").removesuffix(".txt") + ".html")
                if text.endswith(".txt") and page and stream:
                    yield Page(text, charsets.decode(page.read()), stream.read().decode())


def ours(page: str) -> str:
    """Return what our reader makes of a page."""
    title, lines = visible.page(visible.prepared(page))
    return "\n".join([title, *lines])


PEERS = """
import json, sys

def peers():
    try:
        import html2text
        yield "html2text", html2text.html2text
    except ImportError: pass
    try:
        import inscriptis
        yield "inscriptis", inscriptis.get_text
    except ImportError: pass
    try:
        import html_text
        yield "html-text", html_text.extract_text
    except ImportError: pass
    try:
        import trafilatura
        yield "trafilatura (main text)", lambda page: trafilatura.extract(page, favor_recall=True) or ""
    except ImportError: pass
    try:
        from resiliparse.extract.html2text import extract_plain_text
        yield "resiliparse", extract_plain_text
    except ImportError: pass

def text(find, page):
    try: return find(page)
    except Exception: return ""

pages = json.load(sys.stdin)
json.dump({name: [text(find, page) for page in pages] for name, find in peers()}, sys.stdout)
"""


def of_peers(python: str, pages: list[str]) -> dict[str, list[str]]:
    """Return what each peer makes of the pages, in an interpreter of its own."""
    done = subprocess.run([python, "-c", PEERS], input=json.dumps(pages), capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
