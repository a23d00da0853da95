"""The same tokens for other trainers: one module for each format, `python -m pipelines.export` for all of them."""
