"""From a storm to scored forecasts: fields, forecasts, fixes, errors. Everything the commands print comes from here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pandas as pd
import xarray as xr

from typhoon_tracker import track
from typhoon_tracker.besttrack.agencies import BestTracks, agency_named
from typhoon_tracker.besttrack.motion import interpolate
from typhoon_tracker.besttrack.split import LAST_TRAINING_SEASON
from typhoon_tracker.besttrack.storms import Storm
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import validate
from typhoon_tracker.forecast.base import Forecaster, valid_frames
from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.sources.choice import RECONSTRUCTION, Choice, Span, choose, open_chosen
from typhoon_tracker.sources.reconstruction import Reconstruction, allowed_init_times
from typhoon_tracker.tracker.follow import follow
from typhoon_tracker.tracker.settings import Settings
from typhoon_tracker.verify.adjusted import adjusted
from typhoon_tracker.verify.baselines import persistence, stationary
from typhoon_tracker.verify.cliper import Cliper
from typhoon_tracker.verify.consensus import midpoint
from typhoon_tracker.verify.errors import analysis, cases, score
from typhoon_tracker.verify.from_fields import as_analysed

ADVISORY_HOURS = 6  # an analysed fix older than this is no first guess any more; the advisory at the init time is
PAST_HOURS = 12
RECONSTRUCTED = Choice(RECONSTRUCTION)
Progress = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True, eq=False)
class Analysis:
    """A storm's fields and the tracker's own fixes in them, up to which forecasts may look."""

    storm: Storm
    fields: xr.Dataset
    fixes: pd.DataFrame
    init_times: pd.DatetimeIndex  # from which a forecast may start
    seconds: dict[str, float]
    note: str = ""  # where the fields were chosen for the user: which, and how to get others


@dataclass(frozen=True, eq=False)
class Hindcast:
    """Forecasts of one storm: every fix of every lead, what was expected, and the errors of all methods."""

    analysis: Analysis
    model: str
    independent: bool  # the model never saw the storm's season, in training or in the choice of its weights
    fixes: pd.DataFrame  # track table with init_time and lead_time; a lost storm has no row
    expected: pd.DataFrame  # from `cases`: init_time, lead_time, time, scored, reason
    errors: pd.DataFrame  # from `score`, scored cases only, all methods
    seconds: dict[str, float] = field(default_factory=dict)

    def lead_track(self, lead_hours: int) -> pd.DataFrame:
        """Return one row per forecast made: its fix at the lead, with NaN position where the storm is lost."""
        lead = pd.Timedelta(hours=lead_hours)
        made = self.expected[self.expected["lead_time"] == lead]
        found = self.fixes[self.fixes["lead_time"] == lead].drop(columns=["time", "lead_time", "track_id"])
        table = made.merge(found, on="init_time", how="left").drop(columns=["scored", "reason"])
        return track.create(track_id=self.analysis.storm.sid, **{str(name): table[name].to_numpy() for name in table})


def quiet(stage: str, done: int, total: int) -> None:
    """Show no progress."""


def analyse(
    storm: Storm,
    best: BestTracks,
    *,
    source: str = RECONSTRUCTION,
    frames_in: int,
    horizon: int,
    progress: Progress = quiet,
) -> Analysis:
    """Get a storm's fields over the region, from `source` (see `sources.choice`), and follow it through them.

    Raises InputError for a storm that never enters the region, and for fields that do not hold its time there.
    """
    began = time.perf_counter()
    span = span_inside(storm, frames_in=frames_in, horizon=horizon)
    choice = choose(source, span, PAPER_REGION, fetch=f"typhoon-tracker fetch --storm {storm.sid}")
    fields = storm_fields(storm, best, choice=choice, span=span, progress=progress)
    opened = time.perf_counter()
    settings = Settings()
    advisories = _advisories(storm)
    times, margin = fields.indexes["time"], settings.edge_margin
    seen = PAPER_REGION.contains(advisories["lat"], advisories["lon"], margin=margin)
    first_seen = advisories[seen & advisories["time"].between(times[0], times[-1])].iloc[:1]
    fixes = track.create(track_id=[], time=[], lat=[], lon=[])
    if len(first_seen):
        frames = fields.sel(time=slice(first_seen["time"].iloc[0], None))
        fixes = follow(frames, first_seen, settings=settings, reseed=advisories)
    allowed = allowed_init_times(fields).intersection(times_inside(storm))
    first = fields.indexes["time"][0] + pd.Timedelta(hours=frames_in - 1)
    seconds = {"fields": opened - began, "track": time.perf_counter() - opened}
    return Analysis(storm, fields, fixes, allowed[allowed >= first], seconds, choice.note)


def run(
    analysed: Analysis,
    best: BestTracks,
    forecaster: Forecaster,
    lead_hours: Sequence[int],
    *,
    init_times: pd.DatetimeIndex | None = None,
    progress: Progress = quiet,
) -> Hindcast:
    """Forecast from every allowed init time (or those given), track the storm, and score the leads asked for.

    Every hour up to the longest lead is forecast, because the storm is followed from frame to frame.
    Raises InputError where no forecast can start, or one of `init_times` is not allowed.
    """
    inits = analysed.init_times if init_times is None else init_times
    if not len(analysed.init_times):
        raise InputError(
            f"no forecast of {analysed.storm} can start: its fields from {_span(analysed.fields)} hold no allowed init "
            f"time with {forecaster.frames_in} hourly frames before it while the storm is in the region {PAPER_REGION}."
        )
    _check_allowed(analysed, inits)
    began = time.perf_counter()
    spent_tracking = 0.0
    rows = []
    leads = list(range(1, max(lead_hours) + 1))
    for done, forecast in enumerate(forecaster.hindcast(analysed.fields, inits, leads), start=1):
        start = time.perf_counter()
        init = pd.Timestamp(forecast["init_time"].values[0])
        fixes = follow(valid_frames(forecast), _past(analysed, init))
        rows.append(fixes.assign(init_time=init, lead_time=fixes["time"] - init))
        spent_tracking += time.perf_counter() - start
        progress("forecast", done, len(inits))
    table = pd.concat(rows, ignore_index=True)
    fixes = track.create(**{str(name): table[name] for name in table})  # no storm found at all keeps the types
    made = time.perf_counter()
    parts = [_score(analysed, best, fixes, inits, lead) for lead in lead_hours]
    seconds = {
        "fields": analysed.seconds["fields"],
        "forecast": made - began - spent_tracking,
        "track": analysed.seconds["track"] + spent_tracking,
        "score": time.perf_counter() - made,
    }
    expected = pd.concat([e for e, _ in parts], ignore_index=True)
    errors = pd.concat([e for _, e in parts], ignore_index=True)
    independent = analysed.storm.season not in forecaster.seasons_seen
    return Hindcast(analysed, forecaster.name, independent, fixes, expected, errors, seconds)


def _check_allowed(analysed: Analysis, inits: pd.DatetimeIndex) -> None:
    allowed = analysed.init_times
    refused = inits.difference(allowed)
    if len(refused):
        at = ", ".join(f"{hour:02d}" for hour in sorted(set(allowed.hour)))
        near = allowed[min(int(allowed.searchsorted(refused[0])), len(allowed) - 1)]
        raise InputError(
            f"a forecast of {analysed.storm} cannot start at {refused[0]:%Y-%m-%d %H:%M}Z; its fields allow the "
            f"{len(allowed)} init times at {at}Z from {allowed[0]:%Y-%m-%d %H}Z to {allowed[-1]:%Y-%m-%d %H}Z, "
            f"such as {near:%Y-%m-%dT%H}."
        )


def _score(
    analysed: Analysis, best: BestTracks, fixes: pd.DataFrame, inits: pd.DatetimeIndex, lead_hours: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    lead = pd.Timedelta(hours=lead_hours).as_unit("ns")  # the unit of track tables, which pandas joins by
    truth = analysed.storm.track
    expected = cases(truth, PAPER_REGION, inits, lead)
    scored = expected.loc[expected["scored"], ["init_time", "lead_time"]]
    model = scored.merge(fixes, on=["init_time", "lead_time"], how="left")
    scores = [score(model, truth, analysed=analysed.fixes)]
    if len(scored):
        starts = pd.DatetimeIndex(scored["init_time"])
        moved = adjusted(model, truth, analysed.fixes)
        regression = _cliper(best, lead, analysed.storm.season)
        cliper = regression.predict(truth, starts)
        guesses = {
            "adjusted": moved,
            "consensus": midpoint(moved, cliper),
            "persistence": persistence(truth, starts, lead),
            "cliper": cliper,
            "cliper_fields": regression.predict(as_analysed(truth, analysed.fixes), starts),
            "stationary": stationary(truth, starts, lead),
        }
        scores += [score(guess, truth, method=name) for name, guess in guesses.items()]
        scores.append(analysis(scored, truth, analysed.fixes))
    return expected, pd.concat(scores, ignore_index=True)


_fitted: dict[tuple[str, pd.Timedelta, int], Cliper] = {}


def _cliper(best: BestTracks, lead: pd.Timedelta, season: int) -> Cliper:
    """Fit to seasons before the storm's; once per best-track source, lead and last season, so that storms share it."""
    key = (best.source, lead, min(LAST_TRAINING_SEASON, season - 1))
    if key not in _fitted:
        _fitted[key] = Cliper.fit(best.table, lead=lead, last_season=key[2])
    return _fitted[key]


