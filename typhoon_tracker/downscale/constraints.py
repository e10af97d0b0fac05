"""Layers after which the block means of a fine field are those of the coarse field (Harder et al., JMLR 2023).

A coarse cell holds a block of f x f fine points; its value x is the (area-weighted) mean of the block, not its sum.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from typhoon_tracker.downscale.settings import ADDITIVE, KINDS, MULTIPLICATIVE, NONE, SCALED_ADDITIVE, SOFTMAX
from typhoon_tracker.errors import InputError

GUARD = 0.1  # a divisor smaller than this part of what it divides is not divided by: at most tenfold amplification


def constrain(kind: str, raw: Tensor, coarse: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Return the fine field y from a network's output y~ and the coarse field x so that the mean of every block is x.

    With m the (weighted) mean of y~ over a block:

        softmax          y = exp(y~) x / mean(exp y~)          x >= 0; y has the sign of x; y~ are logits
        additive         y = y~ + (x - m)                      any field
        multiplicative   y = y~ x / m                          additive where |m| < 0.1 mean |y~|
        scaled_additive  y = y~ + (x - m)(s + y~) / (s + m)    s = sign(m - x); for fields scaled to [-1, 1]; additive
                                                               where |s + m| < 0.1 mean |s + y~|
        none             y = y~

    `raw` is (..., H, W), `coarse` (..., h, w) with f = H / h = W / w any whole number; leading dimensions broadcast.
    `weights` are the areas of the fine points, positive, broadcast to `raw`. Half precision is computed and returned in
    float32: rounded to half again, a field would no longer have its means. Raises InputError for an unknown kind,
    shapes or weights that do not fit, NaN or infinite values, and a negative coarse value under softmax.
    """
    if kind not in KINDS:
        raise InputError(f"unknown constraint {kind!r}; known: {', '.join(KINDS)}.")
    factor_of(raw, coarse)
    with torch.autocast(raw.device.type, enabled=False):
        raw, coarse = _single(raw), _single(coarse)
        _check_finite("the network's output", raw)
        _check_finite("the coarse field", coarse)
        if kind == NONE:
            return raw
        h, w = coarse.shape[-2:]
        y, x = _blocks(raw, h, w), coarse[..., :, None, :, None]
        area = None if weights is None else _areas(weights, raw, h, w)
        fine = _LAYERS[kind](y, x, area)
        return fine.flatten(-2).flatten(-3, -2)


def soft_loss(
    fine: Tensor, coarse: Tensor, target: Tensor, *, alpha: float = 0.99, weights: Tensor | None = None
) -> Tensor:
    """Return alpha MSE(block mean of y, x) + (1 - alpha) MSE(y, target): a wish, which guarantees nothing.

    Shapes as in `constrain`. Raises InputError for an alpha outside 0 to 1 and for shapes that do not fit.
    """
    if not 0.0 <= alpha <= 1.0:
        raise InputError(f"alpha {alpha} is outside 0 to 1; the public recipe has 0.99.")
    means = block_mean(fine, factor_of(fine, coarse), weights=weights)
    return alpha * F.mse_loss(means, _single(coarse)) + (1.0 - alpha) * F.mse_loss(_single(fine), _single(target))


def block_mean(fine: Tensor, factor: int, *, weights: Tensor | None = None) -> Tensor:
    """Return the means (..., H / f, W / f) of the f x f blocks of `fine` (..., H, W), in float32 at least.

    Raises InputError for a factor that does not divide the grid and for weights that do not fit it.
    """
    height, width = fine.shape[-2:]
    if factor < 1 or height % factor or width % factor:
        raise InputError(f"a factor of {factor} does not divide the grid of {height} x {width} points.")
    h, w = height // factor, width // factor
    area = None if weights is None else _areas(weights, fine, h, w)
    return _mean(_blocks(_single(fine), h, w), area).squeeze(-1).squeeze(-2)


