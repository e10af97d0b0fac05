"""The two archives at the end of 2022, in their real grid, and a small piece of each for the faults."""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.sources.era5.archives import write_month, write_store
from tests.sources.era5.server import Server, serve
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.retry import Patience

DAYS = [dt.date(2022, 12, 31), dt.date(2023, 1, 1)]
SMALL_DAYS = [dt.date(2022, 12, 28 + i) for i in range(4)] + DAYS[1:]
PACIFIC = Region(24.0, 16.0, 134.0, 142.0)  # two chunks of NCAR's wide
GREENWICH = Region(24.0, 16.0, 356.0, 364.0)
SMALL = Region(20.0, 15.0, 130.0, 135.0)  # the whole of the small archives
BRIEF = Patience(tries=3, wait=0.01, longest_wait=0.05, connect=1.0, silence=0.2, whole=0.5)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NCAR's months and ARCO's store in full size, written where the regions are."""
    root = tmp_path_factory.mktemp("era5")
    for name in CORE:
        for day in DAYS:
            write_month(root, name, [day], (PACIFIC, GREENWICH))
    write_store(root / "arco", DAYS, regions=(PACIFIC, GREENWICH))
    return root


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five days over New Year and a store of three, of a small region as the whole grid."""
    root = tmp_path_factory.mktemp("small")
    axes = {"latitude": SMALL.latitude, "longitude": SMALL.longitude}
    for name in CORE:
        write_month(root, name, SMALL_DAYS[:4], (SMALL,), **axes)
        write_month(root, name, SMALL_DAYS[4:], (SMALL,), **axes)
    spans = {"valid_time_start": "2022-12-28", "valid_time_stop": "2022-12-29", "valid_time_stop_era5t": "2022-12-30"}
    write_store(root / "arco", SMALL_DAYS[:3], **axes, **spans)
    return root


@pytest.fixture(autouse=True)
def no_file_stays_open() -> Iterator[None]:
    """What a fault leaves open, the HDF5 library closes after Python has gone, which crashes."""
    yield
    gc.collect()  # an iterator left half read closes its files when it is forgotten
    assert h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE) == 0


@pytest.fixture
def full_server(archive: Path) -> Iterator[Server]:
    with serve(archive) as server:
        yield server


@pytest.fixture
def server(small: Path) -> Iterator[Server]:
    with serve(small) as server:
        yield server


def assert_same(found, expected) -> None:
    """Same times, grid and numbers, bit for bit."""
    for axis in ("time", "latitude", "longitude"):
        np.testing.assert_array_equal(found[axis], expected[axis])
    for name in CORE:
        np.testing.assert_array_equal(found[name], expected[name])
