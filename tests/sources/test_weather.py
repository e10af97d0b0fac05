"""The made-up weather obeys its own physics: non-divergent, geostrophic, continuous, of the amplitude it claims."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from typhoon_tracker.fields.contract import VARIABLES
from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.geo.sphere import KM_PER_DEGREE, coriolis
from typhoon_tracker.sources.vortex import AIR_DENSITY, LAND_DRAG
from typhoon_tracker.sources.weather import N_WAVES, SPECTRUM, climate, draw_waves, noise


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def sea(latitude, longitude, batch=1):
    return torch.zeros(batch, len(latitude), len(longitude))


def weather(waves, hours, latitude, longitude, *, land=0.0):
    """Noise as float64 arrays (T, H, W) for one sample."""
    lat, lon = (torch.as_tensor(a, dtype=torch.float32)[None] for a in (latitude, longitude))
    parts = noise(waves, torch.tensor([hours]).float(), lat, lon, sea(latitude, longitude) + land)
    return [p[0].double().numpy() for p in parts]


def by_month(lat, lon, land=0.0, hours=range(24), days=range(15, 366, 30)):
    """Climate (month, hour) at one place."""
    days_, hours_ = torch.tensor(list(days)).float(), torch.tensor(list(hours)).float()
    day, hour = (a.reshape(1, -1) for a in torch.meshgrid(days_, hours_, indexing="ij"))
    place = torch.tensor([[lat, lat - 0.25]]), torch.tensor([[lon, lon + 0.25]])
    parts = climate(day, hour, *place, torch.full((1, 2, 2), land))
    return [p[0, :, 0, 0].double().numpy().reshape(len(days_), len(hours_)) for p in parts]


@pytest.fixture(scope="module")
def patch():
    """Three hours of noise on a fine grid at sea: fine enough for derivatives."""
    latitude, longitude = 20.0 - 0.02 * np.arange(80), 0.02 * np.arange(80)
    return latitude, longitude, weather(draw_waves(1, generator(3)), [0.0, 40.0, 80.0], latitude, longitude)


def derivatives(values, latitude, longitude):
    """d/dx and d/dy per metre in the plane of the region's middle latitude."""
    metres = KM_PER_DEGREE * 1e3
    x = longitude * metres * np.cos(np.radians(latitude.mean()))
    return np.gradient(values, x, axis=-1)[:, 2:-2, 2:-2], np.gradient(values, latitude * metres, axis=-2)[
        :, 2:-2, 2:-2
    ]


def rms(values):
    return float(np.sqrt(np.mean(values**2)))


def test_wind_over_the_sea_is_non_divergent_but_turns(patch):
    latitude, longitude, (_, u, v, _) = patch
    (ux, uy), (vx, vy) = derivatives(u, latitude, longitude), derivatives(v, latitude, longitude)
    assert rms(vx - uy) > 3e-6
    assert rms(ux + vy) < 0.01 * rms(vx - uy)


def test_pressure_is_in_geostrophic_balance_with_the_wind(patch):
    """v = 0.7 (dp/dx) / (rho f): 0.7 is the 10 m wind over the geostrophic one."""
    latitude, longitude, (msl, _, v, _) = patch
    f = coriolis(latitude)[None, 2:-2, None]
    geostrophic = derivatives(msl, latitude, longitude)[0] / (AIR_DENSITY * f)
    assert rms(0.7 * geostrophic - v[:, 2:-2, 2:-2]) < 0.02 * rms(v)


def test_means_vanish_over_draws_and_variances_follow_the_spectrum():
    """E u^2 = N E A^2 / 4: a random phase and a random heading give a half each."""
    n = 600
    lat, lon = torch.tensor([[20.0, 19.75]]).expand(n, 2), torch.tensor([[130.0, 130.25]]).expand(n, 2)
    parts = noise(draw_waves(n, generator()), torch.zeros(n, 1), lat, lon, torch.zeros(n, 2, 2))
    log = np.linspace(np.log(SPECTRUM.wavelengths[0]), np.log(SPECTRUM.wavelengths[-1]), 2000)
    expected = N_WAVES * np.mean(np.interp(log, np.log(SPECTRUM.wavelengths), SPECTRUM.amplitudes) ** 2) / 4
    for name, part in zip(VARIABLES, parts, strict=True):
        sample = part[:, 0, 0, 0].double().numpy()
        assert abs(sample.mean()) < 4 * sample.std() / np.sqrt(n), name
    for part in parts[1:3]:
        assert float((part[:, 0, 0, 0] ** 2).mean()) == pytest.approx(expected, rel=0.2)
    assert 50 < parts[0].std() < 800
    assert 0.3 < parts[3].std() < 3


@pytest.mark.parametrize(("wavelength", "amplitude"), list(zip(SPECTRUM.wavelengths, SPECTRUM.amplitudes, strict=True)))
def test_the_spectrum_passes_through_its_nodes(wavelength, amplitude):
    assert float(SPECTRUM.amplitude(torch.tensor(wavelength))) == pytest.approx(amplitude, rel=1e-4)


