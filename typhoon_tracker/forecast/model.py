"""A trained network with what it needs to speak in physical units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig


@dataclass(frozen=True)
class Normalisation:
    """Statistics of the training split: mean and std by variable, std of the change since init by lead and variable."""

    mean: Sequence[float]
    std: Sequence[float]
    tendency_std: Sequence[Sequence[float]]


class TendencyModel(nn.Module):
    """Met2Net predicting the change since the last frame: y_l = x_0 + s_l * net((x - mean) / std)_l, in SI units.

    x (B, T, N, H, W) and y (B, T', N, H, W); s_l is the typical change at lead l, so every lead weighs the same.
    """

    mean: Tensor
    std: Tensor
    tendency_std: Tensor

    def __init__(self, config: Met2NetConfig, normalisation: Normalisation) -> None:
        super().__init__()
        self.net = Met2Net(config)
        self.normalisation = normalisation
        for name in ("mean", "std", "tendency_std"):
            value = torch.tensor(getattr(normalisation, name), dtype=torch.float32)
            self.register_buffer(name, value[..., None, None], persistent=False)

    def forward(self, x: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        scale = self.tendency_std if frames is None else self.tendency_std[list(frames)]
        change = self.net((x - self.mean) / self.std, frames).float()
        return x[:, -1:] + scale * change

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mean square error of the forecast in units of the typical change."""
        return (((self(x) - y) / self.tendency_std) ** 2).mean()
