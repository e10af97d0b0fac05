"""A forecast from climatology and persistence, in the spirit of CLIPER5 (Neumann 1972; Aberson 1998)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from typhoon_tracker.besttrack.motion import interpolate
from typhoon_tracker.besttrack.split import LAST_TRAINING_SEASON
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo import sphere
from typhoon_tracker.verify.baselines import forecast_table, only_storm
from typhoon_tracker.verify.past import TROPICAL_STORM, Floats, Indices, Past, in_hours

RIDGES = tuple(10.0**k for k in range(-1, 6))
FOLDS = 5
YEAR_HOURS = 365.2425 * 24


@dataclass(frozen=True, eq=False)
class Cliper:
    """A ridge regression of a storm's displacement over `lead` on what was known of it at the init time.

    (east, north) = B . phi(x),   B = argmin |Y - Phi B|^2 + ridge |B|^2

    x: motion over the past 6 h and its change over the past 12 h, latitude, longitude, wind (from the pressure where it
    is missing) and its change over 12 h, sine and cosine of the day of year; standardised, held within 3 standard
    deviations, 0 where unknown. phi adds all squares and products. Displacements are km east and north along the great
    circle.
    """

    lead: pd.Timedelta
    seasons: tuple[int, int]  # first and last season fitted
    ridge: float
    pressure_wind: Floats  # (2,) a, b of wind = a + b depth(msl)
    centre: Floats  # (F,) mean of x
    spread: Floats  # (F,) standard deviation of x
    phi_spread: Floats  # (P,) standard deviation of phi
    coefficients: Floats  # (1 + P, 2) intercept first; km

    @classmethod
    def fit(
        cls,
        best_tracks: pd.DataFrame,
        *,
        lead: pd.Timedelta | str,
        last_season: int = LAST_TRAINING_SEASON,
        min_wind: float = TROPICAL_STORM,
    ) -> Cliper:
        """Fit to the storms up to `last_season`, where they have at least `min_wind` (m s-1) at both ends of the lead.

        The same strength as in verification, because decaying storms move otherwise; 0 takes all fixes, with a wind or
        not. The ridge strength is chosen by leaving out every fifth season in turn. Raises InputError where `lead` is
        not positive or fewer than 5 seasons are left to fit to.
        """
        return cls.fit_all(best_tracks, leads=[lead], last_season=last_season, min_wind=min_wind)[0]

    @classmethod
    def fit_all(
        cls,
        best_tracks: pd.DataFrame,
        *,
        leads: Iterable[pd.Timedelta | str],
        last_season: int = LAST_TRAINING_SEASON,
        min_wind: float = TROPICAL_STORM,
    ) -> list[Cliper]:
        """Return what `fit` gives for each lead; the predictors are computed once."""
        ahead = [pd.Timedelta(lead) for lead in leads]
        for lead in ahead:
            if lead <= pd.Timedelta(0):
                raise InputError(f"a lead of {lead} cannot be forecast; it must be longer than 0 h.")
        table = best_tracks[best_tracks["original"].astype(bool) & (best_tracks["season"] <= last_season)]
        past = Past.of(table)
        season = table.drop_duplicates("track_id")["season"].to_numpy()[past.storm]  # storms as they first appear
        pressure_wind = _pressure_wind(past)
        x = _predictors(past, past.hours, np.arange(len(past.hours)), pressure_wind)
        clipers = []
        for lead in ahead:
            target, fitted = _displacements(past, lead / pd.Timedelta(hours=1), min_wind)
            fitted &= np.isfinite(x[:, 0])
            if (count := len(np.unique(season[fitted]))) < FOLDS:
                raise InputError(
                    f"best tracks up to {last_season} hold {count} season(s) with storms of {min_wind:g} m/s over "
                    f"{lead}; CLIPER needs {FOLDS} or more: take a longer table, a later last_season or less wind."
                )
            clipers.append(cls._fitted(lead, pressure_wind, x[fitted], target[fitted], season[fitted]))
        return clipers

    @classmethod
    def _fitted(cls, lead: pd.Timedelta, pressure_wind: Floats, x: Floats, target: Floats, season: Indices) -> Cliper:
        """Fit to predictors x (N, F), displacements (N, 2) in km and the seasons (N,) they are of."""
        seasons = np.unique(season)
        centre, spread = _mean(x), _spread(x)
        phi = _expand((x - centre) / spread)
        phi_spread = _spread(phi)
        fold = np.searchsorted(seasons, season) % FOLDS
        ridge, coefficients = _ridge_regression(_design(phi, phi_spread), target, fold)
        span = (int(seasons[0]), int(seasons[-1]))
        return cls(lead, span, ridge, pressure_wind, centre, spread, phi_spread, coefficients)

    def predict(self, track: pd.DataFrame, init_times: object) -> pd.DataFrame:
        """Forecast one storm from each init time: a table of init_time, lead_time, time, lat, lon.

        NaN before the storm's first fix. Between two fixes the storm is carried on from the earlier one; nothing after
        an init time is used.
        """
        past = only_storm(track)
        hours = in_hours(init_times)
        last = past.latest(np.zeros(len(hours), np.int64), hours)
        started = last >= 0
        lat, lon = self.positions(past, hours, np.maximum(last, 0))
        return forecast_table(init_times, self.lead, np.where(started, lat, np.nan), np.where(started, lon, np.nan))

    def positions(self, past: Past, hours: Floats, last: Indices) -> tuple[Floats, Floats]:
        """Return where storms are expected `lead` after `hours` (N,) by their fixes up to the indices `last` (N,)."""
        phi = _expand((_predictors(past, hours, last, self.pressure_wind) - self.centre) / self.spread)
        east, north = (_design(phi, self.phi_spread) @ self.coefficients).T
        lat0, lon0 = past.carried_on(hours, last=last, history=6.0)
        return sphere.destination(lat0, lon0, np.degrees(np.arctan2(east, north)), np.hypot(east, north))


def _displacements(past: Past, lead: float, min_wind: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the displacement (N, 2) in km over `lead` hours from each fix, and which fixes to fit to."""
    later = _later(past, lead)
    target = _east_north(past.lat, past.lon, later["lat"].to_numpy(), later["lon"].to_numpy())
    strong = (np.nan_to_num(past.wind) >= min_wind) & (np.nan_to_num(later["wind"].to_numpy()) >= min_wind)
    return target, strong & np.isfinite(target).all(axis=1)


