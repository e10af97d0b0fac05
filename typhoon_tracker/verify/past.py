"""What was known of storms at an init time: best-track fixes at or before it, and nothing later.

Only original fixes count where the table says so (`original`): a row that an agency interpolated between two synoptic
fixes gives the later one away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from typhoon_tracker.errors import InputError
from typhoon_tracker.geo import sphere

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
TROPICAL_STORM = 17.2  # m s-1, the agency's own wind
HOUR = np.timedelta64(3_600_000_000_000, "ns")


@dataclass(frozen=True, eq=False)
class Past:
    """Fixes of one storm or many, storm after storm, each in order of time; hours count from 1970."""

    storm: Indices  # (N,) 0 for the first storm, 1 for the next ...
    hours: Floats  # (N,)
    lat: Floats
    lon: Floats
    wind: Floats
    msl: Floats

    @classmethod
    def of(cls, table: pd.DataFrame) -> Past:
        """Collect the original fixes of a best-track table; InputError where there is none."""
        if "original" in table:
            table = table[table["original"].astype(bool)]
        if table.empty:
            raise InputError("the best track holds no original fix; 0 rows are left, at least 1 is needed.")
        storm = np.asarray(pd.factorize(table["track_id"])[0], np.int64)
        hours = in_hours(table["time"])
        order = np.lexsort((hours, storm))
        lat, lon, wind, msl = (table[name].to_numpy(float)[order] for name in ("lat", "lon", "wind", "msl"))
        return cls(storm[order], hours[order], lat, lon, wind, msl)

    @cached_property
    def _start(self) -> Indices:
        """Index of the first fix of each storm, and behind the last storm the number of fixes."""
        return np.searchsorted(self.storm, np.arange(self.storm[-1] + 2))

    @cached_property
    def _clock(self) -> Floats:
        """Hours on one axis on which the storms follow one another, a day apart."""
        return self.hours + self._offset[self.storm]

    @cached_property
    def _offset(self) -> Floats:
        first, last = self.hours[self._start[:-1]], self.hours[self._start[1:] - 1]
        return np.concatenate([[0.0], np.cumsum(last - first + 24.0)[:-1]]) - first

    def first(self, storm: Indices) -> Indices:
        """Return the index of the first fix of each storm."""
        return self._start[storm]

    def latest(self, storm: Indices, hours: Floats) -> Indices:
        """Return the index of the last fix at or before `hours`; one below `first` where there is none."""
        lifetime = self.hours[self._start[storm]] - 1.0, self.hours[self._start[storm + 1] - 1]
        return np.searchsorted(self._clock, np.clip(hours, *lifetime) + self._offset[storm], side="right") - 1

    def interpolate(self, values: Floats, hours: Floats, *, last: Indices) -> Floats:
        """Interpolate `values` linearly at `hours` between fixes up to index `last`; NaN outside them."""
        storm = self.storm[last]
        before = np.maximum(np.minimum(self.latest(storm, hours), last), self.first(storm))
        after = np.minimum(before + 1, last)
        gap = self.hours[after] - self.hours[before]
        share = (hours - self.hours[before]) / np.where(gap > 0, gap, 1.0)
        covered = (hours >= self.hours[self.first(storm)]) & (hours <= self.hours[last])
        step = values[after] - values[before]
        # On a fix its own value counts even where the neighbour's is missing.
        between = np.where(share == 0, values[before], values[before] + share * step)
        return np.where(covered, between, np.nan)

    def position(self, hours: Floats, *, last: Indices) -> tuple[Floats, Floats]:
        """Return the position at `hours` known from fixes up to index `last`; NaN outside them."""
        unwrapped = np.unwrap(self.lon, period=360.0)
        return self.interpolate(self.lat, hours, last=last), self.interpolate(unwrapped, hours, last=last)

    def carried_on(self, hours: Floats, *, last: Indices, history: float) -> tuple[Floats, Floats]:
        """Return the position at `hours`, not before fix `last`, if the motion of the `history` hours before goes on.

        A storm younger than `history` keeps the motion since its first fix; one with a single fix stands still.
        """
        now = self.hours[last]
        start = np.maximum(now - history, self.hours[self.first(self.storm[last])])
        lat0, lon0 = self.position(start, last=last)
        age = now - start
        fraction = np.where(age > 0, (hours - now) / np.where(age > 0, age, 1.0), 0.0)
        return sphere.extrapolate(lat0, lon0, self.lat[last], self.lon[last], fraction)


def in_hours(times: object) -> Floats:
    """Return times (anything pandas takes) as hours since 1970."""
    stamps = pd.DatetimeIndex(pd.to_datetime(times)).as_unit("ns").to_numpy()  # type: ignore[call-overload]
    return (stamps - np.datetime64(0, "ns")) / HOUR
