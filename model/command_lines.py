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
        description="Text from a run's model.",
    )
    parser.add_argument("words", nargs="?", metavar="PROMPT", help="what it continues; as --prompt")
    parser.add_argument("--prompt", help="what it continues (default: standard input, without its last line feed)")
    parser.add_argument("--run", type=paths.local_option, default="data/run", help="directory of a run (%(default)s)")
    parser.add_argument(
        "--corpus", type=paths.local_option, default="data/corpus", help="the corpus it was trained on (%(default)s)"
    )
    parser.add_argument("--step", type=int, help="of its checkpoints (the last)")
    parser.add_argument("--tokens", type=int, default=120, help="at most this many new tokens (%(default)s)")
    parser.add_argument("--temperature", type=float, default=0.8, help="0: always the most likely token (%(default)s)")
    parser.add_argument("--top-p", type=float, default=0.95, help="share of the probability drawn from (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing (%(default)s)")
    return parser


def convert() -> Parser:
    """Return that of `model.convert`."""
    parser = Parser(
        "model.convert", "INPUT OUTPUT --to meta --parts 2", description="Meta's format <-> Hugging Face's."
    )
    parser.add_argument("source", type=paths.local_option, metavar="INPUT", help="directory of either format")
    parser.add_argument("target", type=paths.local_output_option, metavar="OUTPUT", help="directory to write")
    parser.add_argument("--to", choices=("meta", "hugging_face"), required=True)
    parser.add_argument("--parts", type=int, default=1, help="files of Meta's format (%(default)s)")
    parser.add_argument("--shard-bytes", type=int, default=SHARD_BYTES, help="largest file of Hugging Face's")
    parser.add_argument(
        "--context", type=int, help="of Meta's models (that of what they were made of, else 2048; Llama 2: 4096)"
    )
    return parser
