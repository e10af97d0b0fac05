"""The training steps: end to end on the forecast's own error, or the implicit two-stage training of Met2Net.

Batches are windows (B, frames_in + frames_out, N, H, W) in SI units. Validation is the same for both: the error of the
forecast itself, on the path that forecasts, in units of the target.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import lightning
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from typhoon_tracker.errors import InputError
from typhoon_tracker.fields.contract import CORE
from typhoon_tracker.forecast.model import STATE, FieldModel
from typhoon_tracker.training.centre_loss import Labelled, Places, centre_loss, misplaced
from typhoon_tracker.training.rollout import Batch, in_round
from typhoon_tracker.training.settings import COSINE
from typhoon_tracker.training.two_stage import Momentum, TwoStage

WARMUP_STEPS = 100
COOLDOWN_SHARE = 0.3  # of all steps, over which the learning rate falls to nothing
LOWEST_RATE = 1e-6  # at the end of the cosine
NOTED_HOURS = (1, 3, 6, 12, 24)
DIVERGENCE_WEIGHT = 0.1  # of TAU's second loss, as a mean over the values of a frame (Tan et al. 2023 and its code)


def fields_of(batch: Batch) -> Tensor:
    """Return the windows of a batch, labelled or not."""
    return batch.fields if isinstance(batch, Labelled) else batch


def _at(leads: Tensor, frames: Sequence[int] | None) -> Tensor:
    """Return the leads (B, L, ...) at the indices `frames`, all if there are none."""
    return leads if frames is None else leads[:, list(frames)]


class Forecasting(lightning.LightningModule):
    """What both trainings share: the dice, the schedule, the forecast's validation error."""

    variables: Sequence[str] = CORE  # of the windows

    def __init__(self, model: FieldModel, *, learning_rate: float, steps: int, schedule: str, seed: int) -> None:
        super().__init__()
        self.model = model
        self.learning_rate, self.steps, self.schedule, self.seed = learning_rate, steps, schedule, seed

    def on_train_batch_start(self, batch: Tensor, batch_idx: int) -> None:
        """Throw the dice of stochastic depth by seed, step and process, so that a resumed run throws the same."""
        state = np.random.SeedSequence((self.seed, self.global_step, self.global_rank)).generate_state(1, np.uint64)
        torch.manual_seed(int(state[0]))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        window = fields_of(batch)
        error = self.validation_error(batch)
        self.check(
            error, window, f"the validation error after step {self.global_step}", f"validation batch {batch_idx}"
        )
        self.note("val_error", error, window, prog_bar=True)

    def validation_error(self, batch: Batch) -> Tensor:
        """Return the forecast's mean square error in units of the target."""
        return self.model.loss(*self.split(fields_of(batch)))

    def note(self, name: str, value: Tensor, window: Tensor, *, prog_bar: bool = False) -> None:
        """Log a value of a validation batch."""
        together = self.trainer.world_size > 1
        self.log(name, value, prog_bar=prog_bar, batch_size=len(window), sync_dist=together)

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
            names = [self.variables[i] for i in bad.any(0).any(0).flatten(1).any(1).nonzero().flatten().tolist()]
            raise InputError(f"{where} has {int(bad.sum())} NaN or infinite values in {', '.join(names)}.")
        raise FloatingPointError(f"{what} is {loss.item()}")


