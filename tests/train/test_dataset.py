import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.table1 import SOURCES, TABLE_1
from pipelines.tokens.shards import Manifest, Shard
from train.corpus import Stream, mixture_of, open_corpus
from train.dataset import SequenceDataset, Steps, loader

WEIGHTS = {row.name: row.proportion for row in TABLE_1}
LENGTH = 32


def dataset(directory: Path) -> SequenceDataset:
    corpus = open_corpus(directory, SOURCES)
    streams = [corpus.stream(name) for name in SOURCES]
    sizes = {name: len(stream) for name, stream in zip(SOURCES, streams, strict=True)}
    return SequenceDataset(mixture_of(sizes, WEIGHTS, LENGTH, seed=4), streams, LENGTH)


def test_a_sequence_is_its_window_of_its_sources_stream(shared_corpus: Path) -> None:
    data = dataset(shared_corpus)
    ks = list(range(500, 560))
    batch, draw = data.__getitems__(ks), data.mixture.at(ks)
    assert batch.tokens.shape == (60, LENGTH + 1)
    for row, source, sequence in zip(batch.tokens.numpy(), draw.source, draw.sequence, strict=True):
        whole = data.streams[source].read(0, len(data.streams[source]))
        assert np.array_equal(row, whole[sequence * LENGTH : sequence * LENGTH + LENGTH + 1])
    assert np.array_equal(batch.source.numpy(), draw.source)
    assert np.array_equal(data[523].tokens[0], batch.tokens[23])


