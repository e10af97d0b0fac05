"""Fields in coarse cells: means over the points of each, and the cells that a grid round the globe repeats."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import Field, Floats


@compiled
def block_means(field: Field, size: int, top: int, means: Floats) -> bool:
    """Set `means` to those of a field over blocks of size x size points, from row `top` on; tell if all are finite."""
    rows, columns = means.shape
    share, check = 1.0 / (size * size), np.zeros(columns)
    total = np.empty(columns * size)
    for i in range(rows):
        for a in range(size):
            line = field[top + i * size + a]
            if a == 0:
                for k in range(len(total)):
                    total[k] = line[k]
            else:
                for k in range(len(total)):
                    total[k] += line[k]
        mean = means[i]
        if size == 2:  # the usual size; without a loop it is several times as fast
            for j in range(columns):
                mean[j] = (total[2 * j] + total[2 * j + 1]) * share
        else:
            for j in range(columns):
                s = 0.0
                for b in range(size):
                    s += total[j * size + b]
                mean[j] = s * share
        for j in range(columns):
            check[j] += mean[j]
    return math.isfinite(check.sum())


@compiled
def close_round(field: Floats, i: int, pad: int) -> None:
    """Repeat on either side of a row of cells the `pad` columns that lie next to them round the globe."""
    columns = field.shape[1] - 2 * pad
    for j in range(pad):
        field[i, j], field[i, pad + columns + j] = field[i, columns + j], field[i, pad + j]
