"""Containment over run files and shards against brute force over all pairs."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from pipelines import runs, tables
from pipelines.dedup import containment, near
from pipelines.document import Document

WORDS = [f"{a}{b}" for a in ("lla", "pun", "sal", "rio", "vien") for b in ("ma", "to", "dor", "ne", "cas", "lin")]


def texts(seed: int) -> list[str]:
    """Return texts of which some are parts, copies or near copies of others, in chains too."""
    rng = random.Random(seed)
    found = [" ".join(rng.choices(WORDS, k=rng.randrange(100, 400))) for _ in range(6)]
    words = [text.split() for text in found]
    found.append(" ".join(words[0][10:90]))
    found.append(found[1])
    found.append(f"{found[2]} {found[3]}")
    found.append(" ".join(words[4][: len(words[4]) * 19 // 20] + rng.choices(WORDS, k=30)))
    found.append(" ".join(words[5][: len(words[5]) // 2] + rng.choices(WORDS, k=200)))
    rng.shuffle(found)
    return found


def write(folder: Path, items: list[list[Document]], buckets: int, one_in: int) -> tuple[list[str], list[str]]:
    """Write the shards and runs that the stage before leaves."""
    shards, run_files = [], []
    for number, documents in enumerate(items):
        shards.append(str(folder / f"{number}.parquet"))
        run_files.append(str(folder / f"{number}.run"))
        chunks = [np.empty(0, runs.KEY)]
        with Path(shards[-1]).open("wb") as stream:
            writer = tables.DocumentWriter(stream)
            for row, document in enumerate(documents):
                writer.write(document)
                hashes, _, _ = containment.shingle_keys(document, one_in)
                chunks.append(np.zeros(len(hashes), runs.KEY))
                chunks[-1]["hash"], chunks[-1]["doc"], chunks[-1]["line"] = hashes, row, runs.WHOLE
            writer.close()
        runs.write_keys(run_files[-1], np.concatenate(chunks), buckets)
    return shards, run_files


def removed(folder: Path, items: list[list[Document]], buckets: int = 4, one_in: int = 4) -> set[str]:
    """Return the ids of what containment removes."""
    shards, run_files = write(folder, items, buckets, one_in)
    numbers, removals, facts = containment.contained(shards, run_files, buckets, 0.9)
    assert all(line == runs.WHOLE for line in removals["line"].tolist())
    assert facts["pairs_overlapping"] >= len(removals)
    pairs = zip(numbers.tolist(), removals["doc"].tolist(), strict=True)
    return {items[item][row].id for item, row in pairs}


def by_brute_force(documents: list[Document]) -> set[str]:
    """Compare each document, largest first, with all that are kept."""
    sets = {document.id: set(near.shingles(document.text).tolist()) for document in documents}
    order = sorted(documents, key=lambda d: (-len(sets[d.id]), f"{d.attributes[containment.CONTENT]}/{d.id}"))
    kept: list[str] = []
    gone = set()
    for document in order:
        own = sets[document.id]
        if any(len(own & sets[other]) > 0.9 * len(own) for other in kept):
            gone.add(document.id)
        else:
            kept.append(document.id)
    return gone


def documents_of(found: list[str]) -> list[Document]:
    return [
        containment.measured(Document(id=f"books/{number:02d}", source="books", text=text, dump="d", offset=0))
        for number, text in enumerate(found)
    ]


@pytest.mark.parametrize("seed", range(8))
def test_equals_brute_force_however_items_are_cut(tmp_path: Path, seed: int) -> None:
    documents = documents_of(texts(seed))
    wanted = by_brute_force(documents)
    assert len(wanted) >= 4
    for name, items in {
        "one": [documents],
        "each": [[document] for document in documents],
        "some": [documents[:3], [], documents[3:4], documents[4:]],
        "turned": [documents[::-1]],
    }.items():
        (tmp_path / name).mkdir()
        assert removed(tmp_path / name, items) == wanted


@pytest.mark.parametrize("buckets", [1, 16])
def test_buckets_and_sampling_decide_nothing(tmp_path: Path, buckets: int) -> None:
    documents = documents_of(texts(3))
    for one_in in (1, 8):
        folder = tmp_path / str(one_in)
        folder.mkdir()
        assert removed(folder, [documents[:5], documents[5:]], buckets, one_in) == by_brute_force(documents)


def test_no_documents_at_all(tmp_path: Path) -> None:
    assert removed(tmp_path, [[], []]) == set()
    assert containment.contained([], [], 4, 0.9)[1].tolist() == []
