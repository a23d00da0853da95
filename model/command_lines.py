"""The command lines over models. Nothing is imported that they only name: help comes at once."""

from __future__ import annotations

from pipelines.files import paths
from pipelines.files.commands import Parser

SHARD_BYTES = 5_000_000_000  # Hugging Face's own default


def generate() -> Parser:
    """Return that of `model.generate`."""
    parser = Parser(
        "model.generate",
        '--run data/run --corpus data/corpus --prompt "The river"',
        description="Generate text with a run's model.",
    )
    parser.add_argument("words", nargs="?", metavar="PROMPT", help="the text to continue; the same as --prompt")
    parser.add_argument("--prompt", help="the text to continue (default: standard input, without its last line feed)")
    parser.add_argument("--run", type=paths.local_option, default="data/run", help="directory of a run (%(default)s)")
    parser.add_argument(
        "--corpus", type=paths.local_option, default="data/corpus", help="the corpus it was trained on (%(default)s)"
    )
    parser.add_argument("--step", type=int, help="step of the checkpoint to read (default: the last)")
    parser.add_argument("--tokens", type=int, default=120, help="at most this many new tokens (%(default)s)")
    parser.add_argument(
        "--temperature", type=float, default=0.8, help="of the sampling; 0: always the most likely token (%(default)s)"
    )
    parser.add_argument(
        "--top-p",
        type=float,
        default=0.95,
        help="sample from the likeliest tokens that have this share of the probability (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the sampling (%(default)s)")
    return parser


def convert() -> Parser:
    """Return that of `model.convert`."""
    parser = Parser(
        "model.convert",
        "INPUT OUTPUT --to meta --parts 2",
        description="Convert a model from Meta's format to Hugging Face's, or back.",
    )
    parser.add_argument(
        "source", type=paths.local_option, metavar="INPUT", help="directory of a model in either format"
    )
    parser.add_argument("target", type=paths.local_output_option, metavar="OUTPUT", help="directory to write")
    parser.add_argument("--to", choices=("meta", "hugging_face"), required=True)
    parser.add_argument("--parts", type=int, default=1, help="number of files in Meta's format (%(default)s)")
    parser.add_argument(
        "--shard-bytes",
        type=int,
        default=SHARD_BYTES,
        help="bytes of weights in a file of Hugging Face's format, at most (%(default)s)",
    )
    parser.add_argument(
        "--context",
        type=int,
        help="context of a model in Meta's format, which does not say it (default: that of the model that it was "
        "converted from, else 2048; Llama 2: 4096)",
    )
    return parser
