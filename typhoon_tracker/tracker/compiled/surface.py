"""The bowl a storm lies in: a paraboloid fitted to a mass field about a point."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.environment import environment
from typhoon_tracker.tracker.compiled.linear import solve
from typhoon_tracker.tracker.compiled.plane import moved, plane, window
from typhoon_tracker.tracker.compiled.sphere import Axes, Field

MAX_STEPS = 12
CONVERGED = 0.1  # km
FAR = 20.0  # km from where the environment was taken, beyond which it is taken anew


@compiled
def paraboloid(
    field: Field, axes: Axes, lat: float, lon: float, scale: float, reach: float, slope: tuple[float, float]
) -> tuple:
    """Fit field - slope . (x, y) = a + b x + c y + d x^2 + e x y + f y^2 with Gaussian weights of `scale` km.

    x and y in units of `scale`. Returns the reference value the fit is about, the six coefficients, the share of the
    weighted variance they explain, and whether there is a fit.
    """
    i0, j0, _, east, north = plane(axes, field.shape, lat, lon, reach, 0.0)
    target = np.zeros(6)
    if east.size < 9:
        return 0.0, target, 0.0, False
    reference = np.float64(field[i0 + east.shape[0] // 2, j0 + east.shape[1] // 2])
    unit = 1.0 / scale
    # Weighted sums of products, by their factors.
    s, sx, sy, sxx, sxy, syy, sxxx, sxxy, sxyy, syyy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    sxxxx, sxxxy, sxxyy, sxyyy, syyyy, square = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    sv, sxv, syv, sxxv, sxyv, syyv = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for a in range(east.shape[0]):
        for b in range(east.shape[1]):
            x, y = east[a, b] * unit, north[a, b] * unit
            weight = math.exp(-(x * x + y * y) / 2)
            value = np.float64(field[i0 + a, j0 + b]) - reference - slope[0] * east[a, b] - slope[1] * north[a, b]
            wx, wy, wv = weight * x, weight * y, weight * value
            wxx, wxy, wyy = wx * x, wx * y, wy * y
            s += weight
            sx += wx
            sy += wy
            sxx += wxx
            sxy += wxy
            syy += wyy
            sxxx += wxx * x
            sxxy += wxx * y
            sxyy += wyy * x
            syyy += wyy * y
            sxxxx += wxx * x * x
            sxxxy += wxx * x * y
            sxxyy += wxx * y * y
            sxyyy += wyy * x * y
            syyyy += wyy * y * y
            square += wv * value
            sv += wv
            sxv += wv * x
            syv += wv * y
            sxxv += wxx * value
            sxyv += wxy * value
            syyv += wyy * value
    upper = (
        s, sx, sy, sxx, sxy, syy, sxx, sxy, sxxx, sxxy, sxyy, syy, sxxy, sxyy, syyy,
        sxxxx, sxxxy, sxxyy, sxxyy, sxyyy, syyyy,
    )  # fmt: skip
    target[0], target[1], target[2], target[3], target[4], target[5] = sv, sxv, syv, sxxv, sxyv, syyv
    total, first, moment = s, sv, target.copy()
    fitted, good = solve(upper, target)
    variance = square - first * first / total
    explained = 0.0
    for p in range(6):
        explained += fitted[p] * moment[p]
    share = (explained - first * first / total) / variance if variance > 0 else 0.0
    return reference, fitted, share, good and math.isfinite(share)


@compiled
def vertex(field: Field, axes: Axes, lat: float, lon: float, scale: float) -> tuple[float, float, float, bool]:
    """Return the vertex of the paraboloid fitted about itself, the variance explained (0-1), and whether there is one.

    The gradient of the surroundings is taken off first: a gradient alone moves a minimum.
    """
    slope, share, travelled, taken = (0.0, 0.0), 0.0, 0.0, 0
    for _ in range(MAX_STEPS):
        if taken == 0 or (taken == 1 and travelled > FAR):
            slope = environment(field, axes, lat, lon)
            taken += 1
        _, fitted, share, good = paraboloid(field, axes, lat, lon, scale, 2.5 * scale, slope)
        b, c, d, e, f = fitted[1], fitted[2], fitted[3], fitted[4], fitted[5]
        determinant = 4 * d * f - e * e
        if not (good and d > 0 and f > 0 and determinant > 0):
            return lat, lon, 0.0, False
        east, north = scale * (e * c - 2 * f * b) / determinant, scale * (e * b - 2 * d * c) / determinant
        length = math.hypot(east, north)
        if length > scale:
            east, north = east * scale / length, north * scale / length
        lat, lon = moved(lat, lon, east, north)
        travelled += min(length, scale)
        if length < CONVERGED:
            break
    return lat, lon, share, True


@compiled
def level(field: Field, axes: Axes, lat: float, lon: float, scale: float) -> float:
    """Return a minimum's value by a paraboloid fitted close to it, within 200 (Pa) of the lowest point of the grid."""
    i0, i1, j0, j1 = window(axes, field.shape, lat, lon, scale)
    lowest = np.inf
    for i in range(i0, i1):
        for j in range(j0, j1):
            lowest = min(lowest, np.float64(field[i, j]))
    reference, fitted, _, good = paraboloid(field, axes, lat, lon, scale / 2.5, scale, (0.0, 0.0))
    if not good:
        return lowest
    return min(max(reference + fitted[0], lowest - 200.0), lowest + 200.0)
