"""Fields computed from fields."""

from __future__ import annotations

import numpy as np

from typhoon_tracker.geo.sphere import EARTH_RADIUS_KM


def relative_vorticity(u: np.ndarray, v: np.ndarray, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Return relative vorticity in s-1 on the sphere by centred differences.

    zeta = (dv/dlambda - d(u cos phi)/dphi) / (a cos phi)

    u, v: (..., latitude, longitude) in m s-1; latitude and longitude in degrees, evenly spaced. Same shape out.
    """
    phi = np.radians(latitude)
    cos_phi = np.cos(phi)[:, None]
    # At a pole the limit is not defined by this formula; the guard keeps it finite.
    cos_phi = np.maximum(cos_phi, 1e-6)
    dv_dlam = np.gradient(v, np.radians(longitude), axis=-1)
    ducos_dphi = np.gradient(u * cos_phi, phi, axis=-2)
    return (dv_dlam - ducos_dphi) / (EARTH_RADIUS_KM * 1000.0 * cos_phi)
