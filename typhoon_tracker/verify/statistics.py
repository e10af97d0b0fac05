"""Statistics of track errors over the same cases for every method, with storms as the independent units.

Consecutive forecasts of one storm are not independent, so intervals and p-values come from a bootstrap that draws whole
storms (Aberson and DeMaria 1994 make the same point with serial correlation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from typhoon_tracker.errors import InputError

Floats = NDArray[np.float64]
CASE = ["track_id", "init_time"]
SAME_KM = 1e-6  # errors closer than a millimetre are a tie
CHUNK = 1000  # draws at a time, for memory


@dataclass(frozen=True)
class Difference:
    """A paired difference a - b of mean errors (km) with its 95 % interval and two-sided p-value."""

    mean: float
    low: float
    high: float
    p_value: float
    n: int
    clusters: int


def clustered_bootstrap(
    errors_a: ArrayLike, errors_b: ArrayLike, clusters: ArrayLike, *, draws: int = 10_000, seed: int = 0
) -> Difference:
    """Compare two methods on the same cases: the mean of a - b, drawing whole clusters (storms) with replacement.

    p = 2 min(P(d* <= 0), P(d* >= 0)) over the draws d*, at least 2 / (draws + 1). Cases with a NaN in either are left
    out. Interval and p-value are NaN for fewer than two clusters. Raises InputError where the lengths differ.
    """
    a, b, labels = np.asarray(errors_a, float), np.asarray(errors_b, float), np.asarray(clusters)
    if not len(a) == len(b) == len(labels):
        raise InputError(
            f"{len(a)} and {len(b)} errors in {len(labels)} cluster labels cannot be paired; give one each."
        )
    paired = np.isfinite(a) & np.isfinite(b)
    difference, labels = (a - b)[paired], labels[paired]
    n, storms = len(difference), len(np.unique(labels))
    mean = float(difference.mean()) if n else np.nan
    if storms < 2:
        return Difference(mean, np.nan, np.nan, np.nan, n, storms)
    means = _drawn_means(difference, labels, draws, seed)
    low, high = np.quantile(means, [0.025, 0.975])
    tail = min(np.sum(means <= 0), np.sum(means >= 0))
    return Difference(mean, float(low), float(high), float(min(1.0, 2 * (tail + 1) / (draws + 1))), n, storms)


def mean_interval(errors: ArrayLike, clusters: ArrayLike, *, draws: int = 10_000, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the mean error, drawing whole clusters; NaN for fewer than two clusters."""
    interval = clustered_bootstrap(errors, np.zeros(len(np.asarray(errors))), clusters, draws=draws, seed=seed)
    return interval.low, interval.high


def _drawn_means(values: Floats, labels: np.ndarray, draws: int, seed: int) -> Floats:
    index = np.unique(labels, return_inverse=True)[1]
    total, count = np.bincount(index, values), np.bincount(index).astype(float)
    rng = np.random.default_rng(seed)
    share = np.full(len(count), 1 / len(count))
    means = []
    for start in range(0, draws, CHUNK):
        times_drawn = rng.multinomial(len(count), share, size=min(CHUNK, draws - start))  # (draws, clusters)
        means.append((times_drawn @ total) / (times_drawn @ count))
    return np.concatenate(means)


def superior_frequency(errors_a: ArrayLike, errors_b: ArrayLike) -> float:
    """Return the share of cases in which a is nearer than b, ties and NaN left out; NaN where nothing is left."""
    difference = np.asarray(errors_a, float) - np.asarray(errors_b, float)
    decided = difference[np.abs(difference) > SAME_KM]
    return float((decided < 0).mean()) if len(decided) else np.nan


def skill(error: float, reference: float) -> float:
    """Return the skill 100 (reference - error) / reference in percent; NaN against a reference of 0."""
    return 100.0 * (reference - error) / reference if reference > 0 else np.nan


def homogeneous(errors: pd.DataFrame) -> pd.DataFrame:
    """Return the errors of one lead in km, a row a case (track_id, init_time), a column a method; NaN where lost.

    A case that a method has no row for counts as lost by it. Rows without a truth are no cases and are left out.
    Raises InputError where a method has two rows for a case.
    """
    known = errors[errors["truth_lat"].notna()]
    twice = known.duplicated([*CASE, "method"])
    if twice.any():
        row = known[twice].iloc[0]
        raise InputError(
            f"{row['method']} has two errors for storm {row['track_id']} from {row['init_time']}; give one row a case."
        )
    wide = known.set_index([*CASE, "method"])["error_km"].unstack("method")  # noqa: PD010  keeps cases that all lost
    return wide.reindex(columns=list(dict.fromkeys(errors["method"])))


def summary(errors: pd.DataFrame, *, draws: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Summarise errors (from `score`, methods and storms one below another) per lead and method, on the same cases.

    Columns: lead_time, method, cases, n, lost, mean, median, p90, low, high (km). `cases` were to be forecast, `lost`
    of them the method lost; mean, median, 90th percentile and the storm-clustered 95 % interval of the mean are over
    the `n` cases that no method lost.
    """
    rows = []
    for lead, part in errors.groupby("lead_time", sort=True):
        wide = homogeneous(part)
        shared = wide.dropna()
        for method in wide.columns:
            values = shared[method].to_numpy(float)
            low, high = mean_interval(values, shared.index.get_level_values("track_id"), draws=draws, seed=seed)
            median, p90 = np.quantile(values, [0.5, 0.9]) if len(values) else (np.nan, np.nan)
            rows.append(
                {
                    "lead_time": lead,
                    "method": method,
                    "cases": len(wide),
                    "n": len(values),
                    "lost": int(wide[method].isna().sum()),
                    "mean": values.mean() if len(values) else np.nan,
                    "median": median,
                    "p90": p90,
                    "low": low,
                    "high": high,
                }
            )
    columns = ["lead_time", "method", "cases", "n", "lost", "mean", "median", "p90", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def compare(errors: pd.DataFrame, *, reference: str, draws: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Compare every method with `reference` per lead, on the cases that no method lost.

    Columns: lead_time, method, reference, n, storms, difference, low, high (km, negative where the method is better),
    p_value, skill (percent), superior (share of cases in which the method is nearer, ties left out).
    Raises InputError where no row has the method `reference`.
    """
    if reference not in set(errors["method"]):
        known = ", ".join(dict.fromkeys(errors["method"]))
        raise InputError(f"there is no method {reference} to compare with; the errors hold: {known}.")
    rows = []
    for lead, part in errors.groupby("lead_time", sort=True):
        shared = homogeneous(part).dropna()
        if reference not in shared:
            continue
        for method in shared.columns.drop(reference):
            a, b = shared[method].to_numpy(float), shared[reference].to_numpy(float)
            paired = clustered_bootstrap(a, b, shared.index.get_level_values("track_id"), draws=draws, seed=seed)
            rows.append(
                {
                    "lead_time": lead,
                    "method": method,
                    "reference": reference,
                    "n": paired.n,
                    "storms": paired.clusters,
                    "difference": paired.mean,
                    "low": paired.low,
                    "high": paired.high,
                    "p_value": paired.p_value,
                    "skill": skill(a.mean(), b.mean()) if len(a) else np.nan,
                    "superior": superior_frequency(a, b),
                }
            )
    columns = [
        "lead_time",
        "method",
        "reference",
        "n",
        "storms",
        "difference",
        "low",
        "high",
        "p_value",
        "skill",
        "superior",
    ]
    return pd.DataFrame(rows, columns=columns)
