"""Synthetic best tracks with known motion."""

from __future__ import annotations

import numpy as np
import pandas as pd

from typhoon_tracker import track
from typhoon_tracker.geo import sphere

START = pd.Timestamp("2023-08-01")


def best_track(
    lat: np.ndarray | list,
    lon: np.ndarray | list,
    *,
    storm: str = "STORM",
    start: pd.Timestamp = START,
    wind: float | list = 30.0,
    hours: float = 6.0,
) -> pd.DataFrame:
    """Return a best track with a fix every `hours`."""
    times = start + pd.to_timedelta(np.arange(len(lat)) * hours, unit="h")
    columns = {"lat": lat, "lon": lon, "msl": 98000.0, "wind": wind, "season": start.year, "original": True}
    return track.create(track_id=[storm] * len(lat), time=times, **columns)


def straight(
    *,
    lat: float = 15.0,
    lon: float = 140.0,
    heading: float = 300.0,
    step: float = 120.0,
    fixes: int = 12,
    **rest: object,
) -> pd.DataFrame:
    """Return a storm that moves `step` km a fix along one great circle."""
    lats, lons = sphere.destination(lat, lon, heading, step * np.arange(fixes))
    return best_track(lats, lons, **rest)  # type: ignore[arg-type]
