"""What is marked is ours; what is not is never removed, renamed or overwritten."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import ClassVar

import pytest

from pipelines import clean
from pipelines.files import ours
from pipelines.files.ours import MARK, Kind
from pipelines.hashing import seal


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


class TestClaim:
    @pytest.mark.parametrize("before", [None, {}, {".directory": "", "lost+found/x": ""}])
    def test_a_new_or_empty_folder_becomes_ours(self, tmp_path: Path, before: dict[str, str] | None) -> None:
        folder = tmp_path / "new"
        if before is not None:
            folder.mkdir()
            fill(folder, before)
        assert ours.kind_of(str(folder)) is None
        ours.claim(str(folder), Kind.CORPUS)
        assert ours.kind_of(str(folder)) is Kind.CORPUS
        mark = (folder / MARK).read_bytes()
        ours.claim(str(folder), Kind.CORPUS)
        assert (folder / MARK).read_bytes() == mark
        with pytest.raises(ValueError, match="marked as corpus, not as run"):
            ours.claim(str(folder), Kind.RUN)

    @pytest.mark.parametrize("strange", ["thesis.tex", "work/inputs.json", "manifest.json", "documents/a.parquet"])
    def test_a_folder_of_somebody_is_refused(self, tmp_path: Path, strange: str) -> None:
        fill(tmp_path, {strange: "{}"})
        with pytest.raises(ValueError, match=r"not empty \(it holds .*\) and is not marked as our corpus"):
            ours.claim(str(tmp_path), Kind.CORPUS)
        with pytest.raises(ValueError, match="not marked as our corpus"):
            ours.require(str(tmp_path), Kind.CORPUS)
        assert contents(tmp_path) == {strange: "{}"}

    def test_a_file_is_no_folder(self, tmp_path: Path) -> None:
        fill(tmp_path, {"a": "x"})
        with pytest.raises(ValueError, match="is a file; a folder is expected"):
            ours.claim(str(tmp_path / "a"), Kind.RUN)

    @pytest.mark.parametrize("mark", ["", "{", "[]", '{"kind": "corpus"}', '{"made_by": "altiplano-corpus"}'])
    def test_a_mark_that_is_none(self, tmp_path: Path, mark: str) -> None:
        fill(tmp_path, {MARK: mark, "a": "x"})
        assert ours.kind_of(str(tmp_path)) is None
        with pytest.raises(ValueError, match=r"not empty|not a mark of ours"):
            ours.claim(str(tmp_path), Kind.CORPUS)

    def test_a_mark_that_another_command_writes_in_that_moment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def others(folder: str) -> list[str]:
            ours.claim(f"{tmp_path}/copy", ours.Kind.CORPUS)
            (tmp_path / "copy" / ours.MARK).rename(tmp_path / ours.MARK)
            return ["work/lock.json"]

        monkeypatch.setattr(ours, "_others", lambda folder: [] if folder.endswith("copy") else others(folder))
        ours.claim(str(tmp_path), ours.Kind.CORPUS)
        assert ours.kind_of(str(tmp_path)) is ours.Kind.CORPUS

    def test_a_corpus_copied_without_hidden_files_is_known_by_its_seal(self, tmp_path: Path) -> None:
        content = {"sources": ["c4"], "files": {}}
        fill(tmp_path, {"manifest.json": json.dumps({**content, "seal": seal(content)})})
        assert ours.kind_of(str(tmp_path)) is Kind.CORPUS
        ours.claim(str(tmp_path), Kind.CORPUS)
        assert (tmp_path / MARK).exists()
        fill(tmp_path / "other", {"manifest.json": json.dumps({**content, "seal": "0" * 64})})
        assert ours.kind_of(str(tmp_path / "other")) is None


class TestOwner:
    def test_the_nearest_mark_counts(self, tmp_path: Path) -> None:
        ours.claim(str(tmp_path / "corpus"), Kind.CORPUS)
        ours.claim(str(tmp_path / "corpus/raw"), Kind.SAMPLE)
        fill(tmp_path, {"a": "", "corpus/b/c/d": "", "corpus/raw/e/f": ""})
        (tmp_path / "link").symlink_to(tmp_path / "corpus/b")
        found = {
            name: ours.owner(f"{tmp_path}/{name}", {})
            for name in ("a", "corpus/b/c/d", "corpus/raw/e/f", "link/c/d", "none/at/all")
        }
        corpus = (f"{tmp_path}/corpus", Kind.CORPUS)
        assert found["corpus/b/c/d"] == found["link/c/d"] == corpus
        assert found["corpus/raw/e/f"] == (f"{tmp_path}/corpus/raw", Kind.SAMPLE)
        assert found["a"] is found["none/at/all"] is None


class TestWrite:
    def test_a_file_of_ours_is_written_again_and_anybody_elses_is_not(self, tmp_path: Path) -> None:
        folder = str(tmp_path)
        ours.claim(folder, Kind.CORPUS)
        for text in (b"one", b"two", b"two"):
            assert Path(ours.write(folder, "README.md", text)).read_bytes() == text
        (tmp_path / "README.md").write_text("my notes")
        (tmp_path / "other.html").write_text("mine too")
        for name in ("README.md", "other.html"):
            with pytest.raises(ValueError, match="has changed since we wrote it"):
                ours.write(folder, name, b"three")
        assert contents(tmp_path)["README.md"] == "my notes"
        assert contents(tmp_path)["other.html"] == "mine too"

    def test_a_folder_without_a_mark_gets_none(self, tmp_path: Path) -> None:
        ours.write(str(tmp_path), "report.html", b"one")
        assert contents(tmp_path) == {"report.html": "one"}
        with pytest.raises(ValueError, match="has changed since we wrote it"):
            ours.write(str(tmp_path), "report.html", b"two")


class TestReplacing:
    def replace(self, folder: Path, files: dict[str, str]) -> None:
        with ours.replacing(folder, Kind.EXPORT) as made:
            fill(made, files)

    def test_old_files_of_ours_go_and_others_stay(self, tmp_path: Path) -> None:
        folder = tmp_path / "export"
        self.replace(folder, {"a/1": "1", "a/2": "2", "b/c/3": "3"})
        fill(folder, {"a/notes.txt": "mine", "mine/x": "mine"})
        self.replace(folder, {"a/2": "two", "d": "4"})
        found = contents(folder)
        found.pop(MARK)
        assert found == {"a/notes.txt": "mine", "mine/x": "mine", "a/2": "two", "d": "4"}
        assert not (folder / "b").exists()

    def test_a_file_of_somebodys_in_the_way_stops_it_before_anything_changes(self, tmp_path: Path) -> None:
        self.replace(tmp_path, {"a": "1", "b": "2"})
        fill(tmp_path, {"c": "mine"})
        before = contents(tmp_path)
        with pytest.raises(ValueError, match="c: we did not write this"):
            self.replace(tmp_path, {"b": "two", "c": "three"})
        assert contents(tmp_path) == before

    def test_a_failure_changes_nothing(self, tmp_path: Path) -> None:
        self.replace(tmp_path, {"a": "1"})
        before = contents(tmp_path)
        with pytest.raises(KeyError), ours.replacing(tmp_path, Kind.EXPORT) as made:
            fill(made, {"a": "half"})
            raise KeyError
        assert contents(tmp_path) == before

    def test_what_a_killed_call_left_goes_and_what_a_living_one_makes_stays(self, tmp_path: Path) -> None:
        self.replace(tmp_path, {"a": "1"})
        ours.claim(str(tmp_path), Kind.EXPORT)
        living = f".making-{os.getppid()}-abcdefgh/a"
        theirs = (".making-mine", ".making-4194999-cake/a")
        fill(tmp_path, {".making-4194999-abcdefgh/a": "half", living: "half", **dict.fromkeys(theirs, "mine")})
        self.replace(tmp_path, {"a": "2"})
        left = {name for name in contents(tmp_path) if name.startswith(".making")}
        assert left == {living, *theirs}

    def test_a_mark_from_elsewhere_names_nothing_outside_its_folder(self, tmp_path: Path) -> None:
        fill(tmp_path, {"thesis.tex": "years", "export/a": "1"})
        mark = {"made_by": "altiplano-corpus", "kind": "export", "files": {"../thesis.tex": None, "a": None}}
        (tmp_path / "export" / MARK).write_text(json.dumps(mark))
        with pytest.raises(ValueError, match=r"'\.\./thesis\.tex' is not the name of a file in this folder"):
            self.replace(tmp_path / "export", {"b": "2"})
        assert contents(tmp_path)["thesis.tex"] == "years"

    def test_links_are_moved_and_removed_as_links(self, tmp_path: Path) -> None:
        fill(tmp_path, {"shard": "tokens"})
        with ours.replacing(tmp_path / "export", Kind.EXPORT) as made:
            (made / "train.bin").symlink_to(tmp_path / "shard")
        assert (tmp_path / "export/train.bin").read_text() == "tokens"
        self.replace(tmp_path / "export", {"b": "1"})
        assert not (tmp_path / "export/train.bin").is_symlink()
        assert (tmp_path / "shard").read_text() == "tokens"


class TestClean:
    RUN = ("log.jsonl", "spikes.jsonl", "checkpoints/step-00000100/model.pt", "checkpoints/.step-00000200.77/model.pt")
    MANIFEST: ClassVar = {
        "checkpoints/step-00000100/manifest.json": json.dumps({"files": {"model.pt": {}, "../../../x": {}}})
    }
    THEIRS = (
        *("notes.txt", "log.jsonl.bak", "checkpoints/step-00000100-best/model.pt", "checkpoints/step-00000100/why.txt"),
        *("checkpoints/best.pt", "tensorboard/mine", "checkpoints/step-00000100/ema.pt", "summary.json", "loss.png"),
        *("tensorboard/events.out.tfevents.mine", "checkpoints/step-00000300/model.pt"),
    )

    def test_of_a_run_what_is_ours_goes(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        ours.claim(str(tmp_path), Kind.RUN)
        ours.write(str(tmp_path), "report.html", b"page")
        fill(tmp_path, dict.fromkeys((*self.RUN, *self.THEIRS), "x") | self.MANIFEST)
        assert clean.main([str(tmp_path), str(tmp_path / "missing")]) == 0
        assert set(contents(tmp_path)) == {*self.THEIRS}
        said = capsys.readouterr().out
        assert f"removed {len(self.RUN) + 2} files of checkpoints, log.jsonl, report.html, spikes.jsonl" in said
        assert "kept files that were not made here: checkpoints/best.pt" in said

    def test_a_folder_of_nothing_else_goes_whole(self, tmp_path: Path) -> None:
        ours.claim(str(tmp_path / "run"), Kind.RUN)
        fill(tmp_path / "run", dict.fromkeys(self.RUN, "x") | self.MANIFEST)
        assert clean.main([f"{tmp_path}/run/"]) == 0
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("kind", [Kind.EXPORT, Kind.MODEL])
    def test_of_an_export_what_its_list_names_goes(
        self, tmp_path: Path, kind: Kind, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("one", "two"):
            with ours.replacing(tmp_path / name, kind) as made:
                fill(made, {"books/train.bin": "1", "README.md": "2"})
                (made / "books/linked.bin").symlink_to(tmp_path / "gone")
        fill(tmp_path / "two", {"books/notes.txt": "mine", "train.bin": "mine"})
        assert clean.main([str(tmp_path / "one"), str(tmp_path / "two")]) == 0
        assert not (tmp_path / "one").exists()
        assert contents(tmp_path / "two") == {"books/notes.txt": "mine", "train.bin": "mine"}
        said = capsys.readouterr().out
        assert "one: removed 3 files of README.md, books" in said
        assert "two: kept files that were not made here: books/notes.txt, train.bin" in said

    @pytest.mark.parametrize("kind", [None, Kind.SAMPLE, Kind.DUMPS])
    def test_any_other_folder_is_refused_before_anything_goes(
        self, tmp_path: Path, kind: Kind | None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ours.claim(str(tmp_path / "run"), Kind.RUN)
        if kind:
            ours.claim(str(tmp_path / "other"), kind)
        fill(tmp_path, {"run/log.jsonl": "x", "other/log.jsonl": "x"})
        before = contents(tmp_path)
        assert clean.main([str(tmp_path / "run"), str(tmp_path / "other")]) == 2
        assert contents(tmp_path) == before
        assert "other: this" in capsys.readouterr().err
