"""A frame in coarse cells: how they lie on its grid, how deep its mass field is there and how its wind turns."""

from __future__ import annotations

import math
import threading

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.geo.sphere import KM_PER_DEGREE
from typhoon_tracker.tracker.compiled.cells import Layout, block_means, smooth, surroundings
from typhoon_tracker.tracker.compiled.sphere import Axes, Field, Floats
from typhoon_tracker.tracker.compiled.vorticity import below, missing, work_out
from typhoon_tracker.tracker.frame import Frame
from typhoon_tracker.tracker.settings import Settings

TILE = 16  # cells along either side of the tiles in which vorticity is worked out
BAND = 32  # rows of cells in which it is worked out everywhere, few enough for the processor's cache
FEW_TILES = 16  # that make it no worth to leave some out
SEAM = 8  # cells by which a grid round the globe overlaps itself beyond what its storms' surroundings need
ONE_CELL = np.array([0, 1, 0, 1])  # the box of a cell, from its row, row, column, column

_last = threading.local()


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
        self.void = np.zeros((rows // size, columns // size + 2 * pad), np.bool_)
        self.fields: Floats = np.empty((4, *self.void.shape))
        self.room: Floats = np.empty(5 * self.void.size)
        tops = np.arange(0, rows // size, BAND)
        south_of, width = np.minimum(tops + BAND, rows // size), self.void.shape[1]
        self.bands = np.stack([tops, south_of, 0 * tops, 0 * tops + width], axis=1)

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
        size, settings = self.layout.size, self.settings
        means, across, around, depth = self.fields
        block_means(mass, size, self.layout.top, -self.layout.pad * size, means)
        if not math.isfinite(means.sum()):
            lacking = ~np.isfinite(means)
            means[lacking] = self.mean(mass)
            self.void |= lacking
        smooth(means, self.axes, settings.smoothing, size, across, depth)
        if math.isfinite(settings.surroundings):
            surroundings(means, self.axes, settings.surroundings, across, around)
            depth -= around
        else:
            depth -= depth.max()
        return depth

    def mean(self, field: Field) -> float:
        """Return the mean over the cells of a field that have a value; zero where none has."""
        means = np.empty((self.layout.rows, self.layout.columns))
        block_means(field, self.layout.size, self.layout.top, 0, means)
        there = means[np.isfinite(means)]
        return float(there.mean()) if len(there) else 0.0


class Turning:
    """The vorticity of a wind in cells, smoothed and negative in cyclones, known where it was asked for."""

    def __init__(self, cells: Cells, u: Field, v: Field) -> None:
        self.cells, self.u, self.v = cells, u, v
        self.values: Floats = cells.fields[0]  # the means of a mass field, whose depth is known by now
        self.fill, self.complete = np.full(2, np.nan), False
        rows, columns = self.values.shape
        self.tiles = np.zeros((-(-rows // TILE), -(-columns // TILE)), np.bool_)

    def ask_about(self, places: NDArray[np.int64], radius: float) -> None:
        """Make the vorticity known within `radius` km of some cells, and two cells beside them."""
        if self.tiles.size <= FEW_TILES:
            self.ask_all()
        elif not self.complete:
            self._ask(np.repeat(places, 2, axis=1) + ONE_CELL, radius)

    def ask_below(self, field: Floats, limit: float, margin: float) -> None:
        """Make the vorticity known where a field lies below a limit, and within `margin` km of there."""
        # Where half of the tiles are asked for, their margins cost more than the cells that nobody asks for.
        boxes = below(field, self.cells.core, limit, TILE, self.tiles.size // 2)
        if self.tiles.size <= FEW_TILES or 2 * len(boxes) > self.tiles.size:
            self.ask_all()
        else:
            self._ask(boxes, margin)

    def ask_all(self) -> None:
        """Make the vorticity known everywhere."""
        if not self.complete:
            self._work_out(self.cells.bands)
            self.tiles[:] = self.complete = True

    def _ask(self, boxes: NDArray[np.int64], radius: float) -> None:
        cells = self.cells
        boxes = missing(boxes, cells.axes, radius, self.tiles, TILE, self.values.shape)
        if len(boxes):
            self._work_out(boxes)

    def _work_out(self, boxes: NDArray[np.int64]) -> None:
        cells = self.cells
        work = (self.u, self.v, cells.axes, cells.layout, cells.settings.smoothing, boxes, self.fill, self.values)
        if not work_out(*work, cells.void, cells.room):
            self.fill[:] = cells.mean(self.u), cells.mean(self.v)
            work_out(*work, cells.void, cells.room)


def _overlap(settings: Settings, step: float) -> int:
    """Return by how many columns, `step` degrees apart, a grid round the globe must overlap itself on either side."""
    reach = settings.closed_within + settings.max_separation
    if math.isfinite(settings.surroundings):
        reach += math.sqrt(6.0) * settings.surroundings  # of the two boxes that make the surroundings
    narrowest = max(math.cos(math.radians(min(settings.max_latitude + 1.0, 85.0))), 0.05)
    return math.ceil(reach / (KM_PER_DEGREE * step * narrowest)) + SEAM
