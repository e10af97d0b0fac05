"""Group norm in mixed precision whose gradient is as fast as its answer on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class GroupNorm(nn.GroupNorm):
    """Group norm of (B, C, H, W); on a CPU, of an input in lower precision, with its gradient in that of the weights.

    The library's gradient of few bfloat16 channels is several times slower than that of float32.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or x.dtype == self.weight.dtype or not torch.is_grad_enabled():
            return super().forward(x)
        return _MixedGroupNorm.apply(x, self.weight, self.bias, self.num_groups, self.eps)


class _MixedGroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        y, mean, rstd = torch.native_group_norm(x, weight, bias, *_sizes(x), groups, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        ctx.groups = groups
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *statistics = ctx.saved_tensors
        # The kernel reads both as if they lay in memory alike.
        g, own = (t.to(weight.dtype).contiguous(memory_format=torch.channels_last) for t in (upstream[0], x))
        mean, rstd = (t.to(weight.dtype) for t in statistics)
        wanted = list(ctx.needs_input_grad[:3])
        x_gradient, *others = torch.ops.aten.native_group_norm_backward(
            g,
            own,
            mean,
            rstd,
            weight,
            *_sizes(x),
            ctx.groups,
            wanted,
        )
        return x_gradient.to(x.dtype) if wanted[0] else None, *others, None, None


def _sizes(x: Tensor) -> tuple[int, int, int]:
    return x.shape[0], x.shape[1], x.shape[2] * x.shape[3]
