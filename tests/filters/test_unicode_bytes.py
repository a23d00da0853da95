"""Byte order marks, UTF-16 by its NULs, and names of encodings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import unicode_bytes

LATIN = "The snow lay in the valley, caf\u00e9 and all.\n" * 3


@pytest.mark.parametrize("encoding", [encoding for _, encoding in unicode_bytes.MARKS])
def test_a_mark_tells_the_encoding(encoding: str) -> None:
    data = f"\ufeff{LATIN}".encode(encoding)
    found = unicode_bytes.by_mark(data)
    assert found is not None
    assert data[found[1] :].decode(found[0]) == LATIN
    assert unicode_bytes.by_mark(data[found[1] :]) is None


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        (LATIN, "utf-16-le", "utf-16-le"),
        (LATIN, "utf-16-be", "utf-16-be"),
        (f"{LATIN}\u043c\u0435\u0440\u0430", "utf-16-le", "utf-16-le"),
        ("ab", "utf-16-be", "utf-16-be"),
        (LATIN, "utf-8", None),
        (LATIN, "utf-32-le", None),
        (LATIN, "utf-32-be", None),
        ("\u0441\u043d\u0435\u0433" * 20, "utf-16-le", None),
        ("\0" * 40, "utf-8", None),
        ("", "utf-8", None),
    ],
)
def test_nuls_tell_utf_16_of_latin_text(text: str, encoding: str, told: str | None) -> None:
    assert unicode_bytes.utf_16_by_nuls(text.encode(encoding)) == told


@given(st.binary(max_size=200))
def test_what_is_told_can_be_decoded(data: bytes) -> None:
    told = unicode_bytes.by_mark(data) or (unicode_bytes.utf_16_by_nuls(data) or "utf-8", 0)
    assert isinstance(data[told[1] :].decode(told[0], "replace"), str)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("latin-1", "iso8859-1"),
        ("KOI8_R", "koi8-r"),
        ("gb2312", "gb2312"),
        ("rot13", ""),
        ("base64", ""),
        ("punycode", ""),
        ("none such", ""),
        ("a\0b", ""),
        ("", ""),
    ],
)
def test_names_of_encodings(name: str, found: str) -> None:
    assert unicode_bytes.codec(name) == found
