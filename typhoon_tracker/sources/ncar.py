"""ERA5 from the NSF NCAR mirror on AWS: a netCDF-4 file a month and variable, of which a region's chunks are read."""

from __future__ import annotations

import calendar
import contextlib
import datetime as dt
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import create
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.base import Progress, check_days, hours
from typhoon_tracker.sources.readers import readable
from typhoon_tracker.sources.retry import Patience

if TYPE_CHECKING:
    from typhoon_tracker.sources.https import Https
    from typhoon_tracker.sources.remote_hdf5 import RemoteVariable

BUCKET = "nsf-ncar-era5"
# Contract name -> the parameter in the file's name, and the variable in the file.
FILES = {
    "msl": ("128_151_msl", "MSL"),
    "u10": ("128_165_10u", "VAR_10U"),
    "v10": ("128_166_10v", "VAR_10V"),
    "t2m": ("128_167_2t", "VAR_2T"),
}
CHUNK = (27, 139, 277)  # hours, latitudes, longitudes
DEFLATED = 0.46  # of float32: tests/benchmarks/test_era5_bytes.py prints it for real ERA5
RECORDS = 700_000  # bytes of HDF5's own records read of a file, about
_GRID = 1440
_WAY_OUT = "Try again later, or use `--fields arco`, or `--fields reconstruction`, which needs no network."


class Ncar:
    """Hourly ERA5 of the NSF NCAR mirror, open to all: `s3://nsf-ncar-era5/e5.oper.an.sfc/YYYYMM/`.

    `endpoint` is the URL of another S3 server, by default that of AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL where set.
    """

    name = "ncar"
    label = "ERA5 (NSF NCAR mirror on AWS)"

    def __init__(self, *, endpoint: str | None = None, patience: Patience | None = None) -> None:
        endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        self.root = f"{endpoint.rstrip('/')}/{BUCKET}" if endpoint else f"https://{BUCKET}.s3.amazonaws.com"
        self.patience = patience or Patience()

    def url(self, name: str, month: dt.date) -> str:
        """Return the URL of the file of a contract variable for the month that `month` lies in."""
        last = calendar.monthrange(month.year, month.month)[1]
        span = f"{month:%Y%m}0100_{month:%Y%m}{last:02d}23"
        return f"{self.root}/e5.oper.an.sfc/{month:%Y%m}/e5.oper.an.sfc.{FILES[name][0]}.ll025sc.{span}.nc"

    def days(
        self, days: Sequence[dt.date], region: Region, *, progress: Progress | None = None
    ) -> Iterator[xr.Dataset]:
        """Yield the 24 hourly frames of each day, read chunk by chunk and no chunk twice.

        Raises InputError for a month that is not published and for a region off the 0.25 degree grid, NetworkError
        where the mirror stays out of reach.
        """
        with readable(self.label):
            from typhoon_tracker.sources.https import Https

        with Https(way_out=_WAY_OUT, patience=self.patience, progress=progress) as http:
            for _, of_month in itertools.groupby(check_days(days), key=_month):
                yield from self._days_of_month(http, list(of_month), region)

    def estimate(self, days: Sequence[dt.date], region: Region) -> int:
        """Return about how many bytes `days` will read: whole chunks, deflated as real ERA5 deflates."""
        slabs = {
            (*_month(day), number)
            for day in days
            for number in range((day.day - 1) * 24 // CHUNK[0], (day.day * 24 - 1) // CHUNK[0] + 1)
        }
        rows = np.unique(np.round((90.0 - region.latitude) / region.step).astype(int) // CHUNK[1])
        columns = np.unique(np.round(region.longitude / region.step).astype(int) % _GRID // CHUNK[2])
        chunk = 4 * np.prod(CHUNK) * DEFLATED
        months = {_month(day) for day in days}
        return round(len(FILES) * (len(slabs) * len(rows) * len(columns) * chunk + len(months) * RECORDS))

    def _days_of_month(self, http: Https, days: Sequence[dt.date], region: Region) -> Iterator[xr.Dataset]:
        from typhoon_tracker.sources.remote_hdf5 import fetch_ahead

        with contextlib.ExitStack() as stack:
            variables: dict[str, RemoteVariable] = {}
            for name in FILES:
                variables[name] = self._open(http, name, days[0], region)
                stack.callback(variables[name].close)
            for day in days:
                spans = {name: variable.hours(hours(day)) for name, variable in variables.items()}
                fetch_ahead(http, list(variables.values()), list(spans.values()))
                values = {name: variable.read(spans[name]) for name, variable in variables.items()}
                yield create(values, hours(day), region.latitude, region.longitude, source=self.label)

    def _open(self, http: Https, name: str, month: dt.date, region: Region) -> RemoteVariable:
        from typhoon_tracker.sources.remote_hdf5 import RemoteVariable

        url = self.url(name, month)
        try:
            return RemoteVariable(http, url, name, FILES[name][1], region)
        except FileNotFoundError as exc:
            raise InputError(
                f"the NSF NCAR mirror has no ERA5 {name} of {month:%B %Y} ({url} answered 404 Not Found); it holds "
                "final ERA5, from January 1940 up to about three months ago. Take earlier days, or `--fields cds`, "
                "which has preliminary ERA5 of the days since."
            ) from exc


def _month(day: dt.date) -> tuple[int, int]:
    return day.year, day.month
