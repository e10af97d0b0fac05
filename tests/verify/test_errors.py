"""Track errors of known geometry, and which forecasts are scored."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verify.storms import START, best_track, straight
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo import sphere
from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.verify.baselines import persistence
from typhoon_tracker.verify.errors import analysis, cases, score

HOUR = pd.Timedelta(hours=1)
DEGREE_KM = np.pi * sphere.EARTH_RADIUS_KM / 180
# Due north along 130E, half a degree in six hours.
NORTHWARD = best_track(15.0 + 0.5 * np.arange(10), np.full(10, 130.0))


def forecast(lat, lon, *, lead=12, init=START, **columns) -> pd.DataFrame:
    lat = np.atleast_1d(lat)
    inits = [init + 6 * HOUR * k for k in range(len(lat))]
    return pd.DataFrame({"init_time": inits, "lead_time": lead * HOUR, "lat": lat, "lon": lon, **columns})


def test_one_degree_north_of_a_northward_storm_is_111_km_ahead():
    row = score(forecast(17.0, 130.0), NORTHWARD).iloc[0]
    assert row["error_km"] == pytest.approx(111.2, abs=0.05)
    assert row["along_km"] == pytest.approx(DEGREE_KM)
    assert row["cross_km"] == pytest.approx(0.0, abs=1e-6)
    assert row["time"] == START + 12 * HOUR
    assert (row["truth_lat"], row["truth_lon"]) == pytest.approx((16.0, 130.0))
    assert row["track_id"] == "STORM"


def test_east_of_a_northward_storm_is_to_its_right():
    row = score(forecast(16.0, 131.0), NORTHWARD).iloc[0]
    assert row["cross_km"] == pytest.approx(DEGREE_KM * np.cos(np.radians(16.0)), rel=1e-3)
    assert abs(row["along_km"]) < 1.0


@given(north=st.floats(-3, 3), east=st.floats(-3, 3))
@settings(max_examples=25, deadline=None)
def test_along_and_cross_track_make_up_the_error(north, east):
    row = score(forecast(16.0 + north, 130.0 + east), NORTHWARD).iloc[0]
    assert np.hypot(row["along_km"], row["cross_km"]) == pytest.approx(row["error_km"], abs=1e-6)


def test_a_perfect_forecast_has_no_error_in_either_spelling_of_longitude():
    storm = best_track([10.0, 10.0, 10.0], [179.0, 180.0, 181.0])
    for lon in (181.0, -179.0):
        assert score(forecast(10.0, lon), storm)["error_km"].iloc[0] == pytest.approx(0.0, abs=1e-6)


def test_a_lost_forecast_keeps_its_row():
    rows = score(forecast([17.0, np.nan, 17.0], [130.0, np.nan, 130.0]), NORTHWARD)
    assert len(rows) == 3
    assert rows["error_km"].isna().tolist() == [False, True, False]
    assert rows["truth_lat"].notna().all()


def test_a_truth_between_two_fixes_is_marked_and_one_beyond_the_last_is_unknown():
    rows = score(pd.concat([forecast(16.0, 130.0, lead=lead) for lead in (3, 6, 300)], ignore_index=True), NORTHWARD)
    assert rows["interpolated"].tolist() == [True, False, False]
    assert rows["truth_lat"].iloc[0] == pytest.approx(15.25, abs=0.01)
    assert np.isnan(rows["truth_lat"].iloc[2])
    assert np.isnan(rows["error_km"].iloc[2])


def test_intensity_errors_are_forecast_minus_truth():
    row = score(forecast(16.0, 130.0, msl=97000.0, wind=35.0), NORTHWARD).iloc[0]
    assert (row["msl_error"], row["wind_error"], row["truth_wind"]) == pytest.approx((-1000.0, 5.0, 30.0))


def test_a_forecast_is_measured_against_the_trackers_own_fix_too():
    analysed = best_track(15.3 + 0.5 * np.arange(10), np.full(10, 130.0))
    row = score(forecast(16.3, 130.0), NORTHWARD, analysed=analysed).iloc[0]
    assert row["analysis_km"] == pytest.approx(0.0, abs=1e-6)
    assert row["error_km"] == pytest.approx(0.3 * DEGREE_KM)


def test_the_analysis_error_is_that_of_the_analysed_fix_at_the_valid_time():
    analysed = best_track(15.2 + 0.5 * np.arange(3), np.full(3, 130.0))
    expected = forecast([0.0, 0.0], [0.0, 0.0])
    rows = analysis(expected, NORTHWARD, analysed)
    assert rows["method"].unique() == ["analysis"]
    assert rows["error_km"].iloc[0] == pytest.approx(0.2 * DEGREE_KM)
    assert np.isnan(rows["error_km"].iloc[1])  # the tracker had no fix then: lost


def test_persistence_of_a_straight_storm_scores_zero():
    storm = straight()
    rows = score(persistence(storm, storm["time"].iloc[1:-2], "12h"), storm, method="persistence")
    assert rows["error_km"].max() < 1e-3
    assert len(rows) == len(storm) - 3


def test_two_rows_for_one_forecast_and_two_storms_are_refused():
    with pytest.raises(InputError, match="two forecasts start at 2023-08-01"):
        score(pd.concat([forecast(16.0, 130.0)] * 2), NORTHWARD)
    with pytest.raises(InputError, match="2 storms"):
        score(forecast(16.0, 130.0), pd.concat([NORTHWARD, straight(storm="OTHER")]))


def test_each_forecast_that_is_not_scored_says_why():
    #              outside  inside  inside  inside  weak  unknown  inside  left
    lon = np.array([111.0 - 0.5, 112.0, 113.0, 114.0, 115.0, 116.0, 117.0, 142.0])
    wind = [30.0, 30.0, 30.0, 17.2, 17.1, np.nan, 30.0, 30.0]
    storm = best_track(np.full(8, 20.0), lon, wind=wind)
    judged = cases(storm, PAPER_REGION, storm["time"], "6h")
    assert judged["reason"].tolist() == [
        "outside the region",
        "",
        "",
        "weaker than 17.2 m/s",
        "weaker than 17.2 m/s",
        "weaker than 17.2 m/s",
        "left the region",
        "no best track",
    ]
    assert judged["scored"].tolist() == [reason == "" for reason in judged["reason"]]
    assert (judged["time"] - judged["init_time"] == 6 * HOUR).all()


@given(north=st.floats(-3, 3), east=st.floats(-3, 3))
@settings(max_examples=25, deadline=None)
def test_on_the_ellipsoid_distances_are_pyproj_s_and_the_components_still_make_them_up(north, east):
    pyproj = pytest.importorskip("pyproj")
    made = forecast(16.0 + north, 130.0 + east)
    row, on_sphere = (score(made, NORTHWARD, analysed=NORTHWARD, ellipsoid=e).iloc[0] for e in (True, False))
    metres = pyproj.Geod(ellps="WGS84").inv(130.0, 16.0, 130.0 + east, 16.0 + north)[2]
    assert row["error_km"] == pytest.approx(metres / 1000, abs=1e-6)
    assert row["analysis_km"] == pytest.approx(metres / 1000, abs=1e-6)
    assert np.hypot(row["along_km"], row["cross_km"]) == pytest.approx(row["error_km"], abs=1e-6)
    assert row["error_km"] == pytest.approx(on_sphere["error_km"], rel=0.007, abs=1e-6)


def test_a_degree_of_latitude_is_shorter_on_the_ellipsoid_in_the_tropics():
    row = score(forecast(17.0, 130.0), NORTHWARD, ellipsoid=True).iloc[0]
    assert row["along_km"] == pytest.approx(110.66, abs=0.02)
    assert row["along_km"] < DEGREE_KM
