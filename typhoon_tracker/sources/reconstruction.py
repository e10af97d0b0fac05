"""ERA5-like hourly fields reconstructed from best tracks: real motion, real intensity, real calendar, made-up weather.

Honest by name (`attrs["source"]` begins with "reconstruction") and by rule: at an analysis time 00/06/12/18Z nothing in
the frames up to then depends on a later fix, because positions between two fixes follow a causal curve, motion is
measured backward and a storm fades only after its last fix. Between analysis times a frame knows the next fix, so
forecasts from these fields may start at analysis times only (`allowed_init_times`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy.ndimage import gaussian_filter
from torch import Tensor

from typhoon_tracker.besttrack.motion import interpolate
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, create
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.geo.land import land_mask
from typhoon_tracker.geo.sphere import KM_PER_DEGREE
from typhoon_tracker.sources.vortex import Storms, add_storms
from typhoon_tracker.sources.weather import Waves, climate, draw_waves, noise

SOURCE = "reconstruction"
SYNOPTIC_HOURS = (0, 6, 12, 18)
FADE_HOURS = 12.0
DEFAULT_WIND = 12.9  # m/s (25 kt), where an agency gives neither wind nor pressure
# Harper, Kepert and Ginger (2010), at sea: a 10-minute wind from one averaged over so many minutes.
TO_TEN_MINUTES = {1: 0.93, 2: 0.95, 10: 1.0}


@dataclass(frozen=True)
class HourlyTracks:
    """All storms' hourly states, one after another; storm i owns rows `start[i]:stop[i]` (hours since 1970)."""

    sids: tuple[str, ...]
    start: np.ndarray
    stop: np.ndarray
    hour: np.ndarray
    state: np.ndarray  # (rows, 6): lat, lon, east and north motion (m/s), wind (m/s), hours since the first fix

    @classmethod
    def build(cls, best: pd.DataFrame) -> HourlyTracks:
        """Interpolate best tracks (track contract) to hours, causally."""
        sids, hours, states = [], [], []
        for sid, track in best.groupby("track_id", sort=False):
            track = track.sort_values("time")
            first, last = track["time"].iloc[0].ceil("h"), track["time"].iloc[-1].floor("h")
            hourly = _causal(interpolate(track, pd.date_range(first, last, freq="h")))
            if hourly.empty:
                continue
            hour = (hourly["time"] - pd.Timestamp(0)).to_numpy() // np.timedelta64(1, "h")
            sids.append(str(sid))
            hours.append(hour)
            states.append(_states(hourly, hour))
        if not sids:
            raise InputError("the best tracks hold no fix on a whole hour; at least one storm is needed.")
        lengths = np.array([len(h) for h in hours])
        stop = np.cumsum(lengths)
        return cls(tuple(sids), stop - lengths, stop, np.concatenate(hours), np.concatenate(states))

    def around(self, first_hour: int, last_hour: int) -> np.ndarray:
        """Return the storms that exist, or still fade, at some time in [first_hour, last_hour]."""
        begin, end = self.hour[self.start], self.hour[self.stop - 1]
        return np.flatnonzero((begin <= last_hour) & (end + FADE_HOURS >= first_hour))

    def at(self, storm: int, hours: np.ndarray) -> np.ndarray:
        """Return (len(hours), 6): lat, lon, east, north, wind, presence; a fading storm drifts on as it last moved."""
        rows = slice(self.start[storm], self.stop[storm])
        i = np.clip(np.searchsorted(self.hour[rows], hours, side="right") - 1, 0, None)
        state = self.state[rows][i].copy()
        late = np.clip(hours - self.hour[rows][i], 0, None).astype(float)
        state[:, 0] += late * 3.6 * state[:, 3] / KM_PER_DEGREE
        state[:, 1] += late * 3.6 * state[:, 2] / (KM_PER_DEGREE * np.cos(np.radians(state[:, 0])))
        born = (state[:, 5] + 3.0) / (FADE_HOURS + 3.0)
        state[:, 5] = np.clip(np.minimum(born, 1 - late / FADE_HOURS), 0.0, 1.0) * (hours >= self.hour[rows][0])
        return state


def _causal(hourly: pd.DataFrame) -> pd.DataFrame:
    """Drop the hours between two fixes that have an analysis time between them: there they would give the next away."""
    fix = ~hourly["interpolated"]
    gap = fix.cumsum()
    leaning = gap[~fix & hourly["time"].dt.hour.isin(SYNOPTIC_HOURS)]
    return hourly[fix | ~gap.isin(leaning)]


def _states(hourly: pd.DataFrame, hour: np.ndarray) -> np.ndarray:
    lat, lon = hourly["lat"].to_numpy(), np.unwrap(hourly["lon"].to_numpy(), period=360.0)
    wind = hourly["wind"].to_numpy(copy=True)
    deficit = np.clip(101_000.0 - hourly["msl"].to_numpy(), 0, None) / 100.0
    # Atkinson and Holliday (1977) where an agency gives pressure but no wind (JMA's weak and decaying stages).
    wind = np.where(np.isnan(wind), np.minimum(3.44 * deficit**0.644, 17.0), wind)
    wind = np.where(np.isnan(wind), DEFAULT_WIND, wind)
    # Motion over the 6 hours before: backward, so that no frame leans on a later fix.
    back = np.maximum(np.arange(len(hour)) - 6, 0)
    span = np.maximum(hour - hour[back], 1) * 3.6
    north = (lat - lat[back]) * KM_PER_DEGREE / span
    east = (lon - lon[back]) * KM_PER_DEGREE * np.cos(np.radians(lat)) / span
    return np.column_stack([lat, lon, east, north, wind, hour - hour[0]])


