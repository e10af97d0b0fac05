"""Real files as ECMWF and the Climate Data Store write them."""

import numpy as np
import pytest

from tests.sources.samples import SHARED
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.files import open_files

CDS = "era5_cds_layout_20251022T00.nc"
GLOBAL = "era5_msl_global_0p25_20251201T00.nc"
WINTER = "era5_msl_global_2p5_djf2025.nc"
GRIB1 = "era5_four_variables_20240203T17.grib"
GRIB2 = "ecmwf_open_data_20250115T18_f24.grib2"


def shared(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is absent")
    return path


@pytest.mark.parametrize(
    ("name", "variables", "times", "shape", "first"),
    [
        (CDS, ("msl", "u10", "v10"), None, (1, 101, 141), "2025-10-22T00"),
        (GLOBAL, ("msl",), ("2025-12-01", "2025-12-01"), (1, 721, 1440), "2025-12-01T00"),
        (WINTER, ("msl",), None, (360, 73, 144), "2025-12-01T00"),
        (GRIB1, ("msl", "u10", "v10", "t2m"), None, (1, 301, 241), "2024-02-03T17"),
        (GRIB2, ("msl", "t2m"), None, (1, 721, 1440), "2025-01-16T18"),
    ],
)
def test_each_real_file_opens_into_the_contract(name, variables, times, shape, first):
    fields = open_files(shared(name), variables=variables, times=times)
    assert fields[variables[0]].shape == shape
    assert fields.time.values[0] == np.datetime64(first)
    assert name in fields.attrs["source"]
    # Where the mean pressure is, and that the tropics are warm, a wrong unit or a map upside down would not survive.
    assert 100_000 < float(fields.msl.mean()) < 102_500
    if "t2m" in variables:
        tropics, pole = fields.t2m.sel(latitude=slice(10, -10)), fields.t2m.isel(latitude=-1)
        assert float(tropics.mean()) > float(pole.mean()) + 10


@pytest.mark.parametrize(("name", "lacks"), [(CDS, "t2m"), (WINTER, "u10, v10, t2m"), (GRIB2, "u10, v10")])
def test_what_a_real_file_lacks_of_the_four_is_said(name, lacks):
    with pytest.raises(InputError, match=f"{name} lacks {lacks}; it holds"):
        open_files(shared(name))


def test_a_real_file_that_states_no_time_is_refused_until_told():
    with pytest.raises(InputError, match=f"{GLOBAL} does not say its time"):
        open_files(shared(GLOBAL), variables="msl")


def test_the_two_conventions_of_two_real_globes_give_the_same_grid():
    region = Region(30, -30, 150, 210)
    east = open_files(shared(GLOBAL), variables="msl", times=("2025-12-01", "2025-12-01"), region=region)  # 0..360
    west = open_files(shared(GRIB2), variables="msl", region=region)  # -180..180
    np.testing.assert_array_equal(east.longitude, west.longitude)
    jump = [np.abs(fields.msl.diff("longitude")).max(("time", "latitude")) for fields in (east, west)]
    for change in jump:  # the weather does not jump at 180E
        assert float(change.sel(longitude=180.0)) < 3 * float(change.median())


def test_the_low_of_january_2026_is_in_the_real_winter():
    fields = open_files(
        shared(WINTER), variables="msl", times=("2026-01-15", "2026-01-20T18"), region=Region(20, 5, 120, 140, 2.5)
    )
    assert fields.sizes["time"] == 24
    deepest = fields.msl.isel(fields.msl.argmin(...))
    assert 10 <= float(deepest.latitude) <= 17.5
    assert 125 <= float(deepest.longitude) <= 132.5
