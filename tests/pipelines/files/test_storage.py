"""Files appear whole or not at all; globs, folders and single files are listed in one order."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.files import storage


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file.bin"
    with storage.write(str(path)) as stream:
        stream.write(b"half")
        assert not path.exists()
        stream.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert names(tmp_path) == ["file.bin"]


def test_a_file_is_on_the_disk_before_it_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "file.bin", []

    def sync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size, path.exists()))

    monkeypatch.setattr("os.fsync", sync)
    storage.write_bytes(str(path), b"whole")
    assert synced == [(path.stat().st_ino, 5, False)]


def test_a_failed_attempt_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    storage.write_bytes(str(path), b"before")
    with pytest.raises(KeyError), storage.write(str(path)) as stream:
        stream.write(b"after")
        raise KeyError
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == ["file.bin"]


def test_two_attempts_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    path = str(tmp_path / "file.bin")
    with storage.write(path) as first:
        first.write(b"first")
        with storage.write(path) as second:
            second.write(b"second")
        assert storage.read_bytes(path) == b"second"
    assert storage.read_bytes(path) == b"first"


def test_listing(tmp_path: Path) -> None:
    for name in ("b.gz", "a.gz", "c.txt", "sub/d.gz", "odd[1].gz"):
        storage.write_bytes(str(tmp_path / name), b"x")
    relative: Callable[[str], list[str]] = lambda pattern: [  # noqa: E731
        str(Path(path).relative_to(tmp_path)) for path in storage.list_files(f"{tmp_path}/{pattern}")
    ]
    assert relative("*.gz") == ["a.gz", "b.gz", "odd[1].gz"]
    assert relative("**/*.gz") == ["a.gz", "b.gz", "odd[1].gz", "sub/d.gz"]
    assert relative("odd[1].gz") == ["odd[1].gz"]
    assert relative("sub") == ["sub/d.gz"]
    assert relative("none*") == relative("none") == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"a": 1'])
def test_what_is_no_json_is_not_there(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    assert storage.read_json(str(path)) is None
    assert storage.read_json(str(tmp_path)) is None
    assert storage.read_json(str(tmp_path / "missing")) is None


def test_json_is_canonical(tmp_path: Path) -> None:
    storage.write_json(str(tmp_path / "a"), {"b": 1, "a": "é"})
    storage.write_json(str(tmp_path / "b"), {"a": "é", "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert storage.read_json(str(tmp_path / "a")) == {"a": "é", "b": 1}


def test_facts_of_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    storage.write_bytes(path, b"abc")
    assert storage.size(path) == 3
    assert storage.sha256(path).startswith("ba7816bf8f01cfea")
    assert storage.exists(path)
    storage.remove(path)
    storage.remove(path)
    assert not storage.exists(path)
