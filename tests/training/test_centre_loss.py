"""The loss of misplaced storms: nothing where they should be, the distance for a shifted forecast."""

from __future__ import annotations

import pytest
import torch

from typhoon_tracker.errors import InputError
from typhoon_tracker.sources.reconstruction import HourlyTracks
from typhoon_tracker.training.centre_loss import Places, centre_loss, misplaced
from typhoon_tracker.training.data import INSIDE_KM, StormWindows
from typhoon_tracker.training.settings import resolve
from typhoon_tracker.verify.past import TROPICAL_STORM

LEADS = [1.0, 2.0, 3.0, 4.0]
FIX_KM = 15.0  # how far the best track and the low of the reconstructed field may be apart


@pytest.fixture(scope="module")
def labelled(best):
    windows = StormWindows(best[best["season"] == 2021], batches=1, batch_size=6, size=64, frames_in=2, frames_out=4)
    return windows.labelled(0)


@pytest.fixture(scope="module")
def places(labelled):
    return Places(labelled.fields[:, 2:, 0], labelled.centres[:, :, 2:], labelled.aims, labelled.spacing[:, :, 2:])


def test_the_labels_are_where_the_pressure_is_low(places):
    labels = places.centres.isfinite().all(-1).nonzero()
    assert len(labels) > 5
    for b, m, lead in labels.tolist():
        row, column = (places.centres[b, m, lead] / places.spacing[b, m, lead]).round().int().tolist()
        around = places.true[b, lead, row - 4 : row + 5, column - 4 : column + 5]
        assert around.mean() < places.true[b, lead].mean()


def test_only_storms_of_strength_well_inside_are_labels(best, labelled):
    tracks = HourlyTracks.build(best[best["season"] == 2021])
    inside = labelled.centres[labelled.centres.isfinite().all(-1)]
    assert (inside >= INSIDE_KM).all()
    assert tracks.state[:, 4].max() > TROPICAL_STORM  # there are storms to be labelled, weaker ones are not
    assert labelled.centres.isnan().any()


def test_without_an_expectation_the_aim_is_the_truth_and_the_true_field_is_there(labelled, places):
    torch.testing.assert_close(labelled.aims, places.centres, equal_nan=True)
    found = misplaced(places.true, places)
    torch.testing.assert_close(found.from_aim, found.from_truth)
    assert found.from_aim.median() < FIX_KM / 2
    assert found.from_aim.max() < FIX_KM


def test_a_forecast_shifted_by_a_row_is_off_by_a_row(places):
    found = misplaced(places.true.roll(2, -2), places)
    assert found.from_aim.median() == pytest.approx(2 * float(places.spacing[0, 0, 0, 0]), rel=0.15)


def test_the_loss_is_the_distance_from_the_aim_not_from_the_truth(places):
    rows = 2 * places.spacing * torch.tensor([1.0, 0.0])
    shifted = places.true.roll(2, -2)
    aimed = misplaced(shifted, places._replace(aims=places.centres + rows))
    assert aimed.from_aim.median() < FIX_KM / 2
    assert aimed.from_truth.median() > 45.0
    straight = misplaced(shifted, places)
    assert centre_loss(aimed, lead_hours=LEADS) < 0.5 * centre_loss(straight, lead_hours=LEADS)


def test_descending_the_loss_brings_a_field_where_it_should_be(places):
    """The gradient of the loss by a shift of the field, through an interpolation, is downhill towards the truth."""
    pressure = places.true.roll(1, -1)
    back = pressure.roll(-1, -1)
    share = torch.tensor(0.0, requires_grad=True)
    loss = centre_loss(misplaced(pressure + share * (back - pressure), places), lead_hours=LEADS)
    (slope,) = torch.autograd.grad(loss, share)
    assert slope < 0


def test_an_early_lead_counts_more_than_a_late_one(places):
    found = misplaced(places.true.roll(2, -1), places)
    assert centre_loss(found, lead_hours=[1.0] * 4) > 2 * centre_loss(found, lead_hours=[12.0] * 4)


def test_without_storms_the_loss_is_nothing_and_has_a_gradient(places):
    said = places.true.clone().requires_grad_()
    nowhere = places._replace(aims=torch.full_like(places.aims, torch.nan))
    loss = centre_loss(misplaced(said, nowhere), lead_hours=LEADS)
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
