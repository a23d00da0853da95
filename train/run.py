"""A run and its step: everything that a checkpoint saves, and what a batch does to it.

corpus + configuration -> open_run -> Run at the step of its last checkpoint -> train_step ... -> save
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from model import saved, sharded_files
from model.configs import ModelConfig, named
from model.llama import LLaMA, Mask
from train import checkpoint, loss, meters, optimizer, parallel, sharded, spikes
from train.config import RunConfig, check_same, choose_device, identity
from train.corpus import Corpus, check_digests, mixture_of, open_corpus, proportions_of
from train.dataset import Batch, SequenceDataset, Steps, loader
from train.mixture import Mixture, parse_proportions
from train.parallel import ALONE, Switches, World
from train.plan import Entry, ledger

_MAX_SKIPPED = 10  # updates in a row whose gradients are not finite, before the run gives up


@dataclass(kw_only=True)
class Run:
    """A run in memory; `step` steps of `steps` are done, in `seconds`.

    `left_out` are the ranges [first, stop) of k that it went back behind and jumps over.
    """

    config: RunConfig
    corpus: Corpus
    mixture: Mixture
    model: LLaMA
    optimizer: torch.optim.Optimizer
    device: torch.device
    world: World
    steps: int
    step: int = 0
    seconds: float = 0.0
    skipped: int = 0
    saver: sharded.Saver | None = None
    watt_hours: float | None = 0.0  # what all GPUs have drawn; None: not measured from beginning to end
    left_out: list[tuple[int, int]] = field(default_factory=list)

    @property
    def sources(self) -> list[str]:
        """Return the names of the sources in the mixture's order."""
        return list(self.corpus.manifests)

    @property
    def sizes(self) -> dict[str, int]:
        """Return the training tokens of each source."""
        return {name: manifest.total("train", "tokens") for name, manifest in self.corpus.manifests.items()}

    @property
    def checkpoints(self) -> Path:
        """Return the directory of the run's checkpoints."""
        return saved.directory_of(self.config.output)

    @property
    def k(self) -> int:
        """Return how many sequences of the mixture are used up."""
        return self.k_at(self.step)

    def k_at(self, step: int) -> int:
        """Return how many sequences of the mixture are used up after a step from here on."""
        return step * self.config.batch_sequences + sum(last - first for first, last in self.left_out)

    def precision(self) -> AbstractContextManager[Any]:
        """Return what makes products have the precision of the run."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")

    def ledger(self, step: int) -> tuple[Entry, ...]:
        """Return what the run has taken from each source after `step` steps, exactly."""
        return ledger(self.mixture, self.sizes, self.config.sequence_length, self.k_at(step), self.left_out)

    def close(self) -> None:
        """End what the run does in the background."""
        if self.saver is not None:
            self.saver.close()

    def batches(self, stop: int) -> Iterator[Batch]:
        """Yield the micro-batches from this step up to step `stop`."""
        config = self.config
        streams = [self.corpus.stream(name) for name in self.sources]
        dataset = SequenceDataset(self.mixture, streams, config.sequence_length)
        share = self.world.data_rank, self.world.data_size
        jumped = self.k // config.batch_sequences - self.step
        steps = Steps(self.step + jumped, stop + jumped, config.batch_sequences, config.micro_sequences, *share)
        return loader(dataset, steps, config.workers, pin=self.device.type == "cuda")


def open_run(config: RunConfig, report: Callable[[str], None], world: World = ALONE) -> Run:
    """Open the corpus, build the model over the ranks, and continue from the last whole checkpoint if there is one.

    Raises ValueError for a configuration, a corpus or a checkpoint that do not fit each other, before any training.
    """
    config = replace(config, proportions=config.proportions or proportions_of(config.corpus))
    weights = parse_proportions(config.proportions)
    corpus = open_corpus(config.corpus, weights)
    sizes = {name: manifest.total("train", "tokens") for name, manifest in corpus.manifests.items()}
    mixture = mixture_of(sizes, weights, config.sequence_length, config.seed)
    device = choose_device(config.device)
    shape = model_config(config, corpus.vocabulary)
    parallel.check_shape(shape, config.sequence_length, world.tensor)
    Steps(0, 0, config.batch_sequences, config.micro_sequences, 0, world.data_size)
    if config.attention == "flex" and (device.type != "cuda" or not config.compile):
        raise ValueError("attention is flex: it trains on a GPU only, with --compile true")
    switches = Switches(
        precision=config.precision,
        checkpointing=config.checkpointing,
        compile=config.compile,
        loss_parallel=config.loss_parallel,
        prefetch=config.prefetch,
        attention=config.attention,
        residual=config.residual,
    )
    model = parallel.build(shape, config.seed, device, world, switches)
    run = Run(
        config=config,
        corpus=corpus,
        mixture=mixture,
        model=model,
        optimizer=optimizer.adamw(model, config.learning_rate, config.fused_optimizer),
        device=device,
        world=world,
        steps=config.steps,
    )
    path = world.first_does(lambda: saved.find_latest(run.checkpoints, report))
    if path is not None:
        _resume(run, saved.load(path))
    if world.size > 1 or config.checkpoint_async:
        run.saver = sharded.Saver(run.checkpoints, config.keep_checkpoints, world)
    return run


def model_config(config: RunConfig, vocabulary: int) -> ModelConfig:
    """Return the model's shape with the corpus' vocabulary; raise ValueError if its context is too short."""
    shape = replace(named(config.model), vocabulary=vocabulary)
    if config.sequence_length > shape.context:
        raise ValueError(
            f"sequence_length is {config.sequence_length}, but model {config.model} has a context of {shape.context}"
        )
    return shape


def _resume(run: Run, found: saved.Checkpoint) -> None:
    check_same(run.config, found.state["config"])
    check_digests(run.corpus, found.state["corpus"], run.config.output)
    if sharded_files.is_sharded(found.path):
        sharded.load(found.path, run.model, run.optimizer)
    elif run.world.size > 1:
        sharded.fill(run.model, run.optimizer, found.tensors)
    else:
        run.model.load_state_dict(found.tensors["model"])
        saved = found.tensors["optimizer"]
        for group in saved["param_groups"]:
            group["fused"] = run.config.fused_optimizer  # it would bring its own, with the rates
        run.optimizer.load_state_dict(saved)
    run.left_out = [(first, last) for first, last in found.state.get("left_out", ())]
    run.watt_hours = found.state.get("watt_hours")
    run.step, run.steps, run.seconds = (found.state[name] for name in ("step", "steps", "seconds"))


def rewind(run: Run, suspicious: int, report: Callable[[str], None]) -> dict[str, Any]:
    """Go back to the last checkpoint before the last `suspicious` steps, and leave out the batches since.

    Returns a record of what was done. Raises ValueError if the run has gone back too often.
    """
    at, end, seconds = run.step, run.k, run.seconds
    if len(run.left_out) >= spikes.MAX_REWINDS:
        raise ValueError(f"the loss has spiked {len(run.left_out) + 1} times: lower --learning-rate")
    if run.saver is not None:
        run.saver.wait()
    left_out = list(run.left_out)
    before = at - suspicious + 1
    path = run.world.first_does(lambda: saved.find_latest(run.checkpoints, report, before))
    if path is not None:
        _resume(run, saved.load(path))
    else:
        parallel.draw(run.model, torch.Generator().manual_seed(run.config.seed))
        run.optimizer.state.clear()
        run.step = 0
    run.left_out, run.seconds = left_out, seconds
    skipped = (run.k, end)
    run.left_out.append(skipped)
    return {"spike_at_step": at, "back_to_step": run.step, "left_out": list(skipped)}


def save(run: Run) -> None:
    """Write a checkpoint of the run, or start to; errors as `checkpoint.save`'s and `Saver.save`'s."""
    state = {
        "step": run.step,
        "steps": run.steps,
        "seconds": run.seconds,
        "left_out": run.left_out,
        "watt_hours": run.watt_hours,
        "config": identity(run.config),
        "corpus": run.corpus.digests(),
        "tokenizer": next(iter(run.corpus.manifests.values())).tokenizer_sha256,
    }
    if run.saver is None:
        tensors = {"model": run.model.state_dict(), "optimizer": run.optimizer.state_dict()}
        checkpoint.save(run.checkpoints, run.step, tensors, state, run.config.keep_checkpoints)
        return
    run.saver.save(run.step, sharded.tensors_of(run.model, run.optimizer), state)
    if not run.config.checkpoint_async:
        run.saver.wait()


def train_step(run: Run, batches: Iterator[Batch]) -> dict[str, Any]:
    """Take one step over its micro-batches; return its row of the log.

    The loss is the mean over all tokens of the step, and so is the gradient. Gradients that are not finite never reach
    the weights: the step is skipped, and ten such in a row raise ValueError.
    """
    config = run.config
    losses: list[torch.Tensor] = []
    source: list[torch.Tensor] = []
    count = config.batch_sequences // (config.micro_sequences * run.world.data_size)
    for number in range(count):
        batch = next(batches)
        parallel.reduce_gradients(run.model, config.reduction == "micro-batch" or number == count - 1)
        per_sequence = sequence_losses(run, batch.tokens.to(run.device, non_blocking=True))
        torch.autograd.backward(per_sequence.sum() / config.batch_sequences)
        losses.append(run.world.gather(per_sequence.detach()))
        source.append(run.world.gather(batch.source.to(run.device, non_blocking=True)))
    warmup = optimizer.fitted_warmup(config.warmup_steps, config.steps, run.steps)
    rate = optimizer.learning_rate(run.step, config.learning_rate, warmup, run.steps)
    norm = optimizer.update(run.optimizer, rate)
    run.step += 1
    run.skipped = 0 if math.isfinite(norm) else run.skipped + 1
    if run.skipped >= _MAX_SKIPPED:
        raise ValueError(f"gradients were not finite in {_MAX_SKIPPED} steps in a row: lower --learning-rate")
    # Read only now: each read waits for the GPU, which then has nothing to do.
    return _row(run, torch.cat(losses).tolist(), torch.cat(source).tolist(), rate, norm)


def sequence_losses(run: Run, tokens: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of each sequence in nats per token, shape (n,), from tokens of shape (n, T + 1)."""
    return token_losses(run, tokens).mean(1)


