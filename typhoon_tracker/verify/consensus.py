"""The consensus of two forecasts, which errs less than either where their errors differ."""

from __future__ import annotations

import pandas as pd

from typhoon_tracker.geo import sphere


def midpoint(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return the forecasts half-way along the great circle between two methods' fixes; NaN where `one` has none.

    Both have init_time, lead_time, lat, lon, and so has the result, for the cases of both. An equally weighted
    consensus, as forecast centres make of their models (Goerss 2000).
    """
    case = ["init_time", "lead_time"]
    both = one.merge(other[[*case, "lat", "lon"]], on=case, suffixes=("", "_other"))
    lat, lon = sphere.extrapolate(both["lat"], both["lon"], both["lat_other"], both["lon_other"], -0.5)
    return both[case].assign(lat=lat, lon=lon)
