"""How far a mass field lies above its surroundings, in cells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.tracker.compiled.boxes import enter, leave
from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.cells import close_round, mean_row
from typhoon_tracker.tracker.compiled.smoothing import HELD, REACH, smooth_across, smooth_along
from typhoon_tracker.tracker.compiled.sphere import Field, Floats, Whole


@compiled
def rise(
    field: Field | Floats, top: int, size: int, weights: Floats, wide: NDArray[np.int64], pad: int, depth: Floats
) -> bool:
    """Set `depth` to the cell means of a field, smoothed, less those of their surroundings; tell if all is finite.

    The cells are blocks of size x size points from row `top` on. weights: those of the smoothing, from `row_weights`.
    The surroundings are the cells averaged twice over a box that reaches as far as `row_widths` says, cut off at the
    edges, or zero where `wide` is empty. A grid round the globe has a `pad`, the columns repeated on either side.
    """
    # Row by row through the means and both filters: a row is still in the processor's cache where it is used next.
    rows, columns, cyclic, boxed = depth.shape[0], depth.shape[1] - 2 * pad, pad > 0, len(wide) > 0
    high = int(wide[rows]) if boxed else 0
    ahead = max(2 * high, REACH)
    means, check = np.empty((ahead + 1, columns)), np.zeros(columns)
    held, totals = np.zeros((2, 2 * high + 1, columns)), np.zeros((2, columns))
    lines, room = np.empty((HELD, columns)), np.empty(max(4, size) * columns)
    for i in range(-ahead, rows):
        k = i + ahead
        if k < rows:
            mean_row(field, top + k * size, size, room, means, k % (ahead + 1), check)
        k = i + REACH
        if 0 <= k < rows:
            smooth_along(means, k % (ahead + 1), weights, k, cyclic, room, lines)
        for box in range(2 if boxed else 0):
            k = i + (2 - box) * high
            if k < 0:
                continue
            slot = k % (2 * high + 1)
            if k >= rows:
                leave(held, slot, totals, box)
            elif box == 0:
                enter(means, k % (ahead + 1), 1.0, wide[k], cyclic, room, held, slot, totals, box)
            else:
                enter(totals, 0, _share(k, high, rows), wide[k], cyclic, room, held, slot, totals, box)
        if i >= 0:
            smooth_across(lines, i, rows, weights, depth, pad)
            share, first = _share(i, high, rows), Whole(pad)
            for j in range(Whole(columns)):
                depth[i, first + j] -= totals[1, j] * share
            close_round(depth, i, pad)
    return math.isfinite(check.sum())


@compiled
def _share(i: int, high: int, rows: int) -> float:
    """Return the share of a row in the box about row i, which is cut off at the edges."""
    return 1.0 / (min(i + high, rows - 1) - max(i - high, 0) + 1)
