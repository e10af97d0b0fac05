"""Forecast fields scored against the fields themselves: over a season's reconstructed storms, or over files of years.

Fields come in parts, a storm or a few days, and go before the next one comes, so a run of any length takes the memory
of one part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from typhoon_tracker import hindcast
from typhoon_tracker.besttrack.agencies import BestTracks
from typhoon_tracker.besttrack.storms import season_storms
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.base import Forecaster, check_leads
from typhoon_tracker.forecast.persistence import Persistence
from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.sources.archive import Archive
from typhoon_tracker.sources.reconstruction import allowed_init_times
from typhoon_tracker.verify.field_scores import FieldScores, latitude_weights

PART_HOURS = 120  # of init times, of files of years
HOUR = pd.Timedelta(hours=1)


@dataclass
class Evaluation:
    """Scores by method over the same cases, and what they are of."""

    scores: dict[str, FieldScores] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)  # of the fields
    years: set[int] = field(default_factory=set)  # of the init times
    parts: int = 0  # storms, or stretches of a file, with a case
    latitude: np.ndarray | None = None

    def merge(self, other: Evaluation) -> None:
        """Take in the cases of another part."""
        for method, scores in other.scores.items():
            self.scores.setdefault(method, FieldScores(CORE)).merge(scores)
        self.sources += [source for source in other.sources if source not in self.sources]
        self.years |= other.years
        self.parts += other.parts
        self.latitude = other.latitude if self.latitude is None else self.latitude

    def table(self, *, area_weights: bool = False) -> pd.DataFrame:
        """Return the scores of all methods (see FieldScores.table), with the column `method`."""
        weights = latitude_weights(self.latitude) if area_weights and self.latitude is not None else None
        tables = [scores.table(weights=weights).assign(method=method) for method, scores in self.scores.items()]
        return pd.concat(tables, ignore_index=True)


def evaluate(
    forecaster: Forecaster,
    fields: xr.Dataset,
    init_times: pd.DatetimeIndex,
    lead_hours: Sequence[int],
    *,
    progress: hindcast.Progress = hindcast.quiet,
) -> Evaluation:
    """Score a forecaster and persistence against `fields` at the valid times, both over the same cases.

    A case is an init time and a lead whose valid time is in `fields`; the others are left out. Raises InputError where
    a lead is out of reach, an init time lacks its past, or no case is left.
    """
    leads = sorted(set(lead_hours))
    check_leads(leads)
    times = fields.indexes["time"]
    valid = {init: [lead for lead in leads if init + lead * HOUR in times] for init in init_times}
    init_times = pd.DatetimeIndex([init for init in init_times if valid[init]])
    if not len(init_times):
        raise InputError(
            f"no forecast of {leads[0]} h can be scored: of {len(valid)} init times none has its valid time in the "
            f"fields from {times[0]:%Y-%m-%d %H}Z to {times[-1]:%Y-%m-%d %H}Z."
        )
    methods = {one.name: one for one in (Persistence(), forecaster)}
    scores = {name: FieldScores(CORE) for name in methods}
    runs = zip(*(one.hindcast(fields, init_times, leads) for one in methods.values()), strict=True)
    for done, (init, forecasts) in enumerate(zip(init_times, runs, strict=True), start=1):
        for lead in valid[init]:
            truth = _stacked(fields.sel(time=init + lead * HOUR))
            for name, forecast in zip(methods, forecasts, strict=True):
                scores[name].add(lead * HOUR, _stacked(forecast.isel(init_time=0).sel(lead_time=lead * HOUR)), truth)
        progress("forecast", done, len(init_times))
    return Evaluation(scores, [fields.attrs["source"]], set(init_times.year), 1, fields["latitude"].values)


def of_season(
    season: int, best: BestTracks, forecaster: Forecaster, lead_hours: Sequence[int], *, progress: hindcast.Progress
) -> Evaluation:
    """Evaluate over the reconstructed fields of every storm of a season, from the init times `season.verify` forecasts.

    Storms alive together give a case each, in weather of their own. Raises InputError where no storm gives one.
    """
    check_leads(lead_hours)
    storms = season_storms(season, best.agency, best=best)
    total = Evaluation()
    for done, storm in enumerate(storms, start=1):
        inside = hindcast.times_inside(storm)
        if len(inside):
            horizon = max(forecaster.horizon_hours, *lead_hours)  # as in verify: the same fields
            fields = hindcast.storm_fields(
                storm, best, span=hindcast.span_inside(storm, frames_in=forecaster.frames_in, horizon=horizon)
            )
            inits = _with_past(
                pd.DatetimeIndex(fields["time"].values), allowed_init_times(fields), forecaster
            ).intersection(inside)
            if len(inits):
                total.merge(evaluate(forecaster, fields, inits, lead_hours))
        progress(f"storms of {season}", done, len(storms))
    if not total.parts:
        raise InputError(f"no storm of {season} was in the region {PAPER_REGION}; choose another season.")
    total.sources = [f"reconstruction: real motion and intensity of {total.parts} storm(s), each in made-up weather"]
    return total


def of_files(
    path: str | Path, forecaster: Forecaster, lead_hours: Sequence[int], *, progress: hindcast.Progress
) -> Evaluation:
    """Evaluate over hourly fields on disk (see `sources.archive.Archive`) in the paper's region, a few days at a time.

    Forecasts start at every hour that has its past, at analysis times only where the fields are reconstructed. Raises
    InputError where none can be scored.
    """
    check_leads(lead_hours)
    archive = Archive(path, region=PAPER_REGION)
    before, after = (forecaster.frames_in - 1) * HOUR, max(lead_hours) * HOUR
    total = Evaluation()
    edges = pd.date_range(archive.times[0], archive.times[-1], freq=f"{PART_HOURS}h")
    for done, edge in enumerate(edges, start=1):
        start, stop = archive.times.searchsorted([edge - before, edge + PART_HOURS * HOUR + after])
        fields = archive.fields(int(start), int(stop))
        inits = _with_past(archive.times[start:stop], allowed_init_times(fields), forecaster)
        inits = inits[(inits >= edge) & (inits < edge + PART_HOURS * HOUR)]
        if any((inits + lead * HOUR).isin(archive.times).any() for lead in lead_hours):
            total.merge(evaluate(forecaster, fields, inits, lead_hours))
        progress(f"parts of {PART_HOURS // 24} days", done, len(edges))
    archive.close()
    if not total.parts:
        raise InputError(
            f"{path} holds no forecast that could be scored: {forecaster.frames_in} hourly frames and one "
            f"{min(lead_hours)} h after them; its times run from {archive.times[0]} to {archive.times[-1]}."
        )
    return total


def _with_past(times: pd.DatetimeIndex, inits: pd.DatetimeIndex, forecaster: Forecaster) -> pd.DatetimeIndex:
    """The init times that have all frames the forecaster needs among `times`."""
    whole = np.ones(len(inits), bool)
    for hours in range(forecaster.frames_in):
        whole &= (inits - hours * HOUR).isin(times)
    return inits[whole]


def _stacked(frame: xr.Dataset) -> np.ndarray:
    return np.stack([frame[name].values for name in CORE])  # (N, H, W)
