"""ERA5 from a Climate Data Store that behaves: what is asked for, what comes, and what is kept of it."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.sources.era5_cds.conftest import Weather
from tests.sources.era5_cds.store import JOBS, KEY, FakeStore
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.base import NetworkError, hours
from typhoon_tracker.sources.cache import Cache
from typhoon_tracker.sources.cds import Cds

REGION = Region(north=16.0, south=14.0, west=140.0, east=143.0)
DAYS = [dt.date(2023, 5, 30), dt.date(2023, 5, 31), dt.date(2023, 6, 1)]


def assert_true(fields: xr.Dataset, day: dt.date, weather: Weather, region: Region = REGION) -> None:
    """The fields are those that the store made its file of, bit for bit."""
    truth = weather.open(hours(day), region)
    for name in CORE:
        np.testing.assert_array_equal(fields[name].values, truth[name].values, err_msg=name)
    assert fields.indexes["time"].equals(hours(day))


def test_every_day_arrives_whole_and_in_order(source: Cds, weather: Weather) -> None:
    for fields, day in zip(source.days(DAYS, REGION), DAYS, strict=True):
        assert_true(fields, day, weather)
        assert fields.attrs["source"] == source.label
    assert not list(source.folder.iterdir())


def test_a_month_is_a_request_for_the_days_needed_only(source: Cds, store: FakeStore) -> None:
    list(source.days(DAYS, REGION))
    may, june = store.submitted
    assert (may["year"], may["month"], may["day"]) == (["2023"], ["05"], ["30", "31"])
    assert (june["year"], june["month"], june["day"]) == (["2023"], ["06"], ["01"])
    assert may["area"] == [16.0, 140.0, 14.0, 143.0]  # north, west, south, east
    assert may["time"][0] == "00:00"
    assert len(may["time"]) == 24
    assert may["product_type"] == ["reanalysis"]
    assert (may["data_format"], may["download_format"]) == ("netcdf", "unarchived")


def test_a_later_month_is_queued_before_the_first_is_fetched(source: Cds, store: FakeStore) -> None:
    next(source.days(DAYS, REGION))
    assert len(store.submitted) == 2
    assert len(store.downloads) == 1


def test_the_queue_is_told(source: Cds, said: list[str]) -> None:
    list(source.days(DAYS[:1], REGION))
    what = "ERA5 of 2023-05-30 to 2023-05-30"
    assert said == [
        f"{what}: submitted as request job-0",
        f"{what}: accepted and queued (request job-0)",
        f"{what}: running (request job-0)",
        f"{what}: successful (request job-0)",
    ]


def test_the_bytes_are_told_and_near_the_estimate(source: Cds, store: FakeStore) -> None:
    arrived: list[int] = []
    wide = Region(north=24.0, south=8.0, west=130.0, east=146.0)
    list(source.days(DAYS[:1], wide, progress=arrived.append))
    assert sum(arrived) == store.sent
    assert 0.5 < source.estimate(DAYS[:1], wide) / sum(arrived) < 2.0
    assert source.estimate(DAYS, wide) == 3 * source.estimate(DAYS[:1], wide)


def test_the_cache_takes_whole_days_and_leaves_nothing(source: Cds, store: FakeStore, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "days")
    span = (pd.Timestamp("2023-05-30T06"), pd.Timestamp("2023-06-01T06"))
    fields = cache.get(source, span, REGION)
    assert fields.sizes["time"] == 49
    assert not list(source.folder.iterdir())
    cache.get(source, span, REGION)
    assert len(store.submitted) == 2


def test_a_folder_in_brackets(store: FakeStore, tmp_path: Path, weather: Weather) -> None:
    store.zipped = True
    source = Cds(tmp_path / "[cache] *", url=f"{store.root}/api", key=KEY, status=lambda sentence: None)
    assert_true(next(source.days(DAYS[:1], REGION)), DAYS[0], weather)


def test_an_archive_of_parts(source: Cds, store: FakeStore, weather: Weather) -> None:
    store.zipped = True
    for fields, day in zip(source.days(DAYS, REGION), DAYS, strict=True):
        assert_true(fields, day, weather)
        assert "tp" not in fields
    assert not list(source.folder.iterdir())


def preliminary_from(when: str, raw: xr.Dataset) -> xr.Dataset:
    versions = np.where(raw.valid_time.values < np.datetime64(when), "0001", "0005")
    return raw.assign_coords(expver=("valid_time", versions))


def as_axis(when: str, raw: xr.Dataset) -> xr.Dataset:
    """The layout of the store before 2024: both versions along an axis, each with the other's hours missing."""
    raw = raw.drop_vars("expver").rename(valid_time="time")
    early = raw["time"] < np.datetime64(when)
    return xr.concat([raw.where(early), raw.where(~early)], pd.Index([1, 5], name="expver")).transpose("time", ...)


