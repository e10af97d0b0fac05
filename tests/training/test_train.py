"""A whole training, tiny: seasons apart, the best weights exported, and killed it ends where an unbroken one does."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from tests.training.trained import TINY, TWO_STAGE, Killed, losses, run, stop_at, weights
from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import create
from typhoon_tracker.forecast.checkpoint import load

pytest.importorskip("lightning")
from typhoon_tracker.training import batches, fit, trainer
from typhoon_tracker.training.batches import Place
from typhoon_tracker.training.checkpoints import BEST, LAST, read
from typhoon_tracker.training.module import Forecasting
from typhoon_tracker.training.settings import resolve
from typhoon_tracker.training.train import train

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def seen(best, monkeypatch):
    """Train on the few storms; collect the seed and number of every batch and the storms behind it."""
    monkeypatch.setattr(batches, "shipped", SimpleNamespace(load=lambda agency: SimpleNamespace(table=best)))
    monkeypatch.setattr(batches, "STATISTICS_BATCHES", 2)
    collected, plain = [], batches.StormWindows.batch

    def record(self, k):
        collected.append((self.seed, k, frozenset(self.tracks.sids)))
        return plain(self, k)

    monkeypatch.setattr(batches.StormWindows, "batch", record)
    return collected


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Log every step, and draw no curve."""
    monkeypatch.setattr(trainer, "LOG_EVERY", 1)
    monkeypatch.setattr(fit.report, "draw", lambda *_, **__: None)


def errors_in_turn(monkeypatch, *errors):
    """Let the validations find these errors."""
    left = iter(errors)
    monkeypatch.setattr(Forecasting, "validation_step", lambda self, window, k: self.log("val_error", next(left)))


def test_a_training_writes_a_model_from_the_training_seasons_alone(best, seen, tmp_path):
    run(tmp_path / "model")
    model, config = load(tmp_path / "model")
    trained = [k for seed, k, _ in seen if seed == 1][2:]  # after the statistics
    assert trained == list(range(6))
    by_season = best.groupby("season")["track_id"].unique()
    assert {sids for seed, _, sids in seen if seed == 1} == {frozenset(by_season[2021])}
    assert {sids for seed, _, sids in seen if seed != 1} == {frozenset(by_season[2022])}
    said = config["training"]
    assert config["variables"] == ["msl", "u10", "v10", "t2m"]
    assert (said["seasons"], said["validation_season"], said["seed"]) == ([2021, 2021], 2022, 1)
    assert said["versions"]["torch"] == torch.__version__
    assert said["command"]
    with torch.inference_mode():
        window = batches.StormWindows(best, batches=1, batch_size=1, size=16, frames_in=2, frames_out=2).batch(0)
        assert torch.isfinite(model.loss(window[:, :2], window[:, 2:]))
    assert sorted(path.name for path in (tmp_path / "model/checkpoints").iterdir()) == [BEST, LAST]
    assert list((tmp_path / "model/logs/from-0").glob("events.out.tfevents.*"))


def test_the_exported_weights_are_the_averaged_ones_of_the_least_validation_error(seen, tmp_path, monkeypatch, capsys):
    errors_in_turn(monkeypatch, 3.0, 1.0, 2.0)
    run(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())["training"]
    assert (config["steps"], config["best_step"], config["validation_error"]) == (6, 4, 1.0)
    shown = capsys.readouterr().out
    assert "the weights of step 4" in shown
    best, last = (read(tmp_path / "checkpoints" / name) for name in (BEST, LAST))
    assert (best["global_step"], last["global_step"]) == (4, 6)
    exported = weights(tmp_path)
    for name, value in exported.items():
        assert torch.equal(value, best["state_dict"][f"model.net.{name}"]), name
    for other in (best["current_model_state"], last["state_dict"]):
        assert sum(not torch.equal(value, other[f"model.net.{name}"]) for name, value in exported.items()) > 10


@pytest.mark.parametrize(
    ("changes", "killed_at"), [({}, 3), (TWO_STAGE, 4)], ids=["end to end, within a round", "two stages, at its start"]
)
def test_killed_and_resumed_a_training_ends_where_an_unbroken_one_does(seen, tmp_path, monkeypatch, changes, killed_at):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(whole, steps=5, **changes)
    stop_at(monkeypatch, killed_at, Killed())
    with pytest.raises(Killed):
        run(broken, steps=5, **changes)
    assert not (broken / "config.json").exists()
    run(broken, steps=5, **changes)
    assert len(losses(whole)) == 5
    assert losses(broken) == losses(whole)
    first, second = weights(whole), weights(broken)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    configs = [json.loads((folder / "config.json").read_text()) for folder in (whole, broken)]
    assert configs[0]["training"] == configs[1]["training"]
    assert configs[0] == configs[1]


def test_more_steps_train_on_and_no_more_train_nothing(seen, tmp_path, capsys):
    run(tmp_path, steps=3)
    before = losses(tmp_path)
    run(tmp_path, steps=5)
    assert [step for step, _ in losses(tmp_path)] == [1, 2, 3, 4, 5]
    assert losses(tmp_path)[:3] == before
    seen.clear()
    capsys.readouterr()
    run(tmp_path, steps=5)
    assert not seen
    assert "nothing was left to train" in capsys.readouterr().out


