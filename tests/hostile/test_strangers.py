"""Files from elsewhere: a planted one for each thing that is loaded runs no code and changes nothing outside.

Each plant is a file as a stranger would leave it: a pickle that makes a folder, a name that leads out, an archive's
member above its folder. What loads it must raise a ValueError that names the file, or drop it.
"""

from __future__ import annotations

import ast
import io
import json
import os
import pickle
import re
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from filters.models import fast_text
from filters.web import personal_info, quality_models, reference
from filters.web.perplexity import PerplexityModel
from pipelines import contamination, trace, verify, withdraw
from pipelines.account import summary
from pipelines.card import facts
from pipelines.export import megatron
from pipelines.export.common import open_sources
from pipelines.files import cached, remote, storage
from pipelines.hashing import seal
from pipelines.readers import Dump, arxiv, github_input, gutenberg, stack_exchange
from pipelines.tokens import shards
from tests.pipelines import made
from tokenizer.encode import Tokenizer
from tokenizer.model_file import ModelFile

ROOT = Path(__file__).parents[2]
torch = pytest.importorskip("torch", reason="the training side is not installed")

from model import convert, saved, sharded_files  # noqa: E402
from model.sharded_table import METADATA  # noqa: E402
from tests.train import test_sharded as runs  # noqa: E402
from train import checkpoint, corpus, export, sharded  # noqa: E402
from train.evaluation.tasks import rows  # noqa: E402


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


@dataclass(frozen=True)
class Place:
    """Where a plant goes: `inside` is what comes from elsewhere; `victim` lies outside; code would make `executed`."""

    inside: Path
    victim: Path
    executed: Path

    @property
    def code(self) -> bytes:
        """A pickle that runs code."""
        return pickle.dumps(Code(self.executed))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write(tmp_path_factory.mktemp("made") / "corpus", {"books": made.documents("books", 20)})


@pytest.fixture
def place(tmp_path: Path, finished: Path) -> Place:
    inside = tmp_path / "elsewhere" / "corpus"
    shutil.copytree(finished, inside)
    victim = tmp_path / "victim.parquet"
    victim.write_bytes(b"mine")
    return Place(inside, victim, tmp_path / "executed")


def outside(place: Place) -> dict[str, bytes]:
    """Return all files beside what comes from elsewhere, and folders as empty ones."""
    root = place.victim.parent
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else b""
        for path in root.rglob("*")
        if not path.is_relative_to(place.inside.parent)
    }


def test_the_plant_runs_code_where_it_is_unpickled(place: Place) -> None:
    pickle.loads(place.code)
    assert place.executed.exists()


def rewrite(path: Path, change: Callable[[Any], object], *, sealed: bool = False) -> None:
    """Change a JSON file; a corpus' manifest is sealed anew."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    if sealed:
        content["seal"] = seal(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def resealed(place: Place, source: Callable[[Any], object]) -> None:
    """Change the manifest of the books, so that the corpus' own names its new content."""
    path = place.inside / "books/manifest.json"
    rewrite(path, source)
    digest = storage.sha256(str(path))
    rewrite(place.inside / "manifest.json", lambda c: c["files"].update({"books/manifest.json": digest}), sealed=True)


# --- corpora ---------------------------------------------------------------------------------------------------------

UP = "../../victim"


def _shard_named(place: Place, name: str) -> None:
    rewrite(place.inside / "tokens/books/manifest.json", lambda c: c["splits"]["train"][0].update({"name": name}))


def _source_named(place: Place) -> None:
    rewrite(place.inside / "tokens/books/manifest.json", lambda c: c.update({"source": "../../victim"}))


def _file_named(place: Place) -> None:
    rewrite(place.inside / "manifest.json", lambda c: c["files"].update({f"{UP}.parquet": "0" * 64}), sealed=True)


def _document_named(place: Place) -> None:
    entry = {"path": f"{UP}.parquet", "sha256": "0" * 64, "digest": ""}
    resealed(place, lambda content: content["documents"]["files"].append(entry))


def _stage_named(place: Place) -> None:
    def change(content: Any) -> None:
        content["stages"][-1]["stage"] = "books/../../../../victim"
        content["documents"]["files"][0]["sha256"] = "0" * 64

    resealed(place, change)


