"""Each export read by the project it is for, where that is installed: `pytest -m full` with it in the environment."""

import random
from pathlib import Path

import numpy as np
import pytest

from pipelines.export.__main__ import main
from tests.pipelines.export import export_corpus

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_corpus.write(tmp_path_factory.mktemp("export"))


def documents(corpus: Path, source: str, split: str) -> list[list[int]]:
    shards = export_corpus.expected(corpus, source)
    return [ids for shard, found in shards.items() if shard.startswith(split) for ids in found.values()]


def test_megatron_core(corpus: Path, tmp_path: Path) -> None:
    indexed = pytest.importorskip("megatron.core.datasets.indexed_dataset", exc_type=ImportError)
    main(["megatron", str(corpus), str(tmp_path / "out")])
    for source in ("wikipedia", "books"):
        for shard, found in export_corpus.expected(corpus, source).items():
            path = str(tmp_path / "out" / source / shard)
            for mmap in (True, False):
                data = indexed.IndexedDataset(path, mmap=mmap)
                assert len(data) == len(found)
                assert [data[i].tolist() for i in range(len(data))] == list(found.values())
                assert data.document_indices.tolist() == list(range(len(found) + 1))
                assert data.get(1, offset=2, length=3).tolist() == found["1"][2:5]


def test_datatrove(corpus: Path, tmp_path: Path) -> None:
    dataset = pytest.importorskip("datatrove.utils.dataset", exc_type=ImportError)
    main(["datatrove", str(corpus), str(tmp_path / "out")])
    for source in ("wikipedia", "books"):
        folder = dataset.DatatroveFolderDataset(str(tmp_path / "out" / source / "train"), 32, return_positions=True)
        rows: list[list[int]] = []
        positions: list[list[int]] = []
        for shard, found in export_corpus.expected(corpus, source).items():
            if shard.startswith("train"):
                stream = [token for ids in found.values() for token in ids]
                place = [at for ids in found.values() for at in range(len(ids))]
                for start in range(0, len(stream) - 32, 33):
                    rows.append(stream[start : start + 33])
                    first = place[start : start + 33]
                    # Positions of a window count from its beginning, not from that of a document begun before it.
                    shift = first[0]
                    cut = next((i for i in range(1, 33) if first[i] == 0), 33)
                    positions.append([at - shift if i < cut else at for i, at in enumerate(first)])
        assert len(folder) == len(rows)
        found_rows = [folder[i] for i in range(len(folder))]
        assert [row["input_ids"].tolist() for row in found_rows] == rows
        assert [row["positions"].tolist() for row in found_rows] == positions


def test_mosaicml_streaming(corpus: Path, tmp_path: Path) -> None:
    streaming = pytest.importorskip("streaming", exc_type=ImportError)
    main(["mds", str(corpus), str(tmp_path / "out")])
    for source in ("wikipedia", "books"):
        for split in ("train", "validation"):
            data = streaming.LocalDataset(str(tmp_path / "out" / source), split=split)
            assert [data[i]["tokens"].tolist() for i in range(len(data))] == documents(corpus, source, split)
            assert data[0]["tokens"].dtype == np.uint16


def test_hugging_face_datasets(corpus: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", exc_type=ImportError)
    main(["parquet", str(corpus), str(tmp_path / "out")])
    assert datasets.get_dataset_config_names(str(tmp_path / "out")) == ["books", "wikipedia"]
    for source in ("wikipedia", "books"):
        data = datasets.load_dataset(str(tmp_path / "out"), source, cache_dir=str(tmp_path / "cache"))
        for split in ("train", "validation"):
            assert list(data[split]["input_ids"]) == documents(corpus, source, split)


def test_nanogpts_batches(corpus: Path, tmp_path: Path) -> None:
    # What its get_batch does: windows of the memory map, the target one token later.
    main(["nanogpt", str(corpus), str(tmp_path / "out")])
    data = np.memmap(tmp_path / "out" / "books" / "train.bin", dtype=np.uint16, mode="r")
    stream = [token for ids in documents(corpus, "books", "train") for token in ids]
    for start in random.Random(0).sample(range(len(data) - 64), 20):
        assert data[start : start + 64].tolist() == stream[start : start + 64]
