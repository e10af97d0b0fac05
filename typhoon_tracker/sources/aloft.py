"""The 500 hPa height of the reconstruction: a vortex in gradient balance on a climate and the noise of the weather.

A storm's height anomaly is z' = -dz (1 + (r/R0)^2)^(-b), dz such that its gradient wind peaks at ALOFT times that at
the ground; it is broader than the pressure's below it, as in ERA5. Around the storm z slopes as its motion needs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from typhoon_tracker.geo.sphere import OMEGA
from typhoon_tracker.sources.vortex import (
    AIR_DENSITY,
    REDUCTION,
    SHAPE,
    STEERING_RADIUS_KM,
    Storms,
    add_storms,
    offsets,
)
from typhoon_tracker.sources.weather import Waves, climate, noise

GRAVITY = 9.81  # m s-2
ALOFT = 0.88  # peak gradient wind at 500 hPa over that at the ground; ALOFT, BROADER and DECAY fit ERA5's mean storms
BROADER = 1.2  # R0 over the radius of maximum wind at 10 m
DECAY = 0.5  # b
NOISE = 1.5  # of the noise's wind, its strength at 500 hPa over that at 10 m
TIDE = 10.0  # m at the equator


@torch.no_grad()
def reconstruct_aloft(
    storms: Storms, hours: Tensor, latitude: Tensor, longitude: Tensor, land: Tensor, waves: Waves, epoch: Tensor
) -> Tensor:
    """Return fields (B, T, 3, H, W) in the order u10, v10 (m s-1), z500 (m); arguments as of `reconstruct`."""
    day = (hours / 24.0 % 365.25).float()
    _, u_climate, v_climate, _ = climate(day, (hours % 24.0).float(), latitude, longitude, land)
    msl_noise, u_noise, v_noise, _ = noise(waves, (hours - epoch[:, None]).float(), latitude, longitude, land)
    _, u_storm, v_storm, _ = add_storms(storms, latitude, longitude, land)
    # The noise's pressure is rho f psi / 0.7; its height is f psi / g.
    z = height_climate(day, (hours % 24.0).float(), latitude, longitude) + height_of_storms(storms, latitude, longitude)
    z = z + NOISE * 0.7 / (AIR_DENSITY * GRAVITY) * msl_noise
    return torch.stack([u_climate + u_noise + u_storm, v_climate + v_noise + v_storm, z], dim=2)


def height_climate(day_of_year: Tensor, hours: Tensor, latitude: Tensor, longitude: Tensor) -> Tensor:
    """Return the climate's height (B, T, H, W) in m: a subtropical ridge, westerlies beyond it, the half-daily tide.

    day_of_year and hours (UTC) are (B, T). The tide is that of the pressure below: from crest to trough in 6 h.
    """
    summer = torch.cos(2 * torch.pi * (day_of_year - 210.0) / 365.25)[:, :, None, None]
    lat = latitude[:, None, :, None]
    ridge_latitude = 27.0 + 4.0 * summer
    falling = 4.0 * torch.nn.functional.softplus((lat - ridge_latitude - 4.0) / 4.0)
    ridge = 5875.0 + 15.0 * torch.exp(-(((lat - ridge_latitude) / 9.0) ** 2))
    solar = (hours[:, :, None, None] + longitude[:, None, None, :] / 15.0) * (2 * torch.pi / 24.0)  # (B, T, 1, W)
    tide = TIDE * torch.cos(2 * (solar - 2 * torch.pi * 9.7 / 24.0)) * torch.cos(torch.deg2rad(lat)) ** 3
    return ridge - (12.0 - 5.0 * summer) * falling + tide


def height_of_storms(storms: Storms, latitude: Tensor, longitude: Tensor) -> Tensor:
    """Return the height anomaly (B, T, H, W) in m that all storms of a sample make together."""
    total = torch.zeros(())
    for m in range(storms.lat.shape[1]):
        one = Storms(*(getattr(storms, name)[:, m] for name in Storms.__dataclass_fields__))
        total = total + _one(one, latitude, longitude)
    return total


def _one(s: Storms, latitude: Tensor, longitude: Tensor) -> Tensor:
    east_km, north_km = offsets(s, latitude, longitude)
    r2 = east_km**2 + north_km**2
    r0 = BROADER * SHAPE.radius(s.wind) * s.size[:, None]  # km
    f = 2 * OMEGA * torch.sin(torch.deg2rad(s.lat))
    peak = ALOFT * SHAPE.peak(s.wind) * s.presence / REDUCTION
    radius = r0 / DECAY**0.5  # km, where the cyclostrophic wind of the profile peaks
    slope = 2 * DECAY / r0**2 * radius * (1 + 1 / DECAY) ** (-DECAY - 1) / 1e3  # m-1, of the unit profile there
    depth = (peak**2 / (radius * 1e3) + f.abs() * peak) / slope / GRAVITY  # m
    vortex = -_map(depth) * (1 + r2 / _map(r0) ** 2).pow(-DECAY)
    lean = _map(f * s.presence) / GRAVITY * (_map(s.north) * east_km - _map(s.east) * north_km) * 1e3
    return vortex + lean * torch.exp(-r2 / STEERING_RADIUS_KM**2)


def _map(value: Tensor) -> Tensor:
    return value[..., None, None]
