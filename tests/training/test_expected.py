"""Where storms are expected: the regression's own forecasts, by fix, fitted to seasons that may be known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from typhoon_tracker.besttrack import shipped
from typhoon_tracker.geo import sphere
from typhoon_tracker.training.data import StormWindows
from typhoon_tracker.training.expected import Expected
from typhoon_tracker.verify.cliper import Cliper
from typhoon_tracker.verify.past import TROPICAL_STORM, in_hours

LEADS = (3, 6)


@pytest.fixture(scope="module")
def best():
    """All seasons: a regression needs more than the few storms of the other tests."""
    return shipped.load("wmo").table


@pytest.fixture(scope="module")
def expected(best):
    return Expected(best, LEADS, last_season=2021)


def test_a_storm_is_expected_where_the_regression_puts_it(best, expected):
    track = best[(best["season"] == 2022) & (best["name"] == "NANMADOL")]
    init = track["time"].iloc[12]
    found = expected.at(track["track_id"].iloc[0], in_hours([init])[0])
    for lead, (lat, lon) in zip(LEADS, found, strict=True):
        row = Cliper.fit(best, lead=f"{lead}h", last_season=2021).predict(track, [init]).iloc[0]
        assert sphere.distance(lat, lon, row["lat"], row["lon"]) < 0.01


def test_nothing_is_expected_between_fixes_or_of_an_unknown_storm(best, expected):
    track = best[best["season"] == 2022]
    hour = in_hours(track["time"])[0]
    assert np.isnan(expected.at(track["track_id"].iloc[0], hour + 0.5)).all()
    assert np.isnan(expected.at("no storm", hour)).all()


def test_later_seasons_change_nothing(best, expected):
    known = best[best["season"] <= 2021]
    again = Expected(known, LEADS, last_season=2021)
    row = known.iloc[len(known) // 2]
    where = row["track_id"], in_hours([row["time"]])[0]
    assert np.isfinite(expected.at(*where)).all()
    np.testing.assert_array_equal(again.at(*where), expected.at(*where))


def test_labels_of_windows_aim_where_their_storms_are_expected(best):
    season = best[best["season"] == 2022]
    leads = range(1, 4)
    common = {"batches": 1, "batch_size": 6, "size": None, "frames_in": 2, "frames_out": 3}
    windows = StormWindows(season, expected=Expected(best, leads, last_season=2021), **common)
    drawn, labelled = windows.draw(0), windows.labelled(0)
    assert torch.equal(drawn.storms.lat[:, 0, 1], labelled_init(windows)[:, 0])
    step = float(drawn.latitude[0, 0] - drawn.latitude[0, 1])
    seen = labelled.aims.isfinite().all(-1)
    assert seen.any()
    assert torch.equal(seen, labelled.centres[:, :, 2:].isfinite().all(-1) & seen)
    for b, m, lead in seen.nonzero().tolist():
        row, column = (labelled.aims[b, m, lead] / labelled.spacing[b, m, lead + 2]).tolist()
        lat, lon = float(drawn.latitude[b, 0]) - row * step, float(drawn.longitude[b, 0]) + column * step
        sid = windows.tracks.sids[windows._members(windows._cases(0)[0][b])[m]]
        hour = float(drawn.hours[b, 1])
        there = windows.expected.at(sid, hour)[lead]
        assert sphere.distance(lat, lon, *there) < 0.5


def labelled_init(windows):
    cases, _ = windows._cases(0)
    return torch.tensor(np.array([windows.tracks.at(c.storm, np.array([c.hour]))[0, :2] for c in cases])).float()


def test_only_storms_that_verification_counts_are_drawn(best):
    season = best[best["season"] == 2022]
    plain = StormWindows(season, batches=1, batch_size=2)
    chosen = StormWindows(season, batches=1, batch_size=2, expected=Expected(best, [1], last_season=2021))
    winds = [chosen.tracks.at(c.storm, np.array([c.hour]))[0, 4] for c in chosen.cases]
    assert min(winds) >= TROPICAL_STORM
    assert 0 < len(chosen.cases) < len(plain.cases)
