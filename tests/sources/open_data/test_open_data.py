"""Analyses and forecasts of the ECMWF from a server that behaves, and from one that does not."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.sources.open_data.conftest import HASTY, REGION, Weather
from tests.sources.open_data.server import OpenDataServer
from tests.sources.samples import SHARED
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, validate
from typhoon_tracker.forecast.base import valid_frames
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.sources.base import NetworkError
from typhoon_tracker.sources.open_data import OpenData, linear
from typhoon_tracker.tracker.follow import follow

NOW = pd.Timestamp("2026-08-02T13:20")
NEWEST = pd.Timestamp("2026-08-02T12")
PACKED = {"msl": 0.01, "u10": 1e-4, "v10": 1e-4, "t2m": 1e-4}  # what 24 bits a value leave


def assert_close(fields: xr.Dataset, weather: Weather, when: pd.Timestamp) -> None:
    truth = weather.crop(when)
    for name in CORE:
        np.testing.assert_allclose(fields[name].sel(time=when), truth[name][0], rtol=0, atol=PACKED[name] * 2)


@pytest.fixture
def analyses(server: OpenDataServer) -> OpenDataServer:
    for cycle in ("2026-08-02T00", "2026-08-02T06", "2026-08-02T12"):
        server.publish(cycle, 0)
    return server


def test_analyses_as_they_are_and_straight_lines_between(
    source: OpenData, analyses: OpenDataServer, weather: Weather
) -> None:
    fields = validate(source.latest(REGION, now=NOW), hourly=True)
    assert list(fields.indexes["time"]) == list(pd.date_range(end=NEWEST, periods=13, freq="h"))
    np.testing.assert_allclose(fields["latitude"], REGION.latitude)
    np.testing.assert_allclose(fields["longitude"], REGION.longitude)
    for hours in (0, 6, 12):
        assert_close(fields, weather, NEWEST - pd.Timedelta(hours=hours))
    two_hours_on = 2 / 3 * fields["msl"][6] + 1 / 3 * fields["msl"][12]
    np.testing.assert_allclose(fields["msl"][8], two_hours_on, rtol=0, atol=0.02)


def test_fields_say_what_they_are(source: OpenData, analyses: OpenDataServer) -> None:
    fields = source.latest(REGION, now=NOW)
    assert fields.attrs["source"] == (
        "ECMWF open data (IFS HRES at 0.25 deg), analyses 2026-08-02 00Z to 2026-08-02 12Z, hourly by interpolation"
    )
    assert "linear" in fields.attrs["time_interpolation"]


def test_only_the_four_parameters_are_fetched(source: OpenData, analyses: OpenDataServer) -> None:
    told: list[int] = []
    source.latest(REGION, now=NOW, progress=told.append)
    whole = sum(len(message) for file in analyses.published.values() for _, message in file)
    assert sum(told) == pytest.approx(whole * 4 / 5, rel=0.01)


def test_what_was_fetched_is_kept_for_the_next_call(source: OpenData, analyses: OpenDataServer) -> None:
    first = source.latest(REGION, now=NOW)
    asked = len(analyses.asked)
    again = source.latest(REGION, now=NOW)
    xr.testing.assert_identical(first, again)
    assert len(analyses.asked) == asked


def test_files_of_days_ago_are_swept(source: OpenData, analyses: OpenDataServer, tmp_path: Path) -> None:
    source.latest(REGION, now=NOW)
    old, kept, _ = sorted((tmp_path / "open").iterdir())
    os.utime(old, times=(time.time() - 4 * 86400,) * 2)
    analyses.publish("2026-08-02T12", 3)
    source.forecast(REGION, NEWEST, [3])
    assert kept.exists()
    assert not old.exists()


def test_nothing_but_the_result_is_printed(
    source: OpenData, analyses: OpenDataServer, capfd: pytest.CaptureFixture[str]
) -> None:
    source.latest(REGION, now=NOW)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("hours_back", [1, 6, 7])
def test_as_many_hours_back_as_asked_for(source: OpenData, analyses: OpenDataServer, hours_back: int) -> None:
    assert source.latest(REGION, now=NOW, hours_back=hours_back).sizes["time"] == hours_back + 1


def test_a_cycle_not_there_yet(source: OpenData, server: OpenDataServer, said: list[str]) -> None:
    for cycle in ("2026-08-01T18", "2026-08-02T00"):
        server.publish(cycle, 0)
    fields = source.latest(REGION, now=NOW, hours_back=6)
    assert fields.indexes["time"][-1] == pd.Timestamp("2026-08-02T00")
    assert "(2026-08-02 12Z, 2026-08-02 06Z not there yet)" in fields.attrs["source"]
    assert len(said) == 2


def test_a_cycle_half_there_is_not_there(source: OpenData, server: OpenDataServer) -> None:
    server.publish("2026-08-02T12", 0, lacking="2t")
    for cycle in ("2026-08-02T00", "2026-08-02T06"):
        server.publish(cycle, 0)
    assert source.latest(REGION, now=NOW, hours_back=6).indexes["time"][-1] == pd.Timestamp("2026-08-02T06")


def test_nothing_for_a_day(source: OpenData, server: OpenDataServer) -> None:
    with pytest.raises(InputError, match="none of the ECMWF's cycles 2026-08-01 12Z to 2026-08-02 12Z"):
        source.latest(REGION, now=NOW)
    assert len(server.asked) == 5


def test_the_former_name_of_the_stream_at_06_and_18(source: OpenData, server: OpenDataServer) -> None:
    server.publish("2026-05-11T18", 0)
    server.publish("2026-05-12T00", 0)
    fields = source.latest(REGION, now=pd.Timestamp("2026-05-12T00"), hours_back=6)
    assert any("/18z/ifs/0p25/scda/2026051118" in asked for asked in server.asked)
    assert fields.sizes["time"] == 7


def test_a_server_with_one_range_at_a_time(source: OpenData, analyses: OpenDataServer, weather: Weather) -> None:
    analyses.several_ranges = False
    assert_close(source.latest(REGION, now=NOW), weather, NEWEST)


def test_a_cut_is_tried_again(source: OpenData, analyses: OpenDataServer, said: list[str], weather: Weather) -> None:
    analyses.cuts = [700, 0]
    assert_close(source.latest(REGION, now=NOW), weather, NEWEST)
    assert sum("trying step 0 h of 2026-08-02 12Z again" in sentence for sentence in said) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_that_passes(
    source: OpenData, analyses: OpenDataServer, said: list[str], weather: Weather, status: int
) -> None:
    analyses.refusals = [status, status]
    assert_close(source.latest(REGION, now=NOW), weather, NEWEST)
    assert f"it answered {status}" in said[0]


@pytest.mark.parametrize(("status", "tries"), [(503, "3 times"), (403, "once")])
def test_a_refusal_that_stays(source: OpenData, analyses: OpenDataServer, status: int, tries: str) -> None:
    analyses.refusals = [status] * 9
    with pytest.raises(NetworkError, match=f"tried {tries}, in vain: it answered {status}.*aws, google"):
        source.latest(REGION, now=NOW)


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NetworkError, match="Connection refused"):
        OpenData(tmp_path, endpoint=url, patience=HASTY).latest(REGION, now=NOW)


def test_no_such_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'ecmfw' is no place of open data; give ecmwf"):
        OpenData(tmp_path, endpoint="ecmfw").latest(REGION, now=NOW)


def test_a_region_off_the_grid(source: OpenData, analyses: OpenDataServer) -> None:
    with pytest.raises(InputError, match=r"spaced by 0\.25 deg, the region by 0\.5"):
        source.latest(Region(31.0, 13.0, 118.0, 138.0, step=0.5), now=NOW)


def test_the_forecast_keeps_the_contract(source: OpenData, server: OpenDataServer, weather: Weather) -> None:
    server.publish("2026-08-02T12", 3, 6)
    forecast = source.forecast(REGION, NEWEST, [6, 3])
    assert forecast["msl"].dims == ("init_time", "lead_time", "latitude", "longitude")
    assert list(forecast.indexes["lead_time"]) == [pd.Timedelta(hours=3), pd.Timedelta(hours=6)]
    assert pd.Timestamp(forecast["valid_time"].values[0, 1]) == pd.Timestamp("2026-08-02T18")
    assert forecast.attrs["model"] == "ecmwf-hres"
    frames = validate(valid_frames(forecast))
    assert_close(frames, weather, pd.Timestamp("2026-08-02T15"))


def test_a_forecast_not_whole_yet(source: OpenData, server: OpenDataServer) -> None:
    server.publish("2026-08-02T12", 3)
    server.publish("2026-08-02T06", 3, 6)
    forecast = source.forecast(REGION, NEWEST, [3, 6])
    assert pd.Timestamp(forecast["init_time"].values[0]) == pd.Timestamp("2026-08-02T06")
    assert forecast.attrs["source"].endswith("(2026-08-02 12Z not there yet)")


@pytest.mark.parametrize(
    ("init", "leads", "words"),
    [
        (NEWEST, [3, 7], "lead 7 h is not among the ECMWF's steps of 3 to 90 h"),
        (NEWEST, [93], "lead 93 h"),
        (NEWEST, [0], "lead 0 h"),
        (NEWEST, [], "no lead"),
        (pd.Timestamp("2026-08-02T13"), [3], "is no cycle of the ECMWF"),
    ],
)
def test_what_the_ecmwf_does_not_forecast(
    source: OpenData, server: OpenDataServer, init: pd.Timestamp, leads: list[int], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        source.forecast(REGION, init, leads)
    assert not server.asked


def test_the_tracker_follows_the_storm_through_both(source: OpenData, server: OpenDataServer, weather: Weather) -> None:
    """From a position alone: analyses first, then the rival's forecast from the last fix."""
    for cycle in ("2026-08-02T00", "2026-08-02T06"):
        server.publish(cycle, 0)
    server.publish("2026-08-02T12", 0, 3, 6, 9)
    fields = source.latest(REGION, now=NOW)
    start = weather.best[weather.best["time"] == fields.indexes["time"][0]]
    fixes = follow(fields, start)
    rival = follow(valid_frames(source.forecast(REGION, NEWEST, [3, 6, 9])), fixes)
    assert len(fixes) == 13
    assert len(rival) == 3
    for found in (fixes, rival):
        both = found.merge(weather.best, on="time", suffixes=("", "_true"))
        assert len(both)
        assert distance(both["lat"], both["lon"], both["lat_true"], both["lon_true"]).max() < 30.0


def test_linear_is_exact_at_the_nodes_and_between_them_elsewhere(weather: Weather) -> None:
    known = pd.DatetimeIndex(["2026-08-02T00", "2026-08-02T06"]).as_unit("ns")
    nodes = xr.concat([weather.crop(when) for when in known], "time")
    times = pd.date_range(*known, freq="h", unit="ns")
    between = linear(nodes, times)
    for name in CORE:
        np.testing.assert_array_equal(between[name].sel(time=known), nodes[name])
        low, high = nodes[name].min("time"), nodes[name].max("time")
        slack = 1e-6 * abs(high)
        assert bool(((between[name] >= low - slack) & (between[name] <= high + slack)).all())
        assert between[name].dtype == np.float32


def test_a_real_file(tmp_path: Path) -> None:
    path = SHARED / "ecmwf_open_data_20250115T18_f24.grib2"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    from typhoon_tracker.sources.open_data_store import _messages

    assert _messages(path) == 2
    cut = tmp_path / "cut.grib2"
    cut.write_bytes(path.read_bytes()[:-1])
    assert _messages(cut) == 1
