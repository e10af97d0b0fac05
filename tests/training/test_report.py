"""The learning curve: what a resumed training did again counts once."""

from __future__ import annotations

import numpy as np
import pandas as pd

from typhoon_tracker.training.report import draw, learning_curve


def stretch(logs, start, rows):
    folder = logs / f"from-{start}"
    folder.mkdir(parents=True)
    pd.DataFrame(rows, columns=["epoch", "step", "train_loss", "val_error"]).to_csv(folder / "metrics.csv", index=False)


def test_a_stretch_counts_up_to_the_checkpoint_of_the_next(tmp_path):
    nan = np.nan
    stretch(tmp_path, 0, [(0, 0, 9.0, nan), (0, 1, 8.0, nan), (0, 1, nan, 7.0), (1, 2, 6.0, nan)])
    stretch(tmp_path, 2, [(1, 2, 5.0, nan), (1, 3, 4.0, nan), (1, 3, nan, 3.0)])
    stretch(tmp_path, 10, [(1, 10, 2.0, nan)])  # sorted by number, not by name
    curve = learning_curve(tmp_path)
    assert curve["step"].tolist() == [1, 2, 3, 4, 11]
    assert curve["train_loss"].tolist() == [9.0, 8.0, 5.0, 4.0, 2.0]
    np.testing.assert_array_equal(curve["val_error"], [nan, 7.0, nan, 3.0, nan])


def test_the_curve_is_drawn_with_no_leftovers(tmp_path):
    steps = np.arange(1, 31)
    errors = np.where(steps % 10, np.nan, 1.0 / steps)
    curve = pd.DataFrame({"step": steps, "train_loss": 2.0 / steps, "val_error": errors})
    draw(curve, tmp_path / "curve.png", title="a training", best_step=30)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]
