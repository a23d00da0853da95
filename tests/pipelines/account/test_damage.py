"""Damaged dumps are said when they are found, and stand among the warnings of a source that is finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines import corpus
from tests.pipelines import tiny

SETTINGS = ["--runner", "plain", "--set", "tokenizer.vocabulary=500", "--set", "buckets=2"]


def build(tmp_path: Path, cut: int) -> tuple[int, Path]:
    tiny.wikipedia(tmp_path / "enwiki-20220601-pages-articles.xml.bz2", 20)
    dump = tmp_path / "enwiki-20220601-pages-articles.xml.bz2"
    dump.write_bytes(dump.read_bytes()[: -cut or None])
    tiny.arxiv(tmp_path / "arXiv_src_1904_001.tar", 4)
    options = ["--input", f"wikipedia={dump}", "--input", f"arxiv={tmp_path}/*.tar", *SETTINGS]
    return corpus.main([*options, "--output", str(tmp_path / "corpus")]), tmp_path / "corpus"


def warnings(output: Path, source: str) -> list[str]:
    return list(json.loads((output / source / "manifest.json").read_text())["warnings"])


def test_a_dump_that_is_cut_off_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output = build(tmp_path, cut=40)
    assert code == 0
    wanted = "wikipedia/pages: enwiki-20220601-pages-articles.xml.bz2: records that cannot be read: truncated 1"
    assert f"warning: {wanted}" in capsys.readouterr().err
    assert wanted in warnings(output, "wikipedia")
    assert warnings(output, "arxiv") == []


def test_whole_dumps_warn_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output = build(tmp_path, cut=0)
    assert code == 0
    assert "cannot be read" not in capsys.readouterr().err
    assert warnings(output, "wikipedia") == []
