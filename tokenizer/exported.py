"""A tokenizer as the files that Hugging Face's libraries read: the same ids, behind bos, or a refusal.

Names of special pieces in a text are text: no piece is added to the file that would be cut out of texts, and
`split_special_tokens` says it to transformers, which adds the pieces that its configuration names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import tokenizers

from tokenizer.encode import Tokenizer
from tokenizer.probes import PROBES, piece_probes

Json = dict[str, Any]


def files(tokenizer: Tokenizer, bos: int | None, eos: int | None, context: int) -> Mapping[str, Json]:
    """Return tokenizer.json and tokenizer_config.json of a model whose documents stand between `bos` and `eos`.

    Raises ValueError for a tokenizer of which no tokenizer.json gives the same ids.
    """
    described = {**tokenizer.hugging_face(), "post_processor": _template(tokenizer, bos)}
    unknown = described["model"].get("unk_token")
    _check(tokenizer, described, bos)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokenizer.piece(bos) if bos is not None else None,
        "eos_token": tokenizer.piece(eos) if eos is not None else None,
        "unk_token": unknown,
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
    }
    return {"tokenizer.json": described, "tokenizer_config.json": config}


def _template(tokenizer: Tokenizer, bos: int | None) -> Json | None:
    if bos is None:
        return None
    text = tokenizer.piece(bos)
    start = {"SpecialToken": {"id": text, "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [start, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [start, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {text: {"id": text, "ids": [bos], "tokens": [text]}},
    }


def _check(tokenizer: Tokenizer, described: Json, bos: int | None) -> None:
    """Require that tokenizers gives the ids of `tokenizer` by this file."""
    library = tokenizers.Tokenizer.from_str(json.dumps(described))
    library.encode_special_tokens = True
    before = [] if bos is None else [bos]
    for text in _texts(tokenizer):
        if library.encode(text).ids != [*before, *tokenizer.encode(text).tolist()]:
            raise ValueError(
                f"tokenizer.json: the library tokenizers gives other ids than the corpus' tokenizer for {text[:40]!r}"
            )


def _texts(tokenizer: Tokenizer) -> Iterator[str]:
    yield from chain(
        PROBES, piece_probes([(content or b"").decode("utf-8", "ignore") for content in tokenizer.contents])
    )
