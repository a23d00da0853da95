"""The smallest models that the functions need which take one; each is made once, of our own sentences."""

from __future__ import annotations

import atexit
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from filters.models import fast_text
from filters.web import c4, language, perplexity, reference
from tests.tokenizer.texts import SENTENCES, corpus
from tokenizer.encode import Tokenizer
from tokenizer.spec import LLAMA
from tokenizer.training import train


@cache
def _folder() -> Path:
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def identifier() -> language.LanguageIdentifier:
    """Return a model that tells two languages."""
    rows = [f"__label__{('en', 'de')[number % 2]} {text}" for number, text in enumerate(SENTENCES * 20)]
    examples, model = _folder() / "languages.txt", _folder() / "languages.bin"
    examples.write_text("\n".join(row.replace("\n", " ") for row in rows) + "\n", encoding="utf-8")
    fast_text.train(examples, dim=8, epoch=2, seed=1).save_model(str(model))
    return language.LanguageIdentifier(model)


@cache
def classifier() -> reference.ReferenceClassifier:
    """Return a classifier of two kinds of pages."""
    path = _folder() / "reference.bin"
    path.write_bytes(reference.train(SENTENCES[::2], SENTENCES[1::2], reference.Training(dimension=8, epochs=2)))
    return reference.ReferenceClassifier(path)


@cache
def language_model() -> perplexity.PerplexityModel:
    """Return a language model of a few words."""
    pieces, model = _folder() / "pieces.model", _folder() / "model.arpa"
    perplexity.train_pieces(corpus(), pieces)
    perplexity.train_language_model(corpus(), pieces, model, order=3)
    return perplexity.PerplexityModel(pieces, model)


@cache
def tokenizer() -> Tokenizer:
    """Return a tokenizer by LLaMA's specification, of 900 pieces."""
    path = _folder() / "tokenizer.model"
    train(corpus(), path, replace(LLAMA, vocab_size=900))
    return Tokenizer(path)


@cache
def bad_words() -> c4.BadWords:
    """Return a list of two words and two phrases."""
    path = _folder() / "bad_words.txt"
    path.write_text("drat\nheck\nno way\n!!\n", encoding="utf-8")
    return c4.BadWords(path)
