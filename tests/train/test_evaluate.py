import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch
from torch.nn import functional as F  # noqa: N812

from model.configs import ModelConfig
from model.llama import LLaMA
from pipelines.table1 import SOURCES
from pipelines.tokens.shards import Manifest
from tests.train.synthetic import edit_manifest, texts, write_corpus
from train.corpus import open_corpus
from train.evaluate import Pieces, Score, evaluate, score
from train.loss import token_losses
from train.parallel import ALONE


def model() -> LLaMA:
    config = ModelConfig(dim=16, layers=1, heads=2, kv_heads=2, hidden=32, vocabulary=320, context=64)
    return LLaMA(config).initialise(torch.Generator().manual_seed(0))


def test_bytes_of_a_whole_stream_are_the_manifests(shared_corpus: Path) -> None:
    corpus = open_corpus(shared_corpus, SOURCES)
    pieces = Pieces.load(corpus.tokenizer)
    for name in SOURCES:
        for split in ("train", "validation"):
            stream = corpus.stream(name, split)
            assert pieces.count(stream, len(stream)) == stream.manifest.total(split, "text_bytes") > 0


def test_bytes_of_a_part_are_those_of_its_decoded_documents(tmp_path: Path) -> None:
    awkward = [" two  spaces", "naïve 12½", "日本語 \U0001f600", "tab\tand\nlines\n\n", "\u200b", "x" * 50]
    write_corpus(tmp_path, {"books": [text for text in awkward for _ in range(8)] + texts({"books": 40})["books"]})
    corpus = open_corpus(tmp_path, ["books"])
    pieces, stream = Pieces.load(corpus.tokenizer), corpus.stream("books")
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(corpus.tokenizer))
    tokens, expected, start = stream.read(0, len(stream)), 0, 0
    for end in stream.document_ends().tolist():
        expected += len(tokenizer.decode(tokens[start:end].tolist()).encode())
        assert pieces.count(stream, end) == expected
        start = end
    assert expected == stream.manifest.total("train", "text_bytes")


def test_windows_cost_what_they_cost_one_by_one(shared_corpus: Path) -> None:
    corpus, llama = open_corpus(shared_corpus, ["books"]), model()
    stream, pieces = corpus.stream("books", "validation"), Pieces.load(corpus.tokenizer)
    targets = 3 * 40 + 17
    result = score(partial(token_losses, llama), stream, pieces, 40, 2, targets, ALONE)
    tokens = torch.from_numpy(stream.read(0, targets + 1).astype(np.int64))
    nats = 0.0
    for start in range(0, targets, 40):
        window = tokens[start : start + 41]
        logits = llama(window[None, :-1])[0].detach()
        nats += float(F.cross_entropy(logits, window[1:], reduction="sum"))
    assert result.tokens == targets
    assert result.nats == pytest.approx(nats, rel=1e-5)
    assert result.bytes == pieces.count(stream, targets + 1)
    assert result.bits_per_byte == pytest.approx(nats / math.log(2) / result.bytes, rel=1e-5)


def test_a_model_that_knows_nothing_costs_the_log_of_the_vocabulary(shared_corpus: Path) -> None:
    corpus, llama = open_corpus(shared_corpus, SOURCES), model()
    torch.nn.init.zeros_(llama.output.weight)
    scores = evaluate(partial(token_losses, llama), corpus, 32, 4, 10**9)
    assert list(scores) == list(SOURCES)
    for name, result in scores.items():
        stream = corpus.stream(name, "validation")
        assert result.tokens == len(stream) - 1
        assert result.bytes == stream.manifest.total("validation", "text_bytes")
        assert result.nats == pytest.approx(result.tokens * math.log(320), rel=1e-5)


def test_nothing_held_out_is_no_number(tmp_path: Path) -> None:
    write_corpus(tmp_path, texts({"books": 30}), held_out=10**6)
    (tmp_path / "tokens" / "books" / "validation-00000.bin").unlink()
    source = tmp_path / "tokens" / "books"
    edit_manifest(source, splits={**Manifest.load(source).splits, "validation": ()})
    corpus = open_corpus(tmp_path, ["books"])
    assert evaluate(partial(token_losses, model()), corpus, 32, 4, 1000) == {"books": Score(0.0, 0, 0)}
    assert Score(0.0, 0, 0).bits_per_byte is None
