import warnings

import numpy as np
import pandas as pd
import pytest

from tests.sources.samples import TIMES, assert_true, sample, save, value
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources.files import open_files

REGION = Region(18, 12, 122, 130, 1)


def write_grib(path, names, times, *, step=0, member=0):
    eccodes = pytest.importorskip("eccodes")
    lat, lon = np.arange(20.0, 9.0, -1.0), np.arange(120.0, 136.0)
    with open(path, "ab") as file:
        for name in names:
            for time in times:
                message = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib1")
                start = time - pd.Timedelta(hours=step)
                keys = {
                    "Ni": len(lon),
                    "Nj": len(lat),
                    "latitudeOfFirstGridPointInDegrees": lat[0],
                    "latitudeOfLastGridPointInDegrees": lat[-1],
                    "longitudeOfFirstGridPointInDegrees": lon[0],
                    "longitudeOfLastGridPointInDegrees": lon[-1],
                    "iDirectionIncrementInDegrees": 1.0,
                    "jDirectionIncrementInDegrees": 1.0,
                    "shortName": {"u10": "10u", "v10": "10v", "t2m": "2t"}.get(name, name),
                    "dataDate": int(start.strftime("%Y%m%d")),
                    "dataTime": int(start.strftime("%H%M")),
                    "step": step,
                    "bitsPerValue": 24,
                }
                for key, setting in keys.items():
                    eccodes.codes_set(message, key, setting)
                known = name if name in ("msl", "u10", "v10", "t2m") else "u10"
                eccodes.codes_set_values(message, value(known, time, lat, lon).ravel())
                eccodes.codes_write(message, file)
                eccodes.codes_release(message)
    return path


def test_classic_netcdf_is_read(tmp_path):
    for form in ("NETCDF3_CLASSIC", "NETCDF3_64BIT"):
        sample().to_netcdf(tmp_path / "f.nc", engine="scipy", format=form)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the memory map must be closed without a view left on it
            assert_true(open_files(tmp_path / "f.nc", region=REGION))


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_is_read_from_a_folder_and_a_url(tmp_path, version):
    pytest.importorskip("zarr")
    sample().to_zarr(tmp_path / "f.zarr", zarr_format=version, consolidated=version == 2)
    assert_true(open_files(tmp_path / "f.zarr", region=REGION))
    fields = open_files(f"file://{tmp_path}/f.zarr", region=REGION)
    assert fields.attrs["source"] == "file f.zarr"
    assert_true(fields)


def test_netcdf_is_read_from_a_url(tmp_path):
    save(sample(), tmp_path / "f.nc")
    sample().to_netcdf(tmp_path / "classic.nc", engine="scipy")
    assert_true(open_files(f"file://{tmp_path}/f.nc", region=REGION))
    assert_true(open_files(f"file://{tmp_path}/classic.nc", region=REGION))
    with pytest.raises(InputError, match=r"file://.*/none\.nc does not exist"):
        open_files(f"file://{tmp_path}/none.nc")
    with pytest.raises(InputError, match=r"wonder://a/b\.nc cannot be reached"):
        open_files("wonder://a/b.nc")


def test_grib_is_read_and_nothing_is_written_beside_it(tmp_path):
    path = write_grib(tmp_path / "f.grib", ("msl", "u10", "v10", "t2m"), TIMES)
    assert_true(open_files(path))
    assert_true(open_files(path, region=REGION, times=(TIMES[1], None)))
    assert list(tmp_path.iterdir()) == [path]


def test_grib_messages_at_other_times_and_steps_do_not_disturb(tmp_path):
    path = write_grib(tmp_path / "f.grib", ("msl", "u10"), TIMES)
    write_grib(path, ("i10fg",), TIMES, step=11)
    assert_true(open_files(path, variables=("msl", "u10")))


def test_a_variable_missing_from_grib_is_told_in_grib_names(tmp_path):
    path = write_grib(tmp_path / "f.grib", ("msl", "t2m"), TIMES[:1])
    with pytest.raises(InputError, match=r"f\.grib lacks u10, v10; it holds 2t, msl\. Looked for u10 as u10, 10u"):
        open_files(path)


def test_a_grib_forecast_comes_at_its_valid_time(tmp_path):
    fields = open_files(write_grib(tmp_path / "f.grib", ("msl",), TIMES[2:], step=24), variables="msl")
    assert_true(fields)
    assert "forecast to 24 h" in fields.attrs["source"]


def test_grib_at_a_url_is_refused(tmp_path):
    path = write_grib(tmp_path / "f.grib", ("msl",), TIMES[:1])
    with pytest.raises(InputError, match="download it first"):
        open_files(f"file://{path}")


def test_paths_that_lead_nowhere_are_told(tmp_path):
    with pytest.raises(InputError, match=r"none\.nc does not exist\.$"):
        open_files(tmp_path / "none.nc")
    with pytest.raises(InputError, match=r"no file matches .*era5_\*\.nc\.$"):
        open_files(tmp_path / "era5_*.nc")
    with pytest.raises(InputError, match=r"is a folder but no Zarr store; .*/\*\.nc"):
        open_files(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"f\.nc is empty \(0 bytes\)"),
        (b"<!DOCTYPE html><html>", r"not netCDF, GRIB or Zarr; it begins with b'<!DOCTYP'"),
        (b"PK\x03\x04rest", "ZIP archive.*unzip"),
        (b"\x89HDF\r\n\x1a\nrubbish", r"f\.nc cannot be read; it is damaged or cut short"),
        (b"CDF\x01rubbish", r"f\.nc cannot be read; it is damaged or cut short"),
        (b"GRIBrubbish", r"f\.nc cannot be read; it is damaged or cut short"),
    ],
)
def test_a_file_that_is_no_fields_is_told_in_one_sentence(tmp_path, content, told):
    (tmp_path / "f.nc").write_bytes(content)
    with pytest.raises(InputError, match=told) as error:
        open_files(tmp_path / "f.nc")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["netcdf4", "netcdf3", "grib"])
@pytest.mark.parametrize("share", [0.1, 0.45, 0.95])
def test_a_file_cut_short_is_refused(tmp_path, kind, share):
    path = tmp_path / "f.nc"
    if kind == "netcdf4":
        save(sample(), path)
    elif kind == "netcdf3":
        sample().to_netcdf(path, engine="scipy")
    else:
        write_grib(path, ("msl", "u10", "v10", "t2m"), TIMES)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"f\.nc cannot be read; it is damaged or cut short"):
        open_files(path)


def test_spoilt_values_in_a_whole_file_are_refused(tmp_path):
    noise = sample(("msl",))
    path = save(noise, tmp_path / "f.nc", msl={"zlib": True, "fletcher32": True})
    content = bytearray(path.read_bytes())
    where = content.rfind(b"\x78\x5e") if b"\x78\x5e" in content else content.rfind(b"\x78")
    content[where + 20 : where + 200] = bytes(180)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"f\.nc cannot be read"):
        open_files(path, variables="msl")
