"""Hugging Face's `tokenizer.json` as an `Engine`: BPE of bytes (GPT-2, LLaMA 3), and what is like SentencePiece.

    tokenizer.json -> described -> checked, without what is for training or padding -> `tokenizers`
    bos, eos       <- tokenizer_config.json beside it, else its template, else names that are known

Names of special pieces in a text are text, as with SentencePiece. Added pieces that are not special are cut out of a
text, as `tokenizers` does.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Final

import tokenizers

from tokenizer import charsmap
from tokenizer.fast import FastEncoder, agreeing
from tokenizer.probes import PROBES, SPACE, piece_probes
from tokenizer.spec import CONFIG, JSON, LARGEST_VOCABULARY

_BOS: Final = ("<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<｜begin▁of▁sentence｜>", "<|begin|>", "[BOS]")
_EOS: Final = ("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "<｜end▁of▁sentence｜>", "<|end|>", "[EOS]")
_BYTE: Final = re.compile(r"<0x([0-9A-F]{2})>")
Described = dict[str, Any]


def described(path: Path, content: bytes) -> Described:
    """Return a tokenizer.json that can be used as one; what cannot is a ValueError that names the format it is in."""
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is JSON that is truncated or damaged: {error}") from None
    if (reason := _unusable(found)) is not None:
        raise ValueError(f"{path} {reason}")
    for part in _parts(found):
        if part.get("type") == "Precompiled":
            try:
                charsmap.split(base64.b64decode(part["precompiled_charsmap"] or "", validate=True))
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise ValueError(f"{path}: {error}") from None
    model = {**found["model"], "dropout": None} if _kind(found["model"]) == "BPE" else found["model"]
    return {**found, "model": model, "truncation": None, "padding": None}


def _unusable(found: Any) -> str | None:
    """Return what is in place of a tokenizer.json that can be used."""
    instead = "give the tokenizer.json of the same model"
    if not isinstance(found, dict) or not isinstance(found.get("model"), dict):
        if isinstance(found, dict) and isinstance(found.get("config"), dict) and "vocab" in found:
            return f"is in Mistral's format tekken.json, which is not read: {instead}"
        if isinstance(found, dict) and found and all(isinstance(id_, int) for id_ in found.values()):
            return f"is a vocab.json, which lacks its merges: {instead}"
        return f"is JSON, but not a tokenizer.json: it has no model; {instead}"
    kind = _kind(found["model"])
    if kind not in ("BPE", "Unigram"):
        lossy = f"is a tokenizer.json of the model {kind!r}, whose ids do not decode to the same text"
        return f"{lossy}; BPE or Unigram is needed"
    if found["model"].get("end_of_word_suffix") or found["model"].get("continuing_subword_prefix"):
        return "is a tokenizer.json that marks the ends of words and does not keep spaces; this is not supported"
    return None


def _kind(model: Described) -> str:
    # Files of before 2020 do not say it.
    return str(model.get("type") or ("BPE" if "merges" in model else "Unigram" if "unk_id" in model else None))


def _parts(value: Any) -> Iterator[Described]:
    """Yield every part of a pipeline, those in sequences too; the vocabulary is not looked through."""
    if isinstance(value, dict):
        yield value
        for name, inner in value.items():
            if name not in ("model", "added_tokens"):
                yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)


class HuggingFaceEngine:
    """A tokenizer.json as an `Engine`; beside it `tokenizer_config.json` may name bos and eos."""

    format = "a tokenizer.json"
    library = "tokenizers"

    def __init__(self, path: Path, content: bytes) -> None:
        self.described = described(path, content)
        config = path.with_name(CONFIG)
        self.files = {JSON: path} | ({CONFIG: config} if config.is_file() else {})
        self._library = _loaded(path, self.described)
        self._added = self._library.get_added_tokens_decoder()
        special = {token.content: id_ for id_, token in self._added.items() if token.special}
        vocabulary = self._library.get_vocab(with_added_tokens=True)
        size = max(vocabulary.values(), default=-1) + 1
        if not 0 < size <= LARGEST_VOCABULARY:
            raise ValueError(f"{path}: its largest id is {size - 1:,}; it must be from 0 to {LARGEST_VOCABULARY - 1:,}")
        self.pieces: list[str] = [""] * size
        for piece, id_ in vocabulary.items():
            self.pieces[id_] = piece
        named = _named(config, vocabulary)
        in_front, behind = _template(self.described)
        found = {
            "bos": _found(named, "bos_token", in_front, _known(_BOS, special)),
            "eos": _found(named, "eos_token", behind, _known(_EOS, special)),
        }
        self.eos: int | None = found["eos"][0]
        # One piece for both ends (GPT-2) stands once between two documents.
        self.bos: int | None = None if found["bos"][0] == self.eos else found["bos"][0]
        assumed = [f"{end} is taken to be {self._name(id_)} ({why})" for end, (id_, why) in found.items() if why]
        self.assumed = f"no {CONFIG} beside it says otherwise, so {' and '.join(assumed)}" if assumed else None

    not_fast = ()

    def _name(self, id_: int | None) -> str:
        return "none" if id_ is None else repr(self.pieces[id_])

    @cached_property
    def contents(self) -> list[bytes | None]:
        """The bytes of each id; special pieces and the unknown one are no text."""
        by_bytes = any(part.get("type") == "ByteLevel" for part in _parts(self.described))
        fallback = bool(self.described["model"].get("byte_fallback"))
        none = {id_ for id_, token in self._added.items() if token.special}
        none |= {id_ for id_, piece in enumerate(self.pieces) if piece == "" or piece == self._unknown}
        letters = _letters()
        found: list[bytes | None] = []
        for id_, piece in enumerate(self.pieces):
            if id_ in none:
                found.append(None)
            elif id_ in self._added:
                found.append(piece.encode())
            elif by_bytes and all(letter in letters for letter in piece):
                found.append(bytes(letters[letter] for letter in piece))
            elif fallback and (byte := _BYTE.fullmatch(piece)):
                found.append(bytes([int(byte[1], 16)]))
            else:
                found.append(piece.replace(SPACE, " ").encode())
        return found

    @property
    def _unknown(self) -> str | None:
        model = self.described["model"]
        if _kind(model) == "BPE":
            unknown: str | None = model.get("unk_token")
            return unknown
        number = model.get("unk_id")
        return self.pieces[number] if isinstance(number, int) and 0 <= number < len(self.pieces) else None

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; a piece that the file lacks for a character is a ValueError."""
        try:
            (found,) = self._library.encode_batch_fast([text], add_special_tokens=False)  # without places in the text
            return found.ids
        except Exception as error:  # the library's own class of errors
            raise ValueError(f"tokenizers cannot encode {text[:40]!r}: {error}") from error

    def decode(self, ids: list[int]) -> str:
        """Return the text of ids; broken UTF-8 becomes U+FFFD."""
        if self.described.get("decoder"):
            return self._library.decode(ids, skip_special_tokens=True)
        return b"".join(self.contents[id_] or b"" for id_ in ids).decode("utf-8", "replace")

    def violations(self) -> list[str]:
        """Return nothing: LLaMA's specification is about SentencePiece models."""
        return []

    def hugging_face(self) -> Described:
        """Return the file without its template."""
        return {**self.described, "post_processor": None}

    def fast(self) -> FastEncoder | str:
        """Return Gigatoken where it gives the same ids, or why it does not."""
        if _kind(self.described["model"]) != "BPE":
            return "its model is not BPE"
        if plain := next((token.content for token in self._added.values() if not token.special), None):
            return f"piece {plain!r} is matched inside texts"
        texts = [content.decode("utf-8", "ignore") for content in self.contents if content]
        names = [token.content for token in self._added.values()]
        rules = json.dumps({**self.described, "added_tokens": [], "post_processor": None})
        return agreeing(rules, chain(PROBES, names, piece_probes([*texts, *names])), self.encode)


