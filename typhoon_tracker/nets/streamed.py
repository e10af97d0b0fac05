"""Training passes that keep little: coders run a few frames at a time, and gradients are taken at once.

Encoders and decoders see one frame at a time (their GroupNorm is per frame), so a pass may go variable by variable and
chunk by chunk, exactly. What decoding keeps between two chunks are gradients, never the full-resolution activations of
all frames, and on a CPU those of a chunk stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Values of the widest activation of a chunk: what a CPU's cache holds, or enough work for an accelerator.
CHUNK_ON_CPU, CHUNK_ELSEWHERE = 2**20, 2**26

Compute = Callable[[Sequence[Tensor]], tuple[Tensor, Sequence[Tensor]]]  # a scalar and its gradients by some tensors


def in_chunks(function: Callable[[Tensor], Tensor], rows: Tensor, values: int) -> Tensor:
    """Return function(rows), rows (B*T or B*N, ...) that make `values` values each at the widest, by chunks."""
    results = [function(chunk) for chunk in _chunks(rows, values)]
    return results[0] if len(results) == 1 else torch.cat(results)


def streamed_mse(
    decoders: Iterable[nn.Module], latent: Tensor, target: Tensor, *, weight: Tensor | None = None
) -> Tensor:
    """Return mean(w (D(z) - y)^2) over latents z (B, G, T*S, h, w) and frames y (B, T, N, H, W), w 1 if not given.

    D is one decoder a group of variables; w is whatever broadcasts to y. The forecast D(z) never exists as a whole:
    each chunk is decoded, compared and differentiated at once. Kept are the gradients by the latents and the decoders'
    parameters, which the backward pass only scales; it has no second derivatives.
    """
    decoders = list(decoders)
    weights = None if weight is None else weight.expand_as(target)

    def compute(learning: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        return _decode_and_compare(decoders, latent, target, weights, learning)

    return _at_once(compute, latent, *(p for decoder in decoders for p in decoder.parameters()))


def gradients_at_once(objective: Callable[[], Tensor], parameters: Iterable[Tensor]) -> Tensor:
    """Return the scalar objective(), differentiated by `parameters` at once, so that nothing else of it is kept.

    The backward pass only scales the gradients; it has no second derivatives, and reaches nothing but `parameters`.
    """

    def compute(learning: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        with torch.set_grad_enabled(bool(learning)):
            value = objective()
        return value.detach(), _gradients(value, learning)

    return _at_once(compute, *parameters)


def _decode_and_compare(
    decoders: Sequence[nn.Module], latent: Tensor, target: Tensor, weight: Tensor | None, learning: Sequence[Tensor]
) -> tuple[Tensor, Sequence[Tensor]]:
    """Return the mean square error and its gradients by `learning`: parameters of the decoders, perhaps the latent."""
    found = {id(tensor): torch.zeros_like(tensor) for tensor in learning}
    latent_gradient = found.get(id(latent))
    total, variable = target.new_zeros(()), 0
    for i, decoder in enumerate(decoders):
        parameters = [p for p in decoder.parameters() if id(p) in found]
        sums = [found[id(p)] for p in parameters]
        z = latent.detach()[:, i].unflatten(1, (target.shape[1], -1)).flatten(0, 1)  # (B*T, S, h, w)
        pulls: list[Tensor] = []
        frame = 0
        for chunk in _chunks(z, z.shape[1] * target.shape[-2] * target.shape[-1]):
            chunk = chunk.clone().requires_grad_(latent_gradient is not None)
            wanted = [*parameters, chunk] if latent_gradient is not None else parameters
            with torch.set_grad_enabled(bool(wanted)):
                forecast = decoder(chunk)  # (frames, c, H, W)
            here = slice(frame, frame := frame + len(chunk)), slice(variable, variable + forecast.shape[1])
            error = forecast.detach().to(target.dtype) - target.flatten(0, 1)[here]
            pull = error if weight is None else error * weight.flatten(0, 1)[here]
            total += torch.dot(pull.flatten(), error.flatten())
            gradients = _gradients(forecast, wanted, (2 * pull).to(forecast.dtype))
            pulls += gradients[len(parameters) :]
            for known, gradient in zip(sums, gradients, strict=False):
                known += gradient
        if latent_gradient is not None:
            latent_gradient[:, i] = torch.cat(pulls).reshape(latent_gradient[:, i].shape)
        variable += forecast.shape[1]
    # The mean is taken last, so that small gradients do not vanish in a low precision on the way.
    return total / target.numel(), torch._foreach_div(list(found.values()), target.numel()) if found else []


def _gradients(output: Tensor, inputs: Sequence[Tensor], upstream: Tensor | None = None) -> Sequence[Tensor]:
    """Differentiate outside of autocast, as a backward pass is to run."""
    if not inputs:
        return []
    with torch.autocast(output.device.type, enabled=False):
        return torch.autograd.grad(output, inputs, upstream)


def _at_once(compute: Compute, *inputs: Tensor) -> Tensor:
    learning = list(dict.fromkeys(tensor for tensor in inputs if tensor.requires_grad))  # shared weights once
    return _Known.apply(compute, *learning) if learning and torch.is_grad_enabled() else compute([])[0]


class _Known(torch.autograd.Function):
    """A scalar whose gradients are known already."""

    @staticmethod
    def forward(ctx: Any, compute: Compute, *learning: Tensor) -> Tensor:
        value, gradients = compute(learning)
        ctx.save_for_backward(*gradients)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        return None, *torch._foreach_mul(ctx.saved_tensors, upstream[0])


def _chunks(frames: Tensor, values: int) -> Sequence[Tensor]:
    """Split frames (B*T, ...) whose widest activation has so many values a frame."""
    limit = CHUNK_ON_CPU if frames.device.type == "cpu" else CHUNK_ELSEWHERE
    return frames.split(max(1, limit // values))
