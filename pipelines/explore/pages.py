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
from pipelines.card import differences, overview, rendering, shapes
from pipelines.card.differences import Row as DifferentRows
from pipelines.explore import compare, hints, histograms, words
from pipelines.explore.catalogue import OutOfTimeError
from pipelines.explore.compare import LISTS, SECOND, Change, Differing
from pipelines.explore.explain import Explanations
from pipelines.explore.histograms import BINS, Bars
from pipelines.explore.questions import LONGEST, ORDERS, STATES, UNKNOWN, Question, plain_address
from pipelines.explore.recent import Recent
from pipelines.explore.runs import StepsOfRun
from pipelines.explore.search import BREAKDOWNS, HALF, LOOKING, PAGE, Asked, Explorer, Row, row_in_part
from pipelines.stages import changes, losses
from pipelines.trace_ids import Found, Way

FOLDER: Final = Path(__file__).parent
READ: Final = 100_000  # characters of a text that a page has, unless all is asked for
COMPARED: Final = 200_000  # characters of two texts; of longer ones the place where the result begins is compared
DUPLICATE_ADDRESS: Final = "duplicate_url"  # the reason of C4's pages
VALUES: Final = 100  # on a page of them
REMEMBERED: Final = 2  # questions of which what differs is kept for the next page
SEEN: Final = ("kept", "dropped", "row")  # facts that stand elsewhere, or say only where a row lies
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
        "VALUES": VALUES,
        "BINS": BINS,
        "STATES": STATES,
        "heights": bar_heights,
        "against": against,
        "narrowed": narrowed,
        "apart": apart,
        "trace_of": overview.trace_of,
        "SEEN": SEEN,
    }
    return found


