"""Each export read back by a reader made from its format's description alone."""

import json
import pickle
import shutil
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines.export import mds, megatron
from pipelines.export.__main__ import FORMATS, main
from pipelines.export.common import link, open_sources
from pipelines.tokens.shards import Manifest
from tests.pipelines.export import export_corpus
from tokenizer.encode import Tokenizer


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_corpus.write(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def exported(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    for name in FORMATS:
        assert main([name, str(corpus), str(folder / name)]) == 0
    return folder


def every_shard(corpus: Path) -> Iterator[tuple[str, str, list[list[int]]]]:
    for source in ("wikipedia", "books"):
        for shard, documents in export_corpus.expected(corpus, source).items():
            yield source, shard, list(documents.values())


def read_megatron(path: Path) -> list[list[int]]:
    content = path.with_suffix(".idx").read_bytes()
    magic, version, code, sequences, documents = struct.unpack_from("<9sQBQQ", content)
    assert (magic, version, code) == (b"MMIDIDX\x00\x00", 1, 8)
    assert documents == sequences + 1
    assert len(content) == 34 + 4 * sequences + 8 * sequences + 8 * documents
    lengths = np.frombuffer(content, "<i4", sequences, 34)
    offsets = np.frombuffer(content, "<i8", sequences, 34 + 4 * sequences)
    assert np.frombuffer(content, "<i8", documents, 34 + 12 * sequences).tolist() == list(range(documents))
    data = path.with_suffix(".bin").read_bytes()
    return [np.frombuffer(data, "<u2", n, o).tolist() for n, o in zip(lengths.tolist(), offsets.tolist(), strict=True)]


def test_every_format_is_read_back() -> None:
    assert {f"test_{name}" for name in FORMATS} <= set(globals())


def test_megatron(corpus: Path, exported: Path) -> None:
    for source, shard, documents in every_shard(corpus):
        assert read_megatron(exported / "megatron" / source / shard) == documents


def test_datatrove(corpus: Path, exported: Path) -> None:
    for source, shard, documents in every_shard(corpus):
        path = exported / "datatrove" / source / shard.split("-")[0] / f"{shard}.ds"
        ends = np.fromfile(f"{path}.index", "<u8").astype(np.int64)
        parts = np.split(np.fromfile(path, "<u2"), ends[:-1])
        assert [part.tolist() for part in parts] == documents
        tokenizer, count, _ = Path(f"{path}.metadata").read_text().split("\n")
        assert tokenizer.split("|")[1] == "2"
        assert int(count) == ends[-1]


def test_nanogpt(corpus: Path, exported: Path) -> None:
    tokenizer = Tokenizer(corpus / "models" / "tokenizer" / "tokenizer.model")
    for source in ("wikipedia", "books"):
        shards = export_corpus.expected(corpus, source)
        for split, name in (("train", "train.bin"), ("validation", "val.bin")):
            data = np.memmap(exported / "nanogpt" / source / name, dtype=np.uint16, mode="r")
            parts = [documents for shard, documents in shards.items() if shard.startswith(split)]
            assert data.tolist() == [token for part in parts for ids in part.values() for token in ids]
    meta = pickle.loads((exported / "nanogpt" / "books" / "meta.pkl").read_bytes())
    assert meta["vocab_size"] == len(meta["itos"]) == 900
    ids = tokenizer.encode("The river froze").tolist()
    assert "".join(meta["itos"][id_] for id_ in ids) == " The river froze"
    assert "".join(meta["itos"][meta["stoi"][character]] for character in "river 15") == "river 15"


def read_mds(directory: Path) -> list[tuple[str, list[int]]]:
    index = json.loads((directory / "index.json").read_text())
    assert index["version"] == 2
    found = []
    for entry in index["shards"]:
        assert entry["column_names"] == ["id", "tokens"]
        content = (directory / entry["raw_data"]["basename"]).read_bytes()
        assert len(content) == entry["raw_data"]["bytes"]
        (count,) = struct.unpack_from("<I", content)
        assert count == entry["samples"]
        offsets = struct.unpack_from(f"<{count + 1}I", content, 4)
        configuration = json.loads(content[4 * (count + 2) : offsets[0]])
        assert configuration.items() <= entry.items()
        assert offsets[-1] == len(content)
        found += [read_sample(content[a:b]) for a, b in pairwise(offsets)]
    return found


def read_sample(data: bytes) -> tuple[str, list[int]]:
    name, array = struct.unpack_from("<2I", data)
    assert len(data) == 8 + name + array
    body = data[8 + name :]
    dimensions, width = body[0] >> 2, 1 << (body[0] & 3)
    assert dimensions == 1
    length = int.from_bytes(body[1 : 1 + width], "little")
    tokens = np.frombuffer(body[1 + width :], "<u2")
    assert len(tokens) == length
    return data[8 : 8 + name].decode(), tokens.tolist()


def test_mds(corpus: Path, exported: Path) -> None:
    for source in ("wikipedia", "books"):
        shards = export_corpus.expected(corpus, source)
        for split in ("train", "validation"):
            found = read_mds(exported / "mds" / source / split)
            parts = [documents for shard, documents in shards.items() if shard.startswith(split)]
            assert [tokens for _, tokens in found] == [ids for part in parts for ids in part.values()]
            assert all(name.startswith(f"{source}/") for name, _ in found)


@pytest.mark.parametrize("length", [1, 255, 256, 65_535, 65_536, 200_000])
def test_mds_writes_the_shape_in_as_few_bytes_as_it_needs(length: int) -> None:
    tokens = np.arange(length).astype(np.uint16)
    name, ids = read_sample(mds.sample("é/1", tokens))
    assert name == "é/1"
    assert ids == tokens.tolist()


def test_mds_begins_another_shard_at_the_limit(
    corpus: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mds, "SIZE_LIMIT", 2000)
    mds.export(open_sources(corpus, ["wikipedia"]), tmp_path)
    paths = sorted((tmp_path / "wikipedia" / "train").glob("*.mds"))
    assert len(paths) > 3
    assert read_mds(tmp_path / "wikipedia" / "train") == read_mds(exported / "mds" / "wikipedia" / "train")


def test_parquet(corpus: Path, exported: Path) -> None:
    for source, shard, documents in every_shard(corpus):
        rows = pq.read_table(exported / "parquet" / source / f"{shard}.parquet").to_pylist()
        assert [row["input_ids"] for row in rows] == documents
        names = pq.read_table(corpus / "tokens" / source / f"{shard}.documents.parquet")["id"].to_pylist()
        assert [row["id"] for row in rows] == names
    card = (exported / "parquet" / "README.md").read_text()
    named = [line.strip(" -") for line in card.splitlines() if line.endswith(".parquet")]
    assert sorted(named) == sorted(f"{source}/{shard}.parquet" for source, shard, _ in every_shard(corpus))


@pytest.mark.parametrize(
    ("path", "of"),
    [
        ("megatron/wikipedia/train-00001.bin", "wikipedia/train-00001.bin"),
        ("datatrove/wikipedia/train/train-00001.ds", "wikipedia/train-00001.bin"),
        ("datatrove/wikipedia/train/train-00001.ds.index", "wikipedia/train-00001.index"),
        ("nanogpt/books/train.bin", "books/train-00000.bin"),
        ("nanogpt/wikipedia/val.bin", "wikipedia/validation-00000.bin"),
    ],
)
def test_tokens_are_not_copied(corpus: Path, exported: Path, path: str, of: str) -> None:
    assert (exported / path).samefile(corpus / "tokens" / of)


def test_another_file_system_gets_a_symbolic_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crossing(source: Any, target: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    (tmp_path / "a.bin").write_bytes(b"tokens")
    monkeypatch.setattr("os.link", crossing)
    for _ in range(2):  # again over what is there
        link(tmp_path / "a.bin", tmp_path / "deep" / "b.bin")
        assert (tmp_path / "deep" / "b.bin").is_symlink()
        assert (tmp_path / "deep" / "b.bin").read_bytes() == b"tokens"


def test_only_the_sources_that_are_named(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["megatron", str(corpus), str(tmp_path / "out"), "--source", "books"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == ["books"]
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'out' / 'books'}: ")


def test_a_second_export_leaves_nothing_of_the_first(corpus: Path, tmp_path: Path) -> None:
    main(["megatron", str(corpus), str(tmp_path / "out")])
    main(["parquet", str(corpus), str(tmp_path / "out"), "--source", "books"])
    assert not list((tmp_path / "out").rglob("*.idx"))
    assert (corpus / "tokens" / "wikipedia" / "train-00000.bin").stat().st_size


class TestMistakes:
    def errors(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
        return capsys.readouterr().err

    def test_a_folder_of_something_else_is_not_emptied(
        self, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "thesis.tex").write_text("years of work")
        assert "not empty (it holds thesis.tex) and is not marked as our export" in self.errors(
            ["mds", str(corpus), str(tmp_path)], capsys
        )
        assert (tmp_path / "thesis.tex").exists()

    def test_a_source_that_is_not_there(self, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        said = self.errors(["mds", str(corpus), str(tmp_path / "out"), "--source", "bokks"], capsys)
        assert "no tokens of bokks; available: books, wikipedia" in said
        assert not (tmp_path / "out").exists()

    def test_no_corpus(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "no corpus here" in self.errors(["mds", str(tmp_path), str(tmp_path / "out")], capsys)

    def test_a_missing_shard(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        corpus = export_corpus.write(tmp_path)
        (corpus / "tokens" / "books" / "train-00000.bin").unlink()
        for name in FORMATS:
            said = self.errors([name, str(corpus), str(tmp_path / name)], capsys)
            assert "train-00000.bin: the manifest names this shard" in said

    def test_a_document_too_long_for_megatron(self) -> None:
        with pytest.raises(ValueError, match="does not fit into Megatron's int32"):
            megatron.index(np.array([5, 5 + 2**31], np.uint64))


def test_a_split_without_documents_is_left_out(tmp_path: Path) -> None:
    corpus = export_corpus.write(tmp_path)
    path = corpus / "tokens" / "books" / "manifest.json"
    manifest = Manifest.load(path.parent)
    empty = manifest.splits["validation"][0]
    manifest.splits["validation"] = (type(empty)(empty.name, 0, 0, 0, "", "", ""),)
    path.write_text(manifest.to_json())
    for name in FORMATS.keys() - {"nanogpt"}:
        assert main([name, str(corpus), str(tmp_path / name), "--source", "books"]) == 0
    assert not (tmp_path / "mds" / "books" / "validation").exists()
    assert "validation" not in (tmp_path / "parquet" / "README.md").read_text()


@pytest.mark.parametrize(("split", "name"), [("train", "train.bin"), ("validation", "val.bin")])
def test_nanogpt_refuses_an_empty_split(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], split: str, name: str
) -> None:
    copy = tmp_path / "corpus"
    shutil.copytree(corpus, copy)
    path = copy / "tokens" / "books" / "manifest.json"
    manifest = Manifest.load(path.parent)
    manifest.splits[split] = ()
    path.write_text(manifest.to_json())
    with pytest.raises(SystemExit):
        main(["nanogpt", str(copy), str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert f"no document of books is in the {split} split" in said
    assert name in said
    assert not (tmp_path / "out").exists()
    assert main(["nanogpt", str(copy), str(tmp_path / "out"), "--source", "wikipedia"]) == 0
    assert main(["megatron", str(copy), str(tmp_path / "others")]) == 0


SAID = {
    "megatron": [
        "    --data-path {train_weights} --split 1,0,0",
        "    or, with its validation split: --train-data-path {train_weights} --valid-data-path {validation_weights}",
    ],
    "nanogpt": [
        "    dataset = '{folder}'",
        "    np.memmap(os.path.join(data_dir, 'train.bin'), dtype=np.uint16, mode='r')   in get_batch, as it is",
    ],
    "datatrove": ["    DatatroveFolderDataset('{folder}/train', seq_len=2048, token_size=2)"],
    "mds": ["    StreamingDataset(local='{folder}/train', batch_size=1)"],
    "parquet": ["    load_dataset('{output}', 'wikipedia')"],
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_line_that_the_readers_command_wants_is_said(
    corpus: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, str(corpus), str(tmp_path / "out"), "--source", "wikipedia"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.endswith("tokens of uint16, vocabulary 900, bos 1, eos 2")
    folder, manifest = tmp_path / "out" / "wikipedia", Manifest.load(corpus / "tokens" / "wikipedia")
    weights = {
        f"{split}_weights": " ".join(f"{shard.tokens} {folder / shard.name}" for shard in shards)
        for split, shards in manifest.splits.items()
    }
    assert lines == [line.format(folder=folder, output=tmp_path / "out", **weights) for line in SAID[name]]


MIXED_SAID = {
    "megatron": "--data-path {wikipedia} 0.475 {out}/books/train-00000 {notes} --split 1,0,0",
    "nanogpt": "data_dir = str(np.random.choice(['{out}/wikipedia', '{out}/books', '{out}/notes'], "
    "p=[0.475, 0.475, 0.05]))   first in get_batch",
    "mds": "StreamingDataset(streams=[Stream(local='{out}/wikipedia/train', proportion=0.475), "
    "Stream(local='{out}/books/train', proportion=0.475), Stream(local='{out}/notes/train', proportion=0.05)], "
    "batch_size=1)",
}


@pytest.mark.parametrize("name", MIXED_SAID)
def test_all_sources_are_read_at_once_at_the_corpus_shares(
    corpus: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, out = tmp_path / "corpus", tmp_path / "out"
    shutil.copytree(corpus, copy)
    shutil.copytree(copy / "tokens/books", copy / "tokens/notes")
    told = (copy / "tokens/notes/manifest.json").read_text()
    (copy / "tokens/notes/manifest.json").write_text(told.replace('"books"', '"notes"'))
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"shares": {"notes": 0.05}}))
    assert main([name, str(copy), str(out)]) == 0
    *_, head, line = capsys.readouterr().out.splitlines()
    assert head == "all of them, at the corpus' shares (wikipedia 47.5%, books 47.5%, notes 5.0%):"
    parts = {}
    for source, share in (("wikipedia", 0.475), ("notes", 0.05)):
        shards = Manifest.load(copy / "tokens" / source).splits["train"]
        whole = sum(shard.tokens for shard in shards)
        parts[source] = " ".join(f"{share * n.tokens / whole:.6g} {out}/{source}/{n.name}" for n in shards)
    assert line.strip() == MIXED_SAID[name].format(out=out, **parts)
