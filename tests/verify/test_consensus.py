"""The consensus: half-way between two forecasts, never worse than the worse of them, lost where the first is."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from typhoon_tracker.geo import sphere
from typhoon_tracker.verify.consensus import midpoint

INIT, LEAD = pd.Timestamp("2023-05-26"), pd.Timedelta("6h")
latitudes, longitudes = st.floats(0.0, 50.0), st.floats(100.0, 179.0)


def forecast(lat: float, lon: float) -> pd.DataFrame:
    return pd.DataFrame({"init_time": [INIT], "lead_time": [LEAD], "lat": [lat], "lon": [lon]})


@given(latitudes, longitudes, st.floats(-3, 3), st.floats(-3, 3))
def test_it_is_as_far_from_one_as_from_the_other_and_on_the_way(lat, lon, north, east):
    found = midpoint(forecast(lat, lon), forecast(lat + north, lon + east)).iloc[0]
    whole = sphere.distance(lat, lon, lat + north, lon + east)
    for there in ((lat, lon), (lat + north, lon + east)):
        np.testing.assert_allclose(sphere.distance(found["lat"], found["lon"], *there), whole / 2, atol=1e-3)


@given(latitudes, longitudes, st.floats(-3, 3), st.floats(-3, 3))
def test_its_error_is_never_beyond_the_mean_of_theirs(lat, lon, north, east):
    truth = lat + 0.5, lon - 0.7
    found = midpoint(forecast(lat, lon), forecast(lat + north, lon + east)).iloc[0]
    errors = [sphere.distance(*truth, *there) for there in ((lat, lon), (lat + north, lon + east))]
    assert sphere.distance(*truth, found["lat"], found["lon"]) <= np.mean(errors) + 1e-3


def test_it_is_lost_where_the_first_is_lost_and_has_only_cases_of_both():
    assert midpoint(forecast(np.nan, np.nan), forecast(20.0, 130.0))["lat"].isna().all()
    later = forecast(20.0, 130.0).assign(lead_time=2 * LEAD)
    assert midpoint(forecast(20.0, 130.0), later).empty
