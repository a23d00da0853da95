"""Document and Drop: the two things that travel from a dump to the shards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

EXCERPT_CHARACTERS = 300
VALUE, LIMIT = "value", "limit"  # the scores that drops of every source may have
READ = "read"  # the stage of drops by a reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One text with its provenance, so that every token of a batch can be traced to its raw record.

    `id` is stable: it is made of the source, the dump (by content, never by file name) and the record. `dump` is the
    digest that the source's manifest maps to a file name, `offset` the position of the raw record in that file (bytes
    into the decompressed or compressed stream, or an index, as the reader's docstring says). `timestamp` is a time's
    text as `pipelines.timestamps` has it. `attributes` holds what only one source knows (language score, perplexity,
    site, path ...): the stage that adds one names its column and type (`pipelines.stages.kinds.Map.columns`).
    """

    id: str
    source: str
    text: str
    dump: str
    offset: int
    url: str | None = None
    title: str | None = None
    license: str | None = None
    language: str | None = None
    timestamp: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def with_text(self, text: str) -> Self:
        """Return this document with another text."""
        return self._with(text, self.language, self.attributes)

    def with_attributes(self, **attributes: Any) -> Self:
        """Return this document with some attributes added or replaced; None stands for one that is not known."""
        return self._with(self.text, self.language, {**self.attributes, **attributes})

    def in_language(self, language: str) -> Self:
        """Return this document with its language."""
        return self._with(self.text, language, self.attributes)

    def _with(self, text: str, language: str | None, attributes: Mapping[str, Any]) -> Self:
        # dataclasses.replace looks up every field, which shows where each page is changed several times.
        return type(self)(
            id=self.id,
            source=self.source,
            text=text,
            dump=self.dump,
            offset=self.offset,
            url=self.url,
            title=self.title,
            license=self.license,
            language=language,
            timestamp=self.timestamp,
            attributes=attributes,
        )

    def drop(self, reason: str, *, detail: str | None = None, **scores: float) -> Drop:
        """Return the drop that takes this document's place: why it left, what was measured."""
        return Drop(
            id=self.id,
            source=self.source,
            stage="",
            reason=reason,
            excerpt=self.text[:EXCERPT_CHARACTERS],
            size=len(self.text.encode(errors="replace")),
            scores=scores,
            url=self.url,
            title=self.title and self.title[:EXCERPT_CHARACTERS],
            language=self.language,
            timestamp=self.timestamp,
            license=self.license,
            detail=detail[:EXCERPT_CHARACTERS] if detail else None,
        )

    def unread(self, reason: str) -> Drop:
        """Return the drop of a record that the reader does not take."""
        return replace(self.drop(reason), stage=READ)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """One document that left the chain: its id, the stage and the typed reason; `size` is in UTF-8 bytes.

    A step leaves `stage` empty: the stage's own name is filled in when the step is run.

    What decided is said the same way for every reason. Where a number decides, `scores` have it as `value`, and as
    `limit` what it was compared with: a value under its limit was too small, one over it too large. Where a text
    decides, `detail` is that text, to 300 characters: a word, a licence, a language, a namespace, where a redirect
    leads. A reason that says all by itself has neither.

    Scores with names of their own, which the stage lists (`pipelines.stages.kinds.Map.scores`), are what else was
    measured of it that its text alone does not tell (a probability, a perplexity); one that decided stands under both
    names. URL, title, language, time and licence are the document's, as far as they were known when it left.
    """

    id: str
    source: str
    stage: str
    reason: str
    excerpt: str
    size: int
    scores: Mapping[str, float] = field(default_factory=dict)
    url: str | None = None
    title: str | None = None
    language: str | None = None
    timestamp: str | None = None
    license: str | None = None
    detail: str | None = None
