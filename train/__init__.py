"""The trainer: exact proportions, resumable."""
