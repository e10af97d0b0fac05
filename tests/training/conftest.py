"""A handful of real storms, so that a test trains in seconds."""

from __future__ import annotations

import pandas as pd
import pytest

from typhoon_tracker.besttrack import shipped

NAMES = {
    2021: ("CHANTHU", "IN-FA", "SURIGAE"),
    2022: ("HINNAMNOR", "NANMADOL", "MUIFA"),
    2023: ("MAWAR", "SAOLA", "KHANUN"),
}


@pytest.fixture(scope="session")
def best() -> pd.DataFrame:
    """Three long storms of each of the seasons 2021 (training), 2022 (validation) and 2023 (test)."""
    table = shipped.load("wmo").table
    chosen = [table[(table["season"] == year) & table["name"].isin(names)] for year, names in NAMES.items()]
    return pd.concat(chosen, ignore_index=True)
