"""The adjusted forecast: starts where the storm was observed, keeps its own motion, and sees nothing later."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typhoon_tracker import track
from typhoon_tracker.geo import sphere
from typhoon_tracker.verify.adjusted import adjusted

INIT = pd.Timestamp("2023-05-27T00")


def best(lat=18.0, lon=128.0):
    hours = np.arange(-24, 25, 6)
    return track.create(
        track_id="A", time=INIT + pd.to_timedelta(hours, unit="h"), lat=lat + 0.02 * hours, lon=lon - 0.03 * hours
    )


def analysed(lat, lon):
    return track.create(track_id="A", time=[INIT], lat=[lat], lon=[lon])


def forecast(lat, lon, init=INIT):
    lead = pd.Timedelta(hours=6)
    return pd.DataFrame({"init_time": [init], "lead_time": [lead], "time": [init + lead], "lat": [lat], "lon": [lon]})


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(5.0, 55.0))
def test_a_forecast_that_stands_still_ends_at_the_observed_start(south, east, lat):
    """A perfect model of a resting storm in a displaced analysis is adjusted to no error."""
    found = adjusted(forecast(lat + south, 128 + east), best(lat), analysed(lat + south, 128 + east))
    assert sphere.distance(found["lat"], found["lon"], lat, 128.0)[0] < 0.1


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_displacement_of_the_analysis_and_the_forecast_alike_does_no_harm(south, east):
    plain = adjusted(forecast(18.6, 127.2), best(), analysed(18.0, 128.0))
    moved = adjusted(forecast(18.6 + south, 127.2 + east), best(), analysed(18.0 + south, 128.0 + east))
    assert sphere.distance(*plain[["lat", "lon"]].iloc[0], *moved[["lat", "lon"]].iloc[0]) < 4.0
    np.testing.assert_allclose(plain[["lat", "lon"]].iloc[0], [18.6, 127.2], atol=1e-6)


def test_without_an_analysed_fix_at_the_init_time_the_forecast_stays():
    before = analysed(18.0, 128.0).assign(time=INIT - pd.Timedelta(hours=1))
    found = adjusted(forecast(19.0, 127.0), best(), before)
    np.testing.assert_allclose(found[["lat", "lon"]].iloc[0], [19.0, 127.0])


def test_a_lost_storm_stays_lost():
    assert adjusted(forecast(np.nan, np.nan), best(), analysed(18.2, 128.1))["lat"].isna().all()


@pytest.mark.parametrize("hours", [0, 3])
def test_nothing_after_the_init_time_is_used(hours):
    init = INIT + pd.Timedelta(hours=hours)
    fixes, own = forecast(19.0, 127.0, init), analysed(18.2, 128.1).assign(time=init)
    whole = best()
    later = whole.assign(lat=whole["lat"].where(whole["time"] <= init, 40.0))
    pd.testing.assert_frame_equal(adjusted(fixes, whole, own), adjusted(fixes, later, own))
