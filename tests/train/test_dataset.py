from pathlib import Path

import numpy as np
import pytest

from pipelines.table1 import SOURCES, TABLE_1
from train.corpus import mixture_of, open_corpus
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
    with pytest.raises(ValueError, match="common_crawl: token 320 in its shards, but the vocabulary is 320"):
        dataset(corpus).__getitems__(range(200))
