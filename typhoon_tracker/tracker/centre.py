"""The centre of a storm below the grid spacing: the consensus of its pressure, its vorticity and its circulation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from typhoon_tracker.tracker.compiled import environment, rotation, strength, surface
from typhoon_tracker.tracker.compiled.sphere import DEGREE, RADIUS, separation
from typhoon_tracker.tracker.frame import Frame
from typhoon_tracker.tracker.settings import Settings

REACH = 720.0  # km about a candidate that the fits may look at
TURNING = 1.5  # of the scale of the other fits is that of the circulation, which is broader
BY_CHANCE = 4.5  # standard deviations of the correlation of white noise with a rotation
CORE = 150.0  # km; the warm core shows within it
THERMAL_LENGTH = 500.0  # km over which the thermal contrast is taken
PA_PER_METRE = 11.8  # of air at the ground


@dataclass(frozen=True)
class Fix:
    """A storm's centre, its strength in the fields (SI), and how far off it may be; NaN where unknown.

    fix_error: km, the standard error of the centre from the scatter of its estimates; error_major, error_minor (km) and
    error_bearing (degrees from north of the major axis) are the ellipse it comes from. tropical: False for a low in a
    thermal contrast or with a cold core.
    """

    lat: float
    lon: float
    msl: float
    wind: float
    vorticity: float
    fix_error: float
    error_major: float = math.nan
    error_minor: float = math.nan
    error_bearing: float = math.nan
    tropical: bool = True


@dataclass(frozen=True)
class Estimate:
    """One method's centre."""

    method: str
    lat: float
    lon: float
    weight: float


def locate(
    frame: Frame, lat: float, lon: float, settings: Settings, *, mass: str = "msl", low: bool = True
) -> Fix | None:
    """Return the storm's fix near (lat, lon), or None where nothing there has one centre.

    The centre is the weighted mean of the estimates of `estimates`. `low` says that the candidate is a closed low,
    whose centre of mass must then be there. None, too, where the maximum wind is below `settings.min_wind`.
    """
    if frame.wraps:
        part = frame.around(lat, lon, REACH)
        if part is None:
            return None
        frame = part
    found = estimates(frame, lat, lon, settings, mass=mass)
    if not found or (low and mass != "vorticity" and found[0].method != "mass"):
        return None
    fix_lat, fix_lon, ellipse = consensus(found)
    axes = frame.axes
    if not frame.inside(fix_lat, fix_lon, 0.0):
        return None
    lowest = wind = vorticity = math.nan
    scale = fit_scale(frame, settings)
    if mass == "msl" and frame.mass is not None:
        lowest = surface.level(frame.mass, axes, fix_lat, fix_lon, scale)
    if frame.u10 is not None and frame.v10 is not None:
        wind = strength.fastest(frame.u10, frame.v10, axes, fix_lat, fix_lon, settings.wind_radius)
        if wind < settings.min_wind:
            return None
        raw, part_axes = rotation.vorticity_about(frame.u10, frame.v10, axes, fix_lat, fix_lon, settings.max_separation)
        vorticity = math.copysign(
            strength.strongest(raw, part_axes, fix_lat, fix_lon, settings.max_separation), fix_lat
        )
    tropical = _tropical(frame, fix_lat, fix_lon, settings, mass)
    return Fix(fix_lat, fix_lon, lowest, wind, vorticity, *ellipse, tropical)


