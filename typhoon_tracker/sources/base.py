"""What an archive of ERA5 delivers: whole days of hourly fields, one after the other."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import pandas as pd
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region

Progress = Callable[[int], None]  # takes the bytes that have arrived since its last call; any thread may call it


class DaySource(Protocol):
    """An archive of hourly ERA5 on the 0.25 degree grid, read by UTC days."""

    name: str  # the word of `--fields` and the folder of the cache: "ncar", "arco", "cds"
    label: str  # what `attrs["source"]` of its fields begins with, such as "ERA5 (NSF NCAR mirror on AWS)"

    def days(
        self, days: Sequence[dt.date], region: Region, *, progress: Progress | None = None
    ) -> Iterator[xr.Dataset]:
        """Yield for each UTC day its 24 hourly frames of the region as a contract Dataset.

        The days ascend and need not follow one another; each Dataset is whole and of its own memory. Raises InputError
        for days and regions the archive lacks and NetworkError where it stays out of reach; the days yielded before
        stay good.
        """
        ...

    def estimate(self, days: Sequence[dt.date], region: Region) -> int:
        """Return about how many bytes `days` will read, without asking the network."""
        ...


class NetworkError(InputError):
    """An archive that stays out of reach: its URL, what it said, after how many tries, and the way out."""

    def __init__(self, url: str, said: str, *, tries: int, way_out: str) -> None:
        times = "once" if tries == 1 else f"{tries} times"
        super().__init__(f"{url} was tried {times}, in vain: {said}. {way_out}")


def hours(day: dt.date) -> pd.DatetimeIndex:
    """Return the 24 hours of a UTC day, from 00 to 23."""
    return pd.date_range(pd.Timestamp(day), periods=24, freq="h", unit="ns")


def check_days(days: Sequence[dt.date]) -> Sequence[dt.date]:
    """Return `days` if there is one and they ascend; raise InputError otherwise."""
    if not days:
        raise InputError("no day is asked for; give at least one.")
    for before, after in itertools.pairwise(days):
        if after <= before:
            raise InputError(f"days must ascend; {after} comes after {before}.")
    return days
