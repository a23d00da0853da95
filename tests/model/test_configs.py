import pytest
import torch

from model.configs import MODELS, ModelConfig, named, swiglu_hidden
from model.llama import LLaMA

PUBLISHED = {
    "7B": 6_738_415_616,
    "13B": 13_015_864_320,
    "33B": 32_528_943_616,
    "65B": 65_285_660_672,
    "llama2-7B": 6_738_415_616,
    "llama2-13B": 13_015_864_320,
    "llama2-70B": 68_976_648_192,
}


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_counted_exactly(name: str) -> None:
    with torch.device("meta"):
        model = LLaMA(named(name))
    counted = sum(weight.numel() for weight in model.parameters())
    assert counted == named(name).parameters == PUBLISHED.get(name, counted)


def test_table_2s_shapes() -> None:
    shapes = {name: (c.dim, c.heads, c.layers, c.hidden, c.norm_eps) for name, c in MODELS.items()}
    assert shapes["7B"] == (4096, 32, 32, 11008, 1e-6)
    assert shapes["13B"] == (5120, 40, 40, 13824, 1e-6)
    assert shapes["33B"] == (6656, 52, 60, 17920, 1e-6)
    assert shapes["65B"] == (8192, 64, 80, 22016, 1e-5)
    assert shapes["llama2-70B"] == (8192, 64, 80, 28672, 1e-5)
    assert (MODELS["llama2-70B"].kv_heads, MODELS["llama2-70B"].context) == (8, 4096)


def test_hidden_is_rounded_up_to_the_multiple() -> None:
    assert swiglu_hidden(96, 256) == 256
    assert swiglu_hidden(192, 32) == 512
    assert swiglu_hidden(193, 32) == 544


@pytest.mark.parametrize(
    ("field", "value"), [("heads", 3), ("kv_heads", 3), ("layers", 0), ("dim", 36), ("vocabulary", 0)]
)
def test_impossible_shapes_are_refused_by_field(field: str, value: int) -> None:
    shape = {"dim": 32, "layers": 2, "heads": 4, "kv_heads": 2, "hidden": 64, field: value}
    with pytest.raises(ValueError, match="dim" if field == "heads" else field):
        ModelConfig(**shape)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"'8B' is not known; available: cpu, .*llama2-70B"):
        named("8B")
