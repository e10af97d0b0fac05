"""The vorticity of a wind in cells."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.cells import close_round, mean_row
from typhoon_tracker.tracker.compiled.smoothing import HELD, REACH, smooth_across, smooth_along
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes, Field, Floats, Whole

AROUND = 3  # rows of the wind: one and its neighbours


@compiled
def anticyclonic_vorticity(
    u: Field | Floats,
    v: Field | Floats,
    top: int,
    size: int,
    axes: Axes,
    weights: Floats,
    pad: int,
    vorticity: Floats,
) -> bool:
    """Set relative vorticity in s-1, smoothed, negative in cyclones of either hemisphere; tell if all is finite.

    It is that of the means of the wind over cells, blocks of size x size points from row `top` on, at `axes`. Before
    the smoothing, with the weights of `row_weights`, it is zero on the outer cells. A grid round the globe has a `pad`,
    the columns repeated on either side.
    """
    rows, columns, cyclic = vorticity.shape[0], vorticity.shape[1] - 2 * pad, pad > 0
    east, north, check = np.empty((AROUND, columns)), np.empty((AROUND, columns)), np.zeros(columns)
    lines, raw, room = np.empty((HELD, columns)), np.empty((1, columns)), np.empty(columns * size + 2 * REACH)
    for i in range(-REACH - 1, rows):
        k = i + REACH + 1
        if k < rows:
            mean_row(u, top + k * size, size, room, east, k % AROUND, check)
            mean_row(v, top + k * size, size, room, north, k % AROUND, check)
        k = i + REACH
        if 0 <= k < rows:
            _line(east, north, axes, k, rows, cyclic, raw)
            smooth_along(raw, 0, weights, k, cyclic, room, lines)
        if i >= 0:
            smooth_across(lines, i, rows, weights, vorticity, pad)
            close_round(vorticity, i, pad)
    return math.isfinite(check.sum())


@compiled
def _line(u: Floats, v: Floats, axes: Axes, i: int, rows: int, cyclic: bool, raw: Floats) -> None:
    """Set `raw` to row i of the vorticity of the wind, whose row k is at k modulo AROUND."""
    if i == 0 or i == rows - 1:
        raw[:] = 0.0
        return
    columns, lat, dlat = u.shape[1], axes[0] + i * axes[1], axes[1]
    metres = 1000.0 * RADIUS * DEGREE * max(math.cos(lat * DEGREE), 1e-6)
    sign = 1.0 if lat < 0 else -1.0
    by_x, by_y = sign / (2 * axes[3] * metres), sign / (2 * dlat * metres)
    above, below = math.cos((lat - dlat) * DEGREE) * by_y, math.cos((lat + dlat) * DEGREE) * by_y
    here, before, behind, one, two = i % AROUND, (i - 1) % AROUND, (i + 1) % AROUND, Whole(1), Whole(2)
    for j in range(columns):
        raw[0, j] = -(u[behind, j] * below - u[before, j] * above)
    for j in range(Whole(columns - 2)):
        raw[0, j + one] += (v[here, j + two] - v[here, j]) * by_x
    for j in (0, columns - 1):
        raw[0, j] = raw[0, j] + (v[here, (j + 1) % columns] - v[here, j - 1]) * by_x if cyclic else 0.0
