"""ERA5 from Google's ARCO archive: one Zarr store of all hours, of which every chunk is an hour of the whole globe."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import DIMS, create
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources import layout
from typhoon_tracker.sources.base import Progress, check_days, hours
from typhoon_tracker.sources.names import to_si
from typhoon_tracker.sources.readers import readable, short_name
from typhoon_tracker.sources.retry import Patience

if TYPE_CHECKING:
    from zarr import AsyncArray

    from typhoon_tracker.sources.https import Https

STORE = "gcp-public-data-arco-era5/ar/full_37-1h-0p25deg-chunk-1.zarr-v3"
ARRAYS = {
    "msl": "mean_sea_level_pressure",
    "u10": "10m_u_component_of_wind",
    "v10": "10m_v_component_of_wind",
    "t2m": "2m_temperature",
}
CHUNK = (1, 721, 1440)  # hours, latitudes, longitudes
COMPRESSED = 0.57  # of float32: tests/benchmarks/test_era5_bytes.py prints it for real ERA5
_WAY_OUT = "Try again later, or use `--fields ncar`, or `--fields reconstruction`, which needs no network."


class Arco:
    """Hourly ERA5 of the Analysis-Ready, Cloud Optimized archive, open to all: `gs://gcp-public-data-arco-era5/ar/`.

    A region costs as much as the globe: 96 chunks of 4 MB (uncompressed) a day. `url` is that of another store, by
    default the archive's, on the server of STORAGE_EMULATOR_HOST where set.
    """

    name = "arco"
    label = "ERA5 (ARCO archive on Google Cloud)"

    def __init__(self, *, url: str | None = None, patience: Patience | None = None) -> None:
        server = os.environ.get("STORAGE_EMULATOR_HOST") or "https://storage.googleapis.com"
        self.url = (url or f"{server.rstrip('/')}/{STORE}").rstrip("/")
        self.patience = patience or Patience()

    def days(
        self, days: Sequence[dt.date], region: Region, *, progress: Progress | None = None
    ) -> Iterator[xr.Dataset]:
        """Yield the 24 hourly frames of each day, its 96 chunks fetched many at a time.

        Raises InputError for a day the archive does not hold and for a region off its grid, NetworkError where it
        stays out of reach.
        """
        with readable(self.label):
            from typhoon_tracker.sources.https import Https

        check_days(days)
        with Https(way_out=_WAY_OUT, patience=self.patience, progress=progress) as http:
            with readable(short_name(self.url)):
                store = http.run(_Store.open, http, self.url)
            rows, columns = layout.horizontal_axes(store.axes, region, short_name(self.url))
            for day in days:
                with readable(f"{day} of {short_name(self.url)}"):
                    values = http.run(store.read, store.hours(day), rows, columns)
                store.check_there(day, values)
                source = f"{self.label} with preliminary ERA5T" if store.is_preliminary(day) else self.label
                yield create(values, hours(day), region.latitude, region.longitude, source=source)

    def estimate(self, days: Sequence[dt.date], region: Region) -> int:
        """Return about how many bytes `days` will read, which the region does not change."""
        return round(len(days) * 24 * len(ARRAYS) * 4 * np.prod(CHUNK) * COMPRESSED)


class _Store:
    """The open store: its arrays, its axes and what it says of the time it covers."""

    def __init__(self, name: str, attrs: dict[str, Any], arrays: dict[str, AsyncArray[Any]], axes: xr.Dataset) -> None:
        self.name, self.attrs, self.arrays, self.axes = name, attrs, arrays, axes
        self.times = layout.valid_times(axes, (None, None), name)[1]

    @classmethod
    async def open(cls, http: Https, url: str) -> _Store:
        from zarr.api.asynchronous import open_group
        from zarr.storage import FsspecStore

        try:
            group = await open_group(store=FsspecStore(http, path=url, read_only=True), mode="r")
        except FileNotFoundError as exc:
            raise InputError(f"{url} is no Zarr store; it has neither .zgroup nor zarr.json. {_WAY_OUT}") from exc
        arrays: dict[str, AsyncArray[Any]] = {}
        for name in (*ARRAYS.values(), *DIMS):
            try:
                arrays[name] = await group.getitem(name)  # type: ignore[assignment]
            except KeyError as exc:
                raise InputError(f"{url} has no {name}. {_WAY_OUT}") from exc
        numbers = await asyncio.gather(*(arrays[axis].getitem(...) for axis in DIMS))
        axes = {
            axis: ((axis,), np.asarray(values), arrays[axis].attrs) for axis, values in zip(DIMS, numbers, strict=True)
        }
        return cls(short_name(url), dict(group.attrs), arrays, xr.decode_cf(xr.Dataset(coords=axes)))

    def hours(self, day: dt.date) -> slice:
        times = hours(day)
        first = self.times.get_indexer(times[:1])[0]
        if first < 0 or not self.times[first : first + 24].equals(times):
            raise self._lacks(day)
        return slice(first, first + 24)

    async def read(self, span: slice, rows: layout.Axis, columns: layout.Axis) -> dict[str, np.ndarray]:
        """Return the contract variables over a span of hours as (time, latitude, longitude), in SI units.

        All longitudes are taken of the region's latitudes first: a second run of them would cost every chunk again.
        """
        latitude, longitude = (_indices(axis, self.axes.sizes[axis.dim]) for axis in (rows, columns))
        box = (span, slice(int(latitude.min()), int(latitude.max()) + 1), slice(None))
        bands = await asyncio.gather(*(self.arrays[spelling].getitem(box) for spelling in ARRAYS.values()))
        values = {}
        for (name, spelling), band in zip(ARRAYS.items(), bands, strict=True):
            cropped = np.asarray(band, np.float32)[:, latitude - box[1].start][:, :, longitude]
            values[name] = to_si(name, cropped, str(self.arrays[spelling].attrs.get("units", "")), self.name)
        return values

    def check_there(self, day: dt.date, values: dict[str, np.ndarray]) -> None:
        """Raise InputError where hours are missing: an absent chunk reads as NaN."""
        if any(np.isnan(field).all(axis=(1, 2)).any() for field in values.values()):
            raise self._lacks(day)

    def is_preliminary(self, day: dt.date) -> bool:
        """Tell whether a day lies after what the store says to be final ERA5."""
        return f"{day:%Y-%m-%d}" > str(self.attrs.get("valid_time_stop", "9999"))

    def _lacks(self, day: dt.date) -> InputError:
        first = self.attrs.get("valid_time_start", f"{self.times[0]:%Y-%m-%d}")
        last = self.attrs.get("valid_time_stop_era5t", self.attrs.get("valid_time_stop", f"{self.times[-1]:%Y-%m-%d}"))
        return InputError(
            f"{self.name} does not hold all hours of {day}; it says to hold ERA5 from {first} to {last}. "
            "Take other days, or `--fields cds`, which has preliminary ERA5 up to about five days ago."
        )


def _indices(axis: layout.Axis, size: int) -> np.ndarray:
    return np.concatenate([np.arange(size)[run] for run in axis.runs])
