"""Met2Net (Li et al., ICCV 2025): an encoder and a decoder per variable around a translator they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from typhoon_tracker.nets.blocks import ConvStage, TranslatorLayer


@dataclass(frozen=True)
class Met2NetConfig:
    """Sizes of the network; by default the paper's for ERA5 (T = 12, N = 4, S = 32, D = 256, N_S = 4, N_T = 8)."""

    frames_in: int = 12
    frames_out: int = 12
    variables: int = 4
    spatial_channels: int = 32
    temporal_channels: int = 256
    stages: int = 4
    layers: int = 8
    heads: int = 8
    drop_path: float = 0.1

    def __post_init__(self) -> None:
        if self.temporal_channels % self.heads:
            raise ValueError(
                f"{self.heads} heads do not divide temporal_channels = {self.temporal_channels}; choose a divisor."
            )
        if self.spatial_channels % 2:
            raise ValueError(f"spatial_channels = {self.spatial_channels} must be even (GroupNorm of two groups).")

    @property
    def stride(self) -> int:
        """How much coarser the latent grid is: every second stage halves it."""
        return 2 ** (self.stages // 2)


class Encoder(nn.Sequential):
    """One variable's frames (B*T, 1, H, W) to latents (B*T, S, H/stride, W/stride)."""

    def __init__(self, config: Met2NetConfig) -> None:
        s = config.spatial_channels
        super().__init__(*(ConvStage(1 if i == 0 else s, s, down=i % 2 == 1) for i in range(config.stages)))


class Decoder(nn.Sequential):
    """Latents (B*T, S, H/stride, W/stride) to one variable's frames (B*T, 1, H, W)."""

    def __init__(self, config: Met2NetConfig) -> None:
        s = config.spatial_channels
        up = [i % 2 == 1 for i in range(config.stages)][::-1]
        super().__init__(*(ConvStage(s, s, up=flag) for flag in up), nn.Conv2d(s, 1, 1))


class Translator(nn.Module):
    """Folded latents (B, N, T*S, h, w) of the past to those of the future, the variables attending to one another."""

    def __init__(self, config: Met2NetConfig) -> None:
        super().__init__()
        s, d = config.spatial_channels, config.temporal_channels
        self.enter = nn.Conv2d(config.frames_in * s, d, 1)
        self.layers = nn.Sequential(*(TranslatorLayer(d, config.heads, config.drop_path) for _ in range(config.layers)))
        self.leave = nn.Conv2d(d, config.frames_out * s, 1)

    def forward(self, z: Tensor) -> Tensor:
        b, n = z.shape[:2]
        hidden = self.enter(z.flatten(0, 1)).unflatten(0, (b, n))  # (B, N, D, h, w)
        return self.leave(self.layers(hidden).flatten(0, 1)).unflatten(0, (b, n))  # (B, N, T*S, h, w)


class Met2Net(nn.Module):
    """Forecast the next frames of several variables: x (B, T, N, H, W) to (B, T', N, H, W).

    H and W must be multiples of `config.stride`.
    """

    def __init__(self, config: Met2NetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoders = nn.ModuleList(Encoder(config) for _ in range(config.variables))
        self.translator = Translator(config)
        self.decoders = nn.ModuleList(Decoder(config) for _ in range(config.variables))

    def encode(self, x: Tensor, encoders: nn.ModuleList | None = None) -> Tensor:
        """Return latents (B, N, T*S, h, w) of frames (B, T, N, H, W), channel t*S + c; by given encoders if any."""
        b = x.shape[0]
        chosen = self.encoders if encoders is None else encoders
        latents = [encoder(x[:, :, i].flatten(0, 1)[:, None]) for i, encoder in enumerate(chosen)]
        return torch.stack([z.reshape(b, -1, *z.shape[2:]) for z in latents], dim=1)

    def decode(self, z: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        """Return frames (B, T', N, H, W) of latents (B, N, T'*S, h, w); only those at indices `frames` if given."""
        z = z.unflatten(2, (-1, self.config.spatial_channels))  # (B, N, T', S, h, w)
        if frames is not None:
            z = z[:, :, list(frames)]
        b, _, t = z.shape[:3]
        decoded = [
            decoder(z[:, i].flatten(0, 1)).reshape(b, t, *self._full(z)) for i, decoder in enumerate(self.decoders)
        ]
        return torch.stack(decoded, dim=2)

    def forward(self, x: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        return self.decode(self.translator(self.encode(x)), frames)

    def _full(self, z: Tensor) -> tuple[int, int]:
        return z.shape[-2] * self.config.stride, z.shape[-1] * self.config.stride
