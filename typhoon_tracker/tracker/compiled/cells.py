"""Fields in coarse cells: means over the points of each, and the cells that a grid round the globe repeats."""

from __future__ import annotations

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import Field, Floats, Whole


@compiled
def mean_row(field: Field | Floats, top: int, size: int, room: Floats, means: Floats, to: int, check: Floats) -> None:
    """Set a row of `means` to those of a field over blocks of size x size points from row `top` on, added to `check`.

    The sum over `check` is finite where all means are. `room` to work in holds a row of the field.
    """
    columns, share, two, one = means.shape[1], 1.0 / (size * size), Whole(2), Whole(1)
    for k in range(columns * size):
        room[k] = field[top, k]
    for a in range(1, size):
        for k in range(columns * size):
            room[k] += field[top + a, k]
    if size == 2:  # the usual size; without a loop it is several times as fast
        for j in range(Whole(columns)):
            means[to, j] = (room[two * j] + room[two * j + one]) * share
    else:
        for j in range(columns):
            total = 0.0
            for b in range(size):
                total += room[j * size + b]
            means[to, j] = total * share
    for j in range(columns):
        check[j] += means[to, j]


@compiled
def close_round(field: Floats, i: int, pad: int) -> None:
    """Repeat on either side of a row of cells the `pad` columns that lie next to them round the globe."""
    columns = field.shape[1] - 2 * pad
    for j in range(pad):
        field[i, j], field[i, pad + columns + j] = field[i, columns + j], field[i, pad + j]
