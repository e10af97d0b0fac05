"""How many of the forecasts of a storm are independent: those six hours apart err alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def effective_size(errors: ArrayLike, storms: ArrayLike, init_times: ArrayLike) -> float:
    """Return the number of independent errors among n, from their serial correlation within storms.

        n_eff = n (1 - r) / (1 + r),   r = sum d_i d_{i+1} / sum d_i^2 (n / pairs), held in 0 to 1

    d: departures from the mean over all storms, in order of init time; pairs lie one usual step apart, never across
    storms. NaN errors are left out; NaN for fewer than 3 pairs. Source: Leith (1973), as used for forecast errors of
    storms by Aberson and DeMaria (1994).
    """
    first, second, departures, _ = _pairs(errors, storms, init_times)
    if len(first) < 3 or not (departures**2).sum() > 0:
        return np.nan
    r = float((departures[first] * departures[second]).mean() / (departures**2).mean())
    r = min(max(r, 0.0), 1.0)
    return len(departures) * (1 - r) / (1 + r)


def hours_to_independence(errors: ArrayLike, storms: ArrayLike, init_times: ArrayLike) -> float:
    """Return the hours between init times after which errors are independent, by Siegel's runs.

        hours = step (1 + 2 n+ n- / (n+ + n-)) / runs

    runs: unbroken spells above (n+) or below (n-) the mean error; the fraction's numerator is their number if the
    order were random. Runs end with their storm. NaN for fewer than 3 pairs one step apart. Source: the time to
    independence of MET TC-Stat, which counts such runs after Siegel; its users' guide gives no formula.
    """
    first, second, departures, step = _pairs(errors, storms, init_times)
    if len(first) < 3:
        return np.nan
    above = departures > 0
    high, low = int(above.sum()), int((~above).sum())
    changes = int((above[first] != above[second]).sum())
    # Each stretch of unbroken steps starts a run of its own, in chance as in truth.
    stretches = len(departures) - len(first)
    expected = stretches + 2 * high * low / (high + low) * len(first) / max(len(departures) - 1, 1)
    return step * expected / (stretches + changes)


def _pairs(
    errors: ArrayLike, storms: ArrayLike, init_times: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, float]:
    """Return the indices of errors one usual step apart in one storm, all departures from the mean, the step in h."""
    table = pd.DataFrame({"error": np.asarray(errors, float), "storm": np.asarray(storms)})
    table["time"] = pd.to_datetime(np.asarray(init_times))
    table = table.dropna().sort_values(["storm", "time"], kind="stable")
    departures = table["error"].to_numpy() - table["error"].mean() if len(table) else np.empty(0)
    hours = table.groupby("storm")["time"].diff().dt.total_seconds().to_numpy() / 3600
    known = hours[hours > 0]
    step = float(np.median(known)) if len(known) else np.nan
    second = np.flatnonzero(hours == step)
    return second - 1, second, departures, step
