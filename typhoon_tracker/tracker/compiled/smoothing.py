"""The filter of grid noise: up to three passes of (a, 1 - 2a, a) along both axes, all of them at once."""

from __future__ import annotations

import math

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import Floats

REACH = 3  # cells to either side that three passes see
HELD = 8  # rows, enough for the reach to either side

Weights = tuple[float, float, float, float]  # of a cell and of those one, two and three away on either side


@compiled
def weights_for(scale: float, step: float, size: int) -> Weights:
    """Return the weights of passes that give a standard deviation of `scale` km on cells `step` km apart.

    `size`: of the blocks that the cells are means over, in points; such a mean has a variance of its own.
    """
    own = (1.0 - 1.0 / (size * size)) / 12.0  # in squared cells
    needed = max((scale / step) ** 2 - own, 0.0)
    passes = min(math.ceil(2 * needed), REACH)  # half a squared cell is what one pass adds at most
    w0, w1, w2, w3 = 1.0, 0.0, 0.0, 0.0
    for _ in range(passes):
        a = min(needed / (2 * passes), 0.25)
        b = 1.0 - 2 * a
        w0, w1, w2, w3 = b * w0 + 2 * a * w1, b * w1 + a * (w0 + w2), b * w2 + a * (w1 + w3), b * w3 + a * w2
    return w0, w1, w2, w3


@compiled
def smooth_along(line: Floats, weights: Weights, cyclic: bool, room: Floats, smoothed: Floats) -> None:
    """Set `smoothed` to a filtered row of cells; the ends of a row that is not cyclic stay as they are.

    `room` to work in holds a row and three cells on either side.
    """
    columns, (w0, w1, w2, w3) = len(line), weights
    inner, last = room[REACH:], columns - 1
    for j in range(columns):
        inner[j] = line[j]
    for k in range(1, REACH + 1):
        # Turned about its end, a row keeps that end through every pass.
        room[REACH - k] = line[columns - k] if cyclic else 2 * line[0] - line[k]
        inner[last + k] = line[k - 1] if cyclic else 2 * line[last] - line[last - k]
    west1, west2, west3 = room[2:], room[1:], room
    east1, east2, east3 = inner[1:], inner[2:], inner[3:]
    for j in range(columns):
        near, far = w1 * (west1[j] + east1[j]) + w2 * (west2[j] + east2[j]), w3 * (west3[j] + east3[j])
        smoothed[j] = w0 * inner[j] + near + far


@compiled
def smooth_across(lines: Floats, i: int, rows: int, weights: Weights, smoothed: Floats) -> None:
    """Set `smoothed` to row i of `rows`, filtered across the rows, which are mirrored at the edges.

    `lines` holds the rows up to three away, row k at k modulo HELD.
    """
    w0, w1, w2, w3 = weights
    here = _mirrored(lines, i, rows)
    north1, north2, north3 = _mirrored(lines, i - 1, rows), _mirrored(lines, i - 2, rows), _mirrored(lines, i - 3, rows)
    south1, south2, south3 = _mirrored(lines, i + 1, rows), _mirrored(lines, i + 2, rows), _mirrored(lines, i + 3, rows)
    for j in range(len(smoothed)):
        near, far = w1 * (north1[j] + south1[j]) + w2 * (north2[j] + south2[j]), w3 * (north3[j] + south3[j])
        smoothed[j] = w0 * here[j] + near + far


@compiled
def _mirrored(lines: Floats, i: int, rows: int) -> Floats:
    """Return a row held, or the one that a row beyond the edges mirrors, the outermost being its own first image."""
    k = -1 - i if i < 0 else i if i < rows else 2 * rows - 1 - i
    return lines[k % HELD]
