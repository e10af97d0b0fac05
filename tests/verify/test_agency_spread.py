"""Two agencies' positions at the same times: the truth's own uncertainty."""

import numpy as np
import pytest

from tests.verify.storms import straight
from typhoon_tracker.besttrack import ibtracs
from typhoon_tracker.besttrack.agencies import BestTracks
from typhoon_tracker.errors import InputError
from typhoon_tracker.verify.agency_spread import CLASSES, summary, together

FIRST = straight(fixes=8, wind=[10, 17.2, 24.5, 32.7, 43.7, 54, 60, np.nan])


def tracks(table, agency="wmo"):
    return BestTracks(table, agency, agency)


def test_the_distance_is_that_between_the_two_and_the_class_is_the_first_s():
    second = FIRST.assign(lat=FIRST["lat"] + 0.1, msl=FIRST["msl"] - 500, wind=99.0)
    pairs = together(tracks(FIRST), tracks(second, "jtwc"))
    assert pairs["apart_km"].tolist() == pytest.approx([11.12] * 8, abs=0.01)
    assert pairs["msl_apart"].tolist() == [-500] * 8
    assert pairs["class"].tolist() == [name for name, _ in CLASSES] + ["violent", "TD"]
    rows = summary(pairs, draws=10)
    assert rows.loc["all", ["n", "storms"]].tolist() == [8, 1]
    assert rows.loc["TS+", "n"] == 6
    assert rows.loc["violent", "mean"] == pytest.approx(11.12, abs=0.01)


def test_only_original_fixes_of_one_time_and_storm_are_compared():
    second = FIRST.iloc[2:].assign(original=[True, False, True, True, True, True])
    assert len(together(tracks(FIRST), tracks(second))) == 5
    with pytest.raises(InputError, match="no fix of a storm at one time in the seasons 2024 to 2024"):
        together(tracks(FIRST), tracks(second), seasons=(2024, 2024))
    with pytest.raises(InputError, match="no fix of a storm"):
        together(tracks(FIRST), tracks(second.assign(track_id="OTHER")))


def test_a_class_without_a_fix_has_no_mean():
    weak = FIRST.assign(wind=20.0)
    rows = summary(together(tracks(weak), tracks(weak)), draws=10)
    assert rows.loc["TY", "n"] == 0
    assert np.isnan(rows.loc["TY", "mean"])
    assert rows.loc["TS", "mean"] == 0


def test_agencies_agree_better_on_strong_storms():
    pairs = together(ibtracs.load("jma"), ibtracs.load("jtwc"), seasons=(2020, 2024))
    mean = summary(pairs, draws=100)["mean"]
    assert mean["TD"] > mean["TS"] > mean["TY"] > mean["violent"]
    assert 10 < mean["TS+"] < 25  # km
