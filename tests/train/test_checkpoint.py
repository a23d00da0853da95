import json
from pathlib import Path

import pytest
import torch

from tests.train.synthetic import load_latest
from train import checkpoint
from train.checkpoint import clear_unfinished, save


def write(directory: Path, *steps: int, keep: int = 5) -> None:
    for step in steps:
        save(directory, step, {"model": {"w": torch.full((40,), float(step))}}, {"step": step}, keep)


def silent(message: str) -> None:
    raise AssertionError(message)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    write(tmp_path, 9, 10)
    found = load_latest(tmp_path, silent)
    assert found is not None
    assert found.state == {"step": 10}
    assert torch.equal(found.tensors["model"]["w"], torch.full((40,), 10.0))


def test_nothing_there_is_none(tmp_path: Path) -> None:
    assert load_latest(tmp_path / "checkpoints", silent) is None


def test_the_last_n_are_kept(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 3, 4, keep=2)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000003", "step-00000004"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("truncate", r"model.pt: it has \d+ bytes, but its manifest says"),
        ("flip", "model.pt: its contents do not have the SHA-256"),
        ("remove", "model.pt: missing"),
        ("manifest", r"manifest.json is missing or damaged \(JSONDecodeError\)"),
        ("no manifest", r"manifest.json is missing or damaged \(FileNotFoundError\)"),
        ("format", "format is 'other'"),
    ],
)
def test_a_damaged_one_is_refused_and_the_one_before_used(tmp_path: Path, damage: str, message: str) -> None:
    write(tmp_path, 1, 2)
    model, manifest = (tmp_path / "step-00000002" / name for name in ("model.pt", "manifest.json"))
    content = bytearray(model.read_bytes())
    if damage == "truncate":
        model.write_bytes(content[:-7])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        model.write_bytes(content)
    elif damage == "remove":
        model.unlink()
    elif damage == "manifest":
        manifest.write_text(manifest.read_text()[:-9])
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": "other"}))
    messages: list[str] = []
    found = load_latest(tmp_path, messages.append)
    assert found is not None
    assert found.state == {"step": 1}
    assert len(messages) == 1
    with pytest.raises(AssertionError, match=message):
        load_latest(tmp_path, silent)
    write(tmp_path, 2)  # the run comes by again
    again = load_latest(tmp_path, silent)
    assert again is not None
    assert again.state == {"step": 2}


def test_a_damaged_later_one_never_pushes_out_a_whole_one(tmp_path: Path) -> None:
    write(tmp_path, 10, 30, keep=2)
    (tmp_path / "step-00000030" / "model.pt").unlink()
    write(tmp_path, 20, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000020"]
    assert load_latest(tmp_path, silent) is not None


def test_only_damaged_ones_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (tmp_path / "step-00000001" / "model.pt").unlink()
    with pytest.raises(ValueError, match="no checkpoint is complete"):
        load_latest(tmp_path, lambda message: None)


def test_a_failed_write_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 1, keep=1)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_flush", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, 2, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert load_latest(tmp_path, silent) is not None


def test_what_a_killed_process_left_is_ignored_and_cleared(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (tmp_path / ".step-00000002.77").mkdir()
    (tmp_path / ".step-00000002.77" / "model.pt").write_bytes(b"half")
    found = load_latest(tmp_path, silent)
    assert found is not None
    assert found.state == {"step": 1}
    clear_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_loading_executes_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "executed",)  # type: ignore[return-value]

    save(tmp_path / "run", 1, {"model": Evil()}, {}, 1)
    with pytest.raises(ValueError, match=r"model\.pt: it holds more than tensors"):
        load_latest(tmp_path / "run", silent)
    assert not (tmp_path / "executed").exists()
