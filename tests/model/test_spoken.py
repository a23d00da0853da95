import random
from pathlib import Path

import pytest

from model.spoken import Spoken
from tests.tokenizer import json_files
from tests.train.synthetic import sentences, train_tokenizer
from tokenizer.encode import Tokenizer

TEXTS = (
    *("the river", "  two  spaces ", "", " ", "   ", "naïve 12½ 日本語 \U0001f600\U0001f468‍\U0001f469", "a\n\nb\tc"),
    *("\U0001f600", " \U0001f600 ", "ends with \U0001f600"),
)


@pytest.fixture(scope="module", params=["sentencepiece", "bytes"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path: Path = tmp_path_factory.mktemp("spoken") / "tokenizer"
    if request.param == "bytes":
        json_files.llama3().save(str(path))
    else:
        train_tokenizer(path, [sentences(seed, 40) for seed in range(20)], 320)
    return Tokenizer(path)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_given_out_piece_by_piece_is_the_text(tokenizer: Tokenizer, text: str) -> None:
    spoken = Spoken(tokenizer)
    ids = [tokenizer.bos or 0, *tokenizer.encode(text).tolist()]
    parts = [spoken.add([id_]) for id_ in ids]
    assert "".join(parts) + spoken.end() == tokenizer.decode(ids) == text
    assert not any("\ufffd" in part for part in parts)
    if text.strip():
        assert "".join(parts).rstrip(" ") == text.rstrip(" ")
        assert sum(map(bool, parts)) > 1 or len(text) < 5  # not all at the end


def test_broken_characters_and_any_ids_come_out_as_the_decoder_makes_them(
    tokenizer: Tokenizer,
) -> None:
    generator = random.Random(1)
    contents = tokenizer.contents
    bytes_ = [id_ for id_, content in enumerate(contents) if content and len(content) == 1 and content > b"\x7f"]
    spaces = [id_ for id_, content in enumerate(contents) if content and not content.strip(b" ")]
    for _ in range(2_000):
        kinds = (bytes_, bytes_, spaces, range(tokenizer.vocabulary))
        ids = [generator.choice(generator.choice(kinds)) for _ in range(generator.randint(0, 12))]
        spoken = Spoken(tokenizer)
        assert "".join(spoken.add([id_]) for id_ in ids) + spoken.end() == tokenizer.decode(ids), ids
