"""LLaMA in NumPy as Hugging Face lays it out, written from its description: rotary halves, repeated key/value heads.

It shares nothing with model/: other names, other rotary layout, float64, softmax over explicit scores.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def _norm(x: Array, weight: Array, eps: float) -> Array:
    result: Array = x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + eps) * weight
    return result


def _rotate_half(x: Array, base: float) -> Array:
    """Turn pairs (i, i + C/2) of x, shape (heads, T, C), by their position's angle."""
    positions, width = x.shape[1:]
    frequency = base ** -(np.arange(0, width, 2) / width)
    angle = np.concatenate([np.outer(np.arange(positions), frequency)] * 2, axis=1)
    swapped = np.concatenate([-x[..., width // 2 :], x[..., : width // 2]], axis=-1)
    result: Array = x * np.cos(angle) + swapped * np.sin(angle)
    return result


def _attention(x: Array, weights: Mapping[str, Array], prefix: str, heads: int, kv_heads: int, base: float) -> Array:
    def project(name: str, count: int) -> Array:
        return (x @ weights[f"{prefix}{name}.weight"].T).reshape(len(x), count, -1).transpose(1, 0, 2)

    query = _rotate_half(project("q_proj", heads), base)
    key = np.repeat(_rotate_half(project("k_proj", kv_heads), base), heads // kv_heads, axis=0)
    value = np.repeat(project("v_proj", kv_heads), heads // kv_heads, axis=0)
    scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
    scores[:, ~np.tri(len(x), dtype=bool)] = -np.inf
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = shares / shares.sum(axis=-1, keepdims=True) @ value
    result: Array = mixed.transpose(1, 0, 2).reshape(len(x), -1) @ weights[f"{prefix}o_proj.weight"].T
    return result


def _mlp(x: Array, weights: Mapping[str, Array], prefix: str) -> Array:
    gate = x @ weights[f"{prefix}gate_proj.weight"].T
    up = x @ weights[f"{prefix}up_proj.weight"].T
    result: Array = (gate / (1 + np.exp(-gate)) * up) @ weights[f"{prefix}down_proj.weight"].T
    return result


def logits(tokens: npt.NDArray[np.int64], weights: Mapping[str, Array], config: Mapping[str, float | int]) -> Array:
    """Return the logits (T, V) of one sequence of tokens (T,) from LlamaForCausalLM's weights and config.json."""
    heads, kv_heads = int(config["num_attention_heads"]), int(config["num_key_value_heads"])
    eps, base = float(config["rms_norm_eps"]), float(config["rope_theta"])
    x = weights["model.embed_tokens.weight"][tokens]
    for layer in range(int(config["num_hidden_layers"])):
        prefix = f"model.layers.{layer}."
        normal = _norm(x, weights[f"{prefix}input_layernorm.weight"], eps)
        x = x + _attention(normal, weights, f"{prefix}self_attn.", heads, kv_heads, base)
        normal = _norm(x, weights[f"{prefix}post_attention_layernorm.weight"], eps)
        x = x + _mlp(normal, weights, f"{prefix}mlp.")
    result: Array = _norm(x, weights["model.norm.weight"], eps) @ weights["lm_head.weight"].T
    return result
