"""Storms with patches as the real ones have them, made of a vortex whose way is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker import track
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.real_storms.windows import Series


def storm(
    name: str = "ONE", *, frames: int = 10, eastward: float = -6.0, northward: float = 3.0, lat: float = 16.0
) -> Series:
    """A storm on patches of 100 x 100 points that move with it, its best track true."""
    vortex = Vortex(depth=4000.0, profile="fujita", eastward=eastward, northward=northward)
    times = pd.date_range("2016-08-01", periods=frames, freq="6h")
    way = straight(times, lat, 140.0, vortex)
    values, rows, columns = [], [], []
    for fix in way.itertuples():
        north, west = round(fix.lat * 4) / 4 + 12.5, round(fix.lon * 4) / 4 - 12.5
        data = fields([(vortex, way)], [fix.time], region=Region(north, north - 24.75, west, west + 24.75))
        height = (data.msl.values[0] - 101_000.0) / 11.8 + 5860.0
        values.append(np.stack([data.u10.values[0], data.v10.values[0], height]))
        rows.append(round((90.0 - north) * 4))
        columns.append(round(west * 4))
    best = track.create(
        track_id=[name] * frames, time=times, lat=way["lat"], lon=way["lon"], msl=96_000.0, wind=40.0, original=True
    )
    return Series(
        name, pd.DatetimeIndex(times).as_unit("ns"), np.stack(values), np.array(rows), np.array(columns), best
    )


def ground(series: Series, function: object) -> Series:
    """The same patches over a field that stands still: function(latitude, longitude) in every variable."""
    values = np.empty_like(series.fields)
    for i in range(len(series)):
        lat, lon = 90.0 - 0.25 * (series.row[i] + np.arange(100)), 0.25 * (series.column[i] + np.arange(100))
        values[i] = function(lat[:, None], lon[None, :])  # type: ignore[operator]
    return Series(series.name, series.times, values, series.row, series.column, series.best)


def with_another_future(series: Series, init: int) -> Series:
    """The same storm up to an init time, after it in another place and other weather."""
    best = series.best.copy()
    best.loc[init + 1 :, ["lat", "lon"]] += [3.0, 5.0]
    values, row, column = series.fields.copy(), series.row.copy(), series.column.copy()
    values[init + 1 :] = 7.0
    row[init + 1 :] -= 12
    column[init + 1 :] += 20
    return Series(series.name, series.times, values, row, column, best)
