"""Training windows: reproducible by number, centred on a living storm at an analysis time, of the seasons given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from typhoon_tracker.fields.contract import VARIABLES
from typhoon_tracker.geo.grid import PAPER_REGION
from typhoon_tracker.sources.reconstruction import SYNOPTIC_HOURS
from typhoon_tracker.training import data
from typhoon_tracker.training.data import SETTLED_HOURS, StormWindows, find_cases, statistics

IN, OUT = 6, 6


@pytest.fixture(scope="module")
def training(best):
    return best[best["season"] <= 2021]


def windows(best, **changes):
    settings = {"batches": 5, "batch_size": 2, "size": 32, "frames_in": IN, "frames_out": OUT, "seed": 3}
    return StormWindows(best, **{**settings, **changes})


def record_calls(monkeypatch):
    """Collect what every batch asks of the reconstruction: storms (B, M, T), hours (B, T), axes (B, H), (B, W)."""
    calls, plain = [], data.reconstruct

    def record(storms, hours, latitude, longitude, land, waves, epoch):
        calls.append((storms, hours, latitude, longitude, epoch))
        return plain(storms, hours, latitude, longitude, land, waves, epoch)

    monkeypatch.setattr(data, "reconstruct", record)
    return calls


def test_a_batch_depends_on_the_seed_and_its_number_alone(training):
    one, two = windows(training), windows(training, batches=50, start=2)
    third = one.batch(2)
    assert torch.equal(third, next(iter(two)))
    one.batch(4)
    assert torch.equal(third, one.batch(2))
    assert not torch.equal(third, one.batch(3))
    assert not torch.equal(third, windows(training, seed=4).batch(2))


def test_a_resumed_run_sees_exactly_the_batches_that_are_left(training, monkeypatch):
    monkeypatch.setattr(StormWindows, "batch", lambda self, k: k)
    assert list(windows(training)) == [0, 1, 2, 3, 4]
    assert list(windows(training, start=3)) == [3, 4]


def test_batches_are_fields_in_si_units(training):
    batch = windows(training).batch(0)
    assert batch.shape == (2, IN + OUT, len(VARIABLES), 32, 32)
    assert batch.dtype == torch.float32
    for k, variable in enumerate(VARIABLES.values()):
        assert variable.lowest < float(batch[:, :, k].min()) < float(batch[:, :, k].max()) < variable.highest


def test_cases_are_of_the_seasons_given_and_no_other(best, training):
    some = windows(training)
    allowed = set(training["track_id"])
    assert set(some.tracks.sids) == allowed
    assert {some.tracks.sids[case.storm] for case in some.cases} == allowed
    later = set(best.loc[best["season"] > 2021, "track_id"])
    assert later
    assert not later & set(some.tracks.sids)


def test_cases_are_analysis_times_of_settled_storms_near_the_region_that_live_on(training):
    tracks = windows(training).tracks
    cases = find_cases(tracks, lead_hours=OUT)
    assert len(cases) > 40
    for case in cases:
        hours = tracks.hour[tracks.start[case.storm] : tracks.stop[case.storm]]
        assert case.hour % 24 in SYNOPTIC_HOURS
        assert hours[0] + SETTLED_HOURS <= case.hour <= hours[-1] - OUT
        lat, lon = tracks.at(case.storm, np.array([case.hour]))[0, :2]
        assert PAPER_REGION.contains(lat, lon, margin=-4.0)
    assert len(find_cases(tracks, lead_hours=48)) < len(cases)


def test_the_init_frame_is_the_last_input_frame_and_the_storm_stands_in_the_crop(training, monkeypatch):
    calls = record_calls(monkeypatch)
    some = windows(training, batch_size=16, size=24)
    some.batch(0)
    storms, hours, latitude, longitude, epoch = calls[0]
    assert (hours[:, 1:] - hours[:, :-1] == 1).all()
    assert torch.equal(epoch, hours[:, 0])
    init = hours[:, IN - 1]
    assert set((init % 24).tolist()) <= set(SYNOPTIC_HOURS)
    assert not set((hours[:, IN] % 24).tolist()) & set(SYNOPTIC_HOURS)
    lat, lon = storms.lat[:, 0, IN - 1], storms.lon[:, 0, IN - 1]
    assert (storms.presence[:, 0, IN - 1] > 0).all()
    rows = (latitude[:, 0] - lat) / 0.25  # grid points from the crop's north and west edge
    columns = (lon - longitude[:, 0]) / 0.25
    assert rows.min() > 4
    assert rows.max() < 19
    assert columns.min() > 4
    assert columns.max() < 19
    assert rows.std() > 2  # it stands anywhere, not always in the middle
    assert columns.std() > 2
    np.testing.assert_allclose(np.diff(latitude), -0.25, atol=1e-4)
    np.testing.assert_allclose(np.diff(longitude), 0.25, atol=1e-4)


def test_the_nearest_other_storms_of_the_time_are_in_the_window(best, monkeypatch):
    saola = best[best["name"] == "SAOLA"]
    away = {"NEAR": 4.0, "NEXT": 6.0, "FAR": 9.0}  # degrees of longitude
    twins = [saola.assign(track_id=name, lon=saola["lon"] + shift) for name, shift in away.items()]
    calls = record_calls(monkeypatch)
    some = windows(pd.concat([*twins, saola]), batch_size=8)
    some.cases = [case for case in some.cases if some.tracks.sids[case.storm] not in away]
    some.batch(0)
    lon = calls[0][0].lon[:, :, IN - 1]
    assert lon.shape == (8, data.MAX_STORMS)
    torch.testing.assert_close(lon - lon[:, :1], torch.tensor([[0.0, 4.0, 6.0]]).expand(8, 3), atol=1e-3, rtol=0)


def test_statistics_are_those_of_the_batches(training):
    some = windows(training)
    found = statistics(some, batches=3)
    x = torch.cat([some.batch(k) for k in range(3)]).double()
    np.testing.assert_allclose(found["mean"], x.mean((0, 1, 3, 4)), rtol=1e-9)
    np.testing.assert_allclose(found["std"], x.std((0, 1, 3, 4), correction=0), rtol=1e-4)
    change = x[:, IN:] - x[:, IN - 1 : IN]
    np.testing.assert_allclose(found["tendency_std"], (change**2).mean((0, 3, 4)).sqrt(), rtol=1e-9)


def test_statistics_are_of_plausible_size(training):
    found = statistics(windows(training, batch_size=4), batches=6)
    assert found["mean"][0] == pytest.approx(100_800, abs=700)
    assert found["mean"][3] == pytest.approx(298, abs=8)
    for value, low, high in zip(found["std"], (150, 2, 2, 0.8), (1500, 12, 12, 8), strict=True):
        assert low < value < high
    tendency = np.array(found["tendency_std"])
    assert tendency.shape == (OUT, len(VARIABLES))
    assert np.isfinite(tendency).all()
    assert (tendency > 0).all()
    assert (np.diff(tendency[:, :3], axis=0) > 0).all()  # the longer the lead, the more has changed
    assert (tendency < found["std"]).all()


def test_without_a_size_every_window_is_the_region_with_its_storm_in_it(training, monkeypatch):
    calls = record_calls(monkeypatch)
    whole = windows(training, size=None, batch_size=3)
    assert whole.batch(0).shape == (3, IN + OUT, len(VARIABLES), *PAPER_REGION.shape)
    storms, _, latitude, longitude, _ = calls[0]
    for row in range(3):
        np.testing.assert_allclose(latitude[row], PAPER_REGION.latitude)
        np.testing.assert_allclose(longitude[row], PAPER_REGION.longitude)
    assert PAPER_REGION.contains(storms.lat[:, 0, IN - 1], storms.lon[:, 0, IN - 1], margin=1.4).all()
    assert len(whole.cases) < len(windows(training).cases)
