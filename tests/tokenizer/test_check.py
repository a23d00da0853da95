import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from tests.tokenizer import json_files
from tests.tokenizer.models import KINDS, llama_pieces, serialized
from tests.tokenizer.texts import corpus
from tokenizer.check import main
from tokenizer.encode import Tokenizer
from tokenizer.model_file import BYTE, CONTROL, NORMAL, UNKNOWN, ModelFile, Piece
from tokenizer.rules import piece_violations, violations
from tokenizer.spec import LLAMA, Spec
from tokenizer.training import train


def test_a_trained_model_follows_the_specification(model_path: Path, small_spec: Spec) -> None:
    assert violations(model_path, small_spec) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vocab_size", 901),
        ("character_coverage", 0.9995),
        ("normalization_rule_name", "nfkc"),
        ("add_dummy_prefix", False),
        ("remove_extra_whitespaces", True),
        ("split_by_unicode_script", False),
        ("split_by_whitespace", False),
        ("split_by_number", False),
        ("split_digits", False),
        ("allow_whitespace_only_pieces", False),
        ("max_sentencepiece_length", 15),
        ("max_sentence_length", 4193),
        ("input_sentence_size", 0),
        ("shuffle_input_sentence", False),
        ("seed_sentencepiece_size", 999_999),
        ("hard_vocab_limit", False),
        ("unk_surface", "?"),
    ],
)
def test_a_field_that_differs_is_named(tmp_path: Path, small_spec: Spec, field: str, value: Any) -> None:
    train(corpus(), tmp_path / "other.model", replace(small_spec, **{field: value}))
    found = violations(tmp_path / "other.model", small_spec)
    assert any(problem.startswith(f"{field} is ") for problem in found), found


def test_another_algorithm_is_found(tmp_path: Path, small_spec: Spec) -> None:
    spec = replace(small_spec, vocab_size=700)
    train(corpus(), tmp_path / "unigram.model", replace(spec, model_type="unigram"))
    assert violations(tmp_path / "unigram.model", spec) == ["model_type is 'unigram', not 'bpe'"]


def test_a_character_map_is_no_identity(tmp_path: Path, small_spec: Spec) -> None:
    train(corpus(), tmp_path / "other.model", replace(small_spec, normalization_rule_name="nfkc"))
    assert any("has a character map of" in problem for problem in violations(tmp_path / "other.model", small_spec))


def test_another_vocabulary_is_found_by_its_pieces(model_path: Path) -> None:
    found = violations(model_path, LLAMA)
    assert "there are 900 pieces, not 32000" in found
    assert "there are 641 normal pieces, not 31741" in found


@pytest.mark.parametrize(
    ("id_", "piece", "problem"),
    [
        (0, Piece("<UNK>", 0, UNKNOWN), "piece 0 is not <unk>"),
        (1, Piece("<s>", 0, NORMAL), "piece 1 is not <s>"),
        (2, Piece("<eos>", 0, CONTROL), "piece 2 is not </s>"),
        (3, Piece("<0x01>", 0, BYTE), "piece 3 is not <0x00>"),
        (258, Piece("<0xff>", 0, BYTE), "piece 258 is not <0xFF>"),
        (400, Piece("<extra>", 0, CONTROL), "piece 400, '<extra>', is neither special nor normal"),
        (400, Piece("a1", 0, NORMAL), "piece 'a1' holds a digit with other characters"),
        (400, Piece("▁7", 0, NORMAL), "piece '▁7' holds a digit with other characters"),
        (400, Piece("a▁b", 0, NORMAL), "piece 'a▁b' has a space after other characters"),
        (400, Piece("x" * 17, 0, NORMAL), f"piece '{'x' * 17}' has 17 characters, not 1 to 16"),
        (
            400,
            Piece("\u2581" * 3, -400, NORMAL),
            "piece '\u2581\u2581\u2581' has the score -400, not -1000000000: it is not merged last",
        ),
        (400, Piece("", 0, NORMAL), "piece '' has 0 characters, not 1 to 16"),
    ],
)
def test_a_piece_that_does_not_belong_is_named(
    model_path: Path, small_spec: Spec, id_: int, piece: Piece, problem: str
) -> None:
    pieces = list(ModelFile.read(model_path).pieces)
    pieces[id_] = piece
    assert problem in piece_violations(pieces, small_spec)


def test_a_piece_that_occurs_twice_is_found(model_path: Path, small_spec: Spec) -> None:
    pieces = list(ModelFile.read(model_path).pieces)
    pieces[400] = pieces[401]
    assert piece_violations(pieces, small_spec) == ["a piece occurs twice"]


def test_white_space_pieces_are_allowed_only_by_the_specification(model_path: Path, small_spec: Spec) -> None:
    pieces = list(ModelFile.read(model_path).pieces)
    assert any(len(piece.text) > 1 and set(piece.text) == {"▁"} for piece in pieces)
    assert any(
        "only white space" in p
        for p in piece_violations(pieces, replace(small_spec, allow_whitespace_only_pieces=False))
    )


def test_superscript_digits_are_no_ascii_digits() -> None:
    assert not [p for p in piece_violations([Piece("².", 0, NORMAL)], LLAMA) if "digit" in p]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("llama") / "tokenizer.model"
    path.write_bytes(serialized(llama_pieces(), KINDS))
    return path


