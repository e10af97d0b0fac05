"""Met2Net as a textbook writes it, from plain layers alone: what the package's network is measured against.

It loads the same state dict as `typhoon_tracker.nets.met2net.Met2Net` and computes the same, layer by layer as the
public release does: the dilated depthwise convolution is one `nn.Conv2d`, every frame of every variable goes through in
one piece, and nothing is folded, reordered or recomputed.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from typhoon_tracker.nets.met2net import Met2NetConfig


class PlainStage(nn.Module):
    def __init__(self, c_in: int, c_out: int, *, stride: int = 1, up: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, 4 * c_out if up else c_out, 3, stride=stride, padding=1)
        self.shuffle = nn.PixelShuffle(2) if up else nn.Identity()
        self.norm = nn.GroupNorm(2, c_out)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.shuffle(self.conv(x))))


class PlainAttention(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.GroupNorm(1, channels))
        self.key = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.GroupNorm(1, channels))
        self.value = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.GroupNorm(1, channels))
        self.out = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.GroupNorm(1, channels), nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        b, n, d, h, w = x.shape
        flat = x.reshape(b * n, d, h, w)
        q, k, v = (
            part(flat).reshape(b, n, self.heads, -1).permute(0, 2, 1, 3) for part in (self.query, self.key, self.value)
        )
        scores = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(q.shape[-1])
        mixed = torch.matmul(scores.softmax(dim=-1), v).permute(0, 2, 1, 3)
        return self.out(mixed.reshape(b * n, d, h, w)).reshape(b, n, d, h, w)


class PlainUnit(nn.Module):
    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.project_in = nn.Conv2d(channels, channels, 1)
        self.near = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.far = nn.Conv2d(channels, channels, 7, padding=9, dilation=3, groups=channels)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.project_out = nn.Conv2d(channels, channels, 1)
        self.widen = nn.Conv2d(channels, 4 * channels, 1)
        self.depthwise = nn.Conv2d(4 * channels, 4 * channels, 3, padding=1, groups=4 * channels)
        self.narrow = nn.Conv2d(4 * channels, channels, 1)
        self.scale1 = nn.Parameter(torch.full((channels,), 0.01))
        self.scale2 = nn.Parameter(torch.full((channels,), 0.01))
        self.drop_path = drop_path

    def drop(self, x: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0.0:
            return x
        keep = 1 - self.drop_path
        return x * x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(keep) / keep

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.norm1(x)
        u = F.gelu(self.project_in(shortcut))
        gated = shortcut + self.project_out(u * self.mix(self.far(self.near(u))))
        x = x + self.drop(self.scale1[:, None, None] * gated)
        mlp = self.narrow(F.gelu(self.depthwise(self.widen(self.norm2(x)))))
        return x + self.drop(self.scale2[:, None, None] * mlp)


class PlainLayer(nn.Module):
    def __init__(self, channels: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.attention = PlainAttention(channels, heads)
        self.norm1, self.norm2 = nn.GroupNorm(1, channels), nn.GroupNorm(1, channels)
        self.unit = PlainUnit(channels, drop_path)

    def forward(self, x: Tensor) -> Tensor:
        b, n, d, h, w = x.shape
        flat = self.norm1((x + self.attention(x)).reshape(b * n, d, h, w))
        return self.norm2(flat + flat + self.unit(flat)).reshape(b, n, d, h, w)


class PlainTranslator(nn.Module):
    def __init__(self, config: Met2NetConfig) -> None:
        super().__init__()
        s, d = config.spatial_channels, config.temporal_channels
        self.enter = nn.Conv2d(config.frames_in * s, d, 1)
        self.layers = nn.Sequential(*(PlainLayer(d, config.heads, config.drop_path) for _ in range(config.layers)))
        self.leave = nn.Conv2d(d, config.frames_out * s, 1)

    def forward(self, z: Tensor) -> Tensor:
        b, n, c, h, w = z.shape
        hidden = self.enter(z.reshape(b * n, c, h, w)).reshape(b, n, -1, h, w)
        return self.leave(self.layers(hidden).reshape(b * n, -1, h, w)).reshape(b, n, -1, h, w)


class PlainMet2Net(nn.Module):
    """Frames (B, T, N, H, W) to frames (B, T', N, H, W)."""

    def __init__(self, config: Met2NetConfig) -> None:
        super().__init__()
        s, halves = config.spatial_channels, [i % 2 == 1 for i in range(config.stages)]
        self.config = config
        self.encoders = nn.ModuleList(
            nn.Sequential(*(PlainStage(s if i else 1, s, stride=2 if half else 1) for i, half in enumerate(halves)))
            for _ in range(config.variables)
        )
        self.translator = PlainTranslator(config)
        self.decoders = nn.ModuleList(
            nn.Sequential(*(PlainStage(s, s, up=half) for half in reversed(halves)), nn.Conv2d(s, 1, 1))
            for _ in range(config.variables)
        )

    def encode(self, x: Tensor) -> Tensor:
        b, t, _, h, w = x.shape
        latents = [encoder(x[:, :, i].reshape(b * t, 1, h, w)) for i, encoder in enumerate(self.encoders)]
        return torch.stack([z.reshape(b, -1, *z.shape[2:]) for z in latents], dim=1)  # (B, N, T*S, h, w)

    def decode(self, z: Tensor) -> Tensor:
        b, _, _, h, w = z.shape
        s = self.config.spatial_channels
        decoded = [decoder(z[:, i].reshape(-1, s, h, w)) for i, decoder in enumerate(self.decoders)]
        return torch.stack([y.reshape(b, -1, *y.shape[2:]) for y in decoded], dim=2)  # (B, T', N, H, W)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.translator(self.encode(x)))
