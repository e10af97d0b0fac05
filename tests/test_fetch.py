"""The verbs `fetch` and `cache` as a person uses them, without a network."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
import typer
import xarray as xr

from tests.commands import ROKE, Outcome, command
from tests.sources.simulated import Simulated
from typhoon_tracker.besttrack import download
from typhoon_tracker.besttrack.storms import find
from typhoon_tracker.errors import InputError
from typhoon_tracker.fetch import cached, verbs
from typhoon_tracker.fetch.verbs import whole_years
from typhoon_tracker.geo import grid
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.hindcast import span_inside, storm_fields, times_inside
from typhoon_tracker.sources import choice
from typhoon_tracker.sources.cache import Cache, days_of

COARSE = Region(north=44.0, south=12.0, west=110.0, east=141.0, step=1.0)  # 33 x 32 points: quick
app = typer.Typer()
app.command()(verbs.fetch)
app.add_typer(cached.app, name="cache")


@pytest.fixture(autouse=True)
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulated:
    simulated = Simulated()

    def named(name: str) -> Simulated:
        simulated.name = name
        return simulated

    monkeypatch.setenv("TYPHOON_TRACKER_CACHE", str(tmp_path))
    monkeypatch.setattr(choice, "day_source", named)
    monkeypatch.setattr(grid, "PAPER_REGION", COARSE)
    return simulated


def told(outcome: Outcome) -> str:
    """What was printed, without the table's lines and its folds."""
    return " ".join(outcome.out.replace("│", " ").split())


def test_a_storm_is_fetched_once(source: Simulated) -> None:
    first = command(app, "fetch", *ROKE)
    assert first.code == 0, first.err
    days = days_of(span_inside(find("ROKE", season=2022)))
    assert source.asked == [days]
    n = len(days)
    assert f"{n} days to fetch from ERA5 (simulated): about {n} MB, {n * 1e6 / 10e6:.0f} s at 10 MB/s" in told(first)
    assert f"{n} ({n} fetched, 0 in the cache before)" in told(first)
    assert f"read {n}.0 MB in" in told(first)
    second = command(app, "fetch", *ROKE)
    assert source.asked == [days]
    assert f"{n} (0 fetched, {n} in the cache before)" in told(second)
    assert "read nothing" in told(second)


def test_the_span_is_what_a_hindcast_reads() -> None:
    from typhoon_tracker.besttrack import ibtracs

    best = ibtracs.load("wmo")
    storm = find("ROKE", season=2022, best=best)
    times = storm_fields(storm, best).indexes["time"]
    assert span_inside(storm) == (times[0], times[-1])
    assert span_inside(storm)[0] == times_inside(storm)[0] - pd.Timedelta(hours=12)


def test_what_was_fetched_is_what_auto_takes(source: Simulated) -> None:
    assert command(app, "fetch", *ROKE, "--source", "arco").code == 0
    span = span_inside(find("ROKE", season=2022))
    assert choice.choose("auto", span, COARSE, fetch="").kind == "arco"


def test_a_damaged_day_is_told(source: Simulated) -> None:
    command(app, "fetch", *ROKE)
    day = source.asked[0][1]
    path = Cache().path("ncar", day, COARSE)
    path.write_bytes(b"")
    wrong = command(app, "cache", "verify")
    assert wrong.code == 1
    assert f"{path} is cut short" in wrong.out
    assert "1 of" in wrong.out
    again = command(app, "fetch", *ROKE)
    assert again.code == 0
    assert f"{path} is cut short or was not written by this cache; it is fetched again." in again.out
    assert source.asked[1:] == [[day]]
    right = command(app, "cache", "verify")
    assert right.code == 0
    assert "are whole" in right.out


