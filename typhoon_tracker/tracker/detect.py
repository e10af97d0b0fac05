"""Candidates: closed lows of a mass field with cyclonic vorticity, and vortices whose low is no longer closed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from typhoon_tracker.geo.sphere import KM_PER_DEGREE
from typhoon_tracker.tracker import cells
from typhoon_tracker.tracker.fits import separation
from typhoon_tracker.tracker.frame import Axes, Field, Floats, Frame, check_grid
from typhoon_tracker.tracker.settings import DEFAULT, Settings

NEAR = 1.5  # of the smoothing: the lowest cell within it is a minimum
NOTHING = np.zeros((0, 0))
OVERLAP = 1800.0  # km by which a grid round the globe overlaps itself, so that the seam is as any other place


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
    view = _Coarse(frame, settings)
    cyclonic = anomaly = None
    if frame.u10 is not None and frame.v10 is not None:
        u, v = view.means(frame.u10), view.means(frame.v10)
        cyclonic = view.smooth(cells.cyclonic_vorticity(u, v, view.axes))
    if mass != "vorticity" and frame.mass is not None:
        pressure = view.means(frame.mass)
        anomaly = view.smooth(pressure)
        if math.isfinite(settings.surroundings):
            anomaly = anomaly - cells.surroundings(pressure, view.axes, settings.surroundings)
        else:
            anomaly = anomaly - anomaly.max(initial=-math.inf)
    found: list[Candidate] = []
    if anomaly is not None:
        for lat, lon, depth, _, _, vorticity in view.lows(anomaly, settings.threshold(mass), cyclonic):
            found.append(Candidate(lat, lon, depth, vorticity))
    lows = len(found)
    if cyclonic is not None and not (alone and anomaly is not None):
        for lat, lon, depth, i, j, vorticity in view.lows(-cyclonic, settings.min_vorticity_rise, cyclonic):
            if anomaly is not None and not anomaly[int(i), int(j)] < -settings.threshold(mass) / 4:
                continue  # an over-smoothed storm is still where pressure is low
            if all(separation(lat, lon, low.lat, low.lon) > settings.max_separation for low in found[:lows]):
                found.append(Candidate(lat, lon, depth, vorticity, low=False))
    return found


class _Coarse:
    """The cells of a frame: as many grid points in one as the smoothing allows, poleward rows left out."""

    def __init__(self, frame: Frame, settings: Settings) -> None:
        lat0, dlat, lon0, dlon = frame.axes
        self.settings = settings
        self.voids: Floats | None = None
        rows = len(frame.latitude)
        edges = sorted((side * (settings.max_latitude + 1.0) - lat0) / dlat for side in (-1.0, 1.0))
        first, last = max(math.ceil(edges[0]), 0), min(math.floor(edges[1]) + 1, rows)
        self.rows = slice(first, max(last, first))
        count = len(frame.longitude)
        size = max(1, min(round(settings.smoothing / frame.spacing[0]), (last - first) // 5, count // 5))
        if frame.wraps:
            while count % size:
                size -= 1
        self.size, self.count = size, count // size
        south = lat0 + dlat * (self.rows.start + (size - 1) / 2)
        self.pad = 0
        if frame.wraps:
            widest = max(math.cos(math.radians(min(settings.max_latitude, 85.0))), 0.05)
            self.pad = min(math.ceil(OVERLAP / (KM_PER_DEGREE * dlon * size * widest)), self.count)
        west = lon0 + dlon * ((size - 1) / 2 - self.pad * size)
        self.axes: Axes = (south, dlat * size, west, dlon * size)

    def means(self, field: Field) -> Floats:
        """Return the means of a field over the cells; cells without a value get the mean of all and are noted."""
        means = cells.block_means(np.ascontiguousarray(field[self.rows]), self.size)
        if not math.isfinite(means.sum()):
            void = ~np.isfinite(means)
            means[void] = means[~void].mean() if not void.all() else 0.0
            self.voids = void if self.voids is None else self.voids | void
        if self.pad:
            means = np.concatenate([means[:, -self.pad :], means, means[:, : self.pad]], axis=1)
        return means

    def smooth(self, field: Floats) -> Floats:
        return cells.smooth(field, self.axes, self.settings.smoothing, self.size)

    def lows(self, field: Floats, least: float, cyclonic: Floats | None) -> list[list[float]]:
        """Return the closed minima of a field with cyclonic vorticity, deepest first, none beside a void.

        Each is a list: latitude, longitude, depth, row, column, vorticity.
        """
        if min(field.shape) < 3:
            return []
        settings = self.settings
        found = cells.closed_lows(
            field,
            self.axes,
            least,
            NEAR * settings.smoothing,
            settings.closed_within,
            NOTHING if cyclonic is None else cyclonic,
            settings.min_vorticity,
            settings.max_separation,
        )
        if self.pad:
            found = found[(found[:, 4] >= self.pad) & (found[:, 4] < self.pad + self.count)]
        if self.voids is not None and len(found):
            void = self.voids
            if self.pad:
                void = np.concatenate([void[:, -self.pad :], void, void[:, : self.pad]], axis=1)
            i, j = found[:, 3].astype(int), found[:, 4].astype(int)
            clear = [not void[max(a - 2, 0) : a + 3, max(b - 2, 0) : b + 3].any() for a, b in zip(i, j, strict=True)]
            found = found[clear]
        return found[np.argsort(-found[:, 2], kind="stable")].tolist()
