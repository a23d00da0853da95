import zipfile
from pathlib import Path

import pytest
import torch

from model import tensor_files
from model.checkpoint import (
    from_hugging_face,
    from_hugging_face_config,
    hugging_face_config,
    merge,
    meta_config,
    meta_params,
    names,
    split,
    to_hugging_face,
)
from model.configs import MODELS, named
from model.llama import LLaMA
from tests.model import small


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_ours_to_hugging_face_and_back_is_bit_for_bit(kv_heads: int) -> None:
    model = small.model(kv_heads)
    ours = model.state_dict()
    theirs = to_hugging_face(ours, model.config)
    assert set(theirs) == set(names(model.config).values())
    assert not torch.equal(theirs["model.layers.0.self_attn.q_proj.weight"], ours["layers.0.attention.wq.weight"])
    back = from_hugging_face(theirs, model.config)
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[name], weight) for name, weight in ours.items())


def test_query_rows_are_reordered_within_each_head() -> None:
    model = small.model(2)
    ours = model.state_dict()
    ours["layers.0.attention.wk.weight"] = torch.arange(16.0)[:, None].expand(16, 32).contiguous()
    theirs = to_hugging_face(ours, model.config)["model.layers.0.self_attn.k_proj.weight"]
    assert theirs[:, 0].tolist() == [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15]


@pytest.mark.parametrize("parts", [1, 2])
def test_metas_shards_merge_to_what_was_split(parts: int) -> None:
    ours = small.model(2).state_dict()
    shards = split(ours, parts)
    for shard in shards:
        shard["rope.freqs"] = torch.ones(4)  # stored by Meta, derived here
    assert shards[0]["layers.0.feed_forward.w2.weight"].shape == (32, 64 // parts)
    assert shards[0]["tok_embeddings.weight"].shape == (54, 32 // parts)
    assert shards[0]["layers.0.attention.wk.weight"].shape == (16 // parts, 32)
    merged = merge(shards)
    assert merged.keys() == ours.keys()
    assert all(torch.equal(merged[name], weight) for name, weight in ours.items())


def test_released_params_give_the_named_shapes() -> None:
    llama = {"dim": 4096, "multiple_of": 256, "n_heads": 32, "n_layers": 32, "norm_eps": 1e-06, "vocab_size": -1}
    assert meta_config(llama, 32_000, 2048) == named("7B")
    llama2 = {"dim": 8192, "multiple_of": 4096, "ffn_dim_multiplier": 1.3, "n_heads": 64, "n_kv_heads": 8}
    assert meta_config({**llama2, "n_layers": 80, "norm_eps": 1e-05}, 32_000, 4096) == named("llama2-70B")


def test_weights_that_do_not_fit_are_refused_by_name() -> None:
    model = small.model()
    ours = dict(model.state_dict())
    del ours["norm.weight"]
    ours["extra.weight"] = torch.ones(1)
    with pytest.raises(ValueError, match=r"missing \['norm.weight'\], unknown \['extra.weight'\]"):
        to_hugging_face(ours, model.config)
    with pytest.raises(ValueError, match=r"dimension 0 of \(53, 32\) does not divide into 2"):
        split({"output.weight": torch.ones(53, 32)}, 2)


def test_hugging_faces_config_names_the_shape() -> None:
    config = hugging_face_config(named("llama2-70B"), 1, 2)
    assert (config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]) == (8192, 28672, 80)
    assert (config["num_attention_heads"], config["num_key_value_heads"]) == (64, 8)
    assert config["tie_word_embeddings"] is False


def test_converted_weights_load_into_a_model() -> None:
    model = small.model(2)
    other = LLaMA(model.config)
    other.load_state_dict(from_hugging_face(to_hugging_face(model.state_dict(), model.config), model.config))
    assert torch.equal(other(small.tokens()), model(small.tokens()))


@pytest.mark.parametrize("name", MODELS)
def test_every_shape_is_described_and_read_back(name: str) -> None:
    shape = named(name)
    assert meta_config(meta_params(shape), shape.vocabulary, shape.context) == shape
    assert from_hugging_face_config(hugging_face_config(shape, 1, 2)) == shape
    newer = {**hugging_face_config(shape, 1, 2), "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}}
    assert from_hugging_face_config(newer).rotary_base == 5e5


@pytest.mark.parametrize(
    ("field", "value"),
    [("tie_word_embeddings", True), ("model_type", "mistral"), ("attention_bias", True), ("head_dim", 64)],
)
def test_what_the_model_has_no_part_for_is_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"config.json: {field} is"):
        from_hugging_face_config({**hugging_face_config(named("7B"), 1, 2), field: value})
    scaled = {**hugging_face_config(named("7B"), 1, 2), "rope_scaling": {"rope_type": "linear", "factor": 2.0}}
    with pytest.raises(ValueError, match="rope_type is 'linear'"):
        from_hugging_face_config(scaled)


def test_a_tensor_of_more_numbers_than_its_storage_is_refused(tmp_path: Path) -> None:
    torch.save({"a": [torch.zeros(1).expand(2**22, 64)]}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="a tensor of 268,435,456 numbers has a storage of fewer"):
        tensor_files.load(tmp_path / "a.pth")


def test_records_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """A file of 1 MB may name its one large record any number of times, and each would be read for itself."""
    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(2**18), "b": torch.zeros(1)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        first, second = (archive.getinfo(f"a/data/{number}") for number in (0, 1))
        for name in ("header_offset", "CRC", "file_size", "compress_size"):
            setattr(second, name, getattr(first, name))
        archive.writestr("a/c", b"")  # so that the directory is written anew
    with pytest.raises(ValueError, match=r"a\.pth: its records together are larger than the file"):
        tensor_files.load(path)
    with pytest.raises(ValueError, match=r"a\.pth: its records together are larger than the file"):
        tensor_files.load(path, mmap=True)
