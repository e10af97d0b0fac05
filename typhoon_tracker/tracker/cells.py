"""Storms stand out in coarse cells: means over blocks of grid points, filtered, and their closed lows and vortices."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.tracker.compiled import compiled

Floats = NDArray[np.float64]
Axes = tuple[float, float, float, float]  # latitude of the first row and step, longitude of the first column and step

RADIUS = 6371.0  # km
DEGREE = math.pi / 180.0
DIRECTIONS = 16
MAX_PASSES = 3


@compiled
def block_means(field: NDArray[np.float32], size: int) -> Floats:
    """Return the means of a field over blocks of size x size points; points left over at the far edges are dropped."""
    rows, columns = field.shape[0] // size, field.shape[1] // size
    means = np.empty((rows, columns))
    total = np.empty(columns * size)
    for i in range(rows):
        for j in range(columns * size):
            total[j] = 0.0
        for a in range(size):
            for j in range(columns * size):
                total[j] += field[i * size + a, j]
        for j in range(columns):
            s = 0.0
            for b in range(size):
                s += total[j * size + b]
            means[i, j] = s / (size * size)
    return means


@compiled
def cyclonic_vorticity(u: Floats, v: Floats, axes: Axes) -> Floats:
    """Return relative vorticity in s-1, positive in cyclones of either hemisphere; zero on the outer cells."""
    lat0, dlat, _, dlon = axes
    rows, columns = u.shape
    vorticity = np.zeros((rows, columns))
    for i in range(1, rows - 1):
        lat = lat0 + i * dlat
        cos_phi = max(math.cos(lat * DEGREE), 1e-6)
        above, below = math.cos((lat - dlat) * DEGREE), math.cos((lat + dlat) * DEGREE)
        metres = 1000.0 * RADIUS * DEGREE
        sign = -1.0 if lat < 0 else 1.0
        by_x = sign / (2 * dlon * metres * cos_phi)
        by_y = sign / (2 * dlat * metres * cos_phi)
        for j in range(1, columns - 1):
            vorticity[i, j] = (v[i, j + 1] - v[i, j - 1]) * by_x - (u[i + 1, j] * below - u[i - 1, j] * above) * by_y
    return vorticity


@compiled
def smooth(field: Floats, axes: Axes, scale: float, size: int) -> Floats:
    """Return a field filtered by (a, 1 - 2a, a) passes along both axes, with a standard deviation of `scale` km in all.

    `size`: of the blocks that the cells are means over, in points; such a mean has a variance of its own.
    """
    lat0, dlat, _, dlon = axes
    rows, columns = field.shape
    own = (1.0 - 1.0 / (size * size)) / 12.0  # in squared cells
    dy = abs(dlat) * DEGREE * RADIUS
    across, along, line = np.empty((rows, columns)), np.empty((rows, columns)), np.empty(columns)
    for i in range(rows):
        for j in range(columns):
            across[i, j] = field[i, j]
        dx = abs(dlon) * DEGREE * RADIUS * max(math.cos((lat0 + i * dlat) * DEGREE), 0.05)
        needed = max((scale / dx) ** 2 - own, 0.0)
        passes = min(math.ceil(2 * needed), MAX_PASSES)  # half a squared cell is what one pass adds at most
        for _ in range(passes):
            a = min(needed / (2 * passes), 0.25)
            for j in range(columns):
                line[j] = across[i, j]
            for j in range(1, columns - 1):
                across[i, j] = (1 - 2 * a) * line[j] + a * (line[j - 1] + line[j + 1])
    needed = max((scale / dy) ** 2 - own, 0.0)
    passes = min(math.ceil(2 * needed), MAX_PASSES)
    for _ in range(passes):
        a = min(needed / (2 * passes), 0.25)
        for i in range(rows):
            north, south = max(i - 1, 0), min(i + 1, rows - 1)
            for j in range(columns):
                along[i, j] = (1 - 2 * a) * across[i, j] + a * (across[north, j] + across[south, j])
        across, along = along, across
    return across


@compiled
def surroundings(field: Floats, axes: Axes, scale: float) -> Floats:
    """Return a field averaged twice over a box, which has a standard deviation of `scale` km; cut off at the edges."""
    lat0, dlat, _, dlon = axes
    rows, columns = field.shape
    width = math.sqrt(6.0) * scale  # km, of a box: two of them have the variance scale^2
    high = max(round((width / (abs(dlat) * DEGREE * RADIUS) - 1) / 2), 1)
    now = field
    for _ in range(2):
        across = np.empty((rows, columns))
        for i in range(rows):
            dx = abs(dlon) * DEGREE * RADIUS * max(math.cos((lat0 + i * dlat) * DEGREE), 0.05)
            wide = min(max(round((width / dx - 1) / 2), 1), columns - 1)
            s = 0.0
            for j in range(wide):
                s += now[i, j]
            for j in range(columns):
                if j + wide < columns:
                    s += now[i, j + wide]
                if j - wide - 1 >= 0:
                    s -= now[i, j - wide - 1]
                across[i, j] = s / (min(j + wide, columns - 1) - max(j - wide, 0) + 1)
        along = np.empty((rows, columns))
        total = np.zeros(columns)
        for i in range(min(high, rows)):
            for j in range(columns):
                total[j] += across[i, j]
        for i in range(rows):
            if i + high < rows:
                for j in range(columns):
                    total[j] += across[i + high, j]
            if i - high - 1 >= 0:
                for j in range(columns):
                    total[j] -= across[i - high - 1, j]
            count = min(i + high, rows - 1) - max(i - high, 0) + 1
            for j in range(columns):
                along[i, j] = total[j] / count
        now = along
    return now


@compiled
def closed_lows(
    field: Floats, axes: Axes, least: float, near: float, within: float, sign: Floats, strong: float, radius: float
) -> Floats:
    """Return the closed minima below -least/4: rows of latitude, longitude, rise, row, column, strength of the sign.

    A minimum is the lowest cell within `near` km. Its rise is by how much the field lies higher somewhere within
    `within` km along a great circle, in that of the directions where it rises least; it must be `least`. The `sign`,
    unless it has no cells, must be at least `strong` somewhere within `radius` km.
    """
    lat0, dlat, lon0, dlon = axes
    rows, columns = field.shape
    dy = abs(dlat) * DEGREE * RADIUS
    ni = max(round(near / dy), 1)
    found = np.empty((rows * columns // 4 + 1, 6))
    count = 0
    for i in range(1, rows - 1):
        lat = lat0 + i * dlat
        nj = min(max(round(near / (dy * max(math.cos(lat * DEGREE), 0.05) * abs(dlon / dlat))), 1), columns // 2)
        for j in range(1, columns - 1):
            here = field[i, j]
            if not here < -least / 4 or not (here <= field[i, j - 1] and here < field[i, j + 1]):
                continue
            lowest = True
            for a in range(max(i - ni, 0), min(i + ni + 1, rows)):
                for b in range(max(j - nj, 0), min(j + nj + 1, columns)):
                    other = field[a, b]
                    if not other >= here or (other == here and (a > i or (a == i and b > j))):
                        lowest = False
                        break
                if not lowest:
                    break
            if not lowest:
                continue
            strength = highest_near(sign, axes, i, j, radius) if sign.size else np.nan
            if strength < strong:
                continue
            rise = _rise(field, axes, i, j, within, least)
            if not rise >= least:
                continue
            up, down, left, right = field[i - 1, j], field[i + 1, j], field[i, j - 1], field[i, j + 1]
            bend_y, bend_x = up + down - 2 * here, left + right - 2 * here
            di = min(max((up - down) / (2 * bend_y), -0.5), 0.5) if bend_y > 0 else 0.0
            dj = min(max((left - right) / (2 * bend_x), -0.5), 0.5) if bend_x > 0 else 0.0
            found[count, 0], found[count, 1] = lat + di * dlat, lon0 + (j + dj) * dlon
            found[count, 2], found[count, 3], found[count, 4], found[count, 5] = rise, i, j, strength
            count += 1
    return found[:count].copy()


@compiled
def _rise(field: Floats, axes: Axes, i: int, j: int, within: float, least: float) -> float:
    lat0, dlat, _lon0, dlon = axes
    rows, columns = field.shape
    step = abs(dlat) * DEGREE * RADIUS
    phi = (lat0 + i * dlat) * DEGREE
    sin0, cos0 = math.sin(phi), math.cos(phi)
    smallest = np.inf
    for d in range(DIRECTIONS):
        # Neighbours in direction are not neighbours in turn: an open side shows early.
        course = 2 * math.pi * ((d * 5) % DIRECTIONS) / DIRECTIONS
        sin_course, cos_course = math.sin(course), math.cos(course)
        highest = -np.inf
        for k in range(1, int(within / step) + 2):
            delta = k * step / RADIUS
            sin_delta, cos_delta = math.sin(delta), math.cos(delta)
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
            if highest - field[i, j] >= smallest:
                break  # another direction rises less
        smallest = min(smallest, highest - field[i, j])
        if not smallest >= least:
            return smallest
    return smallest


@compiled
def highest_near(field: Floats, axes: Axes, i: int, j: int, radius: float) -> float:
    """Return the highest value of a field within `radius` km of a cell."""
    lat0, dlat, _, dlon = axes
    rows, columns = field.shape
    dy = abs(dlat) * DEGREE * RADIUS
    dx = abs(dlon) * DEGREE * RADIUS * max(math.cos((lat0 + i * dlat) * DEGREE), 0.05)
    ni, nj = int(radius / dy), int(radius / dx)
    highest = -np.inf
    for a in range(max(i - ni, 0), min(i + ni + 1, rows)):
        for b in range(max(j - nj, 0), min(j + nj + 1, columns)):
            if ((a - i) * dy) ** 2 + ((b - j) * dx) ** 2 <= radius * radius and field[a, b] > highest:
                highest = field[a, b]
    return highest
