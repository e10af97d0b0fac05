"""One training of the six-hourly forecaster: resumed where it was killed, left alone once it is done."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from typhoon_tracker.forecast.checkpoint import CONFIG, load, save
from typhoon_tracker.forecast.model import FieldModel, Normalisation
from typhoon_tracker.nets import architectures
from typhoon_tracker.real_storms.batches import Batch, StormSource
from typhoon_tracker.real_storms.windows import FUTURE, PAST, SIZE, STEP_HOURS, VARIABLES
from typhoon_tracker.training.batches import Rounds
from typhoon_tracker.training.checkpoints import BEST, LAST, Checkpoints, check_same, read
from typhoon_tracker.training.module import Forecasting
from typhoon_tracker.training.settings import Settings, resolve
from typhoon_tracker.training.trainer import Machine, explained, make_trainer, quiet

FRAMES = {"frames_in": PAST, "frames_out": FUTURE, "variables": len(VARIABLES)}


class Weighted(Forecasting):
    """Adam on the forecast's mean square error in units of the target, weighted as the batch says."""

    variables = VARIABLES

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self.error(batch)
        self.check(loss, batch[0], f"the loss at step {self.global_step}", f"training batch {self.global_step}")
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        self.note("val_error", self.error(batch), batch[0], prog_bar=True)

    def error(self, batch: Batch) -> Tensor:
        """Return sum w (said - target)^2 / sum w over points, leads and samples, mean over the variables."""
        window, weight = batch
        x, y = self.split(window)
        squared = (self.model.predict(x) - self.model.in_units(x, y)) ** 2
        return (weight[:, :, None] * squared).sum() / (weight.sum() * window.shape[2])


def settings_of(
    architecture: str,
    network: dict[str, Any],
    *,
    steps: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
    data: str,
) -> Settings:
    """Return the settings of a training, end to end with averaged weights in bf16."""
    given = {
        "architecture": architecture,
        "network": {**network, **FRAMES},
        "steps": steps,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "seed": seed,
        "data": data,
        "crop": SIZE,
    }
    return resolve(given)


def train(
    source: StormSource, settings: Settings, out: Path, *, every: int, start: FieldModel | None = None
) -> FieldModel:
    """Return the model of folder `out`, trained there if it is not yet: the weights of the least validation error.

    `start` gives the weights to begin with; the normalisation is always that of the source's training windows.
    """
    if (out / CONFIG).is_file():
        return load(out)[0]
    torch.manual_seed(settings.seed)
    net: Any = architectures.build(settings.architecture, settings.network)
    if start is not None:
        net.load_state_dict(start.net.state_dict())
    began = time.perf_counter()
    checkpoints = Checkpoints(out / "checkpoints")
    last = checkpoints.folder / LAST
    found = read(last)
    machine = Machine(out, every, devices="1")
    record = json.loads(json.dumps({**asdict(settings), **source.facts}))
    if found is not None:
        check_same(found, record, last)
        normalisation = Normalisation(**found["training"]["normalisation"])
    else:
        normalisation = Normalisation(**source.statistics())
    checkpoints.kept = {"settings": record, "normalisation": asdict(normalisation)}
    checkpoints.saved_step = done = 0 if found is None else int(found["global_step"])
    steps = settings.steps or 1
    model = FieldModel(net, normalisation, target=settings.target)
    if done < steps:
        with quiet(), explained(checkpoints, machine):
            trainer = make_trainer(settings, machine, checkpoints, done=done)
            trainer.fit_loop.epoch_loop.max_steps = steps
            rounds = Rounds(source, every=every, steps=steps)
            module = Weighted(
                model,
                learning_rate=settings.learning_rate,
                steps=steps,
                schedule=settings.schedule,
                seed=settings.seed,
            )
            trainer.fit(module, datamodule=rounds, ckpt_path=last if done else None)
    best = read(checkpoints.folder / BEST)
    assert best is not None
    prefix = "model.net."
    net.load_state_dict({k.removeprefix(prefix): v for k, v in best["state_dict"].items() if k.startswith(prefix)})
    facts = {
        **record,
        "windows": source.windows,
        "best_step": best["training"]["step"],
        "validation_error": best["training"]["error"],
        "parameters": sum(p.numel() for p in net.parameters()),
        "seconds": round(time.perf_counter() - began),
    }
    save(model, out, variables=VARIABLES, training=facts, step_hours=STEP_HOURS)
    return model.eval()
