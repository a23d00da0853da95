"""A corpus of an older format is read where its tables can be, and never built on."""

import json
from pathlib import Path

import pytest

from pipelines.account import finished
from pipelines.files import tables


def with_format(output: Path, number: int) -> str:
    (output / "manifest.json").write_text(json.dumps({"sources": [], "format": number}), encoding="utf-8")
    return str(output)


def test_what_lacks_the_detail_of_drops_is_read(tmp_path: Path) -> None:
    for number in (4, tables.VERSION):
        assert finished.corpus_manifest(with_format(tmp_path, number))["format"] == number
    for number in (3, tables.VERSION + 1):
        with pytest.raises(ValueError, match=f"has the format {number}, and this version"):
            finished.corpus_manifest(with_format(tmp_path, number))


def test_only_the_format_that_is_written_is_built_on(tmp_path: Path) -> None:
    finished.check_before_building(with_format(tmp_path, tables.VERSION))
    with pytest.raises(ValueError, match="has the format 4, and this version"):
        finished.check_before_building(with_format(tmp_path, 4))
