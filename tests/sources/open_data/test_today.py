"""A storm of today, Doksuri three years later: forecast beside the server's own forecast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.commands import tracker
from tests.sources.open_data.conftest import REGION, Weather
from tests.sources.open_data.server import OpenDataServer
from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.persistence import Persistence
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.sources.open_data import OpenData
from typhoon_tracker.today import forecast_today
from typhoon_tracker.track_files import read_csv

NOW = pd.Timestamp("2026-08-02T13:20")
INIT = NOW.floor("6h")


@pytest.fixture(autouse=True)
def published(server: OpenDataServer) -> None:
    for cycle in ("2026-08-02T00", "2026-08-02T06"):
        server.publish(cycle, 0)
    server.publish("2026-08-02T12", 0, 3, 6, 9, 12)


@pytest.fixture
def position(weather: Weather) -> tuple[float, float]:
    """Where the storm is at the init time, to the tenth of a degree."""
    at = weather.best.set_index("time").loc[INIT]
    return round(float(at["lat"]), 1), round(float(at["lon"]), 1)


def test_the_rival_is_the_storm_as_it_moved(source: OpenData, weather: Weather, position) -> None:
    """The server's forecasts are the truth, so its fixes follow the best track, and persistence of fields stands."""
    result = forecast_today(source, Persistence(), position, 12, region=REGION, now=NOW)
    assert result.init == INIT
    truth = weather.best.set_index("time")
    rival = result.rival.set_index("time")
    for lead in (6, 12):
        when = INIT + pd.Timedelta(hours=lead)
        at, fix = truth.loc[when], rival.loc[when]
        assert distance(at["lat"], at["lon"], fix["lat"], fix["lon"]) < 25
    rows = result.table()
    assert rows["lead_h"].tolist() == list(range(1, 13))
    assert rows["lat_rival"].notna().tolist() == [lead % 3 == 0 for lead in range(1, 13)]
    stands = distance(result.model["lat"], result.model["lon"], *result.analysis[["lat", "lon"]].iloc[0])
    assert np.max(stands) < 3
    moved = truth.loc[INIT + pd.Timedelta(hours=12)]
    expected = distance(*position, moved["lat"], moved["lon"])
    assert rows["apart_km"].iloc[-1] == pytest.approx(float(expected), abs=30)


def test_a_position_without_a_storm_is_refused(source: OpenData) -> None:
    with pytest.raises(InputError, match=r"has no storm near 30,120; correct the position"):
        forecast_today(source, Persistence(), (30.0, 120.0), 6, region=REGION, now=NOW)
    with pytest.raises(InputError, match=r"position 50,120 is outside the region"):
        forecast_today(source, Persistence(), (50.0, 120.0), 6, region=REGION, now=NOW)


def test_the_command(server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, position) -> None:
    monkeypatch.setattr("typhoon_tracker.geo.grid.PAPER_REGION", REGION)
    lat, lon = position
    arguments = ["forecast", "--position", f"{lat},{lon}", "--lead", "6h", "--model", "persistence"]
    outcome = tracker(*arguments, "--init", str(NOW), "--endpoint", server.url, "--out", tmp_path / "doksuri")
    assert outcome.code == 0, outcome.err
    assert "hourly by interpolation" in outcome.out
    assert "its skill on them is not known" in outcome.out
    tracks = read_csv(tmp_path / "doksuri" / "tracks.csv")
    assert tracks.groupby("track_id").size().to_dict() == {"ecmwf-hres": 2, "persistence": 6}


@pytest.mark.parametrize("text", ["18.2", "18.2,126.4,3", "x,y", "95,120"])
def test_a_position_that_is_none_is_refused(text: str) -> None:
    outcome = tracker("forecast", "--position", text)
    assert outcome.code == 2
    assert f"position '{text}'" in outcome.err
