"""Settings of networks small enough to test."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from typhoon_tracker.nets.architectures import build
from typhoon_tracker.nets.met2net import Met2Net, Met2NetConfig

FRAMES = {"frames_in": 3, "frames_out": 3, "variables": 4}
CODERS = {"spatial_channels": 4, "temporal_channels": 16, "stages": 2, "layers": 2, "drop_path": 0.0}
TINY: dict[str, dict[str, Any]] = {
    "met2net": {**FRAMES, **CODERS, "heads": 4},
    "tau": {**FRAMES, **CODERS, "expansion": 2},
    "convlstm": {**FRAMES, "hidden": [6, 5], "kernel": 3, "patch": 2},
}


def tiny(architecture: str, **settings: Any) -> nn.Module:
    """A small network in double precision whose branches count in full: layer scales are 1."""
    torch.manual_seed(0)
    return opened(build(architecture, {**TINY[architecture], **settings}).double())


def tiny_met2net(**settings: Any) -> Met2Net:
    torch.manual_seed(0)
    net = Met2Net(Met2NetConfig(**{**TINY["met2net"], **settings})).double()
    opened(net)
    return net


def opened(net: nn.Module) -> nn.Module:
    for name, parameter in net.named_parameters():
        if "scale" in name or "contrast" in name:
            nn.init.ones_(parameter)
    return net


def influence(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Tell of each output frame and variable which input frames and variables move it: (T', N, T, N) of booleans."""
    x = x.clone().requires_grad_()
    y = net(x)
    rows = [torch.autograd.grad(y[:, t, i].sin().sum(), x, retain_graph=True)[0] for t, i in _pairs(y)]
    moved = torch.stack([(row.abs().amax((0, 3, 4)) > 1e-12) for row in rows])
    return moved.unflatten(0, (y.shape[1], y.shape[2]))


def _pairs(y: torch.Tensor) -> list[tuple[int, int]]:
    return [(t, i) for t in range(y.shape[1]) for i in range(y.shape[2])]
