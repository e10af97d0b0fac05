"""Units of a translator layer beside TAU: what the Met2Net paper's Table 9 compares, each from its own paper.

A unit maps (B, D, h, w) to the same shape with its residuals inside.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typhoon_tracker.nets.blocks import DilatedDepthwise, DropPath, LargeKernelUnit, TemporalAttentionUnit

GATING_ORDER = 5  # HorNet's
MOGA_PARTS = 8  # MogaNet splits the channels 1 : 3 : 4


class GatedSpatiotemporalUnit(LargeKernelUnit):
    """gSTA of SimVPv2 (Tan et al. 2022, arXiv:2211.12509): the large kernel gives both values f and a gate g.

    weigh(u) = sigmoid(g) f.
    """

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__(channels, drop_path)
        self.mix = nn.Conv2d(channels, 2 * channels, 1)

    def weigh(self, u: Tensor) -> Tensor:
        values, gate = self.mix(self.far(self.near(u))).chunk(2, dim=1)
        return torch.sigmoid(gate) * values


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of every point of (B, D, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ConvNeXtUnit(nn.Module):
    """ConvNeXt (Liu et al. 2022, arXiv:2201.03545): x + drop(ls W2 GELU(W1 LN(depthwise 7x7 x))), ls from 1e-6."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm, self.mlp = ChannelNorm(channels, eps=1e-6), _mlp(channels)
        self.scale = nn.Parameter(torch.full((channels,), 1e-6))
        self.drop = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.scale[:, None, None] * self.mlp(self.norm(self.depthwise(x))))


class MetaFormerUnit(nn.Module):
    """The frame of PoolFormer, HorNet and MogaNet: r = x + drop(ls1 mix(norm x)); out = r + drop(ls2 mlp(norm r))."""

    def __init__(self, channels: int, drop_path: float, *, mixing: nn.Module, mlp: nn.Module, scale: float) -> None:
        super().__init__()
        self.mixing, self.mlp = mixing, mlp  # each begins with its norm
        self.scale1 = nn.Parameter(torch.full((channels,), scale))
        self.scale2 = nn.Parameter(torch.full((channels,), scale))
        self.drop = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.scale1[:, None, None] * self.mixing(x))
        return x + self.drop(self.scale2[:, None, None] * self.mlp(x))


class PoolFormerUnit(MetaFormerUnit):
    """PoolFormer (Yu et al. 2022, arXiv:2111.11418): points mix by their 3x3 mean alone, which has no weights."""

    def __init__(self, channels: int, drop_path: float) -> None:
        # The mean less the point cancels a bias, and a weight per channel is ls1's: this norm needs neither.
        mixing = nn.Sequential(nn.GroupNorm(1, channels, affine=False), PoolingMixer())
        mlp = nn.Sequential(nn.GroupNorm(1, channels), _mlp(channels))
        super().__init__(channels, drop_path, mixing=mixing, mlp=mlp, scale=1e-5)


class PoolingMixer(nn.Module):
    """mean 3x3 - x, as the residual gives the point itself; at the border the mean is of the points there are."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False) - x


class HorNetUnit(MetaFormerUnit):
    """HorNet (Rao et al. 2022, arXiv:2207.14284): recursive gated convolution."""

    def __init__(self, channels: int, drop_path: float) -> None:
        mixing = nn.Sequential(ChannelNorm(channels), RecursiveGatedConvolution(channels))
        mlp = nn.Sequential(ChannelNorm(channels), _mlp(channels))
        super().__init__(channels, drop_path, mixing=mixing, mlp=mlp, scale=1e-6)


class RecursiveGatedConvolution(nn.Module):
    """p_1 = p_0 q_0 / 3; p_k+1 = g_k(p_k) q_k / 3, with q depthwise 7x7 and widths D/16, D/8, D/4, D/2, D (order 5)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.widths = [channels // 2 ** (GATING_ORDER - 1 - k) for k in range(GATING_ORDER)]
        total = sum(self.widths)
        self.project_in = nn.Conv2d(channels, self.widths[0] + total, 1)
        self.depthwise = nn.Conv2d(total, total, 7, padding=3, groups=total)
        self.steps = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(self.widths, self.widths[1:], strict=False))
        self.project_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        p, q = self.project_in(x).split([self.widths[0], sum(self.widths)], dim=1)
        first, *rest = (self.depthwise(q) / 3).split(self.widths, dim=1)
        p = p * first
        for step, gate in zip(self.steps, rest, strict=True):
            p = step(p) * gate
        return self.project_out(p)


