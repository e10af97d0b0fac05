"""ERA5 of the ARCO store, read over HTTPS from a server that behaves and from one that fails in every way."""

from __future__ import annotations

import datetime as dt
import shutil
import time

import numpy as np
import pytest
import xarray as xr
import zarr

from tests.sources.era5.archives import value, write_store
from tests.sources.era5.conftest import BRIEF, DAYS, GREENWICH, SMALL, SMALL_DAYS, assert_same
from tests.sources.era5.server import Fault, refused_port, serve
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.arco import ARRAYS, Arco
from typhoon_tracker.sources.base import NetworkError
from typhoon_tracker.sources.ncar import Ncar

CHUNKS_OF_A_DAY = 24 * 4


def read(url: str, days, region: Region, **options) -> xr.Dataset:
    return xr.concat(list(Arco(url=url, patience=BRIEF).days(days, region, **options)), "time")


def test_both_archives_hold_the_same_era5_and_no_chunk_is_fetched_twice(full_server):
    counted: list[int] = []
    [from_ncar] = Ncar(endpoint=full_server.url).days(DAYS[:1], GREENWICH)
    full_server.requests.clear()
    [from_arco] = Arco(url=f"{full_server.url}/arco").days(DAYS[:1], GREENWICH, progress=counted.append)
    assert_same(from_arco, from_ncar)
    assert from_arco.attrs["source"] == "ERA5 (ARCO archive on Google Cloud)"
    chunks = [r.path for r in full_server.requests if r.path.split("/")[-2] in ARRAYS.values() and r.path[-1] == "0"]
    assert len(chunks) == len(set(chunks)) == CHUNKS_OF_A_DAY
    assert sum(counted) == full_server.sent


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_every_kind_of_zarr(tmp_path, zarr_format, consolidated):
    write_store(
        tmp_path / "store",
        SMALL_DAYS[:1],
        latitude=SMALL.latitude,
        longitude=SMALL.longitude,
        zarr_format=zarr_format,
        consolidated=consolidated,
    )
    with serve(tmp_path) as server:
        found = read(f"{server.url}/store", SMALL_DAYS[:1], Region(19, 16, 131, 134))
    for name in ("msl", "u10", "v10", "t2m"):
        truth = value(name, found.indexes["time"], found.latitude.values, found.longitude.values)
        np.testing.assert_array_equal(found[name], truth)


def test_the_chunks_of_a_day_are_fetched_many_at_a_time(server):
    server.latency = 0.05
    frames = Arco(url=f"{server.url}/arco").days(SMALL_DAYS[:2], SMALL)
    next(frames)
    begin = time.perf_counter()
    next(frames)
    assert time.perf_counter() - begin < 0.5 * CHUNKS_OF_A_DAY * server.latency


def test_what_is_not_final_is_called_preliminary(server):
    sources = [day.attrs["source"] for day in Arco(url=f"{server.url}/arco").days(SMALL_DAYS[:3], SMALL)]
    label = "ERA5 (ARCO archive on Google Cloud)"
    assert sources == [label, label, f"{label} with preliminary ERA5T"]


@pytest.mark.parametrize("day", [dt.date(2022, 12, 31), dt.date(2023, 5, 20), dt.date(1939, 12, 31)])
def test_a_day_the_store_does_not_hold(server, day):
    with pytest.raises(InputError, match=f"all hours of {day}; it says to hold ERA5 from 2022-12-28 to 2022-12-30"):
        read(f"{server.url}/arco", [day], SMALL)


def test_an_hour_that_is_not_there(small, tmp_path):
    shutil.copytree(small / "arco", tmp_path / "arco")
    [gone] = (tmp_path / "arco" / ARRAYS["v10"]).glob("30.*")
    gone.unlink()
    with serve(tmp_path) as server, pytest.raises(InputError, match="does not hold all hours of 2022-12-28"):
        read(f"{server.url}/arco", SMALL_DAYS[:1], SMALL)


CHUNK = "2m_temperature/3"
PASSING = [("429", 2), ("500", 2), ("503", 2), ("cut", 2), ("long", 2), ("silence", 1), ("trickle", 1)]
LASTING = [
    ("403", 1, "it answered 403 Forbidden"),
    ("429", 3, "it answered 429 Too Many Requests"),
    ("500", 3, "it answered 500 Internal Server Error"),
    ("503", 3, "it answered 503 Service Unavailable"),
    ("cut", 3, "the connection was cut in the midst of the answer"),
    ("long", 3, "the connection was cut in the midst of the answer"),
    ("silence", 3, "it fell silent for 0.2 s"),
    ("trickle", 3, "the answer was not whole within 0.5 s"),
]


