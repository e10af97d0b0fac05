"""Score the tracker on real storms: ERA5 patches that move with the storm, against the CMA best track."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.sources.patches import CLASSES, Patch, name_class
from typhoon_tracker.tracker.follow import Follower
from typhoon_tracker.tracker.frame import Frame
from typhoon_tracker.tracker.settings import ALOFT, Settings, check_mass

FOUND_WITHIN = 500.0  # km from the best track; a fix further away is another system, and the frame counts as not found

TRUTH = ("bt_lat", "bt_lon", "bt_wind")


def assess_patches(
    storms: Iterable[Iterable[Patch]], *, mass: str = "z500", settings: Settings = ALOFT
) -> pd.DataFrame:
    """Follow every storm (its patches in time order) and return a row a frame: its fix and how far that is off.

    Until a storm is first found it is sought from the best track's position of the frame, as a centre numbers a storm
    it sees; frames before that count as not found. From then on the tracker's own fixes are its only first guess, and
    the window, though it moves with the storm, tells it nothing. Rows are in the track contract (lat and lon NaN where
    there is no fix) plus `bt_lat, bt_lon, bt_wind, class, distance` (km), `found` (a fix within 500 km of the best
    track; one further away is another system) and `seeded` (the frame of the first fix, which saw the truth).
    Raises InputError where `mass` is "msl", which the patches lack.
    """
    if check_mass(mass) == "msl":
        raise InputError('the storm patches hold no msl; assess with mass="z500" or mass="vorticity".')
    rows: list[dict[str, object]] = []
    for storm in storms:
        acquired = False
        for patch in storm:
            unseen = not acquired
            if unseen:
                seed = track.create(track_id=[patch.storm], time=[patch.time], lat=[patch.bt_lat], lon=[patch.bt_lon])
                follower = Follower(seed, settings=settings, mass=mass)
            height = patch.z500 if mass == "z500" else None
            frame = Frame(pd.Timestamp(patch.time), patch.latitude, patch.longitude, height, patch.u10, patch.v10)
            fix = follower.step(frame)
            acquired = acquired or fix is not None
            row = {"track_id": patch.storm, "time": patch.time, "seeded": unseen and acquired}
            row |= {name: np.nan if fix is None else getattr(fix, name) for name in track.NUMERIC}
            rows.append(row | {name: getattr(patch, name) for name in TRUTH})
    if not rows:
        raise InputError("there is no storm patch to assess.")
    table = track.create(**{name: [row[name] for row in rows] for name in rows[0]})
    table["class"] = [name_class(wind) for wind in table["bt_wind"]]
    table["distance"] = distance(table["lat"], table["lon"], table["bt_lat"], table["bt_lon"])
    table["found"] = table["distance"] <= FOUND_WITHIN
    return table


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return, by class of best-track wind, the frames, the share found, and the distance of those to the best track.

    Columns: frames, found (0-1), wrong (0-1, a fix beyond 500 km), mean, median, p90 (km), error (km, the median of
    `fix_error`), within (0-1, a distance of no more than two of its `fix_error`). The frame of each storm's first fix
    is left out: it saw the best track. Rows: the classes, "TY+" (32.7 m s-1 and more) and "all".
    """
    scored = table[~table["seeded"]]
    groups = {name: scored[scored["class"] == name] for name in CLASSES}
    groups["TY+"] = scored[scored["class"].isin(["TY", "STY"])]
    groups["all"] = scored
    rows = {}
    for name, group in groups.items():
        fixes = group[group["found"]]
        away, known = fixes["distance"], fixes.dropna(subset=["fix_error"])
        rows[name] = {
            "frames": len(group),
            "found": group["found"].mean(),
            "wrong": (group["distance"] > FOUND_WITHIN).mean(),
            "mean": away.mean(),
            "median": away.median(),
            "p90": away.quantile(0.9),
            "error": known["fix_error"].median(),
            "within": (known["distance"] <= 2 * known["fix_error"]).mean(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
