import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.table1 import SOURCES
from pipelines.tokens.shards import Manifest
from tests.train.synthetic import edit_manifest
from train import plan
from train.corpus import mixture_of, open_corpus, proportions_of, rescaled, sequences_in
from train.mixture import parse_proportions


def test_a_stream_is_the_shards_one_after_the_other(shared_corpus: Path) -> None:
    stream = open_corpus(shared_corpus, SOURCES).stream("common_crawl")
    shards = sorted((shared_corpus / "tokens" / "common_crawl").glob("train-*.bin"))
    whole = np.concatenate([np.fromfile(path, "<u2") for path in shards])
    assert len(shards) == 6
    assert len(stream) == len(whole)
    assert np.array_equal(stream.read(0, len(whole)), whole)
    edges = np.cumsum([path.stat().st_size // 2 for path in shards])[:-1]
    for edge in edges:
        for start, stop in [(edge - 3, edge), (edge - 2, edge + 2), (edge, edge + 3), (edge, edge)]:
            assert np.array_equal(stream.read(start, stop), whole[start:stop])


def test_reading_outside_a_stream_is_an_error(shared_corpus: Path) -> None:
    stream = open_corpus(shared_corpus, ["books"]).stream("books")
    for start, stop in [(-1, 2), (0, len(stream) + 1), (3, 2)]:
        with pytest.raises(IndexError, match="of a stream of"):
            stream.read(start, stop)


def test_document_ends_count_through_the_shards(shared_corpus: Path) -> None:
    stream = open_corpus(shared_corpus, ["common_crawl"]).stream("common_crawl")
    ends = stream.document_ends()
    assert len(ends) == stream.manifest.total("train", "documents")
    assert ends[-1] == len(stream)
    tokens = stream.read(0, len(stream))
    assert (tokens[ends - 1] == stream.manifest.eos_id).all()
    assert (tokens[ends[:-1]] == stream.manifest.bos_id).all()


def test_a_stream_travels_to_a_worker_without_its_tokens(shared_corpus: Path) -> None:
    stream = open_corpus(shared_corpus, ["common_crawl"]).stream("common_crawl")
    packed = pickle.dumps(stream)
    assert len(packed) < len(stream)
    assert np.array_equal(pickle.loads(packed).read(5, 900), stream.read(5, 900))


def test_a_missing_source_names_what_there_is(shared_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no tokens of news; available: arxiv, books.*--proportions"):
        open_corpus(shared_corpus, ["books", "news"])
    with pytest.raises(ValueError, match="available: none at all"):
        open_corpus(tmp_path, ["books"])


def test_shards_of_another_tokenizer_are_refused(corpus: Path) -> None:
    edit_manifest(corpus / "tokens" / "c4", tokenizer_sha256="0" * 64)
    with pytest.raises(ValueError, match=r"c4/manifest.json: tokenizer_sha256 is 0000"):
        open_corpus(corpus, SOURCES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocabulary": 321}, "vocabulary is 321, but other sources have 320"),
        ({"dtype": "uint8"}, "dtype is 'uint8'"),
        ({"splits": {"validation": ()}}, "splits are validation; there must be a train split"),
    ],
)
def test_other_vocabularies_types_and_splits_are_refused(
    corpus: Path, changes: dict[str, object], message: str
) -> None:
    edit_manifest(corpus / "tokens" / "books", **changes)
    with pytest.raises(ValueError, match=message):
        open_corpus(corpus, SOURCES)


def test_a_vocabulary_over_uint16_is_refused(corpus: Path) -> None:
    edit_manifest(corpus / "tokens" / "books", vocabulary=65_537)
    with pytest.raises(ValueError, match="vocabulary is 65537, 1 to 65,536 is expected of uint16"):
        open_corpus(corpus, ["books"])


def test_a_missing_tokenizer_and_a_truncated_shard_are_named(corpus: Path) -> None:
    shard = corpus / "tokens" / "books" / "train-00000.bin"
    shard.write_bytes(shard.read_bytes()[:-2])
    with pytest.raises(ValueError, match=r"train-00000.bin: \d+ bytes, the manifest says"):
        open_corpus(corpus, ["books"]).stream("books")
    (corpus / "tokenizer" / "tokenizer.model").unlink()
    with pytest.raises(
        ValueError,
        match=r"has no tokenizer, neither models/tokenizer/tokenizer\.model nor models/tokenizer/tokenizer\.json",
    ):
        open_corpus(corpus, ["books"])


def test_digests_change_with_a_sources_shards_only(corpus: Path) -> None:
    before = open_corpus(corpus, SOURCES).digests()
    directory = corpus / "tokens" / "arxiv"
    splits = dict(Manifest.load(directory).splits)
    edit_manifest(directory, splits={**splits, "train": splits["train"][:-1]})
    after = open_corpus(corpus, SOURCES).digests()
    assert {name for name in SOURCES if before[name] != after[name]} == {"arxiv"}


@pytest.mark.parametrize(("tokens", "sequences"), [(0, 0), (1, 0), (10, 0), (11, 1), (20, 1), (21, 2), (22, 2)])
def test_sequences_are_windows_of_one_more_token(tokens: int, sequences: int) -> None:
    assert sequences_in(tokens, 10) == sequences


def test_sources_too_small_for_the_mixture_are_named() -> None:
    assert mixture_of({"a": 101, "b": 0}, {"a": 1, "b": 0}, 10, 0).sizes == (10, 0)
    with pytest.raises(ValueError, match="b has no tokens"):
        mixture_of({"a": 101, "b": 0}, {"a": 1, "b": 1}, 10, 0)
    with pytest.raises(ValueError, match="b has 10 tokens, fewer than one sequence of 10"):
        mixture_of({"a": 101, "b": 10}, {"a": 1, "b": 1}, 10, 0)
    with pytest.raises(ValueError, match="sequence_length is 0"):
        mixture_of({"a": 101}, {"a": 1}, 0, 0)


def test_the_tokenizer_may_be_among_the_builds_models(corpus: Path) -> None:
    models = corpus / "models"
    models.mkdir()
    (corpus / "tokenizer").rename(models / "tokenizer")
    assert open_corpus(corpus, SOURCES).tokenizer == models / "tokenizer" / "tokenizer.model"


def test_a_corpus_rebuilt_under_a_run_changes_nothing_that_is_mapped_and_is_named_after(corpus: Path) -> None:
    opened = open_corpus(corpus, ["books"])
    stream = opened.stream("books")
    packed, before = pickle.dumps(stream), stream.read(0, len(stream)).copy()
    directory = corpus / "tokens" / "books"
    for path in directory.glob("*.bin"):
        other = path.with_suffix(".new")
        np.full(path.stat().st_size // 2, 7, "<u2").tofile(other)
        other.replace(path)  # as the pipelines write
    edit_manifest(directory, recipe={"shard_tokens": 9})
    assert np.array_equal(stream.read(0, len(stream)), before)
    for split in ("train", "validation"):
        with pytest.raises(ValueError, match=r"books/manifest\.json: the corpus was rebuilt while in use"):
            opened.stream("books", split)
    with pytest.raises(ValueError, match="was rebuilt while in use"):
        pickle.loads(packed)


@pytest.mark.parametrize("shares", [[1], {"letters": "much"}, {"letters": "1e99999999"}, {"letters": None}, "all"])
def test_shares_that_are_none_are_refused(tmp_path: Path, shares: Any) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"sources": ["c4", "letters"], "shares": shares}))
    with pytest.raises(ValueError, match=r"manifest.json: its shares are not in the form that a build writes"):
        proportions_of(tmp_path)


