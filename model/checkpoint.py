"""Weights of other codes: Meta <-> ours <-> Hugging Face.

Our names are Meta's, so Meta's released files differ only in being cut for model parallelism (`merge`, `split`).
Hugging Face renames everything and reorders the rows of wq and wk: its rotary embedding turns pairs (i, i + C/2) of a
head, Meta's turns (2i, 2i + 1).

    Meta's shards -> merge -> ours -> to_hugging_face -> Hugging Face -> from_hugging_face -> ours -> split
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
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


def read_meta(directory: Path | str, context: int = 2048) -> tuple[State, ModelConfig]:
    """Read a directory as Meta released it: params.json and consolidated.NN.pth.

    Executes no code from the files. Older params.json say vocab_size -1; the embedding's rows are taken then. Raises
    ValueError naming the file if one is missing.
    """
    directory = Path(directory)
    paths = sorted(directory.glob("consolidated.*.pth"))
    if not paths or not (directory / "params.json").exists():
        raise ValueError(f"{directory}: no params.json with consolidated.NN.pth beside it")
    state = merge([torch.load(path, map_location="cpu", weights_only=True, mmap=True) for path in paths])
    params = json.loads((directory / "params.json").read_text(encoding="utf-8"))
    return state, meta_config(params, state["tok_embeddings.weight"].shape[0], context)


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


def hugging_face_config(config: ModelConfig, bos_id: int, eos_id: int, dtype: str = "float32") -> dict[str, Any]:
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
