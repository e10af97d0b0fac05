"""A model's track moved so that it starts where the storm was observed, as forecast centres do before they use one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from typhoon_tracker.geo import sphere
from typhoon_tracker.verify.baselines import persistence
from typhoon_tracker.verify.errors import fixes_at

AT_ONCE = pd.Timedelta(0)


def adjusted(fixes: pd.DataFrame, track: pd.DataFrame, analysed: pd.DataFrame) -> pd.DataFrame:
    """Return the forecast fixes of one storm moved by what the tracker's fix at the init time is off the observed one.

    The offset is a distance and a bearing from the analysed fix at the init time to the best track's position as known
    then (its last fix, carried on where it is older); a fix is moved along its own great circle of that bearing. So an
    error of the analysis, or of the tracker in it, is no error of the forecast. Where the storm has no analysed fix at
    the init time the forecast stays. `fixes` has init_time, lat, lon (NaN where lost), `analysed` time, lat, lon; the
    result is `fixes` with lat and lon changed. After the adjustment of late models at the National Hurricane Center.
    """
    inits = pd.DatetimeIndex(fixes["init_time"]).as_unit("ns")
    observed = persistence(track, inits, AT_ONCE)
    start = fixes_at(analysed, inits)
    lat0, lon0 = (start[name].to_numpy(float) for name in ("lat", "lon"))
    away = sphere.distance(lat0, lon0, observed["lat"], observed["lon"])
    bearing = sphere.bearing(lat0, lon0, observed["lat"], observed["lon"])
    known = np.isfinite(away)
    lat, lon = sphere.destination(fixes["lat"], fixes["lon"], np.where(known, bearing, 0.0), np.where(known, away, 0.0))
    return fixes.assign(lat=lat, lon=lon)
