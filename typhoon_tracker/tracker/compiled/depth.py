"""How far a mass field lies above its surroundings, in cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.tracker.compiled.boxes import enter, leave
from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.cells import close_round
from typhoon_tracker.tracker.compiled.smoothing import HELD, REACH, smooth_across, smooth_along
from typhoon_tracker.tracker.compiled.sphere import Floats, Whole


@compiled
def rise(means: Floats, weights: Floats, wide: NDArray[np.int64], pad: int, depth: Floats) -> None:
    """Set `depth` to a field smoothed less that of its surroundings.

    weights: those of the smoothing, from `row_weights`. The surroundings are the field averaged twice over a box that
    reaches as far as `row_widths` says, cut off at the edges, or zero where `wide` is empty. A grid round the globe has
    a `pad`, the columns repeated on either side.
    """
    # Row by row through both filters: a row is still in the processor's cache where it is used next.
    (rows, columns), cyclic, boxed = means.shape, pad > 0, len(wide) > 0
    high = int(wide[rows]) if boxed else 0
    held, totals = np.zeros((2, 2 * high + 1, columns)), np.zeros((2, columns))
    lines, once, room = np.empty((HELD, columns)), np.empty((1, columns)), np.empty(4 * columns)
    for i in range(-max(2 * high, REACH), rows):
        k = i + REACH
        if 0 <= k < rows:
            smooth_along(means, k, weights, k, cyclic, room, lines)
        for box in range(2 if boxed else 0):
            k = i + (2 - box) * high
            if k < 0:
                continue
            slot = k % (2 * high + 1)
            if k >= rows:
                leave(held, slot, totals, box)
            elif box == 0:
                enter(means, k, wide[k], cyclic, room, held, slot, totals, box)
            else:
                share = 1.0 / (min(k + high, rows - 1) - max(k - high, 0) + 1)
                for j in range(columns):
                    once[0, j] = totals[0, j] * share
                enter(once, 0, wide[k], cyclic, room, held, slot, totals, box)
        if i >= 0:
            smooth_across(lines, i, rows, weights, depth, pad)
            share, first = 1.0 / (min(i + high, rows - 1) - max(i - high, 0) + 1), Whole(pad)
            for j in range(Whole(columns)):
                depth[i, first + j] -= totals[1, j] * share
            close_round(depth, i, pad)
