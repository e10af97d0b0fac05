import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.samples import TIMES, assert_true, sample, save, value
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.sources import layout
from typhoon_tracker.sources.files import open_files

GLOBE = np.arange(30.0, -31.0, -2.0)  # enough latitudes of it


@settings(deadline=None)
@given(
    start=st.integers(-180, 180),
    west=st.integers(-360, 360),
    width=st.integers(2, 180),
    north=st.integers(-10, 15),
    height=st.integers(1, 5),
    flip=st.booleans(),
    westward=st.booleans(),
)
def test_any_region_of_any_globe_is_read_whole_and_in_place(start, west, width, north, height, flip, westward):
    longitude = 2.0 * start + np.arange(0.0, 360.0, 2.0)
    raw = sample(
        ("msl",), latitude=GLOBE[::-1] if flip else GLOBE, longitude=longitude[::-1] if westward else longitude
    )
    region = Region(2.0 * north, 2.0 * (north - height), 2.0 * west, 2.0 * (west + width), step=2.0)
    rows, columns = layout.horizontal_axes(raw, region, "globe")
    values = layout.load(raw.msl, "time", np.ones(len(TIMES), bool), rows, columns, "globe")
    expected = value("msl", TIMES, region.latitude, region.longitude)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("start", [0.0, -180.0])
@pytest.mark.parametrize(("west", "east"), [(-20, 20), (340, 380), (160, 200), (-200, -160), (100, 140), (-260, -220)])
def test_a_region_across_a_seam_comes_out_contiguous(tmp_path, start, west, east):
    path = save(sample(latitude=GLOBE, longitude=start + np.arange(0.0, 360.0, 2.0)), tmp_path / "globe.nc")
    region = Region(20, 0, west, east, step=2.0)
    fields = open_files(path, region=region)
    np.testing.assert_array_equal(fields.longitude, region.longitude)
    np.testing.assert_array_equal(fields.latitude, region.latitude)
    assert_true(fields)


@pytest.mark.parametrize(
    ("stored", "first", "last"),
    [
        (np.r_[170.0:180.0, -180.0:-170.0], 170, 189),  # a Pacific crop in -180..180
        (np.r_[-180.0:-170.0, 170.0:180.0], 170, 189),  # the same, sorted
        (np.r_[0.0:10.0, 350.0:360.0], 350, 369),  # a European crop in 0..360, sorted
        (np.r_[-10.0:10.0], -10, 9),
        (np.r_[0.0:361.0], 0, 359),  # the globe with its first meridian twice
        (np.r_[-180.0:181.0], -180, 179),
        (np.r_[120.0:100.0:-1.0], 101, 120),  # westward
    ],
)
def test_a_whole_file_comes_out_eastward_and_contiguous(tmp_path, stored, first, last):
    fields = open_files(save(sample(longitude=stored), tmp_path / "f.nc"))
    np.testing.assert_array_equal(fields.longitude, np.arange(first, last + 1))
    assert_true(fields)


def test_ascending_latitude_is_turned_north_to_south(tmp_path):
    path = save(sample(latitude=np.arange(10.0, 21.0)), tmp_path / "f.nc")
    np.testing.assert_array_equal(open_files(path).latitude, np.arange(20.0, 9.0, -1.0))
    assert_true(open_files(path))
    assert_true(open_files(path, region=Region(18, 12, 122, 130, step=1)))


def test_coordinates_in_single_precision_meet_the_regions(tmp_path):
    lat, lon = np.arange(20, 10, -0.1, dtype=np.float32), np.arange(-10, 10, 0.1, dtype=np.float32)
    region = Region(18, 12, -5, 5, step=0.1)
    fields = open_files(
        save(sample(("msl",), latitude=lat, longitude=lon), tmp_path / "f.nc"), region=region, variables="msl"
    )
    np.testing.assert_array_equal(fields.longitude, region.longitude)
    assert_true(fields)


def test_a_region_beyond_the_file_is_refused_with_both_extents(tmp_path):
    path = save(sample(), tmp_path / "f.nc")
    for region in (Region(30, 12, 122, 130, 1), Region(18, 12, 110, 130, 1), Region(18, 12, 200, 210, 1)):
        with pytest.raises(InputError, match=r"f\.nc covers 10 to 20N, 120 to 135E; .* asked for is 12 to"):
            open_files(path, region=region)


def test_another_grid_step_is_refused_not_regridded(tmp_path):
    path = save(sample(), tmp_path / "f.nc")
    with pytest.raises(InputError, match=r"spaced by 1 deg, the region by 0\.25; nothing is regridded"):
        open_files(path, region=Region(18, 12, 122, 130, 0.25))


@pytest.mark.parametrize("region", [Region(18.5, 12.5, 122, 130, 1), Region(18, 12, 122.3, 130.3, 1)])
def test_a_region_between_the_grid_points_is_refused(tmp_path, region):
    with pytest.raises(InputError, match=r"lies between the (latitude|longitude)s of the file, 0\.[35] grid steps off"):
        open_files(save(sample(), tmp_path / "f.nc"), region=region)


def test_a_region_without_extent_is_refused(tmp_path):
    with pytest.raises(InputError, match="has 1 x 9 points"):
        open_files(save(sample(), tmp_path / "f.nc"), region=Region(12, 12, 122, 130, 1))


def test_a_map_projection_is_refused(tmp_path):
    raw = sample().rename(latitude="y", longitude="x")
    raw = raw.assign_coords(y=raw.y * 1e5, x=raw.x * 1e5)
    with pytest.raises(InputError, match=r"runs from 1e\+06 to 2e\+06; degrees within -90 to 90"):
        open_files(save(raw, tmp_path / "f.nc"))
    curved = (
        sample().assign_coords(lat=(("latitude", "longitude"), np.ones((11, 16)))).drop_vars(("latitude", "longitude"))
    )
    with pytest.raises(InputError, match=r"lat in g\.nc has 2 dimensions; a regular grid"):
        open_files(save(curved, tmp_path / "g.nc"))


def test_a_file_without_longitude_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"f\.nc has no longitude; it has the coordinates time, latitude"):
        open_files(save(sample().drop_vars("longitude"), tmp_path / "f.nc"))


def test_only_the_region_is_read(tmp_path):
    raw = sample(("msl",), latitude=GLOBE, longitude=np.arange(0.0, 360.0, 2.0))
    path = tmp_path / "globe.zarr"
    raw.to_zarr(path, encoding={"msl": {"chunks": (3, 31, 20)}}, consolidated=False)
    for chunk in range(1, 8):  # all but the first and the last column of chunks are spoilt
        (path / "msl/c/0/0" / str(chunk)).write_bytes(b"spoilt")
    assert_true(open_files(path, region=Region(30, -30, -40, 38, 2.0), variables="msl"))
    with pytest.raises(InputError, match=r"globe\.zarr cannot be read"):
        open_files(path, region=Region(30, -30, -40, 42, 2.0), variables="msl")
