"""A frame of fields on its grid, and the frames of a Dataset one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import KM_PER_DEGREE
from typhoon_tracker.tracker.settings import check_mass

Floats = NDArray[np.float64]
Field = NDArray[np.float32]
Axes = tuple[float, float, float, float]

LEAST_POINTS = 5  # of a grid along either axis
EVEN = 0.01  # of a step, by which steps of an axis may differ
BLOCK_BYTES = 64e6  # of fields in memory at a time
RIDERS = ("t2m", "z500")  # not needed, but telling where they are there


@dataclass(frozen=True)
class Frame:
    """One time of the fields, each (latitude, longitude) float32: `mass` in Pa or m, `u10` and `v10` in m s-1.

    None stands for a field that is not there. `t2m` (K) and `z500` (m) tell extratropical lows from tropical ones.
    """

    time: pd.Timestamp
    latitude: Floats
    longitude: Floats
    mass: Field | None
    u10: Field | None
    v10: Field | None
    t2m: Field | None = None
    z500: Field | None = None

    @cached_property
    def axes(self) -> Axes:
        """Return the latitude of the first row, the step, the longitude of the first column, the step."""
        lat, lon = self.latitude, self.longitude
        lat0, lon0 = lat.item(0), lon.item(0)
        return lat0, (lat.item(-1) - lat0) / (len(lat) - 1), lon0, (lon.item(-1) - lon0) / (len(lon) - 1)

    @cached_property
    def wraps(self) -> bool:
        """Tell whether the grid goes round the globe."""
        step = self.axes[3]
        return abs(len(self.longitude) * step - 360.0) < 0.5 * step

    @cached_property
    def spacing(self) -> tuple[float, float]:
        """Return the grid spacing in km along latitude and, at its widest, along longitude."""
        lat0, dlat, _, dlon = self.axes
        row = min(max(round(-lat0 / dlat), 0), len(self.latitude) - 1)
        nearest = abs(lat0 + row * dlat)
        return abs(dlat) * KM_PER_DEGREE, dlon * KM_PER_DEGREE * max(math.cos(math.radians(nearest)), 0.05)

    def inside(self, lat: float, lon: float, margin: float) -> bool:
        """Tell whether a point lies at least `margin` degrees inside the edge of the region."""
        lat0, dlat, lon0, dlon = self.axes
        last = lat0 + dlat * (len(self.latitude) - 1)
        if not min(lat0, last) + margin <= lat <= max(lat0, last) - margin:
            return False
        return self.wraps or margin <= (lon - lon0) % 360.0 <= dlon * (len(self.longitude) - 1) - margin

    def around(self, lat: float, lon: float, radius: float) -> Frame | None:
        """Return the part of the frame within `radius` km of a point, its longitudes contiguous over the seam.

        None where fewer than 5 x 5 points are. Longitudes are those nearest to `lon`.
        """
        lat0, dlat, west, step = self.axes
        half = radius / KM_PER_DEGREE
        edges = sorted(((lat - half - lat0) / dlat, (lat + half - lat0) / dlat))
        i0, i1 = max(math.ceil(edges[0]), 0), min(math.floor(edges[1]) + 1, len(self.latitude))
        reach = half / math.cos(math.radians(min(abs(lat) + half, 85.0)))
        count = len(self.longitude)
        offset = (lon - west) % 360.0
        if not self.wraps and offset > (count * step + 360.0) / 2:
            offset -= 360.0  # nearer to the western edge than to the eastern
        j0, j1 = math.ceil((offset - reach) / step), math.floor((offset + reach) / step) + 1
        if not self.wraps or j1 - j0 > count:
            j0, j1 = max(j0, 0), min(j1, count)
        if i1 - i0 < LEAST_POINTS or j1 - j0 < LEAST_POINTS:
            return None

        def cut(field: Field | None) -> Field | None:
            if field is None:
                return None
            if j0 >= 0 and j1 <= count:
                return np.ascontiguousarray(field[i0:i1, j0:j1])
            return np.take(field[i0:i1], np.arange(j0, j1), axis=1, mode="wrap")

        latitude, longitude = lat0 + dlat * np.arange(i0, i1), west + step * np.arange(j0, j1)
        fields = (self.mass, self.u10, self.v10, self.t2m, self.z500)
        return Frame(self.time, np.asarray(latitude, float), np.asarray(longitude, float), *map(cut, fields))


def frames(fields: xr.Dataset, *, mass: str = "msl") -> Iterator[Frame]:
    """Yield the frames of contract fields in time order, reading a block of times at once.

    Raises InputError where the fields hold neither `mass` nor both winds, or their axes are none of a regular grid.
    """
    names = present(fields, mass=mass)
    latitude, longitude = check_grid(fields["latitude"].to_numpy(), fields["longitude"].to_numpy())
    times = check_times(fields.indexes["time"])
    arrays = {name: fields[name].transpose("time", "latitude", "longitude").variable for name in names}
    size = max(1, int(BLOCK_BYTES / (4 * len(names) * len(latitude) * len(longitude))))
    for start in range(0, len(times), size):
        block = {
            name: np.ascontiguousarray(array[start : start + size].to_numpy(), np.float32)
            for name, array in arrays.items()
        }
        for i, time in enumerate(times[start : start + size]):
            one = {name: values[i] for name, values in block.items()}
            riders = {name: one.get(name) for name in RIDERS if name != mass}
            yield Frame(time, latitude, longitude, one.get(mass), one.get("u10"), one.get("v10"), **riders)


def present(fields: xr.Dataset, *, mass: str) -> list[str]:
    """Return the variables the tracker reads from `fields`; raise InputError where those needed are not there."""
    needed = ("u10", "v10") if check_mass(mass) == "vorticity" else (mass, "u10", "v10")
    missing = [name for name in needed if name not in fields]
    if missing and missing != ["u10", "v10"]:
        have = ", ".join(map(str, fields.data_vars)) or "none"
        raise InputError(
            f"the tracker needs {', '.join(needed)}; the fields lack {', '.join(missing)} and hold: {have}."
        )
    if missing and mass == "vorticity":
        raise InputError("the tracker needs u10, v10 for vorticity; the fields lack both.")
    riders = [name for name in RIDERS if name in fields and mass == "msl"]
    return [name for name in (*needed, *riders) if name in fields]


def check_grid(latitude: np.ndarray, longitude: np.ndarray) -> tuple[Floats, Floats]:
    """Return the axes as float64; raise InputError where they are no regular grid of 5 x 5 points or more."""
    latitude, longitude = np.asarray(latitude, float), np.asarray(longitude, float)
    if min(len(latitude), len(longitude)) < LEAST_POINTS:
        raise InputError(
            f"the grid has {len(latitude)} x {len(longitude)} points; "
            f"the tracker needs {LEAST_POINTS} x {LEAST_POINTS}."
        )
    for name, values in (("latitude", latitude), ("longitude", longitude)):
        steps = np.diff(values)
        mean = steps.mean()
        if not np.all(np.abs(steps - mean) <= EVEN * abs(mean)) or mean == 0 or (name == "longitude" and mean < 0):
            raise InputError(
                f"{name} must be evenly spaced{', eastward' if name == 'longitude' else ''}; "
                f"it runs from {values[0]:g} to {values[-1]:g} in steps from {steps.min():g} to {steps.max():g}."
            )
    return latitude, longitude


def check_times(times: pd.Index) -> pd.DatetimeIndex:
    """Return the times of fields; raise InputError where one is not after the one before it."""
    times = pd.DatetimeIndex(times)
    if times.hasnans:
        raise InputError("the fields hold a time that is not a time (NaT).")
    late = np.flatnonzero(np.diff(times.asi8) <= 0)
    if len(late):
        i = int(late[0])
        raise InputError(f"times must increase; {times[i + 1]} follows {times[i]}. Sort them and drop what is double.")
    return times
