"""Export a corpus' tokens: `python -m pipelines.export FORMAT CORPUS OUTPUT [--source NAME ...]`. Imports no Beam."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from pipelines import command_lines
from pipelines.export import datatrove, mds, megatron, nanogpt, parquet, rows
from pipelines.export.common import Shares, Source, open_sources, shares_of
from pipelines.files import commands, ours
from pipelines.tokens.shards import Manifest


class Format(Protocol):
    """What a module of a format does."""

    def export(self, sources: Iterable[Source], output: Path) -> None:
        """Write these sources under `output`."""

    def read_by(self, source: Source, output: Path) -> Iterator[str]:
        """Yield what the reader's own command wants for a source that is written."""


FORMATS: Final[Mapping[str, Format]] = {
    "megatron": megatron,
    "nanogpt": nanogpt,
    "datatrove": datatrove,
    "mds": mds,
    "parquet": parquet,
}


# Of the readers that mix data sets by shares: what all sources together are read by.
MIXED: Final[Mapping[str, Callable[[Shares, Path], str]]] = {
    "megatron": megatron.mixed,
    "nanogpt": nanogpt.mixed,
    "mds": mds.mixed,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Export some sources of a corpus, or all, and say what was written; return 0."""
    parser = command_lines.export()
    options = parser.parse_args(arguments)
    together: list[str] = []
    try:
        if options.format == "parquet" and rows.has_documents_alone(options.corpus):
            with ours.replacing(options.output, ours.Kind.EXPORT) as made:
                written = rows.export(options.corpus, options.source, made)
            said = {name: [f"{documents:,} documents"] for name, documents in written.items()}
        else:
            sources = open_sources(options.corpus, options.source)
            with ours.replacing(options.output, ours.Kind.EXPORT) as made:
                FORMATS[options.format].export(sources, made)
            reader = FORMATS[options.format]
            said = {s.name: [_totals(s.manifest), *reader.read_by(s, options.output)] for s in sources}
            together = _together(options, sources)
    except ValueError as error:
        parser.error(str(error))
    for name, (totals, *lines) in said.items():
        print(f"{options.output / name}: {totals}", *(f"    {line}" for line in lines), sep="\n")  # noqa: T201
    if together:
        print(*together, sep="\n")  # noqa: T201
    return 0


def _together(options: argparse.Namespace, sources: Sequence[Source]) -> list[str]:
    """Return how all sources are read at once, at the corpus' shares; nothing where the reader mixes none."""
    if len(sources) < 2 or options.format not in MIXED:
        return []
    shares = shares_of(options.corpus, sources)
    told = ", ".join(f"{source.name} {share:.1%}" for source, share in shares)
    return [
        f"all of them, at the corpus' shares ({told}):",
        f"    {MIXED[options.format](shares, options.output)}",
    ]


def _totals(manifest: Manifest) -> str:
    ends = ", ".join(f"{name} {'none' if id_ is None else id_}" for name, id_ in _ends(manifest))
    held = f"{manifest.grand_total('documents'):,} documents, {manifest.grand_total('tokens'):,} tokens"
    return f"{held} of {manifest.dtype}, vocabulary {manifest.vocabulary}, {ends}"


def _ends(manifest: Manifest) -> Iterator[tuple[str, int | None]]:
    yield from (("bos", manifest.bos_id), ("eos", manifest.eos_id))


if __name__ == "__main__":
    commands.run(main)
