"""Candidates: minima of a mass field that are closed and confirmed by cyclonic vorticity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates, minimum_filter

from typhoon_tracker.geo.sphere import KM_PER_DEGREE
from typhoon_tracker.tracker.settings import Settings
from typhoon_tracker.tracker.window import Window, prepare

__all__ = ["Candidate", "Settings", "candidates", "find"]

DIRECTIONS = 12
CLOSED_WITHIN = 450.0  # km; TempestExtremes asks for a rise within 5.5 degrees, the filtered anomaly is narrower


@dataclass(frozen=True)
class Candidate:
    """A grid point that may be a storm: depth in the units of the mass field, cyclonic vorticity in s-1."""

    lat: float
    lon: float
    depth: float
    vorticity: float


def candidates(
    msl: ArrayLike | None,
    vorticity: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    settings: Settings | None = None,
    *,
    mass: str = "msl",
) -> pd.DataFrame:
    """Return the grid-point minima of MSL that are closed lows with cyclonic vorticity, deepest first.

    msl: (latitude, longitude) in Pa, or 500 hPa height in m with mass="z500", or None for vorticity alone;
    vorticity: relative, s-1, its cyclonic sign follows the hemisphere. Columns: lat, lon, depth, vorticity.
    """
    settings = settings or Settings()
    latitude, longitude = np.asarray(latitude, float), np.asarray(longitude, float)
    field = None if msl is None else np.asarray(msl, float)
    window = prepare(latitude, longitude, field, np.asarray(vorticity, float), None, settings)
    found = find(window, settings.threshold("vorticity" if msl is None else mass), settings)
    return pd.DataFrame(found, columns=["lat", "lon", "depth", "vorticity"])


def find(window: Window, min_depth: float, settings: Settings) -> list[Candidate]:
    """Return the candidates of a window, deepest first, `min_depth` in the units of its mass field."""
    dy, dx = window.spacing
    near = settings.smoothing * 1.5
    size = (2 * max(round(near / dy), 1) + 1, 2 * max(round(near / dx), 1) + 1)
    low = (window.anomaly == minimum_filter(window.anomaly, size, mode="nearest")) & (window.anomaly < -min_depth / 4)
    rows, columns = np.nonzero(low)
    depth = _rise(window, rows, columns)
    found = []
    for i in np.argsort(-depth, kind="stable"):
        if depth[i] < min_depth:
            break
        lat, lon = float(window.latitude[rows[i]]), float(window.longitude[columns[i]])
        vorticity = _strongest_near(window, lat, lon, settings.max_separation)
        if vorticity >= settings.min_vorticity:
            found.append(Candidate(lat, lon, float(depth[i]), vorticity))
    return found


def _rise(window: Window, rows: NDArray[np.int_], columns: NDArray[np.int_]) -> NDArray[np.float64]:
    """Return by how much the anomaly rises within CLOSED_WITHIN km in the direction where it rises least."""
    if not len(rows):
        return np.zeros(0)
    dy, _ = window.spacing
    angle = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    r = np.arange(1, int(CLOSED_WITHIN / dy) + 2) * dy
    along, across = r * np.sin(angle)[:, None], r * np.cos(angle)[:, None]  # (direction, radius) km north, east
    cos_phi = np.maximum(np.cos(np.radians(window.latitude[rows])), 0.05)
    step_lon = (window.longitude[1] - window.longitude[0]) * KM_PER_DEGREE * cos_phi
    step_lat = (window.latitude[1] - window.latitude[0]) * KM_PER_DEGREE
    i = rows[:, None, None] + along / step_lat
    j = columns[:, None, None] + across / step_lon[:, None, None]
    rays = map_coordinates(window.anomaly, [i, j], order=1, mode="nearest")  # (candidate, direction, radius)
    return rays.max(axis=2).min(axis=1) - window.anomaly[rows, columns]


def _strongest_near(window: Window, lat: float, lon: float, radius: float) -> float:
    rows, columns = window.around(lat, lon, radius)
    x, y = window.plane(lat, lon, rows, columns)
    return float(np.where(x * x + y * y <= radius * radius, window.cyclonic[rows, columns], -np.inf).max())