def _past(analysed: Analysis, init: pd.Timestamp) -> pd.DataFrame:
    """The storm's analysed fixes of the last hours; where there is none, the advisory known at the init time."""
    fixes = analysed.fixes
    recent = fixes[(fixes["time"] <= init) & (fixes["time"] > init - pd.Timedelta(hours=PAST_HOURS))]
    if len(recent) and init - recent["time"].iloc[-1] <= pd.Timedelta(hours=ADVISORY_HOURS):
        return recent
    known = _advisories(analysed.storm)
    return known[known["time"] <= init].iloc[-1:]


def _advisories(storm: Storm) -> pd.DataFrame:
    """The fixes the agency reported itself: what IBTrACS interpolated between them leans on the next one."""
    return storm.track[storm.track["original"]]


def times_inside(storm: Storm) -> pd.DatetimeIndex:
    """Return the whole hours at which a storm's best track lies in the region; empty where it never does."""
    life = storm.track["time"]
    hourly = interpolate(storm.track, pd.date_range(life.min().ceil("h"), life.max().floor("h"), freq="h"))
    return pd.DatetimeIndex(hourly["time"][PAPER_REGION.contains(hourly["lat"], hourly["lon"])])


def span_inside(storm: Storm, *, frames_in: int = PAST_HOURS, horizon: int = PAST_HOURS) -> Span:
    """Return the hours of a storm in the region, from `frames_in` hours before to `horizon` hours after.

    Raises InputError for a storm that never enters it.
    """
    inside = times_inside(storm)
    if inside.empty:
        lat, lon = storm.track["lat"], storm.track["lon"]
        raise InputError(
            f"{storm} never enters the region {PAPER_REGION}: its best track stays within "
            f"{lat.min():.1f}-{lat.max():.1f}N, {lon.min():.1f}-{lon.max():.1f}E. Choose another storm."
        )
    return inside[0] - pd.Timedelta(hours=frames_in), inside[-1] + pd.Timedelta(hours=horizon)


