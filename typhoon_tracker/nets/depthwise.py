"""Depthwise convolutions whose weights learn as fast as they answer on a CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class Depthwise(nn.Conv2d):
    """An odd square kernel per channel, stride 1, same size out; on a CPU with a quick exact gradient of the weight."""

    def __init__(self, channels: int, kernel: int, *, dilation: int = 1) -> None:
        super().__init__(
            channels, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=channels
        )

    def forward(self, x: Tensor) -> Tensor:
        return self._undilated(x) if x.device.type == "cpu" and self.dilation == (1, 1) else super().forward(x)

    def _undilated(self, x: Tensor) -> Tensor:
        """Convolve as if the kernel were not dilated."""
        pad, bias = self.kernel_size[0] // 2, self.bias
        if not torch.is_grad_enabled():
            return F.conv2d(x, self.weight, bias, padding=pad, groups=self.groups)
        weight = self.weight
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
        return _Convolution.apply(x, weight, bias)


class DilatedDepthwise(Depthwise):
    """Depthwise 7x7 with dilation 3; on a CPU computed exactly as nine undilated convolutions of its phases.

    Dilation 3 never mixes rows or columns of different remainder modulo 3, and the plain kernel is many times faster.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 7, dilation=3)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        b, c, h, w = x.shape
        x = F.pad(x, (0, -w % 3, 0, -h % 3)).permute(0, 2, 3, 1)
        rows, columns = x.shape[1] // 3, x.shape[2] // 3
        split = x.reshape(b, rows, 3, columns, 3, c).permute(2, 4, 0, 1, 3, 5)  # a phase (row, column) first
        y = self._undilated(split.reshape(9 * b, rows, columns, c).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y = y.reshape(3, 3, b, rows, columns, c).permute(2, 3, 0, 4, 1, 5)
        return y.reshape(b, 3 * rows, 3 * columns, c).permute(0, 3, 1, 2)[:, :, :h, :w]


class _Convolution(torch.autograd.Function):
    """The convolution, with gradients as quick as itself."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        (g,) = upstream
        x_gradient = weight_gradient = None
        with torch.autocast("cpu", enabled=False):  # what autocast had to cast is cast
            if wants_x:  # the convolution of g by the kernel turned by half a turn
                x_gradient = F.conv2d(g, weight.flip(2, 3), padding=weight.shape[-1] // 2, groups=len(weight))
            if wants_weight:
                weight_gradient = _weight_gradient(x, g, weight)
        return x_gradient, weight_gradient, g.sum((0, 2, 3)) if wants_bias else None


def _weight_gradient(x: Tensor, g: Tensor, weight: Tensor) -> Tensor:
    """Return dL/dw[c] = sum over samples b of x[b, c] * g[b, c], where * is the padded convolution.

    Samples and channels together are the channels of one convolution whose kernels are as large as the grid.
    """
    b, c, h, w = x.shape
    kernel = weight.shape[-1]
    pad = kernel // 2
    if kernel < 5 or min(h, w) <= pad:  # the library's own is quick for small kernels, and ours slow on a tiny grid
        return torch.ops.aten.convolution_backward(
            g, x, weight, None, [1, 1], [pad, pad], [1, 1], False, [0, 0], c, [False, True, False]
        )[1]
    each = F.conv2d(x.reshape(1, b * c, h, w), g.reshape(b * c, 1, h, w), padding=pad, groups=b * c)
    return each.view(b, *weight.shape).sum(0)
