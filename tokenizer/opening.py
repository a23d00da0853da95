"""Which tokenizer a file is, by its content; what is none that can be read is refused by the name of its format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tokenizer.engine import Engine
from tokenizer.hugging_face import HuggingFaceEngine
from tokenizer.loading import SentencePieceEngine
from tokenizer.model_file import has_settings

_TIKTOKEN: Final = re.compile(rb"(?:[A-Za-z0-9+/]+={0,2} [0-9]+\r?\n)+")
_INSTEAD: Final = "a SentencePiece model or a tokenizer.json is needed"
_OTHERS: Final = (
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself (git lfs pull fetches it)"),
    (b"#version", "is a merges.txt, which lacks its vocabulary: give the tokenizer.json of the same model"),
    (b"GGUF", f"is a GGUF model: {_INSTEAD}"),
    (b"PK\x03\x04", f"is a ZIP archive: {_INSTEAD}"),
    (b"\x1f\x8b", f"is compressed by gzip: {_INSTEAD}"),
    (b"<", f"is a page of HTML or XML: {_INSTEAD}"),
    (b"[", f"is JSON, but not a tokenizer.json: {_INSTEAD}"),
)


def open_engine(path: Path, content: bytes) -> Engine:
    """Return the engine of a tokenizer's file; ValueError in one line, naming its format, for what is none."""
    start = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise ValueError(f"{path} is empty")
    if start.startswith(b"{"):
        return HuggingFaceEngine(path, content)
    if (line := _TIKTOKEN.match(start)) and len(line[0]) * 2 > min(len(start), 64):
        raise ValueError(
            f"{path} is in tiktoken's format, which holds neither the pattern nor the special pieces: give the "
            "tokenizer.json of the same model"
        )
    for magic, what in _OTHERS:
        if start.startswith(magic):
            raise ValueError(f"{path} {what}")
    if _ends_early(content):
        raise ValueError(f"{path} is not a SentencePiece model: it ends before its settings; is the file truncated?")
    return SentencePieceEngine(path, content)


def _ends_early(content: bytes) -> bool:
    try:
        return not has_settings(content)
    except (ValueError, IndexError):
        return False  # SentencePiece says what it is instead
