"""The vorticity of a wind in cells."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.cells import close_round
from typhoon_tracker.tracker.compiled.smoothing import HELD, REACH, smooth_across, smooth_along
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes, Floats, Whole


@compiled
def anticyclonic_vorticity(u: Floats, v: Floats, axes: Axes, weights: Floats, pad: int, vorticity: Floats) -> None:
    """Set relative vorticity in s-1, smoothed with the weights of `row_weights`, negative in cyclones of either half.

    Before the smoothing it is zero on the outer cells. A grid round the globe has a `pad`, the columns repeated on
    either side.
    """
    (rows, columns), cyclic = u.shape, pad > 0
    lines, raw, room = np.empty((HELD, columns)), np.empty((1, columns)), np.empty(columns + 2 * REACH)
    for i in range(-REACH, rows):
        k = i + REACH
        if k < rows:
            _line(u, v, axes, k, cyclic, raw)
            smooth_along(raw, 0, weights, k, cyclic, room, lines)
        if i >= 0:
            smooth_across(lines, i, rows, weights, vorticity, pad)
            close_round(vorticity, i, pad)


@compiled
def _line(u: Floats, v: Floats, axes: Axes, i: int, cyclic: bool, raw: Floats) -> None:
    rows, columns = u.shape
    if i == 0 or i == rows - 1:
        raw[:] = 0.0
        return
    lat, dlat = axes[0] + i * axes[1], axes[1]
    metres = 1000.0 * RADIUS * DEGREE * max(math.cos(lat * DEGREE), 1e-6)
    sign = 1.0 if lat < 0 else -1.0
    by_x, by_y = sign / (2 * axes[3] * metres), sign / (2 * dlat * metres)
    above, below = math.cos((lat - dlat) * DEGREE) * by_y, math.cos((lat + dlat) * DEGREE) * by_y
    one, two = Whole(1), Whole(2)
    for j in range(columns):
        raw[0, j] = -(u[i + 1, j] * below - u[i - 1, j] * above)
    for j in range(Whole(columns - 2)):
        raw[0, j + one] += (v[i, j + two] - v[i, j]) * by_x
    for j in (0, columns - 1):
        raw[0, j] = raw[0, j] + (v[i, (j + 1) % columns] - v[i, j - 1]) * by_x if cyclic else 0.0
