"""Small models with lively weights: norms away from one, logits far apart."""

from __future__ import annotations

import torch

from model.configs import ModelConfig
from model.llama import LLaMA


def config(kv_heads: int = 4) -> ModelConfig:
    return ModelConfig(dim=32, layers=3, heads=4, kv_heads=kv_heads, hidden=64, vocabulary=54, context=40)


def model(kv_heads: int = 4) -> LLaMA:
    result = LLaMA(config(kv_heads))
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in result.parameters():
            if weight.dim() < 2:
                weight.uniform_(0.5, 1.5, generator=generator)
            else:
                weight.normal_(0.0, 0.2, generator=generator)
    return result


def tokens(batch: int = 2, length: int = 24) -> torch.Tensor:
    return torch.randint(0, 54, (batch, length), generator=torch.Generator().manual_seed(3))
