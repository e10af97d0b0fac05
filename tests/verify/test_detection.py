"""Hits, misses and false alarms by the rule: one to one, one storm a track, no judgement on what is too weak."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verify.storms import START, best_track, straight
from typhoon_tracker import track
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.grid import PAPER_REGION, Region
from typhoon_tracker.verify.detection import Detection, judge

HOUR = pd.Timedelta(hours=1)
STORM = straight(lat=20.0, lon=130.0, heading=0.0, step=60.0, fixes=8)
TIMES = pd.DatetimeIndex(pd.date_range(START, periods=43, freq="h"))


def found(table: pd.DataFrame, name: str = "0", *, north: float = 0.0) -> pd.DataFrame:
    return track.create(track_id=name, time=table["time"], lat=table["lat"] + north, lon=table["lon"])


def verdict(tracks: list[pd.DataFrame], best: pd.DataFrame = STORM, **options: object) -> Detection:
    table = pd.concat(tracks, ignore_index=True) if tracks else found(STORM.iloc[:0])
    return judge(table, best, **{"times": TIMES, "draws": 50} | options)  # type: ignore[arg-type]


def counts(result: Detection) -> tuple[int, int, int]:
    return result.hits, result.misses, result.false_alarms


def test_a_storm_found_is_all_hits_and_its_distance_is_known():
    result = verdict([found(STORM, north=0.5)])
    assert counts(result) == (8, 0, 0)
    assert (result.pod, result.far, result.csi) == (1.0, 0.0, 1.0)
    assert (result.storms, result.storms_found, result.tracks, result.false_tracks, result.broken) == (1, 1, 1, 0, 0)
    assert result.mean_error == pytest.approx(55.6, abs=0.1)


def test_nothing_found_misses_everything():
    result = verdict([])
    assert counts(result) == (0, 8, 0)
    assert result.pod == 0.0
    assert np.isnan(result.far)
    assert np.isnan(result.mean_error)


def test_a_track_far_from_every_storm_is_false():
    away = found(STORM, "1", north=8.0)
    result = verdict([found(STORM), away])
    assert counts(result) == (8, 0, 8)
    assert result.far == 0.5
    assert (result.tracks, result.false_tracks) == (2, 1)


def test_two_tracks_on_one_storm_cannot_both_be_right():
    result = verdict([found(STORM), found(STORM, "1", north=1.0)])
    assert counts(result) == (8, 0, 8)
    assert set(result.found[result.found["verdict"] == "hit"]["track_id"]) == {"0"}


def test_a_storm_in_pieces_is_found_and_said_to_be_broken():
    result = verdict([found(STORM.iloc[:4]), found(STORM.iloc[4:], "1")])
    assert counts(result) == (8, 0, 0)
    assert (result.storms_found, result.broken) == (1, 1)


def test_a_track_that_jumps_to_another_storm_belongs_to_the_one_it_follows_longer():
    other = straight(lat=20.0, lon=136.0, heading=0.0, step=60.0, fixes=8, storm="OTHER")
    best = pd.concat([STORM, other], ignore_index=True)
    jumps = pd.concat([found(STORM.iloc[:5]), found(other.iloc[5:])], ignore_index=True)
    result = verdict([jumps], best)
    assert counts(result) == (5, 11, 3)
    assert (result.storms, result.storms_found) == (2, 1)


def test_a_weak_storm_need_not_be_found_and_may_be():
    weak = STORM.assign(wind=[10.0] * 4 + [30.0] * 4)
    assert counts(verdict([found(STORM)], weak)) == (4, 0, 0)
    assert verdict([found(STORM)], weak).neutral == 4
    assert counts(verdict([found(STORM.iloc[4:])], weak)) == (4, 0, 0)
    unknown = STORM.assign(wind=np.nan)
    assert verdict([found(STORM)], unknown).storms == 0
    assert np.isnan(verdict([found(STORM)], unknown).pod)


def test_what_is_near_the_region_s_edge_is_not_judged():
    region = Region(north=22.0, south=10.0, west=120.0, east=140.0)
    inside = (STORM["lat"] <= 21.0).sum()
    result = verdict([found(STORM)], region=region)
    assert counts(result) == (inside, 0, 0)
    lone = found(STORM, "1").assign(lat=21.5, lon=125.0)
    assert verdict([found(STORM), lone], region=region).false_alarms == 0


def test_frames_searched_in_vain_count_and_unsearched_do_not():
    half = verdict([found(STORM)], times=TIMES[:19])
    assert counts(half) == (4, 0, 0)
    assert counts(verdict([found(STORM.iloc[:4])])) == (4, 4, 0)
    with pytest.raises(InputError, match="none of the times searched"):
        verdict([found(STORM)], times=TIMES[1:5])


@given(swap=st.booleans(), apart=st.floats(2.0, 6.0), north=st.floats(-1.0, 1.0))
@settings(max_examples=25, deadline=None)
def test_two_storms_near_each_other_are_paired_one_to_one(swap, apart, north):
    """Nearest first would give both tracks one storm where they lie between two."""
    other = STORM.assign(track_id="OTHER", lon=STORM["lon"] + apart)
    tracks = [found(STORM, "a", north=north), found(other, "b", north=north)]
    result = verdict(tracks[::-1] if swap else tracks, pd.concat([STORM, other], ignore_index=True))
    assert counts(result) == (16, 0, 0)
    assert result.found.groupby("track_id")["storm"].unique().map(list).to_dict() == {"a": ["STORM"], "b": ["OTHER"]}


def test_hits_and_misses_make_up_what_was_wanted():
    rng = np.random.default_rng(0)
    scattered = found(STORM).assign(lat=STORM["lat"] + rng.normal(0, 2.5, len(STORM)))
    result = verdict([scattered], region=PAPER_REGION)
    assert result.hits + result.misses == result.truth["wanted"].sum()
    assert result.hits + result.false_alarms + result.neutral == len(result.found)


def test_the_interval_is_over_storms():
    best = pd.concat([best_track([20.0] * 3, [112.0 + 6 * k] * 3, storm=f"S{k}") for k in range(4)], ignore_index=True)
    result = verdict([found(best[best["track_id"] == f"S{k}"], str(k)) for k in range(2)], best)
    assert result.pod == 0.5
    assert result.pod_interval[0] <= 0.25
    assert result.pod_interval[1] >= 0.75
