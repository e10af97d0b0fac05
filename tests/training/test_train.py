"""A whole training, tiny: it writes a model, keeps the seasons apart, and goes on where it stopped."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from typhoon_tracker.forecast.checkpoint import load

pytest.importorskip("lightning")
from typhoon_tracker.training import train

pytestmark = pytest.mark.filterwarnings("ignore")
TINY = {
    "steps": 6,
    "batch_size": 1,
    "size": 16,
    "spatial_channels": 4,
    "temporal_channels": 8,
    "layers": 1,
    "save_every": 2,
    "precision": "32-true",
}


@pytest.fixture
def seen(best, monkeypatch):
    """Train on the few storms; collect the seed and number of every batch and the storms behind it."""
    monkeypatch.setattr(train, "shipped", SimpleNamespace(load=lambda agency: SimpleNamespace(table=best)))
    monkeypatch.setattr(train, "STATISTICS_BATCHES", 2)
    monkeypatch.setattr(train, "VALIDATION_BATCHES", 1)
    # Without stochastic depth, whose dice are no part of a checkpoint.
    small = functools.partial(train.Met2NetConfig, stages=2, heads=2, drop_path=0.0)
    monkeypatch.setattr(train, "Met2NetConfig", small)
    batches, plain = [], train.StormWindows.batch

    def record(self, k):
        batches.append((self.seed, k, frozenset(self.tracks.sids)))
        return plain(self, k)

    monkeypatch.setattr(train.StormWindows, "batch", record)
    return batches


def trained_on(batches):
    return [k for seed, k, _ in batches if seed == 1][2:]  # after the statistics


def test_a_training_writes_a_model_from_the_training_seasons_alone(best, seen, tmp_path):
    train.main(tmp_path / "model", **TINY)
    model, config = load(tmp_path / "model")
    assert trained_on(seen) == list(range(6))
    by_season = best.groupby("season")["track_id"].unique()
    assert {sids for seed, _, sids in seen if seed == 1} == {frozenset(by_season[2021])}
    assert {sids for seed, _, sids in seen if seed != 1} == {frozenset(by_season[2022])}
    assert config["variables"] == ["msl", "u10", "v10", "t2m"]
    assert config["training"]["seasons"] == [2021, 2021]
    assert config["training"]["steps"] == 6
    with torch.inference_mode():
        window = train.StormWindows(best, batches=1, batch_size=1, size=16).batch(0)
        assert torch.isfinite(model.loss(window[:, :12], window[:, 12:]))


def test_the_exported_weights_are_the_averaged_ones(seen, tmp_path):
    train.main(tmp_path, **TINY)
    exported = load_file(tmp_path / "weights.safetensors")
    last = torch.load(tmp_path / "checkpoints/step=6.ckpt", weights_only=False)
    raw = 0
    for name, value in exported.items():
        assert torch.equal(value, last["state_dict"][f"model.net.{name}"]), name
        raw += not torch.equal(value, last["current_model_state"][f"model.net.{name}"])
    assert raw > 10


@pytest.mark.parametrize("stopped", [2, 4])
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(seen, tmp_path, stopped):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    train.main(whole, **TINY)
    (resumed / "checkpoints").mkdir(parents=True)
    name = f"checkpoints/step={stopped}.ckpt"
    (resumed / name).write_bytes((whole / name).read_bytes())
    seen.clear()
    train.main(resumed, **TINY)
    assert trained_on(seen) == list(range(stopped, 6))
    first, second = (load_file(folder / "weights.safetensors") for folder in (whole, resumed))
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
    configs = [json.loads((folder / "config.json").read_text()) for folder in (whole, resumed)]
    assert configs[0] == configs[1]


def test_a_loss_that_is_no_number_leaves_no_model(seen, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(train.TendencyModel, "loss", lambda self, x, y: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(RuntimeError, match="the loss is nan at step 0"):
        train.main(tmp_path, **TINY)
    assert not (tmp_path / "config.json").exists()
