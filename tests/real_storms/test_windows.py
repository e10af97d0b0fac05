"""Windows stand still while the patches move, and lie where the past alone says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.real_storms.made_up import ground, storm, with_another_future
from tests.sources.samples import save
from typhoon_tracker.errors import InputError
from typhoon_tracker.real_storms import windows
from typhoon_tracker.real_storms.windows import PAST, SIZE, cut, downstream_corner, init_indices, read


def test_a_window_stands_still_while_the_patches_move():
    series = ground(storm(), lambda lat, lon: 10.0 * lat + lon)
    init = 4
    window = cut(series, init, downstream_corner(series, init))
    there = 10.0 * window.latitude[:, None] + window.longitude[None, :]
    assert window.values.shape == (8, 3, SIZE, SIZE)
    for frame, seen in zip(window.values, window.seen, strict=True):
        assert seen.any()
        for values in frame:
            np.testing.assert_allclose(values[seen], there[seen], rtol=1e-5)
    assert window.seen[PAST - 1].all()
    assert len({int(seen.sum()) for seen in window.seen}) >= 4  # the patches do move


def test_what_a_past_patch_did_not_reach_comes_from_the_next_later_one():
    series = storm(eastward=-9.0, northward=0.0)
    for i in range(len(series)):
        series.fields[i] = i
    window = cut(series, 5, downstream_corner(series, 5))
    oldest = window.values[0, 0]
    assert oldest[window.seen[0]] == pytest.approx(2.0)
    assert oldest[0, 0] == pytest.approx(5.0)  # downstream, in the west, only the last patch reaches
    assert (np.diff(oldest, axis=1) <= 0).all()  # eastward the patches of earlier times have been
    assert (window.values[PAST] == 6.0)[:, window.seen[PAST]].all()


def test_window_and_past_are_blind_to_the_future():
    series, init = storm(), 5
    other = with_another_future(series, init)
    assert downstream_corner(series, init) == downstream_corner(other, init)
    one, two = (cut(each, init, downstream_corner(each, init)) for each in (series, other))
    np.testing.assert_array_equal(one.values[:PAST], two.values[:PAST])
    np.testing.assert_array_equal(one.latitude, two.latitude)
    assert not np.array_equal(one.values[PAST:], two.values[PAST:])


def test_a_window_looks_downstream():
    west, east, still = (storm(eastward=u, northward=0.0) for u in (-6.0, 6.0, 0.0))
    middles = [cut(s, 5, downstream_corner(s, 5)).longitude.mean() - s.best["lon"][5] for s in (west, east, still)]
    assert middles[0] < -2.0
    assert middles[1] > 2.0
    assert abs(middles[2]) < 0.3


def test_init_times_have_their_past_and_a_frame_to_be_scored_by():
    assert list(init_indices(storm(frames=6))) == [3, 4]
    assert not len(init_indices(storm(frames=4)))
    window = cut(storm(frames=6), 4, (10, 10))
    assert window.seen[PAST].any()
    assert not window.seen[PAST + 1 :].any()


def test_counts_of_shared_areas():
    slow, fast = storm(eastward=0.0, northward=0.0), storm(eastward=-12.0, northward=0.0)
    counted = windows.count([slow, fast])
    assert counted == {"inits": 12, "whole": 6, "shared": 3, "shared_64": 3}  # 12 m/s for 42 h are 17 degrees


def patch_file(path, series, **changes):
    names = ("u10", "v10", "z500")
    data = {name: (("record", "dlat", "dlon"), series.fields[:, i]) for i, name in enumerate(names)}
    best = series.best
    columns = {
        "storm": [series.name] * len(series), "time": series.times,
        "origin_lat": 90.0 - 0.25 * series.row - 12.5, "origin_lon": 0.25 * series.column + 12.5,
        "bt_lat": best["lat"], "bt_lon": best["lon"], "bt_pressure": best["msl"] / 100.0, "bt_wind": best["wind"],
    } | changes  # fmt: skip
    raw = xr.Dataset({**data, **{name: ("record", np.asarray(values)) for name, values in columns.items()}})
    offset = 12.5 - 0.25 * np.arange(100)
    return save(raw.assign_coords(dlat=offset, dlon=-offset), path)


def test_a_patch_file_is_read_back(tmp_path):
    series = storm(frames=5)
    back = read(patch_file(tmp_path / "p.nc", series))[0]
    np.testing.assert_array_equal(back.fields, series.fields)
    np.testing.assert_array_equal(back.row, series.row)
    np.testing.assert_array_equal(back.column, series.column)
    np.testing.assert_allclose(back.best["lat"], series.best["lat"], atol=1e-3)


def test_what_no_window_can_be_cut_from_is_told(tmp_path):
    series = storm(frames=5)
    late = series.times + pd.to_timedelta([0, 0, 0, 6, 6], unit="h")
    with pytest.raises(InputError, match=r"ONE has no patch 6 h after 2016-08-01 12:00"):
        read(patch_file(tmp_path / "gap.nc", series, time=late))
    broken = series.fields.copy()
    broken[2, 0, 3, 3] = np.nan
    with pytest.raises(InputError, match=r"ONE at 2016-08-01 12:00:00 has NaN"):
        read(patch_file(tmp_path / "nan.nc", dataclasses.replace(series, fields=broken)))
