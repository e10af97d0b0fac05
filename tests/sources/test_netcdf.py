import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.sources.samples import TIMES, value
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields import contract
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.netcdf import write_cds

REGION = Region(20, 10, 170.1, 190.1, 0.1)


@pytest.fixture
def fields():
    noise = np.random.default_rng(1).normal(0, 1, (len(TIMES), *REGION.shape))
    values = {
        name: value(name, TIMES, REGION.latitude, REGION.longitude) + noise for name in ("msl", "u10", "v10", "t2m")
    }
    return contract.create(values, TIMES, REGION.latitude, REGION.longitude, source="reconstruction of MAWAR 2023")


def test_what_is_written_is_read_back_bit_for_bit(tmp_path, fields):
    before = fields.copy(deep=True)
    path = write_cds(fields, tmp_path / "mawar.nc")
    assert path == tmp_path / "mawar.nc"
    xr.testing.assert_identical(open_files(path), before)
    xr.testing.assert_identical(fields, before)
    assert {key: dict(variable.attrs) for key, variable in fields.variables.items()} == {
        key: dict(variable.attrs) for key, variable in before.variables.items()
    }
    assert list(tmp_path.iterdir()) == [path]


def test_any_source_survives_the_round_trip(tmp_path, fields):
    fields.attrs["source"] = "ERA5 from a mirror, über das Netz"
    first = open_files(write_cds(fields, tmp_path / "a.nc"))
    assert first.attrs["source"] == "ERA5 from a mirror, über das Netz"
    assert open_files(write_cds(first, tmp_path / "b.nc")).attrs["source"] == first.attrs["source"]


def test_the_layout_is_that_of_the_climate_data_store(tmp_path, fields):
    with xr.open_dataset(write_cds(fields, tmp_path / "f.nc"), engine="h5netcdf") as raw:
        assert raw.msl.dims == ("valid_time", "latitude", "longitude")
        assert set(raw.coords) == {"valid_time", "latitude", "longitude", "number", "expver"}
        assert raw.msl.dtype == np.float32
        assert raw.msl.encoding["zlib"]
        assert raw.expver.dims == ("valid_time",)
        assert raw.valid_time.encoding["units"] == "seconds since 1970-01-01"


def test_a_packing_of_the_file_the_fields_came_from_is_not_inherited(tmp_path, fields):
    fields.msl.encoding.update(dtype="int16", scale_factor=10.0, add_offset=100_000.0, _FillValue=-1)
    xr.testing.assert_equal(open_files(write_cds(fields, tmp_path / "f.nc")), fields)


def test_an_older_file_is_replaced_whole(tmp_path, fields):
    write_cds(fields, tmp_path / "f.nc")
    write_cds(fields.isel(time=[0]), tmp_path / "f.nc")
    assert open_files(tmp_path / "f.nc").sizes["time"] == 1


def test_fields_that_break_the_contract_are_not_written(tmp_path, fields):
    with pytest.raises(InputError, match="latitude must run north to south"):
        write_cds(fields.sortby("latitude"), tmp_path / "f.nc")
    fields["u10"][0, 0, 0] = np.nan
    with pytest.raises(InputError, match="u10 has 1 NaN"):
        write_cds(fields, tmp_path / "f.nc")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_does_not_take_the_file_is_told(tmp_path, fields):
    (tmp_path / "file").write_text("no folder")
    for path in (tmp_path / "none" / "f.nc", tmp_path / "file" / "f.nc", tmp_path):
        with pytest.raises(InputError, match="cannot be written"):
            write_cds(fields, path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit to stand for a full disk")
def test_a_full_disk_leaves_the_older_file_and_a_clear_sentence(tmp_path, fields):
    path = write_cds(fields.isel(time=[0], latitude=slice(2), longitude=slice(2)), tmp_path / "f.nc")
    older = path.read_bytes()
    large = write_cds(fields, tmp_path / "large.nc")
    program = f"""
import resource
from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.netcdf import write_cds
fields = open_files({str(large)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_cds(fields, {str(path)!r})
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "f.nc cannot be written: File too large" in done.stdout
    assert path.read_bytes() == older
    assert {entry.name for entry in tmp_path.iterdir()} == {"f.nc", "large.nc"}


def test_times_of_any_resolution_come_back(tmp_path, fields):
    coarse = fields.assign_coords(time=pd.DatetimeIndex(fields.time.values).as_unit("s"))
    np.testing.assert_array_equal(open_files(write_cds(coarse, tmp_path / "f.nc")).time, fields.time)
