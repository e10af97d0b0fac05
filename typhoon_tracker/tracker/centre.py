"""The centre of a storm below the grid spacing: a paraboloid on mass and a centroid of vorticity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.geo.sphere import EARTH_RADIUS_KM, distance
from typhoon_tracker.tracker.settings import Settings
from typhoon_tracker.tracker.window import Window

Floats = NDArray[np.float64]

RING = (300.0, 600.0)  # km; where the environment of a storm shows and the storm itself is smooth
RING_SPACING = 50.0  # km between the points of the ring; closer ones add work, not knowledge
MAX_STEPS = 8
CONVERGED = 0.05  # km


@dataclass(frozen=True)
class Fix:
    """A storm's centre, its strength in the fields (SI) and how far its two centres lie apart (km); NaN if unknown."""

    lat: float
    lon: float
    msl: float
    wind: float
    vorticity: float
    fix_error: float


def locate(window: Window, lat: float, lon: float, settings: Settings, *, mass: str = "msl") -> Fix | None:
    """Return the storm's fix near the grid point (lat, lon), or None where its two centres are too far apart.

    The centre is the mean, weighted by `settings.mass_weight`, of the vertex of a paraboloid fitted to the mass field
    less its environment, and of the centroid of cyclonic vorticity. Both are iterated about their own last position,
    so the sampling by the grid leaves no bias towards its points. `fix_error` is their distance. In a window without
    mass the centroid is the centre, and `fix_error` is unknown.
    """
    scale = max(settings.fit_radius, 1.2 * max(window.spacing))
    centre = centroid(window, lat, lon, scale)
    if centre is None or distance(lat, lon, *centre) > settings.max_separation:
        return None
    apart, lowest = np.nan, np.nan
    if window.mass is not None:
        by_mass = vertex(window, window.mass, lat, lon, scale)
        if by_mass is None or distance(lat, lon, *by_mass) > settings.max_separation:
            return None
        apart = float(distance(*by_mass, *centre))
        if apart > settings.max_separation:
            return None
        w = settings.mass_weight
        centre = (w * by_mass[0] + (1 - w) * centre[0], w * by_mass[1] + (1 - w) * centre[1])
    if not window.holds(*centre):
        return None
    if window.mass is not None and mass == "msl":
        lowest = _minimum(window.mass, window, *centre, scale)
    wind, vorticity = _strength(window, *centre, settings)
    return Fix(*centre, lowest, wind, vorticity, apart)


def vertex(window: Window, field: Floats, lat: float, lon: float, scale: float) -> tuple[float, float] | None:
    """Return the vertex of the paraboloid fitted to `field` with Gaussian weights of `scale` km about itself.

    field = a + b x + c y + d x^2 + e x y + f y^2, x and y in km. The gradient of the surroundings is taken off first: a
    gradient alone moves a minimum. None where the field has no minimum there.
    """
    gradient = (0.0, 0.0)
    for step in range(MAX_STEPS):
        if step in (0, 2):
            gradient = _environment(window, field, lat, lon)
        rows, columns = window.around(lat, lon, 2.5 * scale)
        x, y = window.plane(lat, lon, rows, columns)
        values = field[rows, columns] - gradient[0] * x - gradient[1] * y
        fitted = _paraboloid(x, y, values, scale)
        if fitted is None:
            return None
        east, north = fitted
        length = math.hypot(east, north)
        if length > scale:
            east, north = east * scale / length, north * scale / length
        lat, lon = _moved(lat, lon, east, north)
        if length < CONVERGED and step > 2:
            break
    return lat, lon


def centroid(window: Window, lat: float, lon: float, scale: float) -> tuple[float, float] | None:
    """Return the centroid of cyclonic vorticity with Gaussian weights of `scale` km about the centroid itself."""
    for _ in range(2 * MAX_STEPS):
        rows, columns = window.around(lat, lon, 2.5 * scale)
        x, y = window.plane(lat, lon, rows, columns)
        weight = np.maximum(window.cyclonic[rows, columns], 0.0) * _weight(window, rows, x, y, scale)
        total = weight.sum()
        if not total > 0:
            return None
        east, north = float((weight * x).sum() / total), float((weight * y).sum() / total)
        lat, lon = _moved(lat, lon, east, north)
        if math.hypot(east, north) < CONVERGED:
            break
    return lat, lon


def _weight(window: Window, rows: slice, x: Floats, y: Floats, scale: float) -> Floats:
    return np.exp(-(x * x + y * y) / (2 * scale * scale)) * np.cos(np.radians(window.latitude[rows]))[:, None]


