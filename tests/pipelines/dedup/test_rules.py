"""The rules of exact and line deduplication against dictionaries, in any order."""

from collections import Counter, defaultdict

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from pipelines.dedup import exact, lines
from pipelines.files import runs

ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
    max_size=40,
    unique_by=lambda row: row[:1] + row[2:],
)


def arrays(rows: list[tuple[int, int, int, int, int]]) -> tuple[runs.Records, npt.NDArray[np.uint32]]:
    records = np.zeros(len(rows), runs.RANKED_KEY)
    for name, column in zip(("hash", "rank", "doc", "line"), (0, 1, 3, 4), strict=True):
        records[name] = [row[column] for row in rows]
    return records, np.array([row[2] for row in rows], np.uint32)


@given(ROWS)
def test_the_owner_is_the_smallest_and_only_it_stays(rows: list[tuple[int, int, int, int, int]]) -> None:
    groups = defaultdict(list)
    for row in rows:
        groups[row[0]].append(row[1:])
    kept = {(key, *min(group)) for key, group in groups.items()}
    marked = exact.not_owner(*arrays(rows), 99)
    assert {row for row, mark in zip(rows, marked.tolist(), strict=True) if not mark} == kept


@given(ROWS)
def test_seen_twice_marks_every_occurrence(rows: list[tuple[int, int, int, int, int]]) -> None:
    hashes = [row[0] for row in rows]
    marked = lines.seen_twice(*arrays(rows), 99)
    assert marked.tolist() == [hashes.count(key) > 1 for key in hashes]


@given(ROWS, st.integers(0, 4))
def test_the_join_marks_what_the_other_source_has(rows: list[tuple[int, int, int, int, int]], own: int) -> None:
    others = {row[0] for row in rows if row[2] >= own}
    marked = exact.in_other_source(*arrays(rows), own)
    assert marked.tolist() == [row[2] < own and row[0] in others for row in rows]


@given(st.lists(st.text("aé\ud800 ", max_size=4), min_size=1, max_size=6), st.data())
def test_lines_and_bytes_are_counted(found: list[str], data: st.DataObject) -> None:
    gone = sorted(data.draw(st.sets(st.integers(0, len(found) - 1))))
    counts: Counter[str] = Counter()
    text = "\n".join(found)
    assert lines.without(text, np.array(gone, np.uint32), counts) == (
        "\n".join(line for number, line in enumerate(found) if number not in gone) if len(gone) < len(found) else None
    )
    assert lines.without(text, np.empty(0, np.uint32), counts) == text

    def size(numbers: list[int]) -> int:
        return len("".join(f"{found[number]}\n" for number in numbers).encode(errors="replace"))

    assert counts["lines"] == 2 * len(found)
    assert counts["bytes"] == 2 * size(list(range(len(found))))
    assert (counts["lines_removed"], counts["bytes_removed"]) == (len(gone), size(gone))
