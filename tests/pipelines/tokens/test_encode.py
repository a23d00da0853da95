"""Token shards against a straightforward implementation: split, order, boundaries, whatever the items and shards."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.document import Document
from pipelines.files import runs, storage, strays, tables
from pipelines.hashing import SCALE, keyed, share
from pipelines.recipes import Shards
from pipelines.stages.graph import Node, run_waves
from pipelines.stages.jobs import Job, Shuffle
from pipelines.stages.source import Model
from pipelines.tokens import encode, shards
from tests.pipelines import loop
from tokenizer import spec, training
from tokenizer.encode import Tokenizer

WORDS = ["llama", "puna", "ichu grass", "salt flat", "é", "vicuña", "7", "\n"]
RECIPE = Shards(shard_tokens=100, validation=0.2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    rng = random.Random(1)
    training.train([" ".join(rng.choices(WORDS, k=20)) for _ in range(200)], path, replace(spec.LLAMA, vocab_size=280))
    return path


def documents(count: int) -> list[Document]:
    rng = random.Random(count)
    texts = [" ".join(rng.choices(WORDS, k=rng.randrange(0, 30))) for _ in range(count)]
    return [
        Document(id=f"c4/{n}", source="c4", text=text, dump="d", offset=n, language=("en", None, "qu")[n % 3])
        for n, text in enumerate(texts)
    ]


def built(
    folder: Path,
    items: Sequence[Sequence[Document]],
    model: Path,
    recipe: Shards,
    run: Callable[[Sequence[Job | Shuffle]], None] = loop.run,
) -> shards.Manifest:
    """Write the items' documents and build their shards in `folder`."""
    found = []
    for number, item in enumerate(items):
        path = folder / f"documents/{number}.parquet"
        with storage.write(str(path)) as stream:
            writer = tables.DocumentWriter(stream)
            for document in item:
                writer.write(document)
            writer.close()
        found.append((str(path), f"identity of {tables.table_digest([repr(d).encode() for d in item])}"))
    source = encode.Tokens("c4", str(folder), recipe, lambda: found, lambda: Model(str(model), "digest"))
    given_nodes = (Node("documents", (), list), Node("models/tokenizer", (), list))

    def begun(jobs: Sequence[Job | Shuffle]) -> None:
        strays.begin(path for job in jobs for path in job.outputs)
        run(jobs)

    run_waves([*given_nodes, *source.nodes("documents")], begun)
    source.remove_strays()
    return source.finish()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "tokens/c4").iterdir()}


