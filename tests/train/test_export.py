import importlib
import json
from pathlib import Path

import pytest
import torch

from model import configs
from model.checkpoint import from_hugging_face
from tests.train.test_pretrain import TINY, arguments
from train.export import INDEX, main, open_checkpoint, shards, write
from train.pretrain import main as pretrain


def test_shards_keep_their_order_and_size() -> None:
    tensors = {name: torch.zeros(size) for name, size in {"a": 10, "b": 10, "c": 30, "d": 1}.items()}
    assert [list(group) for group in shards(tensors, 80)] == [["a", "b"], ["c"], ["d"]]
    assert [list(group) for group in shards(tensors, 1000)] == [["a", "b", "c", "d"]]


def test_without_the_library_the_export_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(importlib.import_module("sys").modules, "safetensors.torch", None)
    with pytest.raises(ValueError, match="needs the package safetensors"):
        write(tmp_path, {"a": torch.zeros(1)})


@pytest.mark.parametrize(("limit", "files"), [(10**9, 1), (40_000, 5)])
def test_what_was_exported_is_read_back_bit_for_bit(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, files: int
) -> None:
    library = pytest.importorskip("safetensors.torch")
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    run, output = tmp_path / "run", tmp_path / "out"
    assert pretrain([*arguments(shared_corpus, run), "--stop-after", "2"]) == 0
    command = ["--run", str(run), "--corpus", str(shared_corpus), "--output", str(output), "--shard-bytes", str(limit)]
    assert main(command) == 0
    paths = sorted(output.glob("*.safetensors"))
    assert len(paths) == files
    theirs = {name: tensor for path in paths for name, tensor in library.load_file(path).items()}
    if files > 1:
        index = json.loads((output / INDEX).read_text())
        assert set(index["weight_map"]) == set(theirs)
        assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in theirs.values())
    model = open_checkpoint(run, str(shared_corpus), pytest.fail).model
    ours = from_hugging_face(theirs, model.config)
    assert all(torch.equal(ours[name], weight) for name, weight in model.state_dict().items())
    config = json.loads((output / "config.json").read_text())
    assert (config["vocab_size"], config["bos_token_id"], config["eos_token_id"]) == (320, 1, 2)
    assert (output / "tokenizer.model").exists()


def test_a_run_without_a_checkpoint_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--run", str(tmp_path), "--output", str(tmp_path / "out")])
    assert "no checkpoint" in capsys.readouterr().err
