"""The browser that looks at pages is the card's."""

from tests.pipelines.card.conftest import axe, browser

__all__ = ["axe", "browser"]
