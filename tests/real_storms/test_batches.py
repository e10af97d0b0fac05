"""What a training on real storms reads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.real_storms.made_up import storm
from typhoon_tracker.besttrack import shipped
from typhoon_tracker.real_storms import batches
from typhoon_tracker.real_storms.batches import NEAR, MadeUp, Real, nearness
from typhoon_tracker.real_storms.windows import PAST, SIZE


@pytest.fixture(scope="module")
def real() -> Real:
    return Real([storm(), storm("TWO", eastward=8.0)], [storm("THREE")], batch_size=4, seed=1)


def test_a_batch_depends_on_its_number_alone(real):
    again = Real([storm(), storm("TWO", eastward=8.0)], [storm("THREE")], batch_size=4, seed=1)
    for one, two in zip(real.batch(3), again.batch(3), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(real.batch(3)[0], real.batch(4)[0])
    assert real.batch(3)[0].shape == (4, 8, 3, SIZE, SIZE)


def test_weights_are_most_at_the_storm_and_nothing_where_truth_was_not_seen(real):
    window, weight = next(iter(real.validation()))
    assert (weight == 0).any()
    assert weight.max() == pytest.approx(1 + NEAR, rel=0.02)
    height = window[:, PAST:, 2]
    for z, w in zip(height.flatten(0, 1), weight.flatten(0, 1), strict=True):
        if (w > 0).all():  # the low is where the weight is most, give or take a point
            apart = [np.array(divmod(int(at), SIZE)) for at in (z.argmin(), w.argmax())]
            assert np.abs(apart[0] - apart[1]).max() <= 1


def test_weights_fall_by_e_to_the_half_in_300_km():
    lat, lon = torch.tensor([[20.0]]), torch.tensor([[130.0]])
    grid = nearness(lat, lon, torch.tensor([[20.0, 20.0 + 300 / 111.195]]), torch.tensor([[130.0]]))
    assert grid.flatten().tolist() == pytest.approx([1 + NEAR, 1 + NEAR * np.exp(-0.5)], rel=1e-3)


def test_statistics_leave_out_what_was_not_seen(real, monkeypatch):
    before, plain = real.statistics(), batches._real

    def spoilt(series, init, corner):
        window, weight = plain(series, init, corner)
        future = torch.where((weight == 0)[:, None], 1e6, window[PAST:])
        return torch.cat([window[:PAST], future]), weight

    monkeypatch.setattr(batches, "_real", spoilt)
    assert real.statistics() == before


def test_the_reconstruction_gives_storms_that_can_be_told_from_their_surroundings():
    best = shipped.load("wmo").table
    source = MadeUp(best[best["season"].isin([2013, 2014])], batch_size=8, seed=1, validation_windows=1)
    assert source.facts["validation_season"] == 2014
    window, weight = source.batch(0)
    assert window.shape == (8, 8, 3, SIZE, SIZE)
    assert torch.isfinite(window).all()
    near, far = weight > 1 + 0.9 * NEAR, weight < 1.5
    height = window[:, PAST:, 2]
    assert height[near].mean() < height[far].mean() - 20.0  # m