def test_years_become_a_training_set(source: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "whole_years", lambda text: (dt.date(2021, 12, 31), dt.date(2022, 1, 1)))
    out = tmp_path / "set.zarr"
    made = command(app, "fetch", "--years", "2021-2022", "--out", out)
    assert made.code == 0, made.err
    assert source.name == "cds"
    assert "1 training, 1 validation, 0 test" in told(made)
    assert "msl packed off by 0.2 at most, 0.11 rms Pa" in told(made)
    assert "set.statistics.json" in told(made)
    with xr.open_zarr(out) as fields:
        assert fields.sizes == {"time": 48, "latitude": 33, "longitude": 32}
    assert command(app, "fetch", "--years", "2021-2022", "--out", out).code == 0
    assert len(source.asked) == 1


def test_years_without_a_name_stay_when_the_cache_is_cleared(
    source: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "whole_years", lambda text: (dt.date(2022, 1, 1), dt.date(2022, 1, 1)))
    assert command(app, "fetch", "--years", "2022", "--source", "ncar").code == 0
    command(app, "cache", "clear", "--yes")
    assert (tmp_path / "training/era5-ncar-2022.zarr").is_dir()


def test_an_interrupted_fetch_keeps_what_arrived(source: Simulated) -> None:
    def stop(day: dt.date) -> None:
        if len(Cache().entries()) and len(Cache().entries()[0].days) == 2:
            raise KeyboardInterrupt

    source.before = stop
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os._exit", lambda code: (_ for _ in ()).throw(SystemExit(code)))
        stopped = command(app, "fetch", *ROKE)
    assert stopped.code == 130
    source.before = lambda day: None
    assert command(app, "fetch", *ROKE).code == 0
    assert source.asked[1] == source.asked[0][2:]


def test_best_tracks_are_still_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "fetch", lambda: Path("/cache/ibtracs.csv"))
    outcome = command(app, "fetch", "best-tracks")
    assert (outcome.code, outcome.out) == (0, "IBTrACS v04r01, western North Pacific: /cache/ibtracs.csv\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give one of best-tracks, --storm (such as MAWAR) and --years (such as 2017-2023)"),
        (("best-tracks", "--storm", "MAWAR"), "give one of best-tracks"),
        (("--storm", "MAWAR", "--years", "2022"), "give one of best-tracks"),
        (("--storm", "MAWAR", "--out", "x.zarr"), "--out x.zarr is for --years"),
        (("--years", "2022", "--season", "2022"), "--season 2022 is for --storm"),
        (("--storm", "MAWAAR"), "no storm 'MAWAAR'"),
        (("--years", "2023-2017"), "years '2023-2017' are no whole years"),
        (("--storm", "MAWAR", "--source", "aws"), "'aws' is not one of"),
    ],
)
def test_what_cannot_be_meant(arguments: tuple[str, ...], words: str) -> None:
    outcome = command(app, "fetch", *arguments)
    assert outcome.code == 2
    assert words in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("text", ["", "2017-", "17-23", "2017-2023-2024", "1939", "2100", "2023-2017", "years"])
def test_years_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="are no whole years from 1940 to"):
        whole_years(text)


def test_years() -> None:
    assert whole_years("2017-2023") == (dt.date(2017, 1, 1), dt.date(2023, 12, 31))
    assert whole_years(" 2020 ") == (dt.date(2020, 1, 1), dt.date(2020, 12, 31))


def test_the_cache_is_listed_and_cleared(source: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "holds no fields" in command(app, "cache", "list").out
    assert "holds no fields of arco" in command(app, "cache", "clear", "--source", "arco").out
    command(app, "fetch", *ROKE)
    days = source.asked[0]
    listed = told(command(app, "cache", "list"))
    assert "ncar" in listed
    assert str(days[0]) in listed
    assert str(len(days)) in listed
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115
    assert command(app, "cache", "clear").code == 1
    assert len(Cache().entries()) == 1
    cleared = command(app, "cache", "clear", "--yes")
    assert cleared.out.startswith(f"removed {len(days)} days")
    assert Cache().entries() == []
