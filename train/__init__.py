"""The trainer: exact proportions, resumable."""

from pipelines.files import commands

commands.require(
    "train",
    ("matplotlib", "numpy", "pyarrow", "rich", "safetensors", "sentencepiece", "tensorboardX", "tokenizers", "torch"),
)
