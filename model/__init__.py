"""The model: LLaMA in PyTorch."""
