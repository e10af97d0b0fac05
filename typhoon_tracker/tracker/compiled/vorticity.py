"""The vorticity of a wind in cells."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.cells import Layout, close_round
from typhoon_tracker.tracker.compiled.smoothing import HELD, REACH, smooth_across, smooth_along, weights_for
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes, Floats


@compiled
def anticyclonic_vorticity(u: Floats, v: Floats, axes: Axes, layout: Layout, scale: float, vorticity: Floats) -> None:
    """Set relative vorticity in s-1, smoothed over `scale` km, negative in cyclones of either hemisphere.

    Before the smoothing it is zero on the outer cells. Columns of a grid round the globe are repeated on either side.
    """
    rows, columns = u.shape
    pad, cyclic = layout.pad, layout.pad > 0
    across = weights_for(scale, abs(axes[1]) * DEGREE * RADIUS, layout.size)
    lines, raw, room = np.empty((HELD, columns)), np.zeros(columns), np.empty(columns + 2 * REACH)
    for i in range(-REACH, rows):
        k = i + REACH
        if k < rows:
            _line(u, v, axes, k, cyclic, raw)
            dx = abs(axes[3]) * DEGREE * RADIUS * max(math.cos((axes[0] + k * axes[1]) * DEGREE), 0.05)
            smooth_along(raw, weights_for(scale, dx, layout.size), cyclic, room, lines[k % HELD])
        if i >= 0:
            smooth_across(lines, i, rows, across, vorticity[i, pad : pad + columns])
            close_round(vorticity[i], pad)


@compiled
def _line(u: Floats, v: Floats, axes: Axes, i: int, cyclic: bool, vorticity: Floats) -> None:
    rows, columns = u.shape
    if i == 0 or i == rows - 1:
        vorticity[:] = 0.0
        return
    lat, dlat = axes[0] + i * axes[1], axes[1]
    metres = 1000.0 * RADIUS * DEGREE * max(math.cos(lat * DEGREE), 1e-6)
    sign = 1.0 if lat < 0 else -1.0
    by_x, by_y = sign / (2 * axes[3] * metres), sign / (2 * dlat * metres)
    above, below = math.cos((lat - dlat) * DEGREE) * by_y, math.cos((lat + dlat) * DEGREE) * by_y
    north, south, here = u[i - 1], u[i + 1], v[i]
    west, east, inner = here[:-2], here[2:], vorticity[1:-1]
    for j in range(columns):
        vorticity[j] = -(south[j] * below - north[j] * above)
    for j in range(len(inner)):
        inner[j] += (east[j] - west[j]) * by_x
    for j in (0, columns - 1):
        vorticity[j] = vorticity[j] + (here[(j + 1) % columns] - here[j - 1]) * by_x if cyclic else 0.0
