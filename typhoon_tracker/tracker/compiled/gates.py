"""How far fixes lie from where storms are expected, as shares of the storms' reach."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from typhoon_tracker.tracker.compiled.cache import compiled
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, Floats


@compiled
def shares(storms: Floats, now: float, fixes: Floats, limits: Floats) -> Floats:
    """Return (storm, fix) the squared distance as a share of the reach, infinite beyond it.

    storms: rows of hours, lat, lon of the last fix and of the one the motion is taken from; fixes: rows of lat, lon;
    limits: search radius (km), its growth (km/h), its maximum (km), greatest speed and that of a storm with one fix
    (m s-1). A storm is expected where its motion on a great circle, no faster than the greatest speed, takes it.
    """
    result = np.full((len(storms), len(fixes)), np.inf)
    for s in range(len(storms)):
        gap, span = now - storms[s, 0], storms[s, 0] - storms[s, 3]
        lat, lon = storms[s, 1] * DEGREE, storms[s, 2] * DEGREE
        there_lat, there_lon = lat, lon
        reach = limits[0] + limits[4] * 3.6 * gap
        if span > 0:
            reach = min(limits[0] + limits[1] * gap, limits[2])
            lat0, dlam = storms[s, 4] * DEGREE, (storms[s, 5] - storms[s, 2]) * DEGREE
            h = math.sin((lat - lat0) / 2) ** 2 + math.cos(lat) * math.cos(lat0) * math.sin(dlam / 2) ** 2
            speed = min(2 * RADIUS * math.asin(min(math.sqrt(h), 1.0)) / span, limits[3] * 3.6)
            back = math.atan2(
                math.sin(dlam) * math.cos(lat0),
                math.cos(lat) * math.sin(lat0) - math.sin(lat) * math.cos(lat0) * math.cos(dlam),
            )
            course, delta = back + math.pi, speed * gap / RADIUS
            sin_there = math.sin(lat) * math.cos(delta) + math.cos(lat) * math.sin(delta) * math.cos(course)
            there_lat = math.asin(min(max(sin_there, -1.0), 1.0))
            there_lon = lon + math.atan2(
                math.sin(course) * math.sin(delta) * math.cos(lat), math.cos(delta) - math.sin(lat) * sin_there
            )
        farthest = limits[0] + limits[3] * 3.6 * gap
        for f in range(len(fixes)):
            phi, lam = fixes[f, 0] * DEGREE, fixes[f, 1] * DEGREE
            h = math.sin((phi - lat) / 2) ** 2 + math.cos(phi) * math.cos(lat) * math.sin((lam - lon) / 2) ** 2
            moved = 2 * RADIUS * math.asin(min(math.sqrt(h), 1.0))
            h = (
                math.sin((phi - there_lat) / 2) ** 2
                + math.cos(phi) * math.cos(there_lat) * math.sin((lam - there_lon) / 2) ** 2
            )
            away = 2 * RADIUS * math.asin(min(math.sqrt(h), 1.0))
            if away <= reach and (span <= 0 or moved <= farthest):
                result[s, f] = (away / reach) ** 2
    return result


@compiled
def near(cost: Floats, misses: Floats) -> tuple[NDArray[np.int64], bool]:
    """Return the pairs of storm and fix that cost less than a miss, and whether none has a part of another."""
    pairs, count, apart = np.empty((cost.size, 2), np.int64), 0, True
    taken = np.zeros(cost.shape[1], np.bool_)
    for s in range(cost.shape[0]):
        own = count
        for f in range(cost.shape[1]):
            if cost[s, f] < misses[s]:
                pairs[count, 0], pairs[count, 1] = s, f
                count += 1
                apart = apart and count == own + 1 and not taken[f]
                taken[f] = True
    return pairs[:count], apart
