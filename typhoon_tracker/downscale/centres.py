"""A storm's centre by three methods on one grid, and how far each is from the best track."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.tracker.centre import fit_scale, locate
from typhoon_tracker.tracker.compiled.sphere import separation
from typhoon_tracker.tracker.compiled.surface import vertex
from typhoon_tracker.tracker.frame import Frame
from typhoon_tracker.tracker.settings import Settings

METHODS = {"lowest": "lowest grid point", "paraboloid": "paraboloid on MSL", "fix": "tracker's fix"}
NOWHERE = (math.nan, math.nan)
Position = tuple[float, float]  # latitude, longitude


def centres(frame: Frame, lat: float, lon: float) -> dict[str, Position]:
    """Return the centre by each of `METHODS` about (lat, lon); NaN where a method finds none."""
    settings = Settings()
    assert frame.mass is not None
    y, x, _, good = vertex(frame.mass, frame.axes, lat, lon, fit_scale(frame, settings))
    found = locate(frame, lat, lon, settings)
    return {
        "lowest": _lowest(frame, lat, lon, settings.max_separation),
        "paraboloid": (y, x) if good and separation(lat, lon, y, x) <= settings.max_separation else NOWHERE,
        "fix": NOWHERE if found is None else (found.lat, found.lon),
    }


def compared(case: pd.Series, found: Mapping[str, Mapping[str, Position]]) -> list[dict]:
    """Return a row a grid and method of a scored case: the centre, and its distance in km to the best track."""
    about = {
        "init_time": case["init_time"],
        "lead_hours": case["lead_time"] / pd.Timedelta(hours=1),
        "time": case["time"],
    }
    return [
        {**about, "method": method, "grid": grid, "lat": lat, "lon": lon,
         "error_km": float(distance(case["truth_lat"], case["truth_lon"], lat, lon))}
        for grid, by_method in found.items()
        for method, (lat, lon) in by_method.items()
    ]  # fmt: skip


def _lowest(frame: Frame, lat: float, lon: float, reach: float) -> Position:
    """The grid point of least pressure within `reach` km."""
    assert frame.mass is not None
    away = distance(lat, lon, frame.latitude[:, None], frame.longitude[None, :])
    near = np.where(away <= reach, frame.mass, np.inf)
    row, column = np.unravel_index(int(near.argmin()), near.shape)
    return float(frame.latitude[row]), float(frame.longitude[column])
