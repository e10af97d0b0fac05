"""The training step: it learns, it warms up and cools down, it stops at a loss that is no number."""

from __future__ import annotations

import pytest
import torch

from typhoon_tracker.forecast.model import Normalisation, TendencyModel
from typhoon_tracker.nets.met2net import Met2NetConfig
from typhoon_tracker.training.data import StormWindows, statistics

pytest.importorskip("lightning")
from typhoon_tracker.training.module import WARMUP_STEPS, EndToEnd

CONFIG = Met2NetConfig(
    frames_in=4, frames_out=3, spatial_channels=4, temporal_channels=16, stages=2, layers=1, heads=2, drop_path=0.0
)


@pytest.fixture(scope="module")
def setting(best):
    windows = StormWindows(best[best["season"] <= 2021], batches=2, batch_size=2, size=16, frames_in=4, frames_out=3)
    return windows.batch(0), Normalisation(**statistics(windows, batches=2))


def module(normalisation, *, steps=1000):
    torch.manual_seed(0)
    return EndToEnd(TendencyModel(CONFIG, normalisation), learning_rate=1e-2, steps=steps)


def test_a_small_network_learns_a_batch_by_heart(setting):
    window, normalisation = setting
    trained = module(normalisation)
    optimizer = torch.optim.Adam(trained.model.parameters(), lr=1e-2)
    past, future = trained._split(window)
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
    past, future = module(normalisation)._split(window)
    assert torch.equal(torch.cat([past, future], 1), window)
    assert past.shape[1] == CONFIG.frames_in
    assert future.shape[1] == CONFIG.frames_out


def test_the_rate_warms_up_stays_and_falls_to_nothing(setting):
    schedule = module(setting[1], steps=1000).configure_optimizers()["lr_scheduler"]
    assert schedule["interval"] == "step"
    (rate,) = schedule["scheduler"].lr_lambdas
    assert rate(0) == pytest.approx(1 / WARMUP_STEPS)
    assert rate(WARMUP_STEPS // 2 - 1) == pytest.approx(0.5)
    assert rate(WARMUP_STEPS) == rate(500) == rate(700) == 1.0
    assert rate(850) == pytest.approx(0.5)
    assert rate(1000) == 0.0


def test_a_loss_that_is_no_number_stops_the_training(setting):
    window, normalisation = setting
    trained = module(normalisation)
    with pytest.raises(RuntimeError, match=r"the loss is nan at step 0; the last checkpoint is good"):
        trained.training_step(torch.where(window > 1e4, torch.nan, window), 0)
