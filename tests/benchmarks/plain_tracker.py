"""A tracker as first written: minima of MSL on the grid, closed by 200 Pa within 5.5 degrees, nearest fix next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, minimum_filter

from typhoon_tracker.geo.sphere import destination, distance

RISE, WITHIN, REACH = 200.0, 611.0, 500.0  # Pa, km, km


def detect(msl: NDArray, latitude: NDArray, longitude: NDArray) -> NDArray:
    """Return (n, 2) latitudes and longitudes of closed lows."""
    wraps = abs(len(longitude) * (longitude[1] - longitude[0]) - 360.0) < 0.1
    low = msl == minimum_filter(msl, 9, mode=("nearest", "wrap" if wraps else "nearest"))
    rows, columns = np.nonzero(low)
    found = []
    for i, j in zip(rows, columns, strict=True):
        course, away = np.meshgrid(np.arange(0.0, 360.0, 22.5), np.arange(50.0, WITHIN, 50.0), indexing="ij")
        lat, lon = destination(latitude[i], longitude[j], course, away)
        y = (lat - latitude[0]) / (latitude[1] - latitude[0])
        x = (lon - longitude[0]) % 360.0 / (longitude[1] - longitude[0])
        around = map_coordinates(msl, [y, x], order=1, mode="grid-wrap" if wraps else "nearest")
        if (around.max(axis=1) - msl[i, j]).min() >= RISE:
            found.append((latitude[i], longitude[j]))
    return np.array(found).reshape(-1, 2)


def link(frames: list[NDArray]) -> list[list[tuple[int, float, float]]]:
    """Return tracks of (frame, lat, lon), each fix joined to the nearest of the frame before."""
    done: list[list[tuple[int, float, float]]] = []
    alive: list[list[tuple[int, float, float]]] = []
    for k, fixes in enumerate(frames):
        left, kept = list(map(tuple, fixes)), []
        for one in alive:
            away = [float(distance(one[-1][1], one[-1][2], *fix)) for fix in left]
            if away and min(away) < REACH:
                one.append((k, *left.pop(int(np.argmin(away)))))
                kept.append(one)
            else:
                done.append(one)
        alive = kept + [[(k, *fix)] for fix in left]
    return done + alive
