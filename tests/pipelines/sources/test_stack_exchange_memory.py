"""A site ten times as large takes no more memory: unpacked in ranges, read row by row, joined bucket by bucket."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import py7zr
import pytest

WORDS = ("llama", "wool", "why", "does", "the", "herd", "sort", "by", "integer", "score", "&lt;b&gt;", "&amp;amp;", "?")
ROWS_PER_MEGABYTE = 700
# What one process has at most, in MiB, after a build of the site's documents in a plain loop.
BUILD = """
import resource, sys
from pipelines.options import parse, prepare
from tests.pipelines import loop
from pipelines.stages import graph
build = prepare(*parse(sys.argv[1:]))
wanted = ("stack_exchange/unpack", "stack_exchange/posts", "stack_exchange/questions", "models/stack_exchange_sites")
graph.run_waves([node for node in build.nodes() if node.name in wanted], loop.run)
rows = build.chains["stack_exchange"].links[1].manifests()
print(sum(row["kept"] for row in rows), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""


def site(path: Path, megabytes: int) -> int:
    """Write a site's archive; return how many questions it has, each with two answers anywhere after it."""
    draw = random.Random(megabytes)
    questions = megabytes * ROWS_PER_MEGABYTE // 3
    xml = path.with_suffix(".xml")
    with xml.open("w", encoding="utf-8") as stream:
        stream.write('<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
        for number in range(3 * questions):
            kind, rest = divmod(number, questions)
            body = " ".join(draw.choices(WORDS, k=210))
            about = f'PostTypeId="2" ParentId="{rest + 1}"' if kind else 'PostTypeId="1" Title="Why?"'
            stream.write(
                f'  <row Id="{number + 1}" {about} Score="{number % 90 - 9}" Body="&lt;p&gt;{body}&lt;/p&gt;" />\n'
            )
        stream.write("</posts>\n")
    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 0}]) as archive:
        archive.write(xml, "Posts.xml")
    xml.unlink()
    return questions


@pytest.mark.full
def test_memory_does_not_grow_with_the_site(tmp_path: Path) -> None:
    peaks = []
    for megabytes in (12, 120):
        archive = tmp_path / f"{megabytes}" / "herding.stackexchange.com.7z"
        archive.parent.mkdir()
        questions = site(archive, megabytes)
        options = ["--source", "stack_exchange", "--input", f"stack_exchange={archive}"]
        options += ["--output", f"{tmp_path}/{megabytes}/corpus", "--set", "buckets=256"]
        options += ["--set", f"stack_exchange.posts.range_bytes={4 << 20}"]
        run = subprocess.run([sys.executable, "-c", BUILD, *options], check=True, capture_output=True, text=True)
        kept, peak = map(int, run.stdout.split())
        assert kept == questions
        peaks.append(peak)
    print(f"peak memory: {peaks[0]} MiB for 12 MB of posts, {peaks[1]} MiB for 120 MB")
    assert peaks[1] < 1.3 * peaks[0]
