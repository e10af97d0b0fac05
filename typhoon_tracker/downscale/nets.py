"""Networks from a coarse to a fine grid: a residual CNN, a generator with noise and its discriminator, interpolation.

Sizes follow the public code of Harder et al. (JMLR 2023). All take normalised frames (B, T, C, h, w) and give
(B, T, C, f h, f w); `noise` (B, T, 100) is for the generator alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typhoon_tracker.errors import InputError

NOISE = 100  # numbers from which a member of the generator's ensemble is made


class Residual(nn.Module):
    """relu(x + conv(relu(conv(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


def doublings(factor: int) -> int:
    """Return log2 of a factor; InputError where it is no power of two from 2 on."""
    if factor < 2 or factor & (factor - 1):
        raise InputError(f"the networks refine by a power of two, not by {factor}; give 2, 4 or 8.")
    return factor.bit_length() - 1


class _Parts(nn.Module):
    """What the CNN and the generator have in common."""

    def __init__(self, channels_in: int, channels: int, factor: int, width: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels_in, width, 3, padding=1)
        self.up = nn.Sequential(*(nn.ConvTranspose2d(width, width, 2, stride=2) for _ in range(doublings(factor))))
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.residuals = nn.Sequential(*(Residual(width) for _ in range(blocks)))
        self.last = nn.Conv2d(width, width, 3, padding=1)
        self.leave = nn.Conv2d(width, channels, 1)


class CNN(_Parts):
    """Refine first, then residual blocks at fine resolution (402,369 parameters for a factor of 4)."""

    def __init__(self, *, channels: int, factor: int, width: int = 64, blocks: int = 4) -> None:
        super().__init__(channels, channels, factor, width, blocks)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        y = self.up(F.relu(self.enter(x.flatten(0, 1))))  # (B T, width, H, W)
        y = self.residuals(F.relu(self.middle(y)))
        return self.leave(F.relu(self.last(y))).unflatten(0, x.shape[:2])


class Generator(_Parts):
    """Residual blocks at coarse resolution with a channel of noise, then refine (505,346 parameters for a factor of 4).

    The channel is a learned map of `noise_shape` points from z; on a coarse grid of another shape it is interpolated.
    """

    def __init__(
        self,
        *,
        channels: int,
        factor: int,
        width: int = 64,
        blocks: int = 4,
        noise_shape: Sequence[int] = (32, 32),
    ) -> None:
        super().__init__(channels + 1, channels, factor, width, blocks)
        self.noise = nn.ConvTranspose2d(NOISE, 1, tuple(noise_shape))  # type: ignore[arg-type]

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        if noise is None:
            noise = torch.randn(*x.shape[:2], NOISE, device=x.device)
        drawn = self.noise(noise.flatten(0, 1)[..., None, None])  # (B T, 1, *noise_shape)
        if drawn.shape[-2:] != x.shape[-2:]:
            drawn = F.interpolate(drawn, x.shape[-2:], mode="bilinear", align_corners=False)
        y = F.relu(self.enter(torch.cat([x.flatten(0, 1), drawn.to(x.dtype)], 1)))
        y = self.up(F.relu(self.middle(self.residuals(y))))
        return self.leave(F.relu(self.last(y))).unflatten(0, x.shape[:2])


class Discriminator(nn.Module):
    """Logits (B T,) that fields are real: strided convolutions 32-32-64-64-128-128 (286,561 parameters), any grid."""

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        widths = (channels, 32, 32, 64, 64, 128, 128)
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(widths)):
            layers += [nn.Conv2d(before, after, 3, stride=2 if i else 1, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 1))

    def forward(self, y: Tensor) -> Tensor:
        return self.layers(y.flatten(0, 1)).mean((-3, -2, -1))


class Interpolation(nn.Module):
    """Bilinear or bicubic interpolation between the centres of the coarse cells: the baselines."""

    def __init__(self, mode: str, *, factor: int) -> None:
        super().__init__()
        self.mode, self.factor = mode, factor

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        y = F.interpolate(x.flatten(0, 1), scale_factor=self.factor, mode=self.mode, align_corners=False)
        return y.unflatten(0, x.shape[:2])


def draws(frames: Sequence[int], members: int, *, seed: int) -> Tensor:
    """Return the noise (members, B, T, 100) of an ensemble over frames (B, T), the same for the same seed."""
    dice = torch.Generator().manual_seed(seed)
    return torch.randn(members, *frames, NOISE, generator=dice)
