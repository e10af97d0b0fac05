"""Made-up weather around the storms: a climate, and evolving noise of synoptic scale and below.

The climate is a few smooth formulas in latitude, longitude and day of year: trade winds, westerlies, the subtropical
high, the Asian monsoon low, warm tropics, a diurnal cycle and the atmospheric tide. The noise is a sum of plane waves
of a streamfunction; their winds are its derivatives and their pressure is in geostrophic balance with it. Plane waves
are separable in latitude and longitude, so a batch on any grid costs a few matrix products.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from typhoon_tracker.geo.sphere import KM_PER_DEGREE, OMEGA
from typhoon_tracker.sources.vortex import AIR_DENSITY, LAND_DRAG

N_WAVES = 96


@dataclass(frozen=True)
class Spectrum:
    """Wind amplitude (m/s, one wave) by wavelength (km), calibrated band by band against ERA5's vorticity spectrum."""

    wavelengths: tuple[float, ...] = (110.0, 220.0, 440.0, 880.0, 1760.0, 4000.0)
    amplitudes: tuple[float, ...] = (0.09, 0.25, 0.47, 0.85, 1.35, 1.1)

    def amplitude(self, wavelength: Tensor) -> Tensor:
        """Interpolate the amplitude, log-linear in wavelength."""
        x = torch.log(wavelength)
        nodes = torch.log(torch.tensor(self.wavelengths, device=x.device))
        values = torch.tensor(self.amplitudes, device=x.device)
        i = (torch.searchsorted(nodes, x.contiguous()) - 1).clamp(0, len(nodes) - 2)
        w = ((x - nodes[i]) / (nodes[i + 1] - nodes[i])).clamp(0, 1)
        return values[i] * (1 - w) + values[i + 1] * w


SPECTRUM = Spectrum()


@dataclass(frozen=True)
class Waves:
    """Plane waves of a batch, each (B, K): wavenumbers (rad/km), frequency (rad/h), phases and wind amplitude (m/s)."""

    kx: Tensor
    ky: Tensor
    frequency: Tensor
    phase: Tensor
    thermal_phase: Tensor
    amplitude: Tensor


