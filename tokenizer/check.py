"""What is a tokenizer, and does it follow LLaMA's specification? `python -m tokenizer.check FILE [--vocabulary N]`.

FILE -> facts about ids, ends, bytes, digits, spaces, text that is lost, speed    (of any tokenizer)
     -> what is not as LLaMA's specification says                                 (of a SentencePiece model)
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tokenizer.encode import Tokenizer
from tokenizer.rules import violations
from tokenizer.spec import BYTE_PIECES, LLAMA, MODEL

_SHOWN: Final = 6  # special pieces by name
_DIGITS: Final = re.compile(rb"[0-9]+")


def facts(tokenizer: Tokenizer) -> Iterator[str]:
    """Yield what a user of a tokenizer should know, a line each; a text that it cannot encode is a ValueError."""
    yield f"{tokenizer.format} with {tokenizer.vocabulary:,} ids; shards are {tokenizer.dtype.name}"
    yield f"a document begins with {_end(tokenizer, tokenizer.bos)} and ends with {_end(tokenizer, tokenizer.eos)}"
    if tokenizer.assumed:
        yield tokenizer.assumed
    contents = tokenizer.contents
    special = [tokenizer.piece(id_) for id_, content in enumerate(contents) if content is None]
    shown = ", ".join(map(repr, filter(None, special[:_SHOWN])))
    more = f" and {len(special) - _SHOWN:,} more" if len(special) > _SHOWN else ""
    yield f"pieces that are no text: {shown or 'none'}{more}; their names in a text are ordinary text"
    single = {content for content in contents if content is not None and len(content) == 1}
    yield f"{len(single)} of {BYTE_PIECES} bytes have a piece of their own" + (
        ", so any text can be encoded" if len(single) == BYTE_PIECES else ": text without a piece may be lost"
    )
    longest = max((len(run) for content in contents for run in _DIGITS.findall(content or b"")), default=0)
    yield f"a piece holds at most {longest:,} digit{'s' * (longest != 1)} in a row"
    yield f"a space is {'' if tokenizer.prefix else 'not '}put in front of a text"
    yield tokenizer.lost() or "sample texts in 25 languages and code come back unchanged"
    yield tokenizer.slow or "encoded fast, by gigatoken, which gave the same ids on all probes"


def _end(tokenizer: Tokenizer, id_: int | None) -> str:
    return "nothing" if id_ is None else f"{tokenizer.piece(id_)!r} ({id_})"


def _here(text: str) -> Path:
    """Return the path of a file on this machine; an address, which may hold a password, is refused unseen."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", text) or re.search(r":.*@", text):
        raise argparse.ArgumentTypeError("a file on this machine is expected, not an address")
    return Path(text)


def command_line() -> argparse.ArgumentParser:
    """Return the command line; the program is called as it was called."""
    program = sys.argv[0] if sys.argv[0].startswith("altiplano ") else "python -m tokenizer.check"
    parser = argparse.ArgumentParser(
        prog=program,
        description="Describe a tokenizer, and check a SentencePiece model against LLaMA's specification.",
        epilog=f"example: {program} data/corpus/models/tokenizer/tokenizer.model",
    )
    parser.add_argument("model", type=_here, help="a SentencePiece .model file, or a tokenizer.json")
    parser.add_argument(
        "--vocabulary",
        type=int,
        default=LLAMA.vocab_size,
        help="pieces that a SentencePiece model should have (default %(default)s)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Describe the tokenizer that the command line names.

    Returns 1 for a SentencePiece model that does not follow the specification, and for a tokenizer.json that loses
    text; else 0.
    """
    parser = command_line()
    options = parser.parse_args(arguments)
    try:
        tokenizer = Tokenizer(options.model)
        lines = [f"{options.model}: {next(found := facts(tokenizer))}", *found]
        is_model = MODEL in tokenizer.files
        problems = violations(options.model, replace(LLAMA, vocab_size=options.vocabulary)) if is_model else []
        failed = bool(problems) if is_model else tokenizer.lost() is not None
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if is_model and not problems:
        lines.append(f"it follows LLaMA's specification with {options.vocabulary} pieces")
    lines += [f"not as LLaMA's specification says: {problem}" for problem in problems]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
