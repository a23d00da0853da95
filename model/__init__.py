"""The model: LLaMA in PyTorch."""

from pipelines.files import commands

commands.require("train", ("safetensors", "sentencepiece", "tokenizers", "torch"))
