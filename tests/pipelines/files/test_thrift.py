"""Thrift's compact protocol, read as Thrift does: by hand-made bytes of every kind."""

from __future__ import annotations

import pytest

from pipelines.files.thrift import INT32, INT64, LIST, STRUCT, TEXT, Reader

# A field of each kind; the one that follows is number 2.
VALUES = {
    "true": b"\x11",
    "false": b"\x12",
    "byte": b"\x13\x7f",
    "int16": b"\x14\x03",
    "int32": b"\x15\x03",
    "int64": b"\x16\x80\x01",
    "double": b"\x17" + bytes(8),
    "text": b"\x18\x03abc",
    "list": b"\x19\x25\x02\x04",
    "truths": b"\x19\x31\x01\x02\x01",
    "long list": b"\x19\xf3\x10" + bytes(16),
    "set": b"\x1a\x18\x01x",
    "map": b"\x1b\x02\x85\x01a\x02\x01b\x04",
    "empty map": b"\x1b\x00",
    "struct": b"\x1c\x15\x02\x05\x08\x06\x00",
    "structs": b"\x19\x2c\x15\x02\x00\x00",
}


def numbers(data: bytes) -> dict[tuple[int, int], int]:
    return Reader(data).numbers()


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_each_kind_is_passed_over(name: str) -> None:
    assert numbers(VALUES[name] + b"\x15\x0a\x00")[2, INT32] == 5
    for end in range(len(VALUES[name])):
        with pytest.raises(EOFError):
            numbers(VALUES[name][:end])


def test_numbers_are_cut_to_their_bits_as_thrift_cuts_them() -> None:
    assert numbers(b"\x15\x01\x16\x01\x00") == {(1, INT32): -1, (2, INT64): -1}
    assert numbers(b"\x15\x82\x80\x80\x80\x10\x00") == {(1, INT32): 1}  # 2^32 + 2, of which 32 bits are left
    assert numbers(b"\x05\x84\x80\x08\x02\x00") == {(2, INT32): 1}  # the field's number is 65,538
    assert numbers(b"\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00") == {(1, INT64): -(1 << 63)}
    with pytest.raises(ValueError, match="more than 64 bits"):
        numbers(b"\x15" + b"\x80" * 10 + b"\x00\x00")


def test_a_field_of_another_kind_is_another_field() -> None:
    assert numbers(b"\x15\x02\x06\x02\x04\x15\x06\x00") == {(1, INT32): 1, (1, INT64): 2, (2, INT32): 3}


def test_a_struct_ends_with_any_byte_of_kind_0() -> None:
    reader = Reader(b"\x15\x02\x10\x15\x04\x00")
    assert reader.numbers() == {(1, INT32): 1}
    assert reader.at == 3


def test_what_is_no_thrift_is_refused() -> None:
    for data, message in (
        (b"\x1d", "there is no kind 13"),
        (b"\x1c" * 80, "nested too deeply"),
        (b"\x18\xff\xff\xff\xff\x0f", "a negative count"),
    ):
        with pytest.raises(ValueError, match=message):
            numbers(data)


def test_structs_in_lists_are_counted() -> None:
    reader = Reader(b"\x19\x2c\x00\x00\x19\x1c\x00\x00")
    reader.numbers()
    assert reader.structs == 3


def test_texts_and_lists_are_read_by_hand() -> None:
    reader = Reader(b"\x18\x03abc\x19\x1c\x15\x02\x00\x00")
    fields = reader.fields()
    assert next(fields) == (1, TEXT)
    assert reader.length() == 3
    assert next(fields) == (2, LIST)
    assert [reader.numbers() for _ in reader.elements()] == [{(1, INT32): 1}]
    assert next(fields, None) is None
    assert STRUCT == 12
