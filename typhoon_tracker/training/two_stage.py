"""Implicit two-stage training of Met2Net (the paper's Algorithm 2).

Stage 1 trains encoders E and decoders D through a momentum copy H_m of the translator, stage 2 trains the translator H
in the latent space of momentum copies E_m, D_m of the coders:

    L_rec = MSE(D(H_m(E(x))), y),   L_latent = MSE(H(E_m(x)), E_m(y)),   L = L_rec + L_latent

Gradients of L_rec reach E and D alone, those of L_latent H alone. After each step the copies move:
m <- a m + (1 - a) online.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typhoon_tracker.nets.met2net import Met2Net
from typhoon_tracker.nets.streamed import gradients_at_once, streamed_mse


@dataclass(frozen=True)
class Momentum:
    """The share a of itself that a momentum copy keeps at each update; 0 for the coders is a copy at every step."""

    coders: float
    translator: float


PAPER = Momentum(coders=0.999, translator=0.999)
RELEASED = Momentum(coders=0.0, translator=0.9)  # as the release trains on ERA5


@dataclass(frozen=True)
class Losses:
    """The two losses of a step, each a scalar."""

    reconstruction: Tensor
    latent: Tensor

    @property
    def total(self) -> Tensor:
        return self.reconstruction + self.latent


class TwoStage(nn.Module):
    """A network with its momentum copies. Forecasts use the network alone; evaluation changes nothing.

    With `coders` momentum 0 the copies of the coders equal them, so they are not kept: E(x) cut from its gradient
    serves stage 2, and E(y) runs without gradients.
    """

    def __init__(self, net: Met2Net, momentum: Momentum) -> None:
        super().__init__()
        self.net, self.momentum = net, momentum
        self.slow_translator = copy.deepcopy(net.translator).requires_grad_(False)
        self.slow_encoders = copy.deepcopy(net.encoders).requires_grad_(False) if momentum.coders else None

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def losses(self, x: Tensor, y: Tensor) -> Losses:
        """Return both losses for frames x, y (B, T, N, H, W), normalised.

        Each is differentiated as it is computed, so the stages' activations never exist together; the backward pass
        hands the gradients out.
        """
        net, latents = self.net, []

        def first() -> Tensor:
            latents.append(net.encode(x, net.encoders))  # (B, G, T*S, h, w)
            return streamed_mse(net.decoders, self.slow_translator(latents[0]), y)

        reconstruction = gradients_at_once(first, [*net.encoders.parameters(), *net.decoders.parameters()])
        start = latents.pop().detach()
        with torch.no_grad():
            if self.slow_encoders is not None:
                start = net.encode(x, self.slow_encoders)
            target = net.encode(y, net.encoders if self.slow_encoders is None else self.slow_encoders)

        def second() -> Tensor:
            return F.mse_loss(net.translator(start), target)

        return Losses(reconstruction, gradients_at_once(second, net.translator.parameters()))

    @torch.no_grad()
    def update(self) -> None:
        """Move the copies towards the network; call it after the optimiser's step, in training only."""
        pairs: list[tuple[nn.Module, nn.Module, float]] = [
            (self.slow_translator, self.net.translator, self.momentum.translator)
        ]
        if self.slow_encoders is not None:
            pairs.append((self.slow_encoders, self.net.encoders, self.momentum.coders))
        for slow, online, keep in pairs:
            torch._foreach_lerp_(list(slow.parameters()), list(online.parameters()), 1 - keep)
