"""Positions between fixes: exact at the fixes, causal, symmetric."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typhoon_tracker import track
from typhoon_tracker.besttrack import shipped
from typhoon_tracker.besttrack.motion import interpolate
from typhoon_tracker.errors import InputError
from typhoon_tracker.geo.sphere import distance

START = pd.Timestamp("2031-05-30")


def storm(lat: list[float], lon: list[float], *, hours: list[float] | None = None, **columns: object) -> pd.DataFrame:
    hours = hours or [6.0 * k for k in range(len(lat))]
    times = START + pd.to_timedelta(hours, unit="h")
    return track.create(track_id="X", time=times, lat=lat, lon=lon, **columns)


def hourly(fixes: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.date_range(fixes["time"].min(), fixes["time"].max(), freq="1h")


@st.composite
def storms(draw: st.DrawFn) -> pd.DataFrame:
    """A storm of 2 to 8 fixes, 3, 6 or 12 hours apart, anywhere in longitude, intensity sometimes unknown."""
    n = draw(st.integers(2, 8))
    steps = draw(st.lists(st.sampled_from([3.0, 6.0, 12.0]), min_size=n - 1, max_size=n - 1))
    moves = st.lists(st.floats(-2, 2), min_size=n - 1, max_size=n - 1)
    lat = np.clip(draw(st.floats(-40, 40)) + np.r_[0, np.cumsum(draw(moves))], -80, 80)
    lon = draw(st.floats(0, 359)) + np.r_[0, np.cumsum(draw(moves))]
    wind = draw(st.lists(st.one_of(st.just(float("nan")), st.floats(10, 60)), min_size=n, max_size=n))
    return storm(list(lat), list(lon), hours=[0.0, *np.cumsum(steps)], wind=wind, msl=98000.0)


@given(storms())
@settings(deadline=None, max_examples=60)
def test_exact_at_the_fixes(fixes: pd.DataFrame) -> None:
    found = interpolate(fixes, pd.DatetimeIndex(fixes["time"]))
    assert not found["interpolated"].any()
    for name in ("lat", "msl", "wind"):
        np.testing.assert_allclose(found[name], fixes[name], rtol=0, atol=1e-9)
    np.testing.assert_allclose((found["lon"] - fixes["lon"] + 180) % 360 - 180, 0, atol=1e-9)
    between = interpolate(fixes, hourly(fixes))
    assert (between["interpolated"] == ~between["time"].isin(fixes["time"])).all()


@given(storms(), st.integers(1, 7))
@settings(deadline=None, max_examples=60)
def test_a_later_fix_changes_nothing_up_to_the_last_known_one(fixes: pd.DataFrame, known: int) -> None:
    past = fixes.iloc[:known]
    times = hourly(past)
    pd.testing.assert_frame_equal(interpolate(past, times), interpolate(fixes, times), atol=1e-9, rtol=0)


@given(storms())
@settings(deadline=None, max_examples=60)
def test_mirrored_in_latitude_and_longitude(fixes: pd.DataFrame) -> None:
    found = interpolate(fixes, hourly(fixes))
    mirrored = interpolate(fixes.assign(lat=-fixes["lat"], lon=(360 - fixes["lon"]) % 360), hourly(fixes))
    np.testing.assert_allclose(mirrored["lat"], -found["lat"], atol=1e-9)
    turn = (mirrored["lon"] + found["lon"] + 180) % 360 - 180
    np.testing.assert_allclose(turn, 0, atol=1e-9)


@given(st.floats(-40, 40), st.floats(0, 359.9))
@settings(deadline=None, max_examples=20)
def test_a_storm_that_stands_still_stays(lat: float, lon: float) -> None:
    fixes = storm([lat] * 4, [lon] * 4)
    found = interpolate(fixes, hourly(fixes))
    assert len(found) == 19
    np.testing.assert_allclose(found["lat"], lat, atol=1e-12)
    np.testing.assert_allclose(found["lon"], fixes["lon"].iloc[0], atol=1e-9)


def test_steady_motion_is_steady_across_the_dateline_and_greenwich() -> None:
    for west in (178.0, 358.0):
        fixes = storm([10.0, 11.0, 12.0, 13.0], [west, west + 1.5, west + 3.0, west + 4.5])
        found = interpolate(fixes, hourly(fixes))
        hours = np.arange(19)
        np.testing.assert_allclose(found["lat"], 10 + hours / 6)
        np.testing.assert_allclose(found["lon"], (west + hours / 4) % 360, atol=1e-9)
        assert found["lon"].between(0, 360, inclusive="left").all()


def test_cubic_hermite_with_backward_tangents() -> None:
    """x = 0, 0, 1 degree: it leaves the second fix at rest and arrives at the third with 1 degree per 6 hours."""
    fixes = storm([0.0, 0.0, 1.0], [140.0, 140.0, 140.0])
    middle = interpolate(fixes, pd.DatetimeIndex([START + pd.Timedelta("9h")]))
    assert middle["lat"].iloc[0] == pytest.approx(3 / 4 - 2 / 8 + (1 / 8 - 1 / 4))
    just_after = interpolate(fixes, pd.DatetimeIndex([START + pd.Timedelta("6h1min")]))
    assert just_after["lat"].iloc[0] == pytest.approx(0.0, abs=1e-4)


def test_velocity_is_continuous_at_the_fixes() -> None:
    fixes = storm([10.0, 10.5, 12.0, 12.2], [140.0, 139.0, 139.5, 141.0])
    for k in (6, 12):
        seconds = [START + pd.Timedelta(hours=k, seconds=s) for s in (-1, 0, 1)]
        step = interpolate(fixes, pd.DatetimeIndex(seconds))[["lat", "lon"]].diff().iloc[1:] * 3600  # degrees per hour
        np.testing.assert_allclose(step.iloc[0], step.iloc[1], atol=1e-3)


def test_intensity_is_linear_and_unknown_stays_unknown() -> None:
    fixes = storm([10.0] * 4, [140.0] * 4, wind=[np.nan, 18.0, 24.0, np.nan], msl=[1000e2, 994e2, 988e2, 988e2])
    found = interpolate(fixes, hourly(fixes)).set_index("time")
    wind = found["wind"].to_numpy()
    assert np.isnan(wind[:6]).all()
    np.testing.assert_allclose(wind[6:13], np.arange(18.0, 25.0))
    assert np.isnan(wind[13:]).all()
    np.testing.assert_allclose(found["msl"].to_numpy()[:7], 1000e2 - 100.0 * np.arange(7))


def test_gaps_and_times_outside_are_absent() -> None:
    fixes = storm([10.0, 11.0, 12.0, 13.0], [140.0] * 4, hours=[0, 12, 25, 31])
    found = interpolate(fixes, pd.date_range(START - pd.Timedelta("6h"), periods=48, freq="1h"))
    hours = (found["time"] - START) / pd.Timedelta("1h")
    assert hours.tolist() == [*range(13), *range(25, 32)]


def test_one_fix_is_known_at_its_own_time_only() -> None:
    fixes = storm([10.0], [140.0], wind=30.0)
    found = interpolate(fixes, pd.date_range(START - pd.Timedelta("1h"), periods=3, freq="1h"))
    assert found["time"].tolist() == [START]
    assert found["wind"].tolist() == [30.0]
    assert interpolate(fixes, pd.DatetimeIndex([])).empty


def test_rows_interpolated_by_others_are_no_fixes() -> None:
    hours = [0.0, 3.0, 6.0]
    fixes = storm([10.0, 99.0 - 80.0, 11.0], [140.0] * 3, hours=hours, original=[True, False, True])
    found = interpolate(fixes, hourly(fixes))
    np.testing.assert_allclose(found["lat"], 10 + np.arange(7) / 6)
    assert found["interpolated"].iloc[3]


def test_two_storms_or_none_are_refused() -> None:
    fixes = storm([10.0, 11.0], [140.0, 141.0])
    with pytest.raises(InputError, match="fixes of 2 storms"):
        interpolate(fixes.assign(track_id=["A", "B"]), hourly(fixes))
    with pytest.raises(InputError, match="fixes of 0 storms"):
        interpolate(fixes.iloc[:0], hourly(fixes))


def test_real_storms_between_their_fixes() -> None:
    """Leave out every other fix of MAWAR 2023: twelve hours apart, the curve comes within 60 km of the one left out."""
    table = shipped.load("wmo").table
    mawar = table[table["track_id"] == "2023138N05151"].reset_index(drop=True)
    found = interpolate(mawar.iloc[::2], pd.DatetimeIndex(mawar["time"]))
    both = found.merge(mawar, on="time")
    km = distance(both["lat_x"], both["lon_x"], both["lat_y"], both["lon_y"])[both["interpolated"]]
    assert len(km) >= 25
    assert km.mean() < 30
    assert km.max() < 100
