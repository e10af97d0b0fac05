import numpy as np
import pandas as pd
import pytest
import xarray as xr

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, DIMS, VARIABLES, create, validate

TIMES = pd.date_range("2023-05-20", periods=4, freq="h")
LAT, LON = np.arange(20.0, 10.0, -1.0), np.arange(175.0, 187.0)
PLAIN = {"msl": 101_000.0, "u10": 3.0, "v10": -4.0, "t2m": 300.0}


@pytest.fixture
def fields():
    shape = (len(TIMES), len(LAT), len(LON))
    return create({name: np.full(shape, number) for name, number in PLAIN.items()}, TIMES, LAT, LON, source="a test")


def test_created_fields_carry_units_names_and_source(fields):
    assert validate(fields, hourly=True) is fields
    assert fields.attrs["source"] == "a test"
    for name in CORE:
        assert fields[name].dims == DIMS
        assert fields[name].dtype == np.float32
        assert fields[name].attrs["units"] == VARIABLES[name].units
        assert fields[name].attrs["standard_name"] == VARIABLES[name].standard_name
    assert fields.longitude.attrs["units"] == "degrees_east"


def test_a_missing_variable_is_named_with_those_there(fields):
    with pytest.raises(InputError, match="lack the variable t2m; they hold: msl, u10, v10"):
        validate(fields.drop_vars("t2m"))
    assert validate(fields.drop_vars("t2m"), variables=("msl",)) is not None


def test_other_dimensions_are_refused(fields):
    with pytest.raises(InputError, match=r"u10 has dimensions \('latitude', 'time', 'longitude'\); \('time', 'lat"):
        validate(fields.assign(u10=fields.u10.transpose("latitude", "time", "longitude")))


@pytest.mark.parametrize("source", [None, ""])
def test_fields_that_do_not_say_their_source_are_refused(fields, source):
    fields.attrs["source"] = source
    with pytest.raises(InputError, match=r'do not say where they come from; set attrs\["source"\]'):
        validate(fields)


def test_latitude_must_run_north_to_south(fields):
    with pytest.raises(InputError, match="latitude must run north to south; it goes from 11 to 12 at index 0"):
        validate(fields.isel(latitude=slice(None, None, -1)))


def test_longitude_must_be_contiguous_across_the_date_line(fields):
    split = fields.assign_coords(longitude=(LON + 180) % 360 - 180)
    with pytest.raises(
        InputError, match="longitude must run eastward and contiguous; it goes from 179 to -180 at index 4"
    ):
        validate(split)


@pytest.mark.parametrize("axis", ["latitude", "longitude"])
def test_uneven_and_single_points_are_refused(fields, axis):
    with pytest.raises(InputError, match=f"{axis} must be evenly spaced; the step is 1 at first and 2 at"):
        validate(fields.isel({axis: [0, 1, 2, 4, 5]}))
    with pytest.raises(InputError, match=f"{axis} has 1 point"):
        validate(fields.isel({axis: [3]}))


def test_coordinates_rounded_to_single_precision_pass(fields):
    shape = (len(TIMES), 50, 50)
    lat, lon = (30 - 0.1 * np.arange(50)).astype(np.float32), (120 + 0.1 * np.arange(50)).astype(np.float32)
    create({"msl": np.full(shape, 1e5)}, TIMES, lat, lon, source="a test")


def test_times_must_be_there_and_increase(fields):
    with pytest.raises(InputError, match="no time at all"):
        validate(fields.isel(time=[]))
    with pytest.raises(InputError, match="times must increase; 2023-05-20 01:00:00 is not after"):
        validate(fields.isel(time=[0, 1, 1, 2]))
    with pytest.raises(InputError, match="times must increase; 2023-05-20 01:00:00 is not after"):
        validate(fields.isel(time=[0, 2, 1]))


def test_a_gap_in_time_is_refused_only_where_hours_are_needed(fields):
    gappy = fields.isel(time=[0, 1, 3])
    assert validate(gappy) is gappy
    with pytest.raises(
        InputError, match="hourly fields are needed; before 2023-05-20 03:00:00 there is a step of 0 days 02"
    ):
        validate(gappy, hourly=True)


def test_double_precision_is_refused(fields):
    with pytest.raises(InputError, match="v10 is float64; float32 is needed"):
        validate(fields.assign(v10=fields.v10.astype(float)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted_and_dated(fields, bad):
    fields["t2m"][2, 1, 1:3] = bad
    with pytest.raises(InputError, match="t2m has 2 NaN or infinite values, the first at 2023-05-20 02:00:00"):
        validate(fields)


@pytest.mark.parametrize(
    ("name", "wrong"), [("msl", 1010.0), ("t2m", 27.0), ("u10", 150.0), ("v10", -150.0), ("msl", 111e3)]
)
def test_values_that_cannot_have_the_unit_are_refused(fields, name, wrong):
    fields[name][0, 0, 0] = wrong
    with pytest.raises(InputError, match=f"{name} runs from .*; in {VARIABLES[name].units} it must stay within"):
        validate(fields)


@pytest.mark.parametrize(("name", "extreme"), [("msl", 87_000.0), ("msl", 108_400.0), ("u10", 85.0), ("t2m", 184.0)])
def test_the_records_of_the_earth_pass(fields, name, extreme):
    fields[name][0, 0, 0] = extreme
    validate(fields)


def test_riders_pass_unseen(fields):
    rider = xr.DataArray(np.full((4,), np.nan), dims="time")
    assert "sst" in validate(fields.assign(sst=rider))