@pytest.mark.parametrize("where", [CHUNK, ".zmetadata"])
@pytest.mark.parametrize(("kind", "times"), PASSING)
@pytest.mark.fault("tried again, fields whole")
def test_a_fault_that_passes_is_waited_out(server, kind, times, where):
    server.faults = [Fault(kind, times, where=where)]
    found = read(f"{server.url}/arco", SMALL_DAYS[:1], SMALL)
    np.testing.assert_array_equal(found.t2m, value("t2m", found.indexes["time"], SMALL.latitude, SMALL.longitude))
    assert not server.faults[0].times


@pytest.mark.parametrize("where", [CHUNK, ".zmetadata"])
@pytest.mark.parametrize(("kind", "tries", "words"), LASTING)
@pytest.mark.fault("told in one sentence", what="lasting")
def test_a_fault_that_lasts_is_told(server, kind, tries, words, where):
    server.faults = [Fault(kind, where=where)]
    times = "once" if tries == 1 else f"{tries} times"
    sentence = rf"^http://127\S*{where}\S* was tried {times}, in vain: {words}\. Try again later, or use"
    with pytest.raises(NetworkError, match=sentence) as told:
        read(f"{server.url}/arco", SMALL_DAYS[:1], SMALL)
    print(f"{kind:8} {tries} tries  {told.value}")


@pytest.mark.fault("told in one sentence", what="chunk too short")
def test_a_chunk_cut_short_without_a_word(server):
    server.faults = [Fault("short", where=CHUNK)]
    with pytest.raises(InputError, match=r"2022-12-28 of arco cannot be read; it is damaged or cut short"):
        read(f"{server.url}/arco", SMALL_DAYS[:1], SMALL)


@pytest.mark.fault("told in one sentence", what="refused connection")
def test_nobody_listens():
    with pytest.raises(
        NetworkError, match=r"was tried 3 times, in vain: could not connect \(Connection refused\)\. Try"
    ):
        read(f"http://127.0.0.1:{refused_port()}/arco", SMALL_DAYS[:1], SMALL)


@pytest.mark.fault("told in one sentence", what="no such name (DNS)")
def test_a_name_that_does_not_resolve():
    with pytest.raises(NetworkError, match=r"nowhere\.invalid\S* was tried once, in vain: its name does not resolve"):
        read("http://nowhere.invalid/arco", SMALL_DAYS[:1], SMALL)


def test_no_store_there(server):
    with pytest.raises(InputError, match=r"/elsewhere is no Zarr store"):
        read(f"{server.url}/elsewhere", SMALL_DAYS[:1], SMALL)


def test_a_store_without_a_variable(small, tmp_path):
    shutil.copytree(small / "arco", tmp_path / "arco")
    del zarr.open_group(tmp_path / "arco", mode="r+", use_consolidated=False)["2m_temperature"]
    zarr.consolidate_metadata(tmp_path / "arco", zarr_format=2)
    with serve(tmp_path) as server, pytest.raises(InputError, match="arco has no 2m_temperature"):
        read(f"{server.url}/arco", SMALL_DAYS[:1], SMALL)


@pytest.mark.parametrize(
    ("days", "region", "words"),
    [
        ([], SMALL, "no day is asked for"),
        (SMALL_DAYS[1::-1], SMALL, "2022-12-28 comes after 2022-12-29"),
        (SMALL_DAYS[:1], Region(20.1, 15.1, 130, 135), "lies between the latitudes"),
        (SMALL_DAYS[:1], Region(20, 15, 130, 140), "longitude 135.25 is not there"),
    ],
)
def test_what_cannot_be_read_is_refused(server, days, region, words):
    with pytest.raises(InputError, match=words):
        read(f"{server.url}/arco", days, region)


def test_the_server_is_the_usual_variable(monkeypatch):
    name = "gcp-public-data-arco-era5/ar/full_37-1h-0p25deg-chunk-1.zarr-v3"
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    assert Arco().url == f"https://storage.googleapis.com/{name}"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:4443/")
    assert Arco().url == f"http://127.0.0.1:4443/{name}"
