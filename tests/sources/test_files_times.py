import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.sources.samples import TIMES, assert_true, sample, save
from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.files import open_files

MONTHS = [pd.date_range("2023-05-31T18", periods=6, freq="h"), pd.date_range("2023-06-01", periods=6, freq="h")]


def test_one_time_without_a_time_dimension_gets_one(tmp_path):
    fields = open_files(save(sample().isel(time=1), tmp_path / "f.nc"))
    assert fields.sizes["time"] == 1
    assert_true(fields)


def test_a_file_that_does_not_say_its_time_is_told_it(tmp_path):
    path = save(sample().isel(time=1, drop=True), tmp_path / "f.nc")
    with pytest.raises(InputError, match=r"f\.nc does not say its time"):
        open_files(path)
    fields = open_files(path, times=(TIMES[1], TIMES[1]))
    assert fields.time.dtype == "datetime64[ns]"
    assert_true(fields)


def test_times_are_a_closed_span_open_at_none(tmp_path):
    path = save(sample(), tmp_path / "f.nc")
    assert list(open_files(path, times=(TIMES[0], "2023-05-20T01")).time.values) == list(TIMES[:2].values)
    assert list(open_files(path, times=(TIMES[1], None)).time.values) == list(TIMES[1:].values)
    assert list(open_files(path, times=(None, "2023-05-20T09:00+09:00")).time.values) == [TIMES[0].to_datetime64()]
    assert_true(open_files(path, times=(TIMES[1], None)))


def test_times_the_file_lacks_are_refused_with_both_spans(tmp_path):
    path = save(sample(), tmp_path / "f.nc")
    with pytest.raises(
        InputError, match=r"no msl, .* from 2024-01-01 .* run from 2023-05-20 00:00:00 to 2023-05-20 02:00:00"
    ):
        open_files(path, times=("2024-01-01", None))
    with pytest.raises(InputError, match="begins at 2023-05-20 02:00:00, after its end"):
        open_files(path, times=(TIMES[2], TIMES[0]))
    for nonsense in (("yesterday", None), ("2023-05-20",), (pd.NaT, None)):
        with pytest.raises(InputError, match="span of two times"):
            open_files(path, times=nonsense)


def test_the_valid_time_of_a_forecast_is_its_time(tmp_path):
    steps = pd.to_timedelta([0, 1, 2], unit="h")
    raw = sample().rename(time="step").assign_coords(step=steps, time=TIMES[0])
    fields = open_files(save(raw, tmp_path / "f.nc", step={"dtype": "int64"}))
    assert_true(fields)
    assert "forecast to 2 h" in fields.attrs["source"]
    fields = open_files(save(raw.isel(step=[2]).assign_coords(valid_time=("step", TIMES[2:])), tmp_path / "g.nc"))
    assert_true(fields)


def test_several_forecasts_are_refused(tmp_path):
    steps = pd.to_timedelta([0, 6], unit="h")
    raw = sample(("msl",)).expand_dims(step=steps)
    with pytest.raises(InputError, match=r"f\.nc holds several forecasts \(3 of time and 2 of step\)"):
        open_files(save(raw, tmp_path / "f.nc"), variables="msl")


def test_times_that_are_no_dates_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"times of f\.nc are no dates; they begin with 0"):
        open_files(save(sample().assign_coords(time=[0, 1, 2]), tmp_path / "f.nc"))


def test_monthly_files_are_joined_in_time_order_whatever_their_names(tmp_path):
    for name, times in zip(("b_first.nc", "a_second.nc"), MONTHS, strict=True):
        save(sample(times=times), tmp_path / name)
    fields = open_files(tmp_path / "*.nc")
    np.testing.assert_array_equal(fields.time, MONTHS[0].append(MONTHS[1]))
    assert_true(fields)
    assert "b_first.nc" in fields.attrs["source"]
    assert "a_second.nc" in fields.attrs["source"]
    only = open_files(tmp_path / "*.nc", times=MONTHS[0][[1, 2]])
    assert only.attrs["source"] == "file b_first.nc"


def test_variables_spread_over_files_are_merged(tmp_path):
    for name in ("msl", "u10", "v10", "t2m"):
        for month, times in enumerate(MONTHS):
            save(sample((name,), times=times), tmp_path / f"{name}_{month}.nc")
    xr.Dataset({"lsm": ("x", [1.0])}).to_netcdf(tmp_path / "mask.nc", engine="h5netcdf")
    fields = open_files(tmp_path / "*.nc")
    assert list(fields.data_vars) == ["msl", "u10", "v10", "t2m"]
    assert fields.sizes["time"] == 12
    assert_true(fields)


def test_a_time_in_two_files_is_refused_naming_both(tmp_path):
    save(sample(times=TIMES), tmp_path / "a.nc")
    save(sample(times=TIMES[2:]), tmp_path / "b.nc")
    with pytest.raises(InputError, match=r"msl at 2023-05-20 02:00:00 is there twice: in a\.nc and in b\.nc"):
        open_files(tmp_path / "?.nc")


def test_a_time_twice_or_out_of_order_in_one_file_is_refused(tmp_path):
    for order in ([0, 0, 1], [0, 2, 1]):
        with pytest.raises(InputError, match="times must increase"):
            open_files(save(sample().isel(time=order), tmp_path / "f.nc"))


def test_variables_at_different_times_are_refused(tmp_path):
    save(sample(("msl",)), tmp_path / "msl.nc")
    save(sample(("u10",), times=TIMES[:1]), tmp_path / "u10.nc")
    with pytest.raises(InputError, match="of u10 and msl only one is there at 2 times, the first 2023-05-20 01:00:00"):
        open_files(tmp_path / "*.nc", variables=("msl", "u10"))


def test_files_on_different_grids_are_refused(tmp_path):
    save(sample(("msl",), times=MONTHS[0]), tmp_path / "a.nc")
    save(sample(("msl",), times=MONTHS[1], latitude=np.arange(30.0, 9.0, -1.0)), tmp_path / "b.nc")
    with pytest.raises(
        InputError, match=r"msl in b\.nc and msl in a\.nc have different latitudes: 30 to 10 \(21\) and 20 to 10"
    ):
        open_files(tmp_path / "*.nc", variables="msl")


def test_values_that_are_missing_are_refused_with_their_time(tmp_path):
    raw = sample()
    raw["t2m"][1, 2, 3] = np.nan
    with pytest.raises(InputError, match="t2m has 1 NaN or infinite values, the first at 2023-05-20 01:00:00"):
        open_files(save(raw, tmp_path / "f.nc"))
