from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from typhoon_tracker.fields.derived import relative_vorticity
from typhoon_tracker.geo.sphere import EARTH_RADIUS_KM, distance

RADIUS = EARTH_RADIUS_KM * 1000.0


def grid(step, north=30.0, south=10.0, west=120.0, east=145.0):
    return np.arange(north, south - step / 2, -step), np.arange(west, east + step / 2, step)


def about_a_point(lat0, lon0, latitude, longitude, speed):
    """Winds of `speed(distance in m)` counter-clockwise along the circles about a point of the sphere."""
    lat, lon = np.meshgrid(latitude, longitude, indexing="ij")
    phi, phi0, dlam = np.radians(lat), np.radians(lat0), np.radians(lon - lon0)
    metres = np.maximum(distance(lat0, lon0, lat, lon) * 1000.0, 1e-6)
    # Components of the unit vector away from the centre, in the local east and north, turned by 90 degrees.
    away_east = np.cos(phi0) * np.sin(dlam) / np.sin(metres / RADIUS)
    away_north = (np.sin(phi) * np.cos(phi0) * np.cos(dlam) - np.cos(phi) * np.sin(phi0)) / np.sin(metres / RADIUS)
    turning = speed(metres)
    return -turning * away_north, turning * away_east, metres


@given(rate=st.floats(-1e-5, 1e-5), south=st.floats(-80, 60))
@settings(deadline=None, max_examples=30)
def test_solid_rotation_about_the_pole_has_twice_its_vertical_rate(rate, south):
    latitude, longitude = grid(0.25, north=south + 10, south=south)
    u = np.broadcast_to((rate * RADIUS * np.cos(np.radians(latitude)))[:, None], (len(latitude), len(longitude)))
    zeta = relative_vorticity(u, np.zeros_like(u), latitude, longitude)
    expected = 2 * rate * np.sin(np.radians(latitude))[:, None] * np.ones(len(longitude))
    np.testing.assert_allclose(zeta[1:-1], expected[1:-1], atol=1e-4 * abs(rate) + 1e-18)


def test_solid_rotation_about_any_point_has_twice_its_rate_there():
    latitude, longitude = grid(0.25)
    rate = 1e-4
    u, v, _ = about_a_point(20.0, 130.0, latitude, longitude, lambda r: rate * RADIUS * np.sin(r / RADIUS))
    zeta = relative_vorticity(u, v, latitude, longitude)
    lat, lon = np.meshgrid(latitude, longitude, indexing="ij")
    expected = 2 * rate * np.cos(distance(20.0, 130.0, lat, lon) / EARTH_RADIUS_KM)
    np.testing.assert_allclose(zeta[1:-1, 1:-1], expected[1:-1, 1:-1], rtol=2e-4)


def test_a_rankine_vortex_turns_inside_and_not_outside():
    latitude, longitude = grid(0.25)
    peak, radius = 30.0, 200_000.0
    u, v, metres = about_a_point(
        20.0, 130.0, latitude, longitude, lambda r: np.where(r < radius, peak * r / radius, peak * radius / r)
    )
    zeta = relative_vorticity(u, v, latitude, longitude)
    inside, outside = metres < 0.7 * radius, metres > 1.5 * radius
    np.testing.assert_allclose(zeta[inside], 2 * peak / radius, rtol=0.01)
    assert np.abs(zeta[1:-1, 1:-1][outside[1:-1, 1:-1]]).max() < 0.03 * peak / radius
    assert metres.flat[zeta.argmax()] < radius
    np.testing.assert_allclose(np.hypot(u, v).max(), peak, rtol=0.1)


def harmonic_error(step):
    """Largest error for a flow with the stream function of a spherical harmonic: zeta = -n (n + 1) psi / a^2."""
    latitude, longitude = grid(step, north=40, south=-40, west=0, east=90)
    phi, lam = np.radians(latitude)[:, None], np.radians(longitude)[None, :]
    n = 6  # psi = a U cos^6(phi) cos(6 lambda), the sectoral harmonic of degree 6
    u = 20 * n * np.cos(phi) ** (n - 1) * np.sin(phi) * np.cos(n * lam)
    v = -20 * n * np.cos(phi) ** (n - 1) * np.sin(n * lam)
    zeta = relative_vorticity(u, v, latitude, longitude)
    exact = -n * (n + 1) * 20 / RADIUS * np.cos(phi) ** n * np.cos(n * lam)
    return np.abs(zeta - exact)[1:-1, 1:-1].max() / np.abs(exact).max()


def test_vorticity_converges_with_the_square_of_the_step():
    errors = [harmonic_error(step) for step in (2.0, 1.0, 0.5)]
    assert errors[2] < 1e-3
    for coarse, fine in pairwise(errors):
        assert 3.7 < coarse / fine < 4.3


@given(lat0=st.floats(12, 28), lon0=st.floats(123, 142))
@settings(deadline=None, max_examples=20)
def test_the_mirrored_map_turns_the_other_way(lat0, lon0):
    latitude, longitude = grid(0.5)
    u, v, _ = about_a_point(lat0, lon0, latitude, longitude, lambda r: 20 * r / 2e5 * np.exp(1 - r / 2e5))
    zeta = relative_vorticity(u, v, latitude, longitude)
    south = relative_vorticity(u[::-1], -v[::-1], -latitude[::-1], longitude)  # mirrored at the equator
    np.testing.assert_allclose(south[::-1], -zeta, atol=1e-12)
    west = relative_vorticity(-u[:, ::-1], v[:, ::-1], latitude, -longitude[::-1])  # mirrored at Greenwich
    np.testing.assert_allclose(west[:, ::-1], -zeta, atol=1e-12)


def test_uniform_zonal_wind_turns_by_the_curvature_of_its_parallels():
    latitude, longitude = grid(0.25)
    u = np.full((len(latitude), len(longitude)), 10.0)
    expected = 10 * np.tan(np.radians(latitude)) / RADIUS
    zeta = relative_vorticity(u, np.zeros_like(u), latitude, longitude)
    np.testing.assert_allclose(zeta[1:-1, 0], expected[1:-1], rtol=1e-4)


def test_frames_are_independent_and_the_pole_is_finite():
    latitude, longitude = grid(0.5, north=90, south=70)
    rng = np.random.default_rng(0)
    u, v = rng.normal(0, 5, (2, 3, len(latitude), len(longitude)))
    zeta = relative_vorticity(u, v, latitude, longitude)
    assert np.isfinite(zeta).all()
    np.testing.assert_array_equal(zeta[1], relative_vorticity(u[1], v[1], latitude, longitude))