def factor_of(fine: Tensor, coarse: Tensor) -> int:
    """Return H / h = W / w; InputError where this is no whole number or not one number."""
    (height, width), (h, w) = fine.shape[-2:], coarse.shape[-2:]
    if not h or not w or height % h or width % w or height // h != width // w:
        raise InputError(
            f"the fine grid of {height} x {width} points is no whole multiple of the coarse one of {h} x {w}; crop it."
        )
    return height // h


def _softmax(y: Tensor, x: Tensor, area: Tensor | None) -> Tensor:
    if (x < 0).any():
        raise InputError(
            f"softmax needs a field without negative values; the coarse field goes down to {x.min().item():g}. "
            f"Give the constraint additive."
        )
    grown = torch.exp(y - y.amax((-3, -1), keepdim=True))  # the largest is 1: nothing overflows
    return grown * (x / _mean(grown, area))


def _additive(y: Tensor, x: Tensor, area: Tensor | None) -> Tensor:
    return x + _anomaly(y, area)


def _multiplicative(y: Tensor, x: Tensor, area: Tensor | None) -> Tensor:
    return _scaled(y, x, area, shift=torch.zeros_like(x))


def _scaled_additive(y: Tensor, x: Tensor, area: Tensor | None) -> Tensor:
    return _scaled(y, x, area, shift=torch.sign(_mean(y, area) - x).detach())


def _scaled(y: Tensor, x: Tensor, area: Tensor | None, *, shift: Tensor) -> Tensor:
    """x + (y - m)(s + x) / (s + m), which is y + (x - m)(s + y) / (s + m), and for s = 0 is y x / m."""
    divisor, size = shift + _mean(y, area), _mean((shift + y).abs(), area)
    good = divisor.abs() > GUARD * size
    return x + _anomaly(y, area) * torch.where(good, (shift + x) / torch.where(good, divisor, 1.0), 1.0)


def _anomaly(y: Tensor, area: Tensor | None) -> Tensor:
    """y less its mean, and less what the rounding of the mean left: a mean far from zero would show in the sum."""
    rest = y - _mean(y, area)
    return rest - _mean(rest, area)


_LAYERS = {
    SOFTMAX: _softmax,
    ADDITIVE: _additive,
    MULTIPLICATIVE: _multiplicative,
    SCALED_ADDITIVE: _scaled_additive,
}


def _blocks(fine: Tensor, h: int, w: int) -> Tensor:
    return fine.unflatten(-1, (w, -1)).unflatten(-3, (h, -1))  # (..., h, f, w, f)


def _mean(blocks: Tensor, area: Tensor | None) -> Tensor:
    return (blocks if area is None else blocks * area).mean((-3, -1), keepdim=True)  # (..., h, 1, w, 1)


def _areas(weights: Tensor, fine: Tensor, h: int, w: int) -> Tensor:
    """The weights in blocks, with mean 1 over each."""
    try:
        whole = _single(weights).broadcast_to(torch.broadcast_shapes(weights.shape, fine.shape[-2:]))
        torch.broadcast_shapes(whole.shape, fine.shape)
    except RuntimeError as error:
        raise InputError(f"weights {tuple(weights.shape)} do not fit the field {tuple(fine.shape)}.") from error
    if whole.shape[-2:] != fine.shape[-2:]:
        raise InputError(f"weights {tuple(weights.shape)} do not fit the field {tuple(fine.shape)}.")
    if not (torch.isfinite(whole) & (whole > 0)).all():
        raise InputError(f"area weights must be positive; the smallest is {whole.min().item():g}.")
    area = _blocks(whole, h, w)
    return area / area.mean((-3, -1), keepdim=True)


def _single(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _check_finite(what: str, values: Tensor) -> None:
    bad = ~torch.isfinite(values)
    if bad.any():
        raise InputError(f"{what} has {int(bad.sum())} NaN or infinite values of {values.numel()}.")
