"""Hostile input: what every public function does with text or bytes that somebody made to break it.

targets   what a function is called with, what it may raise, whether doing it twice changes anything
texts     the filters, the cleaners, the tokenizer
files     the readers, each with the containers that its bytes come in
surface   all public functions that take text or bytes, so that none is forgotten
"""
