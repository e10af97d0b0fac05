"""Files whose every value tells its variable, time and place, however the file is laid out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"

# name: value at 0N 0E 00 UTC, change per degree north, per degree east of Greenwich, per hour
FORMS = {
    "msl": (100_000.0, 20.0, 2.0, 1.0),
    "u10": (0.0, 0.2, 0.05, 0.1),
    "v10": (0.0, -0.2, 0.05, -0.1),
    "t2m": (260.0, 0.3, 0.1, 0.05),
    "z500": (5600.0, -2.0, 0.5, 1.0),
}
UNITS = {"msl": "Pa", "u10": "m s**-1", "v10": "m s**-1", "t2m": "K", "z500": "m"}
TIMES = pd.date_range("2023-05-20", periods=3, freq="h")


def value(name: str, times: object, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    base, north, east, hourly = FORMS[name]
    hours = (pd.DatetimeIndex(np.atleast_1d(times)) - TIMES[0]) / pd.Timedelta(hours=1)
    lat, lon = np.asarray(latitude, float), np.asarray(longitude, float) % 360.0
    return base + north * lat[:, None] + east * lon + hourly * np.asarray(hours)[:, None, None]


def sample(
    names: tuple[str, ...] = ("msl", "u10", "v10", "t2m"),
    *,
    times: pd.DatetimeIndex = TIMES,
    latitude: np.ndarray | None = None,
    longitude: np.ndarray | None = None,
) -> xr.Dataset:
    """A raw file with dims (time, latitude, longitude) and units, float64; 10-20N, 120-135E at 1 deg unless told."""
    lat = np.arange(20.0, 9.0, -1.0) if latitude is None else latitude
    lon = np.arange(120.0, 136.0) if longitude is None else longitude
    dims = ("time", "latitude", "longitude")
    data = {name: (dims, value(name, times, lat, lon), {"units": UNITS[name]}) for name in names}
    return xr.Dataset(data, {"time": times, "latitude": lat, "longitude": lon})


def save(raw: xr.Dataset, path: Path, **encoding: dict) -> Path:
    raw.to_netcdf(path, engine="h5netcdf", encoding=encoding)
    return path


def assert_true(fields: xr.Dataset, *names: str) -> None:
    """Every value of `fields` is the one that belongs at its time and place."""
    for name in names or tuple(map(str, fields.data_vars)):
        expected = value(name, fields.time.values, fields.latitude.values, fields.longitude.values)
        assert fields[name].dtype == np.float32
        tolerance = 0.05 if name in ("msl", "z500") else 1e-4
        np.testing.assert_allclose(fields[name].values, expected, rtol=0, atol=tolerance)