def _paraboloid(x: Floats, y: Floats, values: Floats, scale: float) -> tuple[float, float] | None:
    if values.size < 9:
        return None
    root = np.exp(-(x * x + y * y) / (4 * scale * scale)).ravel()
    x, y = x.ravel() / scale, y.ravel() / scale
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]) * root  # (6, points)
    target = (values - values.mean()).ravel() * root
    try:
        _, b, c, d, e, f = np.linalg.solve(basis @ basis.T, basis @ target)
    except np.linalg.LinAlgError:
        return None
    determinant = 4 * d * f - e * e
    if d <= 0 or f <= 0 or determinant <= 0:
        return None
    return scale * float((e * c - 2 * f * b) / determinant), scale * float((e * b - 2 * d * c) / determinant)


def _environment(window: Window, field: Floats, lat: float, lon: float) -> tuple[float, float]:
    """Return the eastward and northward gradient of the surroundings per km, from a plane fitted on a ring.

    Radial terms take up the storm's own slope where the region's edge cuts the ring; points far below the plane,
    such as another storm's, are left out of a second fit.
    """
    rows, columns = window.around(lat, lon, RING[1])
    stride = max(1, round(RING_SPACING / max(window.spacing)))
    rows, columns = slice(rows.start, rows.stop, stride), slice(columns.start, columns.stop, stride)
    x, y = window.plane(lat, lon, rows, columns)
    r = np.hypot(x, y)
    ring = (r >= RING[0]) & (r <= RING[1])
    if ring.sum() < 24:
        return 0.0, 0.0
    x, y, r = x[ring] / RING[1], y[ring] / RING[1], r[ring] / RING[1]
    values = field[rows, columns][ring]
    values = values - values.mean()
    basis = np.stack([np.ones_like(x), x, y, r, r * r])
    keep = np.ones(len(x), bool)
    fitted = np.zeros(5)
    for _ in range(2):
        kept = basis[:, keep]
        fitted = np.linalg.lstsq(kept @ kept.T, kept @ values[keep], rcond=None)[0]
        residual = values - fitted @ basis
        spread = float(np.median(np.abs(residual))) * 1.4826
        keep = residual > -2.5 * spread
        if spread == 0 or keep.sum() < 24:
            break
    return float(fitted[1]) / RING[1], float(fitted[2]) / RING[1]


def _minimum(field: Floats, window: Window, lat: float, lon: float, scale: float) -> float:
    """Return MSL at the centre by a paraboloid fitted close to it, within 2 hPa of the minimum on the grid."""
    rows, columns = window.around(lat, lon, scale)
    x, y = window.plane(lat, lon, rows, columns)
    values = field[rows, columns]
    lowest = float(values.min())
    close = scale / 2.5
    root = np.exp(-(x * x + y * y) / (4 * close * close)).ravel()
    x, y = x.ravel() / scale, y.ravel() / scale
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]) * root
    at_centre = np.linalg.lstsq(basis @ basis.T, basis @ ((values.ravel() - lowest) * root), rcond=None)[0][0]
    return lowest + float(np.clip(at_centre, -200.0, 200.0))


def _strength(window: Window, lat: float, lon: float, settings: Settings) -> tuple[float, float]:
    """Return the maximum wind and the strongest cyclonic vorticity (with its sign) around the centre."""
    rows, columns = window.around(lat, lon, settings.wind_radius)
    x, y = window.plane(lat, lon, rows, columns)
    r = np.hypot(x, y)
    wind = np.nan
    if window.wind is not None:
        wind = float(np.where(r <= settings.wind_radius, window.wind[rows, columns], -np.inf).max())
    sign = -1.0 if lat < 0 else 1.0
    inner = np.where(r <= settings.max_separation, sign * window.vorticity[rows, columns], -np.inf)
    return wind, sign * float(inner.max())


def _moved(lat: float, lon: float, east: float, north: float) -> tuple[float, float]:
    """Return the point at (east, north) km on the orthographic plane about (lat, lon), longitude continuous."""
    x, y, phi = east / EARTH_RADIUS_KM, north / EARTH_RADIUS_KM, math.radians(lat)
    up = math.sqrt(max(1.0 - x * x - y * y, 0.0))
    there = math.degrees(math.asin(up * math.sin(phi) + y * math.cos(phi)))
    return there, lon + math.degrees(math.atan2(x, up * math.cos(phi) - y * math.sin(phi)))
