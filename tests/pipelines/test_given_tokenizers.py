"""Builds with tokenizers that people have: a tokenizer.json of 128,000 pieces from text to exports, and refusals."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines import corpus, report, trace, verify
from pipelines.export.__main__ import FORMATS
from pipelines.export.__main__ import main as export
from pipelines.files import tables
from pipelines.tokens.shards import Manifest
from tests.pipelines import tiny
from tests.tokenizer import json_files
from tests.tokenizer.test_opening import TEKKEN, TIKTOKEN
from tests.tokenizer.texts import corpus as sentences
from tokenizer.encode import Tokenizer
from tokenizer.training import train_model
from train.corpus import open_corpus

Settings = dict[str, str | int | float | bool]
FIELDS = ["--set", "buckets=2", "--set", "shards.validation=0.3", "--set", "shards.shard_tokens=20000"]
FIELDS += ["--set", "github.tokens.min_letters_per_token=0.5"]


def options(folder: Path, output: Path, tokenizer: Path) -> list[str]:
    return [
        *("--recipe", "paper", "--runner", "plain", "--output", str(output), *FIELDS),
        *("--input", f"books={folder}/*.txt", "--input", f"github={folder}/github.json.gz"),
        *("--model", f"tokenizer={tokenizer}"),
    ]


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dumps")
    tiny.books(folder, 6)
    tiny.github(folder / "github.json.gz", 40)
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return json_files.of_size(tmp_path_factory.mktemp("large") / "tokenizer.json", 128_000)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, dumps: Path, large: Path) -> Path:
    output = tmp_path_factory.mktemp("built") / "corpus"
    assert corpus.main(options(dumps, output, large.parent)) == 0
    return output


def documents(output: Path, source: str, split: str) -> list[list[int]]:
    stream = open_corpus(output, [source]).stream(source, split)
    ends = stream.document_ends().tolist()
    return [stream.read(start, end).tolist() for start, end in pairwise([0, *ends])]


def test_tokens_are_uint32_and_give_the_texts_back(built: Path, large: Path) -> None:
    assert list(verify.problems(str(built))) == []
    assert (built / "models/tokenizer/tokenizer.json").read_bytes() == large.read_bytes()
    tokenizer = Tokenizer(large)
    for source in ("books", "github"):
        manifest = Manifest.load(built / "tokens" / source)
        assert (manifest.dtype, manifest.vocabulary, manifest.bos_id, manifest.eos_id) == (
            "uint32",
            128_003,
            128_000,
            128_001,
        )
        texts = {row["text"] for file in built.glob(f"{source}/documents/*") for row in tables.read_rows(str(file))}
        found = [*documents(built, source, "train"), *documents(built, source, "validation")]
        assert {tokenizer.decode(ids) for ids in found} == texts
        assert max((max(ids[1:-1]) for ids in found if ids[1:-1]), default=0) > 65_535


def test_githubs_rule_counts_its_tokens(built: Path, large: Path) -> None:
    tokenizer = Tokenizer(large)
    rows = [row for file in built.glob("github/documents/*") for row in tables.read_rows(str(file))]
    shares = [sum(map(str.isalpha, row["text"])) / len(tokenizer.encode(row["text"])) for row in rows]
    assert shares and min(shares) >= 0.5
    drops = [row for file in built.glob("github/drops/tokens*") for row in tables.read_rows(str(file))]
    assert {row["reason"] for row in drops} <= {"few_letters_per_token"}


def test_trace_and_card_read_them(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.main([str(built), "--source", "books", "--token", "50"]) == 0
    assert "character " in capsys.readouterr().out
    assert report.main([str(built)]) == 0
    assert "128,003" in capsys.readouterr().out + (built / "report.html").read_text()


def test_every_export_has_the_same_ids(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in FORMATS:
        assert export([name, str(built), str(tmp_path / name), "--source", "books"]) == 0
    said = capsys.readouterr().out
    assert said.count("of uint32, vocabulary 128003, bos 128000, eos 128001") == len(FORMATS)
    assert "dtype=np.uint32, mode='r')   in get_batch, in place of np.uint16, twice" in said
    assert "token_size=4" in said
    shard = Manifest.load(built / "tokens/books").splits["train"][0]
    want = np.fromfile(built / f"tokens/books/{shard.name}.bin", "<u4")
    assert np.array_equal(np.fromfile(tmp_path / f"megatron/books/{shard.name}.bin", "<i4"), want)
    assert (tmp_path / f"megatron/books/{shard.name}.idx").read_bytes()[17] == 4  # int32
    assert np.array_equal(np.fromfile(tmp_path / f"datatrove/books/train/{shard.name}.ds", "<u4"), want)
    assert "|4\n" in (tmp_path / f"datatrove/books/train/{shard.name}.ds.metadata").read_text()
    assert np.array_equal(np.fromfile(tmp_path / "nanogpt/books/train.bin", "<u4")[: len(want)], want)
    rows = pq.read_table(tmp_path / f"parquet/books/{shard.name}.parquet")["input_ids"].to_pylist()
    assert np.array_equal(np.concatenate(list(rows)), want)
    mds = (tmp_path / "mds/books/train/shard.00000.mds").read_bytes()
    assert b'"ndarray:uint32"' in mds
    assert np.array(documents(built, "books", "train")[0], "<u4").tobytes() in mds


def test_a_change_of_tokenizers_leaves_one(dumps: Path, built: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus"
    shutil.copytree(built, output)
    model = tmp_path / "mine.model"
    settings: Settings = {
        "vocab_size": 600,
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
    }
    model.write_bytes(train_model(sentences(), remove_extra_whitespaces=False, character_coverage=0.99, **settings))
    assert corpus.main(options(dumps, output, model)) == 0
    assert sorted(path.name for path in (output / "models/tokenizer").iterdir()) == ["manifest.json", "tokenizer.model"]
    assert list(verify.problems(str(output))) == []
    assert Manifest.load(output / "tokens/books").dtype == "uint16"


def without_bos(path: Path) -> Path:
    settings: Settings = {
        "vocab_size": 600,
        "model_type": "bpe",
        "byte_fallback": True,
        "bos_id": -1,
        "normalization_rule_name": "identity",
    }
    path.write_bytes(train_model(sentences(), remove_extra_whitespaces=False, **settings))
    return path


def test_documents_begin_without_bos_where_there_is_none(dumps: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus"
    assert corpus.main(options(dumps, output, without_bos(tmp_path / "a.model"))) == 0
    assert list(verify.problems(str(output))) == []
    manifest = Manifest.load(output / "tokens/books")
    tokenizer = Tokenizer(tmp_path / "a.model")
    assert (manifest.bos_id, manifest.eos_id) == (None, tokenizer.eos)
    texts = {row["text"] for file in output.glob("books/documents/*") for row in tables.read_rows(str(file))}
    for ids in documents(output, "books", "train"):
        assert ids == [*tokenizer.encode(tokenizer.decode(ids)).tolist(), tokenizer.eos]
        assert tokenizer.decode(ids) in texts


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (TIKTOKEN, "is in tiktoken's format"),
        (TEKKEN.encode(), "is in Mistral's format tekken.json"),
        (b"\x0a\x0e\x0a\x05<unk>", "is not a SentencePiece model"),
    ],
)
def test_what_cannot_be_read_is_refused_before_any_work(
    dumps: Path, tmp_path: Path, content: bytes, said: str, more: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "given").write_bytes(content)
    assert corpus.main([*options(dumps, tmp_path / "corpus", tmp_path / "given"), *more]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"--model tokenizer={tmp_path}/given: " in line
    assert said in line
    assert not (tmp_path / "corpus").exists()


def test_a_piece_for_the_end_is_needed_or_not_wanted(
    dumps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_files.llama3().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": null, "eos_token": null}')
    arguments = options(dumps, tmp_path / "corpus", tmp_path)
    assert corpus.main(arguments) == 2
    assert "without a piece for the end of a document" in capsys.readouterr().err
    assert corpus.main([*arguments, "--set", "shards.eos=false"]) == 0
    assert list(verify.problems(str(tmp_path / "corpus"))) == []
    assert Manifest.load(tmp_path / "corpus/tokens/books").eos_id is None
    names = sorted(path.name for path in (tmp_path / "corpus/models/tokenizer").iterdir())
    assert names == ["manifest.json", "tokenizer.json", "tokenizer_config.json"]


@pytest.mark.filterwarnings("ignore:.*texts are encoded with:RuntimeWarning")
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_what_loses_text_or_time_is_said(
    dumps: Path, tmp_path: Path, more: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "t5.model"
    settings: Settings = {"vocab_size": 400, "model_type": "unigram", "normalization_rule_name": "nmt_nfkc"}
    model.write_bytes(train_model(sentences(), character_coverage=0.99, **settings))
    assert corpus.main([*options(dumps, tmp_path / "corpus", model), *more]) == 0
    said = " ".join("".join(capsys.readouterr()).split())
    assert "warning: --model tokenizer=" in said
    assert "model_type is 'unigram', not 'bpe'; texts are encoded with SentencePiece" in said
    assert "it loses text" in said
    assert "it differs from LLaMA's: model_type is 'unigram', not 'bpe'" in said
