import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tokenizer import json_files
from tests.tokenizer.texts import SENTENCES
from tokenizer.encode import Tokenizer

pytest.importorskip("gigatoken")
pytestmark = pytest.mark.filterwarnings("ignore:.*texts are encoded with tokenizers:RuntimeWarning")

NAMES = ("<s>", "</s>", "<|endoftext|>", "<|begin_of_text|>", "<unk>", "<0x0A>", "[REF]", "<tab>")
SOME = st.sampled_from([*SENTENCES, *NAMES, " ", "  ", "\n", "\r\n", "\t", "'s", "don't", "1234", "\u2581", "🙂", "é"])
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8")),
    st.lists(st.one_of(SOME, st.tuples(SOME, st.integers(1, 9)).map(lambda pair: pair[0] * pair[1])), max_size=20).map(
        "".join
    ),
)


@pytest.fixture(scope="module", params=json_files.KINDS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp(request.param) / f"{request.param}.json"
    json_files.KINDS[request.param]().save(str(found))
    return found


@pytest.fixture(scope="module")
def ours(path: Path) -> Tokenizer:
    return Tokenizer(path)


@pytest.fixture(scope="module")
def theirs(path: Path) -> tokenizers.Tokenizer:
    found = tokenizers.Tokenizer.from_file(str(path))
    found.encode_special_tokens = True  # what a text says of them is text
    return found


@given(TEXTS)
@settings(deadline=None, max_examples=400)
def test_ids_and_texts_are_those_of_tokenizers(ours: Tokenizer, theirs: tokenizers.Tokenizer, text: str) -> None:
    ids = theirs.encode(text, add_special_tokens=False).ids
    (quickly,) = ours.encode_batch([text], bos=False, eos=False)
    assert quickly.tolist() == ours.encode(text).tolist() == ids
    assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)


def test_every_kind_but_two_is_encoded_fast(ours: Tokenizer, path: Path) -> None:
    slow = {"unigram": "its model is not BPE", "plain": "piece '[REF]' is matched inside texts"}
    assert (ours.slow or "").split("; ")[0] == slow.get(path.stem, "")


def test_ends_of_documents_are_found(ours: Tokenizer, path: Path) -> None:
    names = [None if id_ is None else ours.piece(id_) for id_ in (ours.bos, ours.eos)]
    single = ["<|begin_of_text|>", "<|end_of_text|>"]
    sentencepiece = ["<s>", "</s>"]
    assert (
        names
        == {
            "gpt2": [None, "<|endoftext|>"],
            "plain": [None, "<|endoftext|>"],
            "llama3": single,
            "qwen": single,
            "llama2": sentencepiece,
            "mistral": sentencepiece,
            "gemma": sentencepiece,
            "unigram": [None, "</s>"],
        }[path.stem]
    )
    (ids,) = ours.encode_batch(["a river"], bos=True, eos=True)
    before = [] if ours.bos is None else [ours.bos]
    assert ids.tolist() == [*before, *ours.encode("a river").tolist(), ours.eos]


@given(TEXTS)
@settings(deadline=None, max_examples=100)
def test_tokens_stand_for_as_many_bytes_as_the_text_has(ours: Tokenizer, path: Path, text: str) -> None:
    if path.stem in ("qwen", "unigram"):  # they rewrite a text
        return
    sizes = [len(ours.contents[id_] or b"") for id_ in ours.encode(text).tolist()]
    blank = path.stem == "mistral" and text.startswith((" ", "\u2581"))  # Metaspace: no space before a space
    # A letter like a space in a text is encoded as one.
    size = (
        len(text.replace("\u2581", " ").encode()) if path.stem in ("llama2", "mistral", "gemma") else len(text.encode())
    )
    assert sum(sizes) == size + (ours.prefix if text and not blank else 0)


def test_only_what_loses_text_is_remarked(ours: Tokenizer, path: Path) -> None:
    lost = [said for said in ours.remarks() if said.startswith("it loses text")]
    assert bool(lost) == (path.stem in ("qwen", "mistral", "unigram")), lost


def test_it_travels_to_workers(ours: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(ours))
    assert (copy.sha256, copy.bos, copy.eos) == (ours.sha256, ours.bos, ours.eos)


def test_128_000_pieces_are_uint32_and_65_536_uint16(tmp_path: Path) -> None:
    large = Tokenizer(json_files.of_size(tmp_path / "large.json", 128_000))
    assert (large.vocabulary, large.bos, large.eos, large.slow) == (128_003, 128_000, 128_001, None)
    (ids,) = large.encode_batch(["the harbour was quiet"], bos=True, eos=True)
    assert ids.dtype == np.uint32
    assert ids.max() == 128_001
    assert large.decode(ids) == "the harbour was quiet"
    assert Tokenizer(json_files.of_size(tmp_path / "fits.json", 65_533)).dtype == np.uint16
    assert Tokenizer(json_files.of_size(tmp_path / "over.json", 65_534)).dtype == np.uint32


class TestConfigurationBeside:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        json_files.llama3().save(str(tmp_path / "tokenizer.json"))
        return tmp_path / "tokenizer.json"

    @pytest.mark.parametrize(
        ("config", "ends"),
        [
            ({"bos_token": "<|reserved|>", "eos_token": {"content": "<|end_of_text|>"}}, (902, 901)),
            ({"bos_token": None}, (None, 901)),
            ({"bos_token": None, "eos_token": None}, (None, None)),
            ({}, (900, 901)),
        ],
    )
    def test_it_names_the_ends(self, file: Path, config: dict[str, Any], ends: tuple[int | None, int | None]) -> None:
        (file.parent / "tokenizer_config.json").write_text(json.dumps(config))
        tokenizer = Tokenizer(file)
        assert (tokenizer.bos, tokenizer.eos) == ends
        assert list(tokenizer.files) == ["tokenizer.json", "tokenizer_config.json"]

    def test_a_name_that_is_no_piece_is_refused(self, file: Path) -> None:
        (file.parent / "tokenizer_config.json").write_text('{"eos_token": "<|end|>"}')
        with pytest.raises(ValueError, match=r"eos_token is '<\|end\|>', which is not a piece"):
            Tokenizer(file)


def test_truncation_and_padding_of_the_file_are_not_done(tmp_path: Path) -> None:
    made = json_files.gpt2()
    made.enable_truncation(4)
    made.enable_padding(length=9)
    made.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer(tmp_path / "tokenizer.json")
    assert tokenizer.decode(tokenizer.encode(SENTENCES[0])) == SENTENCES[0]
