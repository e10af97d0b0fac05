"""The training step: the error of the fine field, a soft constraint where asked, a discriminator for the GAN."""

from __future__ import annotations

import lightning
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from typhoon_tracker.downscale.cases import Batch
from typhoon_tracker.downscale.constraints import soft_loss
from typhoon_tracker.downscale.model import Downscaler
from typhoon_tracker.downscale.nets import Discriminator, draws
from typhoon_tracker.downscale.settings import SOFT, Settings


class Downscaling(lightning.LightningModule):
    """Adam on the mean square error in units of the training split's standard deviation.

    With the soft constraint that error is `soft_loss`, for every network. The GAN adds `adversarial` times the binary
    cross-entropy with which its discriminator takes the made field for a real one; generator and discriminator step at
    once, each on its own loss.
    """

    def __init__(self, model: Downscaler, settings: Settings) -> None:
        super().__init__()
        self.model, self.settings = model, settings
        channels = len(model.normalisation.mean)
        self.discriminator = Discriminator(channels=channels) if model.noisy else None

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Throw the dice of the noise by seed, step and process, so that a resumed run throws the same."""
        seed = np.random.SeedSequence((self.settings.seed, self.global_step, self.global_rank))
        torch.manual_seed(int(seed.generate_state(1, np.uint64)[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        fine, target = self._fields(batch, None)
        loss = self._error(fine, target, batch)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(target))
        if self.discriminator is not None:
            loss = loss + self._adversarial(self.discriminator, fine, target)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss at step {self.global_step} is {loss.item()}")
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        fine, target = self._fields(
            batch,
            draws(batch.coarse.shape[:2], 1, seed=batch_idx).to(batch.coarse.device)[0] if self.model.noisy else None,
        )
        together = self.trainer.world_size > 1
        error = F.mse_loss(fine, target)
        self.log("val_error", error, prog_bar=True, batch_size=len(target), sync_dist=together)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.settings.learning_rate)

    def _fields(self, batch: Batch, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """The made and the true fine fields in units of the standard deviation."""
        made = self.model(self.model.given(batch.coarse), noise=noise, weights=batch.weights)
        return self.model.normalise(made), self.model.normalise(batch.fine)

    def _error(self, fine: Tensor, target: Tensor, batch: Batch) -> Tensor:
        if self.settings.constraint != SOFT:
            return F.mse_loss(fine, target)
        coarse = self.model.normalise(batch.coarse)
        return soft_loss(fine, coarse, target, alpha=self.settings.alpha, weights=batch.weights)

    def _adversarial(self, discriminator: nn.Module, fine: Tensor, target: Tensor) -> Tensor:
        real, made = discriminator(target), discriminator(fine.detach())
        telling = _cross_entropy(real, 1.0) + _cross_entropy(made, 0.0)
        held = {name: value.detach() for name, value in discriminator.named_parameters()}
        deceiving = _cross_entropy(functional_call(discriminator, held, (fine,)), 1.0)
        self.log_dict({"train_deceiving": deceiving, "train_telling": telling}, batch_size=len(target))
        return self.settings.adversarial * deceiving + telling


def _cross_entropy(logits: Tensor, truth: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, truth, dtype=torch.float32))
