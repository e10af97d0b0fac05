import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.sources.samples import TIMES, assert_true, sample, save, value
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.sources.files import open_files
from typhoon_tracker.sources.names import ALIASES

SPELLINGS = [(name, spelling) for name in (*CORE, "z500") for spelling in ALIASES[name]]


@pytest.mark.parametrize(("name", "spelling"), [*SPELLINGS, ("msl", "MSL"), ("u10", "VAR_10U"), ("t2m", "VAR_2T")])
def test_every_spelling_of_a_variable_is_read(tmp_path, name, spelling):
    path = save(sample((name,)).rename({name: spelling}) if spelling != name else sample((name,)), tmp_path / "f.nc")
    fields = open_files(path, variables=(name,))
    assert list(fields.data_vars) == [name]
    assert_true(fields)


@pytest.mark.parametrize("attribute", [{"GRIB_shortName": "prmsl"}, {"standard_name": "air_pressure_at_sea_level"}])
def test_a_variable_is_known_by_its_attributes_too(tmp_path, attribute):
    raw = sample(("msl",)).rename(msl="var151")
    raw["var151"].attrs.update(attribute)
    assert_true(open_files(save(raw, tmp_path / "f.nc"), variables=("msl",)))


@pytest.mark.parametrize("names", [("valid_time", "lat", "lon"), ("time", "y", "x"), ("Time", "LAT", "LON")])
def test_every_spelling_of_the_coordinates_is_read(tmp_path, names):
    raw = sample()
    renamed = {old: new for old, new in zip(raw.dims, names, strict=True) if old != new}
    fields = open_files(save(raw.rename(renamed), tmp_path / "f.nc"))
    assert fields.msl.dims == ("time", "latitude", "longitude")
    assert_true(fields)


def test_dimensions_in_another_order_are_put_in_order(tmp_path):
    fields = open_files(save(sample().transpose("longitude", "time", "latitude"), tmp_path / "f.nc"))
    assert fields.msl.dims == ("time", "latitude", "longitude")
    assert_true(fields)


def test_a_missing_variable_is_told_with_what_there_is_and_what_was_looked_for(tmp_path):
    path = save(sample(("msl", "u10")), tmp_path / "wind.nc")
    with pytest.raises(
        InputError, match=r"wind\.nc lacks v10, t2m; it holds msl, u10\..* t2m as t2m, 2t, 2m_temperature"
    ):
        open_files(path)


def test_other_variables_come_under_their_own_name_when_asked_for(tmp_path):
    raw = sample(("msl",)).assign(sst=sample(("t2m",)).t2m)
    fields = open_files(save(raw, tmp_path / "f.nc"), variables=("msl", "sst"))
    np.testing.assert_allclose(fields.sst, raw.sst, rtol=1e-6)
    assert "sst" not in open_files(tmp_path / "f.nc", variables="msl")


def test_z500_rides_along_and_geopotential_becomes_height(tmp_path):
    raw = sample(("msl", "z500"))
    raw["z500"] = (raw.z500 * 9.80665).assign_attrs(units="m**2 s**-2")
    fields = open_files(save(raw, tmp_path / "f.nc"), variables=("msl",))
    assert fields.z500.attrs["units"] == "m"
    assert_true(fields, "msl", "z500")


def test_a_z500_that_was_not_asked_for_and_cannot_be_used_does_no_harm(tmp_path):
    raw = sample(("msl", "z500"))
    raw["z500"].attrs["units"] = "furlongs"
    assert "z500" not in open_files(save(raw, tmp_path / "f.nc"), variables=("msl",))
    with pytest.raises(InputError, match="'furlongs'"):
        open_files(tmp_path / "f.nc", variables=("msl", "z500"))


@pytest.mark.parametrize(
    ("name", "units", "from_si"),
    [
        ("msl", "hPa", lambda x: x / 100),
        ("msl", "millibars", lambda x: x / 100),
        ("t2m", "degC", lambda x: x - 273.15),
        ("t2m", "Celsius", lambda x: x - 273.15),
        ("u10", "knots", lambda x: x * 3600 / 1852),
        ("v10", "km/h", lambda x: x * 3.6),
        ("u10", "m/s", lambda x: x),
        ("u10", "m.s-1", lambda x: x),
    ],
)
def test_units_are_converted_by_their_attribute(tmp_path, name, units, from_si):
    raw = sample((name,))
    raw[name] = from_si(raw[name]).assign_attrs(units=units)
    fields = open_files(save(raw, tmp_path / "f.nc"), variables=(name,))
    assert fields[name].attrs["units"] == {"msl": "Pa", "t2m": "K"}.get(name, "m s-1")
    assert_true(fields)


def test_an_unknown_unit_is_refused_by_name(tmp_path):
    raw = sample(("msl",))
    raw["msl"].attrs["units"] = "inHg"
    with pytest.raises(InputError, match=r"msl in f\.nc has the units 'inHg'; those understood are Pa, hPa, kPa"):
        open_files(save(raw, tmp_path / "f.nc"), variables=("msl",))


