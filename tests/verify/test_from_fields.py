"""The past as the fields tell it: the tracker's fixes where it has them, the best track elsewhere and otherwise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from typhoon_tracker import track
from typhoon_tracker.besttrack import shipped
from typhoon_tracker.verify.cliper import Cliper
from typhoon_tracker.verify.from_fields import as_analysed

START = pd.Timestamp("2023-05-27T00")
HOURS = np.arange(0, 49, 6)


def best(lon=128.0):
    return track.create(
        track_id="A",
        time=START + pd.to_timedelta(HOURS, unit="h"),
        lat=18.0 + 0.02 * HOURS,
        lon=lon - 0.03 * HOURS,
        wind=np.full(len(HOURS), 30.0),
    ).assign(original=True, season=2023)


def fixes(hours, lat, lon):
    return track.create(track_id="x", time=START + pd.to_timedelta(hours, unit="h"), lat=lat, lon=lon)


@given(st.lists(st.integers(0, 60), unique=True, min_size=1), st.floats(-0.5, 0.5), st.floats(-2.0, 2.0))
def test_fixes_take_the_place_of_positions_at_their_own_time_alone(hours, south, east):
    hours = np.sort(hours)
    found = as_analysed(best(), fixes(hours, 18.0 + 0.02 * hours + south, 128.0 - 0.03 * hours + east))
    here = np.isin(HOURS, hours)
    np.testing.assert_allclose(found["lat"] - best()["lat"], np.where(here, south, 0.0), atol=1e-9)
    np.testing.assert_allclose(found["lon"] - best()["lon"], np.where(here, east, 0.0), atol=1e-9)
    pd.testing.assert_frame_equal(found.drop(columns=["lat", "lon"]), best().drop(columns=["lat", "lon"]))


def test_a_storm_never_seen_keeps_its_best_track():
    nothing = track.create(track_id=[], time=[], lat=[], lon=[])
    pd.testing.assert_frame_equal(as_analysed(best(), nothing), best())


def test_perfect_fixes_give_the_regression_on_the_best_track_and_later_ones_change_nothing():
    regression = Cliper.fit(shipped.load().table, lead="6h")
    inits = [START + pd.Timedelta("24h")]
    plain = regression.predict(best(), inits)
    perfect = fixes(HOURS, 18.0 + 0.02 * HOURS, 128.0 - 0.03 * HOURS)
    same = regression.predict(as_analysed(best(), perfect), inits)
    np.testing.assert_allclose(same[["lat", "lon"]], plain[["lat", "lon"]], atol=1e-9)
    later = fixes(HOURS[HOURS > 24], 25.0, 120.0)
    same = regression.predict(as_analysed(best(), later), inits)
    np.testing.assert_allclose(same[["lat", "lon"]], plain[["lat", "lon"]], atol=1e-9)
