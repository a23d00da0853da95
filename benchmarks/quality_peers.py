"""datatrove's filters of Gopher and FineWeb on texts, in the environment that `peers` makes for it.

Run by the benchmark as `python quality_peers.py JOB TEXTS.json OUT.json`: what each filter says of each text, the words
that its tokenizer found, and CPU seconds.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any


def verdict(step: Any, document: Any) -> str | None:
    """Return why a filter drops a document, None if it keeps it."""
    try:
        found = step.filter(document)
    except ZeroDivisionError:  # a text without words
        return "no words"
    return None if found is True else str(found[1]) if isinstance(found, tuple) else "dropped"


def main() -> None:
    texts = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    filters, data = import_module("datatrove.pipeline.filters"), import_module("datatrove.data")
    tokenizer = import_module("datatrove.utils.word_tokenizers").load_word_tokenizer("en")
    steps = [filters.GopherQualityFilter(), filters.GopherRepetitionFilter(), filters.FineWebQualityFilter()]
    documents = [data.Document(text=text, id=str(number)) for number, text in enumerate(texts)]
    began = time.process_time()
    verdicts = [[verdict(step, document) for step in steps] for document in documents]
    seconds = time.process_time() - began
    words = [tokenizer.word_tokenize(text) for text in texts]
    Path(sys.argv[3]).write_text(json.dumps({"verdicts": verdicts, "words": words, "seconds": seconds}))


if __name__ == "__main__":
    main()
