"""The loss of a model on tokens, without ever holding the logits of a whole batch where that is asked for.

    tokens (B, T + 1) -> hidden states -> in chunks of positions: logits -> cross-entropy -> losses (B, T)

A chunk's logits are recomputed when its gradient is: of a batch of 8 x 2,048 tokens over 32,000 pieces, logits,
their float32 copy and their gradient would be 5 GB.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn import functional as F  # noqa: N812
from torch.nn.attention.flex_attention import BlockMask, create_block_mask
from torch.utils.checkpoint import checkpoint

from model.llama import LLaMA, Mask
from train.parallel import whole


def token_losses(
    model: LLaMA, tokens: Tensor, chunk: int = 0, mask: Mask | None = None, compiled: bool = False
) -> Tensor:
    """Return the losses in nats of every token but the first, shape (B, T), from tokens (B, T + 1).

    At most about `chunk` positions have logits at the same time; 0 computes all at once. Compiled, no float32 copy of
    bfloat16 logits is written.
    """
    hidden, targets = model.hidden(tokens[:, :-1], mask=mask), tokens[:, 1:]
    if not chunk:
        return _cross_entropy(model.output, hidden, targets, compiled)
    width = max(1, chunk // len(tokens))
    pieces = zip(torch.split(hidden, width, 1), torch.split(targets, width, 1), strict=True)
    return torch.cat([_recomputed(model.output, *piece, compiled) for piece in pieces], dim=1)


def _recomputed(output: nn.Module, hidden: Tensor, targets: Tensor, compiled: bool) -> Tensor:
    losses: Tensor = checkpoint(_cross_entropy, output, hidden, targets, compiled, use_reentrant=False)
    return losses


def _cross_entropy(output: nn.Module, hidden: Tensor, targets: Tensor, compiled: bool) -> Tensor:
    logits: Tensor = output(hidden)
    # Of logits that tensor ranks share, the compiler knows no loss.
    compute = _compiled() if compiled and not isinstance(logits, DTensor) else _of_logits
    return whole(compute(logits, targets)).view(targets.shape)


def _of_logits(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")


@cache
def _compiled() -> Callable[[Tensor, Tensor], Tensor]:
    # Not before it is needed: the compiler takes long to import.
    return torch.compile(_of_logits)


def document_numbers(tokens: Tensor, bos_id: int | None, eos_id: int | None) -> Tensor:
    """Return the number of the document within its sequence that each token of (B, T) belongs to.

    A bos starts a document; in a corpus without one, a document starts behind each eos. Raises ValueError without both.
    """
    if bos_id is not None:
        return (tokens == bos_id).long().cumsum(1)
    if eos_id is None:
        raise ValueError("document_mask needs a corpus whose documents start with a bos token or end with an eos token")
    ends = (tokens == eos_id).long()
    return ends.cumsum(1) - ends


def document_mask(documents_bt: Tensor) -> Tensor:
    """Return which positions each position sees, (B, 1, T, T): those of its document up to itself."""
    same = documents_bt[:, :, None] == documents_bt[:, None, :]
    return same.tril()[:, None]


def document_blocks(documents_bt: Tensor) -> BlockMask:
    """Return the same as FlexAttention's blocks, which skip what is wholly hidden."""

    def visible(batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (documents_bt[batch, query] == documents_bt[batch, key])

    rows, length = documents_bt.shape
    return create_block_mask(visible, rows, None, length, length, device=documents_bt.device.type)
