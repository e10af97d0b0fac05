"""Rounds of a rollout: the past of a later round is what the network made, the future and its storms are the truth."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch
from torch import nn

from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.model import FieldModel, Normalisation
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig
from typhoon_tracker.training.data import StormWindows
from typhoon_tracker.training.module import EndToEnd
from typhoon_tracker.training.rollout import in_round
from typhoon_tracker.training.settings import resolve

from .trained import run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
PAST, STEP, ROUNDS = 4, 3, 3
TINY = {"spatial_channels": 4, "temporal_channels": 8, "stages": 2, "layers": 1, "heads": 2, "drop_path": 0.5}


@pytest.fixture(scope="module")
def batch(best):
    windows = StormWindows(
        best[best["season"] == 2021], batches=1, batch_size=2, size=32, frames_in=PAST, frames_out=ROUNDS * STEP
    )
    return windows.labelled(0)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = Met2NetConfig(frames_in=PAST, frames_out=STEP, **TINY)
    scales = Normalisation([1e5, 0.0, 0.0, 300.0], [500.0, 5.0, 5.0, 4.0], [[40.0, 1.0, 1.0, 1.0]] * STEP)
    return FieldModel(Met2Net(config), scales)


class CountsOn(nn.Module):
    """A network whose frames are the last one and 1, 2, 3 tendencies more."""

    def __init__(self, config):
        super().__init__()
        self.config = config

    def forward(self, x, frames=None):
        ahead = torch.arange(1.0, self.config.frames_out + 1)[None, :, None, None, None]
        return ahead.expand(x.shape[0], -1, *x.shape[2:]).clone()


def test_the_first_round_is_the_beginning_of_the_window(model, batch):
    first = in_round(model, batch, 0)
    assert torch.equal(first.fields, batch.fields[:, : PAST + STEP])
    assert torch.equal(in_round(model, batch.fields, 0), first.fields)
    assert first.centres.shape[2] == PAST + STEP
    assert first.aims.shape[2] == STEP


@pytest.mark.parametrize("number", [1, 2])
def test_a_later_round_goes_on_from_the_networks_own_frames(model, batch, number):
    counting = FieldModel(CountsOn(model.net.config), model.normalisation)
    found = in_round(counting, batch, number)
    made = [batch.fields[:, PAST - 1] + n * counting.tendency_std[0] for n in range(1, number * STEP + 1)]
    past = torch.cat([batch.fields[:, :PAST], torch.stack(made, 1)], 1)[:, -PAST:]
    torch.testing.assert_close(found.fields[:, :PAST], past)
    here = slice(PAST + number * STEP, PAST + (number + 1) * STEP)
    assert torch.equal(found.fields[:, PAST:], batch.fields[:, here])
    for mine, whole in ((found.centres, batch.centres), (found.spacing, batch.spacing)):
        torch.testing.assert_close(mine[:, :, PAST:], whole[:, :, here], equal_nan=True)
    torch.testing.assert_close(found.aims, batch.aims[:, :, number * STEP : (number + 1) * STEP], equal_nan=True)
    assert torch.equal(in_round(counting, batch.fields, number), found.fields)


def test_the_rounds_before_leave_no_gradient_and_no_trace(model, batch):
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = [in_round(model, batch, 2).fields for _ in range(2)]
    assert torch.equal(*found)  # no dice of stochastic depth
    assert not found[0].requires_grad
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_pixels_of_later_rounds_are_in_units_of_the_change_over_the_horizon(model, batch):
    scales = Normalisation(model.normalisation.mean, model.normalisation.std, [[40.0 * k] * 4 for k in (1, 2, 3)])
    counting = FieldModel(CountsOn(model.net.config), scales)
    trained = EndToEnd(counting, rollout=ROUNDS, learning_rate=1e-3, steps=10, schedule="trapezoid", seed=1)
    errors = []
    for number, unit in enumerate((counting.tendency_std, 3 * 40.0, 3 * 40.0)):
        window = in_round(counting, batch.fields, number)
        errors.append(((counting(window[:, :PAST]) - window[:, PAST:]) / unit).square().mean())
    expected = torch.stack(errors).mean()
    torch.testing.assert_close(trained.validation_error(batch.fields), expected)


def test_a_step_draws_its_round_and_every_round_comes(model, batch, monkeypatch):
    trained = EndToEnd(model, rollout=ROUNDS, learning_rate=1e-3, steps=10, schedule="trapezoid", seed=1)
    drawn = []
    monkeypatch.setattr(trained, "log", lambda *_, **__: None)
    monkeypatch.setattr(
        "typhoon_tracker.training.module.in_round",
        lambda model, batch, number: drawn.append(number) or in_round(model, batch, number),
    )
    for step in range(12):
        torch.manual_seed(step)
        assert trained.training_step(batch.fields, 0).requires_grad
    assert set(drawn) == set(range(ROUNDS))


def test_a_training_rolls_out_and_keeps_the_horizon_of_its_network(tmp_path):
    run(tmp_path, rollout=2, centre_weight=0.5, crop=32)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["training"]["rollout"] == 2
    assert len(config["normalisation"]["tendency_std"]) == config["network"]["frames_out"] == 2
    (log,) = (tmp_path / "logs").rglob("metrics.csv")
    assert pd.read_csv(log)["val_centre_km_3h"].notna().any()  # beyond the horizon of 2 h


def test_two_stages_do_not_roll_out():
    with pytest.raises(InputError, match="--rollout is for --objective end-to-end"):
        resolve({"objective": "two-stage", "target": "state", "rollout": 2})
