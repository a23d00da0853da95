"""Export a corpus' tokens: `python -m pipelines.export FORMAT CORPUS OUTPUT [--source NAME ...]`. Imports no Beam."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from pipelines import command_lines
from pipelines.export import datatrove, mds, megatron, nanogpt, parquet, rows
from pipelines.export.common import Source, open_sources
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Export some sources of a corpus, or all, and say what was written; return 0."""
    parser = command_lines.export()
    options = parser.parse_args(arguments)
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
    except ValueError as error:
        parser.error(str(error))
    for name, (totals, *lines) in said.items():
        print(f"{options.output / name}: {totals}", *(f"    {line}" for line in lines), sep="\n")  # noqa: T201
    return 0


def _totals(manifest: Manifest) -> str:
    ends = ", ".join(f"{name} {'none' if id_ is None else id_}" for name, id_ in _ends(manifest))
    held = f"{manifest.grand_total('documents'):,} documents, {manifest.grand_total('tokens'):,} tokens"
    return f"{held} of {manifest.dtype}, vocabulary {manifest.vocabulary}, {ends}"


def _ends(manifest: Manifest) -> Iterator[tuple[str, int | None]]:
    yield from (("bos", manifest.bos_id), ("eos", manifest.eos_id))


if __name__ == "__main__":
    commands.run(main)