def _model_named(place: Place) -> None:
    path = place.inside / "models/tokenizer/manifest.json"
    rewrite(path, lambda content: content["files"].update({"../../../../victim.parquet": "0" * 64}))
    digest = storage.sha256(str(path))
    change = {"models/tokenizer/manifest.json": digest}
    rewrite(place.inside / "manifest.json", lambda content: content["files"].update(change), sealed=True)


def _linked(place: Place) -> None:
    folder = place.victim.parent / "mine"
    folder.mkdir()
    shutil.move(place.inside / "books/documents", folder / "documents")
    (place.inside / "books/documents").symlink_to(folder / "documents")
    next((folder / "documents").iterdir()).write_bytes(b"damaged")


def _row_named(place: Place) -> None:
    manifest = shards.Manifest.load(place.inside / "tokens/books")
    shard = next(one for one in manifest.splits["train"] if one.documents)
    path = place.inside / f"tokens/books/{shard.name}.documents.parquet"
    rows = [(f"id{number}", 1, "../../../victim", 0) for number in range(shard.documents)]
    path.write_bytes(shards.document_table(rows))


def _traced(place: Place) -> object:
    return trace.records(place.inside, "books", trace.parts(place.inside, "books", 0, 5))


def _exported(place: Place) -> None:
    megatron.export(open_sources(place.inside), place.inside.parent / "export")


def _scanned(place: Place) -> object:
    path = place.inside.parent / "b.jsonl"
    path.write_text(json.dumps({"question": " ".join("abcdefghijklmnop")}))
    return contamination.scan(str(place.inside), contamination.build([str(path)]))


CORPORA: dict[str, tuple[Callable[[Place], None], Callable[[Place], object], str]] = {
    "a shard's name": (
        lambda place: _shard_named(place, UP),
        lambda place: shards.Manifest.load(place.inside / "tokens/books"),
        r"tokens/books/manifest\.json: it names",
    ),
    "a shard's name in a folder": (
        lambda place: _shard_named(place, "a/b"),
        lambda place: corpus.open_corpus(place.inside, ["books"]),
        r"tokens/books/manifest\.json: it names 'a/b'",
    ),
    "an absolute name": (
        lambda place: _shard_named(place, "/etc/passwd"),
        lambda place: open_sources(place.inside),
        r"tokens/books/manifest\.json: it names",
    ),
    "a source's name, exported": (_source_named, _exported, r"tokens/books/manifest\.json: it names"),
    "a file, withdrawn": (_file_named, lambda place: withdraw.withdraw(str(place.inside)), r"manifest\.json: it names"),
    "a document, withdrawn": (
        _document_named,
        lambda place: withdraw.withdraw(str(place.inside)),
        r"books/manifest\.json: it names",
    ),
    "a stage, withdrawn": (
        _stage_named,
        lambda place: withdraw.withdraw(str(place.inside)),
        r"books/manifest\.json: it names",
    ),
    "a model's file, withdrawn": (
        _model_named,
        lambda place: withdraw.withdraw(str(place.inside)),
        r"models/tokenizer/manifest\.json: it names",
    ),
    "a link, withdrawn": (_linked, lambda place: withdraw.withdraw(str(place.inside)), "a link leads out of"),
    "a document, on the card": (
        _document_named,
        lambda place: facts.load(str(place.inside)),
        r"books/manifest\.json: it names",
    ),
    "a shard, on the card": (
        lambda place: _shard_named(place, UP),
        lambda place: facts.load(str(place.inside)),
        r"tokens/books/manifest\.json: it names",
    ),
    "a document, compared with benchmarks": (
        _document_named,
        _scanned,
        r"books/manifest\.json: it names",
    ),
    "a document, traced": (_row_named, _traced, r"documents\.parquet: it names"),
    "a source, summed up": (
        lambda place: rewrite(place.inside / "manifest.json", lambda c: c["sources"].insert(0, "../victim")),
        lambda place: summary.summary(str(place.inside)),
        r"manifest\.json: it names",
    ),
}


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_names_only_its_own_files(place: Place, name: str) -> None:
    plant, load, message = CORPORA[name]
    plant(place)
    before = outside(place)
    with pytest.raises(ValueError, match=message):
        load(place)
    assert outside(place) == before