def test_a_corpus_of_some_sources_rescales_their_shares(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"sources": ["common_crawl"]}))
    assert proportions_of(tmp_path) == "common_crawl=1"
    manifest.write_text(json.dumps({"sources": ["common_crawl", "c4"]}))
    weights = {"common_crawl": 67, "c4": 15}
    assert proportions_of(tmp_path) == "common_crawl=67,c4=15"
    said = "shares rescaled over the 2 sources of this corpus: common_crawl 81.7%, c4 18.3%"
    assert rescaled(tmp_path, weights) == said
    assert rescaled(tmp_path, {"common_crawl": 1, "c4": 1}) == ""  # asked for
    manifest.write_text(json.dumps({"sources": ["wikipedia", "notes"], "shares": {"notes": 0.05}}))
    assert proportions_of(tmp_path) == "wikipedia=19,notes=1"
    manifest.write_text(json.dumps({"sources": list(SOURCES)}))
    llama = "common_crawl=670,c4=150,github=45,wikipedia=45,books=45,arxiv=25,stack_exchange=20"
    assert proportions_of(tmp_path) == llama
    assert rescaled(tmp_path, parse_proportions(llama)) == ""


def test_the_plan_of_some_sources_says_that_shares_are_rescaled(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus / "manifest.json").write_text(json.dumps({"sources": ["c4", "books"]}))
    asked = ["--corpus", str(corpus), "--tokens", "4k", "--sequence-length", "16"]
    assert plan.main(asked) == 0
    said = "shares rescaled over the 2 sources of this corpus: c4 76.9%, books 23.1%"
    assert said in " ".join(capsys.readouterr().out.split())
    assert plan.main([*asked, "--proportions", "c4=1"]) == 0
    assert "rescaled" not in capsys.readouterr().out
    edit_manifest(corpus / "tokens/books", splits={"train": (), "validation": ()})
    with pytest.raises(SystemExit):
        plan.main(asked)
    assert "books has no tokens: build it, or set its proportion to 0" in capsys.readouterr().err


def test_a_corpus_of_other_sources_alone_is_trained_at_their_shares(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"sources": ["a", "b"], "shares": {"a": 0.1, "b": 0.04}}))
    assert proportions_of(tmp_path) == "a=5,b=2"
    (tmp_path / "manifest.json").write_text(json.dumps({"sources": ["a"], "shares": {"a": 0.0}}))
    assert proportions_of(tmp_path) == "a=1"