def expected(
    found: Sequence[Document], tokenizer: Tokenizer, recipe: Shards
) -> dict[str, list[list[tuple[str, list[int]]]]]:
    """Return (id, tokens) by split and shard, the plain way."""
    answer = {}
    for split in shards.SPLITS:
        members = [d for d in found if (share("split", d.id) < recipe.validation) == (split == "validation")]
        rows = [
            (keyed("shard", d.id), d.id, tokenizer.encode_batch([d.text], bos=recipe.bos, eos=recipe.eos)[0].tolist())
            for d in members
        ]
        count = max(1, -(-sum(len(ids) for _, _, ids in rows) // recipe.shard_tokens))
        answer[split] = [
            [(name, ids) for key, name, ids in sorted(rows) if key * count // SCALE == shard] for shard in range(count)
        ]
    return answer


def read(folder: Path, manifest: shards.Manifest) -> dict[str, list[list[tuple[str, list[int]]]]]:
    directory = folder / "tokens/c4"
    answer: dict[str, list[list[tuple[str, list[int]]]]] = {}
    for split, entries in manifest.splits.items():
        for entry in entries:
            ids = shards.tokens(directory, entry)
            ends = shards.document_ends(directory, entry).astype(np.int64)
            rows = tables.read_rows(str(directory / f"{entry.name}.documents.parquet"))
            cut = np.split(ids, ends[:-1]) if len(ends) else []
            answer.setdefault(split, []).append(
                [(row["id"], part.tolist()) for row, part in zip(rows, cut, strict=True)]
            )
    return answer


def assert_located(folder: Path, manifest: shards.Manifest) -> None:
    """Each shard says of its documents where they are: in that row of that file of documents."""
    files = {path.stem: list(tables.read_rows(str(path))) for path in (folder / "documents").iterdir()}
    for entry in (entry for entries in manifest.splits.values() for entry in entries):
        for row in tables.read_rows(str(folder / f"tokens/c4/{entry.name}.documents.parquet")):
            document = files[row["file"]][row["row"]]
            assert (document["id"], len(document["text"].encode())) == (row["id"], row["bytes"])


def assert_languages(
    manifest: shards.Manifest, found: Sequence[Document], tokenizer: Tokenizer, recipe: Shards
) -> None:
    """The manifest's counts by language are those of the documents."""
    right: dict[str, list[int]] = {}
    for document in found:
        (ids,) = tokenizer.encode_batch([document.text], bos=recipe.bos, eos=recipe.eos)
        row = right.setdefault(document.language or "und", [0, 0, 0])
        for n, count in enumerate((1, len(ids), len(document.text.encode()))):
            row[n] += count
    assert {name: list(counts.values()) for name, counts in manifest.by_language().items()} == right
    for split in shards.SPLITS:
        assert all(manifest.total(split, what) == manifest.language_total(split, what) for what in shards.COUNTS)


@given(
    count=st.sampled_from([0, 1, 2, 40]),
    cuts=st.lists(st.integers(0, 40), max_size=3),
    shard_tokens=st.sampled_from([40, 150, 10**9]),
    validation=st.sampled_from([0.0, 0.2, 1.0]),
    framed=st.booleans(),
)
@settings(deadline=None, max_examples=30)
def test_equals_the_plain_way(
    tmp_path_factory: pytest.TempPathFactory,
    model: Path,
    count: int,
    cuts: list[int],
    shard_tokens: int,
    validation: float,
    framed: bool,
) -> None:
    folder = tmp_path_factory.mktemp("tokens")
    found = documents(count)
    places = [0, *sorted(min(cut, count) for cut in cuts), count]
    items = [found[a:b] for a, b in pairwise(places)]
    recipe = Shards(shard_tokens=shard_tokens, validation=validation, bos=framed, eos=True)
    manifest = built(folder, items, model, recipe)
    assert read(folder, manifest) == expected(found, Tokenizer(model), recipe)
    assert manifest.grand_total("documents") == count
    assert manifest.grand_total("text_bytes") == sum(len(document.text.encode()) for document in found)
    assert_located(folder, manifest)
    assert_languages(manifest, found, Tokenizer(model), recipe)
    shutil.rmtree(folder)


def test_items_and_their_order_change_no_byte_of_the_tokens(tmp_path: Path, model: Path) -> None:
    found = documents(50)
    layouts = {
        "one": [found],
        "turned": [found[::-1]],
        "many": [found[n::7] for n in range(7)],
        "empty": [found[:25], [], found[25:]],
    }
    results = {}
    for name, items in layouts.items():
        manifest = built(tmp_path / name, items, model, RECIPE)
        assert_located(tmp_path / name, manifest)
        results[name] = {
            file: data for file, data in contents(tmp_path / name).items() if file[-4:] in (".bin", "ndex")
        }
    assert all(result == results["one"] for result in results.values())
    assert len(results["one"]) > 10


def test_the_order_in_which_work_is_done_changes_no_byte(tmp_path: Path, model: Path) -> None:
    found = documents(60)
    items = [found[n::3] for n in range(3)]
    built(tmp_path / "a", items, model, RECIPE)
    built(tmp_path / "b", items, model, RECIPE, lambda jobs: loop.run([backwards(job) for job in jobs]))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) > 15


def backwards(job: Job | Shuffle) -> Job | Shuffle:
    """Return the same work in another order."""
    if isinstance(job, Shuffle):
        return replace(job, elements=job.elements[::-1], buckets=job.buckets[::-1], outputs=job.outputs[::-1])
    return replace(job, elements=job.elements[::-1], outputs=job.outputs[::-1], weights=job.weights[::-1])


def test_a_corpus_that_grows_keeps_its_splits_and_its_order(tmp_path: Path, model: Path) -> None:
    found = documents(400)
    small = read(tmp_path / "a", built(tmp_path / "a", [found[:150]], model, RECIPE))
    large = read(tmp_path / "b", built(tmp_path / "b", [found[:150], found[150:]], model, RECIPE))
    old = {document.id for document in found[:150]}
    for split in shards.SPLITS:
        before = [row for shard in small[split] for row in shard]
        assert [row for shard in large[split] for row in shard if row[0] in old] == before
        assert len(before) > 20


def test_a_shard_is_an_unbiased_sample_of_its_source(tmp_path: Path, model: Path) -> None:
    # Documents in the order of their dump, long ones first: every shard must hold its share of each half.
    texts = ["llama puna " * 12] * 1500 + ["llama"] * 1500
    found = [
        Document(id=f"c4/{n}", source="c4", text=text, dump="d", offset=n, language="en")
        for n, text in enumerate(texts)
    ]
    manifest = built(tmp_path, [found[:1000], found[1000:]], model, Shards(shard_tokens=12_000, validation=0.1))
    rows = read(tmp_path, manifest)
    assert len(rows["train"]) > 3
    for shard in rows["train"]:
        numbers = np.array([int(name.partition("/")[2]) for name, _ in shard])
        deviation = (len(numbers) ** 0.5) / 2
        assert abs((numbers < 1500).sum() - len(numbers) / 2) < 4 * deviation
        assert [keyed("shard", name) for name, _ in shard] == sorted(keyed("shard", name) for name, _ in shard)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 1000])
