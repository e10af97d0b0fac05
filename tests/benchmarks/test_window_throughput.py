"""Windows a second and memory over an archive of 50 GB, and what the order of visiting costs.

pytest tests/benchmarks/test_window_throughput.py --benchmark-enable -s

Memory is that of an interpreter of its own. The archive of 50 GB has coordinates and fill values but no chunk of data,
which the reader cannot tell; the order is timed on chunks that are there.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.commands import PROJECT
from tests.training.test_archive import empty_store

pytest.importorskip("zarr")
WALK = """
import itertools, json, resource, sys, time
from typhoon_tracker.training.archive import BlockShuffle, FieldWindows

path, first, last, count = sys.argv[1], *map(int, sys.argv[2:])
windows = FieldWindows(path, seasons=(first, last), frames_in=12, frames_out=12, cache_bytes=256 * 2**20)
order, seconds, peaks = iter(BlockShuffle(windows)), [], []
for part in (count // 100, count - count // 100):
    began = time.perf_counter()
    for i in itertools.islice(order, part):
        windows[i]
    seconds.append(time.perf_counter() - began)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(json.dumps({"windows": len(windows), "per_second": count / sum(seconds), "peaks": peaks}))
"""


def walk(path: Path, first: int) -> dict:
    command = [sys.executable, "-c", WALK, str(path), str(first), "2021", "3000"]
    return json.loads(subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout)


def test_memory_over_fifty_gigabytes(benchmark, tmp_path: Path) -> None:
    if benchmark.disabled:
        pytest.skip("takes a minute: --benchmark-enable")
    peaks = {}
    for first in (2021, 1980):
        times = pd.date_range(f"{first}-01-01", "2021-12-31 23:00", freq="h")
        path = empty_store(tmp_path / f"{first}.zarr", times, (96, 96))
        said = benchmark.pedantic(walk, (path, first), rounds=1) if first == 1980 else walk(path, first)
        peaks[first] = said["peaks"]
        print(
            f"\n{len(times) * 4 * 96 * 96 * 4 / 1e9:.1f} GB, {said['windows']} windows: 3000 of them at "
            f"{said['per_second']:.0f} a second, peak {said['peaks'][0]:.0f} MB after 1 % of these, "
            f"{said['peaks'][1]:.0f} MB after all"
        )
    assert peaks[1980][1] < 1.1 * peaks[2021][1]


@pytest.mark.parametrize("order", ["BlockShuffle", "plain random"])
def test_windows_a_second(benchmark, tmp_path: Path, order: str) -> None:
    import zarr

    from typhoon_tracker.training.archive import BlockShuffle, FieldWindows

    times = pd.date_range("2020-01-01", periods=24 * 60, freq="h")
    path = empty_store(tmp_path / "days.zarr", times, (64, 64))
    noise = np.random.default_rng(0)
    for name, array in zarr.open_group(path).arrays():
        if array.ndim == 3:
            spread = 500.0 if name == "msl" else 5.0
            for day in range(60):
                weather = array.fill_value + spread * noise.standard_normal((24, 64, 64), np.float32).round(1)
                array[24 * day : 24 * day + 24] = weather
    windows = FieldWindows(path, seasons=(2020, 2020), frames_in=12, frames_out=12, cache_bytes=24 * 2**20)
    plain = np.random.default_rng(0).permutation(len(windows)).tolist()
    visited = itertools.cycle(BlockShuffle(windows) if order == "BlockShuffle" else plain)

    def read():
        return [windows[i] for i in itertools.islice(visited, 60)][-1]

    assert benchmark(read).shape == (24, 4, 64, 64)
