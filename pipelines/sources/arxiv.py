"""arXiv: monthly source tars to papers, in one pass: main files, comments, preamble, bibliography, macros.

tar of submissions ─ papers ─> documents
"""

from __future__ import annotations

import pyarrow as pa

from filters.latex import cleaner, project, published
from pipelines.document import Document, Drop
from pipelines.files.tables import columns
from pipelines.readers import arxiv
from pipelines.readers.arxiv import Submission
from pipelines.recipes import Papers, Recipe
from pipelines.stages.kinds import Context, Map
from pipelines.stages.source import Breakdown, Shown, Source


def clean(submission: Submission, context: Context[Papers]) -> Document | Drop:
    """Find the main files, put their inputs together, and clean the whole; in `published` mode clean file by file."""
    if context.recipe.mode == "published":
        return _published(submission)
    found = [source for _, source in project.papers(project.sources(submission.files))]
    raw = _document(submission, "\n".join(found))
    if not found:
        return raw.drop(cleaner.Reason.NO_MAIN_FILE)
    cleaned = cleaner.merged([cleaner.clean(source) for source in found])
    return _finished(raw, cleaned, cleaner.check(cleaned))


def _published(submission: Submission) -> Document | Drop:
    texts = published.decode(submission.files)
    raw = _document(submission, "\n".join(texts or ()))
    if texts is None:
        return raw.drop(cleaner.Reason.NOT_UTF_8)
    cleaned = cleaner.published(texts)
    reason = cleaner.check(cleaned)
    # RedPajama keeps what is nothing but headings.
    return _finished(raw, cleaned, None if reason is cleaner.Reason.EMPTY else reason)


def _finished(raw: Document, cleaned: cleaner.Cleaned, reason: cleaner.Reason | None) -> Document | Drop:
    if reason:
        return raw.drop(reason)
    return raw.with_text(cleaned.text).with_attributes(
        macros_defined=cleaned.macros_defined,
        macros_expanded=cleaned.macros_expanded,
        macros_left=list(cleaned.macros_left),
        macro_uses=cleaned.uses,
    )


def statistics(paper: Document) -> dict[str, int]:
    """Return what to add up over all papers: their macros defined, expanded, and left in the text."""
    found = paper.attributes
    left = len(found["macros_left"])
    return {
        "macros_defined": found["macros_defined"],
        "macros_expanded": found["macros_expanded"],
        "macros_left": left,
        "macro_uses": found["macro_uses"],
        "papers_with_macros_left": int(left > 0),
    }


def raw_text(submission: Submission) -> str:
    """Return the submission's LaTeX, the main files with their inputs."""
    return "\n".join(source for _, source in project.papers(project.sources(submission.files)))


def _document(submission: Submission, text: str) -> Document:
    return Document(
        id=submission.id,
        source="arxiv",
        text=text,
        dump=submission.dump,
        offset=submission.offset,
        url=arxiv.address(submission.arxiv_id),
        title=submission.arxiv_id,
        timestamp=submission.month,
    )


def attributes(name: str) -> dict[str, str]:
    """Return the month that a tar's name tells, if it does."""
    month = arxiv.month_of(name)
    return {"month": month} if month else {}


def papers_part(recipe: Recipe) -> Papers:
    """Return what `papers` reads of a recipe."""
    return recipe.arxiv.papers


COLUMNS = columns(
    macros_defined=pa.int32(),
    macros_expanded=pa.int32(),
    macros_left=pa.list_(pa.string()),
    macro_uses=pa.int32(),
)

SOURCE = Source(
    name="arxiv",
    read=arxiv.read,
    look=arxiv.look,
    stages=(Map("papers", clean, papers_part, raw=raw_text, statistics=statistics, columns=COLUMNS, version=9),),
    attributes=attributes,
    attribute_names=("month", "arxiv_id"),
    title="ArXiv",
    shown=Shown(
        breakdowns=(
            Breakdown("Years of papers", "year", "year"),
            Breakdown("Licences", "licence", "license"),
        ),
    ),
)
