"""Networks that look along time: a convolutional GRU, and one that first makes the frame between two by voxel flow.

Sizes follow the public code of Harder et al. (JMLR 2023) and Liu et al., "Video Frame Synthesis using Deep Voxel Flow"
(ICCV 2017). Frames are normalised (B, T, C, h, w).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typhoon_tracker.downscale.nets import doublings

REACH = 0.5  # of half the grid: how far the flow may carry
FLOW_WIDTHS = (64, 128, 256)


class Residual(nn.Module):
    """x + conv(act(conv(act(x)))), with the act first."""

    def __init__(self, width: int, act: type[nn.Module]) -> None:
        super().__init__()

        def conv() -> nn.Conv2d:
            return nn.Conv2d(width, width, 3, padding=1, bias=False, padding_mode="reflect")

        self.layers = nn.Sequential(act(), conv(), act(), conv())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ConvGRU(nn.Module):
    """A GRU with 3 x 3 gates over coarse frames, its state begun by the first, each state refined by factors of two."""

    def __init__(self, *, channels: int, factor: int, width: int = 64, blocks: int = 3) -> None:
        super().__init__()

        def encoder() -> nn.Sequential:
            enter = nn.Conv2d(channels, width, 3, padding=1)
            return nn.Sequential(enter, *(Residual(width, nn.ReLU) for _ in range(blocks)))

        def gate() -> nn.Conv2d:
            return nn.Conv2d(2 * width, width, 3, padding=1, padding_mode="reflect")

        self.begin, self.encode = encoder(), encoder()
        self.update, self.reset, self.propose = gate(), gate(), gate()
        layers: list[nn.Module] = [Residual(width, nn.LeakyReLU)]
        for _ in range(doublings(factor)):
            layers += [nn.UpsamplingBilinear2d(scale_factor=2), Residual(width, nn.LeakyReLU)]
        self.refine = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        state = self.begin(x[:, 0])
        states = []
        for frame in self.encode(x.flatten(0, 1)).unflatten(0, x.shape[:2]).unbind(1):
            both = torch.cat([frame, state], 1)
            keep, reset = torch.sigmoid(self.update(both)), torch.sigmoid(self.reset(both))
            proposed = torch.tanh(self.propose(torch.cat([frame, reset * state], 1)))
            state = keep * state + (1.0 - keep) * proposed
            states.append(state)
        return self.refine(torch.stack(states, 1).flatten(0, 1)).unflatten(0, x.shape[:2])


class VoxelFlow(nn.Module):
    """The frame between two: a U-Net says from where each point comes, and how to blend the two frames."""

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        a, b, c = FLOW_WIDTHS
        self.down = nn.ModuleList([_block(2 * channels, a, 5), _block(a, b, 5), _block(b, c, 3)])
        self.deepest = _block(c, c, 3)
        self.up = nn.ModuleList([_block(c + c, c, 3), _block(c + b, b, 5), _block(b + a, a, 5)])
        self.leave = nn.Conv2d(a, 3, 5, padding=2)

    def forward(self, x: Tensor, fields: Tensor) -> Tensor:
        """Return the frame (B, C, h, w) between the two of `fields` (B, 2, C, h, w), judged by normalised frames x.

        Every point is a weighted mean of points of `fields`, so the frame stays within their range.
        """
        y, passed = x.flatten(1, 2), []
        for layer in self.down:
            y = layer(y)
            passed.append(y)
            y = F.max_pool2d(y, 2, ceil_mode=True)
        y = self.deepest(y)
        for layer in self.up:
            skipped = passed.pop()
            y = layer(torch.cat([F.interpolate(y, skipped.shape[-2:], mode="bilinear"), skipped], 1))
        said = torch.tanh(self.leave(y)).float()
        flow, blend = REACH * said[:, :2].movedim(1, -1), 0.5 * (1.0 + said[:, 2:])  # (B, h, w, 2), (B, 1, h, w)
        grid = _grid(said)
        first, last = (_carried(fields[:, i].float(), grid + sign * flow) for i, sign in ((0, -1.0), (1, 1.0)))
        return blend * first + (1.0 - blend) * last


class FlowConvGRU(ConvGRU):
    """Two frames to three fine ones: `flow` makes the one between, the ConvGRU runs over the three."""

    def __init__(self, *, channels: int, factor: int, width: int = 64, blocks: int = 3) -> None:
        super().__init__(channels=channels, factor=factor, width=width, blocks=blocks)
        self.flow = VoxelFlow(channels=channels)


def _block(before: int, after: int, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())


def _grid(like: Tensor) -> Tensor:
    """Where the points of a field (B, ., h, w) lie in [-1, 1], as x and y (h, w, 2)."""
    rows, columns = (torch.linspace(-1.0, 1.0, n, device=like.device) for n in like.shape[-2:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], -1)


def _carried(field: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(field, grid, mode="bilinear", padding_mode="border", align_corners=True)
