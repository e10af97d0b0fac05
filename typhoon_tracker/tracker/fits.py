"""Fits about a point on the full grid, in the orthographic plane that touches the sphere there."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.tracker.compiled import compiled

Field = NDArray[np.float32]
Floats = NDArray[np.float64]
Axes = tuple[float, float, float, float]  # latitude of the first row and step, longitude of the first column and step

RADIUS = 6371.0  # km
DEGREE = math.pi / 180.0
MAX_STEPS = 12
CONVERGED = 0.1  # km
NEAR_ENOUGH = 0.5  # km; the broad top of a circulation is known no better
FAR = 20.0  # km from where the environment was taken, beyond which it is taken anew
INNER, OUTER = 300.0, 600.0  # km; the ring where a storm's environment shows and the storm itself is smooth
RING_SPACING = 50.0  # km between the points of the ring; closer ones add work, not knowledge


@compiled
def separation(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Return the great-circle distance of two points in km, as `geo.sphere.distance` does for arrays."""
    phi1, phi2 = lat1 * DEGREE, lat2 * DEGREE
    h = math.sin((phi2 - phi1) / 2) ** 2 + math.cos(phi1) * math.cos(phi2) * math.sin((lon2 - lon1) * DEGREE / 2) ** 2
    return 2 * RADIUS * math.asin(min(math.sqrt(h), 1.0))


