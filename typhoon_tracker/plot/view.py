"""Which part of a storm a map shows, and how it is framed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from typhoon_tracker.geo.land import DOMAIN
from typhoon_tracker.geo.sphere import wrap

SMALLEST_HEIGHT = 6.0  # degrees of latitude: a 12 h track still shows where it is
MARGIN = 0.08  # share of the height and width left free on each side
BEFORE_AND_AFTER = pd.Timedelta(hours=24)  # best track shown around a single forecast


@dataclass(frozen=True)
class View:
    """What a map shows: best track, forecast fixes and errors, and whether they are one forecast's track."""

    best: pd.DataFrame
    forecast: pd.DataFrame
    errors: pd.DataFrame
    single: bool
    around: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))  # (m, 2) east, north: to be shown besides


def choose(best: pd.DataFrame, forecast: pd.DataFrame, errors: pd.DataFrame, lead_hours: float | None) -> View:
    """Choose what to show: all leads (up to `lead_hours`) of a single init time, or one lead of many.

    Without `lead_hours` it is the longest lead. Longitudes of the view run eastward from `DOMAIN.west`; fixes without a
    position (lost) are left out, their errors are not.
    """
    single = len(forecast["init_time"].unique()) == 1
    hours = _hours(forecast).max() if lead_hours is None else lead_hours
    forecast, errors = (t[_hours(t) <= hours] if single else t[_hours(t) == hours] for t in (forecast, errors))
    return View(_eastward(best), _eastward(forecast), errors, single)


def extent(view: View, aspect: float) -> tuple[float, float, float, float]:
    """Return west, east, south and north of a map of `aspect` (degrees east over degrees north) around the tracks."""
    best = view.best
    if view.single and len(view.forecast):
        first, last = view.forecast["init_time"].min(), view.forecast["time"].max()
        best = best[best["time"].between(first - BEFORE_AND_AFTER, last + BEFORE_AND_AFTER)]
    lat = np.concatenate([best["lat"], view.forecast["lat"], view.around[:, 1]])
    lon = np.concatenate([best["lon"], view.forecast["lon"], view.around[:, 0]])
    margin = MARGIN * max(np.ptp(lat), np.ptp(lon) / aspect, SMALLEST_HEIGHT)
    height = max(np.ptp(lat) + 2 * margin, (np.ptp(lon) + 2 * margin) / aspect, SMALLEST_HEIGHT)
    south = _place(lat.min() - margin, lat.max() + margin, height, DOMAIN.south, DOMAIN.north)
    west = _place(lon.min() - margin, lon.max() + margin, height * aspect, DOMAIN.west, DOMAIN.east)
    return west, west + height * aspect, south, south + height


def _place(low: float, high: float, length: float, first: float, last: float) -> float:
    """Centre `length` on low to high; shift it into first to last, where the coast is known, if that loses no fix."""
    start = (low + high - length) / 2
    start = min(start, max(last, high) - length)
    return max(start, min(first, low))


def truth_at(best: pd.DataFrame, times: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return latitude and longitude of the best track at `times`, linear between fixes, NaN outside its life."""
    known, wanted = (t.to_numpy("datetime64[ns]").astype(float) for t in (best["time"], times))
    lat, lon = (np.interp(wanted, known, best[name], left=np.nan, right=np.nan) for name in ("lat", "lon"))
    return lat, lon


def _hours(table: pd.DataFrame) -> pd.Series:
    return table["lead_time"].dt.total_seconds() / 3600


def _eastward(table: pd.DataFrame) -> pd.DataFrame:
    seen = table.dropna(subset=["lat", "lon"]).sort_values("time")
    return seen.assign(lon=wrap(seen["lon"], DOMAIN.west))
