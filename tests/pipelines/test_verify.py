"""Each kind of damage to a corpus is found and named by its file; a sound corpus has none."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import corpus, verify
from pipelines.files import storage, tables
from pipelines.sources import arxiv
from tests.pipelines import tiny

ARXIV, TOKENS = Path("arxiv"), Path("tokens/arxiv")
BIN, INDEX, ROWS = (TOKENS / f"train-00004.{suffix}" for suffix in ("bin", "index", "documents.parquet"))
MANIFEST = TOKENS / "manifest.json"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("dumps")
    tiny.arxiv(folder / "arXiv_src_1904_001.tar", 6)
    tiny.books(folder, 3)
    output = folder / "corpus"
    options = ["--input", f"arxiv={folder}/*.tar", "--input", f"books={folder}/*.txt", "--output", str(output)]
    for setting in ("tokenizer.vocabulary=500", "shards.shard_tokens=300", "buckets=2"):
        options += ["--set", setting]
    assert corpus.main([*options, "--recipe", "paper", "--runner", "plain"]) == 0
    yield output


@pytest.fixture
def output(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "corpus")
    return tmp_path / "corpus"


def test_a_sound_corpus_has_no_problems(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(verify.problems(str(sound))) == []
    assert verify.main([str(sound)]) == 0
    assert "sound, 2 sources verified" in capsys.readouterr().out


def content_of(output: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert verify.main([str(output)]) == 0
    return capsys.readouterr().out.split("content ")[1].strip()


def test_equal_corpora_have_one_content_wherever_and_however_they_were_made(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(sound.parent, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("corpus"))
    options = ["--recipe", "paper", "--runner", "plain", "--output", str(tmp_path / "corpus"), "--set", "buckets=4"]
    for name, glob in (("arxiv", "*.tar"), ("books", "*.txt")):
        options += ["--input", f"{name}={tmp_path}/elsewhere/{glob}"]
    for setting in ("tokenizer.vocabulary=500", "shards.shard_tokens=300"):
        options += ["--set", setting]
    assert corpus.main(options) == 0
    found = content_of(sound, capsys)
    assert len(found) == 64
    assert content_of(tmp_path / "corpus", capsys) == found
    seals = [json.loads((path / "manifest.json").read_text())["seal"] for path in (sound, tmp_path / "corpus")]
    assert seals[0] != seals[1]
    assert corpus.main([*options, "--set", "shards.validation=0.5"]) == 0
    assert content_of(tmp_path / "corpus", capsys) != found


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed))


def first_shard(content: Any) -> Any:
    return content["splits"]["train"][0]


def swap(output: Path, name: Path, suffix: str, content: bytes) -> None:
    """Replace a shard's file, and its digest and sizes in the manifest: damage that no checksum shows."""
    (output / name).write_bytes(content)
    key = {"bin": "bin_sha256", "index": "index_sha256", "parquet": "documents_sha256"}[suffix]
    edit(output / MANIFEST, lambda m: first_shard(m).update({key: storage.sha256(str(output / name))}))


def tokens_of(output: Path) -> Any:
    return np.frombuffer((output / BIN).read_bytes(), "<u2").copy()


def ends_of(output: Path) -> Any:
    return np.frombuffer((output / INDEX).read_bytes(), "<u8").copy()


def document_file(output: Path) -> Path:
    return next((output / ARXIV / "documents").iterdir())


def rewrite(output: Path, change: Callable[[list[Any]], list[Any]], *, digest: bool) -> None:
    """Write other documents; with `digest` the manifest is made to agree."""
    path = document_file(output)
    changed = change(list(tables.read_documents(str(path))))
    with path.open("wb") as stream:
        writer = tables.DocumentWriter(stream, arxiv.COLUMNS)
        for document in changed:
            writer.write(document)
        written = writer.close()
    if digest:
        entry = written.named(str(path.relative_to(output)))
        edit(output / ARXIV / "manifest.json", lambda m: m["documents"]["files"][0].update(entry))


def unlink(name: Path) -> Callable[[Path], None]:
    return lambda output: (output / name).unlink()


