"""SentencePiece training that gives the same bytes for the same texts.

    texts -> lines, cut at the specification's longest sentence -> SentencePiece (one thread, all lines)
          -> pieces of spaces alone scored last -> .model

SentencePiece differs from run to run with several threads, and where it draws a sample of its input: that sample is
another one in every process, whatever seed it is given. So it has one thread here and is never given more lines than
it would use; who has more text draws the sample before. The order of the lines is the caller's to fix.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import sentencepiece

from tokenizer.atomic import replacing
from tokenizer.encode import without_surrogates
from tokenizer.model_file import NORMAL, ModelFile, rescored
from tokenizer.probes import SPACE
from tokenizer.spec import LLAMA, SPACES_SCORE, Spec

ERRORS_ONLY: Final = 2  # SentencePiece's log level


def train(texts: Iterable[str], output: Path, spec: Spec = LLAMA) -> None:
    """Train a tokenizer on `texts` by `spec` and write the `.model` file to `output`, whole or not at all.

    The same texts in the same order give the same bytes. Too little text for the vocabulary, or more lines than
    `spec.input_sentence_size`, is a ValueError.
    """
    model = train_model(lines_of(texts, spec.max_sentence_length), **spec.to_trainer_arguments())
    with replacing(output) as file:
        file.write(spaces_last(model))


def spaces_last(model: bytes) -> bytes:
    """Return a model whose pieces of spaces alone are merged last, as in LLaMA's own.

    So a word keeps its space, whatever stands before it: `▁▁▁` `▁return`, not `▁▁▁▁` `return`.
    """
    pieces = [piece.text for piece in ModelFile.parse(model).pieces if piece.kind == NORMAL]
    return rescored(model, {text: SPACES_SCORE for text in pieces if text and not text.strip(SPACE)})


def train_model(sentences: Iterable[str], **arguments: str | int | float | bool) -> bytes:
    """Return the serialised SentencePiece model of `sentences`, single-threaded and from all of them.

    `arguments` are those of `SentencePieceTrainer.train`. What SentencePiece refuses (a vocabulary larger than the text
    can fill, no text at all) is a ValueError with its message; so are more sentences than `input_sentence_size`, of
    which it would draw a sample at random.
    """
    limit = int(arguments.get("input_sentence_size", 0)) or sys.maxsize
    model = io.BytesIO()
    options: dict[str, Any] = arguments | {"num_threads": 1, "minloglevel": ERRORS_ONLY}
    failures: list[Exception] = []
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_watched(sentences, limit, failures), model_writer=model, **options
        )
    except RuntimeError as error:
        if failures:
            raise failures[0] from None
        raise ValueError(f"SentencePiece could not train {arguments.get('vocab_size')} pieces: {error}") from error
    return model.getvalue()


def _watched(sentences: Iterable[str], limit: int, failures: list[Exception]) -> Iterator[str]:
    """Yield up to `limit` sentences and note what is raised, which SentencePiece makes an error of its own."""
    try:
        for count, sentence in enumerate(sentences):
            if count == limit:
                raise ValueError(f"there are more than {limit} lines (input_sentence_size): train on a sample of them")
            yield sentence
    except Exception as error:
        failures.append(error)
        raise


def lines_of(texts: Iterable[str], longest: int) -> Iterator[str]:
    """Yield the non-empty lines of `texts`, lines over `longest` bytes of UTF-8 in several parts.

    SentencePiece leaves such lines out silently; cut before a space where there is one, the words stay whole.
    """
    for text in texts:
        for line in without_surrogates(text).split("\n"):
            if len(line) * 4 <= longest:
                if line:
                    yield line
            else:
                yield from _cut(line.encode(), longest)


def _cut(line: bytes, longest: int) -> Iterator[str]:
    start = 0
    while len(line) - start > longest:
        end = line.rfind(b" ", start + 1, start + longest + 1)
        if end < 0:
            end = start + longest
            while line[end] & 0xC0 == 0x80:  # never inside a character
                end -= 1
        yield line[start:end].decode()
        start = end
    if start < len(line):
        yield line[start:].decode()
