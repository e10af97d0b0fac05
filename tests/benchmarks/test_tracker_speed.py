"""Frames a second of the tracker against others, in one run and in CPU time, which a shared machine blurs least.

    pytest tests/benchmarks/test_tracker_speed.py --benchmark-enable -s

With PYSTORMTRACKER=/path/to/python of an environment that has PyStormTracker, it runs on the same fields.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from tests.benchmarks import plain_tracker
from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.tracker.follow import Follower
from typhoon_tracker.tracker.frame import frames
from typhoon_tracker.tracker.parallel import track_files
from typhoon_tracker.tracker.storms import find_storms

GLOBE = Region(90.0, -90.0, 0.0, 359.75)
VORTICES = {
    "128x128": [(Vortex(), 18.0, 134.0), (Vortex(1500.0, 70.0), 30.0, 122.0)],
    "721x1440": [
        (Vortex(), 18.0, 134.0),
        (Vortex(1500.0, 70.0), 30.0, 170.0),
        (Vortex(northward=-2.0), -15.0, 70.0),
        (Vortex(2500.0, eastward=6.0), 14.0, 356.0),
    ],
}
GRIDS = {"128x128": (PAPER_REGION, 240, 2.5), "721x1440": (GLOBE, 24, 10.0)}
PYSTORMTRACKER = """
import sys, time, numpy as np, pandas as pd, xarray as xr
from pystormtracker.simple.detector import SimpleDetector
from pystormtracker.simple.tracker import _link_centers
with np.load(sys.argv[1]) as file:
    coords = {"time": pd.to_datetime(file["time"]), "latitude": file["latitude"], "longitude": file["longitude"]}
    msl = xr.DataArray(file["msl"], coords, ("time", "latitude", "longitude"), name="msl")
def track(data):
    return _link_centers(SimpleDetector.from_xarray(data).detect(size=5, threshold=0.0, minmaxmode="min"))
track(msl[:2])
began = time.process_time()
track(msl)
print(time.process_time() - began)
"""


def weather(region: Region, count: int, name: str) -> tuple[xr.Dataset, list[pd.DataFrame]]:
    """Storms in waves of 150 Pa and 2 m/s with a standard deviation of 4.5 degrees."""
    times = pd.date_range("2023-08-01", periods=count, freq="1h")
    tracks = [(vortex, straight(times, lat, lon, vortex)) for vortex, lat, lon in VORTICES[name]]
    data = fields(tracks, times, region=region, gradient=(0.0, 0.0))
    rng = np.random.default_rng(1)
    for variable, size in (("msl", 150.0), ("u10", 2.0), ("v10", 2.0)):
        waves = gaussian_filter(rng.normal(size=data["msl"].shape[1:]), 18, mode="wrap")
        data[variable].values += (size * waves / waves.std()).astype(np.float32)
    return data, [truth for _, truth in tracks]


def cpu(work: Callable[[], object], *, rounds: int = 3) -> float:
    """The least CPU seconds of some rounds."""
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


@pytest.mark.skipif("not config.getoption('benchmark_enable')", reason="a benchmark")
@pytest.mark.parametrize("name", GRIDS)
def test_end_to_end_against_others(name, tmp_path, capsys):
    region, count, goal = GRIDS[name]
    data, truths = weather(region, count, name)
    find_storms(data.isel(time=slice(2)))
    ours, by_pressure = cpu(lambda: find_storms(data)), cpu(lambda: find_storms(data[["msl"]]))
    storms = find_storms(data)
    assert storms["track_id"].nunique() == len(truths)
    both = pd.concat(
        [storms.merge(truth.drop(columns="track_id"), on="time", suffixes=("", "_true")) for truth in truths]
    )
    away = distance(both.lat, both.lon, both.lat_true, both.lon_true)
    away = away[away < 100]
    axes = data.latitude.to_numpy(), data.longitude.to_numpy()
    few = data["msl"].to_numpy()[: max(2, count // 10)].astype(float)
    naive = cpu(lambda: plain_tracker.link([plain_tracker.detect(frame, *axes) for frame in few]), rounds=1)
    lines = [
        f"{name}: ours {count / ours:.0f} frames/s of CPU, mean centre error {away.mean():.2f} km, "
        f"p95 {np.quantile(away, 0.95):.2f} km; on MSL alone, as the others, {count / by_pressure:.0f} frames/s",
        f"{name}: first writing {len(few) / naive:.1f} frames/s, ours {naive / len(few) * count / ours:.0f} times that",
    ]
    python = os.environ.get("PYSTORMTRACKER")
    if python:
        path = tmp_path / "fields.npz"
        np.savez(path, time=data.time.to_numpy(), latitude=axes[0], longitude=axes[1], msl=data["msl"].to_numpy())
        command = [python, "-c", PYSTORMTRACKER, str(path)]
        told = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(3)]
        theirs = min(float(one.split()[-1]) for one in told)
        ratio = theirs / ours
        lines.append(
            f"{name}: PyStormTracker {count / theirs:.0f} frames/s, ours is {ratio:.1f} times that (goal {goal})"
        )
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert naive / len(few) > ours / count


@pytest.mark.skipif("not config.getoption('benchmark_enable')", reason="a benchmark")
def test_two_workers_against_one(tmp_path, capsys):
    """Wall time per frame, the workers started beforehand, on a machine that may have less than two free cores."""
    distributed = pytest.importorskip("distributed")
    data, _ = weather(GLOBE, 24, "721x1440")
    path = Path(tmp_path, "fields.nc")
    data.to_netcdf(path, engine="h5netcdf")
    walls = {}
    for workers in (1, 2):
        with distributed.LocalCluster(workers, threads_per_worker=1, dashboard_address=None) as cluster:
            track_files(str(path), cluster=cluster.scheduler_address)
            began = time.perf_counter()
            track_files(str(path), cluster=cluster.scheduler_address)
            walls[workers] = time.perf_counter() - began
    began, spent = time.perf_counter(), time.process_time()
    track_files(str(path))
    idle = (time.process_time() - spent) / (time.perf_counter() - began)
    with capsys.disabled():
        print(f"\ntwo workers are {walls[1] / walls[2]:.2f} times one; one process got {idle:.0%} of a core")


def test_distances_agree_with_pyproj():
    from pyproj import Geod

    rng = np.random.default_rng(0)
    lat1, lat2 = rng.uniform(-90, 90, (2, 1000))
    lon1, lon2 = rng.uniform(-180, 360, (2, 1000))
    exact = Geod(a=6_371_000.0, b=6_371_000.0).inv(lon1, lat1, lon2, lat2)[2] / 1000
    np.testing.assert_allclose(distance(lat1, lon1, lat2, lon2), exact, atol=1e-3)


@pytest.mark.parametrize("region", [PAPER_REGION, GLOBE], ids=["128x128", "721x1440"])
def test_follow_a_frame(benchmark, region):
    times = pd.date_range("2023-05-25", periods=2, freq="1h")
    truth = straight(times, 22.0, 128.0, Vortex())
    first, second = frames(fields([(Vortex(), truth)], times, region=region))

    def step():
        follower = Follower(truth.iloc[:1])
        return follower.step(first), follower.step(second)

    assert all(fix is not None for fix in benchmark(step))
