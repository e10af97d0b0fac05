"""The ground an error cone covers, as polygons on the sphere."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import KM_PER_DEGREE, destination

if TYPE_CHECKING:
    import pandas as pd
    from shapely.geometry.base import BaseGeometry

    from typhoon_tracker.verify.cone import Cone

CORNERS = 120  # of a circle


def swath(lat: ArrayLike, lon: ArrayLike, radius_km: ArrayLike) -> BaseGeometry:
    """Return the union of circles along a track and of the ground between one and the next, degrees east and north.

    lat, lon: (n,) the fixes in order; radius_km: (n,) or one number. Each circle is one on the sphere, drawn as a
    polygon around it; the ground between two is bounded by their common tangents. Longitudes go on from the first fix
    without a break, so they may pass 180 or 360. Fixes with NaN are left out.
    Raises InputError where no fix is left, a radius is not positive, or a circle holds a pole.
    """
    import shapely

    given = np.broadcast_arrays(*(np.asarray(v, float) for v in (lat, lon, radius_km)))
    known = np.isfinite(given).all(axis=0)
    lat, lon, radius = (np.atleast_1d(v[known]) for v in given)
    if not len(lat):
        raise InputError("a cone needs at least 1 fix with a position and a radius; 0 came.")
    if (radius <= 0).any():
        raise InputError(f"a cone's radius of {radius.min():g} km is none; it must be more than 0.")
    over = np.abs(lat) + radius / KM_PER_DEGREE >= 90.0
    if over.any():
        i = int(over.argmax())
        raise InputError(
            f"the circle of {radius[i]:g} km around {lat[i]:g}N holds a pole and is no polygon of longitudes."
        )
    circles = [_circle(*point) for point in zip(lat, np.unwrap(lon, period=360.0), radius, strict=True)]
    between = [shapely.union_all([a, b]).convex_hull for a, b in pairwise(circles)]
    return shapely.union_all(between or circles)


def areas(cone: Cone, fixes: pd.DataFrame) -> dict[float, BaseGeometry]:
    """Return the swath of each level along the fixes of one forecast (track table with `lead_time`), by level.

    A level without a fix at a lead of the cone is absent. Raises InputError where the fixes start at several times.
    """
    starts = fixes["init_time"].unique()
    if len(starts) > 1:
        raise InputError(f"a cone is drawn for one forecast; the table has {len(starts)} init times.")
    ordered = fixes.dropna(subset=["lat", "lon"]).sort_values("lead_time")
    hours = ordered["lead_time"].dt.total_seconds() / 3600
    radii = {level: np.array([cone.radius(h, level) for h in hours]) for level in cone.levels}
    return {p: swath(ordered["lat"], ordered["lon"], km) for p, km in radii.items() if np.isfinite(km).any()}


def _circle(lat: float, lon: float, radius_km: float) -> BaseGeometry:
    """Return a polygon around a circle: its corners lie as far outside as its sides touch."""
    import shapely

    outside = radius_km / np.cos(np.pi / CORNERS)
    lats, lons = destination(lat, lon, np.linspace(0.0, 360.0, CORNERS, endpoint=False), outside)
    east: NDArray[np.float64] = lon + (lons - lon + 180.0) % 360.0 - 180.0
    return shapely.Polygon(np.column_stack([east, lats]))
