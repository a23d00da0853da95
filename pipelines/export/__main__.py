"""Export a corpus' tokens: `python -m pipelines.export FORMAT CORPUS OUTPUT [--source NAME ...]`. Imports no Beam."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pipelines.export import datatrove, mds, megatron, nanogpt, parquet, rows
from pipelines.export.common import Source, open_sources
from pipelines.files import commands, ours, paths
from pipelines.tokens.shards import Manifest

FORMATS: Final[Mapping[str, Callable[[Iterable[Source], Path], None]]] = {
    "megatron": megatron.export,
    "nanogpt": nanogpt.export,
    "datatrove": datatrove.export,
    "mds": mds.export,
    "parquet": parquet.export,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Export some sources of a corpus, or all, and say what was written; return 0."""
    parser = commands.Parser(prog="python -m pipelines.export", description="Export tokens to other trainers.")
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("corpus", type=paths.local_option, help="corpus directory")
    parser.add_argument(
        "output", type=paths.local_output_option, help="directory to write; what an earlier export left there goes"
    )
    parser.add_argument("--source", nargs="+", default=[], help="names of sources (default: all)")
    options = parser.parse_args(arguments)
    try:
        if options.format == "parquet" and rows.has_documents_alone(options.corpus):
            with ours.replacing(options.output, ours.Kind.EXPORT) as made:
                written = rows.export(options.corpus, options.source, made)
            said = {name: f"{documents:,} documents" for name, documents in written.items()}
        else:
            sources = open_sources(options.corpus, options.source)
            with ours.replacing(options.output, ours.Kind.EXPORT) as made:
                FORMATS[options.format](sources, made)
            said = {source.name: _totals(source.manifest) for source in sources}
    except ValueError as error:
        parser.error(str(error))
    for name, totals in said.items():
        print(f"{options.output / name}: {totals}")  # noqa: T201
    return 0


def _totals(manifest: Manifest) -> str:
    return f"{manifest.grand_total('documents'):,} documents, {manifest.grand_total('tokens'):,} tokens"


if __name__ == "__main__":
    sys.exit(main())
