"""Training of a forecaster end to end: the forecast's own error in pixels, on the path that forecasts."""

from __future__ import annotations

import lightning
import torch
from torch import Tensor

from typhoon_tracker.forecast.model import TendencyModel

WARMUP_STEPS = 100
COOLDOWN_SHARE = 0.3  # of all steps, over which the learning rate falls to nothing


class EndToEnd(lightning.LightningModule):
    """Adam on the forecast's mean square error; the rate warms up, stays, and falls linearly at the end.

    Batches are windows (B, frames_in + frames_out, N, H, W) in SI units.
    """

    def __init__(self, model: TendencyModel, *, learning_rate: float, steps: int) -> None:
        super().__init__()
        self.model = model
        self.learning_rate, self.steps = learning_rate, steps

    def training_step(self, window: Tensor, batch_idx: int) -> Tensor:
        loss = self.model.loss(*self._split(window))
        if not torch.isfinite(loss):
            raise RuntimeError(f"the loss is {loss.item()} at step {self.global_step}; the last checkpoint is good.")
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, window: Tensor, batch_idx: int) -> None:
        self.log("val_loss", self.model.loss(*self._split(window)), prog_bar=True, batch_size=len(window))

    def configure_optimizers(self) -> dict:  # type: ignore[override]
        optimizer = torch.optim.Adam(self.model.parameters(), lr=self.learning_rate)
        cooldown = max(1, round(COOLDOWN_SHARE * self.steps))

        def rate(step: int) -> float:
            return min(1.0, (step + 1) / WARMUP_STEPS, max(0.0, (self.steps - step) / cooldown))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _split(self, window: Tensor) -> tuple[Tensor, Tensor]:
        past = self.model.net.config.frames_in
        return window[:, :past], window[:, past:]