def test_llamas_own_model_follows_the_specification(llama: Path) -> None:
    assert violations(llama) == []
    assert main([str(llama)]) == 0


# What stands in place of each field's value: a switch turned, a number more, another text.
OTHERWISE: dict[type, Callable[[Any], Any]] = {
    bool: lambda value: not value,
    int: lambda value: value + 1,
    float: lambda value: value - 0.0001,
    str: lambda value: {"bpe": "unigram"}.get(value, f"{value}x"),
}


@pytest.mark.parametrize("field", [field.name for field in fields(LLAMA)])
def test_every_field_of_a_model_is_compared(tmp_path: Path, field: str) -> None:
    value = getattr(LLAMA, field)
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", "a", "\u2581a"]
    spec = replace(LLAMA, vocab_size=len(pieces))
    settings = spec.to_trainer_arguments()
    good, bad = tmp_path / "good.model", tmp_path / "bad.model"
    good.write_bytes(serialized(pieces, KINDS[: len(pieces)], **settings))
    assert violations(good, spec) == []
    other = OTHERWISE[type(value)](settings[field])
    bad.write_bytes(serialized(pieces, KINDS[: len(pieces)], **{**settings, field: other}))
    (found,) = violations(bad, spec)
    assert found.startswith(f"{field} is {other!r:.6}")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"treat_whitespace_as_suffix": True}, "white space must be escaped, and lead its piece"),
        ({"escape_whitespaces": False}, "white space must be escaped, and lead its piece"),
        ({"charsmap": b"abc"}, "identity normalisation has a character map of 3 bytes"),
    ],
)
def test_what_the_specification_implies_is_checked(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "a"]
    spec = replace(LLAMA, vocab_size=len(pieces))
    path = tmp_path / "other.model"
    path.write_bytes(serialized(pieces, KINDS[: len(pieces)], **spec.to_trainer_arguments() | changes))
    assert violations(path, spec) == [problem]


def test_the_command_answers_with_its_exit_status(model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(model_path), "--vocabulary", "900"]) == 0
    assert "follows LLaMA's specification with 900 pieces" in capsys.readouterr().out
    assert main([str(model_path)]) == 1
    assert "vocab_size is 900, not 32000" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b"", b"no model at all"])
def test_what_is_no_model_is_an_error_of_use(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit) as caught:
        main([str(path)])
    assert caught.value.code == 2
    assert "wrong.model" in capsys.readouterr().err


def test_a_model_is_described(model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(model_path)])
    said = capsys.readouterr().out.splitlines()
    assert said[:8] == [
        f"{model_path}: a SentencePiece model with 900 ids; shards are uint16",
        "a document begins with '<s>' (1) and ends with '</s>' (2)",
        "pieces that are no text: '<unk>', '<s>', '</s>'; their names in a text are ordinary text",
        "256 of 256 bytes have a piece of their own, so any text can be encoded",
        "a piece holds at most 1 digit in a row",
        "a space is put in front of a text",
        "sample texts in 25 languages and code come back unchanged",
        "encoded fast, by gigatoken, which gave the same ids on all probes",
    ]


@pytest.mark.parametrize(
    ("kind", "status", "lines"),
    [
        (
            "llama3",
            0,
            [
                "a document begins with '<|begin_of_text|>' (900) and ends with '<|end_of_text|>' (901)",
                "no tokenizer_config.json beside it says otherwise, so bos is taken to be '<|begin_of_text|>' (its own "
                "template adds it) and eos is taken to be '<|end_of_text|>' (a usual name)",
                "a piece holds at most 3 digits in a row",
                "a space is not put in front of a text",
            ],
        ),
        ("gpt2", 0, ["a document begins with nothing and ends with '<|endoftext|>' (0)"]),
        ("llama2", 0, ["a space is put in front of a text"]),
        (
            "unigram",
            1,
            [
                "81 of 256 bytes have a piece of their own: text without a piece may be lost",
                "its model is not BPE; texts are encoded with tokenizers",
            ],
        ),
        ("plain", 0, ["piece '[REF]' is matched inside texts; texts are encoded with tokenizers"]),
    ],
)
def test_a_tokenizer_json_is_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, status: int, lines: list[str]
) -> None:
    path = tmp_path / "tokenizer.json"
    json_files.KINDS[kind]().save(str(path))
    assert main([str(path)]) == status
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{path}: a tokenizer.json with ")
    assert set(lines) <= set(said), said
    assert any(line.startswith("it loses text: ") for line in said) == bool(status)


def test_what_is_named_is_not_assumed(tmp_path: Path) -> None:
    json_files.gpt2().save(str(tmp_path / "tokenizer.json"))
    assert any("taken to be" in said for said in Tokenizer(tmp_path / "tokenizer.json").remarks())
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": null, "eos_token": "<|endoftext|>"}')
    assert list(Tokenizer(tmp_path / "tokenizer.json").remarks()) == []


def test_the_module_runs_as_a_command(model_path: Path) -> None:
    command = [sys.executable, "-m", "tokenizer.check", str(model_path), "--vocabulary", "900"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
