"""The last and the best checkpoint of a training, and nothing else: `checkpoints/last.ckpt` and `best.ckpt`."""

from __future__ import annotations

import io
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from typhoon_tracker.errors import InputError

LAST, BEST = "last.ckpt", "best.ckpt"
FREE = ("steps", "epochs", "workers")  # settings that may change when a training is resumed


class Renamed(TorchCheckpointIO):
    """Checkpoints written to a temporary name and renamed: a full disk, or a kill, leaves the one before."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        content, path = io.BytesIO(), Path(path)
        torch.save(checkpoint, content)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        try:
            partial.write_bytes(content.getbuffer())
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        os.replace(partial, path)


class Checkpoints(Checkpoint):
    """Keep the last checkpoint, and the one with the least validation error, after every round.

    Each carries under `training` what is `kept` (the settings and the normalisation), its `step` and its `error`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept: dict[str, Any] = {}
        self.error, self.best_error, self.saved_step, self.step = float("nan"), float("inf"), 0, 0

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # Lightning's loggers count the steps for themselves, and one too many in a resumed training.
        self.step = trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if "val_error" not in trainer.callback_metrics:
            return  # Lightning ends the round again from whose end a training is resumed
        self.error = trainer.callback_metrics["val_error"].item()
        better = self.error < self.best_error
        self.best_error = min(self.error, self.best_error)
        fresh = self.folder / "next.ckpt"
        trainer.save_checkpoint(fresh)
        self.saved_step = trainer.global_step
        if trainer.is_global_zero:
            if better:  # before the renaming: the best is never older than the last one knows
                _link(fresh, self.folder / BEST)
            os.replace(fresh, self.folder / LAST)
        for logger in trainer.loggers:
            logger.save()

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["training"] = {**self.kept, "step": trainer.global_step, "error": self.error}

    def state_dict(self) -> dict[str, Any]:
        return {"best_error": self.best_error, "saved_step": self.saved_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_error, self.saved_step = state_dict["best_error"], state_dict["saved_step"]


def _link(source: Path, path: Path) -> None:
    """Give a file a second name; copy it where the file system has no links."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    os.replace(partial, path)


def read(path: Path) -> dict[str, Any] | None:
    """Return a checkpoint, or None where there is none; raise InputError where it cannot be read."""
    if not path.exists():
        return None
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint["training"]["settings"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{path} cannot be read as a checkpoint of this command; delete it to train from the start, or give "
            f"another --out."
        ) from error
    return checkpoint


def check_same(checkpoint: dict[str, Any], settings: dict[str, Any], path: Path) -> None:
    """Raise InputError naming the first setting in which the checkpoint was trained otherwise."""
    before = checkpoint["training"]["settings"]
    for name in settings:
        if name not in FREE and before.get(name) != settings[name]:
            raise InputError(
                f"{path} was trained with {name} = {before.get(name)}, not {settings[name]}; give what it had, or "
                f"another --out."
            )
