"""Hits, misses and false alarms of tracks that were found without the best track, judged against it afterwards.

The rule, in two steps. Fixes: at every original best-track time, found and best-track positions are paired one to one
so that as many pairs as possible lie within `radius`, and these as near as possible. Tracks: a found track belongs to
the storm it shares most pairs with, and only those pairs count as hits.

What must be found is a best-track fix inside the region with a wind of tropical-storm strength. A fix found near a
weaker, unclassified or departing storm is neither a hit nor a false alarm: whether to report that is taste, not truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from typhoon_tracker.errors import InputError
from typhoon_tracker.geo import sphere
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.verify.past import TROPICAL_STORM
from typhoon_tracker.verify.statistics import mean_interval

RADIUS_KM = 300.0
SYNOPTIC = "6h"
MIN_FIXES = 2  # pairs that make a found storm or, without any, a false track
FAR = 1e6  # km, the cost of a pair outside the radius


@dataclass(frozen=True, eq=False)
class Detection:
    """What was found of what was there. Shares are in 0 to 1, NaN where there was nothing to find; km for the error.

    `truth` is the best-track fixes with `wanted`, `hit` and `distance` (km); `found` the judged fixes with `storm` (the
    best track they belong to, "" where none) and `verdict` (hit, false alarm, neutral).
    """

    hits: int
    misses: int
    false_alarms: int
    neutral: int
    pod: float
    pod_interval: tuple[float, float]  # storm-clustered, 95 %
    far: float  # false alarms among hits and false alarms: the ratio, not the rate
    csi: float
    storms: int
    storms_found: int
    tracks: int
    false_tracks: int
    broken: int  # storms found in more than one track
    mean_error: float
    truth: pd.DataFrame
    found: pd.DataFrame


def judge(
    found: pd.DataFrame,
    best: pd.DataFrame,
    *,
    times: pd.DatetimeIndex,
    region: Region | None = None,
    margin: float = 1.0,
    radius: float = RADIUS_KM,
    min_wind: float = TROPICAL_STORM,
    min_fixes: int = MIN_FIXES,
    draws: int = 10_000,
) -> Detection:
    """Judge found tracks (track table) against best tracks by the rule above.

    `times` are those of the frames that were searched, whether or not a storm was found in them; those at which the
    agency reported (00, 06, 12, 18Z) are compared. `region` (the fields') limits both, `margin` degrees from its edge;
    a fix beyond the margin counts for nothing. A storm is found, and a track false, from `min_fixes` pairs, or fixes,
    on. Raises InputError where no compared time is left.
    """
    times = times[times == times.floor(SYNOPTIC)]
    if times.empty:
        raise InputError(
            "none of the times searched is at 00, 06, 12 or 18Z, when best tracks report; search one that is."
        )
    truth = best[best["original"].astype(bool)] if "original" in best else best
    truth = truth[truth["time"].isin(times)]
    found = found[found["time"].isin(times)]
    truth = truth.dropna(subset=["lat", "lon"]).sort_values(["time", "track_id"]).reset_index(drop=True)
    fixes = found.dropna(subset=["lat", "lon"])
    fixes = fixes.sort_values(["time", "track_id"]).reset_index(drop=True)
    pair, distance = _pairs(fixes, truth, radius)
    owner = _owners(fixes["track_id"], truth["track_id"], pair)
    belongs = np.array([owner.get(t, "") for t in fixes["track_id"]], object)
    paired = pair >= 0
    storm_of_pair = np.where(paired, truth["track_id"].to_numpy(object)[pair] if len(truth) else "", "")
    right = paired & (storm_of_pair == belongs)

    inside = np.ones(len(truth), bool) if region is None else region.contains(truth["lat"], truth["lon"], margin=margin)
    wanted = inside & (truth["wind"].fillna(0.0).to_numpy() >= min_wind)
    hit = np.zeros(len(truth), bool)
    hit[pair[right]] = True
    away = np.full(len(truth), np.nan)
    away[pair[right]] = distance[right]
    judged = np.ones(len(fixes), bool) if region is None else region.contains(fixes["lat"], fixes["lon"], margin=margin)
    verdict = np.full(len(fixes), "neutral", object)
    # Off every storm, or on one that another track follows: a false alarm, but for a weaker storm near by.
    verdict[judged & ~_near(fixes, truth, ~wanted, radius) & ~right] = "false alarm"
    on_wanted = np.zeros(len(fixes), bool)
    on_wanted[right] = wanted[pair[right]]
    verdict[on_wanted] = "hit"
    truth = truth.assign(wanted=wanted, hit=wanted & hit, distance=np.where(wanted, away, np.nan))
    fixes = fixes.assign(storm=belongs, verdict=verdict)
    return _count(truth, fixes, min_fixes, draws)


def _pairs(fixes: pd.DataFrame, truth: pd.DataFrame, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return for each fix the row of the best-track fix it is paired with (-1: none) and the distance in km."""
    from scipy.optimize import linear_sum_assignment

    pair, distance = np.full(len(fixes), -1), np.full(len(fixes), np.nan)
    there = truth.groupby("time").indices
    for time, mine in fixes.groupby("time").indices.items():
        rows = there.get(time, np.empty(0, np.int64))
        km = _apart(fixes.iloc[mine], truth.iloc[rows])
        left, right = linear_sum_assignment(np.where(km <= radius, km, FAR))
        near = km[left, right] <= radius
        pair[mine[left[near]]] = rows[right[near]]
        distance[mine[left[near]]] = km[left[near], right[near]]
    return pair, distance


def _owners(tracks: pd.Series, storms: pd.Series, pair: np.ndarray) -> dict[str, str]:
    """Return the storm each found track shares most pairs with; of equals the one first met."""
    met = pd.DataFrame({"track": tracks[pair >= 0], "storm": storms.to_numpy(object)[pair[pair >= 0]]})
    counts = met.groupby("track", sort=False)["storm"].value_counts(sort=True)
    return dict(reversed(list(counts.index)))  # the first of each track stays


def _near(fixes: pd.DataFrame, truth: pd.DataFrame, which: np.ndarray, radius: float) -> np.ndarray:
    """Tell which fixes lie within the radius of one of some best-track fixes of their time."""
    near = np.zeros(len(fixes), bool)
    there = truth[which].groupby("time")
    for time, mine in fixes.groupby("time").indices.items():
        if time in there.groups:
            near[mine] = (_apart(fixes.iloc[mine], there.get_group(time)) <= radius).any(axis=1)
    return near


def _apart(a: pd.DataFrame, b: pd.DataFrame) -> np.ndarray:
    """Return the distances (km) of all fixes of `a` (rows) to all of `b` (columns)."""
    lat, lon = (a[name].to_numpy()[:, None] for name in ("lat", "lon"))
    return sphere.distance(lat, lon, b["lat"].to_numpy(), b["lon"].to_numpy())


def _count(truth: pd.DataFrame, found: pd.DataFrame, min_fixes: int, draws: int) -> Detection:
    wanted = truth[truth["wanted"]]
    hits, false_alarms = int(wanted["hit"].sum()), int((found["verdict"] == "false alarm").sum())
    misses = len(wanted) - hits
    by_storm = wanted.groupby("track_id")["hit"].sum()
    needed = np.minimum(wanted.groupby("track_id").size(), min_fixes)  # a storm seen once can be found once
    verdicts = found.groupby("track_id")["verdict"].value_counts().unstack(fill_value=0)  # noqa: PD010
    verdicts = verdicts.reindex(columns=["hit", "neutral", "false alarm"], fill_value=0)
    false = (verdicts["hit"] + verdicts["neutral"] == 0) & (verdicts["false alarm"] >= min_fixes)
    share = found[found["verdict"] == "hit"].groupby("storm")["track_id"].nunique()
    return Detection(
        hits=hits,
        misses=misses,
        false_alarms=false_alarms,
        neutral=int((found["verdict"] == "neutral").sum()),
        pod=hits / len(wanted) if len(wanted) else np.nan,
        pod_interval=mean_interval(wanted["hit"].to_numpy(float), wanted["track_id"], draws=draws),
        far=false_alarms / (hits + false_alarms) if hits + false_alarms else np.nan,
        csi=hits / (len(wanted) + false_alarms) if len(wanted) + false_alarms else np.nan,
        storms=len(by_storm),
        storms_found=int((by_storm >= needed).sum()),
        tracks=int(found["track_id"].nunique()),
        false_tracks=int(false.sum()),
        broken=int((share > 1).sum()),
        mean_error=float(wanted["distance"].mean()),
        truth=truth,
        found=found,
    )
