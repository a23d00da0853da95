import random
from pathlib import Path

import pytest
import sentencepiece

from model.spoken import Spoken
from tests.train.synthetic import sentences, train_tokenizer

TEXTS = (
    *("the river", "  two  spaces ", "", " ", "   ", "naïve 12½ 日本語 \U0001f600\U0001f468‍\U0001f469", "a\n\nb\tc"),
    *("\U0001f600", " \U0001f600 ", "ends with \U0001f600"),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> sentencepiece.SentencePieceProcessor:
    path: Path = tmp_path_factory.mktemp("spoken") / "tokenizer.model"
    train_tokenizer(path, [sentences(seed, 40) for seed in range(20)], 320)
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_given_out_piece_by_piece_is_the_text(engine: sentencepiece.SentencePieceProcessor, text: str) -> None:
    spoken = Spoken(engine)
    ids = [engine.bos_id(), *engine.encode(text)]
    parts = [spoken.add([id_]) for id_ in ids]
    assert "".join(parts) + spoken.end() == engine.decode(ids) == text
    assert not any("\ufffd" in part for part in parts)
    if text.strip():
        assert "".join(parts).rstrip(" ") == text.rstrip(" ")
        assert sum(map(bool, parts)) > 1 or len(text) < 5  # not all at the end


def test_broken_characters_and_any_ids_come_out_as_the_decoder_makes_them(
    engine: sentencepiece.SentencePieceProcessor,
) -> None:
    generator = random.Random(1)
    bytes_ = [id_ for id_ in range(engine.get_piece_size()) if engine.is_byte(id_)]
    spaces = [id_ for id_ in range(engine.get_piece_size()) if not engine.id_to_piece(id_).strip("▁")]
    for _ in range(2_000):
        kinds = (bytes_, bytes_, spaces, range(engine.get_piece_size()))
        ids = [generator.choice(generator.choice(kinds)) for _ in range(generator.randint(0, 12))]
        spoken = Spoken(engine)
        assert "".join(spoken.add([id_]) for id_ in ids) + spoken.end() == engine.decode(ids), ids