@pytest.mark.parametrize("plant", [_file_named, _document_named, _model_named])
def test_verifying_says_which_manifest_names_what_is_outside(place: Place, plant: Callable[[Place], None]) -> None:
    plant(place)
    before = outside(place)
    assert any("which is not a file under its folder" in problem for problem in verify.problems(str(place.inside)))
    assert outside(place) == before


# --- checkpoints and weights -----------------------------------------------------------------------------------------


def _sharded(place: Place, change: Callable[[Any, Path], None]) -> Path:
    """Write a sharded checkpoint and change its table."""
    runs.write(place.inside.parent, 1, *runs.trained())
    path = place.inside.parent / "step-00000001"
    table = pickle.loads((path / METADATA).read_bytes())
    change(table, path)
    (path / METADATA).write_bytes(pickle.dumps(table))
    return path


def _bytes_of_code(place: Place) -> Path:
    """Call a tensor bytes, as DCP loads by a full pickle, and put code there."""
    from torch.distributed.checkpoint.metadata import BytesStorageMetadata, MetadataIndex

    buffer = io.BytesIO()
    torch.save(Code(place.executed), buffer)

    def change(table: Any, path: Path) -> None:
        (name, *_) = table.state_dict_metadata
        table.state_dict_metadata[name] = BytesStorageMetadata()
        (old,) = [index for index in table.storage_data if index.fqn == name]
        info = table.storage_data.pop(old)
        (path / "__9_0.distcp").write_bytes(buffer.getvalue())
        table.storage_data[MetadataIndex(name)] = replace(
            info, relative_path="__9_0.distcp", offset=0, length=len(buffer.getvalue())
        )

    return _sharded(place, change)


def _first_place(table: Any, **changes: Any) -> None:
    index = next(iter(table.storage_data))
    table.storage_data[index] = replace(table.storage_data[index], **changes)


def _of_size(table: Any) -> None:
    first = next(iter(table.state_dict_metadata.values()))
    first.size = torch.Size([1 << 31, 1 << 31])


def _packed_part(table: Any, path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 20))
    (path / "__9_0.distcp").write_bytes(target.getvalue())
    for index in list(table.storage_data):
        table.storage_data[index] = replace(
            table.storage_data[index], relative_path="__9_0.distcp", offset=0, length=len(target.getvalue())
        )


def test_bytes_in_a_table_run_code_in_pytorch_itself(place: Place) -> None:
    """What the next test would let through."""
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.state_dict_loader import load

    state: dict[str, Any] = {next(iter(sharded.tensors_of(*runs.fresh()))): 0}
    with sharded_files.alone():
        load(state, storage_reader=FileSystemReader(_bytes_of_code(place)), no_dist=True)
    assert place.executed.exists()


SHARDED: dict[str, tuple[Callable[[Place], Path], str]] = {
    "bytes": (_bytes_of_code, r"\.metadata: no table of tensors: it names .*BytesStorageMetadata"),
    "a file outside": (
        lambda place: _sharded(place, lambda table, _: _first_place(table, relative_path="../../victim.parquet")),
        r"\.metadata: .*'\.\./\.\./victim\.parquet' is no file of the checkpoint",
    ),
    "an absolute file": (
        lambda place: _sharded(place, lambda table, _: _first_place(table, relative_path="/etc/passwd")),
        r"\.metadata: .*is no file of the checkpoint",
    ),
    "a part beyond its file": (
        lambda place: _sharded(place, lambda table, _: _first_place(table, length=1 << 40)),
        r"\.metadata: .*bytes 0 to 1099511627776 of __0_0\.distcp",
    ),
    "an absurd size": (
        lambda place: _sharded(place, lambda table, _: _of_size(table)),
        r"\.metadata: no table of tensors: a tensor of",
    ),
    "a codec": (
        lambda place: _sharded(place, lambda table, _: _first_place(table, transform_descriptors=["zstd"])),
        r"\.metadata: .*is compressed",
    ),
    "a compressed part": (lambda place: _sharded(place, _packed_part), r"__9_0\.distcp.*is compressed"),
}


@pytest.mark.parametrize("name", SHARDED)
def test_a_sharded_checkpoint_holds_tensors_of_its_own_files(place: Place, name: str) -> None:
    plant, message = SHARDED[name]
    path = plant(place)
    before = outside(place)
    with pytest.raises(ValueError, match=message):
        sharded.load(path, *runs.fresh())
    assert outside(place) == before


