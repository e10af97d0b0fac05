"""The parametric storm keeps the laws it is made from: balance, rotation, inflow, symmetry, superposition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from typhoon_tracker.fields.derived import relative_vorticity
from typhoon_tracker.geo.sphere import KM_PER_DEGREE, coriolis
from typhoon_tracker.sources.vortex import AIR_DENSITY, LAND_DRAG, REDUCTION, SHAPE, STEERING, Storms, add_storms

STEP = 0.1


def storm(lat=18.0, lon=135.0, *, east=0.0, north=0.0, wind=45.0, presence=1.0, size=1.0):
    values = [torch.full((1, 1, 1), float(x)) for x in (lat, lon, east, north, wind, presence)]
    return Storms(*values, torch.full((1, 1), float(size)))


def grid(lat=18.0, lon=135.0, *, half=7.0, step=STEP):
    ticks = np.arange(-round(half / step), round(half / step) + 1) * step
    return lat - ticks, lon + ticks


def draw(storms, latitude, longitude, *, land=0.0):
    """MSL, u, v and t2m anomalies (H, W) of one frame."""
    surface = torch.full((1, len(latitude), len(longitude)), land)
    lat, lon = (torch.as_tensor(a, dtype=torch.float32)[None] for a in (latitude, longitude))
    return tuple(part[0, 0].double().numpy() for part in add_storms(storms, lat, lon, surface))


def polar(latitude, longitude, u, v, lat=18.0, lon=135.0):
    """Distance (km), swirl (anticlockwise positive) and outflow of the wind around (lat, lon)."""
    north = (latitude - lat)[:, None] * KM_PER_DEGREE
    east = (longitude - lon)[None, :] * KM_PER_DEGREE * np.cos(np.radians((latitude + lat) / 2))[:, None]
    r = np.hypot(east, north)
    safe = np.maximum(r, 1e-6)
    return r, (v * east - u * north) / safe, (u * east + v * north) / safe


def paraboloid_minimum(msl, latitude, longitude):
    i, j = np.unravel_index(np.argmin(msl), msl.shape)
    offsets = []
    for before, here, after in ((msl[i - 1, j], msl[i, j], msl[i + 1, j]), (msl[i, j - 1], msl[i, j], msl[i, j + 1])):
        offsets.append(0.5 * (before - after) / (before - 2 * here + after))
    return latitude[i] + offsets[0] * (latitude[1] - latitude[0]), longitude[j] + offsets[1] * (
        longitude[1] - longitude[0]
    )


@pytest.mark.parametrize(("lat", "lon"), [(18.0, 135.0), (18.037, 134.981), (31.46, 135.013)])
def test_the_pressure_minimum_is_the_given_centre(lat, lon):
    latitude, longitude = grid(round(lat, 1), round(lon, 1), half=2.0)
    found = paraboloid_minimum(draw(storm(lat, lon), latitude, longitude)[0], latitude, longitude)
    assert np.hypot(found[0] - lat, (found[1] - lon) * np.cos(np.radians(lat))) * KM_PER_DEGREE < 0.5


@pytest.mark.parametrize("lat", [18.0, -18.0])
def test_wind_turns_cyclonically_and_inward_everywhere(lat):
    latitude, longitude = grid(lat)
    _, u, v, _ = draw(storm(lat), latitude, longitude)
    r, swirl, outflow = polar(latitude, longitude, u, v, lat)
    away = r > 5.0
    assert (np.sign(lat) * swirl[away] > 0).all()
    angle = np.degrees(np.arctan2(-outflow, np.abs(swirl)))[away]
    np.testing.assert_allclose(angle, 23.0, atol=0.1)
    assert (np.sign(lat) * relative_vorticity(u, v, latitude, longitude)[r < 50]).min() > 1e-4


@pytest.mark.parametrize("wind", [15.0, 30.0, 55.0])
def test_the_mean_wind_peaks_as_the_shape_says(wind):
    latitude, longitude = grid(half=5.0)
    _, u, v, _ = draw(storm(wind=wind), latitude, longitude)
    r, _, _ = polar(latitude, longitude, u, v)
    ring = (r / 10.0).astype(int)
    mean = np.bincount(ring.ravel(), np.hypot(u, v).ravel())[:45] / np.bincount(ring.ravel())[:45]
    w = torch.tensor(wind)
    assert mean.max() == pytest.approx(float(SHAPE.peak(w)), rel=0.06)
    assert (np.argmax(mean) + 0.5) * 10.0 == pytest.approx(float(SHAPE.radius(w)), rel=0.25)


def test_stronger_storms_are_deeper_and_tighter_and_never_beyond_the_strongest():
    winds = torch.tensor([10.0, 20.0, 35.0, 50.0, 70.0, 300.0])
    peak, radius = SHAPE.peak(winds), SHAPE.radius(winds)
    assert (peak.diff() > 0).all()
    assert (radius[:-1].diff() < 0).all()
    assert peak[-1] < SHAPE.strongest
    latitude, longitude = grid(half=1.0)
    depths = [draw(storm(wind=float(w)), latitude, longitude)[0].min() for w in winds]
    assert (np.diff(depths) < 0).all()
    assert -9000 < depths[-1] < -2000


@pytest.mark.parametrize("lat", [8.0, 25.0, -25.0])
@pytest.mark.parametrize("wind", [20.0, 50.0])
def test_pressure_and_wind_are_in_gradient_balance(lat, wind):
    """V^2 / r + |f| V = (dp/dr) / rho, V the 10 m wind over the reduction, dp/dr taken from the pressure itself."""
    latitude = np.array([lat + 0.05, lat, lat - 0.05])
    longitude = 135.0 + np.arange(0.05, 6.0, 0.05)
    msl, u, v, _ = draw(storm(lat, wind=wind), latitude, longitude)
    r = (longitude - 135.0) * KM_PER_DEGREE * 1e3 * np.cos(np.radians(lat))
    speed = np.hypot(u, v)[1] / REDUCTION
    needed = AIR_DENSITY * (speed**2 / r + abs(coriolis(lat)) * speed)
    inner = slice(4, -4)
    np.testing.assert_allclose(np.gradient(msl[1], r)[inner], needed[inner], rtol=0.02)


def test_over_land_the_wind_is_weaker_and_turns_further_in_and_pressure_is_the_same():
    latitude, longitude = grid(half=4.0, step=0.25)
    sea, land = (draw(storm(), latitude, longitude, land=share) for share in (0.0, 1.0))
    np.testing.assert_array_equal(sea[0], land[0])
    np.testing.assert_allclose(np.hypot(land[1], land[2]), LAND_DRAG * np.hypot(sea[1], sea[2]), rtol=1e-4, atol=1e-5)
    swirl, outflow = (part[20, 20] for part in polar(latitude, longitude, land[1], land[2])[1:])
    assert np.degrees(np.arctan2(-outflow, swirl)) == pytest.approx(33.0, abs=0.5)
    assert sea[3].max() > 0.5
    assert not land[3].any()  # a warm core shows over the sea only


def test_presence_fades_a_storm_to_nothing():
    latitude, longitude = grid(half=3.0, step=0.5)
    depth = [draw(storm(presence=p, east=5.0), latitude, longitude)[0].min() for p in (1.0, 0.6, 0.2)]
    assert depth[0] < depth[1] < depth[2] < 0
    for part in draw(storm(presence=0.0, east=5.0, north=3.0), latitude, longitude):
        assert not part.any()


@pytest.mark.parametrize(("east", "north"), [(6.0, 0.0), (0.0, 7.0), (-5.0, 4.0)])
@pytest.mark.parametrize("lat", [20.0, -20.0])
def test_the_strongest_wind_is_right_of_the_motion_and_left_in_the_south(lat, east, north):
    latitude, longitude = grid(lat, half=4.0)
    _, u, v, _ = draw(storm(lat, east=east, north=north), latitude, longitude)
    i, j = np.unravel_index(np.argmax(np.hypot(u, v)), u.shape)
    right = (longitude[j] - 135.0) * np.cos(np.radians(lat)) * north - (latitude[i] - lat) * east
    assert np.sign(right) == np.sign(lat)


def test_mirrored_in_the_equator():
    """The mirror image of a storm and its motion has the mirrored pressure and wind."""
    latitude, longitude = grid(22.0, half=5.0, step=0.25)
    north = draw(storm(22.0, east=-4.0, north=3.0), latitude, longitude)
    south = draw(storm(-22.0, east=-4.0, north=-3.0), -latitude, longitude)
    for a, b, sign in zip(north, south, (1, 1, -1, 1), strict=True):
        np.testing.assert_allclose(a, sign * b, rtol=1e-4, atol=1e-4)


def test_opposite_motion_has_the_opposite_asymmetry():
    latitude, longitude = grid(half=5.0, step=0.25)
    still, there, back = (draw(storm(east=s * 6.0, north=s * 2.0), latitude, longitude) for s in (0, 1, -1))
    for centre, a, b in zip(still, there, back, strict=True):
        np.testing.assert_allclose(a - centre, centre - b, atol=2e-3)
    centre = len(latitude) // 2
    assert there[1][centre, centre] == pytest.approx(6.0 * STEERING, abs=0.01)
    assert there[2][centre, centre] == pytest.approx(2.0 * STEERING, abs=0.01)


def test_the_surroundings_pressure_is_geostrophic_with_the_steering():
    latitude, longitude = grid(half=1.0)
    moving, still = (draw(storm(east=e, north=n), latitude, longitude)[0] for e, n in ((6.0, 4.0), (0.0, 0.0)))
    lean, c = moving - still, len(latitude) // 2
    metres = 2 * STEP * KM_PER_DEGREE * 1e3
    east = (lean[c, c + 1] - lean[c, c - 1]) / (metres * np.cos(np.radians(18.0)))
    north = (lean[c - 1, c] - lean[c + 1, c]) / metres
    scale = AIR_DENSITY * coriolis(18.0) / REDUCTION
    assert -north / scale == pytest.approx(6.0 * STEERING, rel=0.03)
    assert east / scale == pytest.approx(4.0 * STEERING, rel=0.03)


@pytest.mark.parametrize("shift", [45.0, 225.0, -360.0])
def test_the_same_storm_elsewhere_on_its_parallel_is_the_same(shift):
    """Also across the date line and Greenwich, and with the grid and the centre a whole turn apart."""
    latitude, longitude = grid(half=3.0, step=0.25)
    here = draw(storm(east=4.0), latitude, longitude)
    there = draw(storm(lon=135.0 + shift % 360, east=4.0), latitude, longitude + shift)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_allclose(a, b, atol=0.005 * max(1.0, np.abs(a).max() / 10))


def test_storms_add_and_an_absent_one_adds_nothing():
    latitude, longitude = grid(half=6.0, step=0.5)
    one, two, gone = storm(16.0, 133.0, east=5.0), storm(20.0, 138.0, wind=30.0), storm(17.0, presence=0.0)
    names = Storms.__dataclass_fields__

    def together(*storms):
        return Storms(*(torch.cat([getattr(s, name) for s in storms], dim=1) for name in names))

    separate = [draw(s, latitude, longitude) for s in (one, two)]
    for sum_, a, b in zip(draw(together(one, two), latitude, longitude), *separate, strict=True):
        np.testing.assert_allclose(sum_, a + b, rtol=1e-5, atol=1e-3)
    for padded, alone in zip(draw(together(one, gone), latitude, longitude), separate[0], strict=True):
        np.testing.assert_array_equal(padded, alone)


def test_size_stretches_the_storm():
    latitude, longitude = grid(half=6.0)
    inner = draw(storm(), latitude, longitude)
    wide = draw(storm(size=1.5), latitude, longitude)
    r = polar(latitude, longitude, *inner[1:3])[0]
    peak = [r.flat[np.argmax(np.hypot(*part[1:3]))] for part in (inner, wide)]
    assert peak[1] / peak[0] == pytest.approx(1.5, rel=0.15)
