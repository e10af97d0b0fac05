"""Every storm in a series of fields: the fixes of each frame, in parallel over blocks of time, and their tracks."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker import track
from typhoon_tracker.tracker.centre import Fix, locate
from typhoon_tracker.tracker.compiled.sphere import separation
from typhoon_tracker.tracker.detect import find
from typhoon_tracker.tracker.frame import Frame, frames
from typhoon_tracker.tracker.link import link
from typhoon_tracker.tracker.settings import DEFAULT, Settings, check_mass

SAME_STORM = 100.0  # km; two candidates whose centres come this close are one storm
COLUMNS = (*track.NUMERIC, "error_major", "error_minor", "error_bearing", "tropical")


def find_storms(fields: xr.Dataset, *, settings: Settings = DEFAULT, mass: str = "msl") -> pd.DataFrame:
    """Return the tracks of all storms in `fields` as a track table, named S001, S002, ... in order of birth.

    mass: the field whose minima are the storms: "msl", "z500" (m), or "vorticity" for the wind alone. Without u10 and
    v10 the mass field alone decides; `t2m` and, with msl, `z500` tell extratropical lows. The grid may go round the
    globe. Behind the columns of the contract ride error_major, error_minor (km) and error_bearing (degrees), the
    ellipse of `fix_error`. Raises InputError where a variable is missing, or times or axes run backward.
    """
    return join([find_fixes(frames(fields, mass=check_mass(mass)), settings=settings, mass=mass)], settings=settings)


def find_fixes(series: Iterable[Frame], *, settings: Settings, mass: str = "msl") -> pd.DataFrame:
    """Return a row a fix of all storms in frames: `time` and the columns of a `Fix`."""
    times, rows, values = [], [], attrgetter(*COLUMNS)
    for frame in series:
        for fix in fixes(frame, settings=settings, mass=mass):
            times.append(frame.time)
            rows.append(values(fix))
    table = pd.DataFrame(np.array(rows, float).reshape(-1, len(COLUMNS)), columns=list(COLUMNS))
    table.insert(0, "time", pd.DatetimeIndex(times).as_unit("ns") if times else pd.DatetimeIndex([], "ns"))
    return table


def join(parts: Iterable[pd.DataFrame], *, settings: Settings) -> pd.DataFrame:
    """Return the tracks made by the fixes of `find_fixes`, in one part or many."""
    table = pd.concat(list(parts), ignore_index=True)
    table["tropical"] = table["tropical"].astype(bool) & ~_on_land(table)
    return link(table, settings=settings)


def fixes(frame: Frame, *, settings: Settings = DEFAULT, mass: str = "msl") -> list[Fix]:
    """Return the fixes of all storms in a frame, closed lows first, the strongest first."""
    found: list[Fix] = []
    for candidate in find(frame, settings, mass=mass):
        if not frame.inside(candidate.lat, candidate.lon, settings.edge_margin):
            continue
        if abs(candidate.lat) > settings.max_latitude:
            continue
        fix = locate(frame, candidate.lat, candidate.lon, settings, mass=mass, low=candidate.low)
        if fix is None or not frame.inside(fix.lat, fix.lon, settings.edge_margin):
            continue
        if all(separation(fix.lat, fix.lon, other.lat, other.lon) > SAME_STORM for other in found):
            found.append(fix)
    return found


def _on_land(table: pd.DataFrame) -> np.ndarray:
    """Tell which fixes lie on land of the western North Pacific; the coast elsewhere is not shipped."""
    from shapely import intersects_xy

    from typhoon_tracker.geo.land import DOMAIN, coastline
    from typhoon_tracker.geo.sphere import wrap

    near = DOMAIN.contains(table["lat"], table["lon"])
    land = np.zeros(len(table), bool)
    if near.any():
        at = table[near]
        land[near] = intersects_xy(coastline(), wrap(at["lon"], DOMAIN.west), at["lat"].to_numpy())
    return land
