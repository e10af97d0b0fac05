"""Every storm in the fields: candidates, their centres, and the tracks they make over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import distance, extrapolate, wrap
from typhoon_tracker.tracker.centre import Fix, locate
from typhoon_tracker.tracker.detect import find
from typhoon_tracker.tracker.follow import hours
from typhoon_tracker.tracker.settings import Settings, check_mass
from typhoon_tracker.tracker.window import Frame, frames

SAME_STORM = 100.0  # km; two candidates whose centres come this close are one storm
UNMATCHED = 1e3  # above the cost of every pair within reach, so that as many storms as can be go on


def find_storms(fields: xr.Dataset, *, settings: Settings | None = None, mass: str = "msl") -> pd.DataFrame:
    """Return the tracks of all storms in `fields` as a track table, named S001, S002, ... in order of birth.

    mass: the field whose minima are the storms: "msl", "z500" (m), or "vorticity" for the wind alone. The grid may go
    round the globe. Raises InputError where a variable is missing.
    """
    settings = settings or Settings()
    rows = []
    for frame in frames(fields, mass=check_mass(mass)):
        rows += [{"time": frame.time, **vars(fix)} for fix in fixes(frame, settings=settings, mass=mass)]
    table = pd.DataFrame(rows, columns=["time", *track.NUMERIC])
    return link(table, settings=settings)


def fixes(frame: Frame, *, settings: Settings, mass: str = "msl") -> list[Fix]:
    """Return the fixes of all storms in a frame, strongest first."""
    window = frame.window(settings)
    if window is None:
        raise InputError(
            f"the grid has {len(frame.latitude)} x {len(frame.longitude)} points; the tracker needs 5 x 5."
        )
    found: list[Fix] = []
    for candidate in find(window, settings.threshold(mass), settings):
        # Around the globe the window overlaps itself; what lies in the overlap is found on the other side too.
        if not frame.inside(candidate.lat, candidate.lon, settings.edge_margin):
            continue
        fix = locate(window, candidate.lat, candidate.lon, settings, mass=mass)
        if fix is None or not frame.inside(fix.lat, fix.lon, settings.edge_margin):
            continue
        if all(distance(fix.lat, fix.lon, other.lat, other.lon) > SAME_STORM for other in found):
            found.append(fix)
    return found


@dataclass
class _Storm:
    """A track being built: rows of the table of fixes, and their (hours, lat, lon)."""

    rows: list[int]
    known: list[tuple[float, float, float]]

    def expected(self, now: float, settings: Settings) -> tuple[float, float]:
        time, lat, lon = self.known[-1]
        if len(self.known) == 1:
            return lat, lon
        within = [old for old in self.known[:-1] if time - old[0] <= settings.motion_hours] or self.known[-2:-1]
        then, lat0, lon0 = within[0]
        there = extrapolate(lat0, lon0, lat, lon, (now - time) / (time - then))
        return float(there[0]), float(there[1])

    def cost(self, now: float, lat: NDArray, lon: NDArray, settings: Settings) -> NDArray[np.float64]:
        """Return the squared distance to every fix, as a share of the reach; infinite beyond it."""
        gap = now - self.known[-1][0]
        away = distance(*self.expected(now, settings), lat, lon)
        moved = distance(*self.known[-1][1:], lat, lon)
        if len(self.known) == 1:
            reach = settings.reach(gap, speed=settings.birth_speed)
            return np.where(away <= reach, (away / reach) ** 2, np.inf)
        reach = settings.radius(gap)
        return np.where((away <= reach) & (moved <= settings.reach(gap)), (away / reach) ** 2, np.inf)


def link(fixes: pd.DataFrame, *, settings: Settings | None = None) -> pd.DataFrame:
    """Join fixes over time into tracks and return a track table; other columns ride along.

    fixes: columns time, lat, lon. At each time, the pairs of storms (at their extrapolated positions) and fixes are
    those with the least sum of squared great-circle distances among the sets with most pairs (Jonker-Volgenant), within
    the reach of a storm. A storm without a fix goes on for `settings.patience` hours. Tracks shorter than
    `settings.min_life` hours, and those born poleward of `settings.max_birth_latitude`, are left out.
    """
    settings = settings or Settings()
    missing = [name for name in ("time", "lat", "lon") if name not in fixes]
    if missing:
        raise InputError(f"fixes need the column {', '.join(missing)}; they have {', '.join(map(str, fixes.columns))}.")
    fixes = fixes.sort_values(["time", "lat", "lon"], kind="stable", ignore_index=True)
    ended: list[_Storm] = []
    alive: list[_Storm] = []
    for time, group in fixes.groupby("time", sort=True):
        now = hours(time)
        ended += [storm for storm in alive if now - storm.known[-1][0] > settings.patience]
        alive = [storm for storm in alive if now - storm.known[-1][0] <= settings.patience]
        alive += _continue(alive, now, group, settings)
    storms = [storm for storm in ended + alive if _counts(storm, settings)]
    storms.sort(key=lambda storm: storm.rows[0])
    rows = [row for storm in storms for row in storm.rows]
    names = [f"S{i:03d}" for i, storm in enumerate(storms, 1) for _ in storm.rows]
    table = fixes.drop(columns="track_id", errors="ignore").iloc[rows].reset_index(drop=True)
    return track.create(track_id=names, **{str(name): table[name] for name in table})


def _continue(alive: list[_Storm], now: float, group: pd.DataFrame, settings: Settings) -> list[_Storm]:
    """Give the storms alive their fixes of this time, and return the storms born of the fixes left over."""
    lat, lon = group["lat"].to_numpy(float), wrap(group["lon"].to_numpy(float))
    taken: dict[int, _Storm] = {}
    if alive:
        cost = np.stack([storm.cost(now, lat, lon, settings) for storm in alive])  # (storm, fix)
        for i, j in zip(*linear_sum_assignment(np.where(np.isfinite(cost), cost, UNMATCHED)), strict=True):
            if np.isfinite(cost[i, j]):
                taken[int(j)] = alive[i]
    born = []
    for j, row in enumerate(group.index):
        here = (now, float(lat[j]), float(lon[j]))
        storm = taken.get(j)
        if storm is None:
            born.append(_Storm([int(row)], [here]))
        else:
            storm.rows.append(int(row))
            storm.known.append(here)
    return born


def _counts(storm: _Storm, settings: Settings) -> bool:
    life = storm.known[-1][0] - storm.known[0][0]
    return life >= settings.min_life and abs(storm.known[0][1]) <= settings.max_birth_latitude
