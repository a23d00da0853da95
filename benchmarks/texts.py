"""arXiv and books beside the public implementations that do the same job, in one run.

    submissions (gzip) ─┬─ ours: files, main file, inputs, macros ──────> CPU seconds, texts
                        └─ RedPajama's cleaner, a macro expander ───────> CPU seconds, texts
    books (bytes) ──────┬─ ours: encoding, header, footer, credits ─────> CPU seconds, texts
                        └─ strip_headers of three packages ─────────────> CPU seconds, texts

Usage: `python benchmarks/texts.py [FOLDER ...] [--redpajama DIR] [--output DIR]`, folders of arXiv's tars or single
submissions (`*.tar`, `*.tar.gz`) and of books (`*.txt`); default: data/raw. DIR is `data_prep/arxiv` of RedPajama's
repository at f54b86f; without it, that peer is left out. The other peers are installed once under the output folder.
Also printed: on how many submissions our `published` mode gives RedPajama's own text, what each leaves of user macros,
and how much of Gutenberg's text and of the books' own is left. The last line is one JSON object: name -> {ratio, bar}.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import Peer, compare, run_job, timed
from filters import gutenberg
from filters.latex import cleaner
from pipelines.document import Document
from pipelines.readers import Dump, arxiv
from pipelines.readers import gutenberg as books
from pipelines.recipes import Papers
from pipelines.sources import arxiv as source
from pipelines.stages.kinds import Context

PEERS = Peer(
    "texts", "texts_peers.py", ("expand-latex-macros==2.0.0", "gutenbergpy==0.4.0", "gutenberg-cleaner==0.1.6")
)
BAR = 2.0
ROUNDS = 5
# A few papers are cleaned in less than a clock can tell.
REPEATS = 10


def submissions(folders: Sequence[Path], output: Path) -> list[Path]:
    """Write each submission in TeX as a file of its own, as RedPajama unpacks arXiv's tars, and return them."""
    found: list[Path] = []
    for path in sorted(p for folder in folders for pattern in ("*.tar", "*.tar.gz") for p in folder.rglob(pattern)):
        content = path.read_bytes()
        with path.open("rb") as stream:
            records = arxiv.read(stream, Dump(name=str(path), digest=path.stem), Counter())
            for record in (record for record in records if isinstance(record, arxiv.Submission)):
                target = output / f"{len(found):04d}.gz"
                target.write_bytes(_member(content, record.offset) if path.suffix == ".tar" else content)
                found.append(target)
    return found


def _member(tar: bytes, offset: int) -> bytes:
    size = int(tar[offset + 124 : offset + 135], 8)
    return tar[offset + arxiv.BLOCK : offset + arxiv.BLOCK + size]


def read(path: Path) -> arxiv.Submission:
    """Return a submission's files."""
    with path.open("rb") as stream:
        (record,) = arxiv.read(stream, Dump(name=str(path), digest=path.stem), Counter())
    assert isinstance(record, arxiv.Submission)
    return record


def papers(paths: Iterable[Path], mode: cleaner.Mode) -> list[str]:
    """Return the text of each paper, "" for one that is dropped."""
    context = Context(Papers(mode=mode), {})
    found = (source.clean(read(path), context) for path in paths)
    return [paper.text if isinstance(paper, Document) else "" for paper in found]


def book(data: bytes) -> str:
    """Return a book's text, as the reader and the source make it."""
    text, _ = books.decode(data)
    gutenberg.header(text)
    return gutenberg.clean(text).strip()


def run_arxiv(paths: Sequence[Path], redpajama: Path | None, output: Path) -> dict[str, dict[str, float]]:
    """Compare papers: whole submissions with RedPajama's cleaner, flattened sources with a macro expander."""
    result: dict[str, dict[str, float]] = {}
    files = [cleaner.sources(read(path).files) for path in paths]
    mains = [cleaner.find_main(found) for found in files]
    flat = [cleaner.flatten(found, main) for found, main in zip(files, mains, strict=True) if main]
    size = sum(len(text.encode()) for text in flat)
    if redpajama:
        theirs = run_job(PEERS, output, "redpajama", [str(redpajama.resolve()), [str(path) for path in paths]])
        for mode in ("corrected", "published"):
            seconds, texts = timed(lambda mode=mode: papers(paths, mode), ROUNDS, REPEATS)  # type: ignore[misc]
            result |= compare(f"arxiv_{mode}", size, seconds, theirs, BAR)
        same = sum(a == (b or "") for a, b in zip(texts, theirs["redpajama"]["texts"], strict=True))
        print(f"  published mode gives RedPajama's own text on {same} of {len(paths)} submissions")
        result["arxiv_published_identical"] = {"ratio": same / len(paths), "bar": 1.0}
    seconds, texts = timed(lambda: [cleaner.clean(text).text for text in flat], ROUNDS, REPEATS)
    found = run_job(PEERS, output, "macros", flat)
    result |= compare("arxiv_macros", size, seconds, found, BAR)
    for name, made in {"ours": texts, **{name: row["texts"] for name, row in found.items()}}.items():
        left = sum(map(left_over, flat, made))
        print(f"  {name:22} leaves {left} uses of macros that the papers define")
    return result


def left_over(flat: str, text: str) -> int:
    r"""Return how often names that a source defines by `\newcommand` or `\def` stand in a text."""
    names = set(re.findall(r"\\(?:re)?newcommand\*?\s*\{?\s*\\([A-Za-z]+)", flat))
    names |= set(re.findall(r"\\def\s*\\([A-Za-z]+)", flat))
    body = text[max(text.find("\\begin{document}"), 0) :]
    return sum(name in names for name in re.findall(r"\\([A-Za-z]+)", body))


def run_books(paths: Sequence[Path], output: Path) -> dict[str, dict[str, float]]:
    """Compare books, and print what is left of Gutenberg's text and of the books'."""
    raw = [path.read_bytes() for path in paths]
    seconds, texts = timed(lambda: [book(data) for data in raw], ROUNDS)
    found = run_job(PEERS, output, "books", [str(path) for path in paths])
    result = compare("books", sum(map(len, raw)), seconds, found, BAR)
    for name, made in {"ours": texts, **{name: row["texts"] for name, row in found.items()}}.items():
        mentions = sum(len(re.findall("project gutenberg", text, re.IGNORECASE)) for text in made)
        print(f"  {name:22} {sum(map(len, made)):,} characters, {mentions} mentions of Project Gutenberg")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("data/raw")])
    parser.add_argument("--redpajama", type=Path, metavar="DIR", help="data_prep/arxiv of a checkout of RedPajama-Data")
    parser.add_argument("--output", type=Path, help="where the peers are installed (default: a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        output = arguments.output or Path(temporary)
        output.mkdir(parents=True, exist_ok=True)
        result: dict[str, dict[str, float]] = {}
        if found := submissions(arguments.folders, output):
            result |= run_arxiv(found, arguments.redpajama, output)
        if texts := sorted(path for folder in arguments.folders for path in folder.rglob("*.txt")):
            result |= run_books(texts, output)
        print(json.dumps(result))


if __name__ == "__main__":
    main()
