"""The implicit two-stage step as a textbook writes it: what the package's step is measured against."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.benchmarks.plain_met2net import PlainMet2Net
from typhoon_tracker.training.two_stage import Losses, Momentum


class PlainTwoStage(nn.Module):
    """All three momentum copies are kept, every latent has a pass of its own, and all is stored for the backward pass.

    The state dict of `net` is that of the package's network.
    """

    def __init__(self, net: PlainMet2Net, momentum: Momentum) -> None:
        super().__init__()
        self.net, self.momentum = net, momentum
        self.slow_encoders = copy.deepcopy(net.encoders).requires_grad_(False)
        self.slow_translator = copy.deepcopy(net.translator).requires_grad_(False)
        self.slow_decoders = copy.deepcopy(net.decoders).requires_grad_(False)

    def losses(self, x: Tensor, y: Tensor) -> Losses:
        reconstruction = F.mse_loss(self.net.decode(self.slow_translator(self.net.encode(x))), y)
        with torch.no_grad():
            online, self.net.encoders = self.net.encoders, self.slow_encoders
            start, target = self.net.encode(x), self.net.encode(y)
            self.net.encoders = online
        return Losses(reconstruction, F.mse_loss(self.net.translator(start), target))

    @torch.no_grad()
    def update(self) -> None:
        copies = (
            (self.slow_encoders, self.net.encoders, self.momentum.coders),
            (self.slow_translator, self.net.translator, self.momentum.translator),
            (self.slow_decoders, self.net.decoders, self.momentum.coders),
        )
        for slow, online, keep in copies:
            for old, new in zip(slow.parameters(), online.parameters(), strict=True):
                old.copy_(old * keep + new * (1 - keep))
