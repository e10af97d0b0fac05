"""The slope of a storm's surroundings: a plane fitted on a ring about it."""

from __future__ import annotations

import math

import numpy as np

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.linear import middle, solve
from typhoon_tracker.tracker.compiled.plane import plane
from typhoon_tracker.tracker.compiled.sphere import Axes, Field

INNER, OUTER = 300.0, 600.0  # km; the ring where a storm's environment shows and the storm itself is smooth
UNIT = 1.0 / OUTER
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
                    x[n], y[n], r[n] = east[a, b] * UNIT, north[a, b] * UNIT, math.sqrt(square) * UNIT
                    values[n] = value
                    n += 1
    if n < FEWEST:
        return 0.0, 0.0
    to_east, to_north, least = 0.0, 0.0, -np.inf
    residual, ranked, target = np.zeros(n), np.empty(n), np.empty(5)
    for attempt in range(2):
        # Sums of products, by their factors; each a name of its own, which stays in a register.
        s, sx, sy, sr, sv, sxx, sxy, sxr, syy, syr, srr = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        sxrr, syrr, srrr, srrrr, sxv, syv, srv, srrv = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for m in range(n):
            if not residual[m] > least:
                continue
            xm, ym, rm, rrm, value = x[m], y[m], r[m], r[m] * r[m], values[m]
            s += 1.0
            sx += xm
            sy += ym
            sr += rm
            sv += value
            sxx += xm * xm
            sxy += xm * ym
            sxr += xm * rm
            sxrr += xm * rrm
            syy += ym * ym
            syr += ym * rm
            syrr += ym * rrm
            srr += rrm
            srrr += rm * rrm
            srrrr += rrm * rrm
            sxv += value * xm
            syv += value * ym
            srv += value * rm
            srrv += value * rrm
        if s < FEWEST:
            break
        upper = (s, sx, sy, sr, srr, sxx, sxy, sxr, sxrr, syy, syr, syrr, srr, srrr, srrrr)
        target[0], target[1], target[2], target[3], target[4] = sv, sxv, syv, srv, srrv
        fitted, good = solve(upper, target)
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
