"""Fields of any length on disk, read a few frames at a time: a Zarr store, or netCDF files of months and variables."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, create
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources import layout
from typhoon_tracker.sources.files import expand, source_of
from typhoon_tracker.sources.names import find, missing, to_si
from typhoon_tracker.sources.readers import open_raw, readable, short_name

OPEN_FILES = 32  # kept open at a time
SOURCES_NAMED = 3  # of several files' sources, before the rest is counted


@dataclass(frozen=True)
class Stretch:
    """A stretch of time that one file holds of one variable."""

    file: str
    dataset: int  # which of the Datasets in the file
    spelling: str
    units: str | None
    time_dim: str | None
    times: pd.DatetimeIndex
    rows: layout.Axis
    columns: layout.Axis
    chunk: int  # frames that are stored, and so decoded, together


class Archive:
    """Hourly or other fields in files, as (frames, N, H, W) float32 in SI units, north to south and eastward.

    `path` is a Zarr store, a file, an fsspec URL or a pattern such as `era5_*.nc`, in any spelling of `sources.names`;
    packed values are decoded. Only coordinates are read here. `region` crops to points of the files' grid. Handles are
    opened where values are read, so an Archive may be forked or pickled into workers.

    Raises InputError for what `sources.files.open_files` refuses, and for files that overlap in time.
    """

    def __init__(self, path: str | Path, *, variables: Sequence[str] = CORE, region: Region | None = None) -> None:
        self.path, self.variables = path, tuple(variables)
        self._open: OrderedDict[str, tuple[contextlib.ExitStack, list[xr.Dataset]]] = OrderedDict()
        _archives.add(self)
        held: dict[str, list[Stretch]] = {name: [] for name in self.variables}
        holds: list[str] = []
        sources: list[str] = []
        for file in expand(path):
            with open_raw(file, self.variables) as (raws, names):
                holds += names
                for k, raw in enumerate(raws):
                    self._survey(layout.squeeze(raw), file, k, region, held, sources)
        absent = [name for name, stretches in held.items() if not stretches]
        if absent:
            raise missing(absent, list(dict.fromkeys(holds)), short_name(path))
        self._held = {name: _in_order(name, stretches) for name, stretches in held.items()}
        self._first = {name: np.cumsum([0, *(len(s.times) for s in parts)]) for name, parts in self._held.items()}
        leading = self.variables[0]
        self.times = _timeline(self._held[leading])
        self.latitude, self.longitude = (axis.values for axis in (held[leading][0].rows, held[leading][0].columns))
        for name in self.variables:
            self._check_same(name, leading)
        self.chunk = max(s.chunk for parts in self._held.values() for s in parts)
        rest = len(sources) - SOURCES_NAMED
        self.source = "; ".join(sources[:SOURCES_NAMED]) + (f"; and {rest} more files" if rest > 0 else "")

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the frames `start` to `stop` (exclusive) of `times`: (stop - start, N, H, W), float32, NaN kept."""
        values = np.empty((stop - start, len(self.variables), len(self.latitude), len(self.longitude)), np.float32)
        for k, name in enumerate(self.variables):
            first = self._first[name]
            for i in range(int(np.searchsorted(first, start, "right")) - 1, int(np.searchsorted(first, stop))):
                begin, end = max(start, first[i]), min(stop, first[i + 1])
                part = self._load(name, self._held[name][i], begin - first[i], end - first[i])
                values[begin - start : end - start, k] = part
        return values

    def fields(self, start: int, stop: int) -> xr.Dataset:
        """Return the frames `start` to `stop` (exclusive) of `times` as a contract Dataset, validated."""
        values = self.read(start, stop)
        named = {name: values[:, k] for k, name in enumerate(self.variables)}
        return create(named, self.times[start:stop], self.latitude, self.longitude, source=self.source)

    def close(self) -> None:
        """Close all files; they are opened again when values are read."""
        while self._open:
            self._open.popitem()[1][0].close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _archives.add(self)

    def _survey(
        self,
        raw: xr.Dataset,
        file: str,
        dataset: int,
        region: Region | None,
        held: dict[str, list[Stretch]],
        sources: list[str],
    ) -> None:
        where = short_name(file)
        spelled = {name: spelling for name in self.variables if (spelling := find(raw, name)) is not None}
        if not spelled:
            return
        time_dim, times = layout.valid_times(raw, (None, None), where)
        if not (times[1:] > times[:-1]).all():
            at = times[1 + int(np.argmin(times[1:] > times[:-1]))]
            raise InputError(f"the times of {where} must increase; {at} is not after the time before it.")
        rows, columns = layout.horizontal_axes(raw, region, where)
        for name, spelling in spelled.items():
            variable = raw[spelling]
            chunk = variable.encoding.get("preferred_chunks", {}).get(time_dim, 1)
            units = variable.attrs.get("units")
            held[name].append(Stretch(file, dataset, spelling, units, time_dim, times, rows, columns, int(chunk)))
        source = source_of(raw, where)
        if source not in sources:
            sources.append(source)

    def _check_same(self, name: str, leading: str) -> None:
        """Every file of every variable must be on the grid of the first, and the variables at the same times."""
        for stretch in self._held[name]:
            for axis, expected in (("latitude", self.latitude), ("longitude", self.longitude)):
                found = (stretch.rows if axis == "latitude" else stretch.columns).values
                if len(found) != len(expected) or not np.allclose(found, expected, atol=1e-3):
                    raise InputError(
                        f"{name} in {short_name(stretch.file)} and {leading} in "
                        f"{short_name(self._held[leading][0].file)} have different {axis}s: {found[0]:g} to "
                        f"{found[-1]:g} ({len(found)}) and {expected[0]:g} to {expected[-1]:g} ({len(expected)})."
                    )
        differing = _timeline(self._held[name]).symmetric_difference(self.times)
        if len(differing):
            raise InputError(
                f"of {name} and {leading} only one is there at {len(differing)} times, the first {differing[0]}."
            )

    def _load(self, name: str, stretch: Stretch, start: int, stop: int) -> np.ndarray:
        where = short_name(stretch.file)
        chosen = np.zeros(len(stretch.times), bool)
        chosen[start:stop] = True
        variable = self._raws(stretch.file)[stretch.dataset][stretch.spelling]
        with readable(where):
            values = layout.load(variable, stretch.time_dim, chosen, stretch.rows, stretch.columns, where)
        return to_si(name, values, stretch.units, where)

    def _raws(self, file: str) -> list[xr.Dataset]:
        if file not in self._open:
            while len(self._open) >= OPEN_FILES:
                self._open.popitem(last=False)[1][0].close()
            stack = contextlib.ExitStack()
            raws, _ = stack.enter_context(open_raw(file, self.variables))
            self._open[file] = stack, [layout.squeeze(raw) for raw in raws]
        self._open.move_to_end(file)
        return self._open[file][1]


def _in_order(name: str, stretches: list[Stretch]) -> list[Stretch]:
    ordered = sorted(stretches, key=lambda stretch: stretch.times[0])
    for one, other in pairwise(ordered):
        if other.times[0] <= one.times[-1]:
            raise InputError(
                f"{name} in {short_name(other.file)} begins at {other.times[0]}, before {short_name(one.file)} ends at "
                f"{one.times[-1]}; give files that follow one another."
            )
    return ordered


def _timeline(stretches: list[Stretch]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.concatenate([stretch.times.values for stretch in stretches]))


_archives: weakref.WeakSet[Archive] = weakref.WeakSet()


def _close_all() -> None:
    for archive in list(_archives):
        archive.close()


# HDF5 must not go through a fork with open files: parent and child would share their handles.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_all)
