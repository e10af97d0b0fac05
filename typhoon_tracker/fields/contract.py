"""The field contract: what every source delivers and everything else may rely on.

An `xarray.Dataset` with dims `time, latitude, longitude`; float32; latitude north to south, longitude eastward and
contiguous; `msl` Pa, `u10` `v10` m s-1, `t2m` K; `attrs["source"]` says where the numbers come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.errors import InputError

DIMS = ("time", "latitude", "longitude")


@dataclass(frozen=True)
class Variable:
    """A physical variable: its units, CF name and the range outside which the units must be wrong."""

    units: str
    standard_name: str
    lowest: float
    highest: float


VARIABLES: dict[str, Variable] = {
    "msl": Variable("Pa", "air_pressure_at_mean_sea_level", 84_000.0, 110_000.0),
    "u10": Variable("m s-1", "eastward_wind", -110.0, 110.0),
    "v10": Variable("m s-1", "northward_wind", -110.0, 110.0),
    "t2m": Variable("K", "air_temperature", 180.0, 340.0),
}
CORE = tuple(VARIABLES)


def create(
    values: dict[str, np.ndarray],
    times: pd.DatetimeIndex,
    latitude: np.ndarray,
    longitude: np.ndarray,
    *,
    source: str,
) -> xr.Dataset:
    """Build a contract Dataset from arrays (time, latitude, longitude) in SI units and validate it."""
    data = {name: (DIMS, np.asarray(a, np.float32)) for name, a in values.items()}
    coords = {"time": times.as_unit("ns"), "latitude": np.asarray(latitude), "longitude": np.asarray(longitude)}
    return validate(annotate(xr.Dataset(data, coords, {"source": source})), variables=tuple(values))


def annotate(fields: xr.Dataset) -> xr.Dataset:
    """Set the CF attributes of coordinates and known variables (in place) and return the Dataset."""
    fields.attrs.setdefault("Conventions", "CF-1.10")
    fields["latitude"].attrs.update(units="degrees_north", standard_name="latitude")
    fields["longitude"].attrs.update(units="degrees_east", standard_name="longitude")
    for name, variable in VARIABLES.items():
        if name in fields:
            fields[name].attrs.update(units=variable.units, standard_name=variable.standard_name)
    return fields


def validate(fields: xr.Dataset, *, variables: Sequence[str] = CORE, hourly: bool = False) -> xr.Dataset:
    """Return `fields` unchanged if it keeps the contract for `variables`; raise InputError naming what does not.

    With `hourly=True` the times must also be one hour apart without a gap.
    """
    _check_structure(fields, variables)
    _check_axis("latitude", fields.latitude.values, descending=True)
    _check_axis("longitude", fields.longitude.values, descending=False)
    _check_time(fields.indexes["time"], hourly=hourly)
    for name in variables:
        _check_values(fields[name])
    return fields


def _check_structure(fields: xr.Dataset, variables: Sequence[str]) -> None:
    missing = [name for name in variables if name not in fields]
    if missing:
        have = ", ".join(map(str, fields.data_vars)) or "none"
        raise InputError(f"fields lack the variable {', '.join(missing)}; they hold: {have}.")
    for name in variables:
        if fields[name].dims != DIMS:
            raise InputError(f"{name} has dimensions {fields[name].dims}; {DIMS} are needed.")
    if not fields.attrs.get("source"):
        raise InputError('fields do not say where they come from; set attrs["source"].')


def _check_axis(name: str, values: np.ndarray, *, descending: bool) -> None:
    if len(values) < 2:
        raise InputError(f"{name} has {len(values)} point(s); at least 2 are needed.")
    steps = np.diff(values.astype(float)) * (-1 if descending else 1)
    if (steps <= 0).any():
        i = int(np.argmax(steps <= 0))
        wanted = "north to south" if descending else "eastward and contiguous"
        raise InputError(f"{name} must run {wanted}; it goes from {values[i]:g} to {values[i + 1]:g} at index {i}.")
    if not np.allclose(steps, steps[0], rtol=0.01):
        i = int(np.argmax(np.abs(steps - steps[0])))
        raise InputError(
            f"{name} must be evenly spaced; the step is {steps[0]:g} at first and {steps[i]:g} at {values[i]:g}."
        )


def _check_time(times: pd.Index, *, hourly: bool) -> None:
    if len(times) == 0:
        raise InputError("fields hold no time at all.")
    steps = pd.DatetimeIndex(times).to_series().diff().iloc[1:]
    backward = steps[steps <= pd.Timedelta(0)]
    if len(backward):
        raise InputError(f"times must increase; {backward.index[0]} is not after the time before it.")
    gaps = steps[steps != pd.Timedelta(hours=1)]
    if hourly and len(gaps):
        raise InputError(f"hourly fields are needed; before {gaps.index[0]} there is a step of {gaps.iloc[0]}.")


def _check_values(values: xr.DataArray) -> None:
    name = str(values.name)
    if values.dtype != np.float32:
        raise InputError(f"{name} is {values.dtype}; float32 is needed.")
    low, high = float(values.values.min()), float(values.values.max())  # NaN where any value is
    if not np.isfinite((low, high)).all():
        bad = ~np.isfinite(values.values)
        first = values.time.values[np.argmax(bad.any(axis=(1, 2)))]
        raise InputError(f"{name} has {int(bad.sum())} NaN or infinite values, the first at {pd.Timestamp(first)}.")
    known = VARIABLES.get(name)
    if known is not None and (low < known.lowest or high > known.highest):
        raise InputError(
            f"{name} runs from {low:g} to {high:g}; in {known.units} it must stay within "
            f"{known.lowest:g} to {known.highest:g}. Convert its units first."
        )
