"""What every stage of every source makes of the tests' tiny dumps, as digests in golden.json, with the stage's version.

    python -m tests.pipelines.golden      rewrites the file

A result is kept as long as its stage has the same version. So a stage that makes something else of the same input, and
has the version that it had, would leave old results in every corpus: `problems` says where that is so.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from pipelines import corpus
from pipelines.build import SOURCES, source_of, with_own_texts
from pipelines.files import tables
from pipelines.recipes import TEXTS
from pipelines.settings import override
from pipelines.stages.kinds import Stage
from tests.pipelines import tiny

FILE = Path(__file__).with_name("golden.json")
COMMAND = "python -m tests.pipelines.golden"
# What says how it was made, not what was made; and excerpts for people.
_LEFT_OUT = (".json", ".changes", ".counts", "begun")
# Own texts with all that any source may switch on, in a corpus of their own.
OWN = "own"
SETTINGS = (
    "texts.own.text=body",
    "texts.own.filters.language.languages=en",
    "texts.own.filters.c4.lines=true",
    "texts.own.filters.c4.bad_words=true",
    "texts.own.filters.gopher.quality=true",
    "texts.own.filters.fineweb=true",
    "texts.own.filters.perplexity.buckets=head,middle,tail",
    "texts.own.filters.classifier.label=reference",
    "texts.own.filters.classifier.threshold=0",
    "texts.own.filters.mask_personal_information=true",
    "texts.own.filters.copies=true",
    "texts.own.filters.lines=all_but_one",
    "texts.own.near.measure=jaccard",
    "texts.own.near.threshold=0.5",
    "contamination.drop=true",
    "buckets=4",
    "keep_staged=true",
)
_RECIPE, _ALL = with_own_texts(reduce(override, SETTINGS, TEXTS), SOURCES)
STAGES: Mapping[str, tuple[Stage, ...]] = {name: source.stages for name, source in SOURCES.items()} | {
    OWN: source_of(_ALL[OWN], _RECIPE).stages
}


def stages() -> Iterator[tuple[str, int]]:
    """Yield source and place of every stage."""
    for name, found in STAGES.items():
        yield from ((name, index) for index in range(len(found)))


def output_of(folder: Path, source: str) -> Path:
    """Return the corpus that a source is in."""
    return folder / (OWN if source == OWN else "corpus")


def digest(folder: Path, source: str, index: int) -> str:
    """Return the digest of all that a stage has written: rows of tables in any order, other files byte for byte."""
    output = output_of(folder, source)
    patterns = [f"{source}/drops/{STAGES[source][index].name}-*"]
    patterns += [f"{source}/documents/*"] if index == len(STAGES[source]) - 1 else []
    files = [path for pattern in patterns for path in output.glob(pattern)]
    return _digest_of(output, [*files, *work(folder, source, index)])


def work(folder: Path, source: str, index: int) -> Iterator[Path]:
    """Yield what a stage has staged: in a folder of its name, or of its name and a step's."""
    name, stages = STAGES[source][index].name, {stage.name for stage in STAGES[source]}
    for path in output_of(folder, source).glob(f"work/{source}/*/*"):
        of = path.parent.name
        if of == name or (of.startswith(f"{name}_") and of not in stages):
            yield path


def _digest_of(output: Path, files: Sequence[Path]) -> str:
    rows = [(path.relative_to(output).as_posix(), _digest(path)) for path in files if not path.name.endswith(_LEFT_OUT)]
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()[:16]


def _digest(path: Path) -> str:
    if path.suffix == ".parquet":
        return tables.table_digest(map(tables.row_digest, tables.read_rows(str(path))))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def found(folder: Path) -> dict[str, dict[str, Any]]:
    """Return digest and version of every stage and of what is unpacked before, by SOURCE/STAGE."""
    rows = {
        f"{source}/{stage.name}": {"digest": digest(folder, source, index), "version": stage.version}
        for source, index in stages()
        for stage in [STAGES[source][index]]
    }
    for name, source in SOURCES.items():
        if source.unpack:
            output = output_of(folder, name)
            made = _digest_of(output, list(output.glob(f"work/{name}/unpack/*")))
            rows[f"{name}/unpack"] = {"digest": made, "version": source.unpack_version}
    return rows


