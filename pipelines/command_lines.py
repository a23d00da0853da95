"""The command lines over raw dumps and corpora. Nothing is imported that they only name: help comes at once."""

from __future__ import annotations

import argparse
import contextlib
import os

from pipelines.files import paths
from pipelines.files.commands import Parser

RECIPES = ("llama2", "paper", "sample", "texts")
# List prices in dollars, as known in 2024 and not looked up again: of Dataflow's batch workers in us-central1
# (https://cloud.google.com/dataflow/pricing), and of standard storage in one region.
PRICES = (
    ("core-hour", "a core's hour", 0.056),
    ("gib-hour", "a GiB's hour", 0.003557),
    ("gb-month", "a GB stored for a month", 0.02),
)
FORMATS = ("megatron", "nanogpt", "datatrove", "mds", "parquet")


def sample() -> Parser:
    """Return that of `pipelines.sample`."""
    parser = Parser("pipelines.sample", "--output data/raw", description="Lay out the real sample dumps.")
    parser.add_argument(
        "--output",
        type=paths.local_output_option,
        required=True,
        metavar="DIR",
        help="where the dumps go, such as data/raw",
    )
    parser.add_argument(
        "--cache", type=paths.local_option, metavar="DIR", help="where the packages are kept (OUTPUT/../cache)"
    )
    return parser


def corpus() -> Parser:
    """Return that of `pipelines.corpus`; what it does not know goes to Beam."""
    parser = Parser(
        "pipelines.corpus",
        "--recipe paper --source wikipedia --input 'wikipedia=/dumps/*.xml.bz2' --output data/corpus",
        description="Build the corpus.",
        allow_abbrev=False,
    )
    parser.add_argument("--recipe", choices=RECIPES, default="sample", help="which recipe (default: sample)")
    parser.add_argument("--source", action="append", metavar="NAME", help="only this source")
    parser.add_argument(
        "--sources",
        metavar="MODULE:NAME",
        help="another list of sources: a tuple of Source (default: pipelines.build:SOURCES)",
    )
    parser.add_argument("--input", action="append", default=[], metavar="NAME=GLOB_OR_URL", help="dumps; or: paper")
    parser.add_argument("--raw", type=paths.option, default="data/raw", help="folder of the sample (default: data/raw)")
    parser.add_argument(
        "--output", type=paths.output_option, default="data/corpus", help="corpus directory (default: data/corpus)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="override a recipe's field")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=PATH", help="a model given by path")
    parser.add_argument("--models", action="store_true", help="only CommonCrawl's models, and what they are made from")
    parser.add_argument(
        "--runner", default="local", help="local (default), plain, ray, slurm, or dataflow, flink, spark, portable"
    )
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="a cluster of Ray, such as ray://HOST:10001 (default: of this machine)"
    )
    for name, of in (
        ("time", "limit of a task"),
        ("partition", "to use"),
        ("account", "to use"),
        ("args", "more for sbatch"),
    ):
        parser.add_argument(f"--slurm-{name}", metavar=name.upper(), help=f"Slurm's {name} {of}")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="local processes (default: cores)")
    parser.add_argument("--deadline", type=float, help="end a wave that takes longer than this many seconds")
    parser.add_argument(
        "--patience",
        type=float,
        default=600.0,
        help="seconds that an engine has until a worker begins (default %(default).0f)",
    )
    parser.add_argument("--job-server", metavar="JAR", help="Beam's job server of flink or spark (default: fetched)")
    parser.add_argument("--log-json", metavar="FILE", help="write events as JSON lines (- for the standard error)")
    parser.add_argument(
        "--strict", action="store_true", help="fail if a source, a stage or a file keeps next to nothing"
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be read and run, and do nothing else")
    parser.add_argument(
        "--trial",
        type=_share,
        metavar="SHARE",
        help="build this share of each source's inputs into OUTPUT-trial, and forecast what the whole takes",
    )
    parser.add_argument("--trial-seed", type=_seed, default=0, metavar="N", help="another N takes other inputs")
    for name, of, usual in PRICES:
        parser.add_argument(
            f"--price-{name}", type=float, default=usual, metavar="DOLLARS", help=f"of {of}, for a trial (%(default)s)"
        )
    return parser


def _share(text: str) -> float:
    """Return a share between none and all, for argparse."""
    with contextlib.suppress(ValueError):
        if 0 < (found := float(text)) < 1:
            return found
    raise argparse.ArgumentTypeError(f"{text}: a share between 0 and 1 is expected, such as 0.01")


def _seed(text: str) -> int:
    """Return a seed, for argparse."""
    with contextlib.suppress(ValueError):
        if 0 <= (found := int(text)) < 1 << 32:
            return found
    raise argparse.ArgumentTypeError(f"{text}: a whole number from 0 on is expected, such as 1")


def report() -> Parser:
    """Return that of `pipelines.report`."""
    parser = Parser("pipelines.report", "data/corpus --run data/run", description="Show a corpus' card.")
    parser.add_argument("corpus", type=paths.option, help="corpus directory, local or remote")
    parser.add_argument(
        "--run",
        type=paths.option,
        action="append",
        default=[],
        help="also show this training run; given again, that run is laid over the first",
    )
    parser.add_argument(
        "--tokens", help="length of the run for which to compute epochs, such as 1.4T (default: the corpus')"
    )
    parser.add_argument(
        "--compare",
        type=paths.option,
        metavar="CORPUS",
        help="another corpus: show which documents moved between the two",
    )
    parser.add_argument("--publish", action="store_true", help="also write a Hugging Face dataset card and Croissant")
    return parser


def verify() -> Parser:
    """Return that of `pipelines.verify`."""
    parser = Parser("pipelines.verify", "data/corpus", description="Verify a corpus.")
    parser.add_argument("corpus", type=paths.option, help="corpus directory")
    parser.add_argument(
        "--withdraw", action="store_true", help="remove damaged files and their manifests: the next build writes them"
    )
    return parser


def trace() -> Parser:
    """Return that of `pipelines.trace`."""
    parser = Parser(
        "pipelines.trace",
        "data/corpus --source wikipedia --token 123456",
        description="Trace tokens and documents to raw records.",
    )
    parser.add_argument("corpus", type=paths.option, help="corpus directory")
    parser.add_argument("--source", help="name of the source, for --token")
    parser.add_argument("--token", type=int, help="number of the token in the split, from 0")
    parser.add_argument("--count", type=int, default=1, help="how many tokens (default %(default)s)")
    parser.add_argument("--split", choices=("train", "validation"), default="train")
    parser.add_argument("--id", metavar="ID", help="a document by its id, kept or dropped: what each stage did to it")
    parser.add_argument("--dump", type=paths.option, metavar="FILE", help="where its dump lies now, for --id")
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME=PATH", help="where a model lies now, for --id"
    )
    parser.add_argument("--json", action="store_true", help="print all of it as JSON, texts whole, for --id")
    return parser


