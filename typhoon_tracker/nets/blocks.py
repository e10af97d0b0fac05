"""The blocks of Met2Net: convolution stages, attention over variables and the temporal attention unit."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvStage(nn.Module):
    """conv 3x3 -> (PixelShuffle 2) -> GroupNorm(2) -> SiLU; halves the grid with `down`, doubles it with `up`."""

    def __init__(self, c_in: int, c_out: int, *, down: bool = False, up: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, 4 * c_out if up else c_out, 3, stride=2 if down else 1, padding=1)
        self.up = up
        self.norm = nn.GroupNorm(2, c_out)
        nn.init.trunc_normal_(self.conv.weight, std=0.02)
        self.conv.bias.data.zero_()  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return F.silu(self.norm(F.pixel_shuffle(x, 2) if self.up else x))


class VariableAttention(nn.Module):
    """Attention whose tokens are whole variables: softmax(Q K^T / sqrt(feature length)) V is N x N per sample and head.

    Input and output (B, N, D, h, w); the heads split the channels, so a token's length is (D / heads) h w.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()

        def project() -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.GroupNorm(1, channels))

        self.heads = heads
        self.query, self.key, self.value = project(), project(), project()
        self.out = nn.Sequential(*project(), nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        b, n, d, h, w = x.shape
        flat = x.flatten(0, 1)  # (B*N, D, h, w)

        def tokens(y: Tensor) -> Tensor:
            return y.reshape(b, n, self.heads, -1).transpose(1, 2)  # (B, heads, N, D/heads*h*w)

        q, k, v = tokens(self.query(flat)), tokens(self.key(flat)), tokens(self.value(flat))
        weights = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)  # (B, heads, N, N)
        mixed = (weights @ v).transpose(1, 2).reshape(b * n, d, h, w)
        return self.out(mixed).view(b, n, d, h, w)


class DropPath(nn.Module):
    """Stochastic depth: in training a residual branch is dropped whole, per row of the batch."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.probability == 0.0:
            return x
        keep = 1.0 - self.probability
        mask = x.new_empty(x.shape[0], *(1,) * (x.dim() - 1)).bernoulli_(keep)
        return x * mask / keep


class DilatedDepthwise(nn.Conv2d):
    """Depthwise 7x7 with dilation 3; on a CPU computed exactly as nine undilated convolutions of its phases.

    Dilation 3 never mixes rows or columns of different remainder modulo 3, and the plain kernel is many times faster.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 7, padding=9, dilation=3, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        b, c, h, w = x.shape
        x = F.pad(x, (0, -w % 3, 0, -h % 3))
        rows, columns = x.shape[2] // 3, x.shape[3] // 3
        phases = x.reshape(b, c, rows, 3, columns, 3).permute(3, 5, 0, 1, 2, 4).reshape(9 * b, c, rows, columns)
        y = F.conv2d(phases, self.weight, self.bias, padding=3, groups=c)
        y = y.reshape(3, 3, b, c, rows, columns).permute(2, 3, 4, 0, 5, 1).reshape(b, c, 3 * rows, 3 * columns)
        return y[:, :, :h, :w]


class TemporalAttentionUnit(nn.Module):
    """TAU (Tan et al. 2023) as Met2Net uses it, without the squeeze-and-excitation branch that it never runs.

    r = x + drop(ls1 A(BN1 x)); out = r + drop(ls2 M(BN2 r)), with a large-kernel gate A and a convolutional MLP M.
    """

    def __init__(self, channels: int, drop_path: float, *, expansion: int = 4) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.project_in = nn.Conv2d(channels, channels, 1)
        self.near = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.far = DilatedDepthwise(channels)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.project_out = nn.Conv2d(channels, channels, 1)
        wide = expansion * channels
        self.widen = nn.Conv2d(channels, wide, 1)
        self.depthwise = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.narrow = nn.Conv2d(wide, channels, 1)
        self.scale1 = nn.Parameter(torch.full((channels,), 0.01))
        self.scale2 = nn.Parameter(torch.full((channels,), 0.01))
        self.drop = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.scale1[:, None, None] * self._gate(self.norm1(x)))
        mlp = self.narrow(F.gelu(self.depthwise(self.widen(self.norm2(x)))))
        return x + self.drop(self.scale2[:, None, None] * mlp)

    def _gate(self, x: Tensor) -> Tensor:
        u = F.gelu(self.project_in(x))
        return x + self.project_out(u * self.mix(self.far(self.near(u))))


class TranslatorLayer(nn.Module):
    """Variable attention, then a TAU per variable, each with a residual and a GroupNorm(1); TAU's is added twice."""

    def __init__(self, channels: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.attention = VariableAttention(channels, heads)
        self.norm1, self.norm2 = nn.GroupNorm(1, channels), nn.GroupNorm(1, channels)
        self.unit = TemporalAttentionUnit(channels, drop_path)

    def forward(self, x: Tensor) -> Tensor:
        b, n = x.shape[:2]
        flat = self.norm1((x + self.attention(x)).flatten(0, 1))  # (B*N, D, h, w)
        return self.norm2(2 * flat + self.unit(flat)).unflatten(0, (b, n))
