"""Wikipedia, StackExchange and GitHub beside the public implementations that do the same job, in one run.

    dumps ─ the same pages, posts and files ─┬─ ours ──────────────────────> CPU seconds, texts
                                             └─ peers, in their own venv ──> CPU seconds, texts
    texts of articles ─> markup left per million characters, numbers of the prose kept, articles lost

Usage: `python benchmarks/structured.py [FOLDER ...] [--output DIR]`, folders of dumps (default: data/raw). Dumps are
taken by their names: `*wiki*.xml.bz2`, `Posts.xml` and `*.7z`, `*.json.gz`. The peers are installed once under the
output folder. Numbers in prose are found by mwparserfromhell line by line, not by the code under test. The last line is
one JSON object: name -> {ratio, bar}, the peer's CPU seconds over ours (at least the bar); and what is left, lost and
kept in ours: marks of markup per million characters, articles lost, bytes of HTML tags (at most the bar), per cent of
the numbers in prose (at least the bar).
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import Peer, compare, run_job, timed
from filters.code import boilerplate, heuristics
from filters.wikitext import cleaner
from pipelines.document import Document
from pipelines.readers import Dump, github, mediawiki, stack_exchange

# boto3 and what goes with it are dolma's own; without a hint pip tries hundreds of versions of them.
PEERS = Peer(
    "structured",
    "structured_peers.py",
    (
        *("mwparserfromhell==0.7.2", "wikiextractor==3.1.0", "gensim==4.4.0", "beautifulsoup4==4.15.0", "lxml==6.1.3"),
        *("dolma[code]==1.2.1", "boto3==1.28.17", "botocore==1.31.17", "aiobotocore==2.5.4", "s3fs==2023.6.0"),
        *("fsspec==2023.6.0", "numpy==1.26.4"),
    ),
)
BAR = 2.0
# What is asked of the texts, by the name that `quality` gives it.
QUALITY = {"markup per million": 6.0, "articles lost": 0.0, "numbers kept, %": 99.5}
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
ROUNDS = 3
MARKUP = ("[[", "{{", "|", "<ref")
NUMBER = re.compile(r"\d(?:[\d.,\xa0\u202f]*\d)?")
MIN_ARTICLE_LETTERS = 200


def named(folders: Sequence[Path], *patterns: str) -> list[Path]:
    """Return the files of all folders that match, sorted."""
    return sorted(path for folder in folders for pattern in patterns for path in folder.rglob(pattern))


def read_pages(folders: Sequence[Path]) -> Iterator[Document]:
    """Yield the pages of all dumps, of every namespace."""
    for path in named(folders, "*wiki*.xml.bz2"):
        dump = Dump(name=str(path), digest="0", attributes={"language": mediawiki.language_of(path.name)})
        with path.open("rb") as stream:
            yield from (page for page in mediawiki.read(stream, dump, Counter()) if isinstance(page, Document))


def articles(folders: Sequence[Path]) -> Iterator[dict[str, str]]:
    """Yield the articles of all dumps: text, language, title, url."""
    for page in read_pages(folders):
        language = page.language or ""
        namespace, redirect = page.attributes["namespace"], page.attributes.get("redirect")
        if cleaner.reason(namespace, redirect, page.text, language) is None:
            yield {"text": page.text, "language": language, "title": page.title or "", "url": page.url or ""}


def posts_files(folders: Sequence[Path], output: Path) -> list[str]:
    """Return the Posts.xml of all sites, taken out of their archives."""
    found = [str(path) for path in named(folders, "Posts.xml")]
    for path in named(folders, "*.7z"):
        unpacked = output / f"{path.stem}.xml"
        with path.open("rb") as archive, unpacked.open("wb") as target:
            stack_exchange.decompress(archive, lambda piece, target=target: target.write(piece))  # type: ignore[misc]
        found.append(str(unpacked))
    return found


def files(folders: Sequence[Path]) -> Iterator[dict[str, str]]:
    """Yield path and text of the rows of all exports."""
    for path in named(folders, "*.json.gz"):
        with path.open("rb") as stream:
            for row in github.read(stream, Dump(name=str(path), digest="0"), Counter()):
                if isinstance(row, Document):
                    yield {"path": row.attributes["path"], "text": row.text}


def joined(path: str) -> list[str]:
    """Return the documents of one site."""
    dump = Dump(name=path, digest="0", attributes={"site": "site.example.org"})
    with Path(path).open("rb") as stream:
        posts = [post for post in stack_exchange.read(stream, dump, Counter()) if not hasattr(post, "reason")]
    return [found.text for found in stack_exchange.assemble(posts) if isinstance(found, Document)]


def cleaned(rows: Sequence[dict[str, str]], mode: boilerplate.Mode) -> list[str]:
    """Return the files that are kept, without boilerplate."""
    texts = ((boilerplate.clean(row["text"], row["path"], mode), row["path"]) for row in rows)
    return [text for text, path in texts if heuristics.reason(text, path) is None]


def quality(pages: Sequence[dict[str, str]], texts: Sequence[str], prose: Sequence[list[str]]) -> dict[str, float]:
    """Return markup left per million characters, the share of the prose's numbers kept, and articles lost."""
    size = sum(map(len, texts))
    left = {mark: sum(text.count(mark) for text in texts) for mark in MARKUP}
    kept = wanted = lost = 0
    for page, text, numbers in zip(pages, texts, prose, strict=True):
        there = Counter(re.sub(r"\D", "", found[0]) for found in NUMBER.finditer(text))
        wanted += len(numbers)
        kept += (Counter(numbers) & there).total()
        lost += sum(map(str.isalpha, page["text"])) >= MIN_ARTICLE_LETTERS and not text.strip()
    found: dict[str, float] = {f"{mark} per million": round(1e6 * count / size, 2) for mark, count in left.items()}
    found["markup per million"] = round(1e6 * sum(left.values()) / size, 1)
    return found | {"numbers kept, %": round(100 * kept / wanted, 2), "articles lost": lost, "characters": size}


