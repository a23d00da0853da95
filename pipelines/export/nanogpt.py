"""nanoGPT's data set: `train.bin` and `val.bin` of tokens, and `meta.pkl` with the vocabulary.

A split of one shard is linked. nanoGPT knows one file for a split, so several shards are put together in it, a copy;
any one shard is an unbiased sample of its source. `dataset = 'OUTPUT/SOURCE'` in nanoGPT's configuration.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pipelines.export.common import Shares, Source, link
from pipelines.files import storage
from pipelines.tokens import tokenizers

NAMES: Final = {"train": "train.bin", "validation": "val.bin"}


def export(sources: Iterable[Source], output: Path) -> None:
    """Write OUTPUT/SOURCE/train.bin, val.bin and meta.pkl; ValueError naming a source's split that is empty."""
    sources = list(sources)
    for source in sources:
        _refuse_empty(source)
    for source in sources:
        for split, name in NAMES.items():
            parts = [source.file(shard, "bin") for found, shard in source.shards() if found == split]
            target = output / source.name / name
            if len(parts) == 1:
                link(parts[0], target)
            else:
                with storage.write(str(target)) as stream:
                    for part in parts:
                        with part.open("rb") as tokens:
                            shutil.copyfileobj(tokens, stream, 1 << 20)
        storage.write_bytes(f"{output}/{source.name}/meta.pkl", pickle.dumps(meta(source)))


def _refuse_empty(source: Source) -> None:
    """Raise ValueError for a split without documents: nanoGPT reads both files, and cannot read an empty one."""
    for split in source.manifest.empty_splits():
        raise ValueError(
            f"{source.directory / 'manifest.json'}: no document of {source.name} is in the {split} split, and nanoGPT "
            f"needs {NAMES[split]}: build the corpus with --set shards.validation=SHARE, which says what is held "
            "out, or export other sources alone with --source"
        )


def read_by(source: Source, output: Path) -> Iterator[str]:
    """Yield the lines of nanoGPT's configuration and of its train.py, whose dtype is uint16 as it comes."""
    yield f"dataset = {str(output / source.name)!r}"
    dtype = source.manifest.dtype
    changed = "as it is" if dtype == "uint16" else "in place of np.uint16, twice"
    yield f"np.memmap(os.path.join(data_dir, 'train.bin'), dtype=np.{dtype}, mode='r')   in get_batch, {changed}"


def mixed(shares: Shares, output: Path) -> str:
    """Return a line for nanoGPT's train.py, which reads one data set: each batch is of one, drawn by its share."""
    folders, parts = [str(output / source.name) for source, _ in shares], [share for _, share in shares]
    return f"data_dir = str(np.random.choice({folders!r}, p={parts!r}))   first in get_batch"


def meta(source: Source) -> dict[str, object]:
    """Return what nanoGPT asks of a vocabulary: its size, the text of each id, and the id of each single character."""
    corpus = source.directory.parent.parent
    path = tokenizers.of_corpus(str(corpus))
    if path is None:
        raise ValueError(f"{corpus}/models/tokenizer: there is no tokenizer, which meta.pkl is made from")
    texts = [_text(content) for content in tokenizers.load(path).contents]
    characters = {text: id_ for id_, text in enumerate(texts) if len(text) == 1}
    return {"vocab_size": source.manifest.vocabulary, "itos": dict(enumerate(texts)), "stoi": characters}


def _text(content: bytes | None) -> str:
    """Return the text of a token; "" for one that is no text, or a part of a character."""
    try:
        return (content or b"").decode()
    except UnicodeDecodeError:
        return ""
