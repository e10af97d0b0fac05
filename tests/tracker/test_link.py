"""Every storm in the fields, each with one name from birth to death."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.geo.sphere import destination, distance
from typhoon_tracker.tracker.link import link
from typhoon_tracker.tracker.settings import Settings
from typhoon_tracker.tracker.storms import find_storms

START = pd.Timestamp("2023-08-01")


def identify(storms: pd.DataFrame, truth: pd.DataFrame, *, within: float = 30.0) -> str:
    """Return the one name under which the storms of a table follow a truth, at every one of its times."""
    both = truth.drop(columns="track_id").merge(storms, on="time", suffixes=("_true", ""))
    near = both[distance(both.lat, both.lon, both.lat_true, both.lon_true) < within]
    assert list(near.time) == list(truth.time)
    (name,) = near.track_id.unique()
    return str(name)


def test_two_storms_in_line_at_12_hour_steps_keep_their_names():
    times = pd.date_range(START, periods=5, freq="12h")
    vortex = Vortex(eastward=-10.0, northward=0.0)
    ahead, behind = straight(times, 22.0, 133.0, vortex), straight(times, 22.0, 137.2, vortex)
    storms = find_storms(fields([(vortex, ahead), (vortex, behind)], times))
    assert storms.track_id.nunique() == 2
    assert identify(storms, ahead) != identify(storms, behind)
    track.validate(storms)


def test_storms_born_in_the_same_frame_are_both_found():
    times = pd.date_range(START, periods=9, freq="6h")
    one, other = Vortex(2000.0), Vortex(4000.0, profile="fujita")
    left, right = straight(times, 20.0, 118.0, one).iloc[3:], straight(times, 25.0, 134.0, other).iloc[3:]
    storms = find_storms(fields([(one, left), (other, right)], times))
    assert storms.groupby("track_id").size().tolist() == [6, 6]
    assert identify(storms, left) != identify(storms, right)


@pytest.mark.parametrize("missing", [1, 3, 6])
def test_a_gap_does_not_break_a_track(missing):
    times = pd.date_range(START, periods=20, freq="3h")
    vortex = Vortex(eastward=-6.0, northward=4.0)
    truth = straight(times, 15.0, 137.0, vortex)
    data = fields([(vortex, truth)], times).drop_isel(time=range(8, 8 + missing))
    storms = find_storms(data)
    assert storms.track_id.unique().tolist() == ["S001"]
    assert len(storms) == 20 - missing


def test_a_storm_comes_in_over_the_edge_and_goes_out():
    times = pd.date_range(START, periods=16, freq="6h")
    vortex = Vortex(eastward=-12.0, northward=0.0)
    truth = straight(times, 25.0, 144.0, vortex)
    storms = find_storms(fields([(vortex, truth)], times, region=Region(40.0, 12.0, 118.0, 142.0)))
    inside = truth[(truth.lon <= 141.0) & (truth.lon >= 119.0)]
    assert 4 < len(inside) < len(times)
    assert identify(storms, inside) == "S001"
    assert set(storms.track_id) == {"S001"}


@pytest.mark.parametrize("westward", [-1.0, 1.0])
def test_a_storm_crosses_the_seam_of_a_global_grid(westward):
    times = pd.date_range(START, periods=6, freq="6h")
    vortex = Vortex(eastward=westward * 10.0, northward=0.0)
    truth = straight(times, -18.0, -westward * 4.5, vortex)
    globe = Region(0.0, -36.0, 0.0, 359.5, step=0.5)
    storms = find_storms(fields([(vortex, truth)], times, region=globe, gradient=(0.0, 0.0)))
    assert storms.track_id.unique().tolist() == ["S001"]
    assert len(storms) == 6
    assert storms.lon.between(0, 360, inclusive="left").all()
    assert identify(storms, truth) == "S001"


def test_a_low_first_seen_in_the_westerlies_is_not_tropical():
    times = pd.date_range(START, periods=5, freq="6h")
    vortex = Vortex(3000.0, 200.0, "fujita", eastward=10.0, northward=0.0)
    region = Region(56.0, 24.0, 145.0, 177.0)
    data = fields([(vortex, straight(times, 46.0, 153.0, vortex))], times, region=region)
    assert find_storms(data).empty
    assert len(find_storms(data, settings=Settings(max_birth_latitude=90.0))) == 5


def test_a_short_life_is_left_out():
    times = pd.date_range(START, periods=8, freq="3h")
    vortex = Vortex()
    data = fields([(vortex, straight(times, 22.0, 126.0, vortex).iloc[:4])], times)
    assert find_storms(data).empty
    assert len(find_storms(data, settings=Settings(min_life=6.0))) == 4


def test_link_follows_motion_through_a_crossing_and_is_independent_of_row_order():
    times = pd.date_range(START, periods=9, freq="6h")
    lat, lon = destination(20.0, 120.0, 60.0, 150.0 * np.arange(9))
    lat2, lon2 = destination(27.0, 120.0, 110.0, 150.0 * np.arange(9))
    fixes = pd.DataFrame(
        {"time": [*times, *times], "lat": [*lat, *lat2], "lon": [*lon, *lon2], "truth": ["a"] * 9 + ["b"] * 9}
    )
    linked = link(fixes)
    assert linked.groupby("track_id").truth.nunique().tolist() == [1, 1]
    assert linked.groupby("track_id").size().tolist() == [9, 9]
    shuffled = link(fixes.sample(frac=1.0, random_state=5))
    pd.testing.assert_frame_equal(linked, shuffled)


def test_a_storm_does_not_inherit_the_name_of_one_that_died_ahead_of_it():
    times = pd.date_range(START, periods=6, freq="12h")
    lat, lon = destination(20.0, 140.0, 270.0, 450.0 * np.arange(8))
    ahead = pd.DataFrame({"time": times[:3], "lat": lat[1:4], "lon": lon[1:4], "truth": "ahead"})
    behind = pd.DataFrame({"time": times, "lat": lat[:6], "lon": lon[:6], "truth": "behind"})
    linked = link(pd.concat([ahead, behind]))
    assert linked.groupby("truth").track_id.unique().str.len().tolist() == [1, 1]
    assert sorted(linked.groupby("track_id").size()) == [3, 6]


def test_link_says_which_column_is_missing():
    with pytest.raises(InputError, match="need the column lon"):
        link(pd.DataFrame({"time": [START], "lat": [20.0]}))
