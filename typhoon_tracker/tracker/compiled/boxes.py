"""The mean over a box of cells, from running sums that rows enter one by one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes, Floats, Whole, row_step


@compiled
def row_widths(deviation: float, axes: Axes, rows: int, most: int) -> NDArray[np.int64]:
    """Return for rows of cells, and last for columns, over how many on either side a box reaches.

    Two boxes together have a standard deviation of `deviation` km; a box reaches over `most` cells of a row at most.
    """
    wide, width = np.empty(rows + 1, np.int64), math.sqrt(6.0) * deviation
    for i in range(rows):
        wide[i] = min(max(round((width / row_step(axes, i) - 1) / 2), 1), most)
    wide[rows] = max(round((width / (abs(axes[1]) * DEGREE * RADIUS) - 1) / 2), 1)
    return wide


@compiled
def enter(
    field: Floats,
    i: int,
    scale: float,
    wide: int,
    cyclic: bool,
    room: Floats,
    held: Floats,
    slot: int,
    totals: Floats,
    box: int,
) -> None:
    """Add the means over `wide` cells on either side in row i of a field to a total of rows, and hold them in `slot`.

    The row is multiplied by `scale` first. What was held in the slot comes off the total. A row that is not cyclic has
    fewer cells at its ends. `room` to work in holds four rows.
    """
    # Indices without a sign need no test for counting from an array's end, and arrays handed on whole no count of the
    # references to their slices: both together would take as long as the sums of a short row.
    columns, w, one = Whole(field.shape[1]), Whole(wide), Whole(1)
    padded, span, n = columns, w + w + one, columns // Whole(4)  # the padded row begins in `room` behind the sums
    for k in range(w):
        room[padded + k] = scale * field[i, columns - w + k] if cyclic else 0.0
        room[padded + w + columns + k] = scale * field[i, k] if cyclic else 0.0
    for j in range(columns):
        room[padded + w + j] = scale * field[i, j]
    room[padded + columns + span - one] = 0.0
    # In four stretches at once: a sum waits for the one before it, but not for those of other stretches.
    n2, n3 = n + n, n + n + n
    out0, out1, out2, out3 = padded, padded + n, padded + n2, padded + n3
    in0, in1, in2, in3 = out0 + span, out1 + span, out2 + span, out3 + span
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for k in range(span):
        a += room[out0 + k]
        b += room[out1 + k]
        c += room[out2 + k]
        d += room[out3 + k]
    for k in range(n):
        room[k], room[n + k], room[n2 + k], room[n3 + k] = a, b, c, d
        a += room[in0 + k] - room[out0 + k]
        b += room[in1 + k] - room[out1 + k]
        c += room[in2 + k] - room[out2 + k]
        d += room[in3 + k] - room[out3 + k]
    for k in range(n, columns - n3):
        room[n3 + k] = d
        d += room[in3 + k] - room[out3 + k]
    share = 1.0 / (2 * wide + 1)
    if not cyclic:
        last = field.shape[1] - 1
        for k in range(min(wide, last // 2 + 1)):
            fewer, opposite = (2 * wide + 1) / (min(k + wide, last) + 1), last - k
            room[k] *= fewer
            if opposite > k:
                room[opposite] *= fewer
    for j in range(columns):
        mean = room[j] * share
        totals[box, j] += mean - held[box, slot, j]
        held[box, slot, j] = mean


@compiled
def leave(held: Floats, slot: int, totals: Floats, box: int) -> None:
    """Take off a total of rows those that are held of one."""
    for j in range(totals.shape[1]):
        totals[box, j] -= held[box, slot, j]
        held[box, slot, j] = 0.0
