"""The orthographic plane that touches the sphere at a point: where grid points lie on it, and the way back."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes


@compiled
def window(axes: Axes, shape: tuple[int, int], lat: float, lon: float, reach: float) -> tuple[int, int, int, int]:
    """Return the rows and columns, from and to, of the grid points within `reach` km of (lat, lon), with some more."""
    lat0, dlat, lon0, dlon = axes
    half = reach / (RADIUS * DEGREE)
    wide = half / math.cos(min(abs(lat) + half, 85.0) * DEGREE)
    y, x = (lat - lat0) / dlat, (lon - lon0) / dlon
    i0 = max(math.ceil(y - half / abs(dlat)), 0)
    i1 = min(math.floor(y + half / abs(dlat)) + 1, shape[0])
    j0 = max(math.ceil(x - wide / abs(dlon)), 0)
    j1 = min(math.floor(x + wide / abs(dlon)) + 1, shape[1])
    return i0, max(i1, i0), j0, max(j1, j0)


@compiled
def plane(axes: Axes, shape: tuple[int, int], lat: float, lon: float, reach: float, spacing: float) -> tuple:
    """Return the row and column of the first grid point within `reach` km of (lat, lon), a stride, and two arrays.

    They hold the km east and north of every point the stride leads to, of which neighbours are about `spacing` km apart
    or, on a grid as coarse as that, of every point.
    """
    lat0, dlat, lon0, dlon = axes
    i0, i1, j0, j1 = window(axes, shape, lat, lon, reach)
    stride = max(1, round(spacing / (max(abs(dlat), abs(dlon) * math.cos(lat * DEGREE)) * DEGREE * RADIUS)))
    rows, columns = (i1 - i0 + stride - 1) // stride, (j1 - j0 + stride - 1) // stride
    east, north = np.empty((rows, columns)), np.empty((rows, columns))
    sin_lam, cos_lam = np.empty(columns), np.empty(columns)
    for b in range(columns):
        lam = (lon0 + (j0 + b * stride) * dlon - lon) * DEGREE
        sin_lam[b], cos_lam[b] = math.sin(lam), math.cos(lam)
    sin0, cos0 = math.sin(lat * DEGREE), math.cos(lat * DEGREE)
    for a in range(rows):
        phi = (lat0 + (i0 + a * stride) * dlat) * DEGREE
        along, up, over = RADIUS * math.cos(phi), RADIUS * cos0 * math.sin(phi), RADIUS * sin0 * math.cos(phi)
        for b in range(columns):
            east[a, b] = along * sin_lam[b]
            north[a, b] = up - over * cos_lam[b]
    return i0, j0, stride, east, north


@compiled
def moved(lat: float, lon: float, east: float, north: float) -> tuple[float, float]:
    """Return the point at (east, north) km on the orthographic plane about (lat, lon), longitude continuous."""
    x, y, phi = east / RADIUS, north / RADIUS, lat * DEGREE
    up = math.sqrt(max(1.0 - x * x - y * y, 0.0))
    there = math.asin(min(max(up * math.sin(phi) + y * math.cos(phi), -1.0), 1.0)) / DEGREE
    return there, lon + math.atan2(x, up * math.cos(phi) - y * math.sin(phi)) / DEGREE
