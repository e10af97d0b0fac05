"""The training steps: they learn, throw the same dice again, and validate the forecast without touching anything."""

from __future__ import annotations

import math

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging

from typhoon_tracker.errors import InputError
from typhoon_tracker.forecast.model import FieldModel, Normalisation
from typhoon_tracker.nets.architectures import build
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig
from typhoon_tracker.training import module as training
from typhoon_tracker.training.data import StormWindows, statistics
from typhoon_tracker.training.module import WARMUP_STEPS, EndToEnd, ImplicitTwoStage
from typhoon_tracker.training.two_stage import PAPER

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
CONFIG = Met2NetConfig(
    frames_in=4, frames_out=3, spatial_channels=4, temporal_channels=16, stages=2, layers=1, heads=2, drop_path=0.5
)
COMMON = {"learning_rate": 1e-2, "steps": 1000, "schedule": "trapezoid", "seed": 5}


@pytest.fixture(scope="module")
def setting(best):
    windows = StormWindows(best[best["season"] <= 2021], batches=2, batch_size=2, size=16, frames_in=4, frames_out=3)
    return windows.batch(0), Normalisation(**statistics(windows, batches=2))


def end_to_end(normalisation, **changes):
    torch.manual_seed(0)
    return EndToEnd(FieldModel(Met2Net(CONFIG), normalisation), **{**COMMON, **changes})


def two_stage(normalisation, **changes):
    torch.manual_seed(0)
    model = FieldModel(Met2Net(CONFIG), normalisation, target="state")
    return ImplicitTwoStage(model, momentum=PAPER, **{**COMMON, **changes})


def trainer(*callbacks, steps=2):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return lightning.Trainer(
        max_steps=steps, accelerator="cpu", callbacks=list(callbacks), enable_model_summary=False, **quiet
    )


def loader(*batches):
    return torch.utils.data.DataLoader(batches, batch_size=None)


def copied(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


class Snapshots(lightning.Callback):
    """The state before and after validation."""

    def on_validation_start(self, trainer, pl_module):
        self.before = copied(pl_module)

    def on_validation_end(self, trainer, pl_module):
        self.after = copied(pl_module)


def test_a_small_network_learns_a_batch_by_heart(setting):
    window, normalisation = setting
    trained = end_to_end(normalisation)
    for part in trained.modules():
        if hasattr(part, "probability"):
            part.probability = 0.0
    optimizer = torch.optim.Adam(trained.model.parameters(), lr=1e-2)
    past, future = trained.split(window)
    losses = []
    for _ in range(40):
        loss = trained.model.loss(past, future)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained.model.parameters())


def test_the_window_is_split_at_the_init_time(setting):
    window, normalisation = setting
    past, future = end_to_end(normalisation).split(window)
    assert torch.equal(torch.cat([past, future], 1), window)
    assert past.shape[1] == CONFIG.frames_in
    assert future.shape[1] == CONFIG.frames_out


