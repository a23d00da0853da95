"""Export a corpus' tokens: `python -m pipelines.export FORMAT CORPUS OUTPUT [--source NAME ...]`. Imports no Beam."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pipelines.export import datatrove, mds, megatron, nanogpt, parquet
from pipelines.export.common import Source, open_sources
from pipelines.files import commands, ours, paths

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
        sources = open_sources(options.corpus, options.source)
        with ours.replacing(options.output, ours.Kind.EXPORT) as made:
            FORMATS[options.format](sources, made)
    except ValueError as error:
        parser.error(str(error))
    for source in sources:
        tokens, documents = (source.manifest.grand_total(what) for what in ("tokens", "documents"))
        print(f"{options.output / source.name}: {documents:,} documents, {tokens:,} tokens")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
