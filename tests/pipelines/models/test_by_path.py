"""Models given by path: the forms that are taken, the errors, and digests by content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from filters.web import reference
from pipelines.models.by_path import given, staged
from pipelines.recipes import PAPER, Recipe, Reference
from tests.filters.models.kenlm_files import BINARY
from tests.tokenizer import json_files
from tests.tokenizer.models import KINDS, serialized


def language_models(folder: Path) -> Path:
    (folder / "en").mkdir(parents=True)
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a"]
    (folder / "en/pieces.model").write_bytes(serialized(pieces, KINDS[: len(pieces)]))
    (folder / "en/model.bin").write_bytes(BINARY["probing"])
    return folder


def test_models_are_known_by_content(tmp_path: Path) -> None:
    folders = [language_models(tmp_path / name) for name in ("a", "b")]
    (folders[1] / "manifest.json").write_text("{}")
    (folders[1] / "fr.sp.model").touch()  # a language that the recipe does not want
    found = [given("language_models", str(folder), PAPER) for folder in folders]
    assert list(found[0].files) == ["en/model.bin", "en/pieces.model"]
    (folders[1] / "en/model.bin").write_bytes(BINARY["trie"])
    found.append(given("language_models", str(folders[1]), PAPER))
    digests = [one.model.digest for one in found]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("bad_words", "empty", "no bad words in this file"),
        ("stack_exchange_sites", "sites", "'chosen' names no site"),
        ("language_models", "broken", r"pieces\.model is not a SentencePiece model"),
        ("language_models", "cut", r"model\.bin is not a KenLM model that can be used"),
        ("language_models", "german", "there is no model for en; available: de"),
        ("lid", "none", "no such file"),
        ("lid", ".", "this is not a file"),
        ("reference", "none", "no such file or directory"),
        ("reference", ".", r"a directory with reference\.bin is expected"),
        ("reference", "file", "file: not a fastText model"),
        ("language_models", ".", r"a directory with LANG/pieces\.model .*there is no model for any language"),
        ("cutoffs", "file", r"CCNet's cutoff\.csv"),
        ("cutoffs", ".", r"cutoffs\.json"),
        ("stack_exchange_sites", ".", r"a directory with sites\.json"),
        ("tokenizer", ".", "no such file"),
    ],
)
def test_models_of_another_form_are_refused(tmp_path: Path, name: str, path: str, message: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").touch()
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites/sites.json").write_text('{"chosen": []}')
    (language_models(tmp_path / "broken") / "en/pieces.model").write_bytes(b"pieces")
    cut = language_models(tmp_path / "cut") / "en/model.bin"
    cut.write_bytes(cut.read_bytes()[:-100])
    (language_models(tmp_path / "german") / "en").rename(tmp_path / "german/de")
    with pytest.raises(ValueError, match=message):
        given(name, str(tmp_path / path), PAPER)


def test_a_users_own_classifier(tmp_path: Path) -> None:
    model = tmp_path / "mine.bin"
    small = reference.Training(dimension=4, epochs=1)
    model.write_bytes(reference.train(["a good page"], ["a bad page"], small))
    with pytest.raises(ValueError, match=r"needs a threshold: --set common_crawl\.reference\.threshold"):
        given("reference", str(model), PAPER)

    def recipe(label: str) -> Recipe:
        part = replace(PAPER.common_crawl, reference=Reference(threshold=0.25, label=label))
        return replace(PAPER, common_crawl=part)

    assert given("reference", str(model), recipe("random")).files.keys() == {"mine.bin"}
    with pytest.raises(ValueError, match="no label 'wiki' in this classifier, which has"):
        given("reference", str(model), recipe("wiki"))
    (tmp_path / "reference.bin").write_bytes(model.read_bytes())
    with pytest.raises(ValueError, match=r"a directory with scores\.json"):
        given("reference", str(tmp_path), PAPER)
    (tmp_path / "scores.json").write_text("{}")
    with pytest.raises(ValueError, match=r"scores\.json: no threshold"):
        given("reference", str(tmp_path), PAPER)
    (tmp_path / "scores.json").write_text('{"threshold": 0.4}')
    assert given("reference", str(tmp_path), PAPER).files.keys() == {"reference.bin", "scores.json"}


def test_a_tokenizer_is_given_as_a_file_or_its_folder(tmp_path: Path) -> None:
    json_files.llama3().save(str(tmp_path / "tokenizer.json"))
    alone = given("tokenizer", str(tmp_path), PAPER)
    assert alone == given("tokenizer", str(tmp_path / "tokenizer.json"), PAPER)
    # What names its ends is a part of it.
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": null}')
    named = given("tokenizer", str(tmp_path), PAPER)
    assert sorted(named.files) == ["tokenizer.json", "tokenizer_config.json"]
    assert named.model.digest != alone.model.digest


def test_a_sentencepiece_model_is_known_by_content_and_staged_under_its_name(tmp_path: Path) -> None:
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", "a", "\u2581a"]
    for name in ("tokenizer.model", "mine.model"):
        (tmp_path / name).write_bytes(serialized(pieces, KINDS[: len(pieces)]))
    one, other = given("tokenizer", str(tmp_path), PAPER), given("tokenizer", str(tmp_path / "mine.model"), PAPER)
    assert one.model.digest == other.model.digest
    copy = staged(other, str(tmp_path / "staged"))
    assert Path(copy.model.path).read_bytes() == (tmp_path / "mine.model").read_bytes()
