"""A trained network with what it needs to speak in physical units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TENDENCY, STATE = "tendency", "state"
TARGETS = (TENDENCY, STATE)


@dataclass(frozen=True)
class Normalisation:
    """Statistics of the training split: mean and std by variable, std of the change since init by lead and variable."""

    mean: Sequence[float]
    std: Sequence[float]
    tendency_std: Sequence[Sequence[float]]


class FieldModel(nn.Module):
    """A network forecasting fields in SI units from x' = (x - mean) / std, x (B, T, N, H, W) to y (B, T', N, H, W).

    Target "tendency" is the change since the last frame, y_l = x_0 + s_l net(x')_l, where s_l is the typical change at
    lead l, so that every lead weighs the same; target "state" is the field itself, y_l = mean + std net(x')_l, as in
    the Met2Net release. ValueError for any other target.
    """

    mean: Tensor
    std: Tensor
    tendency_std: Tensor

    def __init__(self, net: nn.Module, normalisation: Normalisation, *, target: str = TENDENCY) -> None:
        super().__init__()
        if target not in TARGETS:
            raise ValueError(f"target {target!r} is none of {', '.join(TARGETS)}.")
        self.net, self.normalisation, self.target = net, normalisation, target
        for name in ("mean", "std", "tendency_std"):
            value = torch.tensor(getattr(normalisation, name), dtype=torch.float32)
            self.register_buffer(name, value[..., None, None], persistent=False)

    def forward(self, x: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        return self.in_si(self.predict(x, frames), x[:, -1:], frames)

    def predict(self, x: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        """Return the forecast of SI fields x in units of the target, as the network says it."""
        return self.net(self.normalise(x), frames).float()

    def normalise(self, x: Tensor) -> Tensor:
        """Return SI fields in units of the training split's standard deviation about its mean."""
        return (x - self.mean) / self.std

    def in_units(self, x: Tensor, y: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        """Return what a perfect network would say of x: the SI fields y at leads `frames` in units of the target."""
        if self.target == STATE:
            return self.normalise(y)
        return (y - x[:, -1:]) / (self.tendency_std if frames is None else self.tendency_std[list(frames)])

    def in_si(self, said: Tensor, last: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        """Return in SI units what the network said (..., T', N, H, W) of the frame `last` (..., 1, N, H, W)."""
        if self.target == STATE:
            return self.mean + self.std * said
        scale = self.tendency_std if frames is None else self.tendency_std[list(frames)]
        return last + scale * said

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the mean square error of the forecast in units of the target."""
        return F.mse_loss(self.predict(x), self.in_units(x, y))
