"""Pointers in files: each bucket's come back, whatever the order in which they were found, and nothing else goes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.files.runs import Slice
from pipelines.runners import pointers
from pipelines.runners.pointers import Pointer

NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
SLICES = st.builds(
    Slice, item=NUMBERS, path=st.text(max_size=50), start=NUMBERS, count=st.integers(0, 1 << 40), group=st.booleans()
)
FOUND = st.lists(st.tuples(st.integers(0, 5), SLICES | NUMBERS), max_size=30)


@given(found=FOUND)
def test_each_bucket_has_its_pointers(
    found: list[tuple[int, Pointer]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = str(tmp_path_factory.mktemp("pointers") / "a")
    records = pointers.write(path, found)
    for bucket in range(-1, 7):
        wanted = [pointer for other, pointer in found if other == bucket]
        assert list(pointers.read(path, bucket)) == wanted
        assert records.get(bucket, 0) == sum(one.count for one in wanted if isinstance(one, Slice))


@pytest.mark.parametrize(("pointer", "said"), [("a line", "not str"), (b"bytes", "not bytes"), (1.5, "not float")])
def test_only_pointers_go_in(tmp_path: Path, pointer: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        pointers.write(f"{tmp_path}/a", [(0, 1), (1, pointer)])
    assert not (tmp_path / "a").exists()
    with pytest.raises(TypeError, match="is not a path"):
        pointers.packed(Slice(0, "text " * 1_000, 0, 0))
