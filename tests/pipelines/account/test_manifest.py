"""The account adds up from items to stages to a source, or the build fails; manifests say the same again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines import corpus
from pipelines.account import manifest
from pipelines.files import storage, strays
from pipelines.options import parse
from pipelines.stages.chain import Chain
from tests.pipelines import tiny


def row(**changes: Any) -> dict[str, Any]:
    return {
        "in": 5,
        "kept": 2,
        "kept_bytes": 20,
        "merged": 1,
        "dropped": {"read": {"empty": [1, 0]}, "lines": {"short": [1, 7]}},
        "read": {"records": 5, "other:header": 1},
        "statistics": {"macros": 3},
        "cpu_seconds": 0.25,
        "worker_memory_bytes": 7 << 20,
        **changes,
    }


def test_items_add_up() -> None:
    other = row(**{"in": 2, "dropped": {"lines": {"long": [1, 9]}}, "merged": 0, "kept": 1, "read": {"records": 2}})
    found = manifest.stage_account("c4/lines", [row(), other])
    assert found == {
        "stage": "c4/lines",
        "in": 7,
        "kept": 3,
        "kept_bytes": 40,
        "merged": 1,
        "dropped": {"read": {"empty": [1, 0]}, "lines": {"short": [1, 7], "long": [1, 9]}},
        "read": {"other:header": 1, "records": 7},
        "statistics": {"macros": 6},
        "cpu_seconds": 0.5,
        "worker_memory_bytes": 7 << 20,
    }


@pytest.mark.parametrize("field", ["in", "kept", "merged"])
@pytest.mark.parametrize("by", [-1, 1])
def test_a_count_that_is_off_is_found(field: str, by: int) -> None:
    with pytest.raises(RuntimeError, match="c4/lines does not add up"):
        manifest.stage_account("c4/lines", [row(), row(**{field: row()[field] + by})])


def test_the_combined_digest_knows_tables_but_not_their_order() -> None:
    one, two = {"digest": "aa", "path": "1"}, {"digest": "bb", "path": "2"}
    assert manifest.combined_digest([one, two]) == manifest.combined_digest([two, {**one, "path": "other"}])
    assert len({manifest.combined_digest(found) for found in ([one], [one, one], [one, two], [])}) == 4


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    tiny.books(tmp_path, 4)
    options = ["--input", f"books={tmp_path}/*.txt", "--output", f"{tmp_path}/corpus", "--runner", "plain"]
    parsed = parse([*options, "--set", "tokenizer.vocabulary=500", "--set", "buckets=2"])
    return corpus.build(*parsed)[0].chains["books"]


def test_a_source_manifest_says_what_is_there(chain: Chain) -> None:
    path = Path(chain.output, "books/manifest.json")
    found = json.loads(path.read_text())
    assert [(account["stage"], account["in"], account["kept"]) for account in found["stages"]] == [
        ("books/texts", 5, 5),
        ("books/one_encoding", 5, 5),
        ("books/books", 5, 3),
    ]
    assert found["documents"]["count"] == 3
    assert found["drops"]["count"] == 2
    assert len(found["inputs"]) == 5
    assert found["recipe"]["overlap"] == {"threshold": 0.9}
    assert all(Path(chain.output, entry["path"]).exists() for entry in found["documents"]["files"])
    stamp = path.stat().st_mtime_ns
    manifest.write_source_manifest(chain)
    assert path.stat().st_mtime_ns == stamp


def test_a_source_is_empty_if_no_item_kept_anything(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    read_jsons = storage.read_jsons

    def counted(paths: Sequence[str]) -> list[Any]:
        read.extend(paths)
        return read_jsons(paths)

    monkeypatch.setattr(manifest, "_BLOCK", 1)
    monkeypatch.setattr(storage, "read_jsons", counted)
    items = sorted(Path(chain.output, "work/books/books").glob("*.json"))
    assert not manifest.is_empty(chain)
    assert len(read) < len(items)
    for path in items:
        found = json.loads(path.read_text())
        path.write_text(json.dumps({**found, "kept": 0}))
    read.clear()
    assert manifest.is_empty(chain)
    assert sorted(map(Path, read)) == items


def test_what_was_written_for_no_item_goes_and_strangers_files_stay(chain: Chain) -> None:
    # What a build that was killed wrote of an input that is gone: no manifest of its own names it.
    gone, folder = "00001-0123456789abcdef", Path(chain.output, "books")
    strays.begin([chain.paths.manifest(stage, gone) for stage in ("texts", "books")])
    ours = [folder / f"documents/{gone}.parquet", folder / f"drops/texts-{gone}.parquet"]
    ours.append(folder / "documents/.half.parquet.1-0123abcd.tmp")
    theirs = ["documents/notes.txt", "documents/00001-0123456789abcdee.parquet", "drops/mine/a.parquet"]
    theirs += ["drops/texts-.parquet", "documents/.half.parquet.1-2.tmp", f"drops/else-{gone}.parquet"]
    for path in [*ours, *(folder / name for name in theirs)]:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"of another recipe")
    said = manifest.remove_strays(chain)
    assert not any(path.exists() for path in ours)
    assert all((folder / name).exists() for name in theirs)
    assert sum("removed" in line for line in said) == 2
    assert sum("not written by this corpus, and left there" in line for line in said) == 2
    assert Path(chain.output, "manifest.json").exists()


def test_a_stage_that_took_other_documents_is_found(chain: Chain) -> None:
    victim = next(Path(chain.output, "work/books/books").glob("*.json"))
    content = json.loads(victim.read_text())
    victim.write_text(json.dumps({**content, "in": content["in"] + 1, "kept": content["kept"] + 1}))
    with pytest.raises(RuntimeError, match=r"books/books took 6 of 5 documents kept before"):
        manifest.write_source_manifest(chain)


def test_a_file_with_other_rows_than_counted_is_found(chain: Chain) -> None:
    files = sorted(Path(chain.output, "books/documents").iterdir(), key=lambda path: path.stat().st_size)
    files[0].write_bytes(files[-1].read_bytes())
    with pytest.raises(RuntimeError, match=r"books: \d documents written, 3 counted"):
        manifest.write_source_manifest(chain)
