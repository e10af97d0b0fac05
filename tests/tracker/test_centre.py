"""The sub-grid centre, on vortices whose centre is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.tracker.centre import consensus, estimates
from typhoon_tracker.tracker.follow import follow
from typhoon_tracker.tracker.frame import frames
from typhoon_tracker.tracker.settings import Settings

TIME = pd.Timestamp("2023-05-25")


def errors(profile: str, radius: float, *, noise: float = 0.0, blur: float = 0.0, cases: int = 12) -> np.ndarray:
    """Distances in km of the fixes of vortices scattered over the region, in gradients and flows of all directions."""
    rng = np.random.default_rng(7)
    away = []
    for _ in range(cases):
        speed, course = rng.uniform(0, 10), rng.uniform(0, 2 * np.pi)
        vortex = Vortex(rng.uniform(2000, 5000), radius, profile, speed * np.sin(course), speed * np.cos(course))
        truth = straight([TIME], rng.uniform(18, 37), rng.uniform(116, 136), vortex)
        data = fields([(vortex, truth)], [TIME], gradient=tuple(rng.normal(0, 0.2, 2)), flow=tuple(rng.normal(0, 4, 2)))
        for name, share in (("msl", 1.0), ("u10", 0.01), ("v10", 0.01)):
            values = data[name].values + rng.normal(0, noise * share, data[name].shape)
            data[name] = data[name].copy(data=gaussian_filter(values, (0, blur / 0.25, blur / 0.25)).astype(np.float32))
        guess = truth.assign(lat=truth.lat + 0.6, lon=truth.lon - 0.5)
        fixes = follow(data, guess)
        assert len(fixes) == 1
        away.append(float(distance(fixes.lat, fixes.lon, truth.lat, truth.lon)[0]))
    return np.array(away)


@pytest.mark.parametrize(("profile", "radius"), [("holland", 100.0), ("fujita", 80.0), ("fujita", 150.0)])
def test_centre_is_well_below_the_grid_spacing_on_clean_fields(profile, radius):
    away = errors(profile, radius)
    assert away.mean() < 3.0
    assert away.max() < 8.0


@pytest.mark.parametrize("profile", ["holland", "fujita"])
def test_noise_of_one_hectopascal_costs_few_km(profile):
    assert errors(profile, 100.0, noise=100.0).mean() < 4.0


@pytest.mark.parametrize("profile", ["holland", "fujita"])
def test_fields_blurred_by_five_grid_points_keep_their_centre(profile):
    assert errors(profile, 100.0, blur=1.25).mean() < 6.0


def test_a_gradient_moves_the_minimum_of_pressure_but_not_the_fix():
    vortex = Vortex(2500.0, 200.0, "fujita", 0.0, 0.0)
    truth = straight([TIME], 25.0, 126.0, vortex)
    data = fields([(vortex, truth)], [TIME], gradient=(0.9, 0.0), flow=(0.0, 0.0))
    lowest = data.msl[0].where(data.msl[0] == data.msl[0].min(), drop=True)
    by_grid = distance(float(lowest.latitude[0]), float(lowest.longitude[0]), 25.0, 126.0)
    fixes = follow(data, truth)
    assert by_grid > 20.0
    assert distance(fixes.lat[0], fixes.lon[0], 25.0, 126.0) < 2.0


def test_every_centre_is_right_and_their_scatter_is_the_error_bar():
    vortex = Vortex(3000.0, 100.0, "holland", 0.0, 0.0)
    truth = straight([TIME], 25.1, 126.07, vortex)
    frame = next(frames(fields([(vortex, truth)], [TIME])))
    found = estimates(frame, 25.25, 126.25, Settings())
    assert [one.method for one in found] == ["mass", "vorticity", "circulation"]
    for one in found:
        assert distance(one.lat, one.lon, 25.1, 126.07) < 3.0
    lat, lon, (error, major, minor, _) = consensus(found)
    assert distance(lat, lon, 25.1, 126.07) < 2.0
    assert minor <= major <= error <= max(distance(lat, lon, one.lat, one.lon) for one in found)
    fixes = follow(fields([(vortex, truth)], [TIME]), truth)
    assert fixes.fix_error[0] == pytest.approx(error, abs=0.2)


def test_strength_is_that_of_the_vortex():
    vortex = Vortex(3000.0, 150.0, "fujita", 0.0, 0.0)
    truth = straight([TIME], 25.1, 126.1, vortex)
    data = fields([(vortex, truth)], [TIME], gradient=(0.0, 0.0), flow=(0.0, 0.0))
    fix = follow(data, truth).iloc[0]
    assert fix.msl == pytest.approx(98_000.0, abs=60.0)
    assert fix.wind == pytest.approx(float(np.hypot(data.u10, data.v10).max()), rel=1e-6)
    assert fix.vorticity > 1e-4
    assert PAPER_REGION.contains(fix.lat, fix.lon)


def test_between_grid_points_too_far_apart_the_vorticity_is_unknown():
    vortex = Vortex(4000.0, 400.0, "fujita", 0.0, 0.0)
    truth = straight([TIME], 27.25, 127.25, vortex)
    data = fields([(vortex, truth)], [TIME], region=Region(51.0, 1.0, 101.0, 151.0, step=2.5))
    fixes = follow(data, truth)
    assert len(fixes) == 1
    assert fixes["vorticity"].isna().all()