def _loaded(path: Path, found: Described) -> tokenizers.Tokenizer:
    try:
        library = tokenizers.Tokenizer.from_str(json.dumps({**found, "post_processor": None}))
    except BaseException as error:  # a Rust panic is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise ValueError(
            f"{path} is not a tokenizer.json that tokenizers {tokenizers.__version__} reads: {error}"
        ) from None
    library.encode_special_tokens = True  # their names in a text are text
    return library


def _named(config: Path, vocabulary: Mapping[str, int]) -> dict[str, int | None]:
    """Return the ids that a tokenizer_config.json names; nothing if there is none, or it says nothing of them."""
    try:
        named = json.loads(config.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{config}: not JSON: {error}") from None
    found: dict[str, int | None] = {}
    for name in ("bos_token", "eos_token"):
        if isinstance(named, dict) and name in named:
            token = named[name]["content"] if isinstance(named[name], dict) else named[name]
            if token is not None and token not in vocabulary:
                raise ValueError(f"{config}: {name} is {token!r}, which is not a piece of the tokenizer.json beside it")
            found[name] = vocabulary[token] if token is not None else None
    return found


def _found(
    named: Mapping[str, int | None], field: str, in_template: int | None, known: int | None
) -> tuple[int | None, str]:
    """Return the id of an end of a document, and what says it; "" if its configuration does."""
    if field in named:
        return named[field], ""
    if in_template is not None:
        return in_template, "its own template adds it"
    return known, "a usual name" if known is not None else "no special piece has a usual name"


def _template(found: Described) -> tuple[int | None, int | None]:
    """Return the ids that the file's own template puts in front of and behind a text."""
    for part in _parts(found.get("post_processor")):
        if part.get("type") == "TemplateProcessing":
            tokens = part.get("special_tokens") or {}
            names = [next(iter(step.items())) for step in part.get("single") or []]
            texts = [at for at, (kind, _) in enumerate(names) if kind == "Sequence"]
            ids = [tokens[step["id"]]["ids"][0] if kind == "SpecialToken" else None for kind, step in names]
            if texts:
                before, behind = ids[: texts[0]], ids[texts[-1] + 1 :]
                return (before[-1] if before else None), (behind[0] if behind else None)
        if part.get("type") == "RobertaProcessing":
            return part["cls"][1], part["sep"][1]
    return None, None


def _known(names: Iterable[str], special: Mapping[str, int]) -> int | None:
    return next((special[name] for name in names if name in special), None)


def _letters() -> dict[str, int]:
    """Return the byte that each letter of a BPE of bytes stands for.

    Source: GPT-2's encoder.py, where bytes that cannot be seen follow U+0100.
    """
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    unseen = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + n): byte for n, byte in enumerate(unseen)}
