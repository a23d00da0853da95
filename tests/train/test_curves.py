from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image

from train.curves import draw, draw_measures, running_means


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "tokens": 4096 * step,
            "loss": 9 * step**-0.2,
            "sources": {"c4": [9 * step**-0.2, 3]} | ({"arxiv": [5.0, 1]} if step % 7 == 0 else {}),
        }
        for step in range(1, count + 1)
    ]


@pytest.mark.parametrize("count", [2, 300])
def test_a_log_becomes_a_picture(tmp_path: Path, count: int) -> None:
    path = tmp_path / "loss.png"
    draw(rows(count), ["c4", "arxiv", "unseen"], path, "a run")
    pixels = image.imread(path)
    assert pixels.shape[:2] == (840, 1500)
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50


def test_one_point_is_no_curve(tmp_path: Path) -> None:
    measured = [{**row, "learning_rate": 1e-3, "gradient_norm": 1.0, "tokens_per_second": 9.0} for row in rows(2)]
    measured = [{**row, "memory_bytes": 10**9, "mfu": None, "footprint": None} for row in measured]
    draw(measured[:1], ["c4"], tmp_path / "loss.png", "a run")
    draw_measures(measured[:1], [], tmp_path / "measures.png")
    assert not list(tmp_path.iterdir())
    evaluation = {"tokens": 4096, "bits_per_byte": {"c4": 2.0}}
    heights = []
    for count in (0, 1, 2):
        draw_measures(measured, [evaluation] * count, tmp_path / "measures.png")
        heights.append(image.imread(tmp_path / "measures.png").shape[0])
    assert heights[0] == heights[1] < heights[2]  # four panels, then a fifth


def test_a_loss_that_is_no_number_is_a_gap(tmp_path: Path) -> None:
    """A log of before has NaN; a mean over it would be none to its end."""
    logged = rows(30)
    draw(logged, ["c4"], tmp_path / "without.png", "a run")
    for broken in (None, float("nan")):
        worse = [*logged, {"tokens": 4096 * 30, "loss": broken, "sources": {"c4": [broken, 3]}}]
        draw(worse, ["c4"], tmp_path / "with.png", "a run")
        assert (tmp_path / "with.png").read_bytes() == (tmp_path / "without.png").read_bytes()


def test_the_mixture_lies_among_its_sources_while_the_loss_falls() -> None:
    """Rare sources are averaged over a longer time, and so lag behind; the mixture must not leave them all behind."""
    falling = [
        {
            "tokens": step,
            "loss": 9 - 0.1 * step,
            "sources": {"c4": [9 - 0.1 * step, 1]} | ({"books": [9 - 0.1 * step, 1]} if step % 5 == 4 else {}),
        }
        for step in range(30)
    ]
    curves, (tokens, losses) = running_means(falling, ["c4", "books", "unseen"])
    assert curves["unseen"][0].size == 0
    assert tokens.size == 30
    assert (losses[:4] == curves["c4"][1][:4]).all()  # the only one seen so far
    held = curves["books"][1][(np.arange(4, 30) - 4) // 5]
    assert losses[4:] == pytest.approx((30 * curves["c4"][1][4:] + 6 * held) / 36)


def test_no_rows_draw_nothing(tmp_path: Path) -> None:
    draw([], ["c4"], tmp_path / "loss.png", "a run")
    draw([{"tokens": 1, "loss": None, "sources": {}}], ["c4"], tmp_path / "loss.png", "a run")
    assert not (tmp_path / "loss.png").exists()
