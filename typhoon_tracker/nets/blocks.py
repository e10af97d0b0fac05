"""The blocks of Met2Net: convolution stages, attention over variables and the temporal attention unit."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typhoon_tracker.nets.depthwise import Depthwise, DilatedDepthwise
from typhoon_tracker.nets.norms import GroupNorm
from typhoon_tracker.nets.streamed import in_chunks


def laid_out(x: Tensor) -> Tensor:
    """Return x (B, C, H, W) channels last on a CPU, whose convolutions and their gradients are then far faster."""
    if x.device.type != "cpu":
        return x
    if x.shape[1] == 1:  # is so in any case, but only these strides say it
        return x.squeeze(1).unsqueeze(-1).permute(0, 3, 1, 2)
    return x.contiguous(memory_format=torch.channels_last)


def gelu(x: Tensor) -> Tensor:
    """Return GELU(x), x (B, C, H, W), by the quick kernel, which a CPU has for memory in order alone."""
    return F.gelu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) if x.device.type == "cpu" else F.gelu(x)


class ConvStage(nn.Module):
    """conv 3x3 -> (PixelShuffle 2) -> GroupNorm(2) -> SiLU; halves the grid with `down`, doubles it with `up`."""

    def __init__(self, c_in: int, c_out: int, *, down: bool = False, up: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, 4 * c_out if up else c_out, 3, stride=2 if down else 1, padding=1)
        self.up = up
        self.norm = GroupNorm(2, c_out)
        nn.init.trunc_normal_(self.conv.weight, std=0.02)
        self.conv.bias.data.zero_()  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        x = laid_out(x)
        x = self._upsample(x) if self.up else self.conv(x)
        return F.silu(self.norm(x), inplace=not torch.is_grad_enabled())

    def _upsample(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return F.pixel_shuffle(self.conv(x), 2)
        # With a pixel's channels side by side (rather than the four pixels of a channel) the shuffle moves whole rows.
        weight, bias = (p.unflatten(0, (-1, 4)).transpose(0, 1).flatten(0, 1) for p in self.conv.parameters())
        y = F.conv2d(x, weight, bias, padding=1).permute(0, 2, 3, 1)  # (B, h, w, 4C)
        rows = y.unflatten(3, (2, -1)).transpose(2, 3)  # (B, h, 2, w, 2C)
        return rows.reshape(len(x), 2 * y.shape[1], 2 * y.shape[2], -1).permute(0, 3, 1, 2)


class Pointwise(nn.Conv2d):
    """A convolution 1x1; on a CPU as a matrix product over the points of channels-last memory."""

    def __init__(self, c_in: int, c_out: int, *, bias: bool = True) -> None:
        super().__init__(c_in, c_out, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        return F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class Readout(Pointwise):
    """The last convolution, to the variables; on a CPU in the weight's own precision under autocast too."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.to(self.weight.dtype))


class VariableAttention(nn.Module):
    """Attention whose tokens are whole variables: softmax(Q K^T / sqrt(feature length)) V is N x N per sample and head.

    Input and output (B, N, D, h, w); the heads split the channels, so a token's length is (D / heads) h w.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()

        def project() -> nn.Sequential:
            return nn.Sequential(Pointwise(channels, channels, bias=False), nn.GroupNorm(1, channels))

        self.heads = heads
        self.query, self.key, self.value = project(), project(), project()
        self.out = nn.Sequential(*project(), nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        b, n, d, h, w = x.shape
        flat = x.flatten(0, 1)  # (B*N, D, h, w)

        def tokens(y: Tensor) -> Tensor:  # channels innermost: the order of a token's features does not matter
            split = y.permute(0, 2, 3, 1).reshape(b, n, h * w, self.heads, -1)
            return split.permute(0, 3, 1, 2, 4).flatten(3)  # (B, heads, N, h*w*D/heads)

        q, k, v = tokens(self.query(flat)), tokens(self.key(flat)), tokens(self.value(flat))
        weights = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)  # (B, heads, N, N)
        mixed = (weights @ v).view(b, self.heads, n, h, w, -1).permute(0, 2, 3, 4, 1, 5)
        return self.out(mixed.reshape(b * n, h, w, d).permute(0, 3, 1, 2)).unflatten(0, (b, n))


class DropPath(nn.Module):
    """Stochastic depth: in training a residual branch is dropped whole, per row of the batch."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight(x.shape[0], like=x)
        return x if weight is None else x * weight.view(-1, *(1,) * (x.dim() - 1))

    def weight(self, rows: int, *, like: Tensor) -> Tensor | None:
        """Return by what each row is multiplied, 0 or 1 / (1 - probability); None where by 1."""
        if not self.training or self.probability == 0.0:
            return None
        keep = 1.0 - self.probability
        return like.new_empty(rows).bernoulli_(keep) / keep


