"""Real best tracks for the tests of verification."""

from pathlib import Path

import pandas as pd
import pytest

from typhoon_tracker import track

IBTRACS = Path(__file__).resolve().parents[2] / "../shared/data/ibtracs_wp_1980_2025.csv"


@pytest.fixture(scope="session")
def real_storms() -> pd.DataFrame:
    """Western North Pacific storms 1980-2025, six-hourly, wind and pressure of the WMO agency."""
    if not IBTRACS.exists():
        pytest.skip(f"{IBTRACS.name} is not there")
    raw = pd.read_csv(IBTRACS, na_values=[" "], keep_default_na=False)
    return track.create(
        track_id=raw["SID"],
        time=raw["ISO_TIME"],
        lat=raw["LAT"],
        lon=raw["LON"],
        msl=raw["WMO_PRES"] * 100.0,
        wind=raw["WMO_WIND"] * 0.514444,
        season=raw["SID"].str[:4].astype(int),
        original=True,
    )
