"""Scores of forecast fields, exact over any number of cases in one pass and constant memory.

For each lead and variable the moments of forecast f and truth o are kept by grid point; they are updated and merged as
by Chan, Golub and LeVeque (1983), so pressures of 1e5 Pa lose nothing of a small variance. Every score is then formed
from the moments, <.> being the mean over cases and grid points, the latter with `weights` where they are given:

    MSE = <(f-o)^2>   MAE = <|f-o|>   RMSE = sqrt(MSE)   bias = <f-o>
    R2  = 1 - MSE / <(o-<o>)^2>
    PCC = <(f-<f>)(o-<o>)> / sqrt(<(f-<f>)^2> <(o-<o>)^2>)
    ACC = <(f-c)(o-c)> / sqrt(<(f-c)^2> <(o-c)^2>)

R2, PCC and ACC are of all cases and points at once, not means over maps: R2 so defined is what the Met2Net paper
prints, whose MSE / (1 - R2) is one number per variable for all its methods. Their climatology c is a field constant in
time; by default it is the mean truth of the same cases at each point, which one pass gives because the moments are kept
by point. (A mean of the correlations of single maps, the other usual ACC, needs c before the first case.)

Without weights every grid point counts the same, as in the paper and its release: right for comparing with it on its
crop of 12-44N. Over regions that reach to the pole, `latitude_weights` counts every square kilometre the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE

Floats = NDArray[np.float64]
SCORES = ("mse", "mae", "rmse", "bias", "r2", "acc", "pcc")
ROUNDING = 1e-20  # of a mean square: a variance below that is none


@dataclass(frozen=True)
class Moments:
    """Moments over `n` cases by variable and grid point (N, H, W); the products are sums of those about the means."""

    n: int
    forecast: Floats  # mean
    truth: Floats  # mean
    forecast_square: Floats  # sum of (f - mean f)^2
    truth_square: Floats
    product: Floats  # sum of (f - mean f)(o - mean o)
    absolute: Floats  # mean |f - o|
    square: Floats  # mean (f - o)^2

    @classmethod
    def of(cls, forecast: ArrayLike, truth: ArrayLike) -> Moments:
        """Return the moments of cases (n, N, H, W)."""
        f, o = np.asarray(forecast, np.float64), np.asarray(truth, np.float64)
        mean_f, mean_o, error = f.mean(0), o.mean(0), f - o
        df, do = f - mean_f, o - mean_o
        sums = (df**2).sum(0), (do**2).sum(0), (df * do).sum(0)
        return cls(len(f), mean_f, mean_o, *sums, np.abs(error).mean(0), (error**2).mean(0))

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of cases."""
        n = self.n + other.n
        share = other.n / n
        between = self.n * share  # n_a n_b / n
        df, do = other.forecast - self.forecast, other.truth - self.truth
        return Moments(
            n,
            self.forecast + share * df,
            self.truth + share * do,
            self.forecast_square + other.forecast_square + between * df**2,
            self.truth_square + other.truth_square + between * do**2,
            self.product + other.product + between * df * do,
            self.absolute + share * (other.absolute - self.absolute),
            self.square + share * (other.square - self.square),
        )

    def scores(self, *, weights: Floats | None = None, climatology: Floats | None = None) -> dict[str, Floats]:
        """Return each of SCORES by variable (N,); NaN where a variance in a denominator is zero."""

        def mean(values: Floats) -> Floats:
            return np.average(values, axis=(1, 2), weights=None if weights is None else _spread(weights, values))

        def about(centre_f: Floats, centre_o: Floats) -> tuple[Floats, Floats, Floats]:
            df, do = self.forecast - centre_f, self.truth - centre_o
            squares = self.forecast_square / self.n + df**2, self.truth_square / self.n + do**2
            return mean(squares[0]), mean(squares[1]), mean(self.product / self.n + df * do)

        mse, mae, bias = mean(self.square), mean(self.absolute), mean(self.forecast - self.truth)
        centres = (mean(self.forecast)[:, None, None], mean(self.truth)[:, None, None])
        pooled = about(*centres)
        c = self.truth if climatology is None else climatology
        smallest = ROUNDING * mean(self.truth**2)
        variance = np.where(pooled[1] > smallest, pooled[1], np.nan)
        return {
            "mse": mse,
            "mae": mae,
            "rmse": np.sqrt(mse),
            "bias": bias,
            "r2": 1 - mse / variance,
            "acc": _correlation(*about(c, c), smallest),
            "pcc": _correlation(*pooled, smallest),
        }


