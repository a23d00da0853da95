"""The rule that a text breaks, with what decided: a number and its limit, or a text."""

from __future__ import annotations


class Broken(str):
    """The rule that a text breaks, by its name: it is equal to that name.

    `value` is what was measured and `limit` what it was compared with, None where no number decides; `detail` is the
    text that decided (a word, a licence, a language), None where none does.
    """

    __slots__ = ("detail", "limit", "value")

    value: float | None
    limit: float | None
    detail: str | None

    def __new__(
        cls, reason: str, value: float | None = None, limit: float | None = None, *, detail: str | None = None
    ) -> Broken:
        """Return the name with its measure and limit, both or neither."""
        assert (value is None) == (limit is None)
        found = super().__new__(cls, reason)
        found.value = None if value is None else float(value)
        found.limit = None if limit is None else float(limit)
        found.detail = detail
        return found

    @property
    def scores(self) -> dict[str, float]:
        """What was measured, by the names of the columns of drops; empty where no number decides."""
        return {} if self.value is None or self.limit is None else {"value": self.value, "limit": self.limit}
