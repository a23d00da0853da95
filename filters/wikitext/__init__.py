"""Wikitext to text, in 20 languages."""