def _later(past: Past, lead: float) -> pd.DataFrame:
    """Return the truth `lead` hours after each fix, NaN where there is none.

    All storms are laid out as one track, storm after storm with gaps that are longer than the lead and never bridged,
    so that one call interpolates them all. Only the tangent at the first fix of a storm suffers, from where nothing
    is fitted: no motion is known there.
    """
    start, end = past.first(past.storm), past.first(past.storm + 1) - 1
    length = (past.hours[end] - past.hours[start])[np.unique(start)] + lead + 24.0
    clock = past.hours - past.hours[start] + np.concatenate([[0.0], np.cumsum(length)[:-1]])[past.storm]
    time = pd.Timestamp(1700, 1, 1) + pd.to_timedelta(clock, unit="h").round("s")
    known = {"lat": past.lat, "lon": past.lon, "msl": past.msl, "wind": past.wind}
    procession = pd.DataFrame({"track_id": "all", "time": time.as_unit("ns"), **known})
    wanted = pd.DatetimeIndex(procession["time"]) + pd.Timedelta(hours=lead)
    return interpolate(procession, wanted).set_index("time").reindex(wanted)


def _east_north(lat0: Floats, lon0: Floats, lat1: Floats, lon1: Floats) -> Floats:
    """Return the way from point 0 to point 1 as (N, 2) east and north km along the great circle that leaves point 0."""
    way, heading = sphere.distance(lat0, lon0, lat1, lon1), np.radians(sphere.bearing(lat0, lon0, lat1, lon1))
    return np.column_stack([way * np.sin(heading), way * np.cos(heading)])


