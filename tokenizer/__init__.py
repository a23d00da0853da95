"""LLaMA's SentencePiece tokenizer: training by its specification, and encoding."""
