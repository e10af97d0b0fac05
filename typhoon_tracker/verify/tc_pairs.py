"""Track errors as MET TC-Pairs computes and names them, to lay beside figures that come from there.

MET knows no great circle here. Its track error is that of a plane at the mean latitude, in nautical miles:

    X_ERR = 60 (ALON - BLON) cos((ALAT + BLAT) / 2)    Y_ERR = 60 (ALAT - BLAT)    TK_ERR = sqrt(X_ERR^2 + Y_ERR^2)

Its along- and cross-track errors come from a routine of NHC's that counts 111.1 km to the degree and 1.852 km to the
nautical mile, so that together they fall 0.02 % short of TK_ERR. The heading is that of the best track from n-1 to n.
Source: MET, `track_info.cc` (latlon_to_xytk_err), `tc_pairs.cc` (compute_track_err), `acerr.f`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import wrap
from typhoon_tracker.track_files import replacing

Floats = NDArray[np.float64]
STEP = pd.Timedelta(hours=6)  # of a best track in MET
NM_PER_DEGREE, KM_PER_DEGREE, KM_PER_NM = 60.0, 111.1, 1.852
KNOT = 1852.0 / 3600.0  # m s-1
NORTH = 90.0  # degrees from east, counter-clockwise: where a storm heads that never moves
COLUMNS = (
    *("AMODEL", "BMODEL", "STORM_ID", "INIT", "LEAD", "VALID", "LINE_TYPE", "TOTAL", "INDEX"),
    *("ALAT", "ALON", "BLAT", "BLON", "TK_ERR", "X_ERR", "Y_ERR", "ALTK_ERR", "CRTK_ERR"),
    *("AMSLP", "BMSLP", "AMAX_WIND", "BMAX_WIND"),
)


def tc_pairs(
    forecast: pd.DataFrame, best: pd.DataFrame, *, model: str = "MODEL", storm_id: str | None = None
) -> pd.DataFrame:
    """Pair the forecasts of one storm with its best track as TC-Pairs does: a row a six-hourly valid time of a track.

    Columns are named as in a TCMPR line: AMODEL, BMODEL, STORM_ID, INIT, LEAD, VALID, LINE_TYPE, TOTAL, INDEX, ALAT,
    ALON, BLAT, BLON (degrees, east positive), TK_ERR, X_ERR, Y_ERR, ALTK_ERR (ahead positive), CRTK_ERR (to the right
    positive; all nautical miles), AMSLP, BMSLP (hPa), AMAX_WIND, BMAX_WIND (kt). Only original fixes of the best track
    pair, and only where both tracks have a fix. The fixes of one init time are one track, whose first pair takes the
    heading of the second; a storm that stands still keeps its last heading. A track of one pair has no along- and
    cross-track error. Raises InputError where `best` does not hold exactly one storm, or two rows forecast the same.
    """
    storms = best["track_id"].unique()
    if len(storms) != 1:
        raise InputError(f"a best track of {len(storms)} storms came where 1 is paired; pass one storm at a time.")
    if forecast.duplicated(["init_time", "lead_time"]).any():
        twice = forecast[forecast.duplicated(["init_time", "lead_time"])].iloc[0]
        raise InputError(f"two fixes are forecast from {twice['init_time']} with lead {twice['lead_time']}; give one.")
    fixes = best[best["original"].astype(bool)] if "original" in best else best
    truth = fixes.set_index("time")[["lat", "lon", "msl", "wind"]].add_suffix("_true")
    found = forecast.dropna(subset=["lat", "lon"])
    found = found.assign(valid=found["init_time"] + found["lead_time"]).sort_values(["init_time", "lead_time"])
    pairs = found.join(truth, on="valid", how="inner").dropna(subset=["lat_true"])
    pairs = pairs[pairs["valid"] == pairs["valid"].dt.floor(STEP)]
    parts = [_track(track, truth) for _, track in pairs.groupby("init_time", sort=True)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(AMODEL=model, BMODEL="BEST", STORM_ID=storm_id or str(storms[0]), LINE_TYPE="TCMPR")
    return table[list(COLUMNS)]


def write_tcst(pairs: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write pairs (from `tc_pairs`) as an aligned text table, NA where unknown, times and leads in MET's spelling.

    The columns are those of `tc_pairs`, not all that MET writes: readers that go by name take it, TC-Stat does not.
    """
    shown = pairs.copy()
    for name in ("INIT", "VALID"):
        shown[name] = pairs[name].dt.strftime("%Y%m%d_%H%M%S")
    seconds = (pairs["LEAD"].dt.total_seconds()).astype(int)
    shown["LEAD"] = [f"{s // 3600:02d}{s // 60 % 60:02d}{s % 60:02d}" for s in seconds]
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(shown.to_string(index=False, na_rep="NA", float_format="%.5f") + "\n")
    return path


