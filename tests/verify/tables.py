"""Error tables of known shape."""

from __future__ import annotations

import numpy as np
import pandas as pd

START = pd.Timestamp("2023-08-01")


def errors_of(
    method: str, km: list | np.ndarray, *, lead: float = 6, storm: str | list = "A", **columns: object
) -> pd.DataFrame:
    """Return error rows, one init time six hours after another."""
    n = len(km)
    table = pd.DataFrame(
        {
            "track_id": storm,
            "init_time": pd.date_range(START, periods=n, freq="6h"),
            "lead_time": lead * pd.Timedelta(hours=1),
            "method": method,
            "truth_lat": 20.0,
            "error_km": np.asarray(km, float),
            "along_km": np.asarray(km, float),
            "cross_km": 0.0,
            "msl_error": np.nan,
            "wind_error": np.nan,
        }
    )
    return table.assign(**columns)
