"""Surfaces fitted to a mass field about a point: the slope of its surroundings, and the bowl a storm lies in."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.linear import middle, solve
from typhoon_tracker.tracker.compiled.plane import moved, plane, window
from typhoon_tracker.tracker.compiled.sphere import Axes, Field

MAX_STEPS = 12
CONVERGED = 0.1  # km
FAR = 20.0  # km from where the environment was taken, beyond which it is taken anew
INNER, OUTER = 300.0, 600.0  # km; the ring where a storm's environment shows and the storm itself is smooth
RING_SPACING = 50.0  # km between the points of the ring; closer ones add work, not knowledge
FEWEST = 24  # points of the ring that make an environment


@compiled
def environment(field: Field, axes: Axes, lat: float, lon: float) -> tuple[float, float]:
    """Return the eastward and northward gradient of the surroundings per km, from a plane fitted on a ring.

    Radial terms take up the storm's own slope where the region's edge cuts the ring; points far below the plane,
    such as another storm's, are left out of a second fit.
    """
    i0, j0, stride, east, north = plane(axes, field.shape, lat, lon, OUTER, RING_SPACING)
    x, y, r = np.empty(east.size), np.empty(east.size), np.empty(east.size)  # in units of OUTER
    values = np.empty(east.size)
    n = 0
    reference = np.float64(field[i0, j0]) if east.size else 0.0
    for a in range(east.shape[0]):
        for b in range(east.shape[1]):
            square = east[a, b] * east[a, b] + north[a, b] * north[a, b]
            if INNER * INNER <= square <= OUTER * OUTER:
                value = np.float64(field[i0 + a * stride, j0 + b * stride]) - reference
                if math.isfinite(value):
                    x[n], y[n], r[n] = east[a, b] / OUTER, north[a, b] / OUTER, math.sqrt(square) / OUTER
                    values[n] = value
                    n += 1
    if n < FEWEST:
        return 0.0, 0.0
    to_east, to_north, least = 0.0, 0.0, -np.inf
    residual, ranked = np.zeros(n), np.empty(n)
    moments, matrix = np.empty(20), np.empty((5, 5))  # the normal matrix's upper triangle row by row, then its target
    for attempt in range(2):
        moments[:] = 0.0
        for m in range(n):
            if not residual[m] > least:
                continue
            r2 = r[m] * r[m]
            moments[0] += 1.0
            moments[1] += x[m]
            moments[2] += y[m]
            moments[3] += r[m]
            moments[5] += x[m] * x[m]
            moments[6] += x[m] * y[m]
            moments[7] += x[m] * r[m]
            moments[8] += x[m] * r2
            moments[9] += y[m] * y[m]
            moments[10] += y[m] * r[m]
            moments[11] += y[m] * r2
            moments[12] += r2
            moments[13] += r[m] * r2
            moments[14] += r2 * r2
            moments[15] += values[m]
            moments[16] += values[m] * x[m]
            moments[17] += values[m] * y[m]
            moments[18] += values[m] * r[m]
            moments[19] += values[m] * r2
        if moments[0] < FEWEST:
            break
        moments[4], k = moments[12], 0
        for p in range(5):
            for q in range(p, 5):
                matrix[p, q] = matrix[q, p] = moments[k]
                k += 1
        fitted, good = solve(matrix, moments[15:].copy())
        if not good:
            break
        to_east, to_north = fitted[1] / OUTER, fitted[2] / OUTER
        if attempt == 0:
            for m in range(n):
                plain = fitted[0] + fitted[1] * x[m] + fitted[2] * y[m]
                residual[m] = values[m] - (plain + (fitted[3] + fitted[4] * r[m]) * r[m])
                ranked[m] = abs(residual[m])
            spread = 1.4826 * middle(ranked)
            if spread == 0:
                break
            least = -2.5 * spread
    return to_east, to_north


@compiled
def paraboloid(
    field: Field, axes: Axes, lat: float, lon: float, scale: float, reach: float, slope: tuple[float, float]
) -> tuple:
    """Fit field - slope . (x, y) = a + b x + c y + d x^2 + e x y + f y^2 with Gaussian weights of `scale` km.

    x and y in units of `scale`. Returns the reference value the fit is about, the six coefficients, the share of the
    weighted variance they explain, and whether there is a fit.
    """
    i0, j0, _, east, north = plane(axes, field.shape, lat, lon, reach, 0.0)
    matrix, target, basis = np.zeros((6, 6)), np.zeros(6), np.zeros(6)
    square = 0.0
    if east.size < 9:
        return 0.0, target, 0.0, False
    reference = np.float64(field[i0 + east.shape[0] // 2, j0 + east.shape[1] // 2])
    for a in range(east.shape[0]):
        for b in range(east.shape[1]):
            x, y = east[a, b] / scale, north[a, b] / scale
            weight = math.exp(-(x * x + y * y) / 2)
            value = np.float64(field[i0 + a, j0 + b]) - reference - slope[0] * east[a, b] - slope[1] * north[a, b]
            basis[0], basis[1], basis[2], basis[3], basis[4], basis[5] = 1.0, x, y, x * x, x * y, y * y
            square += weight * value * value
            for p in range(6):
                wp = weight * basis[p]
                target[p] += wp * value
                for q in range(p + 1):
                    matrix[p, q] += wp * basis[q]
    for p in range(6):
        for q in range(p + 1, 6):
            matrix[p, q] = matrix[q, p]
    total, first, moment = matrix[0, 0], target[0], np.empty(6)
    for p in range(6):
        moment[p] = target[p]
    fitted, good = solve(matrix, target)
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