class Pages:
    """Renders pages over one corpus, or two; `names` are theirs."""

    def __init__(self, explorers: Sequence[Explorer], names: Sequence[str]) -> None:
        self._explorers, self._names = explorers, names
        self._explained = [Explanations(explorer) for explorer in explorers]
        self._environment = environment()
        self._differing: Recent[Question, Differing] = Recent(REMEMBERED)

    def _render(self, template: str, which: int, **values: Any) -> str:
        explorer = self._explorers[which]
        shared = {
            "name": self._names[which],
            "names": self._names,
            "which": which,
            "finished": bool(explorer.corpus.seal),
            "searched": explorer.index.words is not None,
            "seconds": explorer.seconds,
            "scores": explorer.given,
            "explained": self._explained[which].all,
            "other": 1 - which,
            "sources": list(explorer.corpus.sources),
            "row": None,
            "twin": None,
        }
        return self._environment.get_template(template).render(shared | values)

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
            read=words.asked(question.words),
            hints=in_time(partial(hints.of, asked, counts.documents)) or [],
            rows=in_time(partial(asked.page, start)),
            start=start,
            score=self._explained[which].of(question.score),
            values=[found for column in BREAKDOWNS if (found := in_time(partial(asked.breakdown, column)))],
            bars=[drawn for name in bars if (drawn := in_time(partial(histograms.of, asked, name)))],
        )

    def values(self, which: int, question: Question, column: str, start: int) -> str:
        """Return a page of all values of a column that an answer is made up of."""
        if column not in BREAKDOWNS:
            raise ValueError(f"column: {column!r}; {', '.join(BREAKDOWNS)} is expected")
        asked = self._explorers[which].asked(question)
        values = asked.breakdown(column, start, VALUES)
        return self._render("values.html.j2", which, question=question, values=values, start=start, exact=asked.exact)

    def document(
        self,
        which: int,
        identifier: str,
        question: Question,
        *,
        whole: bool,
        replay: bool,
        steps: StepsOfRun | None,
        seed: int,
    ) -> str:
        """Return the page of a document; LookupError for an id that is not there. It was drawn by `seed`, if any."""
        explorer = self._explorers[which]
        row, found = self._found(which, identifier)
        others = self._explorers[1 - which : 2 - which] if len(self._explorers) > 1 else []
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
            alike=_alike(row),
            meant={name: self._explained[which].in_short(name, row.source) for name in found.values},
            seed=seed,
            run=steps.run if steps else "",
            text=text if whole else text[:READ],
            cut=0 if whole else max(0, len(text) - READ),
            no_text=found.text is None,
            copies=[(copy, explorer.by_id(copy[0])) for copy in explorer.copies(row.id)],
            stay=explorer.with_its_address(row) if row.url and row.reason == DUPLICATE_ADDRESS else [],
            went_as_copy=not row.kept and row.reason in losses.REASONS,
            twin=others[0].twins([row]).get(row.id) if others else None,
            place=place,
            way=way,
            stages=_stages(way) if way else (),
            steps=steps.of(row.source, place[2], place[3]) if steps and place and place[0] == "train" else None,
        )

    def differences(self, question: Question, only: str, fates: tuple[str, str], start: int) -> str:
        """Return the page of a question put to both corpora: what is in one answer only, or is another in the other.

        `only` is one of LISTS, of which the rows from `start` on are listed, narrowed to some fates if any are given;
        "" for the beginning of each.
        """
        if only not in ("", *LISTS):
            raise ValueError(f"list: {only!r}; {', '.join(LISTS)} is expected")
        asked = [
            explorer.asked(question, share) for explorer, share in zip(self._explorers, (HALF, LOOKING), strict=True)
        ]
        found = self._what_differs(question, asked)
        lists = {}
        for name in [only] if only else LISTS:
            shown = in_time(partial(compare.listed, asked, found, name, fates, start))
            lists[name] = (1 if name == SECOND else 0, shown)
        return self._render(
            "differences.html.j2",
            0,
            question=question,
            counts=[one.counts() for one in asked],
            sources=_beside([values.rows for one in asked if (values := in_time(partial(one.breakdown, "source")))]),
            compared=found.names,
            exact=found.exact,
            open=found.open,
            lists=lists,
            fates=fates,
            start=start,
        )

    def _what_differs(self, question: Question, asked: Sequence[Asked]) -> Differing:
        """Return what differs between two answers, as it was found before if it was."""
        question = question.without("order")
        known = self._differing.get(question)
        if known is None:
            known = compare.differing(asked)
            if known.exact:
                self._differing.keep(question, known)
        return known

    def compared(self, which: int, identifier: str, question: Question) -> str:
        """Return the page of a document in both corpora, with what differs between its texts."""
        pair = [self._found(which, identifier)]
        twin = self._explorers[1 - which].twins([pair[0][0]]).get(identifier)
        if twin is None:
            raise LookupError(f"{identifier}: {self._names[1 - which]} has neither this id nor its address")
        pair.append(self._found(1 - which, twin.id))
        pair = pair[::-1] if which else pair
        texts = [found.text for _, found in pair]
        return self._render(
            "compared.html.j2",
            which,
            question=question,
            rows=[row for row, _ in pair],
            facts=_facts(
                [
                    dict(trace_ids.facts(one.corpus.corpus, found))
                    for one, (_, found) in zip(self._explorers, pair, strict=True)
                ]
            ),
            texts=texts,
            different=_both(pair),
        )

    def _found(self, which: int, identifier: str) -> tuple[Row, Found]:
        """Return a row and all that the corpus has of it; LookupError for an id that is not there."""
        explorer = self._explorers[which]
        row = explorer.by_id(identifier)
        if row is None and not identifier:
            raise LookupError("id: none is given")
        if row is None:
            raise LookupError(f"{identifier}: neither a document nor a drop of this corpus has this id")
        return row, Found(row.source, row.kept, explorer.path_of(row), row_in_part(row), explorer.values(row))

    def refused(self, message: str, question: Question, which: int) -> str:
        """Return the page that says why a question has no answer, with its form to be put right."""
        return self._render("refused.html.j2", which, question=question, message=message)


