"""The 500 hPa height of the reconstruction."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from typhoon_tracker.geo.sphere import KM_PER_DEGREE, OMEGA
from typhoon_tracker.sources import aloft
from typhoon_tracker.sources.aloft import GRAVITY, height_climate, height_of_storms
from typhoon_tracker.sources.vortex import REDUCTION, SHAPE, Storms

LAT = 20.0
F = 2 * OMEGA * np.sin(np.radians(LAT))


def one(wind: float, *, east: float = 0.0, north: float = 0.0) -> Storms:
    values = (LAT, 130.0, east, north, wind, 1.0)
    lat, lon, eastward, northward, speed, presence = (torch.full((1, 1, 1), v, dtype=torch.float64) for v in values)
    return Storms(lat, lon, eastward, northward, speed, presence, torch.ones(1, 1, dtype=torch.float64))


def along_longitude(storms: Storms, degrees: np.ndarray) -> np.ndarray:
    """Heights on the storm's latitude, at degrees east of it."""
    longitude = torch.as_tensor(130.0 + degrees)[None]
    return height_of_storms(storms, torch.tensor([[LAT]], dtype=torch.float64), longitude)[0, 0, 0].numpy()


def test_the_vortex_is_in_gradient_balance_with_the_wind_it_is_made_for():
    degrees = np.linspace(0.05, 6.0, 600)
    r = degrees * KM_PER_DEGREE * np.cos(np.radians(LAT)) * 1e3
    slope = np.gradient(along_longitude(one(50.0), degrees), r)
    wind = np.sqrt((F * r / 2) ** 2 + GRAVITY * r * slope) - F * r / 2
    wanted = aloft.ALOFT * float(SHAPE.peak(torch.tensor(50.0))) / REDUCTION
    assert wind.max() == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize(("wind", "low", "high"), [(13.0, 15.0, 40.0), (28.0, 60.0, 110.0), (45.0, 130.0, 190.0)])
def test_lows_are_as_deep_as_era5_has_them(wind, low, high):
    """ERA5's mean storms of 2016 have 29 m as depressions, 80 m as severe tropical storms, 162 m as severe typhoons."""
    near, far = along_longitude(one(wind), np.array([0.1, 8.8]))
    assert low < far - near < high


def test_the_height_slopes_so_that_its_geostrophic_wind_is_the_motion():
    moving, still = (along_longitude(one(30.0, north=v), np.array([-0.5, 0.5])) for v in (5.0, 0.0))
    slope = np.diff(moving - still)[0] / (KM_PER_DEGREE * 1e3 * np.cos(np.radians(LAT)))
    assert GRAVITY / F * slope == pytest.approx(5.0, rel=0.02)


def test_the_climate_has_westerlies_beyond_a_ridge_and_a_tide_twice_a_day():
    day, latitude = torch.tensor([[230.0]]), torch.tensor([[45.0, 35.0, 25.0, 10.0]])
    heights = [
        height_climate(day, torch.tensor([[float(hour)]]), latitude, torch.tensor([[130.0]]))[0, 0, :, 0]
        for hour in (0, 6, 12)
    ]
    assert (torch.diff(torch.stack(heights).mean(0)) > 0)[:2].all()
    torch.testing.assert_close(heights[0], heights[2])
    assert (heights[0] - heights[1]).abs()[3] > 5.0
