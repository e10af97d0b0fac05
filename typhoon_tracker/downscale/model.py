"""A network with its normalisation and constraint: coarse fields in their own units to fine fields in theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from typhoon_tracker.downscale import nets, recurrent, settings
from typhoon_tracker.downscale.constraints import constrain
from typhoon_tracker.downscale.settings import ADDITIVE, BASELINES, NONE, SCALED_ADDITIVE, SOFT, SOFTMAX
from typhoon_tracker.errors import InputError


@dataclass(frozen=True)
class Normalisation:
    """Statistics of the fine fields of the training split by variable: mean, standard deviation, least, greatest."""

    mean: Sequence[float]
    std: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


class Downscaler(nn.Module):
    """Coarse fields (B, T, C, h, w) to fine ones (B, T', C, f h, f w), all in their own units.

    Every frame is normalised alike, x' = (x - mean) / std. The network's output is taken as std y' + mean, under
    softmax as logits, and under scaled_additive in units in which the training split runs from -1 to 1; the constraint
    is then that of `constraints.constrain`, between fields in their own units. T' = T, but
    FlowConvGRU makes 3 frames of 2.
    """

    mean: Tensor
    std: Tensor
    centre: Tensor
    reach: Tensor

    def __init__(self, net: nn.Module, normalisation: Normalisation, *, constraint: str) -> None:
        super().__init__()
        self.net, self.normalisation, self.constraint = net, normalisation, constraint
        low, high = (torch.tensor(values, dtype=torch.float64) for values in (normalisation.low, normalisation.high))
        values = {
            "mean": torch.tensor(normalisation.mean),
            "std": torch.tensor(normalisation.std),
            "centre": (low + high) / 2,
            "reach": (high - low) / 2,
        }
        for name, value in values.items():
            self.register_buffer(name, value.float()[:, None, None], persistent=False)

    def forward(self, coarse: Tensor, *, noise: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
        coarse = self.frames(coarse)
        raw = self.net(self.normalise(coarse), noise).float()
        if self.constraint == SCALED_ADDITIVE:
            scaled = constrain(SCALED_ADDITIVE, raw, (coarse - self.centre) / self.reach, weights=weights)
            # Once more in the fields' own units, where the two roundings of the scaling would show.
            return constrain(ADDITIVE, scaled * self.reach + self.centre, coarse, weights=weights)
        if self.constraint == SOFTMAX:
            return constrain(SOFTMAX, raw, coarse, weights=weights)
        kind = NONE if self.constraint == SOFT else self.constraint
        return constrain(kind, raw * self.std + self.mean, coarse, weights=weights)

    def frames(self, coarse: Tensor) -> Tensor:
        """Return the coarse frames (B, T', C, h, w) that are refined: those given and, with voxel flow, one between."""
        if not isinstance(self.net, recurrent.FlowConvGRU):
            return coarse
        between = self.net.flow(self.normalise(coarse), coarse)
        return torch.stack([coarse[:, 0], between, coarse[:, 1]], 1)

    def given(self, coarse: Tensor) -> Tensor:
        """Return those of all coarse frames that the network is given: the outer ones for voxel flow."""
        return coarse[:, [0, -1]] if isinstance(self.net, recurrent.FlowConvGRU) else coarse

    def normalise(self, fields: Tensor) -> Tensor:
        """Return fields in units of the training split's standard deviation about its mean."""
        return (fields - self.mean) / self.std

    @property
    def noisy(self) -> bool:
        """Whether it gives another field with other noise."""
        return isinstance(self.net, nets.Generator)


def build(network: str, *, channels: int, factor: int, width: int, coarse_shape: Sequence[int]) -> nn.Module:
    """Return a new network, or an interpolation, by name; InputError for an unknown one or a factor it has not."""
    settings.one_of("network", network, (*settings.NETWORKS, *BASELINES))
    if network in BASELINES:
        return nets.Interpolation(network, factor=factor)
    common: dict[str, Any] = {"channels": channels, "factor": factor, "width": width}
    if network == settings.CNN:
        return nets.CNN(**common)
    if network == settings.GAN:
        return nets.Generator(**common, noise_shape=coarse_shape)
    return (recurrent.ConvGRU if network == settings.CONVGRU else recurrent.FlowConvGRU)(**common)


def check_fits(constraint: str, network: str, variables: Sequence[str], normalisation: Normalisation) -> None:
    """Raise InputError for softmax where a variable has negative values, or where there are no logits."""
    if constraint != SOFTMAX:
        return
    if network in BASELINES:
        raise InputError(f"{network} gives fields and no logits, which softmax needs; give the constraint additive.")
    for name, low in zip(variables, normalisation.low, strict=True):
        if low < 0.0:
            raise InputError(
                f"softmax needs fields without negative values; {name} goes down to {low:g}. Give the constraint "
                f"additive."
            )
