"""Forecasts without a model: what any forecaster must beat."""

from __future__ import annotations

import numpy as np
import pandas as pd

from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import wrap
from typhoon_tracker.verify.past import Floats, Past, in_hours

# Hours of past motion that persist: 6 h beat 9, 12 and 18 h at every lead from 3 to 72 h on the storms of 2017-2022.
HISTORY = 6.0


def persistence(
    track: pd.DataFrame, init_times: object, lead: pd.Timedelta | str, *, history: float = HISTORY
) -> pd.DataFrame:
    """Forecast one storm to go on along its great circle as in the last `history` hours before its last fix.

    Returns a table of init_time, lead_time, time, lat, lon; NaN where the storm had no fix yet. Only fixes at or before
    each init time are used; a storm younger than `history` keeps the motion since its first fix.
    Raises InputError where `track` holds more than one storm.
    """
    past = only_storm(track)
    lead = pd.Timedelta(lead)
    hours = in_hours(init_times)
    last = past.latest(np.zeros(len(hours), np.int64), hours)
    lat, lon = past.carried_on(hours + lead / pd.Timedelta(hours=1), last=np.maximum(last, 0), history=history)
    return forecast_table(init_times, lead, np.where(last >= 0, lat, np.nan), np.where(last >= 0, lon, np.nan))


def stationary(track: pd.DataFrame, init_times: object, lead: pd.Timedelta | str) -> pd.DataFrame:
    """Forecast one storm to stay at its last fix at or before each init time; returns a table as `persistence` does."""
    past = only_storm(track)
    last = past.latest(np.zeros(len(in_hours(init_times)), np.int64), in_hours(init_times))
    lat, lon = (np.where(last >= 0, values[np.maximum(last, 0)], np.nan) for values in (past.lat, past.lon))
    return forecast_table(init_times, pd.Timedelta(lead), lat, lon)


def only_storm(track: pd.DataFrame) -> Past:
    """Return the past of the one storm in `track`; InputError where there are more."""
    storms = track["track_id"].unique()
    if len(storms) > 1:
        raise InputError(
            f"{len(storms)} storms ({storms[0]}, {storms[1]}, ...) came where 1 is forecast; pass one at a time."
        )
    return Past.of(track)


def forecast_table(init_times: object, lead: pd.Timedelta, lat: Floats, lon: Floats) -> pd.DataFrame:
    """Return a forecast table, a row an init time, with longitudes in [0, 360)."""
    inits = pd.DatetimeIndex(pd.to_datetime(init_times)).as_unit("ns")  # type: ignore[call-overload]
    return pd.DataFrame({"init_time": inits, "lead_time": lead, "time": inits + lead, "lat": lat, "lon": wrap(lon)})
