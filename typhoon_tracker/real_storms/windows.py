"""Windows fixed on the ground, cut from patches that move with a storm.

A patch of 25 degrees follows the storm, a forecaster wants a grid that stands still. The window is laid inside the
patch of the init time and shifted downstream by the motion up to then: where it lies tells nothing of the future, as
the area that all eight patches share would. Where an earlier patch does not reach, the next later one up to the init
time fills in; where a later patch does not reach, the truth is unknown and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.patches import open_patches

VARIABLES = ("u10", "v10", "z500")
STEP_HOURS = 6
PAST = FUTURE = 4  # frames
FINE = 0.25  # degrees between the points of a patch
BLOCK = 2  # points of a patch along either axis that make one of the window
SIZE = 40  # points of a window along either axis, so 20 degrees
AHEAD_HOURS = 12  # of past motion by which the window is shifted downstream

Field = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Series:
    """One storm: its patches (n, 3, H, W) with the row and column of their north-west corners, and its best track.

    Rows count quarter degrees southward from 90N, columns eastward from 0E.
    """

    name: str
    times: pd.DatetimeIndex
    fields: Field
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    best: pd.DataFrame  # a row a patch

    def __len__(self) -> int:
        return len(self.times)

    @property
    def slack(self) -> int:
        """Quarter degrees by which a window can be shifted inside a patch."""
        return min(self.fields.shape[-2:]) - BLOCK * SIZE


@dataclass(frozen=True)
class Window:
    """Eight frames on one grid: values (8, 3, SIZE, SIZE) in SI units, and which of them were seen (8, SIZE, SIZE)."""

    values: Field
    seen: NDArray[np.bool_]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]


def read(path: str | Path) -> list[Series]:
    """Return the storms of a storm-patch file.

    Raises InputError as `open_patches` does, and for a storm with a gap in time, a NaN, another grid than a quarter
    degree, or patches smaller than a window.
    """
    return [_series(list(storm)) for storm in open_patches(path)]


def _series(patches: Sequence) -> Series:
    name, times = patches[0].storm, pd.DatetimeIndex([patch.time for patch in patches]).as_unit("ns")
    steps = np.diff(times.to_numpy())
    if (steps != np.timedelta64(STEP_HOURS, "h")).any():
        i = int(np.argmax(steps != np.timedelta64(STEP_HOURS, "h")))
        raise InputError(f"{name} has no patch {STEP_HOURS} h after {times[i]}; its patches must be without a gap.")
    fields = np.stack([[getattr(patch, variable) for variable in VARIABLES] for patch in patches])
    if not np.isfinite(fields).all():
        i = int(np.argmax(~np.isfinite(fields).all((1, 2, 3))))
        raise InputError(f"the patch of {name} at {times[i]} has NaN or infinite values.")
    for patch in patches:
        for axis, values, sign in (("latitude", patch.latitude, -1), ("longitude", patch.longitude, 1)):
            if not np.allclose(np.diff(values), sign * FINE, atol=1e-3):
                raise InputError(
                    f"the patches of {name} have another {axis} than one of {FINE} degrees, north-west first."
                )
    if min(fields.shape[-2:]) < BLOCK * SIZE:
        have = " x ".join(map(str, fields.shape[-2:]))
        raise InputError(f"the patches of {name} have {have} points; a window needs {BLOCK * SIZE} along either axis.")
    best = track.create(
        track_id=[name] * len(patches),
        time=times,
        lat=[patch.bt_lat for patch in patches],
        lon=[patch.bt_lon for patch in patches],
        msl=[patch.bt_msl for patch in patches],
        wind=[patch.bt_wind for patch in patches],
        original=True,
    )
    row = np.array([round((90.0 - patch.latitude[0]) / FINE) for patch in patches])
    column = np.array([round(patch.longitude[0] / FINE) for patch in patches])
    return Series(name, times, fields, row, column, best)


def init_indices(series: Series) -> range:
    """Return the frames at which a forecast may start: the past is there and a frame to score it by."""
    return range(PAST - 1, len(series) - 1)


def downstream_corner(series: Series, init: int) -> tuple[int, int]:
    """Return the window's north-west corner in the patch of the init time, shifted by the motion up to then."""
    before = max(init - AHEAD_HOURS // STEP_HOURS, 0)
    half = series.slack // 2
    shift = (series.row[init] - series.row[before], series.column[init] - series.column[before])
    row, column = (half + int(np.clip(way, -half, half)) for way in shift)
    return row, column


def cut(series: Series, init: int, corner: tuple[int, int]) -> Window:
    """Return the window around an init time whose north-west corner is `corner` (row, column) in that time's patch.

    Frames that the storm does not live to see count as not seen; they repeat the frame before.
    """
    top, left = series.row[init] + corner[0], series.column[init] + corner[1]
    width = BLOCK * SIZE
    values = np.empty((PAST + FUTURE, len(VARIABLES), width, width), np.float32)
    seen = np.zeros((PAST + FUTURE, width, width), bool)
    past = range(PAST - 1, -1, -1)
    for k in (*past, *range(PAST, PAST + FUTURE)):
        if k != PAST - 1:
            values[k] = values[k + 1 if k < PAST else k - 1]
        i = init + k - (PAST - 1)
        if not 0 <= i < len(series):
            continue
        height, breadth = series.fields.shape[-2:]
        rows, inside_rows = _overlap(top - series.row[i], width, height)
        columns, inside_columns = _overlap(left - series.column[i], width, breadth)
        values[k][:, rows, columns] = series.fields[i][:, inside_rows, inside_columns]
        seen[k][rows, columns] = True
    centre = (BLOCK - 1) / 2 + BLOCK * np.arange(SIZE)
    blocks = (SIZE, BLOCK, SIZE, BLOCK)
    return Window(
        values.reshape(*values.shape[:2], *blocks).mean((3, 5)),
        np.asarray(seen.reshape(len(seen), *blocks).all((2, 4))),
        90.0 - FINE * (top + centre),
        FINE * (left + centre),
    )


def _overlap(start: int, width: int, available: int) -> tuple[slice, slice]:
    """Return the part of a window of `width` from `start` that lies in [0, available): in the window, and there."""
    first, last = max(start, 0), max(min(start + width, available), max(start, 0))
    return slice(first - start, last - start), slice(first, last)


def common_area(series: Series, init: int) -> tuple[int, int] | None:
    """Return rows and columns of quarter degrees that the eight patches about an init time share; None without 8."""
    frames = slice(init - PAST + 1, init + FUTURE + 1)
    if frames.start < 0 or frames.stop > len(series):
        return None
    height, breadth = series.fields.shape[-2:]
    rows, columns = series.row[frames], series.column[frames]
    return int(height - np.ptp(rows)), int(breadth - np.ptp(columns))


def count(storms: Sequence[Series]) -> dict[str, int]:
    """Return how many init times there are, how many have all leads, and in how many of these the patches share areas.

    Keys: inits, whole, shared (the points of a window) and shared_64 (64 x 64 quarter degrees).
    """
    areas = [common_area(series, init) for series in storms for init in init_indices(series)]
    whole = [min(area) for area in areas if area is not None]
    shared = {
        f"shared{name}": sum(side >= least for side in whole) for name, least in (("", BLOCK * SIZE), ("_64", 64))
    }
    return {"inits": len(areas), "whole": len(whole), **shared}
