"""Dates beside a track, where nothing is in their way."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from typhoon_tracker.plot.style import INK, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 8.0  # points
REACHES = (8.0, 16.0)  # points between a fix and its label, the nearer first
CLEAR = 3.0  # points kept free around marks


def draw(axes: Axes, best: pd.DataFrame, x: np.ndarray, y: np.ndarray, obstacles: np.ndarray) -> list[str]:
    """Label the 00Z fixes of a track with their day, the first and each new month with the month too.

    x, y: (n,) positions of the fixes in data coordinates; obstacles: (m, 2) other marks to keep clear of. A label goes
    to the side of the track that is free; where none is, it is left out. The same data give the same labels. Returns
    the texts drawn.
    """
    from matplotlib.patheffects import withStroke

    points_per_pixel = 72.0 / axes.figure.dpi
    fixes = axes.transData.transform(np.column_stack([x, y])) * points_per_pixel
    others = axes.transData.transform(obstacles.reshape(-1, 2)) * points_per_pixel
    marks = np.vstack([_along(fixes), others])
    frame = axes.bbox.get_points() * points_per_pixel
    halo = [withStroke(linewidth=2.0, foreground="white", alpha=0.8)]  # legible over coasts and lines
    taken: list[np.ndarray] = []
    drawn: list[str] = []
    month = None
    for i in np.flatnonzero(best["time"].dt.normalize() == best["time"]):
        day = best["time"].iloc[i]
        text = f"{day.day} {day:%b}" if day.month != month else f"{day.day}"
        half = np.array([0.30 * SIZE * len(text), 0.5 * SIZE])
        for reach, side in product(REACHES, _sides(fixes, int(i))):
            middle = fixes[i] + side * (reach + half * np.abs(side))
            box = np.array([middle - half, middle + half])
            if _free(box, marks, taken, frame):
                at = axes.transData.inverted().transform(middle / points_per_pixel)
                style: Style = {"size": SIZE, "color": INK, "ha": "center", "va": "center_baseline", "zorder": 9}
                axes.text(at[0], at[1], text, path_effects=halo, **style)
                taken.append(box)
                drawn.append(text)
                month = day.month
                break
    return drawn


def _along(fixes: np.ndarray) -> np.ndarray:
    """Return points close enough along the line through the fixes that no label slips between two of them."""
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(fixes, axis=0).T))])
    at = np.arange(0.0, length[-1] + CLEAR, CLEAR)
    return np.column_stack([np.interp(at, length, fixes[:, 0]), np.interp(at, length, fixes[:, 1])])


def _sides(fixes: np.ndarray, i: int) -> list[np.ndarray]:
    """Return unit vectors to try, first square to the track on its outer side, then turning away from it."""
    before, after = fixes[max(i - 1, 0)], fixes[min(i + 1, len(fixes) - 1)]
    along = after - before
    square = np.array([along[1], -along[0]]) / max(float(np.hypot(*along)), 1e-9)
    outer = square if np.dot(square, fixes[i] - (before + after) / 2) >= 0 else -square
    if not outer.any():  # a storm that stands still
        outer = np.array([1.0, 0.0])
    turns = np.radians([0, 180, 30, -30, 150, -150, 60, -60, 120, -120])
    return [np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) @ outer for t in turns]


def _free(box: np.ndarray, marks: np.ndarray, taken: list[np.ndarray], frame: np.ndarray) -> bool:
    low, high = box
    if (low < frame[0] + CLEAR).any() or (high > frame[1] - CLEAR).any():
        return False
    if ((marks > low - CLEAR) & (marks < high + CLEAR)).all(axis=1).any():
        return False
    return not any((low < other[1] + CLEAR).all() and (high > other[0] - CLEAR).all() for other in taken)