def token_losses(run: Run, tokens: torch.Tensor) -> torch.Tensor:
    """Return the loss of each token but the first, (n, T), computed as the run is configured."""
    with run.precision():
        return loss.token_losses(run.model, tokens, run.config.loss_chunk, _mask(run, tokens), run.config.compile)


def _mask(run: Run, tokens: torch.Tensor) -> Mask | None:
    flex = run.config.attention == "flex"
    if not run.config.document_mask:
        return loss.document_blocks(torch.zeros_like(tokens[:, :-1])) if flex else None
    manifest = next(iter(run.corpus.manifests.values()))
    documents = loss.document_numbers(tokens[:, :-1], manifest.bos_id, manifest.eos_id)
    return loss.document_blocks(documents) if flex else loss.document_mask(documents)


def _row(run: Run, losses: list[float], source: list[int], rate: float, norm: float) -> dict[str, Any]:
    mean = math.fsum(losses) / len(losses)
    length = run.config.sequence_length
    return {
        "step": run.step,
        "k": run.k,
        "tokens": run.step * len(losses) * length,
        "batch_tokens": len(losses) * length,
        "loss": mean if math.isfinite(mean) else None,
        "learning_rate": rate,
        "gradient_norm": norm if math.isfinite(norm) else None,
        "sources": meters.by_source(losses, source, run.sources),
        "ledger": {entry.source: entry.tokens for entry in run.ledger(run.step)},
    }
