import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.sources.samples import SHARED, sample, save
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.derived import relative_vorticity
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.sources.patches import open_patches

OFFSET = np.arange(2.0, -3.0, -1.0)


def patch_file(path):
    """Two storms, the second first in time and out of order; u10 tells the record."""
    names = ["B", "A", "A", "B"]
    times = pd.DatetimeIndex(["2016-09-02", "2016-09-01T06", "2016-09-01", "2016-09-02T06"])
    record = np.arange(4.0)
    grid = np.broadcast_to(record[:, None, None], (4, 5, 5))
    data = {name: (("record", "dlat", "dlon"), grid * factor) for name, factor in (("u10", 1), ("v10", 2), ("z500", 3))}
    columns = {
        "storm": names, "time": times, "origin_lat": 10 + record, "origin_lon": 120 + record,
        "bt_lat": 10.2 + record, "bt_lon": 120.3 + record, "bt_pressure": 950 + record, "bt_wind": 40 + record,
    }  # fmt: skip
    raw = xr.Dataset({**data, **{name: ("record", column) for name, column in columns.items()}})
    return save(raw.assign_coords(dlat=OFFSET, dlon=-OFFSET), path)


def test_each_storm_is_read_in_time_order_on_its_moving_grid(tmp_path):
    storms = open_patches(patch_file(tmp_path / "p.nc"))
    assert [(storm.name, len(storm)) for storm in storms] == [("B", 2), ("A", 2)]
    later, earlier = 1, 2
    patches = list(storms[1])
    assert [patch.time for patch in patches] == list(storms[1].times) == sorted(storms[1].times)
    assert [float(patch.u10[0, 0]) for patch in patches] == [earlier, later]
    np.testing.assert_array_equal(patches[0].latitude, 12.0 + OFFSET)
    np.testing.assert_array_equal(patches[0].longitude, 122.0 - OFFSET)
    assert (patches[0].v10 == 4).all()
    assert patches[0].z500.dtype == np.float32
    assert (patches[0].bt_lat, patches[0].bt_lon, patches[0].bt_msl, patches[0].bt_wind) == (
        12.2,
        122.3,
        95_200.0,
        42.0,
    )


def test_iterating_twice_gives_the_same(tmp_path):
    storm = open_patches(patch_file(tmp_path / "p.nc"))[0]
    assert [float(patch.u10[0, 0]) for patch in storm] == [float(patch.u10[0, 0]) for patch in storm] == [0, 3]


def test_a_path_that_is_missing_or_something_else_is_told(tmp_path):
    with pytest.raises(InputError, match=r"none\.nc does not exist"):
        open_patches(tmp_path / "none.nc")
    with pytest.raises(
        InputError, match=r"f\.nc is not a storm-patch file: it lacks z500, storm, .* it holds msl, u10"
    ):
        open_patches(save(sample(), tmp_path / "f.nc"))
    (tmp_path / "damaged.nc").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(InputError, match=r"damaged\.nc cannot be read"):
        open_patches(tmp_path / "damaged.nc")


def test_fields_without_their_dimensions_are_refused(tmp_path):
    with xr.open_dataset(patch_file(tmp_path / "p.nc"), engine="h5netcdf") as raw:
        save(raw.assign(u10=raw.u10.isel(dlon=0)).load(), tmp_path / "flat.nc")
        save(raw.assign(time=("record", [1, 2, 3, 4])).load(), tmp_path / "dateless.nc")
    with pytest.raises(InputError, match=r"u10 in flat\.nc has dimensions"):
        open_patches(tmp_path / "flat.nc")
    with pytest.raises(InputError, match=r"times of dateless\.nc are no dates"):
        open_patches(tmp_path / "dateless.nc")


def test_the_real_storms_turn_where_the_best_track_has_them():
    path = SHARED / "era5_wnp2016_storm_patches.nc"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    storms = open_patches(path)
    assert len(storms) == 25
    assert sum(map(len, storms)) == 684
    meranti = next(storm for storm in storms if storm.name == "MERANTI")
    assert (np.diff(meranti.times) == np.timedelta64(6, "h")).all()
    strongest = max(meranti, key=lambda patch: patch.bt_wind)
    assert 87_000 < strongest.bt_msl < 92_000
    zeta = relative_vorticity(strongest.u10, strongest.v10, strongest.latitude, strongest.longitude)
    row, column = np.unravel_index(zeta.argmax(), zeta.shape)
    centre = strongest.latitude[row], strongest.longitude[column]
    assert distance(*centre, strongest.bt_lat, strongest.bt_lon) < 120  # km, the windows' placement and the grid
