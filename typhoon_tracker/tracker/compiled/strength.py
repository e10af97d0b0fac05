"""How strong a storm is about its centre: its highest values, and how far its middle rises above its surroundings."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.environment import INNER, OUTER
from typhoon_tracker.tracker.compiled.plane import plane
from typhoon_tracker.tracker.compiled.sphere import Axes, Field, Floats


@compiled
def strongest(field: Floats, axes: Axes, lat: float, lon: float, radius: float) -> float:
    """Return the highest value of a field within `radius` km; NaN where no grid point lies there."""
    i0, j0, _, east, north = plane(axes, field.shape, lat, lon, radius, 0.0)
    highest = -np.inf
    for a in range(east.shape[0]):
        for b in range(east.shape[1]):
            if east[a, b] ** 2 + north[a, b] ** 2 <= radius * radius:
                highest = max(highest, np.float64(field[i0 + a, j0 + b]))
    return highest if highest > -np.inf else np.nan


@compiled
def fastest(u: Field, v: Field, axes: Axes, lat: float, lon: float, radius: float) -> float:
    """Return the highest wind speed within `radius` km."""
    i0, j0, _, east, north = plane(axes, u.shape, lat, lon, radius, 0.0)
    highest = -np.inf
    for a in range(east.shape[0]):
        for b in range(east.shape[1]):
            if east[a, b] ** 2 + north[a, b] ** 2 <= radius * radius:
                uu, vv = np.float64(u[i0 + a, j0 + b]), np.float64(v[i0 + a, j0 + b])
                highest = max(highest, uu * uu + vv * vv)
    return math.sqrt(highest) if highest >= 0 else np.nan


@compiled
def above_ring(field: Field, axes: Axes, lat: float, lon: float, radius: float) -> float:
    """Return the mean of a field within `radius` km less its mean over the ring of the environment."""
    i0, j0, _, east, north = plane(axes, field.shape, lat, lon, OUTER, 0.0)
    inside, count_in, outside, count_out = 0.0, 0, 0.0, 0
    for a in range(east.shape[0]):
        for b in range(east.shape[1]):
            r = math.hypot(east[a, b], north[a, b])
            value = np.float64(field[i0 + a, j0 + b])
            if r <= radius:
                inside += value
                count_in += 1
            elif INNER <= r <= OUTER:
                outside += value
                count_out += 1
    return inside / count_in - outside / count_out if count_in and count_out else np.nan
