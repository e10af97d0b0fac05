"""The network predicts changes, or states, in typical units; no change predicted is persistence."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from tests.forecast.conftest import FRAMES_IN, FRAMES_OUT, MEAN, STD, make_fields
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.model import FieldModel


@pytest.fixture
def window():
    fields = make_fields(frames=FRAMES_IN + FRAMES_OUT)
    x = torch.from_numpy(np.stack([fields[name].values for name in CORE], 1))[None]
    return x[:, :FRAMES_IN], x[:, FRAMES_IN:]


@pytest.fixture
def silent(model):
    """The same model with a network that says zero."""
    made = FieldModel(copy.deepcopy(model.net), model.normalisation).eval()
    for decoder in made.net.decoders:
        for parameter in decoder[-1].parameters():
            parameter.data.zero_()
    return made


def constant(model, value):
    """A model whose network says `value` everywhere."""
    for decoder in model.net.decoders:
        decoder[-1].bias.data.fill_(value)
    return model


def test_a_network_that_says_nothing_persists(silent, window):
    past, _ = window
    y = silent(past)
    assert torch.equal(y, past[:, -1:].expand_as(y))


def test_what_the_network_says_counts_in_typical_changes_of_the_lead(silent, model, window):
    past, _ = window
    change = constant(silent, 2.0)(past) - past[:, -1:]
    expected = 2.0 * torch.tensor(model.normalisation.tendency_std)[None, :, :, None, None]
    torch.testing.assert_close(change, expected.expand_as(change).float(), atol=0.02, rtol=0)


def test_the_loss_is_the_mean_square_error_in_typical_changes(silent, model, window):
    past, _ = window
    scale = torch.tensor(model.normalisation.tendency_std, dtype=torch.float32)[None, :, :, None, None]
    still = past[:, -1:].expand(-1, FRAMES_OUT, -1, -1, -1)
    assert silent.loss(past, still).item() == 0.0
    assert silent.loss(past, still + 3.0 * scale).item() == pytest.approx(9.0, rel=1e-3)
    one = still.clone()
    one[:, 1, 2] += 3.0 * scale[:, 1, 2]  # every lead and variable weighs the same, whatever its units
    assert silent.loss(past, one).item() == pytest.approx(9.0 / (FRAMES_OUT * len(CORE)), rel=1e-3)


def test_the_network_sees_normalised_fields(model, window, monkeypatch):
    seen = []
    monkeypatch.setattr(model.net, "encode", lambda x, plain=model.net.encode: seen.append(x) or plain(x))
    past, _ = window
    model(past)
    expected = (past.double() - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(seen[0], expected.float(), atol=1e-4, rtol=1e-4)


def test_frames_asked_for_have_the_scale_of_their_lead(silent, window):
    past, _ = window
    made = constant(silent, 1.0)
    torch.testing.assert_close(made(past, [2, 0]), made(past)[:, [2, 0]])


def test_a_network_of_states_that_says_nothing_predicts_the_mean(silent, window):
    past, _ = window
    made = FieldModel(silent.net, silent.normalisation, target="state")
    mean = torch.tensor(MEAN, dtype=torch.float32)[:, None, None]
    assert torch.equal(made(past), mean.expand(1, FRAMES_OUT, *past.shape[2:]))


def test_states_count_in_standard_deviations_about_the_mean(silent, window):
    past, _ = window
    made = FieldModel(constant(silent, 2.0).net, silent.normalisation, target="state")
    expected = torch.tensor(MEAN + 2.0 * STD, dtype=torch.float32)[:, None, None]
    torch.testing.assert_close(made(past, [1])[0, 0], expected.expand(past.shape[2:]), rtol=1e-6, atol=0)
    off = made(past).detach() + 3.0 * torch.tensor(STD, dtype=torch.float32)[:, None, None]
    assert made.loss(past, off).item() == pytest.approx(9.0, rel=1e-3)


class Says(torch.nn.Module):
    """A network that says the same of everything."""

    def __init__(self, said):
        super().__init__()
        self.said = said

    def forward(self, x, frames=None):
        return self.said


@pytest.mark.parametrize("target", ["tendency", "state"])
def test_what_a_perfect_network_would_say_gives_the_truth(model, window, target):
    past, future = window
    made = FieldModel(model.net, model.normalisation, target=target)
    said = made.in_units(past, future)
    made.net = Says(said)
    torch.testing.assert_close(made(past), future, rtol=1e-6, atol=1e-2)
    assert made.loss(past, future).item() == 0.0


def test_any_other_target_is_refused(model):
    with pytest.raises(ValueError, match="target 'change' is none of tendency, state"):
        FieldModel(model.net, model.normalisation, target="change")
