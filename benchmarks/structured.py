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
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from filters import boilerplate, code, wikitext
from pipelines.document import Document
from pipelines.readers import Dump, github, mediawiki, stack_exchange

# boto3 and what goes with it are dolma's own; without a hint pip tries hundreds of versions of them.
PEERS = (
    *("mwparserfromhell==0.7.2", "wikiextractor==3.1.0", "gensim==4.4.0", "beautifulsoup4==4.15.0", "lxml==6.1.3"),
    *("dolma[code]==1.2.1", "boto3==1.28.17", "botocore==1.31.17", "aiobotocore==2.5.4", "s3fs==2023.6.0"),
    *("fsspec==2023.6.0", "numpy==1.26.4"),
)
BAR = 2.0
# What is asked of the texts, by the name that `quality` gives it.
QUALITY = {"markup per million": 20.0, "articles lost": 0.0, "numbers kept, %": 98.0}
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
ROUNDS = 3
MARKUP = ("[[", "{{", "|", "<ref")
NUMBER = re.compile(r"\d(?:[\d.,\xa0\u202f]*\d)?")
MIN_ARTICLE_LETTERS = 200


def timed(run: Callable[[], list[str]]) -> tuple[float, list[str]]:
    """Return the best CPU seconds of ours, and the texts."""
    best, texts = float("inf"), list[str]()
    for _ in range(ROUNDS):
        began = time.process_time()
        texts = run()
        best = min(best, time.process_time() - began)
    return best, texts


def named(folders: Sequence[Path], *patterns: str) -> list[Path]:
    """Return the files of all folders that match, sorted."""
    return sorted(path for folder in folders for pattern in patterns for path in folder.rglob(pattern))


def articles(folders: Sequence[Path]) -> Iterator[dict[str, str]]:
    """Yield the articles of all dumps: text, language, title, url."""
    for path in named(folders, "*wiki*.xml.bz2"):
        language = mediawiki.language_of(path.name)
        dump = Dump(name=str(path), digest="0", attributes={"language": language})
        with path.open("rb") as stream:
            for page in mediawiki.read(stream, dump, Counter()):
                if isinstance(page, Document):
                    namespace, redirect = page.attributes["namespace"], page.attributes.get("redirect")
                    if wikitext.reason(namespace, redirect, page.text, language) is None:
                        yield {
                            "text": page.text,
                            "language": language,
                            "title": page.title or "",
                            "url": page.url or "",
                        }


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
    return [text for text, path in texts if code.reason(text, path) is None]


def python_with_peers(output: Path, packages: Sequence[str] = PEERS) -> Path:
    """Return the interpreter of the peers' environment, made if it is not there."""
    python = output / "peers/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(output / "peers")], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        subprocess.run(pip, check=True)
    return python


def peer(python: Path, job: str, content: Any, output: Path) -> Any:
    """Run one job of the peers on the content that ours had."""
    source, target = output / f"{job}.json", output / f"{job}.out.json"
    source.write_text(json.dumps(content), encoding="utf-8")
    script = Path(__file__).with_name("structured_peers.py")
    subprocess.run(
        [str(python), str(script), job, str(source), str(target)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return json.loads(target.read_text(encoding="utf-8"))


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


def compare(name: str, size: int, ours: float, peers: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Print one source's speeds and return its ratios."""
    print(f"{name}: {size / 1e6:.1f} MB; ours {ours:.3f} CPU s, {size / 1e6 / ours:.1f} MB/s")
    ratios = {}
    for peer_name, found in peers.items():
        ratio = found["seconds"] / ours
        print(
            f"  {peer_name:18} {found['seconds']:8.3f} CPU s, {size / 1e6 / found['seconds']:6.1f} MB/s: {ratio:.2f} x"
        )
        ratios[f"{name}_{peer_name}"] = {"ratio": round(ratio, 2), "bar": BAR}
    return ratios


def run(folders: Sequence[Path], output: Path) -> dict[str, dict[str, float]]:
    """Run all comparisons that there are dumps for."""
    python = python_with_peers(output)
    result: dict[str, dict[str, float]] = {}
    if pages := list(articles(folders)):
        seconds, texts = timed(lambda: [wikitext.clean(page["text"], page["language"]) for page in pages])
        peers = peer(python, "wikipedia", pages, output)
        result |= compare("wikipedia", sum(len(page["text"].encode()) for page in pages), seconds, peers)
        prose = peer(python, "numbers", pages, output)
        print(f"  {len(pages)} articles, {sum(map(len, prose))} numbers in prose")
        for name, found in {"ours": texts, **{name: found["texts"] for name, found in peers.items()}}.items():
            print(f"  {name:18} {quality(pages, found, prose)}")
        ours = quality(pages, texts, prose)
        result |= {f"wikipedia, {name}": {"ratio": ours[name], "bar": bar} for name, bar in QUALITY.items()}
    if sites := posts_files(folders, output):
        seconds, texts = timed(lambda: [text for path in sites for text in joined(path)])
        size = sum(Path(path).stat().st_size for path in sites)
        result |= compare("stack_exchange", size, seconds, peer(python, "stack_exchange", sites, output))
        left = sum(tags_left(path, joined(path)) for path in sites)
        print(f"  {len(texts)} questions, {sum(map(len, texts)):,} characters, {left} bytes of HTML tags left")
        result["stack_exchange, bytes of tags left"] = {"ratio": float(left), "bar": 0.0}
    if rows := list(files(folders)):
        size = sum(len(row["text"].encode("utf-8", "replace")) for row in rows)
        found = peer(python, "github", rows, output)
        for mode in ("corrected", "published"):
            seconds, texts = timed(lambda mode=mode: cleaned(rows, mode))  # type: ignore[misc]
            result |= compare(f"github_{mode}", size, seconds, found)
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
