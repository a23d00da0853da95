import pytest
import torch

from model.checkpoint import hugging_face_config, to_hugging_face
from model.llama import Cache, LLaMA, RMSNorm, rotary_table, rotate
from tests.model import small
from tests.oracles import rotate_half_llama


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_logits_equal_an_independent_implementation(kv_heads: int) -> None:
    model, tokens = small.model(kv_heads), small.tokens(1)
    weights = {
        name: weight.double().numpy() for name, weight in to_hugging_face(model.state_dict(), model.config).items()
    }
    expected = rotate_half_llama.logits(tokens[0].numpy(), weights, hugging_face_config(model.config, 1, 2))
    actual = model(tokens)[0].detach().double()
    assert expected.std() > 0.5
    torch.testing.assert_close(actual, torch.from_numpy(expected), rtol=1e-5, atol=1e-5 * float(abs(expected).max()))


def test_names_are_metas() -> None:
    names = set(small.model().state_dict())
    layer = {"attention.wq", "attention.wk", "attention.wv", "attention.wo", "attention_norm", "ffn_norm"}
    layer |= {"feed_forward.w1", "feed_forward.w2", "feed_forward.w3"}
    assert {name for name in names if name.startswith("layers.1.")} == {f"layers.1.{name}.weight" for name in layer}
    assert {name for name in names if not name.startswith("layers.")} == {
        "tok_embeddings.weight",
        "norm.weight",
        "output.weight",
    }


def test_norm_casts_before_it_multiplies() -> None:
    norm = RMSNorm(64, 1e-6).bfloat16()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 64, generator=generator).bfloat16()
    with torch.no_grad():
        norm.weight.copy_(torch.rand(64, generator=generator) + 0.5)
    wide = x.float()
    normal = wide / (wide.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    assert torch.equal(norm(x), normal.bfloat16() * norm.weight)
    late = (normal * norm.weight.float()).bfloat16()
    assert 0.1 < (norm(x) != late).float().mean() < 0.4


def test_rotation_is_of_interleaved_pairs_and_relative() -> None:
    config = small.config()
    table = rotary_table(config)
    x = torch.zeros(1, config.context, 1, config.head_dim)
    x[..., 2] = 1.0  # the first of the second pair
    turned = rotate(x, table)[0, :, 0]
    angle = torch.arange(config.context) * 10_000.0 ** (-2 / config.head_dim)
    torch.testing.assert_close(turned[:, 2], angle.cos())
    torch.testing.assert_close(turned[:, 3], angle.sin())
    assert not turned[:, [0, 1, 4, 5, 6, 7]].any()
    products = turned @ turned.T
    torch.testing.assert_close(products.diagonal(3), products[0, 3].expand(config.context - 3))


def test_what_the_compiler_takes_rotates_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    table, x = rotary_table(small.config()), torch.randn(2, 40, 4, 8, generator=torch.Generator().manual_seed(1))
    complex_product = rotate(x, table)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(rotate(x, table), complex_product)


def test_attention_is_causal() -> None:
    model, tokens = small.model(), small.tokens()
    changed = tokens.clone()
    changed[:, 10:] = (changed[:, 10:] + 1) % 54
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :10], after[:, :10])
    assert not torch.equal(before[:, 10], after[:, 10])


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("pieces", [[24], [1] * 24, [5, 1, 1, 10, 7]])
def test_cached_logits_equal_uncached(kv_heads: int, pieces: list[int]) -> None:
    model, tokens = small.model(kv_heads), small.tokens()
    with torch.inference_mode():
        whole = model(tokens)
        cache = Cache.empty(model, 2, 24)
        parts = torch.cat([model(piece, cache) for piece in torch.split(tokens, pieces, dim=1)], dim=1)
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)
    assert cache.length == 24


def test_context_and_cache_have_an_end() -> None:
    model = small.model()
    with pytest.raises(ValueError, match="41 positions, but context and cache hold 40"):
        model(small.tokens(1, 41))
    with pytest.raises(ValueError, match="6 positions, but context and cache hold 5"):
        model(small.tokens(1, 6), Cache.empty(model, 1, 5))


def test_initialise_is_reproducible_and_fills_a_model_from_the_meta_device() -> None:
    first = LLaMA(small.config()).initialise(torch.Generator().manual_seed(1))
    with torch.device("meta"):
        empty = LLaMA(small.config())
    second = empty.to_empty(device="cpu").initialise(torch.Generator().manual_seed(1))
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name]), name
    assert torch.equal(first.rotary, second.rotary)
    assert torch.equal(first(small.tokens()), second(small.tokens()))


def test_bfloat16_stays_near_float32() -> None:
    model, tokens = small.model(), small.tokens()
    wide = model(tokens)
    narrow = model.bfloat16()(tokens)
    assert narrow.dtype == torch.float32
    assert (narrow - wide).abs().mean() < 0.03 * wide.std()
