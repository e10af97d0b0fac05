"""Closed minima among the cells of a field: where they are, how far the field rises around, what else is near."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes, Floats, Whole, row_step

DIRECTIONS = 16
STRETCH = 64  # cells of a row looked at together: most stretches hold no minimum


@compiled
def minima(
    field: Floats, axes: Axes, columns: tuple[int, int], below: float, near: float, where: Floats, under: float
) -> NDArray[np.int64]:
    """Return the rows and columns of the minima below a value, between two columns, the outer cells left out.

    A minimum is the lowest cell within `near` km. `where`, unless it has no cells, must be below `under` there.
    """
    rows, width = field.shape
    ni = max(round(near / (abs(axes[1]) * DEGREE * RADIUS)), 1)
    found, count = np.empty((rows * width // 4 + 1, 2), np.int64), 0
    first, last = max(columns[0], 1), min(columns[1], width - 1)
    lower, one, two = np.empty(STRETCH, np.bool_), Whole(1), Whole(2)
    for i in range(1, rows - 1):
        nj = min(max(round(near / row_step(axes, i)), 1), width // 2)
        for begin in range(first, last, STRETCH):
            # First than its neighbours alone, in a loop without branches.
            long, some, west = min(STRETCH, last - begin), 0, Whole(begin - 1)
            for k in range(Whole(long)):
                j, east = west + one + k, west + two + k
                least = min(min(field[i - 1, j], field[i + 1, j]), field[i, west + k])
                lower[k] = (field[i, j] < below) & (field[i, j] <= least) & (field[i, j] < field[i, east])
                some += lower[k]
            for k in range(long if some else 0):
                if not lower[k] or (where.size and not where[i, begin + k] < under):
                    continue
                if _lowest(field, i, begin + k, ni, nj):
                    found[count, 0], found[count, 1] = i, begin + k
                    count += 1
    return found[:count].copy()


@compiled
def _lowest(field: Floats, i: int, j: int, ni: int, nj: int) -> bool:
    """Tell whether no cell within ni rows and nj columns lies lower; of equals the last in order counts as lowest."""
    here = field[i, j]
    for a in range(max(i - ni, 0), min(i + ni + 1, field.shape[0])):
        for b in range(max(j - nj, 0), min(j + nj + 1, field.shape[1])):
            other = field[a, b]
            if not other >= here or (other == here and (a > i or (a == i and b > j))):
                return False
    return True


@compiled
def closed(
    field: Floats,
    void: NDArray[np.bool_],
    places: NDArray[np.int64],
    axes: Axes,
    ways: Floats,
    known: NDArray[np.bool_],
    least: float,
) -> tuple[NDArray[np.int64], Floats]:
    """Return the rows and columns of those of the minima that are closed, and rows of their latitude, longitude, depth.

    A minimum's depth is by how much the field lies higher somewhere on a way along a great circle, in that of the
    directions where it rises least; it must be `least`. None of the cells two rows or columns away may be `void`.
    ways: (row, direction, step, 2), as `_way` finds them once they are asked for, which is kept in `known`.
    """
    kept, found, count = np.empty_like(places), np.empty((len(places), 3)), 0
    for k in range(len(places)):
        i, j = places[k, 0], places[k, 1]
        depth = _rise(field, axes, i, j, ways, known, least)
        if not depth >= least or not clear(void, i, j):
            continue
        here, up, down, left, right = field[i, j], field[i - 1, j], field[i + 1, j], field[i, j - 1], field[i, j + 1]
        bend_y, bend_x = up + down - 2 * here, left + right - 2 * here
        di = min(max((up - down) / (2 * bend_y), -0.5), 0.5) if bend_y > 0 else 0.0
        dj = min(max((left - right) / (2 * bend_x), -0.5), 0.5) if bend_x > 0 else 0.0
        found[count, 0], found[count, 1] = axes[0] + (i + di) * axes[1], axes[2] + (j + dj) * axes[3]
        found[count, 2], kept[count, 0], kept[count, 1] = depth, i, j
        count += 1
    return kept[:count].copy(), found[:count]


@compiled
def clear(void: NDArray[np.bool_], i: int, j: int) -> bool:
    """Tell whether no cell within two rows and columns of this one is void."""
    for a in range(max(i - 2, 0), min(i + 3, void.shape[0])):
        for b in range(max(j - 2, 0), min(j + 3, void.shape[1])):
            if void[a, b]:
                return False
    return True


@compiled
def _rise(field: Floats, axes: Axes, i: int, j: int, ways: Floats, known: NDArray[np.bool_], least: float) -> float:
    """Return by how much the field lies higher on the way from a cell on which it rises least.

    The search ends once the field rises less than `least` on one.
    """
    rows, columns = field.shape
    smallest, here = np.inf, field[i, j]
    for d in range(ways.shape[1]):
        if not known[i, d]:
            _way(axes, i, d, ways)
            known[i, d] = True
        highest = -np.inf
        for k in range(ways.shape[2]):
            y, x = ways[i, d, k, 0], j + ways[i, d, k, 1]
            a, b = math.floor(y), math.floor(x)
            if a < 0 or b < 0 or a + 1 >= rows or b + 1 >= columns:
                break
            p, q = y - a, x - b
            value = (1 - p) * ((1 - q) * field[a, b] + q * field[a, b + 1]) + p * (
                (1 - q) * field[a + 1, b] + q * field[a + 1, b + 1]
            )
            highest = max(highest, value)
            if highest - here >= smallest:
                break  # another direction rises less
        smallest = min(smallest, highest - here)
        if not smallest >= least:
            return smallest
    return smallest


@compiled
def _way(axes: Axes, i: int, d: int, ways: Floats) -> None:
    """Set the way along a great circle that begins in row i in direction d: rows, and columns from its beginning."""
    lat0, dlat, _lon0, dlon = axes
    phi, step = (lat0 + i * dlat) * DEGREE, abs(dlat) * DEGREE
    sin0, cos0 = math.sin(phi), math.cos(phi)
    # Neighbours in direction are not neighbours in turn: an open side shows early.
    course = 2 * math.pi * ((d * 5) % DIRECTIONS) / DIRECTIONS
    sin_course, cos_course = math.sin(course), math.cos(course)
    for k in range(ways.shape[2]):
        sin_delta, cos_delta = math.sin((k + 1) * step), math.cos((k + 1) * step)
        sin_phi = sin0 * cos_delta + cos0 * sin_delta * cos_course
        dlam = math.atan2(sin_course * sin_delta * cos0, cos_delta - sin0 * sin_phi)
        ways[i, d, k, 0] = (math.asin(min(max(sin_phi, -1.0), 1.0)) / DEGREE - lat0) / dlat
        ways[i, d, k, 1] = dlam / DEGREE / dlon


@compiled
def lowest_near(field: Floats, axes: Axes, i: int, j: int, radius: float) -> float:
    """Return the lowest value of a field within `radius` km of a cell."""
    rows, columns = field.shape
    dy = abs(axes[1]) * DEGREE * RADIUS
    dx = row_step(axes, i)
    ni, nj = int(radius / dy), int(radius / dx)
    lowest = np.inf
    for a in range(max(i - ni, 0), min(i + ni + 1, rows)):
        for b in range(max(j - nj, 0), min(j + nj + 1, columns)):
            if ((a - i) * dy) ** 2 + ((b - j) * dx) ** 2 <= radius * radius and field[a, b] < lowest:
                lowest = field[a, b]
    return lowest
