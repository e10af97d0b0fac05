"""What the tracker takes for a storm, in physical units."""

from __future__ import annotations

from dataclasses import dataclass, fields

from typhoon_tracker.errors import InputError

MASSES = ("msl", "z500", "vorticity")


@dataclass(frozen=True)
class Settings:
    """Thresholds and lengths of the tracker; none is in grid units, so one set serves every grid and time step.

    Raises InputError where a value is negative, or a length that divides is zero.
    """

    search_radius: float = 200.0  # km around the first guess, before anything is added for the gap since the last fix
    search_growth: float = 15.0  # km the search radius gains in an hour without a fix
    max_search_radius: float = 600.0  # km
    max_speed: float = 30.0  # m s-1 a storm may move
    birth_speed: float = 15.0  # m s-1 a storm may move while it has one fix only, so no motion
    motion_hours: float = 12.0  # hours of past fixes that give the motion
    patience: float = 24.0  # hours a storm may be lost and still be found again
    min_life: float = 12.0  # hours between the first and the last fix of a storm that `find_storms` reports
    max_birth_latitude: float = 40.0  # degrees; a low first seen further poleward is not tropical
    min_vorticity: float = 3e-5  # s-1 of cyclonic relative vorticity, smoothed over `smoothing`
    min_depth: float = 100.0  # Pa of MSL below the surroundings, in every direction
    min_height_depth: float = 4.0  # m of 500 hPa height below the surroundings, in every direction
    min_vorticity_rise: float = 1.5e-5  # s-1 of cyclonic vorticity above the surroundings, in every direction
    max_separation: float = 200.0  # km between the minimum of mass and the maximum of vorticity
    max_drift: float = 350.0  # km an analysed fix may lie from an advisory of the same time
    edge_margin: float = 1.0  # degrees inside which a storm is leaving the region and gets no fix
    smoothing: float = 50.0  # km, standard deviation of the filter against grid noise
    surroundings: float = 250.0  # km, standard deviation of the filter that gives a storm's surroundings
    fit_radius: float = 60.0  # km, standard deviation of the weights in the sub-grid fits
    mass_weight: float = 0.85  # of the centre of mass in the fix, the rest is that of vorticity
    wind_radius: float = 300.0  # km around the fix in which the maximum wind is looked for

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value >= 0:
                raise InputError(f"the tracker setting {field.name} is {value}; it must be 0 or more.")
        for name in ("search_radius", "smoothing", "surroundings", "fit_radius", "max_separation"):
            if getattr(self, name) == 0:
                raise InputError(f"the tracker setting {name} is 0; it must be more than 0 km.")
        if self.mass_weight > 1:
            raise InputError(f"the tracker setting mass_weight is {self.mass_weight:g}; it must be 0 to 1.")

    def radius(self, hours: float) -> float:
        """Return the search radius in km, `hours` after the last fix."""
        return min(self.search_radius + self.search_growth * hours, self.max_search_radius)

    def reach(self, hours: float, *, speed: float | None = None) -> float:
        """Return the distance in km a storm can lie from its last fix `hours` after it."""
        return self.search_radius + (self.max_speed if speed is None else speed) * 3.6 * hours

    def threshold(self, mass: str) -> float:
        """Return the least depth of a storm in the units of the mass field: Pa, m or s-1."""
        return {"msl": self.min_depth, "z500": self.min_height_depth, "vorticity": self.min_vorticity_rise}[mass]


# The 500 hPa low lies beside the storm's centre at the ground where the vortex leans, so the wind has more of a say.
ALOFT = Settings(fit_radius=90.0, mass_weight=0.7)


def check_mass(mass: str) -> str:
    """Return `mass` if it names a mass field; raise InputError otherwise."""
    if mass not in MASSES:
        raise InputError(f'the mass field "{mass}" is unknown; choose one of {", ".join(MASSES)}.')
    return mass
