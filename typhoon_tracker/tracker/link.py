"""Fixes joined over time into the tracks of storms, each with one name from birth to death."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import wrap
from typhoon_tracker.tracker.compiled.gates import near, shares
from typhoon_tracker.tracker.compiled.sphere import Floats
from typhoon_tracker.tracker.settings import DEFAULT, Settings

MISSED = (1.0, 0.6)  # cost of giving a storm no fix, as a share of its reach squared: seen a frame ago, or longer ago


@dataclass
class _Storm:
    """A track being built: rows of the table of fixes, and their (hours, lat, lon)."""

    rows: list[int]
    known: list[tuple[float, float, float]]
    missed: bool = False

    def motion(self, settings: Settings) -> tuple[float, ...]:
        """Return the last fix and the one the motion is taken from (itself where there is none)."""
        last = self.known[-1]
        before = last
        for old in reversed(self.known[:-1]):
            if last[0] - old[0] > settings.motion_hours and before is not last:
                break
            before = old
        return (*last, *before)


def link(fixes: pd.DataFrame, *, settings: Settings = DEFAULT) -> pd.DataFrame:
    """Join fixes over time into tracks and return a track table; other columns ride along.

    fixes: columns time, lat, lon; `tropical`, where it is there, tells which fixes may be a tropical cyclone's. At each
    time storms (at their extrapolated positions) are paired with fixes at the least cost (Jonker-Volgenant): of a pair,
    the squared great-circle distance as a share of the storm's reach; of a storm left without, 1, or 0.6 where it was
    missing already, so that a storm that is gone does not take the fix of another that passes by. A storm goes on for
    `settings.patience` hours without a fix. A track counts if it begins equatorward of `settings.max_birth_latitude`,
    spans `settings.min_life` hours, is seen at `settings.min_seen` of the times of fixes in between, and its tropical
    fixes span `settings.min_tropical`. Names are S001, S002, ... in order of birth.
    """
    missing = [name for name in ("time", "lat", "lon") if name not in fixes]
    if missing:
        raise InputError(f"fixes need the column {', '.join(missing)}; they have {', '.join(map(str, fixes.columns))}.")
    when = fixes["time"].to_numpy("datetime64[ns]")
    lat, lon = fixes["lat"].to_numpy(float), fixes["lon"].to_numpy(float)
    order = np.lexsort((lon, lat, when))
    times, first = np.unique(when[order], return_index=True)
    hours = times.astype(np.int64) / 3.6e12
    past = np.append(first[1:], len(order))[: len(first)]
    positions = np.stack([lat, wrap(lon)], axis=1)[order]
    limits = np.array([
        settings.search_radius, settings.search_growth, settings.max_search_radius, settings.max_speed,
        settings.birth_speed,
    ])  # fmt: skip
    ended: list[_Storm] = []
    alive: list[_Storm] = []
    for now, begin, end in zip(hours.tolist(), first.tolist(), past.tolist(), strict=True):
        ended += [storm for storm in alive if now - storm.known[-1][0] > settings.patience]
        alive = [storm for storm in alive if now - storm.known[-1][0] <= settings.patience]
        alive += _continue(alive, now, positions[begin:end], begin, limits, settings)
    tropical = fixes["tropical"].to_numpy(bool)[order] if "tropical" in fixes else np.ones(len(fixes), bool)
    storms = [storm for storm in ended + alive if _counts(storm, tropical, hours, settings)]
    storms.sort(key=lambda storm: storm.rows[0])
    rows = order[np.array([row for storm in storms for row in storm.rows], int)]
    names = [f"S{i:03d}" for i, storm in enumerate(storms, 1) for _ in storm.rows]
    kept = [name for name in fixes if name not in ("track_id", "tropical")]
    return track.create(track_id=names, **{str(name): fixes[name].array.take(rows) for name in kept})


def _continue(
    alive: list[_Storm], now: float, places: Floats, begin: int, limits: Floats, settings: Settings
) -> list[_Storm]:
    """Give the storms alive their fixes of this time, and return the storms born of the fixes left over."""
    taken: dict[int, _Storm] = {}
    if alive:
        cost = shares(np.array([storm.motion(settings) for storm in alive]), now, places, limits)  # (storm, fix)
        misses = np.array([MISSED[storm.missed] for storm in alive])
        taken = {j: alive[i] for i, j in _pairs(cost, misses)}
    for storm in alive:
        storm.missed = True
    born = []
    for j, (lat, lon) in enumerate(places.tolist()):
        if j in taken:
            storm = taken[j]
            storm.rows.append(begin + j)
            storm.known.append((now, lat, lon))
            storm.missed = False
        else:
            born.append(_Storm([begin + j], [(now, lat, lon)]))
    return born


def _pairs(cost: Floats, misses: Floats) -> list[tuple[int, int]]:
    """Return the pairs of storm and fix at the least cost, where a storm may go without a fix for that of a miss."""
    able, apart = near(cost, misses)  # any other pair costs more than a miss
    if apart:
        return able.tolist()
    # A column of its own for every storm: staying without a fix.
    alone = np.full((len(misses), len(misses)), np.inf)
    np.fill_diagonal(alone, misses)
    pairs = zip(*map(np.ndarray.tolist, linear_sum_assignment(np.hstack([cost, alone]))), strict=True)
    return [(storm, fix) for storm, fix in pairs if fix < cost.shape[1]]


def _counts(storm: _Storm, tropical: np.ndarray, hours: Floats, settings: Settings) -> bool:
    times = [time for time, _, _ in storm.known]
    warm = [time for time, row in zip(times, storm.rows, strict=True) if tropical[row]]
    frames = int(np.searchsorted(hours, times[-1]) - np.searchsorted(hours, times[0])) + 1
    return (
        len(times) >= settings.min_seen * frames
        and abs(storm.known[0][1]) <= settings.max_birth_latitude
        and times[-1] - times[0] >= settings.min_life
        and bool(warm)
        and warm[-1] - warm[0] >= settings.min_tropical
    )