def storm_fields(
    storm: Storm,
    best: BestTracks,
    *,
    choice: Choice = RECONSTRUCTED,
    span: Span | None = None,
    progress: Progress = quiet,
) -> xr.Dataset:
    """Return hourly fields over the region, by default the reconstructed ones while a storm is in it (`span_inside`).

    Raises InputError for a storm that never enters the region, and for fields that do not hold the span.
    """
    first, last = span or span_inside(storm)
    if choice.kind != RECONSTRUCTION:
        return validate(open_chosen(choice, (first, last), PAPER_REGION, progress=progress), hourly=True)
    # Every other storm alive then is in the fields too.
    slack = pd.Timedelta(days=2)
    alive = best.table[best.table["time"].between(first - slack, last + slack)]["track_id"].unique()
    others = best.table[best.table["track_id"].isin(alive)]
    times = pd.date_range(first, last, freq="h")
    minutes = agency_named(best.agency).minutes
    source_of_fields = Reconstruction(others, seed=storm.sid, wind_minutes=minutes)
    return source_of_fields.open(times, PAPER_REGION, progress=partial(progress, "fields"))


def _span(fields: xr.Dataset) -> str:
    times = fields.indexes["time"]
    return f"{times[0]:%Y-%m-%d %H}Z to {times[-1]:%Y-%m-%d %H}Z"
