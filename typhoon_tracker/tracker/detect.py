"""Candidates: closed lows of a mass field with cyclonic vorticity, and vortices whose low is no longer closed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from typhoon_tracker.tracker.cells import Cells
from typhoon_tracker.tracker.compiled.lows import closed, lowest_near, minima
from typhoon_tracker.tracker.compiled.sphere import Floats, separation
from typhoon_tracker.tracker.frame import Frame, check_grid
from typhoon_tracker.tracker.settings import DEFAULT, Settings

NEAR = 1.5  # of the smoothing: the lowest cell within it is a minimum
SHALLOW = 0.25  # of the depth of a storm, which the field must have at the storm's minimum
NOTHING = np.zeros((0, 0))  # a field that is not there


@dataclass(frozen=True)
class Candidate:
    """A place that may hold a storm: depth in the units of the mass field, cyclonic vorticity in s-1 (NaN: no wind).

    Where the vorticity is what stands out, `low` is False and the depth is that of the vorticity.
    """

    lat: float
    lon: float
    depth: float
    vorticity: float
    low: bool = True


def candidates(
    msl: ArrayLike,
    u10: ArrayLike,
    v10: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    settings: Settings = DEFAULT,
) -> pd.DataFrame:
    """Return the closed lows of MSL with cyclonic vorticity, deepest first, and then the vortices without a closed low.

    msl: (latitude, longitude) in Pa; u10, v10 in m s-1. Columns: lat, lon, depth, vorticity, low.
    """
    axes = check_grid(np.asarray(latitude), np.asarray(longitude))
    mass, u, v = (np.ascontiguousarray(field, np.float32) for field in (msl, u10, v10))
    found = find(Frame(pd.Timestamp(0), *axes, mass, u, v), settings)
    return pd.DataFrame(found, columns=["lat", "lon", "depth", "vorticity", "low"])


def find(frame: Frame, settings: Settings, *, mass: str = "msl", alone: bool = False) -> list[Candidate]:
    """Return the candidates of a frame, the closed lows deepest first and then the vortices strongest first.

    With `alone`, only those that stand out in the field `mass` names.
    """
    cells = Cells.of(frame, settings)
    if min(cells.void.shape) < 3:
        return []
    near, far = NEAR * settings.smoothing, settings.max_separation
    anomaly = None if frame.mass is None or mass == "vorticity" else cells.depth(frame.mass)
    turning = None if frame.u10 is None or frame.v10 is None else cells.vorticity(frame.u10, frame.v10)
    found: list[Candidate] = []
    shallow = 0.0
    if anomaly is not None:
        least = settings.threshold(mass)
        shallow = -SHALLOW * least
        places = minima(anomaly, cells.axes, cells.core, shallow, near, NOTHING, 0.0)
        found = _closed(cells, anomaly, turning, places, least, low=True)
    if turning is not None and not (alone and anomaly is not None):
        least = settings.min_vorticity_rise
        # An over-smoothed storm is still where pressure is low.
        where = NOTHING if anomaly is None else anomaly
        places = minima(turning, cells.axes, cells.core, -SHALLOW * least, near, where, shallow)
        lows = found.copy()
        for one in _closed(cells, turning, turning, places, least, low=False):
            if all(separation(one.lat, one.lon, low.lat, low.lon) > far for low in lows):
                found.append(one)
    return found


def _closed(
    cells: Cells, field: Floats, turning: Floats | None, places: NDArray[np.int64], least: float, *, low: bool
) -> list[Candidate]:
    """Return those of the minima of a field that are closed and turn, deepest first."""
    settings, found = cells.settings, []
    if len(places):
        places, rows = closed(field, cells.void, places, cells.axes, cells.ways, cells.known, least)
        for (i, j), (lat, lon, depth) in zip(places.tolist(), rows.tolist(), strict=True):
            vorticity = math.nan
            if turning is not None:
                vorticity = -lowest_near(turning, cells.axes, i, j, settings.max_separation)
                if vorticity < settings.min_vorticity:
                    continue
            found.append(Candidate(lat, lon, depth, vorticity, low))
    return sorted(found, key=lambda one: -one.depth)