@dataclass
class FieldScores:
    """Moments by lead, into which cases are added one by one; parts computed elsewhere are merged."""

    variables: Sequence[str] = CORE
    moments: dict[pd.Timedelta, Moments] = field(default_factory=dict)

    def add(self, lead: pd.Timedelta, forecast: ArrayLike, truth: ArrayLike) -> None:
        """Add a case (N, H, W), or cases (n, N, H, W), of one lead.

        Raises InputError for a NaN or infinite value, and for shapes that do not fit each other or the cases before.
        """
        f, o = np.asarray(forecast), np.asarray(truth)
        if f.ndim == 3:
            f, o = f[None], o[None]
        held = next(iter(self.moments.values())).truth.shape if self.moments else (len(self.variables), *f.shape[2:])
        if f.shape != o.shape or f.ndim != 4 or f.shape[1:] != held:
            raise InputError(
                f"a forecast of shape {f.shape} cannot be scored against a truth of {o.shape}; both must be "
                f"(cases, {', '.join(map(str, held))})."
            )
        for name, values in (("forecast", f), ("truth", o)):
            bad = ~np.isfinite(values).all((0, 2, 3))
            if bad.any():
                raise InputError(f"the {name} of {self.variables[int(np.argmax(bad))]} has NaN or infinite values.")
        self._merge(lead, Moments.of(f, o))

    def merge(self, other: FieldScores) -> None:
        """Take in the cases of another part; raise InputError where its variables or grid differ."""
        if tuple(self.variables) != tuple(other.variables):
            raise InputError(f"scores of {', '.join(other.variables)} do not merge with {', '.join(self.variables)}.")
        for lead, moments in other.moments.items():
            self._merge(lead, moments)

    def table(
        self,
        *,
        weights: ArrayLike | None = None,
        climatology: Mapping[str, ArrayLike] | None = None,
    ) -> pd.DataFrame:
        """Return a row per lead and variable: lead_time, variable, n (cases) and SCORES in physical units.

        With several leads there is also their score together, at lead_time NaT. `weights` are (H, W) or (H, 1) and need
        not sum to one; `climatology` holds a field (H, W) per variable, by default the mean truth of the lead.
        """
        parts = sorted(self.moments.items())
        if len(parts) > 1:
            parts.append((pd.NaT, merged(moments for _, moments in parts)))  # type: ignore[arg-type]
        w = None if weights is None else np.asarray(weights, np.float64)
        c = None if climatology is None else np.stack([np.asarray(climatology[name], float) for name in self.variables])
        tables = []
        for lead, moments in parts:
            scores = moments.scores(weights=w, climatology=c)
            columns = {
                "lead_time": pd.to_timedelta([lead] * len(self.variables)),
                "variable": list(self.variables),
                "n": moments.n,
                **scores,
            }
            tables.append(pd.DataFrame(columns))
        return pd.concat(tables, ignore_index=True)

    def _merge(self, lead: pd.Timedelta, moments: Moments) -> None:
        held = self.moments.get(lead)
        if held is not None and held.truth.shape != moments.truth.shape:
            raise InputError(f"scores on grids of {held.truth.shape[1:]} and {moments.truth.shape[1:]} do not merge.")
        self.moments[lead] = moments if held is None else held.merge(moments)


def merged(parts: Iterable[Moments]) -> Moments:
    """Return the moments of all parts together."""
    return reduce(Moments.merge, parts)


def latitude_weights(latitude: ArrayLike) -> Floats:
    """Return cos(latitude) as weights (H, 1) of a regular grid: proportional to the area around each point."""
    return np.cos(np.radians(np.asarray(latitude, np.float64)))[:, None]


def _spread(weights: Floats, values: Floats) -> Floats:
    return np.broadcast_to(weights, values.shape)


def _correlation(square_f: Floats, square_o: Floats, product: Floats, smallest: Floats) -> Floats:
    usable = (square_f > smallest) & (square_o > smallest)
    return np.where(usable, product / np.sqrt(np.where(usable, square_f * square_o, 1.0)), np.nan)
