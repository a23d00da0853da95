"""Containment over run files and shards against brute force over all pairs."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipelines import work
from pipelines.build import SOURCES, source_of
from pipelines.dedup import near, pairs
from pipelines.document import Document
from pipelines.files import runs, storage, tables
from pipelines.hashing import keyed
from pipelines.optional.near_duplicates import near_part
from pipelines.recipes import SAMPLE
from pipelines.runners.beam import local
from pipelines.settings import override
from pipelines.stages import jobs
from pipelines.stages.jobs import Job, Shuffle
from pipelines.stages.kinds import Paths, Resolve
from pipelines.stages.resolution import BUCKET_KEYS, Resolution, buckets_for, run_resolve
from tests.pipelines import loop

Keys = Callable[[Document], pairs.RankedKeys]
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


def write(folder: Path, items: list[list[Document]], buckets: int, keys: Keys) -> tuple[list[str], list[str]]:
    """Write the shards and runs that the stage before leaves."""
    shards, run_files = [], []
    for number, documents in enumerate(items):
        shards.append(str(folder / f"{number}.parquet"))
        run_files.append(str(folder / f"{number}.run"))
        chunks = [np.empty(0, runs.RANKED_KEY)]
        with Path(shards[-1]).open("wb") as stream:
            writer = tables.DocumentWriter(stream)
            for row, document in enumerate(documents):
                writer.write(document)
                hashes, ranks, lines = keys(document)
                chunks.append(np.zeros(len(hashes), runs.RANKED_KEY))
                chunks[-1]["hash"], chunks[-1]["rank"], chunks[-1]["doc"], chunks[-1]["line"] = (
                    hashes,
                    ranks,
                    row,
                    lines,
                )
            writer.close()
        runs.write_keys(run_files[-1], np.concatenate(chunks), buckets)
    return shards, run_files


def removed(
    folder: Path,
    items: list[list[Document]],
    buckets: int = 4,
    window: int = 4,
    measure: str = "containment",
    run: Callable[[Sequence[Job | Shuffle]], None] = loop.run,
    of_runs: int = 16,
    stage: Resolve | None = None,
) -> set[str]:
    """Return the ids of what a whole `Resolve` removes."""
    cut = near.bands(0.9, 0.999)
    keys = {
        "containment": lambda document: pairs.containment_keys(document, window),
        "jaccard": lambda document: pairs.jaccard_keys(document, cut),
        "sampled": lambda document: pairs.sampled_keys(document, 16),
    }[measure]
    shards, run_files = write(folder, items, of_runs, keys)
    stage = stage or Resolve(
        "near", partial(near_part, "books"), measure="jaccard" if measure == "jaccard" else "containment"
    )
    task = Resolution(stage, Paths(str(folder), "books"), "identity", len(shards), buckets, 0.9)
    for step in task.steps("books/near", shards, run_files):
        run([step])
    facts = storage.read_json(task.manifest)
    gone = set()
    for item, documents in enumerate(items):
        (removals,) = runs.read_removals([task.manifest.replace(".json", ".removals")], item)
        assert (removals["line"] == runs.WHOLE).all()
        gone |= {documents[row].id for row in removals["doc"].tolist()}
    assert facts["pairs_verified"] >= facts["pairs_overlapping"] >= facts["marked"] == len(gone)
    return gone


def by_brute_force(documents: list[Document], measure: pairs.Measure = "containment") -> set[str]:
    """Compare each document, largest first, with all that are kept."""
    sets = {document.id: set(near.shingles(document.text).tolist()) for document in documents}
    order = sorted(documents, key=lambda d: (-len(sets[d.id]), keyed("near", d.id) >> 32))
    kept: list[str] = []
    gone = set()
    for document in order:
        own = sets[document.id]
        if any(len(own & sets[other]) > 0.9 * _size(own, sets[other], measure) for other in kept):
            gone.add(document.id)
        else:
            kept.append(document.id)
    return gone


def _size(own: set[int], other: set[int], measure: pairs.Measure) -> int:
    return len(own) if measure == "containment" else len(own | other)


def documents_of(found: list[str]) -> list[Document]:
    return [
        Document(id=f"books/{number:02d}", source="books", text=text, dump="d", offset=0)
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
def test_buckets_and_windows_decide_nothing(tmp_path: Path, buckets: int) -> None:
    documents = documents_of(texts(3))
    for window in (1, 8):
        folder = tmp_path / str(window)
        folder.mkdir()
        assert removed(folder, [documents[:5], documents[5:]], buckets, window) == by_brute_force(documents)


def test_buckets_are_as_many_as_the_keys_fill(tmp_path: Path) -> None:
    """A bucket is three files that are synchronised, so that empty ones took most of a small build's time."""
    documents = documents_of(texts(3))
    assert buckets_for(0, 4_096) == buckets_for(4 * BUCKET_KEYS, 4_096) == 4
    assert buckets_for(4 * BUCKET_KEYS + 1, 4_096) == 8
    assert buckets_for(1 << 40, 2) == 2
    assert buckets_for(1 << 40, 4_096) == 4_096
    assert removed(tmp_path, [documents[:5], documents[5:]], 1, of_runs=4_096) == by_brute_force(documents)
    assert len(list(tmp_path.glob("work/books/near*/*"))) == 8


