from __future__ import annotations

import pytest

from typhoon_tracker.besttrack import shipped


@pytest.fixture(scope="session")
def season():
    """JMA's best tracks of 2023."""
    table = shipped.load("wmo").table
    return table[table["season"] == 2023]
