"""LLaMA's tokenizer specification, read from the `tokenizer.model` that Meta published (section 8)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

MODEL, JSON, CONFIG = "tokenizer.model", "tokenizer.json", "tokenizer_config.json"
LARGEST_VOCABULARY: Final = 1 << 20  # four times the largest that is known; readers size their tables by it
# Names of a tokenizer in a folder of a model, and of what says which pieces of a tokenizer.json are its ends.
FILES: Final = (MODEL, JSON)
BYTE_PIECES: Final = 256
META_PIECES: Final = 3  # unk, bos, eos
# Of pieces of spaces alone, which are merged last: no field of the trainer's, but all of them have it in LLaMA's model.
SPACES_SCORE: Final = -1e9
SMALLEST: Final = META_PIECES + BYTE_PIECES + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Every field of SentencePiece's trainer that makes LLaMA's vocabulary, under SentencePiece's own names.

    `vocab_size` counts all pieces: unk, bos, eos, the 256 bytes and the normal ones. Sizes of sentences are in bytes,
    of pieces in characters. A variant is `dataclasses.replace(LLAMA, vocab_size=8_000)`; a vocabulary of more pieces
    than `LARGEST_VOCABULARY`, or without room for a normal one, is a ValueError.
    """

    model_type: str = "bpe"
    vocab_size: int = 32_000
    character_coverage: float = 0.99995
    normalization_rule_name: str = "identity"
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = False
    split_by_unicode_script: bool = True
    split_by_whitespace: bool = True
    split_by_number: bool = True
    split_digits: bool = True
    byte_fallback: bool = True
    allow_whitespace_only_pieces: bool = True
    max_sentencepiece_length: int = 16
    max_sentence_length: int = 4192
    input_sentence_size: int = 200_000_000
    shuffle_input_sentence: bool = True
    seed_sentencepiece_size: int = 1_000_000
    hard_vocab_limit: bool = True
    unk_id: int = 0
    bos_id: int = 1
    eos_id: int = 2
    pad_id: int = -1
    unk_piece: str = "<unk>"
    bos_piece: str = "<s>"
    eos_piece: str = "</s>"
    unk_surface: str = " \u2047 "

    def __post_init__(self) -> None:
        smallest = META_PIECES + BYTE_PIECES * self.byte_fallback + 1
        if not smallest <= self.vocab_size <= LARGEST_VOCABULARY:
            raise ValueError(f"vocab_size is {self.vocab_size}; must be from {smallest} to {LARGEST_VOCABULARY}")

    @property
    def normal_pieces(self) -> int:
        """The number of pieces that are neither unk, bos, eos nor a byte: 31,741 for LLaMA."""
        return self.vocab_size - META_PIECES - BYTE_PIECES * self.byte_fallback

    def to_trainer_arguments(self) -> dict[str, str | int | float | bool]:
        """Return the keyword arguments of `SentencePieceTrainer.train` for this specification."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


LLAMA: Final = Spec()
