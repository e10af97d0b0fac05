"""Lay a raw Dataset out as the contract wants it: find its axes, choose times and region, load only those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.names import find

Span = tuple[pd.Timestamp | None, pd.Timestamp | None]
TOLERANCE = 0.01  # of a grid step: what float32 coordinates and rounded degrees differ by, and no real shift does


@dataclass(frozen=True)
class Axis:
    """Which points of a file's axis to read, as slices to be read one after the other, and their coordinates."""

    dim: str
    runs: list[slice]
    values: np.ndarray


def squeeze(raw: xr.Dataset) -> xr.Dataset:
    """Return `raw` without the dimensions of one point (member, step, height), the horizontal ones excepted."""
    horizontal = {raw[name].dims for name in (find(raw, c, coordinate=True) for c in ("latitude", "longitude")) if name}
    keep = {str(dim) for dims in horizontal for dim in dims}
    return raw.squeeze([dim for dim, size in raw.sizes.items() if size == 1 and dim not in keep])


def valid_times(raw: xr.Dataset, span: Span, where: str) -> tuple[str | None, pd.DatetimeIndex]:
    """Return the time dimension of a squeezed Dataset (None where it holds one time) and its valid times.

    The valid time is `valid_time`, else `time` + `step`, else `time`. A file that states no time takes that of `span`
    if this is a single one.
    """
    valid, time, step = (find(raw, name, coordinate=True) for name in ("valid_time", "time", "step"))
    if valid is not None:
        when = raw[valid]
    elif time is not None:
        when = raw[time] + raw[step] if step is not None and raw[step].dtype.kind == "m" else raw[time]
    elif span[0] is not None and span[0] == span[1]:
        return None, pd.DatetimeIndex([span[0]]).as_unit("ns")
    else:
        raise InputError(f"{where} does not say its time; write it into the file as a coordinate `time`.")
    if when.ndim > 1:
        sizes = " and ".join(f"{raw.sizes[dim]} of {dim}" for dim in when.dims)
        raise InputError(f"{where} holds several forecasts ({sizes}); save one, or one lead time, to a file.")
    if when.dtype.kind != "M":
        units = raw[valid or time].attrs.get("units", "none")
        raise InputError(
            f"the times of {where} are no dates; they begin with {when.values.flat[0]} in units {units!r}."
        )
    return (str(when.dims[0]) if when.ndim else None), pd.DatetimeIndex(np.atleast_1d(when.values)).as_unit("ns")


def within(times: pd.DatetimeIndex, span: Span) -> np.ndarray:
    """Tell which times lie in the closed span; None leaves it open."""
    start, end = span
    chosen = np.ones(len(times), bool)
    if start is not None:
        chosen &= times >= start
    if end is not None:
        chosen &= times <= end
    return chosen


def horizontal_axes(raw: xr.Dataset, region: Region | None, where: str) -> tuple[Axis, Axis]:
    """Return latitude north to south and longitude eastward and contiguous, cropped to `region` where one is given.

    Raises InputError where the file does not cover the region or has another grid.
    """
    lat_dim, lat = _coordinate(raw, "latitude", where)
    lon_dim, lon = _coordinate(raw, "longitude", where)
    if np.abs(lat).max() > 90 + TOLERANCE:
        raise InputError(
            f"latitude in {where} runs from {lat.min():g} to {lat.max():g}; degrees within -90 to 90 are needed."
        )
    north_south = np.argsort(-lat, kind="stable")
    eastward, contiguous = _contiguous(lon)
    if region is None:
        return (
            Axis(lat_dim, _runs(north_south), lat[north_south]),
            Axis(lon_dim, _runs(eastward), contiguous),
        )
    if min(region.shape) < 2:
        raise InputError(f"the region {region} has {region.shape[0]} x {region.shape[1]} points; give 2 x 2 or more.")
    _check_step("latitude", lat[north_south], region, where)
    _check_step("longitude", contiguous, region, where)
    extent = (
        f"{where} covers {lat.min():g} to {lat.max():g}N, {contiguous[0]:g} to {contiguous[-1]:g}E; "
        f"the region asked for is {region.south:g} to {region.north:g}N, {region.west:g} to {region.east:g}E"
    )
    rows = _match(region.north - lat, region, len(region.latitude), "latitude", extent, None)
    # From half a step west of the region, so that a meridian rounded to just west of its edge does not count as 360.
    east = (lon - region.west + region.step / 2) % 360.0 - region.step / 2
    columns = _match(east, region, len(region.longitude), "longitude", extent, 360.0 / region.step)
    return Axis(lat_dim, _runs(rows), region.latitude), Axis(lon_dim, _runs(columns), region.longitude)


def _coordinate(raw: xr.Dataset, name: str, where: str) -> tuple[str, np.ndarray]:
    found = find(raw, name, coordinate=True)
    if found is None:
        raise InputError(f"{where} has no {name}; it has the coordinates {', '.join(map(str, raw.coords)) or 'none'}.")
    if raw[found].ndim != 1:
        raise InputError(f"{found} in {where} has {raw[found].ndim} dimensions; a regular grid with one is needed.")
    return str(raw[found].dims[0]), raw[found].values.astype(float)


