"""LLaMA: a decoder of pre-normalised attention and SwiGLU layers with rotary positions, under Meta's parameter names.

    tokens -> tok_embeddings -> n x (x + attention(norm(x)), x + feed_forward(norm(x))) -> norm -> output -> logits

Suffixes name dimensions: B batch, T positions, D model width, H heads, K key/value heads, C head width, V vocabulary.
Parallelism, precision and checkpointing are applied from outside; nothing here knows of them. A mask can keep documents
that share a sequence apart: booleans (B, 1, T, T), True where visible, or FlexAttention's blocks; with a cache, of S
positions in all, (B, 1, T, S). Positions need not restart with a document: a rotary score depends on the distance of
two positions alone. Where one text goes on in several ways, each way's positions are given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from model.configs import ModelConfig

Mask = Tensor | BlockMask
INITIAL_DEVIATION = 0.02  # the papers do not state their initialisation; GPT-2's, with its scaled residual outputs


class RMSNorm(nn.Module):
    """Root mean square normalisation; casts back to the input's type before it multiplies, as Meta's code does."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension in float32."""
        wide = x.float()
        normal = (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)).type_as(x)
        return normal * self.weight


def rotary_table(config: ModelConfig, device: torch.device | None = None) -> Tensor:
    """Return the cosine and sine of every position and pair, shape (context, head_dim / 2, 2), float32."""
    pairs = torch.arange(0, config.head_dim, 2, device=device, dtype=torch.float32)
    frequencies = 1.0 / config.rotary_base ** (pairs / config.head_dim)
    angles = torch.outer(torch.arange(config.context, device=device, dtype=torch.float32), frequencies)
    return torch.stack((angles.cos(), angles.sin()), dim=-1)


def rotate(x_bthc: Tensor, table: Tensor) -> Tensor:
    """Turn each interleaved pair (x[2i], x[2i + 1]) by its position's angle.

    `table` is rotary_table's rows for T, or for (B, T).
    """
    pairs, turns = x_bthc.float().view(*x_bthc.shape[:-1], -1, 2), table.unsqueeze(-3).float()
    if torch.compiler.is_compiling():  # it has no complex products; elsewhere one is several times as fast
        (even, odd), (cosine, sine) = pairs.unbind(-1), turns.unbind(-1)
        turned = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1)
    else:
        turned = torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(turns))
    return turned.flatten(-2).type_as(x_bthc)


