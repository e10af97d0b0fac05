"""The shipped coast: known places, its extent and its size."""

from __future__ import annotations

import numpy as np
import pytest

from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.geo.land import COAST_FILE, DOMAIN, coastline, land_mask

ON_LAND = {
    "Taipei": (25.03, 121.50),
    "Luzon": (16.0, 121.0),
    "Kyushu": (32.7, 131.0),
    "Guam": (13.44, 144.78),
    "Okinawa": (26.5, 127.95),
    "Ishigaki": (24.45, 124.2),
    "Provideniya, past 180": (64.6, 187.0),
}
AT_SEA = {
    "Philippine Sea": (20.0, 135.0),
    "Taiwan Strait": (24.3, 119.6),
    "Luzon Strait": (20.0, 121.2),
    "Korea Strait": (34.0, 128.5),
    "Bering Sea": (58.0, 181.0),
}


@pytest.mark.parametrize("place", ON_LAND)
def test_land_is_land(place: str) -> None:
    lat, lon = ON_LAND[place]
    assert land_mask([lat], [lon]).all()


@pytest.mark.parametrize("place", AT_SEA)
def test_sea_is_sea(place: str) -> None:
    lat, lon = AT_SEA[place]
    assert not land_mask([lat], [lon]).any()


def test_the_coast_is_valid_fills_its_domain_and_stays_small() -> None:
    coast = coastline()
    assert coast.is_valid
    assert coast.bounds == (DOMAIN.west, DOMAIN.south, DOMAIN.east, DOMAIN.north)
    assert COAST_FILE.stat().st_size < 100_000


def test_mask_has_the_grid_s_shape_and_orientation() -> None:
    mask = land_mask(PAPER_REGION.latitude, PAPER_REGION.longitude)
    assert mask.shape == PAPER_REGION.shape
    assert mask.dtype == bool
    assert mask[0, 0]  # 44N 110E, Inner Mongolia
    assert not mask[-1, -1]  # 12.25N 141.75E, the open Pacific
    np.testing.assert_array_equal(land_mask(PAPER_REGION.latitude[::-1], PAPER_REGION.longitude), mask[::-1])


def test_a_turn_of_longitude_changes_nothing_and_outside_is_sea() -> None:
    region = Region(66.0, 60.0, 170.0, 195.0)
    mask = land_mask(region.latitude, region.longitude)
    np.testing.assert_array_equal(land_mask(region.latitude, region.longitude - 360), mask)
    assert not mask[region.latitude > DOMAIN.north].any()
    assert not mask[:, region.longitude > DOMAIN.east].any()
    assert mask.any()