def problems(now: Mapping[str, Mapping[str, Any]], golden: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is not as the file says, each with its stage and what is to be done."""
    for name in [*golden, *(name for name in now if name not in golden)]:
        if name not in now or name not in golden:
            yield f"{name}: {'is gone' if name in golden else 'is new'}; record that with {COMMAND}"
        elif now[name]["version"] != golden[name]["version"]:
            yield f"{name}: has version {now[name]['version']}, {FILE.name} {golden[name]['version']}; run {COMMAND}"
        elif now[name]["digest"] != golden[name]["digest"]:
            yield (
                f"{name}: makes something else of the same dumps, with the same version {now[name]['version']}: if it "
                f"should, raise `version` of the stage in pipelines/{_file(name)} and run {COMMAND}; if it should not, "
                "a step of it was changed by mistake"
            )


def _file(name: str) -> str:
    source, _, stage = name.partition("/")
    if source == OWN:
        return "sources/texts.py" if stage == "rows" else "optional"
    return f"sources/{source}.py"


def build(folder: Path) -> None:
    """Build the corpora of the tiny dumps and of own texts in this folder."""
    tiny.write(folder)
    write_own(folder)
    for source in (next(iter(SOURCES)), OWN):
        if corpus.main(options(folder, source)):
            raise RuntimeError(f"the tiny dumps of {source} cannot be built")


def options(folder: Path, source: str) -> list[str]:
    """Return the options that build the corpus that a source is in."""
    where = ["--output", str(output_of(folder, source)), "--runner", "plain"]
    if source != OWN:
        return [*tiny.options(folder), *where]
    made = folder / "corpus/models"
    models = {
        "lid": folder / "models/lid.bin",
        "bad_words": folder / "models/bad_words.txt",
        "language_models": made / "language_models",
        "cutoffs": made / "cutoffs",
        "classifier": made / "reference/reference.bin",
        "benchmarks": folder / "benchmarks",
    }
    words = ["--recipe", "texts", "--input", f"{OWN}={folder}/own.jsonl"]
    words += [word for setting in SETTINGS for word in ("--set", setting)]
    return [*words, *(word for name, path in models.items() for word in ("--model", f"{name}={path}")), *where]


def write_own(folder: Path) -> None:
    """Write rows of which some are dropped by each stage, and a benchmark."""
    draw = random.Random(5)
    texts = [tiny.prose(draw, 12) for _ in range(12)]
    question = "Eleven violins were hidden inside the clock tower, and only the deaf sacristan knew how each was tuned."
    texts += [texts[0], f"{texts[1]}\n{tiny.sentence(draw)}", f"{texts[2]}\n{question}", "Short.", tiny.GERMAN * 9]
    texts += [f"{text}\nThe council meets again on every second Monday of the month." for text in texts[3:5]]
    texts.append("\n".join(f"{line} Indeed." for line in texts[5].split("\n")))
    again = "The llamas carried all of the wool that we have to the valley."  # which FineWeb drops
    texts.append("\n".join([again] * 9))
    rows = [json.dumps({"body": text}) for text in texts]
    (folder / "own.jsonl").write_text("\n".join([*rows, "{", '{"name": 1}', ""]), encoding="utf-8")
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks/questions.jsonl").write_text(json.dumps({"question": question}) + "\n", encoding="utf-8")


def main() -> int:
    """Rewrite golden.json and say what has changed."""
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        now = found(Path(folder))
    golden = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for name in sorted({*now, *golden}):
        was, became = golden.get(name), now.get(name)
        if was and became and was["version"] != became["version"] and was["digest"] == became["digest"]:
            print(f"recorded: {name} has another version and the same digest: no tiny dump reaches what was changed")
        elif was != became:
            print(f"recorded: {name}: {was} -> {became}")
    FILE.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