@dataclass
class Cache:
    """Keys and values of the positions seen so far, each of shape (layers, B, K, capacity, C).

    Of rows that are padded on the left `starts` (B,) says where each begins: its own positions count from there, and
    what is before them is hidden.
    """

    keys: Tensor
    values: Tensor
    length: int = 0
    starts: Tensor | None = None

    @classmethod
    def empty(cls, model: LLaMA, batch: int, capacity: int) -> Cache:
        """Return a cache on the model's device, in the type of its weights."""
        config, weight = model.config, model.output.weight
        shape = (config.layers, batch, config.kv_heads, capacity, config.head_dim)
        return cls(weight.new_empty(shape), weight.new_empty(shape))

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store one layer's new (B, K, T, C) keys and values behind the old; return all of them."""
        end = self.length + keys.shape[2]
        self.keys[layer, :, :, self.length : end] = keys
        self.values[layer, :, :, self.length : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def rows(self, index: Tensor, capacity: int | None = None) -> Cache:
        """Return a copy of these rows, each as often as it is named, with room for `capacity` positions."""
        shape = (self.keys.shape[0], len(index), self.keys.shape[2], capacity or self.keys.shape[3], self.keys.shape[4])
        starts = None if self.starts is None else self.starts[index]
        copied = Cache(self.keys.new_empty(shape), self.values.new_empty(shape), self.length, starts)
        for old, new in ((self.keys, copied.keys), (self.values, copied.values)):
            new[..., : self.length, :] = old[:, index, :, : self.length]
        return copied

    def turns(self, table: Tensor, new: int) -> Tensor:
        """Return rotary_table's rows for the next `new` positions, (new, C / 2, 2); (B, new, C / 2, 2) if padded."""
        end = self.length + new
        if self.starts is None:
            return table[self.length : end]
        return table[(torch.arange(self.length, end, device=table.device) - self.starts[:, None]).clamp(min=0)]

    def visible(self, new: int) -> Tensor:
        """Return which positions each of the next `new` may see, True: visible; (new, S), or (B, 1, new, S) if padded.

        Padding sees itself, for what sees nothing has no attention.
        """
        shown = torch.ones(new, self.length + new, dtype=torch.bool, device=self.keys.device).tril(self.length)
        if self.starts is None:
            return shown
        own = torch.arange(self.length + new, device=self.keys.device) >= self.starts[:, None, None]
        return (shown & own | shown.triu(self.length))[:, None]


class Attention(nn.Module):
    """Causal self-attention; with fewer key/value heads than heads, queries share them in groups."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.head_dim = layer, config.head_dim
        self.grouped = config.kv_heads != config.heads
        self.wq = nn.Linear(config.dim, config.heads * config.head_dim, bias=False)
        self.wk = nn.Linear(config.dim, config.kv_heads * config.head_dim, bias=False)
        self.wv = nn.Linear(config.dim, config.kv_heads * config.head_dim, bias=False)
        self.wo = nn.Linear(config.heads * config.head_dim, config.dim, bias=False)

    def forward(self, x_btd: Tensor, table: Tensor, cache: Cache | None, mask: Mask | None = None) -> Tensor:
        """Attend to this position and those before it, or to what a mask shows, which a cache needs."""
        heads = (*x_btd.shape[:2], -1, self.head_dim)
        query, key, value = (weight(x_btd).view(heads) for weight in (self.wq, self.wk, self.wv))
        query, key = rotate(query, table), rotate(key, table)
        query, key, value = (x.transpose(1, 2) for x in (query, key, value))
        if cache is not None:
            key, value = cache.extend(self.layer, key, value)
        mixed: Tensor = self.wo(attend(query, key, value, mask, self.grouped).transpose(1, 2).flatten(-2))
        return mixed


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Mask | None, grouped: bool) -> Tensor:
    """Return the attention of (B, H, T, C) queries over (B, K, S, C) keys and values; causal if there is no mask."""
    if isinstance(mask, BlockMask):
        out = flex_attention(query, key, value, block_mask=mask, enable_gqa=grouped)
        return out if isinstance(out, Tensor) else out[0]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None, enable_gqa=grouped)


class FeedForward(nn.Module):
    """SwiGLU: w2(silu(w1 x) * w3 x)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.w1 = nn.Linear(config.dim, config.hidden, bias=False)
        self.w2 = nn.Linear(config.hidden, config.dim, bias=False)
        self.w3 = nn.Linear(config.dim, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to each position."""
        out: Tensor = self.w2(F.silu(self.w1(x)) * self.w3(x))
        return out


class Layer(nn.Module):
    """One layer: attention, then feed-forward, each on its normalised input and added to it."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.attention = Attention(config, layer)
        self.feed_forward = FeedForward(config)
        self.attention_norm = RMSNorm(config.dim, config.norm_eps)
        self.ffn_norm = RMSNorm(config.dim, config.norm_eps)

    def forward(self, x: Tensor, table: Tensor, cache: Cache | None, mask: Mask | None = None) -> Tensor:
        """Return the residual stream after this layer."""
        x = x + self.attention(self.attention_norm(x), table, cache, mask)
        out: Tensor = x + self.feed_forward(self.ffn_norm(x))
        return out


class LLaMA(nn.Module):
    """The whole model; `initialise` fills its weights, also after it was built on the meta device."""

    rotary: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tok_embeddings = nn.Embedding(config.vocabulary, config.dim)
        self.layers = nn.ModuleList(Layer(config, layer) for layer in range(config.layers))
        self.norm = RMSNorm(config.dim, config.norm_eps)
        self.output = nn.Linear(config.dim, config.vocabulary, bias=False)
        self.register_buffer("rotary", rotary_table(config), persistent=False)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator | None = None) -> LLaMA:
        """Draw every matrix from a normal distribution, set norms to one and compute the rotary table."""
        for name, weight in self.named_parameters():
            self.draw(name, weight, generator)
        self.rotary = rotary_table(self.config, self.rotary.device)
        return self

    @torch.no_grad()
    def draw(self, name: str, weight: Tensor, generator: torch.Generator | None = None) -> None:
        """Fill a tensor with the initial values of the weight of that name."""
        if weight.dim() < 2:
            weight.fill_(1.0)
            return
        residual = name.endswith(("wo.weight", "w2.weight"))
        deviation = INITIAL_DEVIATION / math.sqrt(2 * self.config.layers) if residual else INITIAL_DEVIATION
        weight.normal_(0.0, deviation, generator=generator)

    def hidden(
        self,
        tokens_bt: Tensor,
        cache: Cache | None = None,
        mask: Mask | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Return the normalised last states (B, T, D); raise ValueError past the context or the cache's capacity.

        Positions (T) or (B, T) are those within each text, below the context, where a mask lets texts share a sequence,
        which may then be longer.
        """
        start = 0 if cache is None else cache.length
        end = start + tokens_bt.shape[1]
        room = [self.config.context] if positions is None else []
        capacity = min([*room, *([] if cache is None else [cache.keys.shape[3]])], default=end)
        if end > capacity:
            raise ValueError(f"{end} positions, but context and cache hold {capacity}")
        table = self.rotary[:end] if positions is None else self.rotary[positions]
        if cache is not None:
            table = cache.turns(self.rotary, end - start) if positions is None else table
            mask = cache.visible(end - start) if mask is None else mask
        x: Tensor = self.tok_embeddings(tokens_bt)
        for layer in self.layers:
            x = layer(x, table, cache, mask)
        if cache is not None:
            cache.length = end
        normal: Tensor = self.norm(x)
        return normal

    def forward(self, tokens_bt: Tensor, cache: Cache | None = None) -> Tensor:
        """Return float32 logits (B, T, V) of the token after each position; a cache is read, extended and advanced."""
        logits: Tensor = self.output(self.hidden(tokens_bt, cache))
        return logits.float()
