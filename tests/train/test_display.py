import io
from typing import Any

from rich.console import Console

from train.display import Display, describe

ROW: dict[str, Any] = {
    "step": 5,
    "loss": 7.25,
    "learning_rate": 3e-4,
    "gradient_norm": 1.5,
    "tokens_per_second": 1234.0,
    "batch_tokens": 100,
}


def test_a_row_is_one_line() -> None:
    assert describe(ROW) == "loss 7.250  lr 3.00e-04  grad 1.50  1,234 tokens/s"
    assert describe({**ROW, "mfu": {"6N": 0.4, "causal attention": 0.455}}).endswith("MFU 40.0/45.5 %")
    assert describe({**ROW, "footprint": {"mwh": 0.0123}}).endswith("tokens/s  12,300 Wh")
    assert describe({**ROW, "loss": None, "gradient_norm": None}).startswith("loss not finite  lr 3.00e-04  grad not")


def test_without_a_terminal_it_prints_some_lines() -> None:
    text = io.StringIO()
    with Display(Console(file=text, width=120), 0, 100) as display:
        for step in range(1, 101):
            display.update({**ROW, "step": step}, 100)
    lines = text.getvalue().splitlines()
    assert len(lines) == 20
    assert lines[0].startswith("step 5/100  loss 7.250")
    assert lines[-1].endswith("0 s left")


def test_a_run_that_is_shortened_prints_as_many() -> None:
    text = io.StringIO()
    with Display(Console(file=text, width=120), 0, 1000) as display:
        for step in range(1, 61):
            display.update({**ROW, "step": step}, 1000 if step == 1 else 60)
    assert len(text.getvalue().splitlines()) == 20


def test_on_a_terminal_it_shows_one_progress_line() -> None:
    text = io.StringIO()
    with Display(Console(file=text, width=120, force_terminal=True), 0, 100) as display:
        display.update(ROW, 90)
    assert "5/90" in text.getvalue()
    assert "loss 7.250" in text.getvalue()
