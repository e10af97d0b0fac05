"""A whole season hindcast and scored: every storm in the region, every method on the same cases."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

import pandas as pd

from typhoon_tracker import hindcast
from typhoon_tracker.besttrack.agencies import BestTracks
from typhoon_tracker.besttrack.storms import season_storms
from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.base import Forecaster, check_leads
from typhoon_tracker.sources.choice import AUTO, RECONSTRUCTION
from typhoon_tracker.verify.statistics import compare, summary

OURS = ("model", "adjusted", "consensus")  # with CLIPER
COMPARED = (*OURS, "cliper", "cliper_fields")
REFERENCES = ("persistence", "cliper", "cliper_fields", "stationary")


def verify(
    season: int,
    best: BestTracks,
    forecaster: Forecaster,
    lead_hours: Sequence[int],
    *,
    source: str = RECONSTRUCTION,
    progress: hindcast.Progress,
) -> pd.DataFrame:
    """Return the errors (from `verify.errors.score`) of all storms of a season that reach the region as a storm.

    Raises InputError where the season has none, and for the source "auto", which could mix fields of two sources.
    """
    if source == AUTO:
        raise InputError("fields 'auto' could differ from storm to storm of a season; choose reconstruction or era5.")
    lead_hours = sorted(set(lead_hours))
    check_leads(lead_hours)
    storms = season_storms(season, best.agency, best=best)
    parts = []
    for done, storm in enumerate(storms, start=1):
        if len(hindcast.times_inside(storm)):
            analysed = hindcast.analyse(
                storm, best, source=source, frames_in=forecaster.frames_in, horizon=forecaster.horizon_hours
            )
            if len(analysed.init_times):
                parts.append(hindcast.run(analysed, best, forecaster, lead_hours).errors)
        progress(f"storms of {season}", done, len(storms))
    errors = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if errors.empty:
        raise InputError(f"no storm of {season} was in the region at tropical-storm strength; choose another season.")
    return errors


def as_json(errors: pd.DataFrame) -> dict[str, Any]:
    """Return per lead and method n, mean and 95 % interval (km), and the model's p-value, skill (%) and share of cases
    in which it is nearer (ties left out) against the baselines; those of the other methods of `COMPARED` stand in their
    own entries.

    None stands where a number does not exist: JSON knows no NaN, and one storm has no interval.
    """
    result: dict[str, Any] = {}
    for row in summary(errors).to_dict("records"):
        entry = result.setdefault(_label(row["lead_time"]), {})
        entry[row["method"]] = {
            "n": row["n"],
            "lost": row["lost"],
            "mean": _rounded(row["mean"], 1),
            "ci": [_rounded(row["low"], 1), _rounded(row["high"], 1)],
        }
    for reference in REFERENCES:
        against = compare(errors, reference=reference)
        for row in against[against["method"].isin(COMPARED)].to_dict("records"):
            entry = result[_label(row["lead_time"])]
            if row["method"] != "model":
                entry = entry[row["method"]]
            entry[f"p_vs_{reference}"] = _rounded(row["p_value"], 4)
            entry[f"skill_vs_{reference}"] = _rounded(row["skill"], 1)
            entry[f"nearer_than_{reference}"] = _rounded(row["superior"], 3)
    return result


def _label(lead: pd.Timedelta) -> str:
    return f"{lead / pd.Timedelta(hours=1):g}h"


def _rounded(value: float, digits: int) -> float | None:
    return None if isnan(value) else round(value, digits)
