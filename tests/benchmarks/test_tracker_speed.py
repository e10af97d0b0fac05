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
from typhoon_tracker.tracker.parallel import fixes_of, track_files
from typhoon_tracker.tracker.series import blocks, scan
from typhoon_tracker.tracker.settings import DEFAULT
from typhoon_tracker.tracker.storms import find_storms, join

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
GRIDS = {"128x128": (PAPER_REGION, 240, 2.5), "721x1440": (GLOBE, 48, 10.0)}
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


def cpu(work: Callable[[], object]) -> float:
    """The CPU seconds some work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.mark.skipif("not config.getoption('benchmark_enable')", reason="a benchmark")
@pytest.mark.parametrize("name", GRIDS)
def test_end_to_end_against_others(name, tmp_path, capsys):
    """Fields in memory to tracks, each the least of five rounds in turn; the others know MSL alone."""
    region, count, goal = GRIDS[name]
    data, truths = weather(region, count, name)
    storms = find_storms(data)
    assert storms["track_id"].nunique() == len(truths)
    both = pd.concat(
        [storms.merge(truth.drop(columns="track_id"), on="time", suffixes=("", "_true")) for truth in truths]
    )
    away = distance(both.lat, both.lon, both.lat_true, both.lon_true)
    away = away[away < 100]
    axes = data.latitude.to_numpy(), data.longitude.to_numpy()
    few = data["msl"].to_numpy()[: max(2, count // 10)].astype(float)
    pressure = data[["msl"]]
    jobs = {
        "ours on MSL": (count, lambda: cpu(lambda: find_storms(pressure))),
        "ours on MSL and wind": (count, lambda: cpu(lambda: find_storms(data))),
        "a first writing": (
            len(few),
            lambda: cpu(lambda: plain_tracker.link([plain_tracker.detect(frame, *axes) for frame in few])),
        ),
    }
    python = os.environ.get("PYSTORMTRACKER")
    if python:
        path = tmp_path / "fields.npz"
        np.savez(path, time=data.time.to_numpy(), latitude=axes[0], longitude=axes[1], msl=data["msl"].to_numpy())
        command = [python, "-c", PYSTORMTRACKER, str(path)]
        jobs["PyStormTracker"] = (
            count,
            lambda: float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]),
        )
    seconds: dict[str, list[float]] = {job: [] for job in jobs}
    for _ in range(5):
        for job, (_frames, work) in jobs.items():
            seconds[job].append(work())
    rate = {job: frames / min(seconds[job]) for job, (frames, _work) in jobs.items()}
    lines = [f"{name}: {job} {each:.0f} frames/s of CPU" for job, each in rate.items()]
    lines.append(f"{name}: centre error mean {away.mean():.2f} km, p95 {np.quantile(away, 0.95):.2f} km")
    for other in list(rate)[2:]:
        lines.append(
            f"{name}: {rate['ours on MSL'] / rate[other]:.1f} times {other} on MSL as it is, "
            f"{rate['ours on MSL and wind'] / rate[other]:.1f} times on MSL and wind"
            + (f" (goal {goal})" if other == "PyStormTracker" else "")
        )
    with capsys.disabled():
        print("", *lines, sep="\n")


@pytest.mark.skipif("not config.getoption('benchmark_enable')", reason="a benchmark")
def test_two_workers_against_one(tmp_path, capsys):
    """Wall time, the workers warm beforehand, and what CPU time would make of it on free cores.

    dask's processes spend CPU time while they wait too, the more the busier the cores are: it is taken off.
    """
    distributed = pytest.importorskip("distributed")
    day, _ = weather(GLOBE, 24, "721x1440")
    for part in range(2):  # long enough that what dask costs once does not decide, and in long files, as users have
        days = [day.assign_coords(time=day.time + np.timedelta64(3 * part + k, "D")) for k in range(3)]
        xr.concat(days, "time").to_netcdf(Path(tmp_path, f"{part}.nc"), engine="h5netcdf")
    path, lines, walls, alone, tables = str(tmp_path / "*.nc"), [], {}, {}, []
    block = blocks(scan(path))[0]
    join([fixes_of(block, DEFAULT)], settings=DEFAULT)  # this process loads its libraries and the coast
    for workers in (1, 2):
        with (
            distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):
            client.run(fixes_of, block, DEFAULT)  # every worker loads its compiled code
            marks = [_clocks(client)]
            time.sleep(5)
            marks.append(_clocks(client))
            tables.append(track_files(path, cluster=cluster.scheduler_address))
            marks.append(_clocks(client))
            tasks = client.run(lambda dask_worker: dask_worker.state.executed_count)
        waiting, working = np.diff(marks, axis=0)
        spent = working - waiting * working[0] / waiting[0]
        walls[workers], alone[workers] = working[0], spent[1] + spent[2:].max()
        lines.append(
            f"{workers} workers: {working[0]:.1f} s, tasks {list(tasks.values())}, CPU s of each {working[2:].round(2)}"
            f", {spent[2:].round(2)} at work, of client and scheduler {working[1]:.2f}, {spent[1]:.2f} at work"
        )
    lines.append(f"two are {walls[1] / walls[2]:.2f} times one here, {alone[1] / alone[2]:.2f} by CPU time (goal 1.7)")
    with capsys.disabled():
        print("", *lines, sep="\n")
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def _clocks(client) -> list[float]:
    """Seconds: of the wall, then CPU time of this process, which holds the scheduler, and of each worker."""
    return [time.perf_counter(), time.process_time(), *client.run(time.process_time).values()]


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