def storm_tensors(tracks: HourlyTracks, members: list[np.ndarray], hours: np.ndarray, *, device: str = "cpu") -> Storms:
    """Return the states of each sample's storms (ragged lists padded with absent ones) at hours (B, T)."""
    m = max(1, *(len(ids) for ids in members))
    states = np.zeros((len(members), m, hours.shape[1], 6))
    size = np.ones((len(members), m))
    for b, ids in enumerate(members):
        for k, storm in enumerate(ids):
            states[b, k] = tracks.at(int(storm), hours[b])
            size[b, k] = _size(tracks.sids[storm])
    lat, lon, east, north, wind, presence = torch.as_tensor(states, dtype=torch.float32, device=device).unbind(-1)
    sizes = torch.as_tensor(size, dtype=torch.float32, device=device)
    return Storms(lat, lon, east, north, wind, presence, sizes)


@lru_cache(maxsize=4096)
def _size(sid: str) -> float:
    """A storm's size factor: log-normal, the same all its life, drawn from its identifier."""
    return float(np.exp(0.18 * np.random.default_rng(zlib.crc32(sid.encode())).standard_normal()))


@torch.no_grad()
def reconstruct(
    storms: Storms, hours: Tensor, latitude: Tensor, longitude: Tensor, land: Tensor, waves: Waves, epoch: Tensor
) -> Tensor:
    """Return fields (B, T, 4, H, W), in the order msl, u10, v10, t2m and SI units.

    hours (B, T) float64 since 1970; latitude (B, H), longitude (B, W) in degrees; land (B, H, W) in [0, 1];
    epoch (B,) float64, the hour from which the waves' phases count.
    """
    day = (hours / 24.0 % 365.25).float()
    elapsed = (hours - epoch[:, None]).float()  # small numbers: float32 phases stay exact
    parts = (
        climate(day, (hours % 24.0).float(), latitude, longitude, land),
        noise(waves, elapsed, latitude, longitude, land),
        add_storms(storms, latitude, longitude, land),
    )
    return torch.stack([a + b + c for a, b, c in zip(*parts, strict=True)], dim=2)


class Reconstruction:
    """Fields around the storms of a best-track table, for any times and region: a Source.

    The weather is drawn once from `seed` (a storm's SID, say), so the same time always gives the same field.
    `wind_minutes` is the averaging period of the table's winds.
    """

    def __init__(self, best: pd.DataFrame, *, seed: str, wind_minutes: int = 10) -> None:
        # The vortex was calibrated on 10-minute winds; only its strength is scaled, never a truth.
        self._tracks = HourlyTracks.build(best.assign(wind=best["wind"] * TO_TEN_MINUTES[wind_minutes]))
        self._waves = draw_waves(1, torch.Generator().manual_seed(zlib.crc32(seed.encode())))
        first_year = best["time"].min().year
        self._epoch = torch.tensor([_hours(pd.DatetimeIndex([f"{first_year}-01-01"]))[0]], dtype=torch.float64)
        self.source = f"{SOURCE}: real motion and intensity of {len(self._tracks.sids)} storm(s), made-up weather"

    def open(
        self, times: pd.DatetimeIndex, region: Region, *, progress: Callable[[int, int], None] | None = None
    ) -> xr.Dataset:
        """Return the fields at `times` over `region` in the field contract; `progress` is told frames done, of all."""
        latitude, longitude = region.latitude, region.longitude
        lat = torch.as_tensor(latitude, dtype=torch.float32)[None]
        lon = torch.as_tensor(longitude, dtype=torch.float32)[None]
        land = land_fraction(latitude, longitude)[None]
        hours = _hours(times)
        values = np.empty((len(times), len(CORE), *region.shape), np.float32)
        # Frame by frame: rounding inside a batch depends on its length, and the same time must give the same field.
        for i, hour in enumerate(hours):
            members = [self._tracks.around(int(hour), int(hour))]
            storms = storm_tensors(self._tracks, members, np.array([[hour]]))
            when = torch.tensor([[hour]], dtype=torch.float64)
            values[i] = reconstruct(storms, when, lat, lon, land, self._waves, self._epoch)[0, 0].numpy()
            if progress:
                progress(i + 1, len(hours))
        return create(
            {name: values[:, k] for k, name in enumerate(CORE)}, times, latitude, longitude, source=self.source
        )


def allowed_init_times(fields: xr.Dataset) -> pd.DatetimeIndex:
    """Return the times of `fields` at which a forecast may start: analysis times only where they are reconstructed."""
    times = pd.DatetimeIndex(fields["time"].values)
    return times[times.hour.isin(SYNOPTIC_HOURS)] if fields.attrs["source"].startswith(SOURCE) else times


def land_fraction(latitude: np.ndarray, longitude: np.ndarray) -> Tensor:
    """Return the share of land around each grid point, smoothed over about half a degree as ERA5's winds feel it."""
    mask = land_mask(latitude, longitude).astype(np.float32)
    return torch.as_tensor(gaussian_filter(mask, 0.4 / abs(latitude[1] - latitude[0]), mode="nearest"))


def _hours(times: pd.DatetimeIndex) -> np.ndarray:
    return ((times - pd.Timestamp(0)) / pd.Timedelta(hours=1)).to_numpy()