def flip(name: Path) -> Callable[[Path], None]:
    def damage(output: Path) -> None:
        content = bytearray((output / name).read_bytes())
        content[len(content) // 2] ^= 1
        (output / name).write_bytes(content)

    return damage


def in_manifest(name: Path, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return lambda output: edit(output / name, change)


def not_json(name: Path) -> Callable[[Path], Any]:
    return lambda output: (output / name).write_text("{")


def large_token(output: Path) -> None:
    found = tokens_of(output)
    found[1] = 60_000
    swap(output, BIN, "bin", found.tobytes())


def no_eos(output: Path) -> None:
    found = tokens_of(output)
    found[-1] = 5
    swap(output, BIN, "bin", found.tobytes())


def no_bos(output: Path) -> None:
    found = tokens_of(output)
    found[0] = 5
    swap(output, BIN, "bin", found.tobytes())


def empty_document(output: Path) -> None:
    found = ends_of(output)
    found[0] = 1
    swap(output, INDEX, "index", found.tobytes())


def falling_ends(output: Path) -> None:
    found = ends_of(output)
    found[0] = found[-1] + 1
    swap(output, INDEX, "index", found.tobytes())


def in_row(number: int, change: Callable[[list[Any]], dict[str, Any]]) -> Callable[[Path], None]:
    """Return the damage of one row of a shard's documents, by what it says of all of them."""

    def damage(output: Path) -> None:
        rows = list(tables.read_rows(str(output / ROWS)))
        assert len(rows) > 1
        rows[number].update(change(rows))
        write_rows(output, rows)

    return damage


def write_rows(output: Path, rows: list[Any]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), output / ROWS)
    swap(output, ROWS, "parquet", (output / ROWS).read_bytes())


def counted_otherwise(output: Path) -> None:
    """Count a document too many, with the digest of that in the manifest."""
    path = output / ARXIV / "counts.json"
    content = json.loads(path.read_text())
    next(iter(content["kept"]["name:language"]["names"].values()))[0] += 1
    path.write_text(json.dumps(content))
    edit(output / ARXIV / "manifest.json", lambda m: m["counts"].update(sha256=storage.sha256(str(path))))


CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no corpus manifest": (unlink(Path("manifest.json")), "corpus/manifest.json: missing or damaged"),
    "corpus manifest cut": (not_json(Path("manifest.json")), "corpus/manifest.json: missing or damaged"),
    "corpus manifest empty": (in_manifest(Path("manifest.json"), lambda m: {}), "missing or damaged"),
    "no source manifest": (unlink(ARXIV / "manifest.json"), "arxiv/manifest.json: missing or damaged"),
    "source manifest without stages": (
        in_manifest(ARXIV / "manifest.json", lambda m: m.pop("stages") and None),
        "arxiv/manifest.json: damaged: KeyError('stages')",
    ),
    "account": (
        in_manifest(ARXIV / "manifest.json", lambda m: m["stages"][0].update({"in": 99})),
        "arxiv: stage arxiv/papers does not add up",
    ),
    "more counted than written": (
        in_manifest(ARXIV / "manifest.json", lambda m: m["documents"].update(count=99)),
        "arxiv: 6 documents in the files, the manifest says 99",
    ),
    "drops forgotten": (
        in_manifest(ARXIV / "manifest.json", lambda m: m["drops"].update(count=0, files=[])),
        "arxiv: 0 drops, the stages dropped 1",
    ),
    "counts gone": (unlink(ARXIV / "counts.json"), "arxiv/counts.json: missing"),
    "counts of something else": (counted_otherwise, "arxiv/counts.json: 7 counted of kept, the manifest says 6"),
    "counts that are none": (
        not_json(ARXIV / "counts.json"),
        "arxiv/counts.json: missing or damaged: it has no counts",
    ),
    "documents gone": (lambda output: document_file(output).unlink(), "cannot be read"),
    "documents cut": (lambda output: document_file(output).write_bytes(b"PAR1"), "cannot be read"),
    "a text changed": (
        lambda output: rewrite(output, lambda rows: [rows[0].with_text("x"), *rows[1:]], digest=False),
        "its rows are not those that the manifest names",
    ),
    "a document doubled": (
        lambda output: rewrite(output, lambda rows: [*rows, rows[0]], digest=True),
        "a document id stands twice",
    ),
    "a document without tokens": (
        lambda output: rewrite(output, lambda rows: [*rows, replace(rows[0], id="arxiv/new")], digest=True),
        "tokens/arxiv: 1 documents have no tokens: arxiv/new",
    ),
    "no token manifest": (unlink(MANIFEST), "tokens/arxiv/manifest.json: no manifest"),
    "token manifest cut": (not_json(MANIFEST), "tokens/arxiv/manifest.json: not JSON"),
    "token manifest without a field": (
        in_manifest(MANIFEST, lambda m: m.pop("vocabulary") and None),
        "tokens/arxiv/manifest.json: damaged: TypeError",
    ),
    "another format": (in_manifest(MANIFEST, lambda m: m.update(format="x/2")), "format is 'x/2'"),
    "an absurd vocabulary": (
        in_manifest(MANIFEST, lambda m: m.update(vocabulary=10**12)),
        "tokens/arxiv/manifest.json: vocabulary is 1000000000000, 1 to 65,536 is expected of uint16",
    ),
    "a vocabulary that is no number": (
        in_manifest(MANIFEST, lambda m: m.update(vocabulary=True)),
        "vocabulary is True, 1 to 65,536 is expected of uint16",
    ),
    "wider tokens": (in_manifest(MANIFEST, lambda m: m.update(dtype="uint64")), "dtype is 'uint64'"),
    "an eos that is no piece": (in_manifest(MANIFEST, lambda m: m.update(eos_id=500)), "eos_id is 500, a piece of 500"),
    "another tokenizer": (
        in_manifest(MANIFEST, lambda m: m.update(tokenizer_sha256="0")),
        "made with another tokenizer",
    ),
    "no shard": (unlink(BIN), "train-00004.bin: missing"),
    "no index": (unlink(INDEX), "train-00004.index: missing"),
    "no rows": (unlink(ROWS), "train-00004.documents.parquet: missing"),
    "bit in the tokens": (flip(BIN), "train-00004.bin: its SHA-256 is not the manifest's"),
    "bit in the index": (flip(INDEX), "train-00004.index: its SHA-256 is not the manifest's"),
    "shard cut": (lambda output: (output / BIN).write_bytes(b"ab"), "2 bytes, the manifest says"),
    "token out of range": (large_token, "train-00004.bin: token 60000 of a vocabulary of 500"),
    "no eos": (no_eos, "train-00004.bin: a document does not end with eos"),
    "no bos": (no_bos, "train-00004.bin: a document does not begin with bos"),
    "ends that fall": (falling_ends, "train-00004.index: document ends do not rise to"),
    "a strange row": (
        in_row(0, lambda rows: {"id": "arxiv/strange"}),
        "tokens/arxiv: 1 documents are in no document file: arxiv/strange",
    ),
    "a lost row": (in_row(0, lambda rows: {"id": "arxiv/strange"}), "tokens/arxiv: 1 documents have no tokens: arxiv/"),
    "a doubled row": (
        in_row(-1, lambda rows: {"id": rows[0]["id"]}),
        "does not follow the document before it in the order of hashes",
    ),
    "a row of another file": (
        in_row(0, lambda rows: {"file": "elsewhere"}),
        "tokens/arxiv: 1 documents are not where the shards say: arxiv/",
    ),
    "a row of another row": (in_row(0, lambda rows: {"row": 77}), "1 documents are not where the shards say: arxiv/"),
    "a document of another split": (
        in_manifest(MANIFEST, lambda m: m["recipe"].update(validation=1.0)),
        "documents are trained on whose hash says that they are held out, the manifest says 0",
    ),
    "a held-out document that is not chosen by hash": (
        in_manifest(MANIFEST, lambda m: m["splits"].update(validation=m["splits"]["train"])),
        "belongs to another shard",
    ),
    "languages": (
        in_manifest(MANIFEST, lambda m: m["languages"].update(train={})),
        "tokens by language are not those of the train shards",
    ),
    "an empty document": (empty_document, "train-00004.index: a document is too short for its bos and eos"),
    "an older manifest": (
        in_manifest(ARXIV / "manifest.json", lambda m: m.update(version=0)),
        "arxiv/manifest.json: damaged, or of another build: its SHA-256 is not that in the corpus' manifest",
    ),
    "an older token manifest": (
        in_manifest(MANIFEST, lambda m: m["recipe"].update(shard_tokens=7)),
        "tokens/arxiv/manifest.json: damaged, or of another build",
    ),
    "another model": (
        flip(Path("models/tokenizer/tokenizer.model")),
        "models/tokenizer/tokenizer.model: damaged, or of another build: its SHA-256 is not that in",
    ),
    "no model": (unlink(Path("models/tokenizer/tokenizer.model")), "models/tokenizer/tokenizer.model: missing, "),
    "a model's manifest": (unlink(Path("models/tokenizer/manifest.json")), "models/tokenizer/manifest.json: missing"),
    "corpus manifest edited": (
        in_manifest(Path("manifest.json"), lambda m: m.update(recipe="another")),
        "corpus/manifest.json: damaged: its content is not what was sealed",
    ),
    "bytes": (
        in_manifest(MANIFEST, lambda m: first_shard(m).update(text_bytes=1)),
        "train-00000.documents.parquet: counts are not the manifest's",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_damage_is_named(output: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    damage, message = CASES[name]
    damage(output)
    found = list(verify.problems(str(output)))
    assert any(message in problem for problem in found), found
    assert all("books" not in problem for problem in found)
    assert verify.main([str(output)]) == 1
    assert message in capsys.readouterr().out


def test_a_flipped_bit_of_any_file_is_found_and_the_file_is_named(output: Path) -> None:
    files = [path for path in sorted(output.rglob("*")) if path.is_file() and not path.is_relative_to(output / "work")]
    kinds = {f"{path.parent.name}/{path.name}".rpartition("-")[2] for path in files}
    assert len(files) > 20
    assert len(kinds) > 10
    draw = random.Random(4)
    for path in files:
        if path.name in ("report.html", "summary.json", ".altiplano"):
            continue  # are written of a finished corpus or before it, and no part of it
        content = path.read_bytes()
        damaged = bytearray(content or b"\0")  # a split may hold nothing
        at = draw.randrange(len(damaged))
        damaged[at] ^= 1 << draw.randrange(7)
        path.write_bytes(damaged)
        assert any(str(path) in problem for problem in verify.problems(str(output))), (path, at)
        path.write_bytes(content)
    assert list(verify.problems(str(output))) == []