def _beside(both: Sequence[Sequence[tuple[str | None, int, int]]]) -> list[tuple[str, Sequence[tuple[int, int]]]]:
    """Return (source, documents and bytes in each of two corpora) of what each is made up of."""
    sums = [{str(source): (documents, size) for source, documents, size in one} for one in both]
    names = dict.fromkeys(source for one in sums for source in one)
    return [(source, [one.get(source, (0, 0)) for one in sums]) for source in names] if len(sums) > 1 else []


def _alike(row: Row) -> dict[str, Question]:
    """Return, by the names of a document's facts, the questions for those that are like it in one."""
    values = {"license": row.license, "language": row.language}
    found = {name: Question().also(**{name: value}) for name, value in values.items() if value}
    if title := words.Asked(row.title or "", there=True).words:
        found["title"] = Question(title=f'"{" ".join(title)}"')
    if row.url:
        found["url"] = Question(address=plain_address(row.url))
    if row.place:
        found |= dict.fromkeys(("repository", "site"), Question(place=f"={row.place}"))
    return {name: one for name, one in found.items() if all(len(text) <= LONGEST for _, text in one.asked())}


def _facts(both: Sequence[Mapping[str, str]]) -> list[tuple[str, str, str]]:
    """Return what two corpora say of a document, side by side: name and both values, "" where one says nothing."""
    names = list(dict.fromkeys(name for one in both for name in one))
    return [(name, both[0].get(name, ""), both[1].get(name, "")) for name in names]


def in_time(answer: Callable[[], T]) -> T | None:
    """Return an answer, None if its time is over."""
    try:
        return answer()
    except OutOfTimeError:
        return None


def narrowed(question: Question, column: str, value: str | None) -> Question:
    """Return a question with a value of one of its breakdowns, None for what has none."""
    if column == "year":
        return question.without("year_from", "year_to").also(year=UNKNOWN if value is None else value)
    if column == "reason" and value is None:
        return question.also(state="kept")
    alone = "=" if column == "place" and value is not None else ""  # as its row counts
    return question.also(**{column: UNKNOWN if value is None else f"{alone}{value}"})


def apart(change: Change) -> list[str]:
    """Return both values of what differs in words, numbers with as many digits as tell them apart."""
    values = [change.here, change.there]
    numbers = [value for value in values if isinstance(value, int | float)]
    digits = 15 if len({f"{value:.15g}" for value in numbers}) == len(numbers) else 17
    return [
        "none" if value is None else f"{value:.{digits}g}" if isinstance(value, int | float) else value
        for value in values
    ]


def against(value: float, limit: float) -> str:
    """Return a number that decided and its limit, with as many digits as tell them apart."""
    shown = shapes.apart([value, limit])
    return f"{shown(value)} against a limit of {shown(limit)}"


def _stages(way: Way) -> list[Stage]:
    return [Stage(step, _different(step.before, step.after)) for step in way.steps]


def _both(pair: Sequence[tuple[Row, Found]]) -> list[DifferentRows]:
    """Return the differences of the texts of two rows, as far as an excerpt that is cut goes."""
    texts = [found.text for _, found in pair]
    if None in texts:
        return []
    cut = [
        len(text) for text, (row, _) in zip(texts, pair, strict=True) if text and len(text.encode()) < (row.bytes or 0)
    ]
    if not cut:
        return _different(*texts)
    before, after = ((text or "")[: min(cut)] for text in texts)
    return differences.side_by_side(before, after, min(cut)) if before != after else []


def _different(before: str | None, after: str | None) -> list[DifferentRows]:
    if before is None or after is None or before == after:
        return []
    whole = len(before) + len(after)
    if whole <= COMPARED:
        return differences.side_by_side(before, after, whole + 1)
    return differences.side_by_side(*changes.excerpts(before, after), changes.CHARACTERS)


def bar_heights(bars: Bars) -> list[float]:
    """Return the heights of a histogram's bars, from 0 to 1; one that holds a document can be seen."""
    most = max(bars.counts, default=0) or 1
    return [max(count / most, 0.02) if count else 0.0 for count in bars.counts]
