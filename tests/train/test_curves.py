from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image

from train.curves import draw


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "tokens": 4096 * step,
            "loss": 9 * step**-0.2,
            "sources": {"c4": [9 * step**-0.2, 3]} | ({"arxiv": [5.0, 1]} if step % 7 == 0 else {}),
        }
        for step in range(1, count + 1)
    ]


@pytest.mark.parametrize("count", [1, 2, 300])
def test_a_log_becomes_a_picture(tmp_path: Path, count: int) -> None:
    path = tmp_path / "loss.png"
    draw(rows(count), ["c4", "arxiv", "unseen"], path, "a run")
    pixels = image.imread(path)
    assert pixels.shape[:2] == (840, 1500)
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50


def test_no_rows_draw_nothing(tmp_path: Path) -> None:
    draw([], ["c4"], tmp_path / "loss.png", "a run")
    draw([{"tokens": 1, "loss": None, "sources": {}}], ["c4"], tmp_path / "loss.png", "a run")
    assert not (tmp_path / "loss.png").exists()
