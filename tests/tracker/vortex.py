"""Analytic vortices whose centre is known, on any regular grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.fields import contract
from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.geo.sphere import bearing, coriolis, destination, distance


@dataclass(frozen=True)
class Vortex:
    """depth in Pa, radius in km, moving in m s-1; `profile` is "holland" (flat core) or "fujita" (smooth)."""

    depth: float = 3000.0
    radius: float = 100.0
    profile: str = "holland"
    eastward: float = -3.0
    northward: float = 3.0
    windy: bool = True  # False: a heat low, pressure without circulation

    def pressure(self, r: np.ndarray) -> np.ndarray:
        if self.profile == "fujita":
            return -self.depth / np.sqrt(1 + (r / self.radius) ** 2)
        return -self.depth * (1 - np.exp(-((self.radius / np.maximum(r, 1e-3)) ** 1.4)))

    def speed(self, r: np.ndarray, lat: np.ndarray) -> np.ndarray:
        slope = (self.pressure(r + 0.5) - self.pressure(r - 0.5)) / 1000.0  # Pa/m
        rf = np.abs(coriolis(lat)) * r * 1000.0 / 2
        return 0.75 * (np.sqrt(np.maximum(r * 1000.0 * slope / 1.15 + rf**2, 0)) - rf)


def fields(
    tracks: Sequence[tuple[Vortex, pd.DataFrame]],
    times: Sequence | pd.DatetimeIndex,
    *,
    region: Region = PAPER_REGION,
    gradient: tuple[float, float] = (0.15, -0.2),
    flow: tuple[float, float] = (-3.0, 2.0),
) -> xr.Dataset:
    """Fields of vortices at the positions of their tables (time, lat, lon) on a gradient (Pa/km east, north)."""
    times = pd.DatetimeIndex(times)
    lat, lon = np.meshgrid(region.latitude, region.longitude, indexing="ij")
    x = (lon - lon.mean()) * 111.2 * np.cos(np.radians(lat.mean()))
    y = (lat - lat.mean()) * 111.2
    msl = np.repeat((101_000.0 + gradient[0] * x + gradient[1] * y)[None], len(times), 0)
    u, v = np.full_like(msl, flow[0]), np.full_like(msl, flow[1])
    for vortex, table in tracks:
        for fix in table.itertuples():
            if fix.time not in times:
                continue
            i = times.get_loc(fix.time)
            r = distance(fix.lat, fix.lon, lat, lon)
            msl[i] += vortex.pressure(r)
            if not vortex.windy:
                continue
            speed = vortex.speed(r, np.full_like(r, fix.lat))
            to_centre = np.radians(bearing(lat, lon, fix.lat, fix.lon))
            turn = np.radians(70.0) * np.sign(fix.lat)  # 20 degrees of inflow
            share = speed / max(speed.max(), 1e-9)
            u[i] += speed * np.sin(to_centre + turn) + 0.6 * vortex.eastward * share
            v[i] += speed * np.cos(to_centre + turn) + 0.6 * vortex.northward * share
    return contract.create(
        {"msl": msl, "u10": u, "v10": v}, times, region.latitude, region.longitude, source="synthetic"
    )


def straight(
    times: Sequence | pd.DatetimeIndex, lat: float, lon: float, vortex: Vortex, *, name: str = "TEST"
) -> pd.DataFrame:
    """The track of a vortex that keeps its motion from (lat, lon) at the first time."""
    times = pd.DatetimeIndex(times)
    seconds = (times - times[0]).total_seconds().to_numpy()
    course = np.degrees(np.arctan2(vortex.eastward, vortex.northward))
    lats, lons = destination(lat, lon, course, seconds * np.hypot(vortex.eastward, vortex.northward) / 1000.0)
    return pd.DataFrame({"track_id": name, "time": times, "lat": lats, "lon": lons})