def explore() -> Parser:
    """Return that of `pipelines.explore`."""
    parser = Parser("pipelines.explore", "data/corpus", description="Search a corpus on a page of this machine.")
    parser.add_argument("corpus", nargs="+", type=paths.option, help="corpus directory, or two to be compared")
    parser.add_argument(
        "--index", type=paths.local_output_option, metavar="FOLDER", help="where its index lies (CORPUS-index)"
    )
    parser.add_argument(
        "--words",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="index words and phrases (default: of what is local)",
    )
    parser.add_argument("--only-index", action="store_true", help="bring the index up to date and end")
    parser.add_argument(
        "--port", type=_port, default=8_765, help="port of the page, 0 for a free one (default %(default)s)"
    )
    parser.add_argument(
        "--run", type=paths.local_option, help="a training run over it: which steps have read a document"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=20.0, metavar="N", help="time limit of a question (default %(default)g)"
    )
    return parser


def _port(text: str) -> int:
    """Return a port, for argparse."""
    with contextlib.suppress(ValueError):
        if 0 <= (found := int(text)) < 1 << 16:
            return found
    raise argparse.ArgumentTypeError(f"{text}: a port from 0 to 65535 is expected")


def _seconds(text: str) -> float:
    """Return a time, for argparse."""
    with contextlib.suppress(ValueError):
        if 0 < (found := float(text)) <= 3_600:
            return found
    raise argparse.ArgumentTypeError(f"{text}: seconds above 0 are expected, an hour at most")


def export() -> Parser:
    """Return that of `pipelines.export`."""
    parser = Parser(
        "pipelines.export", "megatron data/corpus data/megatron", description="Export tokens to other trainers."
    )
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("corpus", type=paths.local_option, help="corpus directory")
    parser.add_argument(
        "output", type=paths.local_output_option, help="directory to write; an earlier export there is replaced"
    )
    parser.add_argument("--source", nargs="+", default=[], help="names of sources (default: all)")
    return parser


def contamination() -> Parser:
    """Return that of `pipelines.contamination`."""
    parser = Parser(
        "pipelines.contamination", "data/corpus piqa=piqa.parquet", description="Find benchmarks in a corpus."
    )
    parser.add_argument("corpus", type=paths.option, help="corpus directory")
    parser.add_argument("benchmark", nargs="+", help="file or folder of Arrow, Parquet or JSONL, or NAME=PATH")
    parser.add_argument("--source", action="append", default=[], help="only this source (may be repeated)")
    parser.add_argument("-n", type=int, default=13, help="length of a run in words (default %(default)s)")
    parser.add_argument(
        "--max-documents",
        type=int,
        default=10,
        help="a run found in more documents does not count (default %(default)s)",
    )
    parser.add_argument(
        "--drop", type=paths.option, help="write the ids of the documents that hold a run to this file, one per line"
    )
    parser.add_argument("--json", type=paths.option, help="write the table to this file")
    return parser


def clean() -> Parser:
    """Return that of `pipelines.clean`."""
    parser = Parser(
        "pipelines.clean", "data/corpus data/run", description="Remove corpora, runs and exports that were made here."
    )
    parser.add_argument(
        "folder", nargs="+", type=paths.output_option, help="corpus, run or export; a missing one is not an error"
    )
    return parser
