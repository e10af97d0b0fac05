"""Track errors taken apart: storm by storm, along and across the track, in intensity, and method against method."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from typhoon_tracker.verify.independence import effective_size
from typhoon_tracker.verify.statistics import CASE, SAME_KM, homogeneous, mean_interval

Row = dict[str, object]
BY_STORM = ("lead_time", "track_id", "method", "cases", "n", "lost", "mean", "along", "cross")
BIASES: dict[str, tuple[str, str]] = {"along": ("along_km", "mean"), "cross": ("cross_km", "mean")}


def by_storm(errors: pd.DataFrame) -> pd.DataFrame:
    """Return the mean error of every method per lead and storm, on the cases that no method lost.

    Columns: lead_time, track_id, method, cases, n, lost, mean, along, cross (km; along ahead, cross to the right
    positive: the biases). Raises InputError where a method has two rows for a case.
    """
    parts = []
    for lead, part in errors.groupby("lead_time", sort=True):
        wide = homogeneous(part)
        shared = wide.dropna().index
        keys = ["track_id", "method"]
        lost = wide.isna().groupby(level="track_id").sum().reset_index()
        table = lost.melt(id_vars="track_id", var_name="method", value_name="lost")
        table = table.sort_values("track_id", kind="stable", ignore_index=True)
        cases = wide.groupby(level="track_id").size().rename("cases")
        own = part[pd.MultiIndex.from_frame(part[CASE]).isin(shared)]
        means = own.groupby(keys).agg(n=("error_km", "size"), mean=("error_km", "mean"), **BIASES)
        table = table.join(cases, on="track_id").join(means, on=keys).assign(lead_time=lead)
        parts.append(table.fillna({"n": 0}).astype({"n": int}))
    if not parts:
        return pd.DataFrame(columns=list(BY_STORM))
    return pd.concat(parts, ignore_index=True)[list(BY_STORM)]


def components(errors: pd.DataFrame, *, draws: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Return along- and cross-track bias and size per lead and method, on the cases that no method lost.

    Columns: lead_time, method, n, n_effective and, for along and cross, `_bias` (km, ahead and to the right positive)
    with its storm-clustered 95 % interval `_low`, `_high`, and `_abs`, the mean of the absolute value. `n_effective`
    is of the track error (see `independence.effective_size`).
    """
    rows: list[Row] = []
    for lead, method, own in _shared(errors):
        row: Row = {"lead_time": lead, "method": method, "n": len(own)}
        row["n_effective"] = effective_size(own["error_km"], own["track_id"], own["init_time"])
        for name in ("along", "cross"):
            values = own[f"{name}_km"].to_numpy(float)
            low, high = mean_interval(values, own["track_id"], draws=draws, seed=seed)
            row |= {f"{name}_bias": _mean(values), f"{name}_low": low, f"{name}_high": high}
            row[f"{name}_abs"] = _mean(np.abs(values))
        rows.append(row)
    return pd.DataFrame(rows)


def intensity(errors: pd.DataFrame, *, draws: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Return bias and mean absolute error of MSL minimum and maximum wind, per lead and method.

    Columns: lead_time, method, and for msl (Pa) and wind (m/s) `_n`, `_bias` (forecast minus truth) with its
    storm-clustered 95 % interval `_low`, `_high`, and `_mae`. A method that forecasts no intensity has `_n` 0. Winds
    are those of the truth's own averaging period against those of the fields: never converted, so the bias holds both.
    """
    rows: list[Row] = []
    for (lead, method), own in errors.groupby(["lead_time", "method"], sort=False):
        row: Row = {"lead_time": lead, "method": method}
        for name in ("msl", "wind"):
            known = own.dropna(subset=[f"{name}_error"])
            values = known[f"{name}_error"].to_numpy(float)
            low, high = mean_interval(values, known["track_id"], draws=draws, seed=seed)
            row |= {f"{name}_n": len(values), f"{name}_bias": _mean(values), f"{name}_low": low, f"{name}_high": high}
            row[f"{name}_mae"] = _mean(np.abs(values))
        rows.append(row)
    return pd.DataFrame(rows).sort_values("lead_time", kind="stable", ignore_index=True)


def superior(errors: pd.DataFrame) -> pd.DataFrame:
    """Return the frequency of superior performance of every method among all, per lead: how often it is the nearest.

    Columns: lead_time, method, n (cases that no method lost), best, ties, fsp (percent of n). As in MET TC-Stat a case
    in which two are nearest is a tie and nobody's, so the percentages need not add up to 100. Leave the analysis out
    of `errors`: it is no forecast.
    """
    rows: list[Row] = []
    for lead, part in errors.groupby("lead_time", sort=True):
        shared = homogeneous(part).dropna()
        values = shared.to_numpy(float)  # (cases, methods)
        near = values <= values.min(axis=1, initial=np.inf, keepdims=True) + SAME_KM
        alone = near & (near.sum(axis=1, keepdims=True) == 1)
        for column, method in enumerate(shared.columns):
            best, ties = int(alone[:, column].sum()), int((near & ~alone)[:, column].sum())
            fsp = 100.0 * best / len(shared) if len(shared) else np.nan
            rows.append({"lead_time": lead, "method": method, "n": len(shared), "best": best, "ties": ties, "fsp": fsp})
    return pd.DataFrame(rows, columns=["lead_time", "method", "n", "best", "ties", "fsp"])


def _shared(errors: pd.DataFrame) -> Iterator[tuple[pd.Timedelta, str, pd.DataFrame]]:
    """Yield lead, method and the method's rows on the cases that no method lost."""
    for lead, part in errors.groupby("lead_time", sort=True):
        shared = homogeneous(part).dropna().index
        table = part.set_index(CASE)
        for method in dict.fromkeys(part["method"]):
            yield lead, method, table[table["method"] == method].reindex(shared).reset_index()  # type: ignore[misc]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan
