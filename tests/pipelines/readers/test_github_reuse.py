"""REUSE.toml and dep5: patterns against a plain implementation, which rule holds, and archives with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.readers import github_reuse
from tests.pipelines.readers.test_github_archive import GPL, MIT, licences


def fits(pattern: str, path: str, *, toml: bool) -> bool:
    """Match by trying every length that a wildcard can stand for."""
    if not pattern:
        return not path
    if pattern[0] == "\\" and len(pattern) > 1:
        return path[:1] == pattern[1] and fits(pattern[2:], path[1:], toml=toml)
    if pattern[0] == "*":
        rest = pattern.lstrip("*")
        anything = not toml or len(pattern) - len(rest) > 1
        ends = [end for end in range(len(path) + 1) if anything or "/" not in path[:end]]
        return any(fits(rest, path[end:], toml=toml) for end in ends)
    if pattern[0] == "?" and not toml:
        return bool(path) and fits(pattern[1:], path[1:], toml=toml)
    return path[:1] == pattern[0] and fits(pattern[1:], path[1:], toml=toml)


def rules(text: str, *, toml: bool) -> list[github_reuse.Rule]:
    if not toml:
        return github_reuse.from_dep5(f"Files: {text}\nLicense: MIT\n")
    return github_reuse.from_toml({"annotations": [{"path": text, "SPDX-License-Identifier": "MIT"}]})


@given(st.text("ab/*?\\", min_size=1, max_size=8), st.text("ab/*?\\", max_size=8), st.booleans())
def test_patterns_stand_for_what_they_say(pattern: str, path: str, toml: bool) -> None:
    pattern = pattern.removesuffix("\\")
    for rule in rules(pattern, toml=toml):
        assert rule.pattern.fits(path) == fits(pattern, path, toml=toml)


def toml(*annotations: str) -> bytes:
    return ("version = 1\n" + "".join(f"[[annotations]]\n{one}\n" for one in annotations)).encode()


def rule(path: str, licence: str, more: str = "") -> str:
    return f'path = {path}\nSPDX-FileCopyrightText = "X"\nSPDX-License-Identifier = {licence}\n{more}'


FILES = {"r/a.py": b"1", "r/src/b.py": b"1", "r/src/deep/c.py": b"1", "r/LICENSE": MIT}


def test_a_file_has_the_licence_of_the_last_rule_for_it_and_others_that_of_their_folder() -> None:
    reuse = toml(
        rule('"src/**"', '"GPL-2.0-only"'),
        rule('["src/*", "none"]', '["MIT", "BSD-2-Clause"]'),
        'path = "a.py"\nSPDX-FileCopyrightText = "no licence"',
    )
    assert licences({**FILES, "r/REUSE.toml": reuse}) == {
        "a.py": "MIT",
        "LICENSE": "MIT",
        "REUSE.toml": "MIT",
        "src/b.py": "(MIT) AND (BSD-2-Clause)",
        "src/deep/c.py": "GPL-2.0-only",
    }


def test_the_nearest_folder_decides_unless_one_above_overrides() -> None:
    near = {"r/src/REUSE.toml": toml(rule('"deep/c.py"', '"ISC"'), rule('"b.py"', '"ISC"'))}
    above = toml(rule('"**"', '"GPL-2.0-only"'), rule('"src/b.py"', '"Apache-2.0"', 'precedence = "override"\n'))
    beside = {"r/src/b.py.license": b"SPDX-License-Identifier: CC0-1.0\n"}
    found = licences({**FILES, **near, **beside, "r/REUSE.toml": above})
    assert (found["a.py"], found["src/b.py"], found["src/deep/c.py"]) == ("GPL-2.0-only", "Apache-2.0", "ISC")
    found = licences({**FILES, **near, **beside})
    assert (found["a.py"], found["src/b.py"], found["src/deep/c.py"]) == ("MIT", "CC0-1.0", "ISC")
    both = toml(rule('"src/b.py"', '"Apache-2.0"', 'precedence = "aggregate"\n'))
    assert licences({**FILES, **beside, "r/REUSE.toml": both})["src/b.py"] == "CC0-1.0"


def test_dep5() -> None:
    dep5 = (
        b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: r\n\n"
        b"Files: *\nCopyright: X\nLicense: Apache-2.0\n\n# a comment\nFiles: src/*.py\n other/?.c\nCopyright: Y\n"
        b"License: GPL-2.0-only\n some text\n\nLicense: GPL-2.0-only\n its text\n"
    )
    found = licences({**FILES, "r/other/d.c": b"1", "r/other/dd.c": b"1", "r/.reuse/dep5": dep5})
    assert found["a.py"] == found["other/dd.c"] == "Apache-2.0"
    assert found["src/b.py"] == found["src/deep/c.py"] == found["other/d.c"] == "GPL-2.0-only"


@pytest.mark.parametrize(
    "damaged",
    [b"[" * 9, b"annotations = 3\n", b"[[annotations]]\npath = 5\n", b"\xff\xfe", b"version = 1\n" + b"#" * (1 << 18)],
)
def test_what_is_no_reuse_says_nothing(damaged: bytes) -> None:
    assert licences({**FILES, "r/REUSE.toml": damaged, "r/.reuse/dep5": damaged})["a.py"] == "MIT"


def test_strange_licences_and_too_many_rules_are_unknown() -> None:
    assert licences({**FILES, "r/REUSE.toml": toml(rule('"a.py"', f'"{"M" * 1_001}"'))})["a.py"] == "unknown"
    many = b"".join(b"Files: f%d\nLicense: MIT\n\n" % number for number in range(github_reuse.MAX_RULES + 1))
    found = licences({"r/x/.reuse/dep5": many, "r/x/a.py": b"1", "r/b.py": b"1", "r/COPYING": GPL})
    assert (found["x/a.py"], found["b.py"]) == ("unknown", "GPL-2.0")
