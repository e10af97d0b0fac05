"""Fields from files: netCDF, GRIB and Zarr, on disk or at an fsspec URL, in the usual spellings."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, DIMS, annotate, validate
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources import layout
from typhoon_tracker.sources.names import OPTIONAL, UNITS, find, missing, to_si
from typhoon_tracker.sources.readers import is_url, open_raw, readable, short_name

GENERATOR = (
    "typhoon_tracker"  # the attribute `generator` of files the project wrote: their `source` is kept word by word
)


@dataclass(frozen=True)
class Piece:
    """What one file holds of one variable, in SI units, as (time, latitude, longitude)."""

    where: str
    times: pd.DatetimeIndex
    latitude: np.ndarray
    longitude: np.ndarray
    values: np.ndarray
    attrs: dict[str, Any]


@dataclass
class Found:
    """What reading the files has brought together so far."""

    wanted: tuple[str, ...]
    pieces: dict[str, list[Piece]]
    sources: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)
    out_of_span: list[pd.DatetimeIndex] = field(default_factory=list)


def open_files(
    path: str | Path,
    *,
    region: Region | None = None,
    times: tuple[object, object] | None = None,
    variables: Sequence[str] = CORE,
) -> xr.Dataset:
    """Read fields from a file, a Zarr store, an fsspec URL or a pattern such as `era5_*.nc`, as a contract Dataset.

    `region` crops to its points, which must be points of the files' grid; `times` is a closed span (start, end), either
    may be None. Of several files, variables are merged and times joined. Units are converted by the files' `units`
    attribute; z500 (m) rides along if present. A file that does not say its time takes that of `times=(time, time)`.

    Raises InputError for a path that is missing, damaged or no fields; for variables, times, region or grid it lacks;
    and for whatever breaks the contract of `typhoon_tracker.fields.contract`.
    """
    variables = (variables,) if isinstance(variables, str) else tuple(variables)
    if not variables:
        raise InputError(f"no variable is asked for; the fields have {', '.join(CORE)}.")
    span = _span(times)
    found = Found(variables, {name: [] for name in dict.fromkeys((*variables, *OPTIONAL))})
    for file in expand(path):
        with open_raw(file, tuple(found.pieces)) as (raws, holds):
            found.holds += holds
            for raw in raws:
                _collect(raw, short_name(file), found, region, span)
    absent = [name for name in variables if not found.pieces[name]]
    if absent and found.out_of_span:
        have = found.out_of_span[0].append(found.out_of_span[1:])
        raise InputError(
            f"{path} has no {', '.join(absent)} from {span[0] or 'its begin'} to {span[1] or 'its end'}; "
            f"its times run from {have.min()} to {have.max()}."
        )
    if absent:
        raise missing(absent, list(dict.fromkeys(found.holds)), short_name(path))
    return validate(_merge(found), variables=variables)


def expand(path: str | Path) -> list[str]:
    text = str(path)
    if is_url(text) or Path(text).exists():
        return [text]
    if not glob.has_magic(text):
        raise InputError(f"{text} does not exist.")
    matches = sorted(glob.glob(text, recursive=True))
    if not matches:
        raise InputError(f"no file matches {text}.")
    return matches


def _span(times: tuple[object, object] | None) -> layout.Span:
    if times is None:
        return None, None
    try:
        start, end = (None if time is None else _naive_utc(pd.Timestamp(time)) for time in times)  # type: ignore[arg-type]
        if pd.NaT in (start, end):
            raise ValueError("not a time")
    except (TypeError, ValueError) as exc:
        raise InputError(
            f"times={times!r} is not a span of two times, such as ('2023-05-20', '2023-06-01T18:00')."
        ) from exc
    start, end = (
        time.tz_convert("UTC").tz_localize(None) if time is not None and time.tz else time for time in (start, end)
    )
    if start is not None and end is not None and start > end:
        raise InputError(f"the span of times begins at {start}, after its end at {end}.")
    return start, end


def _naive_utc(time: pd.Timestamp) -> pd.Timestamp:
    return time.tz_convert("UTC").tz_localize(None) if time.tz is not None else time


def _collect(raw: xr.Dataset, where: str, found: Found, region: Region | None, span: layout.Span) -> None:
    """Load what `raw` holds of the variables looked for into `found`, cropped before it is read."""
    spelled = {name: spelling for name in found.pieces if (spelling := find(raw, name)) is not None}
    if not spelled:
        return
    raw = layout.squeeze(raw)
    time_dim, times = layout.valid_times(raw, span, where)
    chosen = layout.within(times, span)
    if not chosen.any():
        found.out_of_span.append(times)
        return
    rows, columns = layout.horizontal_axes(raw, region, where)
    for name, spelling in spelled.items():
        attrs = {key: raw[spelling].attrs[key] for key in ("long_name", "units") if key in raw[spelling].attrs}
        try:
            with readable(where):
                values = layout.load(raw[spelling], time_dim, chosen, rows, columns, where)
            values = to_si(name, values, attrs.get("units"), where)
        except InputError:
            if name in found.wanted:
                raise
            continue
        if name in UNITS:
            attrs["units"] = UNITS[name][0].name
        values = np.ascontiguousarray(values, np.float32)
        found.pieces[name].append(Piece(where, times[chosen], rows.values, columns.values, values, attrs))
    source = source_of(raw if time_dim is None else raw.isel({time_dim: chosen}), where)
    if source not in found.sources:
        found.sources.append(source)


def source_of(raw: xr.Dataset, where: str) -> str:
    written = str(raw.attrs.get("source", ""))
    if written and (str(raw.attrs.get("generator", "")).startswith(GENERATOR) or written.startswith("reconstruction")):
        return written
    notes = [str(raw.attrs[key]) for key in ("title", "institution", "source") if raw.attrs.get(key)]
    expver = next((raw[name] for name in raw.variables if str(name).lower() == "expver"), None)
    if expver is not None and {str(value).lstrip("0") for value in np.atleast_1d(expver.values)} & {"5"}:
        notes.append("with preliminary ERA5T")
    step = find(raw, "step", coordinate=True)
    if step is not None and raw[step].dtype.kind == "m" and raw[step].values.max() > np.timedelta64(0):
        notes.append(f"forecast to {raw[step].values.max() / np.timedelta64(1, 'h'):g} h")
    return f"file {where} ({'; '.join(notes)})" if notes else f"file {where}"


def _merge(found: Found) -> xr.Dataset:
    """Join the pieces along time and lay the variables side by side, all on the grid and times of the first."""
    leading = found.wanted[0]
    first = _join(leading, found.pieces[leading])
    merged = {leading: first}
    for name, pieces in found.pieces.items():
        if name in merged or not pieces:
            continue
        try:
            other = _join(name, pieces)
            _check_same(name, other, leading, first)
        except InputError:
            if name in found.wanted:
                raise
        else:
            merged[name] = other
    data = {name: (DIMS, piece.values, piece.attrs) for name, piece in merged.items()}
    coords = {"time": first.times, "latitude": first.latitude, "longitude": first.longitude}
    return annotate(xr.Dataset(data, coords, {"source": "; ".join(found.sources)}))


def _join(name: str, pieces: Sequence[Piece]) -> Piece:
    for piece in pieces[1:]:
        _check_grid(name, piece, name, pieces[0])
    times = pieces[0].times.append([piece.times for piece in pieces[1:]])
    order = np.argsort(times.values, kind="stable") if len(pieces) > 1 else np.arange(len(times))
    owner = np.repeat([piece.where for piece in pieces], [len(piece.times) for piece in pieces])[order]
    times = pd.DatetimeIndex(times.values[order])
    for i in np.flatnonzero((times[1:] == times[:-1]) & (owner[1:] != owner[:-1])).tolist():
        raise InputError(f"{name} at {times[i]} is there twice: in {owner[i]} and in {owner[i + 1]}.")
    values = np.concatenate([piece.values for piece in pieces]) if len(pieces) > 1 else pieces[0].values
    if (order[1:] < order[:-1]).any():
        values = values[order]
    first = pieces[0]
    return Piece(first.where, times, first.latitude, first.longitude, values, first.attrs)


def _check_grid(name: str, piece: Piece, other: str, first: Piece) -> None:
    for axis in ("latitude", "longitude"):
        mine, theirs = getattr(piece, axis), getattr(first, axis)
        if len(mine) != len(theirs) or not np.allclose(mine, theirs, atol=1e-3):
            raise InputError(
                f"{name} in {piece.where} and {other} in {first.where} have different {axis}s: "
                f"{mine[0]:g} to {mine[-1]:g} ({len(mine)}) and {theirs[0]:g} to {theirs[-1]:g} ({len(theirs)})."
            )


def _check_same(name: str, piece: Piece, other: str, first: Piece) -> None:
    _check_grid(name, piece, other, first)
    differing = piece.times.symmetric_difference(first.times)
    if len(differing):
        raise InputError(
            f"of {name} and {other} only one is there at {len(differing)} times, the first {differing[0]}."
        )
