"""What the tracker takes for a storm, in physical units."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from typhoon_tracker.errors import InputError

MASSES = ("msl", "z500", "vorticity")


@dataclass(frozen=True)
class Settings:
    """Thresholds and lengths of the tracker; none is in grid units, so one set serves every grid and time step.

    Raises InputError where a value is negative, or a length that divides is zero.
    """

    search_radius: float = 200.0  # km around the first guess, before anything is added for the gap since the last fix
    search_growth: float = 20.0  # km the search radius gains in an hour without a fix
    max_search_radius: float = 600.0  # km
    max_speed: float = 30.0  # m s-1 a storm may move
    birth_speed: float = 15.0  # m s-1 a storm may move while it has one fix only, so no motion
    motion_hours: float = 12.0  # hours of past fixes that give the motion
    patience: float = 24.0  # hours a storm may be lost and still be found again
    min_life: float = 12.0  # hours between the first and the last fix of a storm that `find_storms` reports
    min_tropical: float = 6.0  # hours between its first and last fix over sea that is not extratropical
    min_seen: float = 0.5  # share of the frames of its life in which it has a fix
    max_birth_latitude: float = 40.0  # degrees; a low first seen further poleward is not tropical
    max_latitude: float = 70.0  # degrees; no storm is looked for further poleward
    min_vorticity: float = 3e-5  # s-1 of cyclonic relative vorticity, smoothed over `smoothing`
    min_depth: float = 100.0  # Pa of MSL below the surroundings, in every direction
    min_height_depth: float = 4.0  # m of 500 hPa height below the surroundings, in every direction
    min_vorticity_rise: float = 1.5e-5  # s-1 of cyclonic vorticity above the surroundings, in every direction
    closed_within: float = 450.0  # km from the centre, within which the contour of that depth must close
    min_wind: float = 0.0  # m s-1, the maximum within `wind_radius`
    min_rotation: float = 0.4  # of the wind's variation about the centre, the correlation with a rotation, 0 to 1
    min_fit: float = 0.4  # of the variance of the mass field about the centre, the share a paraboloid explains, 0 to 1
    max_thermal_contrast: float = 12.0  # K of 2 m temperature over 500 km, beyond which a low is extratropical
    min_warm_core: float = -20.0  # m of 1000-500 hPa thickness over the surroundings, below which it is extratropical
    max_separation: float = 200.0  # km between the centres of mass and of the wind
    max_drift: float = 350.0  # km an analysed fix may lie from an advisory of the same time
    edge_margin: float = 1.0  # degrees inside which a storm is leaving the region and gets no fix
    smoothing: float = 50.0  # km, standard deviation of the filter against grid noise
    surroundings: float = 250.0  # km, standard deviation of the filter that gives a storm's surroundings; may be inf
    fit_radius: float = 60.0  # km, standard deviation of the weights in the sub-grid fits
    mass_weight: float = 0.85  # of the centre of mass in the fix; those of the wind share the rest
    wind_radius: float = 300.0  # km around the fix in which the maximum wind is looked for

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value >= 0 and field.name != "min_warm_core":
                raise InputError(f"the tracker setting {field.name} is {value}; it must be 0 or more.")
        for name in ("search_radius", "smoothing", "surroundings", "fit_radius", "max_separation"):
            if getattr(self, name) == 0:
                raise InputError(f"the tracker setting {name} is 0; it must be more than 0 km.")
        for name in ("mass_weight", "min_rotation", "min_fit", "min_seen"):
            if getattr(self, name) > 1:
                raise InputError(f"the tracker setting {name} is {getattr(self, name):g}; it must be 0 to 1.")

    def radius(self, hours: float) -> float:
        """Return the search radius in km, `hours` after the last fix."""
        return min(self.search_radius + self.search_growth * hours, self.max_search_radius)

    def reach(self, hours: float) -> float:
        """Return the distance in km a storm can lie from its last fix `hours` after it."""
        return self.search_radius + self.max_speed * 3.6 * hours

    def threshold(self, mass: str) -> float:
        """Return the least depth of a storm in the units of the mass field: Pa, m or s-1."""
        return {"msl": self.min_depth, "z500": self.min_height_depth, "vorticity": self.min_vorticity_rise}[mass]


DEFAULT = Settings()

PRESETS = {
    "default": DEFAULT,
    # As TempestExtremes is commonly set for tropical cyclones: MSL itself rises by 200 Pa within 5.5 degrees, 10 m s-1
    # within 2 degrees, 54 hours of life, gaps of a day.
    "tempest": Settings(
        min_depth=200.0, closed_within=611.0, surroundings=math.inf, min_wind=10.0, wind_radius=222.0, min_life=54.0
    ),
    # Depressions and storms being born: shallower, and for a shorter time.
    "weak": Settings(
        min_depth=50.0,
        min_height_depth=2.0,
        min_vorticity=1.5e-5,
        min_vorticity_rise=8e-6,
        min_life=6.0,
        min_tropical=0.0,
    ),
}

# The 500 hPa low lies beside the storm's centre at the ground where the vortex leans, so the wind has more of a say.
ALOFT = replace(DEFAULT, fit_radius=90.0, mass_weight=0.7)


def preset(name: str) -> Settings:
    """Return the settings of a named preset; raise InputError for a name that is none."""
    if name not in PRESETS:
        raise InputError(f'the tracker has no preset "{name}"; choose one of {", ".join(PRESETS)}.')
    return PRESETS[name]


def check_mass(mass: str) -> str:
    """Return `mass` if it names a mass field; raise InputError otherwise."""
    if mass not in MASSES:
        raise InputError(f'the mass field "{mass}" is unknown; choose one of {", ".join(MASSES)}.')
    return mass