def _track(pairs: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Return the TCMPR columns of the track of one init time."""
    lat, lon, true_lat, true_lon = (pairs[name].to_numpy(float) for name in ("lat", "lon", "lat_true", "lon_true"))
    east, north = _plane(true_lat, true_lon, lat, lon)  # degrees of latitude
    x, y = NM_PER_DEGREE * east, NM_PER_DEGREE * north
    head = np.radians(_headings(pairs["valid"], truth))
    per_degree = KM_PER_DEGREE / KM_PER_NM
    columns: dict[str, object] = {
        "INIT": pairs["init_time"].to_numpy(),
        "LEAD": pairs["lead_time"].to_numpy(),
        "VALID": pairs["valid"].to_numpy(),
        "TOTAL": len(pairs),
        "INDEX": np.arange(1, len(pairs) + 1),
        "ALAT": lat,
        "ALON": wrap(lon, -180.0),
        "BLAT": true_lat,
        "BLON": wrap(true_lon, -180.0),
        "TK_ERR": np.hypot(x, y),
        "X_ERR": x,
        "Y_ERR": y,
        "ALTK_ERR": per_degree * (north * np.sin(head) + east * np.cos(head)),
        "CRTK_ERR": per_degree * (east * np.sin(head) - north * np.cos(head)),
    }
    for name, unit, called in (("msl", 100.0, "MSLP"), ("wind", KNOT, "MAX_WIND")):
        columns[f"A{called}"] = (pairs[name].to_numpy(float) if name in pairs else np.full(len(pairs), np.nan)) / unit
        columns[f"B{called}"] = pairs[f"{name}_true"].to_numpy(float) / unit
    return pd.DataFrame(columns)


def _headings(valid: pd.Series, truth: pd.DataFrame) -> Floats:
    """Return the best track's headings at the paired times, degrees from east, counter-clockwise; NaN for one pair.

    Between the first and the last pair MET fills gaps of the best track linearly before it takes the steps n-1 -> n.
    """
    if len(valid) < 2:
        return np.full(len(valid), np.nan)
    times = pd.date_range(valid.iloc[0], valid.iloc[-1], freq=STEP)
    known = truth.index.to_numpy("datetime64[ns]").astype(float)
    wanted = times.to_numpy("datetime64[ns]").astype(float)
    lat = np.interp(wanted, known, truth["lat_true"])
    lon = np.interp(wanted, known, np.unwrap(truth["lon_true"], period=360.0))
    east, north = _plane(lat[:-1], lon[:-1], lat[1:], lon[1:])
    heading = pd.Series(np.degrees(np.arctan2(north, east))).where(np.hypot(east, north) > 0).ffill().bfill()
    heading = heading.fillna(NORTH)
    along = pd.Series(np.concatenate([heading[:1], heading]), index=times)
    return along.reindex(pd.DatetimeIndex(valid)).to_numpy(float)


def _plane(lat1: Floats, lon1: Floats, lat2: Floats, lon2: Floats) -> tuple[Floats, Floats]:
    """Return the way from point 1 to point 2 east and north on the plane of their mean latitude, in degrees."""
    turn = (lon2 - lon1 + 180.0) % 360.0 - 180.0
    return turn * np.cos(np.radians((lat1 + lat2) / 2)), lat2 - lat1
