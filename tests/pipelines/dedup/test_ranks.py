"""Which copy stays: ranks order documents by their criteria, then by hash, in any order of finding."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.dedup import pairs, ranks
from pipelines.document import Document
from pipelines.hashing import keyed
from pipelines.optional import filters
from pipelines.recipe_parts import Filters
from pipelines.recipes import GitHubFiles
from pipelines.sources import github
from pipelines.stages.kinds import Context

WIDTHS = (2, 3, 15)
VALUES = st.tuples(*(st.integers(0, (1 << width) - 1) for width in WIDTHS))
DOCUMENT = Document(id="a", source="github", text="x = 1\n", dump="d", offset=0)
TIMES = (None, "1950", "1999-12-31", "2012", "2012-02", "2012-02-03T04:05:06Z", "2058", "3000-01-01", "no time")
DOCUMENTS = st.builds(
    replace,
    st.just(DOCUMENT),
    id=st.text("abc", min_size=1, max_size=3),
    url=st.sampled_from((None, "", "http://a.org")),
    license=st.sampled_from((None, "mit")),
    timestamp=st.sampled_from(TIMES),
    attributes=st.fixed_dictionaries({"path": st.sampled_from(("a.py", "vendor/a.py", "dist/a.py", 5))}),
)


@given(VALUES, VALUES, st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1), st.sampled_from((32, 64)))
def test_criteria_count_in_their_order_and_then_the_hash(
    one: tuple[int, ...], other: tuple[int, ...], a: int, b: int, bits: int
) -> None:
    first, second = (
        ranks.packed(zip(values, WIDTHS, strict=True), hashed, bits) for values, hashed in ((one, a), (other, b))
    )
    left = bits - sum(WIDTHS)
    assert 0 <= first < 1 << bits
    assert (first < second) == ((one, a >> 64 - left) < (other, b >> 64 - left))


def test_what_is_too_large_counts_as_the_largest() -> None:
    assert ranks.packed([(9, 2), (-1, 3)], 0) == ranks.packed([(3, 2), (0, 3)], 0)
    with pytest.raises(ValueError, match="criteria take 32 of 32 bits"):
        ranks.packed([(0, 30), (0, 2)], 0, 32)


@given(st.lists(DOCUMENTS, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_one_stays_whatever_the_order(documents: list[Document], order: random.Random) -> None:
    def rank(document: Document) -> tuple[int, str]:
        return pairs.rank(document, 7), document.id

    best = min(documents, key=rank)
    order.shuffle(documents)
    assert rank(min(documents, key=rank)) == rank(best)


def test_more_shingles_count_before_anything_else() -> None:
    poor = replace(DOCUMENT, attributes={"path": "vendor/a.py"})
    rich = replace(DOCUMENT, url="http://a.org", title="A", license="mit", timestamp="2020", attributes={})
    assert pairs.rank(poor, 8) < pairs.rank(rich, 7)
    assert pairs.rank(rich, 7) < pairs.rank(poor, 7)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"timestamp": "2020-02-03"}, {"timestamp": "2020-02-02"}),
        ({"timestamp": "1950"}, {"timestamp": None}),
        ({"url": "http://a.org", "license": "mit"}, {"timestamp": "2020", "url": ""}),
        ({"attributes": {"path": "a.py"}}, {"url": "http://a.org", "attributes": {"path": "vendor/a.py"}}),
        ({"attributes": {"author": "A", "number": 5}}, {"attributes": {"author": "A"}}),
        ({"attributes": {"release": "v2.1"}}, {"attributes": {"release": "v2.0.9"}}),
        ({"attributes": {"release": "a-1.10"}}, {"attributes": {"release": "a-1.9", "path": "b-3.0/c.py"}}),
        ({"attributes": {"release": "main"}}, {"attributes": {"release": "v9.0"}}),
        ({"attributes": {"release": "a/v9.1"}}, {"attributes": {"release": "v9.0"}}),
        ({"attributes": {"release": "main"}}, {"attributes": {"release": "a/v9.1"}}),
        ({"attributes": {"release": "v0.1"}}, {"attributes": {"path": "a.py"}}),
        ({"attributes": {"path": "b-3.1/c.py"}}, {"attributes": {"path": "b-3.0/c.py"}}),
        ({"timestamp": "1971"}, {"attributes": {"release": "main"}}),
        ({"url": "http://a.org/1_81_0/b", "timestamp": "2020"}, {"url": "http://a.org/1_74_0/b", "timestamp": "2021"}),
        ({"url": "http://a.org/en/5.1/b", "timestamp": "2020"}, {"url": "http://a.org/en/4.2/b", "timestamp": "2021"}),
        ({"url": "http://a.org/b", "timestamp": "2020"}, {"url": "http://a.org/v1.28/b", "timestamp": "2021"}),
        ({"attributes": {"path": "a/_vendor/b.py"}}, {"attributes": {"path": "c/patched/a/_vendor/b.py"}}),
        ({"timestamp": "1971"}, {"timestamp": "no time", "attributes": {"release": "v9.0"}}),
    ],
)
def test_a_document_that_tells_more_or_is_newer_stays(better: dict[str, Any], worse: dict[str, Any]) -> None:
    first, second = replace(DOCUMENT, **better), replace(DOCUMENT, **worse)
    times = [("a", "b"), ("b", "a")]  # the ids, and with them the hashes, decide nothing
    for names in times:
        one, other = (replace(document, id=name) for document, name in zip((first, second), names, strict=True))
        assert pairs.rank(one, 7) < pairs.rank(other, 7)


HEADER = "# SPDX-License-Identifier: MIT\n"


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (("six.py", ""), ("pip/_vendor/six.py", HEADER)),
        (("six.py", HEADER), ("six.py", "")),
        (("six.py", ""), ("src/six.py", "")),
        (("src/deep/six.py", ""), ("dist/six.py", "")),
    ],
)
def test_the_file_in_its_own_project_stays(better: tuple[str, str], worse: tuple[str, str]) -> None:
    for names in (("a", "b"), ("b", "a")):
        one, other = (
            replace(DOCUMENT, id=name, text=header + DOCUMENT.text, attributes={"path": path})
            for name, (path, header) in zip(names, (better, worse), strict=True)
        )
        assert github.rank(one, one) < github.rank(other, other)


def test_published_any_copy_stays() -> None:
    found = [replace(DOCUMENT, id=name, attributes={"path": "six.py"}) for name in ("a", "b")]
    keys = [github.content_key(one, one, Context(GitHubFiles(kept="any"), {})) for one in found]
    assert [list(key[1] if key[1] is not None else ()) for key in keys] == [
        [keyed("owner", name)] for name in ("a", "b")
    ]


def test_copies_of_own_texts_stay_by_the_same_rule() -> None:
    old, new = replace(DOCUMENT, timestamp="2001"), replace(DOCUMENT, timestamp="2002")
    for names in (("a", "b"), ("b", "a")):
        one, other = (replace(document, id=name) for document, name in zip((new, old), names, strict=True))
        first, second = (filters.text_key(found, found, Context(Filters(copies=True), {})) for found in (one, other))
        assert first[0] == second[0]
        assert tuple(() if first[1] is None else first[1]) < tuple(() if second[1] is None else second[1])


def test_the_newer_release_comes_first() -> None:
    names = ["pip-26.1/a.py", "iam@v1.12.0/a.go", "iam@v1.11.9/a.go", "iam@v1.9/a.go", "pip-0.3.1/a.py", "pip/a.py"]
    years = ["pipenv-2024.4.0/a", "pipenv-2023.12.1/a", "certifi-2023.7.22/a", "x-1990.1/a", "x-1989.5/a", "x-198.5/a"]
    found = [ranks.release(name) for name in [*years, *names]]
    assert found == sorted(found) and len(set(found)) == len(found)
    assert all(0 <= one < 1 << ranks.RELEASE_BITS for one in found)
    assert ranks.release("x-9999.1/a") == ranks.release("x-2045.1/a")
    assert ranks.release("x-1989.1/a") == ranks.release("x-199.1/a")


def test_of_one_text_in_two_releases_the_newer_stays() -> None:
    def file(repository: str) -> Document:
        return replace(DOCUMENT, attributes={"repository": repository, "path": "a.py"}, id=repository)

    for newer, older in (("iam@v1.12.0", "iam@v1.11.0"), ("pip-26.0.1", "pip-26.0")):
        assert github.rank(file(newer), file(newer)) < github.rank(file(older), file(older))


def test_a_repository_by_its_name_does_not_hide_the_release() -> None:
    def file(release: str) -> Document:
        known = {"repository": "pypa/pip", "path": "a.py", "release": release}
        return replace(DOCUMENT, url="http://a.org", attributes=known, id=release)

    for newer, older in (("pip-26.0.1", "pip-26.0"), ("v2.10.0", "v2.9.3"), ("2024.4.0", "2023.12.1")):
        assert github.rank(file(newer), file(newer)) < github.rank(file(older), file(older))
        assert pairs.rank(file(newer), 7, pairs.NEWEST_FIRST) < pairs.rank(file(older), 7, pairs.NEWEST_FIRST)
