"""Bytes read of ERA5 for a storm: pytest tests/benchmarks/test_era5_bytes.py -s."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import zlib
from pathlib import Path

import h5netcdf
import h5py
import numcodecs
import numpy as np
import pandas as pd
import pytest

from tests.sources.era5.archives import FORMS, LATITUDE, LONGITUDE, UNITS, define, month_path, value
from tests.sources.era5.server import serve
from tests.sources.samples import SHARED
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.sources import arco, ncar
from typhoon_tracker.sources.files import open_files

DAYS = [dt.date(2023, 5, 21) + dt.timedelta(days=i) for i in range(10)]
NOISE = {"msl": 7.0, "u10": 6.0, "v10": 8.0, "t2m": 0.2}  # what makes the values deflate as those of real ERA5 do


class Sparse(io.FileIO):
    """A file that leaves holes where large blocks of zeros are written, so that it takes no room for them."""

    def write(self, block) -> int:
        if len(block) > 10_000 and not any(block[:64]):
            self.seek(len(block), io.SEEK_CUR)
            return len(block)
        return super().write(block)


def deflated(field: np.ndarray) -> bytes:
    """A chunk as HDF5 stores it: shuffled, deflated at level 1."""
    return zlib.compress(np.ascontiguousarray(field, "<f4").view(np.uint8).reshape(-1, 4).T.tobytes(), 1)


def noisy(name: str, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    hours, rows, columns = ncar.CHUNK
    times = pd.date_range("2023-05-20", periods=hours, freq="h")
    smooth = value(name, times, LATITUDE[200 : 200 + rows], LONGITUDE[400 : 400 + columns])
    steps = 2.0 ** FORMS[name][-1]
    return deflated(np.round((smooth + NOISE[name] * rng.standard_normal(smooth.shape)) * steps) / steps)


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    """May 2023 in full length: noise where the storm is, zeros as long elsewhere, which would not inflate."""
    root = tmp_path_factory.mktemp("ncar")
    times = pd.date_range(DAYS[0].replace(day=1), "2023-05-31T23", freq="h")
    for name in CORE:
        path = root / month_path(name, DAYS[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        payloads = [noisy(name, seed) for seed in range(3)]
        blank = bytes(len(payloads[0]))
        with Sparse(path, "w+") as sparse, h5py.File(sparse, "w") as hdf5, h5netcdf.File(hdf5, "r+") as file:
            define(file, ncar.FILES[name][1], UNITS[name], times, LATITUDE, LONGITUDE)
            values = hdf5[ncar.FILES[name][1]]
            slabs, rows, columns = (
                range(-(-size // chunk)) for size, chunk in zip(values.shape, ncar.CHUNK, strict=True)
            )
            for at in itertools.product(slabs, rows, columns):
                here = at[1] in (1, 2) and at[2] in (1, 2) and at[0] >= 24 * 20 // 27
                payload = payloads[sum(at) % 3] if here else blank
                values.id.write_direct_chunk([n * size for n, size in zip(at, ncar.CHUNK, strict=True)], payload)
    return root


def whole_files(month: Path) -> int:
    return sum((month / month_path(name, DAYS[0])).stat().st_size for name in CORE)


def test_a_storm_of_ten_days_costs_a_small_part_of_its_month(month, capsys):
    counted: list[int] = []
    with serve(month) as server:
        source = ncar.Ncar(endpoint=server.url)
        read = [day.sizes["time"] for day in source.days(DAYS, PAPER_REGION, progress=counted.append)]
    estimate, whole = source.estimate(DAYS, PAPER_REGION), whole_files(month)
    globe = arco.Arco().estimate(DAYS, PAPER_REGION)
    share = server.sent / whole
    with capsys.disabled():
        print(
            f"\nncar, {len(DAYS)} days, {PAPER_REGION}: {server.sent / 1e6:.1f} MB in {len(server.requests)} requests, "
            f"{share:.1%} of the {whole / 1e6:.0f} MB of the month's files, {share * 31 / len(DAYS):.1%} of what they "
            f"hold of these days; estimated {estimate / 1e6:.1f} MB; arco would read {globe / 1e6:.0f} MB"
        )
    assert read == [24] * len(DAYS)
    assert sum(counted) == server.sent
    assert share < 0.2 * len(DAYS) / 31
    assert 0.9 < estimate / server.sent < 1.1


def test_the_stand_in_deflates_as_real_era5_does(capsys):
    path = SHARED / "era5_four_variables_20240203T17.grib"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    fields = open_files(path)
    blosc = numcodecs.Blosc(cname="lz4", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)
    raw = fields["msl"].nbytes
    real = {name: len(deflated(fields[name].values)) / raw for name in CORE}
    made = {name: len(noisy(name, 0)) / (4 * np.prod(ncar.CHUNK)) for name in CORE}
    lz4 = {name: len(blosc.encode(fields[name].values)) / raw for name in CORE}
    with capsys.disabled():
        for what, ratios in (("real ERA5 deflated", real), ("stand-in deflated", made), ("real ERA5 lz4", lz4)):
            each = "  ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
            print(f"\n{what:18} {each}  mean {np.mean(list(ratios.values())):.2f}", end="")
        print()
    for name in CORE:
        assert abs(made[name] - real[name]) < 0.03
    assert abs(np.mean(list(real.values())) - ncar.DEFLATED) < 0.01
    assert abs(np.mean(list(lz4.values())) - arco.COMPRESSED) < 0.01
