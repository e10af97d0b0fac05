from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

from tests.sources.open_data.server import OpenDataServer
from typhoon_tracker.besttrack import shipped
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.open_data import OpenData
from typhoon_tracker.sources.reconstruction import Reconstruction
from typhoon_tracker.sources.retry import Patience

EVERYWHERE = Region(north=34.0, south=10.0, west=116.0, east=142.0)  # as far as the server's files go
REGION = Region(north=31.0, south=13.0, west=118.0, east=138.0)
HASTY = Patience(tries=3, wait=0.01, longest_wait=0.05, connect=2.0, silence=2.0)
SHIFT = pd.Timestamp("2026-08-01") - pd.Timestamp("2023-07-24")  # Doksuri's life, moved to 2026


class Weather:
    """Typhoon Doksuri of 2023, three years later."""

    def __init__(self) -> None:
        table = shipped.load("wmo").table
        self.best = table[(table["season"] == 2023) & (table["name"] == "DOKSURI")].reset_index(drop=True)
        self.best = self.best.assign(time=self.best["time"] + SHIFT)
        self._made = Reconstruction(self.best, seed="open data")
        self.frame = cache(lambda time: self._made.open(pd.DatetimeIndex([time]).as_unit("ns"), EVERYWHERE))

    def crop(self, time: pd.Timestamp) -> xr.Dataset:
        lat, lon = slice(REGION.north, REGION.south), slice(REGION.west, REGION.east)
        return self.frame(time).sel(latitude=lat, longitude=lon)


@pytest.fixture(scope="session")
def weather() -> Weather:
    return Weather()


@pytest.fixture
def server(weather: Weather) -> Iterator[OpenDataServer]:
    made = OpenDataServer(weather.frame)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def source(server: OpenDataServer, tmp_path: Path, said: list[str]) -> OpenData:
    return OpenData(tmp_path / "open", endpoint=server.url, patience=HASTY, status=said.append)
