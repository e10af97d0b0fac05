"""The network predicts changes in typical units; nothing predicted is persistence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.forecast.conftest import FRAMES_IN, FRAMES_OUT, MEAN, STD, make_fields
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.model import TendencyModel


@pytest.fixture
def window():
    fields = make_fields(frames=FRAMES_IN + FRAMES_OUT)
    x = torch.from_numpy(np.stack([fields[name].values for name in CORE], 1))[None]
    return x[:, :FRAMES_IN], x[:, FRAMES_IN:]


@pytest.fixture
def silent(model):
    """The same model with a network that says zero."""
    made = TendencyModel(model.net.config, model.normalisation).eval()
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
