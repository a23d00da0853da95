"""The browser that looks at pages, skipped where there is none; with $BROWSER_TESTS=1 a missing one is a failure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.pipelines.card import browser as looking

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def _missing(error: looking.MissingError) -> NoReturn:
    reason = f"nothing to look at pages with: {error}"
    if os.environ.get("BROWSER_TESTS"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    try:
        with looking.launched() as launched:
            yield launched
    except looking.MissingError as error:
        _missing(error)


@pytest.fixture(scope="package")
def axe() -> str:
    try:
        return looking.axe_script()
    except looking.MissingError as error:
        _missing(error)
