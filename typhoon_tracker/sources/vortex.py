"""A parametric typhoon as ERA5 would show it: broader and weaker than the real one.

Pressure follows a generalised Fujita profile, p' = -dp (1 + (r/R0)^2)^(-b), whose core is a paraboloid (Holland's is
flat, and a flat core has no findable minimum); the wind is its gradient wind, reduced to 10 m and turned inward.
Shape and strength are calibrated against real ERA5 storms (`python -m typhoon_tracker.sources.calibration`).
Everything broadcasts over leading dimensions, so a batch of storms costs one call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from typhoon_tracker.geo.sphere import KM_PER_DEGREE, OMEGA

AIR_DENSITY = 1.15  # kg m-3
REDUCTION = 0.65  # 10 m wind over gradient wind, open sea
LAND_DRAG = 0.60  # 10 m wind over land against that over sea
INFLOW_SEA, INFLOW_LAND = math.radians(23.0), math.radians(33.0)
STEERING = 0.5  # share of the storm's motion that its surroundings show at 10 m
STEERING_RADIUS_KM = 900.0


@dataclass(frozen=True)
class Shape:
    """What ERA5 makes of a storm of best-track wind w (10-minute, m/s): peak mean wind, radius, decay."""

    strongest: float = 28.0  # m/s, the azimuthal-mean 10 m wind that no storm exceeds
    half: float = 32.0  # m/s, best-track wind that reaches half of it
    steepness: float = 1.55
    radius_weak: float = 185.0  # km, radius of maximum wind of a weak storm
    radius_strong: float = 82.0
    decay: float = 0.40  # b: far from the centre the wind falls as r^-b

    def peak(self, wind: Tensor) -> Tensor:
        """Return the azimuthal-mean peak 10 m wind in m/s."""
        ratio = (wind.clamp(min=1.0) / self.half) ** self.steepness
        return self.strongest * ratio / (1 + ratio)

    def radius(self, wind: Tensor) -> Tensor:
        """Return the radius of maximum wind in km."""
        weak = torch.exp(-((wind / 30.0) ** 2))
        return self.radius_strong + (self.radius_weak - self.radius_strong) * weak


SHAPE = Shape()


@dataclass(frozen=True)
class Storms:
    """Storms as tensors (B, M, T), M storms a sample; `size` (B, M) scales radii, `presence` in [0, 1] fades them."""

    lat: Tensor
    lon: Tensor
    east: Tensor  # motion over the hours before, m/s
    north: Tensor
    wind: Tensor  # best-track wind, 10-minute mean, m/s
    presence: Tensor
    size: Tensor


def add_storms(
    storms: Storms, latitude: Tensor, longitude: Tensor, land: Tensor, *, shape: Shape = SHAPE
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the anomalies of MSL (Pa), u10, v10 (m/s) and t2m (K) that all storms of a sample make together.

    latitude (B, H), longitude (B, W) in degrees, land (B, H, W) in [0, 1]; each result is (B, T, H, W).
    """
    total = [torch.zeros(()) for _ in range(4)]
    for m in range(storms.lat.shape[1]):
        one = Storms(*(getattr(storms, name)[:, m] for name in Storms.__dataclass_fields__))
        for k, anomaly in enumerate(_one(one, latitude, longitude, land[:, None], shape)):
            total[k] = total[k] + anomaly
    return total[0], total[1], total[2], total[3]


def _one(s: Storms, latitude: Tensor, longitude: Tensor, land: Tensor, shape: Shape) -> tuple[Tensor, ...]:
    east_km, north_km = offsets(s, latitude, longitude)
    r2 = east_km**2 + north_km**2  # (B, T, H, W), km2
    peak = _map(shape.peak(s.wind) * s.presence)
    radius = _map(shape.radius(s.wind) * s.size[:, None])
    b = shape.decay
    f = _map(2 * OMEGA * torch.sin(torch.deg2rad(s.lat)))

    # The cyclostrophic wind of the profile peaks at R0 / sqrt(b): choose R0 and dp so that it peaks as wanted there.
    r0_2 = b * radius**2
    gradient_peak = peak / REDUCTION
    slope_peak = 2 * b / r0_2 * radius * 1e3 * (1 + 1 / b) ** (-b - 1) / 1e6  # m-1, of the unit profile at its peak
    depth = AIR_DENSITY * (gradient_peak**2 / (radius * 1e3) + f.abs() * gradient_peak) / slope_peak  # Pa
    x = 1 + r2 / r0_2
    profile = x.pow(-b)
    # Gradient wind over r (s-1): V/r = -|f|/2 + sqrt(f^2/4 + (dp/dr)/(rho r)); finite at the centre.
    force = depth / AIR_DENSITY * 2 * b / r0_2 * 1e-6 * profile / x
    rate = (torch.sqrt(f**2 / 4 + force) - f.abs() / 2) * REDUCTION * (1 - (1 - LAND_DRAG) * land) * 1e3  # (m/s) / km
    angle = INFLOW_SEA + (INFLOW_LAND - INFLOW_SEA) * land
    turn, inflow = torch.cos(angle) * rate * torch.where(f < 0, -1.0, 1.0), torch.sin(angle) * rate

    envelope = torch.exp(-r2 / STEERING_RADIUS_KM**2) * (1 - (1 - LAND_DRAG) * land)
    presence = _map(s.presence)
    steer_u, steer_v = _map(s.east) * STEERING * presence, _map(s.north) * STEERING * presence
    u = -turn * north_km - inflow * east_km + steer_u * envelope
    v = turn * east_km - inflow * north_km + steer_v * envelope
    # The surroundings' pressure leans so that its geostrophic wind is the steering.
    lean = (
        AIR_DENSITY
        * f
        / REDUCTION
        * (steer_v * east_km - steer_u * north_km)
        * 1e3
        * torch.exp(-r2 / STEERING_RADIUS_KM**2)
    )
    msl = -depth * profile + lean
    warm = 0.05 * peak * torch.exp(-r2 / (2 * radius) ** 2) * (1 - land)
    return msl, u, v, warm


def offsets(s: Storms, latitude: Tensor, longitude: Tensor) -> tuple[Tensor, Tensor]:
    """Eastward and northward distance in km of every grid point from the centre."""
    north = (latitude[:, None, :] - s.lat[:, :, None]) * KM_PER_DEGREE  # (B, T, H)
    middle = torch.deg2rad((latitude[:, None, :] + s.lat[:, :, None]) / 2)
    dlon = (longitude[:, None, :] - s.lon[:, :, None] + 180.0) % 360.0 - 180.0  # (B, T, W)
    east = torch.cos(middle)[..., None] * dlon[:, :, None, :] * KM_PER_DEGREE
    return east, north[..., None]


def _map(value: Tensor) -> Tensor:
    return value[..., None, None]
