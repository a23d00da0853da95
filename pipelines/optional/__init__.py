"""Stages that any source's chain may add."""
