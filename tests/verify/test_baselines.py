"""Persistence and standing still: exact where the storm is simple, blind to what comes later."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verify.storms import START, best_track, straight
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo import sphere
from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.verify.baselines import persistence, stationary
from typhoon_tracker.verify.errors import cases, score

HOUR = pd.Timedelta(hours=1)


@given(
    lat=st.floats(5, 40),
    lon=st.floats(0, 359),
    heading=st.floats(0, 359),
    step=st.floats(0, 250),
    lead=st.integers(1, 24),
)
@settings(max_examples=40, deadline=None)
def test_persistence_is_exact_for_a_storm_on_a_great_circle(lat, lon, heading, step, lead):
    storm = straight(lat=lat, lon=lon, heading=heading, step=step, fixes=5)
    forecast = persistence(storm, [START + 12 * HOUR], lead * HOUR)
    truth = sphere.destination(lat, lon, heading, step * (12 + lead) / 6)
    assert sphere.distance(*truth, forecast["lat"], forecast["lon"])[0] < 1e-3
    assert forecast["time"].iloc[0] == START + (12 + lead) * HOUR


def test_an_init_time_between_two_fixes_carries_on_from_the_earlier_one():
    storm = straight(step=60.0)
    between = persistence(storm, [START + 15 * HOUR], "6h")
    on_the_fix = persistence(storm, [START + 12 * HOUR], "9h")
    assert between[["lat", "lon"]].to_numpy() == pytest.approx(on_the_fix[["lat", "lon"]].to_numpy())


@given(changes=st.lists(st.floats(-5, 5), min_size=4, max_size=4), after=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_nothing_after_the_init_time_moves_a_baseline(changes, after):
    storm = straight(fixes=8)
    init = START + (18 + after) * HOUR  # fixes 0 to 3 are known
    later = storm.copy()
    later.loc[4:, "lat"] += changes
    cut = storm.iloc[:4]
    for method in (persistence, stationary):
        forecast = method(storm, [init], "12h")
        pd.testing.assert_frame_equal(forecast, method(later, [init], "12h"))
        pd.testing.assert_frame_equal(forecast, method(cut, [init], "12h"))


def test_fixes_that_the_agency_interpolated_give_nothing_away():
    storm = straight(fixes=6)
    midway = best_track([50.0], [100.0], start=START + 15 * HOUR).assign(original=False)
    mixed = pd.concat([storm, midway], ignore_index=True)
    init = [START + 15 * HOUR]
    pd.testing.assert_frame_equal(persistence(mixed, init, "6h"), persistence(storm, init, "6h"))


def test_a_single_fix_stands_still_and_before_it_there_is_no_forecast():
    storm = straight(lat=15.0, lon=140.0)
    forecast = persistence(storm, [START - 6 * HOUR, START], "12h")
    assert np.isnan(forecast["lat"].iloc[0])
    assert np.isnan(forecast["lon"].iloc[0])
    assert (forecast["lat"].iloc[1], forecast["lon"].iloc[1]) == pytest.approx((15.0, 140.0))


def test_a_storm_that_stops_tells_six_hours_of_history_from_twelve():
    storm = best_track([10.0, 11.0, 11.0], [130.0, 130.0, 130.0])
    init = [START + 12 * HOUR]
    assert persistence(storm, init, "6h")["lat"].iloc[0] == pytest.approx(11.0)
    assert persistence(storm, init, "6h", history=12.0)["lat"].iloc[0] == pytest.approx(11.5, abs=1e-6)


def test_a_stationary_forecast_is_the_last_fix_and_keeps_longitudes_past_180():
    storm = best_track([10.0, 10.0, 10.0], [179.0, 180.5, 182.0])
    assert stationary(storm, [START + 7 * HOUR], "24h")["lon"].iloc[0] == 180.5
    assert persistence(storm, [START + 6 * HOUR], "6h")["lon"].iloc[0] == pytest.approx(182.0, abs=0.01)


def test_two_storms_are_refused():
    with pytest.raises(InputError, match="2 storms"):
        persistence(pd.concat([straight(), straight(storm="OTHER")]), [START], "6h")


def test_six_hours_of_history_persist_better_than_twelve_on_real_storms(real_storms):
    strong = real_storms[real_storms["season"].between(2017, 2018)]
    errors: dict[float, list] = {6.0: [], 12.0: []}
    for _, storm in strong.groupby("track_id"):
        inits = pd.DatetimeIndex(storm["time"])
        scored = inits[cases(storm, PAPER_REGION, inits, "12h")["scored"].to_numpy()]
        for history, collected in errors.items():
            collected.append(score(persistence(storm, scored, "12h", history=history), storm)["error_km"])
    means = {history: pd.concat(collected).mean() for history, collected in errors.items()}
    assert means[6.0] < 0.95 * means[12.0]


def test_no_forecast_wanted_is_an_empty_table():
    storm = straight()
    assert score(persistence(storm, storm["time"].iloc[:0], "6h"), storm).empty
