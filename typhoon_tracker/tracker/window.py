"""A frame of fields on its grid, and the part of it the tracker looks at."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.derived import relative_vorticity
from typhoon_tracker.geo.sphere import EARTH_RADIUS_KM, KM_PER_DEGREE
from typhoon_tracker.tracker.settings import Settings, check_mass

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]


@dataclass(frozen=True)
class Window:
    """Fields on a regular grid, float64: the raw mass field, its minima-bearing anomaly, vorticity and wind.

    mass: Pa or m, None where vorticity stands for it; anomaly: mass less its surroundings, smoothed (minus the
    cyclonic vorticity where there is no mass); vorticity: relative, raw, s-1; cyclonic: smoothed and positive in
    cyclones of either hemisphere, s-1; wind: m s-1, None where unknown.
    """

    latitude: Floats
    longitude: Floats
    mass: Floats | None
    anomaly: Floats
    vorticity: Floats
    cyclonic: Floats
    wind: Floats | None

    @cached_property
    def spacing(self) -> tuple[float, float]:
        """Return the mean grid spacing in km along latitude and longitude."""
        dlat = abs(self.latitude[1] - self.latitude[0]) * KM_PER_DEGREE
        dlon = abs(self.longitude[1] - self.longitude[0]) * KM_PER_DEGREE
        return float(dlat), float(dlon * max(np.cos(np.radians(self.latitude)).mean(), 0.05))

    def without_mass(self) -> Window:
        """Return the window with cyclonic vorticity standing for the mass field."""
        return replace(self, mass=None, anomaly=-self.cyclonic)

    def holds(self, lat: float, lon: float) -> bool:
        """Tell whether a point lies on the grid."""
        south, north = sorted((self.latitude[0], self.latitude[-1]))
        return bool(south <= lat <= north and self.longitude[0] <= lon <= self.longitude[-1])

    def plane(self, lat: float, lon: float, rows: slice, columns: slice) -> tuple[Floats, Floats]:
        """Return the eastward and northward km from (lat, lon) of the grid points, in the orthographic projection."""
        phi, phi0 = np.radians(self.latitude[rows])[:, None], np.radians(lat)
        dlam = np.radians(self.longitude[columns] - lon)[None, :]
        x = np.cos(phi) * np.sin(dlam)
        y = np.cos(phi0) * np.sin(phi) - np.sin(phi0) * np.cos(phi) * np.cos(dlam)
        return EARTH_RADIUS_KM * x, EARTH_RADIUS_KM * y

    def around(self, lat: float, lon: float, radius: float) -> tuple[slice, slice]:
        """Return the rows and columns of the grid points within `radius` km of (lat, lon), and a few more."""
        rows = _within(self.latitude, lat, radius / KM_PER_DEGREE)
        return rows, _within(self.longitude, lon, longitude_reach(lat, radius))


def _within(axis: Floats, centre: float, reach: float) -> slice:
    """Return the part of an evenly spaced axis within `reach` of `centre`."""
    step = (axis[-1] - axis[0]) / (len(axis) - 1)
    middle, half = (centre - axis[0]) / step, abs(reach / step)
    return slice(max(math.ceil(middle - half), 0), max(math.floor(middle + half) + 1, 0))


def longitude_reach(lat: float, radius: float) -> float:
    """Return the degrees of longitude that `radius` km make at their poleward end."""
    poleward = min(abs(lat) + radius / KM_PER_DEGREE, 85.0)
    return radius / (KM_PER_DEGREE * math.cos(math.radians(poleward)))


def smooth(values: Floats, spacing: tuple[float, float], scale: float) -> Floats:
    """Return `values` filtered by a Gaussian with a standard deviation of `scale` km."""
    return gaussian_filter(values, (scale / spacing[0], scale / spacing[1]), mode="nearest", truncate=2.5)


def prepare(
    latitude: Floats, longitude: Floats, mass: Floats | None, vorticity: Floats, wind: Floats | None, settings: Settings
) -> Window:
    """Filter the fields of a grid and return them as a Window."""
    latitude, longitude = np.asarray(latitude, float), np.asarray(longitude, float)
    vorticity = np.asarray(vorticity, float)
    raw = Window(latitude, longitude, None, vorticity, vorticity, vorticity, None)
    cyclonic = smooth(vorticity * np.sign(latitude)[:, None], raw.spacing, settings.smoothing)
    anomaly = -cyclonic
    if mass is not None:
        mass = np.asarray(mass, float)
        anomaly = smooth(mass, raw.spacing, settings.smoothing) - smooth(mass, raw.spacing, settings.surroundings)
    return Window(latitude, longitude, mass, anomaly, vorticity, cyclonic, wind)


@dataclass(frozen=True)
class Frame:
    """One time of the fields: `mass` (None where vorticity stands for it), `u10` and `v10` (latitude, longitude)."""

    time: pd.Timestamp
    latitude: Floats
    longitude: Floats
    mass: NDArray | None
    u10: NDArray
    v10: NDArray

    @property
    def step(self) -> float:
        return float(abs(self.longitude[1] - self.longitude[0]))

    @property
    def wraps(self) -> bool:
        """Tell whether the grid goes round the globe."""
        return bool(abs(len(self.longitude) * self.step - 360.0) < 0.5 * self.step)

    def inside(self, lat: float, lon: float, margin: float) -> bool:
        """Tell whether a point lies at least `margin` degrees inside the edge of the region."""
        north, south = max(self.latitude[0], self.latitude[-1]), min(self.latitude[0], self.latitude[-1])
        east_of_west = (lon - self.longitude[0]) % 360.0
        width = self.longitude[-1] - self.longitude[0]
        return bool(south + margin <= lat <= north - margin) and (
            self.wraps or bool(margin <= east_of_west <= width - margin)
        )

    def window(self, settings: Settings, around: tuple[float, float, float] | None = None) -> Window | None:
        """Return the fields within `around` = (lat, lon, km), or all of them; None where fewer than 5 x 5 points are.

        On a grid round the globe the window runs over the seam: its longitudes are contiguous all the same.
        """
        rows = slice(None)
        columns: Integers = np.arange(len(self.longitude))
        longitude: Floats = np.asarray(self.longitude, float)
        if around is not None:
            lat, lon, radius = around
            within = np.flatnonzero(np.abs(self.latitude - lat) <= radius / KM_PER_DEGREE)
            rows = slice(int(within[0]), int(within[-1]) + 1) if len(within) else slice(0)
            columns, longitude = self._columns(lon, longitude_reach(lat, radius))
        elif self.wraps:
            columns, longitude = self._columns(float(longitude[0]) + 180.0, 180.0 + longitude_reach(0.0, 2000.0))
        latitude = np.asarray(self.latitude, float)[rows]
        if len(latitude) < 5 or len(longitude) < 5:
            return None

        def cut(values: NDArray) -> Floats:
            return np.asarray(values[rows][:, columns], float)

        u, v = cut(self.u10), cut(self.v10)
        vorticity = relative_vorticity(u, v, latitude, longitude)
        mass = None if self.mass is None else cut(self.mass)
        return prepare(latitude, longitude, mass, vorticity, np.hypot(u, v), settings)

    def _columns(self, lon: float, reach: float) -> tuple[Integers, Floats]:
        west, count = float(self.longitude[0]), len(self.longitude)
        offset = (lon - west) % 360.0
        if not self.wraps and offset > (count * self.step + 360.0) / 2:
            offset -= 360.0  # nearer to the western edge than to the eastern
        first, last = int(np.ceil((offset - reach) / self.step)), int(np.floor((offset + reach) / self.step))
        if not self.wraps:
            first, last = max(first, 0), min(last, count - 1)
        index = np.arange(first, last + 1)
        return index % count, np.asarray(west + self.step * index, float)


def frames(fields: xr.Dataset, *, mass: str = "msl") -> Iterator[Frame]:
    """Yield the frames of contract fields in time order, loading one at a time.

    Raises InputError where `mass`, `u10` or `v10` is missing.
    """
    wanted = ("u10", "v10") if check_mass(mass) == "vorticity" else (mass, "u10", "v10")
    missing = [name for name in wanted if name not in fields]
    if missing:
        have = ", ".join(map(str, fields.data_vars)) or "none"
        raise InputError(
            f"the tracker needs {', '.join(wanted)}; the fields lack {', '.join(missing)} and hold: {have}."
        )
    latitude = fields["latitude"].to_numpy().astype(float)
    longitude = fields["longitude"].to_numpy().astype(float)
    arrays = {name: fields[name].transpose("time", "latitude", "longitude").variable for name in wanted}
    for i, time in enumerate(pd.DatetimeIndex(fields["time"].to_numpy())):
        values = {name: array[i].to_numpy() for name, array in arrays.items()}
        yield Frame(time, latitude, longitude, values.get(mass), values["u10"], values["v10"])
