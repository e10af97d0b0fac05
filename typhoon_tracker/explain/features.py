"""What every layer of a Met2Net says of a forecast, variable by variable, on the points of the latent grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from typhoon_tracker.nets.met2net import Met2Net


def layer_names(net: Met2Net) -> list[str]:
    """Return the names of the layers that `layers` gives, from the first stage of the encoder to the decoder's last."""
    config = net.config
    stages = range(1, config.stages + 1)
    translator = [*(f"T{i}" for i in range(1, config.layers + 1)), "T out"]
    return [*(f"E{i}" for i in stages), *translator, *(f"D{i}" for i in stages)]


@torch.inference_mode()
def layers(net: Met2Net, x: Tensor) -> Iterator[tuple[str, int, Tensor]]:
    """Yield (layer, token, features (B*h*w, p)) of every layer for normalised frames x (B, T, N, H, W).

    A row is a sample and a point of the latent grid; the p columns are what the layer says there: D channels in the
    translator, the S channels of all frames elsewhere, averaged over the latent grid's cells where finer.
    """
    b, cell = len(x), net.config.stride
    grid = [size // cell for size in x.shape[-2:]]
    latents = []
    for token, (encoder, group) in enumerate(zip(net.encoders, x.split(net.config.group_sizes, dim=2), strict=True)):
        y = group.flatten(0, 1)  # (B*T, c, H, W)
        for number, stage in enumerate(encoder.children(), start=1):
            y = stage(y)
            yield f"E{number}", token, _examples(y, b, grid)
        latents.append(y.unflatten(0, (b, -1)).flatten(1, 2))  # (B, T*S, h, w)
    z = torch.stack(latents, dim=1)
    translator = net.translator
    hidden = translator.enter(z.flatten(0, 1)).unflatten(0, z.shape[:2])  # (B, G, D, h, w)
    for number, layer in enumerate(translator.layers, start=1):
        hidden = layer(hidden)
        for token, y in enumerate(hidden.unbind(1)):
            yield f"T{number}", token, _examples(y, b, grid)
    future = translator.leave(hidden.flatten(0, 1)).unflatten(0, z.shape[:2])  # (B, G, T'*S, h, w)
    for token, y in enumerate(future.unbind(1)):
        yield "T out", token, _examples(y, b, grid)
    for token, decoder in enumerate(net.decoders):
        y = future[:, token].unflatten(1, (net.config.frames_out, -1)).flatten(0, 1)  # (B*T', S, h, w)
        for number, stage in enumerate(list(decoder.children())[:-1], start=1):
            y = stage(y)
            yield f"D{number}", token, _examples(y, b, grid)


def _examples(y: Tensor, samples: int, grid: Sequence[int]) -> Tensor:
    """Return features (B*h*w, p) of maps (B*T, C, H', W') whose grid is the latent one or a multiple of it."""
    factor = y.shape[-1] // grid[-1]
    coarse = F.avg_pool2d(y, factor) if factor > 1 else y
    return coarse.reshape(samples, -1, *grid).permute(0, 2, 3, 1).flatten(0, 2)