class EndToEnd(Forecasting):
    """Adam on the forecast's mean square error in units of the target, and beside it, if they have a weight, on the
    distance of its storms from where they should be (`centre_loss`) and, for TAU, on its divergence loss.

    A step learns from `leads_a_step` leads drawn at random, or from all, of one of the `rollout` rounds (see
    `in_round`), drawn too; the validation error is the mean of all rounds. With a weight of the centres it has them as
    well, and their mean km from the truth and from the aim are logged at `NOTED_HOURS`.
    """

    def __init__(
        self,
        model: FieldModel,
        *,
        divergence: bool = False,
        centre_weight: float = 0.0,
        leads_a_step: int | None = None,
        rollout: int = 1,
        **common: float | str,
    ) -> None:
        super().__init__(model, **common)  # type: ignore[arg-type]
        self.divergence, self.centre_weight = divergence, centre_weight
        self.leads_a_step, self.rollout = leads_a_step, rollout
        self.leads = int(model.net.config.frames_out)  # type: ignore[union-attr, arg-type]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        number = int(torch.randint(self.rollout, ())) if self.rollout > 1 else 0
        whole, batch = fields_of(batch), in_round(self.model, batch, number)
        (x, y), frames = self.split(fields_of(batch)), self._draw()
        if self.divergence or isinstance(batch, Labelled) or number:
            loss = self._loss_of_fields(batch, x, _at(y, frames), frames, number)
        else:
            loss = self.model.loss(x, _at(y, frames), frames)
        self.check(loss, whole, f"the loss at step {self.global_step}", f"training batch {self.global_step}")
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def _loss_of_fields(self, batch: Batch, x: Tensor, y: Tensor, frames: Sequence[int] | None, number: int) -> Tensor:
        """Return the loss of a round that looks at the forecast as a whole."""
        said, target = self.model.predict(x, frames), self.model.in_units(x, y, frames)
        scale = self._scale(frames, number)
        loss = pixels = F.mse_loss(scale * said, scale * target)
        if self.divergence:
            from typhoon_tracker.nets.tau import differential_divergence

            loss = loss + DIVERGENCE_WEIGHT * differential_divergence(said, target) / said[0, 0].numel()
        if isinstance(batch, Labelled):
            found = misplaced(*self._places(batch, said, frames))
            centres = centre_loss(found, lead_hours=self._hours(frames, number))
            loss = loss + self.centre_weight * centres
            self.log_dict({"train_pixels": pixels, "train_centres": centres})
        return loss

    def validation_error(self, batch: Batch) -> Tensor:
        errors = [self._error_of_round(in_round(self.model, batch, number), number) for number in range(self.rollout)]
        return torch.stack(errors).mean()

    def _error_of_round(self, batch: Batch, number: int) -> Tensor:
        x, y = self.split(fields_of(batch))
        said, scale = self.model.predict(x), self._scale(None, number)
        error = F.mse_loss(scale * said, scale * self.model.in_units(x, y))
        if not isinstance(batch, Labelled):
            return error
        found = misplaced(*self._places(batch, said, None))
        hours = self._hours(None, number)
        for lead, hour in enumerate(hours):
            here = found.lead == lead
            if hour in NOTED_HOURS and here.any():
                self.note(f"val_centre_km_{hour:g}h", found.from_truth[here].mean(), batch.fields)
                self.note(f"val_aim_km_{hour:g}h", found.from_aim[here].mean(), batch.fields)
        return error + self.centre_weight * centre_loss(found, lead_hours=hours)

    def _draw(self) -> list[int] | None:
        """Return the leads of this step in order, as indices; None for all."""
        if self.leads_a_step is None:
            return None
        return sorted(torch.randperm(self.leads)[: self.leads_a_step].tolist())

    def _scale(self, frames: Sequence[int] | None, number: int) -> Tensor | float:
        """Return what errors are multiplied by, to be in units of the typical change over T' in all later rounds.

        The error of the frame that a round starts from is large beside what an hour changes.
        """
        if not number or self.model.target == STATE:
            return 1.0
        change = self.model.tendency_std
        return (change if frames is None else change[list(frames)]) / change[-1]

    def _hours(self, frames: Sequence[int] | None, number: int) -> list[float]:
        before = number * self.leads + 1.0
        return [before + lead for lead in (range(self.leads) if frames is None else frames)]

    def _places(self, batch: Labelled, said: Tensor, frames: Sequence[int] | None) -> tuple[Tensor, Places]:
        """Return the MSL that is said (B, L, H, W) in Pa, and what to compare it with."""
        x, y = self.split(batch.fields)
        past = x.shape[1]
        storms = batch.centres[:, :, past:], batch.aims, batch.spacing[:, :, past:]
        centres, aims, spacing = (_at(part.transpose(1, 2), frames).transpose(1, 2) for part in storms)
        said = self.model.in_si(said, x[:, -1:], frames)[:, :, 0]
        return said, Places(_at(y, frames)[:, :, 0], centres, aims, spacing)


class ImplicitTwoStage(Forecasting):
    """Adam on the two losses of `TwoStage`; its momentum copies move after the optimiser's step."""

    def __init__(self, model: FieldModel, *, momentum: Momentum, **common: float | str) -> None:
        super().__init__(model, **common)  # type: ignore[arg-type]
        self.stages = TwoStage(model.net, momentum)  # type: ignore[arg-type]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        window = fields_of(batch)
        x, y = (self.model.normalise(part) for part in self.split(window))
        losses = self.stages.losses(x, y)
        self.check(losses.total, window, f"the loss at step {self.global_step}", f"training batch {self.global_step}")
        self.log("train_loss", losses.total, prog_bar=True)
        self.log_dict({"train_reconstruction": losses.reconstruction, "train_latent": losses.latent})
        return losses.total

    def on_train_batch_end(self, outputs: object, batch: Tensor, batch_idx: int) -> None:
        self.stages.update()