@pytest.mark.parametrize(("layout", "zipped"), [(preliminary_from, False), (preliminary_from, True), (as_axis, False)])
def test_preliminary_hours_are_said(
    source: Cds, store: FakeStore, weather: Weather, layout: object, zipped: bool
) -> None:
    store.zipped = zipped
    store.change = lambda raw: layout("2023-05-31T17", raw)  # type: ignore[operator]
    first, second = source.days(DAYS[:2], REGION)
    assert first.attrs["source"] == source.label
    assert second.attrs["source"] == f"{source.label}, 7 of 24 hours preliminary (ERA5T)"
    assert_true(second, DAYS[1], weather)


def test_a_request_too_large_is_halved(source: Cds, store: FakeStore, weather: Weather) -> None:
    store.most_days = 2
    days = [dt.date(2023, 5, day) for day in range(27, 32)]
    for fields, day in zip(source.days(days, REGION), days, strict=True):
        assert_true(fields, day, weather)
    asked = [request["day"] for request in store.submitted]
    assert list(itertools.chain(*asked)) == [str(day) for day in range(27, 32)]
    assert max(map(len, asked)) == 2


def test_another_call_goes_on_with_the_queued_request(source: Cds, store: FakeStore) -> None:
    store.refusals[f"GET {JOBS}"] = [(503, {}, {})] * 3
    with pytest.raises(NetworkError, match="in vain"):
        list(source.days(DAYS[:1], REGION))
    assert len(list(source.days(DAYS[:1], REGION))) == 1
    assert len(store.submitted) == 1


def test_a_killed_process_leaves_its_request_queued(source: Cds, store: FakeStore, weather: Weather) -> None:
    store.states = ["running"]
    program = (
        "import datetime as dt, sys; from pathlib import Path; from typhoon_tracker.geo.grid import Region;"
        "from typhoon_tracker.sources.cds import Cds; folder, url, key = sys.argv[1:];"
        f"list(Cds(Path(folder), url=url, key=key).days([dt.date(2023, 5, 30)], {REGION!r}))"
    )
    command = [sys.executable, "-c", program, str(source.folder), f"{store.root}/api", KEY]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stderr is not None
    told = [process.stderr.readline() for _ in range(2)]
    assert "running (request job-0)" in told[1]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    store.states = ["successful"]
    assert_true(next(source.days(DAYS[:1], REGION)), DAYS[0], weather)
    assert len(store.submitted) == 1


def test_the_days_not_taken_come_from_the_file_fetched_before(source: Cds, store: FakeStore, weather: Weather) -> None:
    days = [dt.date(2023, 5, day) for day in (28, 29, 30, 31)]
    arriving = source.days(days, REGION)
    next(arriving)
    arriving.close()
    left = source.days([*days[1:], dt.date(2023, 6, 1)], REGION)
    for fields, day in zip(left, [*days[1:], dt.date(2023, 6, 1)], strict=True):
        assert_true(fields, day, weather)
    assert [request["day"] for request in store.submitted] == [["28", "29", "30", "31"], ["01"]]
    assert not list(source.folder.iterdir())


def test_another_region_is_another_request(source: Cds, store: FakeStore, weather: Weather) -> None:
    arriving = source.days(DAYS[:2], REGION)
    next(arriving)
    arriving.close()
    smaller = Region(north=15.5, south=14.0, west=140.0, east=143.0)
    assert_true(next(source.days(DAYS[:2], smaller)), DAYS[0], weather, smaller)
    assert len(store.submitted) == 2


def test_a_file_fetched_is_not_fetched_again_before_its_last_day_is_taken(source: Cds, store: FakeStore) -> None:
    arriving = source.days(DAYS[:2], REGION)
    next(arriving)
    arriving.close()
    assert len(list(source.days(DAYS[:2], REGION))) == 2
    assert len(store.submitted) == len(store.downloads) == 1