def _model_directory(place: Place) -> Path:
    folder = place.inside.parent / "model"
    folder.mkdir()
    (folder / "params.json").write_text('{"dim": 8, "n_layers": 1, "n_heads": 1, "multiple_of": 8, "norm_eps": 1}')
    return folder


def _meta(place: Place, content: bytes) -> Path:
    folder = _model_directory(place)
    (folder / "consolidated.00.pth").write_bytes(content)
    return folder


def _saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _hugging_face(place: Place, index: object) -> Path:
    folder = place.inside.parent / "model"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "llama",
                "hidden_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
                "intermediate_size": 8,
                "vocab_size": 8,
                "max_position_embeddings": 8,
                "rms_norm_eps": 1e-5,
            }
        )
    )
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def _checkpoint(place: Place, value: object) -> Path:
    return checkpoint.save(place.inside.parent / "run", 1, {"model": value}, {"config": {"nothing": 1}}, 1)


def _unverified(place: Place) -> object:
    path = _checkpoint(place, {})
    rewrite(
        path / "manifest.json", lambda c: c["files"].update({"../../../victim.parquet": {"bytes": 4, "sha256": ""}})
    )
    told: list[str] = []
    with pytest.raises(ValueError, match="no checkpoint is complete"):
        saved.find_latest(path.parent, told.append)
    raise ValueError(told[0])


WEIGHTS: dict[str, tuple[Callable[[Place], object], str]] = {
    "a checkpoint": (
        lambda place: saved.load(_checkpoint(place, Code(place.executed))),
        r"model\.pt: it holds more than tensors",
    ),
    "a checkpoint's manifest": (_unverified, r"manifest\.json: names '\.\./\.\./\.\./victim\.parquet'"),
    "a run's configuration": (
        lambda place: export.open_checkpoint(
            (_checkpoint(place, {}).parent.rename(place.inside.parent / "checkpoints")).parent, "corpus", print
        ),
        r"state\.json: no configuration of a run",
    ),
    "Meta's weights": (
        lambda place: convert.read(_meta(place, _saved(Code(place.executed)))),
        r"consolidated\.00\.pth: it holds more than tensors",
    ),
    "a bare pickle as Meta's weights": (
        lambda place: convert.read(_meta(place, place.code)),
        r"consolidated\.00\.pth: not a file as PyTorch writes it",
    ),
    "numbers as Meta's weights": (
        lambda place: convert.read(_meta(place, _saved({"a": 1}))),
        r"consolidated\.00\.pth: weights by name",
    ),
    "an index of safetensors that leads out": (
        lambda place: convert.read(_hugging_face(place, {"weight_map": {"a": "../../victim.safetensors"}})),
        r"index\.json: weight_map names \['\.\./\.\./victim\.safetensors'\]",
    ),
    "an index of safetensors that names a pickle": (
        lambda place: convert.read(_hugging_face(place, {"weight_map": {"a": "pytorch_model.bin"}})),
        r"index\.json: weight_map names \['pytorch_model\.bin'\]",
    ),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_tensors_of_their_own_folder(place: Place, name: str) -> None:
    load, message = WEIGHTS[name]
    before = outside(place)
    with pytest.raises(ValueError, match=message):
        load(place)
    assert outside(place) == before


def test_a_safetensors_file_is_no_pickle(place: Place) -> None:
    folder = _hugging_face(place, {"weight_map": {"a": "a.safetensors"}})
    (folder / "a.safetensors").write_bytes(place.code)
    with pytest.raises(ValueError, match=r"a\.safetensors: not a safetensors file"):
        convert.read(folder)
    assert not place.executed.exists()


# --- models, tokenizers, benchmarks: a pickle instead of what is expected --------------------------------------------

PICKLES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "fastText's model": ("lid.bin", fast_text.load),
    "a classifier": ("reference.bin", lambda path: reference.ReferenceClassifier(path, "label")),
    "pieces": ("pieces.model", lambda path: PerplexityModel(path, path)),
    "cut-offs": ("cutoffs.json", lambda path: quality_models.load_cutoffs(str(path.parent))),
    "CCNet's cut-offs": ("cutoff.csv", lambda path: quality_models.load_cutoffs(str(path))),
    "a list of sites": ("sites.txt", personal_info.Sites.load),
    "a tokenizer": ("tokenizer.model", Tokenizer),
    "a tokenizer's pieces": ("other.model", ModelFile.read),
    "a benchmark of Parquet": ("b.parquet", lambda path: list(contamination.examples(path))),
    "a benchmark of Arrow": ("b.arrow", lambda path: list(contamination.examples(path))),
    "a benchmark of lines": ("b.jsonl", lambda path: list(contamination.examples(path))),
    "a packed benchmark": ("b.jsonl.gz", lambda path: list(contamination.examples(path))),
    "questions of Parquet": ("q.parquet", lambda path: list(rows.records(path))),
    "questions of Arrow": ("q.arrow", lambda path: list(rows.records(path))),
    "questions of lines": ("q.jsonl", lambda path: list(rows.records(path))),
    "questions of a document": ("q.json.gz", lambda path: list(rows.records(path))),
    "questions of a table": ("q.tsv", lambda path: list(rows.records(path))),
    "a manifest of shards": ("manifest.json", lambda path: shards.Manifest.load(path.parent)),
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_is_not_what_is_expected(place: Place, name: str) -> None:
    file, load = PICKLES[name]
    path = place.inside.parent / file
    path.write_bytes(place.code)
    before = outside(place)
    with pytest.raises(ValueError, match=re.escape(file)):
        load(path)
    assert outside(place) == before


# --- archives: nothing is unpacked -----------------------------------------------------------------------------------

MEMBER = "../../../victim.parquet"


def _tar(name: str = MEMBER) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        link = tarfile.TarInfo("a/link")
        link.type, link.linkname = tarfile.SYMTYPE, "../.."
        archive.addfile(link)
        for path in (name, "/tmp/victim.parquet", "a/link/victim.parquet"):
            member = tarfile.TarInfo(path)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"evil"))
    return target.getvalue()


