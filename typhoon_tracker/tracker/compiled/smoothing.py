"""The filter of grid noise: up to three passes of (a, 1 - 2a, a) along both axes, all of them at once."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes, Floats, Whole, row_step

REACH = 3  # cells to either side that three passes see
HELD = 8  # rows, enough for the reach to either side


@compiled
def row_weights(scale: float, axes: Axes, size: int, rows: int) -> Floats:
    """Return rows of the weights of a cell and of those one, two and three away, for a deviation of `scale` km.

    A row for the filter along each row of cells, and a last one for the filter across them. `size`: of the blocks that
    the cells are means over, in points; such a mean has a variance of its own.
    """
    weights = np.empty((rows + 1, REACH + 1))
    own = (1.0 - 1.0 / (size * size)) / 12.0  # in squared cells
    for i in range(rows + 1):
        step = row_step(axes, i) if i < rows else abs(axes[1]) * DEGREE * RADIUS
        needed = max((scale / step) ** 2 - own, 0.0)
        passes = min(math.ceil(2 * needed), REACH)  # half a squared cell is what one pass adds at most
        w0, w1, w2, w3 = 1.0, 0.0, 0.0, 0.0
        for _ in range(passes):
            a = min(needed / (2 * passes), 0.25)
            b = 1.0 - 2 * a
            w0, w1, w2, w3 = b * w0 + 2 * a * w1, b * w1 + a * (w0 + w2), b * w2 + a * (w1 + w3), b * w3 + a * w2
        weights[i, 0], weights[i, 1], weights[i, 2], weights[i, 3] = w0, w1, w2, w3
    return weights


@compiled
def smooth_along(field: Floats, i: int, weights: Floats, k: int, cyclic: bool, room: Floats, lines: Floats) -> None:
    """Set row k at k modulo HELD of `lines` to row i of a field, filtered with the weights of row k.

    The ends of a row that is not cyclic stay as they are. `room` to work in holds a row and three cells on either side.
    """
    columns, to = field.shape[1], k % HELD
    w0, w1, w2, w3 = weights[k, 0], weights[k, 1], weights[k, 2], weights[k, 3]
    last, two, three = columns - 1, Whole(2), Whole(3)
    four, five, six = two + two, two + three, three + three
    for j in range(Whole(columns)):
        room[j + three] = field[i, j]
    for a in range(1, REACH + 1):
        # Turned about its end, a row keeps that end through every pass.
        room[REACH - a] = field[i, columns - a] if cyclic else 2 * field[i, 0] - field[i, a]
        room[REACH + last + a] = field[i, a - 1] if cyclic else 2 * field[i, last] - field[i, last - a]
    for j in range(Whole(columns)):
        near = w1 * (room[j + two] + room[j + four]) + w2 * (room[j + Whole(1)] + room[j + five])
        lines[to, j] = w0 * room[j + three] + near + w3 * (room[j] + room[j + six])


@compiled
def smooth_across(lines: Floats, i: int, rows: int, weights: Floats, smoothed: Floats, pad: int) -> None:
    """Set row i of `smoothed`, behind its first `pad` columns, to that of `rows`, filtered across them.

    They are mirrored at the edges. `lines` holds the rows up to three away, row k at k modulo HELD.
    """
    w0, w1, w2, w3 = weights[rows, 0], weights[rows, 1], weights[rows, 2], weights[rows, 3]
    here, first = _mirrored(i, rows), Whole(pad)
    north1, north2, north3 = _mirrored(i - 1, rows), _mirrored(i - 2, rows), _mirrored(i - 3, rows)
    south1, south2, south3 = _mirrored(i + 1, rows), _mirrored(i + 2, rows), _mirrored(i + 3, rows)
    for j in range(Whole(lines.shape[1])):
        near = w1 * (lines[north1, j] + lines[south1, j]) + w2 * (lines[north2, j] + lines[south2, j])
        smoothed[i, first + j] = w0 * lines[here, j] + near + w3 * (lines[north3, j] + lines[south3, j])


@compiled
def _mirrored(i: int, rows: int) -> int:
    """Return where a row is held, or the one that a row beyond the edges mirrors, the outermost its own first image."""
    k = -1 - i if i < 0 else i if i < rows else 2 * rows - 1 - i
    return k % HELD