def test_the_trapezoid_warms_up_stays_and_falls_to_nothing(setting):
    trained = end_to_end(setting[1])
    assert trained.configure_optimizers()["lr_scheduler"]["interval"] == "step"
    rate = trained.rate
    assert rate(0) == pytest.approx(1 / WARMUP_STEPS)
    assert rate(WARMUP_STEPS // 2 - 1) == pytest.approx(0.5)
    assert rate(WARMUP_STEPS) == rate(500) == rate(700) == 1.0
    assert rate(850) == pytest.approx(0.5)
    assert rate(1000) == 0.0


def test_the_cosine_falls_from_the_rate_to_its_lowest(setting):
    rate = end_to_end(setting[1], schedule="cosine", learning_rate=1e-3).rate
    assert rate(0) == 1.0
    assert rate(500) == pytest.approx(0.5, abs=1e-3)
    assert rate(250) == pytest.approx((1 + math.cos(math.pi / 4)) / 2, abs=1e-3)
    assert 1e-3 * rate(1000) == pytest.approx(1e-6)


@pytest.mark.parametrize("make", [end_to_end, two_stage])
def test_the_dice_are_those_of_the_seed_and_the_step(setting, make, monkeypatch):
    window, normalisation = setting

    def loss(step, **changes):
        trained = make(normalisation, **changes).train()
        torch.rand(step)  # whatever was thrown before
        monkeypatch.setattr(type(trained), "global_step", step)
        monkeypatch.setattr(trained, "log", lambda *_, **__: None)
        monkeypatch.setattr(trained, "log_dict", lambda *_, **__: None)
        trained.on_train_batch_start(window, 0)
        return trained.training_step(window, 0).item()

    assert loss(7) == loss(7)
    assert len({loss(step) for step in range(3)}) > 1  # the branches that are dropped differ
    assert len({loss(7, seed=seed) for seed in range(3)}) > 1


@pytest.mark.parametrize("make", [end_to_end, two_stage])
def test_validation_changes_nothing(setting, make):
    window, normalisation = setting
    trained, states = make(normalisation), Snapshots()
    averaged = [EMAWeightAveraging(decay=0.5)] if make is end_to_end else []
    run = trainer(*averaged, states)
    run.fit(trained, loader(window, window), loader(window))
    for name, value in states.before.items():
        assert torch.equal(value, states.after[name]), name
    assert run.callback_metrics["val_error"] > 0


def test_the_validation_error_is_that_of_the_forecast_and_of_no_part_that_is_discarded(setting):
    window, normalisation = setting
    trained = two_stage(normalisation)
    trained.stages.slow_translator.enter.weight.data.fill_(torch.nan)  # no forecast goes through it
    found = trainer().validate(trained, loader(window), verbose=False)[0]["val_error"]
    with torch.inference_mode():
        x, y = trained.split(window)
        forecast = trained.model.eval()(x)
        std = torch.tensor(normalisation.std)[:, None, None]
        assert found == pytest.approx((((forecast - y) / std) ** 2).mean().item(), rel=1e-4)


def test_the_momentum_copies_move_after_the_optimiser(setting):
    window, normalisation = setting
    trained = two_stage(normalisation, learning_rate=1.0)
    before = copied(trained.stages)
    trainer(steps=1).fit(trained, loader(window), loader(window))
    after = trained.stages.state_dict()
    name = "translator.enter.weight"
    expected = 0.999 * before[f"slow_{name}"] + 0.001 * after[f"net.{name}"]
    assert not torch.equal(before[f"net.{name}"], after[f"net.{name}"])
    torch.testing.assert_close(after[f"slow_{name}"], expected, rtol=0, atol=1e-7)
    assert (after[f"slow_{name}"] - before[f"slow_{name}"]).abs().max() > 1e-6


def test_tau_learns_its_divergence_beside_the_error(setting, monkeypatch):
    window, normalisation = setting
    sizes = {"frames_in": 4, "frames_out": 3, "spatial_channels": 4, "temporal_channels": 8, "layers": 2}
    torch.manual_seed(0)
    model = FieldModel(build("tau", {**sizes, "drop_path": 0.0}), normalisation)
    losses = []
    for divergence in (False, True):
        trained = EndToEnd(model, divergence=divergence, **COMMON).train()
        monkeypatch.setattr(trained, "log", lambda *_, **__: None)
        losses.append(trained.training_step(window, 0))
    from typhoon_tracker.nets.tau import differential_divergence

    x, y = trained.split(window)
    extra = differential_divergence(model.predict(x), model.in_units(x, y)) / (
        4 * 16 * 16
    )  # mean over a frame's values
    assert extra > 0
    torch.testing.assert_close(losses[1] - losses[0], training.DIVERGENCE_WEIGHT * extra, rtol=1e-2, atol=1e-7)


def test_a_loss_that_is_no_number_stops_the_training(setting):
    window, normalisation = setting
    trained = end_to_end(normalisation)
    trained.model.net.decoders[0][-1].bias.data.fill_(torch.inf)
    with pytest.raises(FloatingPointError, match="the loss at step 0 is inf"):
        trained.training_step(window, 0)


@pytest.mark.parametrize("make", [end_to_end, two_stage])
def test_a_nan_in_a_batch_is_named(setting, make):
    window, normalisation = setting
    holed = window.clone()
    holed[0, 5, 1, 2, 3] = torch.nan
    holed[0, 5, 3, 2, 3] = torch.inf
    with pytest.raises(InputError, match="training batch 0 has 2 NaN or infinite values in u10, t2m"):
        make(normalisation).training_step(holed, 0)


def test_a_step_on_labelled_windows_learns_from_the_leads_it_draws(best, setting, monkeypatch):
    windows = StormWindows(best[best["season"] == 2021], batches=1, batch_size=2, size=32, frames_in=4, frames_out=3)
    batch = windows.labelled(0)
    trained = end_to_end(setting[1], centre_weight=0.5, leads_a_step=2)
    asked, plain = [], trained.model.predict
    monkeypatch.setattr(trained.model, "predict", lambda x, frames=None: asked.append(frames) or plain(x, frames))
    logged = {}
    monkeypatch.setattr(EndToEnd, "log", lambda self, name, value, **more: logged.update({name: value}))
    monkeypatch.setattr(EndToEnd, "log_dict", lambda self, values: logged.update(values))
    torch.manual_seed(1)
    loss = trained.training_step(batch, 0)
    assert len(asked[0]) == 2
    assert set(asked[0]) < {0, 1, 2}
    torch.testing.assert_close(loss, logged["train_pixels"] + 0.5 * logged["train_centres"])
    x, y = trained.split(batch.fields)
    expected = trained.model.in_units(x, y[:, asked[0]], asked[0])
    torch.testing.assert_close(
        logged["train_pixels"], (plain(x, asked[0]) - expected).square().mean(), rtol=0.2, atol=0
    )


def test_validation_of_labelled_windows_has_the_centres_in_it(best, setting):
    windows = StormWindows(best[best["season"] == 2021], batches=1, batch_size=6, size=40, frames_in=4, frames_out=3)
    batch = windows.labelled(0)
    plain = trainer().validate(end_to_end(setting[1]), loader(batch.fields), verbose=False)[0]
    found = trainer().validate(end_to_end(setting[1], centre_weight=0.5), loader(batch), verbose=False)[0]
    assert found["val_error"] > plain["val_error"]
    assert found["val_centre_km_3h"] > 0
