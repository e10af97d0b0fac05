"""How files spell variables, coordinates and units, and what the contract calls them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import VARIABLES

# Contract name -> spellings, compared without regard to case with a variable's name, GRIB short name and CF standard
# name: Climate Data Store, ECMWF GRIB, NSF NCAR, ARCO, CMIP and NCEP in turn.
ALIASES: dict[str, tuple[str, ...]] = {
    "msl": (
        "msl",
        "mean_sea_level_pressure",
        "prmsl",
        "psl",
        "slp",
        "mslp",
        "pmsl",
        "air_pressure_at_mean_sea_level",
        "air_pressure_at_sea_level",
    ),
    "u10": ("u10", "10u", "10m_u_component_of_wind", "var_10u", "uas", "u10m"),
    "v10": ("v10", "10v", "10m_v_component_of_wind", "var_10v", "vas", "v10m"),
    "t2m": ("t2m", "2t", "2m_temperature", "var_2t", "tas", "t2"),
    "z500": ("z500", "gh500", "hgt500", "geopotential_height_500"),
    "valid_time": ("valid_time",),
    "time": ("time", "forecast_reference_time"),
    "step": ("step", "forecast_period"),
    "latitude": ("latitude", "lat", "y"),
    "longitude": ("longitude", "lon", "x"),
}
# Riders a file may hold beside what is asked for.
OPTIONAL = ("z500",)

GRAVITY = 9.80665  # standard gravity, m s-2
KNOT = 1852 / 3600  # m s-1


@dataclass(frozen=True)
class Unit:
    """A unit as `SI = scale * value + offset`, and how files spell it (case, spaces, dots and `**` do not count)."""

    name: str
    spellings: tuple[str, ...]
    scale: float = 1.0
    offset: float = 0.0

    def convert(self, values: np.ndarray) -> np.ndarray:
        """Return `values` in SI units; those already in SI are returned as they are, bit for bit."""
        if self.scale != 1.0:
            values = values * self.scale
        return values + self.offset if self.offset else values

    def __str__(self) -> str:
        scaled = f"multiply by {self.scale:g}" if self.scale != 1.0 else ""
        return f"{self.name} ({scaled or f'add {self.offset:g}'})"


_PRESSURE = (
    Unit("Pa", ("pa", "pascal", "pascals")),
    Unit("hPa", ("hpa", "mb", "mbar", "millibar", "millibars", "hectopascal", "hectopascals"), scale=100.0),
    Unit("kPa", ("kpa",), scale=1000.0),
)
_WIND = (
    Unit("m s-1", ("ms-1", "m/s", "ms^-1", "mps", "meterpersecond", "meterspersecond")),
    Unit("knots", ("knots", "knot", "kt", "kts", "kn"), scale=KNOT),
    Unit("km/h", ("km/h", "kmh-1", "kmh^-1", "kph"), scale=1 / 3.6),
)
_TEMPERATURE = (
    Unit("K", ("k", "kelvin", "degk", "degreesk")),
    Unit(
        "degC",
        ("degc", "c", "celsius", "°c", "deg_c", "degree_c", "degrees_c", "degree_celsius", "degrees_celsius"),
        offset=273.15,
    ),
)
_HEIGHT = (
    Unit("m", ("m", "gpm", "meter", "meters", "metre", "metres", "geopotentialmeter")),
    Unit("m2 s-2", ("m2s-2", "m2/s2", "m^2s^-2", "j/kg", "jkg-1"), scale=1 / GRAVITY),
)
UNITS: dict[str, tuple[Unit, ...]] = {
    "msl": _PRESSURE,
    "u10": _WIND,
    "v10": _WIND,
    "t2m": _TEMPERATURE,
    "z500": _HEIGHT,
}


def find(raw: xr.Dataset, name: str, *, coordinate: bool = False) -> str | None:
    """Return what `raw` calls the contract's `name`, or None: the first spelling of ALIASES that it holds."""
    held = raw.variables if coordinate else raw.data_vars
    for spelling in ALIASES.get(name, (name,)):
        for variable in held:
            if str(variable).lower() == spelling.lower():
                return str(variable)
        for variable in held:
            attrs = raw[variable].attrs
            if spelling in (attrs.get("GRIB_shortName"), attrs.get("standard_name")):
                return str(variable)
    return None


def missing(names: Sequence[str], holds: Sequence[str], where: str) -> InputError:
    """Return the error for variables that are in no file: what is there and which spellings were looked for."""
    looked = "; ".join(f"{name} as {', '.join(ALIASES.get(name, (name,)))}" for name in names)
    return InputError(
        f"{where} lacks {', '.join(names)}; it holds {', '.join(holds) or 'no variable'}. Looked for {looked}."
    )


def to_si(name: str, values: np.ndarray, units: str | None, where: str) -> np.ndarray:
    """Return `values` of the variable `name` in SI units, converted by the file's `units` attribute alone.

    Raises InputError for a unit not in UNITS, and for values without a unit that cannot be SI.
    """
    known = UNITS.get(name)
    if known is None:
        return values
    if units:
        spelled = units.lower().replace(" ", "").replace(".", "").replace("**", "")
        for unit in known:
            if spelled in unit.spellings:
                return unit.convert(values)
        can = ", ".join(unit.name for unit in known)
        raise InputError(f"{name} in {where} has the units {units!r}; those understood are {can}. Convert it first.")
    _refuse_implausible(name, values, where)
    return values


def _refuse_implausible(name: str, values: np.ndarray, where: str) -> None:
    expected = VARIABLES.get(name)
    if expected is None or not np.isfinite(values).any():
        return

    low, high = float(np.nanmin(values)), float(np.nanmax(values))

    def plausible(unit: Unit) -> bool:
        return expected.lowest <= low * unit.scale + unit.offset and high * unit.scale + unit.offset <= expected.highest

    if plausible(UNITS[name][0]):
        return
    guesses = " or ".join(str(unit) for unit in UNITS[name][1:] if plausible(unit))
    looks = f"it looks like {guesses}" if guesses else "no unit known for it fits"
    raise InputError(
        f"{name} in {where} has no units attribute and runs from {low:g} to {high:g}, outside {expected.lowest:g} to "
        f"{expected.highest:g} {expected.units}; {looks}. Set its units attribute in the file or convert it."
    )
