"""What one task of a wave does: some items of a plan one after the other, or the pointers of some runs by bucket.

    runs   ─ piece ─> work/plan/PLAN-NUMBER.pointers, by bucket     a piece for each chunk of runs
    items  ─ piece ─> their files                                   a bucket's item reads its part of each such file

A piece is small and says where in the plan its rows are. It is done wherever the plan can be read; what our own code
raises there comes back as a value, so that no engine takes it for an accident of a machine and tries again.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from pipelines.files.fence import fenced
from pipelines.runners import plans, pointers, workplace
from pipelines.runners.plans import Chunk, Plan
from pipelines.runners.pointers import Pointer
from pipelines.runners.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Piece:
    """One task: rows [first, last) of the plan's items, or the chunk of runs `number`, if it splits runs.

    `name` is what people see, `of` the file that its only item is made of; `chunks` are those that the rows lie in;
    `memory` is what it is known to need, in bytes, and `weight` how much work it is, in the unit of its job's weights.
    """

    number: int
    name: str
    header: Chunk
    made_by: str
    chunks: tuple[Chunk, ...]
    first: int = 0
    last: int = 0
    splits: bool = False
    of: str = ""
    memory: int = 0
    weight: float = 1.0

    @property
    def what(self) -> str:
        """What an error calls it."""
        return called(self.name, self.of)


def called(name: str, of: str) -> str:
    """Return an item's name with the file that it is made of, if that is known."""
    return f"{name} ({of})" if of else name


def file_of(element: Any) -> str:
    """Return the path of what an item reads first, "" if it says none."""
    parts = getattr(getattr(element, "item", None), "parts", ())
    return str(parts[0].path) if parts else ""


@dataclass(frozen=True)
class Outcome:
    """How a piece ended: what it counted, and of a split how many records each bucket gets.

    `error` is what our own code raised at `item`, "" if nothing; `trace` is its traceback.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    records: Mapping[int, int] = field(default_factory=dict)
    item: str = ""
    error: str = ""
    trace: str = ""


def do(piece: Piece, begin: Callable[[str], None] = lambda item: None) -> Outcome:
    """Do a piece, calling `begin` with the name of each item; what an item raises ends the piece and is its outcome."""
    at = [piece.name]
    try:
        place = workplace.workplace(piece.header, piece.made_by)
        if piece.splits:
            return Outcome(records=_split(place, piece))
        counts: Counter[str] = Counter()
        for key, packed in _rows(piece):
            at[0] = key.decode()
            task = place.task(packed)
            at[0] = called(at[0], file_of(task.element))
            begin(at[0])
            found = list(_pointers(piece, task))
            with place.turn() as facts:
                done = task.run(found)
            counts.update(workplace.counted(facts, done=done))
        return Outcome(counts=dict(counts))
    except Exception as error:
        kind = "" if isinstance(error, RuntimeError) else f"{type(error).__name__}: "
        return Outcome(item=at[0], error=f"{kind}{error}", trace=traceback.format_exc())


def _split(place: Workplace, piece: Piece) -> dict[int, int]:
    (chunk,) = piece.chunks
    path = plans.beside(chunk.path, piece.number, "pointers")
    with fenced(place.fence):
        return pointers.write(path, ((bucket, pointer) for _, bucket, pointer in place.split(chunk)))


def _rows(piece: Piece) -> Iterator[tuple[bytes, bytes]]:
    rows = chain.from_iterable(workplace.packed_items(chunk) for chunk in piece.chunks)
    start = piece.first - piece.first % plans.CHUNK
    for number, row in enumerate(rows, start):
        if piece.first <= number < piece.last:
            yield row


def _pointers(piece: Piece, task: workplace.Task) -> Iterator[Pointer]:
    if task.runs is None:
        return
    for number in task.runs:
        yield from pointers.read(plans.beside(piece.header.path, number, "pointers"), task.element)


def split_pieces(plan: Plan, label: str, span: range) -> Iterator[Piece]:
    """Yield the pieces that split the runs of one shuffle."""
    for number in span:
        name = f"{label}, runs#{number:08d}"
        yield Piece(number, name, plan.header, plan.made_by, (plan.runs[number],), splits=True)


def item_piece(plan: Plan, number: int, first: int, last: int, name: str, **facts: Any) -> Piece:
    """Return the piece of rows [first, last); `facts` are other fields of it."""
    chunks = plan.items[first // plans.CHUNK : -(-last // plans.CHUNK)]
    return Piece(number, name, plan.header, plan.made_by, chunks, first, last, **facts)
