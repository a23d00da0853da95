import json
from pathlib import Path

import pytest
import torch

from model.checkpoint import (
    from_hugging_face,
    hugging_face_config,
    merge,
    meta_config,
    names,
    read_meta,
    split,
    to_hugging_face,
)
from model.configs import named
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


def test_a_directory_as_meta_released_it_is_read(tmp_path: Path) -> None:
    model = small.model()
    for number, shard in enumerate(split(model.state_dict(), 2)):
        torch.save(shard, tmp_path / f"consolidated.{number:02d}.pth")
    params = {"dim": 32, "n_layers": 3, "n_heads": 4, "multiple_of": 32, "norm_eps": 1e-5, "vocab_size": -1}
    (tmp_path / "params.json").write_text(json.dumps(params))
    state, config = read_meta(tmp_path, context=40)
    assert (config.dim, config.layers, config.kv_heads, config.hidden, config.vocabulary) == (32, 3, 4, 96, 54)
    assert torch.equal(state["output.weight"], model.output.weight)
    assert state.keys() == model.state_dict().keys()


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
    with pytest.raises(ValueError, match=r"no params.json"):
        read_meta("nowhere")


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
