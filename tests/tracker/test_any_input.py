"""Whatever the fields hold: no crash but a sentence, and no storm that is not there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.tracker.follow import follow
from typhoon_tracker.tracker.storms import find_storms

SMALL = Region(30.0, 10.0, 150.0, 172.0, step=0.5)
TIMES = pd.date_range("2023-08-01", periods=5, freq="6h")
STORM = Vortex()
TRUTH = straight(TIMES, 18.0, 163.0, STORM)
CLEAN = fields([(STORM, TRUTH)], TIMES, region=SMALL)


def raw(values: dict[str, np.ndarray], region: Region = SMALL) -> xr.Dataset:
    """Fields that nobody validated."""
    dims = ("time", "latitude", "longitude")
    coords = {"time": TIMES, "latitude": region.latitude, "longitude": region.longitude}
    return xr.Dataset({name: (dims, field.astype(np.float32)) for name, field in values.items()}, coords)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    pressure=st.floats(0, 3000),
    wind=st.floats(0, 40),
    south=st.sampled_from([-85.0, -40.0, -5.0, 0.0, 20.0, 60.0]),
    step=st.sampled_from([0.1, 0.25, 0.5, 1.0, 2.5]),
    rows=st.integers(5, 40),
    columns=st.integers(5, 40),
)
def test_noise_of_any_strength_holds_no_storm(seed, pressure, wind, south, step, rows, columns):
    rng = np.random.default_rng(seed)
    region = Region(min(south + step * rows, 89.0), south, 150.0, 150.0 + step * columns, step=step)
    shape = (len(TIMES), *region.shape)
    if min(region.shape) < 5:
        return
    data = raw(
        {
            "msl": 101_000 + rng.normal(0, pressure, shape),
            "u10": rng.normal(0, wind, shape),
            "v10": rng.normal(0, wind, shape),
        },
        region,
    )
    assert find_storms(data).empty
    assert len(follow(data, TRUTH.iloc[:1])) <= 1  # told that a storm is there, it may take noise for it once


@settings(max_examples=20, deadline=None)
@given(
    value=st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1e30]),
    top=st.integers(0, 40),
    left=st.integers(0, 44),
    high=st.integers(1, 41),
    wide=st.integers(1, 45),
    names=st.sampled_from([("msl",), ("u10", "v10"), ("msl", "u10", "v10"), ("v10",)]),
    when=st.sampled_from([slice(None), slice(1, 3), slice(0, 1)]),
)
def test_blocks_of_nonsense_are_no_storms(value, top, left, high, wide, names, when):
    data = CLEAN.copy(deep=True)
    for name in names:
        data[name].values[when, top : top + high, left : left + wide] = value
    with np.errstate(all="ignore"):
        storms = find_storms(data)
        fixes = follow(data, TRUTH.iloc[:1])
    for table in (storms, fixes):
        both = table.merge(TRUTH[["time", "lat", "lon"]], on="time", suffixes=("", "_true"))
        assert (distance(both.lat, both.lon, both.lat_true, both.lon_true) < 250.0).all()
    assert set(storms["track_id"]) <= {"S001"}


@pytest.mark.parametrize("value", [np.nan, 0.0, 101_000.0, 1e35])
def test_constant_fields_hold_no_storm(value):
    shape = (len(TIMES), *SMALL.shape)
    data = raw(dict.fromkeys(("msl", "u10", "v10"), np.full(shape, value)))
    with np.errstate(all="ignore"):
        assert find_storms(data).empty
        assert follow(data, TRUTH.iloc[:1]).empty


def test_a_nan_block_far_from_the_storm_changes_nothing_near_it():
    holed = CLEAN.copy(deep=True)
    for name in ("msl", "u10", "v10"):
        holed[name].values[:, :4, :4] = np.nan
    both = find_storms(CLEAN), find_storms(holed)
    assert both[0]["track_id"].nunique() == both[1]["track_id"].nunique() == 1
    assert distance(both[0].lat, both[0].lon, both[1].lat, both[1].lon).max() < 0.5


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(5)))
def test_times_out_of_order_are_refused(order):
    data = CLEAN.isel(time=list(order))
    if list(order) == sorted(order):
        assert set(find_storms(data)["track_id"]) == {"S001"}
        return
    with pytest.raises(InputError, match="times must increase"):
        find_storms(data)


def test_axes_and_times_that_are_none_are_refused_in_one_sentence():
    with pytest.raises(InputError, match="times must increase"):
        find_storms(CLEAN.isel(time=[0, 1, 1, 2]))
    with pytest.raises(InputError, match=r"1 x 45 points; the tracker needs 5 x 5"):
        find_storms(CLEAN.isel(latitude=[0]))
    with pytest.raises(InputError, match=r"41 x 4 points"):
        find_storms(CLEAN.isel(longitude=slice(4)))
    with pytest.raises(InputError, match="latitude must be evenly spaced"):
        find_storms(CLEAN.isel(latitude=[0, 1, 2, 4, 8, 16, 32]))
    with pytest.raises(InputError, match="longitude must be evenly spaced, eastward"):
        find_storms(CLEAN.isel(longitude=slice(None, None, -1)))
    with pytest.raises(InputError, match="lack v10"):
        find_storms(CLEAN.drop_vars("v10"))
    with pytest.raises(InputError, match="lack msl"):
        find_storms(CLEAN.drop_vars("msl"))
    assert find_storms(CLEAN.isel(time=slice(0))).empty


def test_latitude_may_run_either_way():
    up, down = find_storms(CLEAN.isel(latitude=slice(None, None, -1))), find_storms(CLEAN)
    assert set(up["track_id"]) == {"S001"}
    assert distance(up.lat, up.lon, down.lat, down.lon).max() < 0.5


@settings(max_examples=15, deadline=None)
@given(
    lat=st.floats(5, 35), lon=st.floats(-180, 540), step=st.sampled_from([0.25, 0.5, 1.0]), south=st.booleans(),
    course=st.floats(0, 360),
)  # fmt: skip
def test_a_storm_anywhere_is_found_where_it_is(lat, lon, step, south, course):
    storm = Vortex(
        eastward=4 * np.sin(np.radians(course)), northward=4 * np.cos(np.radians(course)), radius=max(100.0, 110 * step)
    )
    centre = -lat if south else lat
    truth = straight(TIMES[:3], centre, lon, storm)
    middle = (round(centre), round(lon))
    region = Region(middle[0] + 14.0, middle[0] - 14.0, middle[1] - 16.0, middle[1] + 16.0, step=step)
    storms = find_storms(fields([(storm, truth)], TIMES[:3], region=region))
    assert storms["track_id"].tolist() == ["S001"] * 3
    assert distance(storms.lat, storms.lon, truth.lat, truth.lon).max() < 6.0 + 8.0 * step
