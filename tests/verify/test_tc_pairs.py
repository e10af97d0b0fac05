"""MET's errors on closed cases: its plane, its units, its headings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verify.storms import START, best_track
from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.verify.errors import score
from typhoon_tracker.verify.tc_pairs import tc_pairs, write_tcst

HOUR = pd.Timedelta(hours=1)
NORTHWARD = best_track(15.0 + 0.5 * np.arange(6), np.full(6, 130.0))


def forecast(lat, lon, **columns) -> pd.DataFrame:
    """One forecast from the start, six hours from fix to fix, the first at 0 h."""
    lead = 6 * HOUR * np.arange(len(lat))
    return track.create(
        track_id="STORM", time=START + lead, lat=lat, lon=lon, init_time=START, lead_time=lead, **columns
    )


def test_a_degree_ahead_is_sixty_nautical_miles_of_track_error():
    pairs = tc_pairs(forecast([16.0, 16.5, 17.0], [130.0] * 3), NORTHWARD)
    assert pairs["TK_ERR"].tolist() == pytest.approx([60.0] * 3)
    assert pairs["Y_ERR"].tolist() == pytest.approx([60.0] * 3)
    assert pairs["ALTK_ERR"].tolist() == pytest.approx([111.1 / 1.852] * 3)  # not 60: NHC's routine has its own degree
    assert pairs["CRTK_ERR"].abs().max() < 1e-9
    assert pairs["LEAD"].tolist() == [0 * HOUR, 6 * HOUR, 12 * HOUR]
    assert pairs[["TOTAL", "INDEX"]].to_numpy().tolist() == [[3, 1], [3, 2], [3, 3]]


def test_east_of_a_northward_storm_is_to_its_right_by_the_cosine_of_the_mean_latitude():
    pairs = tc_pairs(forecast([15.0, 16.5], [131.0, 131.0]), NORTHWARD)
    assert pairs["X_ERR"].tolist() == pytest.approx(60 * np.cos(np.radians([15.0, 16.0])))
    assert pairs["CRTK_ERR"].tolist() == pytest.approx(
        [111.1 / 1.852 * np.cos(np.radians(15.0)), 111.1 / 1.852 * np.cos(np.radians(16.0))]
    )
    assert pairs["ALTK_ERR"].iloc[0] == pytest.approx(0.0, abs=1e-9)
    assert pairs["ALTK_ERR"].iloc[1] == pytest.approx(111.1 / 1.852)


@given(
    north=st.floats(-2, 2),
    east=st.floats(-2, 2),
    heading=st.floats(0, 360),
    lon=st.floats(0, 359),
    lat=st.floats(-40, 40),
)
@settings(max_examples=20, deadline=None)
def test_components_make_up_the_error_and_agree_with_the_sphere(north, east, heading, lon, lat):
    step = 0.6 * np.array([np.cos(np.radians(heading)), np.sin(np.radians(heading))])
    lats, lons = lat + step[0] * np.arange(4), lon + step[1] * np.arange(4)
    best = best_track(lats, lons)
    made = forecast(lats + north, lons + east)
    row = tc_pairs(made, best).iloc[-1]
    assert np.hypot(row["ALTK_ERR"], row["CRTK_ERR"]) == pytest.approx(row["TK_ERR"] * 111.1 / 111.12, abs=1e-6)
    sphere = score(made.iloc[[-1]], best).iloc[0]
    assert row["TK_ERR"] * 1.852 == pytest.approx(sphere["error_km"], rel=0.003, abs=0.05)
    assert row["ALTK_ERR"] * 1.852 == pytest.approx(sphere["along_km"], abs=0.05 * sphere["error_km"] + 0.1)
    assert row["CRTK_ERR"] * 1.852 == pytest.approx(sphere["cross_km"], abs=0.05 * sphere["error_km"] + 0.1)


def test_the_first_pair_takes_the_second_s_heading_and_a_pair_alone_has_none():
    turning = best_track([15.0, 15.0, 16.0], [130.0, 131.0, 131.0])  # east, then north
    pairs = tc_pairs(forecast([15.5, 15.5, 16.5], [130.0, 131.0, 131.0]), turning)
    half = 0.5 * 111.1 / 1.852  # north is left of a storm that moves east
    assert pairs["CRTK_ERR"].tolist() == pytest.approx([-half, -half, 0.0])
    assert pairs["ALTK_ERR"].iloc[2] > 0
    alone = tc_pairs(forecast([15.5, np.nan, np.nan], [130.0, np.nan, np.nan]), turning)
    assert alone["TK_ERR"].iloc[0] == pytest.approx(30.0)
    assert np.isnan(alone["ALTK_ERR"].iloc[0])


def test_a_storm_that_stops_keeps_its_heading_and_one_that_never_moves_heads_north():
    stopped = best_track([15.0, 15.0, 15.0], [130.0, 131.0, 131.0])
    pairs = tc_pairs(forecast([15.5, 15.5, 15.5], [130.0, 131.0, 131.0]), stopped)
    assert (pairs["CRTK_ERR"] < -29).all()
    still = best_track([15.0] * 3, [130.0] * 3)
    north = tc_pairs(forecast([15.5] * 3, [130.0] * 3), still)
    assert north["ALTK_ERR"].tolist() == pytest.approx([0.5 * 111.1 / 1.852] * 3)


def test_the_date_line_is_no_distance():
    best = best_track([10.0, 10.0, 10.0], [179.0, 180.0, 181.0])
    pairs = tc_pairs(forecast([10.0] * 3, [-180.5, -179.5, -178.5]), best)
    assert pairs["TK_ERR"].tolist() == pytest.approx([0.5 * 60 * np.cos(np.radians(10))] * 3)
    assert (pairs["ALTK_ERR"] > 0).all()
    assert pairs["BLON"].tolist() == [179.0, -180.0, -179.0]


def test_only_original_synoptic_fixes_pair_and_each_init_time_is_a_track():
    hourly = best_track(15.0 + 0.1 * np.arange(13), np.full(13, 130.0), hours=1.0)
    hourly["original"] = hourly["time"].dt.hour % 6 == 0
    lead = HOUR * np.arange(13)
    one = track.create(track_id="S", time=START + lead, lat=15.0, lon=130.0, init_time=START, lead_time=lead)
    later = one.assign(init_time=START + 6 * HOUR, time=one["time"] + 6 * HOUR)
    pairs = tc_pairs(pd.concat([one, later], ignore_index=True), hourly)
    assert pairs["VALID"].dt.hour.tolist() == [0, 6, 12, 6, 12]
    assert pairs["TOTAL"].tolist() == [3, 3, 3, 2, 2]


def test_intensities_are_in_hectopascal_and_knots_and_the_file_goes_by_name(tmp_path):
    made = forecast([16.0, 16.5], [130.0, 130.0], wind=[1852 / 3600 * 40, np.nan], msl=[99000.0, 98500.0])
    pairs = tc_pairs(made, NORTHWARD, model="M2NT", storm_id="WP022023")
    assert pairs["AMAX_WIND"].iloc[0] == pytest.approx(40)
    assert (pairs["AMSLP"].iloc[0], pairs["BMSLP"].iloc[0]) == (990, 980)
    again = pd.read_csv(write_tcst(pairs, tmp_path / "out.tcst"), sep=r"\s+", dtype={"LEAD": str}, na_values="NA")
    assert again["LEAD"].tolist() == ["000000", "060000"]
    assert again["INIT"].iloc[0] == "20230801_000000"
    assert again["TK_ERR"].tolist() == pytest.approx(pairs["TK_ERR"].tolist(), abs=1e-5)
    assert np.isnan(again["AMAX_WIND"].iloc[1])
    assert set(again["STORM_ID"]) == {"WP022023"}


def test_two_storms_and_two_fixes_at_once_are_refused_and_none_is_an_empty_table():
    made = forecast([16.0, 16.5], [130.0, 130.0])
    with pytest.raises(InputError, match="2 storms"):
        tc_pairs(made, pd.concat([NORTHWARD, NORTHWARD.assign(track_id="OTHER")]))
    with pytest.raises(InputError, match="two fixes are forecast"):
        tc_pairs(pd.concat([made, made]), NORTHWARD)
    assert tc_pairs(made.assign(lat=np.nan), NORTHWARD).empty
