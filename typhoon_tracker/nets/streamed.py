"""Training passes that keep little: frame-wise coders run a few frames at a time, and gradients are taken early.

Encoders and decoders see one frame at a time (their GroupNorm is per frame), so a pass may go variable by variable and
chunk by chunk, exactly. What lies between two chunks is then a latent or a gradient, never a full-resolution activation
of all frames, and on a CPU the activations of a chunk stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.utils.checkpoint import checkpoint

from typhoon_tracker.nets.blocks import laid_out

# Values of the widest activation of a chunk: a CPU's second-level cache, or enough work for an accelerator.
CHUNK_ON_CPU, CHUNK_ELSEWHERE = 2**20, 2**26


def streamed_encode(encoders: Iterable[nn.Module], x: Tensor, *, groups: Sequence[int], channels: int) -> Tensor:
    """Return latents (B, G, T*S, h, w) of frames x (B, T, N, H, W), one encoder a group of variables, S = `channels`.

    Nothing but the frames is kept for the backward pass, which encodes each chunk again.
    """
    latents = []
    for encoder, group in zip(encoders, x.split(list(groups), dim=2), strict=True):
        frames = group.flatten(0, 1)  # (B*T, c, H, W)
        chunks = frames.split(_frames_at_once(channels * frames[0, 0].numel(), frames.device))
        z = torch.cat([checkpoint(encoder, laid_out(chunk), use_reentrant=False) for chunk in chunks])
        latents.append(z.reshape(x.shape[0], -1, *z.shape[2:]))
    return torch.stack(latents, dim=1)


def streamed_mse(
    decoders: Iterable[nn.Module], latent: Tensor, target: Tensor, *, weight: Tensor | None = None
) -> Tensor:
    """Return mean(w (D(z) - y)^2) over latents z (B, G, T*S, h, w) and frames y (B, T, N, H, W), w 1 if not given.

    D is one decoder a group of variables; w may be anything that broadcasts to y. The forecast D(z) never exists as a
    whole: each chunk is decoded, compared and differentiated at once, and what is kept are the gradients with respect
    to the latents and the decoders' parameters, which the backward pass only scales. It has no second derivatives.
    """
    decoders = list(decoders)
    parameters = list(dict.fromkeys(p for decoder in decoders for p in decoder.parameters()))  # shared ones once

    def compute(learning: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return _chunked_mse(decoders, latent, target, weight, learning)

    return _early(compute, [latent, *parameters])


def early_gradients(objective: Callable[[Tensor], Tensor], z: Tensor, *, parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return the scalar objective(z), whose gradients by z and `parameters` are taken at once, so that its graph can go.

    The backward pass only scales them. It has no second derivatives.
    """

    def compute(learning: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        with torch.set_grad_enabled(bool(learning)):
            own = z.detach().requires_grad_(bool(learning) and z.requires_grad)
            loss = objective(own)
        wanted = [own if tensor is z else tensor for tensor in learning]
        return loss.detach(), list(torch.autograd.grad(loss, wanted)) if wanted else []

    return _early(compute, [z, *parameters])


def _chunked_mse(
    decoders: list[nn.Module], latent: Tensor, target: Tensor, weight: Tensor | None, learning: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Return the loss and its gradients by `learning`."""
    b, frames = target.shape[:2]
    gradients = {id(tensor): torch.zeros_like(tensor) for tensor in learning}
    latent_gradient = gradients.get(id(latent))
    total, first = target.new_zeros(()), 0
    for i, decoder in enumerate(decoders):
        parameters = [p for p in decoder.parameters() if id(p) in gradients]
        z = latent.detach()[:, i].unflatten(1, (frames, -1)).flatten(0, 1)  # (B*T, S, h, w)
        size = z.shape[1] * target.shape[-2] * target.shape[-1]
        steps = z.split(_frames_at_once(size, z.device))
        z_gradients = []
        at = 0
        for step in steps:
            with torch.set_grad_enabled(bool(learning)):
                chunk = laid_out(step).requires_grad_(latent_gradient is not None)
                said = decoder(chunk)
            rows = torch.arange(at, at + len(step), device=target.device)
            at += len(step)
            here = (rows // frames, rows % frames, slice(first, first + said.shape[1]))
            error = said.detach().to(target.dtype) - target[here]
            pull = error if weight is None else error * weight.expand_as(target)[here]
            total += (pull * error).sum()
            if learning:
                wanted = [*parameters, chunk] if latent_gradient is not None else parameters
                found = torch.autograd.grad(said, wanted, (2 * pull).to(said.dtype))
                if latent_gradient is not None:
                    z_gradients.append(found[-1])
                torch._foreach_add_([gradients[id(p)] for p in parameters], list(found[: len(parameters)]))
        if latent_gradient is not None:
            latent_gradient[:, i] = torch.cat(z_gradients).reshape_as(latent_gradient[:, i])
        first += said.shape[1]
    scale = 1 / target.numel()
    found_all = list(gradients.values())
    if found_all:
        torch._foreach_mul_(found_all, scale)
    return total * scale, found_all


def _early(compute: Callable[[list[Tensor]], tuple[Tensor, list[Tensor]]], inputs: list[Tensor]) -> Tensor:
    learning = [tensor for tensor in inputs if tensor.requires_grad] if torch.is_grad_enabled() else []
    return _Early.apply(compute, *learning) if learning else compute([])[0]


class _Early(torch.autograd.Function):
    """A scalar with gradients that are known already."""

    @staticmethod
    def forward(ctx: FunctionCtx, compute: Callable, *learning: Tensor) -> Tensor:
        value, gradients = compute(list(learning))
        ctx.save_for_backward(*gradients)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        return None, *torch._foreach_mul(list(ctx.saved_tensors), upstream[0])  # type: ignore[attr-defined]


def _frames_at_once(values: int, device: torch.device) -> int:
    return max(1, (CHUNK_ON_CPU if device.type == "cpu" else CHUNK_ELSEWHERE) // values)
