import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines import trace, verify
from pipelines.files import storage
from pipelines.tokens.shards import Manifest, document_ends, tokens
from tests.pipelines import made
from tokenizer.encode import Tokenizer


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = {"wikipedia": made.documents("wikipedia", 60), "books": made.documents("books", 20)}
    return made.write(tmp_path_factory.mktemp("made") / "corpus", sources)


@pytest.fixture
def damaged(output: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(output, tmp_path / "corpus"))


def test_the_made_corpus_is_sound(output: Path) -> None:
    assert list(verify.problems(str(output))) == []


@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_token_is_traced_to_its_document(output: Path, split: str) -> None:
    by_id = {document.id: document for document in made.documents("wikipedia", 60)}
    tokenizer = Tokenizer(output / "models" / "tokenizer" / "tokenizer.model")
    manifest = Manifest.load(output / "tokens" / "wikipedia")
    total = manifest.total(split, "tokens")
    whole = trace.parts(output, "wikipedia", 0, total, split)
    assert [(part.start, part.stop) for part in whole] == [(part.first, part.last) for part in whole]
    stream = np.concatenate([tokens(output / "tokens" / "wikipedia", shard) for shard in manifest.splits[split]])
    at = 0
    for part in whole:
        assert part.first == at
        at = part.last
        assert tokenizer.decode(stream[part.first : part.last]) == by_id[part.document].text
    assert at == total
    for token in (0, 1, total // 2, total - 1):
        (part,) = trace.parts(output, "wikipedia", token, token + 1, split)
        assert part.first <= token < part.last
        assert (part.start, part.stop) == (token, token + 1)


def test_a_range_is_cut_at_both_ends(output: Path) -> None:
    whole = trace.parts(output, "wikipedia", 0, 2000)
    start, stop = whole[1].first + 3, whole[4].first + 1
    found = trace.parts(output, "wikipedia", start, stop)
    assert [part.document for part in found] == [part.document for part in whole[1:5]]
    assert (found[0].start, found[-1].stop) == (start, stop)
    assert sum(part.stop - part.start for part in found) == stop - start


def test_a_document_leads_to_its_raw_record(output: Path) -> None:
    total = Manifest.load(output / "tokens" / "wikipedia").total("train", "tokens")
    name = "wikipedia/11bb11bb11bb11bb/7"
    (part,) = (part for part in trace.parts(output, "wikipedia", 0, total) if part.document == name)
    assert (part.file, part.row) == ("11bb11bb11bb11bb", 3)
    record = trace.records(output, "wikipedia", [part])[name]
    assert record.dump == "raw/wikipedia-1.gz"
    assert record.file == "wikipedia/documents/11bb11bb11bb11bb.parquet"
    assert record.document == made.documents("wikipedia", 8)[7]


def test_the_excerpt_begins_at_the_token(output: Path) -> None:
    for token in range(0, 4000, 37):
        (part,) = trace.parts(output, "wikipedia", token, token + 1)
        record = trace.records(output, "wikipedia", [part])[part.document]
        around = trace.excerpt(output, part, record)
        text = record.document.text
        assert text[: around.character].endswith(around.before)
        assert text[around.character :].startswith(around.after)
        if around.piece.isalpha():
            assert around.after.startswith(around.piece)
        elif around.piece[1:].isalpha() and around.character:
            assert around.after.startswith(" " + around.piece[1:])


def test_the_command_says_where_a_token_is_from(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.main([str(output), "--source", "books", "--token", "300", "--count", "150"]) == 0
    said = capsys.readouterr().out
    parts = trace.parts(output, "books", 300, 450)
    assert len(parts) > 1
    for part in parts:
        number = part.document.rsplit("/", 1)[1]
        assert f"https://example.org/books/{number}" in said
        assert f"offset    {1000 + int(number)}\n" in said
    assert "raw/books-" in said
    assert "▸" in said


class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--source", "arxiv", "--token", "0"], "no tokens of a source 'arxiv'; available: books, wikipedia"),
            (["--source", "books", "--token", "-1"], "has tokens 0 to"),
            (["--source", "books", "--token", "1000000000"], "not 1000000000 to 1000000000"),
            (["--source", "books", "--token", "5", "--count", "0"], "not 5 to 4"),
        ],
    )
    def test_errors_of_use_are_named(
        self, output: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            trace.main([str(output), *arguments])
        assert message in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"document": "books/none"}, r"parquet: row \d+ is books/.*, the shards say books/none"),
            ({"row": 10_000}, r"there are 10 documents; there is no number 10000"),
            ({"file": "elsewhere"}, r"elsewhere\.parquet: missing"),
        ],
    )
    def test_a_document_that_is_not_where_its_shard_says(
        self, output: Path, change: dict[str, Any], message: str
    ) -> None:
        part = trace.parts(output, "books", 0, 1)[0]
        with pytest.raises(ValueError, match=message):
            trace.records(output, "books", [replace(part, **change)])

    def test_a_source_that_is_not_finished(self, damaged: Path) -> None:
        part = trace.parts(damaged, "books", 0, 1)[0]
        (damaged / "books" / "manifest.json").unlink()
        with pytest.raises(ValueError, match="books is not finished"):
            trace.records(damaged, "books", [part])

    @pytest.mark.parametrize("suffix", ["bin", "index", "documents.parquet"])
    def test_a_missing_file_of_a_shard(self, damaged: Path, suffix: str) -> None:
        (damaged / "tokens" / "books" / f"train-00000.{suffix}").unlink()
        with pytest.raises(ValueError, match=rf"train-00000\.{suffix}.*missing"):
            part = trace.parts(damaged, "books", 0, 1)[0]
            trace.excerpt(damaged, part, trace.records(damaged, "books", [part])[part.document])

    def test_another_tokenizer(self, damaged: Path) -> None:
        model = damaged / "models" / "tokenizer" / "tokenizer.model"
        model.write_bytes(model.read_bytes() + b"\x12\x00")
        part = trace.parts(damaged, "books", 0, 1)[0]
        with pytest.raises(ValueError, match="made with another tokenizer"):
            trace.excerpt(damaged, part, trace.records(damaged, "books", [part])[part.document])

    def test_tokens_of_another_text(self, output: Path) -> None:
        part = trace.parts(output, "books", 40, 41)[0]
        record = trace.records(output, "books", [part])[part.document]
        other = replace(record, document=record.document.with_text("x" + record.document.text))
        later = replace(part, start=part.last - 1)
        with pytest.raises(ValueError, match="do not match its text"):
            trace.excerpt(output, later, other)

    def test_a_dump_that_the_manifest_does_not_name(self, damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = f"{damaged}/books/manifest.json"
        storage.write_json(path, storage.read_json(path) | {"inputs": []})
        assert trace.main([str(damaged), "--source", "books", "--token", "0"]) == 0
        assert "(not among the inputs of the manifest)" in capsys.readouterr().out


def test_documents_ends_of_the_made_corpus_are_those_of_its_index(output: Path) -> None:
    manifest = Manifest.load(output / "tokens" / "books")
    ends = document_ends(output / "tokens" / "books", manifest.splits["train"][0])
    found = trace.parts(output, "books", 0, manifest.splits["train"][0].tokens)
    assert [part.last for part in found] == ends.tolist()


def test_one_row_group_of_each_file_is_read_for_a_token(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = Path(shutil.copytree(output, tmp_path / "corpus"))
    for path in [*corpus.glob("*/documents/*.parquet"), *corpus.glob("tokens/*/*.parquet")]:
        pq.write_table(pq.read_table(path), path, row_group_size=3)
    read: list[tuple[int, int]] = []
    read_row_group = pq.ParquetFile.read_row_group

    def spy(self: Any, group: int, **options: Any) -> Any:
        read.append((group, self.num_row_groups))
        return read_row_group(self, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spy)
    total = Manifest.load(corpus / "tokens" / "wikipedia").total("train", "tokens")
    for token in range(0, total, 501):
        read.clear()
        (part,) = trace.parts(corpus, "wikipedia", token, token + 1)
        assert trace.records(corpus, "wikipedia", [part])[part.document].document.id == part.document
        assert len(read) == 2
        assert all(groups > 3 for _, groups in read)