def _predictors(past: Past, hours: Floats, last: Indices, pressure_wind: Floats) -> Floats:
    """Return x (N, F) at init times `hours` from fixes up to index `last`; NaN where unknown."""
    lat, lon = past.carried_on(hours, last=last, history=6.0)
    # Off the synoptic hours the motion is still that which led to fix `last`.
    then = past.hours[last]
    recent = -_east_north(past.lat[last], past.lon[last], *past.position(then - 6.0, last=last))
    twice = -_east_north(past.lat[last], past.lon[last], *past.position(then - 12.0, last=last))
    change = 2 * recent - twice  # 0 in constant motion
    estimate = pressure_wind[0] + pressure_wind[1] * _depth(past.msl)
    wind = np.where(np.isnan(past.wind), estimate, past.wind)
    wind_change = wind[last] - past.interpolate(wind, then - 12.0, last=last)
    season = 2 * np.pi * hours / YEAR_HOURS
    return np.column_stack([recent, change, lat, lon % 360.0, wind[last], wind_change, np.sin(season), np.cos(season)])


def _depth(msl: Floats) -> Floats:
    """Return how far the centre lies below 1010 hPa, as the square root of hPa: winds rise about linearly with it."""
    return np.sqrt(np.maximum(1010.0 - msl / 100.0, 0.0))


def _pressure_wind(past: Past) -> Floats:
    """Fit wind = a + b depth over fixes that have both; NaN (no estimate) where fewer than 2 have."""
    both = np.isfinite(past.wind) & np.isfinite(past.msl)
    if both.sum() < 2:
        return np.full(2, np.nan)
    design = np.column_stack([np.ones(both.sum()), _depth(past.msl[both])])
    return np.linalg.lstsq(design, past.wind[both], rcond=None)[0]


def _expand(x: Floats) -> Floats:
    """Return phi (N, P): standardised predictors, unknown ones at their mean, with all their squares and products."""
    # Squares run away outside what was fitted to; 3 standard deviations hold all but one fix in a hundred.
    x = np.clip(np.nan_to_num(x), -3.0, 3.0)
    return np.concatenate([x, *(x[:, i:] * x[:, i, None] for i in range(x.shape[1]))], axis=1)


def _design(phi: Floats, spread: Floats) -> Floats:
    return np.column_stack([np.ones(len(phi)), phi / spread])


def _mean(values: Floats) -> Floats:
    """Return the mean of each column over its known values, 0 where there is none."""
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _spread(values: Floats) -> Floats:
    """Return the standard deviation of each column over its known values, 1 where it is constant or unknown."""
    spread = np.sqrt(_mean((values - _mean(values)) ** 2))
    return np.where(spread > 1e-6, spread, 1.0)


def _ridge_regression(design: Floats, target: Floats, fold: Indices) -> tuple[float, Floats]:
    """Return the ridge with the least mean distance over left-out folds and the coefficients fitted to all with it."""
    penalty = np.eye(design.shape[1])
    penalty[0, 0] = 0.0  # the intercept
    parts = [(design[fold == k], target[fold == k]) for k in range(FOLDS)]
    grams = [(d.T @ d, d.T @ y) for d, y in parts]
    gram, moment = sum(g for g, _ in grams), sum(m for _, m in grams)
    error = np.zeros(len(RIDGES))
    for (d, y), (g, m) in zip(parts, grams, strict=True):
        for i, ridge in enumerate(RIDGES):
            miss = y - d @ np.linalg.solve(gram - g + ridge * penalty, moment - m)
            error[i] += np.hypot(miss[:, 0], miss[:, 1]).sum()
    best = RIDGES[int(np.argmin(error))]
    return best, np.linalg.solve(gram + best * penalty, moment)
