import json
from pathlib import Path

import pytest
import torch

from model.checkpoint import hugging_face_config, split, to_hugging_face
from model.convert import INDEX, ORIGIN, main, read, shards, write_hugging_face, write_meta
from model.llama import LLaMA
from tests.model import small


def assert_holds(directory: Path, model: LLaMA, context: int = 40) -> None:
    state, config = read(directory, context)
    assert config == model.config
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], weight) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("parts", "limit"), [(1, 10**9), (2, 9_000)])
def test_a_tour_of_the_formats_changes_no_bit(tmp_path: Path, parts: int, limit: int, dtype: torch.dtype) -> None:
    model = small.model(2).to(dtype)
    first, there, back = tmp_path / "first", tmp_path / "there", tmp_path / "back"
    assert len(write_meta(first, model.state_dict(), model.config, parts)) == parts
    (first / "tokenizer.model").write_bytes(b"pieces")
    assert main([str(first), str(there), "--to", "hugging_face", "--shard-bytes", str(limit), "--context", "40"]) == 0
    assert (there / INDEX).exists() == (parts > 1)
    assert (there / "tokenizer.model").read_bytes() == b"pieces"
    assert main([str(there), str(back), "--to", "meta", "--parts", str(parts)]) == 0
    for directory in (first, there, back):
        assert_holds(directory, model)
    assert json.loads((back / "params.json").read_text()) == json.loads((first / "params.json").read_text())


def test_a_directory_as_meta_released_it_is_read(tmp_path: Path) -> None:
    model = small.model()
    for number, shard in enumerate(split(model.state_dict(), 2)):
        shard["rope.freqs"] = torch.ones(4)
        torch.save(shard, tmp_path / f"consolidated.{number:02d}.pth")
    params = {"dim": 32, "n_layers": 3, "n_heads": 4, "multiple_of": 32, "norm_eps": 1e-5, "vocab_size": -1}
    (tmp_path / "params.json").write_text(json.dumps(params))
    state, config = read(tmp_path, context=40)
    assert (config.dim, config.layers, config.kv_heads, config.hidden, config.vocabulary) == (32, 3, 4, 96, 54)
    assert torch.equal(state["output.weight"], model.output.weight)
    assert state.keys() == model.state_dict().keys()


def test_shards_keep_their_order_and_size() -> None:
    tensors = {name: torch.zeros(size) for name, size in {"a": 10, "b": 10, "c": 30, "d": 1}.items()}
    assert [list(group) for group in shards(tensors, 80)] == [["a", "b"], ["c"], ["d"]]
    assert [list(group) for group in shards(tensors, 1000)] == [["a", "b", "c", "d"]]


def test_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"has neither params\.json \(Meta's format\) nor config\.json"):
        read(tmp_path)
    model = small.model()
    paths = write_hugging_face(
        tmp_path / "model",
        to_hugging_face(model.state_dict(), model.config),
        hugging_face_config(model.config, 1, 2),
        9_000,
    )
    paths[1].unlink()
    with pytest.raises(SystemExit):
        main([str(tmp_path / "model"), str(tmp_path / "out"), "--to", "meta"])
    assert f"{paths[1].name} is missing" in capsys.readouterr().err
    (tmp_path / "params.json").write_text("{}")
    with pytest.raises(ValueError, match=r"no params\.json with consolidated"):
        read(tmp_path)


def test_what_meta_does_not_describe_comes_back(tmp_path: Path) -> None:
    model = small.model(2)
    first, there, back = tmp_path / "first", tmp_path / "there", tmp_path / "back"
    written = hugging_face_config(model.config, 5, 7) | {"pad_token_id": 3}
    write_hugging_face(first, to_hugging_face(model.state_dict(), model.config), written)
    assert main([str(first), str(there), "--to", "meta", "--parts", "2"]) == 0
    assert read(there)[1].context == 40
    assert main([str(there), str(back), "--to", "hugging_face"]) == 0
    assert json.loads((back / "config.json").read_text()) == written
    assert read(there, 64)[1].context == 64
    assert main([str(there), str(back), "--to", "hugging_face", "--context", "64"]) == 0
    assert json.loads((back / "config.json").read_text())["max_position_embeddings"] == 64
    # Of another model it says nothing.
    (there / ORIGIN).write_text(json.dumps(written | {"rms_norm_eps": 0.5}))
    assert read(there)[1].context == 2048
