"""Filters and cleaners: pure functions over text."""
