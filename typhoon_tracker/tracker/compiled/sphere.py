"""Points on the sphere: how far apart they are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.tracker.compiled.cache import compiled

Field = NDArray[np.float32]
Floats = NDArray[np.float64]
Whole = np.uint64  # an index that is not negative, of which loops are vectorised
Axes = tuple[float, float, float, float]  # latitude of the first row and step, longitude of the first column and step

RADIUS = 6371.0  # km
DEGREE = math.pi / 180.0


@compiled
def separation(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Return the great-circle distance of two points in km, as `geo.sphere.distance` does for arrays."""
    phi1, phi2 = lat1 * DEGREE, lat2 * DEGREE
    h = math.sin((phi2 - phi1) / 2) ** 2 + math.cos(phi1) * math.cos(phi2) * math.sin((lon2 - lon1) * DEGREE / 2) ** 2
    return 2 * RADIUS * math.asin(min(math.sqrt(h), 1.0))


@compiled
def row_step(axes: Axes, i: int) -> float:
    """Return how far apart in km the points of row i are, no less than at 87 degrees."""
    return abs(axes[3]) * DEGREE * RADIUS * max(math.cos((axes[0] + i * axes[1]) * DEGREE), 0.05)
