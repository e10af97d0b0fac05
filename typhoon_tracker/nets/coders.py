"""Encoder and decoder of frames, as SimVP, TAU and Met2Net have them: stages of which every second one halves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

from torch import nn

from typhoon_tracker.nets.blocks import ConvStage, Readout


def halving(stages: int) -> list[bool]:
    """Tell of each encoder stage whether it halves the grid."""
    return [i % 2 == 1 for i in range(stages)]


def stride(stages: int) -> int:
    """Return how much coarser the latent grid is than the frames'."""
    return 2 ** sum(halving(stages))


class Encoder(nn.Sequential):
    """Frames (B*T, c, H, W) to latents (B*T, S, H/stride, W/stride)."""

    def __init__(self, channels: int, spatial_channels: int, stages: int) -> None:
        s = spatial_channels
        super().__init__(*(ConvStage(s if i else channels, s, down=half) for i, half in enumerate(halving(stages))))


class Decoder(nn.Sequential):
    """Latents (B*T, S, H/stride, W/stride) to frames (B*T, c, H, W)."""

    def __init__(self, channels: int, spatial_channels: int, stages: int) -> None:
        s = spatial_channels
        super().__init__(*(ConvStage(s, s, up=half) for half in halving(stages)[::-1]), Readout(s, channels))


class Shared(nn.ModuleList):
    """One module in the place of several: every index gives the same one, and its weights are kept and saved once."""

    def __init__(self, module: nn.Module, count: int) -> None:
        super().__init__()
        self.count = count
        self.add_module("0", module)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[nn.Module]:
        return repeat(self._modules["0"], self.count)

    def __getitem__(self, index: int) -> nn.Module:  # type: ignore[override]
        return list(self)[index]