def _contiguous(lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order longitudes eastward from the file's western edge, without repeated meridians (0 and 360)."""
    turn, first = np.unique(np.round(lon % 360.0, 6) % 360.0, return_index=True)
    gaps = np.diff(turn, append=turn[0] + 360.0)
    # A part of the globe begins behind the widest gap, the whole globe where the file does.
    part = gaps.max() > 1.5 * np.median(gaps)
    start = (int(np.argmax(gaps)) + 1) % len(turn) if part else int(np.argmin(lon[first]))
    order = np.roll(first, -start)
    west = lon[order[0]]
    eastward = west + np.roll((turn - turn[start]) % 360.0, -start)
    # Whole turns are added to the file's own numbers, so that those which need none stay what they are.
    return order, lon[order] + 360.0 * np.round((eastward - lon[order]) / 360.0)


def _check_step(name: str, values: np.ndarray, region: Region, where: str) -> None:
    steps = np.abs(np.diff(values))
    if len(steps) and abs(np.median(steps) - region.step) > TOLERANCE * region.step:
        raise InputError(
            f"{name} in {where} is spaced by {np.median(steps):g} deg, the region by {region.step:g}; nothing is "
            f"regridded unasked. Use a Region with step={np.median(steps):g} or regrid the file."
        )


def _match(
    offset: np.ndarray, region: Region, count: int, name: str, extent: str, whole_turn: float | None
) -> np.ndarray:
    """Return the index in the file of each point of the region, from the file's offsets to the region's first point."""
    position = offset / region.step
    shift = np.abs(position - np.round(position)).max()
    if shift > TOLERANCE:
        raise InputError(
            f"the region asked for ({region}) lies between the {name}s of the file, {shift:.2g} grid steps off; "
            "move its edges onto the file's grid."
        )
    steps = np.round(position).astype(int)
    wanted = np.arange(count)
    if whole_turn is not None and abs(whole_turn - round(whole_turn)) < TOLERANCE:
        steps, wanted = steps % round(whole_turn), wanted % round(whole_turn)
    index = {step: i for i, step in reversed(list(enumerate(steps.tolist())))}
    lacking = next((i for i, step in enumerate(wanted.tolist()) if step not in index), None)
    if lacking is not None:
        axis = region.longitude if name == "longitude" else region.latitude
        raise InputError(f"{extent}; {name} {axis[lacking]:g} is not there. Get a file that holds the whole region.")
    return np.array([index[step] for step in wanted.tolist()])


def _runs(order: np.ndarray) -> list[slice]:
    """Split an index list into slices, forward or backward: fast to read, where a list of indices is not."""
    runs, begin = [], 0
    while begin < len(order):
        end = begin + 1
        step = int(np.sign(order[end] - order[begin])) if end < len(order) else 1
        while end < len(order) and step and order[end] - order[end - 1] == step:
            end += 1
        first, past = int(order[begin]), int(order[end - 1]) + (step or 1)
        runs.append(slice(first, past if past >= 0 else None, step or 1))
        begin = end
    return runs


def load(
    variable: xr.DataArray, time_dim: str | None, times: np.ndarray, rows: Axis, columns: Axis, where: str
) -> np.ndarray:
    """Read the chosen points of `variable` as (time, latitude, longitude); `times` tells which times are chosen.

    Along `expver` (final ERA5 and its preliminary stream ERA5T) the first finite value is taken.
    """
    expver = next((dim for dim in variable.dims if str(dim).lower() == "expver"), None)
    order: Sequence = [d for d in (expver, time_dim) if d is not None] + [rows.dim, columns.dim]
    if set(order) != set(variable.dims):
        extra = {str(d): variable.sizes[d] for d in variable.dims if d not in order}
        lacks = [str(d) for d in order if d not in variable.dims]
        fault = f"the further dimension {extra}; choose one of each" if extra else f"no dimension {', '.join(lacks)}"
        raise InputError(f"{variable.name} in {where} has {fault}.")
    if time_dim is not None:
        chosen = np.flatnonzero(times)
        variable = variable.isel({time_dim: slice(chosen[0], chosen[-1] + 1)})
        kept = times[chosen[0] : chosen[-1] + 1]
    parts = [
        [variable.isel({rows.dim: row, columns.dim: column}).transpose(*order).values for column in columns.runs]
        for row in rows.runs
    ]
    values = _joined([_joined(part, -1) for part in parts], -2)
    if expver is not None:
        streams = np.argsort([int(stream) for stream in variable[expver].values], kind="stable")
        merged = values[streams[0]]
        for stream in streams[1:]:
            merged = np.where(np.isnan(merged), values[stream], merged)
        values = merged
    if time_dim is None:
        return values[None]
    return values if kept.all() else values[kept]


def _joined(parts: list[np.ndarray], axis: int) -> np.ndarray:
    """Concatenate arrays; one alone, as whole grids come, is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)
