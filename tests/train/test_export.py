import json
import warnings
from pathlib import Path

import pytest
import sentencepiece
import torch
from safetensors.torch import load_file

from model import configs
from model.checkpoint import from_hugging_face
from model.convert import INDEX
from model.convert import main as convert
from tests.train.synthetic import sentences
from tests.train.test_pretrain import TINY, arguments
from train.export import main, open_checkpoint
from train.pretrain import main as pretrain


@pytest.mark.parametrize(("limit", "files"), [(10**9, 1), (40_000, 5)])
def test_what_was_exported_is_read_back_bit_for_bit(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, files: int
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    run, output = tmp_path / "run", tmp_path / "out"
    sharded = ["--checkpoint-async", str(files > 1).lower()]
    assert pretrain([*arguments(shared_corpus, run), "--stop-after", "2", *sharded]) == 0
    command = ["--run", str(run), "--corpus", str(shared_corpus), "--output", str(output), "--shard-bytes", str(limit)]
    assert main(command) == 0
    paths = sorted(output.glob("*.safetensors"))
    assert len(paths) == files
    theirs = {name: tensor for path in paths for name, tensor in load_file(path).items()}
    if files > 1:
        index = json.loads((output / INDEX).read_text())
        assert set(index["weight_map"]) == set(theirs)
        assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in theirs.values())
    model = open_checkpoint(run, str(shared_corpus), pytest.fail).model
    ours = from_hugging_face(theirs, model.config)
    assert all(torch.equal(ours[name], weight) for name, weight in model.state_dict().items())
    config = json.loads((output / "config.json").read_text())
    assert (config["vocab_size"], config["bos_token_id"], config["eos_token_id"]) == (320, 1, 2)
    assert (output / "tokenizer.model").exists()
    assert convert([str(output), str(tmp_path / "meta"), "--to", "meta"]) == 0
    modes = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert set(modes.values()) == {(tmp_path / "meta" / "params.json").stat().st_mode & 0o777}, modes


def test_a_run_without_a_checkpoint_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--run", str(tmp_path), "--output", str(tmp_path / "out")])
    assert "no checkpoint" in capsys.readouterr().err


@pytest.mark.full
def test_hugging_faces_tokenizer_gives_sentencepieces_ids(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    run, output = tmp_path / "run", tmp_path / "out"
    assert pretrain([*arguments(shared_corpus, run), "--stop-after", "1"]) == 0
    assert main(["--run", str(run), "--corpus", str(shared_corpus), "--output", str(output)]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of their own dependencies
        theirs = pytest.importorskip("transformers").AutoTokenizer.from_pretrained(output)
    ours = sentencepiece.SentencePieceProcessor(model_file=str(output / "tokenizer.model"))
    for text in ("the river", "  two  spaces ", "", " ", "naïve 12½ 日本語 \U0001f600", "a\n\nb\tc", sentences(3, 40)):
        ids = theirs.encode(text)
        assert ids == [1, *ours.encode(text)], text
        assert theirs.decode(ids, skip_special_tokens=True) == text
