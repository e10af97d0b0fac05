"""The training steps: end to end on the forecast's own error, or the implicit two-stage training of Met2Net.

Batches are windows (B, frames_in + frames_out, N, H, W) in SI units. Validation is the same for both: the error of the
forecast itself, on the path that forecasts, in units of the target.
"""

from __future__ import annotations

import math

import lightning
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.model import FieldModel
from typhoon_tracker.training.settings import COSINE
from typhoon_tracker.training.two_stage import Momentum, TwoStage

WARMUP_STEPS = 100
COOLDOWN_SHARE = 0.3  # of all steps, over which the learning rate falls to nothing
LOWEST_RATE = 1e-6  # at the end of the cosine
DIVERGENCE_WEIGHT = 0.1  # of TAU's second loss, as a mean over the values of a frame (Tan et al. 2023 and its code)


class Forecasting(lightning.LightningModule):
    """What both trainings share: the dice, the schedule, the forecast's validation error."""

    def __init__(self, model: FieldModel, *, learning_rate: float, steps: int, schedule: str, seed: int) -> None:
        super().__init__()
        self.model = model
        self.learning_rate, self.steps, self.schedule, self.seed = learning_rate, steps, schedule, seed

    def on_train_batch_start(self, batch: Tensor, batch_idx: int) -> None:
        """Throw the dice of stochastic depth by seed, step and process, so that a resumed run throws the same."""
        state = np.random.SeedSequence((self.seed, self.global_step, self.global_rank)).generate_state(1, np.uint64)
        torch.manual_seed(int(state[0]))

    def validation_step(self, window: Tensor, batch_idx: int) -> None:
        error = self.model.loss(*self.split(window))
        self.check(
            error, window, f"the validation error after step {self.global_step}", f"validation batch {batch_idx}"
        )
        together = self.trainer.world_size > 1
        self.log("val_error", error, prog_bar=True, batch_size=len(window), sync_dist=together)

    def configure_optimizers(self) -> dict:  # type: ignore[override]
        optimizer = torch.optim.Adam((p for p in self.parameters() if p.requires_grad), lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def rate(self, step: int) -> float:
        """Return the share of the learning rate at a step."""
        if self.schedule == COSINE:
            lowest = min(1.0, LOWEST_RATE / self.learning_rate)
            return lowest + (1.0 - lowest) * (1.0 + math.cos(math.pi * min(step / self.steps, 1.0))) / 2.0
        cooldown = max(1, round(COOLDOWN_SHARE * self.steps))
        return min(1.0, (step + 1) / WARMUP_STEPS, max(0.0, (self.steps - step) / cooldown))

    def split(self, window: Tensor) -> tuple[Tensor, Tensor]:
        """Return the frames up to the init time and those after it."""
        past = self.model.net.config.frames_in  # type: ignore[union-attr]
        return window[:, :past], window[:, past:]

    def check(self, loss: Tensor, window: Tensor, what: str, where: str) -> None:
        """Raise InputError for a NaN in the window, FloatingPointError for one that the network made."""
        if torch.isfinite(loss):
            return
        bad = ~torch.isfinite(window)
        if bad.any():
            names = [CORE[i] for i in bad.any(0).any(0).flatten(1).any(1).nonzero().flatten().tolist()]
            raise InputError(f"{where} has {int(bad.sum())} NaN or infinite values in {', '.join(names)}.")
        raise FloatingPointError(f"{what} is {loss.item()}")


class EndToEnd(Forecasting):
    """Adam on the forecast's mean square error in units of the target; for TAU, its divergence loss beside it."""

    def __init__(self, model: FieldModel, *, divergence: bool = False, **common: float | str) -> None:
        super().__init__(model, **common)  # type: ignore[arg-type]
        self.divergence = divergence

    def training_step(self, window: Tensor, batch_idx: int) -> Tensor:
        x, y = self.split(window)
        said, target = self.model.predict(x), self.model.in_units(x, y)
        loss = F.mse_loss(said, target)
        if self.divergence:
            from typhoon_tracker.nets.tau import differential_divergence

            loss = loss + DIVERGENCE_WEIGHT * differential_divergence(said, target) / said[0, 0].numel()
        self.check(loss, window, f"the loss at step {self.global_step}", f"training batch {self.global_step}")
        self.log("train_loss", loss, prog_bar=True)
        return loss


class ImplicitTwoStage(Forecasting):
    """Adam on the two losses of `TwoStage`; its momentum copies move after the optimiser's step."""

    def __init__(self, model: FieldModel, *, momentum: Momentum, **common: float | str) -> None:
        super().__init__(model, **common)  # type: ignore[arg-type]
        self.stages = TwoStage(model.net, momentum)  # type: ignore[arg-type]

    def training_step(self, window: Tensor, batch_idx: int) -> Tensor:
        x, y = (self.model.normalise(part) for part in self.split(window))
        losses = self.stages.losses(x, y)
        self.check(losses.total, window, f"the loss at step {self.global_step}", f"training batch {self.global_step}")
        self.log("train_loss", losses.total, prog_bar=True)
        self.log_dict({"train_reconstruction": losses.reconstruction, "train_latent": losses.latent})
        return losses.total

    def on_train_batch_end(self, outputs: object, batch: Tensor, batch_idx: int) -> None:
        self.stages.update()
