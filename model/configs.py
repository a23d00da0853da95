"""The sizes of Table 2 and of Llama 2, and small ones for a CPU and for a single GPU."""

from __future__ import annotations

from dataclasses import dataclass, replace

LLAMA_VOCABULARY = 32_000  # LLaMA, section 2.1, "Tokenizer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The shape of a LLaMA.

    `hidden` is the width of the SwiGLU, `kv_heads` the number of key and value heads (equal to `heads`: no grouping),
    `context` the longest sequence its rotary table covers. Raises ValueError for a shape that cannot be built.
    """

    dim: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    vocabulary: int = LLAMA_VOCABULARY
    context: int = 2048
    norm_eps: float = 1e-5
    rotary_base: float = 10_000.0

    def __post_init__(self) -> None:
        for name in ("dim", "layers", "heads", "kv_heads", "hidden", "vocabulary", "context"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.dim % (2 * self.heads):
            raise ValueError(f"dim is {self.dim}: each of {self.heads} heads needs an even share (rotary pairs)")
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads is {self.kv_heads}; it must divide heads, {self.heads}")

    @property
    def head_dim(self) -> int:
        """Return the width of one head."""
        return self.dim // self.heads

    @property
    def embedding_parameters(self) -> int:
        """Return the number of weights of the input embedding."""
        return self.vocabulary * self.dim

    @property
    def parameters(self) -> int:
        """Return the exact number of weights, counted from the shape."""
        attention = 2 * self.dim * self.dim + 2 * self.dim * self.kv_heads * self.head_dim
        layer = attention + 3 * self.dim * self.hidden + 2 * self.dim
        return self.layers * layer + self.dim + 2 * self.embedding_parameters


def swiglu_hidden(dim: int, multiple_of: int, multiplier: float = 1.0) -> int:
    """Return 2/3 x 4 x dim (x multiplier, Llama 2's 70B) rounded up to a multiple, truncating as Meta's code does."""
    hidden = int(multiplier * int(2 * 4 * dim / 3))
    return -(-hidden // multiple_of) * multiple_of


def _model(
    dim: int, layers: int, heads: int, *, multiple_of: int = 256, context: int = 2048, norm_eps: float = 1e-5
) -> ModelConfig:
    hidden = swiglu_hidden(dim, multiple_of)
    return ModelConfig(
        dim=dim, layers=layers, heads=heads, kv_heads=heads, hidden=hidden, context=context, norm_eps=norm_eps
    )


# Table 2; norm_eps from the released params.json.
LLAMA = {
    "7B": _model(4096, 32, 32, norm_eps=1e-6),
    "13B": _model(5120, 40, 40, norm_eps=1e-6),
    "33B": _model(6656, 60, 52, norm_eps=1e-6),
    "65B": _model(8192, 80, 64, norm_eps=1e-5),
}

# Llama 2, section 2.2 and table 1: context 4096; on 70B grouped queries and a hidden size 1.3 times as wide.
LLAMA2 = {
    "llama2-7B": _model(4096, 32, 32, context=4096),
    "llama2-13B": _model(5120, 40, 40, context=4096),
    "llama2-70B": replace(
        _model(8192, 80, 64, context=4096), kv_heads=8, hidden=swiglu_hidden(8192, 4096, multiplier=1.3)
    ),
}

# Ours. Widths of the smallest are rounded to 32, where 256 would make a fifth of the weights rounding.
SMALL = {
    "cpu": _model(128, 4, 2, multiple_of=32, context=512),
    "30M": _model(512, 8, 8, multiple_of=32),
    "125M": _model(768, 12, 12),
    "1B": _model(2048, 22, 16),
}

MODELS = {**SMALL, **LLAMA, **LLAMA2}


def named(name: str) -> ModelConfig:
    """Return the configuration of that name; raise ValueError listing the names there are."""
    if name not in MODELS:
        raise ValueError(f"model {name!r} is not known; available: {', '.join(MODELS)}")
    return MODELS[name]
