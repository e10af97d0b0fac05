"""What the Climate Data Store may answer instead of ERA5, and what the user is told."""

from __future__ import annotations

import datetime as dt
import socket
from pathlib import Path

import pytest

from tests.sources.era5_cds.conftest import HASTY, Weather
from tests.sources.era5_cds.store import JOBS, KEY, PROCESS, FakeStore
from tests.sources.era5_cds.test_cds import DAYS, REGION, assert_true
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.base import NetworkError
from typhoon_tracker.sources.cds import Cds

LICENCE = {
    "title": "required licences not accepted",
    "detail": "Not all the required licences have been accepted; please visit https://cds.climate.copernicus.eu/datasets",
}


def one_sentence(error: InputError) -> str:
    text = str(error)
    assert "\n" not in text
    assert KEY not in text
    return text


def test_no_key(store: FakeStore, tmp_path: Path) -> None:
    source = Cds(tmp_path / "cache")
    with pytest.raises(InputError, match="needs a key") as caught:
        next(source.days(DAYS, REGION))
    text = one_sentence(caught.value)
    for word in ("register at https://cds.climate.copernicus.eu", str(tmp_path / "none"), "licence", "ncar", "arco"):
        assert word in text
    assert not store.asked


def test_a_key_from_the_file(store: FakeStore, tmp_path: Path) -> None:
    (tmp_path / "none").write_text(f"url: {store.root}/api\nkey: {KEY}\n")
    assert len(list(Cds(tmp_path / "cache", status=lambda sentence: None).days(DAYS[:1], REGION))) == 1


def test_a_key_of_the_former_store(store: FakeStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="former kind"):
        next(Cds(tmp_path / "cache", url=f"{store.root}/api", key="1234:abcd").days(DAYS, REGION))


@pytest.mark.fault("told in one sentence", what="wrong key")
def test_a_wrong_key(store: FakeStore, tmp_path: Path) -> None:
    source = Cds(tmp_path / "cache", url=f"{store.root}/api", key="another", patience=HASTY)
    with pytest.raises(InputError, match=r"does not accept the key \(it answered 401 Authentication failed"):
        next(source.days(DAYS, REGION))
    assert not store.submitted


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, LICENCE, "licence is accepted; do so at https://.*manage-licences"),
        (403, {"title": "cost limits exceeded", "detail": "Your request is too large"}, "finds even one day too large"),
        (
            403,
            {"title": "permission denied", "detail": "banned"},
            "refuses the request .it answered 403 permission denied: banned",
        ),
        (
            422,
            {"title": "invalid request", "detail": "area"},
            "refuses the request .it answered 422 invalid request: area",
        ),
    ],
)
def test_a_refusal_for_good_is_told_at_once(
    source: Cds, store: FakeStore, status: int, body: dict[str, str], words: str
) -> None:
    store.refusals["/execution"] = [(status, body, {})] * 9
    with pytest.raises(InputError, match=words) as caught:
        next(source.days(DAYS[:1], REGION))
    one_sentence(caught.value)
    assert len(store.refusals["/execution"]) == 8
    assert not list(source.folder.glob("*"))


@pytest.mark.parametrize(
    ("place", "status"),
    [(f"GET {PROCESS}", 503), ("/execution", 429), (f"GET {JOBS}", 429), ("/results", 503), ("/cache/", 503)],
)
@pytest.mark.fault("asked again, fields whole")
def test_a_refusal_that_passes_is_sat_out(
    source: Cds, store: FakeStore, said: list[str], weather: Weather, place: str, status: int
) -> None:
    store.refusals[place] = [(status, {"title": "wait"}, {"Retry-After": "0"})] * 2
    assert_true(next(source.days(DAYS[:1], REGION)), DAYS[0], weather)
    assert sum("asking again in 0 s" in sentence for sentence in said) == 2
    assert len(store.submitted) == 1


@pytest.mark.parametrize(
    ("status", "words"), [(429, "it answered 429 Rate limit"), (503, "it answered 503 Rate limit")]
)
@pytest.mark.fault("told in one sentence", what="lasting")
def test_a_refusal_that_stays(source: Cds, store: FakeStore, status: int, words: str) -> None:
    store.refusals["/execution"] = [(status, {"title": "Rate limit exceeded"}, {})] * 99
    with pytest.raises(NetworkError, match=f"tried 3 times, in vain: {words}.*maintenance"):
        next(source.days(DAYS, REGION))
    assert len(store.refusals["/execution"]) == 96


@pytest.mark.parametrize("state", ["failed", "rejected"])
@pytest.mark.fault("told, asked for anew next time", what="job")
def test_a_failed_job_gives_its_reason_and_is_asked_for_anew_next_time(
    source: Cds, store: FakeStore, state: str
) -> None:
    store.states = ["accepted", state]
    with pytest.raises(InputError, match=f"{state} request job-0 .*The job failed with: MarsNoDataError") as caught:
        next(source.days(DAYS[:1], REGION))
    one_sentence(caught.value)
    store.states = ["successful"]
    assert len(list(source.days(DAYS[:1], REGION))) == 1
    assert len(store.submitted) == 2


