from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.sources.era5_cds.store import KEY, FakeStore
from typhoon_tracker.besttrack import shipped
from typhoon_tracker.fields.contract import CORE, create
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources import cds_store
from typhoon_tracker.sources.base import hours
from typhoon_tracker.sources.cds import Cds
from typhoon_tracker.sources.reconstruction import Reconstruction
from typhoon_tracker.sources.retry import Patience

HASTY = Patience(tries=3, wait=0.01, longest_wait=0.05, connect=10.0, silence=10.0)


class Weather:
    """Fields of a day, reconstructed once for a region; other days differ from it by one Pa, K or m/s a day."""

    DAY = pd.Timestamp("2023-05-30")

    def __init__(self) -> None:
        table = shipped.load("wmo").table
        self._made = Reconstruction(table[(table["season"] == 2023) & (table["name"] == "MAWAR")], seed="cds")
        self._day = cache(lambda region: self._made.open(hours(self.DAY.date()), region))

    def open(self, times: pd.DatetimeIndex, region: Region) -> xr.Dataset:
        later = np.asarray((times.normalize() - self.DAY).days, np.float32)[:, None, None]
        day = self._day(region)
        values = {name: day[name].values[times.hour] + later for name in CORE}
        return create(values, times, region.latitude, region.longitude, source=self._made.source)


@pytest.fixture(scope="session")
def weather() -> Weather:
    return Weather()


@pytest.fixture
def store(tmp_path: Path, weather: Weather, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStore]:
    for name in ("CDSAPI_URL", "CDSAPI_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "none"))
    monkeypatch.setattr(cds_store, "POLL_S", (0.01, 0.02))
    monkeypatch.setattr(cds_store, "_PIECE", 100)  # the files served are small
    (tmp_path / "store").mkdir()
    fake = FakeStore(tmp_path / "store", weather.open)
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def source(store: FakeStore, tmp_path: Path, said: list[str]) -> Cds:
    return Cds(tmp_path / "cache", url=f"{store.root}/api", key=KEY, patience=HASTY, status=said.append)