def estimates(frame: Frame, lat: float, lon: float, settings: Settings, *, mass: str = "msl") -> list[Estimate]:
    """Return the centres by every method that works about (lat, lon) and agrees, the one of mass first; maybe none.

    mass: vertex of a paraboloid on the mass field less the gradient of its environment; vorticity: centroid of smoothed
    cyclonic vorticity; circulation: the point about which the wind turns most. All are iterated about their own last
    position, so the sampling by the grid leaves no bias towards its points. A wind that does not turn about one point,
    or a mass field that is no bowl, is no storm and gives no estimate at all.
    """
    axes, scale, far = frame.axes, fit_scale(frame, settings), settings.max_separation
    found = []
    if mass != "vorticity" and frame.mass is not None:
        y, x, share, good = surface.vertex(frame.mass, axes, lat, lon, scale)
        if good and separation(lat, lon, y, x) <= far:
            if share < settings.min_fit:
                return []
            found.append(Estimate("mass", y, x, settings.mass_weight))
    if frame.u10 is not None and frame.v10 is not None:
        rest = (1.0 - settings.mass_weight if found else 1.0) / 2
        at = (found[0].lat, found[0].lon) if found else (lat, lon)
        raw, part = rotation.vorticity_about(frame.u10, frame.v10, axes, lat, lon, far + 2.5 * scale)
        cyclonic = rotation.blurred(raw, part, lat, settings.smoothing)
        y, x, good = rotation.centroid(cyclonic, part, lat, lon, scale)
        winds = [Estimate("vorticity", y, x, rest)] if good and separation(*at, y, x) <= far else []
        y, x, purity, good = rotation.circulation(frame.u10, frame.v10, axes, y, x, TURNING * scale)
        points = math.pi * (2 * TURNING * scale) ** 2 / math.prod(frame.spacing)
        if not purity >= max(settings.min_rotation, BY_CHANCE / math.sqrt(2 * points)):
            return []
        if good and separation(*at, y, x) <= far:
            winds.append(Estimate("circulation", y, x, rest))
        if not winds:
            return []
        found += winds
    return found


def consensus(found: list[Estimate]) -> tuple[float, float, tuple[float, float, float, float]]:
    """Return the weighted mean of the estimates, latitude and longitude, and (error, major, minor, bearing).

    With weights w summing to 1, the covariance of the mean is sum w_i d_i d_i^T sum w_i^2 / (1 - sum w_i^2), d in km
    from the mean: the error is the root of its trace, the axes of the ellipse are the roots of its eigenvalues.
    """
    lat0, lon0 = found[0].lat, found[0].lon
    shrink = math.cos(math.radians(lat0))
    total = east = north = 0.0
    for one in found:
        total += one.weight
        east += one.weight * (one.lon - lon0) * shrink
        north += one.weight * (one.lat - lat0)
    east, north = east / total, north / total
    lat, lon = lat0 + north, lon0 + east / shrink
    if len(found) == 1:
        return lat, lon, (math.nan,) * 4
    squares = xx = yy = xy = 0.0
    for one in found:
        weight, x, y = one.weight / total, (one.lon - lon0) * shrink - east, one.lat - lat0 - north
        squares += weight * weight
        xx += weight * x * x
        yy += weight * y * y
        xy += weight * x * y
    scale = squares / (1 - squares) * (RADIUS * DEGREE) ** 2
    xx, yy, xy = scale * xx, scale * yy, scale * xy
    half, lean = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    bearing = math.degrees(0.5 * math.atan2(2 * xy, yy - xx)) % 180.0
    return lat, lon, (math.sqrt(2 * half), math.sqrt(half + lean), math.sqrt(max(half - lean, 0.0)), bearing)


def fit_scale(frame: Frame, settings: Settings) -> float:
    """Return the standard deviation in km of the weights of the fits: never below 1.2 grid spacings."""
    return max(settings.fit_radius, 1.2 * max(frame.spacing))


def _tropical(frame: Frame, lat: float, lon: float, settings: Settings, mass: str) -> bool:
    axes = frame.axes
    if frame.t2m is not None:
        contrast = THERMAL_LENGTH * math.hypot(*environment.environment(frame.t2m, axes, lat, lon))
        if contrast > settings.max_thermal_contrast:
            return False
    if frame.z500 is not None and frame.mass is not None and mass == "msl":
        aloft = strength.above_ring(frame.z500, axes, lat, lon, CORE)
        below = strength.above_ring(frame.mass, axes, lat, lon, CORE) / PA_PER_METRE
        if aloft - below < settings.min_warm_core:
            return False
    return True
