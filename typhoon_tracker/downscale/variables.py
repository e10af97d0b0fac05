"""The variables that are refined, as they are had of fields."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

SPEED = "speed"  # 10 m wind speed, m s-1, from u10 and v10


def needed(variables: Sequence[str]) -> tuple[str, ...]:
    """Return the variables that fields must have so that these can be had of them."""
    parts = (("u10", "v10") if name == SPEED else (name,) for name in variables)
    return tuple(dict.fromkeys(name for part in parts for name in part))


def as_variable(fields: xr.Dataset, name: str) -> np.ndarray:
    """Return a variable (time, latitude, longitude) of contract fields, the wind speed from its components."""
    return np.hypot(fields["u10"].values, fields["v10"].values) if name == SPEED else fields[name].values
