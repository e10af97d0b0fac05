"""A frame in coarse cells: how they lie on its grid, how deep its mass field is there and how its wind turns."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

import numpy as np

from typhoon_tracker.geo.sphere import KM_PER_DEGREE
from typhoon_tracker.tracker.compiled.boxes import row_widths
from typhoon_tracker.tracker.compiled.depth import rise
from typhoon_tracker.tracker.compiled.lows import DIRECTIONS
from typhoon_tracker.tracker.compiled.smoothing import row_weights
from typhoon_tracker.tracker.compiled.sphere import Axes, Field, Floats
from typhoon_tracker.tracker.compiled.vorticity import anticyclonic_vorticity
from typhoon_tracker.tracker.frame import Frame
from typhoon_tracker.tracker.settings import Settings

SEAM = 8  # cells by which a grid round the globe overlaps itself beyond what the search about its storms needs

_last = threading.local()


class Layout(NamedTuple):
    """How the cells lie on the grid: the row of points they begin at, their size in points, and how many there are.

    `pad`: columns that a grid round the globe repeats on either side; zero for any other.
    """

    top: int
    size: int
    rows: int
    columns: int
    pad: int


class Cells:
    """The cells of a frame: as many grid points in one as the smoothing allows, poleward rows left out.

    `axes` are those of the cells, `core` the first column and the one behind the last of those that are not there twice
    (a grid round the globe overlaps itself, so that the seam is as any other place), `void` the cells without a value.
    """

    def __init__(self, frame: Frame, settings: Settings) -> None:
        lat0, dlat, lon0, dlon = frame.axes
        edges = sorted((side * (settings.max_latitude + 1.0) - lat0) / dlat for side in (-1.0, 1.0))
        first, last = max(math.ceil(edges[0]), 0), min(math.floor(edges[1]) + 1, len(frame.latitude))
        rows, columns = max(last - first, 0), len(frame.longitude)
        size, pad = max(1, min(round(settings.smoothing / frame.spacing[0]), rows // 5, columns // 5)), 0
        if frame.wraps:
            while columns % size:
                size -= 1
            pad = min(_overlap(settings, dlon * size), columns // size)
        self.settings = settings
        self.layout = Layout(first, size, rows // size, columns // size, pad)
        self.core = (pad, pad + columns // size)
        west, south = lon0 + dlon * ((size - 1) / 2 - pad * size), lat0 + dlat * (first + (size - 1) / 2)
        self.axes: Axes = (south, dlat * size, west, dlon * size)
        rows, columns = self.layout.rows, self.layout.columns
        self.weights = row_weights(settings.smoothing, self.axes, size, rows)
        self.wide = np.zeros(0, np.int64)
        if math.isfinite(settings.surroundings):
            most = (columns - 1) // 2 if pad else columns - 1
            self.wide = row_widths(settings.surroundings, self.axes, rows, most)
        steps = int(settings.closed_within / (abs(self.axes[1]) * KM_PER_DEGREE)) + 1
        self.ways, self.known = np.empty((rows, DIRECTIONS, steps, 2)), np.zeros((rows, DIRECTIONS), np.bool_)
        self.void = np.zeros((rows, columns + 2 * pad), np.bool_)
        self.anomaly: Floats = np.empty(self.void.shape)
        self.turning: Floats = np.empty(self.void.shape)

    @classmethod
    def of(cls, frame: Frame, settings: Settings) -> Cells:
        """Return the cells of a frame, those of the last frame of this thread again if they lie the same way.

        For memory anew with each frame costs as much as half the work on it; one frame's results end with the next.
        """
        grid = (frame.axes, len(frame.latitude), len(frame.longitude), settings)
        if getattr(_last, "grid", None) != grid:
            _last.grid, _last.cells = grid, cls(frame, settings)
        _last.cells.void[:] = False
        return _last.cells

    def depth(self, mass: Field) -> Floats:
        """Return how far a mass field lies above its surroundings; cells without a value get the mean of all."""
        top, size, *_, pad = self.layout
        if not rise(mass, top, size, self.weights, self.wide, pad, self.anomaly):
            rise(self._filled(mass), 0, 1, self.weights, self.wide, pad, self.anomaly)
        if not len(self.wide):
            self.anomaly -= self.anomaly.max()
        return self.anomaly

    def vorticity(self, u: Field, v: Field) -> Floats:
        """Return the vorticity of a wind in s-1, smoothed and negative in cyclones; cells without a value as above."""
        top, size, *_, pad = self.layout
        if not anticyclonic_vorticity(u, v, top, size, self.axes, self.weights, pad, self.turning):
            means = self._filled(u), self._filled(v)
            anticyclonic_vorticity(*means, 0, 1, self.axes, self.weights, pad, self.turning)
        return self.turning

    def _filled(self, field: Field) -> Floats:
        """Return the means over cells as a field of their own, those that are none set to the mean of all."""
        top, size, rows, columns, pad = self.layout
        blocks = field[top : top + rows * size, : columns * size].reshape(rows, size, columns, size)
        with np.errstate(invalid="ignore", over="ignore"):
            means = blocks.mean(axis=(1, 3), dtype=float)
        there = np.isfinite(means)
        means[~there] = means[there].mean() if there.any() else 0.0
        self.void |= np.pad(~there, ((0, 0), (pad, pad)), mode="wrap")
        return means


def _overlap(settings: Settings, step: float) -> int:
    """Return by how many columns, `step` degrees apart, a grid round the globe must overlap itself on either side."""
    reach = settings.closed_within + settings.max_separation
    narrowest = max(math.cos(math.radians(min(settings.max_latitude + 1.0, 85.0))), 0.05)
    return math.ceil(reach / (KM_PER_DEGREE * step * narrowest)) + SEAM
