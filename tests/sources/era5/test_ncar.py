"""ERA5 months of the NSF NCAR mirror, read in pieces from an S3 server and from one that fails in every way."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.commands import PROJECT
from tests.sources.era5.archives import month_path, value
from tests.sources.era5.conftest import BRIEF, DAYS, GREENWICH, PACIFIC, SMALL, SMALL_DAYS, assert_same
from tests.sources.era5.server import Fault, refused_port, serve
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources import remote_hdf5
from typhoon_tracker.sources.base import NetworkError
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.ncar import BUCKET, Ncar
from typhoon_tracker.sources.retry import Patience


@pytest.fixture(scope="module")
def s3(archive):
    """The endpoint of an S3 server that holds the bucket."""
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    import boto3

    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket=BUCKET)
    for path in sorted((archive / BUCKET).rglob("*.nc")):
        client.upload_file(str(path), BUCKET, str(path.relative_to(archive / BUCKET)), ExtraArgs={"ACL": "public-read"})
    yield endpoint
    server.stop()


def read(source: Ncar, days, region: Region, **options) -> xr.Dataset:
    return xr.concat(list(source.days(days, region, **options)), "time")


@pytest.mark.parametrize("region", [PACIFIC, GREENWICH], ids=["across a chunk", "across Greenwich"])
def test_a_storm_over_new_year_is_what_the_files_hold(s3, archive, region):
    found = read(Ncar(endpoint=s3), DAYS, region)
    expected = open_files(archive / BUCKET / "*/*/*.nc", region=region, times=(DAYS[0], pd.Timestamp("2023-01-01T23")))
    assert_same(found, expected)
    truth = value("u10", found.indexes["time"], found.latitude.values, found.longitude.values)
    np.testing.assert_array_equal(found.u10, truth)
    assert found.attrs["source"] == "ERA5 (NSF NCAR mirror on AWS)"


def test_days_are_yielded_whole_and_one_by_one(server):
    frames = Ncar(endpoint=server.url).days(SMALL_DAYS, SMALL)
    assert not server.requests
    first = next(frames)
    assert list(first.indexes["time"]) == list(pd.date_range(SMALL_DAYS[0], periods=24, freq="h"))
    rest = list(frames)
    assert [day.indexes["time"][0].date() for day in rest] == SMALL_DAYS[1:]
    for day in rest:
        truth = value("t2m", day.indexes["time"], SMALL.latitude, SMALL.longitude)
        np.testing.assert_array_equal(day.t2m, truth)


def test_a_month_is_asked_for_when_its_days_come(server):
    frames = Ncar(endpoint=server.url).days(SMALL_DAYS, SMALL)
    for _ in SMALL_DAYS[:4]:
        next(frames)
        assert not [request for request in server.requests if "202301" in request.path]
    next(frames)
    assert [request for request in server.requests if "202301" in request.path]


def test_days_may_be_left_out(server):
    days = [SMALL_DAYS[0], SMALL_DAYS[2]]
    found = read(Ncar(endpoint=server.url), days, SMALL)
    assert sorted(set(found.indexes["time"].date)) == days
    np.testing.assert_array_equal(found.msl, value("msl", found.indexes["time"], SMALL.latitude, SMALL.longitude))


def test_no_byte_is_asked_for_twice(full_server):
    counted: list[int] = []
    read(Ncar(endpoint=full_server.url), DAYS, GREENWICH, progress=counted.append)
    for path in {request.path for request in full_server.requests}:
        asked = sorted((r.start, r.end) for r in full_server.requests if r.path == path)
        overlap = sum(max(0, before[1] - after[0]) for before, after in itertools.pairwise(asked))
        # A chunk and the record beside it share a block at most.
        assert overlap < 4 * remote_hdf5.BLOCK
        assert len(set(asked)) == len(asked)
    assert sum(counted) == full_server.sent


def test_the_chunks_of_a_day_are_fetched_at_once(server):
    server.latency = 0.1
    frames = Ncar(endpoint=server.url).days(SMALL_DAYS[:2], SMALL)
    next(frames)
    before, begin = len(server.requests), time.perf_counter()
    next(frames)
    asked = len(server.requests) - before
    assert asked == 4  # of each variable one more slab of 27 hours
    assert time.perf_counter() - begin < (asked - 1) * server.latency


def test_a_month_without_its_leap_day(tmp_path):
    assert Ncar().url("t2m", dt.date(2023, 2, 11)) == (
        "https://nsf-ncar-era5.s3.amazonaws.com/e5.oper.an.sfc/202302/"
        "e5.oper.an.sfc.128_167_2t.ll025sc.2023020100_2023022823.nc"
    )
    assert Ncar().url("msl", dt.date(2024, 2, 29)).endswith("128_151_msl.ll025sc.2024020100_2024022923.nc")


def test_the_endpoint_is_the_usual_variable(monkeypatch, server):
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    assert read(Ncar(patience=BRIEF), SMALL_DAYS[:1], SMALL).sizes["time"] == 24
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9/")
    assert Ncar().url("msl", DAYS[0]).startswith("http://127.0.0.1:9/nsf-ncar-era5/e5.oper")
    assert Ncar(endpoint="http://other").root == "http://other/nsf-ncar-era5"


# what fails, how often, at which requests -> how often the failing request is made, what is said
PASSING = [("429", 2), ("500", 2), ("503", 2), ("cut", 2), ("short", 2), ("long", 2), ("silence", 1), ("trickle", 1)]
LASTING = [
    ("403", 1, "it answered 403 Forbidden"),
    ("400", 1, "it answered 400 Bad Request"),
    ("429", 3, "it answered 429 Too Many Requests"),
    ("500", 3, "it answered 500 Internal Server Error"),
    ("503", 3, "it answered 503 Service Unavailable"),
    ("cut", 3, "the connection was cut in the midst of the answer"),
    ("short", 3, r"sent \d+ bytes of the \d+ asked for"),
    ("long", 3, "the connection was cut in the midst of the answer"),
    ("silence", 3, "it fell silent for 0.2 s"),
    ("trickle", 3, "the answer was not whole within 0.5 s"),
    ("whole", 1, "it sends no byte ranges, only the whole"),
]


@pytest.mark.parametrize("after", [0, 1], ids=["at first", "in mid-file"])
@pytest.mark.parametrize(("kind", "times"), PASSING)
@pytest.mark.fault("tried again, fields whole")
def test_a_fault_that_passes_is_waited_out(server, kind, times, after):
    server.faults = [Fault(kind, times, where="msl", after=after)]
    found = read(Ncar(endpoint=server.url, patience=BRIEF), SMALL_DAYS[:2], SMALL)
    np.testing.assert_array_equal(found.msl, value("msl", found.indexes["time"], SMALL.latitude, SMALL.longitude))
    assert not server.faults[0].times
    print(f"{kind:8} {times + 1} tries  fields whole")


@pytest.mark.parametrize("after", [0, 1], ids=["at first", "in mid-file"])
@pytest.mark.parametrize(("kind", "tries", "words"), LASTING)
@pytest.mark.fault("told in one sentence", what="lasting")
def test_a_fault_that_lasts_is_told(server, kind, tries, words, after):
    server.faults = [Fault(kind, where="128_151_msl", after=after)]
    times = "once" if tries == 1 else f"{tries} times"
    sentence = rf"^http://127\S*128_151_msl\S*\.nc was tried {times}, in vain: {words}\. Try again later, or use"
    with pytest.raises(NetworkError, match=sentence) as told:
        read(Ncar(endpoint=server.url, patience=BRIEF), SMALL_DAYS[:2], SMALL)
    print(f"{kind:8} {tries} tries  {told.value}")


@pytest.mark.fault("days before it are whole", what="503 in the second month")
def test_the_days_before_a_lasting_fault_stay_good(server):
    server.faults = [Fault("503", where="202301")]
    frames = Ncar(endpoint=server.url, patience=BRIEF).days(SMALL_DAYS, SMALL)
    good = [next(frames) for _ in SMALL_DAYS[:4]]
    with pytest.raises(NetworkError, match="503"):
        next(frames)
    assert [frame.sizes["time"] for frame in good] == [24] * 4


@pytest.mark.fault("refused, not mixed", what="file changed while read")
def test_a_file_replaced_meanwhile_is_not_pasted_together(server):
    server.faults = [Fault("replaced", where="128_165_10u", after=1)]
    with pytest.raises(InputError, match=r"128_165_10u\S* was replaced while it was read; read it again"):
        read(Ncar(endpoint=server.url, patience=BRIEF), SMALL_DAYS[:2], SMALL)


@pytest.mark.fault("told in one sentence", what="refused connection")
def test_nobody_listens():
    port = refused_port()
    with pytest.raises(NetworkError, match=r"was tried 3 times, in vain: could not connect \(.*refused.*\)\. Try"):
        read(Ncar(endpoint=f"http://127.0.0.1:{port}", patience=BRIEF), DAYS, SMALL)


@pytest.mark.fault("told in one sentence", what="no such name (DNS)")
def test_a_name_that_does_not_resolve():
    with pytest.raises(NetworkError, match=r"nowhere\.invalid\S* was tried once, in vain: its name does not resolve"):
        read(Ncar(endpoint="http://nowhere.invalid", patience=BRIEF), DAYS, SMALL)


def test_waits_double_up_to_a_limit_and_heed_the_server():
    patience = Patience(wait=1.0, longest_wait=30.0)
    for tried, least, most in ((1, 0.5, 1.0), (2, 1.0, 2.0), (4, 4.0, 8.0), (9, 15.0, 30.0)):
        assert all(least <= patience.pause(tried, 0.0) <= most for _ in range(50))
    assert patience.pause(1, 20.0) == 20.0
    assert patience.pause(1, 3600.0) == 30.0


@pytest.mark.fault("told in one sentence", what="404")
def test_a_month_not_yet_published(s3):
    with pytest.raises(
        InputError, match=r"no ERA5 msl of February 2023 \(http\S* answered 404 Not Found\).*three months ago"
    ):
        read(Ncar(endpoint=s3), [dt.date(2023, 2, 1)], PACIFIC)


def test_hours_that_the_file_lacks(small, tmp_path):
    shutil.copytree(small, tmp_path / "cut")
    for name in CORE:
        path = tmp_path / "cut" / month_path(name, DAYS[0])
        whole = xr.load_dataset(path, engine="h5netcdf")
        whole.isel(time=slice(0, 700)).to_netcdf(path, engine="h5netcdf")
    with serve(tmp_path / "cut") as server:
        frames = Ncar(endpoint=server.url, patience=BRIEF).days(SMALL_DAYS[1:], SMALL)
        next(frames)
        with pytest.raises(
            InputError, match=r"lacks hours from 2022-12-30 00:00:00 to 2022-12-30 23:00:00; it holds 700"
        ):
            next(frames)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda whole: whole[: len(whole) // 2], "cannot be read; it is damaged or cut short"),
        (lambda whole: b"<html>Please sign in</html>", "cannot be read; it is damaged or cut short"),
        (lambda whole: b"", "answered 416|was tried once"),
    ],
)
def test_a_damaged_file(small, tmp_path, damage, words):
    shutil.copytree(small / BUCKET, tmp_path / BUCKET)
    path = tmp_path / month_path("v10", DAYS[0])
    path.write_bytes(damage(path.read_bytes()))
    with serve(tmp_path) as server, pytest.raises(InputError, match=words):
        read(Ncar(endpoint=server.url, patience=BRIEF), SMALL_DAYS[:2], SMALL)


def test_a_file_without_chunks(small, tmp_path):
    for name in CORE:
        path = tmp_path / month_path(name, DAYS[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = xr.load_dataset(small / month_path(name, DAYS[0]), engine="h5netcdf")
        whole.drop_encoding().to_netcdf(path, engine="h5netcdf")
    with serve(tmp_path) as server:
        found = read(Ncar(endpoint=server.url), SMALL_DAYS[:2], SMALL)
    np.testing.assert_array_equal(found.v10, value("v10", found.indexes["time"], SMALL.latitude, SMALL.longitude))


def test_an_iterator_left_half_read_lets_the_program_end(server):
    program = f"""
