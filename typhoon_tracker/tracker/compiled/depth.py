"""How far a mass field lies above its surroundings, in cells."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.boxes import enter, leave
from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.cells import Layout, close_round
from typhoon_tracker.tracker.compiled.smoothing import HELD, REACH, smooth_across, smooth_along, weights_for
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes, Floats


@compiled
def rise(means: Floats, axes: Axes, layout: Layout, smoothing: float, surroundings: float, depth: Floats) -> None:
    """Set `depth` to a field smoothed with a standard deviation of `smoothing` km less that of its surroundings.

    They are the field averaged twice over a box, a standard deviation of `surroundings` km, cut off at the edges, or
    zero where that is infinite. Columns of a grid round the globe are repeated on either side.
    """
    # Row by row through both filters: a row is still in the processor's cache where it is used next.
    rows, columns = means.shape
    pad, cyclic = layout.pad, layout.pad > 0
    dy, widest = abs(axes[1]) * DEGREE * RADIUS, abs(axes[3]) * DEGREE * RADIUS
    width = math.sqrt(6.0) * surroundings  # km, of a box: two of them have the variance of the surroundings
    boxed = math.isfinite(width)
    high = max(round((width / dy - 1) / 2), 1) if boxed else 0
    most = (columns - 1) // 2 if cyclic else columns - 1
    held, totals = np.zeros((2, 2 * high + 1, columns)), np.zeros((2, columns))
    across = weights_for(smoothing, dy, layout.size)
    lines, once, room = np.empty((HELD, columns)), np.empty(columns), np.empty(4 * columns)
    for i in range(-max(2 * high, REACH), rows):
        k = i + REACH
        if 0 <= k < rows:
            dx = widest * max(math.cos((axes[0] + k * axes[1]) * DEGREE), 0.05)
            smooth_along(means[k], weights_for(smoothing, dx, layout.size), cyclic, room, lines[k % HELD])
        for box in range(2 if boxed else 0):
            k = i + (2 - box) * high
            if k < 0:
                continue
            slot = held[box, k % (2 * high + 1)]
            if k >= rows:
                leave(slot, totals[box])
                continue
            line = means[k]
            if box:
                share = 1.0 / (min(k + high, rows - 1) - max(k - high, 0) + 1)
                for j in range(columns):
                    once[j] = totals[0, j] * share
                line = once
            dx = widest * max(math.cos((axes[0] + k * axes[1]) * DEGREE), 0.05)
            enter(line, min(max(round((width / dx - 1) / 2), 1), most), cyclic, room, slot, totals[box])
        if i >= 0:
            there = depth[i, pad : pad + columns]
            smooth_across(lines, i, rows, across, there)
            share = 1.0 / (min(i + high, rows - 1) - max(i - high, 0) + 1)
            for j in range(columns):
                there[j] -= totals[1, j] * share
            close_round(depth[i], pad)
