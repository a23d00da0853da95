r"""Real papers laid out as arXiv's monthly source tars.

    a paper's folder  -> YYMM/ID.gz, gzip of a tar of the sources  \
    its one TeX file  -> YYMM/ID.gz, gzip of that                   > arXiv_src_YYMM_001.tar
    a PDF             -> YYMM/ID.pdf                               /

The ids are the papers' own where they are on arXiv. Two members never were: they have the numbers 99998 and 99999,
which no month reaches.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath

from pipelines.sample.files import Laid, gzipped, members, write

SOURCES = {".tex", ".bib", ".bbl", ".bst", ".cls", ".sty"}
FIGURES = {".pdf", ".eps", ".png"}
LARGEST_FIGURE = 110_000


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper: `path` is its folder in the package (ending in a slash), its one TeX file, or its PDF."""

    id: str
    package: str
    path: str

    @property
    def month(self) -> str:
        """YYMM."""
        return self.id[:4]


PAPERS = (
    Paper("1202.3665", "emcee", "document/"),
    Paper("1703.09710", "celerite", "paper/"),
    Paper("1703.99998", "george", "paper/"),
    Paper("1703.99999", "celerite", "paper/notes/Two_complex_Lorentzians.pdf"),
    Paper("1911.07688", "emcee", "joss/paper.tex"),
)


def lay_out(packages: Mapping[str, Path], output: Path) -> dict[str, Laid]:
    """Write a tar for each month to `output`/arxiv."""
    size = 0
    for month, papers in groupby(PAPERS, lambda paper: paper.month):
        entries = [_entry(paper, packages[paper.package]) for paper in papers]
        write(output / "arxiv" / f"arXiv_src_{month}_001.tar", tar(entries))
        size += sum(len(gzip.decompress(content)) for name, content in entries if name.endswith(".gz"))
    return {"arxiv": Laid(len(PAPERS), size)}


def _entry(paper: Paper, archive: Path) -> tuple[str, bytes]:
    files = {path: content for path, content in members(archive) if path.startswith(paper.path)}
    assert files, f"{archive.name} holds no {paper.path}"
    return submission(paper, files)


def submission(paper: Paper, files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """Return the name and bytes of a paper's member in the monthly tar."""
    name = f"{paper.month}/{paper.id}"
    if paper.path.endswith(".pdf"):
        return f"{name}.pdf", files[paper.path]
    if not paper.path.endswith("/"):
        return f"{name}.gz", gzipped(files[paper.path])
    kept = [
        (path.removeprefix(paper.path), content) for path, content in sorted(files.items()) if _submitted(path, content)
    ]
    return f"{name}.gz", gzipped(tar(kept))


def _submitted(path: str, content: bytes) -> bool:
    suffix = PurePosixPath(path).suffix
    return suffix in SOURCES or (suffix in FIGURES and len(content) <= LARGEST_FIGURE and "/notes/" not in path)


def tar(entries: list[tuple[str, bytes]]) -> bytes:
    """Return a tar of the entries, the same bytes whoever makes it and whenever."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
