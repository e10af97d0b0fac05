"""Following one storm through frames, from its own past."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracker.vortex import Vortex, fields, straight
from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.geo.sphere import destination, distance
from typhoon_tracker.tracker.follow import follow

START = pd.Timestamp("2023-05-25")
SIX_HOURLY = pd.date_range(START, periods=9, freq="6h")


def away(fixes: pd.DataFrame, truth: pd.DataFrame) -> np.ndarray:
    """Distances in km of the fixes to the truth of their times."""
    both = fixes.merge(truth[["time", "lat", "lon"]], on="time", suffixes=("", "_true"))
    assert len(both) == len(fixes)
    return distance(both.lat, both.lon, both.lat_true, both.lon_true)


@pytest.mark.parametrize(("step", "count"), [("15min", 8), ("1h", 13), ("6h", 9), ("12h", 5)])
@pytest.mark.parametrize("mass", ["msl", "vorticity"])
def test_a_moving_storm_is_followed_at_every_step(step, count, mass):
    vortex = Vortex(eastward=-6.0, northward=4.0)
    times = pd.date_range(START, periods=count, freq=step)
    truth = straight(times, 18.0, 134.0, vortex)
    fixes = follow(fields([(vortex, truth)], times), truth.iloc[:1], mass=mass)
    assert list(fixes.time) == list(times)
    assert set(fixes.track_id) == {"TEST"}
    assert away(fixes, truth).max() < 6.0
    track.validate(fixes)


def test_no_frame_sees_a_later_one():
    vortex = Vortex(eastward=-6.0, northward=4.0)
    truth = straight(SIX_HOURLY, 18.0, 134.0, vortex)
    data = fields([(vortex, truth)], SIX_HOURLY)
    whole, part = follow(data, truth.iloc[:1]), follow(data.isel(time=slice(0, 4)), truth.iloc[:1])
    pd.testing.assert_frame_equal(whole.iloc[:4], part)
    with pytest.raises(InputError, match="beyond the first frame"):
        follow(data, truth)


def test_a_fast_storm_is_found_where_its_past_points():
    vortex = Vortex(eastward=14.0, northward=7.0)
    times = pd.date_range(START, periods=5, freq="12h")
    truth = straight(times, 20.0, 113.0, vortex)
    data = fields([(vortex, truth)], times[2:])
    fixes = follow(data, truth.iloc[:2])
    assert len(fixes) == 3
    assert away(fixes, truth).max() < 8.0


@pytest.mark.parametrize("hours", [1, 6])
def test_a_deeper_storm_600_km_away_does_not_steal_the_track(hours):
    weak, deep = Vortex(1200.0, eastward=-5.0, northward=1.0), Vortex(5000.0, eastward=-5.0, northward=1.0)
    times = pd.date_range(START, periods=7, freq=f"{hours}h")
    truth = straight(times, 22.0, 128.0, weak)
    other = straight(times, *map(float, destination(22.0, 128.0, 60.0, 600.0)), deep)
    fixes = follow(fields([(weak, truth), (deep, other)], times), truth.iloc[:1])
    assert len(fixes) == len(times)
    assert away(fixes, truth).max() < 30.0


def test_each_of_a_binary_keeps_its_own_track():
    times = pd.date_range(START, periods=25, freq="1h")
    angle = 90.0 - 3.0 * np.arange(25)  # 350 km apart, circling their middle by 72 degrees
    one, other = Vortex(2500.0, 70.0), Vortex(3000.0, 70.0)
    tables = []
    for turn in (0.0, 180.0):
        lat, lon = destination(25.0, 126.0, angle + turn, 175.0)
        tables.append(pd.DataFrame({"track_id": "B", "time": times, "lat": lat, "lon": lon}))
    data = fields([(one, tables[0]), (other, tables[1])], times)
    for table in tables:
        fixes = follow(data, table.iloc[:1])
        assert len(fixes) == 25
        assert away(fixes, table).max() < 60.0


def test_a_stronger_storm_within_the_search_radius_does_not_steal_the_track():
    weak, strong = (
        Vortex(1500.0, 60.0, eastward=-5.0, northward=1.0),
        Vortex(4000.0, 60.0, eastward=-5.0, northward=1.0),
    )
    times = pd.date_range(START, periods=5, freq="12h")
    truth = straight(times, 22.0, 130.0, weak)
    other = straight(times, *map(float, destination(22.0, 130.0, 20.0, 340.0)), strong)
    fixes = follow(fields([(weak, truth), (strong, other)], times[2:]), truth.iloc[:2])
    assert len(fixes) == 3
    assert away(fixes, truth).max() < 30.0


@pytest.mark.parametrize("missing", range(1, 7))
def test_missing_frames_are_bridged(missing):
    vortex = Vortex(eastward=-6.0, northward=4.0)
    times = pd.date_range(START, periods=20, freq="3h")
    truth = straight(times, 15.0, 137.0, vortex)
    data = fields([(vortex, truth)], times)
    fixes = follow(data.drop_isel(time=range(8, 8 + missing)), truth.iloc[:1])
    assert len(fixes) == 20 - missing
    assert away(fixes, truth).max() < 6.0


def test_a_storm_that_leaves_the_region_is_not_fixed_on_its_edge():
    vortex = Vortex(eastward=-12.0, northward=0.0)
    times = pd.date_range(START, periods=12, freq="1h")
    truth = straight(times, 25.0, 113.4, vortex)
    fixes = follow(fields([(vortex, truth)], times), truth.iloc[:1])
    inside = truth[truth.lon >= 111.0]
    assert 0 < len(inside) < len(times)
    assert list(fixes.time) == list(inside.time)
    assert away(fixes, truth).max() < 15.0


def test_a_storm_that_is_gone_is_lost():
    vortex = Vortex()
    truth = straight(SIX_HOURLY, 20.0, 126.0, vortex)
    fixes = follow(fields([(vortex, truth.iloc[:4])], SIX_HOURLY), truth.iloc[:1])
    assert list(fixes.time) == list(SIX_HOURLY[:4])


def test_after_patience_only_an_advisory_brings_a_storm_back():
    vortex = Vortex(eastward=0.0, northward=0.0)
    times = pd.date_range(START, periods=13, freq="6h")
    truth = straight(times, 22.0, 126.0, vortex)
    seen = truth.drop(index=range(2, 8))  # out of sight for 42 hours, longer than patience
    data = fields([(vortex, seen)], times)
    assert len(follow(data, truth.iloc[:1])) == 2
    fresh = follow(data, truth.iloc[:1], reseed=truth.iloc[[10]])
    assert list(fresh.time) == [*times[:2], *times[10:]]
    stale = truth.iloc[[2]].assign(time=times[0] + pd.Timedelta(hours=13))
    assert len(follow(data, truth.iloc[:1], reseed=stale)) == 2


def test_an_advisory_corrects_a_track_that_followed_another_storm():
    vortex = Vortex(eastward=0.0, northward=0.0)
    truth = straight(SIX_HOURLY, 20.0, 130.0, vortex)
    other = straight(SIX_HOURLY, 30.0, 118.0, vortex)
    data = fields([(vortex, truth), (vortex, other)], SIX_HOURLY)
    fixes = follow(data, other.iloc[:1], reseed=truth.iloc[[5]])
    assert away(fixes.iloc[:5], other).max() < 15.0
    assert away(fixes.iloc[5:], truth).max() < 15.0
    assert len(fixes) == len(SIX_HOURLY)


def test_southern_hemisphere_and_mirror():
    vortex, mirrored = Vortex(eastward=-6.0, northward=4.0), Vortex(eastward=-6.0, northward=-4.0)
    north, south = Region(40.0, 8.0, 110.0, 142.0), Region(-8.0, -40.0, 110.0, 142.0)
    truth = straight(SIX_HOURLY, 18.0, 134.0, vortex)
    data = fields([(vortex, truth)], SIX_HOURLY, region=north)
    below = fields(
        [(mirrored, truth.assign(lat=-truth.lat))],
        SIX_HOURLY,
        region=south,
        gradient=(0.15, 0.2),
        flow=(-3.0, -2.0),
    )
    one = follow(data, truth.iloc[:1])
    two = follow(below, truth.assign(lat=-truth.lat).iloc[:1])
    assert len(one) == len(two) == len(SIX_HOURLY)
    np.testing.assert_allclose(two.lat, -one.lat, atol=0.01)
    np.testing.assert_allclose(two.lon, one.lon, atol=0.01)
    assert (one.vorticity > 0).all()
    assert (two.vorticity < 0).all()


@settings(max_examples=12, deadline=None)
@given(east=st.floats(-60, 60), dx=st.floats(-0.125, 0.125), dy=st.floats(-0.125, 0.125))
def test_a_shifted_grid_shifts_the_track(east, dx, dy):
    vortex = Vortex(eastward=-4.0, northward=3.0)
    times = SIX_HOURLY[:3]
    base = Region(40.0, 12.0, 112.0, 140.0)
    moved = Region(40.0 + dy, 12.0 + dy, 112.0 + dx + east, 140.0 + dx + east)
    truth = straight(times, 25.0, 126.0, vortex)
    there = truth.assign(lon=truth.lon + east)
    one = follow(fields([(vortex, truth)], times, region=base), truth.iloc[:1])
    two = follow(fields([(vortex, there)], times, region=moved), there.iloc[:1])
    assert len(one) == len(two) == 3
    assert distance(one.lat, one.lon + east, two.lat, two.lon).max() < 2.0


def test_a_past_that_names_no_single_storm_is_refused():
    vortex = Vortex()
    truth = straight(SIX_HOURLY, 20.0, 126.0, vortex)
    data = fields([(vortex, truth)], SIX_HOURLY)
    with pytest.raises(InputError, match="is empty"):
        follow(data, truth.iloc[:0])
    two = pd.concat([truth.iloc[:1], truth.iloc[:1].assign(track_id="OTHER")])
    with pytest.raises(InputError, match=r"several storms \(TEST, OTHER\)"):
        follow(data, two)
