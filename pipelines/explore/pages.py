"""The explorer's pages: what an answer, a document and two answers beside each other look like, as HTML.

Everything works by links and forms; `explore.js` lets limits be dragged over a histogram. What comes from a corpus is
escaped, its language and direction are said, and what is invisible in it is shown by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import jinja2

from pipelines import trace_ids
from pipelines.card import differences, rendering
from pipelines.card.differences import Row as DifferentRows
from pipelines.explore.catalogue import OutOfTimeError
from pipelines.explore.questions import ORDERS, UNKNOWN, Question
from pipelines.explore.runs import StepsOfRun
from pipelines.explore.search import BINS, BREAKDOWNS, PAGE, Asked, Bars, Counts, Explorer, Row, Values, row_in_part
from pipelines.stages import changes, losses
from pipelines.trace_ids import Found, Way

FOLDER: Final = Path(__file__).parent
READ: Final = 100_000  # characters of a text that a page has, unless all is asked for
COMPARED: Final = 200_000  # characters of two texts; of longer ones the place where the result begins is compared
FIELDS: Final[Mapping[str, str]] = {  # of a question, by the columns that an answer is broken down by
    "source": "source",
    "reason": "reason",
    "language": "language",
    "place": "place",
    "license": "license",
}
NAMES: Final[Mapping[str, str]] = {
    "source": "Sources",
    "reason": "Dropped, and why",
    "language": "Languages",
    "place": "Hosts, repositories, sites",
    "license": "Licences",
    "year": "Years",
}

T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """A stage of a document's way as a page shows it: `rows` are its texts side by side where they differ."""

    step: Any
    rows: Sequence[DifferentRows]


def environment() -> jinja2.Environment:
    """Return the environment of the explorer's templates, which is the card's."""
    found = rendering.environment()
    found.loader = jinja2.FileSystemLoader(FOLDER)
    found.globals |= {
        "UNKNOWN": UNKNOWN,
        "NAMES": NAMES,
        "ORDERS": ORDERS,
        "PAGE": PAGE,
        "BINS": BINS,
        "heights": bar_heights,
    }
    return found


class Pages:
    """Renders pages over one corpus, or two; `names` are theirs."""

    def __init__(self, explorers: Sequence[Explorer], names: Sequence[str]) -> None:
        self._explorers, self._names = explorers, names
        self._environment = environment()

    def _render(self, template: str, which: int, **values: Any) -> str:
        explorer = self._explorers[which]
        shared = {
            "name": self._names[which],
            "names": self._names,
            "which": which,
            "finished": bool(explorer.corpus.seal),
            "searched": explorer.index.words is not None,
            "seconds": explorer.seconds,
        }
        return self._environment.get_template(template).render(**shared, **values)

    def answer(self, which: int, question: Question, start: int) -> str:
        """Return the page of a question's answer; ValueError for one that cannot be asked."""
        explorer = self._explorers[which]
        asked = explorer.asked(question)
        counts = asked.counts()
        bars = [name for name in ("bytes", "year", question.score) if name]
        return self._render(
            "answer.html.j2",
            which,
            question=question,
            counts=counts,
            hints=[] if counts.documents else in_time(asked.hints) or [],
            rows=in_time(partial(asked.page, start)),
            start=start,
            values=[found for column in BREAKDOWNS if (found := in_time(partial(asked.breakdown, column)))],
            bars=[drawn for name in bars if (drawn := in_time(partial(asked.bars, name)))],
            scores=explorer.scores,
            sources=list(explorer.corpus.sources),
            narrowed=_narrowed(question),
        )

    def document(
        self, which: int, identifier: str, question: Question, *, whole: bool, replay: bool, steps: StepsOfRun | None
    ) -> str:
        """Return the page of a document; LookupError for an id that is not there."""
        explorer = self._explorers[which]
        row = explorer.by_id(identifier)
        if row is None:
            raise LookupError(f"{identifier}: neither a document nor a drop of this corpus has this id")
        found = Found(row.source, row.kept, explorer.path_of(row), row_in_part(row), explorer.values(row))
        way = trace_ids.way(explorer.corpus.corpus, found) if replay else None
        text = found.text or ""
        place = explorer.place_in_shards(row) if row.kept else None
        return self._render(
            "document.html.j2",
            which,
            question=question,
            row=row,
            title=found.values.get("title") or row.id,
            facts=list(trace_ids.facts(explorer.corpus.corpus, found)),
            text=text if whole else text[:READ],
            cut=0 if whole else max(0, len(text) - READ),
            no_text=found.text is None,
            copies=[(copy, explorer.by_id(copy[0])) for copy in explorer.copies(row.id)],
            went_as_copy=not row.kept and row.reason in losses.REASONS,
            place=place,
            way=way,
            stages=_stages(way) if way else (),
            steps=steps.of(row.source, place[2], place[3]) if steps and place and place[0] == "train" else None,
        )

    def differences(self, question: Question) -> str:
        """Return the page of a question put to both corpora: what is in one answer only, or is another in the other."""
        asked = [explorer.asked(question) for explorer in self._explorers]
        tables = [one.others() for one in asked]
        return self._render(
            "differences.html.j2",
            0,
            question=question,
            counts=[one.counts() for one in asked],
            only=[self._beside(asked, tables, which, "only") for which in (0, 1)],
            changed=self._beside(asked, tables, 0, "changed"),
        )

    def _beside(
        self, asked: Sequence[Asked], tables: Sequence[Any], which: int, how: str
    ) -> tuple[Counts, list[tuple[Row, Row | None]]]:
        """Return counts and rows, each with what became of it in the other corpus."""
        counts, rows = asked[which].beside(tables[1 - which], how)
        other = self._explorers[1 - which]
        return counts, [(row, other.by_id(row.id)) for row in asked[which].shown(rows)]

    def refused(self, message: str) -> str:
        """Return the page that says why a question has no answer."""
        return self._render("refused.html.j2", 0, question=Question(), message=message)


def in_time(answer: Callable[[], T]) -> T | None:
    """Return an answer, None if its time is over."""
    try:
        return answer()
    except OutOfTimeError:
        return None


def _narrowed(question: Question) -> Callable[[Values, str | None], str]:
    """Return what makes the link of a value of a breakdown: the question with it."""

    def link(values: Values, value: str | None) -> str:
        if values.column == "year":
            return question.also(year_from=float(value), year_to=float(value)).link() if value else ""
        if values.column == "reason" and value is None:
            return question.also(state="kept").link()
        alone = "=" if values.column == "place" and value is not None else ""  # as its row counts
        return question.also(**{FIELDS[values.column]: UNKNOWN if value is None else f"{alone}{value}"}).link()

    return link


def _stages(way: Way) -> list[Stage]:
    return [Stage(step, _different(step.before, step.after)) for step in way.steps]


def _different(before: str, after: str | None) -> list[DifferentRows]:
    if after is None or before == after:
        return []
    whole = len(before) + len(after)
    if whole <= COMPARED:
        return differences.side_by_side(before, after, whole + 1)
    return differences.side_by_side(*changes.excerpts(before, after), changes.CHARACTERS)


def bar_heights(bars: Bars) -> list[float]:
    """Return the heights of a histogram's bars, from 0 to 1; one that holds a document can be seen."""
    most = max(bars.counts, default=0) or 1
    return [max(count / most, 0.02) if count else 0.0 for count in bars.counts]
