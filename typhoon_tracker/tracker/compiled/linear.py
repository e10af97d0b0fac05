"""What the fits need of algebra: a small linear system solved, and a median."""

from __future__ import annotations

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import Floats


@compiled
def solve(upper: tuple[float, ...], target: Floats) -> tuple[Floats, bool]:
    """Solve a small symmetric system by elimination with pivots; False where it is singular. The target is overwritten.

    upper: the upper triangle of the matrix, row by row.
    """
    n, m = len(target), 0
    matrix = np.empty((n, n))
    for i in range(n):
        for j in range(i, n):
            matrix[i, j] = matrix[j, i] = upper[m]
            m += 1
    for k in range(n):
        p = k
        for i in range(k + 1, n):
            if abs(matrix[i, k]) > abs(matrix[p, k]):
                p = i
        if not abs(matrix[p, k]) > 1e-12:
            return target, False
        for j in range(n):
            matrix[k, j], matrix[p, j] = matrix[p, j], matrix[k, j]
        target[k], target[p] = target[p], target[k]
        for i in range(k + 1, n):
            share = matrix[i, k] / matrix[k, k]
            for j in range(k, n):
                matrix[i, j] -= share * matrix[k, j]
            target[i] -= share * target[k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            target[k] -= matrix[k, j] * target[j]
        target[k] /= matrix[k, k]
    return target, True


@compiled
def middle(values: Floats) -> float:
    """Return the upper median by partial sorting (Hoare); the values are put in another order."""
    k, low, high = len(values) // 2, 0, len(values) - 1
    while low < high:
        pivot, i, j = values[k], low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if j < k:
            low = i
        if k < i:
            high = j
    return values[k]
