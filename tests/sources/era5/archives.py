"""Files as the two archives hold them: NCAR's months and ARCO's store, with values that tell their time and place."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

import h5netcdf
import numpy as np
import pandas as pd
import zarr

from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.arco import ARRAYS
from typhoon_tracker.sources.ncar import BUCKET, CHUNK, FILES

EPOCH = pd.Timestamp("1900-01-01")
LATITUDE, LONGITUDE = 90.0 - 0.25 * np.arange(721), 0.25 * np.arange(1440)
UNITS = {"msl": "Pa", "u10": "m s**-1", "v10": "m s**-1", "t2m": "K"}
# name: mean, change per degree north, amplitude around the globe, of the day, change per day; bits after the point
FORMS = {
    "msl": (101_000.0, 10.0, 900.0, 90.0, 5.0, 3),
    "u10": (0.0, 0.2, 8.0, 0.8, 0.05, 11),
    "v10": (1.0, -0.2, 7.0, -0.7, 0.04, 10),
    "t2m": (270.0, -0.2, 12.0, 3.0, 0.1, 10),
}


def value(name: str, times: pd.DatetimeIndex, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """(time, latitude, longitude) as float32, rounded as ERA5's packing does."""
    mean, north, around, daily, drift, bits = FORMS[name]
    hours = np.asarray((times - pd.Timestamp("2022-12-15")) / pd.Timedelta(hours=1))
    along = around * (np.sin(np.radians(longitude)) + 0.3 * np.cos(2 * np.radians(longitude)))
    when = daily * np.sin(2 * np.pi * hours / 24) + drift * hours / 24
    field = mean + north * np.asarray(latitude)[:, None] + along + when[:, None, None]
    return (np.round(field * 2.0**bits) / 2.0**bits).astype(np.float32)


def month_path(name: str, month: dt.date) -> str:
    last = calendar.monthrange(month.year, month.month)[1]
    stem = f"e5.oper.an.sfc.{FILES[name][0]}.ll025sc.{month:%Y%m}0100_{month:%Y%m}{last:02d}23.nc"
    return f"{BUCKET}/e5.oper.an.sfc/{month:%Y%m}/{stem}"


def write_month(
    root: Path,
    name: str,
    days: Sequence[dt.date],
    regions: Iterable[Region],
    *,
    latitude: np.ndarray = LATITUDE,
    longitude: np.ndarray = LONGITUDE,
) -> Path:
    """A month file with all its hours, of which only the chunks that hold `regions` on `days` are written."""
    path = root / month_path(name, days[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 24 * calendar.monthrange(days[0].year, days[0].month)[1]
    times = pd.date_range(days[0].replace(day=1), periods=count, freq="h")
    with h5netcdf.File(path, "w") as file:
        values = define(file, FILES[name][1], UNITS[name], times, latitude, longitude)
        chunks = values.chunks
        slabs = {hour // chunks[0] for day in days for hour in range(24 * (day.day - 1), 24 * day.day)}
        for region in regions:
            rows = {int(i) // chunks[1] for i in np.searchsorted(-latitude, -region.latitude)}
            columns = {int(i) // chunks[2] for i in np.searchsorted(longitude, region.longitude % 360.0)}
            for slab, row, column in ((s, r, c) for s in slabs for r in rows for c in columns):
                box = [slice(n * size, (n + 1) * size) for n, size in zip((slab, row, column), chunks, strict=True)]
                values[tuple(box)] = value(name, times[box[0]], latitude[box[1]], longitude[box[2]])
    return path


def define(
    file: h5netcdf.File,
    spelling: str,
    units: str,
    times: pd.DatetimeIndex,
    latitude: np.ndarray,
    longitude: np.ndarray,
) -> h5netcdf.Variable:
    """Lay an empty month out as NCAR does: hours since 1900 as int32, float32 deflated in chunks of 27 x 139 x 277."""
    file.dimensions = {"time": None, "latitude": len(latitude), "longitude": len(longitude)}
    file.resize_dimension("time", len(times))
    hours = file.create_variable(
        "time", ("time",), np.int32, data=((times - EPOCH) // pd.Timedelta(hours=1)).astype("i4")
    )
    hours.attrs.update(units="hours since 1900-01-01 00:00:00", calendar="gregorian", long_name="time")
    file.create_variable("utc_date", ("time",), np.int32, data=times.strftime("%Y%m%d%H").astype("i4"))
    for axis, numbers, unit in (("latitude", latitude, "degrees_north"), ("longitude", longitude, "degrees_east")):
        file.create_variable(axis, (axis,), np.float64, data=numbers).attrs["units"] = unit
    chunks = tuple(np.minimum(CHUNK, (len(times), len(latitude), len(longitude))).tolist())
    shape = ("time", "latitude", "longitude")
    filters = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    values = file.create_variable(spelling, shape, np.float32, fillvalue=np.float32(9.999e20), chunks=chunks, **filters)
    values.attrs.update(units=units, long_name=spelling)
    return values


def write_store(
    path: Path,
    days: Sequence[dt.date],
    *,
    regions: Iterable[Region] = (),
    latitude: np.ndarray = LATITUDE,
    longitude: np.ndarray = LONGITUDE,
    zarr_format: int = 2,
    consolidated: bool = True,
    **attrs: str,
) -> Path:
    """A store with ARCO's names and chunks, of which only the hours of `days` are written.

    With `regions`, values are made for these alone and the rest of the globe is constant.
    """
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    group.attrs.update(attrs)
    begin = pd.Timestamp(days[0]) - pd.Timedelta(days=1)
    times = pd.date_range(begin, pd.Timestamp(days[-1]) + pd.Timedelta(days=2), freq="h", inclusive="left")
    axes = {"time": ((times - EPOCH) // pd.Timedelta(hours=1)).to_numpy(), "latitude": latitude, "longitude": longitude}
    for axis, numbers in axes.items():
        numbers = numbers.astype(np.int64 if axis == "time" else np.float32)
        array = create(group, axis, numbers.shape, numbers.shape, numbers.dtype, (axis,))
        array[:] = numbers
    group["time"].attrs.update(units="hours since 1900-01-01 00:00:00", calendar="proleptic_gregorian")
    shape = (len(times), len(latitude), len(longitude))
    for name, spelling in ARRAYS.items():
        array = create(group, spelling, shape, (1, *shape[1:]), np.dtype(np.float32), tuple(axes), fill_value=np.nan)
        array.attrs["units"] = UNITS[name]
        for i in np.flatnonzero(np.isin(times.date, days)).tolist():
            array[i] = globe(name, times[i : i + 1], latitude, longitude, regions)[0]
    if consolidated:
        zarr.consolidate_metadata(group.store)
    return path


def create(group, name, shape, chunks, dtype, dims, **options):
    if group.metadata.zarr_format == 3:
        return group.create_array(name, shape=shape, chunks=chunks, dtype=dtype, dimension_names=dims, **options)
    array = group.create_array(name, shape=shape, chunks=chunks, dtype=dtype, **options)
    array.attrs["_ARRAY_DIMENSIONS"] = list(dims)
    return array


def globe(name, times, latitude, longitude, regions):
    regions = list(regions)
    if not regions:
        return value(name, times, latitude, longitude)
    field = np.full((len(times), len(latitude), len(longitude)), FORMS[name][0], np.float32)
    for region in regions:
        rows = np.searchsorted(-latitude, -region.latitude)
        columns = np.searchsorted(longitude, region.longitude % 360.0)
        field[:, rows[:, None], columns] = value(name, times, latitude[rows], longitude[columns])
    return field
