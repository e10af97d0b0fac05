"""Fields on disk, read block by block, alone or over workers: the same tracks to the last bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
import xarray as xr

from tests.commands import Outcome, command
from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker import tracking
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.track_files import read_csv, read_features
from typhoon_tracker.tracker import series
from typhoon_tracker.tracker.parallel import track_files
from typhoon_tracker.tracker.settings import DEFAULT
from typhoon_tracker.tracker.storms import find_storms

SEASON = Path(__file__).resolve().parents[2] / "../shared/data/era5_msl_global_2p5_djf2025.nc"
TIMES = pd.date_range("2023-08-01", periods=13, freq="6h")
STORM = Vortex(eastward=-5.0)
TRUTH = straight(TIMES, 16.0, 168.0, STORM)


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return fields([(STORM, TRUTH)], TIMES, region=Region(32.0, 8.0, 148.0, 178.0, step=0.5))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times in memory at once."""
    monkeypatch.setattr(series, "BLOCK_BYTES", 3 * 3 * 4 * 49 * 61)


def run(*arguments: str | Path) -> Outcome:
    app = typer.Typer()
    app.command()(tracking.track)
    return command(app, *arguments)


def test_blocks_change_nothing_and_hold_few_times(data, tmp_path, small_blocks):
    path = tmp_path / "fields.nc"
    data.to_netcdf(path, engine="h5netcdf")
    made = series.blocks(series.scan(str(path)))
    assert [block.load().sizes["time"] for block in made] == [3, 3, 3, 2, 2]
    done = []
    table = track_files(str(path), progress=lambda *at: done.append(at))
    pd.testing.assert_frame_equal(table, find_storms(data), check_exact=True)
    assert done == [("tracking storms", i, 5) for i in range(1, 6)]
    assert distance(table.lat, table.lon, TRUTH.lat, TRUTH.lon).mean() < 2.0


@pytest.mark.parametrize(("workers", "sizes"), [(2, [3, 2, 2, 2, 2, 2]), (4, [2, 2, 2, 2, 2, 1, 1, 1]), (20, [1] * 13)])
def test_every_worker_gets_about_as_many_times(data, tmp_path, small_blocks, workers, sizes):
    path = tmp_path / "fields.nc"
    data.to_netcdf(path, engine="h5netcdf")
    made = series.blocks(series.scan(str(path)), workers=workers)
    assert [block.load().sizes["time"] for block in made] == sizes


def test_variables_and_times_may_lie_in_files_of_their_own(data, tmp_path, small_blocks):
    for name in ("msl", "u10", "v10"):
        for part, times in enumerate((slice(0, 7), slice(7, None))):
            data[[name]].isel(time=times).to_netcdf(tmp_path / f"{name}_{part}.nc", engine="h5netcdf")
    table = track_files(str(tmp_path / "*.nc"))
    pd.testing.assert_frame_equal(table, find_storms(data), check_exact=True)


def test_two_workers_and_a_cluster_give_the_same_bits(data, tmp_path, small_blocks):
    distributed = pytest.importorskip("distributed")
    path = tmp_path / "fields.nc"
    data.to_netcdf(path, engine="h5netcdf")
    alone = track_files(str(path))
    pd.testing.assert_frame_equal(track_files(str(path), workers=2), alone, check_exact=True)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        there = track_files(str(path), cluster=cluster.scheduler_address)
    pd.testing.assert_frame_equal(there, alone, check_exact=True)


@pytest.mark.parametrize("suffix", [".csv", ".geojson"])
def test_the_command_writes_tracks_and_prints_a_table(data, tmp_path, suffix):
    path, out = tmp_path / "fields.nc", tmp_path / f"tracks{suffix}"
    data.to_netcdf(path, engine="h5netcdf")
    outcome = run(path, "--out", out)
    assert outcome.code == 0, outcome.err
    assert "1 storms in fields.nc" in outcome.out
    assert "S001" in outcome.out
    assert "…" not in outcome.out  # whole on 80 columns
    for time in (TIMES[0], TIMES[-1]):
        assert f"{time:%Y-%m-%d %H:%M}" in outcome.out
    table = read_csv(out) if suffix == ".csv" else read_features(out)
    assert table["track_id"].tolist() == ["S001"] * len(TIMES)
    assert distance(table.lat, table.lon, TRUTH.lat, TRUTH.lon).mean() < 2.0
    assert (table["error_minor"] <= table["error_major"]).all()


def test_bad_input_is_one_sentence(data, tmp_path):
    path, out = tmp_path / "fields.nc", tmp_path / "tracks.csv"
    data.to_netcdf(path, engine="h5netcdf")
    data[["msl"]].rename(msl="sst").drop_attrs().to_netcdf(tmp_path / "sst.nc", engine="h5netcdf")
    for arguments, sentence in [
        ((path, "--out", tmp_path / "tracks.txt"), "must end with .csv, .geojson, .gpkg"),
        ((path, "--out", out, "--preset", "strong"), 'no preset "strong"; choose one of default, tempest, weak'),
        ((path, "--out", out, "--workers", "0"), "workers is 0; it must be 1 or more"),
        ((path, "--out", out, "--cluster", "127.0.0.1:1"), "127.0.0.1:1' cannot be reached"),
        ((tmp_path / "none.nc", "--out", out), "none.nc does not exist"),
        ((tmp_path / "sst.nc", "--out", out), "no msl, u10, v10 to track storms in; it holds: sst"),
    ]:
        if "--cluster" in arguments:
            pytest.importorskip("distributed")
        outcome = run(*arguments)
        assert outcome.code == 2
        assert sentence in outcome.err.replace("\n", " ")
        assert "Traceback" not in outcome.err
    assert not out.exists()


def test_files_that_do_not_fit_together_are_refused(data, tmp_path):
    data[["msl"]].to_netcdf(tmp_path / "msl.nc", engine="h5netcdf")
    data[["u10", "v10"]].isel(latitude=slice(4, None)).to_netcdf(tmp_path / "wind.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="do not fit together"):
        track_files(str(tmp_path / "*.nc"))


def test_a_real_global_season_has_plausible_tracks_none_broken_at_the_seam():
    if not SEASON.exists():
        pytest.skip(f"{SEASON} is not there")
    table = track_files(str(SEASON), settings=replace(DEFAULT, max_birth_latitude=90.0))
    step = table.groupby("track_id")[["time", "lat", "lon"]].shift()
    hours = (table["time"] - step["time"]).dt.total_seconds() / 3600
    moved = distance(table["lat"], table["lon"], step["lat"], step["lon"])
    assert (moved / hours / 3.6).max() < 45.0
    over = (table["lon"] - step["lon"]).abs() > 180.0
    assert over.sum() > 5
    # No track ends on one side of the seam where another begins on the other.
    ends, begins = table.groupby("track_id").last(), table.groupby("track_id").first()
    near = ends[np.abs((ends["lon"] + 180) % 360 - 180) < 5.0]
    for fix in near.itertuples():
        soon = begins[(begins["time"] > fix.time) & (begins["time"] <= fix.time + pd.Timedelta("12h"))]
        beyond = soon[(soon["lon"] > 180) != (fix.lon > 180)]
        assert (distance(fix.lat, fix.lon, beyond["lat"], beyond["lon"]) > 500.0).all()
    box = table["lat"].between(7, 20) & table["lon"].between(120, 140)
    january = table[box & table["time"].between("2026-01-15", "2026-01-19")]
    assert january.groupby("track_id").size().max() >= 10