def test_an_epoch_predicts_every_token_but_the_first_and_the_tail_once(shared_corpus: Path) -> None:
    data = dataset(shared_corpus)
    number = SOURCES.index("stack_exchange")
    stream, size = data.streams[number], data.mixture.sizes[number]
    ks = np.arange(1000 * (size // 20 + 1))
    draw = data.mixture.at(ks)
    first_epoch = ks[(draw.source == number) & (draw.epoch == 0)]
    rows = data.__getitems__(first_epoch.tolist()).tokens.numpy()
    order = np.argsort(draw.sequence[first_epoch])
    assert np.array_equal(rows[order, 1:].ravel(), stream.read(1, size * LENGTH + 1))
    assert 0 <= len(stream) - 1 - size * LENGTH < LENGTH


@pytest.mark.parametrize(("world", "micro"), [(1, 8), (2, 4), (2, 1), (8, 1), (4, 2)])
def test_ranks_and_micro_batches_only_share_out_the_ks(world: int, micro: int) -> None:
    parts = [list(Steps(3, 6, 8, micro, rank, world)) for rank in range(world)]
    assert all(len(part) == len(Steps(3, 6, 8, micro, 0, world)) for part in parts)
    per_step = 8 // (world * micro)
    for step in range(3):
        ks = [k for part in parts for group in part[step * per_step : (step + 1) * per_step] for k in group]
        assert sorted(ks) == list(range((3 + step) * 8, (4 + step) * 8))


def test_resuming_at_any_step_equals_never_stopping() -> None:
    whole = list(Steps(0, 20, 12, 3, rank=1, world=2))
    for step in range(20):
        assert list(Steps(step, 20, 12, 3, rank=1, world=2)) == whole[step * 2 :]


@pytest.mark.parametrize("world", [1, 2, 8, 64, 200])
@pytest.mark.parametrize("micro", [1, 2, 4])
def test_any_number_of_ranks_takes_the_same_sequences_in_the_same_order(world: int, micro: int) -> None:
    batch = 6400
    parts = [list(Steps(2, 4, batch, micro, rank, world)) for rank in range(world)]
    ks = [ks for groups in zip(*parts, strict=True) for ks in zip(*groups, strict=True)]
    assert [k for group in ks for k in group] == list(range(2 * batch, 4 * batch))


def test_a_state_is_the_k_and_goes_on_with_any_number_of_ranks() -> None:
    whole = list(Steps(0, 4, 16, 2, rank=1, world=2))
    for stop in range(len(whole) + 1):
        first, second = iter(Steps(0, 4, 16, 2, rank=1, world=2)), iter(Steps(0, 4, 16, 2, rank=1, world=2))
        assert [next(first) for _ in range(stop)] == whole[:stop]
        assert first.state_dict() == {"k": 4 * stop}
        second.load_state_dict(first.state_dict())
        assert list(second) == whole[stop:]
        if stop % 2 == 0:
            ranks = [iter(Steps(0, 4, 16, 2, rank, 4)) for rank in range(4)]
            for rank in ranks:
                rank.load_state_dict(first.state_dict())
            assert sorted(k for rank in ranks for ks in rank for k in ks) == list(range(4 * stop, 64))


@pytest.mark.parametrize("k", [-4, 2, 7, 68])
def test_a_state_between_micro_batches_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}: steps 0 to 4 of 16 sequences, in micro-batches of 2 on 2 ranks"):
        iter(Steps(0, 4, 16, 2, rank=1, world=2)).load_state_dict({"k": k})


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("workers", [0, 2])
def test_torchdatas_stateful_loader_goes_on_where_it_was(shared_corpus: Path, workers: int) -> None:
    loaders = pytest.importorskip("torchdata.stateful_dataloader", exc_type=ImportError)
    data, steps = dataset(shared_corpus), Steps(2, 6, 8, 4)

    def stateful() -> Any:
        return loaders.StatefulDataLoader(data, batch_sampler=steps, num_workers=workers, collate_fn=lambda rows: rows)

    whole = [batch.tokens.tolist() for batch in stateful()]
    assert whole == [batch.tokens.tolist() for batch in loader(data, steps)]
    for stop in (0, 1, 5):
        first, second = stateful(), stateful()
        batches = iter(first)
        read = [next(batches).tokens.tolist() for _ in range(stop)]
        second.load_state_dict(first.state_dict())
        assert read + [batch.tokens.tolist() for batch in second] == whole


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    """Forty billion tokens, in files with nothing but holes: reading them takes what a batch takes."""
    tokens = 20 * 10**9
    directory = tmp_path / "tokens" / "books"
    directory.mkdir(parents=True)
    shards = tuple(Shard(f"train-{n:05d}", tokens, 1, 0, "", "", "") for n in range(2))
    for shard in shards:
        with (directory / f"{shard.name}.bin").open("wb") as file:
            file.truncate(2 * tokens)
    manifest = Manifest("books", "", 320, 1, 2, {}, {"train": shards, "validation": ()})
    (directory / "manifest.json").write_text(manifest.to_json())
    stream = Stream(directory, manifest, "train")
    mixture = mixture_of({"books": len(stream)}, {"books": 1}, 2048, seed=3)
    tracemalloc.start()
    data = SequenceDataset(mixture, [stream], 2048)
    for k in range(0, 80, 8):
        data.__getitems__(range(k * 10**4, k * 10**4 + 8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(stream) == 4 * 10**10
    assert peak < 2**20


@pytest.mark.parametrize(("batch", "micro", "world"), [(8, 3, 1), (8, 8, 2), (0, 1, 1), (4, 0, 1)])
def test_a_batch_that_does_not_divide_is_refused(batch: int, micro: int, world: int) -> None:
    with pytest.raises(ValueError, match=f"batch_sequences is {batch}"):
        Steps(0, 1, batch, micro, 0, world)


def test_workers_do_not_change_the_order(shared_corpus: Path) -> None:
    data, steps = dataset(shared_corpus), Steps(2, 5, 8, 4)
    alone, helped = list(loader(data, steps)), list(loader(data, steps, workers=2))
    assert len(alone) == len(helped) == 6
    for one, other in zip(alone, helped, strict=True):
        assert np.array_equal(one.tokens, other.tokens)
        assert np.array_equal(one.source, other.source)


def test_a_token_outside_the_vocabulary_names_its_source(corpus: Path) -> None:
    path = corpus / "tokens" / "common_crawl" / "train-00000.bin"
    np.full(path.stat().st_size // 2, 320, "<u2").tofile(path)
    with pytest.raises(ValueError, match="common_crawl: its shards hold token 320, but the vocabulary has 320"):
        dataset(corpus).__getitems__(range(200))
