"""The loss of misplaced storms: nothing for the truth, the distance for a shifted forecast."""

from __future__ import annotations

import pytest
import torch

from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.reconstruction import HourlyTracks
from typhoon_tracker.training.centre_loss import centre_loss, misplaced
from typhoon_tracker.training.data import INSIDE_KM, StormWindows
from typhoon_tracker.training.settings import resolve
from typhoon_tracker.verify.past import TROPICAL_STORM

LEADS = [1.0, 2.0, 3.0, 4.0]


@pytest.fixture(scope="module")
def labelled(best):
    windows = StormWindows(best[best["season"] == 2021], batches=1, batch_size=6, size=48, frames_in=2, frames_out=4)
    return windows.labelled(0)


@pytest.fixture(scope="module")
def truth(labelled):
    return labelled.fields[:, 2:, 0], labelled.centres[:, :, 2:], labelled.spacing[:, :, 2:]


def test_the_labels_are_where_the_pressure_is_low(truth):
    pressure, centres, spacing = truth
    places = centres.isfinite().all(-1).nonzero()
    assert len(places) > 5
    for b, m, lead in places.tolist():
        row, column = (centres[b, m, lead] / spacing[b, m, lead]).round().int().tolist()
        around = pressure[b, lead, row - 4 : row + 5, column - 4 : column + 5]
        assert around.mean() < pressure[b, lead].mean()


def test_only_storms_of_strength_well_inside_are_labels(best, labelled):
    tracks = HourlyTracks.build(best[best["season"] == 2021])
    inside = labelled.centres[labelled.centres.isfinite().all(-1)]
    assert (inside >= INSIDE_KM).all()
    assert tracks.state[:, 4].max() > TROPICAL_STORM  # there are storms to be labelled, weaker ones are not
    assert labelled.centres.isnan().any()


def test_the_truth_misplaces_nothing(truth):
    distance, _ = misplaced(truth[0], *truth)
    assert len(distance) > 5
    assert distance.max() < 0.5
    assert centre_loss(truth[0], *truth, lead_hours=LEADS) < 0.01


def test_a_forecast_shifted_by_a_row_is_off_by_a_row(truth):
    pressure, centres, spacing = truth
    distance, _ = misplaced(pressure.roll(1, -2), pressure, centres, spacing)
    assert distance.median() == pytest.approx(float(spacing[0, 0, 0, 0]), rel=0.1)


def test_an_early_lead_counts_more_than_a_late_one(truth):
    pressure, centres, spacing = truth
    shifted = pressure.roll(1, -1)
    early = centre_loss(shifted, pressure, centres, spacing, lead_hours=[1.0] * 4)
    assert early > 2 * centre_loss(shifted, pressure, centres, spacing, lead_hours=[12.0] * 4)


def test_without_storms_the_loss_is_nothing_and_has_a_gradient(truth):
    said = truth[0].clone().requires_grad_()
    loss = centre_loss(said, truth[0], torch.full_like(truth[1], torch.nan), truth[2], lead_hours=LEADS)
    loss.backward()
    assert loss == 0
    assert (said.grad == 0).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"centre_weight": -0.1}, "--centre-weight -0.1 is negative"),
        ({"centre_weight": 0.1, "data": "fields.zarr"}, "fields of fields.zarr do not say"),
        ({"centre_weight": 0.1, "objective": "two-stage", "target": "state"}, "--centre-weight is for"),
        ({"leads_a_step": 2, "objective": "two-stage", "target": "state"}, "--leads-a-step is for"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(given, words):
    with pytest.raises(InputError, match=words):
        resolve(given)
