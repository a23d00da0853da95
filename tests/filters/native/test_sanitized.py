"""The tests that touch our C, under AddressSanitizer and UndefinedBehaviorSanitizer, which see what is planted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from filters.native import binding
from tests import sanitized

ROOT = Path(__file__).parents[3]
FILES = [
    f"tests/filters/{folder}/test_{name}.py"
    for folder, names in {
        "native": ("web", "large_texts"),
        "models": ("fast_text", "fast_text_file", "unigram"),
        "web": ("paragraphs", "c4", "perplexity"),
    }.items()
    for name in names
]
# What is planted in a copy of the source, behind which line, and what is said of it.
PLANTED = {
    "a byte written past the room": ("found[0] = stop - out;", "out[2 * size + 2] = 0;", "heap-buffer-overflow"),
    "a byte read past a text": ("found[0] = stop - out;", "found[1] = text[size + 1];", "heap-buffer-overflow"),
    "memory used after it is freed": (
        "found[0] = stop - out;",
        "uint8_t *gone = malloc(9); free(gone); found[1] = gone[3];",
        "heap-use-after-free",
    ),
    "a sum that overflows": (
        "found[0] = stop - out;",
        "int large = INT32_MAX - 3; found[1] = large + (int)size;",
        "signed integer overflow",
    ),
    "a shift too far": ("found[0] = stop - out;", "found[1] = 1 << (size + 30);", "shift exponent"),
}


@pytest.fixture(scope="module")
def sanitizers() -> sanitized.Sanitizers:
    found = sanitized.find()
    if isinstance(found, str):
        pytest.skip(f"OUR C IS NOT TESTED FOR MEMORY ERRORS HERE: {found}")
    return found


@pytest.mark.parametrize("file", FILES)
def test_the_files_are_there(file: str) -> None:
    assert (ROOT / file).is_file()


def test_the_library_is_taken_from_where_it_is_pointed_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "SOURCES", binding.SOURCES)
    monkeypatch.setattr(binding, "OPTIONS", binding.OPTIONS)
    sanitized.copy_sources(tmp_path)
    assert sanitized.point_to(tmp_path, ("-O1",)).parent == tmp_path
    binding.library.cache_clear()


@pytest.mark.full
@pytest.mark.parametrize("file", FILES)
def test_nothing_is_read_or_written_out_of_bounds(file: str, sanitizers: sanitized.Sanitizers, tmp_path: Path) -> None:
    sanitized.copy_sources(tmp_path)
    done = sanitized.run_tests(sanitizers, tmp_path, [file, "-rs"])
    assert done.returncode == 0, f"{done.stdout[-5_000:]}\n{done.stderr[-5_000:]}"
    assert re.search(r"\d+ passed", done.stdout), done.stdout
    assert "NOT TESTED" not in done.stdout
    assert list(tmp_path.glob("_native-*.library")), "the tests used another library"


@pytest.mark.full
@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_error_is_seen(name: str, sanitizers: sanitized.Sanitizers, tmp_path: Path) -> None:
    behind, planted, said = PLANTED[name]
    sanitized.copy_sources(tmp_path)
    source = tmp_path / "web.c"
    source.write_text(source.read_text(encoding="utf-8").replace(behind, f"{behind} {planted}", 1), encoding="utf-8")
    done = sanitized.run_tests(sanitizers, tmp_path, ["tests/filters/native/test_large_texts.py", "-k", "mapped-5"])
    assert done.returncode != 0
    assert said in done.stdout + done.stderr


@pytest.mark.full
def test_without_a_compiler_it_is_said_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sanitized.find() == "there is no gcc"
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\necho "${1#-print-file-name=}"\n', encoding="utf-8")
    compiler.chmod(0o755)
    assert sanitized.find() == f"no libasan and libubsan beside {compiler}"
    compiler.write_text("#!/bin/sh\necho Some clang version 14\n", encoding="utf-8")
    assert sanitized.find() == "there is no gcc"
