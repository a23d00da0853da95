from dataclasses import fields, replace

import pytest

from tokenizer.spec import LLAMA, Spec


def test_llama_has_its_published_composition() -> None:
    assert Spec() == LLAMA
    assert LLAMA.vocab_size == 32_000
    assert LLAMA.normal_pieces == 31_741
    assert (LLAMA.unk_id, LLAMA.bos_id, LLAMA.eos_id, LLAMA.pad_id) == (0, 1, 2, -1)
    assert LLAMA.character_coverage == 0.99995
    assert LLAMA.unk_surface == " ⁇ "


def test_trainer_arguments_are_all_the_fields() -> None:
    arguments = replace(LLAMA, vocab_size=1000).to_trainer_arguments()
    assert set(arguments) == {field.name for field in fields(Spec)}
    assert arguments["vocab_size"] == 1000
    assert arguments["remove_extra_whitespaces"] is False


@pytest.mark.parametrize("size", [-1, 0, 259, (1 << 20) + 1])
def test_a_vocabulary_without_room_or_beyond_any_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"vocab_size is {size}; must be from 260 to 1048576"):
        replace(LLAMA, vocab_size=size)


def test_the_limits_themselves_are_allowed() -> None:
    assert replace(LLAMA, vocab_size=260).normal_pieces == 1
    assert replace(LLAMA, vocab_size=1 << 20).vocab_size == 1 << 20