def test_fine_tuning_starts_from_the_weights_and_keeps_their_normalisation(seen, tmp_path):
    run(tmp_path / "first", steps=2)
    options = {**TINY, "steps": 2, "learning_rate": 1e-12, "seed": 9, "start_from": str(tmp_path / "first")}
    train(tmp_path / "second", **options)
    first, second = weights(tmp_path / "first"), weights(tmp_path / "second")
    for name in ("encoders.0.0.conv.weight", "translator.enter.weight"):
        torch.testing.assert_close(first[name], second[name], rtol=1e-6, atol=1e-9)
    configs = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("first", "second")]
    assert configs[0]["normalisation"] == configs[1]["normalisation"]
    assert configs[1]["training"]["start_from"] == str(tmp_path / "first")
    with pytest.raises(InputError, match="have frames_out = 2, not 3"):
        train(tmp_path / "third", network=["frames_out=3"], **options)


@pytest.mark.parametrize("architecture", ["tau", "convlstm"])
def test_the_other_architectures_train(seen, tmp_path, architecture):
    sizes = {"tau": ["spatial_channels=4", "temporal_channels=8", "layers=2"], "convlstm": ["hidden=[4]", "patch=4"]}
    network = ["frames_in=2", "frames_out=2", *sizes[architecture]]
    train(tmp_path, architecture=architecture, network=network, **{**TINY, "steps": 2})
    model, config = load(tmp_path)
    assert config["architecture"] == architecture
    assert torch.isfinite(torch.cat([p.flatten() for p in model.parameters()])).all()


@pytest.fixture
def archive(tmp_path):
    """Half a day of weather in 2021 and in 2022, 16 x 20 points."""
    random = np.random.default_rng(0)
    typical = {"msl": (100_800.0, 600.0), "u10": (0.0, 5.0), "v10": (0.0, 5.0), "t2m": (298.0, 4.0)}
    for year in (2021, 2022):
        values = {name: mean + std * random.standard_normal((12, 16, 20)) for name, (mean, std) in typical.items()}
        times = pd.date_range(f"{year}-08-01", periods=12, freq="h")
        fields = create(values, times, 30.0 - 0.25 * np.arange(16), 120.0 + 0.25 * np.arange(20), source="noise")
        fields.to_netcdf(tmp_path / f"fields_{year}.nc", engine="h5netcdf")
    return str(tmp_path / "fields_*.nc")


def test_fields_on_disk_train_by_epochs_and_resume(archive, tmp_path, monkeypatch):
    options = {"data": archive, "crop": None, "steps": None, "epochs": 2, "batch_size": 3, "validation_windows": 3}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(whole, **options)
    config = json.loads((whole / "config.json").read_text())["training"]
    assert (config["windows"], config["steps"]) == (9, 6)  # 12 frames, windows of 4; 3 steps of 3 an epoch
    assert (config["seasons"], config["data"]) == ([2021, 2021], f"fields of {archive}")
    plain, left = batches.Rounds.train_dataloader, [Killed()]

    def loader(self):
        if self.trainer.global_step == 5 and left:  # within the second epoch
            raise left.pop()
        return plain(self)

    monkeypatch.setattr(batches.Rounds, "train_dataloader", loader)
    with pytest.raises(Killed):
        run(broken, **options)
    assert read(broken / "checkpoints" / LAST)["global_step"] == 5
    run(broken, **options)
    assert losses(broken) == losses(whole)
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(broken)[name]), name


@pytest.mark.parametrize("workers", [0, 1])
def test_a_nan_in_a_file_is_named_with_its_time(archive, tmp_path, workers):
    path = archive.replace("*", "2022")
    with xr.open_dataset(path, engine="h5netcdf") as raw:
        holed = raw.load()
    holed["u10"][4, 3, 2] = np.nan
    holed.drop_encoding().to_netcdf(path, engine="h5netcdf")
    with pytest.raises(InputError, match=r"^u10 has 1 NaN .* at 2022-08-01 04:00:00"):
        run(tmp_path / "out", data=archive, crop=None, steps=1, workers=workers)


def test_an_epoch_of_fields_shows_every_window_once_and_each_process_its_own(archive):
    settings = resolve({"data": archive, "batch_size": 2, "validation_windows": 5})
    source = batches.Fields(settings, (2, 2))
    numbers = [
        [list(source.training(start, 4 * (start // 4 + 1), Place(rank, world)).batch_sampler) for rank in range(world)]
        for start, world in ((0, 1), (4, 1), (0, 2))
    ]
    first, second = (sorted(window for batch in one[0] for window in batch) for one in numbers[:2])
    assert len(set(first)) == len(first) == len(set(second)) == 8  # of 9 windows, in batches of 2
    assert numbers[0] != numbers[1]
    shared = [window for rank in numbers[2] for batch in rank[:2] for window in batch]
    assert sorted(shared) == first
    assert [source.epoch_end(step, Place()) for step in (0, 3, 4)] == [4, 4, 8]
    assert [window.shape for window in source.validation()] == [(5, 4, 4, 16, 20)]