def test_boundaries_are_shares_of_all_hashes(tmp_path: Path, count: int) -> None:
    hashes = sorted({0, SCALE - 1, *(-(-n * SCALE // count) + d for n in range(1, min(count, 8)) for d in (-1, 0))})
    path = str(tmp_path / "a.run")
    runs.write_blobs(path, hashes, [b"x"] * len(hashes), 1)
    write = encode.WriteShards(str(tmp_path), str(tmp_path), {"train": count, "validation": 1}, "identity", 2)
    found = {}
    for shard, where in write.split((0, "train", path)):
        for key, _ in runs.read_blobs(where):
            found[key] = shard
    assert found == {key: key * count // SCALE for key in hashes}
    assert [shard for shard, _ in write.split((0, "validation", path))] == [count]


def test_another_length_of_shards_encodes_nothing_again(tmp_path: Path, model: Path) -> None:
    found = documents(30)
    built(tmp_path, [found], model, RECIPE)
    stamp = (tmp_path / "work/tokens/c4/0.json").stat().st_mtime_ns
    manifest = built(tmp_path, [found], model, replace(RECIPE, shard_tokens=50))
    assert (tmp_path / "work/tokens/c4/0.json").stat().st_mtime_ns == stamp
    assert len(manifest.splits["train"]) > 3
    built(tmp_path, [found], model, replace(RECIPE, shard_tokens=10**6))
    assert len(contents(tmp_path)) == 2 * 3 + 1
    again = built(tmp_path, [found], model, replace(RECIPE, shard_tokens=50))
    assert again == manifest
    assert len(contents(tmp_path)) > 4 * 3 + 1


def test_two_documents_of_one_id_are_refused(tmp_path: Path, model: Path) -> None:
    found = documents(3)
    with pytest.raises(RuntimeError, match="two documents have the id c4/1"):
        built(tmp_path, [found, [found[1].with_text("another")]], model, RECIPE)


def test_a_shard_that_lost_documents_is_found(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = encode.WriteShards.split
    monkeypatch.setattr(encode.WriteShards, "split", lambda self, element: list(split(self, element))[1:])
    with pytest.raises(RuntimeError, match=r"c4/shards does not add up: train has"):
        built(tmp_path, [documents(30)], model, RECIPE)