@compiled
def plane(axes: Axes, shape: tuple[int, int], lat: float, lon: float, reach: float, stride: int) -> tuple:
    """Return the row and column of the first grid point within `reach` km of (lat, lon), and two arrays.

    They hold the km east and north of every `stride`th point from there on.
    """
    lat0, dlat, lon0, dlon = axes
    poleward = min(abs(lat) + reach / (RADIUS * DEGREE), 85.0)
    half = reach / (RADIUS * DEGREE)
    wide = half / math.cos(poleward * DEGREE)
    y, x = (lat - lat0) / dlat, (lon - lon0) / dlon
    i0 = max(math.ceil(y - half / abs(dlat)), 0)
    i1 = min(math.floor(y + half / abs(dlat)) + 1, shape[0])
    j0 = max(math.ceil(x - wide / abs(dlon)), 0)
    j1 = min(math.floor(x + wide / abs(dlon)) + 1, shape[1])
    rows, columns = max((i1 - i0 + stride - 1) // stride, 0), max((j1 - j0 + stride - 1) // stride, 0)
    east, north = np.empty((rows, columns)), np.empty((rows, columns))
    sin0, cos0 = math.sin(lat * DEGREE), math.cos(lat * DEGREE)
    for b in range(columns):
        lam = (lon0 + (j0 + b * stride) * dlon - lon) * DEGREE
        sin_lam, cos_lam = math.sin(lam), math.cos(lam)
        for a in range(rows):
            east[a, b], north[a, b] = sin_lam, cos_lam
    for a in range(rows):
        phi = (lat0 + (i0 + a * stride) * dlat) * DEGREE
        sin_phi, cos_phi = math.sin(phi), math.cos(phi)
        for b in range(columns):
            east[a, b] = RADIUS * cos_phi * east[a, b]
            north[a, b] = RADIUS * (cos0 * sin_phi - sin0 * cos_phi * north[a, b])
    return i0, j0, east, north


@compiled
def moved(lat: float, lon: float, east: float, north: float) -> tuple[float, float]:
    """Return the point at (east, north) km on the orthographic plane about (lat, lon), longitude continuous."""
    x, y, phi = east / RADIUS, north / RADIUS, lat * DEGREE
    up = math.sqrt(max(1.0 - x * x - y * y, 0.0))
    there = math.asin(min(max(up * math.sin(phi) + y * math.cos(phi), -1.0), 1.0)) / DEGREE
    return there, lon + math.atan2(x, up * math.cos(phi) - y * math.sin(phi)) / DEGREE


@compiled
def solve(matrix: Floats, target: Floats) -> tuple[Floats, bool]:
    """Solve a small linear system by elimination with pivots; False where it is singular. Both are overwritten."""
    n = len(target)
    for k in range(n):
        p = k
        for i in range(k + 1, n):
            if abs(matrix[i, k]) > abs(matrix[p, k]):
                p = i
        if not abs(matrix[p, k]) > 1e-12:
            return target, False
        for j in range(n):
            matrix[k, j], matrix[p, j] = matrix[p, j], matrix[k, j]
        target[k], target[p] = target[p], target[k]
        for i in range(k + 1, n):
            share = matrix[i, k] / matrix[k, k]
            for j in range(k, n):
                matrix[i, j] -= share * matrix[k, j]
            target[i] -= share * target[k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            target[k] -= matrix[k, j] * target[j]
        target[k] /= matrix[k, k]
    return target, True


@compiled
def middle(values: Floats, count: int) -> float:
    """Return the upper median of the first `count` values by partial sorting (Hoare); they are put in another order."""
    k, low, high = count // 2, 0, count - 1
    while low < high:
        pivot, i, j = values[k], low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if j < k:
            low = i
        if k < i:
            high = j
    return values[k]


@compiled
def environment(field: Field, axes: Axes, lat: float, lon: float) -> tuple[float, float]:
    """Return the eastward and northward gradient of the surroundings per km, from a plane fitted on a ring.

    Radial terms take up the storm's own slope where the region's edge cuts the ring; points far below the plane,
    such as another storm's, are left out of a second fit.
    """
    spacing = max(abs(axes[1]), abs(axes[3]) * math.cos(lat * DEGREE)) * DEGREE * RADIUS
    stride = max(1, round(RING_SPACING / spacing))
    i0, j0, east, north = plane(axes, field.shape, lat, lon, OUTER, stride)
    basis, values = np.empty((east.size, 5)), np.empty(east.size)
    n = 0
    reference = np.float64(field[i0, j0]) if east.size else 0.0
    for a in range(east.shape[0]):
        for b in range(east.shape[1]):
            r = math.hypot(east[a, b], north[a, b])
            value = np.float64(field[i0 + a * stride, j0 + b * stride]) - reference
            if INNER <= r <= OUTER and math.isfinite(value):
                r /= OUTER
                basis[n, 0], basis[n, 1], basis[n, 2] = 1.0, east[a, b] / OUTER, north[a, b] / OUTER
                basis[n, 3], basis[n, 4] = r, r * r
                values[n] = value
                n += 1
    if n < 24:
        return 0.0, 0.0
    keep = np.ones(n, np.bool_)
    fitted, residual, ranked = np.zeros(5), np.empty(n), np.empty(n)
    for _ in range(2):
        matrix, target = np.zeros((5, 5)), np.zeros(5)
        for m in range(n):
            if keep[m]:
                for p in range(5):
                    target[p] += basis[m, p] * values[m]
                    for q in range(5):
                        matrix[p, q] += basis[m, p] * basis[m, q]
        solution, good = solve(matrix, target)
        if not good:
            break
        fitted = solution
        for m in range(n):
            residual[m] = values[m]
            for p in range(5):
                residual[m] -= fitted[p] * basis[m, p]
            ranked[m] = abs(residual[m])
        spread = 1.4826 * middle(ranked, n)
        kept = 0
        for m in range(n):
            keep[m] = residual[m] > -2.5 * spread
            kept += keep[m]
        if spread == 0 or kept < 24:
            break
    return fitted[1] / OUTER, fitted[2] / OUTER


@compiled
def paraboloid(
    field: Field, axes: Axes, lat: float, lon: float, scale: float, reach: float, slope: tuple[float, float]
) -> tuple:
    """Fit field - slope . (x, y) = a + b x + c y + d x^2 + e x y + f y^2 with Gaussian weights of `scale` km.

    x and y in units of `scale`. Returns the reference value the fit is about, the six coefficients, the share of the
    weighted variance they explain, and whether there is a fit.
    """
    i0, j0, east, north = plane(axes, field.shape, lat, lon, reach, 1)
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
    slope = environment(field, axes, lat, lon)
    share, travelled, renewed = 0.0, 0.0, False
    for _ in range(MAX_STEPS):
        if not renewed and travelled > FAR:
            slope, renewed = environment(field, axes, lat, lon), True
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
def vorticity_about(u: Field, v: Field, axes: Axes, lat: float, lon: float, reach: float) -> tuple[Floats, Axes]:
    """Return cyclonic relative vorticity in s-1 of the grid points within `reach` km, and the axes of that part."""
    lat0, dlat, lon0, dlon = axes
    i0, j0, east, _ = plane(axes, u.shape, lat, lon, reach, 1)
    if min(east.shape) < 3:
        return np.zeros((0, 0)), axes
    vorticity = np.empty(east.shape)
    metres = 1000.0 * RADIUS * DEGREE
    for a in range(east.shape[0]):
        i = i0 + a
        n, s = max(i - 1, 0), min(i + 1, u.shape[0] - 1)
        here = lat0 + i * dlat
        cos_n, cos_s = math.cos((lat0 + n * dlat) * DEGREE), math.cos((lat0 + s * dlat) * DEGREE)
        unit = (-1.0 if here < 0 else 1.0) / (metres * max(math.cos(here * DEGREE), 1e-6))
        for b in range(east.shape[1]):
            j = j0 + b
            w, e = max(j - 1, 0), min(j + 1, u.shape[1] - 1)
            dv = (np.float64(v[i, e]) - v[i, w]) / ((e - w) * dlon)
            du = (u[s, j] * cos_s - u[n, j] * cos_n) / ((s - n) * dlat)
            vorticity[a, b] = unit * (dv - du)
    return vorticity, (lat0 + i0 * dlat, dlat, lon0 + j0 * dlon, dlon)


@compiled
def blurred(field: Floats, axes: Axes, lat: float, scale: float) -> Floats:
    """Return a field filtered by a Gaussian with a standard deviation of `scale` km, cut off at 2.5 of them."""
    dy = abs(axes[1]) * DEGREE * RADIUS
    dx = abs(axes[3]) * DEGREE * RADIUS * max(math.cos(lat * DEGREE), 0.05)
    rows, columns = field.shape
    half, whole = np.empty((rows, columns)), np.empty((rows, columns))
    high, wide = int(2.5 * scale / dy + 0.5), int(2.5 * scale / dx + 0.5)
    wy, wx = np.empty(2 * high + 1), np.empty(2 * wide + 1)
    total_y = total_x = 0.0
    for k in range(-high, high + 1):
        wy[k + high] = math.exp(-0.5 * (k * dy / scale) ** 2)
        total_y += wy[k + high]
    for k in range(-wide, wide + 1):
        wx[k + wide] = math.exp(-0.5 * (k * dx / scale) ** 2)
        total_x += wx[k + wide]
    for i in range(rows):
        for j in range(columns):
            s = 0.0
            for k in range(-wide, wide + 1):
                s += wx[k + wide] * field[i, min(max(j + k, 0), columns - 1)]
            half[i, j] = s / total_x
    for i in range(rows):
        for j in range(columns):
            whole[i, j] = 0.0
        for k in range(-high, high + 1):
            a = min(max(i + k, 0), rows - 1)
            for j in range(columns):
                whole[i, j] += wy[k + high] / total_y * half[a, j]
    return whole


@compiled
def centroid(cyclonic: Floats, axes: Axes, lat: float, lon: float, scale: float) -> tuple[float, float, bool]:
    """Return the centroid of cyclonic vorticity with Gaussian weights of `scale` km about the centroid itself."""
    for _ in range(2 * MAX_STEPS):
        i0, j0, east, north = plane(axes, cyclonic.shape, lat, lon, 2.5 * scale, 1)
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
        i0, j0, east, north = plane(axes, u.shape, lat, lon, 2 * scale + step, 1)
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


@compiled
def level(field: Field, axes: Axes, lat: float, lon: float, scale: float) -> float:
    """Return a minimum's value by a paraboloid fitted close to it, within 200 (Pa) of the lowest point of the grid."""
    i0, j0, east, _ = plane(axes, field.shape, lat, lon, scale, 1)
    lowest = np.inf
    for a in range(east.shape[0]):
        for b in range(east.shape[1]):
            lowest = min(lowest, np.float64(field[i0 + a, j0 + b]))
    reference, fitted, _, good = paraboloid(field, axes, lat, lon, scale / 2.5, scale, (0.0, 0.0))
    if not good:
        return lowest
    return min(max(reference + fitted[0], lowest - 200.0), lowest + 200.0)


@compiled
def strongest(field: Floats, axes: Axes, lat: float, lon: float, radius: float) -> float:
    """Return the highest value of a field within `radius` km."""
    i0, j0, east, north = plane(axes, field.shape, lat, lon, radius, 1)
    highest = -np.inf
    for a in range(east.shape[0]):
        for b in range(east.shape[1]):
            if east[a, b] ** 2 + north[a, b] ** 2 <= radius * radius:
                highest = max(highest, np.float64(field[i0 + a, j0 + b]))
    return highest


@compiled
def fastest(u: Field, v: Field, axes: Axes, lat: float, lon: float, radius: float) -> float:
    """Return the highest wind speed within `radius` km."""
    i0, j0, east, north = plane(axes, u.shape, lat, lon, radius, 1)
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
    i0, j0, east, north = plane(axes, field.shape, lat, lon, OUTER, 1)
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
