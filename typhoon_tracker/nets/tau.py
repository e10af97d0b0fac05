"""TAU (Tan et al., CVPR 2023): every variable as a channel of one encoder, time folded into channels, one decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from typhoon_tracker.nets.blocks import LargeKernelUnit
from typhoon_tracker.nets.coders import Decoder, Encoder, stride
from typhoon_tracker.nets.contract import check_drop_path, check_even, check_frames, check_sizes, chosen


@dataclass(frozen=True)
class TauConfig:
    """Settings of TAU; by default those of the Met2Net paper's ERA5 table (12.29 M parameters, 18.3 G operations).

    Raises ValueError, quoting the value, for settings that fit no network.
    """

    frames_in: int = 12
    frames_out: int = 12
    variables: int = 4
    spatial_channels: int = 32
    temporal_channels: int = 256
    stages: int = 4
    layers: int = 8
    expansion: int = 8
    drop_path: float = 0.1

    def __post_init__(self) -> None:
        check_sizes(self, "frames_in", "frames_out", "variables", "spatial_channels", "temporal_channels")
        check_sizes(self, "stages", "layers", "expansion")
        check_even(self, "spatial_channels")
        check_drop_path(self)

    @property
    def stride(self) -> int:
        """How much coarser the latent grid is: every second stage halves it."""
        return stride(self.stages)


class DynamicAttentionUnit(LargeKernelUnit):
    """The whole temporal attention unit: statical attention of each frame times dynamical attention between frames.

    weigh(u) = SE(u) u conv1x1(dw7x7 dilation 3(dw5x5 u)), with SE(u) = sigmoid(W2 ReLU(W1 mean u)), a weight a channel
    from the mean over the grid; frames are channels here, so it weighs them against one another.
    """

    def __init__(self, channels: int, drop_path: float, *, expansion: int = 4) -> None:
        super().__init__(channels, drop_path, expansion=expansion)
        narrow = max(channels // 16, 4)
        self.excite = nn.Sequential(
            nn.Linear(channels, narrow, bias=False), nn.ReLU(), nn.Linear(narrow, channels, bias=False), nn.Sigmoid()
        )

    def weigh(self, u: Tensor) -> Tensor:
        return self.excite(u.mean((2, 3)))[:, :, None, None] * u * self.mix(self.far(self.near(u)))


class Tau(nn.Module):
    """Forecast the next frames: x (B, T, N, H, W) to (B, T', N, H, W), by SimVP's coders around units of attention.

    The first unit works on T*S channels, the others on D. The decoder's last stage is given the first stage's features
    of an input frame: output t those of input t, and beyond T those of the last.
    Raises ValueError where H and W are no multiples of `config.stride`, or frames or channels are not the config's.
    """

    def __init__(self, config: TauConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.variables, config.spatial_channels, config.stages)
        self.translator = _translator(config)
        self.decoder = Decoder(config.variables, config.spatial_channels, config.stages)

    def forward(self, x: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        check_frames(x, self.config)
        b, wanted = x.shape[0], chosen(frames, self.config)
        first, *stages = self.encoder
        fine = z = first(x.flatten(0, 1))  # (B*T, S, H, W)
        for stage in stages:
            z = stage(z)
        past = z.unflatten(0, (b, -1)).flatten(1, 2)  # (B, T*S, h, w)
        future = self.translator(past).unflatten(1, (self.config.frames_out, -1))  # (B, T', S, h, w)
        kept = [min(t, self.config.frames_in - 1) for t in wanted]
        fine = fine.unflatten(0, (b, -1))[:, kept].flatten(0, 1)
        return self._decode(future[:, wanted].flatten(0, 1), fine).unflatten(0, (b, len(wanted)))

    def _decode(self, z: Tensor, fine: Tensor) -> Tensor:
        *stages, last, readout = self.decoder
        for stage in stages:
            z = stage(z)
        return readout(last(z + fine))


def differential_divergence(predicted: Tensor, target: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Return TAU's differential divergence regularisation of frames (B, T, ...), a scalar in nats.

    KL(p || q) = sum p log(p / q) over a frame's values, p and q the softmaxes of predicted and target frame differences
    over the temperature, mean over samples and differences; 0 for a single frame. The public code takes the mean over
    the frame's values as well: its weight 0.1 is 0.1 / (N H W) here. Raises ValueError where the shapes differ or the
    temperature is not positive. Source: Tan et al. 2023, arXiv:2206.12126.
    """
    if predicted.shape != target.shape:
        raise ValueError(f"predicted frames {tuple(predicted.shape)} and target {tuple(target.shape)} differ in shape.")
    if not temperature > 0:
        raise ValueError(f"temperature = {temperature} must be positive.")
    if predicted.shape[1] < 2:
        return predicted.new_zeros(())

    def logarithm(frames: Tensor) -> Tensor:
        return F.log_softmax(frames.diff(dim=1).flatten(2) / temperature, dim=-1)  # (B, T - 1, N*H*W)

    p, q = logarithm(predicted), logarithm(target)
    return (p.exp() * (p - q)).sum(-1).mean()


def _translator(config: TauConfig) -> nn.Sequential:
    s, d = config.spatial_channels, config.temporal_channels
    widths = [config.frames_in * s] + [d] * (config.layers - 1)
    # Stochastic depth grows with depth, as in SimVP's public code.
    drops = [config.drop_path * (i + 1) / config.layers for i in range(config.layers)]
    first, *rest = (
        DynamicAttentionUnit(width, drop, expansion=config.expansion) for width, drop in zip(widths, drops, strict=True)
    )
    return nn.Sequential(first, nn.Conv2d(widths[0], d, 1), *rest, nn.Conv2d(d, config.frames_out * s, 1))
