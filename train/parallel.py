"""What is done to a model from outside: spread over ranks, activations recomputed, layers compiled.

    LLaMA on the meta device -> tensor and sequence parallel -> checkpointing -> compile -> FSDP -> its weights drawn

The ranks form a mesh of replicas x shards x tensor: `tensor` neighbours hold parts of each matrix and compute one batch
together; over `shard` each weight is cut again and gathered for its layer only; over `replicate` weights are whole
copies whose gradients are summed. Every data rank takes its own sequences; gradients are sums, so the loss says by what
they are divided. One process without a mesh does the same arithmetic.

Between the matrices the tensor ranks hold pieces of the sequence (norms and residuals are never computed twice):

    x (T / n) -> norm -> gather -> wq wk wv | heads / n -> attention -> wo -> scatter (T / n)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    loss_parallel,
    parallelize_module,
)
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from model.configs import ModelConfig
from model.llama import LLaMA, rotary_table
from train.config import launched

T = TypeVar("T")
REPLICATE, SHARD, TENSOR = "replicate", "shard", "tensor"


@dataclass(frozen=True, slots=True)
class World:
    """Where this process stands among all; without a mesh it is the only one."""

    mesh: DeviceMesh | None = None

    @property
    def first(self) -> bool:
        """Return whether this process speaks for all: prints, logs, and writes manifests."""
        return self.mesh is None or dist.get_rank() == 0

    @property
    def size(self) -> int:
        """Return the number of processes."""
        return 1 if self.mesh is None else int(self.mesh.size())

    @property
    def tensor(self) -> int:
        """Return how many ranks share each matrix."""
        return 1 if self.mesh is None else int(self.mesh[TENSOR].size())

    @property
    def data_size(self) -> int:
        """Return how many ranks take sequences of their own."""
        return self.size // self.tensor

    @property
    def data_rank(self) -> int:
        """Return which of them this rank is."""
        return 0 if self.mesh is None else dist.get_rank() // self.tensor

    def gather(self, value: Tensor) -> Tensor:
        """Return the values (n,) of all data ranks, in the order of the sequences they took in turn."""
        if self.mesh is None:
            return value
        everyone = [torch.empty_like(value) for _ in range(self.size)]
        dist.all_gather(everyone, value)
        return torch.stack(everyone[:: self.tensor], dim=1).flatten()

    def all_of(self, value: T) -> list[T]:
        """Return the values of all ranks, on every rank."""
        if self.mesh is None:
            return [value]
        everyone: list[Any] = [None] * self.size
        dist.all_gather_object(everyone, value)
        return everyone

    def sum(self, value: float) -> float:
        """Return the sum of all ranks' values, on every rank."""
        if self.mesh is None:
            return value
        summed = torch.tensor(value, dtype=torch.float64, device=self.mesh.device_type)
        dist.all_reduce(summed)
        return float(summed)

    def same(self, value: float) -> float:
        """Return the first rank's value on every rank."""
        if self.mesh is None:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.mesh.device_type)
        dist.broadcast(shared, 0)
        return float(shared)

    def first_does(self, work: Callable[[], T]) -> T:
        """Return what the first rank's call returned, on every rank; raise what it raised as ValueError."""
        if self.mesh is None:
            return work()
        answer: list[Any] = [None, None]
        if self.first:
            try:
                answer[0] = work()
            except (ValueError, OSError) as error:
                answer[1] = str(error)
        dist.broadcast_object_list(answer, 0)
        if answer[1] is not None:
            raise ValueError(answer[1])
        result: T = answer[0]
        return result

    def agree(self, flag: bool) -> bool:
        """Return whether the flag is set on any rank."""
        if self.mesh is None:
            return flag
        device = self.mesh.device_type
        value = torch.tensor(int(flag), device=device)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return bool(value.item())


ALONE = World()


@contextmanager
def joined(device: torch.device, tensor: int, replicas: int) -> Iterator[World]:
    """Join the processes that a launcher has started, and leave them at the end.

    Raises ValueError if they do not divide into replicas and tensor ranks.
    """
    size = launched()
    if size % (tensor * replicas):
        raise ValueError(
            f"{size} processes do not divide into replicas, {replicas}, x tensor_parallel, {tensor}: "
            "start another number with torchrun --nproc-per-node, or change these"
        )
    if size == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        # Backward passes need it as well as forward ones, so it is not the loss that enters it.
        with loss_parallel() if tensor > 1 else nullcontext():
            yield World(_mesh(device.type, size, tensor, replicas))
    finally:
        dist.destroy_process_group()


