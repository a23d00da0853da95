"""Weights of other codes: Meta <-> ours <-> Hugging Face.

Our names are Meta's, so Meta's released files differ only in being cut for model parallelism (`merge`, `split`).
Hugging Face renames everything and reorders the rows of wq and wk: its rotary embedding turns pairs (i, i + C/2) of a
head, Meta's turns (2i, 2i + 1).

    Meta's shards -> merge -> ours -> to_hugging_face -> Hugging Face -> from_hugging_face -> ours -> split

Everything here is in memory and moves bits without changing one; `convert` reads and writes the directories.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from model.configs import ModelConfig, swiglu_hidden

State = dict[str, Tensor]

_TOP = {
    "tok_embeddings.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_LAYER = {
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
# The dimension along which Meta's model parallelism cuts each matrix; norms are in every shard.
_CUT = {"wq": 0, "wk": 0, "wv": 0, "w1": 0, "w3": 0, "output": 0, "wo": 1, "w2": 1, "tok_embeddings": 1}
# Tables that both codes store and both recompute.
_DERIVED = ("rope.freqs", "rotary_emb.inv_freq")


def names(config: ModelConfig) -> dict[str, str]:
    """Return the Hugging Face name of each of our weights."""
    layers = {
        f"layers.{n}.{ours}.weight": f"model.layers.{n}.{theirs}.weight"
        for n in range(config.layers)
        for ours, theirs in _LAYER.items()
    }
    return {**_TOP, **layers}


def to_hugging_face(state: Mapping[str, Tensor], config: ModelConfig) -> State:
    """Return the weights of LlamaForCausalLM; raise ValueError if ours are not complete."""
    return {theirs: _convert(state, ours, ours, config, _halves) for ours, theirs in _checked(state, config, 0)}


def from_hugging_face(state: Mapping[str, Tensor], config: ModelConfig) -> State:
    """Return our weights from those of LlamaForCausalLM, bit for bit; raise ValueError if they are not complete."""
    return {ours: _convert(state, theirs, ours, config, _pairs) for ours, theirs in _checked(state, config, 1)}


def _checked(state: Mapping[str, Tensor], config: ModelConfig, side: int) -> list[tuple[str, str]]:
    if config.layers * len(_LAYER) > len(state):
        raise ValueError(f"weights do not fit the configuration: {config.layers} layers, {len(state)} weights")
    pairs = list(names(config).items())
    expected = {pair[side] for pair in pairs}
    found = {name for name in state if not name.endswith(_DERIVED)}
    if expected != found:
        raise ValueError(
            f"weights do not fit the configuration: missing {sorted(expected - found)[:3]}, "
            f"unknown {sorted(found - expected)[:3]}"
        )
    return pairs


def _convert(
    state: Mapping[str, Tensor], name: str, ours: str, config: ModelConfig, reorder: Callable[[Tensor, int], Tensor]
) -> Tensor:
    if ours.endswith("wq.weight"):
        return reorder(state[name], config.heads)
    if ours.endswith("wk.weight"):
        return reorder(state[name], config.kv_heads)
    return state[name]


def _halves(weight: Tensor, heads: int) -> Tensor:
    """Order each head's rows (2i, 2i + 1) -> (i, i + C/2)."""
    return weight.view(heads, -1, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def _pairs(weight: Tensor, heads: int) -> Tensor:
    """Undo `_halves`."""
    return weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def merge(shards: Sequence[Mapping[str, Tensor]]) -> State:
    """Join Meta's model-parallel shards, in their order, to whole matrices."""
    state: State = {}
    for name, first in shards[0].items():
        if name.endswith(_DERIVED):
            continue
        cut = _cut(name)
        state[name] = first if cut is None else torch.cat([shard[name] for shard in shards], dim=cut)
    return state


def split(state: Mapping[str, Tensor], parts: int) -> list[State]:
    """Cut whole matrices as Meta's model parallelism does; raise ValueError if one does not divide."""
    shards: list[State] = [{} for _ in range(parts)]
    for name, weight in state.items():
        cut = _cut(name)
        if cut is not None and weight.shape[cut] % parts:
            raise ValueError(f"{name}: dimension {cut} of {tuple(weight.shape)} does not divide into {parts}")
        pieces = [weight] * parts if cut is None else weight.chunk(parts, dim=cut)
        for shard, piece in zip(shards, pieces, strict=True):
            shard[name] = piece.contiguous()
    return shards


def _cut(name: str) -> int | None:
    return _CUT.get(name.split(".")[-2])


def meta_params(config: ModelConfig) -> dict[str, Any]:
    """Return the params.json of this shape; one whose hidden size no multiple gives is written by a multiplier."""
    usual = swiglu_hidden(config.dim, 256) == config.hidden
    base = swiglu_hidden(config.dim, 1)
    # Half a unit more than the ratio: Meta's code truncates the product.
    hidden = {"multiple_of": 256} if usual else {"multiple_of": 1, "ffn_dim_multiplier": (config.hidden + 0.5) / base}
    return {
        "dim": config.dim,
        "n_layers": config.layers,
        "n_heads": config.heads,
        "n_kv_heads": config.kv_heads,
        "vocab_size": config.vocabulary,
        "norm_eps": config.norm_eps,
        "rope_theta": config.rotary_base,
        **hidden,
    }


def meta_config(params: Mapping[str, Any], vocabulary: int, context: int) -> ModelConfig:
    """Return the configuration that Meta's params.json describes."""
    multiplier = params.get("ffn_dim_multiplier") or 1.0
    return ModelConfig(
        dim=params["dim"],
        layers=params["n_layers"],
        heads=params["n_heads"],
        kv_heads=params.get("n_kv_heads") or params["n_heads"],
        hidden=swiglu_hidden(params["dim"], params["multiple_of"], multiplier),
        vocabulary=vocabulary,
        context=context,
        norm_eps=params["norm_eps"],
        rotary_base=params.get("rope_theta", 10_000.0),
    )


def hugging_face_config(
    config: ModelConfig, bos_id: int | None, eos_id: int | None, dtype: str = "float32"
) -> dict[str, Any]:
    """Return the config.json of LlamaForCausalLM for this shape."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": config.dim,
        "intermediate_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "vocab_size": config.vocabulary,
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rotary_base,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": bos_id,
        "eos_token_id": eos_id,
        "torch_dtype": dtype,
    }


def from_hugging_face_config(config: Mapping[str, Any]) -> ModelConfig:
    """Return the shape that a config.json describes; raise ValueError naming a field that our model has no part for."""
    rotary = config.get("rope_parameters") or config.get("rope_scaling") or {}
    heads = config["num_attention_heads"]
    expected = {
        "model_type": ("llama", config.get("model_type")),
        "hidden_act": ("silu", config.get("hidden_act", "silu")),
        "attention_bias": (False, config.get("attention_bias", False)),
        "mlp_bias": (False, config.get("mlp_bias", False)),
        "tie_word_embeddings": (False, config.get("tie_word_embeddings", False)),
        "rope_type": ("default", rotary.get("rope_type", rotary.get("type", "default"))),
        "head_dim": (config["hidden_size"] // heads, config.get("head_dim") or config["hidden_size"] // heads),
    }
    for name, (known, found) in expected.items():
        if found != known:
            raise ValueError(f"config.json: {name} is {found!r}; this model has {known!r}")
    return ModelConfig(
        dim=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        hidden=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        context=config["max_position_embeddings"],
        norm_eps=config["rms_norm_eps"],
        rotary_base=rotary.get("rope_theta") or config.get("rope_theta", 10_000.0),
    )