def test_files_of_another_cut_are_not_taken_for_these(tmp_path: Path) -> None:
    documents = documents_of(texts(3))
    assert removed(tmp_path, [documents], 4)
    for path in tmp_path.glob("work/books/near/*"):
        path.unlink()
    assert removed(tmp_path, [documents], 2) == by_brute_force(documents)
    stage = Resolve("near", partial(near_part, "books"))
    one, two = (Resolution(stage, Paths(str(tmp_path), "books"), "identity", 1, n, 0.9) for n in (2, 4))
    steps = list(one.steps("books/near", [str(tmp_path / "0.parquet")], [str(tmp_path / "0.run")]))
    assert jobs.first_not_done(steps[:2], one.step_identity) == []
    assert jobs.first_not_done(steps[:2], two.step_identity) != []


@pytest.mark.parametrize("measure", ["containment", "jaccard", "sampled"])
def test_no_exact_copy_stays_however_short_and_however_many(tmp_path: Path, measure: str) -> None:
    """Sampling once missed 39 of 20,000 pairs of 60 words; a key of the whole document misses none."""
    rng = random.Random(6)
    found = ["", "***", "one", "two words", *(" ".join(rng.choices(WORDS, k=rng.randrange(3, 60))) for _ in range(30))]
    documents = documents_of([*found, *found, *(text.upper() for text in found), *["the same again"] * 200])
    gone = removed(tmp_path, [documents[::2], documents[1::2]], measure=measure)
    assert len(documents) - len(gone) == len({text.upper() for text in found}) + 1


@pytest.mark.parametrize("size", [9, 14, 23, 54, 104])
def test_a_short_document_in_a_long_one_goes(tmp_path: Path, size: int) -> None:
    rng = random.Random(size)
    long = [f"{rng.choice(WORDS)}{rng.choice(WORDS)}{rng.choice(WORDS)}" for _ in range(20_000)]
    starts = range(0, 20_000 - size, 200)
    parts = [" ".join([*long[start : start + size - size // 20], *["new"] * (size // 20)]) for start in starts]
    documents = documents_of([" ".join(long), *parts])
    wanted = by_brute_force(documents)
    assert removed(tmp_path, [documents], window=near.window(0.9, 10)) == wanted
    assert len(wanted) >= 0.9 * len(parts)


def test_no_documents_at_all(tmp_path: Path) -> None:
    assert removed(tmp_path, [[], []]) == set()


@pytest.mark.parametrize("seed", range(4))
def test_jaccard_equals_brute_force_however_items_are_cut(tmp_path: Path, seed: int) -> None:
    documents = documents_of([*texts(seed), "", "one", "two words", "Two WORDS"])
    wanted = by_brute_force(documents, "jaccard")
    assert len(wanted) >= 2
    for name, items in {"one": [documents], "turned": [documents[:2][::-1], documents[2:][::-1]]}.items():
        (tmp_path / name).mkdir()
        assert removed(tmp_path / name, items, measure="jaccard") == wanted


@pytest.mark.parametrize("workers", [1, 2])
def test_a_runner_decides_the_same(tmp_path: Path, workers: int) -> None:
    documents = documents_of(texts(2))
    items = [documents[:4], documents[4:]]
    recipe = override(SAMPLE, "c4.near.measure=containment")
    source = source_of(SOURCES["c4"], recipe)
    (stage,) = [stage for stage in source.stages if isinstance(stage, Resolve)]
    listed = work.of_sources([source], recipe)

    def run(jobs: Sequence[Job | Shuffle]) -> None:
        local.run(jobs, listed, f"{tmp_path}/plan", workers=workers)

    assert removed(tmp_path, items, run=run, stage=stage) == by_brute_force(documents)


def test_little_memory_decides_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = documents_of(texts(5))
    assert pairs.verified.__defaults__ == (pairs.BUDGET,)
    monkeypatch.setattr(pairs.verified, "__defaults__", (500,))
    assert removed(tmp_path, [documents[:6], documents[6:]]) == by_brute_force(documents)


def test_chunks_hold_no_more_than_the_budget() -> None:
    rng = random.Random(1)
    found = np.zeros(200, pairs.PAIR)
    for end in ("inner", "outer"):
        found[f"{end}_doc"] = sorted(rng.choices(range(40), k=200))
        found[f"{end}_rank"] = ((1 << 32) - 1 - found[f"{end}_doc"].astype(np.uint64) % 7 * 10) << 32
    cuts = list(pairs._chunks(found, 100))
    assert [begin for begin, _ in cuts] == [0, *(end for _, end in cuts[:-1])]
    assert cuts[-1][1] == 200
    for first, last in cuts:
        docs = {*found["inner_doc"][first:last].tolist(), *found["outer_doc"][first:last].tolist()}
        assert sum(doc % 7 * 10 for doc in docs) <= 100 or last - first == 1


def test_what_travels_with_a_task_does_not_grow_with_the_files(tmp_path: Path) -> None:
    task = Resolution(
        Resolve("near", partial(near_part, "books")), Paths(str(tmp_path), "books"), "identity", 10_000, 4, 0.9
    )
    steps = list(task.steps("books/near", ["a.parquet"] * 10_000, ["a.run"] * 10_000))
    for step in steps:
        assert len(pickle.dumps(step.reduce if isinstance(step, Shuffle) else step.elements)) < 1_000


def test_a_lost_pair_is_noticed(tmp_path: Path) -> None:
    documents = documents_of(texts(0))
    assert removed(tmp_path, [documents])
    victim = next(tmp_path.glob("work/books/near_verified/*.json"))
    storage.write_json(str(victim), {**storage.read_json(str(victim)), "pairs": 10_000})
    stage = Resolve("near", partial(near_part, "books"))
    task = Resolution(stage, Paths(str(tmp_path), "books"), "identity", 1, 4, 0.9)
    with pytest.raises(RuntimeError, match="candidate pairs"):
        run_resolve(task)