class LargeKernelUnit(nn.Module, ABC):
    """r = x + drop(ls1 A(BN1 x)); out = r + drop(ls2 M(BN2 r)), with a large-kernel gate A and a convolutional MLP M.

    A(b) = b + proj2(weigh(GELU(proj1 b))); subclasses say how the large kernel's answer weighs its input.
    """

    def __init__(self, channels: int, drop_path: float, *, expansion: int = 4) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.project_in = Pointwise(channels, channels)
        self.near = Depthwise(channels, 5)
        self.far = DilatedDepthwise(channels)
        self.mix: nn.Conv2d = Pointwise(channels, channels)
        self.project_out = Pointwise(channels, channels)
        wide = expansion * channels
        self.widen = Pointwise(channels, wide)
        self.depthwise = Depthwise(wide, 3)
        self.narrow = Pointwise(wide, channels)
        self.scale1 = nn.Parameter(torch.full((channels,), 0.01))
        self.scale2 = nn.Parameter(torch.full((channels,), 0.01))
        self.drop = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = laid_out(x)
        x = self._add(x, self.scale1, self._gate, self.norm1(x))
        return self._add(x, self.scale2, self._mlp, self.norm2(x))

    @abstractmethod
    def weigh(self, u: Tensor) -> Tensor:
        """Return features u (B, D, h, w) as the large kernel lets them through."""

    def _gate(self, x: Tensor) -> Tensor:
        return x + self.project_out(self.weigh(gelu(self.project_in(x))))

    def _mlp(self, x: Tensor) -> Tensor:
        def mlp(rows: Tensor) -> Tensor:
            return self.narrow(gelu(self.depthwise(self.widen(rows))))

        # The wide features of a few rows stay in a CPU's cache.
        return in_chunks(mlp, x, self.widen.out_channels * x.shape[-2] * x.shape[-1])

    def _add(self, x: Tensor, scale: Tensor, branch: Callable[[Tensor], Tensor], y: Tensor) -> Tensor:
        """Return x + drop(scale branch(y)), rows apart; on a CPU, those that are dropped are not computed."""
        weight = self.drop.weight(len(x), like=scale)
        if weight is None:
            return torch.addcmul(x, scale[:, None, None], branch(y))
        # Elsewhere to count what is kept would wait for the device.
        kept = weight.nonzero().flatten() if x.device.type == "cpu" else None
        if kept is None or len(kept) in (0, len(x)):
            return torch.addcmul(x, (weight[:, None] * scale)[..., None, None], branch(y))
        x, y = x.permute(0, 2, 3, 1), y.permute(0, 2, 3, 1)  # whole rows are copied as they lie in memory
        change = branch(y.index_select(0, kept).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        change = change * (weight[kept, None, None, None] * scale)
        return x.to(change.dtype).index_add(0, kept, change).permute(0, 3, 1, 2)


class TemporalAttentionUnit(LargeKernelUnit):
    """TAU (Tan et al. 2023) as Met2Net uses it, without the squeeze-and-excitation branch that it never runs."""

    def weigh(self, u: Tensor) -> Tensor:
        return u * self.mix(self.far(self.near(u)))


class TranslatorLayer(nn.Module):
    """Variable attention, then a unit per variable, each with a residual and a GroupNorm(1); the unit's is added twice.

    Without `attention` only its GroupNorm is left of the first half, and no variable sees another.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        drop_path: float,
        *,
        unit: Callable[[int, float], nn.Module] = TemporalAttentionUnit,
        attention: bool = True,
    ) -> None:
        super().__init__()
        self.attention = VariableAttention(channels, heads) if attention else None
        self.norm1, self.norm2 = nn.GroupNorm(1, channels), nn.GroupNorm(1, channels)
        self.unit = unit(channels, drop_path)

    def forward(self, x: Tensor) -> Tensor:
        b, n = x.shape[:2]
        x = laid_out(x.flatten(0, 1)).unflatten(0, (b, n))
        mixed = x if self.attention is None else x + self.attention(x)
        flat = self.norm1(mixed.flatten(0, 1))  # (B*N, D, h, w)
        return self.norm2(torch.add(self.unit(flat), flat, alpha=2)).unflatten(0, (b, n))
