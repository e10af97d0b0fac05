"""What a training leaves to look at: the learning curve and a table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from typhoon_tracker.plot.style import FORECAST, GRID, INK, QUIET

if TYPE_CHECKING:
    from rich.table import Table

SMOOTHED = 25  # points of the running mean are this part of all


def learning_curve(logs: Path) -> pd.DataFrame:
    """Return train_loss and val_error by step from `from-STEP/metrics.csv`, one folder for each start of the training.

    What a stretch wrote beyond the checkpoint from which the next one started was done again, and counts there.
    """
    stretches = sorted((int(p.parent.name.removeprefix("from-")), p) for p in logs.glob("from-*/metrics.csv"))
    curve = pd.DataFrame(columns=["step", "train_loss", "val_error"], dtype=float)
    for start, path in stretches:
        rows = pd.read_csv(path).reindex(columns=curve.columns)
        rows["step"] += 1  # Lightning numbers a step by those before it
        curve = pd.concat([curve[curve["step"] <= start], rows[rows["step"] > start]], ignore_index=True)
    return curve.groupby("step", as_index=False).first()


def draw(curve: pd.DataFrame, path: Path, *, title: str, best_step: int) -> None:
    """Write the learning curve as PNG: training loss and validation error by step, the best validation marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    train, validation = (curve.dropna(subset=name).set_index("step")[name] for name in ("train_loss", "val_error"))
    window = max(1, len(train) // SMOOTHED)
    axes.plot(train.index, train, color=GRID, linewidth=0.7)
    axes.plot(
        train.index,
        train.rolling(window, min_periods=1, center=True).mean(),
        color=QUIET,
        linewidth=1.3,
        label="training loss",
    )
    axes.plot(validation.index, validation, color=FORECAST, marker="o", markersize=3, label="validation error")
    if best_step in validation.index:
        best = validation[best_step]
        label = f"least: {best:.3g} at step {best_step}"
        axes.plot(best_step, best, marker="o", markersize=9, fillstyle="none", color=INK, linestyle="none", label=label)
    axes.set(xlabel="step", ylabel="mean square error, units of the target", yscale="log", title=title)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    partial = path.with_name(f".{path.name}")
    figure.savefig(partial, dpi=150, format="png")
    os.replace(partial, path)


def table(facts: dict[str, str]) -> Table:
    """Return the facts of a training as a table of two columns."""
    from rich.table import Table

    shown = Table(show_header=False, box=None, pad_edge=False)
    for name, value in facts.items():
        shown.add_row(name, value)
    return shown
