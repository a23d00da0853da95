import warnings

import pytest
import torch
from torch._dynamo.utils import counters
from torch.nn import functional as F  # noqa: N812

from model.configs import ModelConfig
from model.llama import LLaMA
from tests.model import small
from tests.train.watch import Watch
from train.loss import document_blocks, document_mask, document_numbers, token_losses
from train.parallel import Switches, World, build

CPU = torch.device("cpu")
SHAPE = ModelConfig(dim=32, layers=3, heads=4, kv_heads=2, hidden=96, vocabulary=70, context=64)
TOKENS = torch.randint(0, 70, (4, 33), generator=torch.Generator().manual_seed(2))


def watched(checkpointing: str) -> tuple[int, Watch, list[torch.Tensor]]:
    """Return the bytes held between forward and backward, what was called, and the gradients."""
    model = build(SHAPE, 0, CPU, World(), Switches(checkpointing=checkpointing))
    with Watch() as watch:
        loss = token_losses(model, TOKENS).mean()
        held = watch.alive
        torch.autograd.backward(loss)
    return held, watch, [weight.grad for weight in model.parameters() if weight.grad is not None]


def test_selective_checkpointing_saves_products_and_recomputes_the_rest() -> None:
    (plain, calls, expected), (some, selective, one), (least, full, two) = (
        watched(name) for name in ("none", "selective", "full")
    )
    for found in (one, two):
        assert len(found) == len(expected)
        for gradient, other in zip(found, expected, strict=True):
            torch.testing.assert_close(gradient, other, rtol=0, atol=0)
    products = 7 * SHAPE.layers
    assert calls.calls["mm"] == selective.calls["mm"] == 3 * (products + 1)
    # One product of each layer, the last, is not needed again and recomputation stops before it.
    assert full.calls["mm"] == calls.calls["mm"] + products - SHAPE.layers
    assert selective.calls["rsqrt"] == full.calls["rsqrt"] == calls.calls["rsqrt"] + 2 * SHAPE.layers
    positions, width = 4 * 32, 4
    saved = SHAPE.layers * positions * width * (4 * SHAPE.dim + 2 * SHAPE.kv_heads * SHAPE.head_dim + 2 * SHAPE.hidden)
    assert least + 0.8 * saved < some < least + 1.5 * saved
    assert some < 0.75 * plain


def test_the_stream_between_layers_has_the_type_that_is_asked_for() -> None:
    wide, narrow = (build(SHAPE, 0, CPU, World(), Switches(residual=name)) for name in ("float32", "bfloat16"))
    types: list[torch.dtype] = []
    for model in (wide, narrow):
        for layer in model.layers:
            layer.register_forward_hook(lambda module, inputs, states: types.append(states.dtype))
        with torch.autocast("cpu", torch.bfloat16):
            torch.autograd.backward(token_losses(model, TOKENS).mean())
    assert types == [torch.float32] * SHAPE.layers + [torch.bfloat16] * SHAPE.layers
    for one, two in zip(narrow.parameters(), wide.parameters(), strict=True):
        assert one.grad is not None
        assert one.grad.dtype == torch.float32
        torch.testing.assert_close(one.grad, two.grad, rtol=0.05, atol=2e-3)


def test_where_cudnn_has_no_kernel_another_is_taken() -> None:
    switches = [Switches(checkpointing="selective", attention=name) for name in ("sdpa", "cudnn")]
    models = [build(SHAPE, 0, CPU, World(), one) for one in switches]
    losses = [token_losses(model, TOKENS) for model in models]
    for loss in losses:
        torch.autograd.backward(loss.mean())
    torch.testing.assert_close(losses[1], losses[0], rtol=0, atol=0)
    for one, two in zip(models[1].parameters(), models[0].parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=0, atol=0)


@pytest.mark.parametrize("chunk", [1, 10, 36, 1000])
def test_a_chunked_loss_is_the_same_and_never_holds_all_logits(chunk: int) -> None:
    whole, chunked = small.model(2), small.model(2)
    tokens = small.tokens(3, 25)
    expected = F.cross_entropy(whole(tokens[:, :-1]).transpose(1, 2), tokens[:, 1:], reduction="none")
    torch.autograd.backward(expected.mean())
    with Watch() as watch:
        losses = token_losses(chunked, tokens, chunk)
        torch.autograd.backward(losses.mean())
    torch.testing.assert_close(losses, expected)
    for one, two in zip(chunked.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-5, atol=1e-6)
    assert watch.largest["_log_softmax"] == min(max(chunk // 3, 1), 24) * 3 * 54


def test_documents_are_numbered_by_bos_or_behind_eos() -> None:
    tokens = torch.tensor([[5, 1, 6, 7, 2, 1, 8], [1, 6, 2, 1, 2, 1, 9]])
    assert document_numbers(tokens, 1, 2).tolist() == [[0, 1, 1, 1, 1, 2, 2], [1, 1, 1, 2, 2, 3, 3]]
    assert document_numbers(tokens, None, 2).tolist() == [[0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 2, 2]]
    with pytest.raises(ValueError, match="document_mask needs a corpus whose documents start with a bos"):
        document_numbers(tokens, None, None)


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_masked_documents_are_as_if_alone(kv_heads: int) -> None:
    model, documents = small.model(kv_heads), [small.tokens(1, n)[0] for n in (7, 1, 12)]
    tokens = torch.cat(documents)[None]
    numbers = torch.repeat_interleave(torch.arange(3), torch.tensor([7, 1, 12]))[None]
    together = model.hidden(tokens, mask=document_mask(numbers))[0]
    alone = torch.cat([model.hidden(document[None])[0] for document in documents])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(model.hidden(tokens)[0], alone, rtol=1e-2)


def test_flex_attentions_blocks_show_what_the_mask_shows() -> None:
    model, tokens = small.model(2), small.tokens(2, 24)
    numbers = (tokens % 5 == 0).long().cumsum(1)
    with warnings.catch_warnings(), torch.no_grad():  # on a CPU it has no gradient
        warnings.simplefilter("ignore")  # it is meant to be compiled
        flex = model.hidden(tokens, mask=document_blocks(numbers))
    torch.testing.assert_close(flex, model.hidden(tokens, mask=document_mask(numbers)), rtol=1e-4, atol=1e-5)


@pytest.mark.full
def test_compiled_layers_have_the_same_losses_and_gradients() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler's own dependencies
        models: list[LLaMA] = [
            build(SHAPE, 0, CPU, World(), Switches("float32", "selective", flag)) for flag in (False, True)
        ]
        counters.clear()
        results = [
            token_losses(model, TOKENS, compiled=flag) for model, flag in zip(models, (False, True), strict=True)
        ]
        for losses in results:
            torch.autograd.backward(losses.mean())
    assert counters["stats"]["unique_graphs"] == 2  # one for all layers, with what is recomputed inside; the loss
    assert not counters["graph_break"]
    torch.testing.assert_close(results[1], results[0])
    for one, two in zip(models[1].parameters(), models[0].parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-6)
