"""The track-table contract: a `pandas.DataFrame`, a row a fix.

Columns: `track_id, time, lat, lon, msl, wind, vorticity, fix_error` (Pa, m s-1, s-1, km; NaN where unknown), and for
forecasts `init_time, lead_time` (Timedelta) too. Longitudes are in [0, 360). Other columns ride along behind these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import wrap

COLUMNS = ("track_id", "time", "lat", "lon", "msl", "wind", "vorticity", "fix_error")
FORECAST_COLUMNS = ("init_time", "lead_time")
NUMERIC = ("lat", "lon", "msl", "wind", "vorticity", "fix_error")


def create(**columns: object) -> pd.DataFrame:
    """Build a track table from columns; those of the contract that are not given are NaN.

    Raises InputError where `track_id`, `time`, `lat` or `lon` is missing or a value breaks the contract.
    """
    missing = [name for name in ("track_id", "time", "lat", "lon") if name not in columns]
    if missing:
        raise InputError(f"a track table needs the column {', '.join(missing)}.")
    given = pd.DataFrame(columns)
    made: dict[str, Any] = {str(name): given[name] for name in given}
    for name in NUMERIC:
        if name not in given:
            made[name] = np.nan
        elif made[name].dtype != float:
            made[name] = pd.to_numeric(given[name]).astype(float)
    made["track_id"] = given["track_id"].astype(str)
    if made["time"].dtype != "datetime64[ns]":
        made["time"] = pd.to_datetime(given["time"]).astype("datetime64[ns]")
    if "init_time" in given:
        made["init_time"] = given["init_time"].astype("datetime64[ns]")
    if "lead_time" in given:
        made["lead_time"] = given["lead_time"].astype("timedelta64[ns]")
    made["lon"] = wrap(made["lon"])
    first = [*COLUMNS, *(name for name in FORECAST_COLUMNS if name in given)]
    order = [*first, *(name for name in made if name not in first)]
    return validate(pd.DataFrame({name: made[name] for name in order}, index=given.index))


def validate(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` unchanged if it keeps the contract; raise InputError naming the column or row that does not."""
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise InputError(
            f"a track table needs the column {', '.join(missing)}; it has {', '.join(map(str, table.columns))}."
        )
    if table["time"].isna().any():
        raise InputError(f"row {int(np.argmax(table['time'].isna()))} of the track table has no time.")
    lat = table["lat"].to_numpy(float)
    bad = np.abs(lat) > 90
    if bad.any():
        raise InputError(f"latitude {lat[bad][0]:g} is outside -90 to 90.")
    keys = [name for name in ("track_id", "time", *FORECAST_COLUMNS) if name in table]
    twice = table.duplicated(keys)
    if twice.any():
        row = table[twice].iloc[0]
        raise InputError(f"track {row['track_id']} has two fixes at {row['time']}.")
    return table