def tags_left(path: str, texts: Sequence[str]) -> int:
    """Return the bytes of HTML tags in a site's texts, without those that its posts show as text."""
    bodies = html.unescape(Path(path).read_text(encoding="utf-8"))
    shown = html.unescape(TAG.sub("", bodies))
    found = [tag for text in texts for tag in TAG.findall(text)]
    return sum(len(tag.encode()) for tag in found if tag not in shown)


def run(folders: Sequence[Path], output: Path) -> dict[str, dict[str, float]]:
    """Run all comparisons that there are dumps for."""
    result: dict[str, dict[str, float]] = {}
    if pages := list(articles(folders)):
        seconds, texts = timed(lambda: [cleaner.clean(page["text"], page["language"]) for page in pages], ROUNDS)
        peers = run_job(PEERS, output, "wikipedia", pages)
        result |= compare("wikipedia", sum(len(page["text"].encode()) for page in pages), seconds, peers, BAR)
        prose = run_job(PEERS, output, "numbers", pages)
        print(f"  {len(pages)} articles, {sum(map(len, prose))} numbers in prose")
        for name, found in {"ours": texts, **{name: found["texts"] for name, found in peers.items()}}.items():
            print(f"  {name:18} {quality(pages, found, prose)}")
        ours = quality(pages, texts, prose)
        result |= {f"wikipedia, {name}": {"ratio": ours[name], "bar": bar} for name, bar in QUALITY.items()}
    if sites := posts_files(folders, output):
        seconds, texts = timed(lambda: [text for path in sites for text in joined(path)], ROUNDS)
        size = sum(Path(path).stat().st_size for path in sites)
        result |= compare("stack_exchange", size, seconds, run_job(PEERS, output, "stack_exchange", sites), BAR)
        left = sum(tags_left(path, joined(path)) for path in sites)
        print(f"  {len(texts)} questions, {sum(map(len, texts)):,} characters, {left} bytes of HTML tags left")
        result["stack_exchange, bytes of tags left"] = {"ratio": float(left), "bar": 0.0}
    if rows := list(files(folders)):
        size = sum(len(row["text"].encode("utf-8", "replace")) for row in rows)
        found = run_job(PEERS, output, "github", rows)
        for mode in ("corrected", "published"):
            seconds, texts = timed(lambda mode=mode: cleaned(rows, mode), ROUNDS)  # type: ignore[misc]
            result |= compare(f"github_{mode}", size, seconds, found, BAR)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("data/raw")])
    parser.add_argument("--output", type=Path, help="where the peers are installed (default: a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        output = arguments.output or Path(temporary)
        output.mkdir(parents=True, exist_ok=True)
        print(json.dumps(run(arguments.folders, output)))


if __name__ == "__main__":
    main()