import datetime as dt
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.ncar import Ncar
days = Ncar(endpoint={server.url!r}).days([dt.date(2022, 12, 28), dt.date(2022, 12, 29)], Region(20, 15, 130, 135))
print(next(days).sizes["time"])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "24\n", "")


def test_chunks_never_written_are_no_fields(server):
    with pytest.raises(InputError, match=r"msl has \d+ NaN or infinite values, the first at 2022-12-10"):
        read(Ncar(endpoint=server.url, patience=BRIEF), [dt.date(2022, 12, 10)], SMALL)


@pytest.mark.parametrize(
    ("days", "region", "words"),
    [
        ([], SMALL, "no day is asked for"),
        ([DAYS[1], DAYS[0]], SMALL, "2022-12-31 comes after 2023-01-01"),
        ([DAYS[0], DAYS[0]], SMALL, "days must ascend"),
        (DAYS[:1], Region(20.1, 15.1, 130, 135), "lies between the latitudes"),
        (DAYS[:1], Region(20, 15, 130, 140), "longitude 135.25 is not there"),
        (DAYS[:1], Region(20, 15, 130, 135, step=0.5), "nothing is regridded unasked"),
    ],
)
def test_what_cannot_be_read_is_refused(server, days, region, words):
    with pytest.raises(InputError, match=words):
        read(Ncar(endpoint=server.url, patience=BRIEF), days, region)
