"""The translator prepared for forecasts: the same function with everything folded that evaluation holds fixed.

A layer maps x (B*G, h, w, D), channels last, by Met2Net's equations with
- query, key and value in one product and their norms in one GroupNorm of three groups;
- BatchNorm b = a y + c and layer scales s folded into the neighbouring products: W(a y + c) = (W a) y + W c,
  s (W u) = (s W) u, so the unit's gate adds s1 (a y + c) as one scale of y;
- depthwise convolutions on channels-last memory, the dilated one by its nine phases.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typhoon_tracker.nets.blocks import TemporalAttentionUnit, TranslatorLayer, VariableAttention
from typhoon_tracker.nets.met2net import Translator
from typhoon_tracker.nets.streamed import in_chunks

DILATION = 3


class FoldedTranslator(nn.Module):
    """A translator in evaluation: latents (B, G, T*S, h, w) of the past to (B, G, T'*S, h, w) of the future."""

    def __init__(self, translator: Translator) -> None:
        super().__init__()
        self.enter, self.leave = _Linear.of(translator.enter), _Linear.of(translator.leave)
        self.layers = nn.ModuleList(FoldedLayer(layer) for layer in translator.layers)  # type: ignore[arg-type]

    @staticmethod
    def fits(translator: Translator) -> bool:
        """Tell whether every layer is the released one: attention over variables and a temporal attention unit."""
        return all(
            isinstance(layer, TranslatorLayer)
            and isinstance(layer.attention, VariableAttention)
            and isinstance(layer.unit, TemporalAttentionUnit)
            for layer in translator.layers
        )

    def forward(self, z: Tensor) -> Tensor:
        b, g = z.shape[:2]
        x = self.enter(z.flatten(0, 1).permute(0, 2, 3, 1).contiguous())  # (B*G, h, w, D)
        for layer in self.layers:
            x = layer(x, g)
        return self.leave(x).permute(0, 3, 1, 2).unflatten(0, (b, g))


class FoldedLayer(nn.Module):
    """Attention over variables, then the temporal attention unit, in evaluation."""

    def __init__(self, layer: TranslatorLayer) -> None:
        super().__init__()
        attention: Any = layer.attention
        unit: Any = layer.unit
        self.heads = attention.heads
        projections = (attention.query, attention.key, attention.value)
        self.qkv = _Linear(torch.cat([p[0].weight.flatten(1) for p in projections]), None)
        self.qkv_norm = _joined([p[1] for p in projections])
        self.out, self.out_norm = _Linear.of(attention.out[0]), attention.out[1]
        self.norm1, self.norm2 = layer.norm1, layer.norm2

        a1, c1 = _affine(unit.norm1)
        a2, c2 = _affine(unit.norm2)
        self.project_in = _Linear.of(unit.project_in, before=(a1, c1))
        self.near, self.far = unit.near, unit.far
        self.mix = _Linear.of(unit.mix)
        self.keep = nn.Parameter(1 + unit.scale1 * a1)
        self.project_out = _Linear.of(unit.project_out, after=unit.scale1, shift=unit.scale1 * c1)
        self.widen = _Linear.of(unit.widen, before=(a2, c2))
        self.depthwise = unit.depthwise
        self.narrow = _Linear.of(unit.narrow, after=unit.scale2)

    def forward(self, x: Tensor, variables: int) -> Tensor:
        y = _group_norm(x + self._attend(x, variables), self.norm1)
        u = F.gelu(self.project_in(y))
        gate = u * self.mix(self._dilated(_convolve(u, self.near)))
        r = torch.addcmul(self.project_out(gate), y, self.keep)
        # The wide features of a few rows stay in a CPU's cache.
        mlp = in_chunks(self._mlp, r, self.widen.out_features * r.shape[1] * r.shape[2])
        return _group_norm(mlp.add_(r).add_(y, alpha=2), self.norm2)

    def _mlp(self, x: Tensor) -> Tensor:
        return self.narrow(F.gelu(_convolve(self.widen(x), self.depthwise)))

    def _attend(self, x: Tensor, variables: int) -> Tensor:
        rows, h, w, d = x.shape
        qkv = _group_norm(self.qkv(x), self.qkv_norm)
        split = qkv.reshape(-1, variables, h * w, 3, self.heads, d // self.heads)
        q, k, v = split.permute(3, 0, 4, 1, 2, 5).flatten(-2)  # each (B, heads, G, P*D/heads)
        weights = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1)
        mixed = (weights @ v).unflatten(-1, (h * w, -1)).permute(0, 2, 3, 1, 4).reshape(rows, h, w, d)
        return F.silu(_group_norm(self.out(mixed), self.out_norm), inplace=True)

    def _dilated(self, x: Tensor) -> Tensor:
        rows, h, w, d = x.shape
        x = F.pad(x, (0, 0, 0, -w % DILATION, 0, -h % DILATION))
        high, wide = x.shape[1] // DILATION, x.shape[2] // DILATION
        split = x.view(rows, high, DILATION, wide, DILATION, d).permute(2, 4, 0, 1, 3, 5)
        phases = split.reshape(DILATION**2 * rows, high, wide, d).permute(0, 3, 1, 2)
        y = F.conv2d(phases, self.far.weight, self.far.bias, padding=3, groups=d).permute(0, 2, 3, 1)
        y = y.reshape(DILATION, DILATION, rows, high, wide, d).permute(2, 3, 0, 4, 1, 5)
        return y.reshape(rows, DILATION * high, DILATION * wide, d)[:, :h, :w]


class _Linear(nn.Linear):
    """A 1x1 convolution on channels-last memory, with affine maps before and after it folded in."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone())  # type: ignore[assignment]

    @classmethod
    def of(
        cls,
        conv: nn.Conv2d,
        *,
        before: tuple[Tensor, Tensor] | None = None,
        after: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> _Linear:
        weight: Tensor = conv.weight.flatten(1)
        bias: Any = conv.bias
        if before is not None:
            scale, offset = before
            weight, bias = weight * scale, bias + weight @ offset
        if after is not None:
            weight, bias = weight * after[:, None], bias * after
        return cls(weight, bias if shift is None else bias + shift)


def _affine(norm: Any) -> tuple[Tensor, Tensor]:
    """Return scale and offset per channel of a BatchNorm in evaluation."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - scale * norm.running_mean


def _joined(norms: list[nn.GroupNorm]) -> nn.GroupNorm:
    """Return one GroupNorm with a group for each of several that have one group."""
    joined = nn.GroupNorm(len(norms), sum(norm.num_channels for norm in norms), eps=norms[0].eps)
    joined.weight = nn.Parameter(torch.cat([norm.weight for norm in norms]).detach())
    joined.bias = nn.Parameter(torch.cat([norm.bias for norm in norms]).detach())
    return joined


def _group_norm(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    return norm(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def _convolve(x: Tensor, conv: nn.Conv2d) -> Tensor:
    return conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
