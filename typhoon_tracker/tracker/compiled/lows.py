"""Closed minima among the cells of a field: where they are, how far the field rises around, what else is near."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes, Floats

DIRECTIONS = 16
STRETCH = 64  # cells of a row looked at together: most stretches hold no minimum


@compiled
def minima(
    field: Floats, axes: Axes, columns: tuple[int, int], below: float, near: float, where: Floats, under: float
) -> NDArray[np.int64]:
    """Return the rows and columns of the minima below a value, between two columns, the outer cells left out.

    A minimum is the lowest cell within `near` km. `where`, unless it has no cells, must be below `under` there.
    """
    lat0, dlat, _lon0, dlon = axes
    rows, width = field.shape
    dy = abs(dlat) * DEGREE * RADIUS
    ni = max(round(near / dy), 1)
    found, count = np.empty((rows * width // 4 + 1, 2), np.int64), 0
    first, last = max(columns[0], 1), min(columns[1], width - 1)
    lower = np.empty(STRETCH, np.bool_)
    for i in range(1, rows - 1):
        cos_phi = max(math.cos((lat0 + i * dlat) * DEGREE), 0.05)
        nj = min(max(round(near / (dy * cos_phi * abs(dlon / dlat))), 1), width // 2)
        for begin in range(first, last, STRETCH):
            # First than its neighbours alone, in a loop without branches.
            end, some = min(begin + STRETCH, last), 0
            here, north, south = field[i, begin:end], field[i - 1, begin:end], field[i + 1, begin:end]
            west, east = field[i, begin - 1 : end - 1], field[i, begin + 1 : end + 1]
            for k in range(len(here)):
                least = min(min(north[k], south[k]), west[k])
                lower[k] = (here[k] < below) & (here[k] <= least) & (here[k] < east[k])
                some += lower[k]
            for k in range(len(here) if some else 0):
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
    field: Floats, void: NDArray[np.bool_], places: NDArray[np.int64], axes: Axes, least: float, within: float
) -> tuple[NDArray[np.int64], Floats]:
    """Return the rows and columns of those of the minima that are closed, and rows of their latitude, longitude, depth.

    A minimum's depth is by how much the field lies higher somewhere within `within` km along a great circle, in that of
    the directions where it rises least; it must be `least`. None of the cells two rows or columns away may be `void`.
    """
    kept, found, count = np.empty_like(places), np.empty((len(places), 3)), 0
    step = abs(axes[1]) * DEGREE
    steps, courses = np.empty((int(within / (step * RADIUS)) + 1, 2)), np.empty((DIRECTIONS, 2))
    for k in range(len(steps)):
        steps[k, 0], steps[k, 1] = math.sin((k + 1) * step), math.cos((k + 1) * step)
    for d in range(DIRECTIONS):
        # Neighbours in direction are not neighbours in turn: an open side shows early.
        course = 2 * math.pi * ((d * 5) % DIRECTIONS) / DIRECTIONS
        courses[d, 0], courses[d, 1] = math.sin(course), math.cos(course)
    for k in range(len(places)):
        i, j = places[k, 0], places[k, 1]
        depth = _rise(field, axes, i, j, steps, courses, least)
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
def _rise(field: Floats, axes: Axes, i: int, j: int, steps: Floats, courses: Floats, least: float) -> float:
    """Return by how much the field lies higher along the course from a cell along which it rises least.

    steps, courses: the sine and cosine of the ways along great circles and of the courses. The search ends once the
    field rises less than `least` along one.
    """
    lat0, dlat, _lon0, dlon = axes
    rows, columns = field.shape
    phi = (lat0 + i * dlat) * DEGREE
    sin0, cos0 = math.sin(phi), math.cos(phi)
    smallest, here = np.inf, field[i, j]
    for d in range(len(courses)):
        sin_course, cos_course = courses[d, 0], courses[d, 1]
        highest = -np.inf
        for k in range(len(steps)):
            sin_delta, cos_delta = steps[k, 0], steps[k, 1]
            sin_phi = sin0 * cos_delta + cos0 * sin_delta * cos_course
            dlam = math.atan2(sin_course * sin_delta * cos0, cos_delta - sin0 * sin_phi)
            y = (math.asin(min(max(sin_phi, -1.0), 1.0)) / DEGREE - lat0) / dlat
            x = j + dlam / DEGREE / dlon
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
def lowest_near(field: Floats, axes: Axes, i: int, j: int, radius: float) -> float:
    """Return the lowest value of a field within `radius` km of a cell."""
    rows, columns = field.shape
    dy = abs(axes[1]) * DEGREE * RADIUS
    dx = abs(axes[3]) * DEGREE * RADIUS * max(math.cos((axes[0] + i * axes[1]) * DEGREE), 0.05)
    ni, nj = int(radius / dy), int(radius / dx)
    lowest = np.inf
    for a in range(max(i - ni, 0), min(i + ni + 1, rows)):
        for b in range(max(j - nj, 0), min(j + nj + 1, columns)):
            if ((a - i) * dy) ** 2 + ((b - j) * dx) ** 2 <= radius * radius and field[a, b] < lowest:
                lowest = field[a, b]
    return lowest
