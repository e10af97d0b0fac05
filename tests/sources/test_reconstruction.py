"""Reconstructed fields: reproducible, within the contract, and true to the best track they are made from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.sources.reconstructed import REGION, SMALL, assert_same, difference, hours
from tests.sources.test_vortex import paraboloid_minimum
from tests.verify.storms import straight
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE, validate
from typhoon_tracker.geo.grid import Region
from typhoon_tracker.geo.sphere import distance
from typhoon_tracker.sources.reconstruction import (
    DEFAULT_WIND,
    FADE_HOURS,
    SYNOPTIC_HOURS,
    HourlyTracks,
    Reconstruction,
    allowed_init_times,
    land_fraction,
    storm_tensors,
)

OCEAN = Region(north=24.0, south=14.0, west=130.0, east=142.0)


def test_a_time_has_one_field_whatever_range_is_asked_for(season):
    source = Reconstruction(season, seed="MAWAR")
    whole = source.open(hours("2023-05-25 00", "2023-05-27 03"), REGION)
    for part in (slice(7, 8), slice(5, 20), slice(23, 26), slice(30, 52)):
        again = source.open(whole.indexes["time"][part], REGION)
        for name in CORE:
            np.testing.assert_array_equal(again[name], whole[name].values[part])


def test_one_seed_is_one_weather_and_storms_have_their_own(season):
    times = hours("2023-05-25 00", "2023-05-25 02")
    first, again, other = (Reconstruction(season, seed=s).open(times, REGION) for s in ("MAWAR", "MAWAR", "SAOLA"))
    assert_same(first, again)
    assert difference(first, other) > 1.0


def test_the_weather_moves_on_smoothly(season):
    fields = Reconstruction(season, seed="MAWAR").open(hours("2023-04-10 00", "2023-04-10 23"), REGION)  # no storm
    for name in ("u10", "v10"):
        step = fields[name].diff("time")
        assert 0 < float(np.abs(step).max()) < float(fields[name].std())


def test_states_are_the_best_tracks_position_motion_and_wind():
    best = straight(lat=15.0, lon=179.0, heading=70.0, step=108.0, fixes=8, wind=list(np.linspace(20, 48, 8)))
    tracks = HourlyTracks.build(best)
    at_fixes = tracks.at(0, tracks.hour[0] + 6 * np.arange(8))
    np.testing.assert_allclose(at_fixes[:, 0], best["lat"], atol=1e-9)
    np.testing.assert_allclose(at_fixes[:, 1] % 360, best["lon"], atol=1e-9)
    np.testing.assert_allclose(at_fixes[:, 4], best["wind"], atol=1e-9)
    assert (np.diff(at_fixes[:, 1]) > 0).all()  # no jump at the date line
    np.testing.assert_allclose(np.hypot(at_fixes[1:, 2], at_fixes[1:, 3]), 108.0 / 6 / 3.6, rtol=0.01)
    assert np.degrees(np.arctan2(at_fixes[1, 2], at_fixes[1, 3])) == pytest.approx(70.0, abs=1.0)
    assert at_fixes[0, 2:4].tolist() == [0.0, 0.0]  # at its first fix nobody knows where it goes


def test_a_storm_fades_in_and_after_its_last_fix_drifts_on_and_fades_out():
    best = straight(lat=18.0, lon=136.0, heading=300.0, step=90.0, fixes=6)
    tracks = HourlyTracks.build(best)
    first, last = tracks.hour[0], tracks.hour[-1]
    states = tracks.at(0, np.arange(first - 2, last + 15))
    presence = dict(zip(np.arange(first - 2, last + 15), states[:, 5], strict=True))
    assert presence[first - 1] == 0.0
    assert 0 < presence[first] < presence[first + 6] < presence[first + 12] == 1.0
    assert all(presence[last + k] == pytest.approx(1 - k / FADE_HOURS) for k in range(int(FADE_HOURS) + 1))
    assert presence[last + 14] == 0.0
    drift = tracks.at(0, np.array([last, last + 6]))
    moved = float(distance(drift[0, 0], drift[0, 1], drift[1, 0], drift[1, 1]))
    assert moved == pytest.approx(90.0, abs=3.0)
    assert 0 in tracks.around(last + 11, last + 20)
    assert 0 not in tracks.around(last + 13, last + 20)
    assert 0 not in tracks.around(first - 9, first - 1)


def test_pressure_stands_in_for_a_wind_that_is_unknown():
    def wind(msl):
        best = straight(fixes=3, wind=np.nan).assign(msl=msl)
        return HourlyTracks.build(best).state[0, 4]

    assert wind(100_400.0) == pytest.approx(3.44 * 6.0**0.644)  # Atkinson and Holliday, m/s and hPa
    assert wind(98_000.0) == 17.0  # no typhoon is made from a gap in the table
    assert wind(np.nan) == DEFAULT_WIND


def test_a_storm_keeps_its_size_and_others_have_theirs():
    tracks = HourlyTracks.build(pd.concat([straight(storm=f"S{k}", fixes=3) for k in range(40)], ignore_index=True))
    when = np.array([[float(tracks.hour[0])], [float(tracks.hour[6])]])
    members = [np.arange(40), np.arange(40)]
    size = storm_tensors(tracks, members, when).size.numpy()
    np.testing.assert_array_equal(size[0], size[1])
    assert len(np.unique(size[0])) == 40
    assert 0.1 < np.log(size[0]).std() < 0.3
    ragged = storm_tensors(tracks, [np.array([3, 4]), np.array([], int)], when)
    assert ragged.presence.shape == (2, 2, 1)
    assert ragged.presence[1].max() == 0.0


def test_a_table_without_a_storm_is_refused():
    with pytest.raises(InputError, match="at least one storm"):
        HourlyTracks.build(straight(fixes=2).iloc[:0])


def test_the_pressure_minimum_follows_the_storm():
    best = straight(lat=16.0, lon=139.0, heading=300.0, step=110.0, fixes=6, wind=50.0)
    settled_fixes = best.iloc[2:]
    fields = Reconstruction(best, seed="X").open(pd.DatetimeIndex(settled_fixes["time"]), OCEAN)
    for msl, fix in zip(fields["msl"].values.astype(float), settled_fixes.itertuples(), strict=True):
        lat, lon = paraboloid_minimum(msl, OCEAN.latitude, OCEAN.longitude)
        assert float(distance(lat, lon, fix.lat, fix.lon)) < 10.0
        assert 94_000 < msl.min() < 99_500


def test_fields_keep_the_contract_and_say_what_they_are(season):
    done = []
    times = hours("2023-05-25 00", "2023-05-26 03")
    fields = Reconstruction(season, seed="MAWAR").open(times, REGION, progress=lambda *step: done.append(step))
    assert validate(fields, hourly=True) is fields
    assert fields.attrs["source"].startswith("reconstruction")
    assert "made-up weather" in fields.attrs["source"]
    assert done == [(k, len(times)) for k in range(1, len(times) + 1)]


def test_forecasts_from_reconstructed_fields_start_at_analysis_times_only(season):
    fields = Reconstruction(season, seed="MAWAR").open(hours("2023-05-25 01", "2023-05-26 03"), SMALL)
    allowed = allowed_init_times(fields)
    assert allowed.hour.tolist() == [6, 12, 18, 0]
    assert set(allowed.hour) == set(SYNOPTIC_HOURS)
    fields.attrs["source"] = "ERA5 hourly data"
    assert allowed_init_times(fields).equals(fields.indexes["time"])


def test_wind_is_weaker_and_days_are_warmer_over_land(season):
    calm = Reconstruction(season, seed="MAWAR").open(hours("2023-07-01 00", "2023-07-01 23"), REGION)  # no storm near
    share = land_fraction(REGION.latitude, REGION.longitude).numpy()
    inland, ocean = share > 0.95, share < 0.05
    assert inland.sum() > 20
    assert ocean.sum() > 100
    range_of_day = np.ptp(calm["t2m"].values, axis=0)
    assert range_of_day[inland].mean() > 3 * range_of_day[ocean].mean()


def test_land_fraction_is_a_smoothed_share():
    region = Region(north=32.0, south=20.0, west=112.0, east=130.0)
    share = land_fraction(region.latitude, region.longitude).numpy()
    place = {(i, j): share[round((32.0 - i) / 0.25), round((j - 112.0) / 0.25)] for i, j in ((30, 114), (25, 128))}
    assert place[30, 114] == pytest.approx(1.0, abs=1e-5)  # Wuhan
    assert place[25, 128] < 0.1  # the Ryukyus' sea
    assert 0.0 <= share.min() < share.max() <= 1.0 + 1e-6
    assert np.abs(np.diff(share, axis=0)).max() < 0.5  # no step at the coast