class MogaNetUnit(MetaFormerUnit):
    """MogaNet (Li et al. 2024, arXiv:2211.03295): gated aggregation over several reaches, then over the channels."""

    def __init__(self, channels: int, drop_path: float) -> None:
        mixing = nn.Sequential(nn.BatchNorm2d(channels), MultiOrderAggregation(channels))
        mlp = nn.Sequential(nn.BatchNorm2d(channels), ChannelAggregation(channels))
        super().__init__(channels, drop_path, mixing=mixing, mlp=mlp, scale=1e-5)


class MultiOrderAggregation(nn.Module):
    """y = GELU(u + s (u - mean u)), u = W x; out = W'(SiLU(gate y) SiLU(context y)), the mean over the whole grid.

    The context is a depthwise 5x5, of whose channels 3/8 go on through a 5x5 of dilation 2 and 4/8 a 7x7 of dilation 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        low, middle = channels // MOGA_PARTS, 3 * channels // MOGA_PARTS
        self.parts = [low, middle, channels - low - middle]
        self.project_in = nn.Conv2d(channels, channels, 1)
        self.contrast = nn.Parameter(torch.full((channels,), 1e-5))
        self.gate = nn.Conv2d(channels, channels, 1)
        self.near = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.middle = nn.Conv2d(middle, middle, 5, padding=4, dilation=2, groups=middle)
        self.far = DilatedDepthwise(self.parts[2])
        self.mix = nn.Conv2d(channels, channels, 1)
        self.project_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        u = self.project_in(x)
        y = F.gelu(u + self.contrast[:, None, None] * (u - u.mean((2, 3), keepdim=True)))
        low, middle, high = self.near(y).split(self.parts, dim=1)
        context = self.mix(torch.cat([low, self.middle(middle), self.far(high)], dim=1))
        return self.project_out(F.silu(self.gate(y)) * F.silu(context))


class ChannelAggregation(nn.Module):
    """W2(u + s (u - GELU(w u))), u = GELU(depthwise 3x3 (W1 x)), where w gathers all channels into one."""

    def __init__(self, channels: int, *, expansion: int = 4) -> None:
        super().__init__()
        wide = expansion * channels
        self.widen = nn.Conv2d(channels, wide, 1)
        self.depthwise = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.gather = nn.Conv2d(wide, 1, 1)
        self.contrast = nn.Parameter(torch.full((wide,), 1e-5))
        self.narrow = nn.Conv2d(wide, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        u = F.gelu(self.depthwise(self.widen(x)))
        return self.narrow(u + self.contrast[:, None, None] * (u - F.gelu(self.gather(u))))


def _mlp(channels: int, *, expansion: int = 4) -> nn.Module:
    wide = expansion * channels
    return nn.Sequential(nn.Conv2d(channels, wide, 1), nn.GELU(), nn.Conv2d(wide, channels, 1))


UNITS: dict[str, Callable[[int, float], nn.Module]] = {
    "tau": TemporalAttentionUnit,
    "gsta": GatedSpatiotemporalUnit,
    "convnext": ConvNeXtUnit,
    "poolformer": PoolFormerUnit,
    "hornet": HorNetUnit,
    "moganet": MogaNetUnit,
}
CHANNEL_MULTIPLE = {"hornet": 2 ** (GATING_ORDER - 1), "moganet": MOGA_PARTS}
