"""The paper's optimiser: AdamW, a warm-up, a cosine to a tenth of the peak, clipped gradients (LLaMA, section 2.3)."""

from __future__ import annotations

import math

import torch
from torch import nn

from train.parallel import whole

BETAS = (0.9, 0.95)  # LLaMA, section 2.3
WEIGHT_DECAY = 0.1  # the same
CLIP = 1.0  # the same
FINAL = 0.1  # the same: "the final learning rate is equal to 10 % of the maximal"
EPSILON = 1e-5  # Llama 2, section 2.2; LLaMA does not state it


def adamw(model: nn.Module, learning_rate: float, fused: bool = True) -> torch.optim.AdamW:
    """Return AdamW over the model's weights, its matrices decayed, its norms not."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.dim() >= 2], "weight_decay": WEIGHT_DECAY},
        {"params": [weight for weight in weights if weight.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=BETAS, eps=EPSILON, fused=fused)


def learning_rate(step: int, peak: float, warmup: int, steps: int) -> float:
    """Return the learning rate of a step counted from 0.

    Linear over the first `warmup` steps, the last of which has the peak; then a cosine that reaches a tenth of it at
    the last step.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step + 1 - warmup) / max(1, steps - warmup)
    return peak * (FINAL + (1 - FINAL) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def fitted_warmup(warmup: int, planned: int, steps: int) -> int:
    """Return the warm-up of a run that has `steps` of its planned steps: whole while it fits into a quarter of them.

    A shorter run has that quarter, or the part of its steps that was planned, if it is larger.
    """
    return min(warmup, max(steps // 4, warmup * steps // planned))


def update(optimizer: torch.optim.Optimizer, rate: float) -> float:
    """Clip the gradients, take one step and clear them; return their norm before clipping.

    If the norm is not finite the weights and the optimiser's state stay as they were.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    norm = float(whole(nn.utils.clip_grad_norm_(weights, CLIP)))
    if math.isfinite(norm):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm
