"""A whole training, tiny: the best weights exported, resumed where killed, every part of the loss in it."""

from __future__ import annotations

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from tests.downscale.samples import cases_of, silent, trained
from typhoon_tracker.downscale.cases import TRAIN
from typhoon_tracker.downscale.evaluate import evaluate, open_model
from typhoon_tracker.downscale.folder import load
from typhoon_tracker.downscale.model import Downscaler, build
from typhoon_tracker.downscale.module import Downscaling
from typhoon_tracker.downscale.nets import draws
from typhoon_tracker.downscale.settings import SOFT, SOFTMAX, Settings
from typhoon_tracker.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore")


class Killed(BaseException):
    """As if by kill -9: nothing is written after it."""


def module(storms, network, monkeypatch, *, constraint="none", **changes):
    """A training step's module on a batch, and the batch."""
    cases = cases_of(storms, frames=3 if network in ("convgru", "flowconvgru") else 1)
    torch.manual_seed(0)
    net = build(network, channels=1, factor=4, width=4, coarse_shape=(4, 4))
    settings = Settings(data="", network=network, constraint=constraint, **changes)
    made = Downscaling(Downscaler(net, cases.statistics(), constraint=constraint), settings)
    monkeypatch.setattr(made, "log", lambda *_, **__: None)
    monkeypatch.setattr(made, "log_dict", lambda *_, **__: None)
    return made, cases.batch(cases.splits[TRAIN][:4])


def gradients(made, batch, part):
    """What the optimiser would step by."""
    torch.manual_seed(1)
    made.zero_grad()
    made.training_step(batch, 0).backward()
    return torch.cat([p.grad.flatten() for p in part.parameters()])


def test_a_training_writes_a_model_that_says_how_it_was_made(storms, tmp_path):
    outcome = trained(storms, tmp_path, constraint=SOFTMAX, seed=7)
    refiner, cases = open_model(str(tmp_path))
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["variables"], config["training"]["seed"], config["training"]["split_seed"]) == (["speed"], 7, 0)
    assert config["training"]["storms"] == cases.facts["storms"]
    assert config["training"]["best_step"] == outcome.best_step
    scores = evaluate(refiner, cases, split="validation", progress=silent).scores["speed"]
    std = config["normalisation"]["std"][0]
    assert scores["mse"] / std**2 == pytest.approx(outcome.error, rel=1e-4)
    assert scores["negatives"] == 0
    assert scores["mass_violation"] < 1e-5


def test_the_weights_of_the_least_validation_error_are_kept(storms, tmp_path, monkeypatch):
    errors = iter([2.0, 1.0, 3.0])
    monkeypatch.setattr(Downscaling, "validation_step", lambda self, batch, k: self.log("val_error", next(errors)))
    # One validation batch a round: the storms held out are few.
    outcome = trained(storms, tmp_path, steps=6)
    assert (outcome.best_step, outcome.error) == (4, 1.0)
    best = torch.load(tmp_path / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    for name, value in load_file(tmp_path / "weights.safetensors").items():
        assert torch.equal(value, best[f"model.net.{name}"]), name


def test_killed_and_resumed_a_gan_ends_where_an_unbroken_one_does(storms, tmp_path, monkeypatch):
    """Its noise and its discriminator too."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    trained(storms, whole, network="gan")
    plain, left = Downscaling.training_step, [Killed()]

    def step(self, batch, k):
        if self.global_step == 3 and left:
            raise left.pop()
        return plain(self, batch, k)

    with monkeypatch.context() as patch:
        patch.setattr(Downscaling, "training_step", step)
        with pytest.raises(Killed):
            trained(storms, broken, network="gan")
    assert not (broken / "config.json").exists()
    trained(storms, broken, network="gan")
    first, second = (load_file(folder / "weights.safetensors") for folder in (whole, broken))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    with pytest.raises(InputError, match="was trained with constraint = none, not additive"):
        trained(storms, broken, network="gan", constraint="additive")


@pytest.mark.parametrize("network", ["cnn", "gan", "convgru", "flowconvgru"])
def test_the_soft_constraint_enters_the_loss_of_every_network(storms, network, monkeypatch):
    made, batch = module(storms, network, monkeypatch, constraint=SOFT)
    soft = gradients(made, batch, made.model)
    made.settings = Settings(data="", network=network, constraint=SOFT, alpha=0.0)
    points = gradients(made, batch, made.model)
    made.settings = Settings(data="", network=network)
    torch.testing.assert_close(gradients(made, batch, made.model), points)  # alpha 0 is no constraint
    assert (soft - points).norm() > 0.01 * points.norm()
    assert torch.isfinite(soft).all()


def test_the_generator_learns_from_the_discriminator_and_each_from_its_own_loss(storms, monkeypatch):
    made, batch = module(storms, "gan", monkeypatch)
    both, judge = gradients(made, batch, made.model), gradients(made, batch, made.discriminator)
    made.settings = Settings(data="", network="gan", adversarial=0.0)
    alone, same = gradients(made, batch, made.model), gradients(made, batch, made.discriminator)
    assert 0 < (both - alone).norm() < 0.1 * alone.norm()
    torch.testing.assert_close(judge, same)  # what the generator wants is nothing to the discriminator,
    assert judge.norm() > 0
    made.discriminator = None
    torch.testing.assert_close(gradients(made, batch, made.model), alone)  # nor what that wants to the generator


def test_a_discriminator_learns_to_tell(storms, monkeypatch):
    made, batch = module(storms, "gan", monkeypatch)
    said = []
    monkeypatch.setattr(made, "log_dict", lambda values, **_: said.append(values["train_telling"].item()))
    optimizer = torch.optim.Adam(made.discriminator.parameters(), lr=1e-3)
    for _ in range(15):
        optimizer.zero_grad()
        torch.manual_seed(0)
        made.training_step(batch, 0).backward()
        optimizer.step()
    print(said)
    assert said[0] == pytest.approx(2 * math.log(2), rel=0.1)  # it cannot tell
    assert said[-1] < 0.8 * said[0]


def test_a_network_learns_to_beat_what_it_was(storms, tmp_path):
    few = trained(storms, tmp_path / "few", steps=2, constraint="additive")
    more = trained(storms, tmp_path / "more", steps=40, every=20, width=8, learning_rate=1e-2, constraint="additive")
    assert more.error < 0.9 * few.error


def test_draws_are_those_of_the_seed():
    assert torch.equal(draws((2, 1), 3, seed=1), draws((2, 1), 3, seed=1))
    assert not torch.equal(draws((2, 1), 3, seed=1), draws((2, 1), 3, seed=2))


def test_a_training_that_goes_astray_says_where(storms, tmp_path):
    with pytest.raises(InputError, match=r"network's output has .* NaN|the loss at step .* smaller --learning-rate"):
        trained(storms, tmp_path, learning_rate=1e30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variables": ("u10",), "constraint": SOFTMAX}, "u10 goes down to -.* Give the constraint additive"),
        ({"network": "unet"}, "unknown network 'unet'; known: cnn, gan, convgru, flowconvgru"),
        ({"constraint": "hard"}, "unknown constraint 'hard'; known: none, softmax"),
        ({"network": "flowconvgru", "frames": 5}, "flowconvgru makes 3 frames from 2, not 5"),
        ({"factor": 3}, "by a power of two, not by 3"),
        ({"precision": "64-true"}, "unknown precision '64-true'; known: 32-true, bf16-mixed, 16-mixed"),
        ({"alpha": 2.0}, "--alpha 2.0 is outside 0 to 1"),
        ({"learning_rate": 0.0}, "--learning-rate 0.0 is not positive"),
    ],
)
def test_settings_that_fit_nothing_are_told(storms, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        trained(storms, tmp_path, **changes)


def test_a_model_folder_that_is_damaged_is_told(storms, tmp_path):
    trained(storms, tmp_path, steps=2)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "network": {**config["network"], "width": 8}}))
    with pytest.raises(InputError, match=r"weights and config\.json do not fit"):
        load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "kind": "forecaster"}))
    with pytest.raises(InputError, match="is no downscaler"):
        load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "weights.safetensors").write_bytes(b"cut")
    with pytest.raises(InputError, match="are truncated or changed"):
        load(tmp_path)
    with pytest.raises(InputError, match="no downscaler 'nowhere'"):
        load(tmp_path.__class__("nowhere"))