def test_waves_keep_within_the_spectrum():
    waves = draw_waves(50, generator(1))
    wavelength = 2 * np.pi / torch.hypot(waves.kx, waves.ky)
    assert wavelength.min() > 0.999 * SPECTRUM.wavelengths[0]
    assert wavelength.max() < 1.001 * SPECTRUM.wavelengths[-1]
    quarters = torch.bincount((torch.atan2(waves.ky, waves.kx) / (np.pi / 2)).floor().long().flatten() + 2)
    np.testing.assert_allclose(quarters / quarters.sum(), 0.25, atol=0.03)  # no heading is preferred


def test_noise_evolves_without_jumps_and_forgets():
    latitude, longitude = PAPER_REGION.latitude[::8], PAPER_REGION.longitude[::8]
    hours = [0.0, 0.001, 1.0, 6.0, 240.0]
    for name, part in zip(VARIABLES, weather(draw_waves(1, generator(5)), hours, latitude, longitude), strict=True):
        change = [rms(part[k] - part[0]) / part[0].std() for k in range(len(hours))]
        assert change[1] < 0.01, name
        assert change[1] < change[2] < change[3], name
        assert change[2] < 0.5, name
        assert change[4] > 0.5, name


def test_land_slows_the_noise_and_leaves_its_pressure():
    latitude, longitude = 30.0 - np.arange(10.0), 110.0 + np.arange(10.0)
    waves = draw_waves(1, generator(2))
    over_sea, over_land = (weather(waves, [5.0], latitude, longitude, land=share) for share in (0.0, 1.0))
    np.testing.assert_array_equal(over_sea[0], over_land[0])
    for k in (1, 2):
        np.testing.assert_allclose(over_land[k], LAND_DRAG * over_sea[k], rtol=1e-5)
    assert over_land[3].std() > 1.5 * over_sea[3].std()


def test_the_same_seed_draws_the_same_waves():
    first, again, other = (draw_waves(2, generator(seed)) for seed in (7, 7, 8))
    for name in first.__dataclass_fields__:
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))
    assert not torch.equal(first.phase[0], first.phase[1])


@pytest.mark.parametrize("land", [0.0, 1.0])
def test_climate_and_noise_keep_the_contract_in_every_month(land):
    axes = PAPER_REGION.latitude[::8], PAPER_REGION.longitude[::8]
    lat, lon = (torch.as_tensor(a.copy(), dtype=torch.float32)[None] for a in axes)
    day, hour = torch.meshgrid(torch.arange(15.0, 366.0, 30.0), torch.arange(0.0, 24.0, 3.0), indexing="ij")
    share = torch.full((1, lat.shape[1], lon.shape[1]), land)
    parts = climate(day.reshape(1, -1), hour.reshape(1, -1), lat, lon, share)
    stormless = noise(draw_waves(1, generator()), 24.0 * day.reshape(1, -1), lat, lon, share)
    usual = {"msl": (99_000, 103_500), "u10": (-15, 15), "v10": (-10, 10), "t2m": (260, 315)}
    for (name, variable), mean, wobble in zip(VARIABLES.items(), parts, stormless, strict=True):
        assert torch.isfinite(mean).all()
        assert usual[name][0] < float(mean.min()) <= float(mean.max()) < usual[name][1], name
        assert variable.lowest < float((mean + wobble).min()) <= float((mean + wobble).max()) < variable.highest, name


def test_afternoons_are_warm_and_more_so_on_land():
    at_sea, on_land = (by_month(30.0, 120.0, land)[3][6] for land in (0.0, 1.0))
    assert np.ptp(at_sea) < 2.0
    assert np.ptp(on_land) > 4 * np.ptp(at_sea)
    local = (np.argmax(on_land) + 120.0 / 15.0) % 24
    assert 13 <= local <= 16


def test_the_tide_has_two_crests_a_day_and_dies_towards_the_pole():
    tropics, north = (by_month(lat, 135.0)[0][6] for lat in (5.0, 45.0))
    power = np.abs(np.fft.rfft(tropics - tropics.mean()))
    assert np.argmax(power) == 2
    assert power[2] > 20 * np.delete(power, 2).max()
    assert 150 < np.ptp(tropics) < 260
    assert np.ptp(north) < 0.5 * np.ptp(tropics)
    assert (np.argmax(tropics) + 135.0 / 15.0) % 12 == pytest.approx(9.7, abs=1.0)


def test_seasons_are_those_of_east_asia():
    january, july = 0, 6
    china, ocean = by_month(38.0, 112.0, land=1.0), by_month(15.0, 140.0)
    assert china[3][july].mean() > china[3][january].mean() + 8
    assert china[0][january].mean() > china[0][july].mean() + 500  # Siberian high, monsoon low
    assert np.abs(ocean[3].mean(1) - 300.0).max() < 3.0
    assert ocean[1].max() < -2.0  # trades
    assert ocean[2][july].mean() > 0.5 > ocean[2][january].mean()
    ridge = [by_month(lat, 140.0)[0][july].mean() for lat in (15.0, 32.0, 50.0)]
    assert ridge[1] > max(ridge[0], ridge[2]) + 200  # the subtropical high
