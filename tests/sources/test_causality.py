"""The central rule: at an analysis time no field up to then depends on a fix after it, of any storm."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.reconstructed import REGION, SMALL, assert_same, difference, hours
from tests.verify.storms import START, best_track, straight
from typhoon_tracker.sources.reconstruction import HourlyTracks, Reconstruction


@pytest.mark.parametrize(
    "init",
    [
        "2023-05-25 00",  # MAWAR alone, at full strength
        "2023-06-03 12",  # MAWAR's own last fix
        "2023-07-30 06",  # DOKSURI has just ended, KHANUN lives
        "2023-08-30 18",  # SAOLA, HAIKUI and DAMREY
    ],
)
def test_real_storms_show_nothing_of_later_fixes(season, init):
    init = pd.Timestamp(init)
    times = hours(init - pd.Timedelta("17h"), init + pd.Timedelta("6h"))
    whole = Reconstruction(season, seed="MAWAR").open(times, REGION)
    known = Reconstruction(season[season["time"] <= init], seed="MAWAR").open(times, REGION)
    assert_same(whole.sel(time=slice(None, init)), known.sel(time=slice(None, init)))
    if init in season.loc[season["name"] != "MAWAR", "time"].to_numpy():
        assert difference(whole, known) > 0.1  # afterwards the truth does differ: the comparison can fail


def test_later_fixes_of_other_storms_show_no_more_than_the_storms_own(season):
    init = pd.Timestamp("2023-08-30 18")
    times = hours(init - pd.Timedelta("12h"), init)
    others = season[(season["name"] == "SAOLA") | (season["time"] <= init)]
    own = season[(season["name"] != "SAOLA") | (season["time"] <= init)]
    fields = [Reconstruction(best, seed="SAOLA").open(times, REGION) for best in (season, others, own)]
    assert_same(fields[0], fields[1])
    assert_same(fields[0], fields[2])


@st.composite
def seasons(draw):
    """Up to three storms near one another, fixes 3, 6 or 12 hours apart, starting at any third hour."""
    tracks = []
    for k in range(draw(st.integers(1, 3))):
        steps = draw(st.lists(st.sampled_from([3, 6, 6, 6, 12, 18]), min_size=4, max_size=8))
        n = len(steps) + 1
        moves = draw(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=n, max_size=n))
        start = START + pd.Timedelta(hours=3 * draw(st.integers(0, 8)))
        path = np.cumsum(moves, axis=0) + np.array([draw(st.floats(12, 25)), draw(st.floats(130, 140))])
        wind = draw(st.lists(st.one_of(st.just(np.nan), st.floats(10, 60)), min_size=n, max_size=n))
        track = best_track(path[:, 0], path[:, 1], storm=f"S{k}", wind=wind)
        tracks.append(track.assign(time=start + pd.to_timedelta([0, *np.cumsum(steps)], unit="h")))
    return pd.concat(tracks, ignore_index=True)


def settled(best, init):
    """Drop storms with a single fix so far: see the storm of one fix below."""
    fixes = best[best["time"] <= init].groupby("track_id").size()
    return best[~best["track_id"].isin(fixes[fixes == 1].index)]


@given(seasons(), st.integers(2, 16))
@settings(deadline=None, max_examples=25)
def test_any_storms_show_nothing_of_later_fixes(best, quarter):
    init = START + pd.Timedelta(hours=6 * quarter)
    best = settled(best, init)
    known = best[best["time"] <= init]
    if known.empty:
        return
    times = hours(init - pd.Timedelta("11h"), init)
    whole = Reconstruction(best, seed="X").open(times, SMALL)
    assert_same(whole, Reconstruction(known, seed="X").open(times, SMALL))


def test_a_storms_first_fix_does_not_tell_of_a_second():
    old, new = straight(lat=16.0, lon=138.0), straight(storm="NEW", lat=18.0, lon=135.0, fixes=4)
    best = pd.concat([old, new.assign(time=new["time"] + pd.Timedelta("24h"))], ignore_index=True)
    init = START + pd.Timedelta("24h")
    times = hours(init - pd.Timedelta("6h"), init)
    known = best[best["time"] <= init]
    assert_same(*(Reconstruction(table, seed="X").open(times, SMALL) for table in (best, known)))


def test_between_fixes_twelve_hours_apart_the_analysis_time_is_not_interpolated():
    """Fixes at 00Z and 12Z: at 06Z the storm drifts on and fades, whatever the fix at 12Z will say."""
    there = best_track([15.0, 16.0, 17.0], [136.0, 135.0, 134.0], hours=12.0)
    elsewhere = best_track([15.0, 16.0, 12.0], [136.0, 135.0, 139.0], hours=12.0)
    six = np.array([HourlyTracks.build(there).hour[0] + 18])
    states = [HourlyTracks.build(best).at(0, six)[0] for best in (there, elsewhere)]
    np.testing.assert_array_equal(*states)
    assert 0 < states[0][5] < 1
