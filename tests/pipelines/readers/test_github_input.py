"""GitHub's inputs: each format is told by its bytes; the source's rules, in both modes; what an address tells."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines import corpus
from pipelines.divergences import Mode, in_mode
from pipelines.document import Document, Drop
from pipelines.files import tables
from pipelines.readers import Dump, github
from pipelines.recipes import GitHubFiles
from pipelines.sources import github as source
from pipelines.stages.kinds import Context
from tests.pipelines.readers.test_github import ROW
from tests.pipelines.readers.test_github_archive import MIT, outcomes, tar, zipped
from tests.pipelines.readers.test_github_tables import avro, parquet

DUMP = Dump(name="part-0", digest="d1")
FILES = {"herd-1.0/LICENSE": MIT, "herd-1.0/a.py": b"x = 1\n"}
HEADER = "# Copyright 2020 Somebody. Licensed under the MIT License.\n"


def read(data: bytes, dump: Dump = DUMP) -> list[Document | Drop]:
    counts: Counter[str] = Counter()
    records = list(source.read(io.BytesIO(data), dump, counts))
    assert counts["records"] == len(records)
    return records


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_archives_are_told_from_exports(pack: Any) -> None:
    plain = gzip.decompress(tar(FILES))
    assert outcomes(read(pack(plain))) == ["kept", "kept"]
    assert read(pack(plain)) == read(zipped(FILES))


def test_exports_in_all_formats_hold_the_same() -> None:
    row = {**ROW, "size": 9, "copies": 2}
    lines = json.dumps(row).encode()
    for data in (lines, gzip.compress(lines), parquet([row]), avro([row])):
        (found,) = read(data)
        assert found == read(lines)[0]
        assert isinstance(found, Document)


def test_other_files_are_refused_or_dropped() -> None:
    with pytest.raises(ValueError, match="part-0: a 7z archive; a source archive is a tar"):
        read(b"7z\xbc\xaf\x27\x1c" + bytes(600))
    with pytest.raises(ValueError, match="part-0: the file is empty"):
        read(b"")
    assert outcomes(read(gzip.compress(b"{}")[:12])) == ["truncated"]
    assert outcomes(read(b"\x1f\x8b\xff")) == ["truncated"]
    assert outcomes(read(b"plain words")) == ["malformed"]
    assert outcomes(read(b"BZh9 is no archive")) == ["truncated"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("https://github.com/a/b/archive/refs/tags/v1.0.tar.gz", {"repository": "a/b", "ref": "v1.0"}),
        ("/mirror/github.com/a-c/b.c/archive/refs/heads/dev/x.zip", {"repository": "a-c/b.c", "ref": "dev/x"}),
        ("https://codeload.github.com/a/b/tar.gz/refs/heads/main", {"repository": "a/b", "ref": "main"}),
        ("https://github.com/a/b/archive/0a1b2c.tgz", {"repository": "a/b", "ref": "0a1b2c"}),
        ("https://notgithub.com/a/b/archive/main.zip", {}),
        ("herd-1.0.tar.gz", {}),
        ("contents-000.json.gz", {}),
    ],
)
def test_what_an_address_tells(name: str, told: dict[str, str]) -> None:
    assert source.attributes(name) == told


def file(text: str, path: str = "a.py", license: str = "mit", number: int = 0) -> Document:
    row = {**ROW, "content": text, "path": path, "license": license}
    found = github.record(row, DUMP, number, 0)
    assert isinstance(found, Document)
    return found


def context(mode: Mode) -> Context[GitHubFiles]:
    return Context(in_mode(GitHubFiles(), mode), {})


def cleaned(document: Document, mode: Mode) -> Document | Drop:
    """Return what becomes of a file that is no copy, after both stages that read the mode."""
    first = source.clean(document, context(mode))
    if isinstance(first, Drop):
        return first
    return source.unique(first, np.empty(0, np.uint32), context(mode))


@pytest.mark.parametrize("mode", ["corrected", "published"])
def test_the_rules_drop_in_both_modes(mode: Mode) -> None:
    reasons = {
        "license_not_permissive": file("x = 1\n", license="gpl-2.0"),
        "license_unknown": file("x = 1\n", license="unknown"),
        "only_boilerplate": file(HEADER),
        "empty": file(" \n"),
        "language_not_listed": file("x = 1\n", path="a.unlisted"),
        "long_line": file("x" * 1_001 + "\n"),
    }
    assert {name: getattr(cleaned(found, mode), "reason", "kept") for name, found in reasons.items()} == {
        name: name for name in reasons
    }
    kept = cleaned(file(HEADER + "\nx = 1\n"), mode)
    assert isinstance(kept, Document)
    assert kept.text == "x = 1\n"


def test_the_heuristics_are_measured_on_what_boilerplate_leaves() -> None:
    header = f"# Copyright 2020 Somebody {'and others ' * 100}. Licensed under the MIT License.\n"
    kept = cleaned(file(header + "x = 1\n"), "corrected")
    assert isinstance(kept, Document)
    assert kept.text == "x = 1\n"


def key(document: Document, mode: Mode) -> int:
    staged = source.clean(document, context(mode))
    assert isinstance(staged, Document)
    return int(source.content_key(document, staged, context(mode))[0][0])


def test_copies_are_equal_results_and_equal_raw_content_in_published_mode() -> None:
    bare, headed = file("x = 1\n"), file(HEADER + "\nx = 1\n", number=1)
    assert key(bare, "corrected") == key(headed, "corrected")
    assert key(bare, "published") != key(headed, "published")
    assert key(headed, "published") == key(replace(headed, id="github/other/3"), "published")
    copy = source.unique(bare, np.zeros(1, np.uint32), context("published"))
    assert isinstance(copy, Drop)
    assert copy.reason == "duplicate"


def test_each_divergence_by_itself_changes_only_what_it_names() -> None:
    headed = file(HEADER + '\ns = "/* copyright */"\n')
    by_recipe = {}
    for recipe in (GitHubFiles(), GitHubFiles(boilerplate="published"), GitHubFiles(copies="raw")):
        staged = source.clean(headed, Context(recipe, {}))
        assert isinstance(staged, Document)
        kept = source.unique(staged, np.empty(0, np.uint32), Context(recipe, {}))
        assert isinstance(kept, Document)
        by_recipe[recipe.boilerplate, recipe.copies] = (staged.text == headed.text, kept.text)
    assert by_recipe == {
        ("corrected", "cleaned"): (False, 's = "/* copyright */"\n'),
        ("published", "cleaned"): (False, HEADER + '\ns = ""\n'),
        ("corrected", "raw"): (True, 's = "/* copyright */"\n'),
    }


@pytest.mark.parametrize(("mode", "copies"), [("corrected", 2), ("published", 1)])
def test_a_build_of_archives_and_an_export(tmp_path: Path, mode: str, copies: int) -> None:
    body = "".join(f"def count_{n}(herd):\n    return sum(llama.weight for llama in herd) + {n}\n\n" for n in range(9))
    packed = {"herd-1.0/LICENSE": MIT, "herd-1.0/a.py": body.encode(), "herd-1.0/vendor/b.py": body.encode()}
    (tmp_path / "x.tar.gz").write_bytes(tar(packed, tarfile.TarInfo("herd-1.0/empty.py")))
    (tmp_path / "y.parquet").write_bytes(parquet([{**ROW, "content": HEADER + body}]))
    output = tmp_path / "corpus"
    options = ["--source", "github", "--recipe", "sample", "--output", str(output), "--runner", "plain"]
    options += ["--input", f"github[repository=a/b,license=mit]={tmp_path}/x.tar.gz"]
    options += ["--input", f"github={tmp_path}/y.parquet", "--set", f"github.files.mode={mode}"]
    options += ["--set", "tokenizer.vocabulary=300", "--set", "github.tokens.min_letters_per_token=0.1"]
    assert corpus.main(options) == 0
    account = json.loads((output / "github" / "manifest.json").read_text())
    assert account["stages"][1]["dropped"]["unique"]["duplicate"][0] == copies
    found = [
        document
        for entry in account["documents"]["files"]
        for document in tables.read_documents(f"{output}/{entry['path']}")
    ]
    assert [document.text for document in found] == [body] * (3 - copies)


@pytest.mark.parametrize(
    ("licence", "own", "kept"),
    [
        ("mit", "GPL-2.0-only", False),
        ("gpl-2.0", "MIT", True),
        ("mit", "MIT OR GPL-3.0-only", True),
        ("mit", "LicenseRef-Ours", False),
        ("unknown", "Apache-2.0", True),
    ],
)
def test_a_files_own_licence_wins_in_corrected(licence: str, own: str, kept: bool) -> None:
    text = f"# SPDX-License-Identifier: {own}\n\ndef add(first, second):\n    return first + second\n"
    file = Document(
        id="1", source="github", text=text, dump="d", offset=0, license=licence, attributes={"path": "a.py"}
    )
    found = source.clean(file, Context(GitHubFiles(), {}))
    assert isinstance(found, Document) == kept
    if isinstance(found, Document):
        assert (found.license, "SPDX" in found.text) == (own, False)
    published = source.clean(file, Context(GitHubFiles(licenses="repository"), {}))
    assert isinstance(published, Document) == (licence == "mit")
    assert in_mode(GitHubFiles(), "published").licenses == "repository"


def test_a_files_own_notice_wins_in_corrected() -> None:
    notice = "# Licensed under the GNU General Public License, version 2.\n"
    text = "\ndef add(first, second):\n    return first + second\n"
    file = Document(
        id="1", source="github", text=notice + text, dump="d", offset=0, license="mit", attributes={"path": "a.py"}
    )
    dropped = source.clean(file, Context(GitHubFiles(), {}))
    assert isinstance(dropped, Drop)
    assert (dropped.reason, dropped.license) == ("license_not_permissive", "GPL-2.0")
    assert isinstance(source.clean(file, Context(GitHubFiles(licenses="repository"), {})), Document)
    quoted = replace(file, text=f'{text}\nNOTICE = """{notice}"""\n')  # code, no comment at the head
    assert isinstance(source.clean(quoted, Context(GitHubFiles(), {})), Document)
    both = replace(file, text=f"# SPDX-License-Identifier: MIT\n{notice}{text}")
    assert isinstance(source.clean(both, Context(GitHubFiles(), {})), Document)
