"""Fields in coarse cells: means over blocks of grid points, the filters of storms and their surroundings, vorticity."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes, Field, Floats

MAX_PASSES = 3


class Layout(NamedTuple):
    """How the cells lie on the grid: the row of points they begin at, their size in points, and how many there are.

    `pad`: columns that a grid round the globe repeats on either side; zero for any other.
    """

    top: int
    size: int
    rows: int
    columns: int
    pad: int


@compiled
def block_means(field: Field, size: int, top: int, left: int, means: Floats) -> None:
    """Set `means` to those of a field over blocks of size x size points, from the point (top, left) on.

    Columns may run over the field's edges, as those of a grid round the globe do.
    """
    rows, columns = means.shape
    width, points = field.shape[1], columns * size
    total = np.empty(points)
    for i in range(rows):
        total[:] = 0.0
        for a in range(size):
            at, done = left % width, 0
            while done < points:
                count = min(points - done, width - at)
                for k in range(count):
                    total[done + k] += field[top + i * size + a, at + k]
                done, at = done + count, 0
        if size == 2:  # the usual size, and without a loop four times as fast
            for j in range(columns):
                means[i, j] = (total[2 * j] + total[2 * j + 1]) / 4
        else:
            for j in range(columns):
                s = 0.0
                for b in range(size):
                    s += total[j * size + b]
                means[i, j] = s / (size * size)


@compiled
def anticyclonic_vorticity(u: Floats, v: Floats, axes: Axes) -> Floats:
    """Return relative vorticity in s-1, negative in cyclones of either hemisphere; zero on the outer cells."""
    lat0, dlat, _, dlon = axes
    rows, columns = u.shape
    vorticity = np.zeros((rows, columns))
    for i in range(1, rows - 1):
        lat = lat0 + i * dlat
        metres = 1000.0 * RADIUS * DEGREE * max(math.cos(lat * DEGREE), 1e-6)
        sign = 1.0 if lat < 0 else -1.0
        by_x, by_y = sign / (2 * dlon * metres), sign / (2 * dlat * metres)
        above, below = math.cos((lat - dlat) * DEGREE) * by_y, math.cos((lat + dlat) * DEGREE) * by_y
        for j in range(1, columns - 1):
            vorticity[i, j] = (v[i, j + 1] - v[i, j - 1]) * by_x - (u[i + 1, j] * below - u[i - 1, j] * above)
    return vorticity


@compiled
def smooth(field: Floats, axes: Axes, scale: float, size: int) -> Floats:
    """Return a field filtered by (a, 1 - 2a, a) passes along both axes, with a standard deviation of `scale` km in all.

    `size`: of the blocks that the cells are means over, in points; such a mean has a variance of its own.
    """
    lat0, dlat, _, dlon = axes
    rows, columns = field.shape
    own = (1.0 - 1.0 / (size * size)) / 12.0  # in squared cells
    across, along, line = field.copy(), np.empty((rows, columns)), np.empty(columns)
    for i in range(rows):
        dx = abs(dlon) * DEGREE * RADIUS * max(math.cos((lat0 + i * dlat) * DEGREE), 0.05)
        needed = max((scale / dx) ** 2 - own, 0.0)
        passes = min(math.ceil(2 * needed), MAX_PASSES)  # half a squared cell is what one pass adds at most
        for _ in range(passes):
            side = min(needed / (2 * passes), 0.25)
            for j in range(columns):
                line[j] = across[i, j]
            for j in range(1, columns - 1):
                across[i, j] = (1 - 2 * side) * line[j] + side * (line[j - 1] + line[j + 1])
    needed = max((scale / (abs(dlat) * DEGREE * RADIUS)) ** 2 - own, 0.0)
    passes = min(math.ceil(2 * needed), MAX_PASSES)
    for _ in range(passes):
        side = min(needed / (2 * passes), 0.25)
        for i in range(rows):
            north, south = max(i - 1, 0), min(i + 1, rows - 1)
            for j in range(columns):
                along[i, j] = (1 - 2 * side) * across[i, j] + side * (across[north, j] + across[south, j])
        across, along = along, across
    return across


@compiled
def surroundings(field: Floats, axes: Axes, scale: float) -> Floats:
    """Return a field averaged twice over a box, which has a standard deviation of `scale` km; cut off at the edges."""
    lat0, dlat, _, dlon = axes
    rows, columns = field.shape
    width = math.sqrt(6.0) * scale  # km, of a box: two of them have the variance scale^2
    high = max(round((width / (abs(dlat) * DEGREE * RADIUS) - 1) / 2), 1)
    across, along, total = np.empty((rows, columns)), field.copy(), np.empty(columns)
    for _ in range(2):
        for i in range(rows):
            dx = abs(dlon) * DEGREE * RADIUS * max(math.cos((lat0 + i * dlat) * DEGREE), 0.05)
            wide = min(max(round((width / dx - 1) / 2), 1), columns - 1)
            _running_mean(along, i, wide, across)
        for j in range(columns):
            total[j] = 0.0
        for i in range(-high, rows):
            if i + high < rows:
                for j in range(columns):
                    total[j] += across[i + high, j]
            if i - high - 1 >= 0:
                for j in range(columns):
                    total[j] -= across[i - high - 1, j]
            if i >= 0:
                share = 1.0 / (min(i + high, rows - 1) - max(i - high, 0) + 1)
                for j in range(columns):
                    along[i, j] = total[j] * share
    return along


@compiled
def _running_mean(field: Floats, i: int, wide: int, means: Floats) -> None:
    """Set a row to the means over `wide` values on either side, fewer at the ends."""
    columns = field.shape[1]
    # Sums over 1, 2, 4, ... values, and from them those over all: every loop is free of dependences between its steps.
    sums, doubled = np.zeros(columns + 2 * wide), np.empty(columns + 2 * wide)
    for j in range(columns):
        sums[wide + j] = field[i, j]
        means[i, j] = 0.0
    start, span, rest = 0, 1, 2 * wide + 1
    while rest:
        if rest & 1:
            for j in range(columns):
                means[i, j] += sums[start + j]
            start += span
        for j in range(len(sums) - 2 * span + 1):
            doubled[j] = sums[j] + sums[j + span]
        sums, doubled = doubled, sums
        span, rest = 2 * span, rest >> 1
    share = 1.0 / (2 * wide + 1)
    for j in range(columns):
        means[i, j] *= share
    for j in range(columns):
        if j < wide or j >= columns - wide:
            means[i, j] *= (2 * wide + 1) / (min(j + wide, columns - 1) - max(j - wide, 0) + 1)