def _zip() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(MEMBER, b"evil")
    return target.getvalue()


def _seven_zip() -> bytes:
    import py7zr

    target = io.BytesIO()
    with py7zr.SevenZipFile(target, "w", filters=[{"id": py7zr.FILTER_COPY}]) as archive:
        archive.writef(io.BytesIO(b"<posts></posts>"), "aa/aa/aa/Posts.xml")
    # The writer refuses such a name; a stranger's does not. The header's checksum is not looked at for it.
    return target.getvalue()


ARCHIVES: dict[str, tuple[bytes, Callable[[io.BytesIO], object]]] = {
    "source archive, tar": (_tar(), lambda data: list(github_input.read(data, Dump("a", "d", {}), Counter()))),
    "source archive, zip": (_zip(), lambda data: list(github_input.read(data, Dump("a", "d", {}), Counter()))),
    "books, tar": (_tar(), lambda data: list(gutenberg.read(data, Dump("a", "d", {}), Counter()))),
    "books, zip": (_zip(), lambda data: list(gutenberg.read(data, Dump("a", "d", {}), Counter()))),
    "papers": (_tar(), lambda data: list(arxiv.read(data, Dump("a", "d", {}), Counter()))),
    "posts": (_seven_zip(), lambda data: stack_exchange.decompress(data, lambda piece: None)),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_is_read_and_never_unpacked(place: Place, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, read = ARCHIVES[name]
    folder = place.inside / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    before = outside(place)
    read(io.BytesIO(content))
    assert outside(place) == before
    assert not list(folder.iterdir())


# --- the cache of models ---------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return the objects of a remote store, by path; copies are kept in the folder `cache`."""
    objects: dict[str, bytes] = {}

    def found(path: str) -> remote.Facts | None:
        return remote.Facts(path, len(objects[path]), 0.0) if path in objects else None

    def opened(path: str) -> io.BytesIO:
        if path not in objects:
            raise FileNotFoundError(path)
        return io.BytesIO(objects[path])

    def in_folder(folder: str, *, deep: bool = True) -> list[remote.Facts]:
        return [fact for path in sorted(objects) if path.startswith(f"{folder}/") and (fact := found(path))]

    monkeypatch.setattr(remote, "facts", found)
    monkeypatch.setattr(remote, "open_read", opened)
    monkeypatch.setattr(remote, "in_folder", in_folder)
    monkeypatch.setattr(cached, "_whole", set())
    monkeypatch.setenv(cached.FOLDER, str(tmp_path / "elsewhere" / "cache"))
    return objects


def test_a_listing_that_leads_out_of_the_cache_is_refused(place: Place, store: dict[str, bytes]) -> None:
    store["s3://b/models/lm/a.bin"] = store["s3://b/models/lm/../../../../victim.parquet"] = b"evil"
    before = outside(place)
    with pytest.raises(ValueError, match=r"the listing of s3://b/models/lm: it names '\.\./"):
        cached.local("s3://b/models/lm")
    assert outside(place) == before


@pytest.mark.parametrize("kind", ["open to others", "a link"])
def test_a_cache_that_others_can_write_is_refused(place: Place, store: dict[str, bytes], kind: str) -> None:
    store["s3://b/a.bin"] = b"good"
    cache = place.inside.parent / "cache"
    if kind == "a link":
        cache.symlink_to(place.inside)
    else:
        cache.mkdir()
        cache.chmod(0o777)
    with pytest.raises(ValueError, match=f"{cache}: models are not stored there"):
        cached.local("s3://b/a.bin")


def test_a_cache_of_another_user_is_refused(
    place: Place, store: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    store["s3://b/a.bin"] = b"good"
    (place.inside.parent / "cache").mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    with pytest.raises(ValueError, match="it must be a folder of user 4242"):
        cached.local("s3://b/a.bin")


def test_a_new_cache_is_closed_to_others(place: Place, store: dict[str, bytes]) -> None:
    store["s3://b/a.bin"] = b"good"
    assert Path(cached.local("s3://b/a.bin")).read_bytes() == b"good"
    assert (place.inside.parent / "cache").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("change", ["other bytes", "one more file", "no record"])
def test_a_copy_is_compared_before_it_is_used(store: dict[str, bytes], change: str) -> None:
    store["s3://b/m/a.bin"] = b"good"
    folder = Path(cached.local("s3://b/m"))
    cached._whole.clear()  # as another process finds it
    if change == "other bytes":
        (folder / "a.bin").write_bytes(b"evil")
    elif change == "one more file":
        (folder / "b.bin").write_bytes(b"evil")
    else:
        (folder / "a.bin").write_bytes(b"evil")
        folder.with_name(f"{folder.name}.json").unlink()
    assert cached.local("s3://b/m") == str(folder)
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("a.bin", b"good")]


# --- nothing else loads code -----------------------------------------------------------------------------------------

# What can run code that it reads, and who may use it and why.
DANGEROUS = {
    "pickle.load": set(),
    "pickle.loads": set(),
    "pickle.Unpickler": {"model/sharded_table.py"},  # makes inert records only
    "torch.load": {"model/tensor_files.py"},  # with weights_only, see below
    "np.load": set(),
    "joblib.load": set(),
    "yaml.load": set(),
    "marshal.loads": set(),
    "shelve.open": set(),
    "eval": set(),
    "exec": set(),
    "execve": {"train/evaluation/grading/inside.py"},  # a generated program's Python, kept apart (docs/safety.md)
    "extractall": {"pipelines/runners/clusters/machine.py"},  # of pinned SHA-256, with tarfile's filter for data
    "unpack_archive": set(),
}


def test_nothing_else_can_run_what_it_reads() -> None:
    found: dict[str, set[str]] = {name: set() for name in DANGEROUS}
    for package in ("filters", "pipelines", "tokenizer", "model", "train"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                name = ast.unparse(node.func if isinstance(node, ast.Call) else node) if _is_name(node) else ""
                for key in {name, name.rpartition(".")[2]} & DANGEROUS.keys():
                    found[key].add(path.relative_to(ROOT).as_posix())
    assert found == DANGEROUS


def _is_name(node: ast.AST) -> bool:
    """Tell whether a node is a call of a name, or a class's base."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name | ast.Attribute)
    return isinstance(node, ast.Attribute) and node.attr == "Unpickler"


def test_pytorch_loads_tensors_only() -> None:
    tree = ast.parse((ROOT / "model/tensor_files.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"]
    assert len(calls) == 1
    assert {ast.unparse(keyword) for keyword in calls[0].keywords} >= {"weights_only=True"}
