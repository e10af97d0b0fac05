"""What ends a training: one sentence that names it, what is still good, and how to go on."""

from __future__ import annotations

import errno
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import typer

from tests.commands import command
from tests.training.trained import run, weights
from typhoon_tracker.errors import InputError

pytest.importorskip("lightning")
from typhoon_tracker.training import batches, fit
from typhoon_tracker.training.checkpoints import BEST, LAST, read
from typhoon_tracker.training.module import EndToEnd
from typhoon_tracker.training.train import train

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def few_storms(best, monkeypatch):
    monkeypatch.setattr(batches, "shipped", SimpleNamespace(load=lambda agency: SimpleNamespace(table=best)))
    monkeypatch.setattr(batches, "STATISTICS_BATCHES", 2)
    monkeypatch.setattr(fit.report, "draw", lambda *_, **__: None)


def full_disk(monkeypatch, *, after):
    """Let that many writes succeed, then none."""
    left, plain = [after], Path.write_bytes

    def write(self, content):
        if not left[0]:
            plain(self, bytes(content)[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= 1
        return plain(self, content)

    monkeypatch.setattr(Path, "write_bytes", write)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": 18, "network": ("stages=4",)}, "a crop of 18 points does not fit the network; give a multiple of 4"),
        ({"crop": 4000}, "a crop of 4000 points does not fit the reconstruction's"),
        ({"network": ("heads=3",)}, "make no network: 3 heads do not divide temporal_channels = 8"),
        ({"network": ("layer=3",)}, "unknown met2net setting 'layer'; did you mean 'layers'"),
        ({"network": ("variables=3",)}, "the network takes 3 variables; the data have 4: msl, u10, v10, t2m"),
        ({"strategy": "dpp"}, "Lightning cannot train with --devices auto --strategy dpp"),
        ({"data": "no/such/era5_*.nc"}, "era5_"),
        ({"start_from": "no-such-model"}, "no model 'no-such-model'"),
    ],
)
def test_settings_that_fit_nothing_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        run(tmp_path, **changes)


def test_the_command_says_one_sentence_and_exits_with_2(tmp_path):
    app = typer.Typer()
    app.command()(train)
    outcome = command(app, "--out", tmp_path, "--steps", "3", "--epochs", "2")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "error: --steps 3 and --epochs 2 both say how long; give one of them.\n"


def test_a_training_resumed_with_other_settings_is_refused_by_name(tmp_path):
    run(tmp_path, steps=2)
    for changes, name in (
        ({"learning_rate": 0.5}, "learning_rate = 0.001, not 0.5"),
        ({"seed": 2}, "seed = 1, not 2"),
        ({"network": ("layers=2",)}, "network = .*'layers': 1.* not .*'layers': 2"),
    ):
        with pytest.raises(InputError, match=rf"last\.ckpt was trained with {name}"):
            run(tmp_path, **changes)


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_a_checkpoint_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / LAST).write_bytes(content)
    with pytest.raises(InputError, match=r"last\.ckpt cannot be read as a checkpoint .* delete it"):
        run(tmp_path)


def test_a_loss_that_is_no_number_names_the_last_good_checkpoint(tmp_path, monkeypatch):
    plain = EndToEnd.training_step

    def step(self, window, k):
        if self.global_step == 3:
            self.model.net.decoders[0][-1].bias.data.fill_(torch.nan)
        return plain(self, window, k)

    monkeypatch.setattr(EndToEnd, "training_step", step)
    with pytest.raises(InputError, match=r"the loss at step 3 is nan; the last good .* step 2, .*last\.ckpt\. Train"):
        run(tmp_path)
    kept = read(tmp_path / "checkpoints" / LAST)
    assert kept["global_step"] == 2
    assert all(torch.isfinite(value).all() for value in kept["state_dict"].values())
    assert not (tmp_path / "config.json").exists()


def test_a_nan_in_a_batch_stops_the_training_and_names_the_variable(tmp_path, monkeypatch):
    plain = batches.StormWindows.batch

    def batch(self, k):
        window = plain(self, k)
        if k == 3:
            window[0, 1, 2, 3, 4] = torch.nan
        return window

    monkeypatch.setattr(batches.StormWindows, "batch", batch)
    with pytest.raises(InputError, match="training batch 3 has 1 NaN or infinite values in v10"):
        run(tmp_path)
    assert read(tmp_path / "checkpoints" / LAST)["global_step"] == 2


def test_a_disk_full_of_a_checkpoint_keeps_the_one_before_and_the_training_goes_on_from_it(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        full_disk(patch, after=1)
        with pytest.raises(InputError, match=r"the disk of .* is full; the last good checkpoint is that of step 2"):
            run(tmp_path, steps=4)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [BEST, LAST]
    assert read(tmp_path / "checkpoints" / LAST)["global_step"] == 2
    run(tmp_path, steps=4)
    assert read(tmp_path / "checkpoints" / LAST)["global_step"] == 4


@pytest.mark.parametrize("after", [1, 2])  # a checkpoint; then the weights, then the config
def test_a_disk_full_of_the_model_keeps_the_one_before(tmp_path, monkeypatch, after):
    run(tmp_path, steps=2)
    before, config = weights(tmp_path), (tmp_path / "config.json").read_text()
    with monkeypatch.context() as patch:
        full_disk(patch, after=after)
        with pytest.raises(InputError, match="is full"):
            run(tmp_path, steps=4)
    assert (tmp_path / "config.json").read_text() == config
    assert all(torch.equal(value, before[name]) for name, value in weights(tmp_path).items())
    assert not list(tmp_path.glob(".*.partial"))


@pytest.mark.parametrize(("stopped_at", "said"), [(3, "that of step 2"), (0, "there is no checkpoint yet")])
def test_ctrl_c_says_where_it_stopped_and_how_to_go_on(tmp_path, monkeypatch, capsys, stopped_at, said):
    handler = signal.getsignal(signal.SIGINT)
    plain = EndToEnd.training_step

    def step(self, window, k):
        if self.global_step == stopped_at:
            raise KeyboardInterrupt
        return plain(self, window, k)

    monkeypatch.setattr(EndToEnd, "training_step", step)
    with pytest.raises(SystemExit) as stop:
        run(tmp_path)
    assert stop.value.code == 130
    shown = capsys.readouterr().err
    assert f"stopped at step {stopped_at}; " in shown
    assert said in shown
    assert "the same command" in shown
    assert signal.getsignal(signal.SIGINT) is handler
