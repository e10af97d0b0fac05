"""Met2Net (Li et al., ICCV 2025): an encoder and a decoder per variable around a translator they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from typhoon_tracker.nets.blocks import TranslatorLayer
from typhoon_tracker.nets.coders import Decoder, Encoder, Shared, stride
from typhoon_tracker.nets.contract import (
    check_drop_path,
    check_even,
    check_frames,
    check_sizes,
    check_switches,
    set_sizes,
)
from typhoon_tracker.nets.streamed import in_chunks, streamed_mse
from typhoon_tracker.nets.units import CHANNEL_MULTIPLE, UNITS


@dataclass(frozen=True)
class Met2NetConfig:
    """Settings of the network; by default the paper's for ERA5 (T = 12, N = 4, S = 32, D = 256, N_S = 4, N_T = 8).

    `groups` are the channels of each variable in channel order: (1, 2, 1) makes u10, v10 one variable, with one
    encoder, one decoder and one token of attention; () is one channel each. `block` is the unit of a translator layer
    (the paper's Table 9). The paper's Table 8, but for its training, is
    - Baseline (no MED): every channel through one encoder and decoder, `groups=(variables,)`; the paper's own baseline
      is the network in `nets/tau.py`. The attention has one token then and mixes nothing.
    - + MED (multiple encoders and decoders): one channel a group, `attention=False`. The paper does not say how the
      variables meet without attention; here they do not.
    - + VA (variable attention): the default.
    `shared_coders` is in no table: one encoder and one decoder whose weights serve every variable in turn, which asks
    of MED whether each variable needs weights of its own. It needs groups of one size.

    Raises ValueError, quoting the value, for settings that fit no network.
    """

    frames_in: int = 12
    frames_out: int = 12
    variables: int = 4
    spatial_channels: int = 32
    temporal_channels: int = 256
    stages: int = 4
    layers: int = 8
    heads: int = 8
    drop_path: float = 0.1
    groups: tuple[int, ...] = ()
    block: str = "tau"
    attention: bool = True
    shared_coders: bool = False

    def __post_init__(self) -> None:
        check_sizes(self, "frames_in", "frames_out", "variables", "spatial_channels", "temporal_channels")
        check_sizes(self, "stages", "layers", "heads")
        check_even(self, "spatial_channels")
        check_drop_path(self)
        check_switches(self, "attention", "shared_coders")
        set_sizes(self, "groups")
        if self.temporal_channels % self.heads:
            raise ValueError(
                f"{self.heads} heads do not divide temporal_channels = {self.temporal_channels}; choose a divisor."
            )
        if self.groups and sum(self.groups) != self.variables:
            raise ValueError(
                f"groups = {self.groups} have {sum(self.groups)} channels together; variables = {self.variables}."
            )
        if self.shared_coders and len(set(self.group_sizes)) > 1:
            raise ValueError(f"shared_coders need groups of one size; groups = {self.groups}.")
        if not isinstance(self.block, str) or self.block not in UNITS:
            raise ValueError(f"unknown block {self.block!r}; known: {', '.join(UNITS)}.")
        multiple = CHANNEL_MULTIPLE.get(self.block, 1)
        if self.temporal_channels % multiple:
            raise ValueError(
                f"block {self.block!r} needs temporal_channels in multiples of {multiple}; "
                f"temporal_channels = {self.temporal_channels}."
            )

    @property
    def stride(self) -> int:
        """How much coarser the latent grid is: every second stage halves it."""
        return stride(self.stages)

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """Channels of each group, in channel order."""
        return self.groups or (1,) * self.variables


class Translator(nn.Module):
    """Folded latents (B, G, T*S, h, w) of the past to those of the future, the variables attending to one another."""

    def __init__(self, config: Met2NetConfig) -> None:
        super().__init__()
        s, d = config.spatial_channels, config.temporal_channels
        unit = UNITS[config.block]
        self.enter = nn.Conv2d(config.frames_in * s, d, 1)
        self.layers = nn.Sequential(
            *(
                TranslatorLayer(d, config.heads, config.drop_path, unit=unit, attention=config.attention)
                for _ in range(config.layers)
            )
        )
        self.leave = nn.Conv2d(d, config.frames_out * s, 1)

    def forward(self, z: Tensor) -> Tensor:
        b, g = z.shape[:2]
        hidden = self.enter(z.flatten(0, 1)).unflatten(0, (b, g))  # (B, G, D, h, w)
        return self.leave(self.layers(hidden).flatten(0, 1)).unflatten(0, (b, g))  # (B, G, T'*S, h, w)


class Met2Net(nn.Module):
    """Forecast the next frames of several variables: x (B, T, N, H, W) to (B, T', N, H, W).

    Raises ValueError where H and W are no multiples of `config.stride`, or frames or channels are not the config's.
    """

    def __init__(self, config: Met2NetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoders = _coders(Encoder, config)
        self.translator = Translator(config)
        self.decoders = _coders(Decoder, config)

    def encode(self, x: Tensor, encoders: nn.ModuleList | None = None) -> Tensor:
        """Return latents (B, G, T*S, h, w) of frames (B, T, N, H, W), channel t*S + c; by given encoders if any."""
        b = x.shape[0]
        groups = x.split(self.config.group_sizes, dim=2)  # G of (B, T, c, H, W)
        chosen = self.encoders if encoders is None else encoders
        size = self.config.spatial_channels * x.shape[-2] * x.shape[-1]
        latents = [in_chunks(encoder, group.flatten(0, 1), size) for encoder, group in zip(chosen, groups, strict=True)]
        return torch.stack([z.reshape(b, -1, *z.shape[2:]) for z in latents], dim=1)

    def decode(self, z: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        """Return frames (B, T', N, H, W) of latents (B, G, T'*S, h, w); only those at indices `frames` if given."""
        z = z.unflatten(2, (-1, self.config.spatial_channels))  # (B, G, T', S, h, w)
        if frames is not None:
            z = z[:, :, list(frames)]
        b, _, t = z.shape[:3]
        size = z[0, 0, 0].numel() * self.config.stride**2
        groups = zip(self.decoders, z.unbind(1), strict=True)
        decoded = [in_chunks(decoder, group.flatten(0, 1), size) for decoder, group in groups]  # G of (B*T', c, H, W)
        return torch.cat([y.unflatten(0, (b, t)) for y in decoded], dim=2)

    def forward(self, x: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        check_frames(x, self.config)
        return self.decode(self.translator(self.encode(x)), frames)

    def mean_square_error(self, x: Tensor, y: Tensor, frames: Sequence[int] | None = None) -> Tensor:
        """Return mean((net(x, frames) - y)^2), whose forecast never exists as a whole (see `streamed_mse`)."""
        check_frames(x, self.config)
        z = self.translator(self.encode(x))
        if frames is not None:
            z = z.unflatten(2, (-1, self.config.spatial_channels))[:, :, list(frames)].flatten(2, 3)
        return streamed_mse(self.decoders, z, y)


def _coders(coder: type[Encoder] | type[Decoder], config: Met2NetConfig) -> nn.ModuleList:
    sizes = config.group_sizes
    if config.shared_coders:
        return Shared(coder(sizes[0], config.spatial_channels, config.stages), len(sizes))
    return nn.ModuleList(coder(size, config.spatial_channels, config.stages) for size in sizes)
