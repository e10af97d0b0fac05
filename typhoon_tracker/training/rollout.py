"""Training on what a rollout feeds the network: its own frames in place of the past.

A forecast beyond the horizon goes on from frames that the network made, which are smoother than those it learned from.
The rounds before the one that is learned run without gradients (the pushforward trick of Brandstetter et al. 2022), so
that a step keeps no more than one of a single round.
"""

from __future__ import annotations

import torch
from torch import Tensor

from typhoon_tracker.forecast.model import FieldModel
from typhoon_tracker.training.centre_loss import Labelled

Batch = Tensor | Labelled


def in_round(model: FieldModel, batch: Batch, number: int) -> Batch:
    """Return windows of T + T' frames whose past is what `model` has after `number` rounds of T' frames each.

    `batch` holds R rounds (B, T + R T', N, H, W) in SI units, `number` is below R; the future is the batch's own.
    """
    for _ in range(number):
        batch = _go_on(model, batch)
    past, future = _sizes(model)
    if not isinstance(batch, Labelled):
        return batch[:, : past + future]
    end = past + future
    return Labelled(
        batch.fields[:, :end], batch.centres[:, :, :end], batch.spacing[:, :, :end], batch.aims[:, :, :future]
    )


@torch.no_grad()
def _go_on(model: FieldModel, batch: Batch) -> Batch:
    """Return a batch T' frames shorter whose past is the forecast."""
    past, step = _sizes(model)
    window = batch.fields if isinstance(batch, Labelled) else batch
    learning = model.training
    forecast = model.eval()(window[:, :past])
    model.train(learning)
    fields = torch.cat([window[:, :past], forecast.to(window.dtype), window[:, past + step :]], dim=1)[:, step:]
    if not isinstance(batch, Labelled):
        return fields
    return Labelled(fields, batch.centres[:, :, step:], batch.spacing[:, :, step:], batch.aims[:, :, step:])


def _sizes(model: FieldModel) -> tuple[int, int]:
    config = model.net.config
    return config.frames_in, config.frames_out  # type: ignore[union-attr, return-value]