def _mesh(device_type: str, size: int, tensor: int, replicas: int) -> DeviceMesh:
    shape = (replicas, size // (replicas * tensor), tensor)
    mesh = init_device_mesh(device_type, shape, mesh_dim_names=(REPLICATE, SHARD, TENSOR))
    mesh[SHARD, TENSOR]._flatten("sharded")  # one reduction for the gradients' norm, not two
    return mesh


def check_shape(config: ModelConfig, length: int, tensor: int) -> None:
    """Raise ValueError naming what does not divide by the number of tensor ranks."""
    shape = {"kv_heads": config.kv_heads, "hidden": config.hidden, "sequence_length": length, "context": config.context}
    for name, value in shape.items():
        if value % tensor:
            raise ValueError(f"tensor_parallel is {tensor}; it must divide {name}, {value}")


@dataclass(frozen=True, slots=True)
class Switches:
    """What is done to a model beside being spread; fields as RunConfig's."""

    precision: str = "float32"
    checkpointing: str = "none"
    compile: bool = False
    loss_parallel: bool = True
    prefetch: int = 0
    attention: str = "sdpa"
    residual: str = "float32"


def build(config: ModelConfig, seed: int, device: torch.device, world: World, switches: Switches) -> LLaMA:
    """Return a model spread over the world's ranks, with the weights that a single process would draw.

    One whole matrix at a time is in memory, on the CPU: that the weights are the same on any number of ranks is worth
    drawing each on every rank.
    """
    with torch.device("meta"):
        model = LLaMA(config)
    if world.tensor > 1 and world.mesh is not None:
        split_matrices(model, world.mesh[TENSOR], switches.loss_parallel)
    if switches.residual == "bfloat16":
        model.tok_embeddings.register_forward_hook(_narrow)
    for layer in model.layers:
        prepare(layer, switches)
    if world.mesh is not None:
        shard(model, world.mesh, switches.precision)
        prefetch(model, switches.prefetch)
    model.to_empty(device=device)
    model.rotary = rotary_table(config, device)
    draw(model, torch.Generator().manual_seed(seed))
    return model


@torch.no_grad()
def draw(model: LLaMA, generator: torch.Generator) -> None:
    """Draw every weight whole, and keep this rank's part."""
    for name, weight in model.named_parameters():
        whole = torch.empty(weight.shape)
        model.draw(name, whole, generator)
        if isinstance(weight, DTensor):
            part = distribute_tensor(
                whole.to(weight.device_mesh.device_type), weight.device_mesh, weight.placements, src_data_rank=None
            )
            weight.to_local().copy_(part.to_local())
        else:
            weight.copy_(whole)


def split_matrices(model: LLaMA, mesh: DeviceMesh, cut_logits: bool) -> None:
    """Cut matrices by column, then row, and the sequence between them (Megatron's scheme, in DTensor).

    With `cut_logits` each rank's logits stay those of its part of the vocabulary, and the loss is computed on them.
    """
    sequence, whole = Shard(1), Replicate()
    gathered = partial(PrepareModuleInput, use_local_output=True)
    layer: dict[str, ParallelStyle] = {
        "attention_norm": SequenceParallel(),
        "attention": gathered(
            input_layouts=(sequence, None, None, None), desired_input_layouts=(whole, None, None, None)
        ),
        **{f"attention.{name}": ColwiseParallel() for name in ("wq", "wk", "wv")},
        "attention.wo": RowwiseParallel(output_layouts=sequence),
        "ffn_norm": SequenceParallel(),
        "feed_forward": gathered(input_layouts=(sequence,), desired_input_layouts=(whole,)),
        **{f"feed_forward.{name}": ColwiseParallel() for name in ("w1", "w3")},
        "feed_forward.w2": RowwiseParallel(output_layouts=sequence),
    }
    for block in model.layers:
        parallelize_module(block, mesh, layer)
    ends: dict[str, ParallelStyle] = {
        "tok_embeddings": RowwiseParallel(input_layouts=whole, output_layouts=sequence),
        "norm": SequenceParallel(),
        "output": ColwiseParallel(output_layouts=Shard(-1) if cut_logits else whole, use_local_output=not cut_logits),
    }
    parallelize_module(model, mesh, ends)
    model.norm.register_forward_hook(_whole_sequence)
    model.register_forward_hook(_whole_logits)


def _narrow(_embedding: nn.Module, _inputs: object, states: Tensor) -> Tensor:
    # Layers add to what they are given in its type, so the first state decides it for all.
    return states.bfloat16()


def _whole_sequence(_norm: nn.Module, _inputs: object, states: DTensor) -> Tensor:
    # Behind the last norm, so that a loss may take positions in chunks; no view, which FSDP's hooks would mind.
    return states.redistribute(placements=[Replicate()]).to_local().clone()


def _whole_logits(_model: nn.Module, _inputs: object, logits: Tensor) -> Tensor:
    return whole(logits)


def shard(model: LLaMA, mesh: DeviceMesh, precision: str) -> None:
    """Shard each layer's weights over the mesh, gathered where the layer runs (FSDP2; HSDP with replicas).

    Gradients are summed, in float32. Layers are gathered in the precision of their products; what surrounds them stays
    in float32, and so does the residual stream unless it is to be narrow.
    """
    over = mesh[REPLICATE, SHARD] if mesh[REPLICATE].size() > 1 else mesh[SHARD]
    wide = MixedPrecisionPolicy(cast_forward_inputs=False)
    narrow = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    for layer in model.layers:
        fully_shard(layer, mesh=over, mp_policy=narrow if precision == "bfloat16" else wide)
    fully_shard(model, mesh=over, mp_policy=wide)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo has no other
    register_fsdp_forward_method(model, "hidden")


def prefetch(model: LLaMA, count: int) -> None:
    """Gather the weights of so many layers ahead of the one that computes; 0: as FSDP2 does by itself.

    FSDP2 communicates beside the computation: it gathers the next layer while one runs, and reduces gradients while the
    layer before goes back. More layers ahead hide a slow network, each at the cost of one layer's whole weights.
    """
    if not count:
        return
    layers: list[FSDPModule] = [layer for layer in model.layers if isinstance(layer, FSDPModule)]
    for number, layer in enumerate(layers):
        layer.set_modules_to_forward_prefetch(layers[number + 1 : number + 1 + count])
        layer.set_modules_to_backward_prefetch(layers[max(0, number - count) : number][::-1])


def reduce_gradients(model: nn.Module, flag: bool) -> None:
    """Let the next backward pass reduce the gradients over the ranks, or keep them whole on each for a later one."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(flag)


def reshard(model: nn.Module) -> None:
    """Give back weights that a pass without a backward has left gathered."""
    if isinstance(model, FSDPModule):
        model.reshard()


# Results worth their memory: matrix products and attention, and what came from other ranks.
_SAVED = (
    torch.ops.aten.mm.default,
    torch.ops.aten._scaled_dot_product_flash_attention.default,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
    torch.ops.aten._scaled_dot_product_efficient_attention.default,
    torch.ops.aten._scaled_dot_product_cudnn_attention.default,
    torch.ops.aten._scaled_dot_product_attention_math.default,
    torch.ops.higher_order.flex_attention,
    torch.ops._c10d_functional.reduce_scatter_tensor.default,
    torch.ops._c10d_functional.all_gather_into_tensor.default,
)


def _policy(_context: object, operation: object, *_args: Any, **_kwargs: Any) -> CheckpointPolicy:
    return CheckpointPolicy.MUST_SAVE if operation in _SAVED else CheckpointPolicy.PREFER_RECOMPUTE


# cuDNN's kernel first, which makes a step of 1B parameters 6 % faster on an H100 than PyTorch's own order.
_KERNELS = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]


def _prefer_cudnn(attention: nn.Module) -> None:
    forward: Callable[..., Tensor] = attention.forward

    # Inside what is recomputed, so that the second time the same kernel is chosen.
    def preferring(*inputs: object) -> Tensor:
        with sdpa_kernel(_KERNELS, set_priority=True):
            return forward(*inputs)

    attention.forward = preferring


def prepare(layer: nn.Module, switches: Switches) -> None:
    """Let a layer recompute its activations, and compile it, as the switches say.

    "selective" saves the outputs of linear layers and of attention and recomputes the rest (LLaMA, section 2.4).
    """
    if switches.attention == "cudnn":
        _prefer_cudnn(layer.get_submodule("attention"))
    options: dict[str, Any] = {"use_reentrant": False}
    if switches.checkpointing == "selective":
        options["context_fn"] = partial(create_selective_checkpoint_contexts, _policy)
    if switches.checkpointing != "none":
        forward: Callable[..., Tensor] = layer.forward

        # A function of its own: the compiler passes over a partial of torch's.
        def recomputed(*inputs: object) -> Tensor:
            states: Tensor = checkpoint(forward, *inputs, **options)
            return states

        layer.forward = recomputed
    if switches.compile:
        layer.compile()


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor that may be spread over ranks as a whole one on each."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
