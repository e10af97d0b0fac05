"""Lightning's trainer, set up for this: a bar or lines, a quiet terminal, and endings in one sentence."""

from __future__ import annotations

import errno
import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import RichProgressBar, WeightAveraging
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.optim.swa_utils import get_ema_multi_avg_fn

from typhoon_tracker.errors import InputError
from typhoon_tracker.training.checkpoints import LAST, Checkpoints, Renamed
from typhoon_tracker.training.settings import Settings

LOG_EVERY = 10  # steps
INTERRUPTED = 130


@dataclass(frozen=True)
class Machine:
    """Where and how to train: nothing that the settings say."""

    out: Path
    every: int  # steps of a round: between two validations, and two checkpoints
    devices: str = "auto"
    strategy: str = "auto"
    command: str = ""


class _Bar(RichProgressBar):
    """Lightning's bar, which counts epochs, in steps."""

    def get_metrics(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> dict[str, Any]:
        shown = super().get_metrics(trainer, pl_module)
        shown.pop("v_num", None)
        return shown

    def _get_train_description(self, current_epoch: int) -> str:
        steps = self.trainer.global_step
        return f"steps {steps + 1} to {steps + int(self.total_train_batches)} of {self.trainer.max_steps}"


class _Lines(lightning.Callback):
    """A line a round, where there is no terminal for a bar."""

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.is_global_zero and "val_error" in trainer.callback_metrics:
            loss, error = (trainer.callback_metrics[name].item() for name in ("train_loss", "val_error"))
            step = f"step {trainer.global_step} of {trainer.max_steps}"
            print(f"{step}: training loss {loss:.4g}, validation error {error:.4g}", file=sys.stderr, flush=True)


def make_trainer(settings: Settings, machine: Machine, checkpoints: Checkpoints, *, done: int) -> lightning.Trainer:
    terminal = sys.stdout.isatty()
    callbacks: list[Any] = [checkpoints, _Bar() if terminal else _Lines()]
    if settings.ema:
        # Not EMAWeightAveraging, whose sum of two parts lets constants, as of the normalisation, drift by rounding.
        callbacks.append(WeightAveraging(multi_avg_fn=get_ema_multi_avg_fn(settings.ema)))
    stretch = {"save_dir": machine.out, "name": "logs", "version": f"from-{done}"}
    try:
        return lightning.Trainer(
            devices=int(machine.devices) if machine.devices.isdigit() else machine.devices,
            strategy=machine.strategy,
            precision=settings.precision,  # type: ignore[arg-type]
            max_epochs=-1,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            log_every_n_steps=min(LOG_EVERY, machine.every),
            gradient_clip_val=settings.clip or None,
            logger=[CSVLogger(**stretch), TensorBoardLogger(**stretch)],  # type: ignore[arg-type]
            callbacks=callbacks,
            plugins=[Renamed()],
            num_sanity_val_steps=0,
            enable_model_summary=False,
            enable_progress_bar=terminal,
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise InputError(
            f"Lightning cannot train with --devices {machine.devices} --strategy {machine.strategy} --precision "
            f"{settings.precision}: {error}"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's tips, and its warnings about what is meant to be as it is, from the terminal."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [one.level for one in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        warnings.filterwarnings("ignore", message="Grad strides do not match")  # of the networks' channels-last parts
        for one in loggers:
            one.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for one, level in zip(loggers, levels, strict=True):
                one.setLevel(level)


@contextmanager
def explained(checkpoints: Checkpoints, machine: Machine) -> Iterator[None]:
    """Turn what may end a training into a sentence that says how to go on."""
    handler = signal.getsignal(signal.SIGINT)
    last = checkpoints.folder / LAST

    def good() -> str:
        step = checkpoints.saved_step
        return f"the last good checkpoint is that of step {step}, {last}" if step else "there is no checkpoint yet"

    try:
        yield
    except SystemExit as stop:  # Lightning makes one of Ctrl-C, and goes deaf to the next
        signal.signal(signal.SIGINT, handler)
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        on = "goes on from it" if checkpoints.saved_step else "starts anew"
        print(f"stopped at step {checkpoints.step}; {good()}: the same command {on}", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except InputError as error:  # of a process that reads ahead, torch hands on the whole traceback as the message
        _, _, sentence = str(error).rpartition(f"{InputError.__name__}: ")
        raise InputError(sentence.strip()) from error
    except FloatingPointError as error:
        raise InputError(
            f"{error}; {good()}. Train with another --out and a smaller --learning-rate, or with --precision 32-true."
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"the disk of {machine.out} is full; {good()}. Make room, and the same command goes on."
        ) from error
