"""Files that are no tokenizer, or not one that can be read: each refused in one line that names its format."""

import base64
import json
from pathlib import Path

import pytest

from tests.tokenizer import json_files
from tokenizer.encode import Tokenizer

TIKTOKEN = b"".join(base64.b64encode(bytes([byte])) + b" %d\n" % byte for byte in range(256))
TEKKEN = json.dumps({"config": {"pattern": ".", "num_vocab_tokens": 10}, "vocab": [{"rank": 0, "token_bytes": "AA=="}]})
WORD_PIECE = json.dumps({"model": {"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "a"}, "added_tokens": []})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (TIKTOKEN, "is in tiktoken's format"),
        (TEKKEN.encode(), "is in Mistral's format tekken.json"),
        (WORD_PIECE.encode(), "is a tokenizer.json of the model 'WordPiece'"),
        (b'{"a": 0, "b": 1}', "is a vocab.json, which lacks its merges"),
        (b'{"tokenizer_class": "LlamaTokenizer"}', "is JSON, but not a tokenizer.json"),
        (b"#version: 0.2\na b\n", "is a merges.txt"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a pointer of Git LFS"),
        (b"<!DOCTYPE html><html></html>", "is a page of HTML"),
        (b"GGUF\3\0\0\0", "is a GGUF model"),
        (b"PK\3\4rest", "is a ZIP archive"),
        (b"\x1f\x8brest", "is compressed by gzip"),
        (b"[1, 2]", "is JSON, but not a tokenizer.json"),
        (b"no model at all", "is not a SentencePiece model"),
        (b"{" + b'"a":[' * 100_000, "is JSON that is truncated or damaged"),
    ],
)
def test_it_is_named_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "given"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as caught:
        Tokenizer(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.3, 0.99, 0.9999])
def test_a_cut_file_is_refused(tmp_path: Path, model_path: Path, share: float) -> None:
    json_files.gpt2().save(str(tmp_path / "whole.json"))
    for whole in (model_path, tmp_path / "whole.json"):
        content = whole.read_bytes()
        (tmp_path / "cut").write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ValueError, match=r"cut|not a SentencePiece model"):
            Tokenizer(tmp_path / "cut")


def test_a_model_cut_behind_a_piece_is_refused(tmp_path: Path, model_path: Path) -> None:
    content = model_path.read_bytes()
    at = length = 0
    while at + length < len(content) // 2:  # pieces are short: a tag, a length of one byte, the piece
        at += length
        length = 2 + content[at + 1]
    (tmp_path / "cut").write_bytes(content[:at])
    with pytest.raises(ValueError, match="it ends before its settings; is the file truncated"):
        Tokenizer(tmp_path / "cut")


@pytest.mark.parametrize(
    "damage", ["null", '"x"', "[]", '{"type": "BPE"}', '{"type": "BPE", "vocab": 3, "merges": []}']
)
def test_a_damaged_tokenizer_json_is_refused(tmp_path: Path, damage: str) -> None:
    (tmp_path / "tokenizer.json").write_text(f'{{"version": "1.0", "model": {damage}}}')
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        Tokenizer(tmp_path / "tokenizer.json")
