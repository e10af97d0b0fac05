"""Centres of the wind about a point: where its vorticity lies, and about which point it turns most."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.plane import moved, plane, window
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Axes, Field, Floats

MAX_STEPS = 12
CONVERGED = 0.1  # km
NEAR_ENOUGH = 0.5  # km; the broad top of a circulation is known no better


@compiled
def vorticity_about(u: Field, v: Field, axes: Axes, lat: float, lon: float, reach: float) -> tuple[Floats, Axes]:
    """Return cyclonic relative vorticity in s-1 of the grid points within `reach` km, and the axes of that part."""
    lat0, dlat, lon0, dlon = axes
    i0, i1, j0, j1 = window(axes, u.shape, lat, lon, reach)
    if min(i1 - i0, j1 - j0) < 3:
        return np.zeros((0, 0)), axes
    vorticity = np.empty((i1 - i0, j1 - j0))
    metres = 1000.0 * RADIUS * DEGREE
    for i in range(i0, i1):
        n, s = max(i - 1, 0), min(i + 1, u.shape[0] - 1)
        here = lat0 + i * dlat
        unit = (-1.0 if here < 0 else 1.0) / (metres * max(math.cos(here * DEGREE), 1e-6))
        by_x, by_y = unit / (2 * dlon), unit / ((s - n) * dlat)
        cos_n, cos_s = math.cos((lat0 + n * dlat) * DEGREE) * by_y, math.cos((lat0 + s * dlat) * DEGREE) * by_y
        west, east = max(j0, 1), min(j1, u.shape[1] - 1)
        for j in range(west, east):
            dv = (np.float64(v[i, j + 1]) - np.float64(v[i, j - 1])) * by_x
            vorticity[i - i0, j - j0] = dv - (u[s, j] * cos_s - u[n, j] * cos_n)
        if j0 < west:
            dv = (np.float64(v[i, 1]) - np.float64(v[i, 0])) * 2 * by_x
            vorticity[i - i0, 0] = dv - (u[s, 0] * cos_s - u[n, 0] * cos_n)
        if j1 > east:
            dv = (np.float64(v[i, east]) - np.float64(v[i, east - 1])) * 2 * by_x
            vorticity[i - i0, east - j0] = dv - (u[s, east] * cos_s - u[n, east] * cos_n)
    return vorticity, (lat0 + i0 * dlat, dlat, lon0 + j0 * dlon, dlon)


@compiled
def blurred(field: Floats, axes: Axes, lat: float, scale: float) -> Floats:
    """Return a field filtered by a Gaussian with a standard deviation of `scale` km, cut off at 2.5 of them."""
    dy = abs(axes[1]) * DEGREE * RADIUS
    dx = abs(axes[3]) * DEGREE * RADIUS * max(math.cos(lat * DEGREE), 0.05)
    rows, columns = field.shape
    half, whole = np.zeros((rows, columns)), np.zeros((rows, columns))
    wy, wx = _bell(dy / scale), _bell(dx / scale)
    high, wide = len(wy) // 2, len(wx) // 2
    line = np.empty(columns + 2 * wide)
    for i in range(rows):
        for j in range(columns + 2 * wide):
            line[j] = field[i, min(max(j - wide, 0), columns - 1)]
        for k in range(2 * wide + 1):
            for j in range(columns):
                half[i, j] += wx[k] * line[j + k]
    for i in range(rows):
        for k in range(2 * high + 1):
            a = min(max(i + k - high, 0), rows - 1)
            for j in range(columns):
                whole[i, j] += wy[k] * half[a, j]
    return whole


@compiled
def _bell(step: float) -> Floats:
    """Return the weights of a Gaussian, summing to 1, at every `step` standard deviations up to 2.5."""
    count = int(2.5 / step + 0.5)
    weights, total = np.empty(2 * count + 1), 0.0
    for k in range(-count, count + 1):
        weights[k + count] = math.exp(-0.5 * (k * step) ** 2)
        total += weights[k + count]
    for k in range(2 * count + 1):
        weights[k] /= total
    return weights


@compiled
def centroid(cyclonic: Floats, axes: Axes, lat: float, lon: float, scale: float) -> tuple[float, float, bool]:
    """Return the centroid of cyclonic vorticity with Gaussian weights of `scale` km about the centroid itself."""
    for _ in range(2 * MAX_STEPS):
        i0, j0, _, east, north = plane(axes, cyclonic.shape, lat, lon, 2.5 * scale, 0.0)
        total, x, y = 0.0, 0.0, 0.0
        for a in range(east.shape[0]):
            cos_phi = math.cos((axes[0] + (i0 + a) * axes[1]) * DEGREE)
            for b in range(east.shape[1]):
                value = cyclonic[i0 + a, j0 + b]
                if value > 0:
                    r2 = east[a, b] ** 2 + north[a, b] ** 2
                    weight = value * cos_phi * math.exp(-r2 / (2 * scale * scale))
                    total += weight
                    x += weight * east[a, b]
                    y += weight * north[a, b]
        if not total > 0:
            return lat, lon, False
        lat, lon = moved(lat, lon, x / total, y / total)
        if math.hypot(x, y) < CONVERGED * total:
            break
    return lat, lon, True


@compiled
def circulation(
    u: Field, v: Field, axes: Axes, lat: float, lon: float, scale: float
) -> tuple[float, float, float, bool]:
    """Return the point about which the wind turns most, and how purely it turns there (-1 to 1).

    The point is the maximum of sum w (x v' - y u') / sum w r^2, the moment of the wind less its mean about the point,
    with w = (1 - r^2 / 4 scale^2)^2 within twice `scale` km. The purity is that wind's correlation with a rotation.
    """
    step, widest = scale / 2, 4.0 * scale * scale
    # The middle and the points a step west, east, south and north of it.
    moment = np.zeros(5)
    pure, length = 0.0, 0.0
    sign = -1.0 if lat < 0 else 1.0
    for _ in range(MAX_STEPS):
        i0, j0, _, east, north = plane(axes, u.shape, lat, lon, 2 * scale + step, 0.0)
        for p in range(5):
            cx = step * ((p == 2) - 1.0 * (p == 1))
            cy = step * ((p == 4) - 1.0 * (p == 3))
            w0, wu, wv, wx, wy, w_turn, w_square, w_r2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for a in range(east.shape[0]):
                for b in range(east.shape[1]):
                    x, y = east[a, b] - cx, north[a, b] - cy
                    r2 = x * x + y * y
                    if r2 > widest:
                        continue
                    w = (1.0 - r2 / widest) ** 2
                    uu, vv = np.float64(u[i0 + a, j0 + b]), np.float64(v[i0 + a, j0 + b])
                    w0 += w
                    wu += w * uu
                    wv += w * vv
                    wx += w * x
                    wy += w * y
                    w_turn += w * (x * vv - y * uu)
                    w_square += w * (uu * uu + vv * vv)
                    w_r2 += w * r2
            if not w_r2 > 0:
                return lat, lon, 0.0, False
            turn = w_turn - (wx * wv - wy * wu) / w0
            moment[p] = sign * turn / w_r2
            if p == 0:
                varied = (w_square - (wu * wu + wv * wv) / w0) * (w_r2 - (wx * wx + wy * wy) / w0)
                pure = sign * turn / math.sqrt(varied) if varied > 0 else 0.0
        gx, gy = (moment[2] - moment[1]) / 2, (moment[4] - moment[3]) / 2
        xx, yy = moment[2] + moment[1] - 2 * moment[0], moment[4] + moment[3] - 2 * moment[0]
        steep = math.hypot(gx, gy)
        if not steep < np.inf or (steep == 0 and not (xx < 0 and yy < 0)):
            return lat, lon, 0.0, False
        # Uphill by a whole step until the top is near.
        to_east, to_north = (-gx / xx, -gy / yy) if xx < 0 and yy < 0 else (gx / steep, gy / steep)
        length = math.hypot(to_east, to_north)
        if length > 1.0:
            to_east, to_north = to_east / length, to_north / length
        lat, lon = moved(lat, lon, step * to_east, step * to_north)
        if step * length < NEAR_ENOUGH:
            return lat, lon, pure, True
    return lat, lon, pure, length < 1.0
