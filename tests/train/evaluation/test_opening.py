import argparse
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from model.configs import ModelConfig
from model.convert import convert
from model.llama import LLaMA
from pipelines.table1 import SOURCES
from tests.train.evaluation.examples import ROWS
from tests.train.evaluation.test_asking import lines
from tokenizer.encode import Tokenizer
from train.corpus import open_corpus
from train.evaluation.__main__ import main
from train.evaluation.inference.opening import Opened, open_model
from train.evaluation.inference.scoring import Scorer
from train.export import Opened as Trained
from train.export import export

PAIRS = [("The cat sat on", " the mat."), ("A", " river"), ("", "Alone.")]


@pytest.fixture(scope="module")
def exported(shared_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scorer, Path]:
    """Return a model, and the folder that it is exported to."""
    corpus = open_corpus(shared_corpus, SOURCES)
    tokenizer = Tokenizer(corpus.tokenizer)
    config = ModelConfig(dim=32, layers=2, heads=4, kv_heads=2, hidden=64, vocabulary=tokenizer.vocabulary, context=64)
    model = LLaMA(config).initialise(torch.Generator().manual_seed(3)).requires_grad_(False)
    folder = tmp_path_factory.mktemp("exported") / "model"
    folder.mkdir()
    export(Trained(model, corpus), folder)
    assert tokenizer.bos is not None
    return Scorer(model, tokenizer, (tokenizer.bos,)), folder


def opened(run: Path, **more: Any) -> Opened:
    options = argparse.Namespace(**{"run": str(run), "corpus": "", "step": None, "context": None} | more)
    return open_model(options, pytest.fail, torch.device("cpu"))


def values(scorer: Scorer) -> list[float]:
    return [one.value for one in scorer.likelihoods(PAIRS)]


@pytest.mark.parametrize("tokenizer", ["tokenizer.model", "tokenizer.json"])
def test_a_model_of_hugging_faces_scores_what_ours_does(
    exported: tuple[Scorer, Path], tmp_path: Path, tokenizer: str
) -> None:
    scorer, folder = exported
    copy = Path(shutil.copytree(folder, tmp_path / "model"))
    for name in {"tokenizer.model", "tokenizer.json"} - {tokenizer}:
        (copy / name).unlink()
    found = opened(copy)
    assert (found.step, found.corpus) == (None, None)
    assert values(found.scorer) == pytest.approx(values(scorer), abs=1e-5)


def test_a_model_of_metas_has_its_tokenizer_beside_its_folder(exported: tuple[Scorer, Path], tmp_path: Path) -> None:
    scorer, folder = exported
    convert(folder, tmp_path / "7B", "meta", parts=2)
    (tmp_path / "7B" / "tokenizer.model").rename(tmp_path / "tokenizer.model")
    (tmp_path / "7B" / "tokenizer.json").unlink()
    assert values(opened(tmp_path / "7B").scorer) == pytest.approx(values(scorer), abs=1e-5)
    assert opened(tmp_path / "7B", context=32).scorer.model.config.context == 32
    (tmp_path / "tokenizer.model").unlink()
    with pytest.raises(ValueError, match=r"no tokenizer.model or tokenizer.json in it or beside it"):
        opened(tmp_path / "7B")
    with pytest.raises(ValueError, match="a model without a run has no steps"):
        opened(tmp_path / "7B", step=3)


def test_the_command_writes_only_where_it_is_told(
    exported: tuple[Scorer, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, folder = exported
    before = sorted(path.name for path in folder.iterdir())
    data = lines(tmp_path / "q.jsonl", *[ROWS["openbookqa"]] * 3)
    assert main(["--run", str(folder), f"openbookqa={data}"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == before
    assert "OpenBookQA" in capsys.readouterr().out
    assert main(["--run", str(folder), f"openbookqa={data}", "--output", str(tmp_path / "out.jsonl")]) == 0
    assert (tmp_path / "out.jsonl").read_text().count("\n") == 1
    for words, said in (
        ([f"openbookqa={data}"] * 2, "task openbookqa is given twice"),
        ([f"openbookqa={data}", "--examples", f"mmlu={data}"], "--examples names mmlu"),
        ([f"piqa={data}"], "it looks like a row of openbookqa"),
    ):
        with pytest.raises(SystemExit):
            main(["--run", str(folder), *words])
        assert said in " ".join(capsys.readouterr().err.split())
