"""Errors of forecast fixes against the best track, and which forecasts are scored at all."""

from __future__ import annotations

import numpy as np
import pandas as pd

from typhoon_tracker.besttrack.motion import interpolate
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo import sphere
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.verify.past import TROPICAL_STORM

SIX_HOURS = pd.Timedelta(hours=6)


def cases(
    track: pd.DataFrame,
    region: Region,
    init_times: object,
    lead: pd.Timedelta | str,
    *,
    min_wind: float = TROPICAL_STORM,
    margin: float = 1.0,
) -> pd.DataFrame:
    """Say which forecasts of one storm are scored: a row an init time with init_time, lead_time, time, scored, reason.

    A forecast is scored if at its init and its valid time alike the best track has a fix, the fix lies in `region` at
    least `margin` degrees from its edge, and the agency's own wind is `min_wind` m/s or more (an unknown wind counts as
    less). `reason` is empty for those; for the others "no best track", "outside the region" (at the init time), "left
    the region" or "weaker than 17.2 m/s", the first that holds.
    """
    inits = pd.DatetimeIndex(pd.to_datetime(init_times)).as_unit("ns")  # type: ignore[call-overload]
    valid = inits + pd.Timedelta(lead)
    start, end = _best_fixes(track, inits, valid)
    inside = [region.contains(fix["lat"], fix["lon"], margin=margin) for fix in (start, end)]
    weak = ~((start["wind"] >= min_wind).to_numpy() & (end["wind"] >= min_wind).to_numpy())
    unknown = start["lat"].isna().to_numpy() | end["lat"].isna().to_numpy()
    reason = np.select(
        [unknown, ~inside[0], ~inside[1], weak],
        ["no best track", "outside the region", "left the region", f"weaker than {min_wind:g} m/s"],
        default="",
    )
    columns = {
        "init_time": inits,
        "lead_time": pd.Timedelta(lead),
        "time": valid,
        "scored": reason == "",
        "reason": reason,
    }
    return pd.DataFrame(columns)


def score(
    forecast: pd.DataFrame,
    best: pd.DataFrame,
    *,
    analysed: pd.DataFrame | None = None,
    method: str = "model",
    ellipsoid: bool = False,
) -> pd.DataFrame:
    """Score the forecasts of one storm against its best track, a row an expected forecast (init_time, lead_time).

    A lost forecast has NaN `lat` and `lon`, keeps its row and gets NaN errors. Columns: track_id (of the best track),
    init_time, lead_time, time (valid), method, lat, lon, truth_lat, truth_lon, interpolated (the truth lies between two
    synoptic fixes), error_km, along_km (ahead positive), cross_km (right positive), msl_error (Pa), wind_error (m/s),
    truth_wind and, where `analysed` (the tracker's own fixes) is given, analysis_km: the distance to its fix at the
    valid time. The storm's direction is that of the best track over the 6 h before. Distances are on the sphere, or on
    WGS84 with `ellipsoid=True`; directions always on the sphere, where they differ by 0.2 degree at most. Raises
    InputError where `best` does not hold exactly one storm, or two rows forecast the same.
    """
    twice = forecast.duplicated(["init_time", "lead_time"])
    if twice.any():
        row = forecast[twice].iloc[0]
        raise InputError(f"two forecasts start at {row['init_time']} with lead {row['lead_time']}; give one row each.")
    valid = pd.DatetimeIndex(forecast["init_time"] + forecast["lead_time"]).as_unit("ns")
    earlier = (valid - SIX_HOURS).where(valid - SIX_HOURS > best["time"].min(), best["time"].min())
    truth, before = _best_fixes(best, valid, earlier)
    lat, lon = forecast["lat"].to_numpy(float), sphere.wrap(forecast["lon"].to_numpy(float))
    truth_lat, truth_lon = truth["lat"].to_numpy(), truth["lon"].to_numpy()
    along, cross = sphere.along_cross_track(
        before["lat"].to_numpy(), before["lon"].to_numpy(), truth_lat, truth_lon, lat, lon
    )
    kilometres = sphere.distance(truth_lat, truth_lon, lat, lon, ellipsoid=ellipsoid)
    if ellipsoid:
        spherical = np.hypot(along, cross)
        stretch = np.divide(kilometres, spherical, out=np.ones_like(kilometres), where=spherical > 0)
        along, cross = along * stretch, cross * stretch
    errors = pd.DataFrame(
        {
            "track_id": str(best["track_id"].iloc[0]),
            "init_time": forecast["init_time"].to_numpy(),
            "lead_time": forecast["lead_time"].to_numpy(),
            "time": valid,
            "method": method,
            "lat": lat,
            "lon": lon,
            "truth_lat": truth_lat,
            "truth_lon": truth_lon,
            "interpolated": truth["interpolated"].to_numpy(),
            "error_km": kilometres,
            "along_km": along,
            "cross_km": cross,
            "msl_error": _column(forecast, "msl") - truth["msl"].to_numpy(),
            "wind_error": _column(forecast, "wind") - truth["wind"].to_numpy(),
            "truth_wind": truth["wind"].to_numpy(),
        }
    )
    if analysed is not None:
        own = fixes_at(analysed, valid)
        own_lat, own_lon = (own[name].to_numpy(float) for name in ("lat", "lon"))
        errors["analysis_km"] = sphere.distance(own_lat, own_lon, lat, lon, ellipsoid=ellipsoid)
    return errors


def analysis(expected: pd.DataFrame, best: pd.DataFrame, analysed: pd.DataFrame) -> pd.DataFrame:
    """Score the tracker's own analysed fixes at the valid times of the `expected` forecasts, as the method "analysis".

    What remains of a forecast's error if the forecast fields were perfect. Columns as in `score`.
    """
    valid = pd.DatetimeIndex(expected["init_time"] + expected["lead_time"]).as_unit("ns")
    own = fixes_at(analysed, valid)
    forecast = expected[["init_time", "lead_time"]].assign(
        **{name: own[name].to_numpy(float) for name in ("lat", "lon", "msl", "wind")}
    )
    return score(forecast, best, method="analysis")


def _best_fixes(best: pd.DataFrame, *times: pd.DatetimeIndex) -> list[pd.DataFrame]:
    """Return lat, lon, msl, wind, interpolated of one storm at each of several lists of times; NaN without a fix."""
    storms = best["track_id"].unique()
    if len(storms) != 1:
        raise InputError(f"a best track of {len(storms)} storms came where 1 is scored; pass one storm at a time.")
    fixes = interpolate(best, pd.DatetimeIndex(np.concatenate(times)).unique())
    rows = [fixes_at(fixes, wanted)[["lat", "lon", "msl", "wind", "interpolated"]] for wanted in times]
    return [part.assign(interpolated=part["interpolated"].eq(True)) for part in rows]


def fixes_at(table: pd.DataFrame, times: pd.DatetimeIndex) -> pd.DataFrame:
    """Return the rows of a storm's track table at the given times, all NaN where it has none."""
    rows = table.set_index(pd.DatetimeIndex(table["time"]).as_unit("ns"))
    return rows.reindex(times)


def _column(table: pd.DataFrame, name: str) -> np.ndarray:
    return table[name].to_numpy(float) if name in table else np.full(len(table), np.nan)