def draw_waves(batch: int, generator: torch.Generator, *, spectrum: Spectrum = SPECTRUM) -> Waves:
    """Draw waves with log-uniform wavelengths of 110 to 4000 km, advected by a random mean wind and slowly drifting."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=generator.device)

    low, high = math.log(spectrum.wavelengths[0]), math.log(spectrum.wavelengths[-1])
    wavelength = torch.exp(low + (high - low) * uniform(batch, N_WAVES))
    k = 2 * math.pi / wavelength
    heading = 2 * math.pi * uniform(batch, N_WAVES)
    kx, ky = k * torch.cos(heading), k * torch.sin(heading)
    mean_u = -18.0 + 36.0 * uniform(batch, 1)  # km/h
    mean_v = -10.0 + 20.0 * uniform(batch, 1)
    drift = (uniform(batch, N_WAVES) - 0.5) * 2 * math.pi / 24.0 * (500.0 / wavelength).clamp(max=2.0)
    return Waves(
        kx,
        ky,
        kx * mean_u + ky * mean_v + drift,
        2 * math.pi * uniform(batch, N_WAVES),
        2 * math.pi * uniform(batch, N_WAVES),
        spectrum.amplitude(wavelength),
    )


def noise(waves: Waves, hours: Tensor, latitude: Tensor, longitude: Tensor, land: Tensor) -> tuple[Tensor, ...]:
    """Return noise of MSL, u10, v10, t2m, each (B, T, H, W); hours (B, T), latitude (B, H), longitude (B, W)."""
    mid = torch.cos(torch.deg2rad(latitude.mean(1, keepdim=True)))
    x, y = longitude * KM_PER_DEGREE * mid, latitude * KM_PER_DEGREE  # (B, W), (B, H): one plane for the region
    ex = torch.polar(torch.ones((), device=x.device), waves.kx[:, :, None] * x[:, None, :])  # (B, K, W)
    ey = torch.polar(torch.ones((), device=x.device), waves.ky[:, :, None] * y[:, None, :])  # (B, K, H)
    et = torch.polar(
        waves.amplitude[:, :, None].expand(-1, -1, hours.shape[1]).contiguous(),
        waves.phase[:, :, None] - waves.frequency[:, :, None] * hours[:, None, :],
    )  # (B, K, T)
    k = torch.hypot(waves.kx, waves.ky)

    def field(weight: Tensor) -> Tensor:
        left = (et * weight[:, :, None]).transpose(1, 2)[:, :, None, :] * ey.transpose(1, 2)[:, None]  # (B, T, H, K)
        right = ex[:, None]  # (B, 1, K, W)
        return left.real @ right.real - left.imag @ right.imag  # (B, T, H, W)

    # psi = sum (amplitude / k) cos(theta): u = -dpsi/dy and v = dpsi/dx are cosines a quarter turn on.
    i = torch.tensor(1j, device=x.device)
    drag = 1 - (1 - LAND_DRAG) * land[:, None]
    u = field(-i * waves.ky / k) * drag
    v = field(i * waves.kx / k) * drag
    f = 2 * OMEGA * torch.sin(torch.deg2rad(latitude))[:, None, :, None]
    msl = AIR_DENSITY * f / 0.7 * field((1e3 / k).to(et.dtype))
    thermal = torch.polar(0.35 * torch.ones_like(k), waves.thermal_phase) * (200.0 * k / (1 + 200.0 * k)) ** -0.5
    t2m = field(thermal) * (0.6 + 1.2 * land[:, None])
    return msl, u, v, t2m


def climate(
    day_of_year: Tensor, hours: Tensor, latitude: Tensor, longitude: Tensor, land: Tensor
) -> tuple[Tensor, ...]:
    """Return MSL, u10, v10, t2m of season and hour, each (B, T, H, W); day_of_year and hours (UTC) are (B, T)."""
    summer = torch.cos(2 * math.pi * (day_of_year - 210.0) / 365.25)[:, :, None, None]  # (B, T, 1, 1)
    lat, lon = latitude[:, None, :, None], longitude[:, None, None, :]
    land = land[:, None]
    solar = (hours[:, :, None, None] + lon / 15.0) * (2 * math.pi / 24.0)  # (B, T, 1, W)
    ridge = torch.exp(-(((lat - 28.0 - 5.0 * summer) / 11.0) ** 2))
    ocean = torch.sigmoid((lon - 128.0) / 8.0)
    asia = torch.exp(-(((lat - 42.0) / 14.0) ** 2)) * torch.sigmoid((120.0 - lon) / 8.0)
    cos_lat = torch.cos(torch.deg2rad(lat))
    tide = 115.0 * torch.cos(2 * (solar - 2 * math.pi * 9.7 / 24.0)) * cos_lat**3
    msl = 100_950.0 + ridge * (450.0 + 450.0 * ocean) - asia * 900.0 * summer + tide
    drag = 1 - (1 - LAND_DRAG) * land
    u = (-4.5 * torch.exp(-(((lat - 14.0) / 9.0) ** 2)) + 3.0 * torch.sigmoid((lat - 33.0) / 3.0)) * drag * ocean
    v = (1.8 * summer * torch.exp(-(((lat - 22.0) / 12.0) ** 2))) * drag
    season = torch.sigmoid((lat - 22.0) / 8.0)
    cooling = 0.012 * (lat - 8.0).clamp(min=0) ** 2
    t2m = 301.0 - cooling * (0.75 - 0.25 * summer) + season * 5.0 * (summer - 0.6) * (1 + land)
    t2m = t2m + (0.4 + 3.6 * land) * torch.cos(solar - 2 * math.pi * 14.5 / 24.0)
    shape = torch.broadcast_shapes(msl.shape, t2m.shape)
    return msl.expand(shape), u.expand(shape), v.expand(shape), t2m.expand(shape)
