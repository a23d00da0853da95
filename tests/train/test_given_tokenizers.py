"""Training on tokens of tokenizers that people have, and what is exported for Hugging Face's libraries."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from model import configs
from model.generate import main as generate
from tests.tokenizer import json_files
from tests.tokenizer.models import KINDS, llama_pieces, serialized
from tests.tokenizer.texts import corpus as sentences
from tests.train.synthetic import texts, write_tokens
from tests.train.test_pretrain import TINY, arguments
from tokenizer import exported
from tokenizer.encode import Tokenizer
from tokenizer.spec import LLAMA
from tokenizer.training import train_model
from train.corpus import open_corpus
from train.evaluate import Pieces
from train.export import main as export
from train.pretrain import main as pretrain

TEXTS = (
    "the river",
    "  two  spaces ",
    "<s>",
    "</s>",
    "a</s> b",
    "<s> a",
    "x <unk> y",
    "",
    "\u00e9\n\n\ta",
    "<|begin|>x<|end|>",
    "[INST] a [/INST]",
    "a[INST]",
)
NAMED = {"bos_piece": "<|begin|>", "eos_piece": "<|end|>"}


def large(path: Path) -> None:
    json_files.of_size(path.with_name("tokenizer.json"), 128_000)


def without_bos(path: Path) -> None:
    json_files.gpt2().save(str(path.with_name("tokenizer.json")))


def llamas(path: Path) -> None:
    path.with_name("tokenizer.model").write_bytes(serialized(llama_pieces(), KINDS))


def with_names(path: Path) -> None:
    options = replace(LLAMA, vocab_size=700).to_trainer_arguments() | NAMED
    path.with_name("tokenizer.model").write_bytes(train_model(sentences(), **options))


def corpus_of(folder: Path, make: Callable[[Path], None]) -> Path:
    place = folder / "models" / "tokenizer"
    place.mkdir(parents=True)
    make(place / "any")
    (file,) = place.iterdir()
    write_tokens(folder, file, texts({"books": 60, "c4": 60}))
    return folder


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)


@pytest.mark.parametrize("make", [large, without_bos, llamas, with_names])
def test_a_run_on_its_tokens_is_evaluated_read_and_exported(
    tmp_path: Path, make: Callable[[Path], None], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    corpus, run, output = corpus_of(tmp_path / "corpus", make), tmp_path / "run", tmp_path / "out"
    opened = open_corpus(corpus, ["books", "c4"])
    tokenizer, pieces = Tokenizer(opened.tokenizer), Pieces.load(opened.tokenizer)
    for source in opened.manifests:  # every byte of a text is some token's
        stream = opened.stream(source, "validation")
        first = 0 if tokenizer.bos is not None else int(pieces.lengths[stream.read(0, 1)][0]) - pieces.prefix
        assert pieces.count(stream, len(stream)) + first == opened.manifests[source].total("validation", "text_bytes")
    options = ["--proportions", "books=0.5,c4=0.5", "--stop-after", "2", "--evaluate-every", "2"]
    assert pretrain([*arguments(corpus, run), *options]) == 0
    row = json.loads((run / "evaluations.jsonl").read_text().splitlines()[0])
    assert all(0 < value < 20 for value in row["bits_per_byte"].values())
    named = ["--run", str(run), "--corpus", str(corpus)]
    capfdbinary.readouterr()
    assert generate([*named, "--prompt", "the river \u00e9", "--tokens", "5"]) == 0
    assert capfdbinary.readouterr().out.startswith("the river \u00e9".encode())
    assert export([*named, "--output", str(output)]) == 0
    config, named_ends = (json.loads((output / name).read_text()) for name in ("config.json", "tokenizer_config.json"))
    assert (config["vocab_size"], config["bos_token_id"], config["eos_token_id"]) == (
        tokenizer.vocabulary,
        tokenizer.bos,
        tokenizer.eos,
    )
    ends = [None if id_ is None else tokenizer.piece(id_) for id_ in (tokenizer.bos, tokenizer.eos)]
    assert [named_ends["bos_token"], named_ends["eos_token"]] == ends
    check_with_tokenizers(output, tokenizer)


def check_with_tokenizers(folder: Path, tokenizer: Tokenizer) -> None:
    library = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    before = [] if tokenizer.bos is None else [tokenizer.bos]
    for text in TEXTS:
        assert library.encode(text).ids == [*before, *tokenizer.encode(text).tolist()], text


def exported_to(folder: Path, model: Path) -> Tokenizer:
    tokenizer = Tokenizer(model)
    described = exported.files(tokenizer, tokenizer.bos, tokenizer.eos, 64)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    for name, content in {**described, "config.json": config}.items():
        (folder / name).write_text(json.dumps(content))
    return tokenizer


@pytest.mark.full
@pytest.mark.parametrize("make", [large, without_bos, llamas, with_names])
def test_transformers_gives_the_same_ids(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "any")
    (model,) = tmp_path.iterdir()
    tokenizer = exported_to(tmp_path, model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of their own dependencies
        theirs = pytest.importorskip("transformers").AutoTokenizer.from_pretrained(tmp_path)
    before = [] if tokenizer.bos is None else [tokenizer.bos]
    assert (theirs.bos_token_id, theirs.eos_token_id, len(theirs)) == (
        tokenizer.bos,
        tokenizer.eos,
        tokenizer.vocabulary,
    )
    for text in TEXTS:
        ids = [*before, *tokenizer.encode(text).tolist()]
        assert theirs.encode(text) == theirs(text)["input_ids"] == ids, text
        assert theirs.decode(ids, skip_special_tokens=True) == tokenizer.decode(ids)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "unigram", "vocab_size": 600}, "model_type is 'unigram', not 'bpe'"),
        ({"user_defined_symbols": "[REF]"}, "piece '[REF]' is user-defined"),
        ({"normalization_rule_name": "nmt_nfkc"}, "it rewrites its text"),
    ],
)
def test_what_no_tokenizer_json_can_do_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    options = replace(LLAMA, vocab_size=900).to_trainer_arguments() | changes
    (tmp_path / "tokenizer.model").write_bytes(train_model(sentences(), **options))
    tokenizer = Tokenizer(tmp_path / "tokenizer.model")
    with pytest.raises(ValueError, match=r"no tokenizer\.json gives this model's ids: ") as caught:
        exported.files(tokenizer, tokenizer.bos, tokenizer.eos, 64)
    assert reason in str(caught.value)


def with_pieces(path: Path, **added: str) -> None:
    options = replace(LLAMA, vocab_size=700).to_trainer_arguments()
    path.with_name("tokenizer.model").write_bytes(train_model(sentences(), **options, **added))


def test_a_run_is_exported_without_the_tokenizer_json_that_there_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mistral's v3 has control pieces behind eos, and user-defined ones."""
    make = partial(with_pieces, control_symbols="[INST],[/INST]", user_defined_symbols="[REF]")
    corpus, run, output = corpus_of(tmp_path / "corpus", make), tmp_path / "run", tmp_path / "out"
    assert pretrain([*arguments(corpus, run), "--proportions", "books=0.5,c4=0.5", "--stop-after", "1"]) == 0
    command = ["--run", str(run), "--corpus", str(corpus), "--output", str(output)]
    with pytest.raises(SystemExit):
        export(command)
    said = capsys.readouterr().err
    assert "no tokenizer.json gives this model's ids: piece '[REF]' is user-defined" in said
    assert "With --without-tokenizer-json the model is exported with the tokenizer's own file alone" in said
    assert not output.exists()
    assert export([*command, "--without-tokenizer-json"]) == 0
    names = {path.name for path in output.iterdir()}
    assert names == {".altiplano", "config.json", "model.safetensors", "tokenizer.model"}


def test_control_pieces_are_no_hindrance(tmp_path: Path) -> None:
    """Mistral's v2 has them behind eos; what a text says of them is text."""
    with_pieces(tmp_path / "any", control_symbols="[INST],[/INST]")
    tokenizer = exported_to(tmp_path, tmp_path / "tokenizer.model")
    assert tokenizer.piece(3) == "[INST]"
    check_with_tokenizers(tmp_path, tokenizer)


def test_a_file_that_does_not_agree_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_names(tmp_path / "any")
    tokenizer = Tokenizer(tmp_path / "tokenizer.model")
    described = tokenizer.hugging_face()
    described["model"]["merges"] = described["model"]["merges"][:-1]
    monkeypatch.setattr(tokenizer, "hugging_face", lambda: described)
    with pytest.raises(ValueError, match="the library tokenizers gives other ids than the corpus' tokenizer for"):
        exported.files(tokenizer, tokenizer.bos, tokenizer.eos, 64)
