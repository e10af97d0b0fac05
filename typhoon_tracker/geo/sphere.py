"""Distances, bearings and track-relative errors on a sphere of 6371 km.

All functions take degrees, broadcast like numpy, and return kilometres or degrees.
The sphere is the default of the field's verification; against the WGS84 ellipsoid it is
0.56 km longer per 500 km on average (`distance(..., ellipsoid=True)` asks pyproj for the latter).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_KM = 6371.0
KM_PER_DEGREE = np.pi / 180.0 * EARTH_RADIUS_KM
OMEGA = 7.292e-5  # Earth's rotation, rad s-1

Floats = NDArray[np.float64]


def distance(lat1: ArrayLike, lon1: ArrayLike, lat2: ArrayLike, lon2: ArrayLike, *, ellipsoid: bool = False) -> Floats:
    """Return the great-circle distance in km (haversine), or the WGS84 geodesic with `ellipsoid=True`."""
    if ellipsoid:
        from pyproj import Geod

        la1, lo1, la2, lo2 = np.broadcast_arrays(*(np.asarray(a, float) for a in (lat1, lon1, lat2, lon2)))
        metres = Geod(ellps="WGS84").inv(lo1, la1, lo2, la2)[2]
        return np.asarray(metres, float) / 1000.0
    phi1, phi2 = np.radians(lat1), np.radians(lat2)
    half_dphi = (phi2 - phi1) / 2
    half_dlam = np.radians(np.asarray(lon2, float) - np.asarray(lon1, float)) / 2
    h = np.sin(half_dphi) ** 2 + np.cos(phi1) * np.cos(phi2) * np.sin(half_dlam) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0)))


def bearing(lat1: ArrayLike, lon1: ArrayLike, lat2: ArrayLike, lon2: ArrayLike) -> Floats:
    """Return the initial great-circle bearing from point 1 to point 2, degrees clockwise from north in [0, 360)."""
    phi1, phi2 = np.radians(lat1), np.radians(lat2)
    dlam = np.radians(np.asarray(lon2, float) - np.asarray(lon1, float))
    y = np.sin(dlam) * np.cos(phi2)
    x = np.cos(phi1) * np.sin(phi2) - np.sin(phi1) * np.cos(phi2) * np.cos(dlam)
    return np.degrees(np.arctan2(y, x)) % 360.0


def destination(
    lat: ArrayLike, lon: ArrayLike, bearing_deg: ArrayLike, distance_km: ArrayLike
) -> tuple[Floats, Floats]:
    """Return the point reached from (lat, lon) along a great circle; longitude in [-180, 180)."""
    phi, lam, theta = np.radians(lat), np.radians(lon), np.radians(bearing_deg)
    delta = np.asarray(distance_km, float) / EARTH_RADIUS_KM
    sin_phi2 = np.sin(phi) * np.cos(delta) + np.cos(phi) * np.sin(delta) * np.cos(theta)
    phi2 = np.arcsin(np.clip(sin_phi2, -1.0, 1.0))
    lam2 = lam + np.arctan2(np.sin(theta) * np.sin(delta) * np.cos(phi), np.cos(delta) - np.sin(phi) * sin_phi2)
    return np.degrees(phi2), wrap(np.degrees(lam2), -180.0)


def extrapolate(
    lat0: ArrayLike, lon0: ArrayLike, lat1: ArrayLike, lon1: ArrayLike, fraction: ArrayLike
) -> tuple[Floats, Floats]:
    """Return the point `fraction` of the step 0 -> 1 beyond point 1 on the same great circle: persistent motion."""
    step = distance(lat0, lon0, lat1, lon1)
    onward = (bearing(lat1, lon1, lat0, lon0) + 180.0) % 360.0
    return destination(lat1, lon1, onward, step * np.asarray(fraction, float))


def along_cross_track(
    lat_prev: ArrayLike,
    lon_prev: ArrayLike,
    lat_true: ArrayLike,
    lon_true: ArrayLike,
    lat_fc: ArrayLike,
    lon_fc: ArrayLike,
) -> tuple[Floats, Floats]:
    """Split the error of a forecast fix into along-track (ahead positive) and cross-track (right positive) km.

    The direction of motion is that of the best track arriving at the verifying fix (n-1 -> n), as in MET.
    NaN where the storm did not move.
    """
    moved = distance(lat_prev, lon_prev, lat_true, lon_true)
    heading = (bearing(lat_true, lon_true, lat_prev, lon_prev) + 180.0) % 360.0
    error = distance(lat_true, lon_true, lat_fc, lon_fc)
    angle = np.radians(bearing(lat_true, lon_true, lat_fc, lon_fc) - heading)
    still = np.where(moved > 0, 1.0, np.nan)
    return error * np.cos(angle) * still, error * np.sin(angle) * still


def wrap(lon: ArrayLike, west: float = 0.0) -> Floats:
    """Return longitudes shifted by whole turns into [west, west + 360)."""
    turned = (np.asarray(lon, float) - west) % 360.0
    # A tiny negative angle rounds up to a whole turn.
    return np.where(turned >= 360.0, 0.0, turned) + west


def coriolis(lat: ArrayLike) -> Floats:
    """Return the Coriolis parameter 2 Omega sin(lat) in s-1."""
    return 2 * OMEGA * np.sin(np.radians(lat))
