"""`python -m model.generate`: a prompt, or standard input, continued by a run's model."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model import configs, generate
from tests.train.conftest import shared_corpus
from tests.train.test_pretrain import TINY, arguments
from train.pretrain import main as pretrain

__all__ = ["shared_corpus"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def command(shared_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return a command line of a run with checkpoints of two steps."""
    run = tmp_path_factory.mktemp("generate") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(configs.MODELS, "tiny", TINY)
        assert (
            pretrain([*arguments(shared_corpus, run), "--model", "cpu", "--steps", "2", "--checkpoint-every", "1"]) == 0
        )
    return ["--run", str(run), "--corpus", str(shared_corpus), "--tokens", "30"]


def said(command: list[str | bytes], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(
        [sys.executable, "-m", "model.generate", *command], input=stdin, capture_output=True, cwd=ROOT, env=environment
    )


def test_a_prompt_is_continued_and_an_earlier_step_is_another_model(
    command: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    texts = []
    for more in (["The river"], ["--prompt", "The river"], ["The river", "--step", "1"], ["The river", "--seed", "3"]):
        assert generate.main([*command, *more]) == 0
        texts.append(capfdbinary.readouterr().out)
    assert all(text.startswith(b"The river") and text.endswith(b"\n") and len(text) > 20 for text in texts), texts
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_standard_input_and_bytes_that_are_no_utf_8(command: list[str]) -> None:
    piped = said([*command], "La rivière gèle\n".encode())
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout.startswith("La rivière gèle".encode())
    assert piped.stdout == said([*command, "La rivière gèle"]).stdout
    for broken in (said([*command, "--prompt", b"caf\xe9 au"]), said([*command], b"caf\xe9 au")):
        assert broken.returncode == 0, broken.stderr
        assert broken.stdout.startswith("caf\ufffd au".encode())
    assert said([*command, ""]).returncode == 0


def test_a_reader_that_has_enough_is_no_error(command: list[str]) -> None:
    shell = f"{sys.executable} -m model.generate {' '.join(command)} The | head -c 3; exit ${{PIPESTATUS[0]}}"
    found = subprocess.run(["bash", "-c", shell], capture_output=True, cwd=ROOT)
    assert (found.returncode, found.stdout, found.stderr) == (0, b"The", b"")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--step", "9", "x"], "no checkpoint of step 9; available: 1, 2"),
        (["--temperature", "nan", "x"], "temperature is nan"),
        (["--top-p", "0", "x"], "top_p 0.0"),
        (["--tokens", "-1", "x"], "--tokens is -1"),
        (["--run", "/nowhere", "x"], "/nowhere: no checkpoint"),
        (["--corpus", "/nowhere", "x"], "/nowhere: the corpus has no tokenizer"),
        (["x", "--prompt", "y"], "the prompt is given twice"),
        (["river " * 3000], "the model's context is 512"),
    ],
)
def test_errors_are_one_message(
    command: list[str], more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        generate.main([*command, *more])
    assert message in capsys.readouterr().err