def test_without_a_unit_si_values_pass_and_others_are_refused_with_a_guess(tmp_path):
    raw = sample(("msl", "t2m"))
    for name in raw.data_vars:
        raw[name].attrs.clear()
    assert_true(open_files(save(raw, tmp_path / "si.nc"), variables=("msl", "t2m")))
    with pytest.raises(InputError, match=r"msl in h\.nc has no units .* looks like hPa \(multiply by 100\)"):
        open_files(save(raw.assign(msl=raw.msl / 100), tmp_path / "h.nc"), variables=("msl",))
    with pytest.raises(InputError, match=r"t2m in c\.nc has no units .* looks like degC \(add 273\.15\)"):
        open_files(save(raw.assign(t2m=raw.t2m - 273.15), tmp_path / "c.nc"), variables=("t2m",))


def test_a_wrong_unit_attribute_is_caught_by_the_contract(tmp_path):
    raw = sample(("msl",))
    raw["msl"] = (raw.msl / 100).assign_attrs(units="Pa")
    with pytest.raises(InputError, match="msl runs from"):
        open_files(save(raw, tmp_path / "f.nc"), variables=("msl",))


def test_packed_values_are_unpacked_to_float32(tmp_path):
    packing = {"dtype": "int16", "scale_factor": 0.1, "add_offset": 101_000.0, "_FillValue": np.int16(-32768)}
    fields = open_files(save(sample(("msl",)), tmp_path / "f.nc", msl=packing), variables=("msl",))
    assert_true(fields)
    assert not fields.msl.encoding


def test_members_steps_and_heights_of_one_are_dropped(tmp_path):
    raw = sample().assign_coords(number=0, surface=0.0).expand_dims("heightAboveGround")
    fields = open_files(save(raw.assign_coords(heightAboveGround=[10.0]), tmp_path / "f.nc"))
    assert set(fields.coords) == {"time", "latitude", "longitude"}
    assert_true(fields)


def test_an_ensemble_is_refused(tmp_path):
    raw = sample(("msl",)).expand_dims(number=[0, 1, 2])
    with pytest.raises(InputError, match=r"msl in f\.nc has the further dimension {'number': 3}"):
        open_files(save(raw, tmp_path / "f.nc"), variables=("msl",))


@pytest.mark.parametrize("expver", [[1, 5], [5, 1], ["0001", "0005"]])
def test_of_final_and_preliminary_era5_the_one_that_is_there_is_taken(tmp_path, expver):
    raw = sample(("msl", "t2m"))
    final = raw.where(raw.time < TIMES[2])
    preliminary = (raw + 7).where(raw.time >= TIMES[1])  # where both are there, final wins
    preliminary["msl"] = preliminary.msl.assign_attrs(raw.msl.attrs)
    streams = [final, preliminary] if str(expver[0])[-1] == "1" else [preliminary, final]
    both = xr.concat(streams, pd.Index(expver, name="expver"))
    for name in both.data_vars:
        both[name].attrs = dict(raw[name].attrs)
    fields = open_files(save(both, tmp_path / "f.nc"), variables=("msl", "t2m"))
    assert_true(fields.isel(time=[0, 1]))
    np.testing.assert_allclose(fields.msl[2], raw.msl[2] + 7, rtol=1e-6)
    assert "ERA5T" in fields.attrs["source"]


def test_expver_beside_the_times_is_dropped_and_told_where_it_is_preliminary(tmp_path):
    raw = sample().assign_coords(expver=("time", ["0001", "0001", "0005"]))
    path = save(raw, tmp_path / "f.nc")
    assert "ERA5T" in open_files(path).attrs["source"]
    assert "ERA5T" not in open_files(path, times=(TIMES[0], TIMES[1])).attrs["source"]


def test_source_names_the_file_with_its_title_and_institution(tmp_path):
    raw = sample().assign_attrs(title="Analyses", institution="A centre")
    assert open_files(save(raw, tmp_path / "f.nc")).attrs["source"] == "file f.nc (Analyses; A centre)"
    assert open_files(save(sample(), tmp_path / "g.nc")).attrs["source"] == "file g.nc"


def test_source_of_a_reconstruction_is_kept_word_by_word(tmp_path):
    raw = sample().assign_attrs(source="reconstruction of MAWAR 2023", title="no matter")
    assert open_files(save(raw, tmp_path / "f.nc")).attrs["source"] == "reconstruction of MAWAR 2023"


def test_reading_gives_the_contract_dataset(tmp_path):
    fields = open_files(save(sample(), tmp_path / "f.nc"))
    np.testing.assert_array_equal(fields.time, TIMES.values)
    assert fields.latitude.attrs["units"] == "degrees_north"
    assert fields.msl.attrs == {"units": "Pa", "standard_name": "air_pressure_at_mean_sea_level"}
    expected = value("v10", TIMES, fields.latitude.values, fields.longitude.values).astype(np.float32)
    np.testing.assert_array_equal(fields.v10, expected)
