"""An archive of days that asks no network and whose every value tells its variable, time and place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.fields.contract import CORE, create
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.base import hours

SMALL = Region(north=20.0, south=18.0, west=130.0, east=132.5)  # 9 x 11 points
FORMS = {"msl": (101_000.0, 900.0), "u10": (2.0, 12.0), "v10": (-1.0, 11.0), "t2m": (295.0, 9.0)}


def values(name: str, times: pd.DatetimeIndex, region: Region) -> np.ndarray:
    mean, swing = FORMS[name]
    hour = (((times - pd.Timestamp(0)) / pd.Timedelta(hours=1)).to_numpy() % 100_003)[:, None, None]
    phase = CORE.index(name) + region.latitude[:, None] / 7 + region.longitude / 9
    return (mean + swing * np.sin(hour / 19 + phase) * np.cos(hour / 531 - phase)).astype(np.float32)


def assert_simulated(fields: xr.Dataset, region: Region, *, within: dict[str, float] | None = None) -> None:
    for name in CORE:
        expected = values(name, fields.indexes["time"], region)
        np.testing.assert_allclose(fields[name].values, expected, rtol=0, atol=(within or {}).get(name, 0.0))


class Simulated:
    """A DaySource; `asked` are the days it was asked for, call by call."""

    def __init__(self, name: str = "ncar", *, label: str = "ERA5 (simulated)") -> None:
        self.name, self.label = name, label
        self.asked: list[list[dt.date]] = []
        self.before: Callable[[dt.date], object] = lambda day: None  # what happens before a day is given
        self.change: Callable[[xr.Dataset], xr.Dataset] = lambda fields: fields

    def days(
        self, days: Sequence[dt.date], region: Region, *, progress: Callable[[int], None] | None = None
    ) -> Iterator[xr.Dataset]:
        self.asked.append(list(days))
        for day in days:
            self.before(day)
            times = hours(day)
            data = {name: values(name, times, region) for name in CORE}
            if progress:
                progress(self.estimate([day], region))
            yield self.change(create(data, times, region.latitude, region.longitude, source=self.label))

    def estimate(self, days: Sequence[dt.date], region: Region) -> int:
        return len(days) * 1_000_000
