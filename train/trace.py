"""What a step of a run read: its sequences, and the documents they are from.

    python -m train.trace data/run --step 120 [--corpus data/corpus] [--rank 3 --world 8]
    python -m train.trace data/run --source books --tokens 1200-1800 [--corpus data/corpus] [--json]

    step ─> k ─ mixture ─> source, sequence ─> tokens [sT, sT + T + 1) ─ pipelines.trace ─> documents, dump files
    tokens ─> sequences ─ mixture, backwards ─> ks ─> the steps that have read them

Everything follows from the run's configuration, its last checkpoint's, and the corpus; nothing was logged for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import trace
from pipelines.files import commands
from train import command_lines
from train.corpus import Corpus, mixture_of, open_corpus
from train.mixture import Mixture, parse_proportions


@dataclass(frozen=True, slots=True)
class Sequences:
    """The run's data without its model: the k-th sequence of the mixture and its documents."""

    corpus: Corpus
    mixture: Mixture
    length: int
    batch: int
    left_out: tuple[tuple[int, int], ...] = ()
    steps: int = 0

    def readers(self, source: str, first: int, last: int) -> list[int]:
        """Return the steps up to the last checkpoint that have read a token of `first` to `last` of a source.

        Raises ValueError for a source that the run does not read.
        """
        names = list(self.corpus.manifests)
        if source not in names:
            raise ValueError(f"--source {source}: the run reads {', '.join(names)}")
        if not 0 <= first <= last:
            raise ValueError(
                f"--tokens {first}-{last}: two numbers from 0 on are expected, the first not above the last"
            )
        place = names.index(source)
        low, high = max(0, (first - 1) // self.length), min(last // self.length, self.mixture.sizes[place] - 1)
        end = self.step(self.steps).stop if self.steps else 0
        ks = self.mixture.where(place, np.arange(low, high + 1), end)
        return sorted({step for k in ks.tolist() if (step := self.step_of(k))})

    def step_of(self, k: int) -> int:
        """Return the step that reads the k-th sequence, 0 if the run has left it out."""
        if any(start <= k < stop for start, stop in self.left_out):
            return 0
        return (k - sum(stop - start for start, stop in self.left_out if stop <= k)) // self.batch + 1

    def documents(self, k: int) -> tuple[str, int, list[trace.Part]]:
        """Return the source of the k-th sequence, its epoch, and the parts of documents that it is made of."""
        draw = self.mixture.at(np.array([k]))
        source = list(self.corpus.manifests)[int(draw.source[0])]
        start = int(draw.sequence[0]) * self.length
        return source, int(draw.epoch[0]), trace.parts(self.corpus.directory, source, start, start + self.length + 1)

    def step(self, step: int, rank: int = 0, world: int = 1) -> range:
        """Return the ks of a step, counted from 1 as the log does, or of one rank's share of it.

        A run that went back behind a spike jumps over the sequences it has left out.
        """
        if step < 1 or not 0 <= rank < world:
            raise ValueError(f"step is {step}, rank {rank} of {world}: steps count from 1, ranks from 0")
        first = (step - 1) * self.batch
        for start, stop in self.left_out:
            first += stop - start if first >= start else 0
        return range(first, first + self.batch)[rank::world]


def open_run(run: Path, corpus: Path) -> Sequences:
    """Return the sequences of a run; raise ValueError if it has no checkpoint, or the corpus is not the one it read."""
    state = _last_state(run / "checkpoints")
    config = state["config"]
    weights = parse_proportions(config["proportions"])
    found = open_corpus(corpus, weights)
    for source, digest in found.digests().items():
        if state["corpus"].get(source) != digest:
            raise ValueError(f"{corpus}: the tokens of {source} are not the ones that the run in {run} read")
    sizes = {name: manifest.total("train", "tokens") for name, manifest in found.manifests.items()}
    length = config["sequence_length"]
    mixture = mixture_of(sizes, weights, length, config["seed"])
    left_out = tuple((start, stop) for start, stop in state.get("left_out", ()))
    return Sequences(found, mixture, length, config["batch_sequences"], left_out, state.get("step", 0))


def _last_state(checkpoints: Path) -> Mapping[str, Any]:
    states = sorted(checkpoints.glob(f"step-{'[0-9]' * 8}/state.json"))
    if not states:
        raise ValueError(f"{checkpoints}: no checkpoint, so there is no run to trace")
    state: Mapping[str, Any] = json.loads(states[-1].read_text(encoding="utf-8"))
    return state


def report(sequences: Sequences, ks: Sequence[int]) -> Iterator[str]:
    """Yield a line for each sequence and indented ones for its documents."""
    read = {k: sequences.documents(k) for k in ks}
    wanted: dict[str, list[trace.Part]] = {}
    for source, _, parts in read.values():
        wanted.setdefault(source, []).extend(parts)
    records = {source: trace.records(sequences.corpus.directory, source, found) for source, found in wanted.items()}
    for k, (source, epoch, parts) in read.items():
        yield f"k = {k}: {source}, epoch {epoch}, tokens {parts[0].start} to {parts[-1].stop - 1}"
        for part in parts:
            yield from (f"  {line}" for line in trace.lines(part, records[source][part.document]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the sequences of a step and their documents, or the steps that have read some tokens."""
    parser = command_lines.trace()
    options = parser.parse_args(arguments)
    if (options.step is None) == (options.tokens is None) or (options.tokens is None) != (options.source is None):
        parser.error("--step, or --source with --tokens, is needed: what a step read, or which steps read some tokens")
    try:
        sequences = open_run(options.run, options.corpus)
        if options.tokens is not None:
            steps = sequences.readers(options.source, *options.tokens)
            print(json.dumps({"steps": steps}) if options.json else "\n".join(map(str, steps)))  # noqa: T201
            return 0
        for line in report(sequences, sequences.step(options.step, options.rank, options.world)):
            print(line)  # noqa: T201
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    commands.run(main)