@pytest.mark.fault("asked for anew, fields whole", what="lost job")
def test_a_lost_job_is_asked_for_anew(source: Cds, store: FakeStore, said: list[str], weather: Weather) -> None:
    store.lost = {"job-0"}
    assert_true(next(source.days(DAYS[:1], REGION)), DAYS[0], weather)
    assert any("knows request job-0 no more; asking anew" in sentence for sentence in said)
    assert len(store.submitted) == 2


def test_a_result_that_has_expired_is_asked_for_anew(source: Cds, store: FakeStore) -> None:
    store.refusals["/cache/"] = [(404, {}, {})]
    assert len(list(source.days(DAYS[:1], REGION))) == 1
    assert len(store.submitted) == 2


def test_a_store_that_loses_every_job_is_given_up(source: Cds, store: FakeStore) -> None:
    store.lost = {"job-0", "job-1"}
    with pytest.raises(InputError, match=r"does not find what was asked for \(it answered 404 job not found"):
        next(source.days(DAYS[:1], REGION))
    assert len(store.submitted) == 2


def test_a_wrong_url(store: FakeStore, tmp_path: Path) -> None:
    source = Cds(tmp_path / "cache", url=f"{store.root}/elsewhere", key=KEY, patience=HASTY)
    with pytest.raises(InputError, match=r"its url is https://cds\.climate\.copernicus\.eu/api, given was .*elsewhere"):
        next(source.days(DAYS, REGION))


@pytest.mark.fault("goes on where it broke", what="cut download")
def test_a_cut_download_goes_on_where_it_broke(source: Cds, store: FakeStore, weather: Weather) -> None:
    store.cuts = [5000, 7000]
    assert_true(next(source.days(DAYS[:1], REGION)), DAYS[0], weather)
    assert store.downloads == [None, "bytes=5000-", "bytes=12000-"]


def test_as_many_cuts_as_there_are(source: Cds, store: FakeStore, weather: Weather) -> None:
    store.cuts = [2000] * 8  # more than the tries, but each brings something
    assert_true(next(source.days(DAYS[:1], REGION)), DAYS[0], weather)


def test_a_download_given_up_goes_on_in_the_next_call(source: Cds, store: FakeStore, weather: Weather) -> None:
    store.cuts = [5000, *[0] * 5]
    with pytest.raises(NetworkError, match="in vain"):
        next(source.days(DAYS[:1], REGION))
    store.cuts = []
    assert_true(next(source.days(DAYS[:1], REGION)), DAYS[0], weather)
    assert store.downloads[-1] == "bytes=5000-"
    assert len(store.submitted) == 1


def test_a_server_without_ranges_starts_over(source: Cds, store: FakeStore, weather: Weather) -> None:
    store.ranges, store.cuts = False, [5000]
    assert_true(next(source.days(DAYS[:1], REGION)), DAYS[0], weather)


def test_a_day_that_is_not_whole_yet(source: Cds, store: FakeStore) -> None:
    store.change = lambda raw: raw.isel(valid_time=slice(13))
    with pytest.raises(InputError, match="ERA5 has 13 of 24 hours of 2023-05-30 so far"):
        next(source.days(DAYS[:1], REGION))
    assert not list(source.folder.iterdir())  # the next call asks anew


@pytest.mark.fault("told, not kept", what="damaged file")
def test_a_damaged_file_is_not_kept(source: Cds, store: FakeStore) -> None:
    (store.folder / "job-0.nc").write_bytes(b"<html>maintenance</html>")
    with pytest.raises(InputError, match="is not netCDF"):
        next(source.days(DAYS[:1], REGION))
    assert len(list(source.days(DAYS[:1], REGION))) == 1


@pytest.mark.parametrize("region", [Region(16.1, 14.1, 140.0, 143.0), Region(16.0, 14.0, 140.0, 143.0, step=0.5)])
def test_a_region_off_the_grid_is_refused_before_the_queue(source: Cds, store: FakeStore, region: Region) -> None:
    with pytest.raises(InputError, match=r"multiples of 0\.25"):
        next(source.days(DAYS, region))
    assert not store.asked


def test_days_to_come_and_days_in_disorder(source: Cds, store: FakeStore) -> None:
    with pytest.raises(InputError, match=r"ERA5 has no .* yet"):
        next(source.days([dt.date.today() + dt.timedelta(days=2)], REGION))
    with pytest.raises(InputError, match="ascend"):
        next(source.days(DAYS[::-1], REGION))
    assert not store.asked


@pytest.mark.fault("told in one sentence", what="refused connection")
def test_nobody_listens(store: FakeStore, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api"
    with pytest.raises(NetworkError, match=r"was tried once, in vain: .*Connection refused"):
        next(Cds(tmp_path / "cache", url=url, key=KEY).days(DAYS, REGION))
