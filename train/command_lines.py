"""The command lines of a run but the trainer's own (`train.config`): nothing is imported that they only name."""

from __future__ import annotations

import argparse
from pathlib import Path

from model.command_lines import SHARD_BYTES
from pipelines.files import paths
from pipelines.files.commands import Parser

PAPER_MFU = 0.477  # LLaMA 65B's 380 tokens/s on an A100 (section 2.4), counted as 6N as scaling laws do
SEQUENCE_LENGTH = 2048  # LLaMA, section 2.2
TASKS = (
    *("boolq", "piqa", "siqa", "hellaswag", "winogrande", "arc_easy", "arc_challenge", "openbookqa"),
    *("commonsense_qa", "race_middle", "race_high", "mmlu", "agieval"),
    *("natural_questions", "triviaqa", "squad", "quac", "bbh", "gsm8k", "gsm8k_majority", "math", "math_majority"),
    *("humaneval", "humaneval_pass100", "mbpp", "mbpp_pass80"),
    *("crows_pairs", "winogender", "truthfulqa_mc1", "truthfulqa_mc2"),
    *("toxicity_basic", "toxicity_respectful", "truthfulqa_generation"),
)


def plan() -> Parser:
    """Return that of `train.plan`."""
    parser = Parser(
        "train.plan",
        "--corpus data/corpus --tokens 1.4T",
        description="Show the tokens and epochs of each source in a run.",
    )
    parser.add_argument("--corpus", type=paths.option, help="directory of a finished corpus")
    parser.add_argument("--sizes", help="tokens of each source instead of a corpus: NAME=TOKENS,...")
    parser.add_argument("--tokens", help="length of the run, such as 1.4T")
    parser.add_argument(
        "--flops",
        type=float,
        help="instead of --tokens: show what a budget of this many FLOPs allows by the scaling laws",
    )
    parser.add_argument("--gpus", type=int, default=1, help="number of GPUs (default %(default)s)")
    parser.add_argument("--gpu", default="NVIDIA A100", help="kind of GPU (default %(default)s)")
    parser.add_argument(
        "--mfu", type=float, default=PAPER_MFU, help="share of the GPUs' peak that is used (default %(default)s)"
    )
    parser.add_argument("--batch", default="4194304", help="tokens per step of that run (default %(default)s)")
    parser.add_argument("--sequence-length", type=int, default=SEQUENCE_LENGTH, help="default %(default)s")
    parser.add_argument("--proportions", help="NAME=PROPORTION,... (default: the corpus' own, or LLaMA's)")
    return parser


def report() -> Parser:
    """Return that of `train.report`."""
    parser = Parser("train.report", "data/run data/other", description="Write the page of a run.")
    parser.add_argument(
        "run", type=paths.local_option, nargs="+", help="directory of the run; others are laid over it on its page"
    )
    return parser


def _tokens(text: str) -> tuple[int, int]:
    """Return the first and the last of some tokens, for argparse."""
    first, dash, last = text.partition("-")
    if dash and first.isascii() and first.isdecimal() and last.isascii() and last.isdecimal():
        return int(first), int(last)
    raise argparse.ArgumentTypeError(f"{text}: FIRST-LAST is expected, such as 1200-1800")


def trace() -> Parser:
    """Return that of `train.trace`."""
    parser = Parser(
        "train.trace", "data/run --step 120 --corpus data/corpus", description="Trace a step of a run to raw records."
    )
    parser.add_argument("run", type=paths.local_option, help="directory of the run")
    parser.add_argument("--step", type=int, help="number of the step, from 1 as in the log")
    parser.add_argument("--source", help="a source, for --tokens")
    parser.add_argument(
        "--tokens", type=_tokens, metavar="FIRST-LAST", help="tokens of its training split: which steps have read one"
    )
    parser.add_argument("--json", action="store_true", help="print those steps as JSON")
    parser.add_argument(
        "--corpus", type=paths.local_option, default=Path("data/corpus"), help="corpus directory (%(default)s)"
    )
    parser.add_argument("--rank", type=int, default=0, help="only this rank's sequences")
    parser.add_argument("--world", type=int, default=1, help="number of ranks")
    return parser


def export() -> Parser:
    """Return that of `train.export`."""
    parser = Parser(
        "train.export",
        "--run data/run --corpus data/corpus --output data/hugging_face",
        description="Export a run to Hugging Face's format.",
    )
    _add_run(parser)
    parser.add_argument("--output", type=paths.local_output_option, required=True, help="directory to write")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="type of the weights (%(default)s)"
    )
    parser.add_argument(
        "--shard-bytes", type=int, default=SHARD_BYTES, help="bytes of weights in a file, at most (%(default)s)"
    )
    parser.add_argument(
        "--without-tokenizer-json",
        action="store_true",
        help="write only the tokenizer's own file, also where no tokenizer.json can give its ids",
    )
    return parser


def evaluate() -> Parser:
    """Return that of `train.evaluation`."""
    parser = Parser(
        "train.evaluation",
        "--run data/run --corpus data/corpus piqa=piqa.parquet",
        description="Score a model on benchmarks.",
    )
    _add_run(parser)
    parser.add_argument(
        "--format",
        choices=("paper", "harness"),
        default="paper",
        help="prompts and rules of LLaMA's papers, or of lm-evaluation-harness (%(default)s)",
    )
    parser.add_argument(
        "--examples",
        action="append",
        default=[],
        metavar="TASK=PATH",
        help="the file that a task's solved examples are taken from (default: the same as its questions')",
    )
    parser.add_argument("--limit", type=int, default=0, help="questions of each task; 0: all")
    parser.add_argument(
        "--context", type=int, help="context of a model in Meta's format, which does not say it (default: 2048)"
    )
    parser.add_argument(
        "--run-code",
        action="store_true",
        help="run the programs that the model writes, as humaneval and mbpp need (docs/safety.md)",
    )
    parser.add_argument(
        "--judge",
        action="append",
        default=[],
        metavar="KIND=NAME",
        help="what scores toxicity or truth of generated text: toxicity=perspective, or the path of a classifier",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of what is drawn (%(default)s)")
    parser.add_argument(
        "--without-contamination",
        action="store_true",
        help="do not look for the questions in the corpus' documents, all of which are read for it",
    )
    parser.add_argument(
        "--output",
        type=paths.local_output_option,
        help="file of JSON lines to append to (default: benchmarks.jsonl in the run; none for others' models)",
    )
    parser.add_argument(
        "tasks",
        nargs="+",
        metavar="TASK[@SHOTS]=PATH",
        help=f"task, number of solved examples and file or folder; tasks are {', '.join(TASKS)}",
    )
    return parser


def _add_run(parser: Parser) -> None:
    parser.add_argument("--run", type=paths.option, default="data/run", help="directory of a run (%(default)s)")
    parser.add_argument(
        "--corpus", type=paths.option, default="data/corpus", help="the corpus it was trained on (%(default)s)"
    )
    parser.add_argument("--step", type=int, help="step of the checkpoint to read (default: the last)")
