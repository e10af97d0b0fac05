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
    points, share = columns * size, 1.0 / (size * size)
    total = np.empty(points)
    for i in range(rows):
        for a in range(size):
            at, done = left % field.shape[1], 0
            while done < points:
                line = field[top + i * size + a, at : at + points - done]
                part = total[done : done + len(line)]
                if a == 0:
                    for k in range(len(line)):
                        part[k] = line[k]
                else:
                    for k in range(len(line)):
                        part[k] += line[k]
                at, done = 0, done + len(line)
        mean = means[i]
        if size == 2:  # the usual size; without a loop it is several times as fast
            for j in range(columns):
                mean[j] = (total[2 * j] + total[2 * j + 1]) * share
        else:
            for j in range(columns):
                s = 0.0
                for b in range(size):
                    s += total[j * size + b]
                mean[j] = s * share


@compiled
def anticyclonic_vorticity(u: Floats, v: Floats, axes: Axes, vorticity: Floats) -> None:
    """Set relative vorticity in s-1, negative in cyclones of either hemisphere; zero on the outer cells."""
    lat0, dlat, _, dlon = axes
    rows, columns = u.shape
    for j in range(columns):
        vorticity[0, j] = vorticity[rows - 1, j] = 0.0
    for i in range(1, rows - 1):
        lat = lat0 + i * dlat
        metres = 1000.0 * RADIUS * DEGREE * max(math.cos(lat * DEGREE), 1e-6)
        sign = 1.0 if lat < 0 else -1.0
        by_x, by_y = sign / (2 * dlon * metres), sign / (2 * dlat * metres)
        above, below = math.cos((lat - dlat) * DEGREE) * by_y, math.cos((lat + dlat) * DEGREE) * by_y
        north, south, here, there = u[i - 1], u[i + 1], v[i], vorticity[i]
        for j in range(1, columns - 1):
            there[j] = (here[j + 1] - here[j - 1]) * by_x - (south[j] * below - north[j] * above)
        there[0] = there[columns - 1] = 0.0


@compiled
def smooth(field: Floats, axes: Axes, scale: float, size: int, across: Floats, along: Floats) -> None:
    """Set `along` to a field filtered along both axes by (a, 1 - 2a, a) passes, with `scale` km of standard deviation.

    `size`: of the blocks that the cells are means over, in points; such a mean has a variance of its own. `across` is
    room to work in.
    """
    lat0, dlat, _, dlon = axes
    rows, columns = field.shape
    own = (1.0 - 1.0 / (size * size)) / 12.0  # in squared cells
    line, passed = np.empty(columns), np.empty(columns)
    for i in range(rows):
        here, there = field[i], across[i]
        for j in range(columns):
            line[j] = passed[j] = here[j]
        dx = abs(dlon) * DEGREE * RADIUS * max(math.cos((lat0 + i * dlat) * DEGREE), 0.05)
        needed = max((scale / dx) ** 2 - own, 0.0)
        passes = min(math.ceil(2 * needed), MAX_PASSES)  # half a squared cell is what one pass adds at most
        for _ in range(passes):
            side = min(needed / (2 * passes), 0.25)
            for j in range(1, columns - 1):
                passed[j] = (1 - 2 * side) * line[j] + side * (line[j - 1] + line[j + 1])
            line, passed = passed, line
        for j in range(columns):
            there[j] = line[j]
    needed = max((scale / (abs(dlat) * DEGREE * RADIUS)) ** 2 - own, 0.0)
    passes = min(math.ceil(2 * needed), MAX_PASSES)
    # All passes along latitude at once: their weights, by distance in rows, and rows mirrored at the edges.
    weights = np.zeros(MAX_PASSES + 2)
    weights[0] = 1.0
    for _ in range(passes):
        side, inner = min(needed / (2 * passes), 0.25), weights[1]
        for k in range(MAX_PASSES + 1):
            outer = weights[k + 1]
            weights[k], inner = (1 - 2 * side) * weights[k] + side * (inner + outer), weights[k]
    for i in range(rows):
        here, there = across[i], along[i]
        for j in range(columns):
            there[j] = weights[0] * here[j]
        for k in range(1, passes + 1):
            north, south = across[_mirrored(i - k, rows)], across[_mirrored(i + k, rows)]
            for j in range(columns):
                there[j] += weights[k] * (north[j] + south[j])


@compiled
def _mirrored(i: int, rows: int) -> int:
    """Return the row that a row beyond the edges mirrors, the outermost one being its own first image."""
    i = i % (2 * rows)
    return i if i < rows else 2 * rows - 1 - i


@compiled
def surroundings(field: Floats, axes: Axes, scale: float, across: Floats, along: Floats) -> None:
    """Set `along` to a field averaged twice over a box: a standard deviation of `scale` km, cut off at the edges.

    `across` is room to work in.
    """
    lat0, dlat, _, dlon = axes
    rows, columns = field.shape
    width = math.sqrt(6.0) * scale  # km, of a box: two of them have the variance scale^2
    high = max(round((width / (abs(dlat) * DEGREE * RADIUS) - 1) / 2), 1)
    total, zero = np.empty(columns), np.zeros(columns)
    for turn in range(2):
        now = along if turn else field
        for i in range(rows):
            dx = abs(dlon) * DEGREE * RADIUS * max(math.cos((lat0 + i * dlat) * DEGREE), 0.05)
            _running_mean(now[i], min(max(round((width / dx - 1) / 2), 1), columns - 1), across[i])
        for j in range(columns):
            total[j] = 0.0
        for i in range(-high, rows):
            entering = across[i + high] if i + high < rows else zero
            leaving = across[i - high - 1] if i > high else zero
            there = along[max(i, 0)]  # is overwritten by the first row that counts
            share = 1.0 / (min(i + high, rows - 1) - max(i - high, 0) + 1)
            for j in range(columns):
                total[j] += entering[j] - leaving[j]
                there[j] = total[j] * share


@compiled
def _running_mean(line: Floats, wide: int, means: Floats) -> None:
    """Set `means` to those of a line over `wide` values on either side, fewer at its ends."""
    columns = len(line)
    # From both ends at once: a sum waits for the one before it, but not for the other end's.
    west, east = 0.0, 0.0
    for k in range(min(wide, columns)):
        west += line[k]
        east += line[columns - 1 - k]
    for k in range(min(wide + 1, columns)):
        if k + wide < columns:
            west += line[k + wide]
            east += line[columns - 1 - k - wide]
        share = 1.0 / (min(k + wide, columns - 1) + 1)
        means[k], means[columns - 1 - k] = west * share, east * share
    share, between = 1.0 / (2 * wide + 1), columns - 2 * (wide + 1)
    for k in range(max(between, 0) // 2):
        west += line[2 * wide + 1 + k] - line[k]
        east += line[columns - 2 - 2 * wide - k] - line[columns - 1 - k]
        means[wide + 1 + k], means[columns - 2 - wide - k] = west * share, east * share
    if between > 0 and between % 2:
        k = between // 2
        means[wide + 1 + k] = (west + line[2 * wide + 1 + k] - line[k]) * share
